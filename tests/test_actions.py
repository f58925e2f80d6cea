"""Bodies move as their actions say."""

from __future__ import annotations

import numpy as np
import pytest

from actionzoo.labels import load_labels
from actionzoo.synthetic.actions import ACTIONS, Motion
from actionzoo.synthetic.body import Body, random_body
from actionzoo.synthetic.legs import Leg

BY_NAME = {action.name: action for action in ACTIONS}
SECONDS = np.arange(0, 3, 0.02)
seeds = pytest.mark.parametrize("seed", range(5))


def move(name: str, seed: int) -> tuple[Motion, Body]:
    rng = np.random.default_rng(seed)
    body = random_body(rng)
    return BY_NAME[name].move(SECONDS, body, rng), body


def travelled(motion: Motion) -> float:
    """Metres over the ground."""
    return float(np.linalg.norm((motion.pelvis[-1] - motion.pelvis[0])[[0, 2]]))


def soles(motion: Motion, body: Body) -> np.ndarray:
    """Height over the ground of the ball of the left and the right foot: (2, T)."""
    return np.stack([sole(leg, body) for leg in motion.legs])


def sole(leg: Leg, body: Body) -> np.ndarray:
    """The ball of the foot lies before and under the ankle."""
    ahead, height = (
        body.foot * leg.foot[:, 1],
        body.ankle * np.hypot(leg.foot[:, 0], leg.foot[:, 2]),
    )
    return leg.ankle[:, 1] + ahead - height


def test_actions_are_the_ten_of_the_labels() -> None:
    assert tuple(action.label for action in ACTIONS) == load_labels("weizmann10")
    names = "bend jack jump pjump run side skip walk wave1 wave2"
    assert [action.name for action in ACTIONS] == names.split()


@seeds
@pytest.mark.parametrize("name", ["jump", "run", "side", "skip", "walk"])
def test_travellers_travel(name: str, seed: int) -> None:
    motion, _ = move(name, seed)
    speed = travelled(motion) / SECONDS[-1]
    slowest, fastest = {"walk": (0.7, 2.2), "run": (1.8, 4.2)}.get(name, (0.5, 4.0))
    assert slowest < speed < fastest


@seeds
@pytest.mark.parametrize("name", ["bend", "jack", "pjump", "wave1", "wave2"])
def test_others_stay_where_they_are(name: str, seed: int) -> None:
    motion, _ = move(name, seed)
    assert travelled(motion) < 0.3


@seeds
@pytest.mark.parametrize("name", ["jump", "pjump", "jack"])
def test_jumps_lift_both_feet_at_once_and_land_them(name: str, seed: int) -> None:
    heights = soles(*move(name, seed))
    assert heights.min(0).max() > 0.002
    assert np.abs(heights).max(0).min() < 0.02


@seeds
def test_running_has_a_flight_and_walking_has_none(seed: int) -> None:
    assert soles(*move("run", seed)).min(0).max() > 0.005
    assert soles(*move("walk", seed)).min(0).max() < 0.02


@seeds
def test_hopping_holds_one_foot_up(seed: int) -> None:
    heights = soles(*move("skip", seed))
    hopping, held = sorted(heights, key=np.min)
    assert hopping.min() < 0.02
    assert held.min() > 0.05


@seeds
def test_a_walking_foot_stands_still_on_the_ground(seed: int) -> None:
    motion, body = move("walk", seed)
    for leg in motion.legs:
        toes = leg.ankle + body.foot * leg.foot
        grounded = (sole(leg, body) < 0.003) & (leg.foot[:, 1] > -0.01)
        slips = np.abs(np.diff(toes[:, 0]))[grounded[1:] & grounded[:-1]]
        assert len(slips) > 20
        assert np.median(slips) < 0.002


@seeds
def test_bending_brings_the_head_down(seed: int) -> None:
    motion, _ = move("bend", seed)
    pitch = motion.lean + motion.curl
    assert pitch.max() > 1.0
    assert pitch.min() < 0.5


@seeds
@pytest.mark.parametrize(("name", "raised"), [("wave1", 1), ("wave2", 2), ("walk", 0)])
def test_waves_raise_their_hands(name: str, raised: int, seed: int) -> None:
    motion, _ = move(name, seed)
    above = [(arm.upper + arm.lower)[:, 1].max() > 0 for arm in motion.arms]
    assert sum(above) == raised
