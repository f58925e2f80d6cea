"""Clips to compare files on: which frames, in which form, with which labels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from actionzoo.catalog import get_spec
from actionzoo.datasets import Sample, VideoDataset, open_dataset
from actionzoo.errors import BadDataset, ConfigError
from actionzoo.exporting.clips import Clips, clips_of_dataset, drawn_clips, open_videos
from actionzoo.spec import ModelSpec, Resize
from actionzoo.synthetic import ACTIONS
from colour_model import SPEC, write_painted
from videos import read_number, write_video

NUMBERS = replace(
    SPEC,
    input=replace(
        SPEC.input,
        resize=Resize(rule="short_side", height=64, width=64),
        height=64,
        width=64,
        mean=(0.5, 0.5, 0.5),
    ),
)
"""Looks at 4 frames, every second one, of 64 px."""
SMALL = replace(
    get_spec("figures10"),
    input=replace(
        SPEC.input,
        frames=4,
        stride=6,
        fps=Fraction(25),
        resize=Resize(rule="short_side", height=24, width=24),
        height=24,
        width=24,
    ),
)
"""Looks at drawn figures in few pixels."""


@pytest.fixture
def colours(tmp_path: Path) -> VideoDataset:
    for name in ("red", "green"):
        for number in range(3):
            write_painted(tmp_path / "data" / name / f"{number}.mp4", name)
    return open_dataset(tmp_path / "data")


@contextmanager
def one_clip(path: Path, spec: ModelSpec, **facts: float) -> Iterator[Clips]:
    dataset = VideoDataset.from_samples([Sample(path=path, **facts)], root=path.parent)  # type: ignore[arg-type]
    with clips_of_dataset(dataset, spec, most=1) as clips:
        yield clips


def test_the_centre_clip_is_shown(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", range(30))
    with one_clip(tmp_path / "a.mp4", NUMBERS) as clips:
        assert [read_number(one) for one in clips.pixels(0)] == [11, 13, 15, 17]
        (facts,) = clips.facts
        assert facts.name == "a.mp4"
        assert facts.target is None
        assert facts.sha256 == hashlib.sha256(clips.pixels(0).tobytes()).hexdigest()
    with one_clip(tmp_path / "a.mp4", NUMBERS, start_seconds=0.5, end_seconds=1.0) as clips:
        assert [read_number(one) for one in clips.pixels(0)] == [19, 21, 23, 25]
        assert clips.facts[0].name == "a.mp4#t=0.5,1"


def test_each_file_gets_the_pixels_as_its_own_input_says(tmp_path: Path) -> None:
    write_painted(tmp_path / "a.mp4", "red", height=64, width=96)
    with one_clip(tmp_path / "a.mp4", NUMBERS) as clips:
        pixels = clips.pixels(0).astype(np.float32).transpose(3, 0, 1, 2)[None]
        assert pixels.shape == (1, 3, 4, 64, 64)
        own = clips.view(0, NUMBERS.input)
        np.testing.assert_allclose(own, pixels / 255 - 0.5, atol=1e-6)
        inside = replace(
            NUMBERS.input, color="BGR", value_range=(0, 255), mean=(0, 0, 0), layout="BTHWC"
        )
        np.testing.assert_allclose(clips.view(0, inside), pixels[:, ::-1], atol=1e-4)
        whole = clips.view(0, replace(inside, whole_frames=True))
        assert whole.shape == (1, 3, 4, 64, 96)
        assert whole.dtype == np.float32
        np.testing.assert_allclose(whole[0, 2].mean(), pixels[0, 0].mean(), atol=1)  # red
        assert whole[0, :2].max() < 20


def test_labels_are_matched_by_name(colours: VideoDataset) -> None:
    with clips_of_dataset(colours, SPEC, most=10) as clips:
        targets = clips.targets()
        assert targets is not None
        told = {facts.name: SPEC.labels[one] for facts, one in zip(clips.facts, targets)}  # noqa: B905
        assert told == {f"{name}/{one}.mp4": name for name in ("green", "red") for one in range(3)}
        assert clips.unlabelled == ""
    other = replace(SPEC, labels=("walk", "run", "skip"))
    with clips_of_dataset(colours, other, most=10) as clips:
        assert clips.targets() is None
        assert clips.unlabelled == (
            "the model does not know 2 of the dataset's labels: 'green', 'red'"
        )


def test_few_clips_are_spread_over_classes_and_lists(colours: VideoDataset) -> None:
    with clips_of_dataset(colours, SPEC, most=2) as clips:
        assert [one.name for one in clips.facts] == ["green/1.mp4", "red/1.mp4"]
    many = VideoDataset.from_samples(
        Sample(path=colours[0].path, labels=(name,)) for name in "abcdefgh"
    )
    with clips_of_dataset(many, SPEC, most=2) as clips:
        assert len(clips) == 2
    reports: list[tuple[int, int]] = []
    with clips_of_dataset(colours, SPEC, most=4, progress=lambda *one: reports.append(one)):
        assert reports == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_video_that_cannot_be_read_is_named(colours: VideoDataset) -> None:
    colours[0].path.write_bytes(b"no video")
    with clips_of_dataset(colours, SPEC, most=6) as clips:
        assert len(clips) == 5
        ((path, reason),) = clips.failures
        assert path == "green/0.mp4"
        assert "green/0.mp4" in reason
        # The others are still their own.
        assert clips.facts[0].name == "green/1.mp4"
        assert clips.pixels(0)[..., 1].mean() > 200
    with pytest.raises(BadDataset, match=r"5 of 6 videos .* at least 6 are needed .*green/0"):
        clips_of_dataset(colours, SPEC, most=6, least=6)


def test_what_cannot_be_compared_on_is_told(colours: VideoDataset, tmp_path: Path) -> None:
    for most, least, why in ((0, 1, "at least 1"), (9, 9, "6 videos; at least 9 are needed")):
        with pytest.raises(ConfigError, match=why):
            clips_of_dataset(colours, SPEC, most=most, least=least)
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(BadDataset, match="0 of 1 videos"):
        one_clip(tmp_path / "a.mp4", SPEC).__enter__()
    flow = replace(SPEC, input=replace(SPEC.input, channels=2, mean=(0, 0), std=(1, 1)))
    with pytest.raises(ConfigError, match="optical flow"):
        clips_of_dataset(colours, flow, most=1)


def test_too_little_room_is_told_before_anything_is_read(
    colours: VideoDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(ConfigError, match="set TMPDIR"):
        clips_of_dataset(colours, SPEC, most=2)


def test_nothing_is_left_behind(
    colours: VideoDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    with clips_of_dataset(colours, SPEC, most=2):
        assert len(list((tmp_path / "temporary").rglob("*.npy"))) == 2
    assert list((tmp_path / "temporary").iterdir()) == []
    for sample in colours:
        sample.path.write_bytes(b"no video")
    with pytest.raises(BadDataset):
        clips_of_dataset(colours, SPEC, most=2)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_videos_without_labels_can_be_opened(tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    for name in ("10", "9"):
        write_painted(folder / f"{name}.mp4", "red")
    assert open_videos(folder).paths() == ["9.mp4", "10.mp4"]
    assert open_videos(folder / "9.mp4").paths() == ["9.mp4"]
    (folder / "notes.txt").write_text("what is this?")
    for wrong in (folder, tmp_path / "nothing"):
        with pytest.raises(BadDataset):
            open_videos(wrong)
    for split in ("train", "val"):
        for name in ("red", "green"):
            write_painted(tmp_path / "split" / split / name / f"{split}.mp4", name)
    assert open_videos(tmp_path / "split").paths() == ["val/green/val.mp4", "val/red/val.mp4"]
    assert len(open_videos(tmp_path / "split", prefer=("test", "train"))) == 2


def test_drawn_clips_are_the_same_every_time() -> None:
    with drawn_clips(SMALL, count=11) as clips, drawn_clips(SMALL, count=3, seed=1) as others:
        assert clips.targets() is not None
        assert [one.target for one in clips.facts] == [*range(10), 0]
        assert clips.facts[2].name == f"drawn/{ACTIONS[2].name}/0_00000"
        assert clips.pixels(2).shape == (4, 24, 24, 3)
        assert clips.facts[2].sha256 != others.facts[2].sha256
        # The file that crops itself gets what is left and right of the crop too.
        whole = clips.view(2, replace(SMALL.input, whole_frames=True, color="RGB"))
        np.testing.assert_array_equal(
            whole[0, :, :, :, 4:28], clips.pixels(2).transpose(3, 0, 1, 2)
        )
    with drawn_clips(SMALL, count=3) as again:
        assert again.facts == clips.facts[:3]


def test_labels_of_drawings_are_those_of_the_generator_or_none() -> None:
    names = tuple(sorted(one.name for one in ACTIONS))[::-1]
    with drawn_clips(replace(SMALL, labels=names), count=2) as clips:
        assert [names[one.target or 0] for one in clips.facts] == [ACTIONS[0].name, ACTIONS[1].name]
    with drawn_clips(replace(SMALL, labels=("a", "b")), count=1) as clips:
        assert clips.targets() is None
        assert "drawn figures" in clips.unlabelled
    with pytest.raises(ConfigError, match="0 clips"):
        drawn_clips(SMALL, count=0)


def test_a_strip_is_a_small_picture_of_three_frames(tmp_path: Path) -> None:
    from actionzoo.video import open_video

    write_video(tmp_path / "a.mp4", range(30), height=256, width=320)
    large = replace(
        NUMBERS.input, resize=Resize(rule="squash", height=255, width=323), height=255, width=323
    )
    with one_clip(tmp_path / "a.mp4", replace(NUMBERS, input=large)) as clips:
        (tmp_path / "a.jpg").write_bytes(clips.strip(0))
    with open_video((tmp_path / "a.jpg").read_bytes()) as video:
        (picture,) = video.frames()
    height, width = picture.pixels.shape[:2]
    assert (height, width) == (84, 3 * 106)
    thirds = [picture.pixels[:, 106 * one : 106 * (one + 1)] for one in range(3)]
    assert [read_number(one) for one in thirds] == [11, 15, 17]
