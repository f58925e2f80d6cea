"""From a torch module to a file that predicts by itself: the IR carries the whole spec."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from actionzoo.backends.openvino_backend import (
    OpenVINOBackend,
    describe_network,
    draft_model,
    import_openvino,
)
from actionzoo.errors import ConfigError
from actionzoo.spec import ModelSpec

Precision = Literal["fp32", "fp16"]
TOLERANCE: dict[Precision, float] = {"fp32": 1e-4, "fp16": 1e-2}
"""How far the logits of the file may be from the module's, as ‖difference‖ / ‖logits‖."""


def export_openvino(
    model: nn.Module, spec: ModelSpec, path: Path, *, precision: Precision = "fp16"
) -> Path:
    """Write a model as an OpenVINO IR and check that it computes the same.

    The batch stays free, the clip is the spec's. Nothing is left at ``path`` if anything fails, and
    what was there before stays.

    Args:
        model: A network of the zoo's contract; it is left in eval mode.
        spec: What it eats; written into the file with the labels.
        path: The ``.xml``; the ``.bin`` goes beside it.
        precision: How the parameters are stored. Inference computes in float32 from both.

    Returns:
        ``path``.

    Raises:
        ConfigError: ``path`` does not end in ``.xml``, or the file's logits are not the module's.
    """
    if path.suffix != ".xml":
        raise ConfigError(f"cannot export to {os.fspath(path)!r}; the name has to end in .xml")
    network = convert(model.eval(), spec)
    with draft_model(path) as draft:
        import_openvino().save_model(network, draft, compress_to_fp16=precision == "fp16")
        _check_same(model, spec, draft, precision)
    return path


def convert(model: nn.Module, spec: ModelSpec) -> Any:
    """Return a module as an OpenVINO network with the spec's names and the spec inside.

    The batch stays free, the clip is the spec's.
    """
    openvino = import_openvino()
    # Two clips: torch.export takes an axis of one for a constant.
    example = torch.zeros(2, *spec.input.shape)
    batch = torch.export.Dim("batch")
    with warnings.catch_warnings(), torch.no_grad():
        # torch 2.13 warns of a class of its own when it copies the traced graph.
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        program = torch.export.export(model, (example,), dynamic_shapes=({0: batch},))
        network = openvino.convert_model(program)
    network.reshape([-1, *spec.input.shape])
    describe_network(network, spec, Path(f"{spec.name}.xml"))
    return network


def _check_same(model: nn.Module, spec: ModelSpec, path: Path, precision: Precision) -> None:
    """Compare the file with the module on noise, read back as a user would."""
    rng = np.random.default_rng(0)
    clips = rng.standard_normal((2, *spec.input.shape), np.float32)
    with torch.no_grad():
        expected = model(torch.from_numpy(clips)).numpy()
    error = np.linalg.norm(OpenVINOBackend(path)(clips) - expected) / np.linalg.norm(expected)
    if not error < TOLERANCE[precision]:
        raise ConfigError(
            f"the exported {spec.name!r} differs from the module by {error:.1e} where "
            f"{TOLERANCE[precision]:.0e} is allowed in {precision}; export with precision fp32"
        )
