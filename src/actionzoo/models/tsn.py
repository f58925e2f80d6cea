"""TSN: one frame from each segment of a video, looked at alone; their features are averaged.

Temporal segment networks (Wang et al., ECCV 2016) on four networks for pictures: ResNet v1b,
Inception V1, Inception V3 and VGG16. One view is one frame, so that the seven views of a video are
its seven segments. Weights are those of GluonCV's PyTorch and MXNet zoos, and mmaction2's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import torch.nn.functional as F
from torch import Tensor, nn

from actionzoo.errors import ConfigError
from actionzoo.labels import load_labels
from actionzoo.models.blocks import mean_frames
from actionzoo.models.formats import MMACTION_RESNET, MXNET_NORM, Format, Renames
from actionzoo.models.inception import (
    GLUONCV_MXNET,
    HALVE_MAX,
    V1_MIXED,
    Inception,
    Pool,
    conv,
    inception_v1,
    inception_v3,
)
from actionzoo.models.publishers import (
    FRAMES_250,
    THIRTY_VIEWS,
    accuracy,
    gluoncv_input,
    gluoncv_mxnet,
    gluoncv_torch,
    mmaction,
)
from actionzoo.models.resnet2d import ResNet2D
from actionzoo.models.resnet3d import initialise
from actionzoo.models.stages import stages_of, within
from actionzoo.spec import InputSpec, ModelSpec, Views, Weights

VGG16_WIDTHS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Of the convolutions between two pools (Simonyan and Zisserman, ICLR 2015)."""

HALVE_OVER = replace(HALVE_MAX, ceil=True)
INCEPTION_V1 = inception_v1(
    conv(64, (7, 7), stride=2),
    (HALVE_OVER, HALVE_OVER, HALVE_OVER, Pool(kernel=(2, 2), stride=(2, 2), padding=(0, 0))),
)
INCEPTION_V3 = inception_v3(HALVE_MAX)


