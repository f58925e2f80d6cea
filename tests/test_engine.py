"""A part of a model by the names of its tensors, from both kinds of files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from actionzoo.backends.engine import Engine, open_engine
from actionzoo.conversion.onnx import save_onnx, to_onnx
from actionzoo.conversion.openvino import save_openvino, to_openvino
from actionzoo.conversion.pieces import Piece
from actionzoo.errors import ConfigError
from colour_model import SPEC


class Tally(nn.Module):
    """Adds what it is fed to what it was given, and says whether there was anything before."""

    def forward(self, frame: Tensor, total: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        return torch.where(seen[:, None], total + frame, frame), ~seen


@pytest.fixture(scope="module", params=[".xml", ".onnx"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    path: Path = tmp_path_factory.mktemp("engine") / f"tally{request.param}"
    piece = Piece(
        name="tally",
        module=Tally(),
        example=(torch.zeros(2, 3), torch.zeros(2, 3), torch.zeros(2, dtype=torch.bool)),
        inputs=("frame", "total", "seen"),
        outputs=("sum", "fresh"),
        spec=SPEC,
        feed=lambda clips: [],
        part="tally",
    )
    if path.suffix == ".onnx":
        save_onnx(to_onnx(piece), path)
    else:
        save_openvino(to_openvino(piece), path, precision="fp32")
    return open_engine(path, "CPU")


def test_it_tells_what_it_takes(engine: Engine) -> None:
    assert (engine.spec, engine.part) == (SPEC, "tally")
    assert {name: one.shape for name, one in engine.ports.items()} == {
        "frame": (None, 3),
        "total": (None, 3),
        "seen": (None,),
    }
    assert engine.ports["seen"].dtype == np.bool_


def test_tensors_go_in_and_out_by_name(engine: Engine) -> None:
    frame, total = np.full((2, 3), 2, np.float32), np.full((2, 3), 5, np.float32)
    after = engine.run({"frame": frame, "total": total, "seen": np.array([True, False])})
    np.testing.assert_array_equal(after["sum"], [[7, 7, 7], [2, 2, 2]])
    np.testing.assert_array_equal(after["fresh"], [False, True])


def test_onnx_has_the_cpu_only(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no device 'GPU' for onnx here"):
        open_engine(tmp_path / "model.onnx", "GPU")
