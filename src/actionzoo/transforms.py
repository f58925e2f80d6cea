"""From frames to what a network eats: resize, crop, colour order, range, axes.

Sizes are (height, width). The reader scales each frame in its decoder, straight to
``resized_size``; what is left for this module are views of that array and one pass that turns
bytes into normalised floats.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from actionzoo.errors import ConfigError
from actionzoo.spec import InputSpec, Resize, Rounding


def round_by(value: Fraction, rounding: Rounding) -> int:
    """Make a number whole; ``round`` takes halves to the even neighbour, as Python does.

    >>> [round_by(Fraction(5, 2), how) for how in ("floor", "round", "ceil")]
    [2, 2, 3]
    """
    if rounding == "round":
        return round(value)
    return math.floor(value) if rounding == "floor" else math.ceil(value)


def resized_size(resize: Resize, height: int, width: int) -> tuple[int, int]:
    """Return the size a frame of ``height`` x ``width`` is scaled to; each side at least 1 px.

    >>> resized_size(Resize(rule="short_side", height=256, width=256), 240, 320)
    (256, 341)
    >>> resized_size(Resize(rule="fit", height=96, width=128), 720, 1280)
    (72, 128)
    """
    if resize.rule == "squash":
        return resize.height, resize.width
    ratios = (Fraction(resize.height, height), Fraction(resize.width, width))
    scale = max(ratios) if resize.rule == "short_side" else min(ratios)
    return (
        max(1, round_by(height * scale, resize.rounding)),
        max(1, round_by(width * scale, resize.rounding)),
    )


def crop_offsets(
    size: tuple[int, int], crop: tuple[int, int], *, crops: int, rounding: Rounding
) -> list[tuple[int, int, bool]]:
    """Place the crops in a frame.

    Three crops lie along the longer side: start, centre, end (PySlowFast's ``uniform_crop``). Ten
    are centre, top left, bottom left, top right, bottom right, then the same five mirrored, in
    the order of GluonCV's ``VideoTenCrop``. An offset is negative where the frame is smaller than
    the crop: the frame then lies centred on black.

    Args:
        size: Height and width of the frame.
        crop: Height and width of the crop.
        crops: 1, 3 or 10.
        rounding: How half an odd margin becomes whole.

    Returns:
        Top, left and whether the crop is mirrored, for each crop.

    >>> crop_offsets((182, 242), (182, 182), crops=3, rounding="floor")
    [(0, 0, False), (0, 30, False), (0, 60, False)]
    """
    top, middle, bottom = _places(size[0], crop[0], rounding)
    left, centre, right = _places(size[1], crop[1], rounding)
    if crops == 1:
        return [(middle, centre, False)]
    if crops == 3 and size[1] >= size[0]:
        return [(middle, column, False) for column in (left, centre, right)]
    if crops == 3:
        return [(row, centre, False) for row in (top, middle, bottom)]
    corners = [(middle, centre), (top, left), (bottom, left), (top, right), (bottom, right)]
    return [(*corner, mirrored) for mirrored in (False, True) for corner in corners]


def _places(side: int, crop: int, rounding: Rounding) -> tuple[int, int, int]:
    """Return the first, middle and last offset along one side; all the middle if it is short."""
    middle = round_by(Fraction(side - crop, 2), rounding)
    return (0, middle, side - crop) if side >= crop else (middle, middle, middle)


def crop_pixels(
    pixels: np.ndarray, offset: tuple[int, int, bool], crop: tuple[int, int]
) -> np.ndarray:
    """Cut one crop out of frames; without copying where the crop lies inside.

    Args:
        pixels: Shape (T, H, W, C) uint8.
        offset: Top, left and whether to mirror, from ``crop_offsets``.
        crop: Height and width.

    Returns:
        Shape (T, height, width, C) uint8; black where the frame does not reach.
    """
    top, left, mirrored = offset
    inside = pixels[:, max(0, top) : top + crop[0], max(0, left) : left + crop[1]]
    if inside.shape[1:3] != crop:
        canvas = np.zeros((pixels.shape[0], *crop, pixels.shape[3]), np.uint8)
        row, column = max(0, -top), max(0, -left)
        canvas[:, row : row + inside.shape[1], column : column + inside.shape[2]] = inside
        inside = canvas
    return inside[:, :, ::-1] if mirrored else inside


def normalise(pixels: np.ndarray, spec: InputSpec, out: np.ndarray | None = None) -> np.ndarray:
    """Turn pixels into what the network was trained on.

    Args:
        pixels: Shape (T, H, W, C) uint8 in [0, 255] RGB.
        spec: Colour order, value range, mean and std.
        out: Where to write, shape (C, T, H, W) float32; None makes a new array.

    Returns:
        ``out``, or a new array of that shape.
    """
    low, high = spec.value_range
    channels = range(spec.channels) if spec.color == "RGB" else (2, 1, 0)
    if out is None:
        out = np.empty((spec.channels, *pixels.shape[:3]), np.float32)
    for plane, channel, mean, std in zip(out, channels, spec.mean, spec.std, strict=True):
        np.multiply(pixels[..., channel], np.float32((high - low) / 255 / std), out=plane)
        plane += np.float32((low - mean) / std)
    return out


def eval_transform(pixels: np.ndarray, spec: InputSpec, *, crops: int = 1) -> np.ndarray:
    """Make the views of one clip, exactly as in every use that is not training.

    Args:
        pixels: Shape (T, H, W, C) uint8 RGB, already scaled to ``resized_size``; of the video's own
            size for a network that takes whole frames.
        spec: The model's input.
        crops: 1, 3 or 10.

    Returns:
        Shape (crops, C, T, height, width) float32; for a network that takes whole frames
        (1, C, T, H, W) uint8 in [0, 255], in the order of ``spec.color``.

    Raises:
        ConfigError: The network takes whole frames, and more than one crop is asked for.
    """
    if spec.whole_frames:
        check_crops(spec, crops)
        ordered = pixels if spec.color == "RGB" else pixels[..., ::-1]
        return ordered.transpose(3, 0, 1, 2)[None]
    crop = (spec.height, spec.width)
    offsets = crop_offsets(pixels.shape[1:3], crop, crops=crops, rounding=spec.crop_rounding)
    views = np.empty((crops, spec.channels, len(pixels), *crop), np.float32)
    for view, offset in zip(views, offsets, strict=True):
        normalise(crop_pixels(pixels, offset, crop), spec, out=view)
    return views


def check_crops(spec: InputSpec, crops: int) -> None:
    """Refuse several crops of a network that crops by itself.

    Raises:
        ConfigError: It does, and more than one is asked for.
    """
    if spec.whole_frames and crops != 1:
        raise ConfigError(
            f"the model file takes whole frames and looks at their centre, so {crops} crops cannot "
            "be taken; ask for 1, or export the model without --embed-preprocessing"
        )
