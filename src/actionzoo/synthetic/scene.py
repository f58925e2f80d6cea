"""One clip: a person, a motion, a view and a style, all drawn by chance."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Literal

import numpy as np

from actionzoo.synthetic.actions import Action
from actionzoo.synthetic.body import Array, random_body, wobble
from actionzoo.synthetic.camera import Camera, place_camera
from actionzoo.synthetic.colour import draw_colour
from actionzoo.synthetic.silhouette import draw_silhouette
from actionzoo.synthetic.skeleton import Limb, skeleton

Style = Literal["silhouette", "plain", "textured"]


def draw_clip(
    action: Action,
    *,
    rng: np.random.Generator,
    seconds: float = 3.0,
    fps: Fraction = Fraction(25),
    height: int = 128,
    width: int = 160,
    style: Style = "plain",
) -> Array:
    """Draw one person, chosen by chance, who performs an action.

    Args:
        action: One of ``ACTIONS``.
        rng: Decides everything else: the body, the manner, the view, the colours.
        seconds: Length at most; a traveller may leave the view earlier, though not before 1.3 s.
        fps: Frames a second.
        height: Rows in pixels.
        width: Columns in pixels.
        style: ``silhouette`` is white on black, ``plain`` and ``textured`` name the background.

    Returns:
        Shape (T, H, W, 3) uint8 in [0, 255] RGB.
    """
    body = random_body(rng)
    time = np.arange(max(2, round(seconds * fps))) / float(fps)
    uneven = wobble(time, rng, 0.02)
    motion = action.move(rng.uniform(0, 20) + time + uneven - uneven[0], body, rng)
    limbs = skeleton(motion, body)
    camera, frames = place_camera(
        limbs, motion.pelvis, rng, action=action, seconds=time, height=height, width=width
    )
    limbs, camera = _first(limbs, camera, frames)
    shape = (frames, height, width)
    if style == "silhouette":
        return draw_silhouette(limbs, camera, shape, rng)
    return draw_colour(limbs, camera, shape, rng, textured=style == "textured")


def _first(limbs: list[Limb], camera: Camera, frames: int) -> tuple[list[Limb], Camera]:
    """Keep the first frames."""
    kept = [replace(one, start=one.start[:frames], end=one.end[:frames]) for one in limbs]
    return kept, replace(camera, origin=camera.origin[:frames])
