"""MXNet ``.params`` files, also inside the zips that GluonCV publishes.

A list of arrays, then a list of their names; all numbers are little-endian::

    uint64 0x112, uint64 reserved
    uint64 count, then each array
    uint64 count, then each name: uint64 length, bytes

An array begins with a magic number that says how its shape is written; the first releases had none,
so that any other number is how many axes there are. Its values follow a device and a type::

    version 2 and 3    uint32 magic, int32 storage, int32 axes, int64 sizes
    version 1          uint32 magic, int32 axes, int64 sizes
    before             uint32 axes, uint32 sizes
    all                int32 device, int32 number of the device, int32 type, values

Nothing here believes a size before as many bytes are known to be left.
"""

from __future__ import annotations

import errno
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import Tensor

from actionzoo.errors import BadWeights

LIST_MAGIC = (0x112).to_bytes(8, "little")
V1_MAGIC, V2_MAGIC, V3_MAGIC = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
DENSE = 0
"""Storage of an array whose values are all written; 1 and 2 are sparse."""
TYPES = (
    *("float32", "float64", "float16", "uint8", "int32", "int8", "int64"),
    *("bool", "int16", "uint16", "uint32", "uint64"),
)
"""By number."""
BFLOAT16 = 12
"""The one type that numpy does not know; its bytes pass as int16."""

MOST_AXES = 32
CHUNK_BYTES = 1 << 20
SMALL_BYTES = 1 << 26
MOST_EXPANSION = 16
"""Trained parameters hardly compress: a zip that unfolds to more than this many times its size, and
more than ``SMALL_BYTES`` beside, is not believed."""


def recognises(path: Path) -> bool:
    """Tell whether a file begins as these do, or is a zip with one of them."""
    with path.open("rb") as file:
        head = file.read(len(LIST_MAGIC))
    if not head.startswith(b"PK"):
        return head == LIST_MAGIC
    try:
        with zipfile.ZipFile(path) as archive:
            return len(_members(archive)) == 1
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
        return False


def read(path: Path) -> dict[str, Tensor]:
    """Read the arrays under the names the file gives them, without ``arg:`` and ``aux:``.

    Raises:
        BadWeights: It is damaged, or holds arrays that are no parameters.
    """
    fault = "it is damaged or cut off"
    try:
        with _opened(path) as source:
            return _read_list(source)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        cause: Exception = error  # a zip that points before its own beginning
    except (zipfile.BadZipFile, NotImplementedError, zlib.error, EOFError, UnicodeError) as error:
        cause = error
    except ValueError as error:
        fault, cause = str(error), error
    raise BadWeights(
        f"{os.fspath(path)!r} cannot be used: {fault}; download or copy it again"
    ) from cause


class _Source:
    """Bytes in order, never more than there are."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.file = file
        self.left = size

    def take(self, size: int) -> bytearray:
        """Return the next bytes, or raise if so many are not left."""
        if size > self.left:
            raise EOFError
        taken = bytearray(size)
        self.fill(memoryview(taken))
        return taken

    def fill(self, view: memoryview) -> None:
        """Write the next bytes into ``view``, piece by piece: a zip copies each piece twice."""
        if len(view) > self.left:
            raise EOFError
        for start in range(0, len(view), CHUNK_BYTES):
            piece = view[start : start + CHUNK_BYTES]
            if self.file.readinto(piece) != len(piece):  # type: ignore[attr-defined]
                raise EOFError
        self.left -= len(view)

    def numbers(self, layout: str) -> tuple[int, ...]:
        """Return little-endian numbers, laid out as ``struct`` says."""
        layout = f"<{layout}"
        return struct.unpack(layout, self.take(struct.calcsize(layout)))


def _members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    return [one for one in archive.infolist() if one.filename.endswith(".params")]


@contextmanager
def _opened(path: Path) -> Iterator[_Source]:
    """Open the parameters; those in a zip are unfolded as they are read, never to a file."""
    on_disk = path.stat().st_size
    with path.open("rb") as file:
        if file.read(len(LIST_MAGIC)) == LIST_MAGIC:
            yield _Source(file, on_disk - len(LIST_MAGIC))
            return
    with zipfile.ZipFile(path) as archive:
        (member,) = _members(archive)
        if member.flag_bits & 1 or member.compress_type not in (
            zipfile.ZIP_STORED,
            zipfile.ZIP_DEFLATED,
        ):
            raise ValueError("it is encrypted, or packed as nobody publishes parameters")
        if member.file_size > SMALL_BYTES + MOST_EXPANSION * on_disk:
            raise ValueError(
                f"it says it unfolds from {on_disk} to {member.file_size} bytes, which trained "
                "parameters never do"
            )
        with archive.open(member) as unfolded:
            source = _Source(unfolded, member.file_size)
            if source.take(len(LIST_MAGIC)) != LIST_MAGIC:
                raise EOFError
            yield source


def _read_list(source: _Source) -> dict[str, Tensor]:
    _, count = source.numbers("QQ")
    arrays = [_read_array(source) for _ in _counted(count, source)]
    (count,) = source.numbers("Q")
    if count != len(arrays) or not count:
        raise ValueError(f"its {len(arrays)} arrays have {count} names")
    names = [source.take(*source.numbers("Q")).decode() for _ in arrays]
    if source.left:
        raise ValueError(f"{source.left} bytes follow where it should end")
    return {
        name.removeprefix("arg:").removeprefix("aux:"): array
        for name, array in zip(names, arrays, strict=True)
    }


def _counted(count: int, source: _Source) -> range:
    if count > source.left:
        raise EOFError
    return range(count)


def _read_array(source: _Source) -> Tensor:
    shape = _read_shape(source)
    _, _, kind = source.numbers("iii")
    if not 0 <= kind <= BFLOAT16:
        raise ValueError(f"an array has type {kind}, where 0 to {BFLOAT16} are known")
    dtype = np.dtype("int16" if kind == BFLOAT16 else TYPES[kind])
    if dtype.itemsize * math.prod(shape) > source.left:
        raise EOFError
    array = np.empty(shape, dtype)
    source.fill(array.reshape(-1).view(np.uint8).data)
    tensor = torch.from_numpy(array)
    return tensor.view(torch.bfloat16) if kind == BFLOAT16 else tensor


def _read_shape(source: _Source) -> tuple[int, ...]:
    (magic,) = source.numbers("I")
    if magic in (V2_MAGIC, V3_MAGIC):
        (storage,) = source.numbers("i")
        if storage != DENSE:
            raise ValueError("an array is sparse, which no parameter of a network is")
    axes, size = magic, "I"
    if magic in (V1_MAGIC, V2_MAGIC, V3_MAGIC):
        (axes,) = source.numbers("i")
        size = "q"
    # Before version 3 an array without axes was one without values.
    if not (0 if magic == V3_MAGIC else 1) <= axes <= MOST_AXES:
        raise ValueError(f"an array has {axes} axes, where 1 to {MOST_AXES} are possible")
    shape = source.numbers(f"{axes}{size}")
    if any(one < 0 for one in shape):
        raise ValueError(f"an array has the shape {shape}")
    return shape
