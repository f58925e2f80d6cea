"""Whether one model is better than another on the same videos, or luck can explain it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from actionzoo.errors import BadDataset
from actionzoo.evaluation.bootstrap import (
    Statistic,
    choose_units,
    value_of,
    wilson_interval,
)
from actionzoo.evaluation.metrics import (
    ALIKE,
    Measure,
    MetricValue,
    answers,
    described,
    draw,
    interval_of,
    measures,
)
from actionzoo.evaluation.results import Evaluation

SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class Difference:
    """One metric of two evaluations."""

    a: float
    b: float
    difference: MetricValue
    """``b - a``, with the interval of drawings of the same videos for both."""


@dataclass(frozen=True, slots=True)
class ClassDifference:
    """How many videos of a class either recognises."""

    label: str
    videos: int
    a: float
    """Share of them."""
    b: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Two evaluations, A and B, on the videos that both have."""

    a: str
    """Model and protocol."""
    b: str
    videos: int
    """In both."""
    only_in_a: int
    """Videos that B has not, or could not read."""
    only_in_b: int
    metrics: dict[str, Difference]
    only_a_right: tuple[str, ...]
    """Paths of the videos that A gets right and B wrong; none where videos have several labels."""
    only_b_right: tuple[str, ...]
    p_value: float | None
    """Of McNemar's exact test, two-sided; None where videos have several labels."""
    classes: tuple[ClassDifference, ...]
    """Of classes with videos, the largest difference first."""
    warnings: tuple[str, ...]
    """What makes the two hard to compare, a sentence each."""
    sentence: str
    """The answer."""

    def to_dict(self) -> dict[str, Any]:
        """Return what the command line writes as JSON."""
        return asdict(self)


def compare(a: Evaluation, b: Evaluation, *, resamples: int = 2000, seed: int = 0) -> Comparison:
    """Compare two evaluations on the videos that both have, matched by their paths.

    The interval of a difference comes from drawings of videos, or of groups of videos as in
    ``compute_metrics``, the same for both; where all drawings are alike, that of top-1 is as far as
    Wilson's intervals of the videos that only one gets right reach. A difference is told of top-1
    (mAP where videos have several labels) where the interval leaves out 0 and McNemar's p is less
    than ``SIGNIFICANT``; that test takes videos as independent.

    Args:
        a: The one.
        b: The other.
        resamples: How often videos are drawn; for mAP of large lists fewer times.
        seed: Of the drawings.

    Raises:
        BadDataset: They have no video in common, or other labels of the same videos.
    """
    warnings = _warnings(a, b)
    rows_a, rows_b = _common_videos(a, b)
    only_in_a, only_in_b = len(a.paths) - len(rows_a), len(b.paths) - len(rows_b)
    whole_a, whole_b = a, b
    a, b = _selected(a, rows_a), _selected(b, rows_b)
    _check_same_labels(a, b)
    if a.has_several_labels:
        b = _in_order_of(b, a.labels)
    metrics = _differences(a, b, resamples=resamples, seed=seed)
    only_a, only_b = _only_right(a, b)
    p_value = None if a.has_several_labels else mcnemar(len(only_a), len(only_b))
    return Comparison(
        a=_title(whole_a),
        b=_title(whole_b),
        videos=len(a.paths),
        only_in_a=only_in_a,
        only_in_b=only_in_b,
        metrics=metrics,
        only_a_right=only_a,
        only_b_right=only_b,
        p_value=p_value,
        classes=() if a.has_several_labels else _by_class(a, b),
        warnings=warnings,
        sentence=_sentence(metrics, p_value),
    )


def mcnemar(only_a: int, only_b: int) -> float:
    """Return the two-sided p of McNemar's exact test.

    How likely a split at least as uneven is, of the videos that only one gets right, if each were
    as likely to be either's (McNemar, Psychometrika 12, 1947; binomial, so exact for few too).

    >>> mcnemar(1, 8), mcnemar(5, 5)
    (0.0390625, 1.0)
    """
    count, term, total = only_a + only_b, 1, 0
    for right in range(min(only_a, only_b) + 1):
        total += term
        term = term * (count - right) // (right + 1)
    return min(1.0, float(Fraction(2 * total, 2**count)))


