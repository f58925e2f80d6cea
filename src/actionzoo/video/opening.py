"""``open_video``: from a path, an address or bytes to an open video."""

from __future__ import annotations

import os
from fractions import Fraction

from actionzoo.sources import is_url
from actionzoo.video.base import Video
from actionzoo.video.container import ContainerVideo
from actionzoo.video.folder import FolderVideo
from actionzoo.video.inputs import Source, file_input, memory_input, url_input


def open_video(
    source: Source,
    *,
    fps: Fraction | None = None,
    timeout_seconds: float = 10.0,
    threads: int | None = 1,
) -> Video:
    """Open a video.

    Args:
        source: Path of a file or of a folder of pictures, URL, bytes or binary file object.
        fps: Frame rate of a folder of pictures, which tells none; ignored for other sources.
        timeout_seconds: How long a URL may send nothing.
        threads: Threads of the decoder; None takes several for large pictures.

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
