"""Legs that meet the ground: a foot in stance does not move, the knee follows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from actionzoo.synthetic.body import (
    FORWARD,
    LEFT,
    SIDES,
    UP,
    Array,
    Body,
    Curve,
    ease,
    unit,
    vectors,
)

GRAVITY = 9.81


@dataclass(frozen=True, kw_only=True, slots=True)
class Steps:
    """When and where one foot meets the ground: once a period."""

    period: float
    start: float
    """Touch-down of contact 0 in seconds."""
    duty: float
    """Share of the period on the ground."""
    place: Curve
    """Number of a contact -> place of the ball of the foot, (..., 3)."""
    fold: float
    """How far the swinging leg is shortened, as a share of its length: 0.13 bends the knee by 60°,
    0.4 by 105°."""
    fold_peak: float = 0.42
    """When in the swing it is shortest; before the middle, because the heel rises first."""
    trail: float
    """How far the shank folds back rather than the thigh forward: 1 leaves the thigh on the line
    between its ends, 0 the ankle."""
    heel_on: float = 0.0
    """Pitch of the foot at touch-down: who hops lands on the balls of the feet."""
    heel_off: float
    """Pitch of the foot as the toe leaves the ground."""
    turn_out: float
    """Outward rotation of the foot."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Leg:
    """The joints of one leg over time, each (T, 3)."""

    hip: Array
    knee: Array
    ankle: Array
    foot: Array
    """Unit vector from heel to toe."""


def _bend_knee(hip: Array, ankle: Array, *, body: Body, pole: Array) -> tuple[Array, Array]:
    """Solve the two-link leg: its knee points to ``pole``, an ankle out of reach is pulled in."""
    reach = ankle - hip
    length = np.linalg.norm(reach, axis=-1, keepdims=True)
    down = reach / np.maximum(length, 1e-6)
    length = np.clip(length, 0.25 * body.leg, 0.998 * body.leg)
    along = (body.thigh**2 - body.shank**2 + length**2) / (2 * length)
    out = np.sqrt(np.maximum(body.thigh**2 - along**2, 0))
    side = unit(pole - (pole * down).sum(-1, keepdims=True) * down)
    return hip + along * down + out * side, hip + length * down


def _stance(steps: Steps, contact: Array, share: Array, *, body: Body, side: float) -> Array:
    """Ankle of the foot on the ground: it rolls over the ball once the heel has risen."""
    pitch = _heel_rise(steps, share)
    back = -body.foot * np.cos(pitch) + body.ankle * np.sin(pitch)
    height = body.foot * np.sin(pitch) + body.ankle * np.cos(pitch)
    offset = vectors(back * np.cos(steps.turn_out), height, side * back * np.sin(steps.turn_out))
    return np.asarray(steps.place(contact) + offset)


def _heel_rise(steps: Steps, share: Array) -> Array:
    landing = steps.heel_on * np.clip(1 - share / 0.4, 0, 1) ** 1.5
    return landing + steps.heel_off * np.clip((share - 0.55) / 0.45, 0, 1) ** 1.5


def _leg(seconds: Array, steps: Steps, *, hip: Curve, body: Body, side: float) -> Leg:
    """Place a leg that stands and swings in turn, continuous at touch-down and toe-off."""
    turns = (seconds - steps.start) / steps.period
    contact = np.floor(turns)
    phase = turns - contact
    standing = phase < steps.duty
    swing = np.clip((phase - steps.duty) / (1 - steps.duty), 0, 1)

    def relative(contact: Array, share: float) -> Array:
        when = steps.start + steps.period * (contact + share * steps.duty)
        ones = np.full_like(contact, share)
        return _stance(steps, contact, ones, body=body, side=side) - hip(when)

    off, on = relative(contact, 1.0), relative(contact + 1, 0.0)
    line = off + (on - off) * ease(swing)[:, None]
    length = np.linalg.norm(off, axis=-1) * (1 - swing) + np.linalg.norm(on, axis=-1) * swing
    bump = np.sin(np.pi * swing ** (math.log(0.5) / math.log(steps.fold_peak)))
    folded = length - steps.fold * body.leg * bump
    bent = [np.arccos(np.clip(one / body.leg, 0.3, 1.0)) for one in (folded, length)]
    swung = (
        hip(seconds) + _tilt_back(unit(line), steps.trail * (bent[0] - bent[1])) * folded[:, None]
    )
    stood = _stance(steps, contact, phase / steps.duty, body=body, side=side)
    ankle = np.where(standing[:, None], stood, swung)
    pitch = _heel_rise(steps, phase / steps.duty)
    return _finish_leg(
        hip(seconds),
        ankle,
        body=body,
        side=side,
        turn_out=steps.turn_out,
        pitch=np.where(standing, pitch, np.nan),
    )


def _tilt_back(line: Array, angle: Array) -> Array:
    """Turn directions (T, 3) backward by angles (T,)."""
    ahead = unit(FORWARD - line * line[:, :1])
    return np.asarray(line * np.cos(angle)[:, None] - ahead * np.sin(angle)[:, None])


def _finish_leg(
    hip: Array, ankle: Array, *, body: Body, side: float, turn_out: float, pitch: Array
) -> Leg:
    """Add knee and foot; where ``pitch`` is nan the foot hangs at a right angle to the shank."""
    heading = vectors(math.cos(turn_out), 0.0, side * math.sin(turn_out))
    knee, ankle = _bend_knee(hip, ankle, body=body, pole=np.broadcast_to(heading, hip.shape))
    shank = unit(ankle - knee)
    hanging = unit(heading - (shank * heading).sum(-1, keepdims=True) * shank + 0.35 * shank)
    flat = np.cos(pitch)[:, None] * heading - np.sin(pitch)[:, None] * UP
    return Leg(hip=hip, knee=knee, ankle=ankle, foot=np.where(np.isnan(flat), hanging, flat))


