"""From a module to its graph, as torch sees it, and which layer is to blame where there is none."""

from __future__ import annotations

import logging
import re
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from actionzoo.conversion.pieces import Piece
from actionzoo.errors import ActionZooError, ConfigError


def traced(piece: Piece) -> torch.export.ExportedProgram:
    """Return the graph of a piece, its free axes free.

    Raises:
        ConfigError: Its Python asks for the numbers that flow through it, or for what is free.
    """
    shapes: Any = torch.export.ShapesCollection()  # type: ignore[no-untyped-call]
    for tensor, axes in zip(piece.example, piece.dynamic_shapes(), strict=True):
        shapes[tensor] = axes
    with torch_without_warnings(), torch.no_grad():
        try:
            return torch.export.export(piece.module, piece.example, dynamic_shapes=shapes)
        except ActionZooError:
            raise
        except Exception as error:  # of many kinds, which have no base class of their own
            layer = _layer_under_way(piece.module, error)
            raise ConfigError(
                f"{piece.name!r} cannot be exported: torch finds no graph of {layer}, whose Python "
                f"asks for what is known only when it runs ({_first_line(error)}); write it "
                "without, or predict with torch (--backend torch)"
            ) from error


@contextmanager
def refusals_named(
    target: str, other: str, piece: Piece, program: torch.export.ExportedProgram
) -> Iterator[None]:
    """Name the layer that a target cannot hold, where its converter raises.

    Args:
        target: Such as ``ONNX``.
        other: What to try instead.
        piece: What is converted.
        program: Its graph.

    Raises:
        ConfigError: The converter raised.
    """
    try:
        yield
    except ActionZooError:
        raise
    except Exception as error:  # OpenVINO's is of no documented class
        node = _node_under_way(error) or _node_told_of(program, str(error))
        what = _first_line(error)
        if node is not None:
            what = f"{_layer_of(node)} computes {node.target}, which it cannot hold at this size"
        raise ConfigError(
            f"{piece.name!r} cannot be exported to {target}: {what}; export to {other}, take "
            "clips of another size, or put other operators in its place"
        ) from error


def _layer_under_way(module: nn.Module, error: BaseException) -> str:
    """Return the innermost layer whose Python was running when an error was raised."""
    names = {one: name for name, one in module.named_modules()}
    running = [
        names[self]
        for frame, _ in traceback.walk_tb(error.__traceback__)
        if isinstance(self := frame.f_locals.get("self"), nn.Module) and self in names
    ]
    return _called(running[-1] if running else "")


def _node_under_way(error: BaseException | None) -> torch.fx.Node | None:
    """Return the last operation that a converter written in Python had in hand."""
    found = None
    while error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            nodes = [one for one in frame.f_locals.values() if isinstance(one, torch.fx.Node)]
            found = nodes[0] if nodes else found
        error = error.__cause__
    return found


def _node_told_of(program: torch.export.ExportedProgram, text: str) -> torch.fx.Node | None:
    """Return the first operation of a graph that OpenVINO's message is about.

    It names operators that it has no rule for, or else the very operation that it stumbled over.
    """
    _, _, unknown = text.partition("No conversion rule")
    names = re.findall(r"conversion of operation (\w+)/", text)
    for graph in (program, program.run_decompositions()):
        nodes: list[torch.fx.Node] = [one for one in graph.graph.nodes if one.op == "call_function"]
        for node in nodes:
            space, _, rest = str(node.target).partition(".")
            name = re.escape(rest.partition(".")[0])
            told = re.search(rf"\b{re.escape(space)}(\.|::){name}\b", unknown)
            if told if unknown else node.name in names:
                return node
    return None


def _layer_of(node: torch.fx.Node) -> str:
    stack: dict[str, tuple[str, Any]] = node.meta.get("nn_module_stack") or {"": ("", None)}
    return _called(list(stack.values())[-1][0])


def _called(path: str) -> str:
    return f"its layer {path!r}" if path else "the network"


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


@contextmanager
def torch_without_warnings() -> Iterator[None]:
    """Keep quiet what torch tells while it traces and exports, all of it of itself."""
    # It tells of each operator of torchvision that it will not need.
    registry = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = registry.level
    with warnings.catch_warnings():
        # torch 2.13 warns of a class of its own when it copies the traced graph.
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        # Several inputs share the batch, and the name of the first is the one that is used.
        warnings.filterwarnings("ignore", message=".*The axis name: .* will not be used")
        registry.setLevel(logging.ERROR)
        try:
            yield
        finally:
            registry.setLevel(level)
