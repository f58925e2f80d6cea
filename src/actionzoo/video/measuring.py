"""How long a video is, without decoding it."""

from __future__ import annotations

import os
from pathlib import Path

from actionzoo.errors import CannotDecode
from actionzoo.video.folder import pictures_in
from actionzoo.video.inputs import FAILURES, file_input, reason_of, video_stream


def count_frames(path: str | os.PathLike[str]) -> int:
    """Count the frames of a video file, or the pictures of a folder.

    The packets of a file are counted: a damaged one may give fewer pictures.

    Raises:
        CannotOpen: There is nothing there, or it is no video.
        CannotDecode: The file cannot be read to its end.
    """
    if os.path.isdir(path):
        return len(pictures_in(os.fspath(path)))
    source = file_input(os.fspath(Path(path)))
    with source.open() as container:
        stream = video_stream(container, source.name)
        try:
            return sum(packet.size > 0 for packet in container.demux(stream))
        except FAILURES as error:
            reason = reason_of(error, None)
            raise CannotDecode(f"cannot read {source.name!r} on: {reason}") from error
