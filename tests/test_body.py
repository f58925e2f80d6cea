"""People have plausible measures."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from actionzoo.synthetic.body import ease, limb_direction, random_body, unit, wobble

angles = st.floats(-3, 3)


@given(st.integers(0, 10_000))
def test_parts_add_up_to_the_height(seed: int) -> None:
    body = random_body(np.random.default_rng(seed))
    head = 0.18 * body.height  # neck and head
    assert 1.35 <= body.height <= 1.95
    assert abs(body.ankle + body.leg + body.trunk + head - body.height) < 0.07 * body.height
    assert body.hips < body.shoulders < 0.15 * body.height


@given(angles, angles)
def test_directions_have_unit_length(flexion: float, abduction: float) -> None:
    assert np.isclose(np.linalg.norm(limb_direction(flexion, abduction)), 1)


def test_limbs_hang_point_forward_and_out() -> None:
    np.testing.assert_allclose(limb_direction(0, 0), [0, -1, 0], atol=1e-12)
    np.testing.assert_allclose(limb_direction(np.pi / 2, 0), [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(limb_direction(0, np.pi / 2), [0, 0, 1], atol=1e-12)


def test_ease_rises_from_0_to_1_and_stays_there() -> None:
    np.testing.assert_allclose(ease(np.array([-1, 0, 0.5, 1, 2])), [0, 0, 0.5, 1, 1])


def test_wobble_has_about_the_asked_size() -> None:
    curve = wobble(np.arange(0, 500, 0.1), np.random.default_rng(0), 0.5)
    assert 0.4 < curve.std() < 0.6
    assert np.abs(np.diff(curve)).max() < 0.5


def test_unit_leaves_zero_at_zero() -> None:
    np.testing.assert_allclose(unit(np.array([[3.0, 0, 4], [0, 0, 0]])), [[0.6, 0, 0.8], [0, 0, 0]])
