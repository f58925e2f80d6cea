"""The image ResNet (He et al., CVPR 2016) as the trunk of TSN and VTN and the end of P3D.

Parameters are called as in torchvision: ``layer3.0.conv1.weight``. The bottleneck has its stride in
the 3x3 convolution ("v1b").
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from actionzoo.models.blocks import Stack
from actionzoo.models.stages import RESNET_STAGES

DEPTHS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}
"""Blocks of each of the four layers."""
WIDTHS = (64, 128, 256, 512)


def conv2d(channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """Make a convolution that keeps the size but for its stride; no bias, a norm follows."""
    return nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False)


def _shortcut(channels_in: int, channels_out: int, stride: int) -> nn.Module:
    if stride == 1 and channels_in == channels_out:
        return nn.Identity()
    return nn.Sequential(conv2d(channels_in, channels_out, 1, stride), nn.BatchNorm2d(channels_out))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, of ResNet 18 and 34."""

    expansion = 1

    def __init__(self, channels_in: int, planes: int, *, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = conv2d(channels_in, planes, 3, stride)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = conv2d(planes, planes, 3)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = _shortcut(channels_in, planes, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels_in, H, W) -> (N, planes, H / stride, W / stride)."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + self.downsample(x))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 and a shortcut, of ResNet 50 and deeper."""

    expansion = 4

    def __init__(self, channels_in: int, planes: int, *, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = conv2d(channels_in, planes, 1)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = conv2d(planes, planes, 3, stride)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = conv2d(planes, planes * self.expansion, 1)
        self.bn3 = nn.BatchNorm2d(planes * self.expansion)
        self.downsample = _shortcut(channels_in, planes * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels_in, H, W) -> (N, 4 * planes, H / stride, W / stride)."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + self.downsample(x))


def layer(
    block: type[BasicBlock] | type[Bottleneck],
    channels_in: int,
    planes: int,
    depth: int,
    *,
    stride: int,
) -> Stack:
    """Stack blocks; the first has the stride."""
    channels_out = planes * block.expansion
    return Stack(
        *(
            block(channels_out if i else channels_in, planes, stride=1 if i else stride)
            for i in range(depth)
        )
    )


class ResNet2D(nn.Module):
    """From a picture to its last feature map.

    Args:
        depth: 18, 34, 50, 101 or 152.
    """

    stages = RESNET_STAGES

    def __init__(self, depth: int) -> None:
        super().__init__()
        block: type[BasicBlock] | type[Bottleneck] = BasicBlock if depth < 50 else Bottleneck
        self.conv1 = conv2d(3, 64, 7, 2)
        self.bn1 = nn.BatchNorm2d(64)
        channels = 64
        layers: list[Stack] = []
        for width, blocks in zip(WIDTHS, DEPTHS[depth], strict=True):
            stride = 2 if layers else 1
            layers.append(layer(block, channels, width, blocks, stride=stride))
            channels = width * block.expansion
        self.layer1, self.layer2, self.layer3, self.layer4 = layers
        self.channels = channels
        """Channels of the feature map."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, channels, H / 32, W / 32)."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))
