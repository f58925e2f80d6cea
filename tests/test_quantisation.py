"""Networks in 8-bit integers: near the float ones, named alike, and never worse than asked for."""

import logging
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from actionzoo.backends.onnx_backend import SPEC_KEY, OnnxBackend
from actionzoo.backends.openvino_backend import (
    SPEC_PATH,
    OpenVINOBackend,
    import_openvino,
    openvino_core,
)
from actionzoo.conversion.onnx import save_onnx, to_onnx
from actionzoo.conversion.openvino import save_openvino, to_openvino
from actionzoo.conversion.pieces import whole_model
from actionzoo.errors import ConfigError
from actionzoo.quantisation import (
    import_nncf,
    quantise_onnx,
    quantise_openvino,
    quantise_within,
)
from actionzoo.quantisation.layers import before_weights, integer_layers, weighted
from actionzoo.quantisation.plain import openvino_settings
from colour_model import SPEC

CLIP = replace(SPEC.input, frames=4, height=16, width=16)
SMALL = replace(SPEC, input=CLIP)


class Small(nn.Module):
    """Arithmetic on pixels, three convolutions, a residual sum and a head."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv3d(3, 16, (1, 3, 3), (1, 2, 2), (0, 1, 1))
        self.depthwise = nn.Conv3d(16, 16, 3, 1, 1, groups=16)
        self.point = nn.Conv3d(16, 16, 1)
        self.head = nn.Linear(16, 3)

    def forward(self, clip):
        x = self.stem((clip - 0.25) * 2).relu()
        x = x + self.point(nn.functional.silu(self.depthwise(x)))
        return self.head(x.mean((2, 3, 4)))


@pytest.fixture(scope="module")
def piece():
    torch.manual_seed(0)
    return whole_model(Small(), SMALL)


@pytest.fixture(scope="module")
def network(piece):
    return to_openvino(piece)


@pytest.fixture(scope="module")
def graph(piece):
    return to_onnx(piece)


@pytest.fixture(scope="module")
def feeds():
    """Noise of which each clip has a strength of its own, so that outputs differ."""
    rng = np.random.default_rng(0)
    strengths = rng.uniform(0.2, 2, 20)
    return [((s * rng.standard_normal((1, *CLIP.shape))).astype("f"),) for s in strengths]


@pytest.fixture(scope="module")
def quantised(network, feeds):
    return quantise_openvino(network, feeds)


def error_of(outputs, piece, feeds):
    with torch.no_grad():
        expected = np.concatenate([piece.module(torch.from_numpy(x)).numpy() for (x,) in feeds])
    return np.linalg.norm(outputs - expected) / np.linalg.norm(expected)


def test_openvino_is_near_the_float_network_and_not_it(piece, quantised, feeds, tmp_path):
    save_openvino(quantised, tmp_path / "int8.xml", precision="fp16")
    outputs = OpenVINOBackend(tmp_path / "int8.xml")(np.concatenate([x for (x,) in feeds]))
    assert 1e-4 < error_of(outputs, piece, feeds) < 0.2


def test_onnx_is_near_the_float_network_and_not_it(piece, graph, feeds, tmp_path):
    quantised = quantise_onnx(graph, feeds)
    save_onnx(quantised, tmp_path / "int8.onnx")
    backend = OnnxBackend(tmp_path / "int8.onnx")
    assert backend.spec == SMALL
    outputs = backend(np.concatenate([x for (x,) in feeds]))
    assert 1e-4 < error_of(outputs, piece, feeds) < 0.2
    stored = {tensor.name for tensor in quantised.graph.initializer if tensor.data_type == 3}
    assert len(stored) >= 4, "weights of four layers in int8"
    assert not any(node.op_type == "QuantizeLinear" for node in graph.graph.node)
    assert [one.value for one in graph.metadata_props if one.key == SPEC_KEY] == [SMALL.to_json()]


def test_names_axes_and_spec_stay(network, quantised):
    for one in (network, quantised):
        assert one.get_rt_info(SPEC_PATH).astype(str) == SMALL.to_json()
        assert one.input("clip").partial_shape == import_openvino().PartialShape([-1, *CLIP.shape])
        assert one.output("logits").partial_shape[0].is_dynamic


def test_all_layers_are_stored_in_8_bits_and_the_original_is_left(network, quantised):
    assert integer_layers(quantised) == list(weighted(quantised))
    assert len(weighted(quantised)) == 4
    assert integer_layers(network) == []


def test_arithmetic_on_pixels_stays_in_float(network, quantised):
    early = before_weights(network)
    kinds = {one.get_friendly_name(): one.get_type_name() for one in network.get_ops()}
    assert {"Parameter", "Multiply"} <= {kinds[name] for name in early}
    assert not {"Convolution", "Relu", "MatMul"} & {kinds[name] for name in early}
    for operation in quantised.get_ops():
        if operation.get_friendly_name() in early:
            fed = [value.get_node().get_type_name() for value in operation.input_values()]
            assert "FakeQuantize" not in fed


def test_kept_layers_stay_in_float(network, graph, feeds):
    first = next(iter(weighted(network)))
    kept = quantise_openvino(network, feeds, keep=[first])
    assert first in weighted(kept)
    assert first not in integer_layers(kept)
    node = next(node.name for node in graph.graph.node if node.op_type == "Conv")
    onnx = quantise_onnx(graph, feeds, keep=[node])
    (weights,) = (one.input[1] for one in onnx.graph.node if one.name == node)
    assert weights == "stem.weight"


def test_progress_counts_the_clips(network, feeds):
    told = []
    quantise_openvino(network, feeds, progress=lambda done, total: told.append((done, total)))
    assert told[0] == (1, 20)
    assert told[-1] == (20, 20)


def test_presets_follow_the_network(network):
    nncf = import_nncf()
    choose = {"preset": None, "transformer": None, "keep": ()}
    swish = openvino_settings(nncf, network, **choose)
    assert swish["preset"] == nncf.QuantizationPreset.PERFORMANCE
    assert swish["model_type"] is None
    attention = openvino_settings(nncf, network, **{**choose, "transformer": True})
    assert attention["preset"] == nncf.QuantizationPreset.MIXED
    asked = openvino_settings(
        nncf, network, preset="performance", transformer=True, keep=["a layer"]
    )
    assert asked["preset"] == nncf.QuantizationPreset.PERFORMANCE
    assert asked["model_type"] == nncf.ModelType.TRANSFORMER
    assert "a layer" in asked["ignored_scope"].names


def test_attention_is_seen():
    nncf, ops = import_nncf(), import_openvino().opset13
    tokens = ops.parameter([-1, 4, 8], np.float32)
    scores = ops.softmax(ops.matmul(tokens, tokens, False, True), 2)
    network = import_openvino().Model([ops.matmul(scores, tokens, False, False)], [tokens], "")
    settings = openvino_settings(nncf, network, preset=None, transformer=None, keep=())
    assert settings["model_type"] == nncf.ModelType.TRANSFORMER


def nearness(feeds, reference):
    """Return a judge of how near the outputs are to the float network's; 1 is the same."""
    expected = np.concatenate([reference(feed)[0] for feed in feeds])

    def judge(run):
        outputs = np.concatenate([run(feed)[0] for feed in feeds])
        return float(1 - np.linalg.norm(outputs - expected) / np.linalg.norm(expected))

    return judge


