"""``actionzoo.stream``: from a source and a model to the answers that ``predict`` would give."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import actionzoo
from actionzoo.errors import CannotOpen, ConfigError, UnknownModel
from actionzoo.sampling import num_ticks, uniform_clips

SAMPLE = Path(actionzoo.__file__).parent / "assets" / "sample.mp4"


def test_live_equals_offline():
    """The answer whose window is the centre clip is the prediction of one clip."""
    spec = actionzoo.get_spec("figures10").input
    with actionzoo.open_video(SAMPLE) as video:
        ticks = num_ticks(video.info.duration_seconds, spec.fps)
    (centre,) = uniform_clips(ticks, frames=spec.frames, stride=spec.stride, clips=1)
    answers = {
        round(one.end_seconds * spec.fps): one
        for one in actionzoo.stream(SAMPLE, hop_seconds=float(1 / spec.fps))
    }
    assert list(answers) == list(range(spec.stride * (spec.frames - 1), ticks))
    offline = actionzoo.predict(SAMPLE, clips=1)
    np.testing.assert_allclose(answers[centre[-1]].scores, offline.scores, atol=1e-5)


def test_a_camera_of_another_rate_says_the_same():
    with actionzoo.open_video(SAMPLE) as video:
        pictures = [frame.pixels for frame in video.frames()]
    twice = (
        actionzoo.Frame(pixels=one, pts_seconds=Fraction(2 * n + half, 50))
        for n, one in enumerate(pictures)
        for half in (0, 1)
    )
    once = (
        actionzoo.Frame(pixels=one, pts_seconds=Fraction(n, 25)) for n, one in enumerate(pictures)
    )
    fast, slow = (list(actionzoo.stream(source)) for source in (twice, once))
    assert len(fast) == len(slow) > 5
    for one, other in zip(fast, slow, strict=True):
        assert one.end_seconds == other.end_seconds
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)


def test_windows_that_do_not_overlap():
    starts = [one.start_seconds for one in actionzoo.stream(SAMPLE, mode="windowed")]
    assert starts[:2] == [0, 32 / 25]


def test_what_cannot_be_streamed_says_so(tmp_path):
    with pytest.raises(CannotOpen, match=r"gone\.mp4"):
        next(actionzoo.stream(tmp_path / "gone.mp4"))
    with pytest.raises(UnknownModel, match="did you mean 'figures10'"):
        next(actionzoo.stream(SAMPLE, "figures11"))
    with pytest.raises(ConfigError, match="every is 0"):
        next(actionzoo.stream(SAMPLE, every=0))
