"""Video Swin: attention inside small windows of space and time (Liu et al., CVPR 2022).

- Patches of 2 x 4 x 4 pixels become tokens; between the four stages, 2 x 2 neighbours become one
  token of twice the width. Time is not strided any further.
- Tokens attend to the tokens of their window of 8 x 7 x 7. Every second block shifts the windows by
  half a window, so that neighbours across a border meet.
- A number learnt for each head and each offset in (time, row, column) tells the attention where
  tokens are; there are no absolute positions, so clips of any length and size fit.

Published weights are torchvision's, whose parameter names are ours, and mmaction2's.

Shapes: B clips, T x H x W tokens, C channels, M windows of a clip, N tokens of a window, G heads,
D channels of a head, K classes.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import accumulate

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actionzoo.labels import load_labels
from actionzoo.models.blocks import Stack, Triple
from actionzoo.models.formats import Format
from actionzoo.models.publishers import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    accuracy,
    mmaction,
    torchvision,
)
from actionzoo.spec import InputSpec, ModelSpec, Resize, Views, Weights

PATCH: Triple = (2, 4, 4)
WINDOW: Triple = (8, 7, 7)
HEAD_WIDTH = 32
EXPANSION = 4
APART = -100.0
"""Added to the logit of two tokens that may not attend to each other."""


def pad_to_multiple(x_BTHWC: Tensor, multiple: Triple) -> Tensor:
    """Append zeros to time, rows and columns until each is a multiple."""
    t, h, w = (-size % each for size, each in zip(x_BTHWC.shape[1:4], multiple, strict=True))
    return F.pad(x_BTHWC, (0, 0, 0, w, 0, h, 0, t)) if t or h or w else x_BTHWC


def split_windows(x_BTHWC: Tensor, window: Triple) -> Tensor:
    """(B, T, H, W, C) -> (B, M, N, C)."""
    x = x_BTHWC
    for axis, size in zip((1, 3, 5), window, strict=True):
        x = x.unflatten(axis, (-1, size))
    x = x.permute(0, 1, 3, 5, 2, 4, 6, 7)  # (B, T/t, H/h, W/w, t, h, w, C)
    return x.flatten(4, 6).flatten(1, 3)


def join_windows(x_BMNC: Tensor, window: Triple, size: Triple) -> Tensor:
    """(B, M, N, C) -> (B, T, H, W, C): undo ``split_windows``."""
    counts = [whole // part for whole, part in zip(size, window, strict=True)]
    x = x_BMNC.unflatten(2, window).unflatten(1, counts)  # (B, T/t, H/h, W/w, t, h, w, C)
    return x.permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(-1, *size, x_BMNC.shape[3])


def fit_window(size: Triple) -> tuple[Triple, Triple]:
    """Choose the window for T x H x W tokens, and by how much it is shifted.

    A window is never larger than the tokens, and along an axis that it covers nothing is shifted.

    >>> fit_window((16, 56, 56))
    ((8, 7, 7), (4, 3, 3))
    >>> fit_window((16, 7, 4))
    ((8, 7, 4), (4, 0, 0))
    """
    t, h, w = (min(pair) for pair in zip(size, WINDOW, strict=True))
    dt, dh, dw = (most // 2 * (one > most) for one, most in zip(size, WINDOW, strict=True))
    return (t, h, w), (dt, dh, dw)


def offset_index() -> Tensor:
    """Number the offsets in (time, row, column) between the tokens of a whole window.

    Returns:
        Rows of the bias table, shape (N, N) int64: of each token minus each other.
    """
    index = torch.zeros((), dtype=torch.int64)
    axes = torch.meshgrid(*(torch.arange(size) for size in WINDOW), indexing="ij")
    for axis, size in zip(axes, WINDOW, strict=True):
        place = axis.flatten()
        index = index * (2 * size - 1) + (place[:, None] - place[None, :] + size - 1)
    return index


def regions(size: Triple, window: Triple, shift: Triple) -> Tensor:
    """Number the regions of rolled tokens: what rolling brought together are two regions.

    Args:
        size: T, H, W of the tokens.
        window: Size of a window.
        shift: By how much the tokens are rolled back.

    Returns:
        Shape (M, N); within a window, tokens of one number were neighbours before.
    """
    region = torch.zeros((1, *size, 1))
    for axis, (whole, part, by) in enumerate(zip(size, window, shift, strict=True), start=1):
        place = torch.arange(whole)
        number = (place >= whole - part).float() + (place >= whole - by).float()
        region = 3 * region + number.view([-1 if one == axis else 1 for one in range(5)])
    return split_windows(region, window)[0, :, :, 0]


class WindowAttention(nn.Module):
    """Attention within windows."""

    relative_position_index: Tensor

    def __init__(self, width: int, *, shifted: bool) -> None:
        super().__init__()
        self.heads = width // HEAD_WIDTH
        self.shifted = shifted
        offsets = math.prod(2 * size - 1 for size in WINDOW)
        self.relative_position_bias_table = nn.Parameter(torch.empty(offsets, self.heads))
        nn.init.normal_(self.relative_position_bias_table, std=0.02)
        # Part of the state dict, because the published ones have it.
        self.register_buffer("relative_position_index", offset_index())
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x_BTHWC: Tensor) -> Tensor:
        """Mix the tokens of each window; the shape stays."""
        _, t, h, w, _ = x_BTHWC.shape
        window, shift = fit_window((t, h, w))
        x = pad_to_multiple(x_BTHWC, window)
        size = (x.shape[1], x.shape[2], x.shape[3])
        if not (self.shifted and any(shift)):
            y = self._attend(split_windows(x, window), self._bias(math.prod(window)))
            return join_windows(y, window, size)[:, :t, :h, :w]
        x = torch.roll(x, [-by for by in shift], (1, 2, 3))
        # One mask a clip, not one for all: what does not depend on the batch becomes a constant in
        # an exported file, here of hundreds of megabytes.
        region = regions(size, window, shift).to(x.device).repeat(x.shape[0], 1)  # (B * M, N)
        apart = APART * (region[:, None, :, None] != region[:, None, None, :]).to(x.dtype)
        y = self._attend(split_windows(x, window), self._bias(math.prod(window)) + apart)
        y = join_windows(y, window, size)
        return torch.roll(y, shift, (1, 2, 3))[:, :t, :h, :w]

    def _bias(self, tokens: int) -> Tensor:
        """Look up what offsets add to logits, shape (1, G, N, N).

        Of a window smaller than usual it is the corner of the usual one, as in torchvision and
        mmaction2: exact where a clip has fewer frames; for fewer rows or columns other offsets than
        the true ones.
        """
        index = self.relative_position_index[:tokens, :tokens]
        return self.relative_position_bias_table[index].permute(2, 0, 1)[None]

    def _attend(self, x_BMNC: Tensor, bias: Tensor) -> Tensor:
        """Attend with a bias of shape (1 or B * M, G, N, N)."""
        x = x_BMNC.flatten(0, 1)  # (B * M, N, C)
        qkv = self.qkv(x).unflatten(2, (3, self.heads, -1))  # (B * M, N, 3, G, D)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # (B * M, G, N, D) each
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        y = self.proj(y.transpose(1, 2).flatten(2))  # (B * M, N, C)
        return y.unflatten(0, (-1, x_BMNC.shape[1]))


class Block(nn.Module):
    """Attention, then two layers for each token; each is added to what it is given."""

    def __init__(self, width: int, *, shifted: bool, drop_rate: float) -> None:
        super().__init__()
        self.drop_rate = drop_rate
        self.norm1 = nn.LayerNorm(width)
        self.attn = WindowAttention(width, shifted=shifted)
        self.norm2 = nn.LayerNorm(width)
        # Numbered as in the published weights, whose network can drop features in between.
        layers = {
            "0": nn.Linear(width, EXPANSION * width),
            "1": nn.GELU(),
            "3": nn.Linear(EXPANSION * width, width),
        }
        self.mlp = nn.Sequential(OrderedDict(layers))

    def forward(self, x_BTHWC: Tensor) -> Tensor:
        """Return tokens of the same shape."""
        x = x_BTHWC + self._thinned(self.attn(self.norm1(x_BTHWC)))
        return x + self._thinned(self.mlp(self.norm2(x)))

    def _thinned(self, branch: Tensor) -> Tensor:
        """Drop the branch of some clips in training: stochastic depth (Huang et al., ECCV 2016)."""
        if not self.training:
            return branch
        return branch * F.dropout(branch.new_ones(branch.shape[0], 1, 1, 1, 1), self.drop_rate)


class PatchEmbed(nn.Module):
    """Pixels (B, 3, 2T, 4H, 4W) -> tokens (B, T, H, W, C); odd sizes are rounded up."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv3d(3, width, PATCH, PATCH)
        self.norm = nn.LayerNorm(width)

    def forward(self, clip: Tensor) -> Tensor:
        """Return the first tokens."""
        padded = pad_to_multiple(clip.movedim(1, 4), PATCH).movedim(4, 1)
        return self.norm(self.proj(padded).movedim(1, 4))


