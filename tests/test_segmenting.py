"""Segments found one after the other are those of a plain program that has all scores at hand."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionzoo.prediction import Segment
from actionzoo.timeline.averaging import Answer, MovingAverage
from actionzoo.timeline.config import TimelineConfig, choose_classes
from actionzoo.timeline.segmenting import Decider, Piece, segments_of

LABELS = ("walk", "run", "background", "wave")


def online(
    times: list[float], scores: np.ndarray, end: float, config: TimelineConfig
) -> list[Segment]:
    average = MovingAverage(config.smooth)
    decider = Decider(config, choose_classes(LABELS, config))

    def pieces() -> Iterator[Piece]:
        for seconds, row in zip(times, scores, strict=True):
            for averaged in average.push(Answer(seconds=seconds, scores=row)):
                yield from decider.push(averaged)
        for averaged in average.finish():
            yield from decider.push(averaged)
        yield from decider.finish(end)

    return list(segments_of(pieces(), LABELS, config))


def offline(
    times: list[float], scores: np.ndarray, end: float, config: TimelineConfig
) -> list[tuple[float, float, int, float]]:
    """Do the same with all of it at hand: rows of start, end, class and score."""
    half, count = config.smooth // 2, len(times)
    mean = np.array([scores[max(0, n - half) : n + half + 1].mean(axis=0) for n in range(count)])
    states: list[int | None] = []
    for row in mean:
        best, last = int(row.argmax()), states[-1] if states else None
        stays = last is not None and row[last] >= config.leave_below
        states.append(best if row[best] >= config.threshold else last if stays else None)
    runs = [list(group) for _, group in groupby(range(count), key=lambda n: states[n])]
    cuts = [0.0]
    for before, after in pairwise(runs):
        old, new, n = states[before[-1]], states[after[0]], after[0]
        lead = [
            (config.leave_below if new is None else mean[at, new])
            - (config.threshold if old is None else mean[at, old])
            for at in (n - 1, n)
        ]
        # Where it has passed already, the cut is at the answer before.
        rises = lead[0] < 0 < lead[1]
        met = float(np.interp(0, lead, times[n - 1 : n + 1])) if rises else None
        cuts.append(times[n - (lead[0] >= 0)] if met is None else met)
    cuts.append(end)
    rows = [
        [cuts[n], cuts[n + 1], states[run[0]], [float(mean[at, states[run[0]]]) for at in run]]
        for n, run in enumerate(runs)
        if states[run[0]] not in (None, LABELS.index("background"))
    ]
    rows = merged(rows, config.min_gap_seconds)
    rows = [row for row in rows if row[1] - row[0] >= max(1e-9, config.min_length_seconds)]
    rows = merged(rows, config.min_gap_seconds)
    for left, right in pairwise(rows):
        if 0 < right[0] - left[1] < config.min_gap_seconds:
            left[1] = right[0] = left[1] + (right[0] - left[1]) / 2
    return [(row[0], row[1], row[2], float(np.mean(row[3]))) for row in rows]


def merged(rows: list, gap: float) -> list:
    done: list = []
    for row in rows:
        same = bool(done) and done[-1][2] == row[2]
        if same and (row[0] == done[-1][1] or row[0] - done[-1][1] < gap):
            done[-1] = [done[-1][0], row[1], row[2], done[-1][3] + row[3]]
        else:
            done.append(list(row))
    return done


@given(
    seed=st.integers(0, 10**6),
    count=st.integers(1, 60),
    stay=st.floats(0, 0.95),
    smooth=st.sampled_from((1, 3, 5)),
    threshold=st.floats(0.3, 0.9),
    leave=st.floats(0.3, 1),
    gap=st.sampled_from((0.0, 0.4, 1.1)),
    length=st.sampled_from((0.0, 0.6, 1.5)),
)
def test_online_equals_offline(
    seed: int,
    count: int,
    stay: float,
    smooth: int,
    threshold: float,
    leave: float,
    gap: float,
    length: float,
) -> None:
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(0.2, 0.3, count)).tolist()
    label, rows = 0, []
    for _ in range(count):
        label = label if rng.random() < stay else int(rng.integers(len(LABELS)))
        powers = np.exp(rng.normal(0, 1, len(LABELS)) + 3 * rng.random() * (np.arange(4) == label))
        rows.append(powers / powers.sum())
    scores = np.array(rows)
    config = TimelineConfig(
        threshold=threshold,
        leave=leave * threshold,
        smooth=smooth,
        min_gap_seconds=gap,
        min_length_seconds=length,
    )
    found = online(times, scores, times[-1] + 0.5, config)
    wanted = offline(times, scores, times[-1] + 0.5, config)
    told = [(one.start_seconds, one.end_seconds, one.class_index, one.score) for one in found]
    assert [one[2] for one in told] == [one[2] for one in wanted]
    assert np.array(told).ravel() == pytest.approx(np.array(wanted, float).ravel(), abs=1e-9)
    for left, right in pairwise(found):
        assert left.end_seconds <= right.start_seconds


def rows(text: str) -> tuple[list[float], np.ndarray]:
    """Return answers a second apart: w alks, r uns, b ackground, . nothing."""
    known = {"w": (0.9, 0.1, 0, 0), "r": (0.1, 0.9, 0, 0), "b": (0, 0, 1, 0), ".": (0.25,) * 4}
    return [n + 0.5 for n in range(len(text))], np.array([known[one] for one in text])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("wwww", "walk 0-4"),
        ("wwrr", "walk 0-2, run 2-4"),
        ("..ww..", "walk 2-4"),
        ("ww.ww", "walk 0-5"),  # a short gap
        ("ww....ww", "walk 0-2, walk 6-8"),
        ("ww.rr", "walk 0-2.5, run 2.5-5"),  # is shared out
        ("wwwrwww", "walk 0-7"),  # what is short goes, and leaves a gap that is short
        ("bbwwbb", "walk 2-4"),
        ("bbbb", ""),
        ("....", ""),
    ],
)
def test_what_becomes_a_segment(text: str, wanted: str) -> None:
    config = TimelineConfig(smooth=1, leave=0.5, min_gap_seconds=1.5, min_length_seconds=1.2)
    times, scores = rows(text)
    found = online(times, scores, float(len(text)), config)
    expected = [one.split() for one in wanted.split(", ") if one]
    assert [one.label for one in found] == [label for label, _ in expected]
    for one, (_, span) in zip(found, expected, strict=True):
        times = [one.start_seconds, one.end_seconds]
        assert times == pytest.approx([float(at) for at in span.split("-")], abs=0.3)


def test_a_label_stays_between_both_thresholds() -> None:
    scores = np.array([[s, 0.0, 0.0, 0.0] for s in (0.7, 0.5, 0.5, 0.2, 0.5, 0.5)])
    config = TimelineConfig(threshold=0.6, leave=0.4, smooth=1, min_length_seconds=0)
    (one,) = online([0.5, 1.5, 2.5, 3.5, 4.5, 5.5], scores, 6.0, config)
    # From the start to where the score falls through 0.4, a third of the way from 0.5 to 0.2.
    assert (one.start_seconds, one.end_seconds) == (0.0, pytest.approx(2.5 + 1 / 3))
    assert one.score == pytest.approx((0.7 + 0.5 + 0.5) / 3)
