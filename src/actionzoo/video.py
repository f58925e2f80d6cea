"""Open a video and read the frames that are wanted: the one home of PyAV.

All times are ``Fraction`` seconds from the first frame. The frame that is *shown* at time t is the
last one that starts at or before ``t + tolerance``; the tolerance is half a frame interval, at most
1/60 s. So the rounding of a container to milliseconds never picks the neighbour, copies of one
recording at 25, 30 or 60 frames a second show the same at the same time, and a recording with a
variable frame rate shows what was on screen.
"""

from __future__ import annotations

import io
import math
import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, cast

import av
import av.container
import av.filter
import numpy as np
from av.buffer import Buffer
from av.format import Flags
from av.packet import Packet
from av.stream import Discard, Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from actionzoo.clip import Frame, VideoInfo
from actionzoo.errors import CannotDecode, CannotOpen, VideoError
from actionzoo.sources import PICTURE_SUFFIXES, is_url, natural_key

Source = str | os.PathLike[str] | bytes | BinaryIO
"""A path of a file or of a folder of pictures, a URL, the bytes of a file, or a file object."""

Size = tuple[int, int]
"""Height and width in pixels, as displayed."""

MAX_TOLERANCE_SECONDS = Fraction(1, 60)
MAX_PIXELS = 2**27
"""Largest picture that is decoded: four times 8K. A larger one is a header that lies."""
PICTURES_PER_SECOND = Fraction(30)
"""The rate of a folder of pictures where none is given, and of a video that tells none."""

_FRAME_TABLE = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "avi"})
"""Containers with a table of all frames."""
_AVI = "avi"
"""The container without display times: its frames come in order, at the times of their packets."""
_MATROSKA = "matroska,webm"
"""The container with a table of keyframes only."""

# Where there is no table of keyframes a seek is a guess: it is tried for leaps of this length, and
# aims earlier and earlier when it lands too late.
_BLIND_LEAP_SECONDS = 10
_LEAP_TO_THE_TABLE_SECONDS = 1
_SEEK_LEADS_SECONDS = (0, 2, 10, 60)
# With a table: a leap over fewer frames costs more than it saves.
_SHORTEST_LEAP_FRAMES = 3

_LAST_TICK = 2**62
_NO_TIMESTAMPS = cast(int, Flags.no_timestamps.value)

# Damage is skipped, but not for ever: some demuxers report the same broken place again and again.
_MOST_FAILURES_IN_A_ROW = 100

# Formats that open further files or addresses, and text that FFmpeg draws as a picture.
_REACHING_OUT = frozenset(
    "concat dash hls image2 imf rtp rtsp sap sdp vobsub webm_dash_manifest".split()
)
_DRAWN_TEXT = frozenset("adf bin idf tty xbin".split())
_URL_PROTOCOLS = "http,https,httpproxy,tls,tcp,udp,rtp,rtsp,rtsps,rtmp,rtmps,crypto,data"

_FAILURES = (av.FFmpegError, OSError)


class EndedEarly(VideoError):
    """A video that holds less than its header says.

    Args:
        message: One sentence.
        duration_seconds: From the first frame's start to the end of the last one there is.
    """

    def __init__(self, message: str, duration_seconds: Fraction) -> None:
        super().__init__(message)
        self.duration_seconds = duration_seconds


class Video(ABC):
    """An open video; close it, or use it as a context manager."""

    info: VideoInfo

    @property
    def warnings(self) -> list[str]:
        """What was wrong with the video so far and did not keep it from being read."""
        return []

    @abstractmethod
    def read(self, times: Sequence[Fraction], size: Size | None = None) -> Iterator[Frame]:
        """Read the frames shown at some times, decoding no more than they need.

        Args:
            times: Seconds from the first frame, non-decreasing, each at least 0.
            size: Height and width of the frames; None takes those of ``info``.

        Yields:
            One frame a time, in order.

        Raises:
            EndedEarly: A time is past the end of what is really there.
            CannotDecode: The video cannot be read on.
        """

    @abstractmethod
    def frames(self, size: Size | None = None) -> Iterator[Frame]:
        """Read every frame, in order.

        Args:
            size: Height and width of the frames; None takes those of ``info``.

        Raises:
            CannotDecode: The video cannot be read on.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of the file or connection."""

    def __enter__(self) -> Video:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def open_video(
    source: Source,
    *,
    fps: Fraction | None = None,
    timeout_seconds: float = 10.0,
    threads: int = 1,
) -> Video:
    """Open a video.

    Args:
        source: Path of a file or of a folder of pictures, URL, bytes or binary file object.
        fps: Frame rate of a folder of pictures, which tells none; ignored for other sources.
        timeout_seconds: How long a URL may send nothing.
        threads: Threads of the decoder.

    Raises:
        CannotOpen: There is nothing there, or it is no video.
        CannotDecode: It is a video of which not one picture can be decoded.
    """
    if isinstance(source, (str, os.PathLike)):
        path = os.fspath(source)
        if is_url(path):
            return _StreamVideo(_url_input(path, timeout_seconds), threads=threads)
        if os.path.isdir(path):
            return _FolderVideo(path, fps=fps)
        return _StreamVideo(_file_input(path), threads=threads)
    return _StreamVideo(_memory_input(source), threads=threads)


