"""R3D and MC3: ResNet-18 with 3-D convolutions, everywhere or at the bottom alone.

The baselines of "A Closer Look at Spatiotemporal Convolutions" (Tran et al., CVPR 2018):

- R3D convolves 3x3x3 throughout and halves time together with space.
- MC3 ("mixed convolutions") mixes time in its stem and first layer only; time is never strided.
- No pooling follows the stem; the head averages the whole map.

R(2+1)D (``r2plus1d``) has the same plan with each convolution split in two. Published weights are
torchvision's. Parameters are called as in image ResNets: ``layer3.0.conv1.weight``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from actionzoo.labels import load_labels
from actionzoo.models.blocks import Classifier, Stack, Triple
from actionzoo.models.formats import Format
from actionzoo.models.publishers import torchvision, torchvision_input
from actionzoo.models.resnet3d import conv3d, initialise
from actionzoo.models.stages import RESNET_STAGES
from actionzoo.spec import ModelSpec

WIDTHS = (64, 128, 256, 512)
"""Channels of each of the four layers."""


class BasicBlock(nn.Module):
    """Two convolutions and a shortcut (He et al., CVPR 2016).

    Args:
        convs: Both convolutions, without their norms; the first has the stride.
        channels_in: Channels of the input.
        planes: Channels inside and of the output.
        stride: Of time, rows and columns.
    """

    def __init__(
        self, convs: tuple[nn.Module, nn.Module], channels_in: int, planes: int, *, stride: Triple
    ) -> None:
        super().__init__()
        self.conv1, self.conv2 = convs
        self.bn1 = nn.BatchNorm3d(planes)
        self.bn2 = nn.BatchNorm3d(planes)
        self.downsample: nn.Module = nn.Identity()
        if stride != (1, 1, 1) or channels_in != planes:
            self.downsample = nn.Sequential(
                conv3d(channels_in, planes, (1, 1, 1), stride), nn.BatchNorm3d(planes)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, T, H, W) -> (B, planes, T', H', W')."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + self.downsample(x))


def _layer(channels_in: int, planes: int, *, kernel: Triple, stride: Triple) -> Stack:
    """Stack two blocks; the first has the stride."""
    return Stack(
        BasicBlock(
            (conv3d(channels_in, planes, kernel, stride), conv3d(planes, planes, kernel)),
            channels_in,
            planes,
            stride=stride,
        ),
        BasicBlock(
            (conv3d(planes, planes, kernel), conv3d(planes, planes, kernel)),
            planes,
            planes,
            stride=(1, 1, 1),
        ),
    )


class R3D(Classifier):
    """The whole network.

    Args:
        kernels: Of the convolutions of each of the four layers.
        strides: Of the first block of each layer.
        num_classes: Width of the output.
    """

    stages = RESNET_STAGES

    def __init__(
        self, *, kernels: tuple[Triple, ...], strides: tuple[Triple, ...], num_classes: int
    ) -> None:
        super().__init__(WIDTHS[-1], num_classes, dropout=0.0)
        self.conv1 = conv3d(3, WIDTHS[0], (3, 7, 7), (1, 2, 2))
        self.bn1 = nn.BatchNorm3d(WIDTHS[0])
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            _layer(channels_in, planes, kernel=kernel, stride=stride)
            for channels_in, planes, kernel, stride in zip(
                (WIDTHS[0], *WIDTHS[:-1]), WIDTHS, kernels, strides, strict=True
            )
        )
        initialise(self)

    def forward_features(self, clip: Tensor) -> Tensor:
        """(B, 3, T, H, W) float32 -> (B, 512)."""
        x = F.relu(self.bn1(self.conv1(clip)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return x.mean((2, 3, 4))


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """What makes one of the two networks."""

    summary: str
    kernels: tuple[Triple, Triple, Triple, Triple]
    strides: tuple[Triple, Triple, Triple, Triple]
    parameters: int
    macs: int
    file: str
    """Of the published weights."""
    top1: float
    top5: float


CUBE: Triple = (3, 3, 3)
FLAT: Triple = (1, 3, 3)
VARIANTS = {
    "r3d_18_kinetics400": Variant(
        summary="R3D-18: a ResNet-18 of 3x3x3 convolutions; 400 actions.",
        kernels=(CUBE, CUBE, CUBE, CUBE),
        strides=((1, 1, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2)),
        parameters=33_371_472,
        macs=40_696_553_472,
        file="r3d_18-b3b3357e.pth",
        top1=63.2,
        top5=83.479,
    ),
    "mc3_18_kinetics400": Variant(
        summary="MC3-18: a ResNet-18 that convolves over time at the bottom only; 400 actions.",
        kernels=(CUBE, FLAT, FLAT, FLAT),
        strides=((1, 1, 1), (1, 2, 2), (1, 2, 2), (1, 2, 2)),
        parameters=11_695_440,
        macs=43_342_635_008,
        file="mc3_18-a90a0ba3.pth",
        top1=63.96,
        top5=84.13,
    ),
}


def _spec(name: str, variant: Variant) -> ModelSpec:
    return ModelSpec(
        name=name,
        family="r3d",
        summary=variant.summary,
        dataset="kinetics400",
        input=torchvision_input(resize=(128, 171), size=112),
        labels=load_labels("kinetics400"),
        parameters=variant.parameters,
        macs=variant.macs,
        license="BSD-3-Clause",
        weights=(torchvision(variant.file, variant.top1, variant.top5, clips=5),),
    )


SPECS: tuple[ModelSpec, ...] = tuple(_spec(name, one) for name, one in VARIANTS.items())


def build(spec: ModelSpec) -> R3D:
    """Build the network of one of ``SPECS``, freshly initialised."""
    variant = VARIANTS[spec.name]
    return R3D(kernels=variant.kernels, strides=variant.strides, num_classes=len(spec.labels))


FORMATS = (
    Format(
        source="torchvision",
        mark=r"stem\.0\.weight",
        renames=(
            (r"^stem\.0\.", "conv1."),
            (r"^stem\.1\.", "bn1."),
            (r"\.conv(\d)\.0\.", r".conv\1."),
            (r"\.conv(\d)\.1\.", r".bn\1."),
        ),
    ),
)

REFERENCES: Mapping[str, Callable[[], R3D]] = {"torchvision_r3d_18": partial(build, SPECS[0])}
