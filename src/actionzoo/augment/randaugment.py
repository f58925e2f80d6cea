"""RandAugment for clips: random operations, each with the same parameters for all frames.

The operations and their ranges are those of timm's ``rand-m..-inc1``, which PySlowFast trains
with: all of them grow with the magnitude. What depends on the picture (its darkest value, its mean)
is measured over the whole clip, so that a clip does not flicker.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from actionzoo.augment.config import RandAugmentConfig
from actionzoo.augment.light import LUMA, saturation_matrix

_HIGHEST = 10
"""The magnitude at which an operation does the most."""
_FILL = 128
"""The grey where a moved frame does not reach, as in AutoAugment's reference."""
_VALUES = np.arange(256)


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """One kind of change."""

    change: Callable[[np.ndarray, float], np.ndarray]
    """From pixels (T, H, W, C) uint8 RGB, left as they are, and an amount to changed pixels."""
    most: float = 0.0
    """The amount at the highest magnitude; in proportion below."""
    signed: bool = False
    """Whether the amount is below 0 half of the time."""


def randaugment(
    pixels: np.ndarray, config: RandAugmentConfig, *, rng: np.random.Generator
) -> np.ndarray:
    """Do some random operations, one after another.

    Args:
        pixels: Shape (T, H, W, C) uint8 RGB; not written to.
        config: How many, how strong.
        rng: Source of chance.
    """
    for number in rng.integers(len(OPERATIONS), size=config.operations):
        operation = OPERATIONS[number]
        magnitude = min(max(rng.normal(config.magnitude, config.spread), 0.0), _HIGHEST)
        sign = -1 if operation.signed and rng.random() < 0.5 else 1
        if rng.random() < config.share:
            pixels = operation.change(pixels, sign * operation.most * magnitude / _HIGHEST)
    return pixels


# Values.


def auto_contrast(pixels: np.ndarray, _: float) -> np.ndarray:
    """Stretch each channel to the full range."""

    def table(counts: np.ndarray) -> np.ndarray:
        low, high = np.flatnonzero(counts)[[0, -1]]
        return _VALUES if low == high else (_VALUES - low) * (255 / (high - low))

    return _by_counts(pixels, table)


def equalize(pixels: np.ndarray, _: float) -> np.ndarray:
    """Make all values of each channel about equally frequent."""

    def table(counts: np.ndarray) -> np.ndarray:
        # Pillow's rounding: the most frequent values need not be 255 steps in all.
        step = int(counts.sum() - counts[np.flatnonzero(counts)[-1]]) // 255
        return (step // 2 + counts.cumsum() - counts) // step if step else _VALUES

    return _by_counts(pixels, table)


def invert(pixels: np.ndarray, _: float) -> np.ndarray:
    """Show the negative."""
    return 255 - pixels


def posterize(pixels: np.ndarray, amount: float) -> np.ndarray:
    """Keep four bits of each value less ``amount``; at least one, for without any all is black."""
    dropped = min(4 + int(amount), 7)
    return pixels >> dropped << dropped


def solarize(pixels: np.ndarray, amount: float) -> np.ndarray:
    """Invert the ``amount`` highest values."""
    table, first = _VALUES.copy(), 256 - int(amount)
    table[first:] = 255 - table[first:]
    return _by_table(pixels, table)


def solarize_add(pixels: np.ndarray, amount: float) -> np.ndarray:
    """Make the darker half lighter by ``amount``."""
    return _by_table(pixels, np.where(_VALUES < 128, _VALUES + int(amount), _VALUES))


def brightness(pixels: np.ndarray, amount: float) -> np.ndarray:
    """Make values ``1 + amount`` times as large."""
    return _by_table(pixels, np.rint(_VALUES * (1 + amount)))


def contrast(pixels: np.ndarray, amount: float) -> np.ndarray:
    """Make distances from the clip's mean grey ``1 + amount`` times as large."""
    mean = round(sum(weight * float(pixels[..., i].mean()) for i, weight in enumerate(LUMA)))
    return _by_table(pixels, np.rint(mean + (_VALUES - mean) * (1 + amount)))


def colour(pixels: np.ndarray, amount: float) -> np.ndarray:
    """Make distances from the pixel's own grey ``1 + amount`` times as large."""
    matrix = torch.from_numpy(saturation_matrix(1 + amount).T).float()
    colours = torch.from_numpy(np.ascontiguousarray(pixels)).float() @ matrix
    return colours.clamp_(0, 255).round_().byte().numpy()


def sharpness(pixels: np.ndarray, amount: float) -> np.ndarray:
    """Make distances from the blurred frame ``1 + amount`` times as large, but at the rim.

    The blur is Pillow's ``SMOOTH``: over 3 x 3 pixels, the one in the middle five times.
    """
    values = pixels.astype(np.uint16)
    rows = values[:, :-2] + values[:, 1:-1] + values[:, 2:]
    middle = values[:, 1:-1, 1:-1]
    blurred = rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:] + 4 * middle
    sharp = middle * np.float32(1 + amount) - blurred * np.float32(amount / 13)
    changed = pixels.copy()
    changed[:, 1:-1, 1:-1] = np.rint(sharp.clip(0, 255))
    return changed


