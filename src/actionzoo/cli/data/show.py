"""``actionzoo data show``."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from actionzoo.cli.common import DONE, at_least_1, steps_progress
from actionzoo.cli.data.opening import add_data, open_data

if TYPE_CHECKING:
    from rich.console import RenderableType

    from actionzoo.datasets.summary import Spread, Summary

PROBED = 200
MOST_ROWS = 60
"""A table of more classes is cut, unless all are asked for."""
MOST_SIZES = 5


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "show",
        help="what a dataset holds: classes, splits, durations, sizes",
        description="Show what a dataset holds: format, classes with counts, splits, and of some "
        "videos durations, frame rates and sizes.",
    )
    add_data(parser)
    parser.add_argument(
        "--probe", type=at_least_1, default=PROBED, metavar="N", help=f"default: {PROBED} videos"
    )
    parser.add_argument("--all", action="store_true", help="probe every video, show every class")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    dataset = open_data(arguments)
    from actionzoo.datasets.inspection import inspect
    from actionzoo.datasets.summary import spaced, summarise

    probed = dataset.select(
        spaced(len(dataset), len(dataset) if arguments.all else arguments.probe)
    )
    with steps_progress("probe") as report:
        inspections = inspect(probed, progress=report)
    summary = summarise(dataset, inspections)
    if arguments.json:
        told = {"path": str(arguments.data), **summary.to_dict()}
        print(json.dumps(told, ensure_ascii=False, indent=2))
    else:
        _print(str(arguments.data), summary, whole=arguments.all)
    return DONE


def _print(name: str, summary: Summary, *, whole: bool) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    console.print(f"{name}: {summary.videos:,} videos of {len(summary.classes)} classes", style="b")
    console.print(_facts(summary))
    console.print(_classes(summary, whole=whole))
    if not whole and len(summary.classes) > MOST_ROWS:
        print(f"and {len(summary.classes) - MOST_ROWS} classes more: --all shows them")


def _facts(summary: Summary) -> RenderableType:
    from rich.table import Table

    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, text in (
        ("format", summary.format),
        ("list hash", summary.list_hash),
        ("splits", _splits(summary)),
        ("groups", f"{summary.groups:,}" if summary.groups else "none told"),
        ("probed", _probed(summary)),
        ("seconds", _spread(summary.duration_seconds)),
        ("fps", _spread(summary.fps)),
        ("size", _most(summary.sizes)),
        ("codec", _most(summary.codecs)),
    ):
        facts.add_row(f"  {name}", text)
    return facts


def _splits(summary: Summary) -> str:
    folds = [
        ", ".join(f"{name} {count:,}" for name, count in one.items()) for one in summary.splits
    ]
    if not folds[0]:
        return "none: actionzoo data split"
    more = f" (the first of {len(folds)} ways of splitting)" if len(folds) > 1 else ""
    return folds[0] + more


def _probed(summary: Summary) -> str:
    said = f"{summary.probed:,} of {summary.videos:,} videos"
    if summary.unreadable:
        return f"{said}; {summary.unreadable:,} cannot be read: actionzoo data check"
    return said


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return "not known"
    if spread.least == spread.most:
        return f"{spread.least:.4g}"
    return f"{spread.least:.4g} to {spread.most:.4g}, half below {spread.median:.4g}"


def _most(counts: dict[str, int]) -> str:
    shown = [f"{name} ({count:,})" for name, count in list(counts.items())[:MOST_SIZES]]
    more = [f"{len(counts) - MOST_SIZES} others"] if len(counts) > MOST_SIZES else []
    return ", ".join(shown + more) or "not known"


def _classes(summary: Summary, *, whole: bool) -> RenderableType:
    from rich import box
    from rich.table import Table

    columns = list(next(iter(summary.classes.values()), {"videos": 0}))
    classes = Table(box=box.SIMPLE_HEAD)
    classes.add_column("index", justify="right")
    classes.add_column("class")
    for name in columns:
        classes.add_column(name, justify="right")
    rows = list(enumerate(summary.classes.items()))
    for index, (label, counts) in rows if whole else rows[:MOST_ROWS]:
        classes.add_row(str(index), label, *(f"{count:,}" for count in counts.values()))
    return classes
