"""Sources of pictures in memory, for tests of what follows a stream."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np
from av.video.frame import VideoFrame

from actionzoo.video.live import Capture, Converters, LiveFrame


class Pictures(Capture):
    """Pictures at given times.

    Args:
        pictures: Each (H, W, 3) uint8 RGB.
        fps: From one to the next, unless ``times`` tells when each is shown.
        waits: Whether it is read as fast as it goes; otherwise at its own speed.
        speed: How many times as fast as that.
    """

    name = "pictures"

    def __init__(
        self,
        pictures: Iterable[np.ndarray],
        *,
        fps: int = 30,
        times: Iterable[Fraction] | None = None,
        waits: bool = True,
        speed: float = 1.0,
    ) -> None:
        self.fps, self.waits = Fraction(fps), waits
        self._pictures, self._times, self._speed = pictures, times, speed
        self._closed = threading.Event()

    def frames(self) -> Iterator[LiveFrame]:
        converters, began = Converters(), time.monotonic()
        times = _counted(self.fps) if self._times is None else self._times
        for picture, at in zip(self._pictures, times, strict=False):
            if not self.waits:
                self._closed.wait(max(0, began + float(at) / self._speed - time.monotonic()))
            if self._closed.is_set():
                return
            yield LiveFrame(VideoFrame.from_ndarray(picture, "rgb24"), at, converters=converters)

    def close(self) -> None:
        self._closed.set()


def _counted(fps: Fraction) -> Iterator[Fraction]:
    number = 0
    while True:
        yield number / fps
        number += 1
