"""What several verbs share: exit codes, progress, what options accept."""

from __future__ import annotations

import argparse
import itertools
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from actionzoo.errors import ConfigError, MissingExtra

if TYPE_CHECKING:
    from actionzoo.spec import ModelSpec

DONE, SOME_FAILED, WRONG_USAGE, CANNOT_WRITE, INTERRUPTED, CLOSED_PIPE = 0, 1, 2, 3, 130, 141
SPEC_HELP = "the spec of a model file without one"


class _Terminal(logging.Handler):
    """Say on stderr what the package reports; results go to stdout."""

    def emit(self, record: logging.LogRecord) -> None:
        prefix = "actionzoo: " if record.levelno >= logging.WARNING else ""
        print(f"{prefix}{record.getMessage()}", file=sys.stderr)


def show_reports() -> None:
    """Let the package's own reports be seen, and nobody else's."""
    logger = logging.getLogger("actionzoo")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(_Terminal())


@contextmanager
def steps_progress(what: str, *, shown: bool = True) -> Iterator[Callable[[int, int], None]]:
    """Show a bar with rate and time left; yield what is told how many are done and to do."""
    if not shown or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    rate = TextColumn("{task.fields[rate]}")
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None, rate="", visible=False)

        def report(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, visible=total > 1)
            speed = bar.tasks[0].speed
            bar.update(task, rate=f"{speed:.1f}/s" if speed else "")

        yield report


@contextmanager
def progress(what: str, total: int, *, shown: bool) -> Iterator[Callable[[], None]]:
    """Show a bar with rate and time left; yield what moves it on by one."""
    done = itertools.count(1)
    with steps_progress(what, shown=shown) as report:
        report(0, total)
        yield lambda: report(next(done), total)


@contextmanager
def bytes_progress(what: str) -> Iterator[Callable[[int, int | None], None] | None]:
    """Show a bar of bytes, with rate and time left; yield what is told how many there are."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn(what),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None, visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)


@contextmanager
def needs(extra: str, purpose: str) -> Iterator[None]:
    """Turn a missing library into the pip line to type."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtra(extra, purpose) from error


def at_least_1(text: str) -> int:
    """Read a whole number of at least 1."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def rate(text: str) -> Fraction:
    """Read a frame rate, such as 25, 29.97 or 30000/1001."""
    try:
        fps = Fraction(text)
    except (ValueError, ZeroDivisionError):
        fps = Fraction(0)
    if fps <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no rate; give 25, 29.97 or 30000/1001")
    return fps


def read_spec(path: Path | None) -> ModelSpec | None:
    """Read the spec of a model file that carries none.

    Raises:
        ConfigError: It cannot be read, or is none.
    """
    from actionzoo.spec import ModelSpec

    if path is None:
        return None
    try:
        return ModelSpec.from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot use {str(path)!r} as a model's spec: {error}") from error


def add_recipe(parser: argparse.ArgumentParser, *, name: str, inside: str) -> None:
    """Add what verbs that learn from data have in common: data, a recipe, and a folder.

    Args:
        parser: Of the verb.
        name: What the folder is called in the help, such as ``RUN``.
        inside: Where it is made unless said, such as ``runs``.
    """
    add = parser.add_argument
    add("data", type=Path, metavar="DATA", nargs="?", help="folder or annotation file")
    add("--model", metavar="NAME", help="a name that actionzoo models lists")
    add("--config", type=Path, metavar="RECIPE", help="a recipe of the package, or a file")
    default = f"default: the first free of {inside}/1, {inside}/2 ..."
    add("--output", type=Path, metavar=name, help=default)
    add("--resume", action="store_true", help=f"go on with the {name} in --output")
    add("settings", nargs="*", metavar="key=value", help="changes a value of the recipe")
    parser.set_defaults(list="settings")


def recipe_settings(arguments: argparse.Namespace, names: Sequence[str]) -> list[str]:
    """Return all settings as ``key=value``; DATA may have been left out before the first one.

    Args:
        arguments: Of a verb with ``add_recipe``; DATA is put right in them.
        names: Settings that are options too.
    """
    settings: list[str] = list(arguments.settings)
    data = arguments.data
    if data is not None and arguments.resume and "=" in str(data) and not data.exists():
        settings.insert(0, str(data))
        arguments.data = None
    given = ((name, getattr(arguments, name)) for name in names)
    return settings + [f"{name}={value}" for name, value in given if value is not None]


def first_free(folder: Path) -> Path:
    """Return the first of FOLDER/1, FOLDER/2 and so on that is not there."""
    return next(one for one in (folder / str(n) for n in itertools.count(1)) if not one.exists())
