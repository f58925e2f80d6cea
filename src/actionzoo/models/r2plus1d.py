"""R(2+1)D: a ResNet whose 3x3x3 convolutions are split into space, then time.

Tran et al., "A Closer Look at Spatiotemporal Convolutions for Action Recognition", CVPR 2018: a
1x3x3 convolution to some middle channels, norm, ReLU, a 3x1x1 convolution. Three lines descend from
it, which differ in the middle channels and in what is strided:

- torchvision's and GluonCV's (v1) take as many middle channels as keep the parameters of the whole
  convolution, computed from the channels that enter the block. In bottlenecks the split convolution
  itself has fewer inputs, so the first of a layer and the others have odd widths: 144, then 177.
- Ghadiyaram et al. (CVPR 2019; GluonCV's v2, first trained on IG65M) compute them from the
  convolution's own channels: 9/4 of them.
- PyTorchVideo keeps the channels, convolves over time first, has a plain stem, halves space in all
  four layers and time in the last two. It ends in scores, averaged over the windows of a head of
  fixed size; the logarithm of that average is the logits here.

Parameters are called as in GluonCV's v1 for PyTorch: ``layer1.0.conv2.conv1.weight`` is over space.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from actionzoo.labels import load_labels
from actionzoo.models.blocks import Stack, Triple
from actionzoo.models.formats import MXNET_NORM, PYTORCHVIDEO_RESNET, Format, thaw_norms
from actionzoo.models.publishers import (
    gluoncv_input,
    gluoncv_mxnet,
    gluoncv_torch,
    pytorchvideo,
    pytorchvideo_input,
    torchvision,
    torchvision_input,
)
from actionzoo.models.r3d import WIDTHS, BasicBlock
from actionzoo.models.resnet3d import DEPTHS, EXPANSION, Bottleneck, conv3d, initialise
from actionzoo.models.stages import RESNET_STAGES
from actionzoo.spec import InputSpec, ModelSpec, Views, Weights

STEM_MIDDLE = 45
"""Channels between the two convolutions of the stem, 1x7x7 and 3x1x1."""


def middle_of_block(channels_in: int, planes: int) -> int:
    """Return how many middle channels keep the parameters of a 3x3x3 convolution.

    >>> [middle_of_block(*channels) for channels in ((64, 64), (64, 128), (256, 64))]
    [144, 230, 177]
    """
    return 27 * channels_in * planes // (9 * channels_in + 3 * planes)


def middle_of_planes(channels_in: int, planes: int) -> int:
    """Return the same for a convolution between ``planes``, whatever enters the block."""
    return middle_of_block(planes, planes)


def no_middle(channels_in: int, planes: int) -> int:
    """Return ``planes``: the split convolution has one width throughout."""
    return planes


@dataclass(frozen=True, kw_only=True, slots=True)
class Design:
    """What makes one network of the family."""

    depths: tuple[int, int, int, int]
    """Blocks of each layer."""
    bottleneck: bool
    middle: Callable[[int, int], int]
    """Middle channels from the channels that enter a block and its planes."""
    strides: tuple[Triple, Triple, Triple, Triple] = ((1, 1, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2))
    """Of each layer's first block."""
    split_stem: bool = True
    time_first: bool = False
    """Whether a split convolution goes over time before space."""
    eps: float = 1e-5
    """Of the batch norms."""
    dropout: float = 0.0
    window: Triple | None = None
    """Of the head's average, in positions of the last feature map: the whole map of a clip of the
    usual size. A larger clip gives several windows, whose scores are averaged; for a smaller one
    the window shrinks. None averages the whole map of any clip."""


class Conv2Plus1D(nn.Module):
    """A 1x3x3 and a 3x1x1 convolution, a norm and a ReLU between them.

    Args:
        channels_in: Channels of the input.
        channels_out: Channels of the output.
        middle: Channels between the two.
        stride: Of time, rows and columns; each convolution takes its part.
        time_first: Whether the 3x1x1 convolution is the first.
        eps: Of the batch norm.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        middle: int,
        stride: Triple = (1, 1, 1),
        time_first: bool = False,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        space: tuple[Triple, Triple] = ((1, 3, 3), (1, stride[1], stride[2]))
        time: tuple[Triple, Triple] = ((3, 1, 1), (stride[0], 1, 1))
        first, second = (time, space) if time_first else (space, time)
        self.conv1 = conv3d(channels_in, middle, *first)
        self.bn1 = nn.BatchNorm3d(middle, eps)
        self.conv2 = conv3d(middle, channels_out, *second)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, T, H, W) -> (B, channels_out, T', H', W')."""
        return self.conv2(F.relu(self.bn1(self.conv1(x))))


