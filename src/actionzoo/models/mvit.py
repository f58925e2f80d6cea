"""MViT: attention over fewer and fewer, wider and wider tokens (Fan et al., ICCV 2021).

- A strided convolution makes 8 x 56 x 56 tokens of a clip; a class token, from which the class is
  read at the end, goes with them.
- Attention pools its queries, keys and values: a strided depthwise convolution over the grid of
  each head's tokens. Pooled queries leave fewer tokens; pooled keys and values cost less.
- Four stages; each halves rows and columns and doubles the width. Time is not strided any further.

The second version (Li et al., CVPR 2022) pools the queries of every block and adds them to what
attention gives, widens in attention instead of in the layers behind the block before, and knows
where tokens are by their distances along time, rows and columns, not by positions that are added to
the first tokens.

Published weights are torchvision's, whose parameter names are ours.

Shapes: B clips, T x H x W a grid of tokens, N tokens with the class token first, M keys, C
channels, G heads, D channels of a head, K classes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actionzoo.errors import ConfigError
from actionzoo.labels import load_labels
from actionzoo.models.blocks import Stack, Triple
from actionzoo.models.formats import Format
from actionzoo.models.publishers import torchvision
from actionzoo.spec import InputSpec, ModelSpec, Resize, Weights

CLIP: Triple = (16, 224, 224)
GRID: Triple = (8, 56, 56)
HEAD_WIDTH = 96
EXPANSION = 4
DROP_RATE = 0.2
"""Stochastic depth of the last block in training."""

layer_norm = partial(nn.LayerNorm, eps=1e-6)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """Blocks of one width."""

    depth: int
    heads: int
    stride_kv: int
    """Of keys and values in rows and columns, against the tokens a block is given."""


STAGES = (
    Stage(depth=1, heads=1, stride_kv=8),
    Stage(depth=2, heads=2, stride_kv=4),
    Stage(depth=11, heads=4, stride_kv=2),
    Stage(depth=2, heads=8, stride_kv=1),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """The sizes of one block."""

    grid: Triple
    """T, H, W of the tokens it is given."""
    width_in: int
    heads: int
    width_out: int
    stride_q: int
    stride_kv: int

    @property
    def width(self) -> int:
        """Channels of the queries, keys and values together."""
        return self.heads * HEAD_WIDTH


def block_shapes(*, second: bool) -> Iterator[Shape]:
    """List the blocks of MViT, or of its second version, first to last."""
    t, h, w = GRID
    stages = [stage for stage in STAGES for _ in range(stage.depth)]
    for i, stage in enumerate(stages):
        before, after = stages[max(i - 1, 0)], stages[min(i + 1, len(stages) - 1)]
        stride = 1 if stage is before else 2
        yield Shape(
            grid=(t, h, w),
            width_in=(before if second else stage).heads * HEAD_WIDTH,
            heads=stage.heads,
            width_out=(stage if second else after).heads * HEAD_WIDTH,
            stride_q=stride,
            stride_kv=stage.stride_kv,
        )
        h, w = h // stride, w // stride


def on_grid(pool: Callable[[Tensor], Tensor], x_BGND: Tensor, grid: Triple) -> Tensor:
    """Apply a function of (B * G, D, T, H, W) to all tokens but the class token.

    Args:
        pool: It may change T, H and W.
        x_BGND: Tokens.
        grid: T, H, W of the tokens.

    Returns:
        Tokens (B, G, N, D), the class token first as it was.
    """
    token, x = x_BGND[:, :, :1], x_BGND[:, :, 1:]
    x = x.transpose(2, 3).unflatten(3, grid).flatten(0, 1)  # (B * G, D, T, H, W)
    x = pool(x).flatten(2).unflatten(0, (-1, x_BGND.shape[1])).transpose(2, 3)
    return torch.cat((token, x), 2)


class Pool(nn.Module):
    """A strided depthwise convolution over the grid of each head's tokens, and a norm."""

    def __init__(self, grid: Triple, stride: int) -> None:
        super().__init__()
        self.grid = grid
        self.pool = nn.Conv3d(
            HEAD_WIDTH, HEAD_WIDTH, 3, (1, stride, stride), 1, groups=HEAD_WIDTH, bias=False
        )
        self.norm_act = nn.Sequential(layer_norm(HEAD_WIDTH))

    def forward(self, x_BGND: Tensor) -> Tensor:
        """Return the tokens of a coarser grid, still with the class token."""
        return self.norm_act(on_grid(self.pool, x_BGND, self.grid))


