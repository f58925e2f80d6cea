"""A study of trials: what was asked of it, what it knows, how it is begun and gone on with.

All of it is one journal, a line of JSON for each step, which a kill at any moment leaves usable.
"""

from __future__ import annotations

import itertools
import logging
import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import TrialState

from actionzoo.errors import ConfigError
from actionzoo.training.choices import choose_model, this_machine
from actionzoo.training.config import TrainConfig, changed_settings, config_values, parse_config
from actionzoo.training.fitting import monitored
from actionzoo.training.plan import Plan, make_plan
from actionzoo.training.search import (
    Choice,
    Search,
    Value,
    check_frames,
    check_searches,
    parse_searches,
    usual_searches,
    usual_values,
)

logger = logging.getLogger(__name__)

JOURNAL = "study.journal"
"""In the folder of a study."""

_NAME, _ASKED = "tune", "actionzoo"
"""In the journal: the study, and what was asked of it."""
_RANDOM_TRIALS = 8
"""Trials that are drawn by chance before the others are guided by them."""
_JUDGED_AFTER = 4
"""Trials that have to end before others are compared with them; in small studies a fifth."""
_SPARED_SHARE = 0.25
"""Of its epochs a trial has before it is compared."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Study:
    """A study that goes on."""

    folder: Path
    plan: Plan
    """Of a run without tuning; its data and what it has read serve all trials."""
    base: TrainConfig
    """What all trials share; what it leaves open is chosen for each."""
    searches: tuple[Search, ...]
    usual: Mapping[str, Value]
    """What would be chosen without tuning, of what is searched."""
    metric: str
    """What trials are judged by."""
    most: int | None
    """As many trials are all that can be tried, where they are few."""
    trials: optuna.Study

    @property
    def is_least_best(self) -> bool:
        """Whether less of the metric is better."""
        return self.metric.endswith("loss")


def begin_study(
    data: str | os.PathLike[str] | None,
    folder: Path,
    config: TrainConfig,
    searches: Sequence[Search],
    *,
    fixed: Collection[str],
    trials: int,
) -> Study:
    """Choose what is open, and write down what is asked.

    Args:
        data: A dataset's folder or annotation file.
        folder: It is made, or empty.
        config: What all trials share.
        searches: What is searched; nothing takes what is worth it.
        fixed: Keys that are given, and so are not searched.
        trials: How many there are to be.

    Raises:
        ActionZooError: Data, a setting or weights cannot be used, or the folder is taken.
    """
    if data is None:
        raise ConfigError("there is no data to learn from; give a dataset's folder or file")
    check_searches(searches, config)
    if twice := [one.key for one in searches if one.key in fixed]:
        raise ConfigError(f"{twice[0]!r} is both given and searched; leave one of them out")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(
            f"{os.fspath(folder)!r} is there already; give a new folder for this study, or go on "
            "with that one: --resume"
        )
    shared = replace(config, hardware=replace(config.hardware, devices=1))
    plan = make_plan(Path(data), folder, _with_model(shared, searches), given=config, resumed=False)
    check_frames(searches, plan)
    chosen = tuple(searches or usual_searches(plan, fixed))
    for search in chosen:
        logger.info("searched: %s", search)
    usual, every = usual_values(chosen, plan.config), _all_values(chosen, trials)
    folder.mkdir(parents=True, exist_ok=True)
    asked = {
        "data": os.fspath(data),
        "list_hash": plan.facts["list_hash"],
        "given": config_values(config),
        "base": config_values(_base(shared, plan.config, chosen)),
        "searches": [str(one) for one in chosen],
        "usual": usual,
        "metric": monitored(plan),
        "most": len(every) or None,
    }
    # The trial that needs no tuning comes first.
    queue = sorted(every, key=lambda values: values != usual) or [usual]
    return _study(folder, plan, _create(folder, asked, queue))


def _create(
    folder: Path, asked: Mapping[str, Any], queue: Sequence[Mapping[str, Value]]
) -> optuna.Study:
    is_loss = asked["metric"].endswith("loss")
    trials = optuna.create_study(
        storage=_storage(folder),
        study_name=_NAME,
        direction="minimize" if is_loss else "maximize",
    )
    for values in queue:
        trials.enqueue_trial(dict(values))
    trials.set_user_attr(_ASKED, dict(asked))
    return trials


def _storage(folder: Path) -> JournalStorage:
    file = os.fspath(folder / JOURNAL)
    return JournalStorage(JournalFileBackend(file, lock_obj=JournalFileOpenLock(file)))


def _study(folder: Path, plan: Plan, trials: optuna.Study) -> Study:
    asked = trials.user_attrs[_ASKED]
    return Study(
        folder=folder,
        plan=plan,
        base=parse_config(asked["base"]),
        searches=tuple(parse_searches(asked["searches"])),
        usual=asked["usual"],
        metric=asked["metric"],
        most=asked["most"],
        trials=trials,
    )


def _with_model(config: TrainConfig, searches: Sequence[Search]) -> TrainConfig:
    """Choose the model, and all of it to be trained: a head alone leaves little to tune."""
    models = [one.texts for one in searches if isinstance(one, Choice) and one.key == "model"]
    if config.model is None and models:
        return replace(config, model=models[0][0])
    if config.model is None:
        chosen, reasons = choose_model(config, this_machine())
        for one in reasons:
            logger.info(one)
        return replace(config, model=chosen.model, pretrained=chosen.pretrained)
    return config


def _base(shared: TrainConfig, chosen: TrainConfig, searches: Sequence[Search]) -> TrainConfig:
    """Fix what is not to differ between trials.

    The rest is chosen for each: the stride suits the frames, the learning rate the batch.
    """
    searched = {one.key for one in searches}
    names = {"epochs", "patience"} | (set() if "model" in searched else {"model", "pretrained"})
    return replace(shared, **{name: getattr(chosen, name) for name in names - searched})


def _all_values(searches: Sequence[Search], trials: int) -> list[dict[str, Value]]:
    """Return all that can be tried, where so many trials can; else nothing."""
    choices = [one for one in searches if isinstance(one, Choice)]
    if len(choices) < len(searches) or math.prod(len(one.texts) for one in choices) > trials:
        return []
    keys = [one.key for one in choices]
    rows = itertools.product(*(one.texts for one in choices))
    return [dict(zip(keys, row, strict=True)) for row in rows]


# Going on.


def resume_study(
    data: str | os.PathLike[str] | None,
    folder: Path,
    config: TrainConfig | None,
    searches: Sequence[Search],
) -> Study:
    """Take up a study where it was left.

    Args:
        data: None takes what it was started with.
        folder: Of the study.
        config: None takes what it was started with; else it is compared with that.
        searches: The same.

    Raises:
        ConfigError: There is no such study, or it was of other settings or videos.
    """
    trials = _load(folder)
    asked = trials.user_attrs[_ASKED]
    given, base = parse_config(asked["given"]), parse_config(asked["base"])
    _check_same(folder, asked, config, searches)
    where = Path(data or asked["data"])
    with only_warnings():
        model = _with_model(base, parse_searches(asked["searches"]))
        plan = make_plan(where, folder, model, given=given, resumed=True)
    if plan.facts["list_hash"] != asked["list_hash"]:
        raise ConfigError(
            f"the videos of {os.fspath(where)!r} are not those that the study "
            f"{os.fspath(folder)!r} was started with; start a new study"
        )
    return _study(folder, plan, trials)


def _check_same(
    folder: Path,
    asked: Mapping[str, Any],
    config: TrainConfig | None,
    searches: Sequence[Search],
) -> None:
    given = parse_config(asked["given"])
    if config is not None and config != given:
        changes = "; ".join(changed_settings(given, config))
        raise ConfigError(
            f"the study {os.fspath(folder)!r} was started with other settings ({changes}); go on "
            "without giving them, or start a new study"
        )
    if searches and [str(one) for one in searches] != asked["searches"]:
        raise ConfigError(
            f"the study {os.fspath(folder)!r} searches {', '.join(asked['searches'])}; go on "
            "without --search, or start a new study"
        )


def _load(folder: Path) -> optuna.Study:
    """Read the journal of a study.

    Raises:
        ConfigError: There is none that can be read.
    """
    file = folder / JOURNAL
    trials = None
    if file.is_file():
        _mend(file)
        try:
            trials = optuna.load_study(study_name=_NAME, storage=_storage(folder))
        except (KeyError, ValueError):  # no such study; a line that is none
            trials = None
    if trials is None or _ASKED not in trials.user_attrs:
        raise ConfigError(
            f"{os.fspath(folder)!r} is no study to go on with: it has no readable {JOURNAL!r}; "
            "give the folder that --output named"
        )
    return trials


def _mend(file: Path) -> None:
    """Cut a line off that was not written to its end when the study was killed."""
    told = file.read_bytes()
    whole = told.rfind(b"\n") + 1
    if whole < len(told):
        os.truncate(file, whole)


def next_trial(study: Study, trials: int) -> optuna.Trial:
    """Return the trial that was interrupted, or a new one.

    All chance of its settings comes from the seed and its number.

    Args:
        study: With what its trials have reached.
        trials: How many there are to be.
    """
    known = study.trials.get_trials(deepcopy=False)
    begun = [one for one in known if one.state != TrialState.WAITING]
    words = np.random.SeedSequence([study.base.seed, len(begun)]).generate_state(1)
    study.trials.sampler = optuna.samplers.TPESampler(
        n_startup_trials=_RANDOM_TRIALS, seed=int(words[0])
    )
    study.trials.pruner = optuna.pruners.MedianPruner(
        n_startup_trials=min(_JUDGED_AFTER, max(1, trials // 5)),
        n_warmup_steps=_spared_epochs(study.plan.config),
    )
    left = [one for one in begun if one.state == TrialState.RUNNING]
    if not left:
        return study.trials.ask()
    logger.info("going on with trial %d, which was interrupted", left[0].number + 1)
    return optuna.Trial(study.trials, left[0]._trial_id)


def _spared_epochs(config: TrainConfig) -> int:
    """Return after how many epochs a trial is compared first, its warm-up and one more at least."""
    epochs = config.epochs or 1
    spared = max(_SPARED_SHARE * epochs, config.schedule.warmup_epochs + 1)
    return max(1, min(math.ceil(spared), epochs - 1))


@contextmanager
def only_warnings() -> Iterator[None]:
    """Keep what a run says of itself from the lines of a study; the first plan has said it."""
    quiet = {"actionzoo.training": logging.WARNING, "actionzoo.weights": logging.ERROR}
    before = {name: logging.getLogger(name).level for name in quiet}
    for name, level in quiet.items():
        logging.getLogger(name).setLevel(level)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
