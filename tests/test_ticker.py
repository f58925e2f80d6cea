"""Frames of a stream on the clock of a model: the same as in a file, whatever the camera's rate."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from av.video.frame import VideoFrame
from hypothesis import given
from hypothesis import strategies as st

from actionzoo.spec import Resize
from actionzoo.streaming.ticks import Ticker
from actionzoo.video.live import Converters, LiveFrame
from colour_model import SPEC

SIZE = 16
INPUT = replace(
    SPEC.input,
    fps=Fraction(30),
    resize=Resize(rule="short_side", height=SIZE, width=SIZE),
    height=SIZE,
    width=SIZE,
)
CONVERTERS = Converters()


def frame(grey, at, size=(SIZE, SIZE)):
    pixels = np.full((*size, 3), grey, np.uint8)
    return LiveFrame(VideoFrame.from_ndarray(pixels, "rgb24"), at, converters=CONVERTERS)


def ticks(times, fps, **settings):
    """Return (tick, number of the frame shown at it), frame n being of grey n."""
    ticker = Ticker(INPUT, fps, needs=settings.pop("needs", lambda _: True), **settings)
    found = [tick for n, at in enumerate(times) for tick in ticker.push(frame(n, at))]
    return [(one.number, int(one.pixels[0, 0, 0])) for one in found + ticker.finish()]


@pytest.mark.parametrize(
    ("fps", "shown"),
    [
        (30, [0, 1, 2, 3, 4, 5]),
        (60, [0, 2, 4]),
        (15, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]),
        (25, [0, 1, 2, 2, 3, 4, 5]),
    ],
)
def test_cameras_of_all_rates_tick_alike(fps, shown):
    times = [Fraction(n, fps) for n in range(6)]
    assert ticks(times, Fraction(fps)) == list(enumerate(shown))


@given(
    gaps=st.lists(st.integers(5, 400), min_size=1, max_size=20),
    fps=st.sampled_from([10, 25, 30, 60]),
)
def test_the_last_frame_that_has_begun_is_shown(gaps, fps):
    times = [Fraction(0), *(Fraction(ms, 1000) for ms in np.cumsum(gaps).tolist())]
    tolerance = min(Fraction(1, 2 * fps), Fraction(1, 60))
    for number, shown in ticks(times, Fraction(fps)):
        begun = [n for n, at in enumerate(times) if at <= Fraction(number, 30) + tolerance]
        assert shown == begun[-1]


def test_no_tick_is_missing_and_the_last_frame_stays_for_an_interval():
    times = [Fraction(0), Fraction(1), Fraction(3)]
    assert [number for number, _ in ticks(times, Fraction(1))] == list(range(4 * 30))


def test_a_long_standstill_is_passed_over():
    found = ticks([Fraction(0), Fraction(100)], Fraction(30), most=4)
    assert [number for number, _ in found] == [2996, 2997, 2998, 2999, 3000]


def test_ticks_that_nobody_needs_are_left_out():
    times = [Fraction(n, 30) for n in range(9)]
    found = ticks(times, Fraction(30), needs=lambda number: number % 4 == 1)
    assert found == [(1, 1), (5, 5)]


def test_ticks_of_one_frame_share_its_pixels():
    ticker = Ticker(INPUT, Fraction(10), needs=lambda _: True)
    ticker.push(frame(0, Fraction(0)))
    first, *others = ticker.push(frame(1, Fraction(1, 10)))
    assert others
    assert all(one.pixels is first.pixels for one in others)


def test_frames_of_another_shape_midway_fit():
    ticker = Ticker(INPUT, Fraction(30), needs=lambda _: True)
    ticker.push(frame(10, Fraction(0), (48, 64)))
    wide = ticker.push(frame(20, Fraction(1, 30), (64, 36)))
    tall = ticker.finish()
    assert [one.pixels.shape for one in wide + tall] == [(SIZE, SIZE, 3)] * 2


def test_nothing_came():
    assert Ticker(INPUT, None, needs=lambda _: True).finish() == []
