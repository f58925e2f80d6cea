"""Residual blocks over space and time, shared by the families that inflate a 2-D ResNet.

Parameters are called as in torchvision's ResNets: ``layer3.0.conv1.weight``.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from actionzoo.models.blocks import Stack, Triple
from actionzoo.models.convolution import Conv3d

DEPTHS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
"""Blocks of each of the four layers."""
EXPANSION = 4


def conv3d(
    channels_in: int,
    channels_out: int,
    kernel: Triple,
    stride: Triple = (1, 1, 1),
    *,
    groups: int = 1,
) -> Conv3d:
    """Make a convolution that keeps the size but for its stride; no bias, a norm follows."""
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    return Conv3d(channels_in, channels_out, kernel, stride, padding, groups=groups, bias=False)


class Bottleneck(nn.Module):
    """Narrow, mix, widen, add the shortcut (He et al., CVPR 2016), in three dimensions.

    Args:
        channels_in: Channels of the input.
        planes: Channels inside; the output has four times as many.
        first: Kernel of the first convolution: (3, 1, 1) mixes time, (1, 1, 1) does not.
        second: Kernel of the second convolution, which carries the stride.
        stride: Of time, rows and columns.
        groups: Of the second convolution; ``planes`` makes it depthwise.
        eps: Of the batch norms.
    """

    def __init__(
        self,
        channels_in: int,
        planes: int,
        *,
        first: Triple = (1, 1, 1),
        second: Triple = (1, 3, 3),
        stride: Triple = (1, 1, 1),
        groups: int = 1,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        channels_out = planes * EXPANSION
        self.conv1 = conv3d(channels_in, planes, first)
        self.bn1 = nn.BatchNorm3d(planes, eps)
        self.conv2 = conv3d(planes, planes, second, stride, groups=groups)
        self.bn2 = nn.BatchNorm3d(planes, eps)
        self.conv3 = conv3d(planes, channels_out, (1, 1, 1))
        self.bn3 = nn.BatchNorm3d(channels_out, eps)
        self.downsample: nn.Module = nn.Identity()
        if stride != (1, 1, 1) or channels_in != channels_out:
            self.downsample = nn.Sequential(
                conv3d(channels_in, channels_out, (1, 1, 1), stride),
                nn.BatchNorm3d(channels_out, eps),
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, T, H, W) -> (B, 4 * planes, T', H', W')."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + self.downsample(x))


def bottlenecks(
    channels_in: int,
    planes: int,
    *,
    firsts: Sequence[Triple],
    stride: Triple = (1, 1, 1),
    second: Triple = (1, 3, 3),
    depthwise: bool = False,
    eps: float = 1e-5,
) -> Stack:
    """Stack bottlenecks, one for each kernel in ``firsts``; the first block has the stride."""
    return Stack(
        *(
            Bottleneck(
                planes * EXPANSION if i else channels_in,
                planes,
                first=first,
                second=second,
                stride=(1, 1, 1) if i else stride,
                groups=planes if depthwise else 1,
                eps=eps,
            )
            for i, first in enumerate(firsts)
        )
    )


def initialise(network: nn.Module) -> None:
    """Start convolutions as He et al. (ICCV 2015) do, batch norms as identities."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Conv3d)):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
