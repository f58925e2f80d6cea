"""Which frames of a video a clip has, drawn at random."""

from __future__ import annotations

import numpy as np

from actionzoo.augment.config import AugmentConfig
from actionzoo.sampling import within
from actionzoo.spec import InputSpec


def random_ticks(
    num_ticks: int, spec: InputSpec, config: AugmentConfig, *, rng: np.random.Generator
) -> np.ndarray:
    """Draw the ticks of one clip, as the spec samples.

    A clip starts anywhere it fits, slower or faster than the spec's by ``config.speed``. Segments
    have one random tick each (Wang et al., Temporal Segment Networks, 2016); they tile the video
    exactly, where the published code leaves out a remainder at the end. A video with fewer ticks
    than segments is spread over them, as ``segment_clips`` does.

    Args:
        num_ticks: Length of the video on the model's clock, at least 1.
        spec: Frames, stride and what happens to a video that is too short for a clip.
        config: Range of the speed.
        rng: Source of chance.

    Returns:
        Ticks, shape (T,) int64, each in [0, num_ticks).

    Raises:
        ClipTooShort: The video is shorter than a clip and the spec's policy is ``error``.
    """
    if spec.sampling == "segments":
        return _from_segments(num_ticks, spec.frames, rng)
    stride = spec.stride * rng.uniform(*config.speed)
    offsets = np.rint(np.arange(spec.frames) * stride).astype(np.int64)
    room = max(0, num_ticks - 1 - int(offsets[-1]))
    return within(int(rng.integers(room + 1)) + offsets, num_ticks, spec.short)


def _from_segments(num_ticks: int, segments: int, rng: np.random.Generator) -> np.ndarray:
    borders = np.arange(segments + 1, dtype=np.int64) * num_ticks // segments
    # An empty segment of a short video gives the tick at its border.
    ticks: np.ndarray = rng.integers(borders[:-1], np.maximum(borders[1:], borders[:-1] + 1))
    return ticks
