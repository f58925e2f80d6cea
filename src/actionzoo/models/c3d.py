"""C3D: eight plain 3x3x3 convolutions and three wide linear layers (Tran et al., ICCV 2015).

The linear layers expect a map of one size, which 16 frames of 112 pixels give. The features are
those of the second of them, ``fc7``. Parameters are called as in GluonCV.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from actionzoo.errors import ConfigError
from actionzoo.labels import load_labels
from actionzoo.models.formats import Format
from actionzoo.models.publishers import accuracy, gluoncv_input, gluoncv_mxnet, mmaction
from actionzoo.models.resnet3d import initialise
from actionzoo.spec import InputSpec, ModelSpec, Resize, Views, Weights

LAST_MAP = (512, 1, 4, 4)
"""Channels, frames, rows and columns that the linear layers see: 8192 numbers."""
WIDTH = 4096
HEAD_STD = 0.01


def _check_size(frames: int, height: int, width: int) -> None:
    """Refuse what five halvings, the last of them padded, do not bring to ``LAST_MAP``."""
    if (frames // 16, height // 32 + 1, width // 32 + 1) != LAST_MAP[1:]:
        raise ConfigError(
            f"C3D got {frames} frames of {height} x {width}; it takes 16 to 31 frames, both sides "
            "96 to 127 pixels"
        )


def _conv(channels_in: int, channels_out: int) -> nn.Conv3d:
    return nn.Conv3d(channels_in, channels_out, 3, padding=1)


class C3D(nn.Module):
    """The whole network.

    Args:
        num_classes: Width of the output.
    """

    stages = ("conv1", "conv2", "conv3[ab]", "conv4[ab]", "conv5[ab]", "fc[67]")

    def __init__(self, *, num_classes: int) -> None:
        super().__init__()
        self.conv1 = _conv(3, 64)
        self.conv2 = _conv(64, 128)
        self.conv3a = _conv(128, 256)
        self.conv3b = _conv(256, 256)
        self.conv4a = _conv(256, 512)
        self.conv4b = _conv(512, 512)
        self.conv5a = _conv(512, 512)
        self.conv5b = _conv(512, 512)
        channels, frames, rows, columns = LAST_MAP
        self.fc6 = nn.Linear(channels * frames * rows * columns, WIDTH)
        self.fc7 = nn.Linear(WIDTH, WIDTH)
        self.fc8 = nn.Linear(WIDTH, num_classes)
        self.dropout = nn.Dropout(0.5)
        initialise(self)
        for layer, std in ((self.fc6, 0.005), (self.fc7, 0.005), (self.fc8, HEAD_STD)):
            _initialise(layer, std)

    def forward_features(self, clip: Tensor) -> Tensor:
        """(B, 3, T, H, W) float32 -> (B, 4096).

        Raises:
            ConfigError: The linear layers have no place for a map of this clip's size.
        """
        _check_size(*clip.shape[2:])
        x = F.max_pool3d(F.relu(self.conv1(clip)), (1, 2, 2))
        x = F.max_pool3d(F.relu(self.conv2(x)), 2)
        x = F.max_pool3d(F.relu(self.conv3b(F.relu(self.conv3a(x)))), 2)
        x = F.max_pool3d(F.relu(self.conv4b(F.relu(self.conv4a(x)))), 2)
        x = F.relu(self.conv5b(F.relu(self.conv5a(x))))
        x = F.max_pool3d(x, 2, padding=(0, 1, 1))  # (B, 512, 1, 4, 4)
        x = self.dropout(F.relu(self.fc6(x.flatten(1))))
        return F.relu(self.fc7(x))

    def forward(self, clip: Tensor) -> Tensor:
        """(B, 3, T, H, W) float32, 16 frames of 112 x 112 -> logits (B, K).

        Raises:
            ConfigError: The linear layers have no place for a map of this clip's size.
        """
        return self.fc8(self.dropout(self.forward_features(clip)))

    def reset_head(self, num_classes: int) -> None:
        """Replace the last layer by a fresh one."""
        self.fc8 = nn.Linear(WIDTH, num_classes)
        _initialise(self.fc8, HEAD_STD)


def _initialise(layer: nn.Linear, std: float) -> None:
    nn.init.normal_(layer.weight, std=std)
    nn.init.zeros_(layer.bias)


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """One name: what it is fed, and where its weights are."""

    summary: str
    dataset: str
    input: InputSpec
    parameters: int
    macs: int
    weights: Weights


MMACTION_INPUT = InputSpec(
    frames=16,
    resize=Resize(rule="short_side", height=128, width=128, rounding="round"),
    height=112,
    width=112,
    value_range=(0.0, 255.0),
    # The means of blue, green and red in Caffe, but mmaction2 takes them from red, green and blue.
    mean=(104.0, 117.0, 128.0),
)
MMACTION_UCF101 = mmaction(
    "v1.0/recognition/c3d/c3d_sports1m-pretrained_8xb30-16x1x1-45e_ucf101-rgb/"
    "c3d_sports1m-pretrained_8xb30-16x1x1-45e_ucf101-rgb_20220811-31723200.pth",
    metrics=accuracy(
        83.08,
        95.93,
        dataset="ucf101",
        split="split 1",
        views=Views(clips=10),
        measured_by="mmaction2",
    ),
)
VARIANTS = {
    "c3d_kinetics400": Variant(
        summary="C3D: plain 3x3x3 convolutions and wide linear layers, the first of its kind; "
        "400 actions.",
        dataset="kinetics400",
        input=gluoncv_input(frames=16, stride=2, size=112),
        parameters=79_634_576,
        macs=38_548_602_880,
        weights=gluoncv_mxnet("c3d_kinetics400", "a007b5faf2927c5c4afe78db40756273f33a84e6", 59.5),
    ),
    "c3d_ucf101": Variant(
        summary="C3D, first trained on a million videos of sports; 101 actions.",
        dataset="ucf101",
        input=MMACTION_INPUT,
        parameters=78_409_573,
        macs=38_547_378_176,
        weights=MMACTION_UCF101,
    ),
}


def _spec(name: str, variant: Variant) -> ModelSpec:
    return ModelSpec(
        name=name,
        family="c3d",
        summary=variant.summary,
        dataset=variant.dataset,
        input=variant.input,
        labels=load_labels(variant.dataset),
        parameters=variant.parameters,
        macs=variant.macs,
        license=variant.weights.license,
        weights=(variant.weights,),
    )


SPECS: tuple[ModelSpec, ...] = tuple(_spec(name, one) for name, one in VARIANTS.items())


def build(spec: ModelSpec) -> C3D:
    """Build the network of one of ``SPECS``, freshly initialised."""
    return C3D(num_classes=len(spec.labels))


FORMATS = (
    Format(
        source="mmaction2",
        mark=r"backbone\.conv1a\.conv\.weight",
        renames=(
            (r"^backbone\.", ""),
            (r"^(conv[12])a\.", r"\1."),
            (r"^(conv\w+)\.conv\.", r"\1."),
            (r"^cls_head\.fc_cls\.", "fc8."),
        ),
    ),
)
"""GluonCV's names are ours."""

REFERENCES: Mapping[str, Callable[[], C3D]] = {
    "gluoncv_mx_c3d_kinetics400": partial(build, SPECS[0])
}