def _hip(pelvis: Curve, body: Body, side: float) -> Curve:
    return lambda seconds: pelvis(seconds) + side * body.hips * LEFT


def standing_legs(
    pelvis: Array, *, body: Body, rng: np.random.Generator, width: float
) -> tuple[Leg, Leg]:
    """Both feet flat on the ground, ``width`` metres to each side."""
    turn_out, stagger = rng.uniform(0.05, 0.4), rng.normal(0, 0.03)
    legs = []
    for side in SIDES:
        ankle = vectors(side * stagger - 0.5 * body.foot, body.ankle, side * width)
        legs.append(
            _finish_leg(
                pelvis + side * body.hips * LEFT,
                np.broadcast_to(ankle, pelvis.shape),
                body=body,
                side=side,
                turn_out=turn_out,
                pitch=np.zeros(len(pelvis)),
            )
        )
    return legs[0], legs[1]


def hop_height(phase: Array, period: float, duty: float) -> Array:
    """Compute the height of a hopping body over that at touch-down: a spring, then free fall.

    The spring's half sine meets the parabola with the same speed (the spring-mass model of
    Blickhan, J. Biomechanics 22, 1989).
    """
    contact, flight = duty * period, (1 - duty) * period
    speed = GRAVITY * flight / 2
    air = np.maximum(phase - duty, 0) * period
    spring = -speed * contact / np.pi * np.sin(np.pi * np.minimum(phase / duty, 1))
    return np.asarray(np.where(phase < duty, spring, speed * air - GRAVITY * air**2 / 2))


def alternating_steps(
    *,
    body: Body,
    rng: np.random.Generator,
    period: float,
    duty: float,
    speed: float,
    fold: float,
    trail: float,
    heel_off: float,
    ahead: float,
) -> tuple[Steps, Steps]:
    """Steps of feet that take turns, half a period apart; half-way each is under the pelvis."""
    turn_out, limp, width = rng.uniform(0.0, 0.2), rng.normal(0, 0.012), rng.uniform(0.3, 1.0)
    steps = []
    for index, side in enumerate(SIDES):
        start = period * (0.5 * index + limp * index)

        def place(contact: Array, start: float = start, side: float = side) -> Array:
            middle = start + period * (contact + duty / 2)
            forward = speed * middle + ahead + 0.5 * body.foot
            return vectors(forward, 0.0, side * width * body.hips)

        steps.append(
            Steps(
                period=period,
                start=start,
                duty=duty,
                place=place,
                turn_out=turn_out,
                fold=fold * rng.uniform(0.95, 1.05),
                trail=trail,
                heel_off=heel_off,
            )
        )
    return steps[0], steps[1]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Hops:
    """A series of equal hops."""

    contact: float
    """Seconds on the ground."""
    flight: float
    """Seconds in the air: 0.25 lift the body by 8 cm."""
    speed: float
    """Metres a second, forward."""
    heel_on: float
    """Pitch of the feet at touch-down."""
    stand: float
    """Height of the pelvis at touch-down."""

    @property
    def period(self) -> float:
        return self.contact + self.flight

    @property
    def duty(self) -> float:
        return self.contact / self.period

    def phase(self, t: Array) -> Array:
        """Share of the period that has passed: contact first, then flight."""
        return np.asarray(np.mod(t / self.period, 1.0))

    def pelvis(self, t: Array) -> Array:
        height = self.stand + hop_height(self.phase(t), self.period, self.duty)
        return vectors(self.speed * t, height, 0.0)


def choose_hops(
    body: Body,
    rng: np.random.Generator,
    *,
    contact: tuple[float, float],
    flight: tuple[float, float],
    length: tuple[float, float] = (0.0, 0.0),
) -> _Hops:
    """Choose hops within the given ranges of seconds and metres."""
    on, off, heel = rng.uniform(*contact), rng.uniform(*flight), rng.uniform(0.1, 0.6)
    straight = rng.uniform(0.965, 0.995) * body.leg
    stand = straight + body.ankle * math.cos(heel) + body.foot * math.sin(heel)
    return _Hops(
        contact=on, flight=off, heel_on=heel, stand=stand, speed=rng.uniform(*length) / (on + off)
    )


def two_feet(
    hops: _Hops, *, body: Body, rng: np.random.Generator, fold: float
) -> tuple[Steps, Steps]:
    """Both feet side by side, touching down together, or nearly."""
    ahead, width = rng.normal(0.0, 0.03) - 0.3 * body.foot, rng.uniform(0.5, 1.6) * body.hips
    turn_out, heel_off, late = rng.uniform(0, 0.3), rng.uniform(0.3, 0.9), rng.normal(0, 0.012)

    trail = rng.uniform(0.0, 1.0)

    def steps(side: float) -> Steps:
        def place(contact: Array) -> Array:
            middle = hops.period * (contact + hops.duty / 2)
            return vectors(hops.speed * middle + ahead + body.foot, 0.0, side * width)

        return Steps(
            period=hops.period,
            start=max(0.0, side * late),
            duty=hops.duty,
            place=place,
            fold=fold,
            trail=trail,
            fold_peak=0.5,
            heel_on=hops.heel_on,
            heel_off=heel_off,
            turn_out=turn_out,
        )

    return steps(SIDES[0]), steps(SIDES[1])


def both_legs(
    seconds: Array, steps: tuple[Steps, Steps], pelvis: Curve, body: Body
) -> tuple[Leg, Leg]:
    """Place the left and the right leg under a pelvis."""
    left, right = (
        _leg(seconds, one, hip=_hip(pelvis, body, side), body=body, side=side)
        for one, side in zip(steps, SIDES, strict=True)
    )
    return left, right
