"""Specs of published files that carry none: from the zoo, by the model's name."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from actionzoo.backends.parts import split_stem
from actionzoo.catalog import get_spec, list_models
from actionzoo.errors import BadWeights
from actionzoo.spec import InputSpec, ModelSpec

NAME_PATH = ["conversion_parameters", "model_name"]
"""Where OpenVINO's own converters write what a network is called."""

LAYOUTS = ("BTHWC", "BTCHW", "BCTHW")
"""Axes that documents give clips."""


def find_published(network: Any, path: Path) -> ModelSpec | None:
    """Return the zoo's spec of the model that a file is, or is a part of.

    Args:
        network: It says itself what it is called, or else the file's name does.
        path: The file.
    """
    told = [network.get_rt_info(NAME_PATH).astype(str)] if network.has_rt_info(NAME_PATH) else []
    known = set(list_models())
    names = [split_stem(stem)[0] for stem in (*told, path.stem)]
    return next((get_spec(name) for name in names if name in known), None)


def check_classes(spec: ModelSpec, output: Any, path: Path) -> None:
    """Refuse the zoo's spec for a network that tells other classes apart.

    Raises:
        BadWeights: It does.
    """
    width = output.partial_shape[1]
    if width.is_static and width.get_length() != len(spec.labels):
        raise BadWeights(
            f"{os.fspath(path)!r} carries no spec and tells {width.get_length()} classes apart "
            f"where {spec.name!r} of the zoo has {len(spec.labels)}: give a spec with its own "
            "labels, --spec FILE.json (in Python: spec=)"
        )


def spec_of_graph(network: Any, path: Path) -> ModelSpec | None:
    """Return the spec of a converted TensorFlow graph that the zoo knows, None if it does not.

    Open Model Zoo documents ``i3d-rgb-tf`` with two layouts, and converts it with mean and scale
    127.5 inside, so that it takes pixels in [0, 255]. Names, layout and length of the clip are
    those of the file.

    Raises:
        BadWeights: It tells other classes apart than the zoo's.
    """
    spec = find_published(network, path)
    if spec is None or not _is_frozen_graph(spec) or len(network.inputs) != 1:
        return None
    layout = _layout(network.input().partial_shape, spec.input)
    if layout is None:
        return None
    check_classes(spec, network.output(), path)
    frames = network.input().partial_shape[layout.index("T")]
    ends_in = network.output().node.input_value(0).get_node().get_type_name()
    told = replace(
        spec.input,
        layout=layout,
        frames=frames.get_length() if frames.is_static else spec.input.frames,
        value_range=(0.0, 255.0) if _normalises(network) else spec.input.value_range,
        input_name=_name(network.input(), "Placeholder"),
        output_name=_name(network.output(), "Softmax"),
        output="scores" if ends_in == "Softmax" else "logits",
    )
    return replace(spec, input=told)


def _is_frozen_graph(spec: ModelSpec) -> bool:
    return any(file.url.endswith(".pb") for one in spec.weights for file in one.files)


def _layout(shape: Any, spec: InputSpec) -> str | None:
    """Tell the axes of a network's input apart by their sizes, those of frames above all."""
    sizes = {"C": spec.channels, "H": spec.height, "W": spec.width}
    for layout in LAYOUTS if len(shape) == 5 else ():
        found = [(shape[layout.index(axis)], size) for axis, size in sizes.items()]
        if all(one.is_dynamic or one.get_length() == size for one, size in found):
            return layout
    return None


def _normalises(network: Any) -> bool:
    """Tell whether a network subtracts something from its pixels before it looks at them."""
    port = network.input()
    while True:
        nodes = [one.get_node() for one in port.get_target_inputs()]
        kinds = {node.get_type_name() for node in nodes}
        if kinds & {"Subtract", "Add"}:
            return True
        if len(nodes) != 1 or not kinds <= {"Transpose", "Multiply", "Divide", "Convert"}:
            return False
        port = nodes[0].output(0)


def _name(port: Any, usual: str) -> str:
    return usual if usual in port.get_names() else str(port.get_any_name())
