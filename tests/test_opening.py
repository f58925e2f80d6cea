"""Which looker a model gets, and when it answers; Open Model Zoo's loops, to the letter."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actionzoo.backends.composite import CompositeBackend
from actionzoo.backends.parts import PartOfModel
from actionzoo.conversion.openvino import save_openvino, to_openvino
from actionzoo.conversion.stepping import step_piece
from actionzoo.errors import ConfigError, UnknownModel
from actionzoo.spec import ModelSpec, Views
from actionzoo.streaming.looking import (
    ClipLooker,
    EncodingLooker,
    Looker,
    Rhythm,
    SteppingLooker,
)
from actionzoo.streaming.opening import open_looker
from actionzoo.streaming.stream import Stream
from actionzoo.streaming.ticks import Tick
from actionzoo.transforms import eval_transform
from colour_model import SPEC as COLOURS
from colour_model import write_network
from streams import Pictures
from test_omz import FRAMES, SIDE, decoder, encoder, publish
from test_omz import SPEC as PAIR
from test_stepping import TinyStream, stream_spec

ENCODER, DECODER = "action-recognition-0001-encoder", "action-recognition-0001-decoder"
TIMED = replace(PAIR, input=replace(PAIR.input, fps=Fraction(30)))


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """Write an encoder and a decoder as Intel's: without a spec, one clip at a time."""
    for name, network in {ENCODER: encoder(), DECODER: decoder()}.items():
        publish(tmp_path, name, network)
    return tmp_path


def pictures(count: int, side: int = SIDE) -> Iterator[np.ndarray]:
    for number in range(count):
        yield np.random.default_rng(number).integers(0, 256, (side, side, 3), np.uint8)


def answers(looker: Looker, count: int) -> dict[int, np.ndarray]:
    """Return what a looker says of pictures, by the number of the last one it looked at."""
    with Stream(Pictures(pictures(count)), looker) as stream:
        return {round(one.end_seconds * 30): one.scores for one in stream}


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits[0] - logits[0].max())
    return np.asarray(powers / powers.sum())


def blue_first(picture: np.ndarray) -> np.ndarray:
    return picture[None, :, :, ::-1].transpose(0, 3, 1, 2).astype(np.float32)


def parts(folder: Path) -> CompositeBackend:
    return CompositeBackend(folder / f"{ENCODER}.xml", folder / f"{DECODER}.xml", spec=TIMED)


def test_one_by_one_it_is_the_demonstration_of_open_model_zoo(pair: Path) -> None:
    network, said = parts(pair), {}
    embeddings: deque[np.ndarray] = deque(maxlen=FRAMES)
    for number, picture in enumerate(pictures(12)):
        embeddings.append(network.encode(blue_first(picture)))
        if len(embeddings) == FRAMES:
            said[number] = softmax(network.decode(np.stack(embeddings, axis=1)))
    given = answers(open_looker(pair, spec=TIMED, every=1), 12)
    assert list(given) == list(said)
    np.testing.assert_allclose(list(given.values()), list(said.values()), atol=1e-5)


def test_windowed_it_is_the_notebook_of_openvino(pair: Path) -> None:
    network, said = parts(pair), {}
    embeddings: list[np.ndarray] = []
    for number, picture in enumerate(pictures(24)):
        if number % 2 == 0:
            embeddings.append(network.encode(blue_first(picture)))
        if len(embeddings) == FRAMES:
            said[number] = softmax(network.decode(np.stack(embeddings, axis=1)))
            embeddings = []
    looker = open_looker(pair, spec=TIMED, mode="windowed")
    given = answers(looker, 23)  # after which it would answer what it has of the next window
    assert list(given) == list(said) == [6, 14, 22]
    np.testing.assert_allclose(list(given.values()), list(said.values()), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (4, 2, 2)),
        ({"every": 1}, (4, 1, 1)),
        ({"every": 3, "hop_seconds": 1.0}, (4, 3, 30)),
        ({"hop_seconds": 0.1}, (4, 2, 4)),
        ({"hop_seconds": 0.001}, (4, 2, 1)),
        ({"mode": "windowed"}, (4, 2, 8)),
        ({"mode": "windowed", "every": 1}, (4, 1, 4)),
    ],
)
def test_when_frames_that_are_seen_once_are_answered(
    options: dict[str, Any], expected: tuple[int, int, int], pair: Path
) -> None:
    looker = open_looker(pair, spec=TIMED, **options)
    assert isinstance(looker, EncodingLooker)
    assert looker.rhythm == rhythm(*expected)


def rhythm(frames: int, stride: int, hop: int) -> Rhythm:
    return Rhythm(frames=frames, stride=stride, hop=hop)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (16, 2, 6)),
        ({"hop_seconds": 2}, (16, 2, 50)),
        ({"hop_seconds": 0.001, "every": 1}, (16, 1, 1)),
        ({"mode": "windowed"}, (16, 2, 32)),
    ],
)
def test_the_bundled_model_looks_at_clips(
    options: dict[str, Any], expected: tuple[int, int, int]
) -> None:
    looker = open_looker(**options)
    assert isinstance(looker, ClipLooker)
    assert looker.rhythm == rhythm(*expected)
    assert looker.spec.name == "figures10"


