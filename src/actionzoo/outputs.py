"""How predictions are written: a table to look at, or JSON, JSON lines and CSV for programs."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TextIO, get_args

from actionzoo.prediction import Failure, Prediction

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Format = Literal["table", "json", "jsonl", "csv"]
FORMATS: tuple[str, ...] = get_args(Format)


class Writer(Protocol):
    """Takes outcomes one by one; ``close`` writes what has to wait for the last."""

    def write(self, outcome: Prediction | Failure) -> None:
        """Take one outcome."""

    def close(self) -> None:
        """Finish; what was taken so far is written whole, whatever happened."""


def format_of(path: Path | None) -> str:
    """Return the format that a file name asks for, ``table`` where it asks for none.

    >>> format_of(Path("answers.CSV")), format_of(None)
    ('csv', 'table')
    """
    suffix = path.suffix.lower().lstrip(".") if path else ""
    return suffix if suffix in FORMATS else "table"


def make_writer(kind: str, file: TextIO, *, top_k: int) -> Writer:
    """Return the writer of a format.

    Args:
        kind: One of ``FORMATS``.
        file: Where to write; left open.
        top_k: How many labels of each video.
    """
    if kind == "json":
        return JsonWriter(file, top_k)
    if kind == "jsonl":
        return JsonLinesWriter(file, top_k)
    return CsvWriter(file, top_k) if kind == "csv" else TableWriter(file, top_k)


def _to_json(outcome: Prediction | Failure, top_k: int) -> str:
    row = outcome.to_dict(top_k) if isinstance(outcome, Prediction) else outcome.to_dict()
    return json.dumps(row)


class JsonLinesWriter:
    """One JSON object a line, as soon as it is known."""

    def __init__(self, file: TextIO, top_k: int) -> None:
        self.file, self.top_k = file, top_k

    def write(self, outcome: Prediction | Failure) -> None:
        """Write one line and flush it."""
        self.file.write(_to_json(outcome, self.top_k) + "\n")
        self.file.flush()

    def close(self) -> None:
        """Do nothing: every line is whole."""


class JsonWriter:
    """One JSON array, an object a line."""

    def __init__(self, file: TextIO, top_k: int) -> None:
        self.file, self.top_k = file, top_k
        self.before = "["

    def write(self, outcome: Prediction | Failure) -> None:
        """Write one element and flush it."""
        self.file.write(f"{self.before}\n{_to_json(outcome, self.top_k)}")
        self.before = ","
        self.file.flush()

    def close(self) -> None:
        """Close the array."""
        self.file.write("[]\n" if self.before == "[" else "\n]\n")
        self.file.flush()


class CsvWriter:
    """One row a label: path, rank, label, class_index, score, error."""

    def __init__(self, file: TextIO, top_k: int) -> None:
        self.file, self.top_k = file, top_k
        self.rows = csv.writer(file, lineterminator="\n")
        self.rows.writerow(["path", "rank", "label", "class_index", "score", "error"])

    def write(self, outcome: Prediction | Failure) -> None:
        """Write the rows of one video and flush them."""
        if isinstance(outcome, Failure):
            self.rows.writerow([outcome.path, "", "", "", "", str(outcome.error)])
        else:
            for rank, one in enumerate(outcome.top_k(self.top_k), 1):
                row = [outcome.path, rank, one.label, one.class_index, f"{one.score:.6f}", ""]
                self.rows.writerow(row)
        self.file.flush()

    def close(self) -> None:
        """Flush the file."""
        self.file.flush()


class TableWriter:
    """A table to look at: the labels of one video with bars, or a line a video for several."""

    def __init__(self, file: TextIO, top_k: int) -> None:
        self.file, self.top_k = file, top_k
        self.outcomes: list[Prediction | Failure] = []

    def write(self, outcome: Prediction | Failure) -> None:
        """Keep one outcome for the table."""
        self.outcomes.append(outcome)

    def close(self) -> None:
        """Draw the table of what was kept, failures left to the messages."""
        from rich.console import Console

        found = [one for one in self.outcomes if isinstance(one, Prediction)]
        if not found:
            return
        # A pipe has no width: what is cut there is lost, so it is not cut.
        console = Console(file=self.file, width=None if self.file.isatty() else 160)
        if len(found) == 1:
            _print_one(found[0], self.top_k, console)
        else:
            console.print(_videos(found, self.top_k), f"model: {found[0].model}")


def _print_one(prediction: Prediction, top_k: int, console: Console) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("action")
    table.add_column("score", justify="right")
    table.add_column("")
    for one in prediction.top_k(top_k):
        bar = "█" * round(24 * one.score)
        table.add_row(Text(one.label), f"{one.score:6.1%}", Text(bar, style="green"))
    console.print(Text(_printable(prediction.path), style="bold"), soft_wrap=True)
    console.print(table)
    console.print(
        f"{prediction.model}, {prediction.views} view{'s' * (prediction.views > 1)} of"
        f" {prediction.duration_seconds:.1f} s in {prediction.elapsed_seconds:.2f} s"
    )


def _videos(predictions: list[Prediction], top_k: int) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("video", overflow="fold")
    table.add_column("action")
    table.add_column("score", justify="right")
    if top_k > 1:
        table.add_column("next", style="dim")
    for prediction in sorted(predictions, key=lambda one: one.path):
        best, *others = prediction.top_k(top_k)
        following = Text(", ".join(f"{one.label} {one.score:.1%}" for one in others[:2]))
        row = (Text(_printable(prediction.path)), Text(best.label), f"{best.score:.1%}", following)
        table.add_row(*row[: len(table.columns)])
    return table


def _printable(path: str) -> str:
    """Keep line breaks and other control characters of a file name out of the table."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in path)
