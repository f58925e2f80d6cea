"""From averaged scores to segments, one after the other: what is held does not grow.

::

    Answer -> Decider -> Piece -> joined_pieces -> short ones go -> joined_pieces -> shared_gaps
        -> Segment

Between pieces nothing is recognised. Each step holds one piece.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from actionzoo.prediction import Segment
from actionzoo.timeline.averaging import Answer
from actionzoo.timeline.config import Classes, TimelineConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """A part of the video with one label."""

    start_seconds: float
    end_seconds: float
    class_index: int
    score: float
    """Sum over its answers of the score of the label."""
    answers: int

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end_seconds - self.start_seconds

    def joined(self, other: Piece) -> Piece:
        """Return this and a later one of the same label as one, with what is between them."""
        return replace(
            self,
            end_seconds=other.end_seconds,
            score=self.score + other.score,
            answers=self.answers + other.answers,
        )


class Decider:
    """Chooses a label at each answer, with hysteresis, and cuts where it changes.

    A label is entered where it is best and passes the threshold. It stays until its score falls
    below the lower one, or another label passes the threshold and is better. The cut lies where the
    scores, drawn as lines from answer to answer, cross each other or the threshold.
    """

    def __init__(self, config: TimelineConfig, classes: Classes) -> None:
        self._enter, self._leave, self._classes = config.threshold, config.leave_below, classes
        self._before: Answer | None = None
        self._state: int | None = None
        """The class, the background among them; None while nothing is recognised."""
        self._start = self._score = 0.0
        self._answers = 0

    def push(self, answer: Answer) -> Iterator[Piece]:
        """Take the next averaged answer; yield the piece that ends there, if one does."""
        scores = np.where(self._classes.wanted, answer.scores, 0)
        state = self._decide(scores)
        if self._before is not None and state != self._state:
            yield from self._end(self._cut(self._before, answer, state))
        self._before, self._state = answer, state
        if state is not None:
            self._score += float(answer.scores[state])
            self._answers += 1

    def finish(self, end_seconds: float) -> Iterator[Piece]:
        """Yield the last piece.

        Args:
            end_seconds: Of the video.
        """
        if self._before is not None:
            yield from self._end(max(end_seconds, self._before.seconds))

    def _decide(self, scores: np.ndarray) -> int | None:
        best = int(scores.argmax())
        if scores[best] >= self._enter:
            return best
        if self._state is not None and scores[self._state] >= self._leave:
            return self._state
        return None

    def _cut(self, before: Answer, after: Answer, state: int | None) -> float:
        """Return where one of the two labels passes the other, or a threshold."""
        low, high = (self._lead(answer.scores, state) for answer in (before, after))
        share = -low / (high - low) if low < 0 < high else float(low < 0)
        return before.seconds + share * (after.seconds - before.seconds)

    def _lead(self, scores: np.ndarray, state: int | None) -> float:
        """Return by how much the scores speak for a new state; 0 where it should change."""
        new = self._leave if state is None else float(scores[state])
        old = self._enter if self._state is None else float(scores[self._state])
        return new - old

    def _end(self, seconds: float) -> Iterator[Piece]:
        """Yield the piece that ends at a time, and begin the next one."""
        if self._state is not None and self._state not in self._classes.background:
            yield Piece(
                start_seconds=self._start,
                end_seconds=seconds,
                class_index=self._state,
                score=self._score,
                answers=self._answers,
            )
        self._start, self._score, self._answers = seconds, 0.0, 0


def joined_pieces(pieces: Iterable[Piece], min_gap_seconds: float) -> Iterator[Piece]:
    """Join pieces of one label that touch, or have a short gap between them."""
    held: Piece | None = None
    for piece in pieces:
        if held is not None and held.class_index == piece.class_index:
            gap = piece.start_seconds - held.end_seconds
            if gap == 0 or gap < min_gap_seconds:
                held = held.joined(piece)
                continue
        if held is not None:
            yield held
        held = piece
    if held is not None:
        yield held


def shared_gaps(pieces: Iterable[Piece], min_gap_seconds: float) -> Iterator[Piece]:
    """Let pieces with a short gap between them meet in its middle."""
    held: Piece | None = None
    for piece in pieces:
        if held is not None:
            gap = piece.start_seconds - held.end_seconds
            if 0 < gap < min_gap_seconds:
                middle = held.end_seconds + gap / 2
                held = replace(held, end_seconds=middle)
                piece = replace(piece, start_seconds=middle)
            yield held
        held = piece
    if held is not None:
        yield held


def segments_of(
    pieces: Iterable[Piece], labels: tuple[str, ...], config: TimelineConfig
) -> Iterator[Segment]:
    """Turn pieces of a video into its segments, in order, each as soon as it is known.

    Pieces with a short gap between them are joined first, so that a flickering label is not taken
    for short pieces; short ones then go, and leave gaps that may be short themselves.

    Args:
        pieces: One after the other.
        labels: Of the model.
        config: What is short.
    """
    joined = joined_pieces(pieces, config.min_gap_seconds)
    long = (one for one in joined if one.seconds >= max(1e-9, config.min_length_seconds))
    rejoined = joined_pieces(long, config.min_gap_seconds)
    for piece in shared_gaps(rejoined, config.min_gap_seconds):
        yield Segment(
            start_seconds=piece.start_seconds,
            end_seconds=piece.end_seconds,
            label=labels[piece.class_index],
            class_index=piece.class_index,
            score=piece.score / piece.answers,
        )
