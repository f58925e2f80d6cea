"""CSN: channels and space-time are mixed apart (Tran, Wang, Torresani and Feiszli, ICCV 2019).

The networks here are interaction-reduced ones, ir-CSN: ResNets whose bottlenecks have a depthwise
3x3x3 convolution in the middle. But for the stem, whatever mixes space and time keeps the channels
apart, and whatever mixes channels sees one position; hence few multiply-adds for so deep networks.
From the second layer on, time is halved along with rows and columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from actionzoo.labels import load_labels
from actionzoo.models.blocks import Classifier, Triple, pool_windows
from actionzoo.models.formats import MMACTION_RESNET, PYTORCHVIDEO_RESNET, Format, thaw_norms
from actionzoo.models.publishers import (
    gluoncv_input,
    gluoncv_torch,
    pytorchvideo,
    pytorchvideo_input,
)
from actionzoo.models.resnet3d import DEPTHS, bottlenecks, conv3d, initialise
from actionzoo.models.stages import RESNET_STAGES
from actionzoo.spec import InputSpec, ModelSpec, Views, Weights

FEATURES = 2048
CAFFE2_EPS = 1e-3
"""Of the batch norms in weights that come from the paper's own code, which is in Caffe2."""


def _layer(channels_in: int, planes: int, depth: int, *, stride: Triple, eps: float) -> nn.Module:
    return bottlenecks(
        channels_in,
        planes,
        firsts=[(1, 1, 1)] * depth,
        second=(3, 3, 3),
        stride=stride,
        depthwise=True,
        eps=eps,
    )


class CSN(Classifier):
    """The whole network.

    Args:
        depth: Of the ResNet: 50, 101 or 152.
        eps: Of the batch norms.
        window: What the head averages at once, in positions of the last feature map: the whole map
            of a clip of the usual size. None averages all there is, whatever its size.
        num_classes: Width of the output.
    """

    stages = RESNET_STAGES

    def __init__(
        self, *, depth: int, eps: float = 1e-5, window: Triple | None = None, num_classes: int
    ) -> None:
        super().__init__(FEATURES, num_classes)
        d1, d2, d3, d4 = DEPTHS[depth]
        self.window = window
        self.conv1 = conv3d(3, 64, (3, 7, 7), (1, 2, 2))
        self.bn1 = nn.BatchNorm3d(64, eps)
        self.layer1 = _layer(64, 64, d1, stride=(1, 1, 1), eps=eps)
        self.layer2 = _layer(256, 128, d2, stride=(2, 2, 2), eps=eps)
        self.layer3 = _layer(512, 256, d3, stride=(2, 2, 2), eps=eps)
        self.layer4 = _layer(1024, 512, d4, stride=(2, 2, 2), eps=eps)
        initialise(self)

    def forward_features(self, clip: Tensor) -> Tensor:
        """(B, 3, T, H, W) float32 -> (B, 2048)."""
        x = F.relu(self.bn1(self.conv1(clip)))
        x = F.max_pool3d(x, (1, 3, 3), (1, 2, 2), (0, 1, 1))
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
        return pool_windows(x, self.window or x.shape[2:])


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """What makes one CSN."""

    name: str
    input: InputSpec
    depth: int
    eps: float
    window: Triple | None
    parameters: int
    macs: int
    summary: str
    weights: tuple[Weights, ...]


VARIANTS = (
    Variant(
        name="ircsn_v2_resnet152_f32s2_kinetics400",
        input=gluoncv_input(frames=32, stride=2, keep_aspect=True),
        depth=152,
        eps=CAFFE2_EPS,
        window=None,
        parameters=29_703_568,
        macs=74_046_244_864,
        summary="ir-CSN R152, pretrained on 65 million videos: very accurate; 400 actions.",
        weights=(
            gluoncv_torch(
                "ircsn_v2_resnet152_f32s2_kinetics400",
                "82855d2c85a888e96477130253b90a4892bdc649",
                83.18,
            ),
        ),
    ),
    Variant(
        name="csn_r101_kinetics400",
        input=pytorchvideo_input(frames=32, stride=2),
        depth=101,
        eps=1e-5,
        window=(4, 7, 7),
        parameters=22_213_776,
        macs=56_468_187_136,
        summary="ir-CSN R101 of PyTorchVideo; 400 actions.",
        weights=(pytorchvideo("CSN_32x2_R101.pyth", 77.00, 92.90, views=Views(clips=10, crops=3)),),
    ),
)


def _spec(variant: Variant) -> ModelSpec:
    return ModelSpec(
        name=variant.name,
        family="csn",
        summary=variant.summary,
        dataset="kinetics400",
        input=variant.input,
        labels=load_labels("kinetics400"),
        parameters=variant.parameters,
        macs=variant.macs,
        license="Apache-2.0",
        weights=variant.weights,
    )


SPECS: tuple[ModelSpec, ...] = tuple(_spec(one) for one in VARIANTS)


def build(spec: ModelSpec) -> CSN:
    """Build the network of one of ``SPECS``, freshly initialised."""
    variant = {one.name: one for one in VARIANTS}[spec.name]
    return CSN(
        depth=variant.depth,
        eps=variant.eps,
        window=variant.window,
        num_classes=len(spec.labels),
    )


FORMATS = (
    Format(
        source="GluonCV (PyTorch)",
        mark=r"layer1\.0\.conv4\.weight",
        renames=(
            # Blocks of interaction-preserved CSNs have a conv2 that these have not.
            (r"\.(conv|bn)3\.", r".\g<1>2."),
            (r"\.(conv|bn)4\.", r".\g<1>3."),
            (r"\.down_sample\.", ".downsample."),
            (r"^out_fc\.", "fc."),
        ),
        finish=partial(thaw_norms, eps=CAFFE2_EPS),
    ),
    Format(
        source="PyTorchVideo",
        mark=r"blocks\.0\.conv\.weight",
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
        mark=r"backbone\.layer1\.0\.conv2\.0\.conv\.weight",
        renames=((r"\.conv2\.0\.", ".conv2."), *MMACTION_RESNET),
    ),
)

REFERENCES: Mapping[str, Callable[[], CSN]] = {
    "gluoncv_ircsn_v2_resnet152_f32s2_kinetics400": partial(build, SPECS[0]),
    "pytorchvideo_csn_r101": partial(build, SPECS[1]),
}
