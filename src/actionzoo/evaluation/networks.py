"""From what a user calls a model to a network that can be fed clips of a protocol's size."""

from __future__ import annotations

import logging
import os
from abc import ABC, abstractmethod
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

import numpy as np

from actionzoo.backends import Backend
from actionzoo.backends.files import ONNX, open_backend
from actionzoo.catalog import get_spec, list_models
from actionzoo.download import Progress, home
from actionzoo.errors import BadWeights, ConfigError, MissingExtra, UnknownModel, nearest_names
from actionzoo.pretrained import find_model, refuse_flow
from actionzoo.spec import InputSpec, ModelSpec

if TYPE_CHECKING:
    from torch import nn

logger = logging.getLogger(__name__)

Engine = Literal["torch", "openvino", "onnx"]
"""What can run a network."""

RUN_WEIGHTS = "checkpoints/best.safetensors"
"""What a run folder of training holds of its best epoch, for torch."""


class Network(ABC):
    """A model, ready to be fed clips of the size that each protocol wants."""

    engine: Engine
    spec: ModelSpec
    name: str
    """What the user calls it."""

    @abstractmethod
    def fed(self, input: InputSpec) -> Backend:
        """Return the network for clips of a size.

        Raises:
            ConfigError: It cannot take them.
        """


def load_network(
    model: str | os.PathLike[str],
    *,
    engine: Engine | None = None,
    device: str | None = None,
    progress: Progress | None = None,
) -> Network:
    """Load a model.

    Args:
        model: A name of the zoo (``NAME@TAG`` for one of several weights) or the bundled one, a run
            folder of training, an exported ``.xml`` or ``.onnx`` or a folder with one; for torch
            also a ``.safetensors`` of a run.
        engine: What runs it; None takes what the file is for.
        device: A device of the engine; None takes the CPU, for torch a GPU if there is one.
        progress: Called with the bytes done and to do while weights are downloaded.

    Raises:
        UnknownModel: There is no such model.
        BadWeights: The model cannot be used.
        ConfigError: The engine cannot run such a file, or there is no such device.
        MissingExtra: A library that the engine needs is not installed.
    """
    path, name = Path(model), os.fspath(model)
    if engine == "torch" or (engine is None and path.suffix == ".safetensors"):
        return _load_torch(model, device, progress)
    if path.suffix == ".safetensors":
        raise ConfigError(f"{name!r} is no model file of {engine}; use --backend torch")
    if engine == "onnx":
        return OnnxNetwork(_onnx_file(path), name, device)
    file = find_model(model, progress=progress)
    if file.suffix.lower() == ONNX:
        if engine == "openvino":
            raise ConfigError(f"{name!r} is no model of OpenVINO; use --backend onnx")
        return OnnxNetwork(file, name, device)
    return OpenVINONetwork(file, name, device)


def _onnx_file(path: Path) -> Path:
    if path.is_dir():
        return find_model(path, suffixes=(ONNX,))
    if path.suffix.lower() != ONNX:
        raise ConfigError(
            f"{os.fspath(path)!r} is no {ONNX} file; give one that was exported: "
            "actionzoo export --to onnx"
        )
    return path


