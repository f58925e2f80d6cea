"""The numbers are torchmetrics', and their intervals hold what they should."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torchmetrics.functional import classification as tm

from actionzoo.evaluation.bootstrap import value_of, wilson_interval
from actionzoo.evaluation.metrics import (
    KNOWN_SCORES,
    TITLES,
    calibration_bins,
    calibration_edges,
    class_values,
    compute_metrics,
    confused_pairs,
    confusion_matrix,
    interval_of,
    measures,
)
from evaluations import evaluation_of, evaluation_of_hits, random_evaluation


def test_values_are_those_of_torchmetrics() -> None:
    one = random_evaluation(300, 12, clip_hits=np.random.default_rng(2).random(300))
    one.clip_hits[:20] = np.nan
    scores, targets = torch.tensor(one.scores), torch.tensor(one.targets)
    expected = {
        "top1": tm.multiclass_accuracy(scores, targets, 12, average="micro"),
        "top5": tm.multiclass_accuracy(scores, targets, 12, average="micro", top_k=5),
        "mean_class_accuracy": tm.multiclass_accuracy(scores, targets, 12, average="macro"),
        "clip_accuracy": np.nanmean(one.clip_hits),
        "calibration_error": tm.multiclass_calibration_error(scores, targets, 12, n_bins=15),
        "negative_log_likelihood": torch.nn.functional.nll_loss(scores.log(), targets),
    }
    found = compute_metrics(one, resamples=50)
    assert list(found) == [name for name in TITLES if name in expected]
    for name, value in expected.items():
        assert found[name].value == pytest.approx(float(value), rel=1e-5), name


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("several", [False, True])
def test_what_is_drawn_is_the_value_itself_for_the_list_as_it_is(seed: int, several: bool) -> None:
    one = random_evaluation(150, 9, seed=seed, several=several)
    found = compute_metrics(one, resamples=10)
    for name, measure in measures(one).items():
        assert value_of(measure.statistic, 150) == pytest.approx(found[name].value, abs=1e-6), name


def test_several_labels_have_the_mean_of_average_precisions() -> None:
    one = random_evaluation(80, 6, several=True)
    one.targets[:, 2] = 0  # a class without videos does not count
    kept = [0, 1, 3, 4, 5]
    expected = tm.multilabel_average_precision(
        torch.tensor(one.scores[:, kept]), torch.tensor(one.targets[:, kept]), 5
    )
    found = compute_metrics(one, resamples=200)["mean_average_precision"]
    assert found.value == pytest.approx(float(expected), abs=1e-6)
    assert found.low < found.value < found.high
    assert math.isnan(class_values(one)[2].value)
    assert compute_metrics(replace(one, targets=np.zeros_like(one.targets))) == {}


def test_edges_of_bins_are_those_of_torchmetrics() -> None:
    np.testing.assert_array_equal(calibration_edges(), torch.linspace(0, 1, 16).numpy())


def test_a_class_without_videos_does_not_count() -> None:
    one = evaluation_of(np.eye(3)[[0, 1, 2]], [0, 1, 1])
    # torchmetrics counts class 2 as 0 since something is taken for it.
    assert compute_metrics(one)["mean_class_accuracy"].value == pytest.approx((1 + 1 / 2) / 2)


@pytest.mark.parametrize("right", [63, 0])
def test_all_alike_has_wilsons_interval(right: int) -> None:
    found = compute_metrics(evaluation_of_hits([True] * right + [False] * (63 - right)))
    for name in ("top1", "mean_class_accuracy"):
        assert (found[name].low, found[name].high) == wilson_interval(right, 63)
        assert found[name].interval == "Wilson, 63 videos"
    error = found["calibration_error"]
    assert 0 <= error.low <= error.value <= error.high + 1e-6 <= 1
    assert error.high - error.low == pytest.approx(1 - wilson_interval(63, 63)[0], abs=1e-6)
    assert math.isnan(found["negative_log_likelihood"].low)


def test_one_video_and_none_and_one_class() -> None:
    one = compute_metrics(evaluation_of_hits([True]))["top1"]
    assert (one.value, one.high) == (1, 1)
    assert one.low == pytest.approx(0.2065, abs=1e-4)
    assert compute_metrics(evaluation_of(np.zeros((0, 3)), np.zeros(0))) == {}
    assert compute_metrics(evaluation_of([[1.0], [2.0]], [0, 0]))["top1"].value == 1
    several = compute_metrics(evaluation_of([[1.0, -1.0]], [[1, 0]]))["mean_average_precision"]
    assert several.value == 1
    assert math.isnan(several.low)


def test_interval_is_as_wide_as_the_number_of_videos_says() -> None:
    hits = np.arange(400) % 10 < 7
    found = compute_metrics(evaluation_of_hits(hits))["top1"]
    half = 1.96 * math.sqrt(0.7 * 0.3 / 400)
    assert (found.low, found.high) == pytest.approx((0.7 - half, 0.7 + half), abs=0.1 * half)
    assert found.interval == "bootstrap, 2000 x 400 videos"
    groups = tuple(f"g{place // 40}" for place in range(400))  # each with 70 % right
    alike = compute_metrics(evaluation_of_hits(hits, groups=groups))["top1"]
    assert alike.interval == "Wilson, 400 videos"
    mixed = compute_metrics(evaluation_of_hits(np.arange(400) < 280, groups=groups))["top1"]
    assert mixed.interval == "bootstrap, 2000 x 10 groups"
    assert mixed.high - mixed.low > 5 * (found.high - found.low)


def test_a_calibrated_model_may_have_no_error() -> None:
    """Few videos alone tell an error of a model that has none; the interval does not."""
    lows = []
    for seed in range(20):
        generator = np.random.default_rng(seed)
        sure = generator.uniform(0.5, 1, 80)
        logits = np.log(np.stack([sure, 1 - sure], axis=1))
        one = evaluation_of(logits, (generator.random(80) > sure).astype(int))
        found = compute_metrics(one, resamples=200)["calibration_error"]
        assert 0.02 < found.value <= found.high < 1
        lows.append(found.low)
    assert lows.count(0) >= 18
    too_sure = compute_metrics(replace(one, scores=np.round(one.scores * 0.9 + 0.06)))
    assert too_sure["calibration_error"].low > 0.1


def test_what_drawing_raises_is_mirrored() -> None:
    drawn = np.linspace(0.1, 0.3, 201)
    assert interval_of("top1", 0.15, drawn) == pytest.approx((0.105, 0.295))
    for name in ("calibration_error", "mean_average_precision"):
        assert interval_of(name, 0.15, drawn) == pytest.approx((0.005, 0.195))
        assert interval_of(name, 0.05, drawn) == pytest.approx((-0.195, 0.05))


@pytest.mark.parametrize(
    ("known", "left_out"),
    [
        (0, {"top5", "calibration_error", "negative_log_likelihood"}),
        (3, {"top5", "negative_log_likelihood"}),
        (5, {"negative_log_likelihood"}),
    ],
)
def test_what_a_file_does_not_tell_is_left_out(known: int, left_out: set[str]) -> None:
    one = random_evaluation(50, 8)
    told = replace(one, protocol={"name": "file", KNOWN_SCORES: known})
    assert compute_metrics(one, resamples=5).keys() - compute_metrics(told, resamples=5).keys() == (
        left_out
    )


def test_few_classes_have_no_top_5() -> None:
    assert "top5" not in compute_metrics(random_evaluation(50, 5), resamples=5)
    assert "top5" in compute_metrics(random_evaluation(50, 6), resamples=5)


def test_confusion_and_classes() -> None:
    answers: Any = [0, 0, 1, 1, 1, 2, 2]
    one = evaluation_of(np.eye(4)[answers], [0, 0, 0, 0, 1, 1, 2])
    matrix = confusion_matrix(one)
    np.testing.assert_array_equal(matrix, [[2, 2, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]])
    values = class_values(one)
    assert [(v.label, v.videos, v.value) for v in values[:3]] == [
        ("class 0", 4, 0.5),
        ("class 1", 2, 0.5),
        ("class 2", 1, 1.0),
    ]
    assert (values[0].low, values[0].high) == wilson_interval(2, 4)
    assert values[3].videos == 0
    assert math.isnan(values[3].value)
    pairs = confused_pairs(matrix, one.labels)
    assert [(p.label, p.taken_for, p.videos, p.share) for p in pairs] == [
        ("class 0", "class 1", 2, 0.5),
        ("class 1", "class 2", 1, 0.5),
    ]


def test_calibration_bins_hold_all_videos_and_give_the_error() -> None:
    one = random_evaluation(500, 4)
    bins = calibration_bins(one)
    assert len(bins) == 15
    assert sum(each.videos for each in bins) == 500
    gaps = sum(abs(b.accuracy - b.confidence) * b.videos for b in bins if b.videos) / 500
    assert gaps == pytest.approx(compute_metrics(one)["calibration_error"].value, abs=1e-6)
    assert math.isnan(bins[0].accuracy)  # the best of four is at least 1/4
    sure = calibration_bins(replace(one, scores=np.eye(4, dtype=np.float32)[one.targets]))
    assert sure[-1].videos == 500
