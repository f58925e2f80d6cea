"""What is done when memory is short, a reader dies, or somebody presses Ctrl-C."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from actionzoo.errors import ConfigError, MissingExtra
from actionzoo.loading import Batch
from actionzoo.training.classifier import Classifier
from actionzoo.training.run import train
from runs import config, write_classes

Step = Callable[[Classifier, Batch, int], torch.Tensor]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_classes(tmp_path_factory.mktemp("data"))


@pytest.fixture(autouse=True)
def no_finish(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actionzoo.training.run.finish", lambda plan, **_: None)


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch) -> Callable[[Step], None]:
    """Return what puts something in front of each step."""
    real: Step = Classifier.training_step

    def put(before: Callable[[Classifier, Batch, int], None]) -> None:
        def training_step(self: Classifier, batch: Batch, number: int) -> torch.Tensor:
            before(self, batch, number)
            return real(self, batch, number)

        monkeypatch.setattr(Classifier, "training_step", training_step)

    return put


def test_where_memory_is_short_a_batch_is_computed_in_parts(
    data: Path, tmp_path: Path, step: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    sizes: list[int] = []

    def short(self: Classifier, batch: Batch, number: int) -> None:
        sizes.append(len(batch.clips))
        if len(batch.clips) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    step(short)
    with caplog.at_level(logging.WARNING):
        run = train(data, config=config("epochs=1", "batch_size=8"), output=tmp_path / "run")
    assert [one.getMessage() for one in caplog.records if "short" in one.getMessage()] == [
        "memory is short: the 8 clips of a step in 2 parts now",
        "memory is short: the 8 clips of a step in 4 parts now",
    ]
    assert sizes == [8, 4, 2, 2, 2, 2]
    assert (run / "checkpoints" / "last.ckpt").exists()


def test_where_not_even_one_clip_fits_that_is_said(
    data: Path, tmp_path: Path, step: Callable[..., None]
) -> None:
    def short(self: Classifier, batch: Batch, number: int) -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")

    step(short)
    with pytest.raises(ConfigError, match="not even one clip at a time fits into memory"):
        train(data, config=config("batch_size=2"), output=tmp_path / "run")


def test_a_run_goes_on_with_fewer_readers_when_the_system_kills_one(
    data: Path, tmp_path: Path, step: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    killed: list[int] = []

    def kill(self: Classifier, batch: Batch, number: int) -> None:
        if not killed:
            assert self.loader is not None
            killed.append(self.loader._iterator._workers[0].pid)
            os.kill(killed[0], signal.SIGKILL)

    step(kill)
    settings = ("cache=false", "workers=1", "batch_size=2", "epochs=2")
    with caplog.at_level(logging.WARNING):
        run = train(data, config=config(*settings), output=tmp_path / "run")
    assert "the system killed a process that reads videos" in caplog.text
    assert len((run / "metrics.csv").read_text().splitlines()) == 3


def test_ctrl_c_leaves_a_run_to_go_on_with(
    data: Path, tmp_path: Path, step: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    def press(self: Classifier, batch: Batch, number: int) -> None:
        if self.current_epoch == 1:
            raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    step(press)
    with pytest.raises(KeyboardInterrupt):
        train(data, config=config(), output=tmp_path / "run")
    assert signal.getsignal(signal.SIGINT) is before
    assert "go on with: actionzoo train --resume --output" in caplog.text
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Interrupted by Ctrl-C" in page


def test_a_full_disk_leaves_the_checkpoint_before(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second checkpoint does not fit: the first one stays, whole."""
    run = train(data, config=config("epochs=1"), output=tmp_path / "run")
    last = run / "checkpoints" / "last.ckpt"
    before = last.read_bytes()
    real = torch.save

    def save(value: object, file: object) -> None:
        real({"half": 1}, file)
        raise OSError(28, "No space left on device", str(last))

    monkeypatch.setattr(torch, "save", save)
    changed = config("epochs=2")
    with pytest.raises(OSError, match="No space left"):
        train(data, config=changed, output=run, resume=True, force=True)
    assert last.read_bytes() == before
    assert not list(run.glob("checkpoints/.*"))
    monkeypatch.setattr(torch, "save", real)
    train(None, output=run, resume=True)
    assert len((run / "metrics.csv").read_text().splitlines()) == 3


def test_a_missing_tensorboard_is_the_line_to_type(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_TENSORBOARD_AVAILABLE", "_TENSORBOARDX_AVAILABLE"):
        monkeypatch.setattr(f"lightning.fabric.loggers.tensorboard.{name}", False)
    with pytest.raises(MissingExtra, match=r"log\.tensorboard needs .*'actionzoo\[train\]'"):
        train(data, config=config("log.tensorboard=true"), output=tmp_path / "run")