class OpenVINONetwork(Network):
    """A model file of OpenVINO, reshaped where a protocol feeds it another size."""

    engine = "openvino"

    def __init__(self, file: Path, name: str, device: str | None) -> None:
        self._file, self._device, self.name = file, device or "CPU", name
        own = open_backend(file, device=self._device)
        self.spec = own.spec
        refuse_flow(self.spec)
        self._by_shape: dict[tuple[int, ...], Backend] = {self.spec.input.shape: own}
        self._folder: TemporaryDirectory[str] | None = None

    def fed(self, input: InputSpec) -> Backend:
        """Return the network for clips of a size; see ``Network.fed``."""
        if input.shape not in self._by_shape:
            self._by_shape[input.shape] = self._reshaped(input)
        return self._by_shape[input.shape]

    def _reshaped(self, input: InputSpec) -> Backend:
        try:
            return open_backend(self._file, device=self._device, fed=input)
        except ConfigError:
            file = self._converted(input)
            if file is None:
                raise
            return open_backend(file, device=self._device)

    def _converted(self, input: InputSpec) -> Path | None:
        """Return a file converted for clips of a size, if there are torch and the parameters."""
        try:
            from actionzoo.conversion import export_openvino

            module, spec = _module(self.name, None)
        except (ModuleNotFoundError, MissingExtra, BadWeights, UnknownModel):
            return None
        frames, height, width = input.shape[1:]
        size = f"{frames}x{height}x{width}"
        if Path(self.name).is_dir():
            self._folder = self._folder or TemporaryDirectory(prefix="actionzoo-")
            path = Path(self._folder.name) / f"{size}.xml"
        else:
            path = home() / "models" / f"{self._file.stem}-{size}.xml"
        if not path.exists():
            logger.info("converting %s for clips of %s, once", self.name, size)
            export_openvino(module, replace(spec, input=input), path, precision="fp32")
        return path


class OnnxNetwork(Network):
    """A model file of ONNX, which has one size."""

    engine = "onnx"

    def __init__(self, file: Path, name: str, device: str | None) -> None:
        self._backend, self.name = open_backend(file, device=device), name
        self.spec = self._backend.spec
        refuse_flow(self.spec)

    def fed(self, input: InputSpec) -> Backend:
        """Return the network for clips of its own size; see ``Network.fed``."""
        if input.shape != self.spec.input.shape:
            raise _cannot_take(self.name, input, "a file of ONNX has one size")
        return self._backend


class TorchNetwork(Network):
    """A module, which is tried with each new size once."""

    engine = "torch"

    def __init__(
        self, module: nn.Module, spec: ModelSpec, name: str, device: str | None = None
    ) -> None:
        from actionzoo.backends.torch_backend import TorchBackend, best_device

        refuse_flow(spec)
        self._backend = TorchBackend(module, spec, device=device or best_device())
        self.spec, self.name = spec, name
        self._try = cache(self._run_once)

    def fed(self, input: InputSpec) -> Backend:
        """Return the network, which takes clips of any size; see ``Network.fed``."""
        if input.shape != self.spec.input.shape:
            self._try(input.shape)
        return self._backend

    def _run_once(self, shape: tuple[int, ...]) -> None:
        logits = self._backend(np.zeros((1, *shape), np.float32))
        assert logits.shape == (1, len(self.spec.labels))


def _cannot_take(name: str, input: InputSpec, why: str) -> ConfigError:
    return ConfigError(
        f"{name!r} cannot take clips of {input.frames} frames of {input.height}x{input.width} px: "
        f"{why}; use a protocol of the model's own size, or --backend torch"
    )


def _load_torch(
    model: str | os.PathLike[str], device: str | None, progress: Progress | None
) -> Network:
    try:
        module, spec = _module(os.fspath(model), progress)
    except ModuleNotFoundError as error:
        raise MissingExtra("train", "the torch backend") from error
    return TorchNetwork(module, spec, os.fspath(model), device)


def _module(name: str, progress: Progress | None) -> tuple[nn.Module, ModelSpec]:
    """Make a module with parameters of the zoo or of a run."""
    from actionzoo.saved import load_network as load_network_of_run
    from actionzoo.zoo import create_model

    file = Path(name) / RUN_WEIGHTS if Path(name).is_dir() else Path(name)
    if file.suffix == ".safetensors":
        return load_network_of_run(file)
    zoo_name, _, tag = name.partition("@")
    if zoo_name not in list_models():
        raise UnknownModel(
            f"no model {name!r} for torch: give a name of the zoo, a run folder or its "
            f"{RUN_WEIGHTS}; {nearest_names(zoo_name, list_models())}"
        )
    spec = get_spec(zoo_name)
    refuse_flow(spec)
    module = create_model(zoo_name, pretrained=tag or True, progress=progress)
    if not spec.weights:  # the bundled model
        return module, spec
    return module, spec.filled_with(spec.choose_weights(tag or None))
