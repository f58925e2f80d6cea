"""I3D ResNet: an image ResNet inflated into time (Carreira and Zisserman, CVPR 2017).

As in "Non-local Neural Networks" (Wang et al., CVPR 2018), not all of it is inflated:

- The stem sees five frames; after the first layer the larger of every two frames is kept.
- A block that mixes time does it in its first convolution, 3x1x1: all blocks of the first layer,
  every second one of the others.
- Non-local blocks (``nl5``, ``nl10``: their number) stand behind blocks of the second and third
  layer; there every position looks at every other.

GluonCV's networks also halve time in the stem and in the pool behind it, PyTorchVideo's do not. C2D
is the same network with nothing inflated: it mixes time by pooling alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actionzoo.errors import ConfigError
from actionzoo.labels import load_labels
from actionzoo.models.blocks import Classifier, Stack, Triple, pool_windows
from actionzoo.models.convolution import Conv3d
from actionzoo.models.formats import (
    GLUONCV_STAGES,
    MMACTION_RESNET,
    MXNET_NORM,
    PYSLOWFAST_STAGES,
    PYTORCHVIDEO_RESNET,
    Format,
    Renames,
)
from actionzoo.models.publishers import (
    gluoncv_input,
    gluoncv_mxnet,
    gluoncv_torch,
    pytorchvideo,
    pytorchvideo_input,
)
from actionzoo.models.resnet3d import (
    DEPTHS,
    EXPANSION,
    bottlenecks,
    conv3d,
    initialise,
)
from actionzoo.models.stages import RESNET_STAGES
from actionzoo.spec import ModelSpec, Views, Weights

FEATURES = 2048

INFLATED = ((0, 1), (0, 2), (0, 2), (1, 2))
"""In each of the four layers, the first block that mixes time and the step to the next."""


class NonLocal(nn.Module):
    """Let every position look at every other, and add what it saw (embedded Gaussian).

    The names are the paper's. A new block passes its input on unchanged.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inner = channels // 2
        self.theta = Conv3d(channels, self.inner, 1)
        self.phi = Conv3d(channels, self.inner, 1)
        self.g = Conv3d(channels, self.inner, 1)
        self.W = Conv3d(self.inner, channels, 1)
        self.bn = nn.BatchNorm3d(channels, momentum=0.9)  # GluonCV's, though it forgets fast
        nn.init.zeros_(self.bn.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, C, T, H, W); N = T * H * W positions."""
        queries = self.theta(x).flatten(2).transpose(1, 2)  # (B, N, C/2)
        keys = self.phi(x).flatten(2)  # (B, C/2, N)
        values = self.g(x).flatten(2).transpose(1, 2)  # (B, N, C/2)
        # The paper has no scale; GluonCV's weights are trained with it.
        attention = torch.softmax(queries @ keys * self.inner**-0.5, -1)  # (B, N, N)
        seen = (attention @ values).transpose(1, 2).unflatten(2, x.shape[2:])
        return x + self.bn(self.W(seen))


def _layer(
    channels_in: int,
    planes: int,
    firsts: list[Triple],
    *,
    stride: int,
    nonlocal_after: Collection[int],
) -> Stack:
    """Stack blocks, some of them followed by a non-local block called ``<index>_nonlocal``."""
    blocks = bottlenecks(channels_in, planes, firsts=firsts, stride=(1, stride, stride))
    layer = Stack()
    for i, block in enumerate(blocks):
        layer.add_module(f"{i}", block)
        if i in nonlocal_after:
            layer.add_module(f"{i}_nonlocal", NonLocal(planes * EXPANSION))
    return layer


def _firsts(depth: int, first: int, step: int, *, inflated: bool) -> list[Triple]:
    """Choose the kernel of each block's first convolution."""
    mixing = range(first, depth, step) if inflated else ()
    return [(3, 1, 1) if i in mixing else (1, 1, 1) for i in range(depth)]


