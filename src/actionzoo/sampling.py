"""Which frames make which clip: integer and Fraction arithmetic only, no pixels.

Every model has a clock (``InputSpec.fps``). A video is first laid out on that clock: it has so many
*ticks*, and a clip is a row of ticks. Ticks then become times, and the reader delivers the frame
that is on screen at each time. So a 25, 30 or 60 fps copy of one recording gives the same clips,
and a video at the model's own rate gives frame k for tick k, exactly as the integer formulas of
the references do. A model without a clock (``fps`` None) counts the video's own frames.

All functions return indices of shape (clips, frames) int64. They may reach past the last tick;
``within`` brings them back by the policy of the model.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from actionzoo.errors import ClipTooShort, ConfigError
from actionzoo.spec import InputSpec, ShortPolicy

UNKNOWN_FPS = Fraction(30)
"""The clock for a model and a video that both tell no rate: Kinetics is distributed at 30 fps."""


def num_ticks(duration_seconds: Fraction, fps: Fraction) -> int:
    """Count the ticks of a clock in a duration, rounded half up, at least 1.

    >>> num_ticks(Fraction(10, 3), Fraction(30))
    100
    """
    return max(1, int(duration_seconds * fps + Fraction(1, 2)))


def clip_at(start: int, *, frames: int, stride: int) -> np.ndarray:
    """Return one clip: ``frames`` ticks, every ``stride``-th from ``start``.

    >>> clip_at(4, frames=3, stride=2)
    array([[4, 6, 8]])
    """
    return start + stride * np.arange(frames, dtype=np.int64)[None]


def uniform_clips(num_ticks: int, *, frames: int, stride: int, clips: int) -> np.ndarray:
    """Choose equally spaced clips from the first that fits to the last that fits.

    One clip is the centre one. Several start at ``floor(i * room / (clips - 1))`` with ``room``
    the last possible start, as PySlowFast's ``get_start_end_idx`` places its temporal views. A
    video shorter than a clip gives ``clips`` times the same clip from tick 0.

    Args:
        num_ticks: Length of the video on the model's clock, at least 1.
        frames: Frames of a clip.
        stride: Ticks between two frames.
        clips: How many clips.

    Returns:
        Ticks, shape (clips, frames).

    >>> uniform_clips(10, frames=3, stride=2, clips=2)
    array([[0, 2, 4],
           [5, 7, 9]])
    >>> uniform_clips(10, frames=3, stride=2, clips=1)
    array([[2, 4, 6]])
    """
    room = max(0, num_ticks - ((frames - 1) * stride + 1))
    starts = [room // 2] if clips == 1 else [i * room // (clips - 1) for i in range(clips)]
    return np.concatenate([clip_at(start, frames=frames, stride=stride) for start in starts])


def dense_clips(num_ticks: int, *, frames: int, stride: int, hop: int) -> np.ndarray:
    """Choose a clip every ``hop`` ticks for as long as it fits; at least one.

    >>> dense_clips(10, frames=3, stride=2, hop=4)
    array([[0, 2, 4],
           [4, 6, 8]])
    """
    room = max(0, num_ticks - ((frames - 1) * stride + 1))
    starts = range(0, room + 1, hop)
    return np.concatenate([clip_at(start, frames=frames, stride=stride) for start in starts])


def segment_clips(num_ticks: int, *, segments: int, clips: int) -> np.ndarray:
    """Choose one tick from each of ``segments`` equal parts of the video (TSN).

    Several clips take different places within the segments: clip i of n takes the place
    ``(2i + 1) / 2n`` of each, so one clip takes the middles (Wang et al., 2016, section 3.1).

    >>> segment_clips(9, segments=3, clips=1)
    array([[1, 4, 7]])
    >>> segment_clips(12, segments=3, clips=2)
    array([[ 1,  5,  9],
           [ 3,  7, 11]])
    """
    segment_starts = 2 * clips * np.arange(segments, dtype=np.int64)
    places = 2 * np.arange(clips, dtype=np.int64)[:, None] + 1
    ticks: np.ndarray = (segment_starts + places) * num_ticks // (2 * clips * segments)
    return ticks


def random_clip(
    num_ticks: int, *, frames: int, stride: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw one clip that starts anywhere it fits, for training."""
    room = max(0, num_ticks - ((frames - 1) * stride + 1))
    return clip_at(int(rng.integers(room + 1)), frames=frames, stride=stride)


def within(ticks: np.ndarray, num_ticks: int, short: ShortPolicy) -> np.ndarray:
    """Bring ticks past the end back into the video.

    Args:
        ticks: Any shape, int64, at least 0.
        num_ticks: Length of the video, at least 1.
        short: ``repeat_last`` stays at the last tick, ``loop`` starts again from the first,
            ``error`` refuses.

    Raises:
        ClipTooShort: A tick is past the end and ``short`` is ``error``.

    >>> within(np.array([[0, 2, 4]]), 3, "repeat_last"), within(np.array([[0, 2, 4]]), 3, "loop")
    (array([[0, 2, 2]]), array([[0, 2, 1]]))
    """
    looped: np.ndarray = ticks % num_ticks
    kept: np.ndarray = np.minimum(ticks, num_ticks - 1)
    if short == "error" and int(ticks.max()) >= num_ticks:
        raise ClipTooShort(
            f"clip needs {int(ticks.max()) + 1} frames but the video has {num_ticks}; "
            'use short="repeat_last" or a model with fewer frames'
        )
    return looped if short == "loop" else kept


def clock(spec: InputSpec, video_fps: Fraction | None) -> Fraction:
    """Return the ticks a second on which a model looks at a video."""
    return spec.fps or video_fps or UNKNOWN_FPS


def choose_ticks(spec: InputSpec, num_ticks: int, *, clips: int) -> np.ndarray:
    """Choose the ticks of every clip of a video, as a model's spec has it.

    Returns:
        Ticks, shape (clips, frames), each in [0, num_ticks).

    Raises:
        ClipTooShort: The video is too short and the spec's policy is ``error``.
        ConfigError: ``clips`` is below 1.
    """
    if clips < 1:
        raise ConfigError(f"clips is {clips}; it is at least 1")
    if spec.sampling == "segments":
        return segment_clips(num_ticks, segments=spec.frames, clips=clips)
    ticks = uniform_clips(num_ticks, frames=spec.frames, stride=spec.stride, clips=clips)
    return within(ticks, num_ticks, spec.short)
