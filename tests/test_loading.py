"""Clips for training and evaluation: the pixels of prediction, the same however they are loaded."""

from __future__ import annotations

import logging
import pickle
import shutil
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch._utils import ExceptionWrapper

from actionzoo.augment import AugmentConfig
from actionzoo.batches import Key
from actionzoo.datasets import Sample, VideoDataset, open_dataset
from actionzoo.errors import ConfigError
from actionzoo.loading import (
    EvalClips,
    Item,
    NoClip,
    TrainClips,
    collate,
    count_faults,
    make_loader,
    read_all,
    without,
)
from actionzoo.predictor import Predictor
from actionzoo.spec import InputSpec, Resize, Views
from actionzoo.video import write_video as write_pixels
from videos import read_number, write_pictures, write_video

SPEC = InputSpec(
    frames=4,
    stride=2,
    fps=Fraction(30),
    resize=Resize(rule="short_side", height=64, width=64),
    height=64,
    width=64,
)
CHANGES = AugmentConfig(speed=(0.5, 2), shift=0.2, flip=True, noise=0.1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of four videos of 40 frames."""
    folder = tmp_path_factory.mktemp("data")
    for number, name in enumerate(["jump", "walk"]):
        (folder / name).mkdir()
        write_video(folder / name / "0.mp4", range(50 * number, 50 * number + 40))
        for copy in (1, 2, 3):
            shutil.copy(folder / name / "0.mp4", folder / name / f"{copy}.mp4")
    return folder


@pytest.fixture
def broken(folder: Path, tmp_path: Path) -> VideoDataset:
    """The same; the second to jump is no video, and of those that walk only the first is one."""
    copy = shutil.copytree(folder, tmp_path / "broken")
    for name in ("jump/1.mp4", "walk/1.mp4", "walk/2.mp4", "walk/3.mp4"):
        (copy / name).write_bytes(b"no video")
    return open_dataset(copy)


def dataset_of(*samples: Sample, **facts: Any) -> VideoDataset:
    return VideoDataset.from_samples(samples, **facts)


def numbers(item: Item) -> list[list[int]]:
    """The frame numbers that each view shows."""
    assert item.views is not None
    pixels = (item.views.permute(0, 2, 3, 4, 1) * 255).numpy()  # (V, T, H, W, C)
    return [[read_number(frame) for frame in view] for view in pixels]


# the same pixels


@pytest.mark.parametrize("views", [Views(), Views(clips=2, crops=3)])
def test_views_are_those_that_prediction_feeds_its_network(
    views: Views, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = Predictor(clips=views.clips, crops=views.crops)
    fed = []
    submit = predictor.backend.submit
    monkeypatch.setattr(predictor.backend, "submit", lambda one: fed.append(one) or submit(one))
    item = EvalClips(open_dataset(folder), predictor.spec.input, views=views)[5]
    predictor(folder / "walk" / "1.mp4")
    assert item.views is not None
    np.testing.assert_array_equal(item.views, np.concatenate(fed))


def test_a_part_of_a_file_is_all_that_is_seen_of_it(folder: Path) -> None:
    path = folder / "jump" / "0.mp4"
    middle = Sample(path=path, labels=("a",), start_seconds=0.5, end_seconds=26 / 30)
    end = Sample(path=path, labels=("a",), start_seconds=1.0)
    dataset = dataset_of(middle, end)
    assert numbers(EvalClips(dataset, SPEC)[0]) == [[17, 19, 21, 23]]
    assert numbers(EvalClips(dataset, SPEC)[1]) == [[31, 33, 35, 37]]
    starts = {numbers(TrainClips(dataset, SPEC)[Key(epoch, 0)])[0][0] for epoch in range(40)}
    assert starts == {15, 16, 17, 18, 19}


def test_pictures_are_shown_at_the_rate_of_their_dataset(tmp_path: Path) -> None:
    sample = Sample(path=write_pictures(tmp_path / "a", range(20)), labels=("a",))
    slow = EvalClips(dataset_of(sample, fps=Fraction(15)), SPEC)[0]
    assert numbers(slow) == [[8, 9, 10, 11]]
    assert numbers(EvalClips(dataset_of(sample), SPEC)[0]) == [[6, 8, 10, 12]]


def test_kept_frames_are_those_that_are_decoded_anew(folder: Path) -> None:
    path = folder / "jump" / "0.mp4"
    dataset = dataset_of(
        Sample(path=path, labels=("a",)),
        Sample(path=path, labels=("b",), start_seconds=0.5, end_seconds=1.0),
    )
    kept, broken = read_all(dataset, SPEC, keep=True)
    assert sorted(len(frames) for frames in kept.values()) == [15, 40]
    assert not broken
    for index in (0, 1):
        for one, other in (
            (
                TrainClips(dataset, SPEC, kept=kept)[Key(3, index)],
                TrainClips(dataset, SPEC)[Key(3, index)],
            ),
            (EvalClips(dataset, SPEC, kept=kept)[index], EvalClips(dataset, SPEC)[index]),
        ):
            torch.testing.assert_close(one.views, other.views, rtol=0, atol=0)


def test_a_file_cut_in_half_is_seen_as_far_as_it_goes(tmp_path: Path) -> None:
    write_video(tmp_path / "whole.avi", range(300), codec="mpeg4")
    data = (tmp_path / "whole.avi").read_bytes()
    (tmp_path / "half.avi").write_bytes(data[: len(data) // 2])
    dataset = dataset_of(Sample(path=tmp_path / "half.avi", labels=("a",)))
    assert 50 < numbers(EvalClips(dataset, SPEC)[0])[0][0] < 75
    starts = [numbers(TrainClips(dataset, SPEC)[Key(epoch, 0)])[0][0] for epoch in range(20)]
    assert max(starts) < 150


# the same chance


def test_clips_are_the_same_whatever_the_workers(folder: Path) -> None:
    clips = TrainClips(open_dataset(folder), SPEC, augment=CHANGES, seed=7)
    here = make_loader(clips, batch_size=3, workers=0)
    there = make_loader(clips, batch_size=3, workers=2)
    epochs = []
    for _ in range(2):
        for one, other in zip(here, there, strict=True):
            assert one.indices.tolist() == other.indices.tolist()
            torch.testing.assert_close(one.clips, other.clips, rtol=0, atol=0)
            epochs.append(one.clips)
    assert not torch.equal(epochs[0], epochs[2])
    here.batch_sampler.set_epoch(0)
    assert torch.equal(next(iter(here)).clips, epochs[0])


def test_a_copy_in_another_process_draws_the_same(folder: Path) -> None:
    clips = TrainClips(open_dataset(folder), SPEC, augment=CHANGES)
    copy = pickle.loads(pickle.dumps(clips))
    drawn = [clips[Key(epoch, 2)].views for epoch in (0, 1)]
    assert torch.equal(copy[Key(1, 2)].views, drawn[1])
    assert not torch.equal(drawn[0], drawn[1])


def test_loading_leaves_the_chance_of_the_network_alone(folder: Path) -> None:
    loader = make_loader(TrainClips(open_dataset(folder), SPEC), batch_size=4, workers=0)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    next(iter(loader))
    assert torch.equal(torch.get_rng_state(), before)


def test_smaller_clips_of_a_short_cycle_see_as_much_of_the_scene(folder: Path) -> None:
    clips = TrainClips(open_dataset(folder), SPEC, seed=0)
    assert clips[Key(0, 2, 0, 32)].views.shape == (1, 3, 4, 32, 32)
    smaller = TrainClips(open_dataset(folder), SPEC, seed=0, side=48)
    assert smaller[Key(0, 2)].views.shape == (1, 3, 4, 48, 48)


def test_clips_of_mirrored_labels_are_swapped_and_those_without_a_counterpart_left(
    tmp_path: Path,
) -> None:
    """A video that is bright on its left, under labels that a mirror changes or cannot change."""
    pixels = np.zeros((6, 64, 64, 3), np.uint8)
    pixels[:, :, :32] = 255
    for label in ("swipe left", "swipe right", "turn left"):
        (tmp_path / label).mkdir()
        write_pixels(tmp_path / label / "0.mp4", pixels, fps=Fraction(25))
    dataset = open_dataset(tmp_path)
    clips = TrainClips(dataset, SPEC, augment=AugmentConfig(flip=True))
    left, right, turn = (dataset.labels.index(one) for one in dataset.labels)
    seen = set()
    for epoch in range(24):
        for sample in (left, right, turn):
            item = clips[Key(epoch, sample)]
            mirrored = bool(item.views[..., :16].mean() < item.views[..., -16:].mean())
            seen.add((sample, mirrored, int(item.target)))
    assert seen == {
        (left, False, left),
        (left, True, right),
        (right, False, right),
        (right, True, left),
        (turn, False, turn),
    }


# batches


def test_a_batch_has_the_views_of_its_videos_one_after_another(folder: Path) -> None:
    clips = EvalClips(open_dataset(folder), SPEC, views=Views(clips=2))
    first, *_, last = make_loader(clips, batch_size=3)
    assert first.clips.shape == (6, 3, 4, 64, 64)
    assert (first.targets.tolist(), first.targets.dtype) == ([0, 0, 0], torch.int64)
    assert (last.indices.tolist(), last.targets.tolist()) == ([6, 7], [1, 1])
    torch.testing.assert_close(first.clips[2:4], clips[1].views)


def test_several_labels_are_a_row_of_zeros_and_ones(folder: Path) -> None:
    path = folder / "jump" / "0.mp4"
    dataset = dataset_of(Sample(path=path, labels=("a", "c")), Sample(path=path, labels=("b",)))
    batch = collate([EvalClips(dataset, SPEC)[index] for index in (0, 1)])
    assert batch.targets.tolist() == [[1, 0, 1], [0, 1, 0]]


def test_videos_without_a_label_are_refused(folder: Path) -> None:
    path = folder / "jump" / "0.mp4"
    dataset = dataset_of(Sample(path=path, labels=("a",)), Sample(path=path))
    with pytest.raises(ConfigError, match="1 of 2 videos have no label"):
        EvalClips(dataset, SPEC)


# faults


def test_another_of_its_class_takes_the_place_of_a_broken_video(broken: VideoDataset) -> None:
    clips = TrainClips(broken, SPEC)
    items = [clips[Key(epoch, 1)] for epoch in range(20)]
    assert {item.index for item in items} == {0, 2, 3}
    assert {item.target.item() for item in items} == {0}
    for item in items:
        assert item.fault is not None
        assert "jump/1.mp4" in item.fault
        assert numbers(item)[0][0] < 40
    assert clips[Key(0, 0)].fault is None


def test_where_no_other_can_be_read_all_are_named(broken: VideoDataset) -> None:
    clips = TrainClips(broken.select([5, 6, 7]), SPEC)
    with pytest.raises(NoClip, match=r"2 others .*walk/1\.mp4.*walk/[23]\.mp4.*walk/[23]\.mp4"):
        clips[Key(0, 0)]


def test_no_other_is_taken_where_that_is_asked_for(broken: VideoDataset) -> None:
    clips = TrainClips(broken, SPEC, on_error="raise")
    with pytest.raises(NoClip, match=r"^cannot open .*jump/1\.mp4.*$") as raised:
        clips[Key(0, 1)]
    from_worker = ExceptionWrapper((NoClip, raised.value, raised.tb), where="in a worker")
    with pytest.raises(NoClip) as raised_again:
        from_worker.reraise()
    assert str(raised_again.value) == str(raised.value)


def test_a_broken_video_is_never_replaced_in_evaluation(broken: VideoDataset) -> None:
    batches = list(make_loader(EvalClips(broken, SPEC), batch_size=3))
    assert [batch.indices.tolist() for batch in batches] == [[0, 2], [3, 4], []]
    assert [len(batch.clips) for batch in batches] == [2, 2, 0]
    assert [len(batch.targets) for batch in batches] == [2, 2, 0]
    assert [len(batch.faults) for batch in batches] == [1, 1, 2]
    assert "jump/1.mp4" in batches[0].faults[0]


@pytest.mark.parametrize(
    ("sample", "sentence"),
    [
        (Sample(path=Path("gone.mp4"), labels=("a",)), "No such file"),
        (Sample(path=Path("jump/0.mp4"), labels=("a",), start_seconds=9.0), "starts at 9 s"),
        (Sample(path=Path("jump/0.mp4"), labels=("a",), end_seconds=0.1), "clip needs"),
    ],
)
def test_a_fault_names_the_file_and_what_is_wrong(
    sample: Sample, sentence: str, folder: Path
) -> None:
    dataset = dataset_of(replace(sample, path=folder / sample.path))
    fault = EvalClips(dataset, replace(SPEC, short="error"))[0].fault
    assert fault is not None
    assert sentence in fault
    assert repr(str(dataset[0].path)) in fault


def test_a_fault_is_reported_once_and_counted_always(caplog: pytest.LogCaptureFixture) -> None:
    counted: Counter[str] = Counter()
    with caplog.at_level(logging.WARNING):
        for faults in (("a", "b"), (), ("a",)):
            count_faults(faults, counted)
    assert [record.getMessage()[-1] for record in caplog.records] == ["a", "b"]
    assert counted == {"a": 2, "b": 1}


@pytest.mark.parametrize("keep", [True, False])
def test_broken_videos_are_found_before_the_training(keep: bool, broken: VideoDataset) -> None:
    kept, faults = read_all(broken, SPEC, keep=keep)
    assert list(faults) == [1, 5, 6, 7]
    assert "jump/1.mp4" in faults[1]
    assert len(kept) == (4 if keep else 0)


def test_files_in_quarantine_are_left_out(folder: Path) -> None:
    dataset = open_dataset(folder)
    left = without(dataset, {"jump/0.mp4", str(folder / "walk" / "3.mp4"), "elsewhere.mp4"})
    assert left.paths() == [
        one for one in dataset.paths() if one not in ("jump/0.mp4", "walk/3.mp4")
    ]