@pytest.fixture(scope="module")
def judge(network, feeds):
    compiled = openvino_core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return nearness(feeds, lambda feed: list(compiled(list(feed)).values()))


@pytest.fixture(scope="module")
def easy(network, feeds, judge):
    return quantise_within(network, feeds, judge=judge, max_drop=20)


def test_nothing_goes_back_where_enough_is_allowed(easy):
    assert easy.reverted == ()
    assert easy.before == pytest.approx(1)
    assert 0.8 < easy.after == easy.plain < 1
    assert len(integer_layers(easy.network)) == 4


def test_layers_go_back_until_it_holds(network, feeds, judge, easy):
    allowed = 100 * (1 - easy.plain) / 2
    result = quantise_within(network, feeds, judge=judge, max_drop=allowed)
    assert result.plain == pytest.approx(easy.plain)
    assert result.after >= 1 - allowed / 100
    assert len(result.reverted) >= 1
    assert len(integer_layers(result.network)) < 4
    assert any("of 4, convolution 16x" in name for name in result.reverted)


def test_layers_of_onnx_go_back_too(graph, feeds, judge):
    result = quantise_within(graph, feeds, judge=judge, max_drop=0.5)
    assert result.after >= 0.995 > result.plain
    assert {"stem", "depthwise", "point", "head"} & set(result.reverted)


