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
def suffix(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def save(piece: Piece, path: Path) -> Path:
    if path.suffix == ".onnx":
        save_onnx(to_onnx(piece), path)
    else:
        save_openvino(to_openvino(piece), path, precision="fp32")
    return path


@pytest.fixture(scope="module")
def engine(suffix: str, tmp_path_factory: pytest.TempPathFactory) -> Engine:
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
    return open_engine(save(piece, tmp_path_factory.mktemp("engine") / f"tally{suffix}"), "CPU")


class Rounds(nn.Module):
    """Remembers in every way: a sum, the last frame, the first one, something new, and a truth."""

    def forward(
        self, frame: Tensor, total: Tensor, last: Tensor, first: Tensor, same: Tensor, seen: Tensor
    ) -> tuple[Tensor, ...]:
        first = torch.where(seen[:, None], first, frame)
        said = torch.cat([total, last, first, same], 1)
        return (
            said,
            total + frame,
            2 * frame,
            first,
            torch.full_like(same, 7),
            ~torch.zeros_like(seen),
        )


def test_what_goes_round_is_kept(tmp_path: Path, suffix: str) -> None:
    names = ("total", "last", "first", "same", "seen")
    piece = Piece(
        name="rounds",
        module=Rounds(),
        example=(*(torch.zeros(2, 3) for _ in range(5)), torch.zeros(2, dtype=torch.bool)),
        inputs=("frame", *names),
        outputs=("said", *(f"next {name}" for name in names)),
        spec=SPEC,
        feed=lambda clips: [],
    )
    engine = open_engine(save(piece, tmp_path / f"rounds{suffix}"), "CPU")
    loops = [
        engine.loop({name: f"next {name}" for name in names}, threads) for threads in (None, 1)
    ]
    frames = np.random.default_rng(0).standard_normal((5, 1, 3)).astype(np.float32)
    for loop in loops:
        for count, frame in enumerate(frames):
            said = loop({"frame": frame})
            assert list(said) == ["said"]
            total, last, first, same = said["said"].reshape(4, 3)
            np.testing.assert_allclose(total, frames[:count].sum(0).sum(0), atol=1e-6)
            np.testing.assert_array_equal(last, 2 * frames[count - 1, 0] if count else 0)
            np.testing.assert_array_equal(first, frames[0, 0])
            np.testing.assert_array_equal(same, 7 if count else 0)
    # Loops do not know of each other, and begin again when they are told to.
    loops[0].forget()
    (again, on) = (loop({"frame": frames[0]})["said"][0, :3] for loop in loops)
    np.testing.assert_array_equal(again, 0)
    np.testing.assert_allclose(on, frames.sum(0)[0], atol=1e-6)


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
