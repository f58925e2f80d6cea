import struct
import weakref
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionzoo.clip import VideoInfo
from actionzoo.errors import VideoError
from actionzoo.reader import part_ticks, read_chosen, read_clips, read_together, video_ticks
from actionzoo.sampling import choose_ticks
from actionzoo.spec import InputSpec, Resize
from actionzoo.video import open_video
from actionzoo.video.pictures import Converter
from videos import read_number, video_bytes, write_pictures, write_video


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


def info(seconds):
    return VideoInfo(
        name="a.mp4",
        width=64,
        height=64,
        fps=Fraction(30),
        duration_seconds=Fraction(seconds),
        codec="h264",
    )


@pytest.mark.parametrize(
    ("start", "end", "ticks"),
    [
        (None, None, range(90)),
        (1.0, 2.0, range(30, 60)),
        (0.1, 0.2, range(3, 6)),  # as a binary fraction 0.1 is above 3/30
        (1 / 3, 2 / 3, range(10, 20)),
        (1.01, 1.02, range(31, 32)),  # no tick is within
        (2.5, 9.0, range(75, 90)),
        (2.999, None, range(89, 90)),
    ],
)
def test_a_part_has_the_ticks_from_its_start_and_before_its_end(start, end, ticks):
    assert part_ticks(info(3), spec(), start_seconds=start, end_seconds=end) == ticks


@given(
    seconds=st.fractions(Fraction(1, 10), 20),
    start=st.floats(0, 25),
    length=st.floats(0.01, 25),
    fps=st.sampled_from([Fraction(12), Fraction(25), Fraction(30000, 1001)]),
)
def test_a_part_is_never_empty_nor_past_the_end(seconds, start, length, fps):
    whole, model = info(seconds), spec(fps=fps)
    if start >= seconds:
        with pytest.raises(VideoError, match=r"'a\.mp4' is .* s long"):
            part_ticks(whole, model, start_seconds=start)
        return
    part = part_ticks(whole, model, start_seconds=start, end_seconds=start + length)
    assert 0 <= part.start < part.stop <= video_ticks(whole, model)
    if len(part) > 1:
        assert start - 1e-6 <= part[0] / fps
        assert part[-1] / fps <= start + length + 1e-6


def test_parts_that_touch_share_no_tick():
    ends = [0.0, 0.7, 1.1, 2.34, 3.0]
    parts = [
        part_ticks(info(3), spec(), start_seconds=start, end_seconds=end)
        for start, end in pairwise(ends)
    ]
    assert [tick for part in parts for tick in part] == list(range(90))


def test_ticks_are_chosen_within_the_part(tmp_path):
    path = numbered(tmp_path / "a.mp4", range(60))
    asked = []

    def last(num_ticks):
        asked.append(num_ticks)
        return np.array([[0, num_ticks - 1]])

    with open_video(path) as video:
        (clip,) = read_chosen(video, spec(), last, start_seconds=1.0, end_seconds=1.5)
    assert asked == [15]
    assert [read_number(frame) for frame in clip.pixels] == [30, 44]


def test_a_file_that_ends_early_is_chosen_from_anew():
    data = bytearray(video_bytes("matroska", numbers=range(30)))
    at = data.index(b"\x44\x89\x88") + 3  # the duration in milliseconds
    data[at : at + 8] = struct.pack(">d", 50_000.0)
    data = data.replace(b"DURATION", b"XURATION")
    asked = []

    def last(num_ticks):
        asked.append(num_ticks)
        return np.array([[num_ticks - 1]])

    with open_video(bytes(data)) as video:
        (clip,) = read_chosen(video, spec(), last)
    assert asked == [1500, 30]
    assert read_number(clip.pixels[0]) == 29


def test_several_ways_of_looking_share_one_pass(tmp_path):
    """Two clocks and two sizes: each gets its clips in order, as if it were alone."""
    path = numbered(tmp_path / "a.mp4", range(40))
    small = Resize(rule="squash", height=32, width=48)
    looks = [
        (np.array([[0, 3, 6, 9], [15, 18, 21, 24]]), spec()),
        (np.array([[1, 4, 7, 10]]), spec(fps=Fraction(15), resize=small)),
        (np.array([[20, 21, 22, 23], [36, 37, 38, 39]]), spec(resize=small)),
    ]
    with open_video(path) as video:
        found = [[], [], []]
        for number, clip in read_together(video, looks):
            found[number].append(clip)
    numbers_read = [[[read_number(one) for one in clip.pixels] for clip in of] for of in found]
    assert numbers_read == [
        [[0, 3, 6, 9], [15, 18, 21, 24]],
        [[2, 8, 14, 20]],
        [[20, 21, 22, 23], [36, 37, 38, 39]],
    ]
    assert [of[0].pixels.shape[1:3] for of in found] == [(64, 64), (32, 48), (32, 48)]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_picture_is_scaled_once_to_each_size(tmp_path, monkeypatch, kind):
    if kind == "file":
        path = numbered(tmp_path / "a.mp4", range(12))
    else:
        path = write_pictures(tmp_path / "a", range(12))
    scaled = []

    def counted(self, picture, size, turn):
        scaled.append(size)
        return original(self, picture, size, turn)

    original = Converter.__call__
    monkeypatch.setattr(Converter, "__call__", counted)
    ticks = np.arange(12)[None]
    small = spec(resize=Resize(rule="squash", height=32, width=32))
    with open_video(path, fps=Fraction(30)) as video:
        wanted = [(ticks, spec()), (ticks, small), (ticks, small), (ticks, spec())]
        assert len(list(read_together(video, wanted))) == 4
    assert sorted(scaled) == 12 * [(32, 32)] + 12 * [(64, 64)]


def test_frames_are_let_go_when_no_clip_to_come_needs_them(tmp_path):
    """Of a long video no more is held than the clips that overlap."""
    path = numbered(tmp_path / "a.mp4", range(200))
    ticks = np.array([[start, start + 1, start + 2] for start in range(0, 198, 2)])
    frames, held = [], []
    with open_video(path) as video:
        read = video.read

        def remembered(times, size):
            for frame in read(times, size):
                frames.append(weakref.ref(frame.pixels))
                yield frame

        video.read = remembered
        for _ in read_clips(video, ticks, spec(frames=3, stride=1)):
            held.append(sum(one() is not None for one in frames))
    assert max(held) <= 6
