"""Frozen graphs and checkpoints as TensorFlow writes them, made by hand.

Names and numbers of fields: TensorFlow's graph.proto, attr_value.proto, tensor.proto and
tensor_bundle.proto; the index is a table of LevelDB, its blocks plain or compressed with Snappy.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actionzoo.checkpoints.tensorflow import crc32c

Arrays = Mapping[str, np.ndarray]

TYPES = {"float32": 1, "float64": 2, "int32": 3, "int64": 9, "float16": 19}
TEXT = 7
MAGIC = 0xDB4775248B80FB57


def varint(value: int) -> bytes:
    head = b""
    while value > 127:
        head += bytes([value & 127 | 128])
        value >>= 7
    return head + bytes([value])


def field(number: int, value: int | bytes) -> bytes:
    """Write a field of a message, an integer or bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def shape_message(shape: Sequence[int]) -> bytes:
    return b"".join(field(2, field(1, size)) for size in shape)


# Frozen graphs


def node(name: str, operation: str, *inputs: str, **attributes: Any) -> bytes:
    """Write a node, as a field of the graph."""
    return field(
        1,
        field(1, name.encode())
        + field(2, operation.encode())
        + b"".join(field(3, one.encode()) for one in inputs)
        + b"".join(
            field(5, field(1, key.encode()) + field(2, attribute(value)))
            for key, value in attributes.items()
        ),
    )


def attribute(value: Any) -> bytes:
    """Write the value of an attribute: text, a number, sizes, a shape, a type or a tensor."""
    if isinstance(value, int):
        return field(3, value)
    if isinstance(value, str):
        return field(2, value.encode())
    if isinstance(value, list):
        return field(1, field(3, b"".join(map(varint, value))))
    if isinstance(value, tuple):
        return field(7, shape_message(value))
    if isinstance(value, np.dtype):
        return field(6, TYPES[value.name])
    return field(8, value if isinstance(value, bytes) else tensor_message(value))


def tensor_message(array: np.ndarray) -> bytes:
    """Write a tensor as its bytes, or, if it is a float, as one number."""
    head = field(1, TYPES[array.dtype.name]) + field(2, shape_message(array.shape))
    if array.size == 1 and array.dtype == np.float32:
        return head + field(5, array.tobytes())
    return head + field(4, array.tobytes())


def constant(name: str, value: np.ndarray) -> bytes:
    return node(name, "Const", dtype=value.dtype, value=value)


def variable(name: str, value: np.ndarray) -> bytes:
    """Write a variable as freezing leaves it: a constant, and what reads it."""
    return constant(name, value) + operation(f"{name}/read", "Identity", name)


def operation(name: str, kind: str, *inputs: str, **attributes: Any) -> bytes:
    return node(name, kind, *inputs, T=np.dtype("float32"), **attributes)


def frozen_graph(tensors: Arrays) -> bytes:
    """Write a graph of nothing but variables, between an input and a constant."""
    clip = node("Placeholder", "Placeholder", dtype=np.dtype("float32"), shape=(1, 2, 4, 4, 3))
    middle = b"".join(variable(name, value) for name, value in tensors.items())
    return clip + middle + constant("batch_norm/add/y", np.float32([0.001]))


def classifier_graph(shape: tuple[int, ...], tensors: Arrays) -> bytes:
    """Write a frozen network that looks at single pixels; ``classify`` computes the same.

    Args:
        shape: Of the clip, (B, T, H, W, C).
        tensors: ``w`` (1, 1, 1, C, K), ``beta``, ``moving_mean`` and ``moving_variance``
            (1, 1, 1, 1, K).
    """
    return b"".join(
        [
            node("Placeholder", "Placeholder", dtype=np.dtype("float32"), shape=shape),
            *(variable(name, value) for name, value in tensors.items()),
            operation(
                "convolution", "Conv3D", "Placeholder", "w/read",
                strides=[1] * 5, dilations=[1] * 5, padding="SAME", data_format="NDHWC",
            ),
            constant("add/y", np.float32(0.001).reshape(())),
            operation("add", "AddV2", "moving_variance/read", "add/y"),
            operation("Rsqrt", "Rsqrt", "add"),
            operation("mul", "Mul", "convolution", "Rsqrt"),
            operation("mul_1", "Mul", "moving_mean/read", "Rsqrt"),
            operation("sub", "Sub", "beta/read", "mul_1"),
            operation("add_1", "AddV2", "mul", "sub"),
            operation("Relu", "Relu", "add_1"),
            constant("Mean/axes", np.int32([1, 2, 3])),
            operation("Mean", "Mean", "Relu", "Mean/axes", Tidx=np.dtype("int32")),
            operation("Softmax", "Softmax", "Mean"),
        ]
    )  # fmt: skip


