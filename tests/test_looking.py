"""Live equals offline: what looks at a stream answers what prediction does of the same frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from actionzoo.backends import Backend
from actionzoo.backends.composite import CompositeBackend
from actionzoo.backends.openvino_backend import OpenVINOBackend, import_openvino
from actionzoo.backends.stepped import SteppedModel
from actionzoo.conversion.openvino import save_openvino, to_openvino
from actionzoo.conversion.stepping import step_piece
from actionzoo.errors import ConfigError
from actionzoo.predictor import Predictor, average
from actionzoo.reader import read_clips
from actionzoo.spec import InputSpec, ModelSpec, Resize, Views
from actionzoo.streaming.looking import (
    ClipLooker,
    EncodingLooker,
    Look,
    Looker,
    MeanOfFrames,
    Rhythm,
    SteppingLooker,
    Window,
)
from actionzoo.streaming.stream import Stream
from actionzoo.streaming.ticks import Tick
from actionzoo.transforms import eval_transform
from actionzoo.video import open_video
from actionzoo.video.capture import open_capture
from colour_model import SPEC as COLOURS
from test_omz import SPEC as PAIR
from test_omz import decoder, encoder, publish
from test_stepping import small_movinet, stream_spec
from videos import write_video

FRAMES = 40
rhythms = st.builds(
    Rhythm, frames=st.integers(1, 5), stride=st.integers(1, 4), hop=st.integers(1, 9)
)
RHYTHMS = [
    Rhythm(frames=4, stride=1, hop=1),
    Rhythm(frames=4, stride=2, hop=2),
    Rhythm(frames=4, stride=2, hop=1),
    Rhythm(frames=4, stride=3, hop=7),
    Rhythm(frames=4, stride=1, hop=4),
    Rhythm(frames=4, stride=2, hop=8),
]
"""Sliding by a tick, by a frame and between them; the last two windowed."""


def noise(number: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("videos") / "noise.mp4"
    write_video(path, range(FRAMES), draw=noise, height=32, width=40)
    return path


def small(frames: int = 4, **changes: Any) -> ModelSpec:
    return replace(COLOURS, input=replace(COLOURS.input, frames=frames, **changes))


def write_order(path: Path, spec: ModelSpec) -> Path:
    """Write a network to which it matters which frame comes when."""
    openvino = import_openvino()
    ops, (channels, frames, *_) = openvino.opset13, spec.input.shape
    clip = ops.parameter([-1, *spec.input.shape], np.float32, name="clip")
    means = ops.reduce_mean(clip, np.array([3, 4]), keep_dims=False)
    row = ops.reshape(means, np.array([-1, channels * frames]), False)
    weights = np.random.default_rng(0).standard_normal((channels * frames, 3)).astype(np.float32)
    network = openvino.Model([ops.matmul(row, 30 * weights, False, False)], [clip], "order")
    network.input().set_names({"clip"})
    network.output().set_names({"logits"})
    network.set_rt_info(spec.to_json(), ["actionzoo", "spec"])
    openvino.save_model(network, path, compress_to_fp16=False)
    return path


@pytest.fixture
def order(tmp_path: Path) -> OpenVINOBackend:
    return OpenVINOBackend(write_order(tmp_path / "order.xml", small()))


@pytest.fixture
def pair(tmp_path: Path) -> CompositeBackend:
    files = [publish(tmp_path, *one)[0] for one in (("a", encoder()), ("b", decoder()))]
    return CompositeBackend(*files, spec=replace(PAIR, input=replace(PAIR.input, fps=Fraction(30))))


@pytest.fixture(scope="module")
def stepped(tmp_path_factory: pytest.TempPathFactory) -> SteppedModel:
    spec = stream_spec(side=24)
    spec = replace(spec, input=replace(spec.input, fps=Fraction(30)))
    path = tmp_path_factory.mktemp("step") / "a-step.xml"
    save_openvino(to_openvino(step_piece(small_movinet(), spec)), path, precision="fp32")
    return SteppedModel(path)


def offline(path: Path, ticks: Iterable[Iterable[int]], spec: InputSpec) -> list[np.ndarray]:
    """Return the clips of a video's ticks as prediction makes them, (1, C, T, H, W)."""
    with open_video(path) as video:
        clips = read_clips(video, np.array(list(ticks)), spec)
        return [eval_transform(clip.pixels, spec) for clip in clips]


