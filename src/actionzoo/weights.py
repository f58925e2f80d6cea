"""From a file of parameters to a model: safe reading, other projects' names, a check of every name.

A checkpoint is a pickle, and a pickle may run code. Only files that hold nothing but tensors and
plain values are read; any other is refused before anything in it runs.
"""

from __future__ import annotations

import os
import pickle
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from actionzoo.errors import BadWeights, nearest_names
from actionzoo.models import x3d

State = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """How another project calls the parameters of a family."""

    mark: str
    """A parameter that only this format has."""
    renames: tuple[tuple[str, str], ...]
    """Regular expressions and what each match becomes, applied in order."""

    def convert(self, state: State) -> State:
        """Return the same tensors under our names."""
        return {self._rename(name): tensor for name, tensor in state.items()}

    def _rename(self, name: str) -> str:
        for pattern, replacement in self.renames:
            name = re.sub(pattern, replacement, name)
        return name


FORMATS = (
    Format(  # PyTorchVideo's X3D
        mark="blocks.0.conv.conv_xy.weight",
        renames=(
            # The two names are swapped: conv_t is the spatial convolution, applied first.
            (r"^blocks\.0\.conv\.conv_t\.", "stem.spatial."),
            (r"^blocks\.0\.conv\.conv_xy\.", "stem.temporal."),
            (r"^blocks\.0\.norm\.", "stem.norm."),
            (r"^blocks\.(\d)\.res_blocks\.", r"stage\1."),
            (r"\.branch1_conv\.", ".shortcut."),
            (r"\.branch1_norm\.", ".shortcut_norm."),
            (r"\.branch2\.conv_a\.", ".expand."),
            (r"\.branch2\.norm_a\.", ".expand_norm."),
            (r"\.branch2\.conv_b\.", ".depthwise."),
            (r"\.branch2\.norm_b\.0\.", ".depthwise_norm."),
            (r"\.branch2\.norm_b\.1\.block\.0\.", ".squeeze_excite.squeeze."),
            (r"\.branch2\.norm_b\.1\.block\.2\.", ".squeeze_excite.excite."),
            (r"\.branch2\.conv_c\.", ".project."),
            (r"\.branch2\.norm_c\.", ".project_norm."),
            (r"^blocks\.5\.pool\.pre_conv\.", "head_expand."),
            (r"^blocks\.5\.pool\.pre_norm\.", "head_norm."),
            (r"^blocks\.5\.pool\.post_conv\.", "head_widen."),
            (r"^blocks\.5\.proj\.", "classifier."),
        ),
    ),
)

WRAPPERS = ("state_dict", "model_state", "model")
"""Keys under which training frameworks put the parameters beside other things."""

PREFIXES = ("module.", "model.")
"""What wrappers put before every name: DistributedDataParallel and Lightning."""

REFERENCES = {f"pytorchvideo_x3d_{size}": (x3d, f"x3d_{size}_kinetics400") for size in x3d.VARIANTS}
"""Recorded reference networks, and our model that has to compute the same."""


def load_weights(model: nn.Module, path: Path, *, new_head: bool = False) -> None:
    """Fill a model from a file, whatever published format it is in.

    Args:
        model: A network of the zoo.
        path: A PyTorch checkpoint or a ``.safetensors`` file.
        new_head: Leave the last layer as it is if the file's tells other classes apart.

    Raises:
        BadWeights: The file is not there, is no checkpoint, holds more than tensors and plain
            values, or does not fit the model. The model is then as it was.
    """
    fill(model, read_state(path), source=os.fspath(path), new_head=new_head)


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
    if name not in REFERENCES:
        raise BadWeights(f"there is no reference {name!r}; {nearest_names(name, REFERENCES)}")
    family, model_name = REFERENCES[name]
    model: nn.Module = family.build(next(spec for spec in family.SPECS if spec.name == model_name))
    fill(model, {key: torch.from_numpy(array) for key, array in arrays.items()}, source=name)
    return model.eval()