def classify(clips: np.ndarray, tensors: Arrays) -> np.ndarray:
    """Return the scores (B, K) that ``classifier_graph`` computes of clips (B, T, H, W, C)."""
    outputs = clips @ tensors["w"][0, 0, 0] - tensors["moving_mean"]
    outputs = outputs / np.sqrt(tensors["moving_variance"] + 0.001) + tensors["beta"]
    powers = np.exp(np.maximum(outputs, 0).mean((1, 2, 3)))
    return powers / powers.sum(axis=1, keepdims=True)


# The whole of DeepMind's I3D, with the names of its nodes (deepmind/kinetics-i3d, i3d.py, frozen as
# Open Model Zoo does: Placeholder in front, Softmax behind).

SCOPE = "RGB/inception_i3d"
MIXED = "3b 3c | 4b 4c 4d 4e 4f | 5b 5c"


def unit_node(source: str, name: str, strides: int = 1, bias: bool = False) -> list[bytes]:
    """Write a convolution with its batch norm and ReLU, or with a bias alone."""
    scope, norm = f"{SCOPE}/{name}", f"{SCOPE}/{name}/batch_norm"
    convolution = operation(
        f"{scope}/conv_3d/convolution", "Conv3D", source, f"{scope}/conv_3d/w/read",
        strides=[1, *[strides] * 3, 1], dilations=[1] * 5, padding="SAME", data_format="NDHWC",
    )  # fmt: skip
    if bias:
        added = (f"{scope}/conv_3d/convolution", f"{scope}/conv_3d/b/read")
        return [convolution, operation(f"{scope}/conv_3d/add", "BiasAdd", *added)]
    inner = f"{norm}/batchnorm"
    return [
        convolution,
        constant(f"{inner}/add/y", np.float32(0.001).reshape(())),
        operation(f"{inner}/add", "AddV2", f"{norm}/moving_variance/read", f"{inner}/add/y"),
        operation(f"{inner}/Rsqrt", "Rsqrt", f"{inner}/add"),
        operation(f"{inner}/mul", "Mul", f"{scope}/conv_3d/convolution", f"{inner}/Rsqrt"),
        operation(f"{inner}/mul_1", "Mul", f"{norm}/moving_mean/read", f"{inner}/Rsqrt"),
        operation(f"{inner}/sub", "Sub", f"{norm}/beta/read", f"{inner}/mul_1"),
        operation(f"{inner}/add_1", "AddV2", f"{inner}/mul", f"{inner}/sub"),
        operation(f"{scope}/Relu", "Relu", f"{inner}/add_1"),
    ]


def pool_node(
    source: str, name: str, kind: str, window: Sequence[int], strides: Sequence[int], padding: str
) -> bytes:
    return operation(
        f"{SCOPE}/{name}", kind, source,
        ksize=[1, *window, 1], strides=[1, *strides, 1], padding=padding, data_format="NDHWC",
    )  # fmt: skip


def mixed_nodes(source: str, name: str) -> list[bytes]:
    """Write a mixed layer: four branches, side by side."""

    def units(branch: int, *names: str, begin: str = source) -> list[bytes]:
        written = []
        for one in names:
            written += unit_node(begin, f"{name}/Branch_{branch}/{one}")
            begin = f"{SCOPE}/{name}/Branch_{branch}/{one}/Relu"
        return written

    second = "Conv3d_0a_3x3" if name == "Mixed_5b" else "Conv3d_0b_3x3"  # as DeepMind has it
    pool = f"{name}/Branch_3/MaxPool3d_0a_3x3"
    ends = ["Branch_0/Conv3d_0a_1x1", "Branch_1/Conv3d_0b_3x3", f"Branch_2/{second}"]
    tops = [f"{SCOPE}/{name}/{end}/Relu" for end in (*ends, "Branch_3/Conv3d_0b_1x1")]
    return [
        *units(0, "Conv3d_0a_1x1"),
        *units(1, "Conv3d_0a_1x1", "Conv3d_0b_3x3"),
        *units(2, "Conv3d_0a_1x1", second),
        pool_node(source, pool, "MaxPool3D", (3, 3, 3), (1, 1, 1), "SAME"),
        *units(3, "Conv3d_0b_1x1", begin=f"{SCOPE}/{pool}"),
        constant(f"{SCOPE}/{name}/concat/axis", np.array(4, np.int32)),
        operation(
            f"{SCOPE}/{name}/concat", "ConcatV2", *tops, f"{SCOPE}/{name}/concat/axis",
            N=4, Tidx=np.dtype("int32"),
        ),
    ]  # fmt: skip


