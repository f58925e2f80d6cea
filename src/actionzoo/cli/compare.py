"""``actionzoo compare``."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from actionzoo.cli.common import DONE, needs

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from actionzoo.evaluation.compare import ClassDifference, Comparison

MOST_CLASSES, MOST_EXAMPLES = 10, 5
"""As many classes and videos are printed."""


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "compare",
        help="whether one evaluation is better than another, or luck can explain it",
        description="Compare two evaluations on the videos that both have: differences with "
        "intervals, a paired test, and the videos that only one gets right.",
    )
    for name in ("A", "B"):
        parser.add_argument(
            name.lower(),
            type=Path,
            metavar=name,
            help="evaluation.json with the .parquet beside it, that file itself, or their folder",
        )
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    with needs("data", "compare"):
        from actionzoo.evaluation.compare import compare
        from actionzoo.evaluation.results import plain, read_evaluation

    comparison = compare(read_evaluation(arguments.a), read_evaluation(arguments.b))
    if arguments.json:
        print(json.dumps(plain(comparison.to_dict()), indent=2))
    else:
        _print(comparison)
    return DONE


def _print(comparison: Comparison) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    console.print(Text(f"A  {comparison.a}\nB  {comparison.b}"))
    left = f", {comparison.only_in_a:,} only in A, {comparison.only_in_b:,} only in B"
    console.print(
        f"{comparison.videos:,} videos in both"
        + left * bool(comparison.only_in_a or comparison.only_in_b)
    )
    for warning in comparison.warnings:
        console.print(Text(warning), style="yellow")
    console.print(_metrics(comparison))
    if comparison.classes:
        changed = [one for one in comparison.classes if one.a != one.b]
        console.print(_classes(changed) if changed else "no class differs")
        _print_examples(comparison, console)
    console.print(Text(comparison.sentence), style="bold")


def _metrics(comparison: Comparison) -> Table:
    from rich import box
    from rich.table import Table

    from actionzoo.evaluation.metrics import IS_SHARE, TITLES

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("metric")
    for name in ("A", "B", "B - A", "95 % interval"):
        table.add_column(name, justify="right")
    for name, one in comparison.metrics.items():
        times, unit = (100, " %") if name in IS_SHARE else (1, "")
        digits = 1 if name in IS_SHARE else 3
        change, low, high = (
            "?" if math.isnan(value) else f"{times * value:+.{digits}f}"
            for value in (one.difference.value, one.difference.low, one.difference.high)
        )
        values = (f"{times * value:.{digits}f}{unit}" for value in (one.a, one.b))
        table.add_row(TITLES[name], *values, change, f"{low} to {high}")
    return table


def _classes(changed: Sequence[ClassDifference]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from actionzoo.evaluation.compare import points

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("class")
    for name in ("videos", "A", "B", "B - A"):
        table.add_column(name, justify="right")
    for one in changed[:MOST_CLASSES]:
        row = (f"{one.videos:,}", f"{one.a:.1%}", f"{one.b:.1%}", points(one.b - one.a))
        table.add_row(Text(one.label), *row)
    if len(changed) > MOST_CLASSES:
        table.caption = f"and {len(changed) - MOST_CLASSES:,} more"
    return table


def _print_examples(comparison: Comparison, console: Console) -> None:
    from rich.text import Text

    for name, paths in (("A", comparison.only_a_right), ("B", comparison.only_b_right)):
        console.print(f"videos that only {name} gets right: {len(paths):,}")
        for path in paths[:MOST_EXAMPLES]:
            console.print(Text(f"  {path}"))
        if len(paths) > MOST_EXAMPLES:
            console.print(f"  and {len(paths) - MOST_EXAMPLES:,} more", style="dim")
