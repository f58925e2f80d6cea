"""Which videos are worth looking at, because something wrong was said of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actionzoo.evaluation.metrics import KNOWN_SCORES, ConfusedPair
from actionzoo.evaluation.results import Evaluation


@dataclass(frozen=True, kw_only=True, slots=True)
class Mistake:
    """A video, and what was wrongly said of it."""

    path: str
    labels: tuple[str, ...]
    """What it is labelled as."""
    answer: str
    """The wrong label, or the one that was missed."""
    score: float
    """Of ``answer``; NaN where it is not known."""


def worst_mistakes(evaluation: Evaluation, most: int) -> list[Mistake]:
    """Return the wrong answers of the highest scores; of an evaluation with one label a video."""
    scores = evaluation.scores.max(1)
    wrong = np.flatnonzero(evaluation.scores.argmax(1) != evaluation.targets)
    order = wrong[np.argsort(-scores[wrong], kind="stable")][:most]
    return [_mistake(evaluation, int(place)) for place in order]


def _mistake(evaluation: Evaluation, place: int) -> Mistake:
    answer = int(evaluation.scores[place].argmax())
    has_scores = evaluation.protocol.get(KNOWN_SCORES, 1) >= 1
    return Mistake(
        path=evaluation.paths[place],
        labels=(evaluation.labels[int(evaluation.targets[place])],),
        answer=evaluation.labels[answer],
        score=float(evaluation.scores[place, answer]) if has_scores else float("nan"),
    )


def examples_of(evaluation: Evaluation, pair: ConfusedPair, most: int) -> list[Mistake]:
    """Return the videos of a confused pair of which the model is surest."""
    label, answer = (evaluation.labels.index(one) for one in (pair.label, pair.taken_for))
    found = (evaluation.targets == label) & (evaluation.scores.argmax(1) == answer)
    places = np.flatnonzero(found)
    order = places[np.argsort(-evaluation.scores[places, answer], kind="stable")]
    return [_mistake(evaluation, int(place)) for place in order[:most]]


def false_labels(evaluation: Evaluation, most: int) -> list[Mistake]:
    """Return the highest scores of labels that videos do not have; one a video."""
    scores = np.where(evaluation.targets > 0, -1.0, evaluation.scores)
    order = np.argsort(-scores.max(1), kind="stable")[:most]
    return [_wrong_label(evaluation, int(place), int(scores[place].argmax())) for place in order]


def missed_labels(evaluation: Evaluation, most: int) -> list[Mistake]:
    """Return the lowest scores of labels that videos have; one a video."""
    scores = np.where(evaluation.targets > 0, evaluation.scores, 2.0)
    lowest = scores.min(1)
    order = [place for place in np.argsort(lowest, kind="stable")[:most] if lowest[place] <= 1]
    return [_wrong_label(evaluation, int(place), int(scores[place].argmin())) for place in order]


def _wrong_label(evaluation: Evaluation, place: int, answer: int) -> Mistake:
    own = np.flatnonzero(evaluation.targets[place] > 0)
    return Mistake(
        path=evaluation.paths[place],
        labels=tuple(evaluation.labels[one] for one in own),
        answer=evaluation.labels[answer],
        score=float(evaluation.scores[place, answer]),
    )
