"""Splits keep groups whole, classes in proportion, and are the same from the same seed."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from actionzoo.datasets import Sample, VideoDataset, open_dataset
from actionzoo.datasets.split import k_folds, leave_one_group_out, split_dataset
from actionzoo.errors import ConfigError

HALVES = {"train": 0.5, "test": 0.5}


def dataset(rows: list[tuple[str, str | None]]) -> VideoDataset:
    """Make a dataset of (label, group) pairs."""
    return VideoDataset.from_samples(
        Sample(path=Path(f"/videos/{number}.mp4"), labels=(label,), group=group)
        for number, (label, group) in enumerate(rows)
    )


def straddling(split: VideoDataset, fold: int = 1) -> set[str | None]:
    """Return the groups that are in more than one split."""
    places: dict[str | None, set[str | None]] = {}
    for group, name in zip(split.groups(), split.split_column(fold), strict=True):
        places.setdefault(group, set()).add(name)
    return {group for group, names in places.items() if group is not None and len(names) > 1}


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), min_size=2),
    st.floats(0.1, 0.9),
    st.integers(0, 3),
)
def test_no_group_straddles_and_no_sample_is_lost(
    rows: list[tuple[str, int]], share: float, seed: int
) -> None:
    whole = dataset([(label, str(group)) for label, group in rows])
    assume(len({group for _, group in rows}) > 1)
    shares = {"train": 1 - share, "test": share}
    try:
        split = split_dataset(whole, shares, by_group=True, seed=seed)
    except ConfigError:
        # Large groups, and a share too small for any.
        return
    assert not straddling(split)
    assert sum(split.split_counts().values()) == len(rows)
    assert [one.path for one in split] == [one.path for one in whole]


@given(st.integers(2, 40), st.integers(2, 40), st.floats(0.05, 0.95), st.integers(0, 3))
def test_videos_without_groups_are_stratified_exactly(
    first: int, second: int, share: float, seed: int
) -> None:
    whole = dataset([("a", None)] * first + [("b", None)] * second)
    split = split_dataset(whole, {"train": 1 - share, "test": share}, by_group=True, seed=seed)
    counts = split.of_split("test").label_counts()
    for label, number in (("a", first), ("b", second)):
        assert 1 <= counts[label] <= number - 1 or number * min(share, 1 - share) < 1
        assert abs(counts[label] - share * number) <= 1


def test_the_seed_decides() -> None:
    whole = dataset([("a", None)] * 30)
    one, same, other = (
        split_dataset(whole, HALVES, by_group=False, seed=seed).split_column() for seed in (0, 0, 1)
    )
    assert one == same != other


def test_groups_are_divided_where_that_is_wanted() -> None:
    whole = dataset([("a", "one")] * 10)
    with pytest.raises(ConfigError, match="nothing is left for 'test'"):
        split_dataset(whole, HALVES, by_group=True, seed=0)
    split = split_dataset(whole, HALVES, by_group=False, seed=0)
    assert split.split_counts() == {"train": 5, "test": 5}


def test_parts_of_one_file_stay_together() -> None:
    whole = VideoDataset.from_samples(
        Sample(
            path=Path(f"/{video}.mp4"), labels=("a",), start_seconds=start, end_seconds=start + 1
        )
        for video in range(6)
        for start in range(3)
    )
    split = split_dataset(whole, HALVES, by_group=False, seed=0)
    by_path = {(one.path, one.split) for one in split}
    assert len(by_path) == 6


def test_samples_without_a_label_are_in_no_split(caplog: pytest.LogCaptureFixture) -> None:
    samples = [Sample(path=Path(f"/{n}.mp4"), labels=("a",) if n < 4 else ()) for n in range(6)]
    with caplog.at_level(logging.WARNING):
        split = split_dataset(VideoDataset.from_samples(samples), HALVES, by_group=False, seed=0)
    assert split.split_column()[4:] == [None, None]
    assert "2 samples have no label" in caplog.text


def test_a_class_of_one_group_is_named(caplog: pytest.LogCaptureFixture) -> None:
    whole = dataset([("a", "1"), ("a", "2"), ("b", "3"), ("b", "3")])
    with caplog.at_level(logging.WARNING):
        split_dataset(whole, HALVES, by_group=True, seed=0)
    assert "1 classes have too few groups or videos to be in" in caplog.text
    assert caplog.text.strip().endswith(": b")


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), min_size=12), st.integers(2, 5)
)
def test_every_sample_is_tested_once(rows: list[tuple[str, int]], folds: int) -> None:
    whole = dataset([(label, str(group)) for label, group in rows])
    if len({group for _, group in rows}) < folds:
        with pytest.raises(ConfigError, match="folds of"):
            k_folds(whole, folds, by_group=True, seed=0)
        return
    split = k_folds(whole, folds, by_group=True, seed=0)
    assert split.folds == folds
    assert all(sample.splits.count("test") == 1 for sample in split)
    assert not any(straddling(split, fold) for fold in range(1, folds + 1))


def test_leave_one_group_out(shared: Path) -> None:
    whole = open_dataset(shared / "data" / "weizmann")
    split = leave_one_group_out(whole)
    people = sorted({str(group) for group in whole.groups()})
    assert split.folds == len(people) == 6
    for fold, person in enumerate(people, 1):
        assert {one.group for one in split.of_split("test", fold)} == {person}
        assert person not in split.of_split("train", fold).groups()


def test_what_cannot_be_left_out() -> None:
    with pytest.raises(ConfigError, match="1 of 2 samples have no group"):
        leave_one_group_out(dataset([("a", "1"), ("a", None)]))
    with pytest.raises(ConfigError, match="one group only, '1'"):
        leave_one_group_out(dataset([("a", "1"), ("b", "1")]))


@pytest.mark.parametrize("shares", [{"train": 0.7, "test": 0.7}, {"train": 1.5, "test": -0.5}])
def test_shares_that_cannot_be(shares: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="together they are 1"):
        split_dataset(dataset([("a", None)] * 4), shares, by_group=True, seed=0)


@pytest.mark.parametrize(("name", "groups"), [("weizmann", 6), ("fights", 52)])
def test_real_groups_do_not_leak(name: str, groups: int, shared: Path) -> None:
    whole = open_dataset(shared / "data" / name)
    assert len({*whole.groups()}) == groups
    split = split_dataset(whole, {"train": 0.7, "test": 0.3}, by_group=True, seed=0)
    assert not straddling(split)
    share = split.split_counts()["test"] / len(whole)
    assert abs(share - 0.3) < 0.08
    for label, count in split.of_split("test").label_counts().items():
        assert 0 < count < whole.label_counts()[label]
