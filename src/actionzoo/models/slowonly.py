"""Slow-only: the slow pathway of SlowFast by itself (Feichtenhofer, ICCV 2019).

A ResNet over few frames, far apart. Time is never strided, and mixed late: the first two layers see
single frames, every block of the last two begins with a 3x1x1 convolution. One set of parameters
fits any number of frames; ``f8s8`` in a name is frames and stride.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from actionzoo.labels import load_labels
from actionzoo.models.blocks import Classifier, Stack, Triple, pool_windows
from actionzoo.models.formats import (
    GLUONCV_STAGES,
    MMACTION_RESNET,
    MXNET_NORM,
    PYSLOWFAST_STAGES,
    PYTORCHVIDEO_RESNET,
    Format,
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
    bottlenecks,
    conv3d,
    initialise,
)
from actionzoo.models.stages import RESNET_STAGES
from actionzoo.spec import InputSpec, ModelSpec, Views, Weights

FEATURES = 2048


def _layer(channels_in: int, planes: int, depth: int, *, frames: int, stride: int) -> Stack:
    """Stack blocks whose first convolutions see ``frames`` frames; ``stride`` is spatial."""
    firsts = [(frames, 1, 1)] * depth
    return bottlenecks(channels_in, planes, firsts=firsts, stride=(1, stride, stride))


class SlowOnly(Classifier):
    """The whole network. It takes clips of any length and size.

    Args:
        depth: Of the ResNet, 50 or 101.
        window: What the head averages at once, in positions of the last feature map: the whole map
            of a clip of the usual size. None averages all there is, whatever its size.
        num_classes: Width of the output.
    """

    stages = RESNET_STAGES

    def __init__(self, *, depth: int, window: Triple | None = None, num_classes: int) -> None:
        super().__init__(FEATURES, num_classes)
        d1, d2, d3, d4 = DEPTHS[depth]
        self.window = window
        self.conv1 = conv3d(3, 64, (1, 7, 7), (1, 2, 2))
        self.bn1 = nn.BatchNorm3d(64)
        self.layer1 = _layer(64, 64, d1, frames=1, stride=1)
        self.layer2 = _layer(256, 128, d2, frames=1, stride=2)
        self.layer3 = _layer(512, 256, d3, frames=3, stride=2)
        self.layer4 = _layer(1024, 512, d4, frames=3, stride=2)
        initialise(self)

    def feature_maps(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the last two layers see.

        Args:
            clip: (B, 3, T, H, W) float32.

        Returns:
            (B, 1024, T, H / 16, W / 16) and (B, 2048, T, H / 32, W / 32).
        """
        x = F.relu(self.bn1(self.conv1(clip)))
        x = F.max_pool3d(x, (1, 3, 3), (1, 2, 2), (0, 1, 1))
        third = self.layer3(self.layer2(self.layer1(x)))
        return third, self.layer4(third)

    def forward_features(self, clip: Tensor) -> Tensor:
        """(B, 3, T, H, W) float32 -> (B, 2048)."""
        _, x = self.feature_maps(clip)
        return pool_windows(x, self.window or x.shape[2:])


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """What makes one Slow-only."""

    name: str
    dataset: str = "kinetics400"
    depth: int
    input: InputSpec
    window: Triple | None = None
    """None for GluonCV, whose head averages the whole map."""
    parameters: int
    macs: int
    summary: str
    weights: tuple[Weights, ...]


