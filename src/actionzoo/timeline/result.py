"""A timeline: what happens in a video from when to when, and what that rests on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from actionzoo.clip import VideoInfo
from actionzoo.prediction import Segment
from actionzoo.timeline.config import TimelineConfig
from actionzoo.timeline.record import Scores

_LIBRARIES = ("actionzoo", "numpy", "av", "openvino")
_TOLD_LABELS = 8
"""Labels whose scores are written."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Timeline:
    """What a model says of a long video. Times are seconds from its first frame."""

    video: VideoInfo
    """Its duration is that of what could be read."""
    model: str
    labels: tuple[str, ...]
    segments: tuple[Segment, ...]
    """In order; they do not overlap. Between them nothing is recognised."""
    scores: Scores
    config: TimelineConfig
    window_seconds: float
    """What the model looks at for one answer."""
    elapsed_seconds: float
    warnings: tuple[str, ...] = ()
    """What was wrong with the video although it could be looked at."""

    @property
    def path(self) -> str:
        """What was opened, as it was given."""
        return self.video.name

    @property
    def duration_seconds(self) -> float:
        """Length of what could be read."""
        return float(self.video.duration_seconds)

    def to_dict(self) -> dict[str, Any]:
        """Return what the command line writes as JSON."""
        video, config = self.video, self.config
        return {
            "path": self.path,
            "model": self.model,
            "video": {
                "width": video.width,
                "height": video.height,
                "fps": None if video.fps is None else round(float(video.fps), 3),
                "duration_seconds": round(self.duration_seconds, 3),
                "codec": video.codec,
            },
            "settings": {
                **asdict(config),
                "leave": round(config.leave_below, 6),
                "window_seconds": round(self.window_seconds, 3),
            },
            "segments": [one.to_dict() for one in self.segments],
            "scores": self.scores.to_dict(self.labels, _TOLD_LABELS),
            "elapsed_seconds": round(self.elapsed_seconds, 3),
            "warnings": list(self.warnings),
            "versions": dict(_versions()),
        }

    def __repr__(self) -> str:
        told = f"{len(self.segments)} segments in {self.duration_seconds:.1f} s"
        return f"Timeline({self.path!r}: {told}, model={self.model!r})"


def _versions() -> list[tuple[str, str]]:
    found = []
    for name in _LIBRARIES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return found
