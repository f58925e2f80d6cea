"""What makes the difference between protocols."""

import numpy as np
import pytest

from actionzoo.evaluation.gaps import explain_gaps
from actionzoo.protocols import get_protocol
from colour_model import SPEC
from evaluations import evaluation_of


def test_each_is_compared_with_the_first_and_told_from_the_one_before():
    targets = np.arange(40) % 4
    right = np.eye(4)[targets]
    worse = right.copy()
    worse[:10] = np.roll(worse[:10], 1, axis=1)
    evaluations = [evaluation_of(logits, targets) for logits in (worse, right, right)]
    protocols = [get_protocol(name) for name in ("single", "mvit-5x1", "torchvision-12x1")]
    first, second = explain_gaps(evaluations, protocols, SPEC.input)
    assert (first.protocol, second.protocol) == ("mvit-5x1", "torchvision-12x1")
    assert first.metrics["top1"].difference.value == pytest.approx(0.25)
    assert first.metrics["top1"].difference.low > 0
    assert second.metrics["top1"].difference.value == pytest.approx(0.25)
    assert first.explanation == "5 clips rather than 1"
    assert second.explanation == "12 clips rather than 5"


def test_one_protocol_has_no_gaps():
    one = evaluation_of(np.eye(3), np.arange(3))
    assert explain_gaps([one], [get_protocol("single")], SPEC.input) == []
