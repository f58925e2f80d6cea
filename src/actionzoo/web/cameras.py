"""The cameras of visitors: their pictures come one by one, and answers go back.

Each camera has a stream of its own, so that two visitors never mix. A camera gives no more pictures
than are looked at: its page sends the next one when the last has arrived, and of those that wait
here the oldest is dropped.
"""

from __future__ import annotations

import logging
import math
import secrets
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from threading import Lock, Thread

from actionzoo.errors import ActionZooError, ConfigError
from actionzoo.line import Line
from actionzoo.prediction import StreamPrediction
from actionzoo.streaming.looking import Looker
from actionzoo.streaming.statistics import Statistics
from actionzoo.streaming.stream import Stream
from actionzoo.video.jpeg import JpegDecoder
from actionzoo.video.live import Capture, Converters, LiveFrame
from actionzoo.web.limits import Limits

_ROOM = 2
"""Pictures that wait to be looked at."""
_AHEAD_SECONDS = 2.0
"""How far the clock of a page may run ahead of ours: pictures that were held up on the way come
late, never early."""
_SMOOTH = 2
"""Answers that agree before the shown label changes: it does not flicker, and is still shown within
a second."""

logger = logging.getLogger(__name__)

Told = tuple[StreamPrediction, Statistics]
"""An answer, and how the stream is followed."""


class Busy(ActionZooError):
    """As many cameras are watched as may be."""


class Pushed(Capture):
    """Pictures that somebody brings.

    Args:
        limits: Bounds of one picture.
    """

    name, waits, mirrored = "the camera of a page", False, True

    def __init__(self, limits: Limits) -> None:
        self._decoder, self._converters = JpegDecoder(limits.camera_pixels), Converters()
        self._line: Line[LiveFrame] = Line(_ROOM, waits=False)
        self._alone = Lock()
        self._origin: float | None = None
        self._last = -math.inf
        self._began = 0.0

    def push(self, data: bytes, at_seconds: float) -> None:
        """Bring the next picture.

        Args:
            data: A JPEG.
            at_seconds: When it was taken, on the clock of whoever took it.

        Raises:
            CannotDecode: It is no picture.
            ConfigError: Its time cannot be true.
        """
        with self._alone:
            seconds = self._checked(at_seconds)
            picture = self._decoder.decode(data)
            if self._origin is None:
                self._origin, self._began = at_seconds, time.monotonic()
            self._last = seconds
            pts = Fraction(seconds).limit_denominator(10**6)
            self._line.put([LiveFrame(picture, pts, converters=self._converters)])

    def _checked(self, at_seconds: float) -> float:
        """Return seconds from the first picture on."""
        seconds = at_seconds - (at_seconds if self._origin is None else self._origin)
        passed = 0.0 if self._origin is None else time.monotonic() - self._began
        # A microsecond is what times are told apart by.
        if not self._last + 1e-5 < seconds <= passed + _AHEAD_SECONDS:
            raise ConfigError(
                f"a picture of {at_seconds:g} s cannot follow one of {self._last:g} s after "
                f"{passed:.1f} s; send when each was taken, in seconds, in their order"
            )
        return seconds

    def frames(self) -> Iterator[LiveFrame]:
        """Yield pictures as they are brought; see ``Capture.frames``."""
        while taken := self._line.take(1):
            yield from taken

    def close(self) -> None:
        """Let go; whoever waits for pictures comes back."""
        self._line.close()


class Camera:
    """A visitor's camera that is being watched.

    Args:
        owner: Whose it is.
        looker: What looks at it.
        limits: Bounds of its pictures.
    """

    def __init__(self, owner: str, looker: Looker, limits: Limits) -> None:
        self.owner, self.token = owner, secrets.token_urlsafe(16)
        self._capture = Pushed(limits)
        self._stream = Stream(self._capture, looker, smooth=_SMOOTH)
        self._touched = time.monotonic()
        self._thread: Thread | None = None
        self.closed = False

    @property
    def idle_seconds(self) -> float:
        """For how long nothing came."""
        return time.monotonic() - self._touched

    def push(self, data: bytes, at_seconds: float) -> None:
        """Bring the next picture; see ``Pushed.push``."""
        self._capture.push(data, at_seconds)
        self._touched = time.monotonic()

    def follow(self, tell: Callable[[Told | Exception | None], None]) -> None:
        """Look at it from now on, once, in a thread of its own.

        Args:
            tell: Called with every answer, and at the end with None or with what went wrong.
        """
        assert self._thread is None
        self._thread = Thread(target=self._run, args=(tell,), name="camera", daemon=True)
        self._thread.start()

    @property
    def followed(self) -> bool:
        """Whether somebody looks at it."""
        return self._thread is not None

    def close(self) -> None:
        """Stop looking."""
        self.closed = True
        self._stream.close()

    def _run(self, tell: Callable[[Told | Exception | None], None]) -> None:
        try:
            for answer in self._stream:
                tell((answer, self._stream.statistics))
            tell(None)
        except Exception as error:  # the visitor is told; the log has it whole
            logger.error("a camera cannot be followed: %s", error, exc_info=error)
            tell(error)


class Cameras:
    """All that are being watched; may be used from several threads.

    Args:
        limits: How many there may be.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._alone = Lock()
        self._opening = 0
        self._open: dict[str, Camera] = {}

    def open(self, owner: str, look: Callable[[], Looker]) -> Camera:
        """Begin to watch one.

        Args:
            owner: Whose it is.
            look: Opens what looks at it, which takes a while.

        Raises:
            Busy: There are as many as may be.
            ActionZooError: The model cannot be used.
        """
        with self._alone:
            self._sweep()
            if len(self._open) + self._opening >= self.limits.cameras:
                raise Busy(
                    f"{self.limits.cameras} cameras are being watched already, as many as this "
                    "page can; try again when somebody has stopped"
                )
            self._opening += 1
        camera = None
        try:
            camera = Camera(owner, look(), self.limits)
        finally:
            with self._alone:
                self._opening -= 1
                if camera is not None:
                    self._open[camera.token] = camera
        return camera

    def get(self, token: str, owner: str) -> Camera | None:
        """Return an open one of an owner's; None where there is none such."""
        with self._alone:
            camera = self._open.get(token)
        return camera if camera is not None and camera.owner == owner else None

    def close(self, camera: Camera) -> None:
        """Stop watching one; nothing happens where it was stopped before."""
        with self._alone:
            self._open.pop(camera.token, None)
        camera.close()

    def close_all(self) -> None:
        """Stop watching."""
        with self._alone:
            cameras, self._open = list(self._open.values()), {}
        for camera in cameras:
            camera.close()

    def is_idle(self, camera: Camera) -> bool:
        """Tell whether one has gone without a word."""
        return camera.idle_seconds > self.limits.idle_seconds

    def __len__(self) -> int:
        return len(self._open)

    def _sweep(self) -> None:
        for camera in [one for one in self._open.values() if self.is_idle(one)]:
            del self._open[camera.token]
            camera.close()
