"""All models by name: their list, their specs, and networks with random or published parameters."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from torch import nn

from actionzoo.catalog import get_spec as get_spec
from actionzoo.catalog import list_models as list_models
from actionzoo.download import Progress, fetch
from actionzoo.errors import BadWeights, ConfigError, UnknownModel, nearest_names
from actionzoo.models import FAMILIES
from actionzoo.spec import ModelSpec
from actionzoo.weights import Family, load_weights


def collect(families: Iterable[Family]) -> dict[str, tuple[Family, ModelSpec]]:
    """Map every name to its family and spec, in the order they are written down."""
    models: dict[str, tuple[Family, ModelSpec]] = {}
    for family in families:
        for spec in family.SPECS:
            assert spec.name not in models, f"two models are called {spec.name!r}"
            models[spec.name] = (family, spec)
    return models


MODELS = collect(FAMILIES)

_BUNDLED = Path(__file__).parent / "assets" / "figures10.safetensors"
BUNDLED_WEIGHTS = {"figures10": _BUNDLED, "figures_motion": _BUNDLED}
"""Parameters that come with the package, by the name of their model."""


def create_model(
    name: str,
    *,
    num_classes: int | None = None,
    pretrained: bool | str | os.PathLike[str] = False,
    progress: Progress | None = None,
) -> nn.Module:
    """Build a model, with random, published or your own parameters.

    Args:
        name: One of ``list_models()``.
        num_classes: Width of the output; None takes as many as the spec has labels. If the weights
            tell another number of classes apart, all but the last layer comes from them.
        pretrained: False for random parameters, True for the default published weights, the tag
            (GluonCV's hashtag) of one of several, or the path of a checkpoint of any known format.
            Published weights are downloaded once.
        progress: Called with the bytes done and the bytes to do while downloading.

    Raises:
        UnknownModel: There is none of that name; the message names the nearest.
        ConfigError: ``num_classes`` is below 1.
        BadWeights: There are no such weights, or they cannot be downloaded or used.
    """
    family, spec = _find(name)
    model = family.build(spec)
    if num_classes is not None:
        if num_classes < 1:
            raise ConfigError(f"num_classes is {num_classes}; it is at least 1")
        model.reset_head(num_classes)  # type: ignore[operator]  # torch types it a tensor
    if pretrained is not False:
        load_weights(
            model,
            _checkpoint(spec, pretrained, progress),
            formats=family.FORMATS,
            new_head=num_classes is not None,
        )
    return model


def _checkpoint(
    spec: ModelSpec, pretrained: bool | str | os.PathLike[str], progress: Progress | None
) -> Path:
    """Find the file to read parameters from."""
    if pretrained is True and spec.name in BUNDLED_WEIGHTS:
        return BUNDLED_WEIGHTS[spec.name]
    tags = [one.tag for one in spec.weights]
    if not isinstance(pretrained, bool) and pretrained not in tags:
        if isinstance(pretrained, str) and not Path(pretrained).exists():
            raise BadWeights(
                f"{spec.name!r} has no weights {pretrained!r}, and there is no file of that name; "
                f"its weights are {', '.join(map(repr, tags)) or 'not published'}"
            )
        return Path(pretrained)
    try:
        weights = spec.choose_weights(None if pretrained is True else str(pretrained))
    except LookupError as error:
        raise BadWeights(f"{error.args[0]}; give the path of a checkpoint") from error
    if weights.files[0].url.endswith(".xml"):
        raise BadWeights(
            f"the weights {weights.tag!r} of {spec.name!r} are published as OpenVINO files, which "
            f"predict but cannot be trained: actionzoo predict VIDEO --model {spec.name}"
        )
    return fetch(spec.name, weights, progress=progress)[0]


def _find(name: str) -> tuple[Family, ModelSpec]:
    if name not in MODELS:
        raise UnknownModel(f"there is no model {name!r}; {nearest_names(name, MODELS)}")
    return MODELS[name]
