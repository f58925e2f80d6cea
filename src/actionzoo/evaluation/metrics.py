"""What is told of a model by numbers, each with the interval that the number of videos allows.

The numbers are torchmetrics'. Their intervals come from thousands of drawings of the list of
videos (``bootstrap``), for which each number is written once more as a function of weights.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from actionzoo.evaluation.bootstrap import (
    Statistic,
    Units,
    average_precision_mean,
    calibration_error,
    choose_units,
    errors_by_chance,
    mean_of,
    mean_over_classes,
    percentile_interval,
    resample,
    wilson_interval,
)

if TYPE_CHECKING:
    import torch

    from actionzoo.evaluation.results import Evaluation

TITLES = {
    "top1": "top-1",
    "top5": "top-5",
    "mean_class_accuracy": "mean class accuracy",
    "clip_accuracy": "clip accuracy",
    "mean_average_precision": "mAP",
    "calibration_error": "calibration error (ECE)",
    "negative_log_likelihood": "negative log likelihood",
}
"""The names of all metrics in the order in which they are shown, and what they are called there."""
IS_SHARE = frozenset(TITLES) - {"negative_log_likelihood"}
"""Those in [0, 1], which are shown in per cent."""
_RAISED_BY_DRAWING = frozenset(("calibration_error", "mean_average_precision"))

CALIBRATION_BINS = 15
KNOWN_SCORES = "known_scores"
"""Word of a protocol: of how many classes a file of predictions tells the scores, 0 where it names
the best class only; left out where all are known."""
_TOP = 5
_SMALLEST_SCORE = float(np.finfo(np.float32).eps)
"""A score of 0 counts as this much in the logarithm, as in scikit-learn's ``log_loss``."""
_MOST_STEPS = 2_000_000_000
"""Videos x classes x drawings of average precision, some seconds; there are fewer drawings, though
at least ``_FEWEST_RESAMPLES``, where it would be more."""
_FEWEST_RESAMPLES = 200
ALIKE = 1e-9
"""Two values this near are the same but for rounding."""


@dataclass(frozen=True, slots=True)
class MetricValue:
    """A number, and between which bounds the truth is to be expected (95 %)."""

    value: float
    low: float
    """NaN, as ``high``, where nothing can be told."""
    high: float
    interval: str = ""
    """How the bounds were found, such as ``bootstrap, 2000 x 63 videos``."""


