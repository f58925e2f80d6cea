"""Small parts that several families share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

Triple = tuple[int, int, int]
"""One number each for time, rows and columns."""


class Stack(nn.Sequential):
    """Blocks one after another, whose activations need not be kept until the backward pass."""

    recompute: bool = False
    """Whether training keeps only what each block is given, and computes the rest again where the
    gradient needs it (Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016)."""

    def forward(self, x: Any) -> Any:
        """Apply the blocks."""
        for block in self:
            x = self.run(block, x)
        return x

    def run(self, block: nn.Module, *inputs: Any) -> Any:
        """Apply one of the blocks, for those that take more than what the block before returns."""
        if not (self.recompute and self.training and torch.is_grad_enabled()):
            return block(*inputs)

        def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
            return nullcontext(), _keep_statistics(block)

        return checkpoint(block, *inputs, use_reentrant=False, context_fn=contexts)


@contextmanager
def _keep_statistics(block: nn.Module) -> Iterator[None]:
    """Let batch norms forget what they count inside: a block that runs again is one batch still.

    They are lent copies of their buffers. To write the old values back would be a change to tensors
    that the backward pass has saved.
    """
    norms = [one for one in block.modules() if isinstance(one, _BatchNorm)]
    kept = [(norm, dict(norm.named_buffers(recurse=False))) for norm in norms]
    try:
        for norm, buffers in kept:
            for name, buffer in buffers.items():
                setattr(norm, name, buffer.clone())
        yield
    finally:
        for norm, buffers in kept:
            for name, buffer in buffers.items():
                setattr(norm, name, buffer)


def recompute(model: nn.Module) -> int:
    """Have a network compute its blocks' activations anew rather than keep them, in training.

    Returns:
        How many blocks that is; 0 if the network has no stacks of blocks.
    """
    stacks = [one for one in model.modules() if isinstance(one, Stack)]
    for stack in stacks:
        stack.recompute = True
    return sum(len(stack) for stack in stacks)


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


def channels_last(model: nn.Module) -> nn.Module:
    """Keep the channels of a pixel together in the kernels of a network, as is faster.

    Unlike ``Module.to`` it takes networks that have both 2-D and 3-D convolutions.

    Returns:
        ``model``.
    """
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    for parameter in model.parameters():
        if parameter.ndim in formats:
            parameter.data = parameter.data.contiguous(memory_format=formats[parameter.ndim])
    return model
