"""``actionzoo data``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from actionzoo.cli.common import DONE, at_least_1, progress


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser("data", help="make labelled video", description="Make data.")
    data = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    make = data.add_parser(
        "make",
        help="draw figures performing ten actions",
        description="Draw labelled clips of figures performing ten actions, in class folders.",
    )
    make.add_argument("folder", type=Path, metavar="DIR")
    make.add_argument("--clips-per-class", type=at_least_1, default=20, metavar="N")
    make.add_argument("--seed", type=int, default=0, help="same seed, same clips; default: 0")
    make.set_defaults(run=_make)


def _make(arguments: argparse.Namespace) -> int:
    from actionzoo.synthetic import ACTIONS, make_dataset

    total = len(ACTIONS) * arguments.clips_per_class
    with progress("draw", total, shown=sys.stderr.isatty()) as show:
        make_dataset(
            arguments.folder,
            clips_per_class=arguments.clips_per_class,
            seed=arguments.seed,
            progress=lambda done, total: show(),
        )
    print(f"{total} clips of {len(ACTIONS)} actions in {arguments.folder}")
    return DONE
