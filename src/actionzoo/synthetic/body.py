"""The measures of a person, and the few tools that all of the generator uses.

Axes of a figure: forward, up, and its own left, in metres. Angles are in radians.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
Curve = Callable[[Array], Array]
"""Times in seconds (T,) -> points (T, 3)."""

FORWARD, UP, LEFT = np.eye(3)
SIDES = (1.0, -1.0)  # left, right: the sign of the third axis


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """The measures of one person in metres; radii are those of clothed limbs."""

    height: float
    thigh: float
    shank: float
    ankle: float
    """Height of the ankle above the sole."""
    foot: float
    """From the ankle to the ball of the foot."""
    hips: float
    """Half the distance of the hip joints."""
    trunk: float
    """From the hip joints to the shoulders."""
    shoulders: float
    """Half the distance of the shoulder joints."""
    upper_arm: float
    forearm: float
    girth: float
    """Factor on the radii of trunk and limbs."""
    trousers: float
    """Added to the radius of the legs."""
    skirt: float
    """Length of a skirt or coat as a share of the thigh; 0 for none."""
    hair: float
    """Length of the hair below the crown; 0 for short hair."""

    @property
    def leg(self) -> float:
        """From the hip joint to the ankle of a straight leg."""
        return self.thigh + self.shank


def random_body(rng: np.random.Generator) -> Body:
    """Draw a person: adults mostly, of varied proportions and clothing."""
    height = float(np.clip(rng.normal(1.70, 0.10), 1.35, 1.95))
    legs, arms = height * rng.uniform(0.93, 1.05), height * rng.uniform(0.95, 1.05)
    return Body(
        height=height,
        thigh=0.245 * legs,
        shank=0.246 * legs,
        ankle=0.039 * height,
        foot=0.095 * height,
        hips=0.052 * height * rng.uniform(0.9, 1.15),
        trunk=0.288 * height * rng.uniform(0.96, 1.04),
        shoulders=0.110 * height * rng.uniform(0.88, 1.1),
        upper_arm=0.186 * arms,
        forearm=0.150 * arms,
        girth=float(np.clip(rng.normal(1.05, 0.15), 0.8, 1.5)),
        trousers=height * rng.choice([0.0, 0.004, 0.010, 0.018]),
        skirt=float(rng.choice([0.0, rng.uniform(0.35, 1.5)], p=[0.8, 0.2])),
        hair=float(rng.choice([0.0, rng.uniform(0.1, 0.3) * height], p=[0.6, 0.4])),
    )


def wobble(seconds: Array, rng: np.random.Generator, size: float = 1.0) -> Array:
    """Draw a slow random curve of about the given standard deviation: idle sway."""
    rates, phases = rng.uniform(0.1, 1.1, 3), rng.uniform(0, 2 * np.pi, 3)
    waves = np.sin(2 * np.pi * rates[:, None] * seconds + phases[:, None])
    return np.asarray(size * waves.sum(0) / math.sqrt(1.5))


def ease(share: Array) -> Array:
    """Rise smoothly from 0 to 1 while ``share`` does."""
    share = np.clip(share, 0.0, 1.0)
    return np.asarray(share * share * (3 - 2 * share))


def unit(vectors: Array) -> Array:
    """Scale vectors (..., 3) to length 1."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6))


def vectors(forward: Array | float, up: Array | float, left: Array | float) -> Array:
    """Stack components into (..., 3)."""
    return np.stack(np.broadcast_arrays(forward, up, left), -1).astype(float)


def limb_direction(flexion: Array | float, abduction: Array | float) -> Array:
    """Point a left limb: down at (0, 0), forward at flexion 90°, outward at abduction 90°."""
    return vectors(
        np.sin(flexion), -np.cos(flexion) * np.cos(abduction), np.cos(flexion) * np.sin(abduction)
    )