# ---------------------------------------------------------------------------------------- inputs


@dataclass(frozen=True, kw_only=True, slots=True)
class _Input:
    """What FFmpeg needs to open something, any number of times."""

    name: str
    target: str | BinaryIO
    protocols: str
    formats: str
    timeout_seconds: float | None = None

    @property
    def is_url(self) -> bool:
        return self.timeout_seconds is not None

    def open(self) -> av.container.InputContainer:
        """Open the container.

        Raises:
            CannotOpen: It cannot be opened, or is no video.
        """
        options = {
            "protocol_whitelist": self.protocols,
            "format_whitelist": self.formats,
            "max_pixels": str(MAX_PIXELS),
        }
        if self.timeout_seconds is not None:
            # PyAV's own time-out does not watch over seeks, FFmpeg's does; it is in microseconds.
            options["rw_timeout"] = str(int(self.timeout_seconds * 1_000_000))
        try:
            if not isinstance(self.target, str):
                self.target.seek(0)
            return av.open(
                self.target,
                "r",
                options=options,
                metadata_errors="replace",
                timeout=self.timeout_seconds,
            )
        except _FAILURES as error:
            reason = _reason(error, self.timeout_seconds)
            raise CannotOpen(f"cannot open {self.name!r}: {reason}") from error


def _url_input(url: str, timeout_seconds: float) -> _Input:
    scheme = url.partition("://")[0].lower()
    if scheme not in _URL_PROTOCOLS.split(","):
        raise CannotOpen(
            f"cannot open {url!r}: {scheme!r} addresses are not read; "
            "give an http, https, rtsp or rtmp address or a path"
        )
    return _Input(
        name=url,
        target=url,
        protocols=_URL_PROTOCOLS,
        formats=_formats_without(_DRAWN_TEXT),
        timeout_seconds=timeout_seconds,
    )


def _file_input(path: str) -> _Input:
    try:
        status = os.stat(path)
        with open(path, "rb") if stat.S_ISREG(status.st_mode) else io.BytesIO():
            pass
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CannotOpen(f"cannot open {path!r}: {reason}") from error
    if not stat.S_ISREG(status.st_mode):
        raise CannotOpen(f"cannot open {path!r}: it is neither a file nor a folder")
    if status.st_size == 0:
        raise CannotOpen(f"cannot open {path!r}: the file is empty")
    # The prefix keeps FFmpeg from reading a protocol into a name such as "concat:a|b".
    return _Input(name=path, target=f"file:{path}", protocols="file", formats=_local_formats())


def _memory_input(source: bytes | BinaryIO) -> _Input:
    if isinstance(source, (bytes, bytearray, memoryview)):
        source = io.BytesIO(source)
    elif not source.seekable():
        source = io.BytesIO(source.read())
    if source.seek(0, os.SEEK_END) == 0:
        raise CannotOpen("cannot open '<bytes>': there are none")
    return _Input(name="<bytes>", target=source, protocols="none", formats=_local_formats())


def _local_formats() -> str:
    return _formats_without(_REACHING_OUT | _DRAWN_TEXT)


@lru_cache
def _formats_without(refused: frozenset[str]) -> str:
    return ",".join(sorted(av.formats_available - refused))


def _reason(error: Exception, timeout_seconds: float | None) -> str:
    """Say in words why FFmpeg gave up."""
    if isinstance(error, (av.error.ExitError, av.error.TimeoutError)) and timeout_seconds:
        return f"nothing came for {timeout_seconds:g} s"
    if isinstance(error, (av.error.InvalidDataError, av.error.ArgumentError, av.error.EOFError)):
        return "it is no video that FFmpeg can read, or it is damaged or cut off"
    return getattr(error, "strerror", None) or str(error)


