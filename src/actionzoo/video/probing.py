"""Look at one video as ``check`` does: what it is, what is wrong with it, and small pictures of it.

A *probe* opens a file, decodes its beginning, and believes the rest to be as the container's tables
tell. A *deep* look decodes everything, and converts next to nothing of it.
"""

from __future__ import annotations

import errno
import math
import os
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from itertools import takewhile
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.stream import Disposition
from av.video.reformatter import VideoReformatter

from actionzoo.errors import CannotDecode, CannotOpen, VideoError
from actionzoo.video import encode_jpeg, open_video
from actionzoo.video.base import PICTURES_PER_SECOND, Video
from actionzoo.video.container import ContainerVideo
from actionzoo.video.folder import FolderVideo, pictures_in
from actionzoo.video.inputs import Input, file_input
from actionzoo.video.measuring import count_frames
from actionzoo.video.pictures import not_convertible
from actionzoo.video.promised import what_is_missing

PICTURE_SIDE = 16
"""The small pictures are squares of so many pixels a side."""
PICTURE_SECONDS = tuple(Fraction(tenths, 10) for tenths in (0, 4, 12, 24, 48, 96, 192, 384))
"""When they are taken, for as long as the video lasts: at the same times of every copy of it."""
PROBED_PICTURES = 2
"""A probe takes so many: those that come without decoding much more than the first frame."""
FASTEST_FPS = 240
"""A rate above it is doubted: slow motion is recorded at up to 240 frames a second."""

_THUMBNAIL_HEIGHT = 84
_THUMBNAIL_QUALITY = 7

