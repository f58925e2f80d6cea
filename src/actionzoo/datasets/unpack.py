"""Archives of datasets, unpacked so that nothing is written outside of their folder.

Read are zip and tar, the latter bare or compressed with gzip, bzip2 or xz, whatever their names,
and archives that were cut into parts. They are read as streams, and unpacked into a hidden folder
that only becomes the one asked for when all went well: an archive that is refused leaves nothing.

Refused are members with a path that leads out of the folder, links, devices, encrypted archives,
and archives that would fill the disk. Permissions and times that an archive tells are not kept.
"""

from __future__ import annotations

import errno
import gzip
import io
import os
import re
import secrets
import shlex
import shutil
import stat
import struct
import tarfile
import zipfile
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import IO, Protocol, cast

from actionzoo.errors import BadDataset, ConfigError

Progress = Callable[[int, int], None]
"""Told the bytes of the archives that are read, and how many there are."""

_CHUNK_BYTES = 1 << 18
_TAR_CHUNK_BYTES = 1 << 15
"""As much is read of a tar at once; Python copies what is left of it at every header."""
_DISK_EVERY_BYTES, _DISK_EVERY_MEMBERS = 1 << 26, 1 << 12
"""How often the free space of the disk is looked at."""

_KINDS = {
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    b"\x1f\x8b\x08": "gz",
    b"BZh": "bz2",
    b"\xfd7zXZ\x00": "xz",
}
_FOREIGN = {
    b"Rar!\x1a\x07": ("rar", "unrar x {archive} {folder}/"),
    b"7z\xbc\xaf\x27\x1c": ("7z", "7z x {archive} -o{folder}"),
    b"\x28\xb5\x2f\xfd": ("zst", "mkdir -p {folder} && tar --zstd -xf {archive} -C {folder}"),
}
"""What Python's standard library does not read, and the command that does."""
_CLASS_BY_CLASS = "hmdb51_org"
"""The name of an archive with an archive a class in it."""
_PART = re.compile(r"(.*?)(\d{2,}|\.[a-z]{2})", re.DOTALL)
"""The name of a part, as ``split`` makes it: numbered, or with two letters at its end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What may come out of archives before they are taken for a trap."""

    ratio: int = 200
    """Times the size of the archives."""
    harmless_bytes: int = 1 << 30
    """So much may come out of archives of any size."""
    members: int = 20_000_000
    """Files and folders; Jester has 5.4 million."""
    header_bytes: int = 1 << 24
    """What describes one member of a tar, which has to be held in memory."""
    spare_bytes: int = 1 << 30
    """So much of the disk stays free."""


def unpack(
    archives: Sequence[Path],
    folder: Path,
    *,
    progress: Progress | None = None,
    limits: Limits | None = None,
) -> int:
    """Unpack archives into one folder, all or nothing.

    Args:
        archives: Archives, and parts of them in their order: what is no archive by itself goes on
            where the one before it ends.
        folder: Where to; it must be empty, or not be there yet.
        progress: Called as the archives are read.
        limits: What may come out of them.

    Returns:
        How many files there are now.

    Raises:
        BadDataset: An archive is damaged, of a kind that is not read here, or not safe.
        ConfigError: There is something in the folder already, or it cannot be written.
    """
    limits = limits or Limits()
    _check_folder(folder)
    groups = _groups(archives, folder)
    sizes = [path.stat().st_size for path in archives]
    told = _Told(progress, sum(sizes))
    part = _make_part(folder)
    try:
        writer = _Writer(part, sum(sizes), limits)
        for kind, paths in groups:
            _unpack_group(kind, paths, writer, told)
        _move(part, folder)
        told(sum(sizes))
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return writer.files


# what was given


def _check_folder(folder: Path) -> None:
    name = repr(str(folder))
    try:
        there = next(folder.iterdir(), None)
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConfigError(f"cannot unpack into {name}: {error.strerror}") from error
    if there is not None:
        raise ConfigError(f"the folder {name} is not empty ({there.name!r}); give a new one")


