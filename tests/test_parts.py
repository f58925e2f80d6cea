"""An encoder and a decoder in the place of Intel's, in the pipelines of Intel's documents."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from actionzoo.backends.openvino_backend import (
    NAME_PATH,
    OpenVINOBackend,
    import_openvino,
    openvino_core,
)
from actionzoo.conversion.forms import Wanted, pieces
from actionzoo.conversion.onnx import save_onnx, to_onnx
from actionzoo.conversion.openvino import save_openvino, to_openvino
from actionzoo.conversion.parts import composite
from actionzoo.conversion.pieces import Piece
from actionzoo.models import vtn
from actionzoo.omz import assemble
from actionzoo.spec import ModelSpec

SPECS = {spec.name: spec for spec in vtn.SPECS}
DRIVER = SPECS["driver-action-recognition-adas-0002"]
NAME = DRIVER.name
SAMPLE = Path(__file__).parents[1] / "src" / "actionzoo" / "assets" / "sample.mp4"

openvino = import_openvino()


def compile_file(path: Path) -> Any:
    return openvino_core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def write(made: list[Piece], folder: Path) -> list[Path]:
    """Write parts as IRs; return all their files."""
    paths = [folder / f"{one.name}.xml" for one in made]
    for one, path in zip(made, paths, strict=True):
        save_openvino(to_openvino(one), path, precision="fp32")
    return [file for path in paths for file in (path, path.with_suffix(".bin"))]


@pytest.fixture(scope="module")
def network() -> vtn.VTN:
    """Make a network whose answers depend on what it sees: one with statistics of what it saw."""
    torch.manual_seed(0)
    network = vtn.build(DRIVER)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network.train().encoder(torch.randn(8, 3, 64, 64))
    return network.eval()


@pytest.fixture(scope="module")
def folder(network: vtn.VTN, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the parts of ``driver-action-recognition-adas-0002`` lie."""
    folder = tmp_path_factory.mktemp("driver")
    write(pieces(network, DRIVER, Wanted()), folder)
    return folder


@pytest.fixture(scope="module")
def frames() -> list[np.ndarray]:
    """Return frames of a video as OpenCV gives them, (H, W, 3) uint8 BGR."""
    with av.open(str(SAMPLE)) as video:
        decoded = (one.to_ndarray(format="bgr24") for one in video.decode(video=0))
        return [frame for frame, _ in zip(decoded, range(40), strict=False)]


def small(num_classes: int, *, layer_norm: bool = False, from_bgr: bool = True) -> vtn.VTN:
    """Make a VTN whose image network is one convolution, and whose decoder has one block."""
    torch.manual_seed(num_classes)
    model = vtn.VTN(
        "mobilenetv2", num_classes=num_classes, layer_norm=layer_norm, from_bgr=from_bgr
    )
    model.encoder.trunk = nn.Sequential(nn.Conv2d(3, vtn.MOBILENET_CHANNELS, 16, 16), nn.ReLU())
    model.decoder.blocks = model.decoder.blocks[:1]
    return model.eval()


def small_spec(num_classes: int, spec: ModelSpec = DRIVER) -> ModelSpec:
    resize = replace(spec.input.resize, height=32, width=32)
    size = replace(spec.input, resize=resize, height=32, width=32)
    return replace(spec, labels=tuple(f"class {i}" for i in range(num_classes)), input=size)


def random_clips(spec: ModelSpec, count: int = 2) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.uniform(0, 255, (count, *spec.input.shape)).astype(np.float32)


def distance(one: np.ndarray, other: Tensor | np.ndarray) -> float:
    return float(np.linalg.norm(one - np.asarray(other)) / np.linalg.norm(other))


# What the files are, to the letter.


@pytest.mark.parametrize(
    ("part", "taken", "given"),
    [("encoder", [1, 3, 224, 224], [1, 512, 1, 1]), ("decoder", [1, 16, 512], [1, 9])],
)
def test_names_and_shapes_are_those_of_the_documents(
    part: str, taken: list[int], given: list[int], folder: Path
) -> None:
    file = openvino_core().read_model(folder / f"{NAME}-{part}.xml")
    assert len(file.inputs) == len(file.outputs) == 1
    assert file.input(0).names == {"0"}
    assert list(file.input(0).shape) == taken
    assert list(file.output(0).shape) == given
    assert file.get_rt_info(NAME_PATH).astype(str) == f"{NAME}-{part}"
    assert file.get_rt_info(["actionzoo", "part"]).astype(str) == part
    spec = ModelSpec.from_json(file.get_rt_info(["actionzoo", "spec"]).astype(str))
    assert spec == DRIVER


