"""``actionzoo train``."""

from __future__ import annotations

import argparse
import logging
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from actionzoo.cli.common import (
    DONE,
    INTERRUPTED,
    WRONG_USAGE,
    add_recipe,
    first_free,
    needs,
    recipe_settings,
    show_reports,
)
from actionzoo.errors import ActionZooError, ConfigError, VideoError

if TYPE_CHECKING:
    from actionzoo.training.config import TrainConfig

EPILOG = """\
What is not said is chosen from the data and the machine, and told with its reason. Every setting of
a recipe can be given as key=value: epochs=20 learning_rate=1e-3 augment.flip=false mix.mixup=0.2.

examples:
  actionzoo train clips/                                  a good model of a folder of clips
  actionzoo train clips/ --features cache                 the same in minutes, the backbone frozen
  actionzoo train clips/ --config finetune model=slowfast_4x16_resnet50_kinetics400
  actionzoo train --resume --output runs/1                go on where a run was interrupted
  actionzoo predict new.mp4 --model runs/1                use what came out
"""
_RUN = "ACTIONZOO_RUN"
"""Tells the processes that a run starts which folder it has chosen."""


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "train",
        help="train a model on a dataset",
        description="Train a model on a dataset: class folders, a table, UCF101, or any other "
        "format that actionzoo data show reads. The run folder gets the model, its metrics, its "
        "configuration, and a report.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_recipe(parser, name="RUN", inside="runs")
    add = parser.add_argument
    add("--freeze", metavar="none|backbone|stages=N|bn", help="what is not trained")
    add("--features", choices=("none", "cache"), help="cache: the backbone looks at videos once")
    add("--force", action="store_true", help="go on although settings or videos have changed")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    with needs("train", "training"):
        from actionzoo.training.run import is_first_process

    show_reports()
    if is_first_process():
        run = _train(arguments)
        print(f"{run / 'report.html'}: all about it")
        print(f"{run}: try actionzoo predict VIDEO --model {shlex.quote(str(run))}")
        return DONE
    return _run_quietly(arguments)


def _run_quietly(arguments: argparse.Namespace) -> int:
    """Train in another process than the first, which speaks for all."""
    logging.getLogger("actionzoo").setLevel(logging.ERROR)
    try:
        _train(arguments)
    except VideoError:
        # The videos are divided among the processes: the first may know nothing of this one.
        raise
    except ActionZooError:
        return WRONG_USAGE
    except KeyboardInterrupt:
        return INTERRUPTED
    return DONE


def _train(arguments: argparse.Namespace) -> Path:
    from actionzoo.training.run import train

    settings = recipe_settings(arguments, ("model", "freeze", "features"))
    return train(
        arguments.data,
        config=_config(arguments, settings),
        output=_folder(arguments),
        resume=arguments.resume,
        force=arguments.force,
        progress=sys.stderr.isatty(),
        command=shlex.join(["actionzoo", *sys.argv[1:]]),
    )


def _config(arguments: argparse.Namespace, settings: list[str]) -> TrainConfig | None:
    """Return what is said of the run; None where a run goes on as before."""
    from actionzoo.training.config import load_config

    if not arguments.resume or arguments.config is not None:
        return load_config(arguments.config, settings)
    return load_config(arguments.output / "config.yaml", settings) if settings else None


def _folder(arguments: argparse.Namespace) -> Path:
    """Choose the folder of the run; the processes that this one starts take the same."""
    if arguments.output is not None:
        return Path(arguments.output)
    if arguments.resume:
        raise ConfigError("which run to go on with? Give its folder: --resume --output RUN")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and _RUN not in os.environ:
        raise ConfigError("several processes need one folder for the run: give --output RUN")
    return Path(os.environ.setdefault(_RUN, str(first_free(Path("runs")))))
