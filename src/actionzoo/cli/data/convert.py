"""``actionzoo data convert``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from actionzoo.cli.common import DONE, SOME_FAILED, at_least_1, rate, steps_progress
from actionzoo.cli.data.opening import add_data, open_data
from actionzoo.errors import ConfigError

if TYPE_CHECKING:
    from actionzoo.datasets.destination import Converted


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "convert",
        help="write a dataset in another format",
        description="Write a dataset in another format: its annotation, with links to the videos "
        "where the format wants them in folders of its own. What was interrupted goes on where it "
        "stopped.",
    )
    add_data(parser)
    parser.add_argument("folder", type=Path, metavar="DIR", help="a new or empty folder")
    parser.add_argument("--to", required=True, metavar="FORMAT", help="such as cvat, ucf101, csv")
    add_encoding(parser)
    parser.set_defaults(run=_run)


def add_encoding(parser: argparse.ArgumentParser) -> None:
    """Add what may happen to the videos on the way."""
    group = parser.add_argument_group("videos")
    ways = group.add_mutually_exclusive_group()
    ways.add_argument("--link", dest="how", action="store_const", const="link", help="link videos")
    ways.add_argument("--copy", dest="how", action="store_const", const="copy", help="copy videos")
    group.add_argument(
        "--resize", type=at_least_1, metavar="PX", help="encode anew with this short side"
    )
    group.add_argument("--fps", type=rate, metavar="F", help="encode anew at this frame rate")


def _run(arguments: argparse.Namespace) -> int:
    dataset = open_data(arguments)
    from actionzoo.datasets.convert import convert
    from actionzoo.datasets.opening import find_format

    target = find_format(arguments.to)
    if arguments.folder.suffix in (".csv", ".parquet"):
        raise ConfigError(
            f"{str(arguments.folder)!r} looks like a file; give a folder, in which the table and "
            "labels.txt are written"
        )
    return carry_out(
        "convert",
        arguments.folder,
        lambda report: convert(
            dataset,
            target,
            arguments.folder,
            how=arguments.how,
            resize=arguments.resize,
            fps=arguments.fps,
            progress=report,
        ),
    )


def carry_out(
    what: str, folder: Path, work: Callable[[Callable[[int, int], None]], Converted]
) -> int:
    """Do it with a bar, say what was lost on the way, and return the exit code."""
    with steps_progress(what) as report:
        converted = work(report)
    for warning in converted.warnings:
        print(f"actionzoo: {warning}", file=sys.stderr)
    for failure in converted.failures:
        print(f"actionzoo: left out: {failure.error}", file=sys.stderr)
    print(f"{len(converted.dataset)} videos in {folder}: try actionzoo data show {folder}")
    return SOME_FAILED if converted.failures else DONE
