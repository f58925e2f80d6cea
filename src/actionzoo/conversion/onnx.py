"""ONNX files, each self-contained."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from torch import nn

from actionzoo.backends.onnx_backend import PART_KEY, SPEC_KEY, OnnxBackend, import_onnxruntime
from actionzoo.conversion.pieces import Piece, whole_model
from actionzoo.conversion.same import check_same
from actionzoo.conversion.tracing import torch_without_warnings, traced
from actionzoo.errors import ConfigError, MissingExtra
from actionzoo.spec import ModelSpec

OPSET = 18
"""The oldest that torch writes, which the most engines read."""


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
    check_suffix(path)
    graph = to_onnx(whole_model(model, spec))
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as folder:
        draft = Path(folder) / path.name
        save_onnx(graph, draft)
        check_same(model, spec, OnnxBackend(draft), "fp32")
        os.replace(draft, path)
    return path


def to_onnx(piece: Piece) -> Any:
    """Return a piece as an ``onnx.ModelProto`` in float32 with its names, and the spec inside.

    Raises:
        MissingExtra: ONNX is not installed.
    """
    import_onnxruntime()
    try:
        import onnx  # noqa: F401  # torch needs both, and would say so in its own words
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtra("onnx", "exporting to ONNX") from error
    import torch

    with torch_without_warnings():
        program = torch.onnx.export(
            traced(piece),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(piece.inputs),
            output_names=list(piece.outputs),
            verbose=False,
        )
    assert program is not None
    program.model.metadata_props[SPEC_KEY] = piece.spec.to_json()
    if piece.part is not None:
        program.model.metadata_props[PART_KEY] = piece.part
    return program.model_proto


def save_onnx(graph: Any, path: Path) -> None:
    """Write an ``onnx.ModelProto`` as one file.

    Raises:
        ConfigError: ``path`` does not end in ``.onnx``.
    """
    import onnx

    check_suffix(path)
    onnx.save_model(graph, path)


def check_suffix(path: Path) -> None:
    """Refuse a name that does not say ONNX.

    Raises:
        ConfigError: ``path`` does not end in ``.onnx``.
    """
    if path.suffix != ".onnx":
        raise ConfigError(f"cannot export to {os.fspath(path)!r}; the name has to end in .onnx")