def _video_stream(container: av.container.InputContainer, name: str) -> VideoStream:
    """Return the video stream, ready to be decoded, and have all others skipped.

    Raises:
        CannotOpen: There is none, or no decoder for it.
    """
    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream) or stream.disposition & Disposition.attached_pic:
        kinds = sorted({one.type for one in container.streams if one is not stream})
        held = f"only {' and '.join(kinds)}" if kinds else "nothing"
        raise CannotOpen(f"cannot open {name!r}: it holds no video, {held}")
    if stream.codec_context is None:
        raise CannotOpen(f"cannot open {name!r}: FFmpeg has no decoder for its codec")
    for other in container.streams:
        if other is not stream:
            other.discard = Discard.all
    return stream


# ----------------------------------------------------------------------------- pictures to arrays


@dataclass(frozen=True, slots=True)
class _Turn:
    """How a stored picture becomes an upright one."""

    transposed: bool = False
    mirrored: bool = False
    flipped: bool = False

    @classmethod
    def of(cls, picture: VideoFrame) -> _Turn:
        """Read the display matrix of a picture: a quarter turn, mirrored or not.

        Other angles are left as they are, and so is a picture that stands on its head and is
        mirrored, for which PyAV tells an angle of 0.
        """
        angle = picture.rotation % 360
        if angle == 0:
            return cls()
        try:
            # A frame that was asked for its side data stays in memory until the next garbage
            # collection, for PyAV ties it into a circle. So a tiny copy is asked.
            tiny = VideoReformatter().reformat(picture, 16, 16, "gray", interpolation="POINT")
            matrix = bytes(cast(Mapping[str, Buffer], tiny.side_data)["DISPLAYMATRIX"])
        except (ValueError, av.FFmpegError):
            # PyAV does not know all kinds of side data, such as EXIF in a jpeg.
            return cls(angle in (90, 270), angle in (180, 270), angle in (90, 180))
        # ISO/IEC 14496-12, 8.3.2: x' = a x + c y, y' = b x + d y, numbers of 16.16 bits.
        a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].astype(np.int64)
        if abs(b) > abs(a):
            return cls(True, bool(c < 0), bool(b < 0))
        return cls(False, bool(a < 0), bool(d < 0))

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Turn pixels of shape (H, W, C)."""
        pixels = pixels.transpose(1, 0, 2) if self.transposed else pixels
        pixels = pixels[:, ::-1] if self.mirrored else pixels
        pixels = pixels[::-1] if self.flipped else pixels
        return np.ascontiguousarray(pixels)


def _displayed_size(picture: VideoFrame, aspect: Fraction | None, turn: _Turn) -> Size:
    """Return the size of a picture with square pixels and upright."""
    width = max(1, round(picture.width * (aspect or 1)))
    return (width, picture.height) if turn.transposed else (picture.height, width)


class _Converter:
    """Makes RGB arrays of decoded pictures, scaled on the way."""

    def __init__(self) -> None:
        self._scaler = VideoReformatter()
        self._field_of = ("", 0, 0)
        self._field_graph: av.filter.Graph | None = None

    def __call__(self, picture: VideoFrame, size: Size, turn: _Turn) -> np.ndarray:
        """Convert one picture.

        Returns:
            Shape (*size, 3) uint8 in [0, 255] RGB.

        Raises:
            av.FFmpegError: The scaler does not know the pixel format.
        """
        height, width = reversed(size) if turn.transposed else size
        if picture.interlaced_frame:
            picture = self._one_field(picture)
        scaled = self._scaler.reformat(
            picture, width, height, "rgb24", interpolation="BILINEAR", threads=1
        )
        return turn(scaled.to_ndarray())

    def _one_field(self, picture: VideoFrame) -> VideoFrame:
        """Take every second line: the other half shows another moment (a comb where one moves)."""
        shape = (picture.format.name, picture.width, picture.height)
        if self._field_graph is None or shape != self._field_of:
            self._field_of, self._field_graph = shape, _field_graph(picture)
        self._field_graph.vpush(picture)
        return self._field_graph.vpull()


def _field_graph(picture: VideoFrame) -> av.filter.Graph:
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=picture.width,
        height=picture.height,
        format=picture.format,
        time_base=Fraction(1, 1000),
    )
    graph.link_nodes(source, graph.add("field"), graph.add("buffersink")).configure()
    return graph


# ------------------------------------------------------------------------------------- containers


_Ticks = int | Fraction
"""A time in units of the container: a whole number but where time stamps had to be mended.