def _groups(archives: Sequence[Path], folder: Path) -> list[tuple[str, list[Path]]]:
    """Return each archive with its kind, and the parts that go on with it."""
    if not archives:
        raise ConfigError("no archive was given; give at least one")
    heads = [_head(path) for path in archives]
    _refuse_foreign(archives, heads, folder)
    groups: list[tuple[str, list[Path]]] = []
    for path, head in zip(archives, heads, strict=True):
        kind = _kind(head)
        if groups and (kind is None or (kind == "tar" and _goes_on(groups[-1], path))):
            groups[-1][1].append(path)
        elif kind is None:
            raise BadDataset(
                f"{str(path)!r} is no archive; give zip, tar, tar.gz, tar.bz2 or tar.xz, and the "
                "parts of one in their order"
            )
        else:
            groups.append((kind, [path]))
    return groups


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(tarfile.BLOCKSIZE)
    except OSError as error:
        raise BadDataset(f"cannot read {str(path)!r}: {error.strerror}") from error


def _kind(head: bytes) -> str | None:
    for magic, kind in _KINDS.items():
        if head.startswith(magic):
            return kind
    try:
        # A tar has no magic number in its oldest form, but always a sum of its first header.
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except (tarfile.TarError, ValueError):
        return None
    return "tar"


def _goes_on(group: tuple[str, list[Path]], path: Path) -> bool:
    """Tell whether what begins as a tar is a part of one: they are cut between members, too."""
    first, own = _PART.fullmatch(group[1][0].name), _PART.fullmatch(path.name)
    return group[0] == "tar" and first is not None and own is not None and first[1] == own[1]


def _refuse_foreign(archives: Sequence[Path], heads: Sequence[bytes], folder: Path) -> None:
    for magic, (kind, command) in _FOREIGN.items():
        paths = [path for path, head in zip(archives, heads, strict=True) if head.startswith(magic)]
        if paths:
            typed = command.format(
                archive=_typed(paths[0]) if len(paths) == 1 else '"$f"', folder=_typed(folder)
            )
            if len(paths) > 1:
                typed = f"for f in {' '.join(map(_typed, paths))}; do {typed}; done"
            raise BadDataset(
                f"{str(paths[0])!r} is a {kind} archive, which is not read here; unpack it with\n"
                f"  {typed}{_instead(kind, paths, folder)}"
            )


def _instead(kind: str, paths: Sequence[Path], folder: Path) -> str:
    """Return further lines: another program, and what to do with archives in the archive."""
    to = _typed(folder)
    lines = []
    if len(paths) == 1:
        lines.append(f"or with\n  mkdir -p {to} && bsdtar -xf {_typed(paths[0])} -C {to}")
    if kind == "rar" and any(path.name.startswith(_CLASS_BY_CLASS) for path in paths):
        each = f'for f in {to}/*.rar; do unrar x "$f" {to}/; done'
        lines.append(f"and then the classes, each of which is an archive again, with\n  {each}")
    return "".join(f"\n{line}" for line in lines)


def _typed(path: Path) -> str:
    """Return a path as it is typed in a shell, where none is taken for an option."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


# reading


class _Refused(Exception):
    """What is wrong with an archive: the end of a sentence that begins with its name."""


class _Damaged(Exception):
    """What a decompressor says."""


_BROKEN = (
    _Damaged,
    tarfile.TarError,
    zipfile.BadZipFile,
    EOFError,
    IndexError,
    KeyError,
    OverflowError,
    RuntimeError,
    ValueError,
    struct.error,
)
"""What the standard library raises where an archive is not what it should be."""


class _Told:
    """Adds up the bytes that are read."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def __call__(self, count: int) -> None:
        self._done = min(self._done + count, self._total)
        if self._progress is not None:
            self._progress(self._done, self._total)


class _Joined(io.RawIOBase):
    """Several files as one."""

    def __init__(self, paths: Sequence[Path], told: Callable[[int], None]) -> None:
        self._files = [path.open("rb", buffering=0) for path in paths]
        self._ends = list(accumulate(os.fstat(file.fileno()).st_size for file in self._files))
        self._place, self._told = 0, told

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._ends[-1]}[whence]
        self._place = max(start + offset, 0)
        return self._place

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        number = bisect_right(self._ends, self._place)
        if number == len(self._files):
            return 0
        file = self._files[number]
        file.seek(self._place - (self._ends[number - 1] if number else 0))
        count = file.readinto(buffer) or 0
        self._place += count
        self._told(count)
        return count

    def close(self) -> None:
        for file in self._files:
            file.close()
        super().close()


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class _Stream:
    """What comes out of a decompressor, whose errors all become ``_Damaged``."""

    def __init__(self, source: _Readable) -> None:
        self._source = source
        self.allowed_bytes: int | None = None
        """How much may still be read; None: any number."""
        self._read_bytes, self._last = 0, (b"", b"")

    def read(self, size: int = -1) -> bytes:
        try:
            data = self._source.read(size)
        except OSError as error:
            if error.errno is not None:
                raise
            raise _Damaged(str(error)) from error
        except Exception as error:  # every decompressor has its own
            raise _Damaged(str(error)) from error
        if self.allowed_bytes is not None:
            self.allowed_bytes -= len(data)
            if self.allowed_bytes < 0:
                raise _Refused("describes one of its members with too many bytes to be right")
        self._read_bytes += len(data)
        self._last = self._last[1], data
        return data

    def since(self, place: int) -> bytes:
        """Return what was read from a place on, which lies in the last two reads."""
        last = b"".join(self._last)
        return last[place - (self._read_bytes - len(last)) :]


