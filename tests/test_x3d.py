"""X3D against the recorded outputs of PyTorchVideo, and against what it was when last checked."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

from actionzoo.models import x3d
from actionzoo.weights import load_reference

SHARED = Path(__file__).parents[2] / "shared" / "reference"
GOLDEN = json.loads(Path(__file__).with_suffix(".json").read_text())


def relative_error(got: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(got - expected) / np.linalg.norm(expected))


@pytest.fixture(scope="module")
def fill() -> ModuleType:
    if not SHARED.exists():
        pytest.skip("the recorded references (../shared/reference) are not here")
    spec = importlib.util.spec_from_file_location("fill", SHARED / "fill.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.shared
@pytest.mark.parametrize("size", ["xs", "s", "m", "l"])
def test_equals_pytorchvideo(size: str, fill: ModuleType) -> None:
    name = f"pytorchvideo_x3d_{size}"
    reference = json.loads((SHARED / f"{name}.json").read_text())
    model = load_reference(name, fill.fill_state_dict(reference["state_dict"]))
    clip = fill.make_input(tuple(reference["input"]["shape"]), reference["input"]["seed"])
    with torch.no_grad():
        logits = model(torch.from_numpy(clip)).numpy()
    assert relative_error(logits, np.reshape(reference["output"], logits.shape)) < 1e-5


def filled(model: nn.Module) -> nn.Module:
    """Give every parameter values that depend on its name and shape alone."""
    state = {}
    for name, tensor in model.state_dict().items():
        digest = hashlib.sha256(name.encode()).digest()
        rng = np.random.default_rng(int.from_bytes(digest[:8], "little"))
        fan_in = max(1, int(np.prod(tensor.shape[1:])))
        values = rng.standard_normal(tensor.shape) / np.sqrt(fan_in)
        positive = name.endswith("running_var") or (tensor.ndim == 1 and name.endswith("weight"))
        state[name] = torch.from_numpy(np.asarray(1 + 0.1 * values if positive else values))
    model.load_state_dict(state)
    return model.eval()


@pytest.mark.parametrize("side", ["64", "224"])
def test_logits_are_what_they_were(side: str) -> None:
    """Smaller than the spec, and larger: the head then has several windows."""
    model = filled(x3d.build(x3d.SPECS[0]))
    clip = np.random.default_rng(0).standard_normal((1, 3, 4, int(side), int(side)), np.float32)
    with torch.no_grad():
        logits = model(torch.from_numpy(clip))[0, :8].numpy()
    assert relative_error(logits, np.array(GOLDEN["logits"][side])) < 1e-4


@pytest.mark.parametrize("spec", x3d.SPECS, ids=lambda spec: spec.name)
def test_parameter_names_are_what_they_were(spec: x3d.ModelSpec) -> None:
    """Checkpoints that users have saved keep loading."""
    names = "\n".join(x3d.build(spec).state_dict())
    assert hashlib.sha256(names.encode()).hexdigest() == GOLDEN["names"][spec.name]


def test_windows_of_a_larger_clip_are_averaged_as_logits() -> None:
    model = x3d.X3D(depths=(1, 1, 1, 1), pool=(2, 1, 2), num_classes=5).eval()
    clip = torch.randn(1, 3, 3, 64, 96)
    with torch.no_grad():
        x = model.stem(clip)
        for stage in (model.stage1, model.stage2, model.stage3, model.stage4):
            x = stage(x)
        x = torch.relu(model.head_norm(model.head_expand(x)))  # (1, 432, 3, 2, 3)
        logits = [
            model.classifier(torch.relu(model.head_widen(window)).flatten(1))
            for t in range(2)
            for row in range(2)
            for column in range(2)
            for window in [
                x[:, :, t : t + 2, row : row + 1, column : column + 2].mean((2, 3, 4), True)
            ]
        ]
        torch.testing.assert_close(model(clip), torch.stack(logits).mean(0))


def test_a_new_block_begins_as_its_shortcut() -> None:
    block = x3d._stage(8, 8, 2)[1].eval()
    x3d.X3D(depths=(1, 1, 1, 1), pool=(1, 1, 1), num_classes=1)
    block.apply(x3d._initialise)
    x = torch.rand(1, 8, 2, 4, 4)
    torch.testing.assert_close(block(x), x)
