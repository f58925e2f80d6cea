"""A network whose tensors leave in another form than its own.

Its clips may have other axes, or be pixels where it takes normalised numbers; it may end in scores.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from actionzoo.spec import ColorOrder, InputSpec, ModelSpec


def adapted(
    model: nn.Module,
    spec: ModelSpec,
    *,
    layout: str | None = None,
    color: ColorOrder | None = None,
    scores: bool = False,
) -> tuple[nn.Module, ModelSpec]:
    """Put what adapts a network before and behind it.

    Args:
        model: Takes clips as ``spec.input`` says, and gives logits (B, K).
        spec: What it eats and says.
        layout: Axes of the clips, as ``InputSpec.layout``; None leaves them.
        color: Takes pixels in [0, 255] in this order of colours, and normalises them inside; None
            takes what the network takes.
        scores: Whether it ends in scores.

    Returns:
        The module, in eval mode, and the spec that belongs to it.
    """
    own = spec.input
    given = replace(own if color is None else pixel_input(own, color), layout=layout or own.layout)
    modules: list[nn.Module] = []
    if given.layout != own.layout:
        modules.append(Rearrange(given.layout, own.layout))
    if color is not None:
        modules.append(from_pixels(own, color, layout=own.layout))
    modules.append(model)
    if not scores or own.output == "scores":
        return nn.Sequential(*modules).eval(), replace(spec, input=given)
    modules.append(nn.Sigmoid() if spec.several_labels else nn.Softmax(1))
    given = replace(given, output="scores", output_name="scores")
    views = replace(spec.views, average="scores")
    return nn.Sequential(*modules).eval(), replace(spec, input=given, views=views)


def pixel_input(spec: InputSpec, color: ColorOrder) -> InputSpec:
    """Return an input that differs in that it takes pixels in [0, 255]."""
    return replace(
        spec,
        color=color,
        value_range=(0.0, 255.0),
        mean=(0.0,) * spec.channels,
        std=(1.0,) * spec.channels,
    )


def from_pixels(spec: InputSpec, color: ColorOrder, *, layout: str) -> nn.Module:
    """Return what turns pixels in [0, 255] into what a network takes.

    Args:
        spec: What the network takes.
        color: Order of the channels of the pixels.
        layout: Axes of the tensor of pixels, among them ``C``.

    Returns:
        A module that keeps the shape; the identity where the network takes such pixels.
    """
    low, high = spec.value_range
    step = 255 / (high - low)
    mean = torch.tensor([(one - low) * step for one in spec.mean])
    scale = torch.tensor([one * step for one in spec.std])
    channel = layout.index("C")
    flip = channel if color != spec.color else None
    if flip is None and not mean.any() and bool((scale == 1).all()):
        return nn.Identity()
    shape = [-1 if axis == channel else 1 for axis in range(len(layout))]
    return Normalise(mean.reshape(shape), scale.reshape(shape), flip=flip)


class Normalise(nn.Module):
    """Turn the channels round where that is wanted, then subtract and divide.

    Args:
        mean: Subtracted, one number a channel.
        scale: Divides.
        flip: Axis of the channels that are turned round, from BGR to RGB or back; None leaves them.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Tensor, scale: Tensor, *, flip: int | None) -> None:
        super().__init__()
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("scale", scale, persistent=False)
        self.flip = flip

    def forward(self, x: Tensor) -> Tensor:
        """Return the same shape."""
        turned = x if self.flip is None else x.flip(self.flip)
        return (turned - self.mean) / self.scale


class Rearrange(nn.Module):
    """Put the axes of clips in another order; ``S`` is an axis of one.

    Args:
        given: The order there is, as ``InputSpec.layout``.
        wanted: The order to make.
    """

    def __init__(self, given: str, wanted: str) -> None:
        super().__init__()
        plain = given.replace("S", "")
        self.order = [plain.index(axis) for axis in wanted if axis != "S"]
        self.drop = given.find("S")
        self.add = wanted.find("S")

    def forward(self, x: Tensor) -> Tensor:
        """Return the same numbers."""
        x = x.squeeze(self.drop) if self.drop >= 0 else x
        x = x.permute(self.order)
        return x.unsqueeze(self.add) if self.add >= 0 else x
