"""A number as a function of weights is that of the list in which videos occur as often."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional import classification as tm

from actionzoo.evaluation.bootstrap import (
    Units,
    average_precision_mean,
    calibration_error,
    choose_units,
    mean_of,
    mean_over_classes,
    percentile_interval,
    resample,
    value_of,
    wilson_interval,
)
from actionzoo.evaluation.metrics import calibration_edges
from evaluations import random_evaluation


def drawn_rows(weights: np.ndarray) -> np.ndarray:
    return np.repeat(np.arange(len(weights)), weights.astype(int))


@pytest.fixture
def weights() -> np.ndarray:
    return np.random.default_rng(3).poisson(1.0, (4, 60)).astype(float)


def test_mean_leaves_out_what_is_not_known(weights: np.ndarray) -> None:
    values = np.random.default_rng(0).random(60).astype(np.float32)
    values[::7] = np.nan
    expected = [np.nanmean(values[drawn_rows(row)]) for row in weights]
    np.testing.assert_allclose(mean_of(values)(weights), expected, rtol=1e-6)


def test_mean_over_classes_is_that_of_the_classes_drawn(weights: np.ndarray) -> None:
    one = random_evaluation(60, 7)
    weights[0, one.targets == 3] = 0
    hits = one.scores.argmax(1) == one.targets
    expected = []
    for row in weights:
        rows = drawn_rows(row)
        shares = [hits[rows][one.targets[rows] == k].mean() for k in set(one.targets[rows])]
        expected.append(np.mean(shares))
    np.testing.assert_allclose(mean_over_classes(hits, one.targets)(weights), expected)


def test_calibration_error_is_that_of_torchmetrics(weights: np.ndarray) -> None:
    one = random_evaluation(60, 4)
    one.scores[:5] = np.eye(4, dtype=np.float32)[[0, 1, 2, 3, 0]]  # as sure as can be
    one.scores[5] = [0.8, 0.2, 0, 0]  # on an edge
    statistic = calibration_error(
        one.scores.argmax(1) == one.targets, one.scores.max(1), calibration_edges()
    )
    for row, found in zip(weights, statistic(weights), strict=True):
        scores, targets = one.scores[drawn_rows(row)], one.targets[drawn_rows(row)]
        expected = tm.multiclass_calibration_error(
            torch.tensor(scores), torch.tensor(targets), 4, n_bins=15
        )
        assert found == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize("ties", [False, True])
def test_average_precision_is_that_of_torchmetrics(weights: np.ndarray, ties: bool) -> None:
    one = random_evaluation(60, 5, several=True)
    scores = np.round(one.scores, 1) if ties else one.scores
    statistic = average_precision_mean(scores, one.targets)
    for row, found in zip(weights, statistic(weights), strict=True):
        rows = drawn_rows(row)
        expected = tm.multilabel_average_precision(
            torch.tensor(scores[rows]), torch.tensor(one.targets[rows]), 5
        )
        assert found == pytest.approx(float(expected), abs=1e-6)


def test_average_precision_leaves_out_classes_that_were_not_drawn() -> None:
    scores = np.array([[0.9, 0.1], [0.8, 0.7], [0.2, 0.6]])
    statistic = average_precision_mean(scores, np.array([[1, 0], [0, 0], [1, 1]]))
    # Without the first two only the second class and the last video are left.
    np.testing.assert_allclose(statistic(np.array([[1.0, 1, 1], [0, 1, 0], [0, 1, 1]]))[[0, 2]], [
        ((1 + 2 / 3) / 2 + 1 / 2) / 2,
        (1 / 2 + 1 / 2) / 2,
    ])  # fmt: skip
    assert math.isnan(statistic(np.array([[0.0, 1, 0]]))[0])


def test_the_spread_of_a_mean_is_the_standard_error() -> None:
    values = np.random.default_rng(1).normal(size=400)
    units = choose_units([None] * 400)
    drawn = resample({"mean": mean_of(values)}, units, resamples=4000, seed=0)["mean"]
    # The variance of drawings of a mean is the variance over n; 4000 of them tell it to 2 %.
    assert drawn.std() == pytest.approx(values.std() / 20, rel=0.06)
    assert drawn.mean() == pytest.approx(values.mean(), abs=4 * values.std() / 20 / 63)
    low, high = percentile_interval(drawn)
    assert (low, high) == pytest.approx(
        (values.mean() - 1.96 * values.std() / 20, values.mean() + 1.96 * values.std() / 20),
        abs=0.1 * values.std() / 20,
    )


def test_groups_are_drawn_whole() -> None:
    """Ten groups whose videos are all right or all wrong are worth ten videos."""
    hits = np.repeat(np.arange(10) < 6, 20)
    groups = [f"g{place // 20}" for place in range(200)]
    units = choose_units(groups)
    assert (units.name, units.count) == ("groups", 10)
    drawn = resample({"hits": mean_of(hits)}, units, resamples=4000, seed=0)["hits"]
    assert drawn.std() == pytest.approx(math.sqrt(0.6 * 0.4 / 10), rel=0.06)
    assert set(np.round(drawn, 6)) <= set(np.round(np.arange(11) / 10, 6))


@pytest.mark.parametrize(
    "groups",
    [list("aabbccdd"), [*"aabbccddee", None], list("abcdefg")],
    ids=["too few", "one is not known", "a group a video"],
)
def test_videos_are_drawn_where_groups_do_not_serve(groups: list[str | None]) -> None:
    assert choose_units(groups).name == "videos"


def test_drawings_are_the_same_for_the_same_seed_and_for_all_statistics() -> None:
    values, units = np.random.default_rng(0).random(50), Units(np.arange(50), 50, "videos")
    one = resample({"a": mean_of(values), "b": mean_of(2 * values)}, units, resamples=9, seed=4)
    np.testing.assert_allclose(one["b"], 2 * one["a"])
    again = resample({"a": mean_of(values)}, units, resamples=9, seed=4)
    np.testing.assert_array_equal(again["a"], one["a"])
    assert not np.array_equal(
        one["a"], resample({"a": mean_of(values)}, units, resamples=9, seed=5)["a"]
    )


def test_wilson_is_as_published() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I: method 3.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)
    assert wilson_interval(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


@settings(max_examples=50)
@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share(case: tuple[int, int]) -> None:
    right, count = case
    low, high = wilson_interval(right, count)
    assert 0 <= low <= right / count + 1e-12
    assert right / count - 1e-12 <= high <= 1


def test_value_is_that_of_the_list() -> None:
    assert value_of(mean_of(np.array([1.0, 0, 0, 1])), 4) == 0.5
