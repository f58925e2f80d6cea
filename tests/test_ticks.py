"""Which frames a random clip has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionzoo.augment import AugmentConfig, random_ticks
from actionzoo.errors import ClipTooShort
from actionzoo.sampling import segment_clips
from actionzoo.spec import InputSpec, Resize

SPEC = InputSpec(
    frames=4,
    stride=2,
    resize=Resize(rule="short_side", height=16, width=16),
    height=16,
    width=16,
)
SEGMENTS = replace(SPEC, stride=1, sampling="segments")
NOTHING = AugmentConfig()


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@given(
    num_ticks=st.integers(1, 60),
    frames=st.integers(1, 12),
    stride=st.integers(1, 5),
    fastest=st.floats(1, 3),
    seed=st.integers(0, 99),
)
def test_ticks_lie_in_the_video_and_go_forward(
    num_ticks: int, frames: int, stride: int, fastest: float, seed: int
) -> None:
    spec = replace(SPEC, frames=frames, stride=stride)
    config = AugmentConfig(speed=(1 / fastest, fastest))
    ticks = random_ticks(num_ticks, spec, config, rng=rng(seed))
    assert ticks.shape == (frames,)
    assert ticks[0] >= 0
    assert ticks[-1] < num_ticks
    assert (np.diff(ticks) >= 0).all()


def test_without_speed_a_clip_has_the_models_stride_and_starts_anywhere_it_fits() -> None:
    clips = [random_ticks(10, SPEC, NOTHING, rng=rng(seed)) for seed in range(100)]
    assert all((np.diff(ticks) == 2).all() for ticks in clips)
    assert {int(ticks[0]) for ticks in clips} == {0, 1, 2, 3}


def test_a_faster_clip_covers_more_of_the_video() -> None:
    config = AugmentConfig(speed=(1.5, 1.5))
    assert np.diff(random_ticks(30, SPEC, config, rng=rng())).tolist() == [3, 3, 3]


def test_a_short_video_is_filled_up_as_the_model_has_it() -> None:
    looped = random_ticks(3, replace(SPEC, short="loop"), NOTHING, rng=rng())
    assert looped.tolist() == [0, 2, 1, 0]
    assert random_ticks(3, SPEC, NOTHING, rng=rng()).tolist() == [0, 2, 2, 2]
    with pytest.raises(ClipTooShort):
        random_ticks(3, replace(SPEC, short="error"), NOTHING, rng=rng())


@given(num_ticks=st.integers(1, 90), segments=st.integers(1, 12), seed=st.integers(0, 99))
def test_each_segment_has_one_tick(num_ticks: int, segments: int, seed: int) -> None:
    ticks = random_ticks(num_ticks, replace(SEGMENTS, frames=segments), NOTHING, rng=rng(seed))
    assert ticks.dtype == np.int64
    assert ticks.shape == (segments,)
    # A tick that starts in segment i starts before it ends, and ends after it starts.
    for i, tick in enumerate(ticks.tolist()):
        assert (tick + 1) * segments > i * num_ticks
        assert tick * segments < (i + 1) * num_ticks


def test_every_tick_of_a_segment_comes_up_equally_often() -> None:
    drawn = np.array([random_ticks(10, SEGMENTS, NOTHING, rng=rng(seed)) for seed in range(2000)])
    for column, ticks in zip(drawn.T, ([0, 1], [2, 3, 4], [5, 6], [7, 8, 9]), strict=True):
        found, counts = np.unique(column, return_counts=True)
        assert found.tolist() == ticks
        np.testing.assert_allclose(counts / 2000, 1 / len(ticks), atol=0.04)


def test_a_video_shorter_than_its_segments_is_spread_as_in_prediction() -> None:
    for num_ticks in range(1, 5):
        drawn = random_ticks(num_ticks, SEGMENTS, NOTHING, rng=rng())
        (middles,) = segment_clips(num_ticks, segments=4, clips=1)
        assert set(drawn.tolist()) == set(range(num_ticks))
        assert np.abs(drawn - middles).max() <= 1
