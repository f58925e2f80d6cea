"""Fine-tuning with the rounding of int8: what is rounded, what leaves, and what stays."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from actionzoo.backends.onnx_backend import OnnxBackend
from actionzoo.backends.openvino_backend import OpenVINOBackend, openvino_core
from actionzoo.conversion.onnx import save_onnx, to_onnx
from actionzoo.conversion.openvino import save_openvino, to_openvino
from actionzoo.conversion.pieces import whole_model
from actionzoo.errors import BadWeights, ConfigError
from actionzoo.exporting.qat import (
    Rounding,
    Tuned,
    fine_tune_quantised,
    fold_weights,
    plain_convolutions,
    quantised,
    roundings,
)
from actionzoo.quantisation import import_nncf
from actionzoo.saved import load_run
from actionzoo.training.run import train
from actionzoo.zoo import create_model
from runs import config, write_classes

SMALL = (1, 3, 4, 24, 32)


def noise(count: int, *, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(SMALL, np.float32) for _ in range(count)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_classes(tmp_path_factory.mktemp("videos") / "videos")


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(data, output=tmp_path_factory.mktemp("runs") / "run", config=config("epochs=2"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(one): one.read_bytes() for one in sorted(folder.rglob("*")) if one.is_file()}


def test_a_rounding_is_that_of_the_formula() -> None:
    made = Rounding(
        -128,
        127,
        step=torch.tensor([0.5, 0.1]),
        zero=torch.tensor([0, 3], dtype=torch.int32),
        axis=1,
        most=torch.tensor([[40.0], [4.0]]),
    )
    x = torch.linspace(-100, 100, 37)[None, None].expand(1, 2, -1).clone().requires_grad_()
    step, zero = torch.tensor([[0.5], [0.1]]), torch.tensor([[0.0], [3.0]])
    kept = x.clamp(-torch.tensor([[40.0], [4.0]]), torch.tensor([[40.0], [4.0]]))
    expected = ((kept / step + zero).round().clamp(-128, 127) - zero) * step
    rounded = made(x)
    torch.testing.assert_close(rounded, expected)
    rounded.sum().backward()
    # The gradient passes where nothing is cut off.
    inside = x.abs() < torch.tensor([[40.0], [4.0]])
    torch.testing.assert_close(x.grad, inside.float())


def test_every_convolution_is_rounded_also_where_channels_are_last() -> None:
    model = create_model("figures10", num_classes=3).eval()
    exact = create_model("figures10", num_classes=3).eval()
    exact.load_state_dict(model.state_dict())
    made = quantised(import_nncf(), model, noise(4))
    weights = [one for one in roundings(made) if one.axis is not None]
    layers = [one for one in made.modules() if isinstance(one, (nn.Conv3d, nn.Linear))]
    assert len(weights) == len(layers) == 12
    seen: list[Rounding] = []
    for one in roundings(made):
        one.register_forward_hook(lambda module, inputs, output: seen.append(module))
    clips = torch.from_numpy(np.concatenate(noise(3, seed=1)))
    with torch.no_grad():
        plain = made(clips)
        assert set(seen) == set(roundings(made))
        seen.clear()
        last = made(clips.contiguous(memory_format=torch.channels_last_3d))
        assert set(seen) == set(roundings(made))
        logits = exact(clips)
    assert relative(last, plain) < 0.02
    assert 1e-5 < relative(plain, logits) < 0.1


def relative(values: Tensor | np.ndarray, expected: Tensor | np.ndarray) -> float:
    a, b = (np.asarray(one) for one in (values, expected))
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def test_plain_convolutions_compute_the_same() -> None:
    model = create_model("x3d_xs_kinetics400", num_classes=3).eval()
    clips = torch.randn(1, 3, 4, 64, 64, generator=torch.Generator().manual_seed(0))
    clips = clips.contiguous(memory_format=torch.channels_last_3d)
    with torch.no_grad():
        before = model(clips)
        plain_convolutions(model)
        torch.testing.assert_close(model(clips), before, atol=1e-5, rtol=1e-4)
    assert {type(one) for one in model.modules() if isinstance(one, nn.Conv3d)} == {nn.Conv3d}


@pytest.fixture(scope="module")
def tuned(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    before = contents(run)
    made = fine_tune_quantised(run, tmp_path_factory.mktemp("tuned") / "work", epochs=2)
    assert contents(run) == before
    return made


def test_a_run_becomes_files_that_compute_in_8_bits(
    run: Path, tuned: Tuned, tmp_path: Path
) -> None:
    network, spec = load_run(run)
    assert tuned.spec == spec
    assert tuned.losses[1] <= tuned.losses[0]
    assert moved(tuned.module, network)
    clips = np.concatenate(noise(8, seed=2))
    with torch.no_grad():
        expected = tuned.module(torch.from_numpy(clips)).numpy()

    ir, exact = tmp_path / "int8.xml", tmp_path / "fp32.xml"
    save_openvino(to_openvino(whole_model(tuned.module, spec)), ir, precision="fp16")
    save_openvino(to_openvino(whole_model(network, spec)), exact, precision="fp32")
    # The same but for numbers that lie half-way between two levels.
    assert relative(OpenVINOBackend(ir)(clips), expected) < 0.02
    small, large = (one.with_suffix(".bin").stat().st_size for one in (ir, exact))
    assert small < 0.35 * large
    assert not fed_floats(ir)

    graph = to_onnx(whole_model(tuned.module, spec))
    save_onnx(graph, tmp_path / "loose.onnx")
    save_onnx(fold_weights(graph), tmp_path / "int8.onnx")
    logits = OnnxBackend(tmp_path / "int8.onnx")(clips)
    np.testing.assert_array_equal(OnnxBackend(tmp_path / "loose.onnx")(clips), logits)
    assert relative(logits, expected) < 0.02
    assert (tmp_path / "int8.onnx").stat().st_size < 0.35 * large


def moved(tuned: nn.Module, network: nn.Module) -> bool:
    """Tell whether weights have been learnt, while batch norms keep their statistics."""
    now = tuned.state_dict()
    changed = {name for name, one in network.state_dict().items() if not now[name].equal(one)}
    return bool(changed) and not any("running" in name for name in changed)


def fed_floats(ir: Path) -> list[str]:
    """Return the names of the convolutions of a compiled IR that are not fed whole numbers."""
    compiled = openvino_core().compile_model(ir, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    layers = [
        one
        for one in compiled.get_runtime_model().get_ops()
        if one.get_rt_info()["layerType"].astype(str) == "Convolution"
    ]
    assert len(layers) == 11
    return [
        one.get_friendly_name()
        for one in layers
        if one.get_input_element_type(0).get_type_name() not in ("u8", "i8")
    ]


def test_ctrl_c_loses_nothing(
    run: Path,
    tuned: Tuned,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    work = tmp_path / "work"
    with monkeypatch.context() as patch:
        patch.setattr("actionzoo.training.keeping.save_network", interrupted(after=2))
        with pytest.raises(KeyboardInterrupt):
            fine_tune_quantised(run, work, epochs=2)
    assert "the same command goes on" in caplog.text
    again = fine_tune_quantised(run, work, epochs=2)
    assert again.losses == pytest.approx(tuned.losses)
    with pytest.raises(ConfigError, match="for 3 epochs; remove it"):
        fine_tune_quantised(run, work, epochs=3)


def interrupted(*, after: int):  # type: ignore[no-untyped-def]
    """Return what saves networks until somebody presses Ctrl-C."""
    from actionzoo.saved import save_network

    saved: list[Path] = []

    def save(model: nn.Module, path: Path, facts: dict[str, object]) -> None:
        saved.append(path)
        if len(saved) > after:
            raise KeyboardInterrupt
        save_network(model, path, facts)

    return save


def changed_run(run: Path, folder: Path, **settings: object) -> Path:
    """Copy a run, and let it have been trained otherwise."""
    copied = Path(shutil.copytree(run, folder))
    facts = json.loads((copied / "run.json").read_text())
    facts["config"] |= settings
    (copied / "run.json").write_text(json.dumps(facts))
    return copied


def test_a_distilled_run_learns_from_itself_and_a_trained_head_alone_is_trained_alone(
    run: Path, tmp_path: Path
) -> None:
    teacher = {"teacher": "a/run/that/is/gone", "share": 0.9, "temperature": 2.0}
    other = changed_run(run, tmp_path / "taught", distill=teacher, features="cache", epochs=0)
    tuned = fine_tune_quantised(other, tmp_path / "work", epochs=1)
    before, after = load_run(run)[0].state_dict(), tuned.module.state_dict()
    trained = {name for name, one in before.items() if not after[name].equal(one)}
    assert trained <= {"head.weight", "head.bias"}


def test_bad_input(run: Path, data: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    with pytest.raises(ConfigError, match="no readable 'run"):
        fine_tune_quantised(tmp_path, work)
    unfinished = Path(shutil.copytree(run, tmp_path / "unfinished"))
    (unfinished / "checkpoints/best.safetensors").unlink()
    with pytest.raises(BadWeights, match="validated once"):
        fine_tune_quantised(unfinished, work)
    with pytest.raises(ConfigError, match=r"no longer at '.*gone'; give them with --calibrate"):
        fine_tune_quantised(run, work, data=tmp_path / "gone")
    fewer = shutil.copytree(data, tmp_path / "fewer")
    shutil.rmtree(fewer / "grey")
    with pytest.raises(ConfigError, match="has the 2 classes dark, light"):
        fine_tune_quantised(run, work, data=fewer)
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="is there already"):
        fine_tune_quantised(run, full)
    with pytest.raises(ConfigError, match="no clip to be calibrated on"):
        quantised(import_nncf(), create_model("figures10"), [])
    assert not work.exists()
