"""Where the camera stands, and how metres become pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from actionzoo.synthetic.actions import Action
from actionzoo.synthetic.body import SIDES, Array, wobble
from actionzoo.synthetic.skeleton import Limb


@dataclass(frozen=True, kw_only=True, slots=True)
class Camera:
    """How metres become pixels."""

    facing: float
    """Angle between the figure's front and the direction to the camera."""
    mirror: float
    """-1 to look at it in a mirror, else 1."""
    scale: float
    """Pixels a metre at the figure."""
    distance: float
    """From the figure in metres; gives the perspective."""
    tilt: float
    """How far the camera looks down."""
    centre: Array
    """(3,), the point on the ground that is drawn at ``origin``."""
    origin: Array
    """(T, 2), x and y in pixels, downwards; it moves where the camera shakes or follows."""

    def project(self, points: Array) -> tuple[Array, Array, Array]:
        """Look at points (T, 3): x and y (T, 2) in pixels, pixels a metre (T,), nearness (T,)."""
        forward, up, left = (points - self.centre).T
        across = forward * math.sin(self.facing) + left * math.cos(self.facing)
        near = forward * math.cos(self.facing) - left * math.sin(self.facing)
        scale = self.scale / (1 - np.clip(near / self.distance, -1.0, 0.6))
        down = near * math.sin(self.tilt) - up * math.cos(self.tilt)
        return self.origin + np.stack([self.mirror * across * scale, down * scale], 1), scale, near


_VISIBLE_SECONDS = 1.3  # a traveller stays in view for this long: the span of the bundled model


def place_camera(
    limbs: list[Limb],
    pelvis: Array,
    rng: np.random.Generator,
    *,
    action: Action,
    seconds: Array,
    height: int,
    width: int,
) -> tuple[Camera, int]:
    """Choose a view, and for how many frames the figure is in it."""
    facing = action.facing + rng.normal(0, action.facing_spread)
    heading = np.array([math.sin(facing), 0.0, math.cos(facing)])
    across = float((pelvis[-1] - pelvis[0]) @ heading)
    duration = float(seconds[-1] - seconds[0])
    tallest = max(float(one.end[:, 1].max()) + one.radii[1] for one in limbs)
    scale = min(rng.uniform(0.3, 0.85) * height / 1.7, 0.96 * height / tallest)
    follow, mirror = rng.random() < 0.12, float(rng.choice(SIDES))
    if not follow:
        scale = min(scale, width / max(abs(across) / duration * _VISIBLE_SECONDS - 0.3, 0.1))
    share = 1.0 if follow else min(1.0, (width + 0.3 * scale) / max(abs(across) * scale, 1.0))
    path = abs(across) * scale * share
    margin = scale * (0.45 - 0.6 * min(1.0, path / (0.5 * width)))
    low = min(margin, width / 2)
    start = rng.uniform(low, max(width - margin - path, low + 1e-3))
    origin = np.empty((len(seconds), 2))
    origin[:, 0] = start if across * mirror >= 0 else width - start
    if follow:
        origin[:, 0] = rng.uniform(0.3, 0.7) * width - mirror * scale * across * (
            (seconds - seconds[0]) / duration
        )
    origin[:, 1] = rng.uniform(min(tallest * scale + 2, 0.97 * height), 0.98 * height)
    camera = Camera(
        facing=facing,
        mirror=mirror,
        scale=scale,
        distance=rng.uniform(4.0, 12.0),
        tilt=rng.uniform(-0.03, 0.25),
        centre=pelvis[0] * (1, 0, 1),
        origin=origin + _shake(seconds, rng),
    )
    return camera, max(2, int(len(seconds) * share))


def _shake(seconds: Array, rng: np.random.Generator) -> Array:
    """Move the camera (T, 2) by a pixel or two, as a hand does, in a third of the clips."""
    size = rng.uniform(0.2, 1.5) if rng.random() < 0.35 else 0.0
    return np.stack([wobble(2 * seconds, rng, size) for _ in "xy"], 1)