def _unpack_group(kind: str, paths: Sequence[Path], writer: _Writer, told: _Told) -> None:
    name = repr(str(paths[0]))
    if len(paths) > 1:
        name += f" with the {len(paths) - 1} parts that follow it"
    try:
        with io.BufferedReader(_Joined(paths, told), _CHUNK_BYTES) as stream:
            if kind == "zip":
                _unzip(stream, writer)
            else:
                _untar(_Stream(_decompressed(kind, stream)), writer)
    except _Refused as error:
        raise BadDataset(f"{name} {error}") from error
    except NotImplementedError as error:
        raise BadDataset(f"{name} cannot be read here: {error}; try bsdtar -xf") from error
    except _BROKEN as error:
        raise BadDataset(
            f"{name} is damaged, or not all of it is there: {error}; fetch it again"
        ) from error
    except OSError as error:
        full = "; make room for it" if error.errno == errno.ENOSPC else ""
        raise BadDataset(f"cannot unpack {name}: {error.strerror or error}{full}") from error


def _decompressed(kind: str, stream: IO[bytes]) -> _Readable:
    try:
        if kind == "bz2":
            import bz2

            return bz2.BZ2File(stream)
        if kind == "xz":
            import lzma

            return lzma.LZMAFile(stream)
    except ImportError as error:  # there are Pythons that were built without
        raise _Refused(f"cannot be read by this Python, {error}; unpack it with tar -xf") from error
    return gzip.GzipFile(fileobj=stream) if kind == "gz" else stream


def _unzip(stream: IO[bytes], writer: _Writer) -> None:
    with zipfile.ZipFile(stream) as archive:
        for info in archive.infolist():
            # Not ``filename``, which ends where a zero byte stands.
            name, type = info.orig_filename, stat.S_IFMT(info.external_attr >> 16)
            if info.flag_bits & 1:
                raise _Refused(f"is encrypted ({name!r}); unpack it with 7z x, which asks how")
            if type not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _special(name, is_link=type == stat.S_IFLNK)
            if type == stat.S_IFDIR or name.endswith(("/", "\\")):
                writer.make_folder(name)
            else:
                with archive.open(info) as source:
                    writer.write(name, _Stream(source))


def _untar(stream: _Stream, writer: _Writer) -> None:
    stream.allowed_bytes = writer.limits.header_bytes
    # Nothing but ``read`` is called of what is opened as a stream.
    fileobj = cast("IO[bytes]", stream)
    with tarfile.open(fileobj=fileobj, mode="r|", bufsize=_TAR_CHUNK_BYTES) as archive:
        while (member := archive.next()) is not None:
            stream.allowed_bytes = None
            _write_member(archive, member, writer)
            # The archive remembers all members, which can be millions.
            archive.members.clear()  # type: ignore[attr-defined]
            stream.allowed_bytes = writer.limits.header_bytes
        behind = stream.since(archive.offset)
    # A header that cannot be read, or is missing, is the end as well for Python.
    if len(behind) < tarfile.BLOCKSIZE:
        raise _Damaged("its end is missing")
    if behind[: tarfile.BLOCKSIZE].strip(b"\0"):
        raise _Damaged("what describes a member cannot be read")
    stream.allowed_bytes = None
    while behind:
        if behind.strip(b"\0"):
            raise _Refused("goes on behind its end; give archives that were joined one by one")
        behind = stream.read(_CHUNK_BYTES)
        writer.spend(len(behind))


def _write_member(archive: tarfile.TarFile, member: tarfile.TarInfo, writer: _Writer) -> None:
    if member.isdir():
        writer.make_folder(member.name)
    elif member.isreg():
        source = archive.extractfile(member)
        assert source is not None
        writer.write(member.name, source)
    else:
        raise _special(member.name, is_link=member.issym() or member.islnk())


