"""The networks that a run has kept: parameters, and all that is needed to use them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import nn

from actionzoo.errors import BadWeights
from actionzoo.spec import ModelSpec
from actionzoo.weights import fill, save_weights
from actionzoo.zoo import create_model

SPEC, MODEL = "actionzoo/spec", "actionzoo/model"
"""Keys of a file's metadata: the whole spec, and the name of the network in the zoo."""
BEST_WEIGHTS, LAST_WEIGHTS = "checkpoints/best.safetensors", "checkpoints/last.safetensors"
"""In the folder of a run."""


def save_network(model: nn.Module, path: Path, facts: Mapping[str, Any]) -> None:
    """Write a network of a run as safetensors, with what the run's facts say of it."""
    save_weights(
        model,
        path,
        metadata={SPEC: json.dumps(facts["spec"]), MODEL: facts["config"]["model"]},
    )


def load_run(run: Path) -> tuple[nn.Module, ModelSpec]:
    """Load the best network of a run.

    Raises:
        BadWeights: There is none, or it is damaged.
    """
    return load_network(run / BEST_WEIGHTS)


def load_network(path: Path) -> tuple[nn.Module, ModelSpec]:
    """Load a network that a run has kept, in eval mode.

    Raises:
        BadWeights: It is not there, is damaged, or was not written by a run.
    """
    name = repr(os.fspath(path))
    if not path.is_file():
        raise BadWeights(f"there is no {name}; give the folder of a run that has validated once")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        state = safetensors.torch.load_file(path)
    except SafetensorError as error:
        raise BadWeights(f"{name} is damaged: {error}") from error
    if SPEC not in metadata or MODEL not in metadata:
        raise BadWeights(f"{name} does not say what network it is of; give a file of a run")
    spec = ModelSpec.from_json(metadata[SPEC])
    model = create_model(metadata[MODEL], num_classes=len(spec.labels))
    fill(model, state, source=os.fspath(path))
    return model.eval(), spec
