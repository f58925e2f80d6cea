"""``actionzoo data split``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actionzoo.cli.common import DONE, at_least_1, show_reports
from actionzoo.cli.data.opening import add_data, open_data
from actionzoo.errors import ConfigError

if TYPE_CHECKING:
    from actionzoo.datasets import VideoDataset

RECORD = "split.json"


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "split",
        help="divide a dataset: stratified, groups whole",
        description="Divide a dataset by chance, the same share of every class. The result is a "
        "folder with a table of the samples and their splits, and a record of how it was made.",
    )
    add_data(parser)
    group = parser.add_argument_group("splitting")
    group.add_argument("--test", type=float, default=0.0, metavar="SHARE", help="such as 0.3")
    group.add_argument("--val", type=float, default=0.0, metavar="SHARE", help="such as 0.1")
    group.add_argument("--folds", type=at_least_1, metavar="K", help="K splits, each testing 1/K")
    group.add_argument(
        "--leave-one-group-out", action="store_true", help="a split a group, which it tests"
    )
    group.add_argument(
        "--by",
        choices=("group", "video"),
        help="what stays together; default: the group, where the dataset tells groups",
    )
    group.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="default: the dataset's name and -split, here"
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    show_reports()
    _check(arguments)
    folder = arguments.output or Path(f"{arguments.data.resolve().stem}-split")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{str(folder)!r} is there already; give a new folder: --output DIR")
    whole = open_data(arguments)
    from actionzoo.datasets.table import CSV_FILE, write_csv

    by_group = _by_group(arguments, whole)
    split = _split(arguments, whole, by_group=by_group)
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(split, folder / CSV_FILE)
    record = _record(arguments, split, by_group=by_group)
    (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(_summary(split))
    print(f"{folder}: try actionzoo train {folder}")
    return DONE


def _check(arguments: argparse.Namespace) -> None:
    ways = [
        bool(arguments.test or arguments.val),
        arguments.folds is not None,
        arguments.leave_one_group_out,
    ]
    if sum(ways) != 1:
        raise ConfigError(
            "give one of --test SHARE (with --val SHARE or without), --folds K, "
            "--leave-one-group-out"
        )
    if arguments.leave_one_group_out and arguments.by == "video":
        raise ConfigError("--leave-one-group-out goes by group; leave out --by video")
    if arguments.seed < 0:
        raise ConfigError(f"--seed is {arguments.seed}; give at least 0")


def _by_group(arguments: argparse.Namespace, dataset: VideoDataset) -> bool:
    told = any(group is not None for group in dataset.groups())
    if arguments.by == "group" and not told:
        raise ConfigError(
            f"{str(arguments.data)!r} tells no groups; give a table with a column group, or "
            "--by video"
        )
    return told and arguments.by != "video"


def _split(arguments: argparse.Namespace, dataset: VideoDataset, *, by_group: bool) -> VideoDataset:
    from actionzoo.datasets.split import k_folds, leave_one_group_out, split_dataset

    if arguments.leave_one_group_out:
        return leave_one_group_out(dataset)
    if arguments.folds is not None:
        return k_folds(dataset, arguments.folds, by_group=by_group, seed=arguments.seed)
    shares = {"val": arguments.val, "test": arguments.test}
    given = {name: share for name, share in shares.items() if share}
    shares = {"train": 1 - sum(given.values()), **given}
    return split_dataset(dataset, shares, by_group=by_group, seed=arguments.seed)


def _record(
    arguments: argparse.Namespace, split: VideoDataset, *, by_group: bool
) -> dict[str, Any]:
    from actionzoo import __version__

    folds = range(1, split.folds + 1)
    return {
        "actionzoo": __version__,
        "source": str(arguments.data),
        "format": split.format,
        "videos": len(split),
        "list_hash": split.list_hash(),
        "by": "group" if by_group else "video",
        "seed": None if arguments.leave_one_group_out else arguments.seed,
        "shares": {"test": arguments.test, "val": arguments.val} if split.folds == 1 else None,
        "folds": [split.split_counts(fold) for fold in folds],
    }


def _summary(split: VideoDataset) -> str:
    lines = [
        ", ".join(f"{name} {count}" for name, count in split.split_counts(fold).items())
        for fold in range(1, split.folds + 1)
    ]
    if len(lines) == 1:
        return lines[0]
    return "\n".join(f"fold {number}: {line}" for number, line in enumerate(lines, 1))
