"""From a module to its graph, as torch sees it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from actionzoo.conversion.pieces import Piece


def traced(piece: Piece) -> torch.export.ExportedProgram:
    """Return the graph of a piece, its free axes free."""
    with torch_without_warnings(), torch.no_grad():
        return torch.export.export(
            piece.module, piece.example, dynamic_shapes=piece.dynamic_shapes()
        )


@contextmanager
def torch_without_warnings() -> Iterator[None]:
    """Keep quiet what torch tells while it traces and exports, all of it of itself."""
    # It tells of each operator of torchvision that it will not need.
    registry = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = registry.level
    with warnings.catch_warnings():
        # torch 2.13 warns of a class of its own when it copies the traced graph.
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        registry.setLevel(logging.ERROR)
        try:
            yield
        finally:
            registry.setLevel(level)
