"""Post-training quantisation: ranges are measured on clips, nothing is trained.

Weights are quantised channel by channel and symmetrically, what flows between layers as a whole.
Jacob et al., Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference, CVPR 2018; biases are corrected as by Nagel et al., Data-Free Quantization Through Weight
Equalization and Bias Correction, ICCV 2019.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

from actionzoo.quantisation.feeds import Feeds, Progress, Shape, check_feeds, dataset
from actionzoo.quantisation.layers import before_onnx_weights, before_weights
from actionzoo.quantisation.library import CannotQuantise, import_nncf, nncf_at_work

Preset = Literal["performance", "mixed"]
"""How what flows between layers is quantised: symmetrically, or with a zero point of its own."""

Quantised = TypeVar("Quantised")

logger = logging.getLogger(__name__)


def quantise_openvino(
    network: Any,
    feeds: Feeds,
    *,
    preset: Preset | None = None,
    transformer: bool | None = None,
    keep: Sequence[str] = (),
    progress: Progress | None = None,
) -> Any:
    """Quantise an OpenVINO network; it keeps names, free axes and runtime info.

    Saved with parameters in fp16, it is about a quarter of the float32 file.

    Args:
        network: In float32; it is left as it is.
        feeds: What it is calibrated on, each of a batch that it takes.
        preset: None chooses by the network.
        transformer: Whether to treat it as a network of attention; None looks at the graph.
        keep: Names of operations that stay in float.
        progress: Told how many of ``feeds`` have been looked at.

    Raises:
        ConfigError: It cannot be calibrated on these.
        MissingExtra: NNCF is not installed.
    """
    nncf = import_nncf()
    shapes = openvino_shapes(network)
    check_feeds(feeds, shapes)
    logger.info("quantising on %d clips", len(feeds))
    clips = dataset(nncf, feeds, list(shapes), progress)
    settings = openvino_settings(nncf, network, preset=preset, transformer=transformer, keep=keep)
    return correcting_biases(
        nncf,
        lambda advanced: nncf.quantize(
            network.clone(),
            clips,
            subset_size=len(feeds),
            advanced_parameters=advanced,
            **settings,
        ),
    )


def quantise_onnx(
    graph: Any,
    feeds: Feeds,
    *,
    preset: Preset | None = None,
    transformer: bool | None = None,
    keep: Sequence[str] = (),
    progress: Progress | None = None,
) -> Any:
    """Quantise an ``onnx.ModelProto``, with pairs of QuantizeLinear and DequantizeLinear.

    Arguments and errors are those of ``quantise_openvino``.
    """
    nncf = import_nncf()
    shapes = onnx_shapes(graph)
    check_feeds(feeds, shapes)
    logger.info("quantising on %d clips", len(feeds))
    kinds = [node.op_type for node in graph.graph.node]
    if transformer is None:
        transformer = _attends(kinds)
    clips = dataset(nncf, feeds, list(shapes), progress)
    kept = nncf.IgnoredScope(names=[*before_onnx_weights(graph), *keep], validate=False)
    quantised = correcting_biases(
        nncf,
        lambda advanced: nncf.quantize(
            copy.deepcopy(graph),
            clips,
            preset=_preset(nncf, preset, transformer=transformer),
            model_type=nncf.ModelType.TRANSFORMER if transformer else None,
            ignored_scope=kept,
            subset_size=len(feeds),
            advanced_parameters=advanced,
        ),
    )
    _label_alike(graph, quantised)
    return quantised


def correcting_biases(nncf: Any, quantise: Callable[[Any], Quantised]) -> Quantised:
    """Let NNCF quantise, without correcting biases where it cannot do that.

    It takes a constant that is added behind a convolution for its bias, which a constant of all
    channels together is not.

    Args:
        nncf: The library.
        quantise: Has NNCF quantise a copy of the network, with the advanced parameters it is given.

    Raises:
        CannotQuantise: NNCF cannot quantise the network.
    """
    try:
        with nncf_at_work(nncf):
            return quantise(nncf.AdvancedQuantizationParameters())
    except CannotQuantise as error:
        logger.info("biases are not corrected: %s", error.__cause__)
    with nncf_at_work(nncf):
        return quantise(nncf.AdvancedQuantizationParameters(disable_bias_correction=True))


def openvino_settings(
    nncf: Any, network: Any, *, preset: Preset | None, transformer: bool | None, keep: Sequence[str]
) -> dict[str, Any]:
    """Return what NNCF is to be told of an OpenVINO network."""
    kinds = [operation.get_type_name() for operation in network.get_ops()]
    if transformer is None:
        transformer = _attends(kinds)
    return {
        "preset": _preset(nncf, preset, transformer=transformer),
        "model_type": nncf.ModelType.TRANSFORMER if transformer else None,
        "ignored_scope": nncf.IgnoredScope(names=[*before_weights(network), *keep], validate=False),
    }


def _attends(kinds: Sequence[str]) -> bool:
    """Tell a network of attention, in which products outnumber convolutions, by its operations.

    Convolutional networks with a few non-local blocks have both.
    """
    products = kinds.count("MatMul") + kinds.count("Gemm")
    convolutions = sum(kinds.count(kind) for kind in ("Conv", "Convolution", "GroupConvolution"))
    return not {"Softmax", "ScaledDotProductAttention"}.isdisjoint(kinds) and (
        products > convolutions
    )


def _preset(nncf: Any, preset: Preset | None, *, transformer: bool) -> Any:
    """Choose how activations are quantised.

    A GELU reaches down to a fraction of 1 only: half of a symmetric range of it would be empty. So
    does a swish, but there zero points gain no accuracy (X3D-S, MoViNet-A0: the same difference of
    logits) and make OpenVINO's depthwise convolutions slower than in float32.
    """
    presets = {
        "performance": nncf.QuantizationPreset.PERFORMANCE,
        "mixed": nncf.QuantizationPreset.MIXED,
    }
    return presets[preset or ("mixed" if transformer else "performance")]


def openvino_shapes(network: Any) -> dict[str, Shape]:
    """Return the shapes of a network's inputs by name, in order."""
    return {
        port.get_any_name(): tuple(
            axis.get_length() if axis.is_static else None for axis in port.partial_shape
        )
        for port in network.inputs
    }


def onnx_shapes(graph: Any) -> dict[str, Shape]:
    """Return the shapes of a graph's inputs by name, in order."""
    stored = {tensor.name for tensor in graph.graph.initializer}
    return {
        port.name: tuple(
            axis.dim_value if axis.HasField("dim_value") else None
            for axis in port.type.tensor_type.shape.dim
        )
        for port in graph.graph.input
        if port.name not in stored
    }


def _label_alike(source: Any, target: Any) -> None:
    """Give a graph another one's metadata, the spec in it, and none for each node.

    torch writes down for every node from which line of which file it came.
    """
    del target.metadata_props[:]
    target.metadata_props.extend(source.metadata_props)
    for part in (*target.graph.node, *target.graph.value_info, *target.graph.initializer):
        del part.metadata_props[:]
