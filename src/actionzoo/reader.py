"""From an open video to clips: the one place where sampling meets decoding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from actionzoo import sampling
from actionzoo.clip import Clip, Frame, VideoInfo
from actionzoo.spec import InputSpec
from actionzoo.transforms import resized_size
from actionzoo.video import Video


def video_ticks(info: VideoInfo, spec: InputSpec) -> int:
    """Count the ticks of the model's clock in a video, at least 1."""
    return sampling.num_ticks(info.duration_seconds, sampling.clock(spec, info.fps))


def read_clips(video: Video, ticks: np.ndarray, spec: InputSpec) -> Iterator[Clip]:
    """Read clips in one pass over the video, each as soon as its last frame is there.

    Frames that several clips share are decoded and scaled once; a frame is let go when no clip to
    come needs it.

    Args:
        video: An open video.
        ticks: Which ticks make which clip, shape (N, T), clips ordered by their last tick.
        spec: The model's clock and resize rule.

    Yields:
        N clips of T frames, scaled to the size of ``spec.resize``.

    Raises:
        VideoError: The video cannot be decoded.
        EndedEarly: It is shorter than ``ticks`` supposes.
    """
    fps = sampling.clock(spec, video.info.fps)
    size = resized_size(spec.resize, video.info.height, video.info.width)
    wanted = np.unique(ticks).tolist()
    held: dict[int, Frame] = {}
    done = 0
    for tick, frame in zip(wanted, video.read([tick / fps for tick in wanted], size), strict=True):
        held[tick] = frame
        while done < len(ticks) and ticks[done].max() <= tick:
            yield _clip([held[one] for one in ticks[done].tolist()])
            done += 1
            first = ticks[done:].min(initial=tick + 1)
            held = {one: kept for one, kept in held.items() if one >= first}


def _clip(frames: Sequence[Frame]) -> Clip:
    return Clip(
        pixels=np.stack([frame.pixels for frame in frames]),
        pts_seconds=np.array([float(frame.pts_seconds) for frame in frames]),
    )
