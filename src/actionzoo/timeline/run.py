"""``actionzoo.find_segments``: from a long video to what happens in it, in one pass."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from actionzoo.clip import VideoInfo
from actionzoo.download import Progress
from actionzoo.errors import CannotDecode, VideoError
from actionzoo.prediction import StreamPrediction
from actionzoo.predictor import BUNDLED
from actionzoo.sampling import clock
from actionzoo.spec import ModelSpec
from actionzoo.streaming.opening import open_looker
from actionzoo.streaming.stream import Stream
from actionzoo.timeline.averaging import Answer, MovingAverage
from actionzoo.timeline.config import TimelineConfig, choose_classes
from actionzoo.timeline.record import ScoreRecord
from actionzoo.timeline.result import Timeline
from actionzoo.timeline.segmenting import Decider, Piece, segments_of
from actionzoo.video import open_video
from actionzoo.video.base import PICTURES_PER_SECOND
from actionzoo.video.capture import CaptureSource, open_capture
from actionzoo.video.live import Capture, LiveFrame

SecondsDone = Callable[[float, float | None], None]
"""Told how many seconds of a video are done, and how many there are if that is known."""


class SegmentFinder:
    """Cuts long videos into segments, one at a time.

    Args:
        model: As ``Predictor`` takes it.
        config: How answers become segments.
        device: As ``Predictor`` takes it.
        spec: Of model files that carry none.
        progress: Called with the bytes done and to do while weights are downloaded.

    Raises:
        ActionZooError: The model cannot be used, or an option is out of range.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] = BUNDLED,
        *,
        config: TimelineConfig | None = None,
        device: str = "CPU",
        spec: ModelSpec | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.config = config or TimelineConfig()
        self._looker = open_looker(
            model,
            hop_seconds=self.config.hop_seconds,
            device=device,
            spec=spec,
            progress=progress,
        )
        self.spec = self._looker.spec
        self._classes = choose_classes(self.spec.labels, self.config)

    def __call__(self, source: CaptureSource, *, progress: SecondsDone | None = None) -> Timeline:
        """Find the segments of one video, in memory that does not grow with its length.

        A video that breaks off gives the segments until there, and a warning.

        Args:
            source: As ``stream`` takes it: a path, an address, bytes, or an iterable of frames.
            progress: Called after each answer.

        Raises:
            VideoError: The video cannot be read, or breaks off before there is an answer.
        """
        start = time.perf_counter()
        info = _described(source, self.spec.input.fps)
        with open_capture(source, fps=self.spec.input.fps) as capture:
            return self._follow(capture, info, start=start, progress=progress)

    def _follow(
        self,
        capture: Capture,
        info: VideoInfo | None,
        *,
        start: float,
        progress: SecondsDone | None,
    ) -> Timeline:
        seen = _Seen(capture)
        span = self._looker.rhythm.span
        window = Fraction(span - 1) / clock(self.spec.input, capture.fps)
        answers = _Answers(
            Stream(capture, self._looker, drop=False, on_frame=seen.frame),
            window_seconds=float(window),
            total_seconds=None if info is None else float(info.duration_seconds),
            progress=progress,
        )
        record = ScoreRecord(len(self.spec.labels))
        pieces = self._pieces(answers, record, seen)
        segments = tuple(segments_of(pieces, self.spec.labels, self.config))
        if seen.end_seconds == 0:
            raise CannotDecode(f"cannot read {capture.name!r}: it gives no frame")
        known = info or seen.info
        return Timeline(
            video=replace(known, duration_seconds=seen.end_seconds),
            model=self.spec.name,
            labels=self.spec.labels,
            segments=segments,
            scores=record.scores(),
            config=self.config,
            window_seconds=float(window * span / max(1, span - 1)),
            elapsed_seconds=time.perf_counter() - start,
            warnings=(*capture.warnings, *answers.warnings),
        )

    def _pieces(self, answers: _Answers, record: ScoreRecord, seen: _Seen) -> Iterator[Piece]:
        average, decider = MovingAverage(self.config.smooth), Decider(self.config, self._classes)
        with closing(answers.follow()) as came:
            for answer in came:
                record.push(answer)
                for averaged in average.push(answer):
                    yield from decider.push(averaged)
        for averaged in average.finish():
            yield from decider.push(averaged)
        yield from decider.finish(float(seen.end_seconds))


def find_segments(
    source: CaptureSource,
    model: str | os.PathLike[str] = BUNDLED,
    *,
    config: TimelineConfig | None = None,
    device: str = "CPU",
    progress: SecondsDone | None = None,
) -> Timeline:
    """Say what happens from when to when in a long video.

    For several videos make a ``SegmentFinder`` once and use it for all.

    Args:
        source: A path, an address, bytes, or an iterable of frames.
        model: As ``Predictor`` takes it.
        config: How answers become segments.
        device: As ``Predictor`` takes it.
        progress: Called with the seconds done, and those there are if that is known.

    Raises:
        ActionZooError: The model or the video cannot be used, or an option is out of range.

    >>> for segment in find_segments("long.mp4").segments:  # doctest: +SKIP
    ...     print(segment.start_seconds, segment.end_seconds, segment.label)
    """
    return SegmentFinder(model, config=config, device=device)(source, progress=progress)


class _Seen:
    """What the frames of a capture tell of it; told of them in another thread.

    Args:
        capture: Before its first frame.
    """

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._last: LiveFrame | None = None

    def frame(self, frame: LiveFrame) -> None:
        """Take the next frame."""
        self._last = frame

    @property
    def end_seconds(self) -> Fraction:
        """When the last frame goes."""
        if self._last is None:
            return Fraction(0)
        return self._last.pts_seconds + 1 / (self._capture.fps or PICTURES_PER_SECOND)

    @property
    def info(self) -> VideoInfo:
        """The facts of a source that cannot be opened twice."""
        assert self._last is not None
        return VideoInfo(
            name=self._capture.name,
            width=self._last.width,
            height=self._last.height,
            fps=self._capture.fps,
            duration_seconds=self.end_seconds,
            codec="",
        )


class _Answers:
    """The answers of a stream at the moments they stand for, as far as it can be read.

    Args:
        stream: Not begun.
        window_seconds: From the first to the last frame of a window.
        total_seconds: Length of the video, if it is known.
        progress: Called after each answer.
    """

    def __init__(
        self,
        stream: Stream,
        *,
        window_seconds: float,
        total_seconds: float | None,
        progress: SecondsDone | None,
    ) -> None:
        self._stream, self._window, self._total = stream, window_seconds, total_seconds
        self._progress = progress
        self.warnings: list[str] = []

    def follow(self) -> Generator[Answer, None, None]:
        """Yield them; close it to let go of the stream."""
        came = False
        try:
            with self._stream as stream:
                for prediction in stream:
                    came = True
                    yield Answer(seconds=self._middle(prediction), scores=prediction.scores)
                    if self._progress is not None:
                        self._progress(prediction.end_seconds, self._total)
        except VideoError as error:
            if not came:
                raise
            self.warnings.append(str(error))

    def _middle(self, prediction: StreamPrediction) -> float:
        # A network with a state has seen all there was, but of that its window counts.
        first = max(prediction.start_seconds, prediction.end_seconds - self._window)
        return (first + prediction.end_seconds) / 2


def _described(source: CaptureSource, fps: Fraction | None) -> VideoInfo | None:
    """Return the facts of a file or a folder; None of what cannot be opened twice."""
    if not isinstance(source, (str, os.PathLike)) or not Path(source).exists():
        return None
    with open_video(source, fps=fps) as video:
        return video.info
