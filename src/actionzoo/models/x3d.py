"""X3D: one small network, expanded along one axis at a time (Feichtenhofer, CVPR 2020).

- The stem is a spatial convolution followed by a depthwise temporal one.
- Four stages of inverted bottlenecks; the only temporal mixing is depthwise. Time is never strided.
- Every second block of a stage, from its first, weighs its channels (squeeze and excitation).
- The head pools before its wide layer, so that 2048 features cost next to nothing.

XS, S and M are one network on larger and larger clips; L is the same, deeper. Published weights are
PyTorchVideo's; ``actionzoo.weights`` knows their names.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actionzoo.labels import load_labels
from actionzoo.spec import InputSpec, Metric, ModelSpec, Resize, Views, Weights

STAGE_WIDTHS = (24, 48, 96, 192)
EXPANSION = 2.25
HEAD_WIDTH = 2048


def round_width(width: float) -> int:
    """Round a number of channels to a multiple of 8, at least 8 and not below 90 % of it.

    >>> [round_width(inner / 16) for inner in (54, 108, 216, 432)]
    [8, 8, 16, 32]
    """
    rounded = max(8, int(width + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * width else rounded


class Stem(nn.Module):
    """(B, 3, T, H, W) -> (B, width, T, H/2, W/2)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.spatial = nn.Conv3d(3, width, (1, 3, 3), (1, 2, 2), (0, 1, 1), bias=False)
        self.temporal = nn.Conv3d(
            width, width, (5, 1, 1), padding=(2, 0, 0), groups=width, bias=False
        )
        self.norm = nn.BatchNorm3d(width)

    def forward(self, clip: Tensor) -> Tensor:
        """Return the first feature map."""
        return F.relu(self.norm(self.temporal(self.spatial(clip))))


class SqueezeExcite(nn.Module):
    """Scale each channel by a number in (0, 1) computed from all channel means."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = round_width(width / 16)
        self.squeeze = nn.Conv3d(width, inner, 1)
        self.excite = nn.Conv3d(inner, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` (B, C, T, H, W) with its channels weighed."""
        mean = x.mean((2, 3, 4), keepdim=True)  # (B, C, 1, 1, 1)
        return x * torch.sigmoid(self.excite(F.relu(self.squeeze(mean))))


