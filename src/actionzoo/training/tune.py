"""Many short trainings, to find settings that suit a dataset.

Each trial is the folder of a run. Optuna proposes its settings from what the trials before have
reached (Bergstra et al., Algorithms for Hyper-Parameter Optimization, 2011), and tells after each
epoch whether it is worth going on with: not where its best is worse than the median of the other
trials at that epoch. The first trial has the settings that would be chosen anyway.
"""

from __future__ import annotations

import gc
import logging
import math
import os
import shlex
import shutil
import time
import warnings
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import lightning as L
import optuna
import torch
from lightning.pytorch.callbacks import Callback
from optuna.trial import FrozenTrial, TrialState

from actionzoo.errors import ActionZooError, ConfigError
from actionzoo.training.classifier import Classifier
from actionzoo.training.config import TrainConfig
from actionzoo.training.fitting import fit
from actionzoo.training.keeping import LAST
from actionzoo.training.plan import CONFIG, Plan, make_plan, resume_config
from actionzoo.training.run import begin
from actionzoo.training.search import Value, parse_searches, with_values
from actionzoo.training.study import (
    Study,
    begin_study,
    next_trial,
    only_warnings,
    resume_study,
)
from actionzoo.training.trials import (
    State,
    TrialResult,
    Tuned,
    best_epoch_of,
    best_trial,
    trial_line,
    value_text,
    write_trials,
)
from actionzoo.training.tune_report import write_tune_report
from actionzoo.whole import write_whole

logger = logging.getLogger(__name__)

TRIALS, TABLE, BEST, REPORT = "trials", "trials.csv", "best.yaml", "report.html"
"""In the folder of a study: the runs, and what came of them."""

_ENOUGH_TO_WEIGH = 8
"""Trials that have to end before it is told which settings matter."""
_GOOD_SHARE = 0.25
"""Of the trials are good ones: a setting matters by how much theirs differ from all."""


def tune(
    data: str | os.PathLike[str] | None,
    *,
    output: str | os.PathLike[str],
    config: TrainConfig | None = None,
    searches: Sequence[str] = (),
    fixed: Collection[str] = (),
    trials: int = 20,
    minutes: float | None = None,
    resume: bool = False,
    progress: bool = False,
) -> Tuned:
    """Search settings that suit a dataset.

    Args:
        data: A dataset's folder or annotation file; None takes that of the study to go on with.
        output: The study's own folder; it is made, or empty, or that of the study to go on with.
        config: What all trials share; what it leaves open is chosen from the data.
        searches: What is searched, such as ``learning_rate=1e-4..1e-2,log``; none takes learning
            rate, strength of changes, frames, weight decay and mixup.
        fixed: Keys that are not searched where ``searches`` is empty.
        trials: How many in all, those of a study that goes on included.
        minutes: After which no trial is begun.
        resume: Go on with the study in ``output``.
        progress: Show a bar for each trial.

    Returns:
        What came of it; ``best.yaml`` in the study's folder is the recipe to train with.

    Raises:
        BadDataset: The data cannot be read.
        ConfigError: A setting or a search cannot be used, ``output`` is taken, or no trial could
            be trained.
        KeyboardInterrupt: Somebody pressed Ctrl-C; all that was done is kept.
    """
    began = time.monotonic()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    _check_alone(config)
    folder, wanted = Path(output), parse_searches(searches)
    study = (
        resume_study(data, folder, config, wanted)
        if resume
        else begin_study(data, folder, config or TrainConfig(), wanted, fixed=fixed, trials=trials)
    )
    count = min(trials, study.most or trials)
    try:
        while _ended(study) < count and not _is_late(began, minutes):
            _try_one(study, trials=count, progress=progress)
    except KeyboardInterrupt:
        write_study(study, trials=count)
        again = f"actionzoo tune --resume --output {shlex.quote(os.fspath(folder))}"
        logger.warning("go on with: %s", again)
        raise
    return _result(study, write_study(study, trials=count))


