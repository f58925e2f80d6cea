"""Divide a dataset: the same share of every class, groups whole, the same from the same seed.

What must not be divided is a unit: the videos of a group, or the samples cut from one file. Units
are dealt out one by one, large ones first, each to the split that lacks its classes most. For units
of one video that is exact stratification; for groups it is the greedy rule of stratified group
folds.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from actionzoo.datasets.dataset import VideoDataset
from actionzoo.errors import ConfigError

logger = logging.getLogger(__name__)

MOST_NAMED = 5
"""As many classes as a message names."""


def split_dataset(
    dataset: VideoDataset, shares: Mapping[str, float], *, by_group: bool, seed: int
) -> VideoDataset:
    """Give every sample one split.

    Args:
        dataset: Its own splits are replaced.
        shares: Share of each split by name, such as ``{"train": 0.7, "test": 0.3}``; they add to 1.
        by_group: Keep the samples of a group together; those without a group are by themselves.
        seed: Of the order in which units of one size are dealt out.

    Returns:
        The dataset with one fold. Samples without a label are in no split.

    Raises:
        ConfigError: The shares do not add to 1, or a split would be empty.
    """
    if any(share <= 0 for share in shares.values()) or abs(sum(shares.values()) - 1) > 1e-6:
        told = ", ".join(f"{name} {share:g}" for name, share in shares.items())
        raise ConfigError(f"the shares are {told}; each is above 0 and together they are 1")
    units = _units(dataset, by_group=by_group)
    names = list(shares)
    places = _deal(units, np.array([shares[name] for name in names]), len(dataset.labels), seed)
    by_sample = _by_sample(units, places, len(dataset))
    splits = [names[place] if place >= 0 else None for place in by_sample]
    for name in names:
        if name not in splits:
            what = "groups, or videos without one" if by_group else "videos"
            raise ConfigError(
                f"nothing is left for {name!r} of {len(units)} {what}; give it a larger share"
                + (", or divide by video: actionzoo data split --by video" if by_group else "")
            )
    _warn_of_missing(dataset, splits)
    return dataset.with_splits([splits])


def k_folds(dataset: VideoDataset, folds: int, *, by_group: bool, seed: int) -> VideoDataset:
    """Split in several ways, so that every sample is in ``test`` once and else in ``train``.

    Raises:
        ConfigError: There are fewer than two folds, or fewer units than folds.
    """
    units = _units(dataset, by_group=by_group)
    if not 2 <= folds <= len(units):
        what = "groups" if by_group else "videos"
        raise ConfigError(f"{folds} folds of {len(units)} {what}; give from 2 to {len(units)}")
    places = _deal(units, np.full(folds, 1 / folds), len(dataset.labels), seed)
    return dataset.with_splits(_one_out(_by_sample(units, places, len(dataset)), folds))


def leave_one_group_out(dataset: VideoDataset) -> VideoDataset:
    """Split in as many ways as there are groups, in order of their names, each in ``test`` once.

    Raises:
        ConfigError: A sample has no group, or there is one group only.
    """
    groups = dataset.groups()
    missing = groups.count(None)
    if missing:
        raise ConfigError(
            f"{missing} of {len(groups)} samples have no group; give one with a table that has a "
            "column group"
        )
    names = sorted({str(group) for group in groups})
    if len(names) < 2:
        raise ConfigError(f"there is one group only, {names[0]!r}; two or more are needed")
    place_of = {name: place for place, name in enumerate(names)}
    return dataset.with_splits(_one_out([place_of[str(one)] for one in groups], len(names)))


def _one_out(places: Sequence[int], folds: int) -> list[list[str | None]]:
    return [
        [None if place < 0 else "test" if place == fold else "train" for place in places]
        for fold in range(folds)
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Unit:
    """Samples that stay together, and how many of each class they are."""

    samples: list[int]
    classes: np.ndarray
    counts: np.ndarray


def _units(dataset: VideoDataset, *, by_group: bool) -> list[_Unit]:
    """Put together what is of one group or one file; samples without a label are left out."""
    groups = dataset.groups() if by_group else [None] * len(dataset)
    indices = dataset.class_indices()
    together: dict[tuple[str, str], list[int]] = {}
    for place, (group, path) in enumerate(zip(groups, dataset.paths(), strict=True)):
        if indices[place]:
            key = ("path", path) if group is None else ("group", group)
            together.setdefault(key, []).append(place)
    unlabelled = indices.count(())
    if unlabelled:
        logger.warning("%d samples have no label and are in no split", unlabelled)
    return [_unit(samples, indices) for samples in together.values()]


def _unit(samples: list[int], indices: Sequence[tuple[int, ...]]) -> _Unit:
    classes, counts = np.unique(
        [one for place in samples for one in indices[place]], return_counts=True
    )
    return _Unit(samples, classes, counts)


def _deal(units: Sequence[_Unit], shares: np.ndarray, num_classes: int, seed: int) -> list[int]:
    """Choose a split for every unit.

    The sum over splits and classes of (count - wanted)^2 / total, the count of a class being its
    samples in the split, grows least where the unit's classes are lacking most.

    Returns:
        The split of each unit, by its place in ``shares``.
    """
    wanted = _wanted(units, shares, num_classes)  # (splits, classes)
    total = np.maximum(wanted.sum(0), 1)
    count = np.zeros_like(wanted)
    chosen = [0] * len(units)
    for place in _order(units, seed):
        unit = units[place]
        surplus = (count[:, unit.classes] - wanted[:, unit.classes]) / total[unit.classes]
        chosen[place] = int((surplus * unit.counts).sum(1).argmin())
        count[chosen[place], unit.classes] += unit.counts
    return chosen


def _order(units: Sequence[_Unit], seed: int) -> list[int]:
    """Return large units first, those of one size by chance."""
    shuffled = np.random.default_rng(seed).permutation(len(units)).tolist()
    return sorted(shuffled, key=lambda place: -len(units[place].samples))


def _wanted(units: Sequence[_Unit], shares: np.ndarray, num_classes: int) -> np.ndarray:
    """Return how many samples of each class each split should get, shape (splits, classes).

    A split gets one at least of a class that has a unit for each split.
    """
    samples, holders = np.zeros(num_classes), np.zeros(num_classes)
    for unit in units:
        samples[unit.classes] += unit.counts
        holders[unit.classes] += 1
    wanted = shares[:, None] * samples
    least = np.where(holders >= len(shares), 1.0, 0.0)
    raised = np.maximum(wanted, least)
    largest = shares.argmax()
    raised[largest] = samples - np.delete(raised, largest, axis=0).sum(0)
    return raised


def _by_sample(units: Sequence[_Unit], places: Sequence[int], num_samples: int) -> list[int]:
    """Return the split of every sample, -1 for those in no unit."""
    by_sample = [-1] * num_samples
    for unit, place in zip(units, places, strict=True):
        for sample in unit.samples:
            by_sample[sample] = place
    return by_sample


def _warn_of_missing(dataset: VideoDataset, splits: Sequence[str | None]) -> None:
    """Say which classes are not in every split: they have too few groups or videos."""
    used = dict(zip(dataset.labels, dataset.label_counts().values(), strict=True))
    split = dataset.with_splits([splits])
    for name in split.splits:
        counts = split.of_split(name).label_counts()
        lacking = [label for label, count in counts.items() if count == 0 and used[label]]
        if lacking:
            more = f" and {len(lacking) - MOST_NAMED} more" if len(lacking) > MOST_NAMED else ""
            logger.warning(
                "%d classes have too few groups or videos to be in %s: %s%s",
                len(lacking),
                name,
                ", ".join(lacking[:MOST_NAMED]),
                more,
            )
