"""What runs a network: one protocol, one file an engine."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Protocol

import numpy as np

from actionzoo.spec import ModelSpec


class Backend(Protocol):
    """A network that is ready to look at clips."""

    spec: ModelSpec

    def __call__(self, clips: np.ndarray) -> np.ndarray:
        """Return logits (B, K) float32 of clips (B, C, T, H, W) float32."""

    def submit(self, clips: np.ndarray) -> Future[np.ndarray]:
        """Do the same in the background; wait first while as many as fit are under way."""
