"""Published files into a cache folder: resumed, retried, verified, and safe under many processes.

Where things lie is decided by the environment:

- ``ACTIONZOO_HOME``: the cache folder; by default that of the platform.
- ``ACTIONZOO_MIRROR``: a server (or ``file://`` folder) that holds the same paths as the original
  hosts, asked instead of them.
- ``ACTIONZOO_OFFLINE=1``: never reach for the network.

A download goes to ``NAME.part``, is compared with the published checksum, and only then becomes
``NAME``. The SHA-256 of what was accepted is kept beside it as ``sha256sum`` writes it: where none
is published, that of the first download is the one every later download has to have.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import logging
import os
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from actionzoo import __version__
from actionzoo.errors import BadWeights, ConfigError
from actionzoo.spec import File, Weights

Progress = Callable[[int, int | None], None]
"""Told the bytes that are there and, if known, the bytes there will be."""

ATTEMPTS = 5
BACKOFF_SECONDS = 1.0
"""Pause before the second attempt; it doubles with every further one that brings nothing."""
TIMEOUT_SECONDS = 30.0
CHUNK_BYTES = 1 << 20

logger = logging.getLogger(__name__)


class _TryAgain(Exception):
    """A fault that may be gone at the next attempt."""


def home() -> Path:
    """Return the cache folder."""
    chosen = os.environ.get("ACTIONZOO_HOME")
    return Path(chosen).expanduser() if chosen else user_cache_path("actionzoo", appauthor=False)


def offline() -> bool:
    """Tell whether the network may not be used."""
    return os.environ.get("ACTIONZOO_OFFLINE", "") not in ("", "0")


def fetch(name: str, weights: Weights, *, progress: Progress | None = None) -> list[Path]:
    """Return the files of published weights, downloaded unless they are in the cache.

    Args:
        name: The model's name; with the weights' tag it names the folder.
        weights: What to fetch.
        progress: Called as bytes arrive, for each file anew.

    Returns:
        One path a file, in the order of ``weights.files``.

    Raises:
        BadWeights: A file cannot be had, or is not what was published.
        ConfigError: The cache folder cannot be written.
    """
    folder = home() / "weights" / f"{name}-{weights.tag}"
    return [fetch_file(file, folder / file_name(file), progress) for file in weights.files]


def pinned_digest(path: Path) -> str:
    """Return the SHA-256 of a file that ``fetch`` returned."""
    pin = _pin(path)
    return pin.read_text(encoding="utf-8").split()[0] if pin.is_file() else _digest(path, "sha256")


def file_name(file: File) -> str:
    """Return how a published file is called, from its address."""
    return PurePosixPath(urllib.parse.unquote(urllib.parse.urlsplit(file.url).path)).name


def fetch_file(file: File, path: Path, progress: Progress | None = None) -> Path:
    """Return ``path``, downloaded and verified unless it was before.

    A file that somebody put there by hand is verified once.

    Raises:
        BadWeights: It cannot be had, or is not what was published.
        ConfigError: The folder cannot be written.
    """
    if path.is_file() and _pin(path).is_file():
        return path
    with writing(path):
        if path.is_file() and not os.access(path.parent, os.W_OK):
            _verify(path, file)
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        with alone(path):
            if not path.is_file():
                _download(file, path, progress)
            elif not _pin(path).is_file():
                _write_pin(path, _verify(path, file))
    return path


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Let one process at a time make a file; say so where that means to wait."""
    lock = FileLock(path.with_name(f"{path.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logger.info("waiting for another process, which makes %s", path.name)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what a disk may answer into one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ConfigError(
                f"the disk is full: free some space at {str(path.parent)!r} or set ACTIONZOO_HOME "
                "to a folder on another disk; what was downloaded is kept and continued"
            ) from error
        raise ConfigError(
            f"cannot write {str(path.parent)!r} ({error.strerror}); set ACTIONZOO_HOME to a folder "
            "that you can write"
        ) from error


def _download(file: File, path: Path, progress: Progress | None) -> None:
    part = path.with_name(f"{path.name}.part")
    if offline():
        raise BadWeights(_by_hand("ACTIONZOO_OFFLINE forbids to download it", file, path))
    if not file.checksum:
        part.unlink(missing_ok=True)  # nothing would tell that two halves are of two files
    _receive(file, part, path, progress)
    try:
        digest = _verify(part, file, pin=_pin(path))
    except BadWeights:
        part.unlink()
        raise
    os.replace(part, path)
    _write_pin(path, digest)
    if not file.checksum:
        logger.info("no checksum of %s is published; its sha256 %s is kept", path.name, digest)


def _receive(file: File, part: Path, path: Path, progress: Progress | None) -> None:
    """Fill ``part``, going on where the last attempt ended."""
    url, idle = _address(file.url), 0
    while True:
        before = _size(part)
        try:
            return _transfer(url, part, progress)
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code not in (408, 429):
                fault = f"{url} answered {error.code} {error.reason}"
                raise BadWeights(_by_hand(fault, file, path)) from error
            fault = f"{url} answered {error.code} {error.reason}"
        except (_TryAgain, http.client.HTTPException, urllib.error.URLError) as error:
            fault = f"{url} cannot be read ({getattr(error, 'reason', None) or error})"
        idle = 0 if _size(part) > before else idle + 1
        if idle >= ATTEMPTS or url.startswith("file:"):  # a folder does not change by waiting
            raise BadWeights(_by_hand(fault, file, path))
        logger.info("%s; trying again", fault)
        time.sleep(BACKOFF_SECONDS * 2 ** max(0, idle - 1))


def _transfer(url: str, part: Path, progress: Progress | None) -> None:
    """Append to ``part`` what it lacks."""
    start = _size(part)
    headers = {"User-Agent": f"actionzoo/{__version__}", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        request = urllib.request.Request(url, headers=headers)
        response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        part.unlink()  # longer than the file, so not a part of it
        raise _TryAgain("the part that was kept does not fit") from error
    except (ConnectionError, TimeoutError) as error:
        raise _TryAgain(str(error)) from error
    with response:
        if response.status != 206:
            start = 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length and length.isdigit() else None
        _refuse_pages(response, url)
        _make_room(part, None if total is None else total - start)
        with part.open("ab" if start else "wb") as out:
            done = _pour(response, out, start, total, progress)
    if total is not None and done < total:
        raise _TryAgain(f"the connection ended after {done} of {total} bytes")


def _pour(
    response: IO[bytes], out: IO[bytes], done: int, total: int | None, progress: Progress | None
) -> int:
    """Write all that comes and return how many bytes there are then."""
    while chunk := _read(response):
        out.write(chunk)
        done += len(chunk)
        if progress:
            progress(done, total)
    return done


def _read(response: IO[bytes]) -> bytes:
    """Read on; what goes wrong here is of the network, not of the disk."""
    try:
        return response.read(CHUNK_BYTES)
    except OSError as error:
        raise _TryAgain(str(error)) from error


def _refuse_pages(response: http.client.HTTPResponse, url: str) -> None:
    kind = response.headers.get("Content-Type", "")
    if kind.startswith("text/html"):
        raise BadWeights(
            f"{url} answered with a web page, not a file; log in or accept the terms there with a "
            "browser, or set ACTIONZOO_MIRROR to a server that has the file"
        )


def _make_room(part: Path, needed: int | None) -> None:
    free = shutil.disk_usage(part.parent).free
    if needed is not None and needed > free:
        raise OSError(errno.ENOSPC, f"{needed} bytes are needed, {free} are free")


def _address(url: str) -> str:
    """Return where to ask: the original host, or the mirror with the same path."""
    mirror = os.environ.get("ACTIONZOO_MIRROR", "").rstrip("/")
    if not mirror:
        return url
    if urllib.parse.urlsplit(mirror).scheme not in ("http", "https", "file"):
        raise ConfigError(
            f"ACTIONZOO_MIRROR is {mirror!r}; it is an address that begins with http://, https:// "
            "or file://"
        )
    return mirror + urllib.parse.urlsplit(url).path


def _verify(path: Path, file: File, pin: Path | None = None) -> str:
    """Compare a file with its published checksum, or with its first download.

    Returns:
        Its SHA-256.

    Raises:
        BadWeights: It is another file.
    """
    own = _digest(path, "sha256")
    if file.checksum:
        kind, _, wanted = file.checksum.partition(":")
        inner = file.url.endswith(".zip")
        got = _member_digest(path, kind) if inner else _digest(path, kind)
        published = "the published one"
    else:
        kind, got, published = "sha256", own, "that of the first download"
        wanted = pin.read_text(encoding="utf-8").split()[0] if pin and pin.is_file() else own
    if not got.startswith(wanted):
        raise BadWeights(
            f"{file.url} is not what was published: its {kind} is {got[: len(wanted)]}, "
            f"{published} is {wanted}; {_what_it_is(path)}"
        )
    return own


def _what_it_is(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(64).lstrip()
    if head.startswith(b"<"):
        return "it is a web page: log in or accept the terms there with a browser"
    return "try again, and if it stays so do not use it"


def _digest(path: Path, kind: str) -> str:
    digest = hashlib.new(kind)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _member_digest(path: Path, kind: str) -> str:
    """Return the digest of the one file in a zip: GluonCV publishes that of what is inside."""
    digest = hashlib.new(kind)
    try:
        with zipfile.ZipFile(path) as archive:
            first = next(one for one in archive.infolist() if not one.is_dir())
            with archive.open(first) as file:
                while chunk := file.read(CHUNK_BYTES):
                    digest.update(chunk)
    except (zipfile.BadZipFile, StopIteration, NotImplementedError, RuntimeError, EOFError):
        return "nothing (no zip, or a damaged one)"
    return digest.hexdigest()


def _by_hand(fault: str, file: File, path: Path) -> str:
    return (
        f"{path.name!r} is not in the cache and {fault}; download {file.url} elsewhere and put it "
        f"at {str(path)!r}, or set ACTIONZOO_MIRROR to a server that has it"
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _pin(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _write_pin(path: Path, digest: str) -> None:
    _pin(path).write_text(f"{digest}  {path.name}\n", encoding="utf-8")
