"""JPEG pictures that come one by one, as a browser sends those of its camera."""

from __future__ import annotations

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from actionzoo.errors import CannotDecode

_START = b"\xff\xd8"


class JpegDecoder:
    """Decodes one picture after the other; to be used from one thread at a time.

    Args:
        max_pixels: Height times width of the largest picture that is decoded.
    """

    def __init__(self, max_pixels: int) -> None:
        decoder = av.CodecContext.create("mjpeg", "r")
        assert isinstance(decoder, VideoCodecContext)
        decoder.thread_count = 1
        decoder.options = {"max_pixels": str(max_pixels)}
        self._decoder, self._max_pixels = decoder, max_pixels

    def decode(self, data: bytes) -> VideoFrame:
        """Decode a picture.

        Raises:
            CannotDecode: It is no JPEG picture, is damaged, or is too large.
        """
        # FFmpeg passes over whatever stands before a picture, for as long as it lasts.
        if not data.startswith(_START):
            raise CannotDecode("cannot decode a picture: it is no JPEG; send JPEG pictures")
        try:
            pictures = self._decoder.decode(av.Packet(data))
        except av.FFmpegError as error:
            raise CannotDecode(
                "cannot decode a picture: it is damaged, or larger than "
                f"{self._max_pixels:,} pixels; send a whole, smaller one"
            ) from error
        if not pictures:
            raise CannotDecode("cannot decode a picture: it holds none; send JPEG pictures")
        return pictures[-1]
