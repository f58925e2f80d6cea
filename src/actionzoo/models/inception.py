"""Inception networks, described once for pictures and for clips.

- V1 is GoogLeNet (Szegedy et al., CVPR 2015) with a batch norm after every convolution; where that
  has 5x5 convolutions it has 3x3 ones, as DeepMind's and GluonCV's networks do.
- V3 is the network of Szegedy et al. (CVPR 2016) without its second classifier.

A network is data: a chain of convolutions, pools and splits. ``inflate`` gives a chain for pictures
a time axis (Carreira and Zisserman, CVPR 2017). What else tells the published networks apart is how
their pools stride and pad, and that is an argument. Parameters are called by their place in the
chain: ``layers.5.1.0.conv.weight`` belongs to the first unit in branch 1 of layer 5.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actionzoo.errors import ConfigError
from actionzoo.models.blocks import Stack
from actionzoo.models.convolution import Conv3d
from actionzoo.models.formats import MXNET_NORM, Renames

EPS = 1e-3
"""Of every batch norm, in TensorFlow's networks and in GluonCV's."""

Sizes = tuple[int, ...]
"""One number an axis: rows and columns, or time, rows and columns."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Conv:
    """A convolution without bias, its batch norm and a ReLU."""

    width: int
    """Channels of the output."""
    kernel: Sizes
    stride: Sizes
    padding: Sizes | None
    """Zeros before and after each axis; None pads as TensorFlow's SAME does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pool:
    """The largest value of each window, or the mean."""

    kernel: Sizes
    stride: Sizes
    padding: Sizes | None
    """As of ``Conv``. A mean counts the zeros; the largest value never is one of them."""
    ceil: bool = False
    """Whether a window may hang over the end."""
    mean: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """Branches that see the same input; their channels follow one another."""

    branches: tuple[Chain, ...]


Layer: TypeAlias = "Conv | Pool | Split | Chain"
Chain: TypeAlias = "tuple[Layer, ...]"


def conv(width: int, kernel: tuple[int, int] = (1, 1), *, stride: int = 1) -> Conv:
    """Describe a convolution of pictures that keeps their size but for its stride."""
    rows, columns = kernel
    return Conv(
        width=width,
        kernel=kernel,
        stride=(stride, stride),
        padding=(rows // 2, columns // 2),
    )


def bare(layer: Conv) -> Conv:
    """Take the padding off a convolution of pictures."""
    return replace(layer, padding=(0, 0))


KEEP_MAX = Pool(kernel=(3, 3), stride=(1, 1), padding=(1, 1))
# SAME is one zero on either side here; PyTorch's own padding refuses a map smaller than the window.
KEEP_MEAN = Pool(kernel=(3, 3), stride=(1, 1), padding=None, mean=True)
HALVE_MAX = Pool(kernel=(3, 3), stride=(2, 2), padding=(0, 0))


def inflate(chain: Chain) -> Chain:
    """Give layers of pictures a time axis; a layer that has one stays as it is.

    A kernel gets as long as its longest side, so that 7x1 becomes 7x7x1. Time is strided as rows
    are, and padded so that it keeps its length but for the stride.
    """
    return tuple(_inflated(layer) for layer in chain)


def _inflated(layer: Layer) -> Layer:
    if isinstance(layer, tuple):
        return inflate(layer)
    if isinstance(layer, Split):
        return Split(branches=tuple(inflate(branch) for branch in layer.branches))
    if len(layer.kernel) == 3:
        return layer
    time = max(layer.kernel)
    padding = layer.padding and (time // 2, *layer.padding)
    return replace(
        layer,
        kernel=(time, *layer.kernel),
        stride=(layer.stride[0], *layer.stride),
        padding=padding,
    )


V1_WIDTHS = (
    (64, 96, 128, 16, 32, 32),
    (128, 128, 192, 32, 96, 64),
    (192, 96, 208, 16, 48, 64),
    (160, 112, 224, 24, 64, 64),
    (128, 128, 256, 24, 64, 64),
    (112, 144, 288, 32, 64, 64),
    (256, 160, 320, 32, 128, 128),
    (256, 160, 320, 32, 128, 128),
    (384, 192, 384, 48, 128, 128),
)
"""Of each mixed layer: the 1x1 branch, two branches of 1x1 and 3x3, the branch that pools."""
V1_CONVS = (0, 2, 3)
"""Places of the convolutions in the chain."""
V1_MIXED = (5, 6, 8, 9, 10, 11, 12, 14, 15)
"""Places of the mixed layers in the chain."""


def _mixed_v1(only: int, narrow1: int, wide1: int, narrow2: int, wide2: int, pooled: int) -> Split:
    return Split(
        branches=(
            (conv(only),),
            (conv(narrow1), conv(wide1, (3, 3))),
            (conv(narrow2), conv(wide2, (3, 3))),
            (KEEP_MAX, conv(pooled)),
        )
    )


def inception_v1(first: Conv, pools: tuple[Pool, Pool, Pool, Pool]) -> Chain:
    """Describe V1; it is inflated if its first convolution has a time axis.

    Args:
        first: The convolution that sees the input.
        pools: Those that make the feature map smaller.
    """
    mixed = [_mixed_v1(*widths) for widths in V1_WIDTHS]
    stem: Chain = (first, pools[0], conv(64), conv(192, (3, 3)), pools[1])
    chain: Chain = (*stem, *mixed[:2], pools[2], *mixed[2:7], pools[3], *mixed[7:])
    return inflate(chain) if len(first.kernel) == 3 else chain


def _mixed_a(pooled: int) -> Split:
    return Split(
        branches=(
            (conv(64),),
            (conv(48), conv(64, (5, 5))),
            (conv(64), conv(96, (3, 3)), conv(96, (3, 3))),
            (KEEP_MEAN, conv(pooled)),
        )
    )


def _mixed_c(narrow: int) -> Split:
    row, column = (1, 7), (7, 1)  # one after the other they see 7x7
    return Split(
        branches=(
            (conv(192),),
            (conv(narrow), conv(narrow, row), conv(192, column)),
            (
                conv(narrow),
                conv(narrow, column),
                conv(narrow, row),
                conv(narrow, column),
                conv(192, row),
            ),
            (KEEP_MEAN, conv(192)),
        )
    )


def _mixed_e() -> Split:
    # Two branches end in a split of their own; what precedes it is a chain, as GluonCV names it.
    ends = Split(branches=((conv(384, (1, 3)),), (conv(384, (3, 1)),)))
    return Split(
        branches=(
            (conv(320),),
            ((conv(384),), ends),
            ((conv(448), conv(384, (3, 3))), ends),
            (KEEP_MEAN, conv(192)),
        )
    )


REDUCE_B = Split(
    branches=(
        (bare(conv(384, (3, 3), stride=2)),),
        (conv(64), conv(96, (3, 3)), bare(conv(96, (3, 3), stride=2))),
        (HALVE_MAX,),
    )
)
REDUCE_D = Split(
    branches=(
        (conv(192), bare(conv(320, (3, 3), stride=2))),
        (conv(192), conv(192, (1, 7)), conv(192, (7, 1)), bare(conv(192, (3, 3), stride=2))),
        (HALVE_MAX,),
    )
)


def inception_v3(pool: Pool) -> Chain:
    """Describe V3; it is inflated if its pool has a time axis.

    Args:
        pool: What follows the third convolution, and the fifth.
    """
    chain: Chain = (
        bare(conv(32, (3, 3), stride=2)),
        bare(conv(32, (3, 3))),
        conv(64, (3, 3)),
        pool,
        conv(80),
        bare(conv(192, (3, 3))),
        pool,
        *(_mixed_a(pooled) for pooled in (32, 64, 64)),
        REDUCE_B,
        *(_mixed_c(narrow) for narrow in (128, 160, 160, 192)),
        REDUCE_D,
        _mixed_e(),
        _mixed_e(),
    )
    return inflate(chain) if len(pool.kernel) == 3 else chain


def smallest_input(layer: Layer, output: Sizes) -> Sizes:
    """Compute the smallest input that gives a layer an output of at least the size given."""
    if isinstance(layer, tuple):
        for one in reversed(layer):
            output = smallest_input(one, output)
        return output
    if isinstance(layer, Split):
        needed = [smallest_input(branch, output) for branch in layer.branches]
        return tuple(max(axis) for axis in zip(*needed, strict=True))
    starts = [(size - 1) * step + 1 for size, step in zip(output, layer.stride, strict=True)]
    if layer.padding is None:
        return tuple(starts)
    spared = [step - 1 if isinstance(layer, Pool) and layer.ceil else 0 for step in layer.stride]
    axes = zip(starts, layer.kernel, layer.padding, spared, strict=True)
    return tuple(max(1, start + side - 1 - 2 * zeros - less) for start, side, zeros, less in axes)


class SamePad(nn.Module):
    """Pad with zeros as TensorFlow's SAME does: by the size of the input, an odd one at the end.

    A pool of largest values may follow, since all it sees comes from a ReLU: no zero is larger.
    """

    def __init__(self, kernel: Sizes, stride: Sizes) -> None:
        super().__init__()
        self.kernel = kernel
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, *sizes) -> (N, C, *padded sizes)."""
        padding: list[int] = []
        for size, side, step in zip(x.shape[2:], self.kernel, self.stride, strict=True):
            windows = (size + step - 1) // step
            zeros = (windows - 1) * step + side - size
            if side < step:  # otherwise it is never less: a free size is not compared when traced
                zeros = max(zeros, 0)
            padding = [zeros // 2, zeros - zeros // 2, *padding]  # F.pad wants the last axis first
        return F.pad(x, padding)


class Unit(nn.Module):
    """A convolution, its batch norm and a ReLU."""

    def __init__(self, channels_in: int, layer: Conv) -> None:
        super().__init__()
        make, norm = _CONVS[len(layer.kernel)]
        same = layer.padding is None
        self.pad = SamePad(layer.kernel, layer.stride) if same else nn.Identity()
        self.conv = make(
            channels_in, layer.width, layer.kernel, layer.stride, layer.padding or 0, bias=False
        )
        self.norm = norm(layer.width, EPS)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels_in, *sizes) -> (N, width, *sizes)."""
        return F.relu(self.norm(self.conv(self.pad(x))))


class Concat(nn.ModuleList):
    """Branches side by side."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, *sizes) -> (N, channels of all branches, *sizes)."""
        return torch.cat([branch(x) for branch in self], 1)