There is one for every frame that is decoded, and Fractions are slow.
"""


@dataclass(frozen=True, slots=True)
class _Shown:
    """A decoded picture and when it comes on screen, in ticks from the first frame."""

    picture: VideoFrame
    start: _Ticks


class _StreamVideo(Video):
    """The video stream of a container."""

    def __init__(self, source: _Input, *, threads: int) -> None:
        self._input, self._threads = source, threads
        self._converter = _Converter()
        self._converted: tuple[_Shown, Size, Frame] | None = None
        self._can_seek = True
        self._ended_at: Fraction | None = None
        self._upcoming = self._decoded()
        self._connect()
        try:
            self._start()
            self._turn = _Turn.of(self._shown.picture)
            self.info = self._describe()
        except BaseException:
            self.close()
            raise

    @property
    def warnings(self) -> list[str]:
        """What was wrong with the video so far and did not keep it from being read."""
        said = []
        if self._damaged:
            said.append(f"{self._damaged} of {self._packets_read} packets could not be decoded")
        if self._ended_at is not None:
            promised = float(self.info.duration_seconds)
            said.append(f"it ends after {float(self._ended_at):.2f} s, not {promised:.2f} s")
        return said

    def close(self) -> None:
        """Let go of the file or connection."""
        # The generator knows this object, which holds pictures: not to wait for the collector.
        self._upcoming.close()
        self._container.close()

    def read(self, times: Sequence[Fraction], size: Size | None = None) -> Iterator[Frame]:
        """Read the frames shown at some times; see ``Video.read``."""
        for time in times:
            yield self._frame(self._shown_at(time), size)

    def frames(self, size: Size | None = None) -> Iterator[Frame]:
        """Read every frame, in order; see ``Video.frames``."""
        if self._shown.start > 0:
            self._rewind()
        yield self._frame(self._shown, size)
        while self._peek() is not None:
            self._step()
            yield self._frame(self._shown, size)
        self._note_end(self.info.duration_seconds)

    # Opening.

    def _connect(self) -> None:
        self._container = self._input.open()
        try:
            self._stream = self._prepared_stream()
        except BaseException:
            self._container.close()
            raise
        self._table = _frame_table(self._stream, self._container.format.name)
        self._indexed = self._table is not None
        self._fps = self._table.fps if self._table is not None else _frame_rate(self._stream)
        self._interval = 1 / (self._fps or PICTURES_PER_SECOND)
        self._unit = self._stream.time_base or self._interval
        self._tolerance = min(self._interval / 2, MAX_TOLERANCE_SECONDS)
        self._shortest_leap = _SHORTEST_LEAP_FRAMES * self._interval
        self._packets_read = self._damaged = self._dts = 0

    def _prepared_stream(self) -> VideoStream:
        stream = _video_stream(self._container, self._input.name)
        stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
        # Frame threads hand out a picture some frames later, and are lost at each seek; slice
        # threads find one slice a picture in most files. Worth it for large pictures only.
        stream.codec_context.thread_count = self._threads
        stream.codec_context.thread_type = "AUTO" if self._threads > 1 else "NONE"
        return stream

    def _start(self) -> None:
        """Decode the first frame: all times count from it."""
        self._origin: int | None = None
        self._ahead: _Shown | None = None
        self._upcoming = self._decoded()
        first = next(self._upcoming, None)
        if first is None:
            raise CannotDecode(
                f"cannot decode {self._input.name!r}: "
                f"none of its {self._packets_read} packets gives a picture"
            )
        self._shown = first

    def _rewind(self) -> None:
        # Opening again is the one way back to the start that every format knows.
        self._container.close()
        self._connect()
        self._start()

    def _describe(self) -> VideoInfo:
        picture, name = self._shown.picture, self._input.name
        height, width = _displayed_size(picture, self._stream.sample_aspect_ratio, self._turn)
        if height * width > MAX_PIXELS:
            raise CannotOpen(
                f"cannot open {name!r}: its pictures are to be shown {width}x{height} pixels "
                f"large; at most {MAX_PIXELS} pixels are read"
            )
        return VideoInfo(
            name=name,
            width=width,
            height=height,
            fps=self._fps,
            duration_seconds=self._duration_seconds(),
            codec=self._stream.codec_context.name,
        )

    # How long it is.

    def _duration_seconds(self) -> Fraction:
        """Tell the duration: from the table of all frames, else the header, else by counting."""
        if self._container.format.name in _FRAME_TABLE:
            known = self._table.seconds if self._table is not None else None
        else:
            known = self._header_seconds()
        if known is not None and known > 0:
            return known
        if self._input.is_url and self._container.size <= 0:
            raise CannotOpen(
                f"cannot open {self._input.name!r}: it tells no length, as a live stream does; "
                "save it to a file first"
            )
        return self._counted_seconds()

    def _header_seconds(self) -> Fraction | None:
        # Where frames carry no time stamps FFmpeg guesses the duration from the first bytes.
        if self._container.format.flags & _NO_TIMESTAMPS or not self._can_seek:
            return None
        stream, container = self._stream, self._container
        if stream.duration is not None:
            known = stream.duration * self._unit
            # A program stream tells a time every 0.7 s only: too seldom for a short one.
            return None if container.format.name == "mpeg" and known < 2 else known
        tagged = _clock_seconds(stream.metadata.get("DURATION", ""))
        if tagged is None and container.duration is not None:
            tagged = Fraction(container.duration, av.time_base)
        if tagged is not None and container.format.name == _MATROSKA:
            tagged -= (self._origin or 0) * self._unit  # it counts from 0, not the first frame
        return tagged

    def _counted_seconds(self) -> Fraction:
        """Go through all packets without decoding them, and back to the start."""
        count = end = 0
        self._container.close()
        self._connect()
        for packet in self._packets():
            if packet is not None and packet.size:
                count += 1
                last = (self._stamp(packet) or 0) + (packet.duration or 0) - (self._origin or 0)
                end = max(end, last)
        self._rewind()
        # Frames without a time stamp of their own are shown one interval after another.
        return max(end * self._unit, count * self._interval)

    # Going to a time.

    def _shown_at(self, time: Fraction) -> _Shown:
        limit = (time + self._tolerance) / self._unit
        if limit < self._shown.start or self._seek_pays(limit):
            self._seek(limit)
        while (ahead := self._peek()) is not None and ahead.start <= limit:
            self._step()
        if ahead is None and self._note_end(time):
            message = f"{self._input.name!r} is shorter than it should be: {self.warnings[-1]}"
            raise EndedEarly(message, self._end_seconds())
        return self._shown

    def _note_end(self, wanted: Fraction) -> bool:
        """Tell whether the video, which is at its end, should have gone on until ``wanted``."""
        end = self._end_seconds()
        early = wanted > end + self._interval
        self._ended_at = end if early else self._ended_at
        return early

    def _peek(self) -> _Shown | None:
        if self._ahead is None:
            self._ahead = next(self._upcoming, None)
        return self._ahead

    def _step(self) -> None:
        assert self._ahead is not None
        self._shown, self._ahead = self._ahead, None

    def _seek_pays(self, limit: _Ticks) -> bool:
        """Tell whether a seek would land well after the packets that were already read."""
        if not self._can_seek:
            return False
        if not self._indexed:
            to_come = self._container.format.name == _MATROSKA
            least = _LEAP_TO_THE_TABLE_SECONDS if to_come else _BLIND_LEAP_SECONDS
            return (limit - self._shown.start) * self._unit > least
        table = self._stream.index_entries
        # Tables count in decoding time, which runs ahead of display time by a constant.
        found = table.search_timestamp(min(table[0].timestamp + math.floor(limit), _LAST_TICK))
        if found < 0:
            return False
        return (table[found].timestamp - self._dts) * self._unit > self._shortest_leap

    def _seek(self, limit: _Ticks) -> None:
        """Go to a keyframe before ``limit``, or to the start where no seek succeeds."""
        was = self._shown.start
        leads = [seconds / self._unit for seconds in _SEEK_LEADS_SECONDS]
        fitting = [lead for lead in leads if lead < limit]
        for lead in fitting:
            if self._can_seek and self._lands(limit - lead, limit):
                # A blind seek that lost ground would do so again.
                self._can_seek = self._indexed or not self._shown.start < was <= limit
                return
        self._can_seek &= len(fitting) < len(leads)
        self._rewind()

    def _lands(self, target: _Ticks, limit: _Ticks) -> bool:
        assert self._origin is not None
        table = self._stream.index_entries
        in_packets = self._container.format.name == _AVI and len(table) > 0
        ticks = (table[0].timestamp if in_packets else self._origin) + math.floor(target)
        try:
            self._container.seek(min(ticks, _LAST_TICK), stream=self._stream)
        except _FAILURES:
            self._can_seek = False
            return False
        # The table of keyframes is at the end of the file: FFmpeg has read it for this seek.
        self._indexed |= self._container.format.name == _MATROSKA
        self._ahead = None
        self._upcoming = self._decoded(from_keyframe=True)
        landed = next(self._upcoming, None)
        if landed is None or landed.start > limit or not self._can_seek:
            return False
        self._shown = landed
        return True

    # Decoding.

    def _decoded(self, *, from_keyframe: bool = False) -> Generator[_Shown, None, None]:
        """Decode on from where the container stands."""
        previous: _Ticks | None = None
        for packet in self._packets():
            if from_keyframe and packet is not None and packet.size and not packet.is_keyframe:
                continue
            from_keyframe = False
            for picture in self._decode(packet):
                shown = self._timed(picture, previous)
                previous = shown.start
                yield shown

    def _packets(self) -> Iterator[Packet[VideoStream] | None]:
        """Yield the packets that can be read; the last is empty and empties the decoder."""
        failures = 0
        while failures < _MOST_FAILURES_IN_A_ROW:
            try:
                for packet in self._container.demux(self._stream):
                    failures = 0
                    self._dts = packet.dts if packet.dts is not None else self._dts
                    self._packets_read += packet.size > 0
                    yield packet
                return
            except IndexError:
                break  # PyAV stumbles at the end over streams that came up on the way
            except _FAILURES as error:
                # FFmpeg calls it invalid data, too, when a connection breaks.
                if isinstance(error, av.error.InvalidDataError) and not self._input.is_url:
                    failures += 1
                    self._damaged += 1
                    continue
                reason = _reason(error, self._input.timeout_seconds)
                raise CannotDecode(f"cannot read {self._input.name!r} on: {reason}") from error
        yield None

    def _decode(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        try:
            pictures = self._stream.codec_context.decode(packet)
        except av.error.EOFError:
            return []
        except av.FFmpegError:
            self._damaged += 1
            return []
        self._damaged += any(picture.is_corrupt for picture in pictures)
        return pictures

    def _timed(self, picture: VideoFrame, previous: _Ticks | None) -> _Shown:
        """Tell when a picture is shown, mending time stamps that are missing or do not rise."""
        stamp = self._stamp(picture)
        if self._origin is None:
            self._origin = stamp or 0
        start: _Ticks | None = None if stamp is None else stamp - self._origin
        if previous is None:
            self._can_seek &= start is not None  # else nothing would tell where a seek has led
            start = start or 0
        elif start is None or start <= previous:
            interval = self._interval / self._unit
            self._can_seek &= start is None or start > previous - interval
            start = previous + interval
        return _Shown(picture, start)

    def _stamp(self, one: VideoFrame | Packet[VideoStream]) -> int | None:
        return one.dts if self._container.format.name == _AVI else one.pts

    def _end_seconds(self) -> Fraction:
        """Tell when the frame that is shown goes, as far as it knows."""
        stay = self._shown.picture.duration * self._unit
        return self._shown.start * self._unit + (stay if stay > 0 else self._interval)

    def _frame(self, shown: _Shown, size: Size | None) -> Frame:
        size = size or (self.info.height, self.info.width)
        if self._converted is None or self._converted[:2] != (shown, size):
            try:
                pixels = self._converter(shown.picture, size, self._turn)
            except av.FFmpegError as error:
                raise _not_convertible(self._input.name, shown.picture) from error
            start = Fraction(shown.start * self._unit)
            self._converted = shown, size, Frame(pixels=pixels, pts_seconds=start)
        return self._converted[2]


@dataclass(frozen=True, slots=True)
class _Table:
    """What a container's table of all frames tells."""

    fps: Fraction
    seconds: Fraction


