"""From what a user types to a list of videos: files, folders, globs, URLs, list files."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from actionzoo.errors import CannotOpen
from actionzoo.prediction import Failure

VIDEO_SUFFIXES = frozenset(
    ".3gp .asf .avi .divx .f4v .flv .gif .h264 .hevc .ivf .m2ts .m4v .mjpeg .mjpg .mkv .mov .mp4"
    " .mpeg .mpg .mts .mxf .nut .ogv .ts .vob .webm .wmv .y4m".split()
)
PICTURE_SUFFIXES = frozenset(".bmp .jpeg .jpg .png .ppm .tif .tiff .webp".split())


def is_url(text: str) -> bool:
    """Tell whether a source is an address rather than a path.

    >>> is_url("https://example.org/a.mp4"), is_url("C:/a.mp4"), is_url("a b.mp4")
    (True, False, False)
    """
    return re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+://", text) is not None


def natural_key(text: str) -> list[tuple[int, str]]:
    """Return a sort key under which 2 comes before 10.

    >>> sorted(["img10.jpg", "img2.jpg"], key=natural_key)
    ['img2.jpg', 'img10.jpg']
    """
    parts = re.findall(r"[0-9]+|[^0-9]+", text)
    return [(int(part), "") if part.isascii() and part.isdigit() else (-1, part) for part in parts]


def expand_sources(typed: Sequence[str], *, recursive: bool = False) -> Iterator[str | Failure]:
    """Turn what was typed into videos, in the order typed, folders in natural order.

    Args:
        typed: Each a file, a folder of videos or of pictures, a glob, a URL, or ``@list.txt``: a
            text file with one of these a line, blank lines and lines that start with ``#`` left
            out.
        recursive: Whether folders are searched to the bottom.

    Yields:
        The path or URL of a video (a folder of pictures is one video), or what cannot be one.
    """
    for text in typed:
        try:
            yield from _expand(text, recursive=recursive)
        except CannotOpen as error:
            yield Failure(path=text, error=error)
        except OSError as error:
            reason = CannotOpen(f"cannot read {text!r}: {error.strerror}")
            yield Failure(path=text, error=reason)


def _expand(text: str, *, recursive: bool) -> Iterator[str | Failure]:
    if is_url(text):
        yield text
    elif text.startswith("@") and not os.path.lexists(text):
        for line in _list_lines(Path(text[1:])):
            yield from _expand_line(line, recursive=recursive)
    elif os.path.isdir(text):
        yield from _expand_folder(text, recursive=recursive)
    elif os.path.lexists(text) or not glob.has_magic(text):
        yield text
    else:
        yield from _expand_glob(text, recursive=recursive)


def _expand_line(line: str, *, recursive: bool) -> Iterator[str | Failure]:
    if line.startswith("@"):
        error = CannotOpen(f"a list inside a list, {line!r}, is not read; name it beside the first")
        yield Failure(path=line, error=error)
    else:
        yield from expand_sources([line], recursive=recursive)


def _list_lines(path: Path) -> list[str]:
    try:
        text = path.read_bytes().decode("utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise CannotOpen(
            f"cannot read the list {str(path)!r}: {error.strerror}; give @FILE with a path a line"
        ) from error
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _expand_glob(pattern: str, *, recursive: bool) -> Iterator[str | Failure]:
    found = sorted(glob.glob(pattern, recursive=True), key=natural_key)
    if not found:
        raise CannotOpen(f"nothing matches {pattern!r}")
    for path in found:
        if os.path.isdir(path):
            yield from _expand_folder(path, recursive=recursive)
        else:
            yield path


def _expand_folder(folder: str, *, recursive: bool) -> Iterator[str]:
    found = list(_videos_in(folder, recursive=recursive))
    if not found:
        deeper = "" if recursive else "; --recursive looks into its folders too"
        raise CannotOpen(f"folder {folder!r} holds no video and no pictures{deeper}")
    yield from found


def _videos_in(folder: str, *, recursive: bool) -> Iterator[str]:
    """Yield the videos of a folder; it is itself one if it holds pictures and no video."""
    entries = sorted(os.scandir(folder), key=lambda entry: natural_key(entry.name))
    seen = [entry for entry in entries if not entry.name.startswith(".")]
    files = [entry for entry in seen if entry.is_file()]
    videos = [entry.path for entry in files if _suffix(entry) in VIDEO_SUFFIXES]
    yield from videos
    if not videos and any(_suffix(entry) in PICTURE_SUFFIXES for entry in files):
        yield folder
    # Links to folders are not followed: one that leads back up would never end.
    folders = [entry for entry in seen if entry.is_dir(follow_symlinks=False)]
    for entry in folders if recursive else []:
        yield from _videos_in(entry.path, recursive=True)


def _suffix(entry: os.DirEntry[str]) -> str:
    return Path(entry.name).suffix.lower()