FaultKind = Literal[
    "missing",
    "unreadable",
    "empty",
    "no-video",
    "no-video-stream",
    "no-pictures",
    "undecodable",
    "crashed",
    "hung",
    "truncated",
    "incomplete",
    "ends-early",
    "damaged",
    "tilted",
    "rotated",
    "sizes-vary",
    "odd-rate",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """Something wrong with the file of a video, or odd about it."""

    kind: FaultKind
    message: str
    """A sentence without the name of the file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """What was found out about one video; None is what is not known."""

    path: str
    size_bytes: int | None = None
    """Of the file, or of all pictures of the folder."""
    width: int | None = None
    """As displayed."""
    height: int | None = None
    """As displayed."""
    fps: Fraction | None = None
    """None also where nothing tells it: a folder of pictures."""
    duration_seconds: Fraction | None = None
    """Of what is really there, where everything was decoded; else as the container tells."""
    num_frames: int | None = None
    """Decoded, or as the container tells."""
    codec: str | None = None
    rotation: int = 0
    """Degrees that the stored pictures are turned by to stand upright."""
    pictures: bytes = b""
    """Grey levels of small pictures, at the first of ``PICTURE_SECONDS``."""
    faults: tuple[Fault, ...] = ()

    @property
    def is_readable(self) -> bool:
        """Whether at least the first frame could be decoded."""
        return self.width is not None

    def grey(self) -> np.ndarray:
        """Return the small pictures, shape (N, 16, 16) uint8."""
        return np.frombuffer(self.pictures, np.uint8).reshape(-1, PICTURE_SIDE, PICTURE_SIDE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """One look at a video file or a folder of pictures."""

    path: str
    """Where it should be."""
    deep: bool = False
    """Whether everything is decoded, rather than the beginning."""
    fps: Fraction | None = None
    """Frame rate of folders of pictures."""
    count: bool = False
    """Whether the frames are counted where no table of the container tells them."""


def inspect_video(look: Look) -> Inspection:
    """Look at a video. No fault of a file is raised."""
    path = look.path
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        return Inspection(path=path, faults=(_absent(path, error),))
    try:
        if stat.S_ISDIR(status.st_mode):
            return _inspect_folder(path, deep=look.deep, fps=look.fps)
        return _inspect_file(path, status, deep=look.deep, count=look.count)
    except Exception as error:  # one odd file must not end the inspection of all others
        message = _without(path, f"reading it fails: {type(error).__name__}: {error}")
        fault = Fault(kind="undecodable", message=message)
        return Inspection(path=path, size_bytes=status.st_size, faults=(fault,))


def _absent(path: str, error: OSError | ValueError) -> Fault:
    if isinstance(error, PermissionError):
        return Fault(kind="unreadable", message="there is no permission to reach it")
    if os.path.islink(path):
        in_circle = isinstance(error, OSError) and error.errno == errno.ELOOP
        leads = "which leads back to itself" if in_circle else "and nothing is there"
        return Fault(kind="missing", message=f"it is a link to {os.readlink(path)!r}, {leads}")
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return Fault(kind="missing", message="there is no such file or folder")
    return Fault(kind="missing", message=getattr(error, "strerror", None) or str(error))


def _without(path: str, message: str) -> str:
    """Take the name of the file out of a sentence about it."""
    for name in (f"cannot open {path!r}: ", f"cannot decode {path!r}: ", f"cannot read {path!r} "):
        message = message.removeprefix(name)
    return message.replace(repr(path), "it")


def thumbnails(look: Look) -> bytes | None:
    """Return the first, the middle and the last frame side by side, small, as JPEG.

    None where the video cannot be read; one that ends early gives the frames there are.
    """
    shown: list[np.ndarray] = []
    with suppress(VideoError), open_video(look.path, fps=look.fps) as video:
        info = video.info
        height = max(2, min(_THUMBNAIL_HEIGHT, info.height) // 2 * 2)
        width = max(2, min(height * info.width // info.height, 3 * height) // 2 * 2)
        last = max(info.duration_seconds - 1 / (info.fps or PICTURES_PER_SECOND), Fraction(0))
        for frame in video.read([Fraction(0), last / 2, last], (height, width)):
            shown.append(frame.pixels)
    if not shown:
        return None
    return encode_jpeg(np.concatenate(shown, axis=1), quality=_THUMBNAIL_QUALITY)


# Files.


def _inspect_file(path: str, status: os.stat_result, *, deep: bool, count: bool) -> Inspection:
    found = Inspection(path=path, size_bytes=status.st_size)
    if not stat.S_ISREG(status.st_mode):
        fault = Fault(kind="no-video", message="it is neither a file nor a folder")
    elif not status.st_size:
        fault = Fault(kind="empty", message="the file is empty")
    elif not os.access(path, os.R_OK):
        fault = Fault(kind="unreadable", message="there is no permission to read it")
    else:
        missing = what_is_missing(Path(path))
        try:
            with closing(_Watched(file_input(path))) as video:
                found = _facts(video, found, missing, deep=deep)
            return _counted(found) if count and found.num_frames is None else found
        except VideoError as error:
            fault = _refused(file_input(path), missing, error)
    return replace(found, faults=(fault,))


def _counted(found: Inspection) -> Inspection:
    with suppress(CannotDecode):
        return replace(found, num_frames=count_frames(found.path))
    return found


def _refused(source: Input, missing: str | None, error: VideoError) -> Fault:
    """Say why a file cannot be opened, or its first frame not be decoded."""
    if missing is not None:
        return Fault(kind="truncated", message=f"it was cut off and cannot be read: {missing}")
    message = _without(source.name, str(error))
    if isinstance(error, CannotDecode):
        return Fault(kind="undecodable", message=message)
    kinds = _other_streams(source) if isinstance(error, CannotOpen) else None
    if kinds is None:
        return Fault(kind="no-video", message=message)
    if not kinds:
        return Fault(kind="no-video", message="nothing in it can be read")
    return Fault(kind="no-video-stream", message=f"it holds no video, only {' and '.join(kinds)}")


def _other_streams(source: Input) -> list[str] | None:
    """Return what a container without video holds; None where it holds video, or cannot be opened.

    The picture on the cover of a record is no video.
    """
    kinds = set()
    try:
        with source.open() as container:
            for one in container.streams:
                if not one.disposition & Disposition.attached_pic:
                    kinds.add(one.type)
    except CannotOpen:
        return None
    return None if "video" in kinds else sorted(kinds)


class _Watched(ContainerVideo):
    """A container of which everything is looked at, and hardly anything converted."""

    def __init__(self, source: Input) -> None:
        super().__init__(source, threads=1)
        first = self._shown.picture
        self.rotation = first.rotation % 360
        self.shapes = {(first.width, first.height)}
        self.decoded_frames = 1
        self.promised_frames = self._promised_frames()

    @property
    def damaged_packets(self) -> int:
        """How many packets could not be decoded so far."""
        return self._damaged

    def look(self, times: Sequence[Fraction]) -> Iterator[bytes]:
        """Yield the grey levels of small pictures, as far as there are frames.

        Raises:
            CannotDecode: The video cannot be read on.
        """
        for time in times:
            limit = math.floor((time + self._tolerance) / self._unit)
            while (ahead := self._peek()) is not None and ahead.start <= limit:
                self._advance()
            if ahead is None and time >= self._end_seconds():
                return
            yield self._small()

    def look_through(self) -> Fraction:
        """Decode what is left, and return when the last frame goes.

        Raises:
            CannotDecode: The video cannot be read on.
        """
        if self._peek() is not None:
            self._advance()
        for shown in self._upcoming:
            self._shown = shown
            self.decoded_frames += 1
            self.shapes.add((shown.picture.width, shown.picture.height))
        self._note_end(self.info.duration_seconds)
        return self._end_seconds()

    def early_end(self, *, deep: bool) -> str | None:
        """Say where it ended sooner than its container promised, as far as it was decoded."""
        if self._ended_at is not None:
            return self.warnings[-1]
        promised, decoded = self.promised_frames, self.decoded_frames
        # A table that is not whole did not tell the duration.
        if deep and self._table is None and promised is not None and decoded < promised:
            return f"it holds {decoded} of the {promised} frames that it promises"
        return None

    def lost_frames(self, size_bytes: int) -> str | None:
        """Say how many frames of the table lie where the file has ended."""
        if self._table is None:
            return None
        table = self._stream.index_entries
        lost = sum(one.pos + one.size > size_bytes for one in table)
        return f"{lost} of its {len(table)} frames lie past its end" if lost else None

    def _advance(self) -> None:
        self._step()
        self.decoded_frames += 1
        self.shapes.add((self._shown.picture.width, self._shown.picture.height))

    def _small(self) -> bytes:
        """Return the grey levels of the frame that is shown: three times faster than by RGB."""
        picture = self._shown.picture
        kind = (picture.format.name, picture.width, picture.height)
        try:
            small = _reformatter(threading.get_ident(), *kind).reformat(
                picture, PICTURE_SIDE, PICTURE_SIDE, "gray", interpolation="BILINEAR", threads=1
            )
        except av.FFmpegError as error:
            raise not_convertible(self._input.name, picture) from error
        return self._turn(small.to_ndarray()[..., None]).tobytes()

    def _promised_frames(self) -> int | None:
        """Tell how many frames there should be, as far as the container tells."""
        if self._table is None:
            return self._stream.frames or None
        return sum(not one.is_discard and one.size > 0 for one in self._stream.index_entries)


@lru_cache(maxsize=32)
def _reformatter(thread: int, pixel_format: str, width: int, height: int) -> VideoReformatter:
    """Return what a thread scales pictures of one kind with: it is slow to make."""
    return VideoReformatter()


def _facts(video: _Watched, found: Inspection, missing: str | None, *, deep: bool) -> Inspection:
    """Add facts, small pictures and faults to what was found out about a file."""
    pictures: list[bytes] = []
    seconds, broken_off = video.info.duration_seconds, []
    try:
        pictures += video.look(PICTURE_SECONDS if deep else PICTURE_SECONDS[:PROBED_PICTURES])
        seconds = video.look_through() if deep else seconds
    except CannotDecode as error:
        message = _without(found.path, str(error))
        broken_off = [Fault(kind="undecodable", message=message)]
    missing = missing or video.lost_frames(found.size_bytes or 0)
    return replace(
        found,
        width=video.info.width,
        height=video.info.height,
        fps=video.info.fps,
        duration_seconds=seconds,
        num_frames=video.decoded_frames if deep else video.promised_frames,
        codec=video.info.codec,
        rotation=video.rotation,
        pictures=b"".join(pictures),
        faults=(*broken_off, *_shortcomings(video, missing, deep=deep), *_oddities(video)),
    )


def _shortcomings(video: _Watched, missing: str | None, *, deep: bool) -> Iterator[Fault]:
    early = video.early_end(deep=deep)
    if missing is not None and deep and early is None and not video.damaged_packets:
        message = f"its end is missing, though what is left can be decoded: {missing}"
        yield Fault(kind="incomplete", message=message)
    elif missing is not None:
        yield Fault(kind="truncated", message=f"it was cut off: {missing}")
    if early is not None:
        yield Fault(kind="ends-early", message=early)
    if video.damaged_packets and missing is None:  # a cut spoils a packet, too
        yield Fault(kind="damaged", message=video.warnings[0])


def _oddities(video: _Watched) -> Iterator[Fault]:
    rotation, fps = video.rotation, video.info.fps
    if rotation % 90:
        message = f"it says that it is to be turned by {rotation} degrees, and is not turned"
        yield Fault(kind="tilted", message=message)
    elif rotation:
        message = f"its pictures are stored turned by {rotation} degrees, and are read upright"
        yield Fault(kind="rotated", message=message)
    if fps is None or fps > FASTEST_FPS:
        told = "tells no frame rate" if fps is None else f"tells {float(fps):g} frames a second"
        yield Fault(kind="odd-rate", message=f"it {told}")
    if len(video.shapes) > 1:
        told = ", ".join(f"{width}x{height}" for width, height in sorted(video.shapes))
        yield Fault(kind="sizes-vary", message=f"its pictures change their size: {told}")


def _grey(pixels: np.ndarray) -> bytes:
    """Return the luma (ITU-R BT.601) of RGB pixels, a byte each."""
    red, green, blue = pixels.transpose(2, 0, 1).astype(np.uint16)
    levels: np.ndarray = (77 * red + 150 * green + 29 * blue) >> 8
    return levels.astype(np.uint8).tobytes()


# Folders of pictures.


def _inspect_folder(path: str, *, deep: bool, fps: Fraction | None) -> Inspection:
    try:
        files = pictures_in(path)
    except CannotOpen:
        if os.access(path, os.R_OK | os.X_OK):
            fault = Fault(kind="no-pictures", message="there is no picture in the folder")
        else:
            fault = Fault(kind="unreadable", message="there is no permission to list the folder")
        return Inspection(path=path, faults=(fault,))
    sizes = [file.stat().st_size for file in files]
    found = Inspection(path=path, size_bytes=sum(sizes), num_frames=len(files))
    try:
        video = FolderVideo(path, fps=fps)
    except VideoError as error:
        fault = Fault(kind="undecodable", message=_shorter(path, str(error)))
        return replace(found, faults=(fault,))
    pictures, broken = _read_pictures(video, files, sizes, deep=deep)
    return replace(
        found,
        width=video.info.width,
        height=video.info.height,
        fps=fps,
        duration_seconds=video.info.duration_seconds,
        codec=video.info.codec,
        pictures=pictures,
        faults=tuple(_broken(broken, len(files))),
    )


def _read_pictures(
    video: Video, files: Sequence[Path], sizes: Sequence[int], *, deep: bool
) -> tuple[bytes, list[str]]:
    """Decode the first pictures, or all; return small ones, and what is wrong with any."""
    fps = video.info.fps or PICTURES_PER_SECOND
    shown = [round(time * fps) for time in PICTURE_SECONDS if time * fps < len(files)]
    broken = [
        f"{file.name!r} is empty" for file, size in zip(files, sizes, strict=True) if not size
    ]
    small: dict[int, bytes] = {}
    for at in range(len(files)) if deep else shown[:PROBED_PICTURES]:
        try:
            frame = next(video.read([at / fps], (PICTURE_SIDE, PICTURE_SIDE)))
            missing = what_is_missing(files[at])
        except VideoError as error:
            broken += [_shorter(video.info.name, str(error))] if sizes[at] else []
        else:
            broken += [f"{files[at].name!r} was cut off: {missing}"] if missing else []
            small[at] = _grey(frame.pixels)
    return b"".join(small[at] for at in takewhile(small.__contains__, shown)), broken


def _broken(broken: Sequence[str], count: int) -> Iterator[Fault]:
    if broken:
        message = f"{len(broken)} of {count} pictures cannot be used; {broken[0]}"
        yield Fault(kind="undecodable", message=message)


def _shorter(folder: str, message: str) -> str:
    """Name the pictures of a folder without the folder."""
    return message.replace(os.path.join(folder, ""), "")
