"""How fast a stream is followed: the figures of the demonstrations, over the last 200."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from threading import Lock
from typing import Any

import numpy as np

LAST = 200
"""As in OpenVINO's notebook on action recognition."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Statistics:
    """How a stream is followed; rates and times over the last 200, None before there are any."""

    frames: int
    """That came."""
    dropped: int
    """Of them, those that the model should have looked at, and could not in time."""
    answers: int
    fps_in: float | None
    """Frames a second."""
    fps_out: float | None
    """Answers a second."""
    latency_p50_seconds: float | None
    """From the arrival of the newest frame behind an answer to the answer."""
    latency_p95_seconds: float | None
    inference_seconds: float | None
    """Mean time of looking, for one answer."""

    def to_dict(self) -> dict[str, Any]:
        """Return what programs read, rounded."""
        return {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }


class Meter:
    """Counts; may be used from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._alone = clock, Lock()
        self._frames = self._answers = 0
        self._came: deque[float] = deque(maxlen=LAST)
        self._answered: deque[float] = deque(maxlen=LAST)
        self._ages: deque[float] = deque(maxlen=LAST)
        self._looks: deque[float] = deque(maxlen=LAST)

    def frame(self) -> None:
        """Count a frame that came."""
        with self._alone:
            self._frames += 1
            self._came.append(self._clock())

    def answer(self, *, arrived: float, looked_seconds: float) -> float:
        """Count an answer; return the age in seconds of the newest frame behind it.

        Args:
            arrived: When that frame was there.
            looked_seconds: What looking took.
        """
        with self._alone:
            now = self._clock()
            self._answers += 1
            self._answered.append(now)
            self._ages.append(now - arrived)
            self._looks.append(looked_seconds)
            return now - arrived

    def read(self, dropped: int) -> Statistics:
        """Return the figures as they are now.

        Args:
            dropped: Frames that were dropped so far.
        """
        with self._alone:
            ages = np.percentile(self._ages, (50, 95)) if self._ages else (None, None)
            return Statistics(
                frames=self._frames,
                dropped=dropped,
                answers=self._answers,
                fps_in=_rate(self._came),
                fps_out=_rate(self._answered),
                latency_p50_seconds=None if ages[0] is None else float(ages[0]),
                latency_p95_seconds=None if ages[1] is None else float(ages[1]),
                inference_seconds=float(np.mean(self._looks)) if self._looks else None,
            )


def _rate(times: deque[float]) -> float | None:
    """Return events a second."""
    if len(times) < 2 or times[-1] <= times[0]:
        return None
    return (len(times) - 1) / (times[-1] - times[0])