def _by_table(pixels: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Replace each value by that in a table, shape (256,)."""
    return np.take(table.clip(0, 255).astype(np.uint8), pixels)


def _by_counts(pixels: np.ndarray, table: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Replace each channel's values by those in a table made of how often each occurs."""
    changed = np.empty_like(pixels)
    for channel in range(pixels.shape[3]):
        values = pixels[..., channel]
        counts = np.bincount(values.ravel(), minlength=256)
        changed[..., channel] = _by_table(values, table(counts))
    return changed


# Places.


def rotate(pixels: np.ndarray, amount: float) -> np.ndarray:
    """Turn frames around their middle by ``amount`` degrees, anticlockwise."""
    cosine, sine = math.cos(math.radians(amount)), math.sin(math.radians(amount))
    return _moved(pixels, [[cosine, -sine], [sine, cosine]])


def shear_x(pixels: np.ndarray, amount: float) -> np.ndarray:
    """Move each row by ``amount`` times its distance from the middle."""
    return _moved(pixels, [[1, amount], [0, 1]])


def shear_y(pixels: np.ndarray, amount: float) -> np.ndarray:
    """Move each column by ``amount`` times its distance from the middle."""
    return _moved(pixels, [[1, 0], [amount, 1]])


def translate_x(pixels: np.ndarray, amount: float) -> np.ndarray:
    """Move frames to the left by a share of their width."""
    return _moved(pixels, [[1, 0], [0, 1]], (amount, 0))


def translate_y(pixels: np.ndarray, amount: float) -> np.ndarray:
    """Move frames up by a share of their height."""
    return _moved(pixels, [[1, 0], [0, 1]], (0, amount))


def _moved(
    pixels: np.ndarray, matrix: list[list[float]], by: tuple[float, float] = (0, 0)
) -> np.ndarray:
    """Show at each place what was at another, grey where that lies outside.

    Args:
        pixels: Shape (T, H, W, C) uint8.
        matrix: From a place to the other, x and y in pixels from the middle.
        by: What is added, as shares of width and height.
    """
    height, width = pixels.shape[1:3]
    (xx, xy), (yx, yy) = matrix
    # affine_grid counts in halves of width and height.
    theta = [[xx, xy * height / width, 2 * by[0]], [yx * width / height, yy, 2 * by[1]]]
    # All frames as channels of one picture: where to look is worked out once. Bytes change places
    # faster than floats.
    planes = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).contiguous()
    picture = planes.flatten(0, 1)[None].float().sub_(_FILL)  # (1, T*C, H, W)
    grid = F.affine_grid(torch.tensor([theta]), list(picture.shape), align_corners=False)
    moved = F.grid_sample(picture, grid, align_corners=False).add_(_FILL).round_().byte()
    return moved.reshape(planes.shape).permute(0, 2, 3, 1).contiguous().numpy()  # (T, H, W, C)


OPERATIONS = (
    Operation(change=auto_contrast),
    Operation(change=equalize),
    Operation(change=invert),
    Operation(change=rotate, most=30, signed=True),
    Operation(change=posterize, most=4),
    Operation(change=solarize, most=256),
    Operation(change=solarize_add, most=110),
    Operation(change=colour, most=0.9, signed=True),
    Operation(change=contrast, most=0.9, signed=True),
    Operation(change=brightness, most=0.9, signed=True),
    Operation(change=sharpness, most=0.9, signed=True),
    Operation(change=shear_x, most=0.3, signed=True),
    Operation(change=shear_y, most=0.3, signed=True),
    Operation(change=translate_x, most=0.45, signed=True),
    Operation(change=translate_y, most=0.45, signed=True),
)
"""All operations, each as likely as the others."""
