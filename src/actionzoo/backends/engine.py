"""A file of any inputs and outputs, such as a part of a model, by the names of its tensors."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from actionzoo.backends import onnx_backend, openvino_backend
from actionzoo.backends.onnx_backend import PART_KEY
from actionzoo.backends.openvino_backend import PART_PATH, import_openvino
from actionzoo.errors import ConfigError
from actionzoo.spec import ModelSpec

Tensors = Mapping[str, np.ndarray]
"""Tensors by name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Port:
    """A tensor that a network takes."""

    shape: tuple[int | None, ...]
    """None where it may be of any size."""
    dtype: np.dtype[Any]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Engine:
    """A network of several inputs, ready to run."""

    spec: ModelSpec
    part: str | None
    ports: Mapping[str, Port]
    """What it takes, by name."""
    run: Callable[[Tensors], Tensors]
    """From what it takes to what it gives."""


def open_engine(path: Path, device: str) -> Engine:
    """Open a file, ``.onnx`` with ONNX Runtime and any other with OpenVINO.

    Raises:
        BadWeights: The file is no model, is damaged, or carries no spec.
        ConfigError: There is no such device, or it cannot run the file.
        MissingExtra: The file is ONNX's, and ONNX Runtime is not installed.
    """
    return (_open_onnx if path.suffix == ".onnx" else _open_openvino)(path, device)


def _open_openvino(path: Path, device: str) -> Engine:
    core = import_openvino().Core()
    device = openvino_backend.check_device(core, device)
    network = openvino_backend.read_network(path)
    told = network.has_rt_info(PART_PATH)
    compiled = core.compile_model(network, device, openvino_backend.device_settings(device))
    request, alone = compiled.create_infer_request(), threading.Lock()
    # Names as the file has them: compiling adds others.
    outputs = {name: compiled.output(name) for name in map(_name, network.outputs)}

    def run(given: Tensors) -> Tensors:
        with alone:
            results = request.infer(dict(given), share_inputs=True)
            return {name: results[port] for name, port in outputs.items()}

    return Engine(
        spec=openvino_backend.read_spec(network, path),
        part=network.get_rt_info(PART_PATH).astype(str) if told else None,
        ports={_name(port): _openvino_port(port) for port in network.inputs},
        run=run,
    )


def _name(port: Any) -> str:
    return str(port.get_any_name())


def _openvino_port(port: Any) -> Port:
    shape = tuple(one.get_length() if one.is_static else None for one in port.partial_shape)
    return Port(shape=shape, dtype=np.dtype(port.element_type.to_dtype()))


def _open_onnx(path: Path, device: str) -> Engine:
    if device.upper() != "CPU":
        raise ConfigError(f"there is no device {device!r} for onnx here; there is CPU")
    session = onnx_backend.open_session(path, os.cpu_count() or 1)
    outputs = [port.name for port in session.get_outputs()]
    return Engine(
        spec=onnx_backend.read_spec(session, path),
        part=session.get_modelmeta().custom_metadata_map.get(PART_KEY),
        ports={port.name: _onnx_port(port) for port in session.get_inputs()},
        run=lambda given: dict(zip(outputs, session.run(outputs, dict(given)), strict=True)),
    )


def _onnx_port(port: Any) -> Port:
    shape = tuple(one if isinstance(one, int) else None for one in port.shape)
    kind = {"tensor(float)": np.float32, "tensor(bool)": np.bool_}[port.type]
    return Port(shape=shape, dtype=np.dtype(kind))