class I3DResNet(Classifier):
    """The whole network.

    Args:
        depth: Of the ResNet, 50 or 101.
        inflated: Whether convolutions mix time; C2D's do not.
        time_stride: Of the stem, and of the pool behind it.
        nonlocal2: Blocks of the second layer that a non-local block follows, counted from 0.
        nonlocal3: Those of the third layer.
        window: What the head averages at once, in positions of the last feature map: the whole map
            of a clip of the usual size. None averages all there is, whatever its size.
        num_classes: Width of the output.
    """

    stages = RESNET_STAGES

    def __init__(
        self,
        *,
        depth: int,
        inflated: bool = True,
        time_stride: int = 2,
        nonlocal2: Collection[int] = (),
        nonlocal3: Collection[int] = (),
        window: Triple | None = None,
        num_classes: int,
    ) -> None:
        super().__init__(FEATURES, num_classes)
        f1, f2, f3, f4 = (
            _firsts(blocks, first, step, inflated=inflated)
            for blocks, (first, step) in zip(DEPTHS[depth], INFLATED, strict=True)
        )
        self.time_stride = time_stride
        self.window = window
        self.conv1 = conv3d(3, 64, (5 if inflated else 1, 7, 7), (time_stride, 2, 2))
        self.bn1 = nn.BatchNorm3d(64)
        self.layer1 = _layer(64, 64, f1, stride=1, nonlocal_after=())
        self.layer2 = _layer(256, 128, f2, stride=2, nonlocal_after=nonlocal2)
        self.layer3 = _layer(512, 256, f3, stride=2, nonlocal_after=nonlocal3)
        self.layer4 = _layer(1024, 512, f4, stride=2, nonlocal_after=())
        initialise(self)

    def forward_features(self, clip: Tensor) -> Tensor:
        """(B, 3, T, H, W) float32 -> (B, 2048).

        Raises:
            ConfigError: The clip has too few frames.
        """
        self._check_frames(clip.shape[2])
        x = F.relu(self.bn1(self.conv1(clip)))
        x = F.max_pool3d(x, (1, 3, 3), (self.time_stride, 2, 2), (0, 1, 1))
        x = F.max_pool3d(self.layer1(x), (2, 1, 1))
        x = self.layer4(self.layer3(self.layer2(x)))
        return pool_windows(x, self.window or x.shape[2:])

    def _check_frames(self, frames: int) -> None:
        """Refuse clips of which less than the two frames of the last pool would be left."""
        least = self.time_stride**2 + 1
        if frames < least:
            raise ConfigError(f"the clip has {frames} frames; this network takes {least} or more")


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """What makes one I3D ResNet."""

    name: str
    publisher: Literal["GluonCV", "PyTorchVideo"] = "GluonCV"
    """Decides the input, the stride of time in the stem, and whether the head has windows."""
    dataset: str = "kinetics400"
    depth: int = 50
    inflated: bool = True
    frames: int = 32
    stride: int = 2
    nonlocal2: Collection[int] = ()
    nonlocal3: Collection[int] = ()
    parameters: int
    macs: int
    summary: str
    weights: tuple[Weights, ...]


