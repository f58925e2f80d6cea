"""A run that is interrupted, and gone on with, ends as if it had not been."""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from actionzoo.cli import main
from actionzoo.errors import ConfigError
from actionzoo.training.classifier import Classifier
from actionzoo.training.config import TrainConfig, load_config
from actionzoo.training.run import train
from runs import SETTINGS, config, write_classes

VARIED = (
    "parts=2 average.ema_decay=0.9 mix.mixup=0.4 mix.cutmix=0.4 dropout=0.3 augment.flip=true "
    "augment.erase=0.5 accumulate=2 schedule.name=plateau schedule.patience=0 batch_size=4"
).split()
"""All that draws or remembers something on the way."""


@pytest.fixture(scope="module", autouse=True)
def no_finish() -> Iterator[None]:
    """Leave out export and report, which take longer than these runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("actionzoo.training.run.finish", lambda plan, **_: None)
        yield


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_classes(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody interrupts."""
    return train(data, config=config(*VARIED), output=tmp_path_factory.mktemp("whole") / "run")


def assert_same(run: Path, other: Path) -> None:
    """Compare parameters and metrics to the last bit; only the clock may differ."""
    for name in ("best", "last"):
        own = load_file(run / "checkpoints" / f"{name}.safetensors")
        for key, value in load_file(other / "checkpoints" / f"{name}.safetensors").items():
            assert torch.equal(own[key], value), f"{name}: {key}"
    assert metrics(run) == metrics(other)


def metrics(run: Path) -> list[list[str]]:
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    timed = ("seconds", "clips_per_second")
    return [[value for name, value in row.items() if name not in timed] for row in rows]


def train_until(
    step: int, monkeypatch: pytest.MonkeyPatch, data: Path, config: TrainConfig, run: Path
) -> None:
    """Let the process end when it computes its n-th batch."""
    real: Callable[..., torch.Tensor] = Classifier.training_step
    left = [step]

    def training_step(self: Classifier, *args: object) -> torch.Tensor:
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return real(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(Classifier, "training_step", training_step)
        with pytest.raises(Killed):
            train(data, config=config, output=run)


@pytest.mark.parametrize("step", [0, 1, 3, 5, 8, 11])
def test_it_goes_on_from_any_step(
    step: int, data: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_until(step, monkeypatch, data, config(*VARIED), tmp_path / "run")
    train(None, output=tmp_path / "run", resume=True)
    assert_same(tmp_path / "run", whole)


def test_it_survives_kill_9_at_any_moment(data: Path, whole: Path, tmp_path: Path) -> None:
    """Real processes, killed at random, until one of them reaches the end."""
    chance = random.Random(os.environ.get("ACTIONZOO_SEED", time.time_ns()))
    command = [sys.executable, "-m", "actionzoo", "train", str(data), "--output"]
    command += [str(tmp_path / "run"), "--resume"]
    first = [*command[:-1], *SETTINGS, *VARIED]
    kills: list[float] = []
    for _ in range(6):
        started = (tmp_path / "run" / "run.json").exists()
        process = subprocess.Popen(command if started else first, stderr=subprocess.PIPE, text=True)
        # Only from when it writes something on: before that there is nothing to be lost.
        wait_for(tmp_path / "run" / "config.yaml", process)
        kills.append(chance.uniform(0, 3) if len(kills) < 2 else 60)
        try:
            process.wait(kills[-1])
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        finally:
            error = process.communicate()[1]
    assert process.returncode == 0, error
    assert_same(tmp_path / "run", whole)
    assert (tmp_path / "run" / "report.html").exists()


def test_ctrl_c_ends_the_command_in_order(
    data: Path,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What Python makes of the terminal's signal, in the second epoch."""
    real: Callable[..., torch.Tensor] = Classifier.training_step

    def training_step(self: Classifier, *args: object) -> torch.Tensor:
        if self.current_epoch == 3:  # passes over the data, of which an epoch has two
            raise KeyboardInterrupt
        return real(self, *args)

    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(Classifier, "training_step", training_step)
        assert main(["train", str(data), "--output", str(run), *SETTINGS, *VARIED]) == 130
    said = capsys.readouterr().err
    assert f"go on with: actionzoo train --resume --output {run}" in said
    assert said.endswith("actionzoo: interrupted; what was done is kept\n")
    assert len(metrics(run)) == 1
    train(None, output=run, resume=True)
    assert_same(run, whole)


def wait_for(file: Path, process: subprocess.Popen[str]) -> None:
    while not file.exists() and process.poll() is None:
        time.sleep(0.02)


def test_a_run_that_has_ended_is_left_as_it_is(data: Path, whole: Path, tmp_path: Path) -> None:
    settings = ("epochs=2",)
    run = train(data, config=config(*settings), output=tmp_path / "run")
    before = (run / "checkpoints" / "last.safetensors").read_bytes()
    train(None, output=run, resume=True)
    assert (run / "checkpoints" / "last.safetensors").read_bytes() == before


def test_a_run_that_ended_early_does_not_go_on(data: Path, tmp_path: Path) -> None:
    stubborn = config("epochs=9", "patience=1", "learning_rate=1e-12", "monitor=accuracy")
    run = train(data, config=stubborn, output=tmp_path / "run")
    told = metrics(run)
    assert len(told) < 9
    train(None, output=run, resume=True)
    assert metrics(run) == told


# what has changed in between


@pytest.fixture
def interrupted(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    train_until(3, monkeypatch, data, config(), tmp_path / "run")
    return tmp_path / "run"


def test_the_same_settings_may_be_given_again(data: Path, interrupted: Path) -> None:
    train(data, config=config(), output=interrupted, resume=True)
    assert len(metrics(interrupted)) == 3


def test_other_settings_are_refused_unless_forced(data: Path, interrupted: Path) -> None:
    changed = load_config(interrupted / "config.yaml", ["epochs=4", "mix.mixup=0.2"])
    with pytest.raises(ConfigError, match=r"epochs: 3 -> 4; mix.mixup: 0.0 -> 0.2.*--force"):
        train(data, config=changed, output=interrupted, resume=True)
    train(data, config=changed, output=interrupted, resume=True, force=True)
    assert len(metrics(interrupted)) == 4
    assert load_config(interrupted / "config.yaml").mix.mixup == 0.2


def test_the_command_line_names_the_setting_that_differs(
    interrupted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--resume", "--output", str(interrupted), "epochs=510"]) == 2
    assert "was started with other settings (epochs: 3 -> 510)" in capsys.readouterr().err


def test_other_videos_are_refused_unless_forced(interrupted: Path, tmp_path: Path) -> None:
    fewer = write_classes(tmp_path / "fewer", videos=5)
    with pytest.raises(ConfigError, match=r"not those that the run .* was started with"):
        train(fewer, output=interrupted, resume=True)
    train(fewer, output=interrupted, resume=True, force=True)


def test_other_classes_are_refused_always(interrupted: Path, tmp_path: Path) -> None:
    other = write_classes(tmp_path / "other")
    (other / "dark").rename(other / "night")
    with pytest.raises(ConfigError, match="tells 3 classes apart but the data has"):
        train(other, output=interrupted, resume=True, force=True)


def test_where_there_is_no_run_there_is_nothing_to_go_on_with(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no run to go on with"):
        train(None, config=TrainConfig(), output=tmp_path, resume=True)
