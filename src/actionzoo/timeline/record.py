"""What is kept of all scores: a bounded number of bins, coarser the longer the video is."""

from __future__ import annotations

from typing import Any

import numpy as np

from actionzoo.timeline.averaging import Answer

MOST_BINS = 2000
"""As many as a wide screen has columns; even, so that two can become one."""


class ScoreRecord:
    """Mean scores of all classes over time.

    Each bin is the mean of as many answers. When all bins are used, each two become one.

    Args:
        num_classes: K.
    """

    def __init__(self, num_classes: int) -> None:
        # Of the time and the K scores: their sums. What is not used yet takes no memory.
        self._sums = np.zeros((MOST_BINS, 1 + num_classes), np.float64)
        self._answers_a_bin, self._answers = 1, 0

    def push(self, answer: Answer) -> None:
        """Take the next answer."""
        if self._answers == MOST_BINS * self._answers_a_bin:
            half = MOST_BINS // 2
            self._sums[:half] = self._sums.reshape(half, 2, -1).sum(axis=1)
            self._sums[half:] = 0
            self._answers_a_bin *= 2
        place = self._answers // self._answers_a_bin
        self._sums[place, 0] += answer.seconds
        self._sums[place, 1:] += answer.scores
        self._answers += 1

    @property
    def means(self) -> np.ndarray:
        """Time in seconds and mean scores of the bins in use, shape (bins, 1 + K)."""
        bins = -(-self._answers // self._answers_a_bin)
        counts = np.full((bins, 1), self._answers_a_bin)
        if bins:
            counts[-1] = self._answers - (bins - 1) * self._answers_a_bin
        return np.asarray(self._sums[:bins] / counts)

    def scores(self) -> Scores:
        """Return what is kept."""
        means = self.means
        return Scores(times=means[:, 0], scores=means[:, 1:].astype(np.float32))


class Scores:
    """Scores over time, each the mean of a bin.

    Args:
        times: Middle of each bin in seconds, shape (bins,), rising.
        scores: Shape (bins, K) float32.
    """

    __slots__ = ("scores", "times")

    def __init__(self, *, times: np.ndarray, scores: np.ndarray) -> None:
        self.times, self.scores = times, scores

    def strongest(self, most: int) -> list[int]:
        """Return the classes with the highest mean score, the highest first."""
        if not len(self.scores):
            return []
        order: list[int] = np.argsort(-self.scores.mean(axis=0), kind="stable").tolist()
        return order[:most]

    def to_dict(self, labels: tuple[str, ...], most: int) -> dict[str, Any]:
        """Return what programs read: of each bin the best label, and the strongest labels' scores.

        Args:
            labels: Of the model.
            most: Labels whose scores are told.
        """
        best = self.scores.argmax(axis=1) if len(self.scores) else np.zeros(0, int)
        return {
            "seconds": [round(one, 3) for one in self.times.tolist()],
            "best": [labels[one] for one in best.tolist()],
            "best_score": [
                round(float(row[one]), 4) for row, one in zip(self.scores, best, strict=True)
            ],
            "scores": {
                labels[one]: [round(value, 4) for value in self.scores[:, one].tolist()]
                for one in self.strongest(most)
            },
        }