def distances(queries: int, keys: int) -> Tensor:
    """Number the distances along one axis between two grids over the same frames.

    Returns:
        Shape (queries, keys) int64, in steps of the finer grid, from 0.

    >>> distances(2, 4)
    tensor([[3, 2, 1, 0],
            [5, 4, 3, 2]])
    >>> distances(4, 2).tolist()
    [[2, 0], [3, 1], [4, 2], [5, 3]]
    """
    step_q, step_k = max(keys // queries, 1), max(queries // keys, 1)
    of_queries, of_keys = torch.arange(queries) * step_q, torch.arange(keys) * step_k
    return of_queries[:, None] - of_keys + (keys - 1) * step_k


class Attention(nn.Module):
    """Attention of pooled queries to pooled keys and values.

    Args:
        shape: Sizes of the block.
        second: Whether it is the second version's.
    """

    def __init__(self, shape: Shape, *, second: bool) -> None:
        super().__init__()
        self.heads = shape.heads
        self.second = second
        t, h, w = shape.grid
        self.grid_q = (t, h // shape.stride_q, w // shape.stride_q)
        self.grid_k = (t, h // shape.stride_kv, w // shape.stride_kv)
        self.qkv = nn.Linear(shape.width_in, 3 * shape.width)
        self.project = nn.Sequential(nn.Linear(shape.width, shape.width))
        pools_q = second or shape.stride_q > 1
        self.pool_q = Pool(shape.grid, shape.stride_q) if pools_q else nn.Identity()
        self.pool_k = Pool(shape.grid, shape.stride_kv)
        self.pool_v = Pool(shape.grid, shape.stride_kv)
        if second:
            lengths = (2 * max(q, k) - 1 for q, k in zip(self.grid_q, self.grid_k, strict=True))
            self.rel_pos_t, self.rel_pos_h, self.rel_pos_w = map(_table, lengths)

    def forward(self, x_BNC: Tensor) -> Tensor:
        """Return one token for each pooled query, (B, N, C)."""
        qkv = self.qkv(x_BNC).unflatten(2, (3, self.heads, -1))  # (B, N, 3, G, D)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # (B, G, N, D) each
        q, k, v = self.pool_q(q), self.pool_k(k), self.pool_v(v)
        bias = self._position_bias(q) if self.second else None
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        if self.second:
            y = y + F.pad(q[:, :, 1:], (0, 0, 1, 0))  # all but the class token
        return self.project(y.transpose(1, 2).flatten(2))

    def _position_bias(self, q_BGND: Tensor) -> Tensor:
        """Return what each query adds to its logits for the distances to the keys, (B, G, N, M)."""
        q = q_BGND[:, :, 1:].unflatten(2, self.grid_q)  # (B, G, T, H, W, D)
        tables = (self.rel_pos_t, self.rel_pos_h, self.rel_pos_w)
        t, h, w = (
            torch.einsum(f"bgthwd,{axis}kd->bgthwk", q, table[distances(queries, keys)])
            for axis, table, queries, keys in zip(
                "thw", tables, self.grid_q, self.grid_k, strict=True
            )
        )
        t, h, w = (axis.flatten(2, 4) for axis in (t, h, w))  # (B, G, N, keys of the axis)
        bias = t[..., :, None, None] + h[..., None, :, None] + w[..., None, None, :]
        return F.pad(bias.flatten(3), (1, 0, 1, 0))  # the class token is nowhere


class Block(nn.Module):
    """Attention, then two layers for each token; each is added to what it is given."""

    def __init__(self, shape: Shape, *, second: bool, drop_rate: float) -> None:
        super().__init__()
        self.shape = shape
        self.drop_rate = drop_rate
        self.norm1 = layer_norm(shape.width_in)
        self.attn = Attention(shape, second=second)
        self.norm2 = layer_norm(shape.width)
        # Numbered as in the published weights, whose network can drop features in between.
        layers = {
            "0": nn.Linear(shape.width, EXPANSION * shape.width),
            "1": nn.GELU(),
            "3": nn.Linear(EXPANSION * shape.width, shape.width_out),
        }
        self.mlp = nn.Sequential(OrderedDict(layers))
        self.project: nn.Module = nn.Identity()
        if shape.width_in != shape.width_out:
            self.project = nn.Linear(shape.width_in, shape.width_out)

    def forward(self, x_BNC: Tensor) -> Tensor:
        """(B, N, width_in) -> (B, N, width_out), fewer where queries are pooled with a stride.

        Where the width grows, the shortcut comes from the normed tokens.
        """
        y = self.norm1(x_BNC)
        shortcut = x_BNC if self.shape.width_in == self.shape.width else self.project(y)
        x = self._pool_shortcut(shortcut) + self._thinned(self.attn(y))
        y = self.norm2(x)
        shortcut = x if self.shape.width == self.shape.width_out else self.project(y)
        return shortcut + self._thinned(self.mlp(y))

    def _pool_shortcut(self, x_BNC: Tensor) -> Tensor:
        if self.shape.stride_q == 1:
            return x_BNC
        s = self.shape.stride_q
        pool = partial(
            F.max_pool3d,
            kernel_size=(1, s + 1, s + 1),
            stride=(1, s, s),
            padding=(0, s // 2, s // 2),
        )
        return on_grid(pool, x_BNC[:, None], self.shape.grid)[:, 0]

    def _thinned(self, branch: Tensor) -> Tensor:
        """Drop the branch of some clips in training: stochastic depth (Huang et al., ECCV 2016)."""
        if not self.training:
            return branch
        return branch * F.dropout(branch.new_ones(branch.shape[0], 1, 1), self.drop_rate)


class PositionEncoding(nn.Module):
    """Put the class token first, and add where tokens are unless attention knows distances."""

    def __init__(self, *, absolute: bool) -> None:
        super().__init__()
        t, h, w = GRID
        self.absolute = absolute
        self.class_token = nn.Parameter(torch.empty(HEAD_WIDTH).normal_(std=0.02))
        if absolute:
            self.spatial_pos, self.temporal_pos = _table(h * w), _table(t)
            self.class_pos = nn.Parameter(torch.empty(HEAD_WIDTH).normal_(std=0.02))

    def forward(self, x_BCTHW: Tensor) -> Tensor:
        """Return tokens (B, N, C)."""
        x = x_BCTHW.flatten(2).transpose(1, 2)
        x = torch.cat((self.class_token.expand(x.shape[0], 1, -1), x), 1)
        if not self.absolute:
            return x
        places = (self.temporal_pos[:, None] + self.spatial_pos).flatten(0, 1)  # (T * H * W, C)
        return x + torch.cat((self.class_pos[None], places))


class MViT(nn.Module):
    """The whole network.

    Args:
        second: Whether it is the second version.
        num_classes: Width of the output.
    """

    stages = (
        "conv_proj|pos_encoding",
        r"blocks\.0",
        r"blocks\.[12]",
        r"blocks\.([3-9]|1[0-3])",
        r"blocks\.1[45]|norm",
    )

    def __init__(self, *, second: bool, num_classes: int) -> None:
        super().__init__()
        shapes = list(block_shapes(second=second))
        rates = [DROP_RATE * i / (len(shapes) - 1) for i in range(len(shapes))]
        self.conv_proj = nn.Conv3d(3, HEAD_WIDTH, (3, 7, 7), (2, 4, 4), (1, 3, 3))
        self.pos_encoding = PositionEncoding(absolute=not second)
        self.blocks = Stack(
            *(
                Block(shape, second=second, drop_rate=rate)
                for shape, rate in zip(shapes, rates, strict=True)
            )
        )
        self.norm = layer_norm(shapes[-1].width_out)
        self.head = nn.Sequential(nn.Dropout(0.5), nn.Linear(shapes[-1].width_out, num_classes))
        self.apply(_initialise)

    def forward_features(self, clip: Tensor) -> Tensor:
        """(B, 3, 16, 224, 224) float32 -> (B, 768).

        Raises:
            ConfigError: The clip has another size.
        """
        _check_size(clip)
        x_BNC = self.blocks(self.pos_encoding(self.conv_proj(clip)))
        return self.norm(x_BNC[:, 0])

    def forward(self, clip: Tensor) -> Tensor:
        """(B, 3, 16, 224, 224) float32 -> logits (B, K).

        Raises:
            ConfigError: The clip has another size.
        """
        return self.head(self.forward_features(clip))

    def reset_head(self, num_classes: int) -> None:
        """Replace the classifier by a fresh one."""
        self.head[1] = nn.Linear(self.norm.normalized_shape[0], num_classes)
        _initialise(self.head[1])


def _check_size(clip: Tensor) -> None:
    if clip.shape[2:] != CLIP:
        (t, h, w), (frames, height, width) = clip.shape[2:], CLIP
        raise ConfigError(
            f"cannot take a clip of {t} frames of {h} x {w} px; MViT has learnt positions for "
            f"{frames} frames of {height} x {width} px: give it those"
        )


def _table(rows: int) -> nn.Parameter:
    """Make a vector of D channels for each of some positions or distances."""
    return nn.Parameter(torch.empty(rows, HEAD_WIDTH).normal_(std=0.02))


def _initialise(module: nn.Module) -> None:
    """Initialise as the papers' code; convolutions as PyTorch does."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """What makes one MViT of the two."""

    second: bool
    summary: str
    parameters: int
    macs: int
    weights: Weights


VARIANTS = {
    "mvit_v1_b": Variant(
        second=False,
        summary="MViT-B: attention over fewer and fewer, wider and wider tokens; 400 actions.",
        parameters=36_610_672,
        macs=70_599_407_808,
        weights=torchvision("mvit_v1_b-dbeb1030.pth", 78.477, 93.582, clips=5),
    ),
    "mvit_v2_s": Variant(
        second=True,
        summary="MViTv2-S: as MViT-B, with distances in place of positions; 400 actions.",
        parameters=34_537_744,
        macs=64_223_815_872,
        weights=torchvision(
            "mvit_v2_s-ae3be167.pth",
            80.757,
            94.665,
            clips=5,
            sha256="ae3be16733081f6d1cd40e4ab980ca23d6df6dc6486d15ada05a5e8ab8c9b975",
        ),
    ),
}

INPUT = InputSpec(
    frames=CLIP[0],
    fps=Fraction(15, 2),
    resize=Resize(rule="short_side", height=256, width=256),
    height=CLIP[1],
    width=CLIP[2],
    crop_rounding="round",
    mean=(0.45, 0.45, 0.45),
    std=(0.225, 0.225, 0.225),
)


def _spec(name: str, variant: Variant) -> ModelSpec:
    return ModelSpec(
        name=f"{name}_kinetics400",
        family="mvit",
        summary=variant.summary,
        dataset="kinetics400",
        input=INPUT,
        labels=load_labels("kinetics400"),
        parameters=variant.parameters,
        macs=variant.macs,
        license=variant.weights.license,
        weights=(variant.weights,),
    )


SPECS: tuple[ModelSpec, ...] = tuple(_spec(name, one) for name, one in VARIANTS.items())


def build(spec: ModelSpec) -> MViT:
    """Build the network of one of ``SPECS``, freshly initialised."""
    variant = VARIANTS[spec.name.removesuffix("_kinetics400")]
    return MViT(second=variant.second, num_classes=len(spec.labels))


FORMATS: tuple[Format, ...] = ()
"""torchvision's names are ours."""

REFERENCES: Mapping[str, Callable[[], MViT]] = {
    f"torchvision_{name}": partial(build, spec) for name, spec in zip(VARIANTS, SPECS, strict=True)
}
