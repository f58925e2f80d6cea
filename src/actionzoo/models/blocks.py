"""Small parts that several families share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Triple = tuple[int, int, int]
"""One number each for time, rows and columns."""


def pool_windows(x: Tensor, window: Sequence[int]) -> Tensor:
    """Average a feature map as a head of fixed size does that slides over it.

    PyTorchVideo's heads pool windows, classify each and average the logits. Classifiers are
    linear, so averaging the windows' features first gives the same.

    Args:
        x: Feature map (B, C, T, H, W).
        window: Frames, rows and columns of the window, the whole map of a clip of the usual size.
            On a smaller map it shrinks.

    Returns:
        Features (B, C).
    """
    sizes = [min(size, most) for size, most in zip(x.shape[2:], window, strict=True)]
    return F.avg_pool3d(x, sizes, stride=1).mean((2, 3, 4))


def mean_frames(features: Tensor, frames: int) -> Tensor:
    """(B * T, D) -> (B, D): the mean over the frames of each clip."""
    return torch.unflatten(features, 0, (-1, frames)).mean(1)
