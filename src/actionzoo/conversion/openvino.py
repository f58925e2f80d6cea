"""OpenVINO's files: an IR, ``.xml`` with its ``.bin`` beside it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from actionzoo.backends.axes import arranged
from actionzoo.backends.openvino_backend import (
    NAME_PATH,
    PART_PATH,
    SPEC_PATH,
    OpenVINOBackend,
    draft_model,
    import_openvino,
    openvino_core,
)
from actionzoo.conversion.pieces import Piece, whole_model
from actionzoo.conversion.same import Precision, check_same
from actionzoo.conversion.tracing import refusals_named, torch_without_warnings, traced
from actionzoo.errors import ConfigError
from actionzoo.spec import ModelSpec


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
    network = to_openvino(whole_model(model, spec))
    with draft_model(path) as draft:
        save_openvino(network, draft, precision=precision)
        check_same(model, spec, OpenVINOBackend(draft), precision)
    return path


def to_openvino(piece: Piece) -> Any:
    """Return a piece as an OpenVINO network with its names, and the spec inside.

    Raises:
        ConfigError: Torch finds no graph of it, or OpenVINO lacks an operator.
    """
    program = traced(piece)
    with torch_without_warnings(), refusals_named("OpenVINO", "ONNX", piece, program):
        network = import_openvino().convert_model(program)
    ports = list(network.inputs)
    shapes = {
        port: [-1 if axis in axes else size for axis, size in enumerate(tensor.shape)]
        for port, tensor, axes in zip(ports, piece.example, piece.axes(), strict=True)
    }
    network.reshape(shapes)
    for port, name in zip(ports, piece.inputs, strict=True):
        port.set_names({name})
    for port, name in zip(network.outputs, piece.outputs, strict=True):
        port.set_names({name})
    network.set_rt_info(piece.spec.to_json(), SPEC_PATH)
    network.set_rt_info(piece.name, NAME_PATH)
    if piece.part is not None:
        network.set_rt_info(piece.part, PART_PATH)
    return network


def save_openvino(network: Any, path: Path, *, precision: Precision) -> None:
    """Write a network; parameters of 8 bits stay so in both precisions.

    Raises:
        ConfigError: ``path`` does not end in ``.xml``.
    """
    if path.suffix != ".xml":
        raise ConfigError(f"cannot export to {os.fspath(path)!r}; the name has to end in .xml")
    import_openvino().save_model(network, path, compress_to_fp16=precision == "fp16")


def compiled(module: nn.Module, spec: ModelSpec) -> Callable[[np.ndarray], np.ndarray]:
    """Return a module as a function that this CPU computes several times as fast as with torch.

    Args:
        module: From clips in the spec's layout to one tensor; in eval mode.
        spec: Shape of the clips.

    Returns:
        From clips (B, C, T, H, W) float32 to the tensor float32; computed in float32.
    """
    network = to_openvino(whole_model(module, spec))
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    run = openvino_core().compile_model(network, "CPU", settings)
    return lambda clips: np.asarray(run(arranged(clips, spec.input.layout))[0], np.float32)
