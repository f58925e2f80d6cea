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
        best = np.argsort(-self.scores, kind="stable")[:k]
        return [LabelScore(self.labels[i], int(i), float(self.scores[i])) for i in best]

    def to_dict(self, k: int = 5) -> dict[str, Any]:
        """Return what the command line writes as JSON."""
        top = [
            {"label": one.label, "class_index": one.class_index, "score": round(one.score, 6)}
            for one in self.top_k(k)
        ]
        row: dict[str, Any] = {
            "path": self.path,
            "model": self.model,
            "top_k": top,
            "views": self.views,
            "fps": None if self.fps is None else round(self.fps, 3),
            "duration_seconds": round(self.duration_seconds, 3),
            "elapsed_seconds": round(self.elapsed_seconds, 4),
        }
        return {**row, "warnings": list(self.warnings)} if self.warnings else row

    def __repr__(self) -> str:
        best = self.top_k(1)[0]
        return f"Prediction({self.path!r}: {best.label!r} {best.score:.3f}, model={self.model!r})"


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
