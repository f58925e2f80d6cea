"""From a torch module to a file that predicts by itself: the file carries the whole spec."""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from actionzoo.backends import Backend
from actionzoo.backends.onnx_backend import SPEC_KEY, OnnxBackend, import_onnxruntime
from actionzoo.backends.openvino_backend import (
    OpenVINOBackend,
    describe_network,
    draft_model,
    import_openvino,
)
from actionzoo.errors import ConfigError, MissingExtra
from actionzoo.spec import ModelSpec

Precision = Literal["fp32", "fp16"]
TOLERANCE: dict[Precision, float] = {"fp32": 1e-4, "fp16": 1e-2}
"""How far the logits of the file may be from the module's, as ‖difference‖ / ‖logits‖."""
OPSET = 18
"""Of ONNX files: the oldest that torch writes, which the most engines read."""


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
        _check_same(model, spec, OpenVINOBackend(draft), precision)
    return path


def export_onnx(model: nn.Module, spec: ModelSpec, path: Path) -> Path:
    """Write a model as one ONNX file in float32 and check that it computes the same.

    The batch stays free, the clip is the spec's; the spec is in the metadata. Nothing is left at
    ``path`` if anything fails, and what was there before stays.

    Args:
        model: A network of the zoo's contract; it is left in eval mode.
        spec: What it eats; written into the file with the labels.
        path: The ``.onnx``.

    Returns:
        ``path``.

    Raises:
        ConfigError: ``path`` does not end in ``.onnx``, or the file's logits are not the module's.
        MissingExtra: ONNX is not installed.
    """
    if path.suffix != ".onnx":
        raise ConfigError(f"cannot export to {os.fspath(path)!r}; the name has to end in .onnx")
    import_onnxruntime()
    try:
        import onnx  # noqa: F401  # torch needs both, and would say so in its own words
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtra("onnx", "exporting to ONNX") from error
    with _torch_without_warnings():
        program = torch.onnx.export(
            traced(model.eval(), spec),
            dynamo=True,
            opset_version=OPSET,
            input_names=[spec.input.input_name],
            output_names=[spec.input.output_name],
            verbose=False,
        )
    assert program is not None
    program.model.metadata_props[SPEC_KEY] = spec.to_json()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as folder:
        draft = Path(folder) / path.name
        program.save(draft, external_data=False)
        _check_same(model, spec, OnnxBackend(draft), "fp32")
        os.replace(draft, path)
    return path


def convert(model: nn.Module, spec: ModelSpec) -> Any:
    """Return a module as an OpenVINO network with the spec's names and the spec inside.

    The batch stays free, the clip is the spec's.
    """
    with _torch_without_warnings():
        network = import_openvino().convert_model(traced(model, spec))
    network.reshape([-1, *spec.input.shape])
    describe_network(network, spec, Path(f"{spec.name}.xml"))
    return network


def compiled(module: nn.Module, spec: ModelSpec) -> Callable[[np.ndarray], np.ndarray]:
    """Return a module as a function that this CPU computes several times as fast as with torch.

    Args:
        module: From clips (B, C, T, H, W) to one tensor; in eval mode.
        spec: Shape of the clips.

    Returns:
        From clips float32 to the tensor float32; computed in float32.
    """
    with _torch_without_warnings():
        network = import_openvino().convert_model(traced(module, spec))
    network.reshape([-1, *spec.input.shape])
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    run = import_openvino().Core().compile_model(network, "CPU", settings)
    return lambda clips: np.asarray(run(clips)[0], np.float32)


def traced(model: nn.Module, spec: ModelSpec) -> torch.export.ExportedProgram:
    """Return the graph of a module, its batch free and its clip the spec's."""
    # Two clips: torch.export takes an axis of one for a constant.
    example = torch.zeros(2, *spec.input.shape)
    batch = torch.export.Dim("batch")
    with _torch_without_warnings(), torch.no_grad():
        return torch.export.export(model, (example,), dynamic_shapes=({0: batch},))


@contextmanager
def _torch_without_warnings() -> Iterator[None]:
    # It tells of each operator of torchvision that it will not need.
    registry = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = registry.level
    with warnings.catch_warnings():
        # torch 2.13 warns of a class of its own when it copies the traced graph.
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        registry.setLevel(logging.ERROR)
        try:
            yield
        finally:
            registry.setLevel(level)


def _check_same(model: nn.Module, spec: ModelSpec, file: Backend, precision: Precision) -> None:
    """Compare the file with the module on noise, read back as a user would."""
    rng = np.random.default_rng(0)
    clips = rng.standard_normal((2, *spec.input.shape), np.float32)
    with torch.no_grad():
        expected = model(torch.from_numpy(clips)).numpy()
    error = np.linalg.norm(file(clips) - expected) / np.linalg.norm(expected)
    if not error < TOLERANCE[precision]:
        raise ConfigError(
            f"the exported {spec.name!r} differs from the module by {error:.1e} where "
            f"{TOLERANCE[precision]:.0e} is allowed in {precision}; export with precision fp32, or "
            "to another format"
        )
