"""Tiny videos whose pixels tell the number of each frame.

A frame is a grid of four by four cells. The corners are marks (white, grey, black, black, row by
row), so that a turned or mirrored picture is noticed; the other twelve cells are the bits of the
number, black or white. That survives lossy codecs, scaling and changes of shape.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

CELLS = 4
CORNERS = {(0, 0): 255, (0, 3): 128, (3, 0): 0, (3, 3): 0}
BITS = [(row, column) for row in range(4) for column in range(4) if (row, column) not in CORNERS]

# Encoders that print what they think unless told not to.
os.environ.setdefault("SVT_LOG", "1")
QUIET = {"libx265": {"x265-params": "log-level=none"}}
FAST = {
    "libx264": {"preset": "ultrafast", "crf": "18"},
    "libx265": {"preset": "ultrafast"},
    "libvpx-vp9": {"cpu-used": "8", "deadline": "realtime"},
    "libsvtav1": {"preset": "8", "crf": "5"},
}


def number_pixels(number: int, height: int = 64, width: int = 64) -> np.ndarray:
    """Draw a number, shape (H, W, 3) uint8."""
    cells = np.zeros((CELLS, CELLS), np.uint8)
    for place, level in CORNERS.items():
        cells[place] = level
    for bit, place in enumerate(BITS):
        cells[place] = 255 * (number >> bit & 1)
    rows = np.arange(height) * CELLS // height
    columns = np.arange(width) * CELLS // width
    return np.repeat(cells[rows][:, columns, None], 3, axis=2)


def read_number(pixels: np.ndarray) -> int:
    """Read a number back, and fail where the picture does not stand upright."""
    levels = np.empty((CELLS, CELLS))
    height, width = pixels.shape[:2]
    for row in range(CELLS):
        for column in range(CELLS):
            # The middle of each cell: its border may be blurred.
            top, left = (4 * row + 1) * height // 16, (4 * column + 1) * width // 16
            bottom, right = (4 * row + 3) * height // 16, (4 * column + 3) * width // 16
            levels[row, column] = pixels[top : bottom or 1, left : right or 1].mean()
    for place, level in CORNERS.items():
        assert abs(levels[place] - level) < 60, f"the corners are not upright: {levels.round()}"
    assert all(abs(levels[place] - 127.5) > 40 for place in BITS), f"smeared: {levels.round()}"
    return sum(1 << bit for bit, place in enumerate(BITS) if levels[place] > 127.5)


def write_video(
    path: Path | io.IOBase,
    numbers: Iterable[int] = range(30),
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    container: str | None = None,
    height: int = 64,
    width: int = 64,
    fps: Fraction = Fraction(30),
    times: Sequence[Fraction] | None = None,
    time_base: Fraction | None = None,
    gop: int = 12,
    b_frames: int = 0,
    aspect: Fraction | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    draw: Callable[[int, int, int], np.ndarray] = number_pixels,
    audio_seconds: float = 0.0,
) -> None:
    """Write a video of numbered frames.

    Args:
        path: A path, whose suffix chooses the container, or a buffer with ``container`` given.
        numbers: The number each frame shows.
        codec: FFmpeg's name of the encoder.
        times: When each frame starts, for a variable frame rate.
        time_base: What ``times`` are rounded to.
        gop: Frames from one keyframe to the next.
        aspect: Width of a pixel over its height.
        draw: Makes the pixels from number, height and width.
        audio_seconds: Length of a silent sound track.
    """
    target = str(path) if isinstance(path, Path) else path
    with av.open(target, "w", format=container, options=container_options or {}) as output:
        every = {**FAST.get(codec, {}), **QUIET.get(codec, {}), **(options or {})}
        stream: Any = output.add_stream(codec, rate=fps, options=every)
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        stream.codec_context.gop_size = gop
        stream.codec_context.max_b_frames = b_frames
        unit = time_base or 1 / fps
        stream.codec_context.time_base = unit
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        audio: Any = output.add_stream("aac", rate=44100) if audio_seconds else None
        for index, number in enumerate(numbers):
            picture = av.VideoFrame.from_ndarray(draw(number, height, width), "rgb24")
            picture = picture.reformat(format=pix_fmt)
            picture.pts = round((index / fps if times is None else times[index]) / unit)
            picture.time_base = unit
            output.mux(stream.encode(picture))
        output.mux(stream.encode())
        if audio is not None:
            write_silence(output, audio, audio_seconds)


def write_silence(output: Any, stream: Any, seconds: float) -> None:
    """Encode a silent sound track."""
    for index in range(int(seconds * 44100 / 1024)):
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        sound.rate, sound.pts = 44100, 1024 * index
        output.mux(stream.encode(sound))
    output.mux(stream.encode())


def write_sound(path: Path, seconds: float = 1.0) -> Path:
    """Write a file with a sound track and no video."""
    with av.open(str(path), "w") as output:
        write_silence(output, output.add_stream("aac", rate=44100, layout="mono"), seconds)
    return path


def video_bytes(container: str = "mp4", **options: Any) -> bytes:
    """Return the bytes of a video of numbered frames; see ``write_video``."""
    buffer = io.BytesIO()
    write_video(buffer, container=container, **options)
    return buffer.getvalue()


def picture_bytes(pixels: np.ndarray, codec: str = "mjpeg") -> bytes:
    """Encode one picture."""
    formats = {"mjpeg": "yuvj444p", "png": "rgb24", "bmp": "bgr24", "libwebp": "yuv420p"}
    encoder: Any = av.CodecContext.create(codec, "w")
    encoder.height, encoder.width = pixels.shape[:2]
    encoder.pix_fmt, encoder.time_base = formats[codec], Fraction(1, 30)
    picture = av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format=formats[codec])
    picture.pts = 0
    return b"".join(bytes(packet) for packet in [*encoder.encode(picture), *encoder.encode()])


def write_pictures(
    folder: Path,
    numbers: Iterable[int] = range(30),
    *,
    name: str = "img_{:05d}.jpg",
    codec: str = "mjpeg",
    height: int = 64,
    width: int = 64,
) -> Path:
    """Write a folder of numbered pictures and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, number in enumerate(numbers):
        pixels = number_pixels(number, height, width)
        (folder / name.format(index)).write_bytes(picture_bytes(pixels, codec))
    return folder


def with_display_matrix(mp4: bytes, matrix: tuple[int, int, int, int]) -> bytes:
    """Set a, b, c and d of the display matrix of an mp4 (ISO/IEC 14496-12, 8.3.2)."""
    a, b, c, d = (65536 * value for value in matrix)
    # Type, version and flags, six words, layer to volume.
    start = mp4.index(b"tkhd") + 4 + 4 + 5 * 4 + 8 + 8
    packed = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    return mp4[:start] + packed + mp4[start + len(packed) :]
