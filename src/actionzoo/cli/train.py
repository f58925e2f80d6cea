"""``actionzoo train``."""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

from actionzoo.cli.common import DONE, needs, show_reports


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "train",
        help="train a model on a dataset",
        description="Train a model on a dataset: class folders, a table, UCF101, or any other "
        "format that actionzoo data show reads. The run folder gets the model (model.xml), its "
        "metrics and its configuration.",
    )
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--config", type=Path, metavar="RECIPE.yaml")
    parser.add_argument(
        "--output", type=Path, metavar="RUN", help="default: the first free of runs/1, runs/2 ..."
    )
    parser.add_argument(
        "settings", nargs="*", metavar="key=value", help="changes a value of the recipe"
    )
    parser.set_defaults(run=_run, list="settings")


def _run(arguments: argparse.Namespace) -> int:
    with needs("train", "training"):
        from actionzoo.train import load_config, train

    show_reports()
    config = load_config(arguments.config, arguments.settings)
    path = train(arguments.data, config=config, output=arguments.output or _free_run())
    print(f"{path}: try actionzoo predict VIDEO --model {path}")
    return DONE


def _free_run() -> Path:
    runs = (Path("runs") / str(number) for number in itertools.count(1))
    return next(run for run in runs if not run.exists())
