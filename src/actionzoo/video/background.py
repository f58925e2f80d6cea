"""An iterator that runs in a thread of its own, ahead of who takes from it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from threading import Thread, current_thread
from typing import Generic, TypeVar

from actionzoo.line import Line

Item = TypeVar("Item")

_GOODBYE_SECONDS = 0.3
"""So long closing waits for a thread, that a device is free for the next one. A thread that waits
for what never comes is left to itself."""


class Background(Generic[Item]):
    """A generator that runs in a thread of its own, ahead of who takes from it.

    It is closed in its own thread, too, so that it may hold what only one thread may touch.

    Args:
        items: The generator, not started.
        room: How far it runs ahead, at least 1.
        waits: Whether it waits for who takes; otherwise the oldest items are lost.
        name: Of the thread.
    """

    def __init__(
        self, items: Generator[Item, None, None], *, room: int, waits: bool, name: str
    ) -> None:
        self._items, self._patience = items, _GOODBYE_SECONDS
        self._line: Line[Item] = Line(room, waits=waits)
        # A daemon: a thread that waits for a dead camera must not keep the program from ending.
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Items that were not taken in time."""
        return self._line.dropped

    def take(self, timeout_seconds: float | None = None) -> Item | None:
        """Wait for the next item; None at the end; see ``Line.take``."""
        return next(iter(self._line.take(1, timeout_seconds)), None)

    def close(self) -> None:
        """End it: whoever waits in ``take`` comes back at once."""
        self._line.close()
        patience, self._patience = self._patience, 0.0
        if self._thread is not current_thread():
            self._thread.join(patience)

    def _run(self) -> None:
        try:
            with closing(self._items):
                for item in self._items:
                    if not self._line.put([item]):
                        return
            self._line.end()
        except BaseException as error:  # it is raised again where somebody can hear it
            self._line.end(error)