VARIANTS = (
    Variant(
        name="i3d_slow_resnet50_f8s8_kinetics400",
        depth=50,
        input=gluoncv_input(frames=8, stride=8),
        parameters=32_454_096,
        macs=41_740_828_672,
        summary="Slow-only R50, 8 frames at stride 8; 400 actions.",
        weights=(
            gluoncv_torch(
                "i3d_slow_resnet50_f8s8_kinetics400",
                "1c3d98a1831ee477def36d6085635c2860db0b77",
                74.41,
            ),
        ),
    ),
    Variant(
        name="i3d_slow_resnet50_f16s4_kinetics400",
        depth=50,
        input=gluoncv_input(frames=16, stride=4),
        parameters=32_454_096,
        macs=83_480_838_144,
        summary="Slow-only R50, 16 frames at stride 4; 400 actions.",
        weights=(
            gluoncv_torch(
                "i3d_slow_resnet50_f16s4_kinetics400",
                "a3e419f1b9cde3b57b9b19a9bd93281bb819a871",
                76.36,
            ),
        ),
    ),
    Variant(
        name="i3d_slow_resnet50_f32s2_kinetics400",
        depth=50,
        input=gluoncv_input(frames=32, stride=2),
        parameters=32_454_096,
        macs=166_960_857_088,
        summary="Slow-only R50, 32 frames at stride 2; 400 actions.",
        weights=(
            gluoncv_torch(
                "i3d_slow_resnet50_f32s2_kinetics400",
                "078c817bf18d702891de553de61c9115e27c4afd",
                77.89,
            ),
        ),
    ),
    Variant(
        name="i3d_slow_resnet101_f8s8_kinetics400",
        depth=101,
        input=gluoncv_input(frames=8, stride=8),
        parameters=60_359_120,
        macs=85_414_019_072,
        summary="Slow-only R101, 8 frames at stride 8; 400 actions.",
        weights=(
            gluoncv_torch(
                "i3d_slow_resnet101_f8s8_kinetics400",
                "82e399c1114016126645c5e3e67bad164ba3ae84",
                76.15,
            ),
        ),
    ),
    Variant(
        name="i3d_slow_resnet101_f16s4_kinetics400",
        depth=101,
        input=gluoncv_input(frames=16, stride=4),
        parameters=60_359_120,
        macs=170_827_218_944,
        summary="Slow-only R101, 16 frames at stride 4; 400 actions.",
        weights=(
            gluoncv_torch(
                "i3d_slow_resnet101_f16s4_kinetics400",
                "cb6b78d9e58f7724efb63f705be7c8a12fe8f5ce",
                77.11,
            ),
        ),
    ),
    Variant(
        name="i3d_slow_resnet101_f32s2_kinetics400",
        depth=101,
        input=gluoncv_input(frames=32, stride=2),
        parameters=60_359_120,
        macs=341_653_618_688,
        summary="Slow-only R101, 32 frames at stride 2: accurate and dear; 400 actions.",
        weights=(
            gluoncv_torch(
                "i3d_slow_resnet101_f32s2_kinetics400",
                "db37cd518eab5f1cc394d0f44117c392d0174602",
                78.57,
            ),
        ),
    ),
    Variant(
        name="i3d_slow_resnet101_f16s4_kinetics700",
        dataset="kinetics700",
        depth=101,
        input=gluoncv_input(frames=16, stride=4, keep_aspect=True),
        parameters=60_973_820,
        macs=170_827_833_344,
        summary="Slow-only R101, 16 frames at stride 4; 700 actions.",
        weights=(
            gluoncv_torch(
                "i3d_slow_resnet101_f16s4_kinetics700",
                "b5be1a2e32158748a7efc675081affd32006fe9a",
                67.65,
                dataset="kinetics700",
            ),
            gluoncv_mxnet(
                "i3d_slow_resnet101_f16s4_kinetics700",
                "299b1d9d8a2bcf7c122acd0d23606af4fdfbe7e1",
                67.65,
                dataset="kinetics700",
            ),
        ),
    ),
    Variant(
        name="slow_r50_kinetics400",
        depth=50,
        input=pytorchvideo_input(frames=8, stride=8),
        window=(8, 7, 7),
        parameters=32_454_096,
        macs=41_740_828_672,
        summary="Slow-only R50 of PyTorchVideo, 8 frames at stride 8; 400 actions.",
        weights=(pytorchvideo("SLOW_8x8_R50.pyth", 74.58, 91.63, views=Views(clips=10, crops=3)),),
    ),
    Variant(
        name="slow_r50_4x16_kinetics400",
        depth=50,
        input=pytorchvideo_input(frames=4, stride=16),
        window=(4, 7, 7),
        parameters=32_454_096,
        macs=20_870_823_936,
        summary="Slow-only R50 of PyTorchVideo, 4 frames at stride 16: the cheapest; 400 actions.",
        weights=(pytorchvideo("SLOW_4x16_R50.pyth", 72.40, 90.18, views=Views(clips=10, crops=3)),),
    ),
)


def _spec(variant: Variant) -> ModelSpec:
    return ModelSpec(
        name=variant.name,
        family="slowonly",
        summary=variant.summary,
        dataset=variant.dataset,
        input=variant.input,
        labels=load_labels(variant.dataset),
        parameters=variant.parameters,
        macs=variant.macs,
        license="Apache-2.0",
        weights=variant.weights,
    )


SPECS: tuple[ModelSpec, ...] = tuple(_spec(one) for one in VARIANTS)


def build(spec: ModelSpec) -> SlowOnly:
    """Build the network of one of ``SPECS``, freshly initialised."""
    variant = {one.name: one for one in VARIANTS}[spec.name]
    return SlowOnly(depth=variant.depth, window=variant.window, num_classes=len(spec.labels))


FORMATS = (
    Format(
        source="GluonCV (MXNet)",
        mark=r"first_stage\.1\.gamma",
        renames=(*GLUONCV_STAGES, *MXNET_NORM),
    ),
    Format(
        source="PyTorchVideo",
        mark=r"blocks\.5\.proj\.weight",
        renames=(
            (r"^blocks\.0\.conv\.", "conv1."),
            (r"^blocks\.0\.norm\.", "bn1."),
            (r"^blocks\.(\d)\.res_blocks\.", r"layer\1."),
            *PYTORCHVIDEO_RESNET,
            (r"^blocks\.5\.proj\.", "fc."),
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
"""GluonCV's PyTorch names are ours."""

REFERENCES: Mapping[str, Callable[[], SlowOnly]] = {
    **{f"gluoncv_{spec.name}": partial(build, spec) for spec in (*SPECS[:4], SPECS[5])},
    "pytorchvideo_slow_r50": partial(build, SPECS[7]),
}
