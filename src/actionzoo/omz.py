"""Open Model Zoo's files as one model file that predicts by itself.

Two kinds are published. ``action-recognition-0001`` and ``driver-action-recognition-adas-0002`` are
two networks, an encoder of single frames and a decoder of their embeddings; ``i3d-rgb-tf`` is a
frozen TensorFlow graph. Neither needs torch, and both keep their parameters as they are.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from actionzoo.backends.axes import input_shape
from actionzoo.backends.openvino_backend import (
    NAME_PATH,
    describe_network,
    draft_model,
    import_openvino,
    read_network,
    told_spec,
)
from actionzoo.backends.published import check_classes, find_published
from actionzoo.errors import BadWeights
from actionzoo.spec import InputSpec, ModelSpec

GRAPH_LAYOUT = "BTHWC"
"""Axes of a clip in a frozen graph."""


def is_published_by_openvino(files: Sequence[Path]) -> bool:
    """Tell whether ``assemble`` is what makes a model file of these."""
    return all(file.suffix in (".xml", ".bin", ".pb") for file in files)


def composite_spec(files: Sequence[Path]) -> ModelSpec:
    """Return the spec of an encoder and a decoder: their own, or else the zoo's by their name.

    Args:
        files: The encoder's and the decoder's ``.xml`` or ``.onnx``.

    Raises:
        BadWeights: A file is damaged, or they carry no spec and are not known to the zoo.
    """
    networks = {file: _read(file) for file in files}
    for file, network in networks.items():
        told = told_spec(network, file)
        if told is not None:
            return told
    for file, network in networks.items():
        known = find_published(network, file)
        if known is not None:
            _, decoder = _in_order(networks)
            check_classes(known, networks[decoder].output(), decoder)
            return known
    raise BadWeights(
        f"{' and '.join(repr(os.fspath(file)) for file in files)} carry no spec (frames, size, "
        "labels ...) and are not called as a model of the zoo: give one with --spec FILE.json (in "
        "Python: spec=)"
    )


def assemble(
    files: Sequence[Path],
    spec: ModelSpec,
    path: Path,
    *,
    layout: str = GRAPH_LAYOUT,
    frames: int | None = None,
    pixels: bool = False,
) -> Path:
    """Make one model file of published files; the spec goes into it.

    It takes one clip at a time: the published decoders reshape what they compute as that of one
    clip, so that a batch would be mixed up. Nothing is left at ``path`` if anything fails.

    Args:
        files: An encoder's and a decoder's ``.xml`` and ``.bin``, or a frozen graph, ``.pb``.
        spec: The model; what a frozen graph has otherwise, its layout and names, is changed.
        path: The ``.xml`` to write; the ``.bin`` goes beside it.
        layout: Axes of the clips of a frozen graph, which Open Model Zoo documents as ``BTHWC`` and
            as ``BTCHW``.
        frames: Of a clip of a frozen graph; None leaves what the spec says.
        pixels: Whether a frozen graph is to take pixels in [0, 255] and to normalise them inside,
            as Open Model Zoo converts it.

    Returns:
        ``path``.

    Raises:
        BadWeights: A file is missing or damaged, or they are not those of the model.
    """
    networks = {file: _read(file) for file in files if file.suffix != ".bin"}
    kinds = sorted(file.suffix for file in networks)
    if kinds == [".pb"]:
        ((file, network),) = networks.items()
        _check_scores(network, file)
        graph = replace(spec, input=_input_of_graph(spec.input, frames))
        if frames is not None:
            _reshape(network, graph.input, file)
        network, spec = _converted(network, graph, layout=layout, pixels=pixels)
    elif kinds in ([".xml", ".xml"], [".onnx", ".onnx"]):
        network = _join(networks, spec)
    else:
        listed = ", ".join(repr(file.name) for file in files) or "no files"
        raise BadWeights(
            f"{listed} make no model; give an encoder and a decoder, .xml and .bin each, or a "
            "frozen graph (.pb)"
        )
    describe_network(network, spec, list(networks)[-1])
    with draft_model(path) as draft:
        import_openvino().save_model(network, draft, compress_to_fp16=False)
    return path


def _read(file: Path) -> Any:
    network = read_network(file)
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        raise BadWeights(
            f"{str(file)!r} has {len(network.inputs)} inputs and {len(network.outputs)} outputs "
            "where one each is expected; give the files of the model asked for"
        )
    return network


def _check_scores(network: Any, file: Path) -> None:
    """Refuse a graph that lacks its end, which may still be a graph."""
    last = network.output().node.input_value(0).get_node().get_type_name()
    if last != "Softmax":
        raise BadWeights(
            f"{str(file)!r} ends in {last}, not in Softmax: it is cut off or another graph; "
            "download or copy it again"
        )


def _input_of_graph(spec: InputSpec, frames: int | None) -> InputSpec:
    """Return the input with what the graph has of its own: channels last, and a softmax."""
    return replace(
        spec,
        layout=GRAPH_LAYOUT,
        frames=frames or spec.frames,
        input_name="Placeholder",
        output_name="Softmax",
        output="scores",
    )


def _reshape(network: Any, spec: InputSpec, file: Path) -> None:
    try:
        network.reshape([1, *input_shape(spec)[1:]])
    except RuntimeError as error:
        raise BadWeights(
            f"{str(file)!r} cannot take clips of {spec.frames} frames; give another number of them"
        ) from error


def _converted(
    network: Any, spec: ModelSpec, *, layout: str, pixels: bool
) -> tuple[Any, ModelSpec]:
    """Put before a graph what turns clips of another form into its own."""
    preprocess = import_openvino().preprocess
    steps = preprocess.PrePostProcessor(network)
    own, given = spec.input, replace(spec.input, layout=layout)
    steps.input().model().set_layout(_layout(own.layout))
    steps.input().tensor().set_layout(_layout(layout))
    if pixels:
        low, high = own.value_range
        scale = 255 / (high - low)
        steps.input().preprocess().mean(-low * scale).scale(scale)
        given = replace(given, value_range=(0.0, 255.0))
    return steps.build(), replace(spec, input=given)


def _layout(axes: str) -> Any:
    """Return a layout as OpenVINO writes it: N for the batch, D for frames."""
    return import_openvino().Layout(axes.replace("B", "N").replace("T", "D"))


def _join(networks: dict[Path, Any], spec: ModelSpec) -> Any:
    """Put the encoder before the decoder."""
    _check_names(networks)
    encoder, decoder = (networks[file] for file in _in_order(networks))
    try:
        return _compose(encoder, decoder, spec)
    except RuntimeError as error:
        names = " and ".join(repr(file.name) for file in networks)
        frames, height, width = spec.input.shape[1:]
        raise BadWeights(
            f"{names} are not an encoder and a decoder for {frames} frames of {height} x {width}, "
            f"as {spec.name!r} needs; give the files of that model"
        ) from error


def _in_order(networks: dict[Path, Any]) -> list[Path]:
    """Return the file of the encoder, then that of the decoder."""
    # Pictures have an axis more than embeddings.
    return sorted(networks, key=lambda file: -len(networks[file].input().partial_shape))


def _compose(encoder: Any, decoder: Any, spec: ModelSpec) -> Any:
    """Return the network from a clip (1, C, T, H, W) to logits (1, K).

    Raises:
        RuntimeError: The two do not fit each other or the spec.
    """
    openvino = import_openvino()
    ops = openvino.opset13
    channels, frames, height, width = spec.input.shape
    clip = ops.parameter([1, channels, frames, height, width], np.float32)
    pictures = ops.squeeze(ops.transpose(clip, [0, 2, 1, 3, 4]), [0])  # (T, C, H, W)
    encoder.reshape([frames, channels, height, width])
    embeddings = ops.reshape(_feed(encoder, pictures), [1, frames, -1], False)  # (1, T, D)
    taken = decoder.input().partial_shape
    if not taken.compatible(embeddings.output(0).partial_shape):
        raise RuntimeError(f"the decoder takes {taken}, not {embeddings}")
    return openvino.Model([_feed(decoder, embeddings)], [clip], spec.name)


def _feed(network: Any, source: Any) -> Any:
    """Put a node in the place of a network's input; return what the network makes of it."""
    parameter = network.input()
    converted = import_openvino().opset13.convert(source, parameter.element_type)
    for target in parameter.get_target_inputs():
        target.replace_source_output(converted.output(0))
    return network.output().node.input_value(0)


def _check_names(networks: dict[Path, Any]) -> None:
    """Refuse an encoder and a decoder that say themselves that they are of different models."""
    models = {
        network.get_rt_info(NAME_PATH).astype(str).rpartition("-")[0]
        for network in networks.values()
        if network.has_rt_info(NAME_PATH)
    }
    if len(models) > 1:
        files = " and ".join(repr(file.name) for file in networks)
        raise BadWeights(
            f"{files} are of different models, {' and '.join(sorted(models))}; give the files of "
            "one model"
        )