def segments(frames: int) -> ModelSpec:
    size = replace(COLOURS.input, sampling="segments", frames=frames, stride=1, fps=None)
    return replace(COLOURS, input=size, views=Views(clips=7, average="logits"))


def test_of_one_frame_from_each_segment_the_last_seconds_are_the_video(tmp_path: Path) -> None:
    spec = segments(1)
    looker = open_looker(write_network(tmp_path / "tsn.xml", input=spec.input, views=spec.views))
    assert isinstance(looker, EncodingLooker)
    assert looker.rhythm == rhythm(7, 15, 15)
    size = (1, 16, 16, 3)
    reds = [np.full(size, (red, 0, 0), np.uint8)[0] for red in range(0, 210, 30)]
    looks = [
        looker.look([Tick(number=15 * n, seconds=n / 2, pixels=one, arrived=0.0)])
        for n, one in enumerate(reds)
    ]
    assert looks[:-1] == [None] * 6
    assert looks[-1] is not None
    np.testing.assert_allclose(looks[-1].output, [[10 * 90 / 255, 0, 0]], atol=1e-5)


def test_a_network_of_several_segments_takes_them_together(tmp_path: Path) -> None:
    spec = segments(3)
    looker = open_looker(write_network(tmp_path / "tsn.xml", input=spec.input, views=spec.views))
    assert isinstance(looker, ClipLooker)
    assert looker.rhythm == rhythm(3, 15, 8)


def write_step(path: Path, *, family: str = "tests") -> Path:
    spec = stream_spec(frames=20)
    spec = replace(spec, family=family, input=replace(spec.input, fps=Fraction(5), stride=1))
    save_openvino(to_openvino(step_piece(TinyStream(), spec)), path, precision="fp32")
    return path


def said(model: Path, count: int, **options: Any) -> dict[int, np.ndarray]:
    """Return the outputs of a step at the ticks when it answers."""
    looker = open_looker(model, **options)
    assert isinstance(looker, SteppingLooker)
    looks = [
        looker.look([Tick(number=number, seconds=number / 5, pixels=one, arrived=0.0)])
        for number, one in enumerate(pictures(count, 8))
    ]
    return {one.last.number: one.output for one in looks if one is not None}


def first_and_sum(begin: int, end: int) -> np.ndarray:
    """Return what ``TinyStream`` says after the pictures from one to another, both counted."""
    size = stream_spec().input
    means = [eval_transform(one[None], size).mean((0, 2, 3, 4)) for one in pictures(end + 1, 8)]
    return 100 * means[begin] + np.sum(means[begin:], axis=0)


def test_a_step_answers_after_a_second_of_the_last_one_to_two_clips(tmp_path: Path) -> None:
    given = said(write_step(tmp_path / "a-step.xml"), 70)
    assert list(given) == list(range(4, 70))
    for end, output in given.items():
        expected = first_and_sum(max(0, end // 20 - 1) * 20, end)
        np.testing.assert_allclose(output[0], expected, rtol=1e-4, atol=1e-4)


def test_a_step_that_forgets_by_itself_is_carried_on_for_ever(tmp_path: Path) -> None:
    given = said(write_step(tmp_path / "a-step.xml", family="vtn"), 50)
    assert list(given) == list(range(19, 50))
    np.testing.assert_allclose(given[49][0], first_and_sum(0, 49), rtol=1e-4, atol=1e-4)


def test_windowed_a_step_begins_anew_for_every_answer(tmp_path: Path) -> None:
    given = said(write_step(tmp_path / "a-step.xml"), 70, mode="windowed")
    assert list(given) == [19, 39, 59]
    for end, output in given.items():
        np.testing.assert_allclose(output[0], first_and_sum(end - 19, end), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 0}, "every is 0; it is at least 1"),
        ({"hop_seconds": 0}, "hop_seconds is 0; it is above 0"),
        ({"hop_seconds": float("nan")}, "hop_seconds is nan; it is above 0"),
        ({"hop_seconds": float("inf")}, "hop_seconds is inf; it is above 0"),
        ({"hop_seconds": 1, "mode": "windowed"}, "hop_seconds is for the mode sliding"),
        ({"mode": "gliding"}, "mode is 'gliding'; it is sliding or windowed"),
    ],
)
def test_options_out_of_range_are_refused_before_a_model_is_looked_for(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        open_looker("there is no such model", **options)


def test_models_that_cannot_be_used_say_why(pair: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match="did you mean 'figures10'"):
        open_looker("figures")
    with pytest.raises(ConfigError, match="looks at optical flow"):
        open_looker("i3d_flow_imagenet_kinetics400")
    with pytest.raises(PartOfModel, match="give the folder that holds both"):
        open_looker(pair / f"{ENCODER}.xml")
    with pytest.raises(ConfigError, match="there is no device 'TPU'"):
        open_looker(device="TPU")
