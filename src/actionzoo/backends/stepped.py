"""A stream network's exported step: one frame at a time, the state in the hands of the caller.

The file is OpenVINO's or ONNX's and carries its own spec, so it alone is enough. A state is a tuple
of arrays, of zeros before the first frame. It is a value: a stream can be taken up again from any
of its states, and streams that run side by side need not be of the same age.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from actionzoo.backends.engine import Loop, Tensors, open_engine
from actionzoo.backends.queued import QueuedBackend
from actionzoo.errors import BadWeights, ConfigError

STEP = "step"
"""What of a model such a file is."""
FRAME, LOGITS = "frame", "logits"
STATE, NEXT = "state.", "next."
"""How the names of a state's tensors begin, before and after a frame; a number from 0 follows."""

State = tuple[np.ndarray, ...]
"""What streams remember."""

_LIGHT = 300_000_000
"""Multiplications a frame below which the cores would wait for each other more than they compute,
above all beside a decoder."""


class OneStream:
    """A stream that remembers its frames by itself; for one thread at a time.

    ``SteppedModel.stream`` makes it. It answers what ``SteppedModel.step`` would.
    """

    def __init__(self, loop: Loop, shape: tuple[int | None, ...]) -> None:
        self._loop, self._shape = loop, shape

    def step(self, frame: np.ndarray) -> np.ndarray:
        """Look at one frame more.

        Args:
            frame: (1, C, H, W) float32, coloured and scaled as a frame of a clip.

        Returns:
            Logits (1, K) float32.

        Raises:
            ConfigError: The frame is of another size than the file takes.
        """
        if frame.shape != (1, *self._shape[1:]):
            raise ConfigError(
                f"the frame has the shape {frame.shape} where {(1, *self._shape[1:])} is taken"
            )
        filled = np.repeat(frame, self._shape[0] or 1, axis=0)
        return self._loop({FRAME: np.ascontiguousarray(filled, np.float32)})[LOGITS][:1]

    def reset(self) -> None:
        """Forget all frames."""
        self._loop.forget()


class SteppedModel(QueuedBackend):
    """The step of a stream network; may be called from several threads.

    Seen as a ``Backend``, it runs the frames of each clip in turn, from the start, and answers what
    it says at the last.

    Args:
        path: What ``actionzoo export --form step`` wrote, ``.xml`` or ``.onnx``.
        device: A device of OpenVINO, such as ``CPU``; ONNX Runtime knows that one only.

    Raises:
        BadWeights: The file is no model, is damaged, carries no spec, or is not a step.
        ConfigError: There is no such device.
        MissingExtra: The file is ONNX's, and ONNX Runtime is not installed.
    """

    def __init__(self, path: str | os.PathLike[str], *, device: str = "CPU") -> None:
        super().__init__("step")
        engine = open_engine(Path(path), device)
        if engine.part != STEP or FRAME not in engine.ports:
            raise BadWeights(
                f"{os.fspath(path)!r} is not the step of a stream network: give a file of "
                "actionzoo export --form step"
            )
        self.spec = engine.spec
        self._infer, self._ports, self._loop = engine.run, engine.ports, engine.loop
        self._tensors = range(len(engine.ports) - 1)

    def initial_state(self, batch: int = 1) -> State:
        """Return what streams remember before their first frames.

        Args:
            batch: How many run side by side.
        """
        ports = [self._ports[f"{STATE}{place}"] for place in self._tensors]
        return tuple(np.zeros((batch, *map(int, one.shape[1:])), one.dtype) for one in ports)  # type: ignore[arg-type]

    def step(self, frame: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        """Look at one frame more.

        Args:
            frame: Of each stream, (B, C, H, W) float32, coloured and scaled as a frame of a clip.
            state: What the step before returned, or ``initial_state``; it stays as it is.

        Returns:
            Logits (B, K) float32, and the state after the frame.

        Raises:
            ConfigError: The frame or the state is of another number or size than the file takes.
        """
        names = (FRAME, *(f"{STATE}{place}" for place in self._tensors))
        given = dict(zip(names, (frame, *state), strict=False))
        self._check(given, len(state), len(frame))
        after = self._infer({
            name: np.ascontiguousarray(array, self._ports[name].dtype)
            for name, array in given.items()
        })  # fmt: skip
        return after[LOGITS], tuple(after[f"{NEXT}{place}"] for place in self._tensors)

    def stream(self) -> OneStream:
        """Return a stream whose state stays where it is computed: faster than ``step``.

        Raises:
            ConfigError: The device cannot run it.
        """
        light = self.spec.macs is not None and self.spec.macs < _LIGHT * self.spec.input.frames
        pairs = {f"{STATE}{place}": f"{NEXT}{place}" for place in self._tensors}
        return OneStream(self._loop(pairs, 1 if light else None), self._ports[FRAME].shape)

    def _run(self, clips: np.ndarray) -> np.ndarray:
        side_by_side = self._ports[FRAME].shape[0] or 1
        return np.concatenate([
            self._last(clips[start : start + side_by_side], side_by_side)
            for start in range(0, len(clips), side_by_side)
        ])  # fmt: skip

    def _last(self, clips: np.ndarray, streams: int) -> np.ndarray:
        """Run clips to their end; those missing for a fixed number of streams repeat the last."""
        rows = np.minimum(np.arange(streams), len(clips) - 1)
        state = self.initial_state(streams)
        for frame in np.moveaxis(clips[rows], 2, 0):
            logits, state = self.step(frame, state)
        return logits[: len(clips)]

    def _check(self, given: Tensors, tensors: int, streams: int) -> None:
        if tensors != len(self._tensors):
            raise ConfigError(
                f"the state has {tensors} tensors where {self.spec.name!r} keeps "
                f"{len(self._tensors)}; begin with initial_state({streams})"
            )
        for name, array in given.items():
            port = self._ports[name].shape
            expected = (port[0] or streams, *port[1:])
            if array.shape != expected:
                raise ConfigError(
                    f"{name!r} has the shape {array.shape} where {self.spec.name!r} takes "
                    f"{expected} of {streams} streams; begin with initial_state({expected[0]})"
                )
