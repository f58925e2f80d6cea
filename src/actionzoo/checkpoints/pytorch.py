"""PyTorch checkpoints and safetensors."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import safetensors.torch
import torch


def read(path: Path) -> Any:
    """Read a file of tensors and plain values; refuse anything that could run code."""
    if path.suffix == ".safetensors":
        return safetensors.torch.load_file(path)
    with warnings.catch_warnings():
        # torch warns of unusual pickles, and then refuses them, which is said by the caller.
        warnings.simplefilter("ignore", UserWarning)
        return torch.load(path, map_location="cpu", weights_only=True)
