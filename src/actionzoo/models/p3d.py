"""P3D: a ResNet whose 3x3x3 convolutions are split into space and time (Qiu et al., ICCV 2017).

Three ways to split take turns: time after space, time beside space, and time after space with space
added again. Time is halved by poolings, before the first layer and after each of the first three,
down to one frame for the last layer, which is an image ResNet's.

Where a layer halves space, its first 1x1 convolution and its shortcut read every second row and
column. The pooling in front leaves only those, so that no convolution has a stride.

Parameters are called as in GluonCV: ``layer1.0.conv_temporal.weight``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from actionzoo.errors import ConfigError
from actionzoo.labels import load_labels
from actionzoo.models import resnet2d
from actionzoo.models.blocks import Classifier, Stack
from actionzoo.models.formats import MXNET_NORM, Format
from actionzoo.models.publishers import gluoncv_input, gluoncv_mxnet
from actionzoo.models.resnet3d import EXPANSION, conv3d, initialise
from actionzoo.models.stages import RESNET_STAGES
from actionzoo.spec import ModelSpec, Weights

FRAMES = 16
WIDTHS = (64, 128, 256)
"""Of the layers that have time; the image layer has 512."""

Split = Literal["A", "B", "C"]
SPLITS: tuple[Split, ...] = ("A", "B", "C")
"""In the paper's letters and order: serial, parallel, serial with a shortcut around time."""


class Block(nn.Module):
    """Narrow, mix space and time apart, widen, add the shortcut.

    Args:
        channels_in: Channels of the input.
        planes: Channels inside; the output has four times as many.
        split: How space and time are mixed.
    """

    def __init__(self, channels_in: int, planes: int, *, split: Split) -> None:
        super().__init__()
        channels_out = planes * EXPANSION
        self.split = split
        self.conv1 = conv3d(channels_in, planes, (1, 1, 1))
        self.bn1 = nn.BatchNorm3d(planes)
        self.conv2 = conv3d(planes, planes, (1, 3, 3))
        self.bn2 = nn.BatchNorm3d(planes)
        self.conv_temporal = conv3d(planes, planes, (3, 1, 1))
        self.bn_temporal = nn.BatchNorm3d(planes)
        self.conv3 = conv3d(planes, channels_out, (1, 1, 1))
        self.bn3 = nn.BatchNorm3d(channels_out)
        self.downsample: nn.Module = nn.Identity()
        if channels_in != channels_out:
            self.downsample = nn.Sequential(
                conv3d(channels_in, channels_out, (1, 1, 1)), nn.BatchNorm3d(channels_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, T, H, W) -> (B, 4 * planes, T, H, W)."""
        y = self.mix(F.relu(self.bn1(self.conv1(x))))
        y = self.bn3(self.conv3(y))
        return F.relu(y + self.downsample(x))

    def mix(self, x: Tensor) -> Tensor:
        """Mix space and time apart: (B, planes, T, H, W) -> the same shape."""
        space = F.relu(self.bn2(self.conv2(x)))
        time = F.relu(self.bn_temporal(self.conv_temporal(x if self.split == "B" else space)))
        return time if self.split == "A" else space + time


class P3D(Classifier):
    """The whole network.

    Args:
        depths: Blocks of each of the four layers.
        num_classes: Width of the output.
    """

    stages = RESNET_STAGES

    def __init__(self, *, depths: tuple[int, int, int, int], num_classes: int) -> None:
        super().__init__(512 * EXPANSION, num_classes)
        self.conv1 = conv3d(3, WIDTHS[0], (1, 7, 7), (1, 2, 2))
        self.bn1 = nn.BatchNorm3d(WIDTHS[0])
        splits = cycle(SPLITS)  # they take turns through all three layers
        channels = WIDTHS[0]
        layers: list[Stack] = []
        for width, depth in zip(WIDTHS, depths[:3], strict=True):
            layers.append(_layer(channels, width, tuple(islice(splits, depth))))
            channels = width * EXPANSION
        self.layer1, self.layer2, self.layer3 = layers
        self.layer4 = resnet2d.layer(resnet2d.Bottleneck, channels, 512, depths[3], stride=1)
        initialise(self)

    def forward_features(self, clip: Tensor) -> Tensor:
        """(B, 3, 16, H, W) float32 -> (B, 2048).

        Raises:
            ConfigError: The clip has not 16 frames.
        """
        if clip.shape[2] != FRAMES:
            raise ConfigError(f"P3D got {clip.shape[2]} frames; it takes exactly {FRAMES}")
        x = F.relu(self.bn1(self.conv1(clip)))
        x = F.max_pool3d(x, (2, 3, 3), 2, (0, 1, 1))
        for layer in (self.layer1, self.layer2, self.layer3):
            x = F.max_pool3d(layer(x), (2, 1, 1), 2)
        return self.layer4(x.squeeze(2)).mean((2, 3))


def _layer(channels_in: int, planes: int, splits: tuple[Split, ...]) -> Stack:
    """Stack blocks, one for each split."""
    return Stack(
        *(
            Block(planes * EXPANSION if i else channels_in, planes, split=split)
            for i, split in enumerate(splits)
        )
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """What makes one of the two."""

    parameters: int
    macs: int
    weights: Weights


VARIANTS = {
    50: Variant(
        parameters=25_745_232,
        macs=16_545_251_328,
        weights=gluoncv_mxnet(
            "p3d_resnet50_kinetics400", "671ba81c2b287ce3b9aa2393e15ff1562b705c4d", 71.6
        ),
    ),
    101: Variant(
        parameters=48_088_400,
        macs=25_279_889_408,
        weights=gluoncv_mxnet(
            "p3d_resnet101_kinetics400", "b30e3a6389c3a12867fe41bb3838f407d47aed2b", 72.6
        ),
    ),
}
"""By depth."""


def _name(depth: int) -> str:
    return f"p3d_resnet{depth}_kinetics400"


def _spec(depth: int, variant: Variant) -> ModelSpec:
    return ModelSpec(
        name=_name(depth),
        family="p3d",
        summary=f"P3D ResNet-{depth}: convolutions split into space and time in three ways; "
        "400 actions.",
        dataset="kinetics400",
        input=gluoncv_input(frames=FRAMES, stride=2),
        labels=load_labels("kinetics400"),
        parameters=variant.parameters,
        macs=variant.macs,
        license=variant.weights.license,
        weights=(variant.weights,),
    )


SPECS: tuple[ModelSpec, ...] = tuple(_spec(depth, one) for depth, one in VARIANTS.items())


def build(spec: ModelSpec) -> P3D:
    """Build the network of one of ``SPECS``, freshly initialised."""
    depth = {_name(one): one for one in VARIANTS}[spec.name]
    return P3D(depths=resnet2d.DEPTHS[depth], num_classes=len(spec.labels))


FORMATS = (Format(source="GluonCV (MXNet)", mark=r"bn1\.gamma", renames=MXNET_NORM),)

REFERENCES: Mapping[str, Callable[[], P3D]] = {
    "gluoncv_mx_p3d_resnet50_kinetics400": partial(build, SPECS[0])
}
