"""What every open video can do, whatever it was opened from."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from actionzoo.clip import Frame, VideoInfo
from actionzoo.closing import Closing
from actionzoo.errors import VideoError

if TYPE_CHECKING:
    from actionzoo.video.live import LiveFrame

Size = tuple[int, int]
"""Height and width in pixels, as displayed."""

MAX_TOLERANCE_SECONDS = Fraction(1, 60)
MAX_PIXELS = 2**27
"""Largest picture that is decoded: four times 8K. A larger one is a header that lies."""
PICTURES_PER_SECOND = Fraction(30)
"""The rate of a folder of pictures where none is given, and of a video that tells none."""


class EndedEarly(VideoError):
    """A video that holds less than its header says.

    Args:
        message: One sentence.
        duration_seconds: From the first frame's start to the end of the last one there is.
    """

    def __init__(self, message: str, duration_seconds: Fraction) -> None:
        super().__init__(message)
        self.duration_seconds = duration_seconds


class Video(Closing):
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
    def pictures(self) -> Iterator[LiveFrame]:
        """Hand on every frame, in order, as it is decoded: RGB is made of it when asked for.

        Raises:
            CannotDecode: The video cannot be read on.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of the file or connection."""
