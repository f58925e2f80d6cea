"""``actionzoo.stream``: from a source and a model to answers."""

from __future__ import annotations

import os
from collections.abc import Iterator

from actionzoo.prediction import StreamPrediction
from actionzoo.predictor import BUNDLED
from actionzoo.spec import ModelSpec
from actionzoo.streaming.opening import Mode, open_looker
from actionzoo.streaming.stream import Stream
from actionzoo.video.capture import CaptureSource, open_capture


def stream(
    source: CaptureSource,
    model: str | os.PathLike[str] = BUNDLED,
    *,
    realtime: bool = False,
    mode: Mode = "sliding",
    every: int | None = None,
    hop_seconds: float | None = None,
    smooth: int = 1,
    device: str = "CPU",
    spec: ModelSpec | None = None,
) -> Iterator[StreamPrediction]:
    """Say which action a stream shows, again and again, while it comes.

    A camera or a network stream does not wait: when the model is slower, the oldest frames are
    dropped, and the answer is about what is there now. A file or an iterator waits, unless it is
    to be played in real time.

    Args:
        source: ``camera:0``, a path, an address (RTSP, HLS, HTTP), or an iterable of frames, each
            (H, W, 3) uint8 RGB or an ``actionzoo.Frame``.
        model: As ``Predictor`` takes it.
        realtime: Play a file at its own speed.
        mode: ``sliding``, or ``windowed``: every frame is in one window only.
        every: Ticks of the model's clock from one frame of a window to the next.
        hop_seconds: From one answer to the next.
        smooth: Answers that have to agree before another label is shown.
        device: As ``Predictor`` takes it.
        spec: Of model files that carry none.

    Raises:
        ActionZooError: The source or the model cannot be used, or an option is out of range.

    >>> for answer in stream("clip.mp4"):  # doctest: +SKIP
    ...     print(answer.end_seconds, answer.shown.label)
    """
    looker = open_looker(
        model, mode=mode, every=every, hop_seconds=hop_seconds, device=device, spec=spec
    )
    with Stream(open_capture(source, realtime=realtime), looker, smooth=smooth) as answers:
        yield from answers
