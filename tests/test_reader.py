from fractions import Fraction

import numpy as np
import pytest

from actionzoo.reader import read_clips, video_ticks
from actionzoo.sampling import choose_ticks
from actionzoo.spec import InputSpec, Resize
from actionzoo.video import open_video
from videos import read_number, write_video


def spec(**changes):
    facts = {
        "frames": 4,
        "stride": 3,
        "fps": Fraction(30),
        "resize": Resize(rule="short_side", height=64, width=64),
        "height": 64,
        "width": 64,
    }
    return InputSpec(**{**facts, **changes})


def numbered(path, *arguments, **options):
    write_video(path, *arguments, **options)
    return path


def numbers(path, model, *, clips):
    """The frame numbers that reach each clip."""
    with open_video(path) as video:
        ticks = choose_ticks(model, video_ticks(video.info, model), clips=clips)
        return [
            [read_number(frame) for frame in clip.pixels]
            for clip in read_clips(video, ticks, model)
        ]


def test_a_video_at_the_models_rate_gives_frame_k_for_tick_k(tmp_path):
    path = numbered(tmp_path / "a.mp4", range(40))
    assert numbers(path, spec(), clips=1) == [[15, 18, 21, 24]]
    assert numbers(path, spec(), clips=3) == [
        [0, 3, 6, 9],
        [15, 18, 21, 24],
        [30, 33, 36, 39],
    ]


def test_a_copy_at_twice_the_rate_gives_the_same_moments(tmp_path):
    path = numbered(tmp_path / "a.mp4", range(80), fps=Fraction(60))
    assert numbers(path, spec(), clips=1) == [[30, 36, 42, 48]]


def test_a_model_without_a_clock_counts_frames(tmp_path):
    path = numbered(tmp_path / "a.mp4", range(40), fps=Fraction(60))
    assert numbers(path, spec(fps=None), clips=1) == [[15, 18, 21, 24]]


def test_clips_that_overlap_share_their_frames(tmp_path):
    path = numbered(tmp_path / "a.mp4", range(14))
    assert numbers(path, spec(), clips=3) == [[0, 3, 6, 9], [2, 5, 8, 11], [4, 7, 10, 13]]


@pytest.mark.parametrize(
    ("short", "expected"), [("repeat_last", [0, 3, 4, 4]), ("loop", [0, 3, 1, 4])]
)
def test_short_videos_follow_the_policy(tmp_path, short, expected):
    path = numbered(tmp_path / "a.mp4", range(5))
    assert numbers(path, spec(short=short), clips=1) == [expected]


def test_segments_come_from_the_whole_video(tmp_path):
    path = numbered(tmp_path / "a.mp4", range(40))
    segments = spec(frames=4, stride=1, sampling="segments")
    assert numbers(path, segments, clips=1) == [[5, 15, 25, 35]]
    assert numbers(path, segments, clips=2) == [[2, 12, 22, 32], [7, 17, 27, 37]]


def test_frames_have_the_size_and_the_times_of_the_spec(tmp_path):
    path = numbered(tmp_path / "a.mp4", range(40), width=160, height=120)
    with open_video(path) as video:
        ticks = np.array([[0, 3, 6, 9]])
        (clip,) = read_clips(video, ticks, spec())
    assert clip.pixels.shape == (4, 64, 85, 3)
    np.testing.assert_allclose(clip.pts_seconds, [0, 0.1, 0.2, 0.3], atol=1e-6)
