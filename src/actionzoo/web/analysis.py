"""One video, looked at step by step: what is known is told as soon as it is."""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Semaphore, Thread

from actionzoo.errors import ActionZooError, VideoError
from actionzoo.pages.frame import duration
from actionzoo.prediction import Prediction
from actionzoo.timeline.result import Timeline
from actionzoo.video import open_video
from actionzoo.web.limits import Limits
from actionzoo.web.models import Models

_POLL_SECONDS = 0.2
_TELL_SECONDS = 0.25
"""From one report of progress to the next."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Working:
    """What is being done."""

    words: str
    share: float | None = None
    """How much of it is done, in [0, 1], if that is known."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Report:
    """What is known of a video."""

    prediction: Prediction
    timeline: Timeline | None = None
    """None while it is being made."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """Why there is nothing more to be known."""

    words: str


Step = Working | Report | Fault


class _Stopped(Exception):
    """Nobody waits for the answer any more."""


class Turns:
    """Who may work, and who waits: a few at a time.

    Args:
        limits: How many.
    """

    def __init__(self, limits: Limits) -> None:
        self._free, self._room = Semaphore(limits.workers), Semaphore(limits.waiting)

    def wait(self) -> Generator[Working | Fault, None, bool]:
        """Wait for a turn; the end tells whether there is one, to be given back by ``end``.

        Yields:
            That it waits; or that there are too many who do.
        """
        if self._free.acquire(blocking=False):
            return True
        if not self._room.acquire(blocking=False):
            yield Fault(words="too many videos are waiting to be looked at; try again in a while")
            return False
        try:
            while not self._free.acquire(timeout=_POLL_SECONDS):
                yield Working(words="waiting for its turn")
        finally:
            self._room.release()
        return True

    def end(self) -> None:
        """Give a turn back."""
        self._free.release()


def look_at(
    path: Path, name: str, *, model: str, models: Models, limits: Limits
) -> Generator[Step, None, None]:
    """Look at a video; closing the generator stops it.

    Args:
        path: Of the video.
        name: How its owner calls it.
        model: One of ``models.names``.
        models: At hand.
        limits: Of the video, and of the time that it may take.

    Yields:
        Progress now and then, a report twice, or a fault at the end.
    """
    steps: queue.SimpleQueue[Step | None] = queue.SimpleQueue()
    stop = Event()
    work = _Work(path, name, tell=steps.put, stop=stop, limits=limits)
    thread = Thread(target=work.run, args=(model, models), name="analysis", daemon=True)
    thread.start()
    until = time.monotonic() + limits.work_seconds
    try:
        while time.monotonic() < until:
            try:
                step = steps.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                step = Working(words="")
            if step is None:
                return
            yield step
        words = f"{name!r} takes longer than {duration(limits.work_seconds)}, the most that this "
        yield Fault(words=f"{words}page works on one video; cut it, or use actionzoo timeline")
    finally:
        stop.set()


class _Work:
    """What is done in a thread of its own.

    Args:
        path: Of the video.
        name: How its owner calls it.
        tell: Called with every step, and None at the end.
        stop: Set when nobody listens any more.
        limits: Of the video.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        *,
        tell: Callable[[Step | None], None],
        stop: Event,
        limits: Limits,
    ) -> None:
        self._path, self._name, self._tell = path, name, tell
        self._stop, self._limits = stop, limits
        self._told = 0.0

    def run(self, model: str, models: Models) -> None:
        """Look, and tell."""
        try:
            self._look(model, models)
        except _Stopped:
            pass
        except ActionZooError as error:
            logger.warning("%r: %s", self._name, error)
            # The visitor knows the video by another name than the server.
            self._tell(Fault(words=str(error).replace(str(self._path), self._name)))
        except Exception as error:  # whatever it is, the visitor waits for an answer
            logger.error("%r cannot be looked at: %s", self._name, error, exc_info=error)
            words = f"{self._name!r} cannot be looked at; the log of the server says why"
            self._tell(Fault(words=words))
        finally:
            self._tell(None)

    def _look(self, model: str, models: Models) -> None:
        self._say("opening the video")
        check_video(self._path, self._name, self._limits)
        self._say("opening the model")
        predictor = models.predictor(model)
        self._say("looking at the whole")
        prediction = replace(predictor(self._path), path=self._name)
        self._tell(Report(prediction=prediction))
        with models.finder(model) as finder:
            timeline = finder(self._path, progress=self._progress)
        video = replace(timeline.video, name=self._name)
        self._tell(Report(prediction=prediction, timeline=replace(timeline, video=video)))

    def _say(self, words: str) -> None:
        if self._stop.is_set():
            raise _Stopped
        self._tell(Working(words=words))

    def _progress(self, done: float, total: float | None) -> None:
        if self._stop.is_set():
            raise _Stopped
        if time.monotonic() > self._told + _TELL_SECONDS:
            self._told = time.monotonic()
            share = min(1.0, done / total) if total else None
            self._tell(Working(words="cutting it into segments", share=share))


def check_video(path: Path, name: str, limits: Limits) -> None:
    """Refuse a video that is no video, or is more than a page takes.

    Raises:
        VideoError: It is; the message says which of them.
    """
    with open_video(path) as video:
        info = video.info
    if info.width * info.height > limits.video_pixels:
        raise VideoError(
            f"{name!r} has pictures of {info.width}x{info.height} pixels; this page takes up to "
            f"{limits.video_pixels / 10**6:.1f} million, as 4K has; scale it down, or use "
            "actionzoo predict"
        )
    if info.duration_seconds > limits.video_seconds:
        raise VideoError(
            f"{name!r} is {duration(float(info.duration_seconds))} long; this page takes up to "
            f"{duration(limits.video_seconds)}; cut it, or use actionzoo timeline"
        )
