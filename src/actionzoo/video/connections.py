"""Cameras and network streams: opened again when they are lost, for as long as somebody looks."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from fractions import Fraction
from threading import Event
from typing import cast

import av
from av.container import InputContainer
from av.format import Flags
from av.video.frame import VideoFrame

from actionzoo.closing import Closing
from actionzoo.errors import CannotDecode, CannotOpen, VideoError
from actionzoo.line import NothingCame
from actionzoo.video.background import Background
from actionzoo.video.base import MAX_PIXELS, PICTURES_PER_SECOND
from actionzoo.video.inputs import FAILURES, Input, decodable_stream, reason_of
from actionzoo.video.live import Capture, Converters, LiveFrame
from actionzoo.video.pictures import Turn
from actionzoo.video.playing import FRAMES_LOST, paced
from actionzoo.video.times import Times

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 8.0
"""Before it is tried again: each time twice as long, up to this."""

_PLAYLISTS = frozenset({"hls", "dash"})
"""Formats that come some seconds at a time: played at their own speed."""
_PUSHED = frozenset({"rtsp", "rtp", "sdp"})
"""Formats whose senders set the pace."""
_REBUFFER_SECONDS = 1.0
_NEWEST = 4
"""Frames of a burst that are kept: a network does not deliver them evenly."""

logger = logging.getLogger(__name__)


class Connection(Closing):
    """An open stream that is read once, as it comes.

    Args:
        source: What is opened.

    Raises:
        CannotOpen: It cannot be opened, or holds no video.
    """

    def __init__(self, source: Input) -> None:
        self._source = source
        self._container: InputContainer = source.open()
        try:
            self._stream = decodable_stream(self._container, source.name)
            format = self._container.format
            self._playlist = bool(_PLAYLISTS & set(format.name.split(",")))
            # Such formats count frames at a rate that FFmpeg made up.
            self._clockless = bool(format.flags & cast(int, Flags.no_timestamps.value))
            rate = None if self._clockless else self._stream.average_rate
            self.fps = rate if rate is not None and 0 < rate <= 1000 else None
            self.ends = (self._container.duration or 0) > 0
            """Whether it has a length: its end is no loss."""
            self.is_file = format.name not in _PUSHED and (
                self.ends or (self._container.size > 0 and not self._playlist)
            )
            """Whether it can be read like a file: as fast as it goes, and to its end."""
        except BaseException:
            self.close()
            raise
        self.damaged = 0
        """Packets and pictures that could not be used."""
        self.times = Times(1 / (self.fps or PICTURES_PER_SECOND))

    def frames(self, stopped: Event) -> Iterator[LiveFrame]:
        """Yield frames as they come.

        Args:
            stopped: Ends waiting for frames that are not due.

        Raises:
            CannotDecode: The connection is lost.
        """
        frames = self._frames()
        if not self._playlist:
            return frames
        return paced(frames, stopped, patience_seconds=_REBUFFER_SECONDS)

    def close(self) -> None:
        """Let go of it."""
        self._container.close()

    def _frames(self) -> Iterator[LiveFrame]:
        converters, turn, unit = Converters(self._source.name), None, self._stream.time_base
        aspect = self._stream.sample_aspect_ratio
        for picture in self._pictures():
            turn = turn or Turn.of(picture)
            stamp = None if unit is None or picture.pts is None else picture.pts * unit
            stamp = None if self._clockless else stamp
            at = self.times.next(stamp, time.monotonic())
            frame = LiveFrame(picture, at, converters=converters, turn=turn, aspect=aspect)
            if frame.height * frame.width > MAX_PIXELS:
                raise CannotDecode(
                    f"cannot read {self._source.name!r} on: its pictures are to be shown "
                    f"{frame.width}x{frame.height} pixels large; at most {MAX_PIXELS} pixels are "
                    "read"
                )
            yield frame

    def _pictures(self) -> Iterator[VideoFrame]:
        try:
            for packet in self._container.demux(self._stream):
                try:
                    yield from self._stream.codec_context.decode(packet)
                except av.error.EOFError:
                    return
                except av.FFmpegError:
                    self.damaged += 1
        except IndexError:
            return  # PyAV stumbles at the end over streams that came up on the way
        except FAILURES as error:
            reason = reason_of(error, self._source.timeout_seconds)
            raise CannotDecode(f"cannot read {self._source.name!r} on: {reason}") from error


class _Session:
    """A connection that is opened and read in a thread of its own."""

    def __init__(
        self, connect: Callable[[], Connection], name: str, timeout_seconds: float
    ) -> None:
        self._connect, self._name, self._timeout = connect, name, timeout_seconds
        self._stopped = Event()
        self._connection: Connection | None = None
        self.frames = 0
        """That were taken."""
        self._background = Background(self._run(), room=_NEWEST, waits=False, name="live")

    @property
    def ends(self) -> bool:
        """Whether an end is no loss."""
        return self._connection is not None and self._connection.ends

    def faults(self) -> Counter[str]:
        """Count what was wrong, by what it was."""
        found = self._connection
        return Counter(
            {
                FRAMES_LOST: self._background.dropped,
                "packets could not be decoded": found.damaged if found else 0,
                "time stamps were wrong": found.times.mended if found else 0,
            }
        )

    def take(self) -> LiveFrame | None:
        """Wait for the next frame; None at the end.

        Raises:
            VideoError: The connection is lost, or there is none.
        """
        try:
            # Opening and looking into the stream take up to a time-out each.
            frame = self._background.take(self._timeout if self.frames else 2 * self._timeout)
        except NothingCame:
            reason = f"nothing came for {self._timeout:g} s"
            if not self.frames:
                raise CannotOpen(f"cannot open {self._name!r}: {reason}") from None
            raise CannotDecode(f"cannot read {self._name!r} on: {reason}") from None
        self.frames += frame is not None
        return frame

    def close(self) -> None:
        self._stopped.set()
        self._background.close()

    def _run(self) -> Generator[LiveFrame, None, None]:
        with self._connect() as connection:
            self._connection = connection
            yield from connection.frames(self._stopped)


class LiveCapture(Capture):
    """A camera or a network stream.

    Its frames are read in a thread of their own as they come: those that nobody takes are lost,
    and delays do not add up. When it is lost it is opened again, and times go on by the clock.

    Args:
        first: The open connection; closed with this.
        again: Opens it again.
        name: What was opened, as it was given.
        timeout_seconds: It is lost when nothing comes for so long.
        max_retries: Tries in a row to open it again; None tries for ever.
        mirrored: Whether people expect to see it as in a mirror.

    Raises:
        VideoError: Not one frame comes.
    """

    waits = False

    def __init__(
        self,
        first: Connection,
        again: Callable[[], Connection],
        *,
        name: str,
        timeout_seconds: float,
        max_retries: int | None = None,
        mirrored: bool = False,
    ) -> None:
        self.name, self.fps, self.mirrored = name, first.fps, mirrored
        self._again, self._timeout, self._max_retries = again, timeout_seconds, max_retries
        self._interval, self._live = 1 / (first.fps or PICTURES_PER_SECOND), not first.ends
        self._losses = self._tries = 0
        self._faults: Counter[str] = Counter()
        self._offset, self._last = Fraction(0), -self._interval
        self._last_arrived = 0.0
        self._closed = Event()
        self._session = _Session(lambda: first, name, timeout_seconds)
        try:
            frame = self._session.take()
            if frame is None:
                raise CannotOpen(f"cannot open {name!r}: it ends before its first picture")
        except BaseException:
            self.close()
            raise
        self._first: LiveFrame | None = frame

    @property
    def warnings(self) -> list[str]:
        """How often it was lost, and what else was wrong so far."""
        faults = self._faults + self._session.faults()
        losses = [f"it was lost {self._losses} times and opened again"] if self._losses else []
        return losses + [f"{count} {what}" for what, count in faults.items() if count]

    def frames(self) -> Iterator[LiveFrame]:
        """Yield frames as they come; see ``Capture.frames``.

        Raises:
            VideoError: It could not be opened again in ``max_retries`` tries.
        """
        frame, self._first = self._first, None
        try:
            while not self._closed.is_set():
                if self._live and self._session.ends:
                    return  # what was live is over, and is a recording by now
                if frame is not None:
                    yield self._placed(frame)
                try:
                    frame = self._session.take()
                    if frame is None and (self._session.ends or self._closed.is_set()):
                        return
                    if frame is None:
                        raise CannotDecode(f"cannot read {self.name!r} on: it ended")
                except VideoError as error:
                    frame = None
                    self._reopen(error)
        finally:
            self.close()

    def close(self) -> None:
        """Let go of it; a thread that waits in ``frames`` comes back at once."""
        self._closed.set()
        self._session.close()

    def _placed(self, frame: LiveFrame) -> LiveFrame:
        """Put a frame on the clock of all connections."""
        if self._session.frames == 1:
            if self._tries:
                logger.info("%r is back (try %d)", self.name, self._tries)
            went_by = Fraction(round((frame.arrived - self._last_arrived) * 1000), 1000)
            began = self._last < 0
            step = self._interval if began else max(went_by, self._interval)
            self._offset = self._last + step - frame.pts_seconds
            self._tries = 0
        frame.pts_seconds += self._offset
        self._last, self._last_arrived = frame.pts_seconds, frame.arrived
        return frame

    def _reopen(self, error: VideoError) -> None:
        """Let go of a lost connection, and after a pause begin another."""
        self._session.close()
        if self._closed.is_set():
            return
        self._faults += self._session.faults()
        self._losses += self._tries == 0
        if self._max_retries is not None and self._tries >= self._max_retries:
            raise error
        pause = min(FIRST_PAUSE_SECONDS * 2 ** min(self._tries, 10), LONGEST_PAUSE_SECONDS)
        logger.warning("%s; it is opened again in %g s", error, pause)
        self._tries += 1
        self._closed.wait(pause)
        self._session = _Session(self._again, self.name, self._timeout)
        if self._closed.is_set():
            self._session.close()
