"""The limbs of a body hang together."""

from __future__ import annotations

import numpy as np
import pytest

from actionzoo.synthetic.actions import ACTIONS
from actionzoo.synthetic.body import random_body
from actionzoo.synthetic.skeleton import Limb, skeleton


def limbs(action: int, seed: int) -> tuple[list[Limb], float]:
    rng = np.random.default_rng(seed)
    body = random_body(rng)
    return skeleton(ACTIONS[action].move(np.arange(0, 2, 0.04), body, rng), body), body.height


@pytest.mark.parametrize("action", range(10))
def test_each_limb_starts_where_another_ends(action: int) -> None:
    drawn, _ = limbs(action, 0)
    for first, second in (("thigh", "shank"), ("upper arm", "forearm"), ("forearm", "hand")):
        starts = [one.start for one in drawn if one.name == second]
        ends = [one.end for one in drawn if one.name == first]
        assert len(starts) == 2
        np.testing.assert_allclose(ends, starts)


def test_a_walker_is_as_tall_as_the_body() -> None:
    drawn, height = limbs(7, 1)
    top = max(one.end[:, 1].max() + one.radii[1] for one in drawn)
    assert top == pytest.approx(height, rel=0.06)


def test_a_bending_body_brings_its_head_down() -> None:
    drawn, height = limbs(0, 1)
    (head,) = (one for one in drawn if one.name == "head")
    assert head.end[:, 1].max() > 0.85 * height
    assert head.end[:, 1].min() < 0.65 * height
