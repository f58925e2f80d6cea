"""What a timeline is made of: settings, classes, averages, a record that does not grow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionzoo.errors import ConfigError
from actionzoo.labels import load_labels
from actionzoo.timeline import record
from actionzoo.timeline.averaging import Answer, MovingAverage
from actionzoo.timeline.config import TimelineConfig, choose_classes
from actionzoo.timeline.record import ScoreRecord

# Settings.


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"threshold": 0}, "threshold is 0"),
        ({"threshold": float("nan")}, "threshold is nan"),
        ({"threshold": 0.4, "leave": 0.5}, "at most 0.4"),
        ({"smooth": 4}, "odd number"),
        ({"hop_seconds": 0}, "hop_seconds is 0"),
        ({"min_gap_seconds": -1}, "min_gap_seconds is -1"),
        ({"min_length_seconds": float("inf")}, "min_length_seconds is inf"),
    ],
)
def test_settings_are_checked(wrong: dict[str, float], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        TimelineConfig(**wrong)  # type: ignore[arg-type]


def test_the_background_is_found_by_its_name() -> None:
    labels = load_labels("jester")
    found = choose_classes(labels, TimelineConfig()).background
    assert {labels[one] for one in found} == {"Doing other things", "No gesture"}
    for dataset in ("kinetics700", "something-something-v2", "ucf101"):
        assert not choose_classes(load_labels(dataset), TimelineConfig()).background


def test_labels_are_chosen_however_they_are_spelt() -> None:
    labels = ("walk", "Wave_hands", "run", "background", "noFight")
    config = TimelineConfig(labels=("wave hands", "RUN"), background=("no fight",))
    classes = choose_classes(labels, config)
    assert classes.wanted.tolist() == [False, True, True, False, True]
    assert classes.background == {4}
    assert not choose_classes(labels, TimelineConfig(background=())).background
    # Whoever asks for the background by name wants to see it.
    assert not choose_classes(labels, TimelineConfig(labels=("background",))).background
    with pytest.raises(ConfigError, match="did you mean 'walk'"):
        choose_classes(labels, TimelineConfig(labels=("wal",)))
    with pytest.raises(ConfigError, match="labels is empty"):
        choose_classes(labels, TimelineConfig(labels=()))


# Averages.


@given(count=st.integers(0, 20), answers=st.sampled_from((1, 3, 5, 7)))
def test_averages_are_those_of_numpy(count: int, answers: int) -> None:
    scores = np.random.default_rng(count).random((count, 3))
    average, found = MovingAverage(answers), []
    for number, row in enumerate(scores):
        came = list(average.push(Answer(seconds=number, scores=row)))
        found += came
        assert len(found) == max(0, number + 1 - answers // 2)
    found += average.finish()
    assert [one.seconds for one in found] == list(range(count))
    if count:
        ones = np.ones(answers)
        wanted = [
            np.convolve(column, ones, "full")[answers // 2 :][:count]
            / np.convolve(np.ones(count), ones, "full")[answers // 2 :][:count]
            for column in scores.T
        ]
        assert np.array([one.scores for one in found]) == pytest.approx(np.array(wanted).T)


# The record.


@given(count=st.integers(0, 100))
def test_a_record_keeps_means_in_few_bins(count: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record, "MOST_BINS", 8)
        scores = np.random.default_rng(count).random((count, 3)).astype(np.float32)
        kept = ScoreRecord(3)
        for number, row in enumerate(scores):
            kept.push(Answer(seconds=float(number), scores=row))
        found = kept.scores()
    assert len(found.times) <= 8
    every = 1
    while count > 8 * every:
        every *= 2
    parts = range(0, count, every)
    wanted = [scores[at : at + every].mean(axis=0) for at in parts]
    times = [np.arange(count)[at : at + every].mean() for at in parts]
    assert found.times.tolist() == pytest.approx(times)
    assert found.scores.ravel() == pytest.approx(np.array(wanted).ravel(), abs=1e-6)
