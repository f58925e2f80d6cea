"""The figures of a stream: rates, and ages of answers, over the last ones."""

import numpy as np
import pytest

from actionzoo.streaming.statistics import LAST, Meter


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_nothing_is_known_before_anything_came():
    figures = Meter().read(0)
    assert (figures.frames, figures.answers) == (0, 0)
    assert figures.fps_in is figures.latency_p50_seconds is figures.inference_seconds is None


def test_rates_ages_and_times():
    clock = Clock()
    meter = Meter(clock)
    for n in range(11):
        clock.now = n / 10
        meter.frame()
    ages = np.linspace(0.1, 0.5, 5)
    for age in ages:
        clock.now += 0.5
        assert meter.answer(arrived=clock.now - age, looked_seconds=age / 2) == pytest.approx(age)
    figures = meter.read(7)
    assert (figures.frames, figures.answers, figures.dropped) == (11, 5, 7)
    assert figures.fps_in == pytest.approx(10)
    assert figures.fps_out == pytest.approx(2)
    assert figures.latency_p50_seconds == pytest.approx(0.3)
    assert figures.latency_p95_seconds == pytest.approx(np.percentile(ages, 95))
    assert figures.inference_seconds == pytest.approx(0.15)
    assert figures.to_dict()["fps_in"] == 10.0


def test_the_beginning_is_forgotten():
    clock = Clock()
    meter = Meter(clock)
    for n in range(LAST + 1):
        clock.now += 100 if n == 0 else 1
        meter.answer(arrived=0 if n == 0 else clock.now - 1, looked_seconds=0)
    assert meter.read(0).latency_p95_seconds == pytest.approx(1)
    assert meter.read(0).fps_out == pytest.approx(1)
