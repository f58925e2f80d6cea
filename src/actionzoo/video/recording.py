"""Write what is seen while it is seen: frames at their own times, into a file that is never lost.

Until it is closed a recording of ``out.mp4`` is ``out.part.mp4``, which can be played at any time
but for its last second: what an interrupted process leaves is not lost. Then it takes its name.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from threading import Thread

import av
import numpy as np
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from actionzoo.closing import Closing
from actionzoo.errors import ConfigError, VideoError
from actionzoo.line import Line
from actionzoo.video.base import PICTURES_PER_SECOND, Size
from actionzoo.video.writing import Encoder

# A core is shared with a network: speed goes before size.
_H264 = Encoder(
    codec="libx264",
    options={"preset": "superfast", "tune": "zerolatency", "crf": "23", "threads": "1"},
)
_MPEG4 = Encoder(codec="mpeg4", options={"qmin": "2", "qmax": "5", "threads": "1"})
_VP9 = Encoder(
    codec="libvpx-vp9",
    options={
        "crf": "32",
        "b": "0",
        "deadline": "realtime",
        "cpu-used": "8",
        "lag-in-frames": "0",
        "threads": "1",
    },
)

RECORDED: dict[str, tuple[Encoder, ...]] = {
    ".mp4": (_H264, _MPEG4),
    ".mov": (_H264, _MPEG4),
    ".mkv": (_H264, _MPEG4),
    ".webm": (_VP9,),
}
"""By suffix: the first one that this FFmpeg was built with is taken."""

# In pieces of a second, each written to the file when it is there. An mp4 in pieces becomes a plain
# one when it is closed.
_IN_PIECES = {
    "movflags": "hybrid_fragmented",
    "frag_duration": "1000000",
    "cluster_time_limit": "1000",
    "flush_packets": "1",
}
_TICKS_A_SECOND = 60_000
"""A multiple of 24, 25, 30, 50 and 60, and of 30 and 60 by 1.001, that MPEG-4's clock can count."""
_KEYFRAME_SECONDS = 1
_ROOM = 8
"""Frames that wait for the encoder."""


@dataclass(frozen=True, slots=True)
class _Seen:
    pixels: np.ndarray
    pts_seconds: Fraction


