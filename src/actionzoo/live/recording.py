"""A recording of what is watched: frames are drawn and encoded beside the stream."""

from __future__ import annotations

from threading import Thread

from actionzoo.line import Line
from actionzoo.live.painting import Painter
from actionzoo.live.scene import Moment
from actionzoo.video.live import LiveFrame
from actionzoo.video.recording import Recorder

_ROOM = 16
"""Frames that wait to be drawn."""


class Recording:
    """Annotates frames in a thread of its own, and hands them to a recorder.

    Args:
        recorder: Waits for its encoder; closed with this.
        painter: Draws the frames.
        waits: Whether ``put`` waits; otherwise frames are lost when drawing or encoding is slower.
    """

    def __init__(self, recorder: Recorder, painter: Painter, *, waits: bool) -> None:
        self.recorder = recorder
        self._painter = painter
        self._line: Line[tuple[LiveFrame, Moment]] = Line(_ROOM, waits=waits)
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run, name="recording", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Frames that are missing."""
        return self._line.dropped

    @property
    def failed(self) -> bool:
        """Whether it has ended before its time; ``close`` says why."""
        return self._error is not None

    def put(self, frame: LiveFrame, moment: Moment) -> None:
        """Hand over a frame, to be shown with what is known now."""
        self._line.put([(frame, moment)])

    def close(self) -> None:
        """Write what is handed over, and finish the file.

        Raises:
            OSError: The file cannot be written; what is there is kept.
            VideoError: The encoder refuses a frame.
        """
        self._line.end()
        self._thread.join()
        self.recorder.close()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            while taken := self._line.take(1):
                ((frame, moment),) = taken
                pixels = self._painter(frame, moment, (frame.height, frame.width))
                self.recorder.write(pixels, frame.pts_seconds)
        except BaseException as error:  # it is raised again when this is closed
            self._error = error
            self._line.close()
