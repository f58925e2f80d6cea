"""TPN: a slow-only network seen at two tempos at once (Yang et al., CVPR 2020).

A neck stands between the last two layers of a slow-only network and its classifier:

- Spatial modulation brings the third layer's map to the size and width of the fourth's.
- Temporal modulation pools each level over time, in R101 the finer one less than the coarser.
- Information flows down, from the coarse level to the fine one, and then up again from the result
  (the paper's cascade flow). Both flows are fused over the levels, and then with each other.

An auxiliary classifier on the third layer helps training and is not asked afterwards; its loss has
half the weight of the main one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actionzoo.errors import ConfigError
from actionzoo.labels import load_labels
from actionzoo.models.blocks import Triple
from actionzoo.models.formats import MMACTION_RESNET, Format, Renames
from actionzoo.models.publishers import gluoncv_input, gluoncv_torch
from actionzoo.models.resnet3d import conv3d, initialise
from actionzoo.models.slowonly import SlowOnly
from actionzoo.models.stages import RESNET_STAGES, within
from actionzoo.spec import ModelSpec

THIRD, FOURTH = 1024, 2048
"""Channels of the slow-only network's last two layers."""
LEVEL = 1024
"""Channels of each level of the pyramid."""
FUSED = 2048
GROUPS = 32
AUXILIARY_WEIGHT = 0.5
"""How much the auxiliary classifier's loss counts in training, that of the main one being 1."""


def pool_frames(x: Tensor, scale: int) -> Tensor:
    """(B, C, T, H, W) -> (B, C, ceil(T / scale), H, W): the largest of every ``scale`` frames."""
    return F.max_pool3d(x, (scale, 1, 1), (scale, 1, 1), ceil_mode=True)


class ConvNorm(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: Triple,
        stride: Triple = (1, 1, 1),
        *,
        groups: int = 1,
    ) -> None:
        super().__init__()
        self.conv = conv3d(channels_in, channels_out, kernel, stride, groups=groups)
        self.bn = nn.BatchNorm3d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the size but for the stride."""
        return F.relu(self.bn(self.conv(x)))


class LevelFusion(nn.Module):
    """Make one map of both levels: 2 x (B, 1024, ., H, W) -> (B, 2048, T, H, W).

    Args:
        ratio: Frames of the fine level for each of the coarse one.
    """

    def __init__(self, ratio: int) -> None:
        super().__init__()
        self.ratio = ratio
        self.fine = ConvNorm(LEVEL, LEVEL, (1, 1, 1), groups=GROUPS)
        self.coarse = ConvNorm(LEVEL, LEVEL, (1, 1, 1), groups=GROUPS)
        self.both = ConvNorm(2 * LEVEL, FUSED, (1, 1, 1))

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """Return the map, at the coarse level's frames."""
        levels = [self.fine(pool_frames(fine, self.ratio)), self.coarse(coarse)]
        return self.both(torch.cat(levels, 1))


class Neck(nn.Module):
    """From the maps of the last two layers to one, seen at both tempos.

    Args:
        scales: Frames of the third and of the fourth layer that become one.
    """

    def __init__(self, scales: tuple[int, int]) -> None:
        super().__init__()
        self.scales = scales
        self.ratio = scales[1] // scales[0]
        self.spatial = ConvNorm(THIRD, FOURTH, (1, 3, 3), (1, 2, 2))
        self.temporal_fine = conv3d(FOURTH, LEVEL, (3, 1, 1), groups=GROUPS)
        self.temporal_coarse = conv3d(FOURTH, LEVEL, (3, 1, 1), groups=GROUPS)
        self.upwards = conv3d(LEVEL, LEVEL, (3, 1, 1))
        self.fuse_downwards = LevelFusion(self.ratio)
        self.fuse_upwards = LevelFusion(self.ratio)
        self.fuse_flows = ConvNorm(2 * FUSED, FUSED, (1, 1, 1))

    def forward(self, third: Tensor, fourth: Tensor) -> Tensor:
        """(B, 1024, T, H, W) and (B, 2048, T, H/2, W/2) -> (B, 2048, T / scale, H/2, W/2).

        Raises:
            ConfigError: The levels' frames do not fit together.
        """
        self._check_frames(third.shape[2])
        fine = pool_frames(self.temporal_fine(self.spatial(third)), self.scales[0])
        coarse = pool_frames(self.temporal_coarse(fourth), self.scales[1])
        fine = fine + coarse  # one coarse frame is added to all fine ones
        downwards = self.fuse_downwards(fine, coarse)
        coarse = coarse + pool_frames(self.upwards(fine), self.ratio)
        upwards = self.fuse_upwards(fine, coarse)
        return self.fuse_flows(torch.cat([downwards, upwards], 1))

    def _check_frames(self, frames: int) -> None:
        most = self.scales[1]
        if self.ratio > 1 and frames > most:
            raise ConfigError(f"the clip has {frames} frames; this TPN takes at most {most}")


