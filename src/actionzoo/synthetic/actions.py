"""The ten actions: what a body does over time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from actionzoo.labels import load_labels
from actionzoo.synthetic.body import (
    FORWARD,
    LEFT,
    SIDES,
    UP,
    Array,
    Body,
    ease,
    limb_direction,
    unit,
    vectors,
    wobble,
)
from actionzoo.synthetic.legs import (
    Leg,
    Steps,
    alternating_steps,
    both_legs,
    choose_hops,
    hop_height,
    standing_legs,
    two_feet,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """Directions of one arm in the frame of the chest, as if it were a left arm; each (T, 3)."""

    upper: Array
    lower: Array


@dataclass(frozen=True, kw_only=True, slots=True)
class Motion:
    """What a body does over time: all that an action decides."""

    pelvis: Array
    """(T, 3), metres over the ground."""
    legs: tuple[Leg, Leg]
    arms: tuple[Arm, Arm]
    lean: Array
    """Forward pitch of the trunk."""
    curl: Array
    """Further pitch of its upper half."""
    roll: Array
    """Sideways tilt of the trunk, to the left."""
    twist: Array
    """Turn of the shoulders against the pelvis."""


def _arm(flexion: Array, elbow: Array | float, abduction: Array | float) -> Arm:
    """An arm that moves forward and back, its elbow bent in the same plane."""
    return Arm(
        upper=limb_direction(flexion, abduction),
        lower=limb_direction(flexion + elbow, 0.4 * np.asarray(abduction)),
    )


def _hanging_arm(seconds: Array, rng: np.random.Generator) -> Arm:
    """An arm at rest: at the side, seldom bent, as with a hand in a pocket."""
    bent = rng.uniform(0.6, 1.6) if rng.random() < 0.15 else rng.uniform(0.0, 0.35)
    flexion = rng.normal(-0.3 * bent, 0.1) + wobble(seconds, rng, 0.04)
    return _arm(flexion, bent, np.full_like(seconds, rng.uniform(0.05, 0.3)))


def _pair(make: Callable[[float], Arm]) -> tuple[Arm, Arm]:
    return make(SIDES[0]), make(SIDES[1])


def _walk(seconds: Array, body: Body, rng: np.random.Generator) -> Motion:
    """Double support, knees bent by some 60° in swing, arms against legs, two bobs a stride."""
    cadence, step = rng.uniform(1.5, 2.15), body.height * rng.uniform(0.34, 0.48)
    period, duty = 2 / cadence, rng.uniform(0.58, 0.65)
    stand = body.ankle + body.leg * rng.uniform(0.985, 1.0) - 0.06 * step**2
    bob, sway = rng.uniform(0.012, 0.028), rng.uniform(0.0, 0.025)
    steps = alternating_steps(
        body=body,
        rng=rng,
        period=period,
        duty=duty,
        speed=step * cadence,
        fold=rng.uniform(0.08, 0.16),
        trail=rng.uniform(0.7, 1.0),
        heel_off=rng.uniform(0.7, 1.1),
        ahead=rng.uniform(0.0, 0.04),
    )
    middle = period * duty / 2  # mid-stance of the left foot: the pelvis is highest, and left

    def pelvis(t: Array) -> Array:
        turn = 2 * np.pi * (t - middle) / period
        return vectors(step * cadence * t, stand + bob * np.cos(2 * turn), sway * np.cos(turn))

    turn = 2 * np.pi * (seconds - period * 0.97) / period  # a leg is foremost at touch-down
    swing, elbow = rng.uniform(0.1, 0.65), rng.uniform(0.1, 0.6)
    rest, splay = rng.normal(0.0, 0.08), rng.uniform(0.05, 0.25)

    def arm(side: float) -> Arm:
        wave = -side * np.cos(turn)
        size = swing * rng.uniform(0.75, 1.2)
        return _arm(rest + size * wave, elbow + 0.4 * size * (1 + wave), splay)

    return _motion(
        seconds,
        rng,
        pelvis=pelvis(seconds),
        arms=_pair(arm),
        legs=both_legs(seconds, steps, pelvis, body),
        lean=rng.uniform(-0.03, 0.14),
        twist=-rng.uniform(0.0, 0.2) * np.cos(turn),
    )


def _motion(
    seconds: Array,
    rng: np.random.Generator,
    *,
    pelvis: Array,
    legs: tuple[Leg, Leg],
    arms: tuple[Arm, Arm],
    lean: Array | float = 0.0,
    curl: Array | float = 0.0,
    twist: Array | float = 0.0,
) -> Motion:
    """Add the sway that nobody is without."""
    zeros = np.zeros_like(seconds)
    return Motion(
        pelvis=pelvis,
        legs=legs,
        arms=arms,
        curl=zeros + curl + rng.uniform(0.0, 0.12),
        lean=zeros + lean + wobble(seconds, rng, 0.02),
        roll=rng.normal(0, 0.02) + wobble(seconds, rng, 0.015),
        twist=zeros + twist,
    )


def _run(seconds: Array, body: Body, rng: np.random.Generator) -> Motion:
    """Flight between the steps, heels high behind, elbows bent, trunk leaning forward."""
    cadence, speed = rng.uniform(2.4, 3.3), rng.uniform(1.9, 4.0)
    period, duty = 2 / cadence, rng.uniform(0.30, 0.43)
    stand = body.ankle + body.leg * rng.uniform(0.965, 1.0)
    steps = alternating_steps(
        body=body,
        rng=rng,
        period=period,
        duty=duty,
        speed=speed,
        fold=rng.uniform(0.2, 0.45),
        trail=rng.uniform(0.6, 1.05),
        heel_off=rng.uniform(0.7, 1.1),
        ahead=rng.uniform(-0.03, 0.06),
    )

    def pelvis(t: Array) -> Array:
        phase = np.mod(t / (period / 2), 1.0)
        return vectors(speed * t, stand + hop_height(phase, period / 2, 2 * duty), 0.0)

    turn = 2 * np.pi * (seconds - period * 0.93) / period
    swing, elbow = rng.uniform(0.15, 0.8), rng.uniform(1.0, 2.2)
    rest, splay = rng.normal(-0.25, 0.12), rng.uniform(0.1, 0.4)

    def arm(side: float) -> Arm:
        wave = -side * np.cos(turn)
        size = swing * rng.uniform(0.8, 1.2)
        return _arm(rest + size * wave, elbow + 0.3 * size * wave, splay)

    return _motion(
        seconds,
        rng,
        pelvis=pelvis(seconds),
        arms=_pair(arm),
        legs=both_legs(seconds, steps, pelvis, body),
        lean=rng.uniform(0.0, 0.25),
        twist=-rng.uniform(0.05, 0.3) * np.cos(turn),
    )


def _jump_arms(
    seconds: Array, rng: np.random.Generator, rhythm: Array, swing: float, bent: float = 0.2
) -> tuple[Arm, Arm]:
    """Arms at the sides that follow the hops: a little out, or forward, or hardly at all."""
    rest, elbow = rng.normal(0.0, 0.1), rng.uniform(0.05, 0.5)
    splay, flap = 0.04 + 0.3 * rng.random() ** 2, 0.3 * rng.random() ** 2
    if rng.random() < bent:  # before the body, as boxers hop
        rest, elbow = rng.normal(-0.1, 0.15), rng.uniform(0.9, 1.9)

    def arm(side: float) -> Arm:
        size = swing * rng.uniform(0.8, 1.2)
        return _arm(
            rest + size * rhythm, elbow + 0.5 * size * (1 + rhythm), splay + flap * (1 + rhythm) / 2
        )

    return _pair(arm)


def _jump(seconds: Array, body: Body, rng: np.random.Generator) -> Motion:
    """Hops on both legs that carry the body forward; the trunk bows as it lands."""
    hops = choose_hops(body, rng, contact=(0.18, 0.4), flight=(0.18, 0.36), length=(0.4, 1.1))
    steps = two_feet(hops, body=body, rng=rng, fold=rng.uniform(0.0, 0.2))
    rhythm = np.cos(2 * np.pi * (hops.phase(seconds) - hops.duty - rng.uniform(0.0, 0.25)))
    swing = rng.uniform(0.2, 0.9) if rng.random() < 0.35 else rng.uniform(0.0, 0.12)
    return _motion(
        seconds,
        rng,
        pelvis=hops.pelvis(seconds),
        arms=_jump_arms(seconds, rng, rhythm, swing),
        legs=both_legs(seconds, steps, hops.pelvis, body),
        lean=rng.uniform(0.0, 0.25) - rng.uniform(0.0, 0.15) * rhythm,
    )


def _pjump(seconds: Array, body: Body, rng: np.random.Generator) -> Motion:
    """Hops on both legs on the spot."""
    hops = choose_hops(body, rng, contact=(0.14, 0.4), flight=(0.14, 0.38))
    steps = two_feet(hops, body=body, rng=rng, fold=rng.uniform(0.0, 0.1))
    rhythm = np.cos(2 * np.pi * (hops.phase(seconds) - hops.duty - rng.uniform(0.0, 0.4)))
    return _motion(
        seconds,
        rng,
        pelvis=hops.pelvis(seconds),
        legs=both_legs(seconds, steps, hops.pelvis, body),
        arms=_jump_arms(seconds, rng, rhythm, rng.uniform(0.0, 0.35)),
        lean=rng.uniform(0.0, 0.12) - rng.uniform(0.0, 0.06) * rhythm,
    )


def _skip(seconds: Array, body: Body, rng: np.random.Generator) -> Motion:
    """Hops on one leg that carry the body forward; the other is held bent and swings a little."""
    hops = choose_hops(body, rng, contact=(0.17, 0.34), flight=(0.14, 0.3), length=(0.4, 1.0))
    steps = two_feet(hops, body=body, rng=rng, fold=rng.uniform(0.02, 0.2))
    rhythm = np.cos(2 * np.pi * (hops.phase(seconds) - hops.duty - rng.uniform(-0.1, 0.25)))
    standing, pelvis = int(rng.integers(2)), hops.pelvis(seconds)
    legs = list(both_legs(seconds, steps, hops.pelvis, body))
    legs[1 - standing] = _held_leg(pelvis, rhythm, body=body, rng=rng, side=SIDES[1 - standing])
    swing = rng.uniform(0.2, 0.7) if rng.random() < 0.5 else rng.uniform(0.0, 0.2)
    return _motion(
        seconds,
        rng,
        pelvis=pelvis,
        legs=(legs[0], legs[1]),
        arms=_jump_arms(seconds, rng, rhythm, swing, bent=0.45),
        lean=rng.uniform(0.0, 0.22) - rng.uniform(0.0, 0.12) * rhythm,
    )


def _held_leg(
    pelvis: Array, rhythm: Array, *, body: Body, rng: np.random.Generator, side: float
) -> Leg:
    """The leg that never touches the ground: thigh about upright, shank behind."""
    hip = pelvis + side * body.hips * LEFT
    thigh = rng.uniform(-0.15, 0.6) + rng.uniform(0.05, 0.45) * rhythm
    knee = rng.uniform(1.0, 1.9) + rng.uniform(-0.1, 0.3) * rhythm
    joint = hip + body.thigh * limb_direction(thigh, 0.05)
    ankle = joint + body.shank * limb_direction(thigh - knee, 0.0)
    shank = unit(ankle - joint)
    toe = unit(FORWARD - shank * (shank @ FORWARD)[:, None] + 0.5 * shank)
    return Leg(hip=hip, knee=joint, ankle=ankle, foot=toe)


def _side(seconds: Array, body: Body, rng: np.random.Generator) -> Motion:
    """A gallop to the left: the leading leg opens, the other closes in a small flight."""
    period, stride = rng.uniform(0.42, 0.8), body.height * rng.uniform(0.35, 0.65)
    speed, trail, lead = stride / period, rng.uniform(0.42, 0.52), rng.uniform(0.42, 0.5)
    onset = rng.uniform(0.36, 0.44)  # the leading foot lands while the trailing one still stands
    stand = body.ankle + body.leg * rng.uniform(0.98, 1.0)
    bob = rng.uniform(0.015, 0.06)
    turn_out = rng.uniform(0.0, 0.35)

    def pelvis(t: Array) -> Array:
        highest = 2 * np.pi * (t / period - (onset + lead + 1) / 2 - 0.04)
        return vectors(0.0, stand - bob + bob * np.cos(highest), speed * t)

    def steps(start: float, duty: float, reach: float) -> Steps:
        def place(contact: Array) -> Array:
            middle = period * (contact + start + duty / 2)
            return vectors(0.5 * body.foot, 0.0, speed * middle + reach)

        return Steps(
            period=period,
            start=start * period,
            duty=duty,
            place=place,
            fold_peak=0.5,
            trail=0.5,
            fold=rng.uniform(0.01, 0.07),
            heel_off=rng.uniform(0.2, 0.6),
            turn_out=turn_out,
        )

    gap = body.hips * rng.uniform(0.6, 1.5)
    pair = (steps(onset, lead, gap + 0.12 * stride), steps(0.0, trail, -gap - 0.12 * stride))
    rhythm = np.cos(2 * np.pi * (seconds / period - rng.uniform(0, 1)))
    return _motion(
        seconds,
        rng,
        pelvis=pelvis(seconds),
        legs=both_legs(seconds, pair, pelvis, body),
        arms=_jump_arms(seconds, rng, rhythm, rng.uniform(0.0, 0.15)),
        lean=rng.uniform(0.0, 0.12),
    )


def _jack(seconds: Array, body: Body, rng: np.random.Generator) -> Motion:
    """Jumping jacks: two hops a cycle, legs apart with the arms up, together with the arms down."""
    hops = choose_hops(body, rng, contact=(0.2, 0.45), flight=(0.12, 0.24))
    cycle, duty = 2 * hops.period, hops.duty
    closed, opened = body.hips * rng.uniform(0.4, 1.3), body.leg * rng.uniform(0.24, 0.5)
    lower = body.leg - math.sqrt(body.leg**2 - (opened - body.hips) ** 2)

    def pelvis(t: Array) -> Array:  # straight legs apart are lower than together
        apart = 0.5 - 0.5 * np.cos(2 * np.pi * (t / cycle - duty / 4))
        return hops.pelvis(t) - lower * apart[..., None] * UP

    def steps(side: float) -> Steps:
        def place(contact: Array) -> Array:
            width = np.where(np.mod(contact, 2) == 1, opened, closed)
            return vectors(0.5 * body.foot, 0.0, side * width)

        return Steps(
            period=hops.period,
            start=0.0,
            duty=duty,
            place=place,
            fold=rng.uniform(0.0, 0.05),
            fold_peak=0.5,
            trail=0.5,
            heel_on=hops.heel_on,
            heel_off=rng.uniform(0.1, 0.6),
            turn_out=rng.uniform(0.1, 0.4),
        )

    lag = duty / 4 + rng.normal(0.0, 0.03)
    raised = 0.5 - 0.5 * np.cos(2 * np.pi * (seconds / cycle - lag))
    low, high = rng.uniform(0.05, 0.4), rng.uniform(1.9, 2.9)
    elbow_low, elbow_high, ahead = rng.uniform(0, 0.3), rng.uniform(0, 0.8), rng.normal(0.05, 0.1)

    def arm(side: float) -> Arm:
        upper = low + (high * rng.uniform(0.95, 1.05) - low) * raised
        bent = elbow_low + (elbow_high - elbow_low) * raised
        return Arm(upper=limb_direction(ahead, upper), lower=limb_direction(ahead, upper + bent))

    return _motion(
        seconds,
        rng,
        pelvis=pelvis(seconds),
        arms=_pair(arm),
        legs=both_legs(seconds, (steps(SIDES[0]), steps(SIDES[1])), pelvis, body),
        lean=rng.uniform(-0.02, 0.08),
    )


def _bend(seconds: Array, body: Body, rng: np.random.Generator) -> Motion:
    """Bend down to the floor, reach with one arm or both, and rise again."""
    down, hold, up = rng.uniform(0.55, 1.3), rng.uniform(0.0, 0.7), rng.uniform(0.6, 1.4)
    rest = rng.uniform(0.1, 0.7)
    cycle = down + hold + up + rest
    into = np.mod(seconds - rest * rng.uniform(0.3, 1.0), cycle)
    depth = ease(into / down) - ease((into - down - hold) / up)
    knees = body.leg * np.clip(rng.normal(0.13, 0.12), 0.0, 0.42)
    back = rng.uniform(0.05, 0.16)
    stand = body.ankle + body.leg * 0.99
    pelvis = vectors(-back * depth, stand - knees * depth - 0.5 * back**2 * depth, 0.0)
    lean = rng.uniform(0.9, 1.5) * depth
    curl = rng.uniform(0.3, 0.9) * depth
    pelvis = pelvis + wobble(seconds, rng, 0.006)[:, None] * FORWARD
    reaching = rng.integers(2), rng.random() < 0.45

    def arm(side: float) -> Arm:
        if reaching[1] or side == SIDES[reaching[0]]:
            hang = lean + curl + rng.uniform(-0.1, 0.35) * depth
            return _arm(
                rng.normal(0, 0.06) + hang,
                rng.uniform(0.0, 0.3) - 0.0 * depth,
                rng.uniform(0.0, 0.15),
            )
        follow = rng.uniform(0.1, 1.0) * (lean + curl)
        return _arm(follow + rng.normal(0, 0.08), rng.uniform(0.1, 0.8), rng.uniform(0.05, 0.25))

    return _motion(
        seconds,
        rng,
        pelvis=pelvis,
        arms=_pair(arm),
        lean=lean,
        curl=curl,
        legs=standing_legs(pelvis, body=body, rng=rng, width=body.hips * rng.uniform(0.7, 2.0)),
    )


def _waving(seconds: Array, rng: np.random.Generator) -> Callable[[float], Arm]:
    """Choose a way of waving: with the whole arm, or with the forearm about the elbow."""
    rate, start = rng.uniform(0.5, 1.7), rng.uniform(0, 2 * np.pi)
    ahead, whole = rng.normal(0.1, 0.15), rng.random() < 0.6
    if whole:
        middle, size = rng.uniform(1.75, 2.5), rng.uniform(0.3, 0.85)
        elbow, elbow_size = rng.uniform(0.0, 0.7), rng.uniform(0.0, 0.7)
    else:
        middle, size = rng.uniform(1.2, 2.4), rng.uniform(0.0, 0.2)
        elbow, elbow_size = rng.uniform(0.5, 1.3), rng.uniform(0.35, 0.8)
        rate *= 1.3

    def arm(lag: float) -> Arm:
        wave = np.sin(2 * np.pi * rate * seconds + start + lag)
        upper = middle + size * wave + wobble(seconds, rng, 0.03)
        bent = np.clip(elbow + elbow_size * wave, -0.1, 2.4)
        return Arm(
            upper=limb_direction(ahead, upper), lower=limb_direction(ahead + 0.1, upper + bent)
        )

    return arm


def _wave(seconds: Array, body: Body, rng: np.random.Generator, arms: tuple[Arm, Arm]) -> Motion:
    """Stand, and sway a little with what the arms do."""
    stand = body.ankle + body.leg * rng.uniform(0.985, 0.998)
    pelvis = vectors(
        wobble(seconds, rng, 0.006), stand, wobble(seconds, rng, rng.uniform(0.002, 0.02))
    )
    width = body.hips * rng.uniform(0.6, 2.6)
    return _motion(
        seconds,
        rng,
        pelvis=pelvis,
        arms=arms,
        legs=standing_legs(pelvis, body=body, rng=rng, width=width),
    )


def _wave1(seconds: Array, body: Body, rng: np.random.Generator) -> Motion:
    """Wave one raised arm; the other hangs."""
    arms = [_waving(seconds, rng)(0.0), _hanging_arm(seconds, rng)]
    left_handed = int(rng.integers(2))
    return _wave(seconds, body, rng, (arms[left_handed], arms[1 - left_handed]))


def _wave2(seconds: Array, body: Body, rng: np.random.Generator) -> Motion:
    """Wave both raised arms, mostly as mirror images, seldom to the same side."""
    waving = _waving(seconds, rng)
    lag = np.pi if rng.random() < 0.12 else rng.normal(0, 0.15)
    return _wave(seconds, body, rng, (waving(0.0), waving(lag)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Action:
    """One of the actions that figures can perform."""

    name: str
    """Of the folder its clips are written to."""
    label: str
    move: Callable[[Array, Body, np.random.Generator], Motion]
    """Times in seconds (T,), the body, and chance -> what the body does."""
    facing: float
    """Angle between the figure's front and the direction to the camera."""
    facing_spread: float
    """Standard deviation of that angle."""


_SIDE_VIEW, _FRONT_VIEW = math.pi / 2, 0.0
_MOVES: tuple[
    tuple[str, Callable[[Array, Body, np.random.Generator], Motion], float, float], ...
] = (
    ("bend", _bend, _SIDE_VIEW, 0.35),
    ("jack", _jack, _FRONT_VIEW, 0.25),
    ("jump", _jump, _SIDE_VIEW, 0.2),
    ("pjump", _pjump, _FRONT_VIEW, 0.3),
    ("run", _run, _SIDE_VIEW, 0.2),
    ("side", _side, _FRONT_VIEW, 0.2),
    ("skip", _skip, _SIDE_VIEW, 0.2),
    ("walk", _walk, _SIDE_VIEW, 0.2),
    ("wave1", _wave1, _FRONT_VIEW, 0.3),
    ("wave2", _wave2, _FRONT_VIEW, 0.3),
)

ACTIONS: tuple[Action, ...] = tuple(
    Action(name=name, label=label, move=move, facing=facing, facing_spread=spread)
    for (name, move, facing, spread), label in zip(_MOVES, load_labels("weizmann10"), strict=True)
)
"""The ten actions in the order of the labels ``weizmann10``."""
