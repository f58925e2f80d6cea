"""Preprocessing in the graph against the pipeline it takes the place of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from av.video.frame import VideoFrame
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from actionzoo.backends.axes import arranged
from actionzoo.backends.onnx_backend import OnnxBackend
from actionzoo.backends.openvino_backend import OpenVINOBackend, openvino_core
from actionzoo.catalog import get_spec
from actionzoo.conversion.onnx import save_onnx, to_onnx
from actionzoo.conversion.openvino import save_openvino, to_openvino
from actionzoo.conversion.preprocessing import (
    Preprocessing,
    crop_weights,
    resized_sides,
    whole_frames_piece,
    with_preprocessing,
)
from actionzoo.errors import ConfigError
from actionzoo.models.vtn import FromBGR
from actionzoo.predictor import Predictor
from actionzoo.spec import InputSpec, ModelSpec, Resize, Rounding
from actionzoo.transforms import crop_offsets, crop_pixels, eval_transform, resized_size
from actionzoo.video import open_video
from colour_model import SPEC, write_network, write_painted

FLOAT32 = {"INFERENCE_PRECISION_HINT": "f32"}
ROUNDINGS = ("floor", "round", "ceil")
SIZES = ((24, 32), (32, 24), (101, 7), (7, 101), (5, 9), (16, 16), (1, 1))
"""Landscape, portrait, far from square, smaller than the crop, no more to do, the least."""

sides = st.integers(1, 5000)
roundings = st.sampled_from(ROUNDINGS)


# Sizes and places.


@given(
    sides,
    sides,
    st.integers(1, 400),
    st.integers(1, 400),
    st.sampled_from(["short_side", "squash", "fit"]),
    roundings,
)
def test_frames_become_as_large_as_in_the_reader(height, width, rows, columns, rule, rounding):
    columns = rows if rule == "short_side" else columns
    resize = Resize(rule=rule, height=rows, width=columns, rounding=rounding)
    new = resized_sides(resize, torch.tensor(height), torch.tensor(width))
    assert tuple(int(side) for side in new) == resized_size(resize, height, width)


@given(st.integers(1, 90), st.integers(1, 40), roundings)
def test_the_crop_lies_where_the_reader_has_it(side: int, crop: int, rounding: Rounding) -> None:
    column = np.arange(1, side + 1, dtype=np.uint8).reshape(1, side, 1, 1)
    (place,) = crop_offsets((side, 1), (crop, 1), crops=1, rounding=rounding)
    weights = crop_weights(side, torch.tensor(side), crop, rounding)
    expected = crop_pixels(column, place, (crop, 1))[0, :, 0, 0]
    np.testing.assert_array_equal(weights.numpy() @ np.arange(1, side + 1), expected)


@pytest.mark.parametrize(("side", "resized"), [(180, 24), (97, 96), (60, 59), (31, 64), (9, 100)])
def test_scaling_is_that_of_swscale_to_the_border(side: int, resized: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (side, 64), dtype=np.uint8)
    frame = VideoFrame.from_ndarray(noise, "gray")
    expected = frame.reformat(64, resized, interpolation="BILINEAR").to_ndarray()
    weights = crop_weights(side, torch.tensor(resized), resized, "floor")
    assert np.abs(weights.numpy() @ noise - expected).max() < 1.5


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_pixels_keep_their_places_in_16_bits(kind: torch.dtype) -> None:
    exact = crop_weights(3840, torch.tensor(455), 256, "floor")
    torch.set_default_dtype(kind)
    try:
        rough = crop_weights(3840, torch.tensor(455), 256, "floor").float()
    finally:
        torch.set_default_dtype(torch.float32)
    assert (rough - exact).abs().max() < exact.max() / 50


# The whole of it, in torch.


def input_of(**changes: object) -> InputSpec:
    resize = Resize(rule="short_side", height=16, width=16)
    facts = {"frames": 2, "resize": resize, "height": 12, "width": 14}
    return InputSpec(**{**facts, **changes})  # type: ignore[arg-type]


def frames_of(height: int, width: int, *, frames: int = 2) -> np.ndarray:
    shape = (1, frames, height, width, 3)
    return np.random.default_rng(height).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize(
    "spec",
    [
        input_of(mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4), crop_rounding="ceil"),
        input_of(color="BGR", value_range=(0.0, 255.0), layout="BTCHW"),
        input_of(color="BGR", value_range=(-1.0, 1.0), mean=(0.1, 0.2, 0.3), layout="BSCTHW"),
        input_of(resize=Resize(rule="fit", height=20, width=14), layout="BTHWC"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_frames_that_need_no_scaling_become_the_same_clips(spec: InputSpec, turned: bool) -> None:
    size = (16, 23) if spec.resize.rule == "short_side" else (11, 14)
    pixels = frames_of(*size)
    expected = arranged(eval_transform(pixels[0], spec), spec.layout)
    given = torch.from_numpy(pixels[..., ::-1].copy() if turned else pixels)
    # The reader's frames are RGB whatever the network wants.
    clips = Preprocessing(spec, turned=(spec.color == "BGR") != turned)(given)
    np.testing.assert_allclose(clips.numpy(), expected, rtol=1e-5, atol=1e-5)


class Means(nn.Module):
    """Ten times the mean of each channel: of ``colour_model`` the network."""

    def forward(self, clips: Tensor) -> Tensor:
        return 10 * clips.mean((2, 3, 4))


def test_the_spec_says_what_the_file_takes() -> None:
    own = replace(SPEC, input=replace(SPEC.input, mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 3.0)))
    _, spec = with_preprocessing(Means(), own, color="BGR")
    taken = spec.input
    assert (taken.color, taken.mean, taken.std) == ("BGR", (0.3, 0.2, 0.1), (3.0, 2.0, 1.0))
    assert (taken.layout, taken.whole_frames, taken.output) == ("BTHWC", True, "scores")
    assert (spec.views.clips, spec.views.crops) == (own.views.clips, 1)
    assert ModelSpec.from_json(spec.to_json()) == spec


def test_scores_are_what_the_labels_want() -> None:
    pixels = torch.from_numpy(frames_of(20, 30, frames=4))

    def scores(spec: ModelSpec) -> Tensor:
        return with_preprocessing(Means(), spec, color="RGB")[0](pixels)

    logits = Means()(Preprocessing(SPEC.input, turned=False)(pixels))
    torch.testing.assert_close(scores(SPEC), logits.softmax(1))
    torch.testing.assert_close(scores(replace(SPEC, several_labels=True)), logits.sigmoid())
    ends = replace(SPEC, input=replace(SPEC.input, output="scores"))
    torch.testing.assert_close(scores(ends), logits)


def test_a_network_that_normalises_bgr_pixels_itself_gets_them() -> None:
    raw = input_of(color="BGR", value_range=(0.0, 255.0))
    done = input_of(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    pixels = torch.from_numpy(frames_of(40, 30))
    inside = FromBGR()(Preprocessing(raw, turned=True)(pixels).transpose(1, 2).flatten(0, 1))
    outside = Preprocessing(done, turned=False)(pixels).transpose(1, 2).flatten(0, 1)
    torch.testing.assert_close(inside, outside, rtol=1e-4, atol=1e-4)


def test_flow_has_no_frames() -> None:
    flow = get_spec("i3d_flow_imagenet_kinetics400")
    with pytest.raises(ConfigError, match=r"looks at optical flow.*--embed-preprocessing"):
        whole_frames_piece(Means(), flow, color="RGB")


# As files.


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a model that names colours, for BGR frames, to both targets."""
    folder = tmp_path_factory.mktemp("whole")
    piece = whole_frames_piece(Means(), SPEC, color="BGR")
    save_openvino(to_openvino(piece), folder / "colours.xml", precision="fp32")
    save_onnx(to_onnx(piece), folder / "colours.onnx")
    return folder


