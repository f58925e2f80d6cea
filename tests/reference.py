"""The recorded references beside the checkout: deterministic weights, an input, and its logits."""

from __future__ import annotations

import ast
import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

from actionzoo.weights import load_reference

FOLDER = Path(__file__).parents[2] / "shared" / "reference"
LISTINGS = FOLDER.parent / "spec" / "state_dicts"


def names() -> list[str]:
    """Return the stems of all recordings, none where the folder is absent."""
    files = [file for file in sorted(FOLDER.glob("*.json")) if file.stem != "mxnet_sample"]
    return [file.stem for file in files]


def record(name: str) -> dict[str, Any]:
    recorded: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return recorded


def arrays(name: str) -> dict[str, np.ndarray]:
    """Make the parameters of a reference under its own names."""
    filled: dict[str, np.ndarray] = _fill().fill_state_dict(record(name)["state_dict"])
    return filled


def model(name: str) -> nn.Module:
    """Build our network with the reference's parameters."""
    return load_reference(name, arrays(name))


def relative_error(name: str) -> float:
    """Run our network of a reference on the recorded input and compare."""
    return error(model(name), name)


def error(network: nn.Module, name: str) -> float:
    """Run a network on a recorded input and compare its output with the recorded one."""
    recorded = record(name)
    given = _fill().make_input(tuple(recorded["input"]["shape"]), recorded["input"]["seed"])
    with torch.no_grad():
        output = network(torch.from_numpy(given)).numpy()
    assert list(output.shape) == recorded["output_shape"]
    expected = np.reshape(recorded["output"], output.shape)
    return float(np.linalg.norm(output - expected) / np.linalg.norm(expected))


def listing(name: str) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes that a published checkpoint holds."""
    text = (LISTINGS / f"{name}.txt").read_text()
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    return {key: ast.literal_eval(shape) for key, shape, *_ in rows}


def listed_arrays(name: str) -> dict[str, np.ndarray]:
    """Make the parameters of a listing."""
    filled: dict[str, np.ndarray] = _fill().fill_state_dict(listing(name))
    return filled


def _fill() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fill", FOLDER / "fill.py")
    assert spec is not None
    assert spec.loader is not None
    fill = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fill)
    return fill