# the videos of both


def _keys(paths: Sequence[str]) -> list[tuple[str, int]]:
    """Tell videos of the same file apart by counting them."""
    seen: dict[str, int] = {}
    keys = []
    for path in paths:
        seen[path] = seen.get(path, 0) + 1
        keys.append((path, seen[path]))
    return keys


def _common_videos(a: Evaluation, b: Evaluation) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of the videos of both, in the order of A, each shape (common,)."""
    row_of = {key: row for row, key in enumerate(_keys(b.paths))}
    pairs = [(row, row_of[key]) for row, key in enumerate(_keys(a.paths)) if key in row_of]
    if not pairs:
        lists = "the same list" if a.list_hash == b.list_hash else "other lists"
        raise BadDataset(
            f"the evaluations have no video in common, and were of {lists} (hashes {a.list_hash} "
            f"and {b.list_hash}); evaluate both on the same videos"
        )
    rows = np.array(pairs, np.int64)
    return rows[:, 0], rows[:, 1]


def _selected(one: Evaluation, rows: np.ndarray) -> Evaluation:
    places = rows.tolist()
    return replace(
        one,
        paths=tuple(one.paths[place] for place in places),
        groups=tuple(one.groups[place] for place in places),
        targets=one.targets[rows],
        logits=one.logits[rows],
        scores=one.scores[rows],
        clip_hits=one.clip_hits[rows],
    )


def _check_same_labels(a: Evaluation, b: Evaluation) -> None:
    if a.has_several_labels != b.has_several_labels or (
        a.has_several_labels and set(a.labels) != set(b.labels)
    ):
        raise BadDataset(
            f"the evaluations have other classes, A {len(a.labels)} and B {len(b.labels)}, and "
            "videos with several labels in one of them at least; evaluate both on the same classes"
        )
    if a.has_several_labels:
        return
    pairs = zip(a.paths, a.targets.tolist(), b.targets.tolist(), strict=True)
    for path, in_a, in_b in pairs:
        if a.labels[in_a] != b.labels[in_b]:
            raise BadDataset(
                f"{path!r} is {a.labels[in_a]!r} in A and {b.labels[in_b]!r} in B; evaluate both "
                "with the same labels"
            )


def _in_order_of(one: Evaluation, labels: Sequence[str]) -> Evaluation:
    columns = [one.labels.index(name) for name in labels]
    return replace(
        one,
        labels=tuple(labels),
        targets=one.targets[:, columns],
        logits=one.logits[:, columns],
        scores=one.scores[:, columns],
    )


def _warnings(a: Evaluation, b: Evaluation) -> tuple[str, ...]:
    """Say what makes the two hard to compare."""
    found = []
    if a.list_hash != b.list_hash:
        found.append(
            f"the lists of videos differ (hashes {a.list_hash} and {b.list_hash}); only those in "
            "both are compared"
        )
    names = sorted(a.protocol.keys() | b.protocol.keys())
    differ = [
        name for name in names if name != "source" and a.protocol.get(name) != b.protocol.get(name)
    ]
    if differ:
        told = [f"{name} {a.protocol.get(name)} and {b.protocol.get(name)}" for name in differ]
        found.append(f"the protocols differ: {', '.join(told)}")
    if set(a.labels) != set(b.labels):
        found.append(
            f"A chooses among {len(a.labels)} classes and B among {len(b.labels)}, which are not "
            "the same"
        )
    for name, one in (("A", a), ("B", b)):
        if count := len(one.failures):
            were = "video was" if count == 1 else "videos were"
            found.append(f"{count} {were} left out of {name}, for want of an answer")
    return tuple(found)


def _title(one: Evaluation) -> str:
    return f"{one.model} ({one.protocol.get('name', one.backend)}, {one.backend})"


# differences


def _differences(
    a: Evaluation, b: Evaluation, *, resamples: int, seed: int
) -> dict[str, Difference]:
    """Return the differences of all metrics that both have."""
    in_a, in_b = measures(a), measures(b)
    both = [name for name in in_a if name in in_b]
    pairs = {
        name: Measure(
            _difference(in_a[name].statistic, in_b[name].statistic),
            most_resamples=min(in_a[name].most_resamples, in_b[name].most_resamples) // 2,
        )
        for name in both
    }
    units = choose_units(a.groups)
    drawn = draw(pairs, units, resamples=resamples, seed=seed)
    found = {}
    for name in both:
        values = [value_of(one[name].statistic, len(a.paths)) for one in (in_a, in_b)]
        change = values[1] - values[0]
        low, high = interval_of(name, change, drawn[name])
        how = described(drawn[name], units)
        if not high - low > ALIKE:
            low, high, how = _without_spread(in_a[name], in_b[name])
        found[name] = Difference(values[0], values[1], MetricValue(change, low, high, how))
    return found


def _difference(a: Statistic, b: Statistic) -> Statistic:
    return lambda weights: b(weights) - a(weights)


def _without_spread(a: Measure, b: Measure) -> tuple[float, float, str]:
    """Return the interval of a difference that is the same for every drawing."""
    if a.hits is None or b.hits is None or not a.hits.dtype == b.hits.dtype == bool:
        return math.nan, math.nan, "all drawings are alike"
    count = len(a.hits)
    only_a = wilson_interval(float((a.hits & ~b.hits).sum()), count)
    only_b = wilson_interval(float((b.hits & ~a.hits).sum()), count)
    return only_b[0] - only_a[1], only_b[1] - only_a[0], f"Wilson, {count} videos"


def _only_right(a: Evaluation, b: Evaluation) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the paths that only A, and that only B, gets right."""
    if a.has_several_labels:
        return (), ()
    right_a, right_b = answers(a)[0], answers(b)[0]
    only_a, only_b = (
        tuple(a.paths[row] for row in np.flatnonzero(only).tolist())
        for only in (right_a & ~right_b, right_b & ~right_a)
    )
    return only_a, only_b


