from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from actionzoo.backends.onnx_backend import OnnxBackend
from actionzoo.backends.openvino_backend import OpenVINOBackend
from actionzoo.conversion import export_onnx, export_openvino
from actionzoo.conversion import onnx as onnx_files
from actionzoo.conversion.onnx import save_onnx, to_onnx, with_halves
from actionzoo.conversion.openvino import save_openvino, to_openvino
from actionzoo.conversion.pieces import whole_model, with_batch
from actionzoo.conversion.same import Precision
from actionzoo.errors import ConfigError
from actionzoo.models import x3d
from actionzoo.spec import ModelSpec, Resize


class Tiny(nn.Module):
    """The least that is a network: two numbers a channel, weighed."""

    def __init__(self, num_classes: int = 3) -> None:
        super().__init__()
        self.head = nn.Linear(6, num_classes)

    def forward(self, clip: Tensor) -> Tensor:
        return self.head(torch.cat([clip.mean((2, 3, 4)), clip.amax((2, 3, 4))], 1))


def tiny_spec(frames: int = 2, side: int = 8) -> ModelSpec:
    spec = x3d.SPECS[0]
    resize = Resize(rule="squash", height=side, width=side)
    size = replace(spec.input, frames=frames, height=side, width=side, resize=resize)
    return replace(spec, name="tiny", labels=("bend", 'say "hi"', "größer < kleiner"), input=size)


def logits_of(model: nn.Module, clips: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return model(torch.from_numpy(clips)).numpy()


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("fp16", 1e-2)])
def test_x3d_keeps_its_logits_in_a_file(
    precision: Precision, tolerance: float, tmp_path: Path
) -> None:
    model = x3d.X3D(depths=(1, 1, 2, 1), pool=(2, 2, 2), num_classes=3).eval()
    spec = tiny_spec(frames=2, side=80)
    path = export_openvino(model, spec, tmp_path / "small.xml", precision=precision)
    clips = np.random.default_rng(0).standard_normal((3, *spec.input.shape), np.float32)
    expected = logits_of(model, clips)
    error = np.linalg.norm(OpenVINOBackend(path)(clips) - expected) / np.linalg.norm(expected)
    assert error < tolerance


def test_the_file_carries_the_whole_spec(tmp_path: Path) -> None:
    path = export_openvino(Tiny(), tiny_spec(), tmp_path / "new folder" / "tiny.xml")
    assert OpenVINOBackend(path).spec == tiny_spec()
    assert sorted(one.name for one in path.parent.iterdir()) == ["tiny.bin", "tiny.xml"]


def test_fp16_is_half_as_large(tmp_path: Path) -> None:
    model = x3d.X3D(depths=(1, 1, 1, 1), pool=(2, 2, 2), num_classes=3)
    spec = tiny_spec(side=32)
    sizes = {
        precision: export_openvino(model, spec, tmp_path / f"{precision}.xml", precision=precision)
        .with_suffix(".bin")
        .stat()
        .st_size
        for precision in ("fp16", "fp32")
    }
    assert sizes["fp16"] / sizes["fp32"] == pytest.approx(0.5, abs=0.01)


class Wide(Tiny):
    """Of so many parameters that the graph around them does not count."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.head = nn.Linear(6, 5000), nn.Linear(5000, 3)
        self.register_buffer("huge", torch.full((100,), 1e5))
        self.register_buffer("tiny", torch.full((100,), 1e-7))

    def forward(self, clip: Tensor) -> Tensor:
        means = torch.cat([clip.mean((2, 3, 4)), clip.amax((2, 3, 4))], 1)
        one = (means[:, :1] * self.huge * self.tiny).sum(1, keepdim=True)
        return one + self.head(self.first(means))


def test_an_onnx_file_of_fp16_is_half_as_large_and_computes_in_float32(tmp_path: Path) -> None:
    model, spec = Wide(), tiny_spec()
    whole = export_onnx(model, spec, tmp_path / "whole.onnx")
    half = export_onnx(model, spec, tmp_path / "half.onnx", precision="fp16")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["half.onnx", "whole.onnx"]
    assert half.stat().st_size / whole.stat().st_size == pytest.approx(0.5, abs=0.1)
    assert OnnxBackend(half).spec == spec
    clips = np.random.default_rng(0).standard_normal((3, *spec.input.shape), np.float32)
    logits, expected = OnnxBackend(half)(clips), logits_of(model, clips)
    error = np.linalg.norm(logits - expected) / np.linalg.norm(expected)
    assert 1e-6 < error < 1e-3


def test_what_float16_cannot_hold_stays_float32() -> None:
    graph = to_onnx(whole_model(Wide(), tiny_spec()))
    kept = {one.name: one.data_type for one in with_halves(graph).graph.initializer}
    assert kept["huge"] == kept["tiny"] == onnx.TensorProto.FLOAT
    assert kept["first.weight.float16"] == onnx.TensorProto.FLOAT16
    assert "first.weight" not in kept
    assert all(one.data_type != onnx.TensorProto.FLOAT16 for one in graph.graph.initializer)


def test_a_file_larger_than_onnx_allows_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = to_onnx(whole_model(Wide(), tiny_spec()))
    monkeypatch.setattr(onnx_files, "MOST_BYTES", 150_000)
    save_onnx(graph, tmp_path / "half.onnx", precision="fp16")
    with pytest.raises(ConfigError, match=r"one ONNX file holds .*precision fp16"):
        save_onnx(graph, tmp_path / "whole.onnx")
    assert not (tmp_path / "whole.onnx").exists()


@pytest.mark.parametrize("batch", [1, 3])
def test_a_file_of_fixed_batch_takes_exactly_that(batch: int, tmp_path: Path) -> None:
    model, spec = Tiny(), tiny_spec()
    piece = with_batch(whole_model(model, spec), batch)
    save_openvino(network := to_openvino(piece), tmp_path / "tiny.xml", precision="fp32")
    save_onnx(graph := to_onnx(piece), tmp_path / "tiny.onnx")
    shape = [batch, *spec.input.shape]
    assert network.input().partial_shape.to_shape() == shape
    (port,) = graph.graph.input
    assert [one.dim_value for one in port.type.tensor_type.shape.dim] == shape
    clips = np.random.default_rng(0).standard_normal((5, *spec.input.shape), np.float32)
    for backend in (OpenVINOBackend(tmp_path / "tiny.xml"), OnnxBackend(tmp_path / "tiny.onnx")):
        np.testing.assert_allclose(backend(clips), logits_of(model, clips), rtol=1e-4)


class Odd(nn.Module):
    """Something that hardly any file can hold."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class WithOdd(Tiny):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Identity(), Odd(function))

    def forward(self, clip: Tensor) -> Tensor:
        return super().forward(self.body(clip))


