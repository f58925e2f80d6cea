"""Writes MXNet ``.params`` files: what GluonCV's checkpoints look like, for tests."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

TYPES = (
    *("float32", "float64", "float16", "uint8", "int32", "int8", "int64"),
    *("bool", "int16", "uint16", "uint32", "uint64"),
)
CPU = struct.pack("<ii", 1, 0)


def write_params(path: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """Write arrays under their names; into a zip, as GluonCV publishes them, if ``path`` is one."""
    data = params(arrays)
    if path.suffix != ".zip":
        path.write_bytes(data)
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            archive.writestr(f"{path.stem}.params", data)
    return path


def unzipped(content: bytes) -> bytes:
    """Return the one file in a zip."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(archive.namelist()[0])


def params(arrays: Mapping[str, np.ndarray], *, version: int = 2) -> bytes:
    """Return the bytes of a file whose arrays are written as MXNet did in that version; 0 to 3."""
    return file_of([array_bytes(one, version=version) for one in arrays.values()], list(arrays))


def file_of(arrays: list[bytes], names: list[str]) -> bytes:
    """Return the bytes of a file from those of its arrays."""
    texts = [name.encode() for name in names]
    return b"".join(
        [
            struct.pack("<QQQ", 0x112, 0, len(arrays)),
            *arrays,
            struct.pack("<Q", len(texts)),
            *(struct.pack("<Q", len(text)) + text for text in texts),
        ]
    )


def array_bytes(
    array: np.ndarray, *, version: int = 2, storage: int = 0, kind: int | None = None
) -> bytes:
    """Return the bytes of one array.

    Args:
        array: Its values; the type of a kind that numpy lacks is any of that size.
        version: 0 wrote no magic number, 1 long sizes, 2 the storage, 3 allows no axes.
        storage: 0 is dense.
        kind: Number of the type; None takes that of the array.
    """
    sizes = "I" if version == 0 else "q"
    shape = struct.pack(f"<I{array.ndim}{sizes}", array.ndim, *array.shape)
    head = struct.pack("<I", 0xF993FAC7 + version) if version else b""
    head += struct.pack("<i", storage) if version >= 2 else b""
    number = TYPES.index(array.dtype.name) if kind is None else kind
    return head + shape + CPU + struct.pack("<i", number) + array.tobytes()
