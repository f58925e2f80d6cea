"""ONNX files, each self-contained."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from actionzoo.backends.onnx_backend import PART_KEY, SPEC_KEY, OnnxBackend, import_onnxruntime
from actionzoo.conversion.pieces import Piece, whole_model
from actionzoo.conversion.same import Precision, check_same
from actionzoo.conversion.tracing import refusals_named, torch_without_warnings, traced
from actionzoo.errors import ConfigError, MissingExtra
from actionzoo.spec import ModelSpec

OPSET = 18
"""The oldest that torch writes, which the most engines read."""
MOST_BYTES = 2**31 - 1
"""The largest message of protobuf, which an ONNX file is."""
FEWEST_HALVED = 64
"""Parameters of a tensor from which on half of their bytes are more than a Cast takes."""


def export_onnx(
    model: nn.Module, spec: ModelSpec, path: Path, *, precision: Precision = "fp32"
) -> Path:
    """Write a model as one ONNX file and check that it computes the same.

    The batch stays free, the clip is the spec's; the spec is in the metadata. Nothing is left at
    ``path`` if anything fails, and what was there before stays.

    Args:
        model: A network of the zoo's contract; it is left in eval mode.
        spec: What it eats; written into the file with the labels.
        path: The ``.onnx``.
        precision: How the parameters are stored. Inference computes in float32 from both.

    Returns:
        ``path``.

    Raises:
        ConfigError: ``path`` does not end in ``.onnx``, ONNX cannot hold the model, or the file's
            logits are not the module's.
        MissingExtra: ONNX is not installed.
    """
    check_suffix(path)
    graph = to_onnx(whole_model(model, spec))
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as folder:
        draft = Path(folder) / path.name
        save_onnx(graph, draft, precision=precision)
        check_same(model, spec, OnnxBackend(draft), precision)
        os.replace(draft, path)
    return path


def to_onnx(piece: Piece) -> Any:
    """Return a piece as an ``onnx.ModelProto`` in float32 with its names, and the spec inside.

    Raises:
        ConfigError: Torch finds no graph of it, or ONNX lacks an operator.
        MissingExtra: ONNX is not installed.
    """
    import_onnxruntime()
    try:
        import onnx  # noqa: F401  # torch needs both, and would say so in its own words
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtra("onnx", "exporting to ONNX") from error
    program = traced(piece)
    # Attention as plain products: another of torch's ways to it lays out its numbers as only itself
    # knows, and the exporter, which takes it apart in two goes, stumbles over that. The graph has
    # to be a new one: torch remembers the way that was chosen for it, by OpenVINO's converter too.
    plain = sdpa_kernel(SDPBackend.MATH)
    with torch_without_warnings(), plain, refusals_named("ONNX", "OpenVINO", piece, program):
        written = torch.onnx.export(
            program,
            dynamo=True,
            opset_version=OPSET,
            input_names=list(piece.inputs),
            output_names=list(piece.outputs),
            dynamic_shapes=piece.axes(),  # only to name them: the graph knows that they are free
            verbose=False,
        )
    assert written is not None
    written.model.metadata_props[SPEC_KEY] = piece.spec.to_json()
    if piece.part is not None:
        written.model.metadata_props[PART_KEY] = piece.part
    graph = written.model_proto
    # torch writes down for every node from which line of which file of this machine it came.
    for part in (*graph.graph.node, *graph.graph.value_info, *graph.graph.initializer):
        del part.metadata_props[:]
    return graph


def save_onnx(graph: Any, path: Path, *, precision: Precision = "fp32") -> None:
    """Write an ``onnx.ModelProto`` as one file; parameters of 8 bits stay so in both precisions.

    Raises:
        ConfigError: ``path`` does not end in ``.onnx``, or the file would be larger than 2 GB.
    """
    import onnx

    check_suffix(path)
    stored = graph if precision == "fp32" else with_halves(graph)
    size = sum(len(one.raw_data) for one in stored.graph.initializer)
    if size > MOST_BYTES:
        raise ConfigError(
            f"{os.fspath(path)!r} would be of {size / 1e9:.1f} GB where one ONNX file holds "
            f"{MOST_BYTES / 1e9:.1f}; take precision fp16, or export to OpenVINO"
        )
    onnx.save_model(stored, path)


def with_halves(graph: Any) -> Any:
    """Return an ``onnx.ModelProto`` whose parameters are stored as float16 and cast to float32.

    All is computed in float32, as OpenVINO does from compressed files, so it runs on whatever runs
    the original. Parameters that float16 would round more than its 11 bits say, because they are
    too large or too small for it, stay as they are.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    stored = onnx.ModelProto()
    stored.CopyFrom(graph)
    casts = []
    for tensor in stored.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        half = _halved(numpy_helper.to_array(tensor))
        if half is not None:
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(half, f"{name}.float16"))
            casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *stored.graph.node]
    del stored.graph.node[:]
    stored.graph.node.extend(nodes)
    return stored


def _halved(values: np.ndarray) -> np.ndarray | None:
    """Return values as float16, None where that is not worth it or changes too much."""
    if values.size < FEWEST_HALVED:
        return None
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    change = np.linalg.norm(half.astype(np.float32) - values)
    return half if change <= 2**-11 * np.linalg.norm(values) else None


def check_suffix(path: Path) -> None:
    """Refuse a name that does not say ONNX.

    Raises:
        ConfigError: ``path`` does not end in ``.onnx``.
    """
    if path.suffix != ".onnx":
        raise ConfigError(f"cannot export to {os.fspath(path)!r}; the name has to end in .onnx")
