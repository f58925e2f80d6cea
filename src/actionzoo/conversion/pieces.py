"""What becomes one file: a module, its tensors by name, and the spec that the file is to carry.

Most models are one piece, from clips to logits. Others are two, or take more than a clip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from actionzoo.backends.axes import arranged
from actionzoo.spec import ModelSpec

Feed = Callable[[np.ndarray], Iterable[tuple[np.ndarray, ...]]]
"""From clips (B, C, T, H, W) float32 to what a piece is fed for them, input by input."""


BATCH = "batch"
"""Name of the axis of several clips."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Piece:
    """A module that becomes one file."""

    name: str
    """Stem of the file."""
    module: nn.Module
    """In eval mode."""
    example: tuple[Tensor, ...]
    """What it takes, for two clips: torch.export takes an axis of one for a constant."""
    inputs: tuple[str, ...]
    """Names of what it takes."""
    outputs: tuple[str, ...]
    """Names of what it gives."""
    spec: ModelSpec
    """Of the whole model; the file carries it."""
    feed: Feed
    """What it is fed for clips, from which a calibration is made."""
    part: str | None = None
    """What of the model it is, such as ``encoder``; None is all of it."""
    free: tuple[dict[int, str], ...] | None = None
    """Axes of each input that may be of any size, by the name of what they count; None frees the
    first one of each, the batch."""

    def axes(self) -> tuple[dict[int, str], ...]:
        """Return the free axes of each input."""
        return tuple({0: BATCH} for _ in self.example) if self.free is None else self.free

    def dynamic_shapes(self) -> tuple[dict[int, torch.export.Dim], ...]:
        """Return the free axes as torch.export wants them."""
        return tuple(
            {axis: torch.export.Dim(name) for axis, name in axes.items()} for axes in self.axes()
        )


def whole_model(model: nn.Module, spec: ModelSpec) -> Piece:
    """Return a model as one piece, from clips to logits.

    Args:
        model: Takes clips whose axes are those of ``spec.input.layout``, and gives (B, K).
        spec: What it eats and says.
    """
    layout = spec.input.layout
    example = torch.zeros(2, *spec.input.shape)
    return Piece(
        name=spec.name,
        module=model.eval(),
        example=(torch.from_numpy(arranged(example.numpy(), layout)),),
        inputs=(spec.input.input_name,),
        outputs=(spec.input.output_name,),
        spec=spec,
        feed=lambda clips: [(arranged(clips, layout),)],
        free=({layout.index("B"): BATCH},),
    )


def with_batch(piece: Piece, batch: int) -> Piece:
    """Return a piece that takes so many clips at a time, no more and no fewer."""
    sized = []
    for tensor, axes in zip(piece.example, piece.axes(), strict=True):
        shape = [batch if axes.get(i) == BATCH else size for i, size in enumerate(tensor.shape)]
        sized.append(torch.zeros(shape, dtype=tensor.dtype))
    free = tuple(
        {axis: name for axis, name in axes.items() if name != BATCH} for axes in piece.axes()
    )
    return replace(piece, example=tuple(sized), free=free)