@pytest.mark.parametrize(("name", "classes"), [("action-recognition-0001", 400), (NAME, 9)])
def test_both_of_open_model_zoos_models(name: str, classes: int) -> None:
    encoder, decoder = pieces(vtn.build(SPECS[name]), SPECS[name], Wanted())
    assert (encoder.name, decoder.name) == (f"{name}-encoder", f"{name}-decoder")
    with torch.no_grad():
        assert encoder.module(*encoder.example).shape == (1, 512, 1, 1)
        assert decoder.module(*decoder.example).shape == (1, classes)


# Intel's pipelines, which know nothing of this package.


def adaptive_resize(frame: np.ndarray, size: int) -> np.ndarray:
    height, width = frame.shape[:2]
    scale = size / min(height, width)
    shape = int(width * scale), int(height * scale)
    return np.asarray(Image.fromarray(frame).resize(shape, Image.Resampling.BILINEAR))


def central(frame: np.ndarray, size: int, halve: Callable[[float], int]) -> np.ndarray:
    """Cut a square out of the middle."""
    top, left = (halve((side - size) / 2) for side in frame.shape[:2])
    return frame[top : top + size, left : left + size]


def notebook(folder: Path, frames: list[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Do as the notebook 'Human Action Recognition with OpenVINO' does.

    Every second frame is encoded; 16 embeddings are decoded, and the list is begun anew.

    Returns:
        Scores of each answer, and the pixels that were encoded.
    """
    encoder, decoder = (
        compile_file(folder / f"{NAME}-{one}.xml") for one in ("encoder", "decoder")
    )
    height, width = list(encoder.input(0).shape)[2:]
    frames2decode = list(decoder.input(0).shape)[1]
    assert (height, width, frames2decode) == (224, 224, 16)
    answers, encoded, embeddings = [], [], []
    for frame in frames[::2]:
        crop = central(adaptive_resize(frame, height), height, lambda half: int(half))
        encoded.append(crop.transpose(2, 0, 1)[np.newaxis])
        embeddings.append(encoder([encoded[-1]])[encoder.output(0)])
        if len(embeddings) == frames2decode:
            together = np.concatenate(embeddings, axis=0).transpose(2, 0, 1, 3).squeeze(axis=3)
            logits = decoder([together])[decoder.output(0)]
            exponents = np.exp(logits - logits.max())
            answers.append(exponents / exponents.sum())
            embeddings = []
    return answers, encoded


def demo(folder: Path, frames: list[np.ndarray]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Do as Open Model Zoo's action_recognition_demo does: the last 16 frames after every frame.

    Returns:
        Logits of each answer, and the pixels that were encoded.
    """
    models = [
        openvino_core().read_model(folder / f"{NAME}-{one}.xml") for one in ("encoder", "decoder")
    ]
    names = [(one.input(0).get_any_name(), one.output(0).get_any_name()) for one in models]
    _, _, size, _ = models[0].input(0).shape
    window: deque[np.ndarray] = deque(maxlen=models[1].input(0).shape[1])
    encode, decode = (
        openvino_core()
        .compile_model(one, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        .create_infer_request()
        for one in models
    )
    answers, encoded = [], []
    for frame in frames:
        crop = central(adaptive_resize(frame, size), size, round)
        encoded.append(crop.transpose(2, 0, 1)[np.newaxis])
        encode.infer({names[0][0]: encoded[-1]})
        window.append(encode.get_tensor(names[0][1]).data.reshape(1, -1).copy())
        if len(window) == window.maxlen:
            decode.infer({names[1][0]: np.stack(window, axis=1)})
            answers.append(decode.get_tensor(names[1][1]).data.copy())
    return answers, encoded


def whole(network: vtn.VTN, encoded: list[np.ndarray]) -> Tensor:
    """Compute in torch, from the same pixels."""
    clip = np.stack(encoded, axis=2).astype(np.float32)  # (1, 3, 16, 224, 224)
    with torch.no_grad():
        return network(torch.from_numpy(clip))


def test_the_notebook_takes_our_files_for_intels(
    folder: Path, network: vtn.VTN, frames: list[np.ndarray]
) -> None:
    (scores,), encoded = notebook(folder, frames[:40])
    logits = whole(network, encoded[:16])
    assert distance(np.log(scores), logits.log_softmax(1)) < 1e-4
    assert scores.sum() == pytest.approx(1)


def test_the_demo_takes_our_files_for_intels(
    folder: Path, network: vtn.VTN, frames: list[np.ndarray]
) -> None:
    answers, encoded = demo(folder, frames[:20])
    assert len(answers) == 5
    for start in (0, 4):
        assert distance(answers[start], whole(network, encoded[start : start + 16])) < 1e-4
    assert distance(answers[0], answers[4]) > 1e-3, "the frames make no difference"


# The two together are the model.


def test_assembled_they_are_the_model(folder: Path, network: vtn.VTN, tmp_path: Path) -> None:
    path = assemble(sorted(folder.iterdir()), DRIVER, tmp_path / "whole.xml")
    clips = random_clips(DRIVER, 1)
    with torch.no_grad():
        assert distance(OpenVINOBackend(path)(clips), network(torch.from_numpy(clips))) < 1e-4


@pytest.mark.parametrize(("classes", "layer_norm"), [(3, True), (400, False)])
def test_any_number_of_classes(classes: int, layer_norm: bool, tmp_path: Path) -> None:
    spec, model = small_spec(classes), small(classes, layer_norm=layer_norm)
    files = write(pieces(model, spec, Wanted()), tmp_path)
    assert list(openvino_core().read_model(files[2]).output(0).shape) == [1, classes]
    backend = OpenVINOBackend(assemble(files, spec, tmp_path / "whole.xml"))
    clips = random_clips(spec)
    with torch.no_grad():
        assert distance(backend(clips), model(torch.from_numpy(clips))) < 1e-4


def test_in_onnx_they_have_the_same_names(tmp_path: Path) -> None:
    spec, model = small_spec(3), small(3)
    sessions = []
    for one in pieces(model, spec, Wanted()):
        save_onnx(to_onnx(one), tmp_path / f"{one.name}.onnx")
        sessions.append(onnxruntime.InferenceSession(tmp_path / f"{one.name}.onnx"))
    shapes = [[(one.name, one.shape) for one in session.get_inputs()] for session in sessions]
    assert shapes == [[("0", [1, 3, 32, 32])], [("0", [1, 16, 512])]]
    assert [session.get_outputs()[0].shape for session in sessions] == [[1, 512, 1, 1], [1, 3]]
    clip = random_clips(spec, 1)
    embeddings = [sessions[0].run(None, {"0": clip[:, :, i]})[0] for i in range(16)]
    decoded = sessions[1].run(None, {"0": np.stack(embeddings, 1).reshape(1, 16, 512)})[0]
    with torch.no_grad():
        assert distance(decoded, model(torch.from_numpy(clip))) < 1e-4


def test_a_free_batch_does_not_mix_clips(tmp_path: Path) -> None:
    """Intel's decoder does: it reshapes as for a single clip."""
    encoder, decoder = pieces(small(3), small_spec(3), Wanted(batch="dynamic"))
    write([decoder], tmp_path)
    file = compile_file(tmp_path / f"{decoder.name}.xml")
    assert file.input(0).partial_shape.to_string() == "[?,16,512]"
    assert encoder.axes() == decoder.axes() == ({0: "batch"},)
    embeddings = torch.randn(3, 16, 512)
    with torch.no_grad():
        expected = torch.cat([decoder.module(one[None]) for one in embeddings])
    assert distance(file(embeddings.numpy())[0], expected) < 1e-4


def test_networks_of_normalised_rgb_take_what_intels_demo_gives() -> None:
    """The documents' pixels, BGR from 0 to 255, mean the same clip."""
    trained = small_spec(3, SPECS["mobilenetv2_vtn_layernorm_kinetics400"])
    model = small(3, layer_norm=True, from_bgr=False)
    encoder, decoder = composite(model, trained)
    assert encoder.spec.input == replace(
        trained.input, color="BGR", value_range=(0, 255), mean=(0,) * 3, std=(1,) * 3
    )
    rgb = torch.from_numpy(random_clips(trained))
    mean, std = (
        torch.tensor(one)[:, None, None, None] for one in (trained.input.mean, trained.input.std)
    )
    with torch.no_grad():
        expected = model((rgb / 255 - mean) / std)
        embeddings = encoder.module(rgb.flip(1).transpose(1, 2).flatten(0, 1))
        torch.testing.assert_close(decoder.module(embeddings.reshape(2, 16, 512)), expected)


def test_what_each_part_is_fed_for_clips() -> None:
    """The encoder frames in turn, the decoder what the encoder makes of them."""
    spec, model = small_spec(3), small(3)
    clips = random_clips(spec)
    encoder, decoder = pieces(model, spec, Wanted())
    fed = [one for (one,) in encoder.feed(clips)]
    assert [one.shape for one in fed] == [(1, 3, 32, 32)] * 32
    np.testing.assert_array_equal(fed[17][0], clips[1, :, 1])
    embeddings = torch.cat([torch.from_numpy(one) for (one,) in decoder.feed(clips)])
    with torch.no_grad():
        torch.testing.assert_close(embeddings, model.embed(torch.from_numpy(clips)))
