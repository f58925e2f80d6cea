"""An encoder of frames and a decoder of their embeddings, run as Open Model Zoo does it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from actionzoo.backends.engine import Engine, open_engine
from actionzoo.backends.queued import QueuedBackend
from actionzoo.errors import BadWeights
from actionzoo.spec import ModelSpec


class CompositeBackend(QueuedBackend):
    """Two files that are one model; may be called from several threads.

    Args:
        encoder: From frames (B, C, H, W) to embeddings of D numbers, ``.xml`` or ``.onnx``.
        decoder: From embeddings (B, T, D) to logits (B, K); carries the spec of both together.
        device: A device of OpenVINO, such as ``CPU``.
        spec: Of both together, used instead of the one in the files.

    Raises:
        BadWeights: A file is no model, is damaged, or carries no spec and none is given; the two
            are not an encoder and a decoder, or not of such a model.
        ConfigError: There is no such device, or it cannot run them.
        MissingExtra: The files are ONNX's, and ONNX Runtime is not installed.
    """

    def __init__(
        self, encoder: Path, decoder: Path, *, device: str = "CPU", spec: ModelSpec | None = None
    ) -> None:
        super().__init__("composite")
        self._decoder = open_engine(decoder, device, spec=spec)
        self.spec = self._decoder.spec
        # Published encoders carry no spec, and need none.
        self._encoder = open_engine(encoder, device, spec=self.spec)
        self._try(encoder, decoder)

    def encode(self, frame: np.ndarray) -> np.ndarray:
        """Return the embedding (1, D) float32 of a frame (1, C, H, W) float32."""
        return _fed(self._encoder, frame).reshape(1, -1)

    def decode(self, embeddings: np.ndarray) -> np.ndarray:
        """Return logits (1, K) float32 of the embeddings (1, T, D) of a clip's frames."""
        return _fed(self._decoder, embeddings)

    def _run(self, clips: np.ndarray) -> np.ndarray:
        return np.concatenate([self._look(clip) for clip in clips])

    def _look(self, clip: np.ndarray) -> np.ndarray:
        frames = np.moveaxis(clip, 1, 0)  # (T, C, H, W)
        return self.decode(np.stack([self.encode(frame[None]) for frame in frames], axis=1))

    def _try(self, encoder: Path, decoder: Path) -> None:
        """Look at a black frame, so that what does not fit is known before a stream is opened.

        Raises:
            BadWeights: Something does not.
        """
        size = self.spec.input
        frame = np.zeros((1, size.channels, size.height, size.width), np.float32)
        fits = _takes(self._encoder, frame.shape)
        if fits:
            embeddings = self.encode(frame)[:, None].repeat(size.frames, axis=1)
            fits = _takes(self._decoder, embeddings.shape)
        if not fits or self.decode(embeddings).shape != (1, len(self.spec.labels)):
            raise _strangers(encoder, decoder, self.spec)


def _fed(engine: Engine, array: np.ndarray) -> np.ndarray:
    """Feed one row to a network of one input and one output; a batch of more is filled up."""
    ((name, port),) = engine.ports.items()
    rows = port.shape[0] or 1
    filled = array if rows == 1 else np.repeat(array, rows, axis=0)
    (output,) = engine.run({name: np.ascontiguousarray(filled, np.float32)}).values()
    return np.asarray(output, np.float32)[:1]


def _takes(engine: Engine, shape: tuple[int, ...]) -> bool:
    """Tell whether a network takes one array of a shape, its batch aside."""
    if len(engine.ports) != 1:
        return False
    (port,) = engine.ports.values()
    return len(port.shape) == len(shape) and all(
        size in (None, one) for size, one in zip(port.shape[1:], shape[1:], strict=True)
    )


def _strangers(encoder: Path, decoder: Path, spec: ModelSpec) -> BadWeights:
    size = spec.input
    return BadWeights(
        f"{os.fspath(encoder)!r} and {os.fspath(decoder)!r} are not an encoder and a decoder for "
        f"{size.frames} frames of {size.height} x {size.width} and {len(spec.labels)} classes, as "
        f"{spec.name!r} needs; give the files of that model"
    )
