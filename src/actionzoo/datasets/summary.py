"""What a dataset is, in a few numbers: for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from statistics import median
from typing import Any

from actionzoo.datasets.dataset import VideoDataset
from actionzoo.video.probing import Inspection


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """Least, middle and most of some numbers."""

    least: float
    median: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float | Fraction | None]) -> Spread | None:
        """Measure those that are known; None where none is."""
        known = [float(value) for value in values if value is not None]
        if not known:
            return None
        return cls(least=min(known), median=median(known), most=max(known))


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """A dataset in numbers."""

    format: str
    videos: int
    list_hash: str
    splits: tuple[dict[str, int], ...]
    """For each fold the number of samples a split."""
    groups: int
    classes: dict[str, dict[str, int]]
    """For each label the number of samples: in all, and in each split of the first fold."""
    probed: int
    """How many videos were opened for what follows."""
    unreadable: int
    """How many of those could not be."""
    duration_seconds: Spread | None
    fps: Spread | None
    sizes: dict[str, int]
    """Width x height and how many videos have it, the most frequent first."""
    codecs: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def summarise(dataset: VideoDataset, inspections: Sequence[Inspection]) -> Summary:
    """Count what a dataset tells, and what was found in some of its videos."""
    seen = [one for one in inspections if one.is_readable]
    return Summary(
        format=dataset.format,
        videos=len(dataset),
        list_hash=dataset.list_hash(),
        splits=tuple(dataset.split_counts(fold) for fold in range(1, dataset.folds + 1)),
        groups=len({group for group in dataset.groups() if group is not None}),
        classes=_classes(dataset),
        probed=len(inspections),
        unreadable=len(inspections) - len(seen),
        duration_seconds=Spread.of(one.duration_seconds for one in seen),
        fps=Spread.of(one.fps for one in seen),
        sizes=_counted(f"{one.width}x{one.height}" for one in seen),
        codecs=_counted(one.codec or "unknown" for one in seen),
    )


def _classes(dataset: VideoDataset) -> dict[str, dict[str, int]]:
    counts = {"videos": dataset.label_counts()}
    for split in dataset.splits:
        counts[split] = dataset.of_split(split).label_counts()
    return {
        label: {name: column[label] for name, column in counts.items()} for label in dataset.labels
    }


def _counted(words: Iterable[str]) -> dict[str, int]:
    return dict(Counter(words).most_common())


def spaced(count: int, most: int) -> list[int]:
    """Return at most ``most`` places, equally spaced over ``count``.

    >>> spaced(10, 3), spaced(2, 3)
    ([1, 5, 8], [0, 1])
    """
    if count <= most:
        return list(range(count))
    return [(2 * place + 1) * count // (2 * most) for place in range(most)]
