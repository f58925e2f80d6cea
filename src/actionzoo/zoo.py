"""All models by name."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path
from typing import Protocol

from torch import nn

from actionzoo.errors import ConfigError, UnknownModel, nearest_names
from actionzoo.models import FAMILIES
from actionzoo.spec import ModelSpec
from actionzoo.weights import load_weights


class Family(Protocol):
    """What a file in ``models`` has to have."""

    SPECS: tuple[ModelSpec, ...]

    def build(self, spec: ModelSpec) -> nn.Module:
        """Make the network of one of ``SPECS``, its parameters random."""


def collect(families: tuple[Family, ...]) -> dict[str, tuple[Family, ModelSpec]]:
    """Map every name to its family and spec, in the order they are written down."""
    models: dict[str, tuple[Family, ModelSpec]] = {}
    for family in families:
        for spec in family.SPECS:
            assert spec.name not in models, f"two models are called {spec.name!r}"
            models[spec.name] = (family, spec)
    return models


MODELS = collect(FAMILIES)


def list_models(pattern: str | None = None) -> list[str]:
    """List the names of all models, or of those that a shell pattern matches.

    >>> list_models("x3d_*s_*")
    ['x3d_xs_kinetics400', 'x3d_s_kinetics400']
    """
    return [name for name in MODELS if pattern is None or fnmatch(name, pattern)]


def get_spec(name: str) -> ModelSpec:
    """Return the spec of a model.

    Raises:
        UnknownModel: There is none of that name; the message names the nearest.
    """
    return _find(name)[1]


def create_model(
    name: str, *, num_classes: int | None = None, weights: Path | None = None
) -> nn.Module:
    """Build a model, with random parameters or those of a file.

    Args:
        name: One of ``list_models()``.
        num_classes: Width of the output; None takes as many as the spec has labels. If the file
            tells another number of classes apart, all but the last layer comes from it.
        weights: A checkpoint of any known format.

    Raises:
        UnknownModel: There is none of that name; the message names the nearest.
        ConfigError: ``num_classes`` is below 1.
        BadWeights: The file cannot be used.
    """
    family, spec = _find(name)
    model = family.build(spec)
    if num_classes is not None:
        if num_classes < 1:
            raise ConfigError(f"num_classes is {num_classes}; it is at least 1")
        model.reset_head(num_classes)  # type: ignore[operator]  # torch types it a tensor
    if weights is not None:
        load_weights(model, weights, new_head=num_classes is not None)
    return model


def _find(name: str) -> tuple[Family, ModelSpec]:
    if name not in MODELS:
        raise UnknownModel(f"there is no model {name!r}; {nearest_names(name, MODELS)}")
    return MODELS[name]