def _frame_table(stream: VideoStream, format_name: str) -> _Table | None:
    """Summarise the table of all frames, where there is one and it is whole."""
    table, unit = stream.index_entries, stream.time_base
    if format_name not in _FRAME_TABLE or unit is None or len(table) != stream.frames:
        return None
    shown = [entry.timestamp for entry in table if not entry.is_discard]
    header = (stream.duration or 0) * unit
    if len(shown) < 2 or shown[-1] <= shown[0]:
        return None
    if len(shown) < len(table):
        # An edit list hides some frames, and its borders bend the decoding times in the table.
        return _Table(_rate_near(stream.base_rate, len(shown), header), header) if header else None
    span = (shown[-1] - shown[0]) * unit
    # The header knows how long the last frame stays, but some writers let it end at once.
    return _Table((len(shown) - 1) / span, max(span * len(shown) / (len(shown) - 1), header))


def _rate_near(rate: Fraction | None, frames: int, seconds: Fraction) -> Fraction:
    """Return a rate if it gives that many frames in that time, else their quotient."""
    fits = rate is not None and abs(rate * seconds - frames) < 1
    return rate if rate is not None and fits else frames / seconds


def _frame_rate(stream: VideoStream) -> Fraction | None:
    """Return the mean frame rate a header tells, if it can be true."""
    rates = [stream.average_rate, stream.guessed_rate]
    if stream.container.format.flags & _NO_TIMESTAMPS:
        rates.reverse()  # the mean is then FFmpeg's default; the guess comes from the codec
    if stream.codec_context.name == "gif" and stream.duration and stream.time_base:
        rates.insert(0, stream.frames / (stream.duration * stream.time_base))
    return next((rate for rate in rates if rate is not None and 0 < rate <= 1000), None)


