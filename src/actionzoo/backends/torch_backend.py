"""Inference with PyTorch: any device, any size of clip that the network can take."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore

import numpy as np
import torch
from torch import nn

from actionzoo.backends.axes import arranged
from actionzoo.errors import ConfigError
from actionzoo.models.blocks import channels_last
from actionzoo.spec import ModelSpec

UNDER_WAY = 2
"""Batches at a time: one is computed while the next is being copied."""


class TorchBackend:
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
        self.spec, self.device = spec, find_device(device)
        # On a CPU convolutions over time are twice as fast with channels last.
        self._format = (
            torch.channels_last_3d if self.device.type == "cpu" else torch.contiguous_format
        )
        self._model = model.eval().to(self.device)
        if self.device.type == "cpu":
            channels_last(self._model)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="torch")
        self._places = BoundedSemaphore(UNDER_WAY)

    def __call__(self, clips: np.ndarray) -> np.ndarray:
        """Return logits (B, K) float32 of clips (B, C, T, H, W) float32.

        Raises:
            ConfigError: The network cannot take clips of that size.
        """
        return self.submit(clips).result()

    def submit(self, clips: np.ndarray) -> Future[np.ndarray]:
        """Do the same in the background; wait first while as many as fit are under way."""
        self._places.acquire()
        future = self._pool.submit(self._run, clips)
        future.add_done_callback(lambda _: self._places.release())
        return future

    def _run(self, clips: np.ndarray) -> np.ndarray:
        clips = clips.astype(np.float32, copy=False)
        batch = torch.from_numpy(arranged(clips, self.spec.input.layout))
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
