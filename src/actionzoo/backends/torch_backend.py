"""Inference with PyTorch: any device, any size of clip that the network can take."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from actionzoo.backends.axes import as_input
from actionzoo.backends.queued import QueuedBackend
from actionzoo.errors import ConfigError
from actionzoo.models.blocks import channels_last
from actionzoo.spec import ModelSpec


class TorchBackend(QueuedBackend):
    """A module in eval mode; may be called from several threads.

    Computes in float32, so that its logits are those of the other backends.

    Args:
        model: A network of the zoo's contract; it is moved to the device and left in eval mode.
        spec: What it eats and says.
        device: A device of PyTorch, such as ``cpu`` or ``cuda:1``.

    Raises:
        ConfigError: There is no such device.
    """

    def __init__(self, model: nn.Module, spec: ModelSpec, *, device: str = "cpu") -> None:
        super().__init__("torch")
        self.spec, self.device = spec, find_device(device)
        # On a CPU convolutions over time are twice as fast with channels last.
        self._format = (
            torch.channels_last_3d if self.device.type == "cpu" else torch.contiguous_format
        )
        self._model = model.eval().to(self.device)
        if self.device.type == "cpu":
            channels_last(self._model)

    def _run(self, clips: np.ndarray) -> np.ndarray:
        batch = torch.from_numpy(as_input(clips, self.spec.input))
        with torch.inference_mode(), torch.autocast(self.device.type, enabled=False):
            batch = batch.to(self.device)
            if batch.ndim == 5:
                batch = batch.contiguous(memory_format=self._format)
            try:
                logits = self._model(batch)
            except torch.OutOfMemoryError as error:
                raise ConfigError(
                    f"{self.device} has too little memory for {len(clips)} clips of "
                    f"{self.spec.name!r}; use another device"
                ) from error
            except RuntimeError as error:
                frames, height, width = clips.shape[2:]
                raise ConfigError(
                    f"{self.spec.name!r} cannot take clips of {frames} frames of {height}x{width} "
                    f"px: {str(error).splitlines()[0]}"
                ) from error
            return np.asarray(logits.float().cpu().numpy())


def best_device() -> str:
    """Return the device that is used where none is asked for: a GPU if there is one."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def find_device(name: str) -> torch.device:
    """Return a device.

    Raises:
        ConfigError: There is no such device here; the message names those there are.
    """
    there = ["cpu"]
    if torch.cuda.is_available():
        there += ["cuda", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        there.append("mps")
    if name.lower() not in there:
        raise ConfigError(
            f"there is no device {name!r} for torch here; there is {', '.join(there)}"
        )
    return torch.device(name.lower())
