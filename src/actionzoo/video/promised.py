"""How much of a file there should be, as its own first bytes tell: a file cut off holds less.

Nothing is decoded and little is read, so that this can be asked of every file of a dataset.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

_TAIL_BYTES = 1024
"""Within so many bytes the end mark of a picture is looked for: some cameras add a few."""


def what_is_missing(path: Path) -> str | None:
    """Say what is missing at the end of a file; None where nothing is known to be.

    mp4 and mov, avi and webp, mkv and webm, flv, wmv, gif, jpeg, png and bmp tell how long they
    are, or how they end; of other files nothing is known.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb", buffering=0) as file:
        head, size = file.read(16), os.fstat(file.fileno()).st_size
        for marks, judge in _JUDGES:
            if any(head[at : at + len(mark)] == mark for at, mark in marks):
                return judge(file, size)
    return None


def _promise(promised: int, size: int) -> str | None:
    if promised <= size:
        return None
    return f"its header promises {promised} bytes, and {size} are there"


# ISO/IEC 14496-12, 4.2: a box is a length of 32 bits, a type, and for length 1 one of 64 bits.
_BOXES = b"ftyp moov mdat free skip wide pnot moof mfra styp sidx uuid meta udta".split()


def _judge_boxes(file: BinaryIO, size: int) -> str | None:
    place, seen = 0, set()
    while place + 8 <= size:
        file.seek(place)
        head = file.read(16)
        length, kind = struct.unpack(">I4s", head[:8])
        if kind not in _BOXES:
            break
        if length == 1 and len(head) == 16:
            length = struct.unpack(">Q", head[8:])[0]
        seen.add(kind)
        if length < 8:  # 0: to the end of the file
            place = size
            break
        place += length
    if place > size:
        return _promise(place, size)
    return "its index is missing" if b"mdat" in seen and not seen & {b"moov", b"moof"} else None


def _judge_riff(file: BinaryIO, size: int) -> str | None:
    """Avi files of more than 1 GB are several chunks one after another (OpenDML)."""
    place = 0
    while place + 8 <= size:
        file.seek(place)
        kind, length = struct.unpack("<4sI", file.read(8))
        if kind != b"RIFF":
            break
        place += 8 + length
    return _promise(place, size)


def _judge_ebml(file: BinaryIO, size: int) -> str | None:
    """Read the size of the segment, the one element behind the header (RFC 8794, RFC 9559)."""
    file.seek(4)
    header = _vint(file)
    if header is None:
        return None
    file.seek(header, os.SEEK_CUR)
    if file.read(4) != b"\x18\x53\x80\x67":
        return None
    length = _vint(file)
    return None if length is None else _promise(file.tell() + length, size)


def _vint(file: BinaryIO) -> int | None:
    """Read a number of variable length (RFC 8794, section 4); all ones is an unknown size."""
    first = file.read(1)
    more = 8 - first[0].bit_length() if first else 8
    data = first + file.read(more)
    if more == 8 or len(data) <= more:
        return None
    value = int.from_bytes(data, "big") & (1 << 7 * (more + 1)) - 1
    return None if value == (1 << 7 * (more + 1)) - 1 else value


def _judge_flv(file: BinaryIO, size: int) -> str | None:
    """Check that the last four bytes tell the length of the last tag (FLV 10.1, annex E.3)."""
    if size < 13 + 15:
        return "it ends within its first tag"
    file.seek(size - 4)
    length = int.from_bytes(file.read(4), "big")
    if 11 <= length <= size - 13:
        file.seek(size - 4 - length)
        tag = file.read(4)
        if int.from_bytes(tag[1:], "big") == length - 11:
            return None
    return "it ends within a tag"


_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def _judge_asf(file: BinaryIO, size: int) -> str | None:
    """Read the size in the file properties (ASF specification, 3.2); 0 in a broadcast."""
    file.seek(0)
    head = file.read(65536)
    place = head.find(_ASF_FILE_PROPERTIES) + 16 + 8 + 16
    if place < 40 or place + 8 > len(head):
        return None
    return _promise(struct.unpack_from("<Q", head, place)[0], size)


def _judge_bmp(file: BinaryIO, size: int) -> str | None:
    file.seek(2)
    return _promise(struct.unpack("<I", file.read(4).ljust(4, b"\0"))[0], size)


def _judge_gif(file: BinaryIO, size: int) -> str | None:
    file.seek(max(0, size - _TAIL_BYTES))
    return None if file.read().rstrip(b"\0").endswith(b";") else "its end mark is missing"


def _ends_with(mark: bytes) -> Callable[[BinaryIO, int], str | None]:
    def judge(file: BinaryIO, size: int) -> str | None:
        file.seek(max(0, size - _TAIL_BYTES))
        return None if mark in file.read() else "its end mark is missing"

    return judge


_JUDGES: tuple[tuple[tuple[tuple[int, bytes], ...], Callable[[BinaryIO, int], str | None]], ...] = (
    (tuple((4, kind) for kind in _BOXES), _judge_boxes),
    (((0, b"RIFF"),), _judge_riff),
    (((0, b"\x1a\x45\xdf\xa3"),), _judge_ebml),
    (((0, b"FLV\x01"),), _judge_flv),
    (((0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),), _judge_asf),
    (((0, b"GIF8"),), _judge_gif),
    (((0, b"\xff\xd8\xff"),), _ends_with(b"\xff\xd9")),
    (((0, b"\x89PNG"),), _ends_with(b"IEND\xaeB`\x82")),
    (((0, b"BM"),), _judge_bmp),
)
"""Where a kind of file has which bytes, and what tells whether it is whole."""