def plain_openvino(folder: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Run the file as anyone would."""
    model = openvino_core().compile_model(folder / "colours.xml", "CPU", FLOAT32)
    return lambda frames: model({"frames": frames})["scores"]


def plain_onnxruntime(folder: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Run the file as anyone would."""
    session = onnxruntime.InferenceSession(folder / "colours.onnx")
    return lambda frames: session.run(["scores"], {"frames": frames})[0]


engines = pytest.mark.parametrize("engine", [plain_openvino, plain_onnxruntime])


@engines
def test_frames_of_any_size_give_the_scores_of_the_module(engine, files: Path) -> None:
    run = engine(files)
    module, _ = with_preprocessing(Means(), SPEC, color="BGR")
    for size in SIZES:
        frames = np.concatenate([frames_of(*size, frames=4), 255 - frames_of(*size, frames=4)])
        expected = module(torch.from_numpy(frames)).numpy()
        np.testing.assert_allclose(run(frames), expected, atol=1e-5, err_msg=str(size))


@engines
@pytest.mark.parametrize("colour", SPEC.labels)
def test_decoded_frames_of_a_video_are_all_it_takes(
    engine, colour: str, files: Path, tmp_path: Path
) -> None:
    path = write_painted(tmp_path / "painted.mp4", colour, height=48, width=80)
    own = Predictor(write_network(tmp_path / "own.xml"))(path).top_k(1)[0]
    with open_video(path) as video:
        frames = np.stack([frame.pixels for frame in video.frames()][:8:2])
    scores = engine(files)(frames[None, ..., ::-1])[0]
    assert SPEC.labels[scores.argmax()] == own.label == colour
    assert scores.max() == pytest.approx(own.score, abs=1e-3)


def test_predictor_takes_the_file_as_any_other(files: Path, tmp_path: Path) -> None:
    path = write_painted(tmp_path / "painted.mp4", "blue", "red", "red", height=48, width=80)
    expected = Predictor(write_network(tmp_path / "own.xml"), crops=1)(path).scores
    predictor = Predictor(files / "colours.xml")
    assert predictor.spec.input.whole_frames
    np.testing.assert_allclose(predictor(path).scores, expected, atol=1e-3)
    predictor.backend = OnnxBackend(files / "colours.onnx")
    np.testing.assert_allclose(predictor(path).scores, expected, atol=1e-3)


def test_the_file_sees_the_centre_only(files: Path, tmp_path: Path) -> None:
    path = write_painted(tmp_path / "painted.mp4", "blue")
    with pytest.raises(ConfigError, match=r"takes whole frames .* 3 crops cannot be taken"):
        Predictor(files / "colours.xml", crops=3)(path)


def test_axes_that_are_free_have_names(files: Path) -> None:
    (port,) = onnxruntime.InferenceSession(files / "colours.onnx").get_inputs()
    assert port.shape == ["batch", 4, "height", "width", 3]
    assert port.type == "tensor(uint8)"
    shape = openvino_core().read_model(files / "colours.xml").input("frames").partial_shape
    assert shape.to_string() == "[?,4,?,?,3]"


def test_a_file_may_be_given_one_size(files: Path) -> None:
    network = openvino_core().read_model(files / "colours.xml")
    network.reshape([1, 4, 20, 30, 3])
    run = openvino_core().compile_model(network, "CPU", FLOAT32)
    frames = frames_of(20, 30, frames=4)
    expected = OpenVINOBackend(files / "colours.xml")(frames.transpose(0, 4, 1, 2, 3))
    np.testing.assert_allclose(run([frames])[0], expected, atol=1e-5)
