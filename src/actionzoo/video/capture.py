"""``open_capture``: from whatever is given to a source of pictures."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import cast

import numpy as np

from actionzoo.clip import Frame
from actionzoo.errors import ConfigError
from actionzoo.sources import is_url
from actionzoo.video.connections import Connection, LiveCapture
from actionzoo.video.container import ContainerVideo
from actionzoo.video.devices import PREFIX, connect_camera, parse_camera
from actionzoo.video.inputs import Source, live_input
from actionzoo.video.live import Capture
from actionzoo.video.opening import open_video
from actionzoo.video.playing import BackgroundCapture, FramesCapture, VideoCapture

CaptureSource = Source | Iterable[np.ndarray | Frame]
"""A camera (``camera:0``), what a video is opened from, an address of a live stream, or frames."""


def open_capture(
    source: CaptureSource,
    *,
    realtime: bool = False,
    timeout_seconds: float = 10.0,
    fps: Fraction | None = None,
    max_retries: int | None = None,
) -> Capture:
    """Open a source of pictures.

    Args:
        source: One of

            * a camera: ``camera:0``, ``camera:NAME``, ``camera:/dev/video2``, and what is asked of
              it, as in ``camera:0?size=1280x720&fps=30``;
            * a path of a file or of a folder of pictures, bytes or a binary file object;
            * an address: RTSP, RTMP, HLS, or HTTP, where one that tells a length is a file;
            * an iterable of frames, each (H, W, 3) uint8 in [0, 255] RGB or a ``Frame``.
        realtime: Play what waits at its own speed; frames that nobody takes in time are lost.
        timeout_seconds: A camera or a stream is lost, and a file over a network broken, when
            nothing comes for so long.
        fps: Of a folder of pictures or of arrays, which tell none; None is 30.
        max_retries: Tries in a row to open a lost camera or stream again; None tries for ever.

    Raises:
        CannotOpen: There is nothing there, or it is no video.
        CannotDecode: It is a video of which not one picture can be decoded.
        ConfigError: An option is out of range.
    """
    if not 0 < timeout_seconds < float("inf"):
        raise ConfigError(f"timeout_seconds is {timeout_seconds:g}; it is above 0")
    lasting = partial(LiveCapture, timeout_seconds=timeout_seconds, max_retries=max_retries)
    if isinstance(source, str) and source.startswith(PREFIX):
        connect = partial(connect_camera, parse_camera(source), timeout_seconds)
        return lasting(connect(), connect, name=source, mirrored=True)
    if isinstance(source, str) and is_url(source):
        address = live_input(source, timeout_seconds)
        first = Connection(address)
        if not first.is_file:
            return lasting(first, partial(Connection, address), name=address.name)
        first.close()
        remote = VideoCapture(ContainerVideo(replace(address, options={}), threads=None))
        return BackgroundCapture(remote, realtime=realtime)
    if isinstance(source, (str, os.PathLike, bytes)) or hasattr(source, "read"):
        video = VideoCapture(open_video(cast(Source, source), fps=fps, threads=None))
        return BackgroundCapture(video, realtime=True) if realtime else video
    # Whoever makes the frames may keep a reader waiting.
    frames = FramesCapture(source, fps=fps)
    return BackgroundCapture(frames, realtime=realtime)
