"""What may be called a model, and networks that are fed other sizes than their own."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from actionzoo.catalog import get_spec
from actionzoo.errors import BadWeights, ConfigError, UnknownModel
from actionzoo.evaluation.networks import (
    RUN_WEIGHTS,
    TorchNetwork,
    load_network,
)
from actionzoo.saved import save_network
from actionzoo.weights import save_weights
from actionzoo.zoo import create_model
from colour_model import SPEC, write_network
from test_onnx_backend import write as write_onnx


def test_a_model_file_a_run_folder_and_the_bundled_name_are_models(tmp_path):
    file = write_network(tmp_path / "model.xml")
    assert load_network(file).spec == load_network(tmp_path).spec == SPEC
    bundled = load_network("figures10")
    assert (bundled.name, bundled.engine) == ("figures10", "openvino")


def test_an_onnx_file_has_one_size(tmp_path):
    network = load_network(write_onnx(tmp_path / "model.onnx"), engine="onnx")
    assert network.fed(SPEC.input).spec == SPEC
    with pytest.raises(ConfigError, match=r"frames of 24x24 px: a file of ONNX has one size"):
        network.fed(replace(SPEC.input, height=24, width=24))
    assert load_network(tmp_path, engine="onnx").spec == SPEC
    assert load_network(tmp_path / "model.onnx").engine == load_network(tmp_path).engine == "onnx"
    with pytest.raises(ConfigError, match="no device 'cuda' for onnx"):
        load_network(tmp_path, engine="onnx", device="cuda")


def test_files_of_another_engine_are_refused_with_the_right_one(tmp_path):
    with pytest.raises(ConfigError, match="use --backend onnx"):
        load_network(tmp_path / "a.onnx", engine="openvino")
    for engine in ("openvino", "onnx"):
        with pytest.raises(ConfigError, match=f"no model file of {engine}; use --backend torch"):
            load_network(tmp_path / "a.safetensors", engine=engine)
    with pytest.raises(ConfigError, match=r"no \.onnx file"):
        load_network("figures10", engine="onnx")
    with pytest.raises(UnknownModel, match="for torch"):
        load_network(tmp_path / "a.xml", engine="torch")


def test_a_run_is_loaded_for_torch_with_its_own_labels(tmp_path):
    spec = replace(get_spec("figures10"), name="my gestures", labels=("a", "b", "c"))
    torch.manual_seed(0)
    model = create_model("figures10", num_classes=3).eval()
    facts = {"spec": json.loads(spec.to_json()), "config": {"model": "figures10"}}
    save_network(model, tmp_path / RUN_WEIGHTS, facts)
    clip = np.random.default_rng(0).standard_normal((1, *spec.input.shape), np.float32)
    with torch.no_grad():
        expected = model(torch.from_numpy(clip)).numpy()
    for given, engine in ((tmp_path, "torch"), (tmp_path / RUN_WEIGHTS, None)):
        network = load_network(given, engine=engine, device="cpu")
        assert network.spec == spec
        np.testing.assert_allclose(network.fed(spec.input)(clip), expected, rtol=1e-4, atol=1e-5)


def test_weights_that_do_not_tell_their_model_are_refused(tmp_path):
    save_weights(torch.nn.Linear(2, 2), tmp_path / "a.safetensors")
    with pytest.raises(BadWeights, match="does not say what network it is of"):
        load_network(tmp_path / "a.safetensors", engine="torch")
    with pytest.raises(BadWeights, match="there is no"):
        load_network(tmp_path, engine="torch")


def test_torch_tries_a_size_before_the_videos():
    fixed = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 4 * 16 * 16, 3))
    network = TorchNetwork(fixed, SPEC, "fixed", "cpu")
    network.fed(SPEC.input)
    with pytest.raises(ConfigError, match="cannot take clips of 4 frames of 24x24 px"):
        network.fed(replace(SPEC.input, height=24, width=24))


def test_a_file_that_cannot_be_reshaped_names_the_other_way(tmp_path):
    from actionzoo.backends.openvino_backend import SPEC_PATH, import_openvino

    openvino = import_openvino()
    ops = openvino.opset13
    clip = ops.parameter([-1, 3, 4, 16, 16], np.float32)
    flat = ops.reshape(clip, np.array([-1, 3 * 4 * 16 * 16]), special_zero=False)
    logits = ops.matmul(flat, np.ones((3 * 4 * 16 * 16, 3), np.float32), False, False)
    model = openvino.Model([logits], [clip])
    model.inputs[0].set_names({"clip"})
    model.outputs[0].set_names({"logits"})
    model.set_rt_info(SPEC.to_json(), SPEC_PATH)
    openvino.save_model(model, tmp_path / "fixed.xml")
    network = load_network(tmp_path / "fixed.xml")
    for side in (24, 32):  # 32 x 32 is four times as many pixels: they must not become four clips
        with pytest.raises(ConfigError, match=rf"of {side}x{side} px; .*--backend torch"):
            network.fed(replace(SPEC.input, height=side, width=side))
