"""The test of a difference, against what can be computed by hand and what is published."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionzoo.cli import main
from actionzoo.errors import BadDataset
from actionzoo.evaluation.compare import compare, mcnemar
from actionzoo.evaluation.metrics import compute_metrics
from actionzoo.evaluation.results import write_evaluation, write_logits
from evaluations import evaluation_of, evaluation_of_hits, random_evaluation


def pair(both: int, only_a: int, only_b: int, neither: int):
    """Two evaluations by how many videos which gets right."""
    hits_a = [True] * (both + only_a) + [False] * (only_b + neither)
    hits_b = [True] * both + [False] * only_a + [True] * only_b + [False] * neither
    return evaluation_of_hits(hits_a), evaluation_of_hits(hits_b)


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [
        (0, 0, 1.0),
        (0, 6, 2 / 2**6),
        (6, 0, 2 / 2**6),
        (1, 8, 2 * (1 + 9) / 2**9),
        (5, 5, 1.0),
    ],
)
def test_mcnemar_is_the_binomial_test(only_a: int, only_b: int, p: float) -> None:
    assert mcnemar(only_a, only_b) == pytest.approx(p, rel=1e-12)


def test_mcnemar_of_many_videos_is_near_the_normal_one() -> None:
    z = (5200 - 5000 - 1) / math.sqrt(10200)  # with Edwards' correction, Psychometrika 13, 1948
    assert mcnemar(5000, 5200) == pytest.approx(math.erfc(z / math.sqrt(2)), rel=1e-3)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_sum_of_what_is_as_unlikely(only_a: int, only_b: int) -> None:
    count = only_a + only_b
    chances = [math.comb(count, k) / 2**count for k in range(count + 1)]
    expected = sum(one for one in chances if one <= chances[only_a] * (1 + 1e-9))
    assert mcnemar(only_a, only_b) == pytest.approx(min(expected, 1), rel=1e-9)


def test_a_clear_difference() -> None:
    found = compare(*pair(120, 10, 40, 30))
    assert len(found.only_a_right) == 10
    assert len(found.only_b_right) == 40
    top1 = found.metrics["top1"]
    assert (top1.a, top1.b, top1.difference.value) == pytest.approx((0.65, 0.8, 0.15))
    # The variance of a paired difference: (share that differs - difference squared) / videos.
    half = 1.96 * math.sqrt((50 / 200 - 0.15**2) / 200)
    assert top1.difference.low == pytest.approx(0.15 - half, abs=0.1 * half)
    assert top1.difference.high == pytest.approx(0.15 + half, abs=0.1 * half)
    assert found.sentence.startswith("B is better by 15.0 points (95 % interval 8.")
    assert found.sentence.endswith(", p < 0.001)")
    backwards = compare(*pair(120, 40, 10, 30))
    assert backwards.sentence.startswith("A is better by 15.0 points (95 % interval 8.")


def test_a_difference_that_luck_explains() -> None:
    found = compare(*pair(40, 6, 9, 5))
    assert found.p_value == pytest.approx(mcnemar(6, 9))
    assert found.sentence.startswith("no difference can be told: B - A is +5.0 points (95 % inter")
    alike = compare(*pair(40, 0, 0, 5))
    change = alike.metrics["top1"].difference
    assert change.value == 0
    assert 0.05 < change.high == -change.low < 0.1  # Wilson's of 0 of 45
    assert "no difference" in alike.sentence


def test_the_same_videos_are_drawn_for_both() -> None:
    """Two good models that differ in one video: unpaired drawings would give ten points."""
    change = compare(*pair(150, 0, 1, 50)).metrics["top1"].difference
    assert (change.low, change.high) == pytest.approx((0, 3 / 201), abs=1e-9)


def test_other_orders_of_videos_and_classes_change_nothing() -> None:
    a, b = random_evaluation(80, 6, seed=1), random_evaluation(80, 6, seed=1)
    b = replace(b, scores=np.roll(b.scores, 1, axis=1))
    expected = compare(a, b)
    order, columns = np.random.default_rng(0).permutation(80), np.array([3, 1, 0, 5, 4, 2])
    shuffled = replace(
        b,
        paths=tuple(b.paths[place] for place in order),
        targets=np.argsort(columns)[b.targets[order]],
        scores=b.scores[order][:, columns],
        labels=tuple(b.labels[place] for place in columns),
    )
    found = compare(a, shuffled)
    assert found.metrics["top1"] == expected.metrics["top1"]
    assert (found.classes, found.only_a_right) == (expected.classes, expected.only_a_right)


def test_only_videos_of_both_count() -> None:
    a, b = random_evaluation(50, 4), random_evaluation(50, 4, seed=1)
    b = replace(b, targets=a.targets)
    part = replace(
        b,
        **{name: getattr(b, name)[10:] for name in ("targets", "logits", "scores", "clip_hits")},
        paths=("new.mp4", *b.paths[11:]),
        groups=b.groups[10:],
        list_hash="ba9876543210",
        protocol={"name": "gluoncv-30", "clips": 10, "crops": 3, "average": "logits"},
        failures=(("x.mp4", "broken"),),
    )
    found = compare(a, part)
    assert (found.videos, found.only_in_a, found.only_in_b) == (39, 11, 1)
    told = " ".join(found.warnings)
    assert "lists of videos differ (hashes 0123456789ab and ba9876543210)" in told
    assert "average scores and logits, clips 1 and 10" in told
    assert "1 video was left out of B" in told
    assert not compare(a, b).warnings


def test_parts_of_one_file_are_told_apart() -> None:
    a, b = pair(2, 1, 1, 0)
    found = compare(replace(a, paths=("a.mp4",) * 4), replace(b, paths=("a.mp4",) * 4))
    assert (found.videos, len(found.only_a_right), len(found.only_b_right)) == (4, 1, 1)


def test_classes_with_the_largest_difference_come_first() -> None:
    answers_a, answers_b = [0, 0, 1, 1, 2, 0], [0, 0, 1, 1, 2, 2]
    targets = [0, 0, 1, 0, 2, 2]
    found = compare(
        evaluation_of(np.eye(4)[answers_a], targets), evaluation_of(np.eye(4)[answers_b], targets)
    )
    assert [(one.label, one.videos, one.a, one.b) for one in found.classes] == [
        ("class 2", 2, 0.5, 1.0),
        ("class 0", 3, 2 / 3, 2 / 3),
        ("class 1", 1, 1.0, 1.0),
    ]


def test_several_labels_have_one_metric() -> None:
    a = random_evaluation(120, 5, several=True)
    b = replace(a, scores=np.clip(a.scores + 0.3 * a.targets, 0, 1))
    found = compare(a, b, resamples=300)
    assert list(found.metrics) == ["mean_average_precision"]
    assert found.p_value is None
    expected = [compute_metrics(one, resamples=2)["mean_average_precision"].value for one in (a, b)]
    change = found.metrics["mean_average_precision"].difference
    assert change.value == pytest.approx(expected[1] - expected[0], abs=1e-6)
    assert found.sentence.startswith("B is better by")
    assert "p " not in found.sentence


def test_what_cannot_be_compared_is_refused() -> None:
    a = random_evaluation(20, 4)
    elsewhere = replace(a, paths=tuple(f"x/{path}" for path in a.paths), list_hash="ba9876543210")
    with pytest.raises(BadDataset, match=r"no video in common.* 0123456789ab and ba9876543210"):
        compare(a, elsewhere)
    renamed = replace(a, labels=("run", *a.labels[1:]))
    with pytest.raises(BadDataset, match=r"'\d+.mp4' is 'class 0' in A and 'run' in B"):
        compare(a, renamed)
    with pytest.raises(BadDataset, match="videos with several labels"):
        compare(a, random_evaluation(20, 4, several=True))


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, one in zip("ab", pair(120, 10, 40, 30), strict=True):
        write_logits(one, tmp_path / f"{name}.parquet")
        write_evaluation(one, compute_metrics(one, resamples=2), tmp_path / f"{name}.json")
    typed = ["compare", str(tmp_path / "a.json"), str(tmp_path / "b.parquet")]
    assert main(typed) == 0
    said = capsys.readouterr().out
    assert "A  x3d_xs (single, torch)" in said
    assert "200 videos in both" in said
    assert "videos that only B gets right: 40" in said
    assert "B is better by 15.0 points" in said
    assert main([*typed, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["metrics"]["top1"]["difference"]["value"] == pytest.approx(0.15)
    assert len(told["only_b_right"]) == 40
    assert main(["compare", str(tmp_path / "a.json"), str(tmp_path / "none.json")]) == 2
    assert "there is no" in capsys.readouterr().err