def _clock_seconds(text: str) -> Fraction | None:
    """Read a time of day such as matroska's tags hold.

    >>> _clock_seconds("00:01:10.500000000")
    Fraction(141, 2)
    """
    parts = text.split(":")
    if len(parts) != 3 or not all(part.replace(".", "", 1).isdecimal() for part in parts):
        return None
    hours, minutes, seconds = (Fraction(part) for part in parts)
    return 3600 * hours + 60 * minutes + seconds


def _not_convertible(name: str, picture: VideoFrame) -> CannotDecode:
    return CannotDecode(
        f"cannot decode {name!r}: pictures of {picture.width}x{picture.height} pixels "
        f"in the format {picture.format.name!r} cannot be made RGB"
    )


# ----------------------------------------------------------------------------- folders of pictures


class _FolderVideo(Video):
    """A folder of pictures, in natural order of their names."""

    def __init__(self, folder: str, *, fps: Fraction | None) -> None:
        self._files = _pictures_in(folder)
        self._fps = fps or PICTURES_PER_SECOND
        self._converter = _Converter()
        first = _open_picture(self._files[0])
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

    def close(self) -> None:
        """Nothing is held open."""

    def _frame(self, index: int, size: Size | None) -> Frame:
        file, info = self._files[index], self.info
        picture = _open_picture(file)
        height, width = picture.size
        # Pictures scaled by other tools may be a pixel off.
        if abs(width * info.height - height * info.width) > max(info.height, info.width):
            raise CannotDecode(
                f"{str(file)!r} is {width}x{height} pixels but {str(self._files[0])!r} is "
                f"{info.width}x{info.height}; the pictures of a folder must have one shape"
            )
        try:
            pixels = self._converter(
                picture.pixels, size or (info.height, info.width), picture.turn
            )
        except av.FFmpegError as error:
            raise _not_convertible(str(file), picture.pixels) from error
        return Frame(pixels=pixels, pts_seconds=index / self._fps)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Picture:
    """A picture file, decoded."""

    pixels: VideoFrame
    turn: _Turn
    size: Size
    codec: str


def _pictures_in(folder: str) -> list[Path]:
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
    source = _file_input(str(file))
    with source.open() as container:
        stream = _video_stream(container, source.name)
        stream.codec_context.thread_type = "NONE"
        stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
        try:
            picture = next(container.decode(stream), None)
        except _FAILURES as error:
            reason = _reason(error, None)
            raise CannotDecode(f"cannot decode {source.name!r}: {reason}") from error
        if picture is None:
            raise CannotDecode(f"cannot decode {source.name!r}: it holds no picture")
        turn = _Turn.of(picture)
        return _Picture(
            pixels=picture,
            turn=turn,
            size=_displayed_size(picture, stream.sample_aspect_ratio, turn),
            codec=stream.codec_context.name,
        )
