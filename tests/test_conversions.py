"""Every format to every other, and back: the same videos, labels, splits and groups."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from actionzoo.datasets import FORMATS, Format, Sample, VideoDataset, open_dataset
from actionzoo.datasets.check import check
from actionzoo.datasets.convert import convert
from actionzoo.datasets.inspection import inspect
from actionzoo.datasets.split import split_dataset
from actionzoo.errors import BadDataset
from actionzoo.video import open_video, write_video
from videos import number_pixels, read_number

LABELS = ("Run", "hand wave (left)", "jump")
names = pytest.mark.parametrize("other", FORMATS, ids=lambda one: one.name)


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> VideoDataset:
    """Videos that show their number, 0 to 8; three of a class and two of a group are together."""
    folder = tmp_path_factory.mktemp("source")
    samples = []
    for number in range(9):
        path = folder / f"video_{number}" / "clip#1&(a);é.mp4"
        path.parent.mkdir()
        write_video(path, [number_pixels(number)] * 2, fps=Fraction(25))
        split = ("train", "train", "test")[number // 3]
        group = f"person {number // 3}"
        samples.append(
            Sample(path=path, labels=(LABELS[number % 3],), splits=(split,), group=group)
        )
    return VideoDataset.from_samples(samples, root=folder, labels=LABELS)


@pytest.fixture(scope="session")
def written(
    source: VideoDataset, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Format], VideoDataset]:
    """Return what writes the source in a format, once, and reads it again."""
    done: dict[str, VideoDataset] = {}

    def write(target: Format) -> VideoDataset:
        if target.name not in done:
            done[target.name] = through(source, target, tmp_path_factory.mktemp(target.name))
        return done[target.name]

    return write


def through(dataset: VideoDataset, target: Format, folder: Path) -> VideoDataset:
    """Write a dataset in a format and read it again."""
    becomes_file = target.media == "files" and dataset[0].path.is_dir()
    rate = Fraction(25) if becomes_file else None
    # Names in plain lists have no blanks: those of links are made so.
    how = "link" if "list" in target.name and rate is None else None
    converted = convert(dataset, target, folder, how=how, fps=rate, processes=1)
    assert not converted.failures
    read = open_dataset(folder)
    assert read.format == (target.variant_of or target.name)
    return read


def number_of(sample: Sample) -> int:
    with open_video(sample.path) as video:
        return read_number(next(video.frames()).pixels)


def told(dataset: VideoDataset) -> list[tuple[int, str | None, str | None]]:
    """Return what is told of each video, in the order of their numbers."""
    return sorted((number_of(one), one.label, one.split) for one in dataset)


def companions(dataset: VideoDataset) -> list[list[int]]:
    """Return the numbers of the videos of each group, whatever it is called."""
    groups: dict[str | None, list[int]] = {}
    for sample in dataset:
        groups.setdefault(sample.group, []).append(number_of(sample))
    return sorted(sorted(numbers) for group, numbers in groups.items() if group is not None)


@pytest.mark.parametrize("one", FORMATS, ids=lambda one: one.name)
@names
def test_there_and_back(
    one: Format,
    other: Format,
    source: VideoDataset,
    written: Callable[[Format], VideoDataset],
    tmp_path: Path,
) -> None:
    first = written(one)
    second = through(first, other, tmp_path / "there")
    third = through(second, one, tmp_path / "back")
    assert told(first) == told(second) == told(third) == told(source)
    assert set(second.labels) == set(LABELS)
    assert first.labels == third.labels
    if one.holds.groups:
        assert companions(first) == companions(source)
    if one.holds.groups and other.holds.groups:
        assert companions(second) == companions(third) == companions(source)


@names
def test_all_folds_come_along(other: Format, source: VideoDataset, tmp_path: Path) -> None:
    folds = [
        split_dataset(source, {"train": 0.6, "test": 0.4}, by_group=True, seed=seed).split_column()
        for seed in range(3)
    ]
    whole = source.with_splits(folds)
    if other.holds.folds == 1:
        with pytest.raises(BadDataset, match="3 ways of splitting"):
            convert(whole, other, tmp_path / "out", processes=1)
        whole = whole.of_fold(2)
    read = through(whole, other, tmp_path / "out")
    assert sorted((number_of(one), one.splits) for one in read) == sorted(
        (number_of(one), one.splits) for one in whole
    )


@names
def test_every_format_is_checked(other: Format, written: Callable[[Format], VideoDataset]) -> None:
    dataset = written(other)
    report = check(dataset, inspect(dataset, processes=1))
    assert report.facts["readable"] == len(dataset)
    assert report.is_clean, [one.message for one in report.findings]
