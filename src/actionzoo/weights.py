"""From named tensors to a filled model: other projects' names, and a check of every name."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from actionzoo.checkpoints import read_state
from actionzoo.errors import BadWeights, ConfigError, nearest_names
from actionzoo.models import FAMILIES
from actionzoo.models.formats import Format
from actionzoo.spec import ModelSpec
from actionzoo.whole import whole

State = dict[str, Tensor]
logger = logging.getLogger(__name__)


class Family(Protocol):
    """What a file in ``models`` has to have."""

    @property
    def SPECS(self) -> tuple[ModelSpec, ...]:
        """All its models."""

    @property
    def FORMATS(self) -> tuple[Format, ...]:
        """How others call the family's parameters."""

    @property
    def REFERENCES(self) -> Mapping[str, Callable[[], nn.Module]]:
        """Recorded reference networks, and our network that has to compute the same."""

    @property
    def build(self) -> Callable[[ModelSpec], nn.Module]:
        """Make the network of one of ``SPECS``, its parameters random."""


def load_weights(
    model: nn.Module, path: Path, *, formats: tuple[Format, ...] = (), new_head: bool = False
) -> None:
    """Fill a model from a file, whatever published format it is in.

    Args:
        model: A network of the zoo.
        path: A checkpoint of any kind that ``checkpoints`` reads.
        formats: The formats of the model's family; the file may also use our own names.
        new_head: Leave the last layer as it is if the file's tells other classes apart.

    Raises:
        BadWeights: The file is not there, is no checkpoint, holds more than tensors and plain
            values, or does not fit the model. The model is then as it was.
    """
    state = read_state(path)
    fill(model, state, formats=formats, source=os.fspath(path), new_head=new_head)


def save_weights(
    model: nn.Module, path: Path, *, metadata: Mapping[str, str] | None = None
) -> None:
    """Write a model's parameters as safetensors, whole or not at all.

    Args:
        model: Any module.
        path: The file.
        metadata: Words that the file is to carry.

    Raises:
        ConfigError: ``path`` does not end in ``.safetensors``.
    """
    if path.suffix != ".safetensors":
        raise ConfigError(f"cannot write {os.fspath(path)!r}; the name has to end in .safetensors")
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    with whole(path) as part:
        safetensors.torch.save_file(tensors, part, dict(metadata or {}))


def load_reference(name: str, arrays: Mapping[str, np.ndarray]) -> nn.Module:
    """Build the model of a recorded reference network, with given parameters.

    Args:
        name: Stem of the recording, such as ``pytorchvideo_x3d_s``.
        arrays: The reference's parameters under its own names.

    Returns:
        Our model in eval mode, filled through the converter that files go through.

    Raises:
        BadWeights: There is no such reference, or the arrays do not fit.
    """
    families: dict[str, Family] = {
        reference: family for family in FAMILIES for reference in family.REFERENCES
    }
    if name not in families:
        raise BadWeights(f"there is no reference {name!r}; {nearest_names(name, families)}")
    family = families[name]
    model = family.REFERENCES[name]()
    state = {key: torch.as_tensor(array) for key, array in arrays.items()}
    fill(model, state, formats=family.FORMATS, source=name)
    return model.eval()


def convert(state: State, formats: tuple[Format, ...]) -> State:
    """Return the tensors under our names, by the first format they are written in."""
    return next((one.convert(state) for one in formats if one.fits(state)), state)


def fill(
    model: nn.Module,
    state: State,
    *,
    formats: tuple[Format, ...] = (),
    source: str,
    new_head: bool = False,
) -> None:
    """Copy a state dict of any known format into a model.

    Args:
        model: A network of the zoo.
        state: Tensors under our names or those of one of the formats.
        formats: How others call the parameters of the model's family.
        source: What the tensors come from, for messages.
        new_head: Leave the last layer as it is if the state's tells other classes apart.

    Raises:
        BadWeights: A parameter is missing, unknown, or of another shape.
    """
    state = convert(state, formats)
    expected = model.state_dict()
    shared = [name for name in expected if name in state]
    reshaped = [name for name in shared if state[name].shape != expected[name].shape]
    only_heads = _only_heads(reshaped, state, expected)
    kept = reshaped if only_heads and new_head else []
    problems = [
        *(f"{name} is missing" for name in expected if name not in state and not _counts(name)),
        *(f"{name} is unknown" for name in state if name not in expected and not _counts(name)),
        *(
            f"{name} is {_shape(state[name])} where {_shape(expected[name])} is needed"
            for name in reshaped
            if name not in kept
        ),
    ]
    if problems:
        reason = _reason(only_heads and len(problems) == len(reshaped))
        raise BadWeights(f"{source!r} does not fit: {_listed(problems)}; {reason}")
    if kept:
        theirs, ours = (len(one[kept[0]]) for one in (state, expected))
        logger.warning(
            "%s tells %d classes apart, not %d: its last layer is left out and starts anew",
            source,
            theirs,
            ours,
        )
    model.load_state_dict({name: state[name] for name in shared if name not in kept}, strict=False)


def _only_heads(reshaped: list[str], state: State, expected: State) -> bool:
    """Tell whether only the last layer has another width: for other classes.

    A network with an auxiliary output has two such layers.
    """
    layers = {name.rpartition(".")[0] for name in reshaped}
    widths = {(len(state[name]), len(expected[name])) for name in reshaped}
    same_inputs = all(state[name].shape[1:] == expected[name].shape[1:] for name in reshaped)
    return len(layers) in (1, 2) and len(widths) == 1 and same_inputs


def _counts(name: str) -> bool:
    """Whether it is batch norm's counter, which old files lack and nothing depends on."""
    return name.endswith(".num_batches_tracked")


def _shape(tensor: Tensor) -> str:
    return "x".join(str(size) for size in tensor.shape) or "a scalar"


def _listed(problems: list[str]) -> str:
    more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
    return ", ".join(problems[:3]) + more


def _reason(only_heads: bool) -> str:
    if only_heads:
        return "it was made for another number of classes: say how many with num_classes"
    return "it is probably of another model or another variant of it"
