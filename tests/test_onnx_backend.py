"""ONNX Runtime on networks that are written down here, and what is wrong with other files."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from actionzoo.backends import onnx_backend
from actionzoo.backends.onnx_backend import SPEC_KEY, OnnxBackend
from actionzoo.conversion import export_onnx
from actionzoo.errors import BadWeights, ConfigError, MissingExtra
from colour_model import SPEC


def write(path: Path, spec=SPEC, *, width=3, told=True) -> Path:
    """Write a network whose logits are the mean of each channel."""
    sizes = dict(zip("BCTHW", ("batch", *SPEC.input.shape), strict=True))
    layout = spec.input.layout
    clip = helper.make_tensor_value_info(
        spec.input.input_name, TensorProto.FLOAT, [sizes[axis] for axis in layout]
    )
    logits = helper.make_tensor_value_info(
        spec.input.output_name, TensorProto.FLOAT, ["batch", width]
    )
    axes = [place for place, axis in enumerate(layout) if axis in "THW"]
    mean = helper.make_node(
        "ReduceMean", [spec.input.input_name, "axes"], [spec.input.output_name], keepdims=0
    )
    values = helper.make_tensor("axes", TensorProto.INT64, [3], axes)
    graph = helper.make_graph([mean], "means", [clip], [logits], [values])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 10
    if told:
        helper.set_model_props(model, {SPEC_KEY: spec.to_json()})
    onnx.save(model, str(path))
    return path


def clips(number: int) -> np.ndarray:
    return np.random.default_rng(number).random((number, *SPEC.input.shape), np.float32)


@pytest.mark.parametrize("layout", ["BCTHW", "BTHWC", "BTCHW"])
def test_logits_are_the_networks_in_every_layout(layout, tmp_path):
    spec = replace(SPEC, input=replace(SPEC.input, layout=layout))
    backend = OnnxBackend(write(tmp_path / "means.onnx", spec), threads=1)
    assert backend.spec == spec
    logits = backend(clips(5))
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, clips(5).mean((2, 3, 4)), rtol=1e-5)


def test_clips_need_not_lie_in_one_piece_of_memory(tmp_path):
    scattered = clips(2)[:, :, :, ::-1]
    backend = OnnxBackend(write(tmp_path / "means.onnx"))
    np.testing.assert_allclose(backend(scattered), scattered.mean((2, 3, 4)), rtol=1e-5)


def test_an_exported_file_is_one_file_with_its_spec(tmp_path):
    class Means(torch.nn.Module):
        def forward(self, clip):
            return clip.mean((2, 3, 4))

    path = export_onnx(Means(), SPEC, tmp_path / "means.onnx")
    assert [one.name for one in tmp_path.iterdir()] == ["means.onnx"]
    backend = OnnxBackend(path)
    assert backend.spec == SPEC
    np.testing.assert_allclose(backend(clips(3)), clips(3).mean((2, 3, 4)), rtol=1e-5)
    (opset,) = (one.version for one in onnx.load(str(path)).opset_import if one.domain == "")
    assert opset == 18


def test_an_export_has_to_be_called_onnx(tmp_path):
    with pytest.raises(ConfigError, match=r"has to end in \.onnx"):
        export_onnx(torch.nn.Identity(), SPEC, tmp_path / "a.xml")


def test_files_that_are_no_models_are_refused(tmp_path):
    with pytest.raises(BadWeights, match="there is no model file"):
        OnnxBackend(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(BadWeights, match="damaged or something else"):
        OnnxBackend(tmp_path / "bad.onnx")


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.99])
def test_a_file_that_is_cut_off_is_refused(share, tmp_path):
    path = write(tmp_path / "means.onnx")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(BadWeights, match=r"means\.onnx' cannot be read .* damaged or something"):
        OnnxBackend(path)


def test_parameters_in_a_file_of_their_own_have_to_be_there(tmp_path):
    model = onnx.load(str(write(tmp_path / "means.onnx")))
    model.graph.node[0].output[0] = "means"
    matrix = onnx.numpy_helper.from_array(np.eye(3, dtype=np.float32), "matrix")
    model.graph.initializer.append(matrix)
    model.graph.node.append(helper.make_node("MatMul", ["means", "matrix"], ["logits"]))
    path = tmp_path / "two.onnx"
    onnx.save(model, str(path), save_as_external_data=True, location="two.data", size_threshold=0)
    np.testing.assert_allclose(OnnxBackend(path)(clips(1)), clips(1).mean((2, 3, 4)), rtol=1e-5)
    (tmp_path / "two.data").write_bytes(b"short")
    with pytest.raises(BadWeights, match="keeps its parameters in a file of their own, which is"):
        OnnxBackend(path)
    (tmp_path / "two.data").unlink()
    with pytest.raises(BadWeights, match=r"put it beside the \.onnx, or export the model again"):
        OnnxBackend(path)


@pytest.mark.parametrize("newer", ["ir", "opset", "operator"])
def test_a_file_of_a_newer_onnx_says_what_to_install(newer, tmp_path):
    path = write(tmp_path / "means.onnx")
    model = onnx.load(str(path))
    if newer == "ir":
        model.ir_version = 99
    elif newer == "opset":
        model.opset_import[0].version = 99
    else:
        model.graph.node[0].op_type = "ReduceMode"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(BadWeights, match=r"newer ONNX .* pip install --upgrade onnxruntime"):
        OnnxBackend(path)


def test_a_file_without_a_spec_needs_one(tmp_path):
    path = write(tmp_path / "means.onnx", told=False)
    with pytest.raises(BadWeights, match="a model without a spec"):
        OnnxBackend(path)
    np.testing.assert_allclose(
        OnnxBackend(path, spec=SPEC)(clips(1)), clips(1).mean((2, 3, 4)), rtol=1e-5
    )


def test_a_spec_of_another_network_is_refused(tmp_path):
    path = write(tmp_path / "means.onnx")
    renamed = replace(SPEC, input=replace(SPEC.input, input_name="video"))
    with pytest.raises(BadWeights, match="no tensor 'video'"):
        OnnxBackend(path, spec=renamed)
    larger = replace(SPEC, input=replace(SPEC.input, height=32))
    with pytest.raises(BadWeights, match=r"takes .* where its spec says"):
        OnnxBackend(path, spec=larger)
    with pytest.raises(BadWeights, match="tells 3 classes apart but its spec has 2 labels"):
        OnnxBackend(path, spec=replace(SPEC, labels=("a", "b")))


def test_a_missing_library_is_one_line_to_type(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtra, match=r"pip install 'actionzoo\[onnx\]'"):
        onnx_backend.import_onnxruntime()


def test_it_reports_to_nobody(tmp_path):
    code = (
        "import sys; from pathlib import Path;"
        "from actionzoo.backends.onnx_backend import OnnxBackend; OnnxBackend(Path(sys.argv[1]))"
    )
    home = tmp_path / "home"
    home.mkdir()
    places = {"HOME": str(home), "XDG_CACHE_HOME": str(home), "PYTHONPATH": ":".join(sys.path)}
    environment = {**os.environ, **places}
    environment.pop("ORT_DISABLE_TELEMETRY", None)  # as this very process has it
    command = [sys.executable, "-c", code, str(write(tmp_path / "means.onnx"))]
    subprocess.run(command, env=environment, check=True)
    assert list(home.iterdir()) == []
