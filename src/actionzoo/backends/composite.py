"""An encoder of frames and a decoder of their embeddings, run as Open Model Zoo does it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from actionzoo.backends.engine import Engine, open_engine
from actionzoo.backends.queued import QueuedBackend


class CompositeBackend(QueuedBackend):
    """Two files that are one model; may be called from several threads.

    Args:
        encoder: From frames (B, C, H, W) to embeddings of D numbers, ``.xml`` or ``.onnx``.
        decoder: From embeddings (B, T, D) to logits (B, K); carries the spec of both together.
        device: A device of OpenVINO, such as ``CPU``.

    Raises:
        BadWeights: A file is no model, is damaged, or carries no spec.
        ConfigError: There is no such device.
        MissingExtra: The files are ONNX's, and ONNX Runtime is not installed.
    """

    def __init__(self, encoder: Path, decoder: Path, *, device: str = "CPU") -> None:
        super().__init__("composite")
        self._encoder, self._decoder = open_engine(encoder, device), open_engine(decoder, device)
        self.spec = self._decoder.spec

    def _run(self, clips: np.ndarray) -> np.ndarray:
        return np.concatenate([self._look(clip) for clip in clips])

    def encode(self, frame: np.ndarray) -> np.ndarray:
        """Return the embedding (1, D) float32 of a frame (1, C, H, W) float32."""
        return _fed(self._encoder, frame).reshape(1, -1)

    def decode(self, embeddings: np.ndarray) -> np.ndarray:
        """Return logits (1, K) float32 of the embeddings (1, T, D) of a clip's frames."""
        return _fed(self._decoder, embeddings)

    def _look(self, clip: np.ndarray) -> np.ndarray:
        frames = np.moveaxis(clip, 1, 0)  # (T, C, H, W)
        return self.decode(np.stack([self.encode(frame[None]) for frame in frames], axis=1))


def _fed(engine: Engine, array: np.ndarray) -> np.ndarray:
    """Feed one row to a network of one input and one output; a batch of more is filled up."""
    ((name, port),) = engine.ports.items()
    filled = np.zeros((port.shape[0] or 1, *array.shape[1:]), np.float32)
    filled[:1] = array
    (output,) = engine.run({name: filled}).values()
    return np.asarray(output, np.float32)[:1]
