"""What is exported: a network of the zoo or of a run, or another model file."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from actionzoo.backends.files import open_backend
from actionzoo.catalog import get_spec, list_models
from actionzoo.conversion.pieces import file_stem
from actionzoo.download import Progress
from actionzoo.errors import BadWeights, ConfigError, UnknownModel, nearest_names
from actionzoo.pretrained import find_model
from actionzoo.saved import BEST_WEIGHTS, load_network
from actionzoo.spec import ModelSpec
from actionzoo.zoo import BUNDLED_WEIGHTS, create_model

logger = logging.getLogger(__name__)

PRETRAINED, UNTRAINED = "pretrained", "none"
"""Words for the published weights, and for random ones."""
_RUN_FACTS = "run.json"
_MODEL_FILES = (".xml", ".onnx")
_CHECKPOINTS = (".ckpt", ".pth", ".pt", ".pyth", ".params", ".pb", ".index", ".zip")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Origin:
    """A model that is to leave: a module, or the file it is in where there is no module."""

    name: str
    """Stem of the files to be."""
    spec: ModelSpec
    source: str
    """Where its parameters come from, in words."""
    module: nn.Module | None = None
    """In eval mode."""
    file: Path | None = None
    """A model file, ``.xml`` or ``.onnx``."""
    run: Path | None = None
    """The folder of the run that made it."""


def open_origin(
    model: str | os.PathLike[str], *, weights: str = PRETRAINED, progress: Progress | None = None
) -> Origin:
    """Find what is to be exported.

    Args:
        model: A name of the zoo (``NAME@TAG`` for one of several weights), a run folder of
            training, a ``.safetensors`` of a run, or an exported ``.xml`` or ``.onnx``.
        weights: For a name of the zoo: ``pretrained``, ``none`` for random parameters, the tag of
            one of several published weights, or a checkpoint in any format that is read.
        progress: Called with the bytes done and to do while weights are downloaded.

    Raises:
        UnknownModel: There is no such model.
        BadWeights: It cannot be used.
        ConfigError: Weights are given for what has its own.
    """
    path = Path(model)
    zoo_name, _, tag = os.fspath(model).partition("@")
    if zoo_name in list_models() and not path.exists():
        if tag and weights != PRETRAINED:
            raise ConfigError(
                f"{os.fspath(model)!r} names its weights, and --weights {weights!r} others; leave "
                "out one of the two"
            )
        return _of_zoo(zoo_name, tag or weights, progress)
    if weights != PRETRAINED:
        raise ConfigError(
            f"--weights {weights!r} is for a name of the zoo, and {os.fspath(model)!r} has its own "
            "parameters; leave it out"
        )
    if (path / _RUN_FACTS).is_file():
        return _of_run(path / BEST_WEIGHTS, path)
    if path.suffix == ".safetensors":
        return _of_run(path, None)
    if path.suffix in _CHECKPOINTS:
        raise ConfigError(
            f"{os.fspath(model)!r} does not say what network it is of; name it: actionzoo export "
            f"NAME --weights {os.fspath(model)}"
        )
    if path.suffix in _MODEL_FILES or path.is_dir():
        return _of_file(find_model(path))
    raise UnknownModel(
        f"no model {os.fspath(model)!r}: give a name of the zoo, a run folder, or a model file; "
        f"{nearest_names(zoo_name, list_models())}"
    )


def _of_zoo(name: str, weights: str, progress: Progress | None) -> Origin:
    spec = get_spec(name)
    tags = [one.tag for one in spec.weights]
    if weights == UNTRAINED:
        # The same parameters each time, so that sizes and speeds can be compared.
        torch.manual_seed(0)
        module = create_model(name)
        return Origin(name=name, spec=spec, source="untrained", module=module.eval())
    if weights != PRETRAINED and weights not in tags:
        module = create_model(name, pretrained=Path(weights))
        return Origin(name=name, spec=spec, source=Path(weights).name, module=module.eval())
    if weights == PRETRAINED and name in BUNDLED_WEIGHTS:
        module = create_model(name, pretrained=True)
        return Origin(name=name, spec=spec, source="bundled", module=module.eval())
    return _published(spec, None if weights == PRETRAINED else weights, progress)


def _published(spec: ModelSpec, tag: str | None, progress: Progress | None) -> Origin:
    try:
        chosen = spec.choose_weights(tag)
    except LookupError as error:
        raise BadWeights(
            f"{error.args[0]}; give a checkpoint with --weights FILE, or --weights none for random "
            "parameters"
        ) from error
    filled = spec.filled_with(chosen)
    source = f"{chosen.source}, {chosen.tag}"
    if chosen.files[0].url.endswith(".xml"):
        file = find_model(f"{spec.name}@{chosen.tag}", progress=progress)
        return Origin(name=spec.name, spec=filled, source=source, file=file)
    module = create_model(spec.name, pretrained=chosen.tag, progress=progress)
    return Origin(name=spec.name, spec=filled, source=source, module=module.eval())


def _of_run(weights: Path, run: Path | None) -> Origin:
    module, spec = load_network(weights)
    source = f"run {os.fspath(run)}" if run is not None else weights.name
    return Origin(name=file_stem(spec), spec=spec, source=source, module=module, run=run)


def _of_file(file: Path) -> Origin:
    spec = open_backend(file).spec
    return Origin(name=file.stem, spec=spec, source=file.name, file=file)
