"""What all verbs that read a dataset share: their options, and the dataset."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from actionzoo.cli.common import at_least_1, needs
from actionzoo.errors import ConfigError

if TYPE_CHECKING:
    from actionzoo.datasets import VideoDataset


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add the dataset and what a user may say of it."""
    parser.add_argument(
        "data", type=Path, metavar="DATA", help="the folder of a dataset, or its annotation file"
    )
    group = parser.add_argument_group("reading")
    group.add_argument("--format", metavar="NAME", help="default: found out")
    group.add_argument("--split", metavar="NAME", help="only train, val or test")
    group.add_argument("--fold", type=at_least_1, metavar="N", help="one of several splits")
    group.add_argument("--videos", type=Path, metavar="DIR", help="where the paths of a list start")
    group.add_argument(
        "--labels", metavar="FILE|NAME", help="class names in index order, such as kinetics400"
    )
    group.add_argument(
        "--one-based", action="store_true", help="class indices of lists are counted from 1"
    )
    group.add_argument(
        "--skip-malformed", action="store_true", help="leave out rows that cannot be used"
    )


def open_data(arguments: argparse.Namespace, *, skip_malformed: bool = False) -> VideoDataset:
    """Open the dataset that was asked for, and say what was found out and assumed.

    Args:
        arguments: Those of ``add_data``.
        skip_malformed: Leave out rows that cannot be used even where that was not asked for.
    """
    with needs("data", "reading datasets"):
        from actionzoo.datasets import Given, open_dataset

    if arguments.videos is not None and not arguments.videos.is_dir():
        raise ConfigError(
            f"there is no folder {str(arguments.videos)!r}; give the one that paths start from"
        )
    given = Given(
        videos=arguments.videos,
        labels=_label_names(arguments.labels),
        one_based=arguments.one_based,
    )
    dataset = open_dataset(
        arguments.data,
        split=arguments.split,
        fold=arguments.fold,
        format=arguments.format,
        given=given,
        skip_malformed=skip_malformed or arguments.skip_malformed,
    )
    for note in (f"read as {dataset.format}", *dataset.facts.notes):
        print(f"{arguments.data}: {note}", file=sys.stderr)
    return dataset


def _label_names(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    from actionzoo.datasets.naming import read_label_names

    return read_label_names(text)
