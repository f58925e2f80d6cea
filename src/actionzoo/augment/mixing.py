"""Two clips of a batch in one."""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor

from actionzoo.augment.config import MixConfig


def mix(
    clips: Tensor, targets: Tensor, config: MixConfig, *, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Mix every clip of a batch with another one, all in the same proportion.

    The other is the clip a random number of places further on, never itself.

    Args:
        clips: Shape (B, C, T, H, W) float, on any device; not written to.
        targets: Shape (B, K) float, 1 for the classes of a clip and 0 for the others.
        config: How, and how often.
        rng: Source of chance.

    Returns:
        Clips and targets of the same shapes; those passed in where nothing is mixed, as in a batch
        of one.
    """
    if len(clips) < 2 or not config.is_on or rng.random() >= config.share:
        return clips, targets
    by = int(rng.integers(1, len(clips)))
    if config.cutmix and (not config.mixup or rng.random() < 0.5):
        mixed, share = _cutmix(clips, by, share=rng.beta(config.cutmix, config.cutmix), rng=rng)
    else:
        share = rng.beta(config.mixup, config.mixup)
        mixed = clips.lerp(clips.roll(by, 0), 1 - share)
    return mixed, targets.lerp(targets.roll(by, 0), 1 - share)


def _cutmix(
    clips: Tensor, by: int, *, share: float, rng: np.random.Generator
) -> tuple[Tensor, float]:
    """Cover a box, and return the share of a frame that is left; more than asked at the rim."""
    height, width = clips.shape[-2:]
    length = math.sqrt(1 - share)
    rows = _drawn_range(height, round(height * length), rng)
    columns = _drawn_range(width, round(width * length), rng)
    mixed = clips.clone()
    mixed[..., rows, columns] = clips[..., rows, columns].roll(by, 0)
    covered = (rows.stop - rows.start) * (columns.stop - columns.start)
    return mixed, 1 - covered / (height * width)


def _drawn_range(side: int, length: int, rng: np.random.Generator) -> slice:
    """Draw a range around a random pixel, cut off where it leaves the frame."""
    start = int(rng.integers(side)) - length // 2
    return slice(max(0, start), min(side, start + length))
