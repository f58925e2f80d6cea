"""What comes out: the scored labels of one video, or why there are none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class LabelScore:
    """One action and how sure the model is of it."""

    label: str
    class_index: int
    score: float
    """After softmax, in [0, 1]; the scores of all classes sum to 1."""

    def to_dict(self) -> dict[str, Any]:
        """Return what the command line writes as JSON."""
        return {
            "label": self.label,
            "class_index": self.class_index,
            "score": round(self.score, 6),
        }


def _best(labels: tuple[str, ...], scores: np.ndarray, k: int) -> list[LabelScore]:
    best = np.argsort(-scores, kind="stable")[:k]
    return [LabelScore(labels[i], int(i), float(scores[i])) for i in best]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Prediction:
    """What a model says of one video."""

    path: str
    model: str
    labels: tuple[str, ...]
    scores: np.ndarray
    """Shape (K,) float32, sums to 1, in the order of ``labels``."""
    views: int
    """Clips x crops that were looked at."""
    fps: float | None
    duration_seconds: float
    elapsed_seconds: float
    """From opening the video to its scores, waiting for its turn not counted."""
    warnings: tuple[str, ...] = ()
    """What was wrong with the video although an answer was possible."""

    def __post_init__(self) -> None:
        if self.scores.shape != (len(self.labels),):
            raise ValueError(f"{self.scores.shape} scores for {len(self.labels)} labels")

    def top_k(self, k: int = 5) -> list[LabelScore]:
        """Return the k best labels, best first; all of them where k exceeds their number."""
        return _best(self.labels, self.scores, k)

    def to_dict(self, k: int = 5) -> dict[str, Any]:
        """Return what the command line writes as JSON."""
        row: dict[str, Any] = {
            "path": self.path,
            "model": self.model,
            "top_k": [one.to_dict() for one in self.top_k(k)],
            "views": self.views,
            "fps": None if self.fps is None else round(self.fps, 3),
            "duration_seconds": round(self.duration_seconds, 3),
            "elapsed_seconds": round(self.elapsed_seconds, 4),
        }
        return {**row, "warnings": list(self.warnings)} if self.warnings else row

    def __repr__(self) -> str:
        best = self.top_k(1)[0]
        return f"Prediction({self.path!r}: {best.label!r} {best.score:.3f}, model={self.model!r})"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StreamPrediction:
    """What a model says of a stream at one moment. Times are seconds from its first frame."""

    model: str
    labels: tuple[str, ...]
    scores: np.ndarray
    """Shape (K,) float32, in the order of ``labels``."""
    shown: LabelScore
    """The label to be shown: the best one, or the one before while a new one is not yet steady; and
    its score now."""
    start_seconds: float
    """Of the first frame that was looked at."""
    end_seconds: float
    """Of the last one."""
    age_seconds: float
    """Of that last frame, when this was known."""

    def __post_init__(self) -> None:
        if self.scores.shape != (len(self.labels),):
            raise ValueError(f"{self.scores.shape} scores for {len(self.labels)} labels")

    def top_k(self, k: int = 5) -> list[LabelScore]:
        """Return the k best labels, best first; all of them where k exceeds their number."""
        return _best(self.labels, self.scores, k)

    def to_dict(self, k: int = 5) -> dict[str, Any]:
        """Return what programs read."""
        return {
            "start_seconds": round(self.start_seconds, 3),
            "end_seconds": round(self.end_seconds, 3),
            "shown": self.shown.to_dict(),
            "top_k": [one.to_dict() for one in self.top_k(k)],
            "age_seconds": round(self.age_seconds, 4),
        }

    def __repr__(self) -> str:
        said = f"{self.shown.label!r} {self.shown.score:.3f}"
        return f"StreamPrediction({self.start_seconds:.2f}..{self.end_seconds:.2f} s: {said})"


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """A part of a video that shows one action. Times are seconds from the video's first frame."""

    start_seconds: float
    end_seconds: float
    label: str
    class_index: int
    score: float
    """Mean over the part, in [0, 1]."""

    def to_dict(self) -> dict[str, Any]:
        """Return what programs read."""
        return {
            "start_seconds": round(self.start_seconds, 3),
            "end_seconds": round(self.end_seconds, 3),
            "label": self.label,
            "class_index": self.class_index,
            "score": round(self.score, 6),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A video that gave no prediction, and why."""

    path: str
    error: Exception

    def to_dict(self) -> dict[str, Any]:
        """Return what the command line writes as JSON."""
        return {
            "path": self.path,
            "error": {"type": type(self.error).__name__, "message": str(self.error)},
        }
