"""What becomes one file: a module, its tensors by name, and the spec that the file is to carry.

Most models are one piece, from clips to logits. Others are two, or take more than a clip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from actionzoo.backends.axes import arranged
from actionzoo.spec import ModelSpec

Feed = Callable[[np.ndarray], Iterable[tuple[np.ndarray, ...]]]
"""From clips (B, C, T, H, W) float32 to what a piece is fed for them, input by input."""


BATCH = "batch"
"""Name of the axis of several clips."""
FRAMES = "frames"
"""Name of the axis of time, where a clip may be of any length."""


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
    """What it is fed for clips as ``spec.input`` describes them, from which a calibration is
    made."""
    part: str | None = None
    """What of the model it is, such as ``encoder``; None is all of it."""
    free: tuple[dict[int, str], ...] | None = None
    """Axes of each input that may be of any size, by the name of what they count; None frees the
    first one of each, the batch."""

    def axes(self) -> tuple[dict[int, str], ...]:
        """Return the free axes of each input."""
        return tuple({0: BATCH} for _ in self.example) if self.free is None else self.free

    def dynamic_shapes(self) -> tuple[dict[int, Any], ...]:
        """Return the free axes as torch.export wants them."""
        return tuple(
            {axis: _dimension(name) for axis, name in axes.items()} for axes in self.axes()
        )


def _dimension(name: str) -> Any:
    """Return a free axis of torch.export: how short a clip may be is for it to find out."""
    return torch.export.Dim.DYNAMIC if name == FRAMES else torch.export.Dim(name)


def whole_model(model: nn.Module, spec: ModelSpec) -> Piece:
    """Return a model as one piece, from clips to logits.

    Args:
        model: Takes clips whose axes are those of ``spec.input.layout``, and gives (B, K).
        spec: What it eats and says.
    """
    layout = spec.input.layout
    example = torch.zeros(2, *spec.input.shape)
    return Piece(
        name=file_stem(spec),
        module=model.eval(),
        example=(torch.from_numpy(arranged(example.numpy(), layout)),),
        inputs=(spec.input.input_name,),
        outputs=(spec.input.output_name,),
        spec=spec,
        feed=lambda clips: [(arranged(clips, layout),)],
        free=({layout.index("B"): BATCH},),
    )


def file_stem(spec: ModelSpec) -> str:
    """Return what a model's file is called: a run's name is the end of a path."""
    return spec.name.replace("/", "-")


def with_batch(piece: Piece, batch: int) -> Piece:
    """Return a piece that takes so many clips at a time, no more and no fewer."""
    sized = []
    for tensor, axes in zip(piece.example, piece.axes(), strict=True):
        shape = [batch if axes.get(i) == BATCH else size for i, size in enumerate(tensor.shape)]
        sized.append(torch.zeros(shape, dtype=tensor.dtype))
    free = tuple(
        {axis: name for axis, name in axes.items() if name != BATCH} for axes in piece.axes()
    )
    return replace(piece, example=tuple(sized), free=free, feed=_in_batches(piece, batch))


def _in_batches(piece: Piece, batch: int) -> Feed:
    """Return what feeds a piece so many at a time; the last one fills up what is too few."""
    places = [
        next((axis for axis, name in axes.items() if name == BATCH), None) for axes in piece.axes()
    ]

    def feed(clips: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
        for arrays in piece.feed(clips):
            counts = {
                array.shape[axis]
                for array, axis in zip(arrays, places, strict=True)
                if axis is not None
            }
            (count,) = counts or {batch}
            for start in range(0, count, batch):
                rows = np.minimum(np.arange(start, start + batch), count - 1)
                yield tuple(
                    array if axis is None else array.take(rows, axis)
                    for array, axis in zip(arrays, places, strict=True)
                )

    return feed
