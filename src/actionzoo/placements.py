"""Where the clips of a named protocol lie: the formulas of the scripts they come from.

N is the number of ticks of a video on the model's clock, T the frames of a clip, s its stride, C
the number of clips, k the clip.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from actionzoo.protocols import Placement, Protocol
from actionzoo.sampling import segment_clips, uniform_clips, within
from actionzoo.spec import InputSpec


def place_clips(protocol: Protocol, spec: InputSpec, num_ticks: int) -> np.ndarray:
    """Choose the ticks of every clip of a video.

    Args:
        protocol: How many clips, and where.
        spec: What ``viewed`` returned.
        num_ticks: Length of the video on the model's clock, at least 1.

    Returns:
        Ticks, shape (clips, frames) int64, each in [0, num_ticks).

    Raises:
        ClipTooShort: The video is too short and the model's policy is ``error``.
    """
    frames, clips = spec.frames, protocol.clips
    if spec.sampling == "segments" and (frames > 1 or protocol.placement == "uniform"):
        return segment_clips(num_ticks, segments=frames, clips=clips)
    if protocol.placement == "uniform":
        ticks = uniform_clips(num_ticks, frames=frames, stride=spec.stride, clips=clips)
        return within(ticks, num_ticks, spec.short)
    ticks = _PLACEMENTS[protocol.placement](num_ticks, frames, spec.stride, clips)
    return np.asarray(np.minimum(ticks, num_ticks - 1))


def _gluoncv(num_ticks: int, frames: int, stride: int, clips: int) -> np.ndarray:
    """Of the frames 0, s, 2s ..., M of them, start at int(k * max((M - T) / (C - 1), 0))."""
    there = -(-num_ticks // stride)
    starts = _shares(max(0, there - frames), clips)
    # The video is padded with its last strided frame.
    return stride * np.minimum(starts[:, None] + np.arange(frames), there - 1)


def _gluoncv_mxnet(num_ticks: int, frames: int, stride: int, clips: int) -> np.ndarray:
    """Start at int(tick / 2 + tick * k), tick = (N - T s + 1) / C; at 0 if N < T s."""
    room = max(0, num_ticks - frames * stride + 1)
    # In floats, as there: where the sum is whole but for rounding it falls to the frame before.
    tick = room / clips
    starts = (tick / 2 + tick * np.arange(clips)).astype(np.int64)
    # A step is taken only if it ends before the last frame, which is therefore never reached.
    steps = np.maximum(0, num_ticks - 2 - starts) // stride
    return np.asarray(starts[:, None] + stride * np.minimum(np.arange(frames), steps[:, None]))


def _pyslowfast(num_ticks: int, frames: int, stride: int, clips: int) -> np.ndarray:
    """Go from k (N - T s) / C in steps of (T s - 1) / (T - 1), each place floored."""
    room, gaps = max(0, num_ticks - frames * stride), max(1, frames - 1)
    starts = np.arange(clips)[:, None] * room * gaps
    return np.asarray((starts + clips * _spread(frames, stride)) // (clips * gaps))


def _offset(num_ticks: int, frames: int, stride: int, clips: int) -> np.ndarray:
    """Go from k floor((N - T s) / (C - 1)) in steps of (T s - 1) / (T - 1), each floored."""
    room = max(0, num_ticks - frames * stride)
    first = room // 2 if clips == 1 else 0
    starts = first + np.arange(clips) * (room // max(1, clips - 1))
    return np.asarray(starts[:, None] + _spread(frames, stride) // max(1, frames - 1))


def _pytorchvideo(num_ticks: int, frames: int, stride: int, clips: int) -> np.ndarray:
    """Go from the first frame that starts at or after k (N - T s) / C."""
    room = max(0, num_ticks - frames * stride)
    starts = -(-np.arange(clips) * room // clips)
    return np.asarray(starts[:, None] + _spread(frames, stride) // max(1, frames - 1))


def _spread(frames: int, stride: int) -> np.ndarray:
    """Return the places of ``linspace(0, T s - 1, T)`` times T - 1, which are whole."""
    return np.arange(frames) * (frames * stride - 1)


def _omz(num_ticks: int, frames: int, stride: int, clips: int) -> np.ndarray:
    """Start at k * max(1, (N - T s) // (C - 1)); a clip cut off by the end is looped."""
    step = max(1, (num_ticks - frames * stride) // max(1, clips - 1))
    starts = np.minimum(step * np.arange(clips), num_ticks - 1)[:, None]
    there = np.minimum(frames * stride, num_ticks - starts)
    return np.asarray(starts + stride * np.arange(frames) % there)


def _first(num_ticks: int, frames: int, stride: int, clips: int) -> np.ndarray:
    """Start at floor(k (N - span) / (C - 1)), a single clip at 0."""
    room = max(0, num_ticks - (frames - 1) * stride - 1)
    return np.asarray(_shares(room, clips)[:, None] + stride * np.arange(frames))


def _shares(room: int, clips: int) -> np.ndarray:
    return np.asarray(np.arange(clips) * room // max(1, clips - 1))


_PLACEMENTS: dict[Placement, Callable[[int, int, int, int], np.ndarray]] = {
    "gluoncv": _gluoncv,
    "gluoncv-mxnet": _gluoncv_mxnet,
    "pyslowfast": _pyslowfast,
    "offset": _offset,
    "pytorchvideo": _pytorchvideo,
    "omz": _omz,
    "first": _first,
}
