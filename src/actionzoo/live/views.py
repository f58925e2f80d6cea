"""What somebody sees of a stream: lines where there is no terminal."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TextIO

from actionzoo.live.scene import Change, Moment
from actionzoo.live.wording import clock_text, printable


class View(ABC):
    """Shows what is going on. Changes and notices may come from any thread."""

    def changed(self, change: Change) -> None:  # noqa: B027
        """Take a new label, at once."""

    def noticed(self, text: str) -> None:  # noqa: B027
        """Take something people should know, at once."""

    @abstractmethod
    def refresh(self, moment: Moment) -> None:
        """Show what there is now; called again and again, in one thread."""

    @abstractmethod
    def close(self, summary: str) -> None:
        """Leave everything as it was, and say how it went."""


class Lines(View):
    """A line for each new label, to a file; what people should know goes elsewhere.

    Args:
        file: For labels; None where something else is written to it.
        aside: For notices and the summary.
    """

    def __init__(self, file: TextIO | None, aside: TextIO) -> None:
        self._file, self._aside = file, aside

    def changed(self, change: Change) -> None:
        """Write time, label and score."""
        if self._file is not None:
            shown = change.shown
            said = f"{clock_text(change.seconds):>9}  {printable(shown.label)}  {shown.score:.0%}"
            print(said, file=self._file, flush=True)

    def noticed(self, text: str) -> None:
        """Write it aside."""
        print(f"actionzoo: {text}", file=self._aside, flush=True)

    def refresh(self, moment: Moment) -> None:
        """Do nothing: a line stays as it is."""

    def close(self, summary: str) -> None:
        """Write the summary aside."""
        print(summary, file=self._aside, flush=True)
