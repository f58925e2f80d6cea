"""The worst mistakes, against looking at every video."""

from __future__ import annotations

import math

import numpy as np

from actionzoo.evaluation.metrics import KNOWN_SCORES, ConfusedPair
from actionzoo.evaluation.mistakes import (
    examples_of,
    false_labels,
    missed_labels,
    worst_mistakes,
)
from evaluations import evaluation_of, random_evaluation


def test_the_worst_is_the_wrong_answer_of_the_highest_score() -> None:
    evaluation = random_evaluation(60, 4)
    wrong = []
    for path, target, row in zip(
        evaluation.paths, evaluation.targets, evaluation.scores.tolist(), strict=True
    ):
        answer = row.index(max(row))
        if answer != target:
            wrong.append((max(row), path, f"class {target}", f"class {answer}"))
    wrong.sort(reverse=True)
    found = worst_mistakes(evaluation, 5)
    assert [(one.score, one.path, *one.labels, one.answer) for one in found] == wrong[:5]
    assert len(worst_mistakes(evaluation, 1000)) == len(wrong)


def test_examples_of_a_pair_are_of_that_pair() -> None:
    evaluation = random_evaluation(300, 3)
    pair = ConfusedPair("class 2", "class 0", 0, 0.0)
    found = examples_of(evaluation, pair, 1000)
    places = [evaluation.paths.index(one.path) for one in found]
    taken = (evaluation.targets == 2) & (evaluation.scores.argmax(1) == 0)
    assert sorted(places) == np.flatnonzero(taken).tolist()
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_a_score_that_is_not_known_is_not_told() -> None:
    named = random_evaluation(20, 3, protocol={"name": "file", KNOWN_SCORES: 0})
    assert all(math.isnan(one.score) for one in worst_mistakes(named, 3))


def test_of_several_labels_those_said_in_error_and_those_missed() -> None:
    logits = [[3.0, 1.0, -2.0], [-3.0, 2.5, 0.0], [1.0, 0.5, 2.0]]
    evaluation = evaluation_of(logits, [[1, 0, 0], [1, 0, 1], [0, 0, 0]])
    said = false_labels(evaluation, 2)
    assert [(one.path, one.labels, one.answer) for one in said] == [
        ("1.mp4", ("class 0", "class 2"), "class 1"),
        ("2.mp4", (), "class 2"),
    ]
    missed = missed_labels(evaluation, 5)
    assert [(one.path, one.answer) for one in missed] == [
        ("1.mp4", "class 0"),
        ("0.mp4", "class 0"),
    ]
    assert missed[0].score == np.float32(1 / (1 + np.exp(np.float32(3))))
