"""Open Model Zoo's files as one model file that predicts by itself.

Two kinds are published. ``action-recognition-0001`` and ``driver-action-recognition-adas-0002`` are
two networks, an encoder of single frames and a decoder of their embeddings; ``i3d-rgb-tf`` is a
frozen TensorFlow graph. Neither needs torch, and both keep their parameters as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from actionzoo.backends.openvino_backend import (
    describe_network,
    draft_model,
    import_openvino,
    read_network,
)
from actionzoo.errors import BadWeights
from actionzoo.spec import ModelSpec

NAME_PATH = ["conversion_parameters", "model_name"]
"""Where the runtime info of a published IR says which model it is."""


def is_published_by_openvino(files: Sequence[Path]) -> bool:
    """Tell whether ``assemble`` is what makes a model file of these."""
    return all(file.suffix in (".xml", ".bin", ".pb") for file in files)


def assemble(files: Sequence[Path], spec: ModelSpec, path: Path) -> Path:
    """Make one model file of published files; the spec goes into it.

    It takes one clip at a time: the published decoders reshape what they compute as that of one
    clip, so that a batch would be mixed up. Nothing is left at ``path`` if anything fails.

    Args:
        files: An encoder's and a decoder's ``.xml`` and ``.bin``, or a frozen graph, ``.pb``.
        spec: The model; what a frozen graph has otherwise, its layout and names, is changed.
        path: The ``.xml`` to write; the ``.bin`` goes beside it.

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
        spec = _spec_of_graph(spec)
    elif kinds == [".xml", ".xml"]:
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


def _spec_of_graph(spec: ModelSpec) -> ModelSpec:
    """Return the spec with what the graph has of its own: channels last, and a softmax."""
    changed = replace(
        spec.input,
        layout="BTHWC",
        input_name="Placeholder",
        output_name="Softmax",
        output="scores",
    )
    return replace(spec, input=changed)


def _join(networks: dict[Path, Any], spec: ModelSpec) -> Any:
    """Put the encoder before the decoder."""
    _check_names(networks)
    try:
        # Pictures have an axis more than embeddings.
        decoder, encoder = sorted(networks.values(), key=lambda one: len(one.input().partial_shape))
        return _compose(encoder, decoder, spec)
    except RuntimeError as error:
        names = " and ".join(repr(file.name) for file in networks)
        frames, height, width = spec.input.shape[1:]
        raise BadWeights(
            f"{names} are not an encoder and a decoder for {frames} frames of {height} x {width}, "
            f"as {spec.name!r} needs; give the files of that model"
        ) from error


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
