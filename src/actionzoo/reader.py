"""From an open video to clips: the one place where sampling meets decoding."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from actionzoo import sampling
from actionzoo.clip import Clip, Frame, VideoInfo
from actionzoo.errors import VideoError
from actionzoo.spec import InputSpec
from actionzoo.transforms import resized_size
from actionzoo.video import EndedEarly, Video

Choose = Callable[[int], np.ndarray]
"""From the number of ticks there are, at least 1, to the ticks of clips, shape (N, T), each below
that number, clips ordered by their last tick."""


def video_ticks(info: VideoInfo, spec: InputSpec) -> int:
    """Count the ticks of the model's clock in a video, at least 1."""
    return sampling.num_ticks(info.duration_seconds, sampling.clock(spec, info.fps))


def part_ticks(
    info: VideoInfo,
    spec: InputSpec,
    *,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
) -> range:
    """Return the ticks from a part's start on and before its end; at least one.

    Args:
        info: The whole video.
        spec: The model's clock.
        start_seconds: None is the video's start.
        end_seconds: None, or a time past the video's end, is the video's end.

    Raises:
        VideoError: The part starts where the video has ended.
    """
    fps, total = sampling.clock(spec, info.fps), video_ticks(info, spec)
    if start_seconds is not None and start_seconds >= info.duration_seconds:
        raise VideoError(
            f"{info.name!r} is {float(info.duration_seconds):.2f} s long, but the part wanted of "
            f"it starts at {start_seconds:g} s"
        )
    first = min(_ticks_before(start_seconds or 0.0, fps), total - 1)
    stop = total if end_seconds is None else min(_ticks_before(end_seconds, fps), total)
    return range(first, max(stop, first + 1))


def _ticks_before(seconds: float, fps: Fraction) -> int:
    # A float is a hair off the decimal it was written as, and a hair would be a tick.
    return math.ceil(Fraction(seconds).limit_denominator(10**6) * fps)


def read_chosen(
    video: Video,
    spec: InputSpec,
    choose: Choose,
    *,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
) -> list[Clip]:
    """Read clips of a video or of a part of it, of as much as there really is.

    A file may hold less than its header says. What is there is then looked at once more, as a
    video of that length.

    Args:
        video: An open video.
        spec: The model's clock and resize rule.
        choose: Called with how many ticks the part has; its ticks count from the part's start.
        start_seconds: None is the video's start.
        end_seconds: None is the video's end.

    Returns:
        N clips of T frames, scaled as ``spec.resize`` says unless the network takes them whole.

    Raises:
        VideoError: The video cannot be decoded, or the part starts where it has ended.
    """

    def read(info: VideoInfo) -> list[Clip]:
        part = part_ticks(info, spec, start_seconds=start_seconds, end_seconds=end_seconds)
        return list(read_clips(video, part.start + choose(len(part)), spec))

    try:
        return read(video.info)
    except EndedEarly as end:
        return read(replace(video.info, duration_seconds=end.duration_seconds))


def read_clips(video: Video, ticks: np.ndarray, spec: InputSpec) -> Iterator[Clip]:
    """Read clips in one pass over the video, each as soon as its last frame is there.

    Frames that several clips share are decoded and scaled once; a frame is let go when no clip to
    come needs it.

    Args:
        video: An open video.
        ticks: Which ticks make which clip, shape (N, T), clips ordered by their last tick.
        spec: The model's clock and resize rule.

    Yields:
        N clips of T frames, scaled as ``spec.resize`` says unless the network takes them whole.

    Raises:
        VideoError: The video cannot be decoded.
        EndedEarly: It is shorter than ``ticks`` supposes.
    """
    return (clip for _, clip in read_together(video, [(ticks, spec)]))


def read_together(
    video: Video, wanted: Sequence[tuple[np.ndarray, InputSpec]]
) -> Iterator[tuple[int, Clip]]:
    """Read what several ways of looking at a video want of it in one pass, as ``read_clips`` does.

    A picture is decoded once, and scaled once to each size that is wanted of it.

    Args:
        video: An open video.
        wanted: Ticks of the clips, shape (N, T), ordered by their last tick, on the clock and for
            the resize rule of a spec; any number of such pairs.

    Yields:
        Which of the pairs a clip is of, and the clip; those of a pair in the order of its ticks.

    Raises:
        VideoError: The video cannot be decoded.
        EndedEarly: It is shorter than the ticks suppose.
    """
    parts = [_Wanted(video.info, ticks, spec) for ticks, spec in wanted]
    moments = sorted(
        (tick / part.fps, number, tick)
        for number, part in enumerate(parts)
        for tick in np.unique(part.ticks).tolist()
    )
    for time, number, tick in moments:
        part = parts[number]
        frame = next(video.read((time,), part.size))
        for clip in part.take(tick, frame):
            yield number, clip


class _Wanted:
    """Clips that are wanted of a video, and the frames that are held for those to come."""

    def __init__(self, info: VideoInfo, ticks: np.ndarray, spec: InputSpec) -> None:
        self.ticks = ticks
        self.fps = sampling.clock(spec, info.fps)
        whole = spec.whole_frames  # such a network scales them itself
        self.size = None if whole else resized_size(spec.resize, info.height, info.width)
        self._held: dict[int, Frame] = {}
        self._done = 0
        self._lasts = ticks.max(axis=1).tolist()
        # Of each clip and all behind it: frames before are needed no more.
        self._firsts = np.minimum.accumulate(ticks.min(axis=1)[::-1])[::-1].tolist()

    def take(self, tick: int, frame: Frame) -> Iterator[Clip]:
        """Keep a frame, and give the clips that it completes."""
        self._held[tick] = frame
        while self._done < len(self.ticks) and self._lasts[self._done] <= tick:
            yield _clip([self._held[one] for one in self.ticks[self._done].tolist()])
            self._done += 1
            first = self._firsts[self._done] if self._done < len(self.ticks) else tick + 1
            self._held = {one: kept for one, kept in self._held.items() if one >= first}


def _clip(frames: Sequence[Frame]) -> Clip:
    return Clip(
        pixels=np.stack([frame.pixels for frame in frames]),
        pts_seconds=np.array([float(frame.pts_seconds) for frame in frames]),
    )
