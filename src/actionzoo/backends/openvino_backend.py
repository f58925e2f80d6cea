"""Inference with OpenVINO. The model file carries its own spec, so it alone is enough."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np

from actionzoo.backends.axes import as_input, input_shape
from actionzoo.backends.model_cache import VIRTUAL_DEVICES, compile_kept
from actionzoo.backends.parts import COMPOSITE, PartOfModel, split_stem
from actionzoo.backends.published import NAME_PATH as NAME_PATH
from actionzoo.backends.published import find_published, spec_of_graph
from actionzoo.errors import BadWeights, ConfigError
from actionzoo.spec import InputSpec, ModelSpec

SPEC_PATH = ["actionzoo", "spec"]
"""Where an IR's runtime info holds the spec, as JSON."""

_ONNX_SPEC_PATH = ["framework", "/".join(SPEC_PATH)]
"""Where OpenVINO puts the spec of an ONNX file that it reads."""

PART_PATH = ["actionzoo", "part"]
"""Where it holds what of a model the file is, if it is not all of it."""

CORES_PER_STREAM = 4
"""Cores that share one clip. On two cores, one clip on both is as fast as two side by side, answers
in half the time, and leaves more for the decoder."""

NEWEST_IR = 11
"""Version of an IR's file that this code has met; one with a higher number is of a newer OpenVINO.
"""

_IMPORTING = threading.Lock()


def import_openvino() -> Any:
    """Import OpenVINO, a quarter of a second, without its telemetry.

    Left alone, the very import reports itself over the network. The package takes a missing
    ``openvino_telemetry`` as "do not", so it is made to be missing.
    """
    with _IMPORTING:
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
        import openvino

        # The first use of numpy's types inside OpenVINO: two threads that come to it together wait
        # for each other for ever, one with the interpreter's lock, one with OpenVINO's.
        openvino.Type.f32.to_dtype()
    return openvino


def openvino_core() -> Any:
    """Return OpenVINO's core, the same one for as long as the process lives.

    The CPU plugin of a core gives the thread that loads it a stack for signals, and takes it away
    in whichever thread lets go of the core's last network. With cores that come and go the next
    signal, Ctrl-C or a child that ends, finds no stack, and the process is gone without a word.
    """
    openvino = import_openvino()
    with _IMPORTING:
        return _only_core(openvino)


@cache
def _only_core(openvino: Any) -> Any:
    return openvino.Core()


def read_network(path: Path) -> Any:
    """Read a network of any format that OpenVINO knows; an IR's ``.bin`` lies beside its ``.xml``.

    Raises:
        BadWeights: A file is missing, damaged or no model.
    """
    return _read_network(openvino_core(), path)


def describe_network(network: Any, spec: ModelSpec, path: Path) -> None:
    """Name the input and the output of a network as its spec does, and put the spec inside.

    Args:
        network: A network of one input and one output.
        spec: What it eats and says.
        path: What the network is called in messages.

    Raises:
        BadWeights: The spec is not of this network.
    """
    network.input().set_names({spec.input.input_name})
    network.output().set_names({spec.input.output_name})
    network.set_rt_info(spec.to_json(), SPEC_PATH)
    _check_fit(network, spec, path)


def told_spec(network: Any, path: Path) -> ModelSpec | None:
    """Return the spec that a network carries, None if it carries none.

    Raises:
        BadWeights: What it carries is no spec.
    """
    place = next((one for one in (SPEC_PATH, _ONNX_SPEC_PATH) if network.has_rt_info(one)), None)
    if place is None:
        return None
    try:
        return ModelSpec.from_json(network.get_rt_info(place).astype(str))
    except ValueError as error:
        raise BadWeights(
            f"the spec inside {os.fspath(path)!r} cannot be used ({error}): export it again, or "
            "give another with --spec FILE.json"
        ) from error


