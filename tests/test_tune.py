"""Studies of tiny trainings, on three classes that brightness tells apart."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from actionzoo.cli import main
from actionzoo.errors import ConfigError
from actionzoo.training import data as reading
from actionzoo.training.classifier import Classifier
from actionzoo.training.config import load_config
from actionzoo.training.study import JOURNAL
from actionzoo.training.trials import Tuned, best_trial
from actionzoo.training.tune import tune
from runs import SETTINGS, config, write_classes

QUICK = ("epochs=2", "log.tensorboard=false")
WILD = ("optimizer.clip_gradient=null", "optimizer.name=sgd", "learning_rate=0.03")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_classes(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def rates(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    """Learning rates: a good one, one that learns nothing, one that leads to no numbers."""
    return tune(
        data,
        output=tmp_path_factory.mktemp("studies") / "rates",
        config=config(*QUICK, *WILD),
        searches=["learning_rate=1e30|1e-9|0.03"],
    )


def test_a_trial_that_is_behind_is_ended_early(rates: Tuned) -> None:
    states = {one.values["learning_rate"]: one.state for one in rates.trials}
    assert states == {"0.03": "complete", "1e30": "failed", "1e-9": "pruned"}
    epochs = {one.values["learning_rate"]: list(one.curve) for one in rates.trials}
    assert epochs["0.03"] == [1, 2]
    assert epochs["1e-9"] == [1]


def test_a_trial_that_diverges_does_not_end_the_study(rates: Tuned) -> None:
    (failed,) = (one for one in rates.trials if one.state == "failed")
    assert "the loss is" in failed.why
    assert len(rates.trials) == 3


def test_the_best_recipe_is_that_of_the_best_trial(rates: Tuned) -> None:
    best = best_trial(rates)
    assert best is not None
    run = rates.folder / "trials" / str(best.number)
    recipe = load_config(rates.folder / "best.yaml")
    assert recipe == load_config(run / "config.yaml")
    assert (recipe.learning_rate, recipe.epochs, recipe.model) == (0.03, 2, "figures10")
    with (run / "metrics.csv").open() as file:
        losses = [float(row["val_loss"]) for row in csv.DictReader(file)]
    assert best.value == pytest.approx(min(losses), abs=1e-5)


def test_a_study_leaves_its_trials_without_what_takes_room(rates: Tuned) -> None:
    files = {one.relative_to(rates.folder).as_posix() for one in rates.folder.rglob("*.*")}
    best = best_trial(rates)
    assert best is not None
    kept = {name for name in files if "checkpoints" in name}
    assert {name.split("/")[1] for name in kept} == {str(best.number)}
    assert {JOURNAL, "best.yaml", "trials.csv", "report.html"} < files
    for number in (1, 2, 3):
        assert f"trials/{number}/config.yaml" in files


class Killed(BaseException):
    """Stands for the end of the process."""


def two_trials(data: Path, output: Path) -> Tuned:
    searches = ["learning_rate=1e-4..1e-1,log", "augment=0..2"]
    return tune(data, output=output, config=config(*QUICK), searches=searches, trials=2)


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    """A study that nobody interrupts."""
    return two_trials(data, tmp_path_factory.mktemp("whole") / "study")


@pytest.mark.parametrize(("end", "step"), [(Killed, 3), (KeyboardInterrupt, 6)])
def test_an_interrupted_study_ends_as_if_it_had_not_been(
    end: type[BaseException],
    step: int,
    data: Path,
    whole: Tuned,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the second epoch of the first trial, or the first of the second; each has two steps."""
    real: Callable[..., torch.Tensor] = Classifier.training_step
    steps = [0]

    def training_step(self: Classifier, *args: object) -> torch.Tensor:
        steps[0] += 1
        if steps[0] == step:
            raise end
        return real(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(Classifier, "training_step", training_step)
        with pytest.raises(end):
            two_trials(data, tmp_path / "cut")
    again = tune(None, output=tmp_path / "cut", resume=True, trials=2)
    assert [one.number for one in again.trials] == [1, 2]
    assert [(one.values, one.curve) for one in again.trials] == [
        (one.values, one.curve) for one in whole.trials
    ]
    if end is Killed:  # a study that has ended is left as it is
        assert tune(None, output=tmp_path / "cut", resume=True, trials=2).trials == again.trials


def test_videos_are_read_once_for_each_size(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "actionzoo.training")
    read: list[int] = []
    real = reading.read_once

    def read_once(dataset, spec, *, keep):  # type: ignore[no-untyped-def]
        read.append(spec.height)
        return real(dataset, spec, keep=keep)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("actionzoo.training.plan.read_once", read_once)
        tuned = tune(
            data,
            output=tmp_path / "study",
            config=config("epochs=1"),
            searches=["input.frames=4|8", "input.size=24|32"],
            trials=4,
        )
    assert sorted(read) == [24, 32, 32]  # what the first plan has read serves the first two
    inputs = [
        load_config(tmp_path / "study" / "trials" / str(one.number) / "config.yaml").input
        for one in tuned.trials
    ]
    assert {(one.frames, one.stride, one.size) for one in inputs} == {
        *((4, 2, 24), (4, 2, 32)),
        *((8, 1, 24), (8, 1, 32)),
    }
    # A line a trial; what a run says of itself is left out.
    lines = [one.message for one in caplog.records if one.message.startswith(("trial", "epoch"))]
    assert len(lines) == 4
    assert lines[0].startswith("trial 1 of 4: input.frames 4, input.size 24: validation loss ")


def test_several_processes_are_refused(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="one device"):
        tune(data, output=tmp_path / "study", config=config("hardware.devices=2"))
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="one process"):
        tune(data, output=tmp_path / "study")


