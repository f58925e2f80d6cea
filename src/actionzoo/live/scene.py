"""What is known of a stream at a moment: the newest answer, what changed, what was said."""

from __future__ import annotations

from dataclasses import dataclass, replace
from threading import Lock

from actionzoo.prediction import LabelScore, StreamPrediction
from actionzoo.streaming.statistics import Statistics

HISTORY = 50
"""Changes and notices that are kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """Another label is shown from now on."""

    seconds: float
    """Of the stream."""
    shown: LabelScore


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """All there is to be shown."""

    answer: StreamPrediction | None = None
    """The newest; None: there is none yet."""
    changes: tuple[Change, ...] = ()
    """The last ones, oldest first."""
    notices: tuple[str, ...] = ()
    """The last ones, oldest first."""
    figures: Statistics | None = None

    def top(self, k: int) -> list[LabelScore]:
        """Return the k best labels, best first."""
        return [] if self.answer is None else self.answer.top_k(k)


class Scene:
    """Keeps the moment up to date; may be used from several threads."""

    def __init__(self) -> None:
        self._alone = Lock()
        self.now = Moment()

    def answered(self, answer: StreamPrediction) -> Change | None:
        """Take the next answer; return a change if it shows another label."""
        with self._alone:
            before = self.now.answer
            changes = self.now.changes
            same = before is not None and before.shown.class_index == answer.shown.class_index
            change = None if same else Change(seconds=answer.end_seconds, shown=answer.shown)
            if change is not None:
                changes = (*changes, change)[-HISTORY:]
            self.now = replace(self.now, answer=answer, changes=changes)
            return change

    def noticed(self, text: str) -> None:
        """Take something people should know."""
        with self._alone:
            self.now = replace(self.now, notices=(*self.now.notices, text)[-HISTORY:])

    def measured(self, figures: Statistics) -> None:
        """Take how the stream is followed."""
        with self._alone:
            self.now = replace(self.now, figures=figures)
