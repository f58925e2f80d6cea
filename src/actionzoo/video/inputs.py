"""From a path, an address or bytes to an open container, which may reach nothing else."""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import BinaryIO

import av
import av.container
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from actionzoo.errors import CannotOpen
from actionzoo.video.base import MAX_PIXELS

Source = str | os.PathLike[str] | bytes | BinaryIO
"""A path of a file or of a folder of pictures, a URL, the bytes of a file, or a file object."""

# Formats that open further files or addresses, and text that FFmpeg draws as a picture.
_REACHING_OUT = frozenset(
    "concat dash hls image2 imf rtp rtsp sap sdp vobsub webm_dash_manifest".split()
)
_DRAWN_TEXT = frozenset("adf bin idf tty xbin".split())
_URL_PROTOCOLS = "http,https,httpproxy,tls,tcp,udp,rtp,rtsp,rtsps,rtmp,rtmps,crypto,data"

FAILURES = (av.FFmpegError, OSError)
"""What PyAV raises when a container or a stream cannot be read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Input:
    """What FFmpeg needs to open something, any number of times."""

    name: str
    target: str | BinaryIO
    protocols: str
    formats: str
    format: str | None = None
    """FFmpeg's name of the format, where it is known; None has FFmpeg find it out."""
    timeout_seconds: float | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    """Further ones of the format or the protocol."""

    @property
    def is_url(self) -> bool:
        """Whether it comes over a network."""
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
            **self.options,
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
                format=self.format,
                options=options,
                metadata_errors="replace",
                timeout=self.timeout_seconds,
            )
        except FAILURES as error:
            reason = reason_of(error, self.timeout_seconds)
            raise CannotOpen(f"cannot open {self.name!r}: {reason}") from error


def url_input(url: str, timeout_seconds: float) -> Input:
    """Describe an address that is to be opened; one of a kind that is not read is CannotOpen."""
    scheme = url.partition("://")[0].lower()
    if scheme not in _URL_PROTOCOLS.split(","):
        raise CannotOpen(
            f"cannot open {url!r}: {scheme!r} addresses are not read; "
            "give an http, https, rtsp or rtmp address or a path"
        )
    return Input(
        name=url,
        target=url,
        protocols=_URL_PROTOCOLS,
        formats=_formats_without(_DRAWN_TEXT),
        timeout_seconds=timeout_seconds,
    )


_HTTP_PROTOCOLS = "http,https,httpproxy,tls,tcp,crypto"
"""A web server may name further addresses (HLS), but only of web servers."""
_ANALYSED_SECONDS = 1
"""FFmpeg looks into a live stream for so long to find out what it is."""
_HTTP_FORMATS_REFUSED = _DRAWN_TEXT | (_REACHING_OUT - {"hls", "dash"})


def live_input(url: str, timeout_seconds: float) -> Input:
    """Describe an address that may be a live stream; see ``url_input``.

    Its name goes without the password: it is written to logs.
    """
    name = re.sub(r"(?<=://)([^/@:]*):[^/@]*@", r"\1:***@", url)
    source = replace(url_input(url, timeout_seconds), name=name)
    scheme = url.partition("://")[0].lower()
    options = {"analyzeduration": str(_ANALYSED_SECONDS * 1_000_000)}
    if scheme in ("http", "https"):
        formats = _formats_without(_HTTP_FORMATS_REFUSED)
        return replace(source, protocols=_HTTP_PROTOCOLS, formats=formats, options=options)
    if scheme in ("rtsp", "rtsps"):
        # Over UDP a lost packet is a spoilt picture, and many networks let none through.
        options["rtsp_transport"] = "tcp"
        options["timeout"] = str(int(timeout_seconds * 1_000_000))
    return replace(source, options=options)


def file_input(path: str) -> Input:
    """Describe a file that is to be opened; one that cannot be read or is empty is CannotOpen."""
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
    return Input(name=path, target=f"file:{path}", protocols="file", formats=_local_formats())


_PICTURE_FORMATS = {
    b"\xff\xd8": "jpeg_pipe",
    b"\x89PNG": "png_pipe",
    b"BM": "bmp_pipe",
    b"RIFF": "webp_pipe",
    b"II*\0": "tiff_pipe",
    b"MM\0*": "tiff_pipe",
}
"""By the first bytes of a picture file."""


def picture_input(path: str) -> Input:
    """Describe a picture file that is to be opened; see ``file_input``.

    FFmpeg goes by the name of a file where its first bytes leave a doubt, and a picture's name says
    that it is one of many, which is not read here. So it is told what the picture is.
    """
    source = file_input(path)
    with open(path, "rb") as file:
        first = file.read(4)
    format = next(
        (_PICTURE_FORMATS[one] for one in _PICTURE_FORMATS if first.startswith(one)), None
    )
    return replace(source, format=format)


def memory_input(source: bytes | BinaryIO) -> Input:
    """Describe bytes or a file object that is to be opened; none at all are CannotOpen."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        source = io.BytesIO(source)
    elif not source.seekable():
        source = io.BytesIO(source.read())
    if source.seek(0, os.SEEK_END) == 0:
        raise CannotOpen("cannot open '<bytes>': there are none")
    return Input(name="<bytes>", target=source, protocols="none", formats=_local_formats())


def _local_formats() -> str:
    return _formats_without(_REACHING_OUT | _DRAWN_TEXT)


@lru_cache
def _formats_without(refused: frozenset[str]) -> str:
    return ",".join(sorted(av.formats_available - refused))


def reason_of(error: Exception, timeout_seconds: float | None) -> str:
    """Say in words why FFmpeg gave up."""
    if isinstance(error, (av.error.ExitError, av.error.TimeoutError)) and timeout_seconds:
        return f"nothing came for {timeout_seconds:g} s"
    if isinstance(error, (av.error.InvalidDataError, av.error.ArgumentError, av.error.EOFError)):
        return "it is no video that FFmpeg can read, or it is damaged or cut off"
    return getattr(error, "strerror", None) or str(error)


def video_stream(container: av.container.InputContainer, name: str) -> VideoStream:
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


_LARGE_PIXELS = 1280 * 720
_LARGE_THREADS = 4


def decodable_stream(
    container: av.container.InputContainer, name: str, *, threads: int | None = 1
) -> VideoStream:
    """Return the video stream as ``video_stream`` does, with its decoder set up.

    Args:
        container: Open.
        name: For messages.
        threads: Of the decoder. Frame threads hand out a picture some frames later, and are lost at
            each seek; slice threads find one slice a picture in most files. None takes several for
            large pictures, where they pay.
    """
    stream = video_stream(container, name)
    context = stream.codec_context
    if threads is None:
        threads = _LARGE_THREADS if context.width * context.height >= _LARGE_PIXELS else 1
    context.options = {"max_pixels": str(MAX_PIXELS)}
    context.thread_count = threads
    context.thread_type = "AUTO" if threads > 1 else "NONE"
    return stream