def live(path: Path, looker: Looker) -> list[tuple[int, np.ndarray]]:
    """Return the tick and the scores of every answer to a file."""
    with Stream(open_capture(path), looker) as answers:
        return [(round(one.end_seconds * 30), one.scores) for one in answers]


def windows(rhythm: Rhythm, ticks: int) -> list[range]:
    """Return the ticks of every window that is due, and of one at the end, if its ticks came."""
    ends = list(range(rhythm.span - 1, ticks, rhythm.hop))
    newest = max(n for n in range(ticks) if rhythm.needs(n))
    if rhythm.hop % rhythm.stride == 0 and newest > ends[-1]:
        ends.append(newest)
    return [range(end - rhythm.span + 1, end + 1, rhythm.stride) for end in ends]


def check_live(path: Path, looker: Looker, backend: Backend) -> None:
    expected = windows(looker.rhythm, FRAMES)
    answers = live(path, looker)[: len(expected)]
    assert [end for end, _ in answers] == [one[-1] for one in expected]
    clips = offline(path, expected, backend.spec.input)
    for (_, scores), clip in zip(answers, clips, strict=True):
        wanted = average(backend(clip), backend.spec, Views())
        np.testing.assert_allclose(scores, wanted, atol=1e-5)
    assert np.ptp([scores for _, scores in answers], axis=0).max() > 0.01


@pytest.mark.parametrize("rhythm", RHYTHMS)
def test_clips_of_a_stream_are_those_of_a_file(
    video: Path, order: OpenVINOBackend, rhythm: Rhythm
) -> None:
    check_live(video, ClipLooker(order, rhythm), order)


@pytest.mark.parametrize("rhythm", RHYTHMS)
def test_frames_encoded_once_are_clips(video: Path, pair: CompositeBackend, rhythm: Rhythm) -> None:
    check_live(video, EncodingLooker(pair, rhythm), pair)


