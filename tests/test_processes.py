"""Several processes, on one machine or two, train as one process would."""

from __future__ import annotations

import csv
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from actionzoo.training.run import train
from runs import SETTINGS, load_config, write_classes

# SGD: the first steps of AdamW are signs of gradients, and so of their rounding where they are 0.
EXACT = "epochs=4 optimizer.name=sgd learning_rate=0.03 dropout=0".split()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_classes(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def alone(data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[list[float]]:
    """Return the curves of one process."""
    run = tmp_path_factory.mktemp("alone") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("actionzoo.training.run.finish", lambda plan, **_: None)
        train(data, config=load_config(None, [*SETTINGS, *EXACT]), output=run)
    return curves(run)


def curves(run: Path) -> list[list[float]]:
    names = ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "learning_rate")
    with (run / "metrics.csv").open() as file:
        return [[float(row[name]) for name in names] for row in csv.DictReader(file)]


def start(*command: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    output = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdout=output, stderr=output, text=True)


def free_port() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


def words_of_training(data: Path, run: Path, *settings: str) -> list[str]:
    return ["actionzoo", "train", str(data), "--output", str(run), *SETTINGS, *EXACT, *settings]


def test_two_machines_give_the_curves_of_one(
    data: Path, alone: list[list[float]], tmp_path: Path
) -> None:
    """As docs/training.md shows it, both machines being this one."""
    port = free_port()
    nodes = [
        start(
            *(sys.executable, "-m", "torch.distributed.run"),
            *("--nnodes=2", f"--node-rank={rank}", "--nproc-per-node=1"),
            *("--master-addr=127.0.0.1", f"--master-port={port}", "-m"),
            *words_of_training(data, tmp_path / "run"),
        )
        for rank in (0, 1)
    ]
    told = [one.communicate(timeout=300) for one in nodes]
    assert [one.returncode for one in nodes] == [0, 0], told
    assert "2 processes on 2 machines" in told[0][1]
    assert "epoch" not in told[1][1], "the second machine keeps quiet"
    assert curves(tmp_path / "run") == [pytest.approx(row, abs=1e-4) for row in alone]
    assert (tmp_path / "run" / "report.html").exists()


def test_two_processes_of_one_machine_do_too(
    data: Path, alone: list[list[float]], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    words = words_of_training(data, run, "hardware.devices=2", "features=none")
    process = start(sys.executable, "-m", *words)
    told = process.communicate(timeout=300)
    assert process.returncode == 0, told
    assert curves(run) == [pytest.approx(row, abs=1e-4) for row in alone]
