"""S3D: Inception with each 3-D convolution split into space, then time (Xie et al., ECCV 2018).

- A separable convolution is 1xkxk, norm, ReLU, then kx1x1, norm, ReLU.
- Nine mixed blocks of four branches, as wide as in I3D (Carreira and Zisserman, CVPR 2017).
- The head averages windows of 2 x 7 x 7 positions, the whole map of a clip of 14 to 20 frames of
  224 x 224, classifies each and averages the logits.

This is the variant without feature gating. Published weights are torchvision's, whose accuracy was
measured on clips of 128 frames; parameters under ``features`` are called as there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from actionzoo.errors import ConfigError
from actionzoo.labels import load_labels
from actionzoo.models.blocks import Stack, Triple, pool_windows
from actionzoo.models.formats import Format, State
from actionzoo.models.publishers import torchvision, torchvision_input
from actionzoo.models.resnet3d import conv3d, initialise
from actionzoo.spec import ModelSpec

FEATURES = 1024
WINDOW: Triple = (2, 7, 7)
"""Of the head's average, in positions of the last feature map."""
MIN_FRAMES = 14
"""As published. With 12 the last feature map has one position in time, and no window fits."""
MIN_SIDE = 17
"""Pixels. A side of 16 is down to one row before the last pooling, which needs two."""

Widths = tuple[int, int, int, int, int, int]
"""Of the first branch; of the second before and after its 3x3; of the third; of the fourth."""

MIXED_3: tuple[Widths, ...] = ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64))
MIXED_4: tuple[Widths, ...] = (
    (192, 96, 208, 16, 48, 64),
    (160, 112, 224, 24, 64, 64),
    (128, 128, 256, 24, 64, 64),
    (112, 144, 288, 32, 64, 64),
    (256, 160, 320, 32, 128, 128),
)
MIXED_5: tuple[Widths, ...] = ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128))


def _conv(
    channels_in: int, channels_out: int, kernel: Triple = (1, 1, 1), stride: Triple = (1, 1, 1)
) -> nn.Sequential:
    """Convolve, normalise, rectify."""
    return nn.Sequential(
        conv3d(channels_in, channels_out, kernel, stride),
        nn.BatchNorm3d(channels_out, eps=1e-3, momentum=1e-3),
        nn.ReLU(inplace=True),
    )


def _separable(channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolve over space, then over time."""
    return nn.Sequential(
        _conv(channels_in, channels_out, (1, kernel, kernel), (1, stride, stride)),
        _conv(channels_out, channels_out, (kernel, 1, 1), (stride, 1, 1)),
    )


class Mixed(nn.Module):
    """Four branches side by side: 1x1, 3x3, 3x3, and a pooled 1x1."""

    def __init__(self, channels_in: int, widths: Widths) -> None:
        super().__init__()
        first, second_in, second, third_in, third, fourth = widths
        self.branch0 = _conv(channels_in, first)
        self.branch1 = nn.Sequential(
            _conv(channels_in, second_in), _separable(second_in, second, 3)
        )
        self.branch2 = nn.Sequential(_conv(channels_in, third_in), _separable(third_in, third, 3))
        self.branch3 = nn.Sequential(nn.MaxPool3d(3, 1, 1), _conv(channels_in, fourth))

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, T, H, W) -> (B, sum of the branches' widths, T, H, W)."""
        return torch.cat([self.branch0(x), self.branch1(x), self.branch2(x), self.branch3(x)], 1)


def _mixed(channels_in: int, blocks: tuple[Widths, ...]) -> list[nn.Module]:
    """Stack mixed blocks."""
    stack: list[nn.Module] = []
    for widths in blocks:
        stack.append(Mixed(channels_in, widths))
        channels_in = _width(widths)
    return stack


def _width(widths: Widths) -> int:
    """Return the channels that leave a mixed block."""
    return widths[0] + widths[2] + widths[4] + widths[5]


class S3D(nn.Module):
    """The whole network.

    Args:
        num_classes: Width of the output.
    """

    stages = (
        r"features\.0",
        r"features\.[23]",
        r"features\.[56]",
        r"features\.([89]|1[0-2])",
        r"features\.1[45]",
    )

    def __init__(self, *, num_classes: int) -> None:
        super().__init__()
        self.features = Stack(
            _separable(3, 64, 7, 2),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            _conv(64, 64),
            _separable(64, 192, 3),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            *_mixed(192, MIXED_3),
            nn.MaxPool3d(3, 2, 1),
            *_mixed(_width(MIXED_3[-1]), MIXED_4),
            nn.MaxPool3d(2, 2),
            *_mixed(_width(MIXED_4[-1]), MIXED_5),
        )
        self.dropout = nn.Dropout(0.2)
        self.classifier = nn.Linear(FEATURES, num_classes)
        initialise(self)

    def forward_features(self, clip: Tensor) -> Tensor:
        """(B, 3, T, H, W) float32 -> (B, 1024).

        Raises:
            ConfigError: T is below 14, or H or W below 17.
        """
        frames, height, width = clip.shape[2:]
        if frames < MIN_FRAMES or min(height, width) < MIN_SIDE:
            raise ConfigError(
                f"S3D got {frames} frames of {height} x {width}; it takes at least {MIN_FRAMES} "
                f"frames of at least {MIN_SIDE} x {MIN_SIDE}"
            )
        return pool_windows(self.features(clip), WINDOW)

    def forward(self, clip: Tensor) -> Tensor:
        """(B, 3, T, H, W) float32 -> logits (B, K)."""
        return self.classifier(self.dropout(self.forward_features(clip)))

    def reset_head(self, num_classes: int) -> None:
        """Replace the classifier by a fresh one."""
        self.classifier = nn.Linear(FEATURES, num_classes)


SPECS: tuple[ModelSpec, ...] = (
    ModelSpec(
        name="s3d_kinetics400",
        family="s3d",
        summary="S3D: Inception of convolutions split into space and time; 400 actions.",
        dataset="kinetics400",
        input=torchvision_input(resize=(256, 256), size=224),
        labels=load_labels("kinetics400"),
        parameters=8_320_048,
        macs=17_978_771_456,
        license="BSD-3-Clause",
        weights=(torchvision("s3d-d76dad2f.pth", 68.368, 88.05, clips=1),),
    ),
)


def build(spec: ModelSpec) -> S3D:
    """Build the network of one of ``SPECS``, freshly initialised."""
    return S3D(num_classes=len(spec.labels))


def _flatten_classifier(state: State) -> State:
    """Turn a classifier that is a 1x1x1 convolution into the linear layer it amounts to."""
    weight = state["classifier.weight"]
    return {**state, "classifier.weight": weight.flatten(1)}


FORMATS = (
    Format(
        source="torchvision",
        mark=r"classifier\.1\.weight",
        renames=((r"^classifier\.1\.", "classifier."),),
        finish=_flatten_classifier,
    ),
)

REFERENCES: Mapping[str, Callable[[], S3D]] = {"torchvision_s3d": partial(build, SPECS[0])}
