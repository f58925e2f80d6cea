"""Feet meet the ground and stay there; knees keep their lengths."""

from __future__ import annotations

import numpy as np
import pytest

from actionzoo.synthetic.body import SIDES, random_body
from actionzoo.synthetic.legs import (
    GRAVITY,
    Leg,
    alternating_steps,
    both_legs,
    choose_hops,
    hop_height,
    standing_legs,
    two_feet,
)

SECONDS = np.arange(0, 2, 0.01)
seeds = pytest.mark.parametrize("seed", range(3))


def hopping(seed: int) -> tuple[float, tuple[Leg, Leg]]:
    rng = np.random.default_rng(seed)
    body = random_body(rng)
    hops = choose_hops(body, rng, contact=(0.2, 0.3), flight=(0.2, 0.3), length=(0.5, 1.0))
    steps = two_feet(hops, body=body, rng=rng, fold=0.1)
    return body.leg, both_legs(SECONDS, steps, hops.pelvis, body)


@seeds
def test_legs_are_continuous_and_no_longer_than_they_are(seed: int) -> None:
    length, legs = hopping(seed)
    for leg in legs:
        reach = np.linalg.norm(leg.ankle - leg.hip, axis=1)
        assert reach.max() < length
        steps = np.linalg.norm(np.diff(leg.ankle, axis=0), axis=1)
        assert steps.max() < 0.2  # metres in 10 ms: no leap


@seeds
def test_thigh_and_shank_keep_their_lengths(seed: int) -> None:
    for leg in hopping(seed)[1]:
        for one, other in ((leg.hip, leg.knee), (leg.knee, leg.ankle)):
            assert np.ptp(np.linalg.norm(one - other, axis=1)) < 1e-9


@seeds
def test_knees_bend_forward(seed: int) -> None:
    for leg in hopping(seed)[1]:
        middle = (leg.hip + leg.ankle) / 2
        across = np.cross(leg.ankle - leg.hip, leg.knee - middle)[:, 2]
        assert (across > -1e-9).all()


def test_feet_take_turns() -> None:
    rng = np.random.default_rng(0)
    steps = alternating_steps(
        body=random_body(rng),
        rng=rng,
        period=1.0,
        duty=0.6,
        speed=1.0,
        fold=0.1,
        trail=1.0,
        heel_off=0.8,
        ahead=0.0,
    )
    assert abs(steps[1].start - steps[0].start - 0.5) < 0.06


def test_standing_feet_are_flat_and_apart() -> None:
    rng = np.random.default_rng(0)
    body = random_body(rng)
    pelvis = np.tile([0.0, 0.99 * (body.leg + body.ankle), 0.0], (5, 1))
    for side, leg in zip(SIDES, standing_legs(pelvis, body=body, rng=rng, width=0.2), strict=True):
        np.testing.assert_allclose(leg.foot[:, 1], 0)
        np.testing.assert_allclose(leg.ankle[:, 2], 0.2 * side, atol=0.01)


def test_a_hopping_body_falls_freely() -> None:
    period, duty = 0.6, 0.5
    phase = np.arange(0, 1, 0.001)
    height = hop_height(phase, period, duty)
    speed = np.gradient(height, phase * period)
    assert abs(speed).max() == pytest.approx(GRAVITY * 0.3 / 2, rel=0.02)
    assert height.max() == pytest.approx(GRAVITY * 0.3**2 / 8, rel=0.01)
    assert np.abs(np.diff(speed)).max() < 0.05  # no kick between the spring and the fall
    assert height.min() < 0