def _block(design: Design, channels_in: int, planes: int, stride: Triple) -> nn.Module:
    """Make a residual block of split convolutions."""
    split = partial(
        Conv2Plus1D,
        middle=design.middle(channels_in, planes),
        time_first=design.time_first,
        eps=design.eps,
    )
    if not design.bottleneck:
        convs = split(channels_in, planes, stride=stride), split(planes, planes)
        return BasicBlock(convs, channels_in, planes, stride=stride)
    block = Bottleneck(channels_in, planes, stride=stride, eps=design.eps)
    block.add_module("conv2", split(planes, planes, stride=stride))
    return block


def _layers(design: Design) -> list[Stack]:
    """Make the four layers; the first block of each has its stride."""
    layers = []
    channels = WIDTHS[0]
    for planes, depth, stride in zip(WIDTHS, design.depths, design.strides, strict=True):
        blocks = []
        for i in range(depth):
            blocks.append(_block(design, channels, planes, (1, 1, 1) if i else stride))
            channels = planes * EXPANSION if design.bottleneck else planes
        layers.append(Stack(*blocks))
    return layers


class R2Plus1D(nn.Module):
    """The whole network.

    Args:
        design: What makes it, such as ``RESNET18``.
        num_classes: Width of the output.
    """

    stages = ("(conv|bn)[12]", *RESNET_STAGES[1:])

    def __init__(self, design: Design, *, num_classes: int) -> None:
        super().__init__()
        width = STEM_MIDDLE if design.split_stem else WIDTHS[0]
        self.window = design.window
        self.conv1 = conv3d(3, width, (1, 7, 7), (1, 2, 2))
        self.bn1 = nn.BatchNorm3d(width, design.eps)
        self.conv2: nn.Module = nn.Identity()
        self.bn2: nn.Module = nn.Identity()
        if design.split_stem:
            self.conv2 = conv3d(width, WIDTHS[0], (3, 1, 1))
            self.bn2 = nn.BatchNorm3d(WIDTHS[0], design.eps)
        self.layer1, self.layer2, self.layer3, self.layer4 = _layers(design)
        self.dropout = nn.Dropout(design.dropout)
        self.fc = nn.Linear(WIDTHS[-1] * (EXPANSION if design.bottleneck else 1), num_classes)
        initialise(self)

    def forward_features(self, clip: Tensor) -> Tensor:
        """(B, 3, T, H, W) float32 -> (B, 512), or (B, 2048) of bottlenecks."""
        return self._windows(clip).mean(1)

    def forward(self, clip: Tensor) -> Tensor:
        """(B, 3, T, H, W) float32 -> logits (B, K)."""
        logits = self.fc(self.dropout(self._windows(clip)))  # (B, N, K)
        if self.window is None:
            return logits.squeeze(1)
        return logits.log_softmax(-1).logsumexp(1)  # of the mean score, but for a constant

    def _windows(self, clip: Tensor) -> Tensor:
        """(B, 3, T, H, W) -> the mean of each of the head's N windows (B, N, D)."""
        x = F.relu(self.bn1(self.conv1(clip)))
        x = F.relu(self.bn2(self.conv2(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        whole = x.shape[2:]
        sizes = [min(pair) for pair in zip(whole, self.window or whole, strict=True)]
        return F.avg_pool3d(x, sizes, stride=1).flatten(2).mT

    def reset_head(self, num_classes: int) -> None:
        """Replace the last layer by a fresh one."""
        self.fc = nn.Linear(self.fc.in_features, num_classes)


RESNET18 = Design(depths=(2, 2, 2, 2), bottleneck=False, middle=middle_of_block, dropout=0.5)
RESNET34 = replace(RESNET18, depths=DEPTHS[50])
RESNET50 = replace(RESNET34, bottleneck=True)
RESNET152_V2 = Design(depths=DEPTHS[152], bottleneck=True, middle=middle_of_planes, eps=1e-3)
RESNET50_PYTORCHVIDEO = Design(
    depths=DEPTHS[50],
    bottleneck=True,
    middle=no_middle,
    strides=((1, 2, 2), (1, 2, 2), (2, 2, 2), (2, 2, 2)),
    split_stem=False,
    time_first=True,
    dropout=0.5,
    window=(4, 7, 7),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """One name: a network, what it is fed, and where its weights are."""

    summary: str
    design: Design
    input: InputSpec
    parameters: int
    macs: int
    weights: Weights


GLUONCV_INPUT = gluoncv_input(frames=16, stride=2, size=112)
VARIANTS = {
    "r2plus1d_v1_resnet18_kinetics400": Variant(
        summary="R(2+1)D ResNet-18; 400 actions.",
        design=RESNET18,
        input=GLUONCV_INPUT,
        parameters=31_505_325,
        macs=40_519_080_960,
        weights=gluoncv_torch(
            "r2plus1d_v1_resnet18_kinetics400", "340a59522b4ffe7e3621ad4a269e4cd4a99f74b2", 71.72
        ),
    ),
    "r2plus1d_v1_resnet34_kinetics400": Variant(
        summary="R(2+1)D ResNet-34; 400 actions.",
        design=RESNET34,
        input=GLUONCV_INPUT,
        parameters=61_831_661,
        macs=75_200_732_160,
        weights=gluoncv_torch(
            "r2plus1d_v1_resnet34_kinetics400", "5102fd1736a2a205f5fd7bded5d2e0d2e5ca6307", 72.63
        ),
    ),
    "r2plus1d_v1_resnet50_kinetics400": Variant(
        summary="R(2+1)D ResNet-50; 400 actions.",
        design=RESNET50,
        input=GLUONCV_INPUT,
        parameters=53_949_691,
        macs=65_232_579_584,
        weights=gluoncv_torch(
            "r2plus1d_v1_resnet50_kinetics400", "9a3b665c182f81f22d4a105c75fac030ad20a628", 74.92
        ),
    ),
    "r2plus1d_resnet18_kinetics400": Variant(
        summary="R(2+1)D ResNet-18, weights trained in MXNet; 400 actions.",
        design=RESNET18,
        input=GLUONCV_INPUT,
        parameters=31_505_325,
        macs=40_519_080_960,
        weights=gluoncv_mxnet(
            "r2plus1d_resnet18_kinetics400", "5a14d1f9772e523bbeae8484ec382feb30b74ffa", 70.8
        ),
    ),
    "r2plus1d_resnet34_kinetics400": Variant(
        summary="R(2+1)D ResNet-34, weights trained in MXNet; 400 actions.",
        design=RESNET34,
        input=GLUONCV_INPUT,
        parameters=61_831_661,
        macs=75_200_732_160,
        weights=gluoncv_mxnet(
            "r2plus1d_resnet34_kinetics400", "de2e592b450b9007705507d5167859d45e782695", 71.6
        ),
    ),
    "r2plus1d_resnet50_kinetics400": Variant(
        summary="R(2+1)D ResNet-50, weights trained in MXNet; 400 actions.",
        design=RESNET50,
        input=GLUONCV_INPUT,
        parameters=53_949_691,
        macs=65_232_579_584,
        weights=gluoncv_mxnet(
            "r2plus1d_resnet50_kinetics400", "deaefb14d31c703115a911828534d24ac68c7fb0", 73.9
        ),
    ),
    "r2plus1d_v2_resnet152_kinetics400": Variant(
        summary="R(2+1)D ResNet-152, first trained on 65 million videos of Instagram; 400 actions.",
        design=RESNET152_V2,
        # GluonCV's model page says 16 frames; its configuration, which was measured, has 32.
        input=gluoncv_input(frames=32, stride=2, size=112, keep_aspect=True),
        parameters=118_226_785,
        macs=251_997_435_904,
        weights=gluoncv_torch(
            "r2plus1d_v2_resnet152_kinetics400", "42707ffcab518cdda93523004360de167863c5d8", 81.34
        ),
    ),
    "r2plus1d_18_kinetics400": Variant(
        summary="R(2+1)D ResNet-18 of torchvision; 400 actions.",
        design=replace(RESNET18, dropout=0.0),
        input=torchvision_input(resize=(128, 171), size=112),
        parameters=31_505_325,
        macs=40_519_080_960,
        weights=torchvision(
            "r2plus1d_18-91a641e6.pth",
            67.463,
            86.175,
            clips=5,
            sha256="91a641e6c2ab531d1aca5f4321b4d802ec5c3babc15df855cdb6e39c6a1107c8",
        ),
    ),
    "r2plus1d_r50_kinetics400": Variant(
        summary="R(2+1)D ResNet-50 of PyTorchVideo, on larger pictures; 400 actions.",
        design=RESNET50_PYTORCHVIDEO,
        input=pytorchvideo_input(frames=16, stride=4),
        parameters=28_107_600,
        macs=57_533_825_024,
        weights=pytorchvideo(
            "R2PLUS1D_16x4_R50.pyth", 76.01, 92.23, views=Views(clips=10, crops=3)
        ),
    ),
}


def _spec(name: str, variant: Variant) -> ModelSpec:
    return ModelSpec(
        name=name,
        family="r2plus1d",
        summary=variant.summary,
        dataset="kinetics400",
        input=variant.input,
        labels=load_labels("kinetics400"),
        parameters=variant.parameters,
        macs=variant.macs,
        license=variant.weights.license,
        weights=(variant.weights,),
    )


SPECS: tuple[ModelSpec, ...] = tuple(_spec(name, one) for name, one in VARIANTS.items())


def build(spec: ModelSpec) -> R2Plus1D:
    """Build the network of one of ``SPECS``, freshly initialised."""
    return R2Plus1D(VARIANTS[spec.name].design, num_classes=len(spec.labels))


FORMATS = (
    Format(source="GluonCV (MXNet)", mark=r"bn1\.gamma", renames=MXNET_NORM),
    Format(
        source="GluonCV (PyTorch), v2",
        mark=r"conv1_middle\.weight",
        renames=(
            # In this order: what comes first here is called the middle there.
            (r"^conv1\.", "conv2."),
            (r"^bn1\.", "bn2."),
            (r"^conv1_middle\.", "conv1."),
            (r"^bn1_middle\.", "bn1."),
            (r"\.conv2\.", ".conv2.conv2."),
            (r"\.conv2_middle\.", ".conv2.conv1."),
            (r"\.bn2_middle\.", ".conv2.bn1."),
            (r"\.down_sample\.", ".downsample."),
            (r"^out_fc\.", "fc."),
        ),
        finish=partial(thaw_norms, eps=RESNET152_V2.eps),
    ),
    Format(
        source="torchvision",
        mark=r"stem\.0\.weight",
        renames=(
            (r"^stem\.0\.", "conv1."),
            (r"^stem\.1\.", "bn1."),
            (r"^stem\.3\.", "conv2."),
            (r"^stem\.4\.", "bn2."),
            (r"\.conv(\d)\.0\.0\.", r".conv\1.conv1."),
            (r"\.conv(\d)\.0\.1\.", r".conv\1.bn1."),
            (r"\.conv(\d)\.0\.3\.", r".conv\1.conv2."),
            (r"\.conv(\d)\.1\.", r".bn\1."),
        ),
    ),
    Format(
        source="PyTorchVideo",
        mark=r"blocks\.0\.conv\.weight",
        renames=(
            (r"^blocks\.0\.conv\.", "conv1."),
            (r"^blocks\.0\.norm\.", "bn1."),
            (r"^blocks\.(\d)\.res_blocks\.", r"layer\1."),
            *PYTORCHVIDEO_RESNET,
            (r"\.conv2\.conv_t\.", ".conv2.conv1."),
            (r"\.conv2\.norm\.", ".conv2.bn1."),
            (r"\.conv2\.conv_xy\.", ".conv2.conv2."),
            (r"^blocks\.5\.proj\.", "fc."),
        ),
    ),
)


def _network(design: Design) -> R2Plus1D:
    return R2Plus1D(design, num_classes=400)


def _scores(network: nn.Module, given: tuple[Tensor, ...], logits: Tensor) -> Tensor:
    return logits.softmax(1)


def _pytorchvideo() -> R2Plus1D:
    """Build PyTorchVideo's network as it was recorded: its outputs are scores."""
    network = _network(RESNET50_PYTORCHVIDEO)
    network.register_forward_hook(_scores)
    return network


REFERENCES: Mapping[str, Callable[[], R2Plus1D]] = {
    "gluoncv_r2plus1d_v1_resnet18_kinetics400": partial(_network, RESNET18),
    "gluoncv_r2plus1d_v1_resnet50_kinetics400": partial(_network, RESNET50),
    "gluoncv_r2plus1d_v2_resnet152_kinetics400": partial(_network, RESNET152_V2),
    "gluoncv_mx_r2plus1d_resnet18_kinetics400": partial(_network, RESNET18),
    "gluoncv_mx_r2plus1d_resnet34_kinetics400": partial(_network, RESNET34),
    "torchvision_r2plus1d_18": partial(_network, RESNET18),
    "pytorchvideo_r2plus1d_r50": _pytorchvideo,
}
