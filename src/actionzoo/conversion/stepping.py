"""A streaming network's step as one file, whose state goes in and out as tensors.

Every state begins with zeros, whatever it begins with in torch, so that a program in any language
can start a stream: it makes tensors of zeros in the shapes of the inputs ``state.0``, ``state.1``
and so on, and with the next frame hands in again what came out as ``next.0``, ``next.1``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from actionzoo.backends.stepped import FRAME, LOGITS, NEXT, STATE, STEP
from actionzoo.conversion.pieces import Piece, file_stem
from actionzoo.errors import ConfigError
from actionzoo.models.movinet import StreamMoViNet
from actionzoo.spec import InputSpec, ModelSpec


@runtime_checkable
class Streaming(Protocol):
    """A network that looks at a video frame by frame."""

    def initial_state(self, batch: int) -> Any:
        """Return what so many streams remember before their first frames."""

    def step(self, frame: Tensor, state: Any) -> tuple[Tensor, Any]:
        """From a frame of each stream (B, C, H, W) to logits (B, K) and the state after it."""


class Step(nn.Module):
    """A step that takes and gives its state as tensors, all of zeros before the first frame.

    Args:
        model: A streaming network, in eval mode.
        start: Its own state before the first frame: of zeros, or of truths, which are turned round.
    """

    def __init__(self, model: nn.Module, start: Any) -> None:
        super().__init__()
        self.model = model
        tensors, self._tree = tree_flatten(start)
        self._turned = [bool(one.any()) for one in tensors]
        assert all(
            one.dtype == torch.bool and bool(one.all())
            for one, turned in zip(tensors, self._turned, strict=True)
            if turned
        ), "a state begins with zeros, or with truths"

    def forward(self, frame: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Return logits (B, K), and the state after a frame (B, C, H, W) of each stream."""
        before = tree_unflatten(self._turn(state), self._tree)
        logits, after = self.model.step(frame, before)  # type: ignore[operator]
        return (logits, *self._turn(tree_flatten(after)[0]))

    def _turn(self, state: tuple[Tensor, ...] | list[Tensor]) -> list[Tensor]:
        return [
            one.logical_not() if turned else one
            for one, turned in zip(state, self._turned, strict=True)
        ]


def step_piece(model: nn.Module, spec: ModelSpec) -> Piece:
    """Return the step of a streaming model as one piece.

    It takes ``frame`` (B, C, H, W) and ``state.0``, ``state.1`` ..., and gives ``logits`` (B, K)
    and ``next.0``, ``next.1`` ...: the tensors of the network's state in the order in which it
    lists them. What it is fed for clips are their frames in turn, with the states that torch
    computes.

    Args:
        model: A stream network of MoViNet, a VTN, or another with ``initial_state`` and ``step``.
        spec: What it eats and says.

    Raises:
        ConfigError: The model sees clips as a whole.
    """
    if not isinstance(model, Streaming):
        raise ConfigError(
            f"{spec.name!r} sees a clip as a whole and has no step; the models that look at a "
            "video frame by frame are the stream networks of movinet and those of vtn"
        )
    start = _start(model.eval(), spec.input, 2)
    step = Step(model, start).eval()
    state = tuple(torch.zeros_like(one) for one in tree_flatten(start)[0])
    size = spec.input
    places = range(len(state))
    return Piece(
        name=f"{file_stem(spec)}-{STEP}",
        module=step,
        example=(torch.zeros(2, size.channels, size.height, size.width), *state),
        inputs=(FRAME, *(f"{STATE}{place}" for place in places)),
        outputs=(LOGITS, *(f"{NEXT}{place}" for place in places)),
        spec=spec,
        feed=lambda clips: _frames_in_turn(step, clips, state),
        part=STEP,
    )


def _start(model: Any, size: InputSpec, batch: int) -> Any:
    """Return a network's own state before the first frame."""
    if isinstance(model, StreamMoViNet):  # which remembers maps, and they are of some size
        return model.initial_state(batch, height=size.height, width=size.width)
    return model.initial_state(batch)


def _frames_in_turn(
    step: Step, clips: np.ndarray, like: tuple[Tensor, ...]
) -> Iterator[tuple[np.ndarray, ...]]:
    """Return each frame of clips (B, C, T, H, W) with the state before it."""
    state = tuple(one.new_zeros(len(clips), *one.shape[1:]) for one in like)
    for frame in torch.from_numpy(clips).unbind(2):
        yield tuple(one.numpy() for one in (frame.contiguous(), *state))
        with torch.no_grad():
            _, *after = step(frame, *state)
        state = tuple(after)