_CONVS: dict[int, tuple[Any, Any]] = {
    2: (nn.Conv2d, nn.BatchNorm2d),
    3: (Conv3d, nn.BatchNorm3d),
}
_MAX_POOLS: dict[int, Any] = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
_MEAN_POOLS: dict[int, Any] = {2: nn.AvgPool2d, 3: nn.AvgPool3d}


def _pool(layer: Pool) -> nn.Module:
    make = (_MEAN_POOLS if layer.mean else _MAX_POOLS)[len(layer.kernel)]
    pool = make(layer.kernel, layer.stride, layer.padding or 0, ceil_mode=layer.ceil)
    if layer.padding is None:
        return nn.Sequential(SamePad(layer.kernel, layer.stride), pool)
    return pool


def _build(layer: Layer, channels: int) -> tuple[nn.Module, int]:
    """Make the module of a layer; tell how many channels it puts out."""
    if isinstance(layer, Conv):
        return Unit(channels, layer), layer.width
    if isinstance(layer, Pool):
        return _pool(layer), channels
    if isinstance(layer, Split):
        branches = [_build(branch, channels) for branch in layer.branches]
        return Concat(module for module, _ in branches), sum(width for _, width in branches)
    modules: list[nn.Module] = []
    for one in layer:
        module, channels = _build(one, channels)
        modules.append(module)
    return nn.Sequential(*modules), channels


