"""Where clips lie: numbers worked out by hand, and the published loops written down once more."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionzoo.errors import ClipTooShort
from actionzoo.placements import place_clips
from actionzoo.protocols import PROTOCOLS, get_protocol, viewed
from actionzoo.spec import InputSpec, Resize


def spec_of(frames, stride, **changes):
    size = Resize(rule="short_side", height=64, width=64)
    return InputSpec(frames=frames, stride=stride, resize=size, height=64, width=64, **changes)


def place(name, num_ticks, frames, stride, **changes):
    protocol = get_protocol(name)
    return place_clips(protocol, viewed(protocol, spec_of(frames, stride, **changes)), num_ticks)


@pytest.mark.parametrize(
    ("name", "num_ticks", "clip", "starts"),
    [
        ("single", 100, (16, 2), [34]),  # 31 // 2 of room 69
        # frames 0, 2, 4 ...: 50 of them, start_k = int(k * 34 / 9) of those
        ("gluoncv-30", 100, (16, 2), [0, 6, 14, 22, 30, 36, 44, 52, 60, 68]),
        ("gluoncv-30-aspect", 100, (16, 2), [0, 6, 14, 22, 30, 36, 44, 52, 60, 68]),
        ("gluoncv-30", 90, (1, 1), [0, 9, 19, 29, 39, 49, 59, 69, 79, 89]),  # int(k * 89 / 9)
        # tick = 100 / 25 = 4: int(2 + 4 k)
        ("gluoncv-250", 100, (1, 1), [2 + 4 * k for k in range(25)]),
        # tick = (100 - 32 + 1) / 10 = 6.9: int(3.45 + 6.9 k)
        ("gluoncv-mxnet-30", 100, (16, 2), [3, 10, 17, 24, 31, 37, 44, 51, 58, 65]),
        # room 300 - 64: k * 236 / 10
        ("pyslowfast-30", 300, (8, 8), [0, 23, 47, 70, 94, 118, 141, 165, 188, 212]),
        ("pytorchvideo-30", 300, (8, 8), [0, 24, 48, 71, 95, 118, 142, 166, 189, 213]),
        ("mvit-5x1", 300, (16, 4), [0, 59, 118, 177, 236]),  # k * floor(236 / 4)
        ("omz-3x16s2", 100, (16, 2), [0, 34, 68]),  # range(1, 1 + 3 * 34, 34), counted from 1
        ("omz-i3d", 250, (79, 1), [0, 85, 170]),  # (250 - 79) // 2
        ("torchvision-5x1", 75, (16, 1), [0, 14, 29, 44, 59]),  # linspace(0, 59, 5)
        ("torchvision-12x1", 150, (32, 1), [k * 118 // 11 for k in range(12)]),
        ("torchvision-1x128", 150, (16, 1), [0]),
    ],
)
def test_clips_start_where_the_formulas_have_them(name, num_ticks, clip, starts):
    assert place(name, num_ticks, *clip)[:, 0].tolist() == starts


@pytest.mark.parametrize(
    ("name", "clip", "row", "ticks"),
    [
        ("gluoncv-30", (16, 2), 9, list(range(68, 100, 2))),
        ("gluoncv-mxnet-30", (16, 2), 0, list(range(3, 35, 2))),
        # steps of (64 - 1) / 7 = 9 from (100 - 64) / 10 = 3.6
        ("pyslowfast-30", (8, 8), 1, [3, 12, 21, 30, 39, 48, 57, 66]),
        # steps of (78 - 1) / 12 = 6.416 from 0
        ("pyslowfast-30", (13, 6), 0, [0, 6, 12, 19, 25, 32, 38, 44, 51, 57, 64, 70, 77]),
        # steps of (64 - 1) / 15 = 4.2 from floor(36 / 4) = 9
        ("mvit-5x1", (16, 4), 1, [9 + math.floor(4.2 * i + 1e-9) for i in range(16)]),
        ("omz-3x16s2", (16, 2), 2, list(range(68, 100, 2))),
        ("torchvision-5x1", (16, 1), 4, list(range(84, 100))),
    ],
)
def test_frames_within_a_clip(name, clip, row, ticks):
    assert place(name, 100, *clip)[row].tolist() == ticks


@pytest.mark.parametrize(
    ("name", "num_ticks", "clip", "row", "ticks"),
    [
        # padded by the last strided frame, 18 of 0 ... 19
        ("gluoncv-30", 20, (16, 2), 5, [*range(0, 20, 2), *[18] * 6]),
        # looped before every second frame is taken
        ("omz-3x16s2", 20, (16, 2), 0, [*range(0, 20, 2), *range(0, 12, 2)]),
        ("omz-3x16s2", 20, (16, 2), 1, [1 + 2 * i % 19 for i in range(16)]),
        ("omz-3x16s2", 1, (16, 2), 2, [0] * 16),
        # a step is taken only if it ends before the last frame, which is never reached
        ("gluoncv-mxnet-30", 20, (16, 2), 3, [*range(0, 20, 2), *[18] * 6]),
        ("gluoncv-mxnet-30", 20, (16, 1), 9, [4, *range(5, 19), 18]),
        ("pyslowfast-30", 20, (8, 8), 7, [0, 9, 18, 19, 19, 19, 19, 19]),
        ("torchvision-1x128", 100, (16, 1), 0, [*range(100), *[99] * 28]),
    ],
)
def test_videos_shorter_than_a_clip(name, num_ticks, clip, row, ticks):
    assert place(name, num_ticks, *clip)[row].tolist() == ticks


clips = st.sampled_from([(1, 1), (4, 12), (8, 8), (13, 6), (16, 2), (32, 2)])


@given(num_ticks=st.integers(1, 400), clip=clips)
def test_gluoncv_reads_a_padded_list_of_frames(num_ticks, clip):
    frames, stride = clip
    there = list(range(0, num_ticks, stride))
    there += [there[-1]] * (frames - len(there))
    step = max((len(there) - frames) / 9, 0)
    expected = [there[int(k * step) : int(k * step) + frames] for k in range(10)]
    assert place("gluoncv-30", num_ticks, *clip).tolist() == expected


@given(num_ticks=st.integers(1, 400), clip=clips)
def test_gluoncv_of_mxnet_counts_frames_from_one(num_ticks, clip):
    frames, stride = clip
    span, expected = frames * stride, []
    for k in range(10):
        tick = (num_ticks - span + 1) / 10
        number = int(tick / 2 + tick * k) + 1 if num_ticks > span - 1 else 1
        row = []
        for _ in range(frames):
            row.append(number - 1)
            number += stride if number + stride < num_ticks else 0
        expected.append(row)
    assert place("gluoncv-mxnet-30", num_ticks, *clip).tolist() == expected


@given(num_ticks=st.integers(1, 400), clip=clips)
def test_open_model_zoo_loops_what_is_there(num_ticks, clip):
    frames, stride = clip
    step = max(1, (num_ticks - frames * stride) // 2)
    expected = []
    for start in range(0, 3 * step, step):
        start = min(start, num_ticks - 1)  # there a video of 1 or 2 frames is left out
        row = list(range(start, min(start + frames * stride, num_ticks)))
        while len(row) < frames * stride:
            row = (row * 2)[: frames * stride]
        expected.append(row[::stride])
    protocol = get_protocol("omz-3x16s2")
    assert place_clips(protocol, spec_of(*clip), num_ticks).tolist() == expected


@given(num_ticks=st.integers(1, 400), clip=clips)
def test_pyslowfast_floors_a_line_of_places(num_ticks, clip):
    frames, stride = clip
    room = max(num_ticks - frames * stride, 0)
    ticks = place("pyslowfast-30", num_ticks, *clip)
    for k, row in enumerate(ticks):
        line = np.linspace(k * room / 10, k * room / 10 + frames * stride - 1, frames)
        # but for rounding in floats, where a place is whole
        near = np.clip(np.floor(np.stack([line - 1e-6, line + 1e-6])), 0, num_ticks - 1)
        assert ((row == near[0]) | (row == near[1])).all()


@given(num_ticks=st.integers(1, 400), clip=clips, protocol=st.sampled_from(PROTOCOLS))
def test_every_tick_is_in_the_video(num_ticks, clip, protocol):
    spec = viewed(protocol, spec_of(*clip))
    ticks = place_clips(protocol, spec, num_ticks)
    assert ticks.shape == (protocol.clips, spec.frames)
    assert ticks.dtype == np.int64
    assert 0 <= ticks.min() <= ticks.max() < num_ticks


def test_own_clips_keep_the_models_policy_for_short_videos():
    assert place("single", 3, 4, 1, short="loop").tolist() == [[0, 1, 2, 0]]
    with pytest.raises(ClipTooShort):
        place("single", 3, 4, 1, short="error")


def test_segments_of_several_frames_are_the_models_own():
    ticks = place("gluoncv-30", 80, 8, 1, sampling="segments")
    assert ticks.shape == (10, 8)
    assert (np.diff(ticks, axis=1) == 10).all()
