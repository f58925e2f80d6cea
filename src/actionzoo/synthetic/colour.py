"""Figures in clothes before a backdrop, as a camera would film them."""

from __future__ import annotations

import numpy as np

from actionzoo.synthetic.body import Array, wobble
from actionzoo.synthetic.camera import Camera
from actionzoo.synthetic.capsule import capsule, project_limb, smooth_noise
from actionzoo.synthetic.skeleton import Limb

_PAINT = {
    "belly": "bottom",
    "belt": "top",
    "chest": "top",
    "collar": "top",
    "foot": "shoe",
    "forearm": "sleeve",
    "hair": "hair",
    "hand": "skin",
    "head": "skin",
    "neck": "skin",
    "shank": "bottom",
    "skirt": "skirt",
    "spine": "top",
    "thigh": "bottom",
    "upper arm": "top",
}
_SKIN = np.array([[236, 200, 175], [198, 150, 115], [141, 95, 65], [85, 55, 40]], float)
_HAIR = np.array([[25, 20, 18], [90, 60, 35], [180, 150, 95], [150, 150, 150]], float)


def _clothes(rng: np.random.Generator, backdrop: Array) -> dict[str, Array]:
    """Choose the colours of a figure that stands out from the mean of its backdrop (H, W, 3)."""
    mean = backdrop.mean((0, 1))

    def cloth() -> Array:
        for _ in range(8):
            colour = np.clip(rng.uniform(10, 245) + rng.normal(0, 45, 3), 5, 250)
            if np.abs(colour - mean).mean() > 60:
                break
        return colour

    skin, top, bottom = _SKIN[rng.integers(4)] * rng.uniform(0.85, 1.05), cloth(), cloth()
    return {
        "skin": skin,
        "hair": _HAIR[rng.integers(4)],
        "top": top,
        "sleeve": skin if rng.random() < 0.35 else top,
        "bottom": top if rng.random() < 0.2 else bottom,
        "skirt": bottom if rng.random() < 0.6 else top,
        "shoe": rng.uniform(10, 240) + rng.normal(0, 10, 3),
    }


def _backdrop(rng: np.random.Generator, height: int, width: int, *, textured: bool) -> Array:
    """Paint a wall and a floor (H, W, 3) float32; textured ones have clutter before them."""
    wall, floor = rng.uniform(20, 235, 3), rng.uniform(20, 235, 3)
    grey = rng.uniform(0, 1)
    wall = grey * wall.mean() + (1 - grey) * wall
    picture = np.empty((height, width, 3), np.float32)
    picture[:] = wall + rng.normal(0, 12) * np.linspace(-1, 1, height)[:, None, None]
    if textured or rng.random() < 0.5:
        horizon = int(height * rng.uniform(0.5, 0.95))
        blend = rng.uniform(0.0, 0.8)
        picture[horizon:] = blend * picture[horizon:] + (1 - blend) * floor
    if textured:
        _clutter(picture, rng)
    return picture


def _clutter(picture: Array, rng: np.random.Generator) -> None:
    """Add boxes, bars and blotches."""
    height, width, _ = picture.shape
    for _ in range(rng.integers(1, 10)):
        tall, wide = (rng.uniform(0.03, 0.5, 2) * (height, width)).astype(int) + 1
        y, x = int(rng.uniform(-0.1, 0.9) * height), int(rng.uniform(-0.1, 1.0) * width)
        region = picture[max(y, 0) : y + tall, max(x, 0) : x + wide]
        region += rng.uniform(0.2, 0.9) * (rng.uniform(20, 235, 3) - region)
    strength = rng.uniform(2, 13)
    for grain in (1.5, 5.0, 17.0):
        tint = 1 + 0.3 * rng.standard_normal(3)
        picture += (
            strength * rng.uniform(0, 1) * smooth_noise(rng, height, width, grain)[..., None] * tint
        )
    np.clip(picture, 0, 255, out=picture)


