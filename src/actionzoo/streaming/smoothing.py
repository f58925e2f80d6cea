"""The label that is shown: a new one only once it has stayed for a while."""

from __future__ import annotations

from collections import deque


class SteadyLabel:
    """Keeps the old label until the last N answers agree on another one.

    As the demonstration of Open Model Zoo smooths what it shows (``--smooth``).

    Args:
        answers: N, at least 1; 1 shows every answer.

    >>> steady = SteadyLabel(2)
    >>> [steady.update(label) for label in (3, 5, 3, 5, 5)]
    [3, 3, 3, 3, 5]
    """

    def __init__(self, answers: int) -> None:
        self._last: deque[int] = deque(maxlen=answers)
        self._shown: int | None = None

    def update(self, class_index: int) -> int:
        """Take the best class of an answer; return the class to be shown."""
        self._last.append(class_index)
        agree = len(self._last) == self._last.maxlen and len(set(self._last)) == 1
        if self._shown is None or agree:
            self._shown = class_index
        return self._shown
