"""Times that rise, whatever time stamps a live stream sends."""

from __future__ import annotations

from fractions import Fraction

LONGEST_GAP_SECONDS = 10
"""A leap over more is a clock that was set, not time that went by."""
_LONGEST_LAG_SECONDS = Fraction(1, 2)
"""A fall by more is a clock that was set; by less, frames out of order or told the same time."""
_LEAST_SECONDS = Fraction(1, 1000)


class Times:
    """Mends time stamps as they come.

    Stamps that rise by up to ``LONGEST_GAP_SECONDS`` are kept. Where one is missing, arrival tells
    the time; where one falls a little, arrival helps. Where one leaps, or falls by more, one frame
    interval is put, and stamps are followed from there.

    Args:
        interval_seconds: From one frame to the next.
    """

    def __init__(self, interval_seconds: Fraction) -> None:
        self.mended = 0
        """Stamps that were there and could not be kept."""
        self._interval = interval_seconds
        self._offset = Fraction(0)
        self._time: Fraction | None = None
        self._began = 0.0

    def next(self, stamp_seconds: Fraction | None, arrived: float) -> Fraction:
        """Tell when a frame is shown: 0 for the first, later than the one before for others.

        Args:
            stamp_seconds: What the stream says, on a clock of its own; None where it says nothing.
            arrived: When the frame came, on the clock of ``time.monotonic``.
        """
        before = self._time
        if before is None:
            self._time, self._offset = Fraction(0), -(stamp_seconds or Fraction(0))
            self._began = arrived
        elif stamp_seconds is None:
            self._time = max(self._by_arrival(arrived), before + _LEAST_SECONDS)
        else:
            self._time = self._by_stamp(stamp_seconds, before, arrived)
        return self._time

    def _by_stamp(self, stamp: Fraction, before: Fraction, arrived: float) -> Fraction:
        told = stamp + self._offset
        if before < told <= before + LONGEST_GAP_SECONDS:
            self._began = arrived - float(told)
            return told
        self.mended += 1
        if before - _LONGEST_LAG_SECONDS <= told <= before:
            # Half-way, to be before the next stamp, which may be right.
            step = (self._by_arrival(arrived) - before) / 2
            return before + max(_milliseconds(step), _LEAST_SECONDS)
        told = before + self._interval
        self._offset = told - stamp
        return told

    def _by_arrival(self, arrived: float) -> Fraction:
        return _milliseconds(arrived - self._began)


def _milliseconds(seconds: float | Fraction) -> Fraction:
    # Sums of rounded times keep a small denominator.
    return Fraction(round(seconds * 1000), 1000)
