"""The video stream of a container: how long it is, where to seek, what is shown when."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import av
from av.format import Flags
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from actionzoo.clip import Frame, VideoInfo
from actionzoo.errors import CannotDecode, CannotOpen
from actionzoo.video.base import (
    MAX_PIXELS,
    MAX_TOLERANCE_SECONDS,
    PICTURES_PER_SECOND,
    EndedEarly,
    Size,
    Video,
)
from actionzoo.video.inputs import FAILURES, Input, decodable_stream, reason_of
from actionzoo.video.live import Converters, LiveFrame
from actionzoo.video.pictures import Converter, Turn, displayed_size, not_convertible

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

_Ticks = int | Fraction
"""A time in units of the container: a whole number but where time stamps had to be mended.

There is one for every frame that is decoded, and Fractions are slow.
"""


@dataclass(frozen=True, slots=True)
class _Shown:
    """A decoded picture and when it comes on screen, in ticks from the first frame."""

    picture: VideoFrame
    start: _Ticks


class ContainerVideo(Video):
    """The video stream of a container."""

    def __init__(self, source: Input, *, threads: int | None) -> None:
        self._input, self._threads = source, threads
        # A scaler that changes its size is set up anew.
        self._converters: defaultdict[Size, Converter] = defaultdict(Converter)
        self._converted: tuple[_Shown, dict[Size, Frame]] | None = None
        self._can_seek = True
        self._ended_at: Fraction | None = None
        self._upcoming = self._decoded()
        self._connect()
        try:
            self._start()
            self._turn = Turn.of(self._shown.picture)
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
        for shown in self._all():
            yield self._frame(shown, size)

    def pictures(self) -> Iterator[LiveFrame]:
        """Hand on every frame, in order, as it is decoded; see ``Video.pictures``."""
        converters, turn = Converters(self._input.name), self._turn
        aspect = self._stream.sample_aspect_ratio
        for shown in self._all():
            # Of two integers a Fraction is made in a third of the time.
            at = Fraction(shown.start * self._unit.numerator, self._unit.denominator)
            yield LiveFrame(shown.picture, at, converters=converters, turn=turn, aspect=aspect)

    def _all(self) -> Iterator[_Shown]:
        if self._shown.start > 0:
            self._rewind()
        yield self._shown
        while self._peek() is not None:
            self._step()
            yield self._shown
        self._note_end(self.info.duration_seconds)

    # Opening.

    def _connect(self) -> None:
        self._container = self._input.open()
        try:
            self._stream = decodable_stream(
                self._container, self._input.name, threads=self._threads
            )
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
        height, width = displayed_size(picture, self._stream.sample_aspect_ratio, self._turn)
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
        except FAILURES:
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
            except FAILURES as error:
                # FFmpeg calls it invalid data, too, when a connection breaks.
                if isinstance(error, av.error.InvalidDataError) and not self._input.is_url:
                    failures += 1
                    self._damaged += 1
                    continue
                reason = reason_of(error, self._input.timeout_seconds)
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
        if self._converted is None or self._converted[0] is not shown:
            self._converted = shown, {}
        frames = self._converted[1]
        if size not in frames:
            try:
                pixels = self._converters[size](shown.picture, size, self._turn)
            except av.FFmpegError as error:
                raise not_convertible(self._input.name, shown.picture) from error
            frames[size] = Frame(pixels=pixels, pts_seconds=Fraction(shown.start * self._unit))
        return frames[size]


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
