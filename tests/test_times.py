"""Times of live streams rise, whatever the stream says."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionzoo.video.times import LONGEST_GAP_SECONDS, Times

FRAME = Fraction(1, 25)


def told(stamps: list[Fraction | int | None], arrivals: list[float] | None = None) -> list[float]:
    """Return the times that are made of stamps, which arrive a frame after another by default."""
    times = Times(FRAME)
    arrived = arrivals or [100 + k / 25 for k in range(len(stamps))]
    made = [
        times.next(None if stamp is None else Fraction(stamp), at)
        for stamp, at in zip(stamps, arrived, strict=True)
    ]
    return [round(float(at), 3) for at in made]


stamps = st.one_of(
    st.none(), st.fractions(-(10**6), 10**6), st.integers(-99, 99).map(lambda k: k / Fraction(25))
)


@given(st.lists(st.tuples(stamps, st.floats(0, 1e6)), min_size=2, max_size=30))
def test_times_always_rise(frames: list[tuple[Fraction | None, float]]) -> None:
    times = Times(FRAME)
    made = [times.next(stamp, arrived) for stamp, arrived in frames]
    assert made[0] == 0
    assert all(before < after for before, after in pairwise(made))


def test_stamps_that_rise_are_kept_exactly() -> None:
    kept = [Fraction(k, 90000) for k in (7, 3010, 9000, 900_000)]
    times = Times(FRAME)
    # Arrival does not matter: a burst, then nothing.
    made = [times.next(stamp, at) for stamp, at in zip(kept, (5, 5, 5, 99), strict=True)]
    assert made == [stamp - kept[0] for stamp in kept]
    assert times.mended == 0


def test_a_leap_either_way_is_one_frame() -> None:
    leap = LONGEST_GAP_SECONDS + 1
    assert told([0, 1, 1 + leap, 2 + leap]) == [0, 1, 1.04, 2.04]
    assert told([50, 51, 0, 1]) == [0, 1, 1.04, 2.04]


def test_stamps_told_twice_are_spread_as_they_arrive() -> None:
    pairs = [Fraction(k // 2 * 2, 25) for k in range(8)]
    assert told(pairs) == [0, 0.02, 0.08, 0.1, 0.16, 0.18, 0.24, 0.26]


def test_a_small_fall_does_no_lasting_harm() -> None:
    swapped = [Fraction(k, 25) for k in (0, 2, 1, 3, 4)]
    assert told(swapped) == [0, 0.08, 0.1, 0.12, 0.16]


def test_without_stamps_arrival_tells_the_time() -> None:
    assert told([None] * 4, [10.0, 10.5, 10.75, 12.0]) == [0, 0.5, 0.75, 2]
    # A burst does not add up.
    assert told([None] * 5, [10.0, 10.0, 10.0, 10.0, 10.1]) == [0, 0.001, 0.002, 0.003, 0.1]


def test_a_clock_that_stands_still_is_left_for_arrival() -> None:
    assert told([3] * 50)[-1] == pytest.approx(49 / 25, abs=2 / 25)