def test_openvino_names_the_layer_that_it_cannot_hold() -> None:
    model = WithOdd(lambda x: torch.fft.rfft(x).real)
    with pytest.raises(ConfigError, match=r"'tiny' .* OpenVINO: its layer 'body\.1' .* to ONNX"):
        to_openvino(whole_model(model, tiny_spec()))


def test_a_map_that_is_too_small_for_openvino_is_named_too() -> None:
    """Torch averages what there is of a window; OpenVINO takes no window larger than the map."""

    def pool(x: Tensor) -> Tensor:
        y = nn.functional.avg_pool2d(x[..., :2, :2].flatten(1, 2), 3, 2, ceil_mode=True)
        return y.unflatten(1, x.shape[1:3])

    with pytest.raises(ConfigError, match=r"its layer 'body\.1' computes aten\.avg_pool2d"):
        to_openvino(whole_model(WithOdd(pool), tiny_spec()))


def test_onnx_names_the_layer_that_it_cannot_hold() -> None:
    model = WithOdd(torch.erfinv)
    with pytest.raises(ConfigError, match=r"'tiny' .* ONNX: its layer 'body\.1' .* to OpenVINO"):
        to_onnx(whole_model(model, tiny_spec()))


def test_python_that_asks_for_the_numbers_is_named() -> None:
    model = WithOdd(lambda x: x if x.sum() > 0 else -x)
    sentence = r"'tiny' cannot be exported: torch finds no graph of its layer 'body\.1'"
    with pytest.raises(ConfigError, match=sentence):
        to_openvino(whole_model(model, tiny_spec()))


class Forgetful(Tiny):
    """Computes one thing when it is traced and another when it is called."""

    def forward(self, clip: Tensor) -> Tensor:
        logits = super().forward(clip)
        return logits if torch.compiler.is_compiling() else logits + 1


def test_a_file_that_computes_something_else_is_not_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "tiny.xml"
    export_openvino(Tiny(), tiny_spec(), path)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"'tiny' differs from the module by .* in fp32"):
        export_openvino(Forgetful(), tiny_spec(), path, precision="fp32")
    assert path.read_bytes() == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["tiny.bin", "tiny.xml"]


def test_only_xml_is_a_name_for_an_ir(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has to end in \.xml"):
        export_openvino(Tiny(), tiny_spec(), tmp_path / "tiny.onnx")


def test_nothing_is_reported_to_anyone(tmp_path: Path) -> None:
    """OpenVINO's telemetry writes into the home folder before it sends; it must never start."""
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]);"
        "import test_conversion as t;"
        "t.export_openvino(t.Tiny(), t.tiny_spec(), Path(sys.argv[2]) / 'tiny.xml');"
        "assert sys.modules['openvino_telemetry'] is None"
    )
    home = tmp_path / "home"
    home.mkdir()
    here = Path(__file__).parent
    paths = os.pathsep.join(sys.path)
    subprocess.run(
        [sys.executable, "-c", code, str(here), str(tmp_path)],
        env={**os.environ, "HOME": str(home), "PYTHONPATH": paths},
        check=True,
    )
    assert list(home.iterdir()) == []
