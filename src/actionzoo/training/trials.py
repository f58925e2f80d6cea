"""What came of the trials of a study: as values, as a table for programs, in a sentence each."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from actionzoo.pages.charts import number_text
from actionzoo.pages.frame import duration, percent
from actionzoo.training.search import Search, Value
from actionzoo.whole import write_whole

State = Literal["complete", "pruned", "failed", "interrupted"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialResult:
    """What came of one trial."""

    number: int
    """From 1 on."""
    state: State
    """``pruned``: ended early, as it was behind the others; ``failed``: it could not be trained."""
    values: Mapping[str, Value]
    """Of what is searched."""
    curve: Mapping[int, float]
    """What it is judged by, after each epoch; some may be no number."""
    epoch: int | None
    """The best one, where there is one."""
    seconds: float
    why: str = ""
    """It failed, in a sentence."""

    @property
    def value(self) -> float | None:
        """What the trial reached in its best epoch."""
        return None if self.epoch is None else self.curve[self.epoch]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tuned:
    """A study as far as it got."""

    folder: Path
    data: str
    model: str
    metric: str
    """What trials are judged by: ``val_loss``, ``val_accuracy`` or ``val_map``."""
    searches: tuple[Search, ...]
    usual: Mapping[str, Value]
    """What would be chosen without tuning, of what is searched."""
    epochs: int
    """Of a trial that is not ended early."""
    trials: tuple[TrialResult, ...]
    """All that have begun, in their order."""
    importance: Mapping[str, float]
    """Share of each setting in what makes a trial good, greatest first; nothing where too few
    trials were trained to their end."""

    @property
    def is_least_best(self) -> bool:
        """Whether less is better."""
        return self.metric.endswith("loss")

    @property
    def is_share(self) -> bool:
        """Whether values are shares, shown in hundredths."""
        return not self.is_least_best


def best_epoch_of(curve: Mapping[int, float], *, is_least_best: bool) -> int | None:
    """Return the epoch that is best, the first of several; None where none has a number.

    >>> best_epoch_of({1: 0.5, 2: 0.25, 3: float("nan")}, is_least_best=True)
    2
    """
    sign = 1 if is_least_best else -1
    known = [epoch for epoch, value in curve.items() if math.isfinite(value)]
    return min(known, key=lambda epoch: (sign * curve[epoch], epoch), default=None)


def best_trial(tuned: Tuned) -> TrialResult | None:
    """Return the best of the trials that were trained to their end, the first of several."""
    ranked = ranking(tuned)
    return ranked[0] if ranked and ranked[0].state == "complete" else None


def ranking(tuned: Tuned) -> list[TrialResult]:
    """Order trials from good to bad: those trained to their end first, the failed ones last."""
    states: Sequence[State] = ("complete", "pruned", "interrupted", "failed")
    sign = 1 if tuned.is_least_best else -1

    def place(one: TrialResult) -> tuple[int, float, int]:
        value = math.inf if one.value is None else sign * one.value
        return states.index(one.state), value, one.number

    return sorted(tuned.trials, key=place)


def baseline(tuned: Tuned) -> TrialResult | None:
    """Return the trial with the settings that would be chosen without tuning."""
    if len(tuned.usual) < len(tuned.searches):
        return None
    done = [one for one in tuned.trials if one.state == "complete" and one.values == tuned.usual]
    return done[0] if done else None


# In words.


def name_of(metric: str) -> str:
    """Name a metric.

    >>> name_of("val_loss"), name_of("val_map")
    ('validation loss', 'validation mAP')
    """
    return metric.replace("val_", "validation ").replace("map", "mAP")


def value_text(tuned: Tuned, value: float | None) -> str:
    """Write a value of what trials are judged by."""
    if value is None:
        return "none"
    return percent(value, 1) if tuned.is_share else f"{value:.4g}"


def setting_text(value: Value) -> str:
    """Write a value of a setting.

    >>> setting_text(0.00123456), setting_text(16), setting_text("adamw")
    ('1.23e-3', '16', 'adamw')
    """
    return value if isinstance(value, str) else number_text(value)


def settings_text(values: Mapping[str, Value]) -> str:
    """Write all settings of a trial in a line."""
    return ", ".join(f"{key} {setting_text(value)}" for key, value in values.items())


def outcome_text(tuned: Tuned, trial: TrialResult) -> str:
    """Say what came of a trial."""
    if trial.state == "failed":
        return f"failed: {trial.why}"
    last = max(trial.curve, default=0)
    reached = f"{name_of(tuned.metric)} {value_text(tuned, trial.value)}"
    if trial.state == "pruned":
        return f"pruned after epoch {last}, {reached}"
    if trial.state == "interrupted":
        return f"interrupted after epoch {last}"
    return f"{reached} in epoch {trial.epoch} of {last}"


def trial_line(tuned: Tuned, trial: TrialResult, *, trials: int) -> str:
    """Say in a line what was tried and what came of it.

    Args:
        tuned: With the trial.
        trial: Which one.
        trials: How many there are to be.
    """
    best = best_trial(tuned)
    told = [outcome_text(tuned, trial), duration(trial.seconds)]
    if best is not None:
        is_best = best.number == trial.number
        told.append(
            "the best so far" if is_best else f"best so far {value_text(tuned, best.value)}"
        )
    return f"trial {trial.number} of {trials}: {settings_text(trial.values)}: {'; '.join(told)}"


def write_trials(tuned: Tuned, path: Path) -> None:
    """Write all trials as CSV, whole or not at all."""
    keys = [one.key for one in tuned.searches]
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["trial", "state", tuned.metric, "best_epoch", "epochs", "seconds", *keys, "why"])
    for one in tuned.trials:
        found = ["" if value is None else value for value in (one.value, one.epoch)]
        ran = [max(one.curve, default=0), round(one.seconds, 1)]
        searched = [one.values.get(key, "") for key in keys]
        rows.writerow([one.number, one.state, *found, *ran, *searched, one.why])
    write_whole(path, text.getvalue())
