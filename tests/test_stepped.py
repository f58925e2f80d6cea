"""Streams out of files: frame after frame they say what torch says, in both formats."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from actionzoo.backends.stepped import SteppedModel
from actionzoo.conversion import export_onnx, export_openvino
from actionzoo.conversion.onnx import save_onnx, to_onnx
from actionzoo.conversion.openvino import save_openvino, to_openvino
from actionzoo.conversion.pieces import Piece, with_batch
from actionzoo.conversion.stepping import step_piece
from actionzoo.errors import BadWeights, ConfigError
from actionzoo.models import vtn
from actionzoo.spec import ModelSpec
from test_conversion import Tiny, tiny_spec
from test_stepping import TinyStream, clips, small_movinet, stream_spec

both = pytest.mark.parametrize("suffix", [".xml", ".onnx"])


def write(piece: Piece, path: Path) -> Path:
    if path.suffix == ".xml":
        save_openvino(to_openvino(piece), path, precision="fp32")
    else:
        save_onnx(to_onnx(piece), path)
    return path


def small_vtn() -> vtn.VTN:
    torch.manual_seed(0)
    model = vtn.VTN("mobilenetv2", num_classes=3, layer_norm=True, from_bgr=False)
    return model.eval()


def answers(model: nn.Module, spec: ModelSpec, values: np.ndarray) -> np.ndarray:
    """Return what torch says after each frame, (T, B, K)."""
    state = model.initial_state(len(values), **_size(model, spec))
    logits = []
    with torch.no_grad():
        for frame in torch.from_numpy(values).unbind(2):
            one, state = model.step(frame, state)
            logits.append(one.numpy())
    return np.stack(logits)


def _size(model: nn.Module, spec: ModelSpec) -> dict[str, int]:
    named = type(model).__name__ == "StreamMoViNet"
    return {"height": spec.input.height, "width": spec.input.width} if named else {}


@both
@pytest.mark.parametrize(("build", "side"), [(TinyStream, 8), (small_movinet, 40), (small_vtn, 32)])
def test_the_loop_over_frames_is_torchs(
    build: Callable[[], nn.Module], side: int, suffix: str, tmp_path: Path
) -> None:
    spec, model = stream_spec(side=side), build()
    stepped = SteppedModel(write(step_piece(model, spec), tmp_path / f"a-step{suffix}"))
    assert stepped.spec == spec
    values = clips(spec)
    expected = answers(model, spec, values)
    state = stepped.initial_state(2)
    for t, logits in enumerate(expected):
        given, state = stepped.step(values[:, :, t], state)
        assert np.linalg.norm(given - logits) < 1e-4 * np.linalg.norm(logits)
    np.testing.assert_allclose(stepped(values), expected[-1], rtol=1e-4, atol=1e-4)
    check_stream(stepped, values[1:], expected[:, 1:])


def check_stream(stepped: SteppedModel, values: np.ndarray, expected: np.ndarray) -> None:
    """Check that a stream says after each frame what it should, twice, whatever another does."""
    stream, other = stepped.stream(), stepped.stream()
    for _ in range(2):
        for frame, logits in zip(np.moveaxis(values, 2, 0), expected, strict=True):
            given = stream.step(frame)
            other.step(-frame)
            assert np.linalg.norm(given - logits) < 1e-4 * np.linalg.norm(logits)
        stream.reset()


@pytest.fixture(params=[".xml", ".onnx"])
def tiny(request: pytest.FixtureRequest, tmp_path: Path) -> SteppedModel:
    piece = step_piece(TinyStream(), stream_spec())
    return SteppedModel(write(piece, tmp_path / f"tiny-step{request.param}"))


def test_a_state_is_a_value(tiny: SteppedModel) -> None:
    values = clips(stream_spec(), 1)
    _, middle = tiny.step(values[:, :, 0], tiny.initial_state())
    kept = [one.copy() for one in middle]
    first, _ = tiny.step(values[:, :, 1], middle)
    second, _ = tiny.step(values[:, :, 1], middle)
    np.testing.assert_array_equal(first, second)
    for one, before in zip(middle, kept, strict=True):
        np.testing.assert_array_equal(one, before)


def test_streams_side_by_side_may_be_of_different_age(tiny: SteppedModel) -> None:
    values = clips(stream_spec(), 1)
    _, old = tiny.step(values[:, :, 0], tiny.initial_state())
    both = tuple(map(np.concatenate, zip(old, tiny.initial_state(), strict=True)))
    together, _ = tiny.step(values[:, :, 1].repeat(2, axis=0), both)
    alone = [tiny.step(values[:, :, 1], state)[0] for state in (old, tiny.initial_state())]
    np.testing.assert_allclose(together, np.concatenate(alone), rtol=1e-5)


def test_as_a_backend_it_answers_at_the_last_frame(tiny: SteppedModel) -> None:
    values = clips(stream_spec(), 5)
    expected = answers(TinyStream(), stream_spec(), values)[-1]
    futures = [tiny.submit(values[i : i + 1]) for i in range(5)]
    np.testing.assert_allclose(tiny(values), expected, rtol=1e-4)
    np.testing.assert_allclose(np.concatenate([one.result() for one in futures]), expected, 1e-4)


@both
def test_a_fixed_number_of_streams_is_filled_up(suffix: str, tmp_path: Path) -> None:
    piece = with_batch(step_piece(TinyStream(), stream_spec()), 2)
    stepped = SteppedModel(write(piece, tmp_path / f"two{suffix}"))
    values = clips(stream_spec(), 3)
    expected = answers(TinyStream(), stream_spec(), values)[-1]
    np.testing.assert_allclose(stepped(values), expected, rtol=1e-4)
    check_stream(stepped, values[:1], answers(TinyStream(), stream_spec(), values[:1]))
    with pytest.raises(ConfigError, match=r"'frame' has the shape \(3.* takes \(2, 3, 8, 8\)"):
        stepped.step(values[:, :, 0], stepped.initial_state(3))


def test_other_frames_and_states_are_refused(tiny: SteppedModel) -> None:
    frame = np.zeros((1, 3, 8, 8), np.float32)
    with pytest.raises(ConfigError, match=r"the state has 0 tensors where .* keeps 3"):
        tiny.step(frame, ())
    with pytest.raises(ConfigError, match=r"'state\.0' has the shape \(2, 3\) where .* \(1, 3\)"):
        tiny.step(frame, tiny.initial_state(2))
    with pytest.raises(ConfigError, match=r"'frame' has the shape \(1, 3, 9, 8\)"):
        tiny.step(np.zeros((1, 3, 9, 8), np.float32), tiny.initial_state())
    with pytest.raises(
        ConfigError, match=r"frame has the shape \(2, 3, 8, 8\) where \(1, 3, 8, 8\)"
    ):
        tiny.stream().step(np.zeros((2, 3, 8, 8), np.float32))


def test_other_files_and_devices_are_refused(tmp_path: Path) -> None:
    whole = export_openvino(Tiny(), tiny_spec(), tmp_path / "whole.xml")
    with pytest.raises(BadWeights, match=r"whole\.xml' is not the step of a stream"):
        SteppedModel(whole)
    whole = export_onnx(Tiny(), tiny_spec(), tmp_path / "whole.onnx")
    with pytest.raises(BadWeights, match=r"whole\.onnx' is not the step of a stream"):
        SteppedModel(whole)
    with pytest.raises(ConfigError, match="no device 'GPU' for onnx here; there is CPU"):
        SteppedModel(whole, device="GPU")
    with pytest.raises(BadWeights, match="there is no model file"):
        SteppedModel(tmp_path / "none.xml")


def test_it_needs_no_torch(tmp_path: Path) -> None:
    path = write(step_piece(TinyStream(), stream_spec()), tmp_path / "tiny.xml")
    code = (
        "import sys; sys.modules['torch'] = None; import numpy as np;"
        "from actionzoo.backends.stepped import SteppedModel; model = SteppedModel(sys.argv[1]);"
        "print(model.step(np.ones((1, 3, 8, 8), np.float32), model.initial_state())[0].tolist())"
    )
    command = [sys.executable, "-c", code, str(path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[[101.0, 101.0, 101.0]]"
