"""Files of parameters in every published format: from bytes to named tensors, and no further.

A checkpoint is often a pickle, and a pickle may run code. Only files that hold nothing but tensors
and plain values are read; any other is refused before anything in it runs.
"""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

from torch import Tensor

from actionzoo.checkpoints import mxnet, pytorch, tensorflow
from actionzoo.errors import BadWeights

State = dict[str, Tensor]

WRAPPERS = ("state_dict", "model_state", "model")
"""Keys under which training frameworks put the parameters beside other things."""

PREFIXES = ("module.", "model.")
"""What wrappers put before every name: DistributedDataParallel and Lightning."""


def read_state(path: Path) -> State:
    """Read the tensors of a checkpoint, unwrapped, under the names the file gives them.

    Args:
        path: A PyTorch checkpoint, ``.safetensors``, MXNet ``.params`` (also inside a ``.zip``), a
            frozen TensorFlow graph (``.pb``) or a TensorFlow checkpoint (``.index``, ``.meta``).

    Raises:
        BadWeights: The file is not there, is no checkpoint, or is not safe.
    """
    name = repr(os.fspath(path))
    if not path.is_file():
        raise BadWeights(f"there is no weights file {name}; give the path of a checkpoint")
    try:
        content = _reader(path)(path)
    except BadWeights:
        raise
    except OSError as error:
        raise BadWeights(f"{name} cannot be read: {error.strerror}") from error
    except Exception as error:  # given bytes at random, readers fail in every possible way
        raise BadWeights(f"{name} {_trouble(path, error)}") from error
    state = _unwrap(content)
    if not state:
        raise BadWeights(f"{name} holds no tensors; give a checkpoint with the model's parameters")
    return state


def _reader(path: Path) -> Any:
    """Choose by what the file says of itself; its ending only where it says nothing."""
    for reader in (mxnet, tensorflow):
        if reader.recognises(path):
            return reader.read
    return pytorch.read


def _trouble(path: Path, error: Exception) -> str:
    """Say what is wrong with a file that could not be read, from its first bytes."""
    with path.open("rb") as file:
        head = file.read(64).lstrip()
    if not head:
        return "is empty; download or copy it again"
    if path.suffix == ".xml" and head.startswith((b"<?xml", b"<net")):
        return "is an OpenVINO model, not a checkpoint; it predicts as it is: --model FILE.xml"
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
