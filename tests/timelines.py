"""Timelines for tests: of made-up scores, and of videos whose borders are known."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from actionzoo.clip import VideoInfo
from actionzoo.prediction import Segment
from actionzoo.timeline.config import TimelineConfig
from actionzoo.timeline.record import Scores
from actionzoo.timeline.result import Timeline


def timeline_of(
    *spans: tuple[float, float, int],
    path: str = "clip.mp4",
    labels: tuple[str, ...] = ("walk", "run & <b>jump</b>", "wave"),
    seconds: float = 20.0,
    codec: str = "h264",
    warnings: tuple[str, ...] = (),
) -> Timeline:
    """Return a timeline of segments, each from when to when and of which class."""
    times = np.arange(0.5, seconds, 1.0)
    scores = np.full((len(times), len(labels)), 0.1, np.float32)
    for start, end, one in spans:
        scores[(times >= start) & (times < end), one] = 0.8
    info = VideoInfo(
        name=path,
        width=64,
        height=48,
        fps=Fraction(25),
        duration_seconds=Fraction(seconds),
        codec=codec,
    )
    return Timeline(
        video=info,
        model="tiny",
        labels=labels,
        segments=tuple(
            Segment(
                start_seconds=start, end_seconds=end, label=labels[one], class_index=one, score=0.75
            )
            for start, end, one in spans
        ),
        scores=Scores(times=times, scores=scores),
        config=TimelineConfig(),
        window_seconds=1.24,
        elapsed_seconds=0.5,
        warnings=warnings,
    )
