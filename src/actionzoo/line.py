"""A line between a thread that brings and one that takes: it waits, or loses the oldest."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from threading import Condition
from typing import Generic, TypeVar

Item = TypeVar("Item")


class NothingCame(Exception):
    """Nothing came in time."""


class Line(Generic[Item]):
    """Items in their order, some at the most.

    Args:
        room: How many there is room for, at least 1.
        waits: Whether who brings waits for room; otherwise the oldest item goes, and is counted.
    """

    def __init__(self, room: int, *, waits: bool) -> None:
        self.dropped = 0
        """Items that were not taken in time."""
        self._room, self._waits = room, waits
        self._items: deque[Item] = deque()
        self._changed = Condition()
        self._ended = self._closed = False
        self._error: BaseException | None = None

    def put(self, items: Iterable[Item]) -> bool:
        """Bring items; tell whether anybody is still there to take them."""
        with self._changed:
            for item in items:
                while self._waits and len(self._items) >= self._room and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return False
                self._items.append(item)
                if len(self._items) > self._room:
                    self._items.popleft()
                    self.dropped += 1
                self._changed.notify_all()
            return not self._closed

    def end(self, error: BaseException | None = None) -> None:
        """Say that nothing more comes, and why if something went wrong."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def take(self, most: int, timeout_seconds: float | None = None) -> list[Item]:
        """Wait for items, and take them; none at the end.

        Args:
            most: At most so many.
            timeout_seconds: None waits for ever.

        Raises:
            NothingCame: Nothing came in that time.
            BaseException: What the bringing thread ended with, once all before it is taken.
        """
        until = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        with self._changed:
            while not (self._items or self._ended or self._closed):
                left = None if until is None else until - time.monotonic()
                if left is not None and left <= 0:
                    raise NothingCame
                self._changed.wait(left)
            if not self._items and self._error is not None and not self._closed:
                raise self._error
            taken = [self._items.popleft() for _ in range(min(most, len(self._items)))]
            self._changed.notify_all()
            return taken

    def __iter__(self) -> Iterator[Item]:
        """Take one after the other until the end; see ``take``."""
        while taken := self.take(1):
            yield from taken

    def close(self) -> None:
        """Let both sides go: what is in the line is lost, and nobody waits any more."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()