def i3d_graph(shape: tuple[int, ...], tensors: Arrays) -> bytes:
    """Write DeepMind's network as Open Model Zoo freezes it.

    Args:
        shape: Of the clip, (B, T, H, W, C).
        tensors: Its variables by their names in a checkpoint; they may be narrower than DeepMind's.
    """
    nodes = [node("Placeholder", "Placeholder", dtype=np.dtype("float32"), shape=shape)]
    nodes += [variable(name, value) for name, value in tensors.items()]
    nodes += unit_node("Placeholder", "Conv3d_1a_7x7", strides=2)
    rows = ((1, 3, 3), (1, 2, 2), "SAME")
    nodes.append(pool_node(f"{SCOPE}/Conv3d_1a_7x7/Relu", "MaxPool3d_2a_3x3", "MaxPool3D", *rows))
    nodes += unit_node(f"{SCOPE}/MaxPool3d_2a_3x3", "Conv3d_2b_1x1")
    nodes += unit_node(f"{SCOPE}/Conv3d_2b_1x1/Relu", "Conv3d_2c_3x3")
    nodes.append(pool_node(f"{SCOPE}/Conv3d_2c_3x3/Relu", "MaxPool3d_3a_3x3", "MaxPool3D", *rows))
    last, pools = f"{SCOPE}/MaxPool3d_3a_3x3", iter([("4a_3x3", 3), ("5a_2x2", 2)])
    for name in MIXED.split():
        if name == "|":
            place, side = next(pools)
            sizes = ((side,) * 3, (2, 2, 2), "SAME")
            nodes.append(pool_node(last, f"MaxPool3d_{place}", "MaxPool3D", *sizes))
            last = f"{SCOPE}/MaxPool3d_{place}"
        else:
            nodes += mixed_nodes(last, f"Mixed_{name}")
            last = f"{SCOPE}/Mixed_{name}/concat"
    return b"".join([*nodes, *head_nodes(last)])


def head_nodes(source: str) -> list[bytes]:
    """Write the head: windows of 2 x 7 x 7 are classified, and their logits averaged."""
    logits = f"{SCOPE}/Logits"
    return [
        pool_node(source, "Logits/AvgPool3D", "AvgPool3D", (2, 7, 7), (1, 1, 1), "VALID"),
        *unit_node(f"{logits}/AvgPool3D", "Logits/Conv3d_0c_1x1", bias=True),
        operation(
            f"{logits}/SpatialSqueeze", "Squeeze", f"{logits}/Conv3d_0c_1x1/conv_3d/add",
            squeeze_dims=[2, 3],
        ),
        constant(f"{SCOPE}/Mean/reduction_indices", np.array(1, np.int32)),
        operation(
            f"{SCOPE}/Mean", "Mean", f"{logits}/SpatialSqueeze",
            f"{SCOPE}/Mean/reduction_indices", Tidx=np.dtype("int32"),
        ),
        operation("Softmax", "Softmax", f"{SCOPE}/Mean"),
    ]  # fmt: skip


# Checkpoints


