"""The part of a picture that a network sees."""

from __future__ import annotations

from typing import NamedTuple

from actionzoo.spec import InputSpec
from actionzoo.transforms import crop_offsets, resized_size


class Region(NamedTuple):
    """A rectangle in a picture, in pixels; ``bottom`` and ``right`` lie outside."""

    top: int
    left: int
    bottom: int
    right: int

    def mirrored(self, width: int) -> Region:
        """Return where it is once the picture, ``width`` pixels wide, is mirrored."""
        return Region(self.top, width - self.right, self.bottom, width - self.left)


def seen_region(spec: InputSpec, height: int, width: int) -> Region | None:
    """Return the crop that a network sees of a picture, or None where that is all of it.

    Args:
        spec: Its resize rule and crop.
        height: Of the picture, in pixels.
        width: Of the picture, in pixels.

    >>> from actionzoo.catalog import get_spec
    >>> seen_region(get_spec("x3d_s_kinetics400").input, 720, 1280)
    Region(top=0, left=281, bottom=720, right=1003)
    """
    resized = resized_size(spec.resize, height, width)
    crop = spec.height, spec.width
    ((top, left, _),) = crop_offsets(resized, crop, crops=1, rounding=spec.crop_rounding)
    down, across = height / resized[0], width / resized[1]
    region = Region(
        max(0, round(top * down)),
        max(0, round(left * across)),
        min(height, round((top + crop[0]) * down)),
        min(width, round((left + crop[1]) * across)),
    )
    return None if region == (0, 0, height, width) else region