class PatchMerging(nn.Module):
    """(B, T, 2H, 2W, C) -> (B, T, H, W, 2C); odd sizes are rounded up."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)
        self.norm = nn.LayerNorm(4 * width)

    def forward(self, x_BTHWC: Tensor) -> Tensor:
        """Return fewer, wider tokens; the four that become one stand column by column."""
        x = pad_to_multiple(x_BTHWC, (1, 2, 2))
        x = x.unflatten(3, (-1, 2)).unflatten(2, (-1, 2))  # (B, T, H, h, W, w, C)
        x = x.permute(0, 1, 2, 4, 5, 3, 6).flatten(4)  # (B, T, H, W, w * h * C)
        return self.reduction(self.norm(x))


def _stage(width: int, drop_rates: list[float]) -> Stack:
    blocks = (Block(width, shifted=i % 2 == 1, drop_rate=rate) for i, rate in enumerate(drop_rates))
    return Stack(*blocks)


class Swin3D(nn.Module):
    """The whole network.

    Args:
        width: Channels of the first stage; each further one has twice as many.
        depths: Blocks of each stage.
        drop_rate: How often the branches of the last block are dropped in training; the rate grows
            from 0 at the first.
        num_classes: Width of the output.
    """

    stages = (
        "patch_embed",
        r"features\.0",
        r"features\.[12]",
        r"features\.[34]",
        r"features\.[56]|norm",
    )

    def __init__(
        self, *, width: int, depths: tuple[int, ...], drop_rate: float, num_classes: int
    ) -> None:
        super().__init__()
        rates = [drop_rate * i / (sum(depths) - 1) for i in range(sum(depths))]
        self.patch_embed = PatchEmbed(width)
        self.features = nn.Sequential()
        for depth, end in zip(depths, accumulate(depths), strict=True):
            if end > depth:
                self.features.append(PatchMerging(width))
                width *= 2
            self.features.append(_stage(width, rates[end - depth : end]))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, num_classes)
        self.apply(_initialise)

    def forward_features(self, clip: Tensor) -> Tensor:
        """(B, 3, T, H, W) float32 -> (B, C)."""
        x_BTHWC = self.features(self.patch_embed(clip))
        return self.norm(x_BTHWC).mean((1, 2, 3))

    def forward(self, clip: Tensor) -> Tensor:
        """(B, 3, T, H, W) float32, of any size -> logits (B, K)."""
        return self.head(self.forward_features(clip))

    def reset_head(self, num_classes: int) -> None:
        """Replace the classifier by a fresh one."""
        self.head = nn.Linear(self.head.in_features, num_classes)
        _initialise(self.head)


def _initialise(module: nn.Module) -> None:
    """Initialise as Swin does; convolutions as PyTorch does."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _mmaction(size: str, tag: str, top1: float, top5: float) -> Weights:
    """Return weights of mmaction2, trained on other frames of another size than torchvision's."""
    name = f"swin-{size}-p244-w877_in1k-pre_8xb8-amp-32x2x1-30e_kinetics400-rgb"
    return mmaction(
        f"v1.0/recognition/swin/{name}/{name}_20220930-{tag}.pth",
        metrics=accuracy(
            top1,
            top5,
            dataset="kinetics400",
            views=Views(clips=4, crops=3),
            measured_by="mmaction2",
        ),
        input=InputSpec(
            frames=32,
            stride=2,
            resize=Resize(rule="short_side", height=224, width=224),
            height=224,
            width=224,
            mean=IMAGENET_MEAN,
            std=IMAGENET_STD,
        ),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """What makes one Video Swin of the three."""

    width: int
    depths: tuple[int, int, int, int]
    drop_rate: float
    """Stochastic depth of the paper's Kinetics-400 training."""
    summary: str
    parameters: int
    macs: int
    weights: tuple[Weights, ...]


VARIANTS = {
    "t": Variant(
        width=96,
        depths=(2, 2, 6, 2),
        drop_rate=0.1,
        summary="Video Swin-T: attention in shifted windows, the smallest; 400 actions.",
        parameters=28_158_070,
        macs=87_764_152_320,
        weights=(
            torchvision("swin3d_t-7615ae03.pth", 77.715, 93.519, clips=12),
            _mmaction("tiny", "241016b2", 78.9, 93.77),
        ),
    ),
    "s": Variant(
        width=96,
        depths=(2, 2, 18, 2),
        drop_rate=0.2,
        summary="Video Swin-S: as Swin-T, three times as deep in its third stage; 400 actions.",
        parameters=49_816_678,
        macs=165_682_262_016,
        weights=(
            torchvision("swin3d_s-da41c237.pth", 79.521, 94.158, clips=12),
            _mmaction("small", "e91ab986", 80.54, 94.46),
        ),
    ),
    "b": Variant(
        width=128,
        depths=(2, 2, 18, 2),
        drop_rate=0.3,
        summary="Video Swin-B: as Swin-S, a third wider; 400 actions.",
        parameters=88_048_984,
        macs=281_332_826_112,
        weights=(
            torchvision("swin3d_b_1k-24f7c7c6.pth", 79.427, 94.386, clips=12),
            torchvision("swin3d_b_22k-7c6ae6fa.pth", 81.643, 95.574, clips=12, tag="imagenet22k"),
            _mmaction("base", "182ec6cc", 80.57, 94.49),
        ),
    ),
}

INPUT = InputSpec(
    frames=32,
    fps=Fraction(15),
    resize=Resize(rule="short_side", height=256, width=256),
    height=224,
    width=224,
    crop_rounding="round",
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
)


def _name(size: str) -> str:
    return f"swin3d_{size}_kinetics400"


def _spec(size: str, variant: Variant) -> ModelSpec:
    return ModelSpec(
        name=_name(size),
        family="swin3d",
        summary=variant.summary,
        dataset="kinetics400",
        input=INPUT,
        labels=load_labels("kinetics400"),
        parameters=variant.parameters,
        macs=variant.macs,
        license="BSD-3-Clause",
        weights=variant.weights,
    )


SPECS: tuple[ModelSpec, ...] = tuple(_spec(size, one) for size, one in VARIANTS.items())


def build(spec: ModelSpec) -> Swin3D:
    """Build the network of one of ``SPECS``, freshly initialised."""
    variant = {_name(size): one for size, one in VARIANTS.items()}[spec.name]
    return Swin3D(
        width=variant.width,
        depths=variant.depths,
        drop_rate=variant.drop_rate,
        num_classes=len(spec.labels),
    )


FORMATS = (
    Format(
        source="mmaction2",
        mark=r"backbone\.layers\.0\.blocks\.0\.attn\.qkv\.weight",
        renames=(
            (r"^backbone\.", ""),
            (r"^layers\.0\.blocks\.", "features.0."),
            (r"^layers\.0\.downsample\.", "features.1."),
            (r"^layers\.1\.blocks\.", "features.2."),
            (r"^layers\.1\.downsample\.", "features.3."),
            (r"^layers\.2\.blocks\.", "features.4."),
            (r"^layers\.2\.downsample\.", "features.5."),
            (r"^layers\.3\.blocks\.", "features.6."),
            (r"\.mlp\.fc1\.", ".mlp.0."),
            (r"\.mlp\.fc2\.", ".mlp.3."),
            (r"^norm3\.", "norm."),
            (r"^cls_head\.fc_cls\.", "head."),
        ),
    ),
)
"""torchvision's names are ours."""

REFERENCES: Mapping[str, Callable[[], Swin3D]] = {"torchvision_swin3d_t": partial(build, SPECS[0])}
