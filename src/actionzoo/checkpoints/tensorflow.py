"""TensorFlow's variables: a frozen graph, or a checkpoint of the second version.

A frozen graph (``.pb``) is a GraphDef in which every variable has become a constant of the same
name. A checkpoint is ``X.index``, a table of where each variable lies, ``X.data-00000-of-00001``,
their numbers, and ``X.meta``, the graph, which is not needed here.

Both are read from their bytes, by TensorFlow's graph.proto and tensor_bundle.proto, LevelDB's table
format and Snappy's. OpenVINO would read them as well, but as a network: it renames the constants,
turns their axes and folds some of them, so that no variable could be told from another.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import reduce
from operator import xor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from actionzoo.errors import BadWeights

Message = dict[int, "int | memoryview"]
"""A protocol buffer: its fields by number; of a repeated one, the last."""

PART = re.compile(r"(.+)\.(index|meta|data-\d{5}-of-\d{5})")
"""How the files of a checkpoint are called."""

FIRST_NODE = re.compile(rb"\n[\x80-\xff]{0,4}.\n.[!-~]+\x12.[A-Z]\w+", re.DOTALL)
"""How a frozen graph begins: a node (field 1) with its name (1) and operation (2)."""

TABLE_MAGIC = bytes.fromhex("57fb808b247547db")
"""How an index ends."""

DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", 19: "<f2"}
"""The types that parameters have, by their number in types.proto."""

MAX_AXES = 8
MAX_NUMBERS = 1 << 40
MAX_NAME_BYTES = 4096


def recognises(path: Path) -> bool:
    """Tell whether a file is a frozen graph or belongs to a checkpoint."""
    if PART.fullmatch(path.name):
        index = _beside(path, "index")
        return not index.is_file() or index.read_bytes().endswith(TABLE_MAGIC)
    with path.open("rb") as file:
        return FIRST_NODE.match(file.read(1024)) is not None


def read(path: Path) -> dict[str, Tensor]:
    """Read the variables under their TensorFlow names, each with TensorFlow's order of axes.

    Args:
        path: A frozen graph, or any file of a checkpoint.

    Raises:
        BadWeights: The checkpoint lacks a file, or is cut in shards.
        ValueError: A file is damaged.
    """
    return _checkpoint(path) if PART.fullmatch(path.name) else _graph(path)


# Frozen graphs


def _graph(path: Path) -> dict[str, Tensor]:
    """Return the constants that were variables, which an Identity reads."""
    constants: dict[str, memoryview] = {}
    are_read: set[str] = set()
    for number, node in _fields(memoryview(path.read_bytes())):
        if number != 1 or isinstance(node, int):
            continue
        message = dict(_fields(node))
        operation = _text(message, 2)
        if operation == "Const":
            constants[_text(message, 1)] = node
        elif operation == "Identity":
            are_read.add(_text(message, 3).removesuffix(":0"))
    tensors = {name: _constant(node) for name, node in constants.items() if name in are_read}
    return {name: tensor for name, tensor in tensors.items() if tensor is not None}


def _constant(node: memoryview) -> Tensor | None:
    """Return what a Const holds, None where that is no parameter."""
    attributes = [dict(_fields(field)) for number, field in _fields(node) if number == 5]
    values = [_message(one, 2) for one in attributes if _text(one, 1) == "value"]
    tensor = _message(values[0], 8) if values else {}
    dtype = DTYPES.get(_number(tensor, 1))
    if dtype is not None and 4 in tensor:
        return _tensor(_bytes(tensor, 4), dtype, _shape(tensor))
    if dtype != "<f4" or 5 not in tensor:
        return None
    numbers = _bytes(tensor, 5)
    if len(numbers) == 4:  # one number stands for a whole tensor of it
        return _tensor(numbers, dtype, ()).expand(_shape(tensor))
    return _tensor(numbers, dtype, _shape(tensor))


# Checkpoints


def _checkpoint(path: Path) -> dict[str, Tensor]:
    entries = dict(_table(memoryview(_part(path, "index").read_bytes())))
    header = dict(_fields(entries.pop(b"", memoryview(b""))))
    shards, big_endian = _number(header, 1), _number(header, 2)
    if shards > 1:
        raise BadWeights(
            f"{str(path)!r} belongs to a checkpoint in {shards} shards, and only whole ones are "
            "read; restore it in TensorFlow and save it again with sharded=False"
        )
    if shards < 1 or big_endian:
        raise ValueError("no header, or that of a machine with another order of bytes")
    data = np.memmap(_part(path, "data-00000-of-00001"), np.uint8, "r")
    return _variables(entries, data)


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(PART.sub(rf"\1.{ending}", path.name))


def _part(path: Path, ending: str) -> Path:
    """Return a file of the checkpoint that ``path`` belongs to."""
    part = _beside(path, ending)
    if not part.is_file():
        raise BadWeights(
            f"{str(path)!r} has no {part.name!r} beside it; a TensorFlow checkpoint is several "
            "files, keep them together"
        )
    return part


def _variables(entries: dict[bytes, memoryview], data: np.ndarray) -> dict[str, Tensor]:
    """Cut the variables out of the data file, each verified by its checksum."""
    tensors, unread = {}, len(data)
    for name, value in entries.items():
        entry = dict(_fields(value))
        dtype = DTYPES.get(_number(entry, 1))
        if dtype is None:  # text, such as what TensorFlow notes of its own objects
            continue
        start, size = _number(entry, 4), _number(entry, 5)
        unread -= size
        if unread < 0 or start + size > len(data):
            raise ValueError("a variable beyond the end")
        content = np.array(data[start : start + size])
        _verify(content, _number(entry, 6))
        tensors[name.decode()] = _tensor(content, dtype, _shape(entry))
    return tensors


def _table(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield the keys and values of a LevelDB table.

    Its last 48 bytes say where two blocks lie, the second of which says where the others do.
    """
    footer = data[-48:]
    start, size, place = _handle(footer)
    start, size, _ = _handle(footer[place:])
    end = 0
    for _, value in _block(data, start, size):
        start, size, _ = _handle(value)
        if start < end:
            raise ValueError("blocks that overlap")
        end = start + size
        yield from _block(data, start, size)


