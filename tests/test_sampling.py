from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionzoo import sampling
from actionzoo.errors import ClipTooShort, ConfigError
from actionzoo.spec import InputSpec, Resize

lengths = st.integers(1, 2000)
frames = st.integers(1, 64)
strides = st.integers(1, 16)
counts = st.integers(1, 12)
SQUARE = Resize(rule="short_side", height=8, width=8)


def spec(**changes):
    facts = {"frames": 4, "stride": 2, "resize": SQUARE, "height": 8, "width": 8}
    return InputSpec(**{**facts, **changes})


@given(lengths, frames, strides, counts)
def test_uniform_clips_fit_where_they_can_and_are_spread(length, frames, stride, clips):
    ticks = sampling.uniform_clips(length, frames=frames, stride=stride, clips=clips)
    room = length - ((frames - 1) * stride + 1)

    assert ticks.shape == (clips, frames)
    assert ticks.dtype == np.int64
    assert (np.diff(ticks, axis=1) == stride).all()
    if room < 0:
        assert (ticks[:, 0] == 0).all()
    elif clips == 1:
        before, after = ticks[0, 0], length - 1 - ticks[0, -1]
        assert 0 <= after - before <= 1
    else:
        assert ticks[0, 0] == 0
        assert ticks[-1, -1] == length - 1
        assert np.ptp(np.diff(ticks[:, 0])) <= 1


def test_ten_clips_start_where_pyslowfast_starts_them():
    """slowfast/datasets/decoder.py: start = floor((video - clip) * clip_idx / (num_clips - 1))."""
    ticks = sampling.uniform_clips(300, frames=13, stride=6, clips=10)
    room = 300 - 73
    assert ticks[:, 0].tolist() == [int(room * i / 9) for i in range(10)]


@given(lengths, frames, strides, st.integers(1, 50))
def test_dense_clips_hop_until_the_end(length, frames, stride, hop):
    ticks = sampling.dense_clips(length, frames=frames, stride=stride, hop=hop)
    starts = ticks[:, 0]
    span = (frames - 1) * stride + 1
    assert starts.tolist() == list(range(0, hop * len(ticks), hop))
    if length >= span:
        assert starts[-1] + span <= length < starts[-1] + hop + span


@given(st.integers(1, 500), st.integers(1, 25), counts)
def test_segments_take_one_tick_from_each_equal_part(length, segments, clips):
    ticks = sampling.segment_clips(length, segments=segments, clips=clips)
    assert ticks.shape == (clips, segments)
    for number in range(segments):
        low, high = number * length // segments, -(-(number + 1) * length // segments)
        assert (ticks[:, number] >= low).all()
        assert (ticks[:, number] < high).all()


@given(lengths, frames, strides, st.integers(0, 2**32))
def test_a_random_clip_fits_where_it_can(length, frames, stride, seed):
    rng = np.random.default_rng(seed)
    clip = sampling.random_clip(length, frames=frames, stride=stride, rng=rng)[0]
    assert clip[0] >= 0
    assert clip[-1] < length or (clip[0] == 0 and clip[-1] == (frames - 1) * stride)


def test_random_clips_reach_both_ends():
    rng = np.random.default_rng(0)
    starts = {int(sampling.random_clip(10, frames=4, stride=2, rng=rng)[0, 0]) for _ in range(200)}
    assert starts == {0, 1, 2, 3}


@given(lengths, frames, strides, counts, st.sampled_from(["repeat_last", "loop"]))
def test_every_chosen_tick_is_in_the_video(length, frames, stride, clips, short):
    ticks = sampling.choose_ticks(
        spec(frames=frames, stride=stride, short=short), length, clips=clips
    )
    assert ticks.shape == (clips, frames)
    assert ticks.min() >= 0
    assert ticks.max() < length


@pytest.mark.parametrize(
    ("short", "expected"), [("repeat_last", [0, 2, 2, 2]), ("loop", [0, 2, 1, 0])]
)
def test_short_videos_follow_the_policy(short, expected):
    assert sampling.choose_ticks(spec(short=short), 3, clips=1).tolist() == [expected]


def test_a_short_video_can_be_refused():
    with pytest.raises(ClipTooShort, match="needs 7 frames but the video has 3"):
        sampling.choose_ticks(spec(short="error"), 3, clips=1)


def test_no_clips_are_a_users_mistake():
    with pytest.raises(ConfigError, match="at least 1"):
        sampling.choose_ticks(spec(), 30, clips=0)


@given(st.integers(1, 300), st.sampled_from([25, 30, 60, Fraction(30000, 1001)]))
def test_ticks_do_not_depend_on_the_rate_of_the_copy(seconds, fps):
    """A copy's last frame ends up to one of its own frames late or early, never a whole tick."""
    copy = Fraction(round(seconds * fps)) / fps
    assert abs(sampling.num_ticks(copy, Fraction(30)) - seconds * 30) <= 1


def test_the_clock_is_the_models_then_the_videos():
    assert sampling.clock(spec(fps=Fraction(25)), Fraction(60)) == 25
    assert sampling.clock(spec(fps=None), Fraction(60)) == 60
    assert sampling.clock(spec(fps=None), None) == sampling.UNKNOWN_FPS
