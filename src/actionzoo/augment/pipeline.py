"""All changes of one clip, in order."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from actionzoo.augment.config import AugmentConfig
from actionzoo.augment.erasing import erase
from actionzoo.augment.light import change_light
from actionzoo.augment.randaugment import randaugment
from actionzoo.augment.window import crop_size, cut, random_window
from actionzoo.spec import InputSpec


class Augmented(NamedTuple):
    """A clip, changed."""

    pixels: np.ndarray
    """Shape (T, height, width, C) uint8; a view of what was passed in where nothing else was asked
    for."""
    mirrored: bool
    """Whether left and right have changed places, and with them the labels that tell the two."""


def augment(
    pixels: np.ndarray,
    spec: InputSpec,
    config: AugmentConfig,
    *,
    rng: np.random.Generator,
    side: int | None = None,
    may_flip: bool = True,
) -> Augmented:
    """Cut a random window out of a clip and change how it looks; the same for all its frames.

    Args:
        pixels: Shape (T, H, W, C) uint8 RGB, scaled by ``drawn_resize`` or by the spec's rule.
        spec: Size of the crop.
        config: How far things may change.
        rng: Source of chance.
        side: Shorter side of the crop, px, where it is not the spec's. The frames are not scaled
            to it: a smaller crop sees less of them, at the same scale.
        may_flip: Whether the label stays true, or is known, when the clip is mirrored.
    """
    size = crop_size(spec, side)
    height, width = pixels.shape[1:3]
    window = random_window((height, width), size, spec=spec, config=config, rng=rng)
    mirrored = config.flip and may_flip and rng.random() < 0.5
    seen = cut(pixels, window, size, mirrored=mirrored)
    seen = randaugment(seen, config.randaugment, rng=rng)
    seen = change_light(seen, config, rng=rng)
    if rng.random() < config.erase:
        seen = erase(seen, rng=rng)
    return Augmented(seen, mirrored)
