"""What runs a file is chosen by the file, and published files need no spec."""

import sys
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from actionzoo.backends.files import open_backend
from actionzoo.backends.onnx_backend import PART_KEY, OnnxBackend
from actionzoo.backends.openvino_backend import (
    NAME_PATH,
    PART_PATH,
    OpenVINOBackend,
    import_openvino,
)
from actionzoo.backends.stepped import SteppedModel
from actionzoo.catalog import get_spec
from actionzoo.cli import main
from actionzoo.errors import BadWeights, ConfigError, MissingExtra
from colour_model import SPEC, write_network, write_painted
from test_onnx_backend import write as write_onnx

openvino = import_openvino()


def test_the_ending_chooses(tmp_path):
    assert isinstance(open_backend(write_network(tmp_path / "a.xml")), OpenVINOBackend)
    onnx = open_backend(write_onnx(tmp_path / "a.onnx"), device="cpu")
    assert isinstance(onnx, OnnxBackend)
    assert onnx.spec == SPEC


def test_a_video_is_predicted_from_either_file_alike(tmp_path, capsys):
    write_network(tmp_path / "a.xml")
    write_onnx(tmp_path / "a.onnx")
    video = write_painted(tmp_path / "green.mp4", "green", fps=Fraction(30))
    answers = []
    for name in ("a.xml", "a.onnx"):
        words = ["predict", str(video), "--model", str(tmp_path / name), "--format", "csv"]
        assert main([*words, "--top-k", "1"]) == 0
        answers.append(capsys.readouterr().out.splitlines()[1])
    assert all("green" in one for one in answers)


def test_onnx_has_the_cpu_and_one_size(tmp_path):
    path = write_onnx(tmp_path / "a.onnx")
    with pytest.raises(ConfigError, match="no device 'GPU' for onnx here; there is CPU"):
        open_backend(path, device="GPU")
    with pytest.raises(ConfigError, match="a file of ONNX has one size"):
        open_backend(path, fed=replace(SPEC.input, height=32))


def test_without_onnxruntime_the_line_to_type_is_told(monkeypatch, tmp_path, capsys):
    path = write_onnx(tmp_path / "a.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtra, match=r"pip install 'actionzoo\[onnx\]'"):
        open_backend(path)
    assert main(["predict", "a.mp4", "--model", str(path)]) == 2
    assert "pip install 'actionzoo[onnx]'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a.pt", "a.txt", "a"])
def test_other_files_are_no_models(name, tmp_path):
    (tmp_path / name).write_bytes(b"something")
    with pytest.raises(BadWeights, match=r"is no model file, which ends in \.xml or \.onnx"):
        open_backend(tmp_path / name)


def step_network(path):
    """Write a step whose logits are the mean of each channel, and whose state counts frames."""
    ops = openvino.opset13
    frame = ops.parameter([-1, 3, 16, 16], np.float32)
    count = ops.parameter([-1, 1], np.float32)
    logits = ops.reduce_mean(frame, np.array([2, 3]))
    network = openvino.Model([logits, ops.add(count, np.float32(1))], [frame, count], "step")
    for port, name in zip(
        (*network.inputs, *network.outputs), ("frame", "state.0", "logits", "next.0"), strict=True
    ):
        port.set_names({name})
    network.set_rt_info(SPEC.to_json(), ["actionzoo", "spec"])
    network.set_rt_info("step", PART_PATH)
    openvino.save_model(network, path, compress_to_fp16=False)
    return path


def test_a_step_of_a_stream_network_runs_as_such(tmp_path):
    backend = open_backend(step_network(tmp_path / "step.xml"))
    assert isinstance(backend, SteppedModel)
    clips = np.random.default_rng(0).random((2, *SPEC.input.shape), np.float32)
    np.testing.assert_allclose(backend(clips), clips[:, :, -1].mean((2, 3)), rtol=1e-5)


def test_a_part_is_refused_with_what_is_whole(tmp_path):
    network = openvino.Core().read_model(write_network(tmp_path / "a.xml"))
    network.set_rt_info("encoder", PART_PATH)
    openvino.save_model(network, tmp_path / "b.xml")
    with pytest.raises(BadWeights, match=r"b\.xml' is only the encoder .* give the folder"):
        open_backend(tmp_path / "b.xml")
    import onnx

    graph = onnx.load(write_onnx(tmp_path / "a.onnx"))
    graph.metadata_props.add(key=PART_KEY, value="decoder")
    onnx.save(graph, tmp_path / "b.onnx")
    with pytest.raises(BadWeights, match=r"b\.onnx' is only the decoder .* give the folder"):
        open_backend(tmp_path / "b.onnx")


def graph_network(path, shape, *, inside=True, classes=400, name="i3d-rgb-tf"):
    """Write a stand-in for the converted graph: the mean colour decides about three classes."""
    ops = openvino.opset13
    clip = ops.parameter(shape, np.float32)
    pixels = clip if list(shape)[-1] == 3 else ops.transpose(clip, [0, 1, 3, 4, 2])
    if inside:
        pixels = ops.multiply(ops.add(pixels, np.float32(-127.5)), np.float32(1 / 127.5))
    matrix = np.eye(3, classes, dtype=np.float32)
    logits = ops.matmul(ops.reduce_mean(pixels, [1, 2, 3]), matrix, False, False)
    network = openvino.Model([ops.softmax(logits, 1)], [clip], "model")
    network.input().set_names({"Placeholder", "Placeholder:0"})
    network.output().set_names({"Softmax"})
    if name:
        network.set_rt_info(name, NAME_PATH)
    openvino.save_model(network, path, compress_to_fp16=False)
    return path


@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        ([1, 79, 224, 224, 3], "BTHWC"),
        ([1, 79, 3, 224, 224], "BTCHW"),
        ([1, 16, 224, 224, 3], "BTHWC"),
    ],
)
@pytest.mark.parametrize("inside", [True, False])
def test_open_model_zoos_i3d_needs_no_spec(shape, layout, inside, tmp_path):
    backend = open_backend(graph_network(tmp_path / "i3d-rgb-tf.xml", shape, inside=inside))
    zoo, spec = get_spec("i3d-rgb-tf"), backend.spec
    assert (spec.name, spec.labels) == (zoo.name, zoo.labels)
    assert (spec.input.layout, spec.input.frames) == (layout, shape[1])
    assert (spec.input.input_name, spec.input.output_name) == ("Placeholder", "Softmax")
    assert spec.input.output == "scores"
    assert spec.input.value_range == ((0, 255) if inside else (-1, 1))
    clip = np.full((1, *spec.input.shape), spec.input.value_range[0], np.float32)
    clip[:, 1] = spec.input.value_range[1]
    assert backend(clip).argmax() == 1


def test_the_name_of_the_file_is_enough(tmp_path):
    shape = [1, 79, 224, 224, 3]
    path = graph_network(tmp_path / "i3d-rgb-tf.xml", shape, name=None)
    assert open_backend(path).spec.name == "i3d-rgb-tf"
    other = graph_network(tmp_path / "other.xml", shape, name=None)
    with pytest.raises(BadWeights, match="a model without a spec"):
        open_backend(other)


def test_other_classes_need_a_spec(tmp_path):
    path = graph_network(tmp_path / "i3d-rgb-tf.xml", [1, 79, 224, 224, 3], classes=5)
    with pytest.raises(BadWeights, match=r"tells 5 classes .* 'i3d-rgb-tf' .* has 400: give"):
        open_backend(path)