def write_checkpoint(
    prefix: Path,
    tensors: Arrays,
    *,
    snappy: bool = False,
    shards: int = 1,
    per_block: int = 5,
    changes: Mapping[str, dict[int, int | bytes]] | None = None,
) -> Path:
    """Write ``prefix.index`` and ``prefix.data-00000-of-00001``; return the index.

    Args:
        prefix: Path of the checkpoint.
        tensors: What it holds, beside a note in text.
        snappy: Compress the index.
        shards: How many shards its header speaks of.
        per_block: Entries in one block of the index.
        changes: Fields of a variable's entry to write otherwise.
    """
    entries = {"": field(1, shards) + field(3, field(1, 1))}
    data = b"\x00" * 8
    entries["a note"] = field(1, TEXT) + field(4, 0) + field(5, len(data))
    for name in sorted(tensors):
        array = tensors[name]
        content = array.tobytes()
        fields: dict[int, int | bytes] = {
            1: TYPES[array.dtype.name],
            2: shape_message(array.shape),
            4: len(data),
            5: len(content),
        }
        fields |= (changes or {}).get(name, {})
        checksum = varint(6 << 3 | 5) + struct.pack("<I", masked_crc(content))
        entries[name] = b"".join(field(*item) for item in fields.items()) + checksum
        data += content
    prefix.with_name(f"{prefix.name}.data-00000-of-00001").write_bytes(data)
    index = prefix.with_name(f"{prefix.name}.index")
    index.write_bytes(table(entries, snappy=snappy, per_block=per_block))
    return index


def table(entries: Mapping[str, bytes], *, snappy: bool = False, per_block: int = 5) -> bytes:
    """Write a LevelDB table."""
    items = sorted((name.encode(), value) for name, value in entries.items())
    output, handles = b"", []
    for start in range(0, len(items), per_block):
        part = items[start : start + per_block]
        stored = block(part, snappy=snappy)
        handles.append((part[-1][0], varint(len(output)) + varint(len(stored) - 5)))
        output += stored
    footer = b""
    for part in ([], handles):
        stored = block(part, snappy=snappy)
        footer += varint(len(output)) + varint(len(stored) - 5)
        output += stored
    return output + footer.ljust(40, b"\x00") + struct.pack("<Q", MAGIC)


def block(items: Sequence[tuple[bytes, bytes]], *, snappy: bool) -> bytes:
    """Write a block; every third entry begins anew, the others share the key before theirs."""
    content, restarts, before = b"", [0], b""
    for number, (key, value) in enumerate(items):
        shared = common(before, key) if number % 3 else 0
        if number and not number % 3:
            restarts.append(len(content))
        content += varint(shared) + varint(len(key) - shared) + varint(len(value))
        content += key[shared:] + value
        before = key
    content += struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))
    stored = (snap(content) if snappy else content) + bytes([snappy])
    return stored + struct.pack("<I", masked_crc(stored))


def common(first: bytes, second: bytes) -> int:
    """Count the bytes that two keys begin with alike."""
    pairs = zip(first, second, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), len(first))


def snap(data: bytes) -> bytes:
    """Compress with Snappy: copies of at least four bytes, and what lies between them."""
    output, place, literal = varint(len(data)), 0, b""
    while place < len(data):
        start, length = longest_match(data, place)
        if length < 4:
            literal += data[place : place + 1]
            place += 1
            continue
        output += snap_literal(literal) + snap_copy(place - start, length)
        place, literal = place + length, b""
    return output + snap_literal(literal)


def longest_match(data: bytes, place: int) -> tuple[int, int]:
    """Find what stands at ``place`` earlier in the data: where, and how many bytes."""
    for length in range(min(64, len(data) - place), 3, -1):
        start = data.find(data[place : place + length], 0, place + length - 1)
        if start >= 0:
            return start, length
    return 0, 0


def snap_literal(data: bytes) -> bytes:
    if not data:
        return b""
    if len(data) <= 60:
        return bytes([len(data) - 1 << 2]) + data
    return bytes([61 << 2]) + struct.pack("<H", len(data) - 1) + data


def snap_copy(back: int, length: int) -> bytes:
    if length < 12 and back < 2048:
        return bytes([back >> 8 << 5 | length - 4 << 2 | 1, back & 255])
    if back < 65536:
        return bytes([length - 1 << 2 | 2]) + struct.pack("<H", back)
    return bytes([length - 1 << 2 | 3]) + struct.pack("<I", back)


def masked_crc(data: bytes) -> int:
    """Return the CRC-32C, turned as TensorFlow stores it."""
    # Bit by bit a whole network would take a minute; the reader's own is held to the standard.
    long = len(data) > 10_000
    crc = crc32c(np.frombuffer(data, np.uint8)) if long else bitwise_crc(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def bitwise_crc(data: bytes) -> int:
    """Return the CRC-32C by its definition."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
