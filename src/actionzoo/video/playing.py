"""Files and frames in memory as sources of pictures, and any of them at its own speed."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterable, Iterator
from fractions import Fraction
from threading import Event, Lock

import numpy as np
from av.video.frame import VideoFrame

from actionzoo.clip import Frame
from actionzoo.errors import CannotDecode
from actionzoo.video.background import Background
from actionzoo.video.base import PICTURES_PER_SECOND, Video
from actionzoo.video.live import Capture, Converters, LiveFrame

FRAMES_LOST = "frames were not taken in time"

_AHEAD = 4
"""Frames that are read before somebody asks for them, where none is lost."""
_NEWEST = 2
"""Frames that are kept for somebody, where others are lost."""


class VideoCapture(Capture):
    """Every frame of an open video, which is closed with it."""

    def __init__(self, video: Video) -> None:
        self.name, self.fps = video.info.name, video.info.fps
        self._video = video
        self._closed, self._alone = False, Lock()

    @property
    def warnings(self) -> list[str]:
        """What was wrong with the video so far."""
        return self._video.warnings

    def frames(self) -> Iterator[LiveFrame]:
        """Yield every frame, in order; see ``Capture.frames``."""
        upcoming = self._video.pictures()
        while True:
            # Another thread must not close what is being decoded.
            with self._alone:
                frame = None if self._closed else next(upcoming, None)
            if frame is None:
                return
            yield frame

    def close(self) -> None:
        """Let go of the file."""
        with self._alone:
            if not self._closed:
                self._closed = True
                self._video.close()


class FramesCapture(Capture):
    """Frames that somebody else makes.

    Args:
        frames: Each (H, W, 3) uint8 in [0, 255] RGB, or a ``Frame``.
        fps: Of arrays, which tell no time.
    """

    name = "frames"

    def __init__(self, frames: Iterable[np.ndarray | Frame], *, fps: Fraction | None) -> None:
        self.fps = fps or PICTURES_PER_SECOND
        self._frames = frames
        self._closed = Event()
        self._mended = 0

    @property
    def warnings(self) -> list[str]:
        """How many times did not rise."""
        return [f"{self._mended} frames told no later time"] if self._mended else []

    def frames(self) -> Iterator[LiveFrame]:
        """Yield them, at times from the first one's on; see ``Capture.frames``."""
        assert self.fps is not None
        converters, interval = Converters(self.name), 1 / self.fps
        origin = before = None
        for number, frame in enumerate(self._frames):
            if self._closed.is_set():
                return
            told = frame.pts_seconds if isinstance(frame, Frame) else number * interval
            origin = told if origin is None else origin
            at = Fraction(told - origin)
            if before is not None and at <= before:
                self._mended += 1
                at = before + interval
            before = at
            yield LiveFrame(_picture(frame, number), at, converters=converters)

    def close(self) -> None:
        """Ask for no more."""
        self._closed.set()


def _picture(frame: np.ndarray | Frame, number: int) -> VideoFrame:
    pixels = frame.pixels if isinstance(frame, Frame) else frame
    if not isinstance(pixels, np.ndarray):
        told = type(pixels).__name__
    elif pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or not pixels.size:
        told = f"{pixels.shape} {pixels.dtype}"
    else:
        told = None
    if told is not None:
        raise CannotDecode(f"frame {number} is {told}; give (H, W, 3) uint8 RGB arrays or Frames")
    return VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24")


class BackgroundCapture(Capture):
    """A source that is read in a thread of its own: closing it waits for nobody.

    Args:
        inner: A source that waits; closed with this one.
        realtime: Whether it is played at its own speed, and loses the frames nobody takes.
    """

    def __init__(self, inner: Capture, *, realtime: bool = False) -> None:
        self.name, self.fps, self.mirrored = inner.name, inner.fps, inner.mirrored
        self.waits = not realtime
        self._inner, self._stopped, self._alone = inner, Event(), Lock()
        self._background: Background[LiveFrame] | None = None

    @property
    def warnings(self) -> list[str]:
        """What was wrong so far, and how many frames nobody took."""
        dropped = 0 if self._background is None else self._background.dropped
        return [*self._inner.warnings, *([f"{dropped} {FRAMES_LOST}"] if dropped else [])]

    def frames(self) -> Iterator[LiveFrame]:
        """Yield the frames of the source; see ``Capture.frames``."""
        room = _AHEAD if self.waits else _NEWEST
        with self._alone:
            if self._stopped.is_set():
                return
            self._background = Background(self._run(), room=room, waits=self.waits, name="read")
        try:
            while (frame := self._background.take()) is not None:
                yield frame
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the source, at once or when it next gives a sign of life."""
        with self._alone:
            self._stopped.set()
        if self._background is None:
            self._inner.close()
        else:
            self._background.close()

    def _run(self) -> Generator[LiveFrame, None, None]:
        with self._inner:
            frames = self._inner.frames()
            yield from frames if self.waits else paced(frames, self._stopped)


def paced(
    frames: Iterator[LiveFrame], stopped: Event, *, patience_seconds: float = math.inf
) -> Iterator[LiveFrame]:
    """Hold each frame back until it is due.

    Args:
        frames: Ahead of their time, or late.
        stopped: Ends the wait.
        patience_seconds: A frame that is later than that is taken for on time, and the following
            ones are due after it.
    """
    began: float | None = None
    for frame in frames:
        now, at = time.monotonic(), float(frame.pts_seconds)
        if began is None or now - began - at > patience_seconds:
            began = now - at
        stopped.wait(max(0.0, began + at - now))
        frame.arrived = time.monotonic()
        yield frame
