"""How far a number may be from the truth: videos, or groups of them, are drawn again and again.

A number of a list of videos is written as a function of weights, how often each video counts. With
weights of 1 it is the number itself; with the weights of a drawing it is the number of the list
that was drawn (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 6 and 13).
Thousands of drawings are a few products of matrices and sums over runs, none of them a loop over
videos.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Statistic = Callable[[np.ndarray], np.ndarray]
"""From weights of the videos, shape (S, N) float64 and at least 0, to the number of each of the S
drawings, shape (S,); NaN where a drawing has none."""

LEVEL = 0.95
FEWEST_GROUPS = 5
"""With fewer groups there are too few different drawings of them."""
_Z = 1.959963984540054
"""Of the normal distribution, ``LEVEL`` lies within as many standard deviations of the mean."""
_CHUNK_VALUES = 1 << 20
"""As many weights are held at a time: they stay in the processor's cache."""


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """What is drawn: videos, or whole groups of them."""

    index: np.ndarray
    """The unit of each video, shape (N,) int64 in [0, count)."""
    count: int
    name: str
    """``videos`` or ``groups``."""


def choose_units(groups: Sequence[str | None]) -> Units:
    """Choose what is drawn: groups where all are known and there are at least ``FEWEST_GROUPS``.

    Videos of one person or recording are alike, and are right or wrong together: to draw them one
    by one gives intervals that are too narrow (Davison and Hinkley, Bootstrap Methods, 1997, 3.8).
    With a handful of groups an interval is still rather too narrow, less so than without them.
    """
    place_of = {name: place for place, name in enumerate(dict.fromkeys(groups))}
    if None in place_of or not FEWEST_GROUPS <= len(place_of) < len(groups):
        return Units(np.arange(len(groups)), len(groups), "videos")
    return Units(np.array([place_of[one] for one in groups]), len(place_of), "groups")


