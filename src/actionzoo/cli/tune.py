"""``actionzoo tune``."""

from __future__ import annotations

import argparse
import math
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from actionzoo.cli.common import (
    DONE,
    add_recipe,
    at_least_1,
    first_free,
    needs,
    recipe_settings,
    show_reports,
)
from actionzoo.errors import ConfigError

if TYPE_CHECKING:
    from rich.table import Table

    from actionzoo.training.config import TrainConfig
    from actionzoo.training.trials import TrialResult, Tuned

EPILOG = """\
Without --search it tries learning rate, strength of the changes of clips, number of frames, weight
decay and mixup, but for those given as key=value. --search takes any setting of a recipe, and
"augment" for the strength of all changes: 0 none, 1 the recipe's, 2 twice as far.

examples:
  actionzoo tune clips/                                   20 trials around what would be chosen
  actionzoo tune clips/ --model x3d_s_kinetics400 --minutes 120 --trials 100
  actionzoo tune clips/ --search learning_rate=1e-4..1e-2,log --search optimizer.name=adamw|sgd
  actionzoo tune --resume --output studies/1 --trials 40  go on, to 40 trials in all
  actionzoo train clips/ --config studies/1/best.yaml     use what came out
"""
_MOST_SHOWN = 10
"""Trials in the table."""


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "tune",
        help="search settings to train with that suit a dataset",
        description="Train a model many times with different settings, the promising ones to the "
        "end. The study's folder gets the best recipe, a table of all trials, and a report.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_recipe(parser, name="STUDY", inside="studies")
    add = parser.add_argument
    add("--trials", type=at_least_1, default=20, metavar="N", help="in all; 20 unless given")
    add("--minutes", type=_minutes, metavar="M", help="after which no trial is begun")
    add("--epochs", type=at_least_1, metavar="N", help="of a trial")
    search = "KEY=LOW..HIGH[,log] | KEY=a|b|c"
    add("--search", action="append", default=[], metavar=search, help="what to try; repeatable")
    add("--train", action="store_true", help="then train with the best settings, in STUDY/best")
    parser.set_defaults(run=_run)


def _minutes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of minutes above 0")
    return value


def _run(arguments: argparse.Namespace) -> int:
    with needs("tune", "tuning"):
        from actionzoo.training.tune import tune

    show_reports()
    settings, folder = recipe_settings(arguments, ("model", "epochs")), _folder(arguments)
    final = folder / "best"
    if arguments.train and final.exists():
        raise ConfigError(f"{str(final)!r} is there already; leave --train out, or move it away")
    tuned = tune(
        arguments.data,
        config=_config(arguments, settings),
        output=folder,
        searches=arguments.search,
        fixed=[setting.partition("=")[0] for setting in settings],
        trials=arguments.trials,
        minutes=arguments.minutes,
        resume=arguments.resume,
        progress=sys.stderr.isatty(),
    )
    _print(tuned)
    if arguments.train:
        _train(tuned, final)
    return DONE


def _config(arguments: argparse.Namespace, settings: list[str]) -> TrainConfig | None:
    """Return what is said of the trials; None where a study goes on as before."""
    from actionzoo.training.config import load_config

    if arguments.resume and arguments.config is None and not settings:
        return None
    return load_config(arguments.config, settings)


def _folder(arguments: argparse.Namespace) -> Path:
    if arguments.output is not None:
        return Path(arguments.output)
    if arguments.resume:
        raise ConfigError("which study to go on with? Give its folder: --resume --output STUDY")
    return first_free(Path("studies"))


def _train(tuned: Tuned, output: Path) -> None:
    """Train once more, with the best settings, and make what comes out ready to use."""
    from actionzoo.training.config import load_config
    from actionzoo.training.run import train

    config = load_config(tuned.folder / "best.yaml")
    run = train(
        tuned.data,
        config=config,
        output=output,
        progress=sys.stderr.isatty(),
        command=shlex.join(["actionzoo", *sys.argv[1:]]),
    )
    print(f"{run}: try actionzoo predict VIDEO --model {shlex.quote(str(run))}")


# What came of it, to look at.


def _print(tuned: Tuned) -> None:
    from rich.console import Console
    from rich.text import Text

    from actionzoo.training.trials import ranking

    # A pipe has no width: what is cut there is lost, so it is not cut.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    ranked = ranking(tuned)
    console.print(_table(tuned, ranked[:_MOST_SHOWN]))
    if len(ranked) > _MOST_SHOWN:
        console.print(f"and {len(ranked) - _MOST_SHOWN:,} more in trials.csv", style="dim")
    if tuned.importance:
        told = ", ".join(f"{key} {share:.0%}" for key, share in tuned.importance.items())
        console.print(Text(f"what matters, roughly: {told}"))
    best = shlex.quote(str(tuned.folder / "best.yaml"))
    print(f"{tuned.folder / 'report.html'}: all about it")
    print(f"{best}: try actionzoo train {shlex.quote(tuned.data)} --config {best}")


def _table(tuned: Tuned, shown: list[TrialResult]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from actionzoo.training.trials import name_of, setting_text, value_text

    table = Table(box=box.SIMPLE_HEAD)
    keys = [one.key for one in tuned.searches]
    for name in ("trial", name_of(tuned.metric), "epochs", *keys):
        table.add_column(name, justify="right")
    table.add_column("")
    for one in shown:
        settings = [setting_text(one.values[key]) if key in one.values else "" for key in keys]
        row = (str(one.number), value_text(tuned, one.value), str(max(one.curve, default=0)))
        table.add_row(
            *(Text(cell) for cell in (*row, *settings)),
            "" if one.state == "complete" else one.state,
        )
    return table
