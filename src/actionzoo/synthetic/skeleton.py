"""From a motion to the round limbs that are drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from actionzoo.synthetic.actions import Arm, Motion
from actionzoo.synthetic.body import FORWARD, LEFT, SIDES, UP, Array, Body, unit
from actionzoo.synthetic.legs import Leg


@dataclass(frozen=True, kw_only=True, slots=True)
class Limb:
    """A capsule between two joints: the unit of drawing."""

    name: str
    start: Array
    """(T, 3), metres."""
    end: Array
    radii: tuple[float, float]
    """At start and end, metres."""


def _frame(lean: Array, roll: Array, twist: Array) -> Array:
    """Axes of the trunk (T, 3, 3): rows are its forward, up and left."""
    turn, tilt, pitch = (one[:, None] for one in (twist, roll, lean))
    ahead = FORWARD * np.cos(turn) + LEFT * np.sin(turn)
    left = LEFT * np.cos(turn) - FORWARD * np.sin(turn)
    up, left = UP * np.cos(tilt) + left * np.sin(tilt), left * np.cos(tilt) - UP * np.sin(tilt)
    return np.stack(
        [
            ahead * np.cos(pitch) - up * np.sin(pitch),
            up * np.cos(pitch) + ahead * np.sin(pitch),
            left,
        ],
        1,
    )


def skeleton(motion: Motion, body: Body) -> list[Limb]:
    """Hang arms, head and clothes on a motion."""
    half = 0.5 * body.trunk
    lower = _frame(motion.lean, motion.roll, 0.4 * motion.twist)
    chest = _frame(motion.lean + motion.curl, motion.roll, motion.twist)
    waist = motion.pelvis + half * lower[:, 1]
    neck = waist + half * chest[:, 1]
    limbs = _trunk(motion.pelvis, waist, neck, axes=(lower[:, 2], chest[:, 2]), body=body)
    limbs += _head(neck, chest, body)
    for side, leg, arm in zip(SIDES, motion.legs, motion.arms, strict=True):
        limbs += _leg_limbs(leg, body, side) + _arm_limbs(arm, neck, chest, body=body, side=side)
    return limbs + _skirt(motion, body)


def _trunk(
    pelvis: Array, waist: Array, neck: Array, *, axes: tuple[Array, Array], body: Body
) -> list[Limb]:
    size, limbs = body.height * body.girth, []
    low, middle, top = 0.051 * size, 0.048 * size, 0.052 * size
    for side in SIDES:
        hip = pelvis + side * 0.045 * size * axes[0]
        flank = waist + side * 0.040 * size * axes[1]
        shoulder = neck + side * 0.072 * body.height * axes[1] - 0.03 * body.height * UP
        limbs += [
            Limb(name="belly", start=hip, end=flank, radii=(low, middle)),
            Limb(name="chest", start=flank, end=shoulder, radii=(middle, top)),
        ]
        limbs.append(
            Limb(name="collar", start=neck, end=shoulder, radii=(0.036 * body.height, 0.4 * top))
        )
    belt = pelvis + 0.4 * (waist - pelvis)
    limbs.append(Limb(name="belt", start=belt, end=waist, radii=(low, middle)))
    limbs.append(Limb(name="spine", start=waist, end=neck, radii=(middle, 0.6 * top)))
    return limbs


def _head(neck: Array, chest: Array, body: Body) -> list[Limb]:
    size, up, ahead = body.height, chest[:, 1], chest[:, 0]
    chin = neck + size * (0.075 * up + 0.018 * ahead)
    crown = neck + size * (0.135 * up + 0.012 * ahead)
    limbs = [
        Limb(name="neck", start=neck, end=chin, radii=(0.034 * size, 0.030 * size)),
        Limb(name="head", start=chin, end=crown, radii=(0.040 * size, 0.047 * size)),
    ]
    back = crown - 0.016 * size * ahead + 0.006 * size * up
    tip = back - body.hair * up - (0.15 * body.hair + 0.01 * size) * ahead
    limbs.append(Limb(name="hair", start=back, end=tip, radii=(0.046 * size, 0.036 * size)))
    return limbs


def _leg_limbs(leg: Leg, body: Body, side: float) -> list[Limb]:
    size = body.height * math.sqrt(body.girth)
    thigh, knee, ankle = (0.046 * size, 0.031 * size, 0.023 * size)
    wide = body.trousers
    sole = unit(UP - leg.foot * leg.foot[:, 1:2] + 1e-3 * FORWARD) * 0.018 * body.height
    heel = leg.ankle - sole - 0.2 * body.foot * leg.foot
    toe = leg.ankle - sole + 1.15 * body.foot * leg.foot
    return [
        Limb(name="thigh", start=leg.hip, end=leg.knee, radii=(thigh + 0.5 * wide, knee + wide)),
        Limb(name="shank", start=leg.knee, end=leg.ankle, radii=(knee + wide, ankle + wide)),
        Limb(name="foot", start=heel, end=toe, radii=(0.021 * body.height, 0.017 * body.height)),
    ]


def _arm_limbs(arm: Arm, neck: Array, chest: Array, *, body: Body, side: float) -> list[Limb]:
    mirror = np.array([1.0, 1.0, side])
    size = body.height * math.sqrt(body.girth)
    upper, lower = (np.einsum("ti,tij->tj", one * mirror, chest) for one in (arm.upper, arm.lower))
    # A raised arm lifts its shoulder (scapulohumeral rhythm).
    lift = 0.035 * body.height * np.clip(0.5 + 0.5 * arm.upper[:, 1:2], 0, 1)
    shoulder = (
        neck + side * body.shoulders * chest[:, 2] + (lift - 0.022 * body.height) * chest[:, 1]
    )
    elbow = shoulder + body.upper_arm * upper
    wrist = elbow + body.forearm * lower
    hand = wrist + 0.055 * body.height * lower
    return [
        Limb(name="upper arm", start=shoulder, end=elbow, radii=(0.031 * size, 0.025 * size)),
        Limb(name="forearm", start=elbow, end=wrist, radii=(0.025 * size, 0.019 * size)),
        Limb(name="hand", start=wrist, end=hand, radii=(0.019 * size, 0.022 * size)),
    ]


def _skirt(motion: Motion, body: Body) -> list[Limb]:
    """Cloth that hangs from the hips between the legs, down to ``body.skirt`` thighs."""
    limbs: list[Limb] = []
    if not body.skirt:
        return limbs
    for leg in motion.legs:
        along = leg.hip + body.skirt * (leg.knee - leg.hip)
        centre = 0.5 * (motion.legs[0].knee + motion.legs[1].knee - 2 * motion.pelvis)
        hem = 0.6 * along + 0.4 * (motion.pelvis + body.skirt * centre)
        limbs.append(
            Limb(
                name="skirt",
                start=leg.hip,
                end=hem,
                radii=(0.055 * body.height, 0.065 * body.height),
            )
        )
    return limbs