class Auxiliary(nn.Module):
    """The auxiliary classifier on the third layer's map."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.conv = conv3d(THIRD, FOURTH, (1, 3, 3), (1, 2, 2))
        self.bn = nn.BatchNorm3d(FOURTH)
        self.dropout = nn.Dropout(0.5)
        initialise(self)
        self.reset_head(num_classes)

    def forward(self, third: Tensor) -> Tensor:
        """(B, 1024, T, H, W) -> logits (B, K)."""
        x = F.relu(self.bn(self.conv(third)))
        return self.fc(self.dropout(x.mean((2, 3, 4))))

    def reset_head(self, num_classes: int) -> None:
        """Replace the last layer by a fresh one."""
        self.fc = nn.Linear(FOURTH, num_classes)
        nn.init.normal_(self.fc.weight, std=0.01)
        nn.init.zeros_(self.fc.bias)


class TPN(nn.Module):
    """The whole network: a slow-only one whose classifier looks through the neck.

    Args:
        depth: Of the ResNet, 50 or 101.
        scales: Frames of the third and of the fourth layer that become one. Where they differ, a
            clip has at most as many frames as the second says; else any number.
        num_classes: Width of the output.
    """

    stages = (*within("slow", RESNET_STAGES), r"neck|auxiliary\.(conv|bn)")

    def __init__(self, *, depth: int, scales: tuple[int, int], num_classes: int) -> None:
        super().__init__()
        self.slow = SlowOnly(depth=depth, num_classes=num_classes)
        self.neck = Neck(scales)
        self.auxiliary = Auxiliary(num_classes)
        initialise(self.neck)

    def forward_features(self, clip: Tensor) -> Tensor:
        """(B, 3, T, H, W) float32 -> (B, 2048).

        Raises:
            ConfigError: The network cannot take so many frames.
        """
        return self.neck(*self.slow.feature_maps(clip)).mean((2, 3, 4))

    def forward(self, clip: Tensor) -> Tensor:
        """(B, 3, T, H, W) float32 -> logits (B, K)."""
        return self._classify(self.forward_features(clip))

    def forward_with_auxiliary(self, clip: Tensor) -> tuple[Tensor, Tensor]:
        """Ask both classifiers, for training.

        Args:
            clip: (B, 3, T, H, W) float32.

        Returns:
            Logits, and the auxiliary classifier's logits, (B, K) each. The loss of the latter
            counts ``AUXILIARY_WEIGHT``.

        Raises:
            ConfigError: The network cannot take so many frames.
        """
        third, fourth = self.slow.feature_maps(clip)
        logits = self._classify(self.neck(third, fourth).mean((2, 3, 4)))
        return logits, self.auxiliary(third)

    def _classify(self, features: Tensor) -> Tensor:
        return self.slow.fc(self.slow.dropout(features))

    def reset_head(self, num_classes: int) -> None:
        """Replace the last layers of both classifiers by fresh ones."""
        self.slow.reset_head(num_classes)
        self.auxiliary.reset_head(num_classes)


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """What makes one TPN of the six."""

    depth: int
    frames: int
    stride: int
    scales: tuple[int, int]
    parameters: int
    macs: int
    sha1: str
    """Of GluonCV's weights."""
    top1: float


VARIANTS = (
    Variant(
        depth=50,
        frames=8,
        stride=8,
        scales=(8, 8),
        parameters=91_498_336,
        macs=50_276_368_384,
        sha1="368108eb6bca9143318937319c3efec09e0419af",
        top1=77.04,
    ),
    Variant(
        depth=50,
        frames=16,
        stride=4,
        scales=(16, 16),
        parameters=91_498_336,
        macs=99_569_270_784,
        sha1="6bf899df92224d3c0c117c940ef0c95d51fedb26",
        top1=77.33,
    ),
    Variant(
        depth=50,
        frames=32,
        stride=2,
        scales=(32, 32),
        parameters=91_498_336,
        macs=198_155_075_584,
        sha1="27710ce8091a317f50fc55e171b29c096b3d253e",
        top1=78.9,
    ),
    Variant(
        depth=101,
        frames=8,
        stride=8,
        scales=(4, 8),
        parameters=119_403_360,
        macs=94_103_699_456,
        sha1="092c2f7fc98ec9ea204487fa074bc0ca832aba9a",
        top1=78.1,
    ),
    Variant(
        depth=101,
        frames=16,
        stride=4,
        scales=(8, 16),
        parameters=119_403_360,
        macs=187_069_792_256,
        sha1="647080df950480e6544e6cd471f0024125656593",
        top1=79.39,
    ),
    Variant(
        depth=101,
        frames=32,
        stride=2,
        scales=(16, 32),
        parameters=119_403_360,
        macs=373_001_977_856,
        sha1="a94422a94acda20f34eb07604cd3315307d1a9a2",
        top1=79.7,
    ),
)


