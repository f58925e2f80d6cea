from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from actionzoo.backends.openvino_backend import OpenVINOBackend
from actionzoo.conversion import export_openvino
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
