"""Convolutions over space and time that are quick on CPUs, where channels are last in memory.

For most of the 3-D convolutions of this field torch has no good code on a CPU: for kernels of one
position it leaves the layout, for those of one row and column and for the gradients of depthwise
ones it has generic loops. For 2-D convolutions, and for depthwise 3-D ones forward, it has. Where
the channels of a pixel lie together, a clip is a batch of pictures, or of pictures of lines over
time, without a copy; so what convolves only space or only time is a 2-D convolution.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv2d_weight

from actionzoo.models.blocks import Triple


class Conv3d(nn.Conv3d):
    """torch's layer, by another way to the same where that is quicker."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, C', T', H', W')."""
        if not _pays(input):
            return super().forward(input)
        (kt, kh, kw), (st, sh, sw) = self.kernel_size, self.stride
        pt, ph, pw = (int(zeros) for zeros in self.padding)
        if (kt, st, pt) == (1, 1, 0):
            kernel = self.weight[:, :, 0]
            y = F.conv2d(_frames(input), kernel, self.bias, (sh, sw), (ph, pw), 1, self.groups)
            return y.unflatten(0, (len(input), -1)).transpose(1, 2)
        if (kh, kw, sh, sw, ph, pw) == (1, 1, 1, 1, 0, 0):
            kernel = self.weight[..., 0]
            lines = input.flatten(3)  # (B, C, T, H * W)
            y = F.conv2d(lines, kernel, self.bias, (st, 1), (pt, 0), 1, self.groups)
            return y.unflatten(3, input.shape[3:])
        if self.groups == len(self.weight) and self.bias is None and torch.is_grad_enabled():
            return _Depthwise.apply(input, self.weight, (st, sh, sw), (pt, ph, pw))
        return super().forward(input)


def _pays(x: Tensor) -> bool:
    """Tell whether it is computed on a CPU, in single precision, with channels last.

    Exported files and compiled graphs have the convolution itself.
    """
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and x.is_contiguous(memory_format=torch.channels_last_3d)
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    )


def _frames(x: Tensor) -> Tensor:
    """(B, C, T, H, W) -> (B * T, C, H, W), the same memory where channels are last."""
    return x.transpose(1, 2).flatten(0, 1)


class _Depthwise(torch.autograd.Function):
    """The depthwise convolution as torch computes it, with gradients by quicker ways."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: Triple, padding: Triple) -> Tensor:
        """Return the convolution."""
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv3d(x, weight, None, stride, padding, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of the clips and of the weight, where they are wanted."""
        x, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous(memory_format=torch.channels_last_3d)
        given = gradient, x, weight, ctx.stride, ctx.padding
        return (
            _input_gradient(*given) if ctx.needs_input_grad[0] else None,
            _weight_gradient(*given) if ctx.needs_input_grad[1] else None,
            None,
            None,
        )


def _input_gradient(
    gradient: Tensor, x: Tensor, weight: Tensor, stride: Triple, padding: Triple
) -> Tensor:
    """Return the gradient of the input, from that of the output.

    Without strides that is a convolution with the kernel turned round.
    """
    groups = len(weight)
    if stride != (1, 1, 1):
        # Not torch.nn.grad's function: that forgets the layout of the input.
        wanted: Tensor = torch.ops.aten.convolution_backward(
            gradient,
            x,
            weight,
            None,
            stride,
            padding,
            dilation=(1, 1, 1),
            transposed=False,
            output_padding=(0, 0, 0),
            groups=groups,
            output_mask=(True, False, False),
        )[0]
        return wanted
    others = [size - 1 - zeros for size, zeros in zip(weight.shape[2:], padding, strict=True)]
    return F.conv3d(gradient, weight.flip(2, 3, 4), None, 1, others, groups=groups)


def _weight_gradient(
    gradient: Tensor, x: Tensor, weight: Tensor, stride: Triple, padding: Triple
) -> Tensor:
    """Return the gradient of the weight, from that of the output.

    Each frame of the kernel has that of a 2-D convolution of the frames that it meets.
    """
    step, zeros = stride[0], padding[0]
    taps = []
    for place in range(weight.shape[2]):
        shift = place - zeros  # output frame t meets input frame step * t + shift
        first = max(0, -(shift // step))
        count = min(gradient.shape[2], (x.shape[2] - 1 - shift) // step + 1) - first
        tap = torch.zeros_like(weight[:, :, 0])
        if count > 0:
            for clip, gradients in zip(x.transpose(1, 2), gradient.transpose(1, 2), strict=True):
                tap += conv2d_weight(
                    clip[step * first + shift :: step][:count],
                    tap.shape,
                    gradients[first : first + count],
                    stride[1:],
                    padding[1:],
                    groups=len(weight),
                )
        taps.append(tap)
    return torch.stack(taps, 2)
