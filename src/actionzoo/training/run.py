"""One run of training, from a dataset to a folder worth keeping.

``config.yaml`` says what was done, ``metrics.csv`` how it went, ``checkpoints`` holds the last
state and the best one, ``model.xml`` with ``model.bin`` is the best ready to use, and
``report.html`` shows all of it.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from actionzoo.errors import ConfigError
from actionzoo.saved import BEST_WEIGHTS
from actionzoo.training.classifier import Diverged
from actionzoo.training.config import TrainConfig, write_config
from actionzoo.training.features import train_head
from actionzoo.training.finishing import finish, report
from actionzoo.training.fitting import fit
from actionzoo.training.plan import (
    CONFIG,
    FACTS,
    Plan,
    check_same_data,
    make_plan,
    read_facts,
    resume_config,
)
from actionzoo.whole import write_whole

logger = logging.getLogger(__name__)


def train(
    data: str | os.PathLike[str] | None,
    *,
    output: str | os.PathLike[str],
    config: TrainConfig | None = None,
    resume: bool = False,
    force: bool = False,
    progress: bool = False,
    command: str = "",
) -> Path:
    """Train a model on a dataset, and make the best epoch ready to use.

    Args:
        data: A dataset's folder or annotation file; None takes that of the run to go on with.
        output: The run's own folder; it is made, or empty, or that of the run to go on with.
        config: What is chosen for this run; what it leaves open is chosen from the data.
        resume: Go on where the run in ``output`` was interrupted; it ends as if it had not been.
        force: Go on although settings or videos are others than before.
        progress: Show a bar.
        command: What was typed, for the report.

    Returns:
        The run's folder.

    Raises:
        BadDataset: The data cannot be read.
        ConfigError: The data or a setting cannot be used, ``output`` is taken, or the loss is no
            number any more.
        UnknownModel: There is no model of the config's name.
        BadWeights: The weights to start from do not fit.
    """
    run = Path(output)
    plan = _resumed(data, run, config, force=force) if resume else _fresh(data, run, config)
    start = begin(plan)
    if plan.config.epochs:
        _fit(plan, start, command=command, progress=progress)
    if is_first_process():
        finish(plan, command=command)
    return run


def begin(plan: Plan) -> dict[str, float]:
    """Write into a run's folder what it is about, and train the head by itself if that is wanted.

    Returns:
        A row of metrics of the network before the first epoch, where there is one.
    """
    if is_first_process():
        plan.run.mkdir(parents=True, exist_ok=True)
        # The facts first: they alone are enough to go on with.
        write_whole(plan.run / FACTS, json.dumps(plan.facts, indent=1, ensure_ascii=False))
        write_config(plan.config, plan.run / CONFIG)
    return train_head(plan) if plan.config.features == "cache" else {}


def _fresh(data: str | os.PathLike[str] | None, run: Path, config: TrainConfig | None) -> Plan:
    if data is None:
        raise ConfigError("there is no data to learn from; give a dataset's folder or file")
    if is_first_process() and run.exists() and (not run.is_dir() or any(run.iterdir())):
        raise ConfigError(
            f"{os.fspath(run)!r} is there already; give a new folder for this run, or go on with "
            "that one: --resume"
        )
    given = config or TrainConfig()
    return make_plan(Path(data), run, given, given=given, resumed=False)


def _resumed(
    data: str | os.PathLike[str] | None, run: Path, config: TrainConfig | None, *, force: bool
) -> Plan:
    facts = read_facts(run)
    old, given = resume_config(run, config, force=force)
    plan = make_plan(Path(data or facts["data"]), run, old, given=given, resumed=True)
    check_same_data(plan, facts, force=force)
    return plan


def _fit(plan: Plan, start: Mapping[str, float], *, command: str, progress: bool) -> None:
    """Train; where that cannot go on, leave what there is in order."""
    try:
        fit(plan, start, progress=progress)
    except Diverged:
        if is_first_process() and (plan.run / BEST_WEIGHTS).exists():
            finish(plan, command=command, interrupted="as the loss is no number any more")
        raise
    except KeyboardInterrupt:
        if is_first_process():
            report(plan, None, command=command, interrupted="by Ctrl-C")
            logger.warning("go on with: actionzoo train --resume --output %s", plan.run)
        raise


def is_first_process() -> bool:
    """Tell whether this process is the one of several that speaks and writes for all."""
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0"))) == 0