VARIANTS = (
    Variant(
        name="i3d_resnet50_v1_kinetics400",
        parameters=28_043_472,
        macs=33_128_218_624,
        summary="I3D R50, 32 frames at stride 2; 400 actions.",
        weights=(
            gluoncv_torch(
                "i3d_resnet50_v1_kinetics400",
                "185454973645ff66b6310e715863384db135d87f",
                74.87,
            ),
            gluoncv_mxnet(
                "i3d_resnet50_v1_kinetics400",
                "568a722eb61da663e11b582886ddbef9ef8f6ac6",
                74.0,
            ),
        ),
    ),
    Variant(
        name="i3d_resnet101_v1_kinetics400",
        depth=101,
        parameters=51_754_192,
        macs=51_676_479_488,
        summary="I3D R101, 32 frames at stride 2; 400 actions.",
        weights=(
            gluoncv_torch(
                "i3d_resnet101_v1_kinetics400",
                "a9bb4f89551c30d553a487fcc560ff7f41a3de8c",
                75.1,
            ),
            gluoncv_mxnet(
                "i3d_resnet101_v1_kinetics400",
                "6b69f655c60823bd05a83fe076c61d6c297add0d",
                75.1,
            ),
        ),
    ),
    Variant(
        name="i3d_nl5_resnet50_v1_kinetics400",
        nonlocal2=(1, 3),
        nonlocal3=(1, 3, 5),
        parameters=35_401_936,
        macs=53_307_801_600,
        summary="I3D R50 with 5 non-local blocks, 32 frames at stride 2; 400 actions.",
        weights=(
            gluoncv_torch(
                "i3d_nl5_resnet50_v1_kinetics400",
                "9df1e103d54bc1227da58d19347e1371cf98a9fb",
                75.17,
            ),
            gluoncv_mxnet(
                "i3d_nl5_resnet50_v1_kinetics400",
                "3c0e47ea5ee699c3e1f706c9df7a74dbd6321b11",
                75.2,
            ),
        ),
    ),
    Variant(
        name="i3d_nl10_resnet50_v1_kinetics400",
        nonlocal2=range(4),
        nonlocal3=range(6),
        parameters=42_760_400,
        macs=73_487_384_576,
        summary="I3D R50 with 10 non-local blocks, 32 frames at stride 2; 400 actions.",
        weights=(
            gluoncv_torch(
                "i3d_nl10_resnet50_v1_kinetics400",
                "281e1e8a8ef78ada7e095b43caf0cd3f75e7a6a4",
                75.93,
            ),
            gluoncv_mxnet(
                "i3d_nl10_resnet50_v1_kinetics400",
                "bfb58c4127705ad6e98f4916abde0c849e2f1288",
                75.3,
            ),
        ),
    ),
    Variant(
        name="i3d_nl5_resnet101_v1_kinetics400",
        depth=101,
        nonlocal2=(1, 3),
        nonlocal3=(6, 13, 20),
        parameters=59_112_656,
        macs=71_856_062_464,
        summary="I3D R101 with 5 non-local blocks, 32 frames at stride 2; 400 actions.",
        weights=(
            gluoncv_torch(
                "i3d_nl5_resnet101_v1_kinetics400",
                "2cea8edd07e5565b9c1eb66ca862ade3127ce523",
                75.81,
            ),
            gluoncv_mxnet(
                "i3d_nl5_resnet101_v1_kinetics400",
                "fbfc1d30d90c304295dedd6c70b037d100e43d5f",
                76.0,
            ),
        ),
    ),
    Variant(
        name="i3d_nl10_resnet101_v1_kinetics400",
        depth=101,
        nonlocal2=range(4),
        nonlocal3=(2, 6, 10, 14, 18, 22),
        parameters=66_471_120,
        macs=92_035_645_440,
        summary="I3D R101 with 10 non-local blocks, 32 frames at stride 2; 400 actions.",
        weights=(
            gluoncv_torch(
                "i3d_nl10_resnet101_v1_kinetics400",
                "526a2ed07cffeab6d827ab28c979b537100cd2b3",
                75.93,
            ),
            gluoncv_mxnet(
                "i3d_nl10_resnet101_v1_kinetics400",
                "59186c31dea2f20940a358fc8ea5199cd6d4303c",
                76.1,
            ),
        ),
    ),
    Variant(
        name="i3d_resnet50_v1_ucf101",
        dataset="ucf101",
        parameters=27_430_821,
        macs=33_127_606_272,
        summary="I3D R50, 32 frames at stride 2; the 101 actions of UCF101.",
        weights=(
            # Pretrained on Kinetics-400; the other on ImageNet alone.
            gluoncv_mxnet(
                "i3d_resnet50_v1_ucf101",
                "760d0981094787b8789ee4a8c382d09d493c7413",
                95.4,
                dataset="ucf101",
                split="split 1",
            ),
            gluoncv_mxnet(
                "i3d_resnet50_v1_ucf101",
                "7afc7286",
                83.9,
                dataset="ucf101",
                split="split 1",
            ),
        ),
    ),
    Variant(
        name="i3d_resnet50_v1_hmdb51",
        dataset="hmdb51",
        parameters=27_328_371,
        macs=33_127_503_872,
        summary="I3D R50, 32 frames at stride 2; the 51 actions of HMDB51.",
        weights=(
            # Pretrained on Kinetics-400; the other on ImageNet alone.
            gluoncv_mxnet(
                "i3d_resnet50_v1_hmdb51",
                "2ec6bf01a55af38579380e6531d0ecc816862abe",
                70.9,
                dataset="hmdb51",
                split="split 1",
            ),
            gluoncv_mxnet(
                "i3d_resnet50_v1_hmdb51",
                "0d0ad559",
                48.5,
                dataset="hmdb51",
                split="split 1",
            ),
        ),
    ),
    Variant(
        name="i3d_resnet50_v1_sthsthv2",
        dataset="something-something-v2",
        frames=16,
        parameters=27_580_398,
        macs=16_564_056_064,
        summary="I3D R50, 16 frames at stride 2; 174 things done with objects.",
        weights=(
            gluoncv_torch(
                "i3d_resnet50_v1_sthsthv2",
                "e975d989c1eb1e66e5be36c1c4d6ff626708cfae",
                49.61,
                dataset="something-something-v2",
            ),
            gluoncv_mxnet(
                "i3d_resnet50_v1_sthsthv2",
                "01961e4cccf6405cd1342670b9525c21c578c9d4",
                50.6,
                dataset="something-something-v2",
            ),
        ),
    ),
    Variant(
        name="i3d_r50_kinetics400",
        publisher="PyTorchVideo",
        frames=8,
        stride=8,
        parameters=28_043_472,
        macs=28_407_660_544,
        summary="I3D R50 of PyTorchVideo, 8 frames at stride 8; 400 actions.",
        weights=(pytorchvideo("I3D_8x8_R50.pyth", 73.27, 90.70, views=Views(clips=10, crops=3)),),
    ),
    Variant(
        name="c2d_r50_kinetics400",
        publisher="PyTorchVideo",
        inflated=False,
        frames=8,
        stride=8,
        parameters=24_327_632,
        macs=19_493_191_680,
        summary="C2D R50: time is pooled, not convolved, 8 frames at stride 8; 400 actions.",
        weights=(pytorchvideo("C2D_8x8_R50.pyth", 71.46, 89.68, views=Views(clips=10, crops=3)),),
    ),
)


