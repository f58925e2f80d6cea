"""Pictures that come one after the other, whether somebody looks at them or not."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from threading import Lock

import av
import numpy as np
from av.video.frame import VideoFrame

from actionzoo.closing import Closing
from actionzoo.errors import CannotDecode
from actionzoo.video.base import MAX_PIXELS, Size
from actionzoo.video.pictures import Converter, Turn, displayed_size, not_convertible

_UPRIGHT = Turn()
_MOST_SIZES = 16
"""So many scalers are kept: a stream may change its size without end."""


class LiveFrame:
    """A picture as it came, made RGB of the wanted size when somebody asks.

    Args:
        picture: Decoded, of any pixel format.
        pts_seconds: When it is shown, from the stream's first frame on; later than the one before.
        converters: Shared by the frames of a stream; may be used from several threads.
        turn: How it is brought upright.
        aspect: Width of a pixel by its height; None is square.
    """

    def __init__(
        self,
        picture: VideoFrame,
        pts_seconds: Fraction,
        *,
        converters: Converters,
        turn: Turn | None = None,
        aspect: Fraction | None = None,
    ) -> None:
        self.pts_seconds = pts_seconds
        self.arrived = time.monotonic()
        """When it was there, on the clock of ``time.monotonic``."""
        self._picture, self._converters = picture, converters
        self._turn = turn or _UPRIGHT
        self.height, self.width = displayed_size(picture, aspect, self._turn)

    def pixels(self, size: Size | None = None) -> np.ndarray:
        """Return the picture, shape (H, W, 3) uint8 in [0, 255] RGB.

        Args:
            size: Height and width; None takes its own.

        Raises:
            CannotDecode: Its pixel format is unknown, or it is larger than is read.
        """
        wanted = size or (self.height, self.width)
        return self._converters.convert(self._picture, wanted, self._turn)


class Converters:
    """Scalers by size: one that changes its size is set up anew.

    Args:
        name: What the pictures come from, for messages.
    """

    def __init__(self, name: str = "the stream") -> None:
        self._name = name
        self._converters: defaultdict[Size, Converter] = defaultdict(Converter)
        self._alone = Lock()

    def convert(self, picture: VideoFrame, size: Size, turn: Turn) -> np.ndarray:
        """Return a picture as (H, W, 3) uint8 RGB; see ``LiveFrame.pixels``."""
        if size[0] * size[1] > MAX_PIXELS:
            raise CannotDecode(
                f"cannot decode {self._name!r}: a picture is to be {size[1]}x{size[0]} pixels "
                f"large; at most {MAX_PIXELS} pixels are read"
            )
        try:
            with self._alone:
                if len(self._converters) > _MOST_SIZES:
                    self._converters.clear()
                return self._converters[size](picture, size, turn)
        except av.FFmpegError as error:
            raise not_convertible(self._name, picture) from error


class Capture(Closing):
    """A source of pictures that is read from its beginning, once; close it when it is done with.

    ``frames`` is to be called from one thread; ``close`` may be called from any, and ends it.
    """

    name: str
    """What was opened, as it was given."""
    fps: Fraction | None = None
    """Its nominal frame rate; None where nothing tells it."""
    waits: bool = True
    """Whether it waits for whoever reads it, as a file does; otherwise frames are lost meanwhile.
    """
    mirrored: bool = False
    """Whether people expect to see it as in a mirror, as they do of a camera that looks at them;
    its frames are not mirrored."""

    @abstractmethod
    def frames(self) -> Iterator[LiveFrame]:
        """Yield frames whose times rise, until the source ends.

        Raises:
            VideoError: It cannot be read on.
        """

    @property
    def warnings(self) -> list[str]:
        """What was wrong so far and did not end it: frames that were lost, connections anew."""
        return []

    @abstractmethod
    def close(self) -> None:
        """Let go of it; a thread that waits in ``frames`` comes back soon."""
