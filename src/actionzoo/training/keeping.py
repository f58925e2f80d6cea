"""What a run leaves behind after every pass, so that nothing is lost whenever it ends.

Files take their place whole or not at all: a kill between two bytes leaves the one before.
"""

from __future__ import annotations

import csv
import io
import logging
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from actionzoo.errors import BadWeights
from actionzoo.saved import BEST_WEIGHTS, LAST_WEIGHTS, save_network
from actionzoo.training.classifier import KEY, Classifier
from actionzoo.whole import whole, write_whole

logger = logging.getLogger(__name__)

LAST, BEST = "checkpoints/last.ckpt", "checkpoints/best.ckpt"
"""In the folder of a run."""


class WholeFiles(TorchCheckpointIO):
    """Writes checkpoints beside their place first, and reads them without running their code."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        """Write a checkpoint; one that was there is replaced when this one is on the disk."""
        final = Path(path)
        final.parent.mkdir(parents=True, exist_ok=True)
        with whole(final) as part, part.open("wb") as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())

    def load_checkpoint(
        self, path: Any, map_location: Any = "cpu", weights_only: bool | None = True
    ) -> dict[str, Any]:
        """Read a checkpoint: tensors and plain values only."""
        return read_checkpoint(Path(path))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint of a run.

    Raises:
        BadWeights: It is not there, is damaged, or is none of a run.
    """
    name = repr(os.fspath(path))
    if not path.is_file():
        raise BadWeights(f"there is no checkpoint {name}; give the folder of a run")
    try:
        checkpoint: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for damaged files
        raise BadWeights(f"{name} is damaged, or no checkpoint: {error}") from error
    if not isinstance(checkpoint, dict) or KEY not in checkpoint:
        raise BadWeights(f"{name} is no checkpoint of actionzoo train; use pretrained= for others")
    return checkpoint


# Lightning calls checkpoint callbacks after all others, and after the module itself has logged.
class Ledger(Checkpoint):
    """Writes a row of metrics an epoch, and says a sentence."""

    def __init__(self, path: Path, rows: Sequence[dict[str, float]] = ()) -> None:
        self.path, self.rows = path, list(rows)

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Take what the epoch and its validation logged."""
        assert isinstance(module, Classifier)
        epoch, left = divmod(trainer.current_epoch + 1, module.parts)
        if left:
            return
        names = (
            "train_loss",
            f"train_{module.score_name}",
            "val_loss",
            f"val_{module.score_name}",
            "learning_rate",
            "clips_per_second",
            "seconds",
        )
        metrics = trainer.callback_metrics
        row = {"epoch": float(epoch)}
        row |= {name: float(metrics[name]) for name in names if name in metrics}
        self.rows = [one for one in self.rows if one["epoch"] < epoch] + [row]
        if trainer.is_global_zero:
            write_rows(self.rows, self.path)
            logger.info(_said(row, (trainer.max_epochs or 0) // module.parts))

    def state_dict(self) -> dict[str, Any]:
        """Return the rows, so that a resumed run has them all."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the rows up again."""
        self.rows = state_dict["rows"]


def write_rows(rows: Sequence[Mapping[str, float]], path: Path) -> None:
    """Write rows of metrics as CSV, whole or not at all."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _number(name, value) for name, value in row.items()})
    write_whole(path, text.getvalue())


def _number(name: str, value: float) -> str:
    if name == "epoch":
        return str(int(value))
    return f"{value:.6g}" if name == "learning_rate" else f"{value:.5f}"


def _said(row: Mapping[str, float], epochs: int) -> str:
    shown = [name for name in row if name.startswith(("train_", "val_"))]
    told = ", ".join(f"{name.replace('_', ' ')} {row[name]:.3f}" for name in shown)
    speed = f"{row['clips_per_second']:.1f} clips/s" if "clips_per_second" in row else ""
    return f"epoch {int(row['epoch'])} of {epochs}: {told}, {speed}"


class Keeper(Checkpoint):
    """Keeps the last state and the best one, and ends a run that gets no better.

    Args:
        run: Folder of the run.
        monitor: Which metric tells the best: less of a loss, more of anything else.
        patience: Epochs without a better one after which the run ends; 0 never.
        always: Whether each epoch takes the place of the one before, better or not.
        best: What there was before the first epoch.
    """

    def __init__(
        self,
        run: Path,
        *,
        monitor: str,
        patience: int,
        always: bool = False,
        best: float | None = None,
    ) -> None:
        self.run, self.monitor, self.patience, self.best = run, monitor, patience, best
        self.always = always
        self.best_epoch = 0
        self.since = 0

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Save the beginning, so that there is always something to go on from."""
        if self._is_enough():
            trainer.should_stop = True
        elif trainer.global_step == 0:
            # Not by whether a file is there: all processes have to do the same.
            trainer.save_checkpoint(self.run / LAST)

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        """Save the best so far, then where the run is."""
        assert isinstance(module, Classifier)
        epoch, left = divmod(trainer.current_epoch + 1, module.parts)
        if not left and self.monitor in trainer.callback_metrics:
            self._judge(trainer, module, epoch)
        if trainer.is_global_zero:
            save_network(module.judged, self.run / LAST_WEIGHTS, module.facts)
        trainer.save_checkpoint(self.run / LAST)
        trainer.should_stop = trainer.should_stop or self._is_enough()

    def _judge(self, trainer: L.Trainer, module: Classifier, epoch: int) -> None:
        value = float(trainer.callback_metrics[self.monitor])
        sign = 1 if self.monitor.endswith("loss") else -1
        self.since += 1
        better = self.best is None or sign * value < sign * self.best
        if better:
            self.since = 0
        if math.isfinite(value) and (better or self.always):
            self.best = value if better else self.best
            self.best_epoch = epoch
            if trainer.is_global_zero:
                save_network(module.judged, self.run / BEST_WEIGHTS, module.facts)
            trainer.save_checkpoint(self.run / BEST)

    def _is_enough(self) -> bool:
        return bool(self.patience) and self.since >= self.patience

    def state_dict(self) -> dict[str, Any]:
        """Return what is the best so far."""
        return {"best": self.best, "best_epoch": self.best_epoch, "since": self.since}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take it up again."""
        self.best, self.best_epoch = state_dict["best"], state_dict["best_epoch"]
        self.since = state_dict["since"]