def _handle(data: memoryview) -> tuple[int, int, int]:
    """Read the start and size of a block, bytes; return them and where they end."""
    start, place = _varint(data, 0)
    size, place = _varint(data, place)
    return start, size, place


def _block(data: memoryview, start: int, size: int) -> Iterator[tuple[bytes, memoryview]]:
    """Yield the entries of one block, whose keys share their beginnings with the one before."""
    stored, trailer = _cut(data, start, size), _cut(data, start + size, 5)
    _verify(np.frombuffer(data[start : start + size + 1], np.uint8), _integer(trailer[1:]))
    block = memoryview(_unsnap(stored)) if trailer[0] else stored
    restarts = _integer(_cut(block, len(block) - 4, 4))
    entries = _cut(block, 0, len(block) - 4 * restarts - 4)
    key, place = b"", 0
    while place < len(entries):
        shared, place = _varint(entries, place)
        unshared, place = _varint(entries, place)
        length, place = _varint(entries, place)
        key = key[:shared] + _cut(entries, place, unshared)
        if len(key) > MAX_NAME_BYTES:
            raise ValueError(f"a name of {len(key)} bytes")
        place += unshared
        yield key, _cut(entries, place, length)
        place += length


def _unsnap(data: memoryview) -> bytes:
    """Undo Snappy: bytes as they are, and copies of what was written before."""
    size, place = _varint(data, 0)
    output = bytearray()
    while place < len(data):
        kind, length = data[place] & 3, data[place] >> 2
        # How many bytes follow: of a long length, or of how far back the copy begins.
        more = max(0, length - 59) if kind == 0 else (1, 2, 4)[kind - 1]
        number = _integer(_cut(data, place + 1, more))
        place += 1 + more
        if kind == 0:
            length = (number if more else length) + 1
            output += _cut(data, place, length)
            place += length
            continue
        back = number if kind > 1 else (length >> 3 << 8) + number
        length = length + 1 if kind > 1 else (length & 7) + 4
        if not 0 < back <= len(output):
            raise ValueError("a copy from before the beginning")
        start = len(output) - back
        copied = bytes(output[start : start + length])
        output += (copied * (length // back + 1))[:length]  # a copy may run into itself
    if len(output) != size:
        raise ValueError("another size than was written")
    return bytes(output)


# Checksums


def _crc_table() -> np.ndarray:
    """Return the CRC-32C of each byte, shape (256,) uint32; its polynomial is in RFC 3720."""
    table: np.ndarray = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = table >> 1 ^ (table & 1) * np.uint32(0x82F63B78)
    return table


CRC_TABLE = _crc_table()

CRC_ONES = bytes.fromhex("54641f64")
"""Four bytes that fill the empty register with ones, as every checksum begins."""


def crc32c(data: np.ndarray) -> int:
    """Return the CRC-32C of bytes, shape (N,) uint8, at some hundred megabytes a second.

    The bytes become a square, whose rows are computed side by side. The checksum is linear: the
    rows' are joined by moving the first over the length of the second, bit by bit, and so on.
    """
    data = np.concatenate([np.frombuffer(CRC_ONES, np.uint8), data])
    side = math.isqrt(len(data)) + 1
    square = np.zeros(side * side, np.uint8)
    square[-len(data) :] = data  # zeros in an empty register leave it empty
    rows = np.zeros(side, np.uint32)
    bits = np.uint32(1) << np.arange(32, dtype=np.uint32)
    for column in np.ascontiguousarray(square.reshape(side, side).T):
        rows = CRC_TABLE[(rows ^ column) & 255] ^ rows >> 8
        bits = CRC_TABLE[bits & 255] ^ bits >> 8
    moved, crc = bits.tolist(), 0
    for row in rows.tolist():
        crc = reduce(xor, (moved[bit] for bit in range(32) if crc >> bit & 1), row)
    return crc ^ 0xFFFFFFFF


def _verify(data: np.ndarray, stored: int) -> None:
    """Compare bytes with their checksum, which is stored turned by 15 bits and moved on."""
    crc = crc32c(data)
    if ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF != stored:
        raise ValueError("a wrong checksum")


# Protocol buffers: a field that is not there is 0 or empty


def _fields(data: int | memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield the fields of a message: their numbers, and an integer or bytes."""
    if isinstance(data, int):
        raise ValueError("an integer where a message is expected")
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        kind = tag & 7
        if kind == 0:
            value, place = _varint(data, place)
            yield tag >> 3, value
            continue
        if kind not in (1, 2, 5):
            raise ValueError(f"a field of kind {kind}")
        size, place = _varint(data, place) if kind == 2 else (8 if kind == 1 else 4, place)
        content = _cut(data, place, size)
        place += size
        yield tag >> 3, content if kind == 2 else _integer(content)


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    """Read an integer, seven bits a byte; return it and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        byte = _cut(data, place, 1)[0]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
    raise ValueError("an integer without an end")


def _cut(data: memoryview, start: int, size: int) -> memoryview:
    """Return bytes that have to be there."""
    if start < 0 or size < 0 or start + size > len(data):
        raise ValueError("a part beyond the end")
    return data[start : start + size]


def _integer(data: memoryview) -> int:
    return int.from_bytes(data, "little")


def _number(message: Message, field: int) -> int:
    value = message.get(field, 0)
    if not isinstance(value, int):
        raise ValueError("bytes where an integer is expected")
    return value


def _bytes(message: Message, field: int) -> memoryview:
    value = message.get(field, memoryview(b""))
    if isinstance(value, int):
        raise ValueError("an integer where bytes are expected")
    return value


def _text(message: Message, field: int) -> str:
    return bytes(_bytes(message, field)).decode()


def _message(message: Message, field: int) -> Message:
    return dict(_fields(_bytes(message, field)))


def _shape(tensor: Message) -> tuple[int, ...]:
    """Read the shape, which is field 2 of a TensorProto as of a BundleEntryProto."""
    axes = [dict(_fields(axis)) for number, axis in _fields(_bytes(tensor, 2)) if number == 2]
    shape = tuple(_number(axis, 1) for axis in axes)
    if len(shape) > MAX_AXES or math.prod(size + 1 for size in shape) > MAX_NUMBERS:
        raise ValueError("a shape that no parameter has")
    return shape


def _tensor(data: memoryview | np.ndarray, dtype: str, shape: tuple[int, ...]) -> Tensor:
    if len(data) != math.prod(shape) * np.dtype(dtype).itemsize:
        raise ValueError("a tensor whose bytes are not those of its shape")
    return torch.from_numpy(np.frombuffer(data, dtype).reshape(shape).copy())