def _is_late(began: float, minutes: float | None) -> bool:
    return minutes is not None and time.monotonic() - began >= 60 * minutes


def _ended(study: Study) -> int:
    return sum(one.state.is_finished() for one in study.trials.get_trials(deepcopy=False))


def _result(study: Study, tuned: Tuned) -> Tuned:
    """Return what came of a study.

    Raises:
        ConfigError: Nothing did.
    """
    if best_trial(tuned) is None:
        whys = [one.why for one in tuned.trials if one.why]
        told = f" ({whys[-1]})" if whys else ""
        raise ConfigError(
            f"no trial of {len(tuned.trials)} came to its end{told}; give more trials or time, or "
            "another --search"
        )
    return tuned


def _check_alone(config: TrainConfig | None) -> None:
    """Refuse several processes: each would run a study of its own."""
    hardware = (config or TrainConfig()).hardware
    several = (hardware.devices or 1) * hardware.nodes > 1
    if several or int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError("trials run on one device, one after another; tune in one process")


# One trial.


class Watcher(Callback):
    """Tells Optuna of each epoch of a trial, and ends the trial where it is behind the others.

    Args:
        trial: Told.
        metric: What it is judged by.
        epochs: Of a trial that is not ended early.
    """

    def __init__(self, trial: optuna.Trial, *, metric: str, epochs: int) -> None:
        self.trial, self.metric, self.epochs = trial, metric, epochs
        self.is_pruned = False

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Report the epoch that has been validated."""
        assert isinstance(module, Classifier)
        epoch, left = divmod(trainer.current_epoch + 1, module.parts)
        if left or self.metric not in trainer.callback_metrics:
            return
        value = float(trainer.callback_metrics[self.metric])
        if math.isfinite(value):
            self.report(epoch, value)
        if not math.isfinite(value) or (epoch < self.epochs and self.trial.should_prune()):
            self.is_pruned = trainer.should_stop = True

    def report(self, epoch: int, value: float) -> None:
        """Report an epoch, unless that was done before an interruption."""
        if epoch not in _frozen(self.trial).intermediate_values:
            self.trial.report(value, epoch)


def _frozen(trial: optuna.Trial) -> FrozenTrial:
    return trial.study.get_trials(deepcopy=False)[trial.number]


def _try_one(study: Study, *, trials: int, progress: bool) -> None:
    """Go on with a trial that was interrupted, or run the next one; write down what came of it."""
    trial = next_trial(study, trials)
    values = {search.key: search.suggest(trial) for search in study.searches}
    began, why, is_pruned = time.monotonic(), "", False
    try:
        with only_warnings():
            is_pruned = _train(study, trial, values, progress=progress)
    except ActionZooError as error:
        why = str(error)
    finally:
        before = trial.user_attrs.get("seconds", 0.0)
        trial.set_user_attr("seconds", before + time.monotonic() - began)
    _tell(study, trial, why=why, is_pruned=is_pruned)
    _free_memory()
    tuned = write_study(study, trials=trials)
    logger.info(trial_line(tuned, tuned.trials[trial.number], trials=trials))


def _train(
    study: Study, trial: optuna.Trial, values: Mapping[str, Value], *, progress: bool
) -> bool:
    """Train a trial, from its last checkpoint where it has one.

    Returns:
        Whether it was ended early, as it is behind the others.
    """
    plan = _plan(study, study.folder / TRIALS / str(trial.number + 1), values)
    watcher = Watcher(trial, metric=study.metric, epochs=plan.config.epochs or 0)
    start = begin(plan)
    if study.metric in start:
        watcher.report(0, start[study.metric])
    if plan.config.epochs:
        fit(plan, start, progress=progress, callbacks=[watcher])
    return watcher.is_pruned


def _plan(study: Study, run: Path, values: Mapping[str, Value]) -> Plan:
    data = Path(study.plan.facts["data"])
    if (run / LAST).exists():
        old, given = resume_config(run, None, force=False)
        return make_plan(data, run, old, given=given, resumed=True, like=study.plan)
    if run.exists():
        shutil.rmtree(run)
    config = with_values(study.base, values)
    return make_plan(data, run, config, given=config, resumed=False, like=study.plan)


def _tell(study: Study, trial: optuna.Trial, *, why: str, is_pruned: bool) -> None:
    """Tell Optuna how a trial ended.

    One that failed is told as one that was ended early: Optuna then keeps away from its settings.
    """
    curve = _frozen(trial).intermediate_values
    epoch = best_epoch_of(curve, is_least_best=study.is_least_best)
    if not why and epoch is None:
        why = "the validation gives no number; the learning rate may be too large"
    if why:
        trial.set_user_attr("why", why)
    if why or is_pruned or epoch is None:
        study.trials.tell(trial, state=TrialState.PRUNED)
    else:
        study.trials.tell(trial, curve[epoch])


def _free_memory() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


# What came of it.


def write_study(study: Study, *, trials: int) -> Tuned:
    """Write table, recipe and page as far as the study is, and let go of what is not needed."""
    tuned = _tuned(study)
    folder = study.folder
    write_trials(tuned, folder / TABLE)
    best = best_trial(tuned)
    recipe = ""
    if best is not None:
        settings = (folder / TRIALS / str(best.number) / CONFIG).read_text(encoding="utf-8")
        recipe = f"{_head(tuned, best)}\n{settings}"
        write_whole(folder / BEST, recipe)
    for one in tuned.trials:
        if one is not best and one.state != "interrupted":
            _drop_checkpoints(folder / TRIALS / str(one.number))
    write_tune_report(tuned, folder / REPORT, recipe=recipe, trials=trials)
    return tuned


def _head(tuned: Tuned, best: TrialResult) -> str:
    data = " ".join(tuned.data.split())
    reached = f"{tuned.metric} {value_text(tuned, best.value)}"
    return (
        f"# Trial {best.number} of {len(tuned.trials)}: {reached}\n"
        f"# Command   actionzoo train {shlex.quote(data)} --config {BEST}\n"
    )


def _drop_checkpoints(run: Path) -> None:
    shutil.rmtree(run / "checkpoints", ignore_errors=True)
    (run / "features.safetensors").unlink(missing_ok=True)


def _tuned(study: Study) -> Tuned:
    known = study.trials.get_trials(deepcopy=False)
    begun = [one for one in known if one.state != TrialState.WAITING]
    return Tuned(
        folder=study.folder,
        data=study.plan.facts["data"],
        model=str(study.plan.config.model),
        metric=study.metric,
        searches=study.searches,
        usual=study.usual,
        epochs=study.plan.config.epochs or 0,
        trials=tuple(_trial_result(one, study) for one in begun),
        importance=_importance(study.trials),
    )


def _trial_result(trial: FrozenTrial, study: Study) -> TrialResult:
    state: State = "complete" if trial.state == TrialState.COMPLETE else "pruned"
    why = trial.user_attrs.get("why", "")
    if why:
        state = "failed"
    elif not trial.state.is_finished():
        state = "interrupted"
    curve = dict(sorted(trial.intermediate_values.items()))
    return TrialResult(
        number=trial.number + 1,
        state=state,
        values=dict(trial.params),
        curve=curve,
        epoch=best_epoch_of(curve, is_least_best=study.is_least_best),
        seconds=trial.user_attrs.get("seconds", 0.0),
        why=why,
    )


def _importance(study: optuna.Study) -> dict[str, float]:
    """Weigh the settings: how far those of good trials lie from those of all.

    PED-ANOVA (Watanabe et al., 2023), which needs nothing that Optuna does not bring.
    """
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(done) < _ENOUGH_TO_WEIGH:
        return {}
    with warnings.catch_warnings():
        # It warns where few trials have a setting; Optuna 4 also that it is experimental.
        warnings.simplefilter("ignore")
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=_GOOD_SHARE)
        return optuna.importance.get_param_importances(study, evaluator=evaluator)
