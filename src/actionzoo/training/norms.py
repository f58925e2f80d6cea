"""Statistics of batch norms: measured anew over many batches, or taken over all processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from actionzoo.training.freezing import frozen_norms


class _Moments:
    """Sums over batches of what a batch norm sees of each channel."""

    def __init__(self, norm: _BatchNorm) -> None:
        self.mean, self.var = _buffers(norm)
        # Rows: the number of values, their sum, and that of their squares.
        self.sums = self.mean.new_zeros(3, len(self.mean), dtype=torch.float64)

    def add(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """Take a batch that the norm is about to see."""
        (x,) = inputs
        var, mean = _var_mean(x.float())
        count = x.numel() / len(mean)
        squares = var.double() + mean.double().square()
        self.sums += count * torch.stack([torch.ones_like(squares), mean.double(), squares])

    def settle(self) -> None:
        """Write mean and variance over all batches of all processes into the norm's buffers."""
        if _several_processes():
            dist.all_reduce(self.sums)
        count, total, squares = self.sums
        if not count.any():
            return
        mean = total / count
        self.mean.copy_(mean)
        self.var.copy_(squares / count - mean.square())


def _several_processes() -> bool:
    return dist.is_available() and dist.is_initialized()


def _buffers(norm: _BatchNorm) -> tuple[Tensor, Tensor]:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    return norm.running_mean, norm.running_var


def _var_mean(x: Tensor) -> tuple[Tensor, Tensor]:
    """(B, C, ...) -> variance and mean of each channel, (C,)."""
    return torch.var_mean(x, (0, *range(2, x.ndim)), correction=0)


@torch.no_grad()
def measure_batch_norms(model: nn.Module, batches: Iterable[Tensor]) -> None:
    """Measure what batch norms use in validation over whole batches, in place of running means.

    Those remember what the network was some steps ago, and few batches of what it is now (Wu and
    Johnson, Rethinking "Batch" in BatchNorm, 2021, section 3). Each batch is normed by its own
    statistics, as in training, but nothing is dropped, as in validation. The mean and the variance
    are then those of all values in all batches, of all processes. Frozen norms stay as they are.

    Args:
        model: It is left in the modes that it was in.
        batches: Clips (B, C, T, H, W) on the model's device, as many in each process. Without any,
            nothing changes.
    """
    frozen = set(frozen_norms(model))
    norms = [one for one in model.modules() if isinstance(one, _BatchNorm) and one not in frozen]
    moments = [_Moments(norm) for norm in norms]
    with _norming(model, norms):
        hooks = [
            norm.register_forward_pre_hook(own.add)
            for norm, own in zip(norms, moments, strict=True)
        ]
        try:
            for clips in batches:
                model(clips)
        finally:
            for hook in hooks:
                hook.remove()
    for own in moments:
        own.settle()


@contextmanager
def _norming(model: nn.Module, norms: list[_BatchNorm]) -> Iterator[None]:
    """Have norms, and nothing else, do as in training, and forget what they see."""
    modes = [(module, module.training) for module in model.modules()]
    momenta = [(norm, norm.momentum) for norm in norms]
    model.eval()
    for norm in norms:
        norm.train()
        norm.momentum = 0.0
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        for norm, momentum in momenta:
            norm.momentum = momentum


class _Sum(torch.autograd.Function):
    """The sum over all processes, in all of them; so is its gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Return the sum."""
        x = x.clone()
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Add up what all processes make of the sum."""
        (gradient,) = gradients
        gradient = gradient.clone()
        dist.all_reduce(gradient)
        return gradient


class _SyncBatchNorm(_BatchNorm):
    """A batch norm over the batches of all processes. torch's own is for GPUs alone."""

    def _check_input_dim(self, input: Tensor) -> None:
        """Take any number of axes."""

    def forward(self, input: Tensor) -> Tensor:
        """Norm by the statistics of all processes in training, by the running ones otherwise."""
        if not self.training or not _several_processes():
            return super().forward(input)
        x = input.to(self.weight.dtype)
        mean, var = self._statistics(x)
        shape = (1, -1, *(1 for _ in x.shape[2:]))
        scale = self.weight * (var + self.eps).rsqrt()
        y = (x - mean.view(shape)) * scale.view(shape) + self.bias.view(shape)
        return y.to(input.dtype)

    def _statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and variance (C,) over all processes, and let the running ones follow."""
        running_mean, running_var = _buffers(self)
        own_var, own_mean = _var_mean(x)
        count = torch.full_like(own_mean, x.numel() / len(own_mean))
        # Around the running mean: squares of large means would drown small variances.
        around = running_mean.clone()
        offset = own_mean - around
        sums: Tensor = _Sum.apply(  # type: ignore[no-untyped-call]
            torch.stack([count, count * offset, count * (own_var + offset.square())])
        )
        total, offset, square = sums[0], sums[1] / sums[0], sums[2] / sums[0]
        mean, var = around + offset, (square - offset.square()).clamp(min=0)
        with torch.no_grad():
            assert self.momentum is not None
            running_mean.lerp_(mean, self.momentum)
            running_var.lerp_(var * total / (total - 1), self.momentum)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
        return mean, var


def synchronise_batch_norms(model: nn.Module, *, on_gpu: bool) -> nn.Module:
    """Have batch norms see the batches of all processes in training, as if they were one.

    State dict and evaluation stay the same. Within DDP, which averages gradients, a step is then
    that of one process with all the clips.

    Args:
        model: Its batch norms are replaced; to be called in every process, before the optimizer is
            made.
        on_gpu: Whether it will be on a GPU, where torch's own do it.

    Returns:
        ``model``.
    """
    if on_gpu:
        return cast("nn.Module", nn.SyncBatchNorm.convert_sync_batchnorm(model))  # type: ignore[no-untyped-call]
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, _BatchNorm):
                setattr(module, name, _synchronised(child))
    return model


def _synchronised(norm: _BatchNorm) -> _SyncBatchNorm:
    """Make a norm over all processes that has the parameters and buffers of another."""
    made = _SyncBatchNorm(norm.num_features, norm.eps, norm.momentum)
    made.weight, made.bias = norm.weight, norm.bias
    made.running_mean, made.running_var = _buffers(norm)
    made.num_batches_tracked = norm.num_batches_tracked
    made.training = norm.training
    return made
