"""``actionzoo data``: look at, check, convert, split and make datasets."""

from __future__ import annotations

import argparse

from actionzoo.cli.data import check, convert, cut, make, show, split, unpack


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "data",
        help="look at, check, convert, split and make datasets",
        description="Look at, check, convert, split and make datasets of labelled videos.",
    )
    data = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for verb in (show, check, convert, split, cut, unpack, make):
        verb.add(data)