class Block(nn.Module):
    """Inverted bottleneck: widen, mix 3x3x3 depthwise, narrow, add the shortcut."""

    def __init__(self, width_in: int, width: int, *, stride: int, squeeze_excite: bool) -> None:
        super().__init__()
        inner = int(EXPANSION * width)
        self.expand = nn.Conv3d(width_in, inner, 1, bias=False)
        self.expand_norm = nn.BatchNorm3d(inner)
        self.depthwise = nn.Conv3d(
            inner, inner, 3, (1, stride, stride), padding=1, groups=inner, bias=False
        )
        self.depthwise_norm = nn.BatchNorm3d(inner)
        self.squeeze_excite = SqueezeExcite(inner) if squeeze_excite else nn.Identity()
        self.project = nn.Conv3d(inner, width, 1, bias=False)
        self.project_norm = nn.BatchNorm3d(width)
        self.shortcut: nn.Module = nn.Identity()
        self.shortcut_norm: nn.Module = nn.Identity()
        if stride != 1 or width_in != width:
            self.shortcut = nn.Conv3d(width_in, width, 1, (1, stride, stride), bias=False)
        # A shortcut that only strides, the first of stage 1, has no norm in the published weights.
        if width_in != width:
            self.shortcut_norm = nn.BatchNorm3d(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width_in, T, H, W) -> (B, width, T, H/stride, W/stride)."""
        y = F.relu(self.expand_norm(self.expand(x)))
        y = self.depthwise_norm(self.depthwise(y))
        y = F.silu(self.squeeze_excite(y))
        y = self.project_norm(self.project(y))
        return F.relu(self.shortcut_norm(self.shortcut(x)) + y)


def _stage(width_in: int, width: int, depth: int) -> nn.Sequential:
    """Stack blocks; the first halves height and width."""
    return nn.Sequential(
        *(
            Block(
                width if i else width_in,
                width,
                stride=1 if i else 2,
                squeeze_excite=i % 2 == 0,
            )
            for i in range(depth)
        )
    )


class X3D(nn.Module):
    """The whole network.

    Args:
        depths: Blocks of each of the four stages.
        pool: Window (T, H, W) of the head's average, in positions of the last feature map. It is
            the whole map of a clip of the spec's size. A larger clip gives several windows, whose
            features are averaged; for a smaller one the window shrinks.
        num_classes: Width of the output.
    """

    def __init__(
        self, *, depths: tuple[int, int, int, int], pool: tuple[int, int, int], num_classes: int
    ) -> None:
        super().__init__()
        w1, w2, w3, w4 = STAGE_WIDTHS
        self.pool = pool
        self.stem = Stem(w1)
        self.stage1 = _stage(w1, w1, depths[0])
        self.stage2 = _stage(w1, w2, depths[1])
        self.stage3 = _stage(w2, w3, depths[2])
        self.stage4 = _stage(w3, w4, depths[3])
        inner = int(EXPANSION * w4)
        self.head_expand = nn.Conv3d(w4, inner, 1, bias=False)
        self.head_norm = nn.BatchNorm3d(inner)
        self.head_widen = nn.Conv3d(inner, HEAD_WIDTH, 1, bias=False)
        self.dropout = nn.Dropout(0.5)
        self.classifier = nn.Linear(HEAD_WIDTH, num_classes)
        self.apply(_initialise)

    def forward_features(self, clip: Tensor) -> Tensor:
        """(B, 3, T, H, W) float32 -> (B, 2048)."""
        x = self.stem(clip)
        for stage in (self.stage1, self.stage2, self.stage3, self.stage4):
            x = stage(x)
        x = F.relu(self.head_norm(self.head_expand(x)))
        window = [min(size, most) for size, most in zip(x.shape[2:], self.pool, strict=True)]
        x = F.avg_pool3d(x, window, stride=1)  # (B, 432, 1, 1, 1) at the spec's size
        return F.relu(self.head_widen(x)).mean((2, 3, 4))

    def forward(self, clip: Tensor) -> Tensor:
        """(B, 3, T, H, W) float32 -> logits (B, K).

        The reference averages logits over the windows; the classifier is linear, so averaging
        features before it is the same.
        """
        return self.classifier(self.dropout(self.forward_features(clip)))

    def reset_head(self, num_classes: int) -> None:
        """Replace the classifier by a fresh one."""
        self.classifier = nn.Linear(HEAD_WIDTH, num_classes)
        _initialise(self.classifier)


def _initialise(module: nn.Module) -> None:
    """Initialise as the paper's code: every block begins as its shortcut."""
    if isinstance(module, nn.Conv3d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
        nn.init.zeros_(module.bias)
    elif isinstance(module, Block):
        nn.init.zeros_(module.project_norm.weight)


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """What makes one X3D of the four."""

    frames: int
    stride: int
    size: int
    """Side of the crop, pixels: that of the published 30-view accuracy."""
    depths: tuple[int, int, int, int]
    parameters: int
    macs: int
    top1: float
    top5: float


SHALLOW = (3, 5, 11, 7)
DEEP = (5, 10, 25, 15)
VARIANTS = {
    "xs": Variant(
        frames=4,
        stride=12,
        size=182,
        depths=SHALLOW,
        parameters=3_794_274,
        macs=838_807_664,
        top1=0.6912,
        top5=0.8863,
    ),
    "s": Variant(
        frames=13,
        stride=6,
        size=182,
        depths=SHALLOW,
        parameters=3_794_274,
        macs=2_721_933_356,
        top1=0.7333,
        top5=0.9127,
    ),
    "m": Variant(
        frames=16,
        stride=5,
        size=256,
        depths=SHALLOW,
        parameters=3_794_274,
        macs=6_180_613_376,
        top1=0.7594,
        top5=0.9272,
    ),
    "l": Variant(
        frames=16,
        stride=5,
        size=356,
        depths=DEEP,
        parameters=6_153_384,
        macs=24_764_017_280,
        top1=0.7744,
        top5=0.9331,
    ),
}


def _name(size: str) -> str:
    return f"x3d_{size}_kinetics400"


def _metric(name: str, value: float) -> Metric:
    return Metric(
        name=name,
        value=value,
        dataset="Kinetics-400",
        split="val",
        views=Views(clips=10, crops=3),
        measured_by="PyTorchVideo model zoo",
    )


def _spec(size: str, variant: Variant) -> ModelSpec:
    return ModelSpec(
        name=_name(size),
        family="x3d",
        summary=f"X3D-{size.upper()}: small and accurate, made for CPUs; 400 actions.",
        input=InputSpec(
            frames=variant.frames,
            stride=variant.stride,
            fps=Fraction(30),
            resize=Resize(rule="short_side", height=variant.size, width=variant.size),
            height=variant.size,
            width=variant.size,
            crop_rounding="ceil",
            mean=(0.45, 0.45, 0.45),
            std=(0.225, 0.225, 0.225),
        ),
        labels=load_labels("kinetics400"),
        parameters=variant.parameters,
        macs=variant.macs,
        license="Apache-2.0",
        weights=(
            Weights(
                url="https://dl.fbaipublicfiles.com/pytorchvideo/model_zoo/kinetics/"
                f"X3D_{size.upper()}.pyth",
                checksum="",  # none is published
                license="Apache-2.0",
                source="PyTorchVideo model zoo",
            ),
        ),
        metrics=(_metric("top-1", variant.top1), _metric("top-5", variant.top5)),
    )


SPECS: tuple[ModelSpec, ...] = tuple(_spec(size, one) for size, one in VARIANTS.items())


def build(spec: ModelSpec) -> X3D:
    """Build the network of one of ``SPECS``, freshly initialised."""
    variant = {_name(size): one for size, one in VARIANTS.items()}[spec.name]
    side = math.ceil(variant.size / 32)
    return X3D(
        depths=variant.depths,
        pool=(variant.frames, side, side),
        num_classes=len(spec.labels),
    )
