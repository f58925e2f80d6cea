"""Drawn clips are laid out in every format, split and grouped as it can tell."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from actionzoo.datasets import FORMATS, Format, generator, open_dataset
from actionzoo.datasets.generator import DRAWN, make_in_format
from actionzoo.datasets.opening import find_format
from actionzoo.errors import BadDataset
from actionzoo.synthetic import ACTIONS
from actionzoo.video import count_frames, write_video
from videos import number_pixels


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Number clips instead of drawing them."""

    def number(folder: Path, *, clips_per_class: int, seed: int, **options: Any) -> None:
        suffix, report = options.get("suffix", ".mp4"), options.get("progress")
        total = clips_per_class * len(ACTIONS)
        for done in range(total):
            path = folder / ACTIONS[done % 10].name / f"plain_{seed}_{done // 10:05d}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                frames = [number_pixels((done + step) % 4096) for step in range(2)]
                write_video(path, frames, fps=Fraction(25))
            if report is not None:
                report(done + 1, total)

    monkeypatch.setattr(generator, "make_dataset", number)


@pytest.mark.parametrize("target", FORMATS, ids=lambda one: one.name)
def test_every_format_is_made_and_read(target: Format, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    folder = tmp_path / "out"
    make_in_format(
        folder, target, clips_per_class=3, processes=1, progress=lambda *n: seen.append(n)
    )
    dataset = open_dataset(folder)
    assert dataset.format == (target.variant_of or target.name)
    assert len(dataset) == 3 * len(ACTIONS)
    assert len(dataset.labels) == len(ACTIONS)
    assert all(one.path.exists() for one in dataset)
    assert count_frames(dataset[7].path) == 2
    assert seen[-1] == (30, 30)
    assert not (folder / DRAWN).exists()
    if target.name != "class-folders":
        assert {"train", "test"} <= set(dataset.splits)


def test_whole_groups_are_in_a_split_and_folds_differ(tmp_path: Path) -> None:
    make_in_format(tmp_path / "out", find_format("ucf101"), clips_per_class=10, processes=1)
    dataset = open_dataset(tmp_path / "out")
    assert (dataset.folds, dataset.split_counts()) == (3, {"train": 80, "test": 20})
    for fold in (1, 2, 3):
        pairs = set(zip(dataset.groups(), dataset.split_column(fold), strict=True))
        assert len(pairs) == len(set(dataset.groups())) == 5
    assert len({tuple(dataset.split_column(fold)) for fold in (1, 2, 3)}) == 3


@pytest.mark.parametrize("clips", [1, 2, 3])
def test_few_clips_will_do(clips: int, tmp_path: Path) -> None:
    make_in_format(tmp_path / "out", find_format("csv"), clips_per_class=clips, processes=1)
    dataset = open_dataset(tmp_path / "out")
    assert len(dataset) == 10 * clips
    assert dataset.splits == ("train", "val", "test")[:clips]


def test_interrupted_goes_on(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 12:
            raise KeyboardInterrupt

    csv = find_format("csv")
    for seed in (0, 1):  # the second is another wish: what the first drew is not in it
        with pytest.raises(KeyboardInterrupt):
            make_in_format(tmp_path / "out", csv, clips_per_class=2, seed=seed, progress=interrupt)
    make_in_format(tmp_path / "out", csv, clips_per_class=2, seed=1, processes=1)
    dataset = open_dataset(tmp_path / "out")
    assert len(dataset) == 20
    assert all(path.rpartition("/")[2].startswith("plain_1_") for path in dataset.paths())


def test_a_folder_with_something_in_it_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    with pytest.raises(BadDataset, match=r"is not empty, it holds 'mine\.txt'; give a new folder"):
        make_in_format(tmp_path, find_format("csv"), clips_per_class=1)
    assert [one.name for one in tmp_path.iterdir()] == ["mine.txt"]


def test_drawn_clips_are_encoded_as_the_format_wants(tmp_path: Path) -> None:
    make_in_format(tmp_path / "out", find_format("ucf101"), clips_per_class=1, processes=1)
    assert {one.path.suffix for one in open_dataset(tmp_path / "out")} == {".avi"}
