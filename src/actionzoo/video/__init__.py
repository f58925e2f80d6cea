"""Open a video and read the frames that are wanted, and write videos: the one home of PyAV.

All times are ``Fraction`` seconds from the first frame. The frame that is *shown* at time t is the
last one that starts at or before ``t + tolerance``; the tolerance is half a frame interval, at most
1/60 s. So the rounding of a container to milliseconds never picks the neighbour, copies of one
recording at 25, 30 or 60 frames a second show the same at the same time, and a recording with a
variable frame rate shows what was on screen.
"""

from __future__ import annotations

import os
from fractions import Fraction

from actionzoo.sources import is_url
from actionzoo.video.base import EndedEarly, Size, Video
from actionzoo.video.container import ContainerVideo
from actionzoo.video.folder import FolderVideo
from actionzoo.video.inputs import Source, file_input, memory_input, url_input
from actionzoo.video.measuring import count_frames
from actionzoo.video.writing import encode_jpeg, write_video

__all__ = [
    "EndedEarly",
    "Size",
    "Source",
    "Video",
    "count_frames",
    "encode_jpeg",
    "open_video",
    "write_video",
]


def open_video(
    source: Source,
    *,
    fps: Fraction | None = None,
    timeout_seconds: float = 10.0,
    threads: int = 1,
) -> Video:
    """Open a video.

    Args:
        source: Path of a file or of a folder of pictures, URL, bytes or binary file object.
        fps: Frame rate of a folder of pictures, which tells none; ignored for other sources.
        timeout_seconds: How long a URL may send nothing.
        threads: Threads of the decoder.

    Raises:
        CannotOpen: There is nothing there, or it is no video.
        CannotDecode: It is a video of which not one picture can be decoded.
    """
    if isinstance(source, (str, os.PathLike)):
        path = os.fspath(source)
        if is_url(path):
            return ContainerVideo(url_input(path, timeout_seconds), threads=threads)
        if os.path.isdir(path):
            return FolderVideo(path, fps=fps)
        return ContainerVideo(file_input(path), threads=threads)
    return ContainerVideo(memory_input(source), threads=threads)
