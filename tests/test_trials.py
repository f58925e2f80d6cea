"""What came of trials, in order and in words."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path

from actionzoo.training.search import Value, parse_searches
from actionzoo.training.trials import (
    State,
    TrialResult,
    Tuned,
    baseline,
    best_epoch_of,
    best_trial,
    ranking,
    trial_line,
    write_trials,
)

USUAL: Mapping[str, Value] = {"learning_rate": 1e-3, "optimizer.name": "adamw"}


def trial(
    number: int,
    state: State,
    curve: Mapping[int, float],
    values: Mapping[str, Value] = USUAL,
    *,
    why: str = "",
    is_least_best: bool = True,
) -> TrialResult:
    return TrialResult(
        number=number,
        state=state,
        values=values,
        curve=curve,
        epoch=best_epoch_of(curve, is_least_best=is_least_best),
        seconds=60.0 * number,
        why=why,
    )


def tuned(*trials: TrialResult, metric: str = "val_loss") -> Tuned:
    searches = parse_searches(["learning_rate=1e-4..1e-2,log", "optimizer.name=adamw|sgd"])
    return Tuned(
        folder=Path("study"),
        data="clips",
        model="figures10",
        metric=metric,
        searches=tuple(searches),
        usual=USUAL,
        epochs=3,
        trials=trials,
        importance={},
    )


OTHER: Mapping[str, Value] = {"learning_rate": 2.5e-3, "optimizer.name": "sgd"}
SEVERAL = tuned(
    trial(1, "complete", {1: 3.0, 2: 2.0, 3: 2.5}),
    trial(2, "failed", {1: 0.1}, OTHER, why="the loss is nan"),
    trial(3, "complete", {1: math.nan, 2: 1.5, 3: 1.25}, OTHER),
    trial(4, "pruned", {1: 1.0}, OTHER),
    trial(5, "interrupted", {}, {"learning_rate": 1e-4}),
)


def test_trials_that_came_to_their_end_are_before_those_that_did_not() -> None:
    assert [one.number for one in ranking(SEVERAL)] == [3, 1, 4, 5, 2]
    best, without = best_trial(SEVERAL), baseline(SEVERAL)
    assert best is not None
    assert (best.number, best.value, best.epoch) == (3, 1.25, 3)
    assert without is not None
    assert without.number == 1
    assert best_trial(tuned(trial(1, "pruned", {1: 1.0}))) is None


def test_more_accuracy_is_better() -> None:
    trials = (
        trial(number, "complete", {1: 0.5, 2: value}, is_least_best=False)
        for number, value in ((1, 0.6), (2, 0.9), (3, 0.9))
    )
    several = tuned(*trials, metric="val_accuracy")
    assert [one.number for one in ranking(several)] == [2, 3, 1]
    told = trial_line(several, several.trials[0], trials=3)
    assert "validation accuracy 60.0 % in epoch 2 of 2; 60 s; best so far 90.0 %" in told


def test_a_line_says_what_was_tried_and_what_came_of_it() -> None:
    told = [trial_line(SEVERAL, one, trials=9) for one in SEVERAL.trials]
    assert told[0] == (
        "trial 1 of 9: learning_rate 1e-3, optimizer.name adamw: validation loss 2 in epoch 2 of "
        "3; 60 s; best so far 1.25"
    )
    assert told[1].endswith("failed: the loss is nan; 2.0 min; best so far 1.25")
    assert told[2].endswith("validation loss 1.25 in epoch 3 of 3; 3.0 min; the best so far")
    assert "pruned after epoch 1, validation loss 1;" in told[3]
    assert "learning_rate 1e-4: interrupted after epoch 0" in told[4]


def test_programs_get_all_of_it(tmp_path: Path) -> None:
    write_trials(SEVERAL, tmp_path / "trials.csv")
    with (tmp_path / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows] == [one.state for one in SEVERAL.trials]
    assert rows[2] == {
        "trial": "3",
        "state": "complete",
        "val_loss": "1.25",
        "best_epoch": "3",
        "epochs": "3",
        "seconds": "180.0",
        "learning_rate": "0.0025",
        "optimizer.name": "sgd",
        "why": "",
    }
    assert (rows[4]["val_loss"], rows[4]["optimizer.name"]) == ("", "")