def test_a_fault_of_nncf_is_a_sentence(network, feeds, judge, monkeypatch):
    asked = []

    def fails(*_, advanced_quantization_parameters, **__):
        asked.append(advanced_quantization_parameters.disable_bias_correction)
        raise RuntimeError("cannot reshape array of size 24 into shape (1,)")

    monkeypatch.setattr(import_nncf(), "quantize_with_accuracy_control", fails)
    with pytest.raises(ConfigError, match=r"cannot quantise this network \(cannot reshape"):
        quantise_within(network, feeds, judge=judge, max_drop=0)
    assert asked == [False, True]


def test_what_cannot_be_held_is_refused_and_measured(network, feeds):
    answers = iter([0.9])
    with pytest.raises(
        ConfigError, match=r"loses 15\.0 points .* 0\.5 are allowed, 14\.5 too many"
    ):
        quantise_within(network, feeds, judge=lambda run: next(answers, 0.75), max_drop=0.5)


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        (lambda feeds: [], "no clips to calibrate on"),
        (lambda feeds: [(feeds[0][0][:, :, :2],)], r"\(1, 3, 2, 16, 16\) .* \(any, 3, 4, 16, 16\)"),
        (lambda feeds: [(feeds[0][0][0],)], r"\(3, 4, 16, 16\)"),
        (lambda feeds: [feeds[0] * 2], "2 arrays where the network has 1 inputs"),
        (lambda feeds: [feeds[0], (feeds[0][0] * np.float32("nan"),)], "clip 1 .* NaN"),
        (lambda feeds: [(np.ones_like(x),) for (x,) in feeds], "20 clips .* one value"),
    ],
    ids=["none", "frames", "axes", "inputs", "nan", "constant"],
)
def test_clips_that_cannot_be_calibrated_on(network, graph, feeds, spoilt, message):
    for quantise, one in ((quantise_openvino, network), (quantise_onnx, graph)):
        with pytest.raises(ConfigError, match=message):
            quantise(one, spoilt(feeds))


def test_max_drop_is_points(network, feeds):
    with pytest.raises(ConfigError, match="max_drop is -1"):
        quantise_within(network, feeds, judge=lambda run: 1.0, max_drop=-1)


def test_few_clips_are_warned_of(network, feeds, caplog):
    with caplog.at_level(logging.WARNING, "actionzoo"):
        quantise_openvino(network, feeds[:3])
    assert "on 3 clips, which is few" in caplog.text


QUIET = """
import sys, types

class Telemetry:
    def __init__(self, *args, **kwargs): pass
    def __getattr__(self, name): raise SystemExit(f"telemetry: {name}")

sys.modules["openvino_telemetry"] = types.ModuleType("openvino_telemetry")
sys.modules["openvino_telemetry"].Telemetry = Telemetry
import numpy as np
from actionzoo.backends.openvino_backend import import_openvino
from actionzoo.quantisation import quantise_openvino
openvino = import_openvino()
ops = openvino.opset13
clip = ops.parameter([-1, 8], np.float32)
product = ops.matmul(clip, np.ones((8, 8), np.float32), False, False)
network = openvino.Model([product], [clip], "")
network.inputs[0].set_names({"clip"})
quantise_openvino(network, [(np.eye(8, dtype=np.float32)[:1],)] * 12)
print("done", file=sys.stderr)
"""


def test_nothing_is_printed_and_nothing_reported():
    # In a process of its own: NNCF's telemetry is off wherever pytest is imported.
    done = subprocess.run(
        [sys.executable, "-c", QUIET], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("", 0), done.stderr
    assert done.stderr == "done\n"
