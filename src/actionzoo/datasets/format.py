"""What a format of datasets is: how it is recognised, read, laid out and written."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Literal

from actionzoo.datasets.dataset import VideoDataset
from actionzoo.datasets.rows import Rows
from actionzoo.sources import PICTURE_SUFFIXES, VIDEO_SUFFIXES

_HEAD_BYTES = 4096


class Place:
    """A path where a dataset may be, looked at once for all formats."""

    def __init__(self, path: Path) -> None:
        self.path = path
        """As it was given."""
        self.is_folder = path.is_dir()
        """Whether a folder was given rather than a file."""
        self.folder = (path if self.is_folder else path.parent).absolute()
        """The folder given, or the one of the file given."""
        self._heads: dict[str, str] = {}

    @cached_property
    def _entries(self) -> list[tuple[str, bool]]:
        with os.scandir(self.folder) as entries:
            found = [(one.name, _is_folder(one)) for one in entries if one.name[0] != "."]
        return sorted(found)

    @cached_property
    def files(self) -> tuple[str, ...]:
        """The file given, or the names of all files of the folder given."""
        if not self.is_folder:
            return (self.path.name,)
        return tuple(name for name, is_folder in self._entries if not is_folder)

    @cached_property
    def folders(self) -> tuple[str, ...]:
        """The names of the folders in the folder given; none where a file was given."""
        return tuple(name for name, is_folder in self._entries if is_folder) * self.is_folder

    def files_with(self, *suffixes: str) -> tuple[str, ...]:
        """Return the files that end so, in lower or upper case."""
        return tuple(name for name in self.files if name.lower().endswith(suffixes))

    def head(self, name: str) -> str:
        """Return the beginning of a text file; nothing where it cannot be read or is no text."""
        if name not in self._heads:
            self._heads[name] = _head(self.folder / name)
        return self._heads[name]

    def first_line(self, name: str) -> str:
        """Return the first line of a text file that is not blank, or nothing."""
        return next((line.strip() for line in self.head(name).splitlines() if line.strip()), "")

    def inside(self, folder: str) -> Place:
        """Look into a folder of this one."""
        return Place(self.folder / folder)

    def has_videos(self) -> bool:
        """Whether the folder itself holds video files, or folders of pictures."""
        if any(is_video_name(name) for name in self.files):
            return True
        return any(is_picture_folder(self.folder / name) for name in self.folders[:3])


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _head(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_HEAD_BYTES)
    except OSError:
        return ""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    return "" if b"\0" in data else data.decode("utf-8-sig", errors="replace")


def is_video_name(name: str) -> bool:
    """Tell whether a name ends as those of video files do."""
    return os.path.splitext(name)[1].lower() in VIDEO_SUFFIXES


def is_picture_name(name: str) -> bool:
    """Tell whether a name ends as those of picture files do."""
    return os.path.splitext(name)[1].lower() in PICTURE_SUFFIXES


def is_picture_folder(folder: Path) -> bool:
    """Tell whether a folder holds pictures: its first few entries are enough."""
    try:
        with os.scandir(folder) as entries:
            return any(is_picture_name(one.name) for one in islice(entries, 50))
    except OSError:
        return False


@dataclass(frozen=True, kw_only=True, slots=True)
class Holds:
    """What a format can say of a sample; the rest is lost, or keeps it from being written."""

    splits: tuple[str, ...] | None = None
    """The splits it knows; None: any."""
    every_split: bool = False
    """Whether every sample must be in a split."""
    folds: int | None = 1
    """How many ways of splitting; None: any number."""
    groups: bool = False
    times: bool = False
    rates: bool = False
    """Whether it tells the frame rate of folders of pictures, or they have one by definition."""
    several_labels: bool = False
    no_label: tuple[str, ...] = ()
    """The splits whose samples may have no label."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """One format of datasets."""

    name: str
    """As the command line names it."""
    title: str
    """What it is, in a few words."""
    needs: str
    """What has to be there for it to be recognised, in a few words."""
    recognise: Callable[[Place], bool]
    """Tell whether a place looks like this format, reading as little as possible."""
    read: Callable[[Place, Rows], VideoDataset]
    """Read it; what is wrong with a row becomes a problem of the rows, and the row is left out."""
    annotate: Callable[[VideoDataset, Path], None]
    """Write its annotation into a folder in which the videos already lie where ``places`` says."""
    places: Callable[[VideoDataset], Sequence[str]] | None = None
    """Say where each sample's video belongs, below the folder and with forward slashes: a file with
    the suffix of the sample's own, or a folder of pictures. None: the annotation tells the paths,
    so the videos stay where they are."""
    media: Literal["files", "pictures", "either"] = "either"
    """What a video is: a file, a folder of pictures, or one as well as the other."""
    pictures: str = "{:05d}.jpg"
    """How the pictures of a video are named; the first has the number 1."""
    suffix: str = ".mp4"
    """Of videos that are encoded anew."""
    holds: Holds = Holds()
    from_tree: bool = False
    """Whether it is recognised by its folders alone; any annotation goes before."""
    variant_of: str | None = None
    """The format that reads it; this one only writes it in another way."""
