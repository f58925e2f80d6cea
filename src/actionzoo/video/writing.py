"""Write videos and pictures: each whole, or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from actionzoo.errors import ConfigError, VideoError


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoder:
    """An encoder of FFmpeg and its settings."""

    codec: str
    options: dict[str, str] = field(default_factory=dict)


# With threads, B-frames or macroblock trees (on AVX-512) x264 does not always write the same file
# from the same pixels.
_H264 = Encoder(
    codec="libx264",
    options={"preset": "veryfast", "crf": "18", "threads": "1", "bf": "0", "mbtree": "0"},
)
_MPEG4 = Encoder(codec="mpeg4", options={"qmin": "2", "qmax": "3", "threads": "1"})
_VP9 = Encoder(
    codec="libvpx-vp9",
    options={"crf": "24", "b": "0", "deadline": "realtime", "cpu-used": "6", "threads": "1"},
)

ENCODERS: dict[str, tuple[Encoder, ...]] = {
    ".mp4": (_H264, _MPEG4),
    ".mkv": (_H264, _MPEG4),
    ".mov": (_H264, _MPEG4),
    ".avi": (_MPEG4,),
    ".webm": (_VP9,),
}
"""By suffix: the first one that this FFmpeg was built with is taken."""


def write_video(path: Path, frames: Iterable[np.ndarray], *, fps: Fraction) -> None:
    """Write frames as a video, all or nothing.

    Args:
        path: Its suffix, one of ``ENCODERS``, chooses container and codec.
        frames: At least one, each (H, W, 3) uint8 in [0, 255] RGB of even height and width.
        fps: Frames a second.

    Raises:
        ConfigError: The suffix is none that is written, or there is no frame.
        OSError: The file cannot be written.
        VideoError: The encoder refuses the frames.
    """
    encoder = _encoder(path)
    upcoming = iter(frames)
    first = next(upcoming, None)
    if first is None:
        raise ConfigError(f"cannot write {str(path)!r}: there is no frame to be written")
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        with av.open(str(part), "w") as container:
            stream = _add_stream(container, encoder, fps)
            stream.height, stream.width = first.shape[:2]
            for frame in chain([first], upcoming):
                container.mux(stream.encode(VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode(None))
        part.replace(path)
    except OSError:
        raise
    except av.FFmpegError as error:
        raise VideoError(f"cannot encode {str(path)!r}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def _encoder(path: Path) -> Encoder:
    known = ENCODERS.get(path.suffix.lower(), ())
    found = [one for one in known if one.codec in av.codecs_available]
    if not found:
        raise ConfigError(
            f"cannot write {str(path)!r}: videos are written as {', '.join(sorted(ENCODERS))}"
        )
    return found[0]


def _add_stream(container: OutputContainer, encoder: Encoder, fps: Fraction) -> VideoStream:
    stream = container.add_stream(encoder.codec, rate=fps, options=dict(encoder.options))
    assert isinstance(stream, VideoStream)
    stream.pix_fmt = "yuv420p"
    return stream


def encode_jpeg(pixels: np.ndarray, *, quality: int = 2) -> bytes:
    """Encode one picture as JPEG (JFIF: ITU-R BT.601, full range).

    Args:
        pixels: Shape (H, W, 3) uint8 in [0, 255] RGB.
        quality: FFmpeg's scale of quantisers, from 1 (best) to 31.
    """
    encoder = av.CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    # Threads cost more than they bring, and with several the bytes depend on how many there are.
    encoder.thread_count = 1
    encoder.height, encoder.width = pixels.shape[:2]
    encoder.pix_fmt, encoder.time_base, encoder.color_range = "yuv420p", Fraction(1, 25), 2
    encoder.options = {"qmin": str(quality), "qmax": str(quality), "strict": "unofficial"}
    picture = VideoFrame.from_ndarray(pixels, "rgb24").reformat(
        format="yuv420p", dst_colorspace="ITU601", dst_color_range="JPEG", threads=1
    )
    picture.pts = 0
    return b"".join(bytes(packet) for packet in [*encoder.encode(picture), *encoder.encode(None)])
