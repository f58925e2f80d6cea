"""What a network is fed: axes in the order its spec says, numbers of the type it takes."""

from __future__ import annotations

import numpy as np

from actionzoo.spec import InputSpec

CLIP = "BCTHW"
"""Axes of clips everywhere in this package."""


def arranged(clips: np.ndarray, layout: str) -> np.ndarray:
    """Put the axes of clips in the order of a layout.

    Args:
        clips: Shape (B, C, T, H, W).
        layout: As ``InputSpec.layout``; ``S`` is an axis of one.

    Returns:
        The same values, of the same type, one after the other in memory.

    >>> arranged(np.zeros((2, 3, 4, 5, 6)), "BSTHWC").shape
    (2, 1, 4, 5, 6, 3)
    """
    turned = clips.transpose([CLIP.index(axis) for axis in layout if axis != "S"])
    if "S" in layout:
        turned = np.expand_dims(turned, layout.index("S"))
    return np.ascontiguousarray(turned)


def as_input(clips: np.ndarray, spec: InputSpec) -> np.ndarray:
    """Return clips (B, C, T, H, W) as the tensor that a network takes.

    Returns:
        Axes in the order of ``spec.layout``; float32, or uint8 where it takes whole frames.
    """
    kind = np.uint8 if spec.whole_frames else np.float32
    return arranged(clips.astype(kind, copy=False), spec.layout)


def input_shape(spec: InputSpec) -> list[int]:
    """Return the shape of a network's input; -1 for the batch, and for sides of any size.

    >>> from actionzoo.catalog import get_spec
    >>> input_shape(get_spec("x3d_s_kinetics400").input)
    [-1, 3, 13, 182, 182]
    """
    sizes = dict(zip(CLIP, (-1, *spec.shape), strict=True))
    if spec.whole_frames:
        sizes["H"] = sizes["W"] = -1
    return [1 if axis == "S" else sizes[axis] for axis in spec.layout]
