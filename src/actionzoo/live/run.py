"""A stream and all that somebody wants of it, from its first frame to its last.

Threads: the two of the stream, one that takes its answers, one each that records and sends, and the
caller's own, which shows. None of the others waits for what is shown or sent.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from threading import Condition, Event, Thread
from typing import TYPE_CHECKING, Any, Literal

from actionzoo.live.alerts import Alarm, Alert, Watcher
from actionzoo.live.events import JsonLines, utc_text
from actionzoo.live.notices import heard
from actionzoo.live.scene import Scene
from actionzoo.live.sending import Sender
from actionzoo.live.views import View
from actionzoo.live.window import Window, window_size
from actionzoo.live.wording import clock_text, figures_text, without_password
from actionzoo.prediction import StreamPrediction
from actionzoo.sampling import clock
from actionzoo.streaming.looking import Looker
from actionzoo.streaming.statistics import Statistics
from actionzoo.streaming.stream import Stream
from actionzoo.video.base import MAX_TOLERANCE_SECONDS
from actionzoo.video.live import Capture, LiveFrame

if TYPE_CHECKING:
    from actionzoo.live.painting import Painter
    from actionzoo.live.recording import Recording

Reason = Literal["end", "stopped", "limit", "duration", "error"]
"""Why it is over: the source ended, somebody ended it, it was long enough, it went wrong."""

_VIEW_SECONDS, _WINDOW_SECONDS = 0.1, 1 / 40
"""From one look at what there is to show to the next."""
_PATIENCE_SECONDS = 1.0
"""A source that stands still at the end of the duration is waited for so long."""
_STUCK_SECONDS = 60.0
"""No answer takes so long: one that was waited for does not come."""
_TOLERANCE, _ROUNDING = float(MAX_TOLERANCE_SECONDS), 1e-6

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Where everything goes."""

    view: View
    events: JsonLines | None = None
    alerts: Sequence[Alert] = ()
    painter: Painter | None = None
    """Draws what a window shows."""
    window: Window | None = None
    recording: Recording | None = None
    sender: Sender = field(default_factory=Sender)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How it went."""

    reason: Reason
    figures: Statistics
    warnings: tuple[str, ...]
    """What was wrong with the source and did not end it."""


class Session:
    """A stream that is watched; run it once.

    Args:
        capture: The source; closed at the end.
        looker: What looks at it.
        outputs: Where everything goes; closed at the end, except files.
        smooth: Answers that have to agree before another label is shown.
        top_k: Labels of an answer in the events.
        limit: Answers after which it ends.
        duration_seconds: After which it ends.
    """

    def __init__(
        self,
        capture: Capture,
        looker: Looker,
        outputs: Outputs,
        *,
        smooth: int = 1,
        top_k: int = 5,
        limit: int | None = None,
        duration_seconds: float | None = None,
    ) -> None:
        if duration_seconds is not None:
            capture = _Limited(capture, duration_seconds)
        self.stream = Stream(capture, looker, smooth=smooth, on_frame=self._on_frame)
        self.scene = Scene()
        self._outputs, self._top_k, self._limit = outputs, top_k, limit
        self._duration, self._began = duration_seconds, time.monotonic()
        self._watchers = [Watcher(alert) for alert in outputs.alerts]
        self._reason: Reason = "end"
        self._error: BaseException | None = None
        self._done = Event()
        self._newest: LiveFrame | None = None
        self._beside = _Beside(looker, capture) if self._waits_for_answers() else None
        self._worker = Thread(target=self._follow, name="answers", daemon=True)

    def run(self) -> Ended:
        """Follow the stream to its end, or until somebody ends it (Ctrl-C, or in the window).

        Raises:
            ActionZooError: The source or the recording failed; all else is finished.
            OSError: Something cannot be written; all else is finished.
        """
        with ExitStack() as finishing:
            finishing.enter_context(heard(self._hear))
            finishing.callback(self._say_goodbye)
            finishing.callback(self._outputs.sender.close)
            if self._outputs.recording is not None:
                finishing.callback(self._outputs.recording.close)
            if self._outputs.window is not None:
                finishing.callback(self._outputs.window.close)
            finishing.callback(self._stop)
            self._tell("start", self._facts())
            self._worker.start()
            try:
                self._attend()
            except KeyboardInterrupt:
                self._reason = "stopped"
        if self._error is not None:
            raise self._error
        return self._ended()

    def _attend(self) -> None:
        """Show what there is, until it is over."""
        seconds = _VIEW_SECONDS if self._outputs.window is None else _WINDOW_SECONDS
        due, shown = 0.0, None
        while not self._done.wait(seconds):
            if time.monotonic() >= due:
                due = time.monotonic() + _VIEW_SECONDS
                self.scene.measured(self.stream.statistics)
                self._outputs.view.refresh(self.scene.now)
            shown = self._show(shown)
            over = self._is_over()
            if over is not None:
                self._reason = over
                return

    def _show(self, shown: LiveFrame | None) -> LiveFrame | None:
        """Show the newest frame in the window; return it."""
        window, painter, frame = self._outputs.window, self._outputs.painter, self._newest
        if window is None or painter is None or frame is None or frame is shown:
            return shown
        size = window_size(frame.height, frame.width)
        window.show(painter(frame, self.scene.now, size))
        return frame

    def _is_over(self) -> Reason | None:
        """Tell why it is over before the source ends, if it is."""
        window, recording = self._outputs.window, self._outputs.recording
        if window is not None and not window.is_open():
            return "stopped"
        if recording is not None and recording.failed:
            return "error"
        if self._duration is not None and not self.stream.capture.waits:
            # A camera that stands still brings no frame that could tell.
            late = time.monotonic() - self._began - self._duration
            return "duration" if late > _PATIENCE_SECONDS else None
        return None

    def _on_frame(self, frame: LiveFrame) -> None:
        """Take every frame, in the thread that captures."""
        self._newest = frame
        if self._beside is not None:
            self._beside.wait(float(frame.pts_seconds))
        if self._outputs.recording is not None:
            self._outputs.recording.put(frame, self.scene.now)

    def _waits_for_answers(self) -> bool:
        return self._outputs.recording is not None and self.stream.capture.waits

    def _follow(self) -> None:
        """Take the answers, in a thread of their own."""
        try:
            for number, answer in enumerate(self.stream, 1):
                self._take(answer)
                if number == self._limit:
                    self._reason = "limit"
                    return
            if isinstance(self.stream.capture, _Limited) and self.stream.capture.reached:
                self._reason = "duration"
        except BaseException as error:  # it is raised again when all is finished
            self._reason, self._error = "error", error
        finally:
            if self._beside is not None:
                self._beside.release()
            self._done.set()

    def _take(self, answer: StreamPrediction) -> None:
        change = self.scene.answered(answer)
        self._tell("answer", answer.to_dict(self._top_k))
        if change is not None:
            self._tell("label", {"seconds": round(change.seconds, 3), **change.shown.to_dict()})
            self._outputs.view.changed(change)
        for watcher in self._watchers:
            alarm = watcher.update(answer)
            if alarm is not None:
                self._ring(alarm)
        if self._beside is not None:
            self._beside.answered(answer.end_seconds)

    def _ring(self, alarm: Alarm) -> None:
        self._tell("alert", alarm.to_dict())
        score, at = f"{alarm.score:.0%}", clock_text(alarm.seconds)
        logger.info("alert: %s, %s at %s", alarm.alert.text, score, at)
        if alarm.alert.target is not None:
            facts = {**self._facts(), **alarm.to_dict(), "time": utc_text()}
            self._outputs.sender.send(alarm.alert.target, facts)

    def _facts(self) -> dict[str, Any]:
        source = without_password(self.stream.capture.name)
        return {"source": source, "model": self.stream.looker.spec.name}

    def _tell(self, event: Any, values: dict[str, Any]) -> None:
        if self._outputs.events is not None:
            self._outputs.events.write(event, values)

    def _hear(self, name: str, text: str) -> None:
        """Take what the package reports, from any thread."""
        self.scene.noticed(text)
        self._outputs.view.noticed(text)
        if name != __name__:  # an alert has an event of its own
            self._tell("notice", {"message": text})

    def _stop(self) -> None:
        """End the stream, and wait for its threads."""
        if self._beside is not None:
            self._beside.release()
        self.stream.close()
        if self._worker.is_alive():
            self._worker.join()

    def _say_goodbye(self) -> None:
        ended = self._ended()
        figures, warnings = ended.figures.to_dict(), list(ended.warnings)
        undelivered = self._outputs.sender.undelivered
        try:
            said: dict[str, Any] = {"reason": self._reason, **figures, "warnings": warnings}
            self._tell("end", {**said, "undelivered_alerts": undelivered})
            self.scene.measured(ended.figures)
            self._outputs.view.refresh(self.scene.now)
        finally:
            self._outputs.view.close("\n".join(self._summary(ended)))

    def _ended(self) -> Ended:
        warnings = tuple(self.stream.capture.warnings)
        return Ended(reason=self._reason, figures=self.stream.statistics, warnings=warnings)

    def _summary(self, ended: Ended) -> Iterator[str]:
        figures, recording = ended.figures, self._outputs.recording
        counts = f"{figures.frames:,} frames, {figures.answers:,} answers"
        yield f"{counts} · {figures_text(figures)}"
        for warning in ended.warnings:
            yield f"{without_password(self.stream.capture.name)}: {warning}"
        if recording is not None and recording.recorder.written:
            lost = f", {recording.dropped:,} frames were lost" if recording.dropped else ""
            yield f"recorded {recording.recorder.path}{lost}"
        if self._outputs.sender.undelivered:
            yield f"{self._outputs.sender.undelivered:,} alerts were not delivered"


class _Limited(Capture):
    """A source that ends after a while."""

    def __init__(self, inner: Capture, duration_seconds: float) -> None:
        self.name, self.fps = inner.name, inner.fps
        self.waits, self.mirrored = inner.waits, inner.mirrored
        self._inner, self._duration = inner, duration_seconds
        self.reached = False

    @property
    def warnings(self) -> list[str]:
        """Those of the source."""
        return self._inner.warnings

    def frames(self) -> Iterator[LiveFrame]:
        """Yield its frames until the time is over."""
        for frame in self._inner.frames():
            if frame.pts_seconds >= self._duration:
                self.reached = True
                return
            yield frame

    def close(self) -> None:
        """Let go of the source."""
        self._inner.close()


class _Beside:
    """Keeps a source that waits beside its answers, as a recording shows both.

    The stream reads a file some seconds ahead of its answers; here a frame waits until
    those are known that were due before it.

    Args:
        looker: Its rhythm tells when an answer is due.
        capture: A source that waits.
    """

    def __init__(self, looker: Looker, capture: Capture) -> None:
        fps, rhythm = clock(looker.spec.input, capture.fps), looker.rhythm
        # What looks at every stride-th tick only may answer so much later than it is asked to.
        hop = math.ceil(rhythm.hop / rhythm.stride) * rhythm.stride
        self._tick, self._hop = float(1 / fps), float((hop - 1) / fps)
        self._first = float((rhythm.span - 1) / fps)
        self._before = 0.0
        self._answered, self._released = float("-inf"), False
        self._changed = Condition()

    def wait(self, seconds: float) -> None:
        """Wait until a frame of that time may be shown."""
        # The last tick that was surely looked at: the frame before this one ended it.
        looked, self._before = self._before - _TOLERANCE - self._tick, seconds
        if looked < self._first:
            return
        wanted = max(self._first, looked - self._hop) - _ROUNDING
        with self._changed:
            in_time = self._changed.wait_for(
                lambda: self._released or self._answered >= wanted, _STUCK_SECONDS
            )
            self._released = self._released or not in_time

    def answered(self, seconds: float) -> None:
        """Take the time of the newest answer."""
        with self._changed:
            self._answered = seconds
            self._changed.notify_all()

    def release(self) -> None:
        """Wait no more."""
        with self._changed:
            self._released = True
            self._changed.notify_all()