@dataclass(frozen=True, slots=True)
class ClassValue:
    """How well one class is recognised."""

    label: str
    videos: int
    """That have the label."""
    value: float
    """Share of them that are recognised, or where videos have several labels the average precision;
    NaN where there are none."""
    low: float
    """Wilson's interval, as ``high``; NaN where videos have several labels."""
    high: float


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """Videos of one class that are taken for another."""

    label: str
    taken_for: str
    videos: int
    share: float
    """Of the videos of ``label``."""


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Videos of which the model is about equally sure."""

    low: float
    high: float
    videos: int
    confidence: float
    """Mean of the best scores; NaN where there are no videos."""
    accuracy: float


@dataclass(frozen=True, slots=True, eq=False)
class Measure:
    """One metric as a function of how often each video counts."""

    statistic: Statistic
    hits: np.ndarray | None = None
    """Share that is right of each video, shape (N,), where the metric is a mean of it."""
    most_resamples: int = sys.maxsize


def compute_metrics(
    evaluation: Evaluation, *, resamples: int = 2000, seed: int = 0
) -> dict[str, MetricValue]:
    """Compute all metrics that can be told of an evaluation.

    Top-5 is left out where there are five classes or fewer, clip accuracy where single views are
    not known, and what a file of predictions does not tell. The interval is that of percentiles of
    drawings of videos, or of groups of videos where at least ``bootstrap.FEWEST_GROUPS`` are known.
    Two cases differ:

    * Where all drawings give the same, as with 63 of 63 right, an accuracy has Wilson's interval of
      independent videos; for other metrics nothing can be told but the calibration error, which is
      the gap to an accuracy within that interval.
    * Calibration error and mAP have the basic interval, see ``interval_of``; that of a calibration
      error which a model without any would have by chance as well begins at 0.

    Args:
        evaluation: Of at least one video; of none there are no metrics.
        resamples: How often the list is drawn; for mAP of a large list fewer times.
        seed: Of the drawings.

    Returns:
        By name, in the order of ``TITLES``.
    """
    if not evaluation.paths:
        return {}
    values, parts = _point_values(evaluation), measures(evaluation)
    units = choose_units(evaluation.groups)
    drawn = draw(parts, units, resamples=resamples, seed=seed)
    return {
        name: _with_interval(name, values[name], drawn[name], units=units, evaluation=evaluation)
        for name in parts
    }


def draw(
    parts: Mapping[str, Measure], units: Units, *, resamples: int, seed: int
) -> dict[str, np.ndarray]:
    """Return the values of metrics of drawn lists, each shape (at most ``resamples``,)."""
    count = min([resamples, *(one.most_resamples for one in parts.values())])
    statistics = {name: one.statistic for name, one in parts.items()}
    return resample(statistics, units, resamples=count, seed=seed)


def _with_interval(
    name: str, value: float, drawn: np.ndarray, *, units: Units, evaluation: Evaluation
) -> MetricValue:
    low, high = interval_of(name, value, drawn)
    if not high - low > ALIKE:
        return _without_spread(name, value, evaluation)
    if name in IS_SHARE:
        low, high = max(0.0, low), min(1.0, high)
    if name == "calibration_error":
        by_chance = errors_by_chance(
            answers(evaluation)[1], calibration_edges(), resamples=len(drawn), seed=0
        )
        low = low if value > percentile_interval(by_chance)[1] else 0.0
    return MetricValue(value, low, high, described(drawn, units))


def interval_of(name: str, value: float, drawn: np.ndarray) -> tuple[float, float]:
    """Return the interval of a metric, or of a difference of it, from its values for drawings.

    That of percentiles; of calibration error and mAP the basic one, the percentiles mirrored at the
    value (Davison and Hinkley, 1997, 5.2). Videos that are drawn twice raise these two, by about as
    much as those that were met by chance have raised them before; mirrored, the one takes away the
    other. It always holds the value.
    """
    low, high = percentile_interval(drawn)
    if name in _RAISED_BY_DRAWING and high - low > ALIKE:
        return min(value, 2 * value - high), max(value, 2 * value - low)
    return low, high


def described(drawn: np.ndarray, units: Units) -> str:
    """Say how an interval of drawings was found."""
    return f"bootstrap, {len(drawn)} x {units.count} {units.name}"


def _without_spread(name: str, value: float, evaluation: Evaluation) -> MetricValue:
    """Return the interval of a number that is the same for every drawing."""
    count = len(evaluation.paths)
    how = f"Wilson, {count} videos"
    if name == "calibration_error":
        hits, sure = answers(evaluation)
        low, high = wilson_interval(float(hits.sum()), count)
        mean = float(sure.mean())
        return MetricValue(
            value, max(0.0, low - mean, mean - high), max(abs(low - mean), abs(high - mean)), how
        )
    if name in ("negative_log_likelihood", "mean_average_precision"):
        return MetricValue(value, math.nan, math.nan, "all drawings are alike")
    return MetricValue(value, *wilson_interval(value * count, count), how)


def measures(evaluation: Evaluation) -> dict[str, Measure]:
    """Write each metric that can be told as a function of weights, in the order of ``TITLES``."""
    scores, targets = evaluation.scores, evaluation.targets
    if evaluation.has_several_labels:
        return _measures_of_several(evaluation)
    known = _known_scores(evaluation)
    hits, sure = answers(evaluation)
    found = {"top1": Measure(mean_of(hits), hits)}
    if known >= _TOP < len(evaluation.labels):
        in_top = (best_classes(scores, _TOP) == targets[:, None]).any(1)
        found["top5"] = Measure(mean_of(in_top), in_top)
    found["mean_class_accuracy"] = Measure(mean_over_classes(hits, targets), hits)
    if np.isfinite(evaluation.clip_hits).any():
        found["clip_accuracy"] = Measure(mean_of(evaluation.clip_hits), evaluation.clip_hits)
    if known >= 1:
        found["calibration_error"] = Measure(calibration_error(hits, sure, calibration_edges()))
    if known == len(evaluation.labels):
        found["negative_log_likelihood"] = Measure(mean_of(_log_losses(evaluation)))
    return found


def _measures_of_several(evaluation: Evaluation) -> dict[str, Measure]:
    with_videos = int((evaluation.targets > 0).any(0).sum())
    if with_videos == 0:
        return {}
    most = max(_FEWEST_RESAMPLES, _MOST_STEPS // (len(evaluation.paths) * with_videos))
    statistic = average_precision_mean(evaluation.scores, evaluation.targets)
    return {"mean_average_precision": Measure(statistic, most_resamples=most)}


def _known_scores(evaluation: Evaluation) -> int:
    return int(evaluation.protocol.get(KNOWN_SCORES, len(evaluation.labels)))


def answers(evaluation: Evaluation) -> tuple[np.ndarray, np.ndarray]:
    """Return of each video whether the best class is its label, and the score of that class.

    Returns:
        Shapes (N,) bool and (N,) float32.
    """
    hits = evaluation.scores.argmax(1) == evaluation.targets
    return hits, evaluation.scores.max(1)


def best_classes(scores: np.ndarray, k: int) -> np.ndarray:
    """Return the k best classes of each video, shape (N, k), in no order."""
    best: np.ndarray = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    return best


def _log_losses(evaluation: Evaluation) -> np.ndarray:
    right = evaluation.scores[np.arange(len(evaluation.targets)), evaluation.targets]
    losses: np.ndarray = -np.log(np.maximum(right, _SMALLEST_SCORE).astype(np.float64))
    return losses


def calibration_edges() -> np.ndarray:
    """Return where the bins of confidence begin and end, shape (bins + 1,) float32.

    To the last digit as ``torch.linspace`` has them, counted from the nearer end, so that
    torchmetrics has a confidence that lies on an edge in the same bin.
    """
    count, place = CALIBRATION_BINS, np.arange(CALIBRATION_BINS + 1)
    step = float(np.float32(1) / np.float32(count))
    edges = np.where(place < (count + 1) // 2, step * place, 1 - step * (count - place))
    return edges.astype(np.float32)


# torchmetrics; imported here, because to read and compare results takes no torch


def _point_values(evaluation: Evaluation) -> dict[str, float]:
    """Return the value of every metric that can be told."""
    if evaluation.has_several_labels:
        precisions = class_precisions(evaluation)
        known = precisions[~np.isnan(precisions)]
        return {"mean_average_precision": float(known.mean())} if len(known) else {}
    from torchmetrics.functional import classification as tm

    scores, targets, classes = *_tensors(evaluation), len(evaluation.labels)
    by_class = tm.multiclass_accuracy(scores, targets, classes, average=None, validate_args=False)
    with_videos = targets.bincount(minlength=classes) > 0
    found = {
        "top1": tm.multiclass_accuracy(
            scores, targets, classes, average="micro", validate_args=False
        ),
        "mean_class_accuracy": by_class[with_videos].mean(),
        "calibration_error": tm.multiclass_calibration_error(
            scores, targets, classes, n_bins=CALIBRATION_BINS, validate_args=False
        ),
        "negative_log_likelihood": _log_losses(evaluation).mean(),
    }
    if classes > _TOP:
        found["top5"] = tm.multiclass_accuracy(
            scores, targets, classes, average="micro", top_k=_TOP, validate_args=False
        )
    if np.isfinite(evaluation.clip_hits).any():
        found["clip_accuracy"] = np.nanmean(evaluation.clip_hits)
    return {name: float(value) for name, value in found.items()}


def class_precisions(evaluation: Evaluation) -> np.ndarray:
    """Return the average precision of each class, shape (K,); NaN of those without videos."""
    import torch
    from torchmetrics.functional import classification as tm

    columns = np.flatnonzero((evaluation.targets > 0).any(0))
    found = np.full(len(evaluation.labels), np.nan)
    if len(columns):
        found[columns] = tm.multilabel_average_precision(
            torch.tensor(evaluation.scores[:, columns]),
            torch.tensor(evaluation.targets[:, columns]),
            len(columns),
            average=None,
            validate_args=False,
        ).numpy()
    return found


def confusion_matrix(evaluation: Evaluation) -> np.ndarray:
    """Count the videos of each class (row) that are taken for each class (column).

    Returns:
        Shape (K, K) int64; of an evaluation with one label a video.
    """
    from torchmetrics.functional import classification as tm

    scores, targets = _tensors(evaluation)
    classes = len(evaluation.labels)
    counts: np.ndarray = tm.multiclass_confusion_matrix(
        scores, targets, classes, validate_args=False
    ).numpy()
    return counts


def _tensors(evaluation: Evaluation) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    # Copied: columns read from a file cannot be written to, which torch warns of.
    return torch.tensor(evaluation.scores), torch.tensor(evaluation.targets)


# what a page and a file show of classes


def class_values(evaluation: Evaluation) -> tuple[ClassValue, ...]:
    """Return how well each class is recognised, in the order of ``labels``."""
    if evaluation.has_several_labels:
        counts = (evaluation.targets > 0).sum(0).tolist()
        values = class_precisions(evaluation).tolist()
        bounds = [(math.nan, math.nan)] * len(counts)
    else:
        matrix = confusion_matrix(evaluation)
        counts, right = matrix.sum(1).tolist(), np.diag(matrix).tolist()
        values = [hit / n if n else math.nan for hit, n in zip(right, counts, strict=True)]
        bounds = [wilson_interval(hit, n) for hit, n in zip(right, counts, strict=True)]
    return tuple(
        ClassValue(label, count, value, *bound)
        for label, count, value, bound in zip(
            evaluation.labels, counts, values, bounds, strict=True
        )
    )


def confused_pairs(matrix: np.ndarray, labels: Sequence[str]) -> tuple[ConfusedPair, ...]:
    """List which classes are taken for which, most videos first.

    Args:
        matrix: From ``confusion_matrix``.
        labels: Class names.
    """
    counts, wrong = matrix.sum(1), matrix.copy()
    np.fill_diagonal(wrong, 0)
    rows, columns = np.nonzero(wrong)
    order = np.argsort(-wrong[rows, columns], kind="stable")
    return tuple(
        ConfusedPair(
            labels[row],
            labels[column],
            int(wrong[row, column]),
            float(wrong[row, column] / counts[row]),
        )
        for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True)
    )


def calibration_bins(evaluation: Evaluation) -> tuple[CalibrationBin, ...]:
    """Return how sure the model is and how often right, in ``CALIBRATION_BINS`` bins.

    A confidence of exactly 1 is in the last bin; the calibration error has it in one of its own.
    """
    hits, sure = answers(evaluation)
    edges = calibration_edges()
    place = np.minimum(np.searchsorted(edges, sure, side="right"), CALIBRATION_BINS) - 1
    counts, confidences, right = (
        np.bincount(place, weights, CALIBRATION_BINS) for weights in (None, sure, hits)
    )
    with np.errstate(invalid="ignore"):
        means = zip((confidences / counts).tolist(), (right / counts).tolist(), strict=True)
    return tuple(
        CalibrationBin(low, high, count, *mean)
        for low, high, count, mean in zip(
            edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), means, strict=True
        )
    )
