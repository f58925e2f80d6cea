"""Small parts that several families share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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


class Classifier(nn.Module):
    """A network that ends in dropout and one linear layer; its features are its own.

    Args:
        features: Width of what ``forward_features`` returns.
        num_classes: Width of the output.
        dropout: Share of the features dropped in training.
    """

    def __init__(self, features: int, num_classes: int, *, dropout: float = 0.5) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(features, num_classes)
        self.reset_head(num_classes)

    def forward_features(self, clip: Tensor) -> Tensor:
        """(B, C, T, H, W) float32 -> (B, features)."""
        raise NotImplementedError

    def forward(self, clip: Tensor) -> Tensor:
        """(B, C, T, H, W) float32 -> logits (B, K)."""
        return self.fc(self.dropout(self.forward_features(clip)))

    def reset_head(self, num_classes: int) -> None:
        """Replace the last layer by a fresh one."""
        self.fc = nn.Linear(self.fc.in_features, num_classes)
        nn.init.normal_(self.fc.weight, std=0.01)
        nn.init.zeros_(self.fc.bias)
