"""``actionzoo data unpack``."""

from __future__ import annotations

import argparse
from pathlib import Path

from actionzoo.cli.common import DONE, bytes_progress, needs


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "unpack",
        help="unpack the archives of a dataset safely",
        description="Unpack zip and tar archives, or one in several parts, into a new folder. "
        "Nothing is written outside it.",
    )
    parser.add_argument("archives", nargs="+", type=Path, metavar="ARCHIVE")
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    with needs("data", "unpacking datasets"):
        from actionzoo.datasets.unpack import unpack

    with bytes_progress("unpack") as report:
        count = unpack(arguments.archives, arguments.folder, progress=report)
    print(f"{count} files in {arguments.folder}: try actionzoo data show {arguments.folder}")
    return DONE
