"""The video once more, with what happens written over it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actionzoo.errors import CannotOpen, VideoError
from actionzoo.prediction import Segment
from actionzoo.sources import is_url
from actionzoo.timeline.record import Scores
from actionzoo.timeline.result import Timeline
from actionzoo.timeline.texts import clock
from actionzoo.video import Recorder, open_video
from actionzoo.video.sound import add_sound, fits_mp4, sound_codec

_ROWS = 2
"""Labels whose scores are shown below that of the segment."""


def write_annotated(
    timeline: Timeline,
    path: Path,
    *,
    progress: Callable[[float, float | None], None] | None = None,
) -> list[str]:
    """Write the video with label, score, clock and a bar of progress over the picture.

    The sound is copied as it is, where an mp4 can hold it.

    Args:
        timeline: Of a file, which is read once more.
        path: Of an mp4; replaced once all is written.
        progress: Called with the seconds done and to do.

    Returns:
        What could not be kept.

    Raises:
        MissingExtra: Pillow is not installed.
        VideoError: The video cannot be read again.
        OSError: The file cannot be written.
    """
    source = timeline.path
    if is_url(source) or not os.path.exists(source):
        raise CannotOpen(f"cannot write over {source!r}: it is no file that can be read once more")
    silent = path.with_name(f".{path.stem}.pictures.mp4")
    heard = path.with_name(f".{path.stem}.sound.mp4")
    try:
        said = _record(timeline, silent, progress)
        told, codec = _sound(source)
        if codec is not None:
            add_sound(silent, source, heard)
        (silent if codec is None else heard).replace(path)
    finally:
        silent.unlink(missing_ok=True)
        heard.unlink(missing_ok=True)
    return said + told


def _sound(source: str) -> tuple[list[str], str | None]:
    """Return what is to be said of the sound, and its codec if it can be copied."""
    codec = None if os.path.isdir(source) else sound_codec(source)
    if codec is None or fits_mp4(codec):
        return [], codec
    return [f"its sound ({codec}) does not fit into an mp4; the annotated video has none"], None


def _record(
    timeline: Timeline, path: Path, progress: Callable[[float, float | None], None] | None
) -> list[str]:
    try:
        from actionzoo.drawing import Overlay, annotated
    except ModuleNotFoundError as error:
        from actionzoo.errors import MissingExtra

        raise MissingExtra("live", "writing an annotated video") from error
    video, at = timeline.video, _Cursor(timeline)
    total = timeline.duration_seconds
    with (
        open_video(timeline.path, fps=video.fps) as opened,
        Recorder(path, fps=video.fps, waits=True) as recorder,
    ):
        try:
            for frame in opened.frames():
                seconds = float(frame.pts_seconds)
                moment = at.moment(seconds)
                overlay = Overlay(
                    title=moment.title,
                    score=moment.score,
                    rows=moment.rows,
                    clock=f"{clock(seconds)} / {clock(total)}",
                    progress=seconds / max(total, 1e-6),
                )
                recorder.write(annotated(frame.pixels, overlay), frame.pts_seconds)
                if progress is not None:
                    progress(seconds, total)
        except VideoError as error:
            if not recorder.written:
                raise
            return [f"the annotated video ends early: {error}"]
    return []


@dataclass(frozen=True, kw_only=True, slots=True)
class _Moment:
    """What is written at one time."""

    title: str
    score: float | None
    rows: tuple[tuple[str, float], ...]


class _Cursor:
    """Goes along a timeline; times rise."""

    def __init__(self, timeline: Timeline) -> None:
        self._labels = timeline.labels
        self._segments = iter(timeline.segments)
        self._segment = next(self._segments, None)
        self._bins = _bins(timeline.scores)
        self._row = next(self._bins, None)
        self._next = next(self._bins, None)

    def moment(self, seconds: float) -> _Moment:
        """Return what is written at a time."""
        while self._segment is not None and self._segment.end_seconds <= seconds:
            self._segment = next(self._segments, None)
        while self._next is not None and self._next[0] <= seconds:
            self._row, self._next = self._next, next(self._bins, None)
        now: Segment | None = self._segment
        scores = np.zeros(len(self._labels)) if self._row is None else self._row[1]
        if now is None or seconds < now.start_seconds:
            return _Moment(title="nothing recognised", score=None, rows=self._best(scores))
        others = self._best(scores, but=now.class_index)
        return _Moment(title=now.label, score=float(scores[now.class_index]), rows=others)

    def _best(self, scores: np.ndarray, but: int | None = None) -> tuple[tuple[str, float], ...]:
        best = [one for one in np.argsort(-scores, kind="stable").tolist() if one != but]
        return tuple((self._labels[one], float(scores[one])) for one in best[:_ROWS])


def _bins(scores: Scores) -> Iterator[tuple[float, np.ndarray]]:
    """Yield the scores of each bin, and when it begins."""
    middles = scores.times
    starts = np.concatenate([middles[:1], (middles[1:] + middles[:-1]) / 2])
    yield from zip(starts.tolist(), scores.scores, strict=True)
