"""The unit of drawing: a capsule, measured by the distance of its surface."""

from __future__ import annotations

import numpy as np

from actionzoo.synthetic.body import Array, wobble
from actionzoo.synthetic.camera import Camera
from actionzoo.synthetic.skeleton import Limb


def capsule(
    start: Array, end: Array, radii: tuple[Array, Array], *, height: int, width: int
) -> tuple[Array, Array, Array, Array]:
    """Measure how deep the pixels around a capsule lie in it.

    Args:
        start: Pixel coordinates x, y over time (T, 2).
        end: The same of the other end.
        radii: Radius at start and end in pixels, (T,) each.
        height: Rows of the frame.
        width: Columns of the frame.

    Returns:
        Depth (T, h, w) float32 in pixels, positive inside; the position along the axis in [0, 1],
        of the same shape; the first row (T,) and column (T,) of the patch in the frame.
    """
    radius = np.maximum(*radii)[:, None] + 1.5
    low = np.floor(np.minimum(start, end) - radius).astype(int)
    high = np.ceil(np.maximum(start, end) + radius).astype(int)
    wide, tall = np.minimum((high - low).max(0) + 1, (width, height))
    left, top = np.clip(low, 0, (width - wide, height - tall)).T
    across, down = (end - start).astype(np.float32)[:, :, None, None].transpose(1, 0, 2, 3)
    x = (left[:, None] + np.arange(wide) - start[:, :1]).astype(np.float32)[:, None, :]
    y = (top[:, None] + np.arange(tall) - start[:, 1:]).astype(np.float32)[:, :, None]
    along = (x * across + y * down) / np.maximum(across**2 + down**2, 1e-3)
    np.clip(along, 0.0, 1.0, out=along)
    first, last = (one.astype(np.float32)[:, None, None] for one in radii)
    depth = first + (last - first) * along
    depth -= np.hypot(x - across * along, y - down * along)
    return depth, along, top, left


def project_limb(limb: Limb, camera: Camera) -> tuple[Array, Array, tuple[Array, Array], float]:
    """Capsule of a limb in pixels, and its mean nearness to the camera."""
    start, zoom_start, near_start = camera.project(limb.start)
    end, zoom_end, near_end = camera.project(limb.end)
    radii = limb.radii[0] * zoom_start, limb.radii[1] * zoom_end
    return start, end, radii, float(near_start.mean() + near_end.mean())


def flicker(frames: int, rng: np.random.Generator, share: float) -> Array:
    """Choose runs of frames that make up about the given share of a clip: (T,) bool."""
    waves = wobble(np.arange(frames) * rng.uniform(0.05, 0.5), rng)
    return np.asarray(waves > np.quantile(waves, 1 - share) if share else np.zeros(frames, bool))


def smooth_noise(rng: np.random.Generator, height: int, width: int, grain: float) -> Array:
    """Draw smooth noise (H, W) of unit deviation, its blobs ``grain`` pixels wide."""
    grid = rng.standard_normal((int(height / grain) + 2, int(width / grain) + 2))
    for axis, size in enumerate((height, width)):
        at = np.arange(size) / grain
        low = at.astype(int)
        weight = (at - low).reshape((-1, 1) if axis == 0 else (1, -1))
        grid = grid.take(low, axis) * (1 - weight) + grid.take(low + 1, axis) * weight
    return np.asarray(grid * 1.5, np.float32)
