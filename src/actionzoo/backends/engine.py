"""A file of any inputs and outputs, such as a part of a model, by the names of its tensors."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from actionzoo.backends import onnx_backend, openvino_backend
from actionzoo.backends.onnx_backend import PART_KEY
from actionzoo.backends.openvino_backend import PART_PATH, openvino_core
from actionzoo.errors import ConfigError
from actionzoo.spec import ModelSpec

Tensors = Mapping[str, np.ndarray]
"""Tensors by name."""


class Loop(Protocol):
    """A network that is fed again some of what it gave, which it keeps where it computes.

    It takes one row, a stream, at a time, and begins with zeros. It is for one thread.
    """

    def __call__(self, given: Tensors) -> Tensors:
        """From the rest of what it takes to the rest of what it gives."""

    def forget(self) -> None:
        """Begin again with zeros."""


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
    """From what it takes to what it gives; compiled when it is first used."""
    loop: Callable[[Mapping[str, str], int | None], Loop]
    """Return a loop of its own, by the names of what goes round, from what the network takes to
    what it gives in its place for the next time; and on how many threads, None is all cores."""


def open_engine(path: Path, device: str, *, spec: ModelSpec | None = None) -> Engine:
    """Open a file, ``.onnx`` with ONNX Runtime and any other with OpenVINO.

    Args:
        path: The file.
        device: A device of OpenVINO; ONNX Runtime has the CPU only.
        spec: Used instead of the one in the file.

    Raises:
        BadWeights: The file is no model, is damaged, or carries no spec and none is given.
        ConfigError: There is no such device, or it cannot run the file.
        MissingExtra: The file is ONNX's, and ONNX Runtime is not installed.
    """
    return (_open_onnx if path.suffix == ".onnx" else _open_openvino)(path, device, spec)


def _open_openvino(path: Path, device: str, spec: ModelSpec | None) -> Engine:
    core = openvino_core()
    device = openvino_backend.check_device(core, device)
    network = openvino_backend.read_network(path)
    told = network.has_rt_info(PART_PATH)
    # Names as the file has them: compiling adds others.
    outputs = tuple(map(_name, network.outputs))
    ports = {_name(port): _openvino_port(port) for port in network.inputs}
    alone = threading.Lock()

    @cache
    def whole() -> _Request:
        return _Request(_compiled(core, network, path, device=device), outputs)

    def run(given: Tensors) -> Tensors:
        with alone:
            return whole()(given)

    @cache
    def keeping(pairs: tuple[tuple[str, str], ...], threads: int | None) -> tuple[Any, list[str]]:
        kept, left = _keeping(network, dict(pairs))
        return _compiled(core, kept, path, device=device, threads=threads), left

    def loop(pairs: Mapping[str, str], threads: int | None) -> Loop:
        with alone:
            compiled, left = keeping(tuple(pairs.items()), threads)
        handed_on = {name: pairs[name] for name in left}
        inside = {other for name, other in pairs.items() if name not in left}
        request = _Request(compiled, [name for name in outputs if name not in inside])
        return _Loop(request, {name: ports[name] for name in left}, handed_on, request.forget)

    return Engine(
        spec=spec or openvino_backend.read_spec(network, path),
        part=network.get_rt_info(PART_PATH).astype(str) if told else None,
        ports=ports,
        run=run,
        loop=loop,
    )


class _Loop:
    """Hands on what the network itself does not keep.

    Args:
        run: From what the network takes to what it gives.
        ports: What it takes and does not keep.
        pairs: By their names, what it gives in their place.
        forget: Lets it forget what it keeps.
    """

    def __init__(
        self,
        run: Callable[[Tensors], dict[str, np.ndarray]],
        ports: Mapping[str, Port],
        pairs: Mapping[str, str],
        forget: Callable[[], None] = lambda: None,
    ) -> None:
        self._run, self._ports, self._pairs, self._forget = run, ports, pairs, forget
        self._kept: dict[str, np.ndarray] = {}
        self.forget()

    def __call__(self, given: Tensors) -> Tensors:
        results = self._run({**given, **self._kept})
        self._kept = {name: results.pop(other) for name, other in self._pairs.items()}
        return results

    def forget(self) -> None:
        self._forget()
        self._kept = {
            name: np.zeros([size or 1 for size in port.shape], port.dtype)
            for name, port in self._ports.items()
        }


class _Request:
    """A compiled network with memory of its own."""

    def __init__(self, compiled: Any, outputs: Sequence[str]) -> None:
        self._request = compiled.create_infer_request()
        self._outputs = {name: compiled.output(name) for name in outputs}

    def __call__(self, given: Tensors) -> dict[str, np.ndarray]:
        results = self._request.infer(dict(given), share_inputs=True)
        return {name: results[port] for name, port in self._outputs.items()}

    def forget(self) -> None:
        self._request.reset_state()


def _keeping(network: Any, pairs: Mapping[str, str]) -> tuple[Any, list[str]]:
    """Return a network for one row that keeps what goes round, in memory of the device.

    What becomes the same whatever comes it does not keep: OpenVINO 2026.4 then keeps the zeros for
    ever, without a word.

    Returns:
        The network, and the names of what it goes on taking.
    """
    from openvino import passes
    from openvino._offline_transformations import apply_make_stateful_transformation

    kept = network.clone()
    # With a batch that is known, what is kept has a size and begins with zeros.
    rows = {
        _name(port): [one.get_length() if one.is_static else 1 for one in port.partial_shape]
        for port in kept.inputs
    }
    kept.reshape(rows)
    folding = passes.Manager()
    folding.register_pass(passes.ConstantFolding())
    folding.run_passes(kept)
    constant = {_name(port) for port in kept.outputs if not _depends_on_input(port.node)}
    left = [name for name, other in pairs.items() if other in constant]
    apply_make_stateful_transformation(
        kept, {name: other for name, other in pairs.items() if name not in left}
    )
    return kept, left


def _depends_on_input(node: Any) -> bool:
    """Tell whether anything that a network takes leads to a node."""
    ahead: list[Any] = [node]
    known: set[str] = set()
    while ahead:
        one = ahead.pop()
        if one.get_type_name() == "Parameter":
            return True
        sources = [port.get_node() for port in one.input_values()]
        ahead += [source for source in sources if source.get_name() not in known]
        known.update(source.get_name() for source in sources)
    return False


def _compiled(
    core: Any, network: Any, path: Path, *, device: str, threads: int | None = None
) -> Any:
    """Compile a network that looks at one thing after the other.

    Raises:
        ConfigError: The device cannot run it.
    """
    settings = openvino_backend.device_settings(device)
    if device == "CPU":
        settings |= {"NUM_STREAMS": "1"}
        settings |= {} if threads is None else {"INFERENCE_NUM_THREADS": str(threads)}
    return openvino_backend.compile_network(core, network, path, device=device, settings=settings)


def _name(port: Any) -> str:
    return str(port.get_any_name())


def _openvino_port(port: Any) -> Port:
    shape = tuple(one.get_length() if one.is_static else None for one in port.partial_shape)
    return Port(shape=shape, dtype=np.dtype(port.element_type.to_dtype()))


def _open_onnx(path: Path, device: str, spec: ModelSpec | None) -> Engine:
    if device.upper() != "CPU":
        raise ConfigError(f"there is no device {device!r} for onnx here; there is CPU")
    session = onnx_backend.open_session(path, os.cpu_count() or 1)
    ports = {port.name: _onnx_port(port) for port in session.get_inputs()}

    def loop(pairs: Mapping[str, str], threads: int | None) -> Loop:
        own = session if threads is None else onnx_backend.open_session(path, threads)
        # It computes on the CPU, where nothing need be copied.
        return _Loop(partial(_run_session, own), {name: ports[name] for name in pairs}, pairs)

    return Engine(
        spec=spec or onnx_backend.read_spec(session, path),
        part=session.get_modelmeta().custom_metadata_map.get(PART_KEY),
        ports=ports,
        run=partial(_run_session, session),
        loop=loop,
    )


def _run_session(session: Any, given: Tensors) -> dict[str, np.ndarray]:
    outputs = [port.name for port in session.get_outputs()]
    return dict(zip(outputs, session.run(outputs, dict(given)), strict=True))


def _onnx_port(port: Any) -> Port:
    shape = tuple(one if isinstance(one, int) else None for one in port.shape)
    kind = {"tensor(float)": np.float32, "tensor(bool)": np.bool_}[port.type]
    return Port(shape=shape, dtype=np.dtype(kind))