def test_a_study_in_which_nothing_works_says_why(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no trial of 1 came to its end \(the loss is nan"):
        tune(
            data,
            output=tmp_path / "study",
            config=config(*QUICK, *WILD),
            searches=["learning_rate=1e30..1e31"],
            trials=1,
        )
    assert "Failed" in (tmp_path / "study" / "report.html").read_text()
    with pytest.raises(ConfigError, match="no trial of 1 came"):
        tune(None, output=tmp_path / "study", resume=True, minutes=1e-9)


# The command line.


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main([str(word) for word in words])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err


def test_the_verb_tunes_goes_on_and_trains(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("actionzoo.training.run.finish", lambda plan, **_: None)
    monkeypatch.chdir(tmp_path)
    search = ("--search", "mix.mixup=0..0.4", "--epochs", 1)
    code, out, _ = run(capsys, "tune", data, *search, "--trials", 1, *SETTINGS)
    assert code == 0
    assert "actionzoo train" in out
    assert "studies/1/best.yaml" in out
    go_on = ("tune", "--resume", "--output", "studies/1", "--trials", 2, "--train")
    code, out, _ = run(capsys, *go_on)
    assert code == 0
    assert out.count("mix.mixup") == 1
    assert (tmp_path / "studies/1/best/checkpoints/best.safetensors").exists()
    code, _, err = run(capsys, *go_on)
    assert (code, "is there already" in err) == (2, True)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--resume"], "which study to go on with?"),
        (["--search", "learning_rat=1..2"], "did you mean 'learning_rate'"),
        (["learning_rat=1"], "did you mean 'learning_rate'"),
    ],
)
def test_wrong_usage_is_told_in_a_sentence(
    words: list[str],
    sentence: str,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, "tune", data, *words)
    assert (code, sentence in err) == (2, True), err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "soon"])
def test_minutes_are_above_0(minutes: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["tune", "clips", f"--minutes={minutes}"])
    assert "is no number of minutes" in capsys.readouterr().err


def test_a_missing_library_is_the_line_to_type(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("tune", "study"):
        monkeypatch.delitem(sys.modules, f"actionzoo.training.{name}")
    monkeypatch.setitem(sys.modules, "optuna", None)
    code, _, err = run(capsys, "tune", "clips")
    assert (code, "pip install 'actionzoo[tune]'" in err) == (2, True)