def _by_class(a: Evaluation, b: Evaluation) -> tuple[ClassDifference, ...]:
    width = len(a.labels)
    counts = np.bincount(a.targets, minlength=width)
    right_a, right_b = (np.bincount(a.targets, answers(one)[0], minlength=width) for one in (a, b))
    found = [
        ClassDifference(
            a.labels[place],
            int(counts[place]),
            float(right_a[place] / counts[place]),
            float(right_b[place] / counts[place]),
        )
        for place in np.flatnonzero(counts).tolist()
    ]
    return tuple(sorted(found, key=lambda one: (-abs(one.b - one.a), -one.videos)))


# words


def _sentence(metrics: dict[str, Difference], p_value: float | None) -> str:
    """Say which is better, by the metric that counts."""
    name = "top1" if "top1" in metrics else "mean_average_precision"
    if name not in metrics:
        return "no difference can be told: no class of the videos in common has any"
    change = metrics[name].difference
    p_told = "" if p_value is None else f", p {describe_p(p_value)}"
    if p_value is None or p_value < SIGNIFICANT:
        for better, sign in (("B", 1), ("A", -1)):
            low, high = sorted((sign * change.low, sign * change.high))
            if low > 0:
                return (
                    f"{better} is better by {100 * abs(change.value):.1f} points (95 % interval "
                    f"{100 * low:.1f} to {100 * high:.1f}{p_told})"
                )
    return (
        f"no difference can be told: B - A is {points(change.value)} points (95 % interval "
        f"{points(change.low)} to {points(change.high)}{p_told})"
    )


def points(share: float) -> str:
    """Write a difference of shares in points, with its sign.

    >>> points(0.0316), points(-0.1), points(float("nan"))
    ('+3.2', '-10.0', '?')
    """
    return "?" if math.isnan(share) else f"{100 * share:+.1f}"


def describe_p(p: float) -> str:
    """Write a p value with as many digits as it is worth.

    >>> describe_p(0.0312), describe_p(0.00001), describe_p(1.0)
    ('= 0.031', '< 0.001', '= 1')
    """
    return "< 0.001" if p < 0.001 else f"= {p:.2g}"