def read_state(path: Path) -> State:
    """Read the tensors of a checkpoint, unwrapped, under the names the file gives them.

    Raises:
        BadWeights: The file is not there, is no checkpoint, or is not safe.
    """
    name = repr(os.fspath(path))
    if not path.is_file():
        raise BadWeights(f"there is no weights file {name}; give the path of a checkpoint")
    try:
        content = _read(path)
    except OSError as error:
        raise BadWeights(f"{name} cannot be read: {error.strerror}") from error
    except Exception as error:  # given bytes at random, torch's reader fails in every possible way
        raise BadWeights(f"{name} {_trouble(path, error)}") from error
    state = _unwrap(content)
    if not state:
        raise BadWeights(f"{name} holds no tensors; give a checkpoint with the model's parameters")
    return state


def _read(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return safetensors.torch.load_file(path)
    with warnings.catch_warnings():
        # torch warns of unusual pickles, and then refuses them, which is said once, below.
        warnings.simplefilter("ignore", UserWarning)
        return torch.load(path, map_location="cpu", weights_only=True)


def _trouble(path: Path, error: Exception) -> str:
    """Say what is wrong with a file that could not be read, from its first bytes."""
    with path.open("rb") as file:
        head = file.read(64).lstrip()
    if not head:
        return "is empty; download or copy it again"
    if head.startswith(b"<"):
        return "is a web page, not a checkpoint; download the file itself"
    if head.startswith(b"version https://git-lfs"):
        return "only points to a file in Git LFS; fetch the file itself with 'git lfs pull'"
    if isinstance(error, pickle.UnpicklingError) and head.startswith((b"PK", b"\x80")):
        return (
            "holds more than tensors and plain values, and to read that could run its code; "
            "nothing was run: ask whoever made it for a .safetensors file"
        )
    return "is damaged, cut off or no checkpoint; download or copy it again"


def _unwrap(content: Any) -> State:
    """Find the parameters among what a training framework saved, and strip common prefixes."""
    while isinstance(content, dict):
        inner = next((content[key] for key in WRAPPERS if isinstance(content.get(key), dict)), None)
        if inner is None:
            break
        content = inner
    items = content.items() if isinstance(content, dict) else ()
    state = {name: value for name, value in items if isinstance(value, Tensor)}
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state


def fill(model: nn.Module, state: State, *, source: str, new_head: bool = False) -> None:
    """Copy a state dict of any known format into a model.

    Args:
        model: A network of the zoo.
        state: Tensors under our names or those of one of ``FORMATS``.
        source: What the tensors come from, for messages.
        new_head: Leave the last layer as it is if the state's tells other classes apart.

    Raises:
        BadWeights: A parameter is missing, unknown, or of another shape.
    """
    state = next((one.convert(state) for one in FORMATS if one.mark in state), state)
    expected = model.state_dict()
    shared = [name for name in expected if name in state]
    reshaped = [name for name in shared if state[name].shape != expected[name].shape]
    head = _head(reshaped, state, expected)
    kept = reshaped if head and new_head else []
    problems = [
        *(f"{name} is missing" for name in expected if name not in state and not _counts(name)),
        *(f"{name} is unknown" for name in state if name not in expected),
        *(
            f"{name} is {_shape(state[name])} where {_shape(expected[name])} is needed"
            for name in reshaped
            if name not in kept
        ),
    ]
    if problems:
        only_head = head is not None and len(problems) == len(reshaped)
        raise BadWeights(f"{source!r} does not fit: {_listed(problems)}; {_reason(only_head)}")
    model.load_state_dict({name: state[name] for name in shared if name not in kept}, strict=False)


def _head(reshaped: list[str], state: State, expected: State) -> str | None:
    """Name the one layer whose output alone has another width: the head for other classes."""
    layers = {name.rpartition(".")[0] for name in reshaped}
    same_inputs = all(state[name].shape[1:] == expected[name].shape[1:] for name in reshaped)
    return layers.pop() if len(layers) == 1 and same_inputs else None


def _counts(name: str) -> bool:
    """Whether it is batch norm's counter, which old files lack and nothing depends on."""
    return name.endswith(".num_batches_tracked")


def _shape(tensor: Tensor) -> str:
    return "x".join(str(size) for size in tensor.shape) or "a scalar"


def _listed(problems: list[str]) -> str:
    more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
    return ", ".join(problems[:3]) + more


def _reason(only_head: bool) -> str:
    if only_head:
        return "it was made for another number of classes: say how many with num_classes"
    return "it is probably of another model or another variant of it"
