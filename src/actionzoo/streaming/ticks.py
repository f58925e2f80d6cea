"""From the frames of a stream to the ticks of a model's clock.

The rule is that of files (``actionzoo.video``): at time t the last frame is on screen that starts
at or before t + tolerance. So cameras of 25, 30 and 60 frames a second give a model the same, and a
stream the same as a file. What is on screen at a tick is known when the next frame comes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from actionzoo.sampling import clock
from actionzoo.spec import InputSpec
from actionzoo.transforms import crop_offsets, crop_pixels, resized_size
from actionzoo.video.base import MAX_TOLERANCE_SECONDS
from actionzoo.video.live import LiveFrame


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Tick:
    """What is on screen when a model's clock ticks."""

    number: int
    """From 0."""
    seconds: float
    """From the stream's first frame."""
    pixels: np.ndarray
    """Shape (H, W, 3) uint8 RGB, scaled and cropped to the model's input; of the frame's own size
    for a network that takes whole frames. Ticks that show the same frame share it."""
    arrived: float
    """When the frame was there, on the clock of ``time.monotonic``."""


class Ticker:
    """Says what is on screen at each tick.

    Args:
        spec: The model's clock, resize rule and crop.
        fps: The stream's frame rate; None where nothing tells it.
        needs: Tells by its number whether anybody looks at a tick; others are left out.
        most: Ticks that one frame may fill: where a stream stood still for longer, the first ones
            are passed over. None has no bound.
    """

    def __init__(
        self,
        spec: InputSpec,
        fps: Fraction | None,
        *,
        needs: Callable[[int], bool],
        most: int | None = None,
    ) -> None:
        self.fps = clock(spec, fps)
        self._spec, self._needs, self._most, self._next = spec, needs, most, 0
        self._interval = 1 / (fps or self.fps)
        self._tolerance = min(self._interval / 2, MAX_TOLERANCE_SECONDS)
        self._shown: LiveFrame | None = None

    def push(self, frame: LiveFrame) -> list[Tick]:
        """Take the next frame; return the ticks at which the one before was on screen."""
        before, self._shown = self._shown, frame
        if before is None:
            return []
        # The last tick t / fps with t / fps + tolerance < start of this frame.
        last = math.ceil((frame.pts_seconds - self._tolerance) * self.fps) - 1
        return self._ticks(before, last)

    def finish(self) -> list[Tick]:
        """Return the ticks of the last frame, whose end is that of the stream."""
        if self._shown is None:
            return []
        end = self._shown.pts_seconds + self._interval
        last = max(1, math.floor(end * self.fps + Fraction(1, 2))) - 1
        return self._ticks(self._shown, last)

    def _ticks(self, frame: LiveFrame, last: int) -> list[Tick]:
        first = self._next
        if last < first:
            return []
        if self._most is not None:
            first = max(first, last - self._most + 1)
        self._next = last + 1
        numbers = [number for number in range(first, last + 1) if self._needs(number)]
        if not numbers:
            return []
        pixels, arrived = self._fitted(frame), frame.arrived
        return [
            Tick(number=number, seconds=float(number / self.fps), pixels=pixels, arrived=arrived)
            for number in numbers
        ]

    def _fitted(self, frame: LiveFrame) -> np.ndarray:
        """Scale and crop a frame; cropped here, frames of another shape midway do no harm."""
        spec = self._spec
        if spec.whole_frames:
            return frame.pixels()
        pixels = frame.pixels(resized_size(spec.resize, frame.height, frame.width))[None]
        crop = spec.height, spec.width
        (offset,) = crop_offsets(pixels.shape[1:3], crop, crops=1, rounding=spec.crop_rounding)
        return np.ascontiguousarray(crop_pixels(pixels, offset, crop)[0])