def _name(variant: Variant) -> str:
    return f"tpn_resnet{variant.depth}_f{variant.frames}s{variant.stride}_kinetics400"


def _spec(variant: Variant) -> ModelSpec:
    name, frames, stride = _name(variant), variant.frames, variant.stride
    return ModelSpec(
        name=name,
        family="tpn",
        summary=f"TPN R{variant.depth}, {frames} frames at stride {stride}; 400 actions.",
        dataset="kinetics400",
        input=gluoncv_input(frames=frames, stride=stride),
        labels=load_labels("kinetics400"),
        parameters=variant.parameters,
        macs=variant.macs,
        license="Apache-2.0",
        weights=(gluoncv_torch(name, variant.sha1, variant.top1),),
    )


SPECS: tuple[ModelSpec, ...] = tuple(_spec(one) for one in VARIANTS)


def build(spec: ModelSpec) -> TPN:
    """Build the network of one of ``SPECS``, freshly initialised."""
    variant = {_name(one): one for one in VARIANTS}[spec.name]
    return TPN(depth=variant.depth, scales=variant.scales, num_classes=len(spec.labels))


_SLOW: Renames = ((r"^(?=(conv1|bn1|layer\d|fc)\.)", "slow."),)
"""Others have the slow-only network's parameters beside the neck's."""

_SPATIAL = r"\.spatial_modulation\.spatial_modulation\.0\.0\."

FORMATS = (
    Format(
        source="GluonCV (PyTorch)",
        mark=r"TPN_neck\.pyramid_fusion_op\.0\.weight",
        renames=(
            *_SLOW,
            (r"^TPN_neck\.aux_head\.convs\.", "auxiliary."),
            (r"^TPN_neck\.aux_head\.fc\.", "auxiliary.fc."),
            (r"^TPN_neck\.", "neck."),
            (_SPATIAL, ".spatial."),
            (r"\.temporal_modulation_ops\.0\.conv\.", ".temporal_fine."),
            (r"\.temporal_modulation_ops\.1\.conv\.", ".temporal_coarse."),
            (r"\.downsampling_ops\.0\.conv\.", ".upwards."),
            (r"\.level_fusion_op2\.", ".fuse_downwards."),
            (r"\.level_fusion_op\.", ".fuse_upwards."),
            (r"\.ops\.0\.", ".fine."),
            (r"\.ops\.1\.", ".coarse."),
            (r"\.norm\.", ".bn."),
            (r"\.fusion_conv\.0\.", ".both.conv."),
            (r"\.fusion_conv\.1\.", ".both.bn."),
            (r"\.pyramid_fusion_op\.0\.", ".fuse_flows.conv."),
            (r"\.pyramid_fusion_op\.1\.", ".fuse_flows.bn."),
        ),
    ),
    Format(
        source="mmaction2",
        mark=r"neck\.pyramid_fusion\.conv\.weight",
        renames=(
            *MMACTION_RESNET,
            *_SLOW,
            (r"^neck\.aux_head\.conv\.conv\.", "auxiliary.conv."),
            (r"^neck\.aux_head\.conv\.bn\.", "auxiliary.bn."),
            (r"^neck\.aux_head\.fc\.", "auxiliary.fc."),
            (_SPATIAL, ".spatial."),
            (r"\.temporal_modulation_ops\.0\.conv\.conv\.", ".temporal_fine."),
            (r"\.temporal_modulation_ops\.1\.conv\.conv\.", ".temporal_coarse."),
            (r"\.downsample_ops\.0\.conv\.conv\.", ".upwards."),
            (r"\.level_fusion_1\.", ".fuse_downwards."),
            (r"\.level_fusion_2\.", ".fuse_upwards."),
            (r"\.downsamples\.0\.conv\.", ".fine."),
            (r"\.downsamples\.1\.conv\.", ".coarse."),
            (r"\.fusion_conv\.", ".both."),
            (r"\.pyramid_fusion\.", ".fuse_flows."),
        ),
    ),
)

REFERENCES: Mapping[str, Callable[[], TPN]] = {
    f"gluoncv_{spec.name}": partial(build, spec)
    for spec in SPECS
    if spec.name != "tpn_resnet101_f16s4_kinetics400"  # the one that is not recorded
}
