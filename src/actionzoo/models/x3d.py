"""X3D: one small network, expanded along one axis at a time (Feichtenhofer, CVPR 2020).

- The stem is a spatial convolution followed by a depthwise temporal one.
- Four stages of inverted bottlenecks; the only temporal mixing is depthwise. Time is never strided.
- Every second block of a stage, from its first, weighs its channels (squeeze and excitation).
- The head pools before its wide layer, so that 2048 features cost next to nothing.

XS, S and M are one network on larger and larger clips; L is the same, deeper. Published weights are
PyTorchVideo's, and PySlowFast's, of which mmaction2 has copies. The "X3D" of OTX is M fed with 8
frames.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actionzoo.labels import load_labels
from actionzoo.models.blocks import Stack, Triple
from actionzoo.models.convolution import Conv3d
from actionzoo.models.formats import Format, Renames, State
from actionzoo.models.publishers import accuracy, mmaction, pytorchvideo, pytorchvideo_input
from actionzoo.spec import Figure, File, InputSpec, Metric, ModelSpec, Resize, Views, Weights

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
        self.spatial = Conv3d(3, width, (1, 3, 3), (1, 2, 2), (0, 1, 1), bias=False)
        self.temporal = Conv3d(width, width, (5, 1, 1), padding=(2, 0, 0), groups=width, bias=False)
        self.norm = nn.BatchNorm3d(width)

    def forward(self, clip: Tensor) -> Tensor:
        """Return the first feature map."""
        return F.relu(self.norm(self.temporal(self.spatial(clip))))


class SqueezeExcite(nn.Module):
    """Scale each channel by a number in (0, 1) computed from all channel means."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = round_width(width / 16)
        self.squeeze = Conv3d(width, inner, 1)
        self.excite = Conv3d(inner, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` (B, C, T, H, W) with its channels weighed."""
        mean = x.mean((2, 3, 4), keepdim=True)  # (B, C, 1, 1, 1)
        return x * torch.sigmoid(self.excite(F.relu(self.squeeze(mean))))


class Block(nn.Module):
    """Inverted bottleneck: widen, mix 3x3x3 depthwise, narrow, add the shortcut."""

    def __init__(self, width_in: int, width: int, *, stride: int, squeeze_excite: bool) -> None:
        super().__init__()
        inner = int(EXPANSION * width)
        self.expand = Conv3d(width_in, inner, 1, bias=False)
        self.expand_norm = nn.BatchNorm3d(inner)
        self.depthwise = Conv3d(
            inner, inner, 3, (1, stride, stride), padding=1, groups=inner, bias=False
        )
        self.depthwise_norm = nn.BatchNorm3d(inner)
        self.squeeze_excite = SqueezeExcite(inner) if squeeze_excite else nn.Identity()
        self.project = Conv3d(inner, width, 1, bias=False)
        self.project_norm = nn.BatchNorm3d(width)
        self.shortcut: nn.Module = nn.Identity()
        self.shortcut_norm: nn.Module = nn.Identity()
        if stride != 1 or width_in != width:
            self.shortcut = Conv3d(width_in, width, 1, (1, stride, stride), bias=False)
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


def _stage(width_in: int, width: int, depth: int) -> Stack:
    """Stack blocks; the first halves height and width."""
    return Stack(
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
            features are averaged; for a smaller one the window shrinks. None pools the whole map
            of any clip.
        num_classes: Width of the output.
    """

    stages = ("stem", "stage1", "stage2", "stage3", "stage4", "head_(expand|norm|widen)")

    def __init__(
        self, *, depths: tuple[int, int, int, int], pool: Triple | None, num_classes: int
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
        self.head_expand = Conv3d(w4, inner, 1, bias=False)
        self.head_norm = nn.BatchNorm3d(inner)
        self.head_widen = Conv3d(inner, HEAD_WIDTH, 1, bias=False)
        self.dropout = nn.Dropout(0.5)
        self.classifier = nn.Linear(HEAD_WIDTH, num_classes)
        self.apply(_initialise)

    def forward_features(self, clip: Tensor) -> Tensor:
        """(B, 3, T, H, W) float32 -> (B, 2048)."""
        x = self.stem(clip)
        for stage in (self.stage1, self.stage2, self.stage3, self.stage4):
            x = stage(x)
        x = F.relu(self.head_norm(self.head_expand(x)))
        pool = self.pool or x.shape[2:]
        window = [min(size, most) for size, most in zip(x.shape[2:], pool, strict=True)]
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
    """What makes one X3D of the five."""

    summary: str
    input: InputSpec
    depths: tuple[int, int, int, int]
    fixed_pool: bool = True
    """Whether the head's window is that of a clip of ``input``, whatever clip there is."""
    parameters: int
    macs: int
    weights: tuple[Weights, ...]
    """Those of the first publisher are the default ones."""
    figures: tuple[Figure, ...] = ()


THIRTY_VIEWS = Views(clips=10, crops=3)
"""All three publishers average scores, and feed crops of the size of ``input``."""


def _input(*, frames: int, stride: int, size: int) -> InputSpec:
    """Return what an X3D eats; ``size`` is that of the published 30-view accuracy."""
    return replace(
        pytorchvideo_input(frames=frames, stride=stride, size=size),
        resize=Resize(rule="short_side", height=size, width=size),
    )


def _accuracy(top1: float, measured_by: str) -> tuple[Metric, ...]:
    return accuracy(top1, dataset="kinetics400", views=THIRTY_VIEWS, measured_by=measured_by)


def _pyslowfast(file: str, top1: float) -> Weights:
    return Weights(
        tag="pyslowfast",
        files=(File(url=f"https://dl.fbaipublicfiles.com/pyslowfast/x3d_models/{file}"),),
        license="Apache-2.0",
        source="PySlowFast",
        metrics=_accuracy(top1, "PySlowFast"),
    )


OTX_INPUT = InputSpec(
    frames=8,
    stride=4,
    resize=Resize(rule="short_side", height=256, width=256, rounding="round"),
    height=224,
    width=224,
)
"""Pixels in [0, 1] and no more, although the weights were trained with mean 0.45 and deviation
0.225: OTX 1 fine-tunes them to that."""

OTX_FIGURES = (
    Figure(
        name="GFLOPs",
        value=2.49,
        source="OTX",
        counts="multiply-adds of convolutions and linear layers, and operations of norms (two an "
        "element), ReLUs and poolings (one an element), as mmcv counts them",
    ),
    Figure(
        name="MB",
        value=3.79,
        source="OTX",
        counts="millions of parameters, though printed as megabytes",
    ),
)

SHALLOW = (3, 5, 11, 7)
DEEP = (5, 10, 25, 15)
VARIANTS = {
    "x3d_xs_kinetics400": Variant(
        summary="X3D-XS: small and accurate, made for CPUs; 400 actions.",
        input=_input(frames=4, stride=12, size=182),
        depths=SHALLOW,
        parameters=3_794_274,
        macs=838_807_664,
        weights=(
            pytorchvideo("X3D_XS.pyth", 69.12, 88.63, views=THIRTY_VIEWS),
            _pyslowfast("x3d_xs.pyth", 69.5),
        ),
    ),
    "x3d_s_kinetics400": Variant(
        summary="X3D-S: small and accurate, made for CPUs; 400 actions.",
        input=_input(frames=13, stride=6, size=182),
        depths=SHALLOW,
        parameters=3_794_274,
        macs=2_721_933_356,
        weights=(
            pytorchvideo("X3D_S.pyth", 73.33, 91.27, views=THIRTY_VIEWS),
            _pyslowfast("x3d_s.pyth", 73.5),
            mmaction(
                "v1.0/recognition/x3d/facebook/"
                "x3d_s_13x6x1_facebook-kinetics400-rgb_20201027-623825a0.pth",
                metrics=_accuracy(73.3, "mmaction2"),
            ),
        ),
    ),
    "x3d_m_kinetics400": Variant(
        summary="X3D-M: small and accurate, made for CPUs; 400 actions.",
        input=_input(frames=16, stride=5, size=256),
        depths=SHALLOW,
        parameters=3_794_274,
        macs=6_180_613_376,
        weights=(
            pytorchvideo("X3D_M.pyth", 75.94, 92.72, views=THIRTY_VIEWS),
            _pyslowfast("x3d_m.pyth", 76.2),
            mmaction(
                "v1.0/recognition/x3d/facebook/"
                "x3d_m_16x5x1_facebook-kinetics400-rgb_20201027-3f42382a.pth",
                metrics=_accuracy(76.4, "mmaction2"),
            ),
        ),
    ),
    "x3d_l_kinetics400": Variant(
        summary="X3D-L: deeper and more accurate; 400 actions.",
        input=_input(frames=16, stride=5, size=356),
        depths=DEEP,
        parameters=6_153_384,
        macs=24_764_017_280,
        weights=(
            pytorchvideo("X3D_L.pyth", 77.44, 93.31, views=THIRTY_VIEWS),
            _pyslowfast("x3d_l.pyth", 77.5),
        ),
    ),
    "x3d_m_otx_kinetics400": Variant(
        summary="OTX's X3D: X3D-M on 8 frames, to be fine-tuned; 400 actions.",
        input=OTX_INPUT,
        depths=SHALLOW,
        fixed_pool=False,
        parameters=3_794_274,
        macs=2_367_165_824,
        # Nobody measured these weights on this input. What OTX publishes, 87.89 % on UCF101 and
        # 67.19 % on HMDB51, is of weights fine-tuned to those datasets.
        weights=(
            mmaction(
                "recognition/x3d/facebook/"
                "x3d_m_facebook_16x5x1_kinetics400_rgb_20201027-3f42382a.pth"
            ),
        ),
        figures=OTX_FIGURES,
    ),
}


def _spec(name: str, variant: Variant) -> ModelSpec:
    return ModelSpec(
        name=name,
        family="x3d",
        summary=variant.summary,
        dataset="kinetics400",
        input=variant.input,
        labels=load_labels("kinetics400"),
        parameters=variant.parameters,
        macs=variant.macs,
        license="Apache-2.0",
        weights=variant.weights,
        figures=variant.figures,
    )


SPECS: tuple[ModelSpec, ...] = tuple(_spec(name, one) for name, one in VARIANTS.items())


def build(spec: ModelSpec) -> X3D:
    """Build the network of one of ``SPECS``, freshly initialised."""
    variant = VARIANTS[spec.name]
    fed = variant.input
    window = (fed.frames, math.ceil(fed.height / 32), math.ceil(fed.width / 32))
    return X3D(
        depths=variant.depths,
        pool=window if variant.fixed_pool else None,
        num_classes=len(spec.labels),
    )


NORM = {"weight", "bias", "running_mean", "running_var"}
"""All that a batch norm computes with."""


def _finish(state: State) -> State:
    """Fit what PySlowFast and mmaction2 have in another form than PyTorchVideo."""
    return _with_convolved_head(_without_first_shortcut_norm(state))


def _with_convolved_head(state: State) -> State:
    """Make the head's wide layer a convolution of one position; mmaction2's is linear."""
    return {
        name: tensor.reshape(*tensor.shape[:2], 1, 1, 1) if name == "head_widen.weight" else tensor
        for name, tensor in state.items()
    }


def _without_first_shortcut_norm(state: State) -> State:
    """Fold the norm of stage 1's first shortcut into its neighbours.

    PyTorchVideo's network and ours have none there. A norm is a factor and a term for each channel:
    the convolution before it takes the factor, and the norm that ends the block's other branch
    takes the term, because the two branches are added.
    """
    prefix, weight, bias = (
        f"stage1.0.{name}" for name in ("shortcut_norm.", "shortcut.weight", "project_norm.bias")
    )
    norm = {name.removeprefix(prefix): state[name] for name in state if name.startswith(prefix)}
    others = {name: tensor for name, tensor in state.items() if not name.startswith(prefix)}
    if not (norm.keys() >= NORM and others.keys() >= {weight, bias}):
        return state
    factor = norm["weight"] / torch.sqrt(norm["running_var"] + 1e-5)
    term = norm["bias"] - norm["running_mean"] * factor
    return {
        **others,
        weight: state[weight] * factor.reshape(-1, 1, 1, 1, 1),
        bias: state[bias] + term,
    }


PYTORCHVIDEO: Renames = (
    # The two names are swapped: conv_t is the spatial convolution, applied first.
    (r"^blocks\.0\.conv\.conv_t\.", "stem.spatial."),
    (r"^blocks\.0\.conv\.conv_xy\.", "stem.temporal."),
    (r"^blocks\.0\.norm\.", "stem.norm."),
    (r"^blocks\.(\d)\.res_blocks\.", r"stage\1."),
    (r"\.branch1_conv\.", ".shortcut."),
    (r"\.branch1_norm\.", ".shortcut_norm."),
    (r"\.branch2\.conv_a\.", ".expand."),
    (r"\.branch2\.norm_a\.", ".expand_norm."),
    (r"\.branch2\.conv_b\.", ".depthwise."),
    (r"\.branch2\.norm_b\.0\.", ".depthwise_norm."),
    (r"\.branch2\.norm_b\.1\.block\.0\.", ".squeeze_excite.squeeze."),
    (r"\.branch2\.norm_b\.1\.block\.2\.", ".squeeze_excite.excite."),
    (r"\.branch2\.conv_c\.", ".project."),
    (r"\.branch2\.norm_c\.", ".project_norm."),
    (r"^blocks\.5\.pool\.pre_conv\.", "head_expand."),
    (r"^blocks\.5\.pool\.pre_norm\.", "head_norm."),
    (r"^blocks\.5\.pool\.post_conv\.", "head_widen."),
    (r"^blocks\.5\.proj\.", "classifier."),
)

PYSLOWFAST: Renames = (
    (r"^s1\.pathway0_stem\.conv_xy\.", "stem.spatial."),
    (r"^s1\.pathway0_stem\.conv\.", "stem.temporal."),
    (r"^s1\.pathway0_stem\.bn\.", "stem.norm."),
    (r"^s2\.pathway0_res", "stage1."),
    (r"^s3\.pathway0_res", "stage2."),
    (r"^s4\.pathway0_res", "stage3."),
    (r"^s5\.pathway0_res", "stage4."),
    (r"\.branch1\.", ".shortcut."),
    (r"\.branch1_bn\.", ".shortcut_norm."),
    (r"\.branch2\.a\.", ".expand."),
    (r"\.branch2\.a_bn\.", ".expand_norm."),
    (r"\.branch2\.b\.", ".depthwise."),
    (r"\.branch2\.b_bn\.", ".depthwise_norm."),
    (r"\.branch2\.se\.fc1\.", ".squeeze_excite.squeeze."),
    (r"\.branch2\.se\.fc2\.", ".squeeze_excite.excite."),
    (r"\.branch2\.c\.", ".project."),
    (r"\.branch2\.c_bn\.", ".project_norm."),
    (r"^head\.conv_5\.", "head_expand."),
    (r"^head\.conv_5_bn\.", "head_norm."),
    (r"^head\.lin_5\.", "head_widen."),
    (r"^head\.projection\.", "classifier."),
)

MMACTION: Renames = (
    (r"^(backbone|cls_head)\.", ""),
    (r"^conv1_s\.conv\.", "stem.spatial."),
    (r"^conv1_t\.conv\.", "stem.temporal."),
    (r"^conv1_t\.bn\.", "stem.norm."),
    (r"^layer(\d)\.", r"stage\1."),
    (r"\.downsample\.conv\.", ".shortcut."),
    (r"\.downsample\.bn\.", ".shortcut_norm."),
    (r"\.conv1\.conv\.", ".expand."),
    (r"\.conv1\.bn\.", ".expand_norm."),
    (r"\.conv2\.conv\.", ".depthwise."),
    (r"\.conv2\.bn\.", ".depthwise_norm."),
    (r"\.se_module\.fc1\.", ".squeeze_excite.squeeze."),
    (r"\.se_module\.fc2\.", ".squeeze_excite.excite."),
    (r"\.conv3\.conv\.", ".project."),
    (r"\.conv3\.bn\.", ".project_norm."),
    (r"^conv5\.conv\.", "head_expand."),
    (r"^conv5\.bn\.", "head_norm."),
    (r"^fc1\.", "head_widen."),
    (r"^fc2\.", "classifier."),
)

FORMATS = (
    Format(
        source="PyTorchVideo",
        mark=r"blocks\.0\.conv\.conv_xy\.weight",
        renames=PYTORCHVIDEO,
    ),
    Format(
        source="PySlowFast",
        mark=r"s1\.pathway0_stem\.conv_xy\.weight",
        renames=PYSLOWFAST,
        finish=_finish,
    ),
    Format(
        source="mmaction2",
        mark=r"(backbone\.)?conv1_s\.conv\.weight",
        renames=MMACTION,
        finish=_finish,
    ),
)

REFERENCES: Mapping[str, Callable[[], X3D]] = {
    f"pytorchvideo_{spec.name.removesuffix('_kinetics400')}": partial(build, spec)
    for spec in SPECS
    if spec.weights[0].tag == "pytorchvideo"
}
