"""Random changes that leave the action what it is; for training only.

All chance comes from the generator that is passed in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from actionzoo.errors import ConfigError
from actionzoo.sampling import within
from actionzoo.spec import InputSpec


# No slots: jsonargparse reads the defaults of a nested dataclass from its __dict__.
@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """How far clips are changed; the defaults change nothing but the start."""

    speed: tuple[float, float] = (1.0, 1.0)
    """Least and most factor on the stride."""
    zoom: tuple[float, float] = (1.0, 1.0)
    """Least and most factor on the size of what is seen; below 1 leaves a black rim."""
    shift: float = 0.0
    """Most displacement, as a share of height and width, beyond what lies outside the crop."""
    flip: bool = False
    """Mirror every second clip; not for classes that tell left from right."""
    brightness: float = 0.0
    """Most brightness added or taken, as a share of the full range."""
    contrast: float = 0.0
    """Most change of contrast: 0.3 scales it by 0.7 to 1.3."""
    noise: float = 0.0
    """Most standard deviation of the noise, as a share of the full range."""

    def __post_init__(self) -> None:
        for name, (low, high) in (("speed", self.speed), ("zoom", self.zoom)):
            if not 0 < low <= high:
                raise ConfigError(f"{name} is {low}..{high}; it is two factors above 0")
        for name in ("shift", "brightness", "contrast", "noise"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise ConfigError(f"{name} is {value}; it is a share, at least 0 and below 1")


def random_ticks(
    num_ticks: int, spec: InputSpec, config: AugmentConfig, *, rng: np.random.Generator
) -> np.ndarray:
    """Draw a clip that starts anywhere it fits, slower or faster than the spec's.

    Args:
        num_ticks: Length of the video on the model's clock, at least 1.
        spec: Frames, stride and what happens to a video that is too short.
        config: Range of the speed.
        rng: Source of chance.

    Returns:
        Ticks, shape (T,) int64, each in [0, num_ticks).
    """
    stride = spec.stride * rng.uniform(*config.speed)
    offsets = np.rint(np.arange(spec.frames) * stride).astype(np.int64)
    room = max(0, num_ticks - 1 - int(offsets[-1]))
    return within(int(rng.integers(room + 1)) + offsets, num_ticks, spec.short)


def augment(
    pixels: np.ndarray, spec: InputSpec, config: AugmentConfig, *, rng: np.random.Generator
) -> np.ndarray:
    """Cut a random window out of a clip and change its light; the same for all its frames.

    Args:
        pixels: Shape (T, H, W, C) uint8, already scaled to the spec's resize rule.
        spec: Size of the window.
        config: How far things may change.
        rng: Source of chance.

    Returns:
        Shape (T, height, width, C) uint8; black where the frame does not reach.
    """
    frames = torch.from_numpy(pixels).float().permute(0, 3, 1, 2)  # (T, C, H, W), channels last
    window = _random_window(pixels.shape[1:3], spec, config, rng=rng)
    seen = F.grid_sample(frames, window.expand(len(frames), -1, -1, -1), align_corners=False)
    lit = _change_light(seen, config, rng=rng).clamp_(0, 255).round_().byte()
    return lit.permute(0, 2, 3, 1).numpy()


def _random_window(
    size: tuple[int, ...], spec: InputSpec, config: AugmentConfig, *, rng: np.random.Generator
) -> Tensor:
    """Place the window: for each of its pixels, where in the frame it looks, x and y in [-1, 1].

    Returns:
        Shape (1, height, width, 2) float32.
    """
    zoom = rng.uniform(*config.zoom)
    axes = []
    for side, crop in zip(size, (spec.height, spec.width), strict=True):
        room = max(0.0, side * zoom - crop) / 2  # window pixels that can be moved over
        centre = rng.uniform(-1, 1) * (room + config.shift * crop)
        pixels = torch.arange(crop) - (crop - 1) / 2 + centre
        axes.append(pixels * 2 / (side * zoom))
    rows, columns = torch.meshgrid(*axes, indexing="ij")
    if config.flip and rng.random() < 0.5:
        columns = -columns
    return torch.stack([columns, rows], -1).float()[None]


def _change_light(frames: Tensor, config: AugmentConfig, *, rng: np.random.Generator) -> Tensor:
    """Scale around mid-grey, add, and make noisy; ``frames`` are in [0, 255]."""
    scale = 1 + rng.uniform(-1, 1) * config.contrast
    offset = 255 * rng.uniform(-1, 1) * config.brightness
    if scale != 1 or offset != 0:
        frames = (frames - 127.5) * scale + (127.5 + offset)
    if config.noise:
        spread = 255 * rng.uniform(0, config.noise)
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        frames = frames + spread * torch.randn(frames.shape, generator=generator)
    return frames
