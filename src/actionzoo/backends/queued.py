"""A queue before a network that computes one batch at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore

import numpy as np

UNDER_WAY = 2
"""Batches at a time: one on all cores or on the device, and the next waiting."""


class QueuedBackend(ABC):
    """Computes batches in a thread of its own, in turn; may be called from several threads.

    Args:
        name: What the thread is called.
    """

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
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

    @abstractmethod
    def _run(self, clips: np.ndarray) -> np.ndarray:
        """Return logits (B, K) float32 of clips (B, C, T, H, W)."""