def test_a_frame_is_encoded_once(pair: CompositeBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither those between the frames of its windows, nor one that is shown twice."""
    seen: list[int] = []
    encode = pair.encode
    monkeypatch.setattr(pair, "encode", lambda frame: seen.append(1) or encode(frame))
    for ticks, expected in ((range(20), 10), ([0, 0, 2, 2, 4, 4, 6, 6], 4)):
        seen.clear()
        looker = EncodingLooker(pair, Rhythm(frames=4, stride=2, hop=2))
        pictures = {number: noise(number, 16, 16) for number in ticks}
        for place, number in enumerate(ticks):
            looker.look([tick(place if expected == 10 else 2 * place, pictures[number])])
        assert len(seen) == expected


def test_a_network_of_single_frames_says_their_mean(video: Path, tmp_path: Path) -> None:
    spec = small(1, stride=1)
    backend = OpenVINOBackend(write_order(tmp_path / "one.xml", spec))
    rhythm = Rhythm(frames=3, stride=5, hop=5)
    answers = live(video, EncodingLooker(MeanOfFrames(backend), rhythm))
    for window, (end, scores) in zip(windows(rhythm, FRAMES), answers, strict=True):
        assert end == window[-1]
        views = offline(video, [[one] for one in window], spec.input)
        logits = np.concatenate([backend(view) for view in views]).mean(axis=0, keepdims=True)
        np.testing.assert_allclose(scores, average(logits, spec, Views()), atol=1e-5)


def in_torch(path: Path, spec: ModelSpec, numbers: Iterable[int]) -> list[np.ndarray]:
    """Return what the stream network says in torch after each of some ticks, from the first on."""
    model = small_movinet()
    state = model.initial_state(1, height=spec.input.height, width=spec.input.width)
    (clip,) = offline(path, [list(numbers)], spec.input)
    said = []
    with torch.no_grad():
        for frame in torch.from_numpy(clip).unbind(2):
            logits, state = model.step(frame, state)
            said.append(average(logits.numpy(), spec, Views()))
    return said


@pytest.mark.parametrize("stride", [1, 2])
def test_a_stream_network_carries_its_state(
    video: Path, stepped: SteppedModel, stride: int
) -> None:
    answers = live(video, SteppingLooker(stepped, Rhythm(frames=5, stride=stride, hop=1)))
    said = in_torch(video, stepped.spec, range(0, FRAMES, stride))
    assert [end for end, _ in answers] == list(range(4 * stride, FRAMES, stride))
    np.testing.assert_allclose([one for _, one in answers], said[4:], atol=1e-5)


def test_a_state_is_given_up_for_one_that_began_in_the_meantime(
    video: Path, stepped: SteppedModel
) -> None:
    answers = live(video, SteppingLooker(stepped, Rhythm(frames=1, stride=1, hop=1), lasts=8))
    for end, scores in answers:
        began = max(0, end // 8 - 1) * 8
        expected = in_torch(video, stepped.spec, range(began, end + 1))[-1]
        np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert len(answers) == FRAMES


def test_windowed_a_state_is_filled_anew(video: Path, stepped: SteppedModel) -> None:
    rhythm = Rhythm(frames=5, stride=2, hop=10)
    answers = live(video, SteppingLooker(stepped, rhythm, lasts=10, overlap=False))
    assert [end for end, _ in answers] == [8, 18, 28, 38]
    for end, scores in answers:
        (clip,) = offline(video, [range(end - 8, end + 1, 2)], stepped.spec.input)
        expected = average(stepped(clip), stepped.spec, Views())
        np.testing.assert_allclose(scores, expected, atol=1e-5)


@pytest.mark.parametrize("short", ["repeat_last", "loop"])
@pytest.mark.parametrize("frames", [1, 2, 5, 6])
def test_a_short_stream_is_a_short_video(short: str, frames: int, tmp_path: Path) -> None:
    write_video(tmp_path / "short.mp4", range(frames), draw=noise)
    network = write_order(tmp_path / "order.xml", small(stride=2, short=short))
    expected = Predictor(network, clips=1, crops=1)(tmp_path / "short.mp4")
    looker = ClipLooker(OpenVINOBackend(network), Rhythm(frames=4, stride=2, hop=8))
    ((_, scores),) = live(tmp_path / "short.mp4", looker)
    np.testing.assert_allclose(scores, expected.scores, atol=1e-5)


@pytest.mark.parametrize("frames", [3, 5, 6])
def test_a_short_stream_is_encoded_as_a_short_video(
    frames: int, pair: CompositeBackend, tmp_path: Path
) -> None:
    write_video(tmp_path / "short.mp4", range(frames), draw=noise)
    spec = replace(pair.spec, input=replace(pair.spec.input, short="loop"))
    pair.spec = spec
    ((_, scores),) = live(
        tmp_path / "short.mp4", EncodingLooker(pair, Rhythm(frames=4, stride=2, hop=2))
    )
    (clip,) = offline(tmp_path / "short.mp4", [np.arange(0, 8, 2) % frames], spec.input)
    np.testing.assert_allclose(scores, average(pair(clip), spec, Views()), atol=1e-5)


def test_what_refuses_short_videos_looks_at_short_streams(tmp_path: Path) -> None:
    network = write_order(tmp_path / "order.xml", small(short="error"))
    looker = ClipLooker(OpenVINOBackend(network), Rhythm(frames=4, stride=2, hop=1))
    assert looker.look([tick(0), tick(1)]) is None
    look = looker.finish()
    assert look is not None
    assert (look.first.number, look.last.number) == (0, 1)


def tick(number: int, pixels: np.ndarray | None = None) -> Tick:
    pixels = noise(number, 16, 16) if pixels is None else pixels
    return Tick(number=number, seconds=number / 30, pixels=pixels, arrived=0.0)


Make = Callable[[], Looker]


@pytest.fixture(params=["clips", "pair", "step"])
def make(request: pytest.FixtureRequest) -> Make:
    """Make a looker that answers at every tick from the seventh on, looking at every second."""
    rhythm = Rhythm(frames=4, stride=2, hop=2)
    if request.param == "clips":
        backend = request.getfixturevalue("order")
        return lambda: ClipLooker(backend, rhythm)
    if request.param == "pair":
        pair = request.getfixturevalue("pair")
        return lambda: EncodingLooker(pair, rhythm)
    stepped = request.getfixturevalue("stepped")
    return lambda: SteppingLooker(stepped, rhythm)


def sized(looker: Looker, number: int) -> Tick:
    return tick(number, noise(number, looker.spec.input.height, looker.spec.input.width))


def looked(looker: Looker, *groups: Iterable[int]) -> list[Look]:
    """Hand over groups of ticks; return the answers."""
    looks = [looker.look([sized(looker, number) for number in group]) for group in groups]
    return [one for one in (*looks, looker.finish()) if one is not None]


def test_several_at_once_are_answered_at_the_newest(make: Make) -> None:
    looker = make()
    every = {one.last.number: one.output for one in looked(looker, *([n] for n in range(17)))}
    looker.reset()
    together = looked(looker, range(9), range(9, 17))
    assert [one.last.number for one in together] == [8, 16]
    for one in together:
        np.testing.assert_allclose(one.output, every[one.last.number], atol=1e-5)


def test_what_is_forgotten_changes_nothing(make: Make) -> None:
    looker = make()
    fresh = looked(looker, *([n] for n in range(3, 20)))
    looker.reset()
    looked(looker, *([n] for n in range(30)))
    looker.reset()
    again = looked(looker, *([n] for n in range(3, 20)))
    assert [one.last.number for one in again] == [one.last.number for one in fresh]
    for one, other in zip(again, fresh, strict=True):
        np.testing.assert_array_equal(one.output, other.output)


def test_the_end_is_answered_once(make: Make) -> None:
    looker = make()
    assert [one.last.number for one in looked(looker, range(7))] == [6]
    assert looker.finish() is None
    assert looked(looker, [7], [8]) != []
    assert make().finish() is None


@pytest.mark.parametrize(
    ("make", "shown"),
    # The encoder passes over the tick right behind another, the network of clips does not.
    [("clips", (3, 3, 3, 9)), ("pair", (2, 2, 2, 9))],
    indirect=["make"],
)
def test_where_a_tick_is_missing_the_one_before_is_shown(
    make: Make, shown: tuple[int, ...]
) -> None:
    looker = make()
    (late,) = looked(looker, [0, 2], [3], [9])
    assert (late.first.number, late.last.number) == (shown[0], 9)
    looker.reset()
    whole = [looker.look([replace(sized(looker, n), number=2 * i)]) for i, n in enumerate(shown)]
    assert whole[-1] is not None
    np.testing.assert_allclose(late.output, whole[-1].output, atol=1e-5)


def test_whole_frames_of_another_size_midway(tmp_path: Path) -> None:
    spec = small(whole_frames=True, resize=Resize(rule="squash", height=16, width=16))

    class Whole:
        def __init__(self) -> None:
            self.spec, self.shapes = spec, list[tuple[int, ...]]()

        def __call__(self, clips: np.ndarray) -> np.ndarray:
            self.shapes.append(clips.shape)
            assert clips.dtype == np.uint8
            return np.zeros((1, 3), np.float32)

    backend: Any = Whole()
    looker = ClipLooker(backend, Rhythm(frames=2, stride=1, hop=1))
    for number, side in enumerate([16, 16, 20, 20]):
        looker.look([tick(number, noise(number, side, side))])
    assert backend.shapes == [(1, 3, 2, side, side) for side in (16, 20, 20)]


@given(rhythm=rhythms)
def test_a_tick_is_needed_if_it_is_in_a_window(rhythm: Rhythm) -> None:
    end = 60
    needed = {
        window * rhythm.hop + place * rhythm.stride
        for window in range(end)
        for place in range(rhythm.frames)
    }
    assert [n for n in range(end) if rhythm.needs(n)] == sorted(n for n in needed if n < end)


@given(rhythm=rhythms, gaps=st.lists(st.integers(1, 6), min_size=1, max_size=40))
def test_a_window_holds_what_a_dict_of_all_would(rhythm: Rhythm, gaps: list[int]) -> None:
    window: Window[str] = Window(rhythm)
    held: dict[int, str] = {}
    due = rhythm.span - 1
    for number in np.cumsum(gaps).tolist():
        held[number] = f"kept {number}"
        window.keep(tick(number, np.empty(0)), held[number])
        assert len(window) <= rhythm.span + 1
        assert window.is_due() == (number >= due)
        if not window.is_due():
            continue
        due = number + rhythm.hop
        expected = [
            held[max((n for n in held if n <= wanted), default=min(held))]
            for wanted in range(number - rhythm.span + 1, number + 1, rhythm.stride)
        ]
        assert [kept for _, kept in window.answer()] == expected
        assert window.is_answered()


@pytest.mark.parametrize("name", ["frames", "stride", "hop"])
def test_rhythms_out_of_range_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is 0; it is at least 1"):
        replace(Rhythm(frames=1, stride=1, hop=1), **{name: 0})