class Recorder(Closing):
    """Writes frames to a file in a thread of its own; close it, or use it as a context manager.

    Args:
        path: Its suffix, one of ``RECORDED``, chooses container and codec. A file of that name is
            replaced when the recording is closed.
        fps: Nominal frame rate, above 0; frames are shown at the times that they are written with.
        size: Height and width of the video; None takes those of the first frame. Frames of another
            size are scaled, and an odd line or column is cut off.
        waits: Whether ``write`` waits for the encoder; otherwise frames are lost when it is slower.

    Raises:
        ConfigError: The suffix is none that is written, or the frame rate or the size is wrong.
        OSError: The file cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        fps: Fraction | None = None,
        size: Size | None = None,
        waits: bool = False,
    ) -> None:
        self.path = Path(path)
        """What the file is called in the end."""
        self.written = 0
        """Frames in the file."""
        self._fps, self._size = PICTURES_PER_SECOND if fps is None else fps, size
        self._encoder = _encoder(self.path)
        if self._fps <= 0 or (size is not None and min(size) < 1):
            raise ConfigError(f"cannot record {size} at {fps} frames a second: both are above 0")
        self.part = _new_part(self.path)
        """What it is called until then."""
        self._line: Line[_Seen] = Line(_ROOM, waits=waits)
        self._error: BaseException | None = None
        self._told = self._closed = False
        self._thread = Thread(target=self._run, name="record", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Frames that the encoder was too slow for."""
        return self._line.dropped

    def write(self, pixels: np.ndarray, pts_seconds: Fraction | float) -> None:
        """Hand over a frame; it must not be changed afterwards.

        Args:
            pixels: Shape (H, W, 3) uint8 in [0, 255] RGB.
            pts_seconds: When it is shown, later than the one before; the first one starts the file.

        Raises:
            ConfigError: It is no picture.
            OSError: The file cannot be written any more; what is there is kept.
            VideoError: The encoder refuses a frame, or the recorder was closed.
        """
        if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or not pixels.size:
            raise ConfigError(f"a frame is (H, W, 3) uint8, got {pixels.shape} {pixels.dtype}")
        if not self._line.put([_Seen(pixels, Fraction(pts_seconds))]):
            closed = VideoError(f"cannot record more in {str(self.path)!r}: it is closed")
            error, self._told = self._error or closed, True
            raise error

    def close(self) -> None:
        """Write what is handed over, and give the file its name; without a frame there is none.

        Raises:
            OSError: The file cannot be written; what is there is kept under ``part``.
            VideoError: The encoder refuses a frame; as above.
        """
        self._line.end()
        self._thread.join()
        if self._closed:
            return
        self._closed = True
        if not self.written:
            self.part.unlink(missing_ok=True)
        elif self._error is None:
            self.part.replace(self.path)
        if self._error is not None and not self._told:
            raise self._error

    def _run(self) -> None:
        try:
            self._record()
        except av.FFmpegError as error:
            kept = f"; what was recorded until then is {str(self.part)!r}" if self.written else ""
            message = f"cannot record {str(self.path)!r}: {error.strerror}{kept}"
            known = isinstance(error, OSError) and error.errno
            self._error = OSError(error.errno, message) if known else VideoError(message)
        except BaseException as error:  # it is raised where somebody can hear it
            self._error = error
        finally:
            self._line.close()

    def _record(self) -> None:
        upcoming = iter(self._line)
        first = next(upcoming, None)
        if first is None:
            return
        with av.open(str(self.part), "w", container_options=_IN_PIECES) as container:
            stream, scaler, last = self._stream(container, first), VideoReformatter(), -1
            for seen in itertools.chain([first], upcoming):
                tick = round((seen.pts_seconds - first.pts_seconds) * _TICKS_A_SECOND)
                last = max(tick, last + 1)
                picture = _picture(seen.pixels, (stream.height, stream.width), scaler)
                picture.pts, picture.time_base = last, Fraction(1, _TICKS_A_SECOND)
                container.mux(stream.encode(picture))
                self.written += 1
            container.mux(stream.encode(None))

    def _stream(self, container: OutputContainer, first: _Seen) -> VideoStream:
        options = dict(self._encoder.options)
        stream = container.add_stream(self._encoder.codec, rate=self._fps, options=options)
        assert isinstance(stream, VideoStream)
        height, width = self._size or first.pixels.shape[:2]
        stream.height, stream.width = max(2, height // 2 * 2), max(2, width // 2 * 2)
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, _TICKS_A_SECOND)
        stream.codec_context.gop_size = max(1, round(self._fps * _KEYFRAME_SECONDS))
        return stream


def _encoder(path: Path) -> Encoder:
    found = [
        one for one in RECORDED.get(path.suffix.lower(), ()) if one.codec in av.codecs_available
    ]
    if not found:
        raise ConfigError(
            f"cannot record {str(path)!r}: recordings are written as {', '.join(RECORDED)}"
        )
    return found[0]


def _new_part(path: Path) -> Path:
    """Create the file under a name that no interrupted recording has."""
    if path.is_dir():
        raise ConfigError(f"cannot record {str(path)!r}: it is a folder; name a file")
    for number in itertools.count(1):
        part = path.with_name(f"{path.stem}.part{number if number > 1 else ''}{path.suffix}")
        try:
            part.touch(exist_ok=False)
        except FileExistsError:
            continue
        return part
    raise AssertionError("numbers do not end")


def _picture(pixels: np.ndarray, size: Size, scaler: VideoReformatter) -> VideoFrame:
    """Make YUV of RGB, of the wanted size: an odd line or column is cut off, all else scaled."""
    height, width = pixels.shape[:2]
    if 0 <= height - size[0] <= 1 and 0 <= width - size[1] <= 1:
        pixels = pixels[: size[0], : size[1]]
    picture = VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24")
    return scaler.reformat(
        picture, size[1], size[0], "yuv420p", interpolation="BILINEAR", threads=1
    )