def resample(
    statistics: Mapping[str, Statistic], units: Units, *, resamples: int, seed: int
) -> dict[str, np.ndarray]:
    """Compute numbers of drawn lists, all of them of the same drawings.

    Returns:
        Of each statistic its values, shape (resamples,) float64.
    """
    found: dict[str, list[np.ndarray]] = {name: [] for name in statistics}
    for weights in _drawings(units, resamples, np.random.default_rng(seed)):
        for name, statistic in statistics.items():
            found[name].append(statistic(weights))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _drawings(units: Units, resamples: int, generator: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield weights of the videos, shape (S, N), for ``resamples`` drawings in all."""
    size = max(1, _CHUNK_VALUES // max(len(units.index), 1))
    for start in range(0, resamples, size):
        rows = min(size, resamples - start)
        drawn = generator.integers(0, units.count, (rows, units.count), dtype=np.int32)
        drawn += (units.count * np.arange(rows, dtype=np.int32))[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * units.count)
        weights = counts.reshape(rows, units.count).astype(np.float64)
        yield weights if units.name == "videos" else weights[:, units.index]


def value_of(statistic: Statistic, videos: int) -> float:
    """Return the number of the list as it is."""
    return float(statistic(np.ones((1, videos)))[0])


# numbers as functions of weights


def mean_of(values: np.ndarray) -> Statistic:
    """Return the mean over videos of values, shape (N,), those that are NaN left out."""
    known = np.isfinite(values)
    columns = np.stack([np.where(known, values, 0.0), known], axis=1).astype(np.float64)

    def statistic(weights: np.ndarray) -> np.ndarray:
        total, count = (weights @ columns).T
        return _divide(total, count)

    return statistic


def mean_over_classes(hits: np.ndarray, targets: np.ndarray) -> Statistic:
    """Return the mean over the classes that were drawn of their shares of hits.

    Args:
        hits: Of each video, shape (N,) in [0, 1].
        targets: Class indices, shape (N,).
    """
    sums = _Runs(targets)
    hits = hits.astype(np.float64)

    def statistic(weights: np.ndarray) -> np.ndarray:
        count = sums(weights)
        shares = _divide(sums(weights * hits), count)
        return _divide(np.nansum(shares, axis=1), (count > 0).sum(1))

    return statistic


def calibration_error(hits: np.ndarray, confidences: np.ndarray, edges: np.ndarray) -> Statistic:
    """Return the expected calibration error.

    The mean over videos of the gap between confidence and share of hits in the video's bin (Guo et
    al., On Calibration of Modern Neural Networks, 2017, equation 3).

    Args:
        hits: Whether the best class of each video is its label, shape (N,).
        confidences: The best score, shape (N,) float32.
        edges: Where bins begin, shape (bins + 1,) float32 from 0 to 1. As in torchmetrics a
            confidence on an edge is in the bin above, and one of exactly 1 in a bin of its own.
    """
    sums = _Runs(np.searchsorted(edges, confidences, side="right"))
    gaps = hits.astype(np.float64) - confidences

    def statistic(weights: np.ndarray) -> np.ndarray:
        return _divide(np.abs(sums(weights * gaps)).sum(1), weights.sum(1))

    return statistic


def errors_by_chance(
    confidences: np.ndarray, edges: np.ndarray, *, resamples: int, seed: int
) -> np.ndarray:
    """Return the calibration errors of lists of a model that has none, shape (resamples,).

    Each video is right with the probability that its confidence says (Bröcker and Smith, Increasing
    the Reliability of Reliability Diagrams, 2007). The fewer videos, the further from 0 they are.
    """
    generator = np.random.default_rng(seed)
    sums = _Runs(np.searchsorted(edges, confidences, side="right"))
    size = max(1, _CHUNK_VALUES // len(confidences))
    found = []
    for start in range(0, resamples, size):
        chances = generator.random((min(size, resamples - start), len(confidences)))
        gaps = sums((chances < confidences) - confidences.astype(np.float64))
        found.append(np.abs(gaps).sum(1) / len(confidences))
    return np.concatenate(found)


def average_precision_mean(scores: np.ndarray, targets: np.ndarray) -> Statistic:
    """Return the mean over the classes of which videos were drawn of their average precision.

    Args:
        scores: Shape (N, K).
        targets: 0 and 1, shape (N, K).
    """
    ranked = [
        _Ranking(scores[:, column], targets[:, column] > 0)
        for column in np.flatnonzero((targets > 0).any(0))
    ]

    def statistic(weights: np.ndarray) -> np.ndarray:
        # A row a video: drawings lie side by side in memory, so a video is moved as a whole.
        columns = np.ascontiguousarray(weights.T, dtype=np.float32)
        total, count = np.zeros(len(weights)), np.zeros(len(weights))
        for ranking in ranked:
            precision = ranking(columns)
            known = ~np.isnan(precision)
            total[known] += precision[known]
            count += known
        return _divide(total, count)

    return statistic


class _Ranking:
    """The videos in the order of their scores for one class, for its average precision.

    The sum over distinct scores of the recall gained there times the precision down to there, which
    is how torchmetrics and scikit-learn compute it: no interpolation, ties stand together.
    """

    def __init__(self, scores: np.ndarray, positive: np.ndarray) -> None:
        order = np.argsort(-scores, kind="stable")
        ends = np.append(np.diff(scores[order]) != 0, True)
        run = np.cumsum(ends) - ends  # number of the run of equal scores that a place is in
        # Where no positive video stands recall stays, so those runs go with the next that has one.
        has_positive = np.zeros(run[-1] + 1, bool)
        has_positive[run[positive[order]]] = True
        last = np.flatnonzero(ends)[has_positive]
        self.order = order[: last[-1] + 1]
        self.starts = np.append(0, last[:-1] + 1)
        self.positives = order[positive[order]]
        self.positive_starts = np.unique(run[positive[order]], return_index=True)[1]

    def __call__(self, columns: np.ndarray) -> np.ndarray:
        """Return the average precision of each drawing from weights of shape (N, S)."""
        seen = np.add.reduceat(columns[self.order], self.starts, axis=0)
        right = np.add.reduceat(columns[self.positives], self.positive_starts, axis=0)
        precision = _divide(np.cumsum(right, axis=0), np.cumsum(seen, axis=0))
        # Where nothing was drawn down to a place, nothing is gained there either.
        return _divide((right * np.nan_to_num(precision)).sum(0), right.sum(0))


class _Runs:
    """Sums over the videos of each code that occurs.

    Args:
        codes: Of each video, shape (N,) integers.
    """

    def __init__(self, codes: np.ndarray) -> None:
        self.order = np.argsort(codes, kind="stable")
        self.starts = np.unique(codes[self.order], return_index=True)[1]

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        """Sum weights of shape (S, N) to (S, codes that occur)."""
        sums: np.ndarray = np.add.reduceat(weights[:, self.order], self.starts, axis=1)
        return sums


def _divide(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """Divide; NaN where there is nothing to divide by."""
    quotient: np.ndarray = np.divide(
        top, bottom, out=np.full(np.shape(top), np.nan), where=bottom > 0
    )
    return quotient


# intervals


def percentile_interval(values: np.ndarray) -> tuple[float, float]:
    """Return the bounds between which ``LEVEL`` of the values of drawings lie."""
    values = values[~np.isnan(values)]
    if len(values) == 0:
        return math.nan, math.nan
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def wilson_interval(right: float, count: int) -> tuple[float, float]:
    """Return Wilson's interval of a share of independent videos (Wilson, JASA 22, 1927).

    >>> [round(bound, 3) for bound in wilson_interval(63, 63)]
    [0.943, 1.0]
    """
    if count == 0:
        return math.nan, math.nan
    share, spread = right / count, _Z * _Z / count
    centre = share + spread / 2
    half = _Z * math.sqrt(share * (1 - share) / count + spread / (4 * count))
    bounds = (centre - half) / (1 + spread), (centre + half) / (1 + spread)
    return max(0.0, bounds[0]), min(1.0, bounds[1])