def _stages(layers: Chain) -> tuple[str, ...]:
    """Name the layers of each stage: those up to the next that makes the map smaller."""
    starts = [i for i, layer in enumerate(layers) if i == 0 or _strides(layer)]
    ends = [*starts[1:], len(layers)]
    return tuple(
        rf"layers\.({'|'.join(str(i) for i in range(start, end))})"
        for start, end in zip(starts, ends, strict=True)
    )


def _strides(layer: Layer) -> bool:
    """Tell whether a layer makes the map smaller."""
    if isinstance(layer, tuple):
        return any(_strides(one) for one in layer)
    if isinstance(layer, Split):
        return any(_strides(branch) for branch in layer.branches)
    return max(layer.stride) > 1


class Inception(nn.Module):
    """From a picture or a clip to its last feature map.

    Args:
        layers: The network.
        channels_in: 3 for pictures, 2 for optical flow.
    """

    def __init__(self, layers: Chain, channels_in: int = 3) -> None:
        super().__init__()
        chain, self.channels = _build(layers, channels_in)
        self.layers = Stack(*chain.children())
        self.stages = _stages(layers)
        axes = next(one.ndim - 2 for one in self.parameters())
        self.smallest = smallest_input(layers, (1,) * axes)
        """The smallest input that has a feature map."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels_in, *sizes) -> (N, channels, *smaller sizes).

        Raises:
            ConfigError: The picture or the clip is too small.
        """
        if any(size < least for size, least in zip(x.shape[2:], self.smallest, strict=True)):
            raise ConfigError(
                f"the input is {_size(x.shape[2:])}; this network takes "
                f"{_size(self.smallest)} and larger"
            )
        return self.layers(x)


def _size(sizes: Sizes) -> str:
    """Write sizes for a message.

    >>> _size((4, 64, 80)), _size((64, 80))
    ('4 frames of 64 x 80 pixels', '64 x 80 pixels')
    """
    *frames, rows, columns = sizes
    return "".join(f"{one} frames of " for one in frames) + f"{rows} x {columns} pixels"


GLUONCV_MXNET: Renames = (
    *MXNET_NORM,
    (r"^(output|head\.1)\.", "fc."),
    (r"^features\.", "trunk.layers."),
    (r"\.0\.weight$", ".conv.weight"),
    (r"\.1\.(weight|bias|running_mean|running_var)$", r".norm.\1"),
)
"""A unit is a list there, of a convolution and its norm; I3D's files name the classifier twice."""
