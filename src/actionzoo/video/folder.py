"""A folder of pictures as a video."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.video.frame import VideoFrame

from actionzoo.clip import Frame, VideoInfo
from actionzoo.errors import CannotDecode, CannotOpen
from actionzoo.sources import PICTURE_SUFFIXES, natural_key
from actionzoo.video.base import (
    MAX_TOLERANCE_SECONDS,
    PICTURES_PER_SECOND,
    Size,
    Video,
)
from actionzoo.video.inputs import FAILURES, decodable_stream, picture_input, reason_of
from actionzoo.video.live import Converters, LiveFrame
from actionzoo.video.pictures import Converter, Turn, displayed_size, not_convertible


class FolderVideo(Video):
    """A folder of pictures, in natural order of their names."""

    def __init__(self, folder: str, *, fps: Fraction | None) -> None:
        self._files = pictures_in(folder)
        self._fps = fps or PICTURES_PER_SECOND
        # A scaler that changes its size is set up anew.
        self._converters: defaultdict[Size, Converter] = defaultdict(Converter)
        self._converted: dict[Size, Frame] = {}
        self._decoded = (0, _open_picture(self._files[0]))
        first = self._decoded[1]
        self.info = VideoInfo(
            name=folder,
            width=first.size[1],
            height=first.size[0],
            fps=fps,
            duration_seconds=len(self._files) / self._fps,
            codec=first.codec,
        )

    def read(self, times: Sequence[Fraction], size: Size | None = None) -> Iterator[Frame]:
        """Read the pictures shown at some times; see ``Video.read``."""
        tolerance = min(1 / self._fps / 2, MAX_TOLERANCE_SECONDS)
        for time in times:
            index = math.floor((time + tolerance) * self._fps)
            yield self._frame(min(index, len(self._files) - 1), size)

    def frames(self, size: Size | None = None) -> Iterator[Frame]:
        """Read every picture, in order; see ``Video.frames``."""
        for index in range(len(self._files)):
            yield self._frame(index, size)

    def pictures(self) -> Iterator[LiveFrame]:
        """Hand on every picture, in order, as it is decoded; see ``Video.pictures``."""
        converters = Converters(self.info.name)
        for index in range(len(self._files)):
            picture = self._picture(index)
            at, turn, aspect = index / self._fps, picture.turn, picture.aspect
            yield LiveFrame(picture.pixels, at, converters=converters, turn=turn, aspect=aspect)

    def close(self) -> None:
        """Nothing is held open."""

    def _frame(self, index: int, size: Size | None) -> Frame:
        size = size or (self.info.height, self.info.width)
        picture = self._picture(index)
        if size not in self._converted:
            try:
                pixels = self._converters[size](picture.pixels, size, picture.turn)
            except av.FFmpegError as error:
                raise not_convertible(str(self._files[index]), picture.pixels) from error
            self._converted[size] = Frame(pixels=pixels, pts_seconds=index / self._fps)
        return self._converted[size]

    def _picture(self, index: int) -> _Picture:
        file, info = self._files[index], self.info
        if self._decoded[0] != index:
            self._decoded, self._converted = (index, _open_picture(file)), {}
        picture = self._decoded[1]
        height, width = picture.size
        # Pictures scaled by other tools may be a pixel off.
        if abs(width * info.height - height * info.width) > max(info.height, info.width):
            raise CannotDecode(
                f"{str(file)!r} is {width}x{height} pixels but {str(self._files[0])!r} is "
                f"{info.width}x{info.height}; the pictures of a folder must have one shape"
            )
        return picture


@dataclass(frozen=True, kw_only=True, slots=True)
class _Picture:
    """A picture file, decoded."""

    pixels: VideoFrame
    turn: Turn
    aspect: Fraction | None
    size: Size
    codec: str


def pictures_in(folder: str) -> list[Path]:
    """Return the pictures of a folder in natural order; none at all are CannotOpen."""
    try:
        files = [
            file
            for file in Path(folder).iterdir()
            if file.suffix.lower() in PICTURE_SUFFIXES
            and not file.name.startswith(".")
            and file.is_file()
        ]
    except OSError as error:
        raise CannotOpen(f"cannot open {folder!r}: {error.strerror}") from error
    if not files:
        suffixes = " ".join(sorted(PICTURE_SUFFIXES))
        raise CannotOpen(f"folder {folder!r} holds no picture; give one with {suffixes} files")
    return sorted(files, key=lambda file: natural_key(file.name))


def _open_picture(file: Path) -> _Picture:
    """Decode a picture.

    Raises:
        CannotOpen: The file cannot be opened, or is no picture.
        CannotDecode: It is damaged.
    """
    source = picture_input(str(file))
    with source.open() as container:
        stream = decodable_stream(container, source.name)
        try:
            picture = next(container.decode(stream), None)
        except FAILURES as error:
            reason = reason_of(error, None)
            raise CannotDecode(f"cannot decode {source.name!r}: {reason}") from error
        if picture is None:
            raise CannotDecode(f"cannot decode {source.name!r}: it holds no picture")
        turn = Turn.of(picture)
        return _Picture(
            pixels=picture,
            turn=turn,
            aspect=stream.sample_aspect_ratio,
            size=displayed_size(picture, stream.sample_aspect_ratio, turn),
            codec=stream.codec_context.name,
        )