def draw_colour(
    limbs: list[Limb],
    camera: Camera,
    shape: tuple[int, int, int],
    rng: np.random.Generator,
    *,
    textured: bool,
) -> Array:
    """Paint the figure before a backdrop, and film it."""
    frames, height, width = shape
    backdrop = _backdrop(rng, height, width, textured=textured)
    canvas = _filmed_backdrop(backdrop, camera, frames)
    clothes, pattern = _clothes(rng, backdrop), (rng.uniform(0.0, 0.35), rng.uniform(4, 30))
    if textured:
        _passers_by(canvas, rng)
    drawn = [(limb, *project_limb(limb, camera)) for limb in limbs]
    light = rng.uniform(0.25, 0.6)
    for limb, start, end, radii, _ in sorted(drawn, key=lambda one: one[-1]):
        depth, along, top, left = capsule(start, end, radii, height=height, width=width)
        shade = 1 - light + light * np.clip(depth / max(float(np.mean(radii)), 1.0), 0, 1)
        if _PAINT[limb.name] in ("top", "bottom", "skirt") and pattern[0] > 0.15:
            shade *= 1 + pattern[0] * np.sin(pattern[1] * along)
        colour = clothes[_PAINT[limb.name]].astype(np.float32)
        _paint(canvas, np.clip(depth + 0.5, 0, 1), shade[..., None] * colour, top, left)
    return _film(canvas, rng)


def _paint(canvas: Array, alpha: Array, colour: Array, top: Array, left: Array) -> None:
    _, tall, wide = alpha.shape
    for picture, cover, paint, y, x in zip(canvas, alpha, colour, top, left, strict=True):
        region = picture[y : y + tall, x : x + wide]
        region += cover[..., None] * (paint - region)


def _filmed_backdrop(backdrop: Array, camera: Camera, frames: int) -> Array:
    """Move the backdrop as the camera does; beyond its edges it goes on as its mirror image."""
    height, width, _ = backdrop.shape
    moved = np.round(camera.origin - camera.origin[0]).astype(int)
    if not moved.any():
        return np.repeat(backdrop[None], frames, 0)
    rows, columns = (np.concatenate([np.arange(n), np.arange(n)[::-1]]) for n in (height, width))
    return np.stack(
        [
            backdrop[rows[(np.arange(height) - y) % (2 * height)]][
                :, columns[(np.arange(width) - x) % (2 * width)]
            ]
            for x, y in moved
        ]
    )


def _passers_by(canvas: Array, rng: np.random.Generator) -> None:
    """Move a few blobs across the background, as cars or branches would."""
    frames, height, width, _ = canvas.shape
    time = np.arange(frames)[:, None]
    for _ in range(rng.integers(0, 3)):
        start = rng.uniform(0, 1, 2) * (width, 0.8 * height) + time * rng.normal(0, 1.0, 2) * (
            1,
            0.1,
        )
        radius = np.full(frames, rng.uniform(0.02, 0.07) * height)
        end = start + rng.normal(0, 0.1 * height, 2)
        depth, _, top, left = capsule(start, end, (radius, radius), height=height, width=width)
        colour = np.broadcast_to(rng.uniform(20, 235, 3).astype(np.float32), (*depth.shape, 3))
        _paint(canvas, rng.uniform(0.3, 0.8) * np.clip(depth + 0.5, 0, 1), colour, top, left)


def _film(canvas: Array, rng: np.random.Generator) -> Array:
    """Add what a camera adds: exposure, defocus, flicker and grain; (T, H, W, 3) uint8."""
    frames, height, width, _ = canvas.shape
    if rng.random() < 0.15:
        canvas[:] = canvas.mean(-1, keepdims=True)
    if rng.random() < 0.3:
        canvas[:, 1:-1] = (canvas[:, :-2] + 2 * canvas[:, 1:-1] + canvas[:, 2:]) / 4
        canvas[:, :, 1:-1] = (canvas[:, :, :-2] + 2 * canvas[:, :, 1:-1] + canvas[:, :, 2:]) / 4
    gain = rng.uniform(0.7, 1.15) * (1 + wobble(np.arange(frames) / 10, rng, rng.uniform(0, 0.02)))
    grain = rng.uniform(0.0, 6.0) * rng.standard_normal((height + 32, width + 32, 1))
    grain = grain.astype(np.float32)
    for picture, light in zip(canvas, gain, strict=True):
        y, x = rng.integers(0, 32, 2)
        picture *= np.float32(light)
        picture += grain[y : y + height, x : x + width]
    np.clip(canvas, 0, 255, out=canvas)
    return canvas.astype(np.uint8)
