"""Figures white on black, as a subtraction of the background would leave them."""

from __future__ import annotations

import numpy as np

from actionzoo.synthetic.body import Array
from actionzoo.synthetic.camera import Camera
from actionzoo.synthetic.capsule import capsule, flicker, project_limb, smooth_noise
from actionzoo.synthetic.skeleton import Limb


def draw_silhouette(
    limbs: list[Limb], camera: Camera, shape: tuple[int, int, int], rng: np.random.Generator
) -> Array:
    """Draw white on black what a subtraction of the background would leave of the figure."""
    _, height, width = shape
    depth = np.full(shape, -9.0, np.float32)
    for limb in limbs:
        start, end, radii, _ = project_limb(limb, camera)
        if limb.name in ("hand", "foot") and rng.random() < 0.15:
            radii = radii[0] * 0.5, radii[1] * 0.5
        _deepen(depth, *capsule(start, end, radii, height=height, width=width))
    if rng.random() < 0.8:
        _damage(depth, limbs, camera, rng)
    if rng.random() < 0.6:  # masks are often cleaned so
        depth = _close_gaps(depth, int(rng.integers(1, 4)))
    return _threshold(depth, rng)


def _close_gaps(depth: Array, pixels: int) -> Array:
    """Fill gaps narrower than 2 x ``pixels``, as between an arm and the trunk."""
    for pick in (np.maximum, np.minimum):
        for _ in range(pixels):
            for axis in (1, 2):
                old = np.moveaxis(depth, axis, 0)
                new = old.copy()
                pick(new[1:], old[:-1], out=new[1:])
                pick(new[:-1], old[1:], out=new[:-1])
                depth = np.moveaxis(new, 0, axis)
    return depth


def _deepen(depth: Array, patch: Array, _: Array, top: Array, left: Array) -> None:
    """Unite what is drawn with one more shape."""
    _, tall, wide = patch.shape
    for canvas, one, y, x in zip(depth, patch, top, left, strict=True):
        region = canvas[y : y + tall, x : x + wide]
        np.maximum(region, one, out=region)


def _damage(depth: Array, limbs: list[Limb], camera: Camera, rng: np.random.Generator) -> None:
    """Bite pieces out of the figure at thin joints and elsewhere, and add stray blobs."""
    frames, height, width = depth.shape
    metre = np.full(frames, camera.scale)
    thin = [one for one in limbs if one.name in ("neck", "hand", "foot", "shank", "head", "hair")]
    for _ in range(rng.integers(0, 5)):
        limb = (
            limbs[rng.integers(len(limbs))] if rng.random() < 0.4 else thin[rng.integers(len(thin))]
        )
        point = limb.start + rng.uniform(0, 1) * (limb.end - limb.start)
        centre = camera.project(point)[0] + rng.normal(0, 0.03 * camera.scale, 2)
        radius = metre * rng.uniform(0.02, 0.09)
        shown = np.where(flicker(frames, rng, rng.uniform(0.05, 0.6)), radius, -9.0)
        patch, _, top, left = capsule(centre, centre, (shown, shown), height=height, width=width)
        _bite(depth, 2.5 * np.maximum(patch, 0), top, left)
    for _ in range(rng.integers(0, 4)):
        limb = limbs[rng.integers(len(limbs))]
        spread = rng.choice([0.1, 0.15, 1.0]) * camera.scale
        centre = camera.project(limb.end)[0] + rng.normal(0, spread, 2)
        radius = metre * rng.uniform(0.01, 0.06)
        shown = np.where(flicker(frames, rng, rng.uniform(0.02, 0.4)), radius, -9.0)
        _deepen(
            depth,
            *capsule(
                centre,
                centre + rng.normal(0, 0.04 * camera.scale, 2),
                (shown, shown),
                height=height,
                width=width,
            ),
        )


def _bite(depth: Array, patch: Array, top: Array, left: Array) -> None:
    _, tall, wide = patch.shape
    for canvas, one, y, x in zip(depth, patch, top, left, strict=True):
        canvas[y : y + tall, x : x + wide] -= one


def _threshold(depth: Array, rng: np.random.Generator) -> Array:
    """Cut a depth map (T, H, W) at a ragged edge: (T, H, W, 3) uint8, nearly all 0 or 255."""
    frames, height, width = depth.shape
    clouds = [smooth_noise(rng, height, width, rng.uniform(2.0, 6.0)) for _ in range(4)]
    ragged, edge = rng.uniform(0.0, 0.6), max(rng.normal(0.7, 0.5), -0.2)
    hardness = rng.uniform(1.0, 6.0)
    for canvas in depth:
        cloud = clouds[rng.integers(len(clouds))]
        canvas += ragged * np.roll(cloud, rng.integers(0, 64, 2), (0, 1))
    jitter = rng.integers(-1, 2, (frames, 2)) if rng.random() < 0.15 else None
    if jitter is not None:
        depth = np.stack([np.roll(one, by, (0, 1)) for one, by in zip(depth, jitter, strict=True)])
    if rng.random() < 0.12:  # masks are often computed at half the resolution
        depth = depth[:, ::2, ::2].repeat(2, 1).repeat(2, 2)[:, :height, :width]
    white = np.clip((depth + edge) * hardness + 0.5, 0, 1) * 255
    return np.repeat(white.astype(np.uint8)[..., None], 3, 3)
