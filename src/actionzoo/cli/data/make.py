"""``actionzoo data make``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from actionzoo.cli.common import DONE, at_least_1, needs, steps_progress

CLASS_FOLDERS = "class-folders"


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "make",
        help="draw figures performing ten actions",
        description="Draw labelled clips of figures performing ten actions, laid out in any "
        "format that can be written: a tree to try a reader, a tool or a recipe on.",
    )
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument(
        "--format", default=CLASS_FOLDERS, metavar="NAME", help="default: class-folders"
    )
    parser.add_argument("--clips-per-class", type=at_least_1, default=20, metavar="N")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same clips; default: 0")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from actionzoo.synthetic import ACTIONS

    total = len(ACTIONS) * arguments.clips_per_class
    with steps_progress("draw") as report:
        _make(arguments, report)
    print(f"{total} clips of {len(ACTIONS)} actions in {arguments.folder}")
    return DONE


def _make(arguments: argparse.Namespace, report: Callable[[int, int], None]) -> None:
    if arguments.format == CLASS_FOLDERS:
        # Class folders need the core install only.
        from actionzoo.synthetic import make_dataset

        make_dataset(
            arguments.folder,
            clips_per_class=arguments.clips_per_class,
            seed=arguments.seed,
            progress=report,
        )
        return
    with needs("data", f"making {arguments.format}"):
        from actionzoo.datasets.generator import make_in_format
        from actionzoo.datasets.opening import find_format
    make_in_format(
        arguments.folder,
        find_format(arguments.format),
        clips_per_class=arguments.clips_per_class,
        seed=arguments.seed,
        progress=report,
    )
