"""Inference with ONNX Runtime. The model file carries its own spec, so it alone is enough."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from actionzoo.backends.axes import as_input, input_shape
from actionzoo.backends.parts import PartOfModel
from actionzoo.backends.queued import QueuedBackend
from actionzoo.errors import BadWeights, MissingExtra
from actionzoo.spec import ModelSpec

SPEC_KEY = "actionzoo/spec"
"""Where the metadata of an ONNX file holds the spec, as JSON."""

PART_KEY = "actionzoo/part"
"""Where it holds what of a model the file is, if it is not all of it."""

_NEWER = re.compile(
    "Unsupported model IR version|Opset [0-9]+ is under development|No Op registered for"
)
_EXTERNAL = re.compile("external (initializer|data)", re.IGNORECASE)


def import_onnxruntime() -> Any:
    """Import ONNX Runtime without its telemetry.

    Left alone, the very import of 1.31 writes an identifier into the user's folder of caches, and
    reports over the network.

    Raises:
        MissingExtra: It is not installed.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise MissingExtra("onnx", "inference with ONNX Runtime") from error
    return onnxruntime


class OnnxBackend(QueuedBackend):
    """A model of ONNX Runtime on the CPU; may be called from several threads.

    Args:
        path: A ``.onnx`` file.
        spec: Used instead of the one in the file.
        threads: How many compute one clip; None takes every core.

    Raises:
        BadWeights: The file is no model, is damaged, is only a part of one, carries no spec, or
            does not fit its spec.
        MissingExtra: ONNX Runtime is not installed.
    """

    def __init__(
        self, path: Path, *, spec: ModelSpec | None = None, threads: int | None = None
    ) -> None:
        super().__init__("onnx")
        self._session = open_session(path, threads or os.cpu_count() or 1)
        part = self._session.get_modelmeta().custom_metadata_map.get(PART_KEY)
        if part is not None:
            raise PartOfModel(path, part)
        self.spec = spec or read_spec(self._session, path)
        _check_fit(self._session, self.spec, path)
        inputs = {one.name: one.shape for one in self._session.get_inputs()}
        batch = inputs[self.spec.input.input_name][self.spec.input.layout.index("B")]
        self._batch: int = batch if isinstance(batch, int) else 1

    def _run(self, clips: np.ndarray) -> np.ndarray:
        # Clip by clip, as with OpenVINO: the maps of several at once fall out of the cache.
        starts = range(0, len(clips), self._batch)
        return np.concatenate([self._infer(clips[start : start + self._batch]) for start in starts])

    def _infer(self, clips: np.ndarray) -> np.ndarray:
        """Run at most one batch; a network of fixed batch is filled up with the last clip."""
        spec = self.spec.input
        data = as_input(clips[np.minimum(np.arange(self._batch), len(clips) - 1)], spec)
        (logits,) = self._session.run([spec.output_name], {spec.input_name: data})
        return np.asarray(logits, np.float32).reshape(self._batch, -1)[: len(clips)]


def open_session(path: Path, threads: int) -> Any:
    """Open a file with ONNX Runtime.

    Raises:
        BadWeights: It is not there, or cannot be read.
        MissingExtra: ONNX Runtime is not installed.
    """
    onnxruntime = import_onnxruntime()
    name = repr(os.fspath(path))
    if not path.is_file():
        raise BadWeights(f"there is no model file {name}; give the path of an exported .onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3  # errors only: warnings are of its own graph transformations
    try:
        return onnxruntime.InferenceSession(
            os.fspath(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # its exceptions have no base class of their own
        raise BadWeights(f"{name} {_why_not_read(str(error))}") from error


def _why_not_read(message: str) -> str:
    """Say in a user's words why ONNX Runtime cannot read a file."""
    if _EXTERNAL.search(message):
        return (
            "keeps its parameters in a file of their own, which is missing or damaged: put it "
            "beside the .onnx, or export the model again, into one file"
        )
    if _NEWER.search(message):
        return (
            f"is of a newer ONNX than ONNX Runtime {import_onnxruntime().__version__} knows, which "
            "is installed: pip install --upgrade onnxruntime"
        )
    return "cannot be read as an ONNX model: it is damaged or something else; export it again"


def read_spec(session: Any, path: Path) -> ModelSpec:
    """Return the spec that a file carries in its metadata.

    Raises:
        BadWeights: It carries none, or one that cannot be used.
    """
    text = session.get_modelmeta().custom_metadata_map.get(SPEC_KEY)
    if text is None:
        raise BadWeights(
            f"{os.fspath(path)!r} is a model without a spec (frames, size, mean, labels ...): give "
            "one with --spec FILE.json (in Python: spec=), as ModelSpec.to_json writes it"
        )
    try:
        return ModelSpec.from_json(text)
    except ValueError as error:
        raise BadWeights(
            f"the spec inside {os.fspath(path)!r} cannot be used ({error}): export it again"
        ) from error


def _check_fit(session: Any, spec: ModelSpec, path: Path) -> None:
    """Refuse a spec that is not of this network, by names, shape and number of labels."""
    name = repr(os.fspath(path))
    inputs = {one.name: one.shape for one in session.get_inputs()}
    outputs = {one.name: one.shape for one in session.get_outputs()}
    for wanted, there in ((spec.input.input_name, inputs), (spec.input.output_name, outputs)):
        if wanted not in there:
            raise BadWeights(
                f"{name} has no tensor {wanted!r}, as its spec says; there is {', '.join(there)}"
            )
    expected = input_shape(spec.input)
    shape = inputs[spec.input.input_name]
    # What may be of any size has a name instead of a number.
    fits = len(shape) == len(expected) and all(
        size == -1 or not isinstance(one, int) or one == size
        for one, size in zip(shape, expected, strict=True)
    )
    if not fits:
        raise BadWeights(f"{name} takes {shape} where its spec says {expected}; give its own spec")
    width = outputs[spec.input.output_name][-1]
    if isinstance(width, int) and width != len(spec.labels):
        raise BadWeights(
            f"{name} tells {width} classes apart but its spec has {len(spec.labels)} labels; give "
            "one label a class"
        )