def _spec(variant: Variant) -> ModelSpec:
    fed = gluoncv_input if variant.publisher == "GluonCV" else pytorchvideo_input
    return ModelSpec(
        name=variant.name,
        family="i3d_resnet",
        summary=variant.summary,
        dataset=variant.dataset,
        input=fed(frames=variant.frames, stride=variant.stride),
        labels=load_labels(variant.dataset),
        parameters=variant.parameters,
        macs=variant.macs,
        license="Apache-2.0",
        weights=variant.weights,
    )


SPECS: tuple[ModelSpec, ...] = tuple(_spec(one) for one in VARIANTS)


def build(spec: ModelSpec) -> I3DResNet:
    """Build the network of one of ``SPECS``, freshly initialised."""
    variant = {one.name: one for one in VARIANTS}[spec.name]
    gluoncv = variant.publisher == "GluonCV"
    return I3DResNet(
        depth=variant.depth,
        inflated=variant.inflated,
        time_stride=2 if gluoncv else 1,
        nonlocal2=variant.nonlocal2,
        nonlocal3=variant.nonlocal3,
        window=None if gluoncv else (variant.frames // 2, 7, 7),
        num_classes=len(spec.labels),
    )


_NONLOCAL: Renames = (
    (r"\.nonlocal_block\.", "_nonlocal."),
    (r"\.W_bn\.0\.", ".W."),
    (r"\.W_bn\.1\.", ".bn."),
)
"""GluonCV's non-local blocks belong to the block before them, and name two layers twice."""

_MXNET_BOTTLENECK: Renames = tuple(
    (rf"\.bottleneck\.{i}\.", f".{name}.")
    for i, name in (
        (0, "conv1"),
        (1, "bn1"),
        (3, "conv2"),
        (4, "bn2"),
        (6, "conv3"),
        (7, "bn3"),
        (8, "nonlocal_block"),
    )
)
"""GluonCV's MXNet blocks list their parts once more, by their number in a sequence."""

FORMATS = (
    Format(
        source="GluonCV (PyTorch)",
        mark=r"first_stage\.1\.weight",
        renames=(*GLUONCV_STAGES, *_NONLOCAL),
    ),
    Format(
        source="GluonCV (MXNet)",
        mark=r"first_stage\.1\.gamma",
        renames=(*GLUONCV_STAGES, *_MXNET_BOTTLENECK, *_NONLOCAL, *MXNET_NORM),
    ),
    Format(
        source="PyTorchVideo",
        mark=r"blocks\.6\.proj\.weight",
        renames=(
            (r"^blocks\.0\.conv\.", "conv1."),
            (r"^blocks\.0\.norm\.", "bn1."),
            (r"^blocks\.1\.res_blocks\.", "layer1."),
            # Its block 2 is the pool over time.
            *((rf"^blocks\.{i + 1}\.res_blocks\.", f"layer{i}.") for i in (2, 3, 4)),
            *PYTORCHVIDEO_RESNET,
            (r"^blocks\.6\.proj\.", "fc."),
        ),
    ),
    Format(
        source="mmaction2",
        mark=r"backbone\.conv1\.conv\.weight",
        renames=MMACTION_RESNET,
    ),
    Format(
        source="PySlowFast",
        mark=r"s1\.pathway0_stem\.conv\.weight",
        renames=PYSLOWFAST_STAGES,
    ),
)
"""The non-local blocks of mmaction2 and PySlowFast are other ones, and are refused by their names.

Both look at a map pooled to half its height and width, and mmaction2's have neither scale nor bias.
"""

REFERENCES: Mapping[str, Callable[[], I3DResNet]] = {
    **{f"gluoncv_{spec.name}": partial(build, spec) for spec in SPECS[:5]},
    "gluoncv_mx_i3d_resnet50_v1_kinetics400": partial(build, SPECS[0]),
    "gluoncv_mx_i3d_nl5_resnet50_v1_kinetics400": partial(build, SPECS[2]),
    "pytorchvideo_i3d_r50": partial(build, SPECS[9]),
    "pytorchvideo_c2d_r50": partial(build, SPECS[10]),
}
