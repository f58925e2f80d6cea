"""What runs a model file is chosen by the file."""

from __future__ import annotations

import os
from pathlib import Path

from actionzoo.backends import Backend
from actionzoo.backends.onnx_backend import OnnxBackend
from actionzoo.backends.openvino_backend import OpenVINOBackend
from actionzoo.backends.parts import PartOfModel
from actionzoo.backends.stepped import STEP, SteppedModel
from actionzoo.download import home
from actionzoo.errors import BadWeights, ConfigError
from actionzoo.spec import InputSpec, ModelSpec

IR, ONNX = ".xml", ".onnx"
SUFFIXES = (IR, ONNX)
"""Endings of model files, in the order in which they are chosen: OpenVINO needs no extra."""


def open_backend(
    path: Path,
    *,
    device: str | None = None,
    spec: ModelSpec | None = None,
    fed: InputSpec | None = None,
) -> Backend:
    """Open a model file with what runs it: ``.xml`` with OpenVINO, ``.onnx`` with ONNX Runtime.

    Args:
        path: A file of a whole model, or the step of a stream network.
        device: A device of what runs it; None takes the CPU.
        spec: Used instead of the one in the file.
        fed: What the network is to be fed, where frames or size differ from its spec's.

    Raises:
        BadWeights: The file cannot be used.
        ConfigError: There is no such device, or the network cannot take what it is to be fed.
        MissingExtra: ONNX Runtime is needed and not installed.
    """
    device = device or "CPU"
    try:
        if path.suffix.lower() == ONNX:
            return _open_onnx(path, device, spec, fed)
        _check_suffix(path)
        cache = home() / "compiled"
        return OpenVINOBackend(path, device=device, spec=spec, fed=fed, cache=cache)
    except PartOfModel as error:
        if error.part != STEP:
            raise
        return SteppedModel(path, device=device)


def _open_onnx(
    path: Path, device: str, spec: ModelSpec | None, fed: InputSpec | None
) -> OnnxBackend:
    _check_onnx_device(device)
    backend = OnnxBackend(path, spec=spec)
    if fed is not None and fed.shape != backend.spec.input.shape:
        raise ConfigError(
            f"{os.fspath(path)!r} cannot take clips of {fed.frames} frames of "
            f"{fed.height}x{fed.width} px: a file of ONNX has one size; use a protocol of the "
            "model's own size, or torch (--backend torch)"
        )
    return backend


def _check_onnx_device(device: str) -> None:
    """Refuse a device that ONNX Runtime does not have here.

    Raises:
        ConfigError: It is not the CPU.
    """
    if device.upper() != "CPU":
        raise ConfigError(
            f"there is no device {device!r} for onnx here; there is CPU, and a model exported to "
            "OpenVINO (.xml) runs on its devices"
        )


def _check_suffix(path: Path) -> None:
    if path.suffix.lower() != IR and path.exists():
        raise BadWeights(
            f"{os.fspath(path)!r} is no model file, which ends in {' or '.join(SUFFIXES)}; make "
            "one with actionzoo export"
        )
