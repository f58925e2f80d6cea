"""A centred moving average of scores that come one after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Answer:
    """Scores, and the moment they stand for."""

    seconds: float
    """From the video's first frame: the middle of the window."""
    scores: np.ndarray
    """Shape (K,) float32."""


class MovingAverage:
    """Averages each answer with as many before it as behind it, fewer at both ends.

    It holds no more than those.

    Args:
        answers: How many are averaged, an odd number.

    >>> average = MovingAverage(3)
    >>> came = [Answer(seconds=n, scores=np.array([one])) for n, one in enumerate((0.0, 3.0, 6.0))]
    >>> [one.scores.item() for answer in came for one in average.push(answer)]
    [1.5, 3.0]
    >>> [one.scores.item() for one in average.finish()]
    [4.5]
    """

    def __init__(self, answers: int) -> None:
        self._half = answers // 2
        self._held: deque[Answer] = deque()
        self._next = 0
        """Place among the held of the answer that is averaged next."""

    def push(self, answer: Answer) -> Iterator[Answer]:
        """Take the next answer; yield the averaged one that is then known."""
        self._held.append(answer)
        if len(self._held) > self._next + self._half:
            yield self._average()

    def finish(self) -> Iterator[Answer]:
        """Yield what is left at the end."""
        while self._next < len(self._held):
            yield self._average()

    def _average(self) -> Answer:
        middle = self._held[self._next]
        if self._half == 0:
            self._held.popleft()
            return middle
        last = min(len(self._held), self._next + self._half + 1)
        scores = np.mean([self._held[place].scores for place in range(last)], axis=0)
        if self._next == self._half:
            self._held.popleft()
        else:
            self._next += 1
        return Answer(seconds=middle.seconds, scores=scores)
