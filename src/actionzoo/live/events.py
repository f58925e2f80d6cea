"""What happens, for programs: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from threading import Lock
from typing import Any, Literal, TextIO

Event = Literal["start", "answer", "label", "alert", "notice", "end"]


def utc_text() -> str:
    """Return the time now, in UTC (ISO 8601)."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


class JsonLines:
    """Writes events, each line whole and at once; may be used from several threads.

    Args:
        file: Left open.
        now: Tells the time of an event.
    """

    def __init__(self, file: TextIO, *, now: Callable[[], str] = utc_text) -> None:
        self._file, self._now, self._alone = file, now, Lock()

    def write(self, event: Event, values: Mapping[str, Any]) -> None:
        """Write one event.

        Raises:
            OSError: It cannot be written.
        """
        line = json.dumps({"event": event, "time": self._now(), **values})
        with self._alone:
            self._file.write(line + "\n")
            self._file.flush()