def _special(name: str, *, is_link: bool) -> _Refused:
    what = "the link" if is_link else "the device, or other special file,"
    return _Refused(
        f"holds {what} {name!r}; only files and folders are unpacked here. If you trust it, "
        "unpack it with bsdtar -xf"
    )


# writing


class _Writer:
    """Writes files below a folder, as many and as large as the limits allow."""

    def __init__(self, folder: Path, archive_bytes: int, limits: Limits) -> None:
        self.limits = limits
        self.files = 0
        """How many were written."""
        self._folder, self._made = str(folder), ""
        self._most_bytes = max(limits.harmless_bytes, limits.ratio * archive_bytes)
        self._bytes = self._members = self._looked_at = 0
        # Videos are compressed: what comes out is hardly less than the archive.
        self._check_disk(archive_bytes)

    def make_folder(self, name: str) -> None:
        """Make a folder, and those above it."""
        self._count()
        os.makedirs(os.path.join(self._folder, *_parts(name)), exist_ok=True)

    def write(self, name: str, source: _Readable) -> None:
        """Write a file, and make the folders above it."""
        self._count()
        parts = _parts(name)
        if not parts:
            raise _Refused(f"holds a file with the name {name!r}")
        above = os.path.join(self._folder, *parts[:-1])
        if above != self._made:
            os.makedirs(above, exist_ok=True)
            self._made = above
        path = os.path.join(above, parts[-1])
        # Of several members of one name the last counts, as everywhere.
        self.files += not os.path.lexists(path)
        with open(path, "wb") as file:
            while data := source.read(_CHUNK_BYTES):
                self.spend(len(data))
                file.write(data)

    def spend(self, count: int) -> None:
        """Count bytes that came out of an archive."""
        self._bytes += count
        if self._bytes > self._most_bytes:
            raise _Refused(
                f"unpacks to more than {self._most_bytes} bytes, far more than videos do; if you "
                "trust it, unpack it with bsdtar -xf"
            )
        if self._bytes - self._looked_at >= _DISK_EVERY_BYTES:
            self._looked_at = self._bytes
            self._check_disk()

    def _count(self) -> None:
        self._members += 1
        if self._members > self.limits.members:
            raise _Refused(f"holds more than {self.limits.members} files and folders")
        if self._members % _DISK_EVERY_MEMBERS == 0:
            self._check_disk()

    def _check_disk(self, coming_bytes: int = 0) -> None:
        free = shutil.disk_usage(self._folder).free
        if free - coming_bytes < self.limits.spare_bytes:
            raise BadDataset(
                f"there is no room to unpack into: {free / 2**30:.1f} GiB of the disk are free, of "
                f"which {self.limits.spare_bytes / 2**30:.1f} stay so; make room or choose another"
            )


def _parts(name: str) -> list[str]:
    r"""Split the name of a member into folders and its own; none may lead out of the folder.

    >>> _parts("./clips/walk/1.mp4"), _parts("walk\\1.mp4")
    (['clips', 'walk', '1.mp4'], ['walk', '1.mp4'])
    """
    parts = [one for one in re.split(r"[/\\]", name) if one not in ("", ".")]
    # Windows leaves out dots and blanks at the end of a name, so that ". ." would be "..", too.
    outside = name.startswith(("/", "\\")) or re.match("[A-Za-z]:", name)
    if outside or not all(one.strip(". ") for one in parts):
        raise _Refused(f"holds {name!r}, which would be written outside of the folder")
    if "\0" in name:
        raise _Refused(f"holds {name!r}, which is no name of a file")
    return parts


def _make_part(folder: Path) -> Path:
    """Make the hidden folder to unpack into, on the same disk as the folder asked for."""
    folder = folder.absolute()
    home = next(one for one in (folder, *folder.parents) if one.exists())
    part = home / f".{secrets.token_hex(8)}.part"
    try:
        part.mkdir()
    except OSError as error:
        raise ConfigError(f"cannot write into {str(home)!r}: {error.strerror}") from error
    return part


def _move(part: Path, folder: Path) -> None:
    """Give the unpacked files their place."""
    try:
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            part.rename(folder)
            return
        # The folder may be the root of a disk, or a link: it stays, and what is in it is moved.
        for one in part.iterdir():
            one.rename(folder / one.name)
    except OSError as error:
        raise ConfigError(f"cannot write into {str(folder)!r}: {error.strerror}") from error
