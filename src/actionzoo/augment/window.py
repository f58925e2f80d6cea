"""Which part of the frames is seen, and at what size."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from actionzoo.augment.config import AugmentConfig
from actionzoo.spec import InputSpec, Resize
from actionzoo.transforms import resized_size

_TRIES = 10
"""So often a box is drawn until one lies in the frame, as Inception's reference does."""


class Box(NamedTuple):
    """A rectangle in whole pixels of the frame; it may reach past the frame."""

    top: int
    left: int
    height: int
    width: int


def drawn_resize(spec: InputSpec, config: AugmentConfig, *, rng: np.random.Generator) -> Resize:
    """Draw the size that the decoder scales a video to.

    With ``config.short_side`` its short side is one of those lengths, both ends included, each as
    likely as the others: what PySlowFast does unless its ``INV_UNIFORM_SAMPLE`` is set, which draws
    the inverse uniformly. Else it is the spec's own size.
    """
    if config.short_side is None:
        return spec.resize
    low, high = config.short_side
    short = int(rng.integers(low, high + 1))
    return Resize(rule="short_side", height=short, width=short, rounding=spec.resize.rounding)


def crop_size(spec: InputSpec, side: int | None) -> tuple[int, int]:
    """Return the height and width of the crop, its shorter side ``side`` unless None."""
    if side is None:
        return spec.height, spec.width
    shorter = min(spec.height, spec.width)
    return round(spec.height * side / shorter), round(spec.width * side / shorter)


def random_window(
    size: tuple[int, int],
    crop: tuple[int, int],
    *,
    spec: InputSpec,
    config: AugmentConfig,
    rng: np.random.Generator,
) -> Box:
    """Draw what is to be seen, in one of the three ways of ``AugmentConfig``.

    With ``short_side``, frames that have the size of ``spec.resize`` are taken for kept ones, and
    a short side is drawn for them here; others have been scaled to ``drawn_resize`` already. (To
    draw twice, where the first happened to give the spec's size, changes nothing but that clip.)

    Args:
        size: Height and width of the frames.
        crop: Height and width that the window will be shown at.
        spec: Size of frames that are kept in memory.
        config: How far the window may change.
        rng: Source of chance.
    """
    if config.area is not None:
        box = random_box(size, area=config.area, ratio=config.ratio, rng=rng)
        return box or _largest_box(size, config.ratio)
    if config.short_side is None:
        zoom = rng.uniform(*config.zoom)
        return _moved_box(size, crop, zoom=zoom, shift=config.shift, rng=rng)
    is_kept = size == resized_size(spec.resize, *size)
    zoom = drawn_resize(spec, config, rng=rng).height / min(size) if is_kept else 1.0
    return _moved_box(size, crop, zoom=zoom, shift=0.0, rng=rng)


def random_box(
    size: tuple[int, int],
    *,
    area: tuple[float, float],
    ratio: tuple[float, float],
    rng: np.random.Generator,
) -> Box | None:
    """Draw a box inside a frame (Szegedy et al., Going Deeper with Convolutions, 2015).

    Args:
        size: Height and width of the frame.
        area: Least and most share of the frame's area, drawn uniformly.
        ratio: Least and most width by height, its logarithm drawn uniformly.
        rng: Source of chance.

    Returns:
        A box; None where none of ten lay in the frame.
    """
    for _ in range(_TRIES):
        pixels = size[0] * size[1] * rng.uniform(*area)
        shape = math.exp(rng.uniform(math.log(ratio[0]), math.log(ratio[1])))
        height, width = round(math.sqrt(pixels / shape)), round(math.sqrt(pixels * shape))
        if 0 < height <= size[0] and 0 < width <= size[1]:
            top = int(rng.integers(size[0] - height + 1))
            return Box(top, int(rng.integers(size[1] - width + 1)), height, width)
    return None


def _largest_box(size: tuple[int, int], ratio: tuple[float, float]) -> Box:
    """Return the largest box in the middle of a frame that has an allowed ratio."""
    height = max(1, min(size[0], round(size[1] / ratio[0])))
    width = max(1, min(size[1], round(size[0] * ratio[1])))
    return Box((size[0] - height) // 2, (size[1] - width) // 2, height, width)


def _moved_box(
    size: tuple[int, int],
    crop: tuple[int, int],
    *,
    zoom: float,
    shift: float,
    rng: np.random.Generator,
) -> Box:
    """Draw where the crop lies in the frame when that is shown ``zoom`` times as large."""
    height, width = (max(1, round(side / zoom)) for side in crop)
    top = _place(size[0], height, shift, rng)
    return Box(top, _place(size[1], width, shift, rng), height, width)


def _place(side: int, length: int, shift: float, rng: np.random.Generator) -> int:
    """Draw a start along one side; in the middle where the frame is shorter than the window."""
    low, high = (0, side - length) if side >= length else ((side - length) // 2,) * 2
    more = round(shift * length)
    # At least a row or column of the frame is seen.
    return int(rng.integers(max(low - more, 1 - length), min(high + more, side - 1) + 1))


def cut(pixels: np.ndarray, box: Box, size: tuple[int, int], *, mirrored: bool) -> np.ndarray:
    """Show one part of the frames at a size.

    A box of that size is cut out, not copied; another is scaled, with a filter as wide as the
    pixels of the result, so that fine patterns do not flicker.

    Args:
        pixels: Shape (T, H, W, C) uint8.
        box: What is seen.
        size: Height and width of the result.
        mirrored: Whether left and right change places.

    Returns:
        Shape (T, height, width, C) uint8; black where the frame does not reach.
    """
    rows, to_rows = _overlap(box.top, box.height, pixels.shape[1], size[0])
    columns, to_columns = _overlap(box.left, box.width, pixels.shape[2], size[1])
    shape = (to_rows.stop - to_rows.start, to_columns.stop - to_columns.start)
    seen = _scaled(pixels[:, rows, columns], shape)
    if shape != size:
        canvas = np.zeros((len(pixels), *size, pixels.shape[3]), np.uint8)
        canvas[:, to_rows, to_columns] = seen
        seen = canvas
    return seen[:, :, ::-1] if mirrored else seen


def _overlap(start: int, length: int, side: int, size: int) -> tuple[slice, slice]:
    """Return what of a frame's side lies in the window, and where in ``size`` pixels that goes."""
    first, last = max(0, start), min(side, start + length)
    begin = min(round((first - start) * size / length), size - 1)
    end = max(round((last - start) * size / length), begin + 1)
    return slice(first, last), slice(begin, end)


def _scaled(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if pixels.shape[1:3] == size:
        return pixels
    # As bytes and with the channels last, torch scales several times faster than as floats.
    frames = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2)  # (T, C, H, W)
    scaled = F.interpolate(frames, size, mode="bilinear", antialias=True)
    return scaled.permute(0, 2, 3, 1).numpy()