class VGG16(nn.Module):
    """From a picture to the features of its second dense layer.

    Args:
        dropout: Share of the first dense layer's features left out while it learns.
    """

    stages = (
        r"convs\.[02]",
        r"convs\.[57]",
        r"convs\.1[024]",
        r"convs\.(17|19|21)",
        r"convs\.2[468]",
        "fc[67]",
    )

    channels = 4096
    """Width of a dense layer."""
    last_side = 7
    """Rows and columns of the map that the first dense layer sees."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for widths in VGG16_WIDTHS:
            for width in widths:
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            layers.append(nn.MaxPool2d(2))
        self.convs = nn.Sequential(*layers)
        self.fc6 = nn.Linear(channels * self.last_side**2, self.channels)
        self.dropout = nn.Dropout(dropout)
        self.fc7 = nn.Linear(self.channels, self.channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 4096, 1, 1).

        Raises:
            ConfigError: Its dense layers are not made for a picture of this size.
        """
        height, width = x.shape[2:]
        least = 32 * self.last_side
        if any(side // 32 != self.last_side for side in (height, width)):
            raise ConfigError(
                f"the input is {height} x {width} pixels; VGG16 takes {least} x {least} pixels, "
                f"and no side longer than {least + 31}"
            )
        y = F.relu(self.fc6(self.convs(x).flatten(1)))
        return F.relu(self.fc7(self.dropout(y)))[..., None, None]


Trunk: TypeAlias = "ResNet2D | Inception | VGG16"


class TSN(nn.Module):
    """The whole network.

    Args:
        trunk: Makes a feature map of a picture.
        num_classes: Width of the output.
        dropout: Share of a frame's features left out while it learns.
    """

    def __init__(self, trunk: Trunk, *, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.trunk = trunk
        self.stages = within("trunk", stages_of(trunk))
        self.dropout = nn.Dropout(dropout)
        initialise(self)
        self.reset_head(num_classes)

    def forward_features(self, clip: Tensor) -> Tensor:
        """Average the features of the frames of each clip.

        Args:
            clip: (B, 3, T, H, W) with any number of frames, or pictures (B, 3, H, W).

        Returns:
            (B, D).

        Raises:
            ConfigError: The network cannot take frames of this size.
        """
        if clip.ndim == 4:
            clip = clip.unsqueeze(2)
        frames = clip.shape[2]
        maps = self.trunk(clip.transpose(1, 2).flatten(0, 1))  # (B * T, D, H', W')
        return mean_frames(self.dropout(maps.mean((2, 3))), frames)

    def forward(self, clip: Tensor) -> Tensor:
        """(B, 3, T, H, W) or (B, 3, H, W) float32 -> logits (B, K).

        The classifier is linear, so that this is the mean of the frames' logits.
        """
        return self.fc(self.forward_features(clip))

    def reset_head(self, num_classes: int) -> None:
        """Replace the classifier by a fresh one."""
        self.fc = nn.Linear(self.trunk.channels, num_classes)
        nn.init.normal_(self.fc.weight, std=0.01)
        nn.init.zeros_(self.fc.bias)


Published = tuple[str, float]
"""Digest of a file, or its first eight digits, and top-1 in percent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """What makes one TSN of the eleven."""

    trunk: Callable[[], Trunk]
    title: str
    """Its trunk, for people."""
    dataset: str
    parameters: int
    macs: int
    """Of one frame."""
    size: int = 224
    dropout: float = 0.5
    """As GluonCV trained it: more for small datasets."""
    torch: tuple[Published, ...] = ()
    """Weights of GluonCV's PyTorch zoo."""
    mxnet: tuple[Published, ...] = ()
    """Weights of its MXNet zoo: those trained with segments first, then with single frames."""
    mmaction: tuple[tuple[str, str, float, float], ...] = ()
    """Weights of mmaction2: configuration, date and digest, top-1 and top-5 in percent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Protocol:
    """How GluonCV trained and measured on a dataset."""

    segments: int
    """Of a video."""
    split: str = "val"
    """What accuracies were measured on."""
    torch_views: Views = THIRTY_VIEWS
    """How those of its PyTorch zoo were."""


PROTOCOLS = {
    "kinetics400": Protocol(segments=7),
    "ucf101": Protocol(segments=3, split="split 1"),
    "hmdb51": Protocol(segments=3, split="split 1"),
    "something-something-v2": Protocol(segments=8, torch_views=replace(THIRTY_VIEWS, clips=8)),
}

VARIANTS = {
    "resnet18_v1b_kinetics400": Variant(
        trunk=partial(ResNet2D, 18),
        title="ResNet-18",
        dataset="kinetics400",
        parameters=11_381_712,
        macs=1_813_766_144,
        torch=(("854b23e460ab1fbc5a5cd458b439a90be1f98119", 66.73),),
        mxnet=(("46d5a9850cdb884eb9c9a95d48269c3d60c94d77", 65.5),),
    ),
    "resnet34_v1b_kinetics400": Variant(
        trunk=partial(ResNet2D, 34),
        title="ResNet-34",
        dataset="kinetics400",
        parameters=21_489_872,
        macs=3_663_454_208,
        torch=(("124a2fa45fce7102243515bdebfb262728c10ad0", 69.85),),
        mxnet=(("8a8d0d8d395882f836d379aefb4136dce8763d0c", 69.1),),
    ),
    "resnet50_v1b_kinetics400": Variant(
        trunk=partial(ResNet2D, 50),
        title="ResNet-50",
        dataset="kinetics400",
        parameters=24_327_632,
        macs=4_087_955_456,
        torch=(("9939dbdfdbf11cb42c06456f341596e75becf074", 70.88),),
        mxnet=(("cc757e5c94fdaaea64a8cb5acfbd655ddf6ffa96", 69.9),),
        mmaction=(
            ("r50_8xb32-1x1x3", "20220906-cd10898e", 72.83, 90.65),
            ("r50_8xb32-1x1x5", "20220906-65d68713", 73.80, 91.21),
            ("r50_8xb32-1x1x8", "20220906-2692d16c", 74.12, 91.34),
        ),
    ),
    "resnet101_v1b_kinetics400": Variant(
        trunk=partial(ResNet2D, 101),
        title="ResNet-101",
        dataset="kinetics400",
        parameters=43_319_760,
        macs=7_800_176_640,
        torch=(("172afa3bcc5e922962c335b6ea9b7cedc8132c61", 72.25),),
        mxnet=(("5bb6098ea5343dc0f4bf8536b3771b8ddfe231d7", 71.3),),
        mmaction=(("r101_8xb32-1x1x8", "20220906-23cff032", 75.89, 92.07),),
    ),
    "resnet152_v1b_kinetics400": Variant(
        trunk=partial(ResNet2D, 152),
        title="ResNet-152",
        dataset="kinetics400",
        parameters=58_963_408,
        macs=11_512_397_824,
        torch=(("3dedb835f333e234a9279bbef4a9e2e840acc032", 72.45),),
        mxnet=(("9bc70c66059854a22e935b42f783ef2bec0377d8", 71.5),),
    ),
    "resnet50_v1b_sthsthv2": Variant(
        trunk=partial(ResNet2D, 50),
        title="ResNet-50",
        dataset="something-something-v2",
        parameters=23_864_558,
        macs=4_087_492_608,
        torch=(("cbb9167bd293a82475f5f179a29de1f5c2665b8a", 35.16),),
        mxnet=(("80ee0c6bef8b0240ec88273531cd7f43e3f6b65d", 35.5),),
    ),
    "resnet50_v1b_hmdb51": Variant(
        trunk=partial(ResNet2D, 50),
        title="ResNet-50",
        dataset="hmdb51",
        dropout=0.9,
        parameters=23_612_531,
        macs=4_087_240_704,
        mxnet=(("682591e23ce4b92fbd3222c0710ebb52166fddca", 55.2), ("ba66ee4b", 52.2)),
    ),
    "inceptionv1_kinetics400": Variant(
        trunk=partial(Inception, INCEPTION_V1),
        title="Inception V1",
        dataset="kinetics400",
        parameters=6_009_904,
        macs=1_497_761_792,
        mxnet=(("6dcdafb1dd19866fdd3116cbe3689adb85824b2c", 69.1),),
    ),
    "inceptionv3_kinetics400": Variant(
        trunk=partial(Inception, INCEPTION_V3),
        title="Inception V3",
        dataset="kinetics400",
        size=299,
        parameters=22_605_168,
        macs=5_711_987_296,
        mxnet=(("8a4a6946893de23937b5e5e4a1a449800d57ff71", 72.5),),
    ),
    "inceptionv3_ucf101": Variant(
        trunk=partial(Inception, INCEPTION_V3),
        title="Inception V3",
        dataset="ucf101",
        size=299,
        dropout=0.8,
        parameters=21_992_517,
        macs=5_711_374_944,
        mxnet=(("13ef5c3bd40141f11c5b4e471f8f2ad0c1ac6299", 88.1), ("0c453da8", 85.6)),
    ),
    "vgg16_ucf101": Variant(
        trunk=partial(VGG16, dropout=0.9),
        title="VGG16",
        dataset="ucf101",
        dropout=0.9,
        parameters=134_674_341,
        macs=15_466_582_016,
        mxnet=(("d6dc1bbaaf3cbe0be19f02362706393f62ce76fa", 83.4), ("05e319d4", 81.5)),
    ),
}


def _input(size: int = 224, *, keep_aspect: bool = False) -> InputSpec:
    """Return what a network eats: one frame of each segment."""
    clip = gluoncv_input(frames=1, stride=1, size=size, keep_aspect=keep_aspect)
    return replace(clip, sampling="segments")


def _mmaction(config: str, file: str, top1: float, top5: float) -> Weights:
    """Return weights of mmaction2, trained on frames that keep their aspect ratio."""
    config = f"tsn_imagenet-pretrained-{config}-100e_kinetics400-rgb"
    return mmaction(
        f"v1.0/recognition/tsn/{config}/{config}_{file}.pth",
        metrics=accuracy(
            top1,
            top5,
            dataset="kinetics400",
            views=Views(clips=25, crops=10),
            measured_by="mmaction2",
        ),
        input=_input(keep_aspect=True),
    )


def _weights(name: str, variant: Variant) -> tuple[Weights, ...]:
    dataset = variant.dataset
    split, views = PROTOCOLS[dataset].split, PROTOCOLS[dataset].torch_views
    return (
        *(
            gluoncv_torch(name, *one, dataset=dataset, split=split, views=views)
            for one in variant.torch
        ),
        *(
            gluoncv_mxnet(name, *one, dataset=dataset, split=split, views=FRAMES_250)
            for one in variant.mxnet
        ),
        *(_mmaction(*one) for one in variant.mmaction),
    )


def _spec(name: str, variant: Variant) -> ModelSpec:
    labels = load_labels(variant.dataset)
    return ModelSpec(
        name=name,
        family="tsn",
        summary=f"TSN on {variant.title}: a frame of each segment, alone; {len(labels)} actions.",
        dataset=variant.dataset,
        input=_input(variant.size),
        views=Views(clips=PROTOCOLS[variant.dataset].segments, average="logits"),
        labels=labels,
        parameters=variant.parameters,
        macs=variant.macs,
        license="Apache-2.0",
        weights=_weights(name, variant),
    )


SPECS: tuple[ModelSpec, ...] = tuple(_spec(name, one) for name, one in VARIANTS.items())


def build(spec: ModelSpec) -> TSN:
    """Build the network of one of ``SPECS``, freshly initialised."""
    variant = VARIANTS[spec.name]
    return TSN(variant.trunk(), num_classes=len(spec.labels), dropout=variant.dropout)


TRUNK: Renames = ((r"^(?!fc\.|trunk\.)", "trunk."),)
"""All that is not the classifier."""

FORMATS = (
    Format(
        source="GluonCV (PyTorch)",
        mark=r"layer1\.0\.bn1\.weight",
        renames=TRUNK,
    ),
    Format(
        source="mmaction2",
        mark=r"backbone\.layer1\.0\.conv1\.conv\.weight",
        renames=(*MMACTION_RESNET, *TRUNK),
    ),
    Format(
        source="GluonCV (MXNet), ResNet",
        mark=r"layer1\.0\.bn1\.gamma",
        renames=(*MXNET_NORM, (r"^output\.", "fc."), *TRUNK),
    ),
    Format(
        source="GluonCV (MXNet), Inception V1",
        mark=r"inception3a\.0\.0\.1\.gamma",
        renames=(
            (r"^conv1\.", "features.0."),
            (r"^conv2\.", "features.2."),
            (r"^conv3\.", "features.3."),
            *(
                (rf"^inception{name}\.", f"features.{place}.")
                for name, place in zip("3a 3b 4a 4b 4c 4d 4e 5a 5b".split(), V1_MIXED, strict=True)
            ),
            *GLUONCV_MXNET,
        ),
    ),
    Format(
        source="GluonCV (MXNet), Inception V3",
        mark=r"features\.7\.0\.0\.1\.gamma",
        renames=GLUONCV_MXNET,
    ),
    Format(
        source="GluonCV (MXNet), VGG16",
        mark=r"features\.31\.weight",
        renames=(
            (r"^output\.", "fc."),
            (r"^features\.31\.", "trunk.fc6."),
            (r"^features\.33\.", "trunk.fc7."),
            (r"^features\.", "trunk.convs."),
        ),
    ),
)

_NETWORKS: Mapping[str, Callable[[], TSN]] = {spec.name: partial(build, spec) for spec in SPECS}
REFERENCES: Mapping[str, Callable[[], TSN]] = {
    **{
        f"gluoncv_{name}": _NETWORKS[name]
        for name in (
            "resnet18_v1b_kinetics400",
            "resnet34_v1b_kinetics400",
            "resnet50_v1b_kinetics400",
            "resnet101_v1b_kinetics400",
        )
    },
    **{
        f"gluoncv_mx_{name}": _NETWORKS[name]
        for name in ("inceptionv1_kinetics400", "inceptionv3_kinetics400", "vgg16_ucf101")
    },
}
