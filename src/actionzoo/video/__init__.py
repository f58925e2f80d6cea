"""Open videos, follow cameras and streams, and write videos: the one home of PyAV.

All times are ``Fraction`` seconds from the first frame. The frame that is *shown* at time t is the
last one that starts at or before ``t + tolerance``; the tolerance is half a frame interval, at most
1/60 s. So the rounding of a container to milliseconds never picks the neighbour, copies of one
recording at 25, 30 or 60 frames a second show the same at the same time, and a recording with a
variable frame rate shows what was on screen.
"""

from __future__ import annotations

from actionzoo.video.base import EndedEarly, Size, Video
from actionzoo.video.capture import CaptureSource, open_capture
from actionzoo.video.inputs import Source
from actionzoo.video.live import Capture, LiveFrame
from actionzoo.video.measuring import count_frames
from actionzoo.video.opening import open_video
from actionzoo.video.recording import Recorder
from actionzoo.video.writing import encode_jpeg, write_video

__all__ = [
    "Capture",
    "CaptureSource",
    "EndedEarly",
    "LiveFrame",
    "Recorder",
    "Size",
    "Source",
    "Video",
    "count_frames",
    "encode_jpeg",
    "open_capture",
    "open_video",
    "write_video",
]
