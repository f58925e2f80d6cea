"""A random box covered with noise."""

from __future__ import annotations

import numpy as np

from actionzoo.augment.window import random_box

# Zhong et al., Random Erasing Data Augmentation, 2020, as PySlowFast has them for clips.
_AREA, _RATIO = (0.02, 1 / 3), (0.3, 1 / 0.3)


def erase(pixels: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
    """Cover a random box with noise, the same box in all frames.

    Args:
        pixels: Shape (T, H, W, C) uint8; not written to.
        rng: Source of chance.
    """
    box = random_box(pixels.shape[1:3], area=_AREA, ratio=_RATIO, rng=rng)
    if box is None:
        return pixels
    covered = pixels.copy()
    part = covered[:, box.top : box.top + box.height, box.left : box.left + box.width]
    part[:] = rng.integers(0, 256, part.shape, np.uint8)
    return covered