@contextmanager
def draft_model(path: Path) -> Iterator[Path]:
    """Give a path to write a model to; at the end both its files take the place of ``path``.

    If anything fails, nothing is left, and what was at ``path`` before stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as folder:
        draft = Path(folder) / path.name
        yield draft
        # The .bin first: whoever sees the new .xml sees its .bin too.
        for suffix in (".bin", ".xml"):
            os.replace(draft.with_suffix(suffix), path.with_suffix(suffix))


class OpenVINOBackend:
    """A compiled OpenVINO model; may be called from several threads.

    Computes in float32 wherever the device lets it: a CPU with bfloat16 instructions would
    otherwise be given them, and differ from the other backends in the third digit.

    Args:
        path: An IR, ``.xml`` with its ``.bin`` beside it.
        device: A device of OpenVINO, such as ``CPU``, ``GPU.1``, ``AUTO`` or ``HETERO:GPU,CPU``.
        spec: Used instead of the one in the file.
        fed: What the network is to be fed, where frames or size differ from its spec's.
        cache: Folder where compiled networks are kept for the next start; None keeps none.

    Raises:
        BadWeights: The file is no model, is damaged, is only a part of one, carries no spec and is
            not one that the zoo knows, or does not fit its spec.
        ConfigError: There is no such device, it cannot run the network, or the network cannot take
            what it is to be fed.
    """

    def __init__(
        self,
        path: Path,
        *,
        device: str = "CPU",
        spec: ModelSpec | None = None,
        fed: InputSpec | None = None,
        cache: Path | None = None,
    ) -> None:
        core = openvino_core()
        device = check_device(core, device)
        network = _read_network(core, path)
        _refuse_part(network, path)
        self.spec = spec or read_spec(network, path)
        _check_fit(network, self.spec, path)
        reshaped = fed is not None and fed.shape != self.spec.input.shape
        if fed is not None and reshaped:
            self.spec = replace(self.spec, input=fed)
            _reshape(network, self.spec, path)
            cache = None  # it is kept as it is in the file
        compiled = compile_network(core, network, path, device=device, cache=cache)
        self._input = compiled.input(self.spec.input.input_name)
        self._output = compiled.output(self.spec.input.output_name)
        batch = self._input.partial_shape[self.spec.input.layout.index("B")]
        self._batch: int = batch.get_length() if batch.is_static else 1
        # One more than are computed at a time, so that none waits for Python.
        requests = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")) + 1
        self._idle: SimpleQueue[Any] = SimpleQueue()
        for _ in range(requests):
            self._idle.put(compiled.create_infer_request())
        self._pool = ThreadPoolExecutor(requests, thread_name_prefix="openvino")
        if reshaped:
            self._try(path)

    def __call__(self, clips: np.ndarray) -> np.ndarray:
        """Return logits (B, K) float32 of clips (B, C, T, H, W) float32."""
        starts = range(0, len(clips), self._batch)
        parts = [self.submit(clips[start : start + self._batch]) for start in starts]
        return np.concatenate([part.result() for part in parts])

    def submit(self, clips: np.ndarray) -> Future[np.ndarray]:
        """Do the same in the background; wait first while as many as fit are under way."""
        request = self._idle.get()
        return self._pool.submit(self._run, request, clips)

    def _try(self, path: Path) -> None:
        """Look at one clip, for some networks that were reshaped go wrong only then.

        A size that was written down in the middle of a network as a number no longer fits, or what
        is left over becomes more clips.
        """
        try:
            logits = self(np.zeros((1, *self.spec.input.shape), np.float32))
        except RuntimeError as error:
            raise _cannot_take(self.spec.input, path) from error
        if logits.shape != (1, len(self.spec.labels)):
            raise _cannot_take(self.spec.input, path)

    def _run(self, request: Any, clips: np.ndarray) -> np.ndarray:
        # Clip by clip: measured faster than several at once, whose maps fall out of the cache.
        try:
            starts = range(0, len(clips), self._batch)
            return np.concatenate(
                [self._infer(request, clips[start : start + self._batch]) for start in starts]
            )
        finally:
            self._idle.put(request)

    def _infer(self, request: Any, clips: np.ndarray) -> np.ndarray:
        """Run at most one batch; a network of fixed batch is filled up with the last clip."""
        missing = self._batch - len(clips)
        filled = np.concatenate([clips, clips[-1:].repeat(missing, axis=0)]) if missing else clips
        data = as_input(filled, self.spec.input)
        output = request.infer({self._input: data}, share_inputs=True)[self._output]
        return np.asarray(output, np.float32).reshape(self._batch, -1)[: len(clips)]


def device_settings(device: str) -> dict[str, Any]:
    """Return what a device is told: to compute in float32 where it can, streams by the cores."""
    kind = device.partition(":")[0].partition(".")[0]
    if kind == "CPU":
        streams = max(1, (os.cpu_count() or 1) // CORES_PER_STREAM)
        return {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": str(streams)}
    # Float32 in the words that these know; an NPU has none.
    return {"EXECUTION_MODE_HINT": "ACCURACY"} if kind in ("GPU", *VIRTUAL_DEVICES) else {}


def compile_network(
    core: Any,
    network: Any,
    path: Path,
    *,
    device: str,
    settings: Mapping[str, Any] | None = None,
    cache: Path | None = None,
) -> Any:
    """Compile a network, or take it from an earlier start.

    Args:
        core: Of OpenVINO.
        network: As it was read, or changed since; then it is not to be kept.
        path: Where it was read.
        device: As ``check_device`` returns it.
        settings: For the device; None takes ``device_settings``.
        cache: Folder where compiled networks are kept; None keeps none.

    Raises:
        ConfigError: The device cannot run it.
    """
    settings = device_settings(device) if settings is None else settings
    try:
        if cache is None:
            return core.compile_model(network, device, dict(settings))
        return compile_kept(core, network, path, device, settings=settings, cache=cache)
    except RuntimeError as error:
        raise ConfigError(
            f"the device {device!r} cannot run {os.fspath(path)!r} ({_last_line(error)}); use "
            "another, such as CPU"
        ) from error


def check_device(core: Any, device: str) -> str:
    """Return the name of a device as OpenVINO writes it.

    Raises:
        ConfigError: It, or one that it hands work to, is not there.
    """
    name = device.upper()
    kind, _, others = name.partition(":")
    there = list(core.available_devices)
    # AUTO:-GPU leaves one out, and BATCH:GPU(4) says how many clips it is given at a time.
    parts = [one.partition("(")[0].strip() for one in others.split(",") if others]
    wanted = [one for one in parts if not one.startswith("-")]
    for one in wanted if kind in VIRTUAL_DEVICES else [name]:
        if not _is_there(one, there):
            where = f", which {device!r} names" if one != name else ""
            raise ConfigError(
                f"there is no device {one!r} for OpenVINO here{where}; there is {', '.join(there)}"
            )
    return name


def _is_there(name: str, devices: Sequence[str]) -> bool:
    """Tell whether there is a device; the first of a kind may be called with and without its 0."""
    first = name.removesuffix(".0")
    return any(name == one or first == one.removesuffix(".0") for one in devices)


def _read_network(core: Any, path: Path) -> Any:
    name = repr(os.fspath(path))
    if not path.is_file():
        raise BadWeights(f"there is no model file {name}; give the path of an exported .xml")
    weights = path.with_suffix(".bin")
    if path.suffix == ".xml":
        _check_ir(path)
    if path.suffix == ".xml" and not weights.is_file():
        raise BadWeights(
            f"{name} has no {weights.name!r} beside it; a model is two files, keep them together"
        )
    try:
        return core.read_model(path)
    except RuntimeError as error:
        if re.search(r"unsupported opset|doesn't contain the operation", str(error)):
            raise _of_newer_openvino(path, _last_line(error)) from error
        raise BadWeights(
            f"{name} cannot be read as an OpenVINO model: it or its {weights.name!r} is damaged "
            "or something else; export or download it again"
        ) from error


def _check_ir(path: Path) -> None:
    """Refuse an ``.xml`` that OpenVINO would try as all other formats, with much noise."""
    with path.open("rb") as file:
        head = file.read(1000)
    found = re.search(rb"<net\b[^>]*", head)
    if found is None:
        raise BadWeights(
            f"{os.fspath(path)!r} cannot be read as an OpenVINO model: it is damaged or an .xml of "
            "something else; give the .xml that lies beside a .bin"
        )
    version = re.search(rb'version="(\d+)"', found[0])
    if version is not None and int(version[1]) > NEWEST_IR:
        raise _of_newer_openvino(path, f"it is an IR of version {int(version[1])}")


def _of_newer_openvino(path: Path, reason: str) -> BadWeights:
    there = import_openvino().__version__.partition("-")[0]
    return BadWeights(
        f"{os.fspath(path)!r} is of a newer OpenVINO than {there}, which is installed ({reason}): "
        "pip install --upgrade openvino"
    )


def _last_line(error: RuntimeError) -> str:
    """Return what OpenVINO says is wrong, without the places in its source."""
    lines = str(error).split("\n")
    return next((line.strip(" .") for line in reversed(lines) if line.strip()), "")


def _refuse_part(network: Any, path: Path) -> None:
    """Refuse a part of a model, which says so itself or is a published one.

    Raises:
        PartOfModel: It is one.
    """
    if network.has_rt_info(PART_PATH):
        raise PartOfModel(path, network.get_rt_info(PART_PATH).astype(str))
    stems = [path.stem]
    if network.has_rt_info(NAME_PATH):
        stems.append(network.get_rt_info(NAME_PATH).astype(str))
    parts = {split_stem(stem)[1] for stem in stems} & set(COMPOSITE)
    if parts and not network.has_rt_info(SPEC_PATH) and find_published(network, path):
        raise PartOfModel(path, str(*parts))


def read_spec(network: Any, path: Path) -> ModelSpec:
    """Return the spec that a network carries, or that of the published one that it is.

    Raises:
        BadWeights: It has none.
    """
    spec = told_spec(network, path) or spec_of_graph(network, path)
    if spec is None:
        raise BadWeights(
            f"{os.fspath(path)!r} is a model without a spec (frames, size, mean, labels ...): give "
            "one with --spec FILE.json (in Python: spec=), as ModelSpec.to_json writes it"
        )
    return spec


def _check_fit(network: Any, spec: ModelSpec, path: Path) -> None:
    """Refuse a spec that is not of this network, by names, shape and number of labels."""
    name = repr(os.fspath(path))
    inputs = {one: port for port in network.inputs for one in port.get_names()}
    outputs = {one: port for port in network.outputs for one in port.get_names()}
    for wanted, ports in ((spec.input.input_name, inputs), (spec.input.output_name, outputs)):
        if wanted not in ports:
            known = ", ".join(sorted(ports)) or "none, it has no names"
            raise BadWeights(f"{name} has no tensor {wanted!r}, as its spec says; there is {known}")
    if len(network.inputs) != 1:
        raise BadWeights(f"{name} has {len(network.inputs)} inputs; a model of clips has one")
    shape = inputs[spec.input.input_name].partial_shape
    expected = input_shape(spec.input)
    if not shape.compatible(import_openvino().PartialShape(expected)):
        raise BadWeights(f"{name} takes {shape} where its spec says {expected}; give its own spec")
    width = outputs[spec.input.output_name].partial_shape[1]
    if width.is_static and width.get_length() != len(spec.labels):
        raise BadWeights(
            f"{name} tells {width.get_length()} classes apart but its spec has "
            f"{len(spec.labels)} labels; give one label a class"
        )


def _reshape(network: Any, spec: ModelSpec, path: Path) -> None:
    """Give a network clips of another size."""
    try:
        network.reshape({spec.input.input_name: input_shape(spec.input)})
    except RuntimeError as error:
        raise _cannot_take(spec.input, path) from error


def _cannot_take(spec: InputSpec, path: Path) -> ConfigError:
    return ConfigError(
        f"{os.fspath(path)!r} cannot take clips of {spec.frames} frames of "
        f"{spec.height}x{spec.width} px; use a protocol of the model's own size, or torch "
        "(--backend torch)"
    )
