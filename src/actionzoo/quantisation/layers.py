"""The layers of a network by names that a person finds again, and which compute in integers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

WEIGHTED = {"Convolution": "convolution", "GroupConvolution": "convolution", "MatMul": "product"}
"""OpenVINO's operations with weights, by what a person calls them."""
ONNX_WEIGHTED = ("Conv", "Gemm", "MatMul")
_PASSED = ("Convert", "Multiply", "Subtract", "Reshape", "FakeQuantize", "Transpose")
"""What stands between stored weights and the operation that uses them."""


def stored_weights(operation: Any) -> Any | None:
    """Return the constant that an operation's weights are stored in; None where they flow in."""
    node = operation.input_value(1).get_node()
    while node.get_type_name() in _PASSED:
        node = node.input_value(0).get_node()
    return node if node.get_type_name() == "Constant" else None


def weighted(network: Any) -> dict[str, Any]:
    """Return the operations with stored weights by name, in the order they are computed."""
    return {
        operation.get_friendly_name(): operation
        for operation in network.get_ordered_ops()
        if operation.get_type_name() in WEIGHTED and stored_weights(operation) is not None
    }


def integer_layers(network: Any) -> list[str]:
    """Return the names of the operations whose weights are stored in 8 bits."""
    return [name for name, operation in weighted(network).items() if _in_8_bits(operation)]


def _in_8_bits(operation: Any) -> bool:
    weights = stored_weights(operation)
    return weights is not None and weights.get_element_type().get_size() == 1


def in_integers(network: Any) -> list[str]:
    """Return the names of all operations that compute with integers, sums and means too."""
    layers = set(integer_layers(network))
    return [
        operation.get_friendly_name()
        for operation in network.get_ordered_ops()
        if operation.get_friendly_name() in layers
        or (
            operation.get_type_name() not in (*WEIGHTED, "Result")
            and any(
                value.get_node().get_type_name() == "FakeQuantize"
                for value in operation.input_values()
            )
        )
    ]


def described(network: Any, names: Sequence[str]) -> tuple[str, ...]:
    """Say which layers of an OpenVINO network are meant, by place, kind and size.

    Their names alone are those of a converter, such as ``Multiply_4340``.
    """
    layers = list(weighted(network).items())
    told = {name: name for name in names}
    for number, (name, operation) in enumerate(layers, 1):
        kind = WEIGHTED[operation.get_type_name()]
        size = "x".join(map(str, operation.input_value(1).get_shape()))
        told[name] = f"layer {number} of {len(layers)}, {kind} {size} ({name})"
    return tuple(told[name] for name in names)


def described_onnx(graph: Any, names: Sequence[str]) -> tuple[str, ...]:
    """Say which layers of an ONNX graph are meant, by the names of their parameters."""
    stored = {tensor.name for tensor in graph.graph.initializer}
    told = []
    for node in graph.graph.node:
        if node.name in names:
            weights = [one for one in node.input if one in stored and one.endswith(".weight")]
            told.append(weights[0].removesuffix(".weight") if weights else node.name)
    return tuple(told)


def before_weights(network: Any) -> list[str]:
    """Return the names of the operations between the input and the first layers with weights.

    That is arithmetic on pixels, of little cost, in which rounding is felt by all that follows.
    """
    layers = weighted(network)
    # Of what depends on the input, whether weights have been applied to it.
    seen: dict[str, bool] = {}
    early = []
    for operation in network.get_ordered_ops():
        name = operation.get_friendly_name()
        sources = [value.get_node().get_friendly_name() for value in operation.input_values()]
        flowing = [seen[source] for source in sources if source in seen]
        if flowing or operation.get_type_name() == "Parameter":
            seen[name] = any(flowing) or name in layers
            if not seen[name]:
                early.append(name)
    return early


def before_onnx_weights(graph: Any) -> list[str]:
    """Do what ``before_weights`` does, for the nodes of an ``onnx.ModelProto``."""
    stored = {tensor.name for tensor in graph.graph.initializer}
    seen = {port.name: False for port in graph.graph.input if port.name not in stored}
    early = []
    for node in graph.graph.node:
        flowing = [seen[name] for name in node.input if name in seen]
        if not flowing:
            continue
        weighs = node.op_type in ONNX_WEIGHTED and any(name in stored for name in node.input[1:2])
        after = any(flowing) or weighs
        seen.update(dict.fromkeys(node.output, after))
        if not after:
            early.append(node.name)
    return early
