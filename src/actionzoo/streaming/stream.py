"""A source and what looks at it, side by side: capture, inference and output at the same time.

Two threads and the caller's own::

    capture -> Ticker -> Line of frames -> Looker -> Line of answers -> the caller

A file waits for all of them. A camera does not: when the looker is slower, the oldest ticks are
dropped and counted, and it answers at the newest, so that an answer is never older than one
inference and two frames.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from functools import partial
from threading import Thread

from actionzoo.closing import Closing
from actionzoo.line import Line
from actionzoo.prediction import LabelScore, StreamPrediction
from actionzoo.predictor import average
from actionzoo.spec import Views
from actionzoo.streaming.looking import Look, Looker
from actionzoo.streaming.smoothing import SteadyLabel
from actionzoo.streaming.statistics import Meter, Statistics
from actionzoo.streaming.ticks import Tick, Ticker
from actionzoo.video.live import Capture, LiveFrame

_AHEAD = 32
"""Ticks and answers that wait where nothing is lost: enough that neither side idles."""
_ONE_VIEW = Views()

logger = logging.getLogger(__name__)


class Stream(Closing):
    """Answers to a source, one after the other; iterate over it once, and close it.

    Args:
        capture: The source; closed with the stream.
        looker: What looks at it.
        smooth: Answers that have to agree before another label is shown.
        drop: Whether ticks and answers that nobody takes in time are dropped; None does so where
            the source does not wait.
        on_frame: Called with every frame, in the thread that captures: what takes long there loses
            frames.

    Raises:
        ActionZooError: While iterating, where the source cannot be read on.
    """

    def __init__(
        self,
        capture: Capture,
        looker: Looker,
        *,
        smooth: int = 1,
        drop: bool | None = None,
        on_frame: Callable[[LiveFrame], None] | None = None,
    ) -> None:
        self.capture, self.looker = capture, looker
        self._drop = not capture.waits if drop is None else drop
        self._on_frame = on_frame
        self._steady, self._meter = SteadyLabel(smooth), Meter()
        looker.reset()
        self._ticker = Ticker(
            looker.spec.input,
            capture.fps,
            needs=(lambda _: True) if self._drop else looker.needs,
            most=looker.rhythm.span if self._drop else None,
        )
        # Ticks that show the same frame wait together: a slow camera's are not too many.
        self._frames: Line[list[Tick]] = Line(
            looker.room if self._drop else _AHEAD, waits=not self._drop
        )
        self._answers: Line[StreamPrediction] = Line(
            1 if self._drop else _AHEAD, waits=not self._drop
        )
        self._threads = [
            Thread(target=self._captures, name="capture", daemon=True),
            Thread(target=self._looks, name="look", daemon=True),
        ]

    @property
    def statistics(self) -> Statistics:
        """How it is followed, now."""
        return self._meter.read(self._frames.dropped)

    def __iter__(self) -> Iterator[StreamPrediction]:
        for thread in self._threads:
            thread.start()
        try:
            yield from self._answers
        finally:
            self.close()

    def close(self) -> None:
        """Stop, and let go of the source."""
        self._frames.close()
        self._answers.close()
        self.capture.close()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def _captures(self) -> None:
        try:
            for frame in self.capture.frames():
                self._meter.frame()
                if self._on_frame is not None:
                    self._on_frame(frame)
                if not self._bring(self._ticker.push(frame)):
                    return
            self._bring(self._ticker.finish())
            self._frames.end()
        except BaseException as error:  # it is raised again where somebody can hear it
            self._frames.end(error)

    def _bring(self, ticks: list[Tick]) -> bool:
        """Put a frame's ticks in the line; tell whether anybody is still there to take them."""
        return self._frames.put([ticks] if ticks else [])

    def _looks(self) -> None:
        try:
            while frames := self._frames.take(self.looker.room):
                for ticks in self._together(frames):
                    if not self._say(partial(self.looker.look, ticks)):
                        return
            self._say(self.looker.finish)
            self._answers.end()
        except BaseException as error:
            self._answers.end(error)

    def _together(self, frames: list[list[Tick]]) -> list[list[Tick]]:
        """Return the ticks that are looked at together: one at a time where nothing is lost."""
        ticks = [tick for frame in frames for tick in frame]
        return [ticks] if self._drop else [[tick] for tick in ticks]

    def _say(self, looks: Callable[[], Look | None]) -> bool:
        """Look, and put an answer in the line if there is one; tell whether anybody listens."""
        began = time.monotonic()
        look = looks()
        if look is None:
            return True
        looked_seconds = time.monotonic() - began
        age = self._meter.answer(arrived=look.last.arrived, looked_seconds=looked_seconds)
        return self._answers.put([self._prediction(look, age)])

    def _prediction(self, look: Look, age_seconds: float) -> StreamPrediction:
        spec = self.looker.spec
        scores = average(look.output, spec, _ONE_VIEW)
        shown = self._steady.update(int(scores.argmax()))
        return StreamPrediction(
            model=spec.name,
            labels=spec.labels,
            scores=scores,
            shown=LabelScore(spec.labels[shown], shown, float(scores[shown])),
            start_seconds=look.first.seconds,
            end_seconds=look.last.seconds,
            age_seconds=age_seconds,
        )
