"""SlowFast: one pathway sees what is there, another how it moves (Feichtenhofer, ICCV 2019).

- Both pathways are ResNets over the same clip. The fast one takes every frame and has an eighth of
  the channels; the slow one takes every alpha-th frame. Neither strides over time.
- All blocks of the fast pathway mix time, in the slow one those of res4 and res5 only.
- Lateral connections: after the stem and after res2 to res4 a convolution that strides over alpha
  frames brings the fast features to the slow rate, and they are appended to the slow channels.
- The head averages each pathway and classifies both together.

``8x8`` in a name is the slow pathway's frames x stride. The fast pathway of all these networks
takes every second frame of the video, so alpha is 8 for a stride of 16 and 4 for a stride of 8.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actionzoo.errors import ConfigError
from actionzoo.labels import load_labels
from actionzoo.models.blocks import Classifier, Stack, Triple, pool_windows
from actionzoo.models.formats import (
    MXNET_NORM,
    PYSLOWFAST_RESNET,
    PYTORCHVIDEO_RESNET,
    Format,
)
from actionzoo.models.publishers import (
    GLUONCV_HOST,
    gluoncv_input,
    gluoncv_mxnet,
    gluoncv_torch,
    pytorchvideo,
    pytorchvideo_input,
)
from actionzoo.models.resnet3d import DEPTHS, bottlenecks, conv3d, initialise
from actionzoo.spec import File, ModelSpec, Views, Weights

SLOW_PLANES = (64, 128, 256, 512)
SLOW_INPUTS = (64 + 16, 256 + 64, 512 + 128, 1024 + 256)
"""Channels that res2 to res5 of the slow pathway are given: its own and the lateral ones."""
FAST_PLANES = (8, 16, 32, 64)
FAST_INPUTS = (8, 32, 64, 128)
FEATURES = 2048 + 256

SlowFrames = Literal["strided", "spread", "appended"]


def spread_indices(frames: int, count: int) -> list[int]:
    """Choose ``count`` of ``frames`` evenly, from the first to the last.

    >>> spread_indices(32, 8)
    [0, 4, 8, 13, 17, 22, 26, 31]
    """
    return [i * (frames - 1) // max(1, count - 1) for i in range(count)]


def split_pathways(clip: Tensor, alpha: int, slow_frames: SlowFrames) -> tuple[Tensor, Tensor]:
    """Return what the slow and what the fast pathway is fed.

    Args:
        clip: (B, 3, T, H, W).
        alpha: Fast frames for each slow one.
        slow_frames: Where the slow frames are. ``strided``: every alpha-th of the clip, from the
            first (GluonCV). ``spread``: evenly from the first to the last (PySlowFast and
            PyTorchVideo). ``appended``: behind the fast ones (GluonCV's loader for MXNet).

    Raises:
        ConfigError: There is not one slow frame for every alpha fast ones.
    """
    frames = clip.shape[2]
    if slow_frames == "strided":
        return clip[:, :, ::alpha], clip
    unit = alpha if slow_frames == "spread" else alpha + 1
    if frames % unit:
        raise ConfigError(
            f"the clip has {frames} frames; this SlowFast takes a multiple of {unit}, "
            f"such as {max(1, frames // unit) * unit}"
        )
    if slow_frames == "spread":
        return clip[:, :, spread_indices(frames, frames // alpha)], clip
    fast = frames // unit * alpha
    return clip[:, :, fast:], clip[:, :, :fast]


def _stages(
    inputs: Sequence[int], planes: Sequence[int], depths: Sequence[int], mixing: Sequence[int]
) -> list[Stack]:
    """Make res2 to res5 of a pathway; the first ``mixing`` blocks of each mix time."""
    return [
        bottlenecks(
            channels_in,
            width,
            firsts=[(3, 1, 1)] * mixed + [(1, 1, 1)] * (depth - mixed),
            stride=(1, 1, 1) if stage == 0 else (1, 2, 2),
        )
        for stage, (channels_in, width, depth, mixed) in enumerate(
            zip(inputs, planes, depths, mixing, strict=True)
        )
    ]


def _lateral(channels: int, kernel: int, alpha: int) -> nn.Sequential:
    """(B, C, T, H, W) of the fast pathway -> (B, 2C, T / alpha, H, W) for the slow one."""
    return nn.Sequential(
        conv3d(channels, 2 * channels, (kernel, 1, 1), (alpha, 1, 1)),
        nn.BatchNorm3d(2 * channels),
        nn.ReLU(),
    )


def _pool_stem(x: Tensor) -> Tensor:
    return F.max_pool3d(F.relu(x), (1, 3, 3), (1, 2, 2), (0, 1, 1))


class SlowFast(Classifier):
    """The whole network. Its parameters are called as GluonCV calls them.

    Args:
        depth: Of the ResNets, 50 or 101.
        alpha: Fast frames for each slow one.
        lateral_kernel: Frames that a lateral connection sees at once.
        slow_frames: Where the slow frames are in a clip; see ``split_pathways``.
        windows: What the head averages at once of the slow and the fast map: the whole maps of a
            clip of the usual size. None averages all there is, whatever its size.
        mixing4: How many blocks of res4, from its first, mix time; None for all.
        num_classes: Width of the output.
    """

    stages = (
        "(fast|slow)_(conv1|bn1)|lateral_p1",
        "(fast|slow|lateral)_res2",
        "(fast|slow|lateral)_res3",
        "(fast|slow|lateral)_res4",
        "(fast|slow)_res5",
    )

    def __init__(
        self,
        *,
        depth: int,
        alpha: int,
        lateral_kernel: int,
        num_classes: int,
        slow_frames: SlowFrames = "strided",
        windows: tuple[Triple, Triple] | None = None,
        mixing4: int | None = None,
    ) -> None:
        super().__init__(FEATURES, num_classes)
        self.alpha = alpha
        self.slow_frames = slow_frames
        self.windows = windows
        depths = DEPTHS[depth]
        res2, res3, res4, res5 = depths
        mixing = mixing4 or res4
        self.fast_conv1 = conv3d(3, 8, (5, 7, 7), (1, 2, 2))
        self.fast_bn1 = nn.BatchNorm3d(8)
        self.fast_res2, self.fast_res3, self.fast_res4, self.fast_res5 = _stages(
            FAST_INPUTS, FAST_PLANES, depths, (res2, res3, mixing, res5)
        )
        self.lateral_p1, self.lateral_res2, self.lateral_res3, self.lateral_res4 = (
            _lateral(channels, lateral_kernel, alpha) for channels in FAST_INPUTS
        )
        self.slow_conv1 = conv3d(3, 64, (1, 7, 7), (1, 2, 2))
        self.slow_bn1 = nn.BatchNorm3d(64)
        self.slow_res2, self.slow_res3, self.slow_res4, self.slow_res5 = _stages(
            SLOW_INPUTS, SLOW_PLANES, depths, (0, 0, mixing, res5)
        )
        initialise(self)

    def forward_features(self, clip: Tensor) -> Tensor:
        """(B, 3, T, H, W) float32 -> (B, 2304), the slow pathway's first.

        Raises:
            ConfigError: The network cannot take slow frames from so many.
        """
        slow, fast = split_pathways(clip, self.alpha, self.slow_frames)
        slow = _pool_stem(self.slow_bn1(self.slow_conv1(slow)))
        fast = _pool_stem(self.fast_bn1(self.fast_conv1(fast)))
        slow = torch.cat([slow, self.lateral_p1(fast)], 1)
        slow, fast = self.slow_res2(slow), self.fast_res2(fast)
        slow = torch.cat([slow, self.lateral_res2(fast)], 1)
        slow, fast = self.slow_res3(slow), self.fast_res3(fast)
        slow = torch.cat([slow, self.lateral_res3(fast)], 1)
        slow, fast = self.slow_res4(slow), self.fast_res4(fast)
        slow = torch.cat([slow, self.lateral_res4(fast)], 1)
        slow, fast = self.slow_res5(slow), self.fast_res5(fast)
        windows = self.windows or (slow.shape[2:], fast.shape[2:])
        return torch.cat([pool_windows(slow, windows[0]), pool_windows(fast, windows[1])], 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """What makes one SlowFast."""

    name: str
    publisher: Literal["GluonCV", "PyTorchVideo"]
    """Decides the input, where the slow frames are, and whether the head has windows."""
    dataset: str = "kinetics400"
    depth: int
    frames: int
    """Of the fast pathway, every second frame of the video."""
    alpha: int
    lateral_kernel: int
    mixing4: int | None = None
    parameters: int
    macs: int
    summary: str
    weights: tuple[Weights, ...]


def _pytorchvideo(file: str, top1: float, top5: float) -> tuple[Weights]:
    return (pytorchvideo(file, top1, top5, views=Views(clips=10, crops=3)),)


# GluonCV's MXNet networks are fed the slow frames behind the fast ones: of 64 video frames every
# second, then every 16th or 8th. These are every 8th or 4th of the fast frames, from the first, so
# the same weights are right for a network that strides over the fast frames itself.
VARIANTS = (
    Variant(
        name="slowfast_4x16_resnet50_kinetics400",
        publisher="GluonCV",
        depth=50,
        frames=32,
        alpha=8,
        lateral_kernel=5,
        parameters=34_480_216,
        macs=27_638_665_216,
        summary="SlowFast R50, 4 slow and 32 fast frames: the cheapest of the family; 400 actions.",
        weights=(
            gluoncv_torch(
                "slowfast_4x16_resnet50_kinetics400",
                "1d1eadb258ccfc0c117db0ff0eaf1638d18405b3",
                75.25,
            ),
            gluoncv_mxnet(
                "slowfast_4x16_resnet50_kinetics400",
                "9d650f5186ffc08348f8d7384d6994a8f39a03b1",
                75.3,
            ),
        ),
    ),
    Variant(
        name="slowfast_8x8_resnet50_kinetics400",
        publisher="GluonCV",
        depth=50,
        frames=32,
        alpha=4,
        lateral_kernel=7,
        parameters=34_566_488,
        macs=50_308_583_424,
        summary="SlowFast R50, 8 slow and 32 fast frames; 400 actions.",
        weights=(
            gluoncv_torch(
                "slowfast_8x8_resnet50_kinetics400",
                "e94e9a57eaa2f4dde12673bc6632f9aa090d8c21",
                76.66,
            ),
            gluoncv_mxnet(
                "slowfast_8x8_resnet50_kinetics400",
                "d6b253398615a21d8b2a827ddfb09c0d8827f79c",
                76.6,
            ),
        ),
    ),
    Variant(
        name="slowfast_8x8_resnet101_kinetics400",
        publisher="GluonCV",
        depth=101,
        frames=32,
        alpha=4,
        lateral_kernel=5,
        parameters=62_826_968,
        macs=96_396_644_352,
        summary="SlowFast R101, 8 slow and 32 fast frames; 400 actions.",
        weights=(
            gluoncv_torch(
                "slowfast_8x8_resnet101_kinetics400",
                "db5e9fef55b28eb55b6dc7b2cba98d0c14fc3568",
                76.95,
            ),
            gluoncv_mxnet(
                "slowfast_8x8_resnet101_kinetics400",
                "fbde1a7cfdaeeba7190dd15f284b91036bf5f3f6",
                77.2,
            ),
        ),
    ),
    Variant(
        name="slowfast_16x8_resnet50_sthsthv2",
        publisher="GluonCV",
        dataset="something-something-v2",
        depth=50,
        frames=64,
        alpha=4,
        lateral_kernel=7,
        parameters=34_045_558,
        macs=100_615_724_544,
        summary="SlowFast R50, 16 slow and 64 fast frames; 174 things done with objects.",
        weights=(
            # In GluonCV's model store, but not in its tables: no accuracy is published.
            Weights(
                tag="05203231",
                files=(
                    File(
                        url=f"{GLUONCV_HOST}/torch/models/"
                        "slowfast_16x8_resnet50_sthsthv2-05203231.pth",
                        checksum="sha1:0520323165727d59002c6c62071bc1dc28248469",
                    ),
                ),
                license="Apache-2.0",
                source="GluonCV (PyTorch)",
            ),
        ),
    ),
    Variant(
        name="slowfast_r50_4x16_kinetics400",
        publisher="PyTorchVideo",
        depth=50,
        frames=32,
        alpha=8,
        lateral_kernel=5,
        parameters=34_480_216,
        macs=27_638_665_216,
        summary="SlowFast R50 of PyTorchVideo, 4 slow and 32 fast frames; 400 actions.",
        weights=_pytorchvideo("SLOWFAST_4x16_R50.pyth", 75.34, 91.89),
    ),
    Variant(
        name="slowfast_r50_kinetics400",
        publisher="PyTorchVideo",
        depth=50,
        frames=32,
        alpha=4,
        lateral_kernel=7,
        parameters=34_566_488,
        macs=50_308_583_424,
        summary="SlowFast R50 of PyTorchVideo, 8 slow and 32 fast frames; 400 actions.",
        weights=_pytorchvideo("SLOWFAST_8x8_R50.pyth", 76.94, 92.69),
    ),
    Variant(
        name="slowfast_r101_kinetics400",
        publisher="PyTorchVideo",
        depth=101,
        frames=32,
        alpha=4,
        lateral_kernel=5,
        parameters=62_826_968,
        macs=96_396_644_352,
        summary="SlowFast R101 of PyTorchVideo, 8 slow and 32 fast frames; 400 actions.",
        weights=_pytorchvideo("SLOWFAST_8x8_R101.pyth", 77.90, 93.27),
    ),
    Variant(
        name="slowfast_16x8_r101_50_50_kinetics400",
        publisher="PyTorchVideo",
        depth=101,
        frames=64,
        alpha=4,
        lateral_kernel=5,
        mixing4=6,  # as many blocks of res4 as an R50 has, hence 50_50
        parameters=53_774_808,
        macs=163_094_597_632,
        summary="SlowFast R101, 16 slow and 64 fast frames: the most accurate; 400 actions.",
        weights=_pytorchvideo("SLOWFAST_16x8_R101_50_50.pyth", 78.70, 93.61),
    ),
)


def _spec(variant: Variant) -> ModelSpec:
    fed = gluoncv_input if variant.publisher == "GluonCV" else pytorchvideo_input
    return ModelSpec(
        name=variant.name,
        family="slowfast",
        summary=variant.summary,
        dataset=variant.dataset,
        input=fed(frames=variant.frames, stride=2),
        labels=load_labels(variant.dataset),
        parameters=variant.parameters,
        macs=variant.macs,
        license="Apache-2.0",
        weights=variant.weights,
    )


SPECS: tuple[ModelSpec, ...] = tuple(_spec(one) for one in VARIANTS)


def _network(variant: Variant, slow_frames: SlowFrames, num_classes: int) -> SlowFast:
    slow, fast = variant.frames // variant.alpha, variant.frames
    return SlowFast(
        depth=variant.depth,
        alpha=variant.alpha,
        lateral_kernel=variant.lateral_kernel,
        slow_frames=slow_frames,
        windows=((slow, 7, 7), (fast, 7, 7)) if variant.publisher == "PyTorchVideo" else None,
        mixing4=variant.mixing4,
        num_classes=num_classes,
    )


def build(spec: ModelSpec) -> SlowFast:
    """Build the network of one of ``SPECS``, freshly initialised."""
    variant = {one.name: one for one in VARIANTS}[spec.name]
    slow_frames: SlowFrames = "strided" if variant.publisher == "GluonCV" else "spread"
    return _network(variant, slow_frames, len(spec.labels))


FORMATS = (
    Format(source="GluonCV (MXNet)", mark=r"fast_bn1\.gamma", renames=MXNET_NORM),
    Format(
        source="PyTorchVideo",
        mark=r"blocks\.0\.multipathway_fusion\.conv_fast_to_slow\.weight",
        renames=(
            (r"^blocks\.0\.multipathway_blocks\.0\.conv\.", "slow_conv1."),
            (r"^blocks\.0\.multipathway_blocks\.0\.norm\.", "slow_bn1."),
            (r"^blocks\.0\.multipathway_blocks\.1\.conv\.", "fast_conv1."),
            (r"^blocks\.0\.multipathway_blocks\.1\.norm\.", "fast_bn1."),
            # Its blocks 1 to 4 are res2 to res5.
            *(
                (
                    rf"^blocks\.{stage - 1}\.multipathway_blocks\.{i}\.res_blocks\.",
                    f"{path}{stage}.",
                )
                for i, path in enumerate(("slow_res", "fast_res"))
                for stage in (2, 3, 4, 5)
            ),
            (r"^blocks\.0\.multipathway_fusion\.", "lateral_p1."),
            (r"^blocks\.1\.multipathway_fusion\.", "lateral_res2."),
            (r"^blocks\.2\.multipathway_fusion\.", "lateral_res3."),
            (r"^blocks\.3\.multipathway_fusion\.", "lateral_res4."),
            (r"\.conv_fast_to_slow\.", ".0."),
            (r"^(lateral_\w+)\.norm\.", r"\1.1."),
            *PYTORCHVIDEO_RESNET,
            (r"^blocks\.6\.proj\.", "fc."),
        ),
    ),
    Format(
        source="PySlowFast",
        mark=r"s1_fuse\.conv_f2s\.weight",
        renames=(
            (r"^s1\.pathway0_stem\.conv\.", "slow_conv1."),
            (r"^s1\.pathway0_stem\.bn\.", "slow_bn1."),
            (r"^s1\.pathway1_stem\.conv\.", "fast_conv1."),
            (r"^s1\.pathway1_stem\.bn\.", "fast_bn1."),
            (r"^s(\d)\.pathway0_res(\d+)\.", r"slow_res\1.\2."),
            (r"^s(\d)\.pathway1_res(\d+)\.", r"fast_res\1.\2."),
            (r"^s1_fuse\.", "lateral_p1."),
            (r"^s(\d)_fuse\.", r"lateral_res\1."),
            (r"\.conv_f2s\.", ".0."),
            (r"^(lateral_\w+)\.bn\.", r"\1.1."),
            *PYSLOWFAST_RESNET,
            (r"^head\.projection\.", "fc."),
        ),
    ),
)
"""GluonCV's PyTorch names are ours.

SlowFasts of mmaction2 are other networks: their lateral connections have neither norm nor ReLU.
"""

REFERENCES: Mapping[str, Callable[[], SlowFast]] = {
    **{f"gluoncv_{spec.name}": partial(build, spec) for spec in SPECS[:3]},
    "gluoncv_mx_slowfast_4x16_resnet50_kinetics400": partial(
        _network, VARIANTS[0], "appended", 400
    ),
    "gluoncv_mx_slowfast_8x8_resnet50_kinetics400": partial(_network, VARIANTS[1], "appended", 400),
    "pytorchvideo_slowfast_r50": partial(build, SPECS[5]),
}
