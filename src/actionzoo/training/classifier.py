"""A model, how it learns, and what is measured of it: the part of the loop that is ours."""

from __future__ import annotations

import itertools
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import lightning as L
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader
from torchmetrics import MeanMetric, Metric
from torchmetrics.classification import MulticlassAccuracy, MultilabelAveragePrecision

from actionzoo.augment import mix
from actionzoo.batches import TrainBatches
from actionzoo.errors import ConfigError
from actionzoo.loading import Batch, Item, TrainClips, collate, count_faults
from actionzoo.models.blocks import channels_last
from actionzoo.training.config import AverageConfig, LossConfig, TrainConfig
from actionzoo.training.freezing import keep_frozen_in_eval
from actionzoo.training.losses import distillation_loss, make_loss
from actionzoo.training.norms import measure_batch_norms
from actionzoo.training.optimizers import Schedule, make_optimizer

KEY = "actionzoo"
"""Where a checkpoint holds what ``Classifier.facts`` is."""


class Diverged(ConfigError):
    """The loss is no number any more."""


class Classifier(L.LightningModule):
    """A network in training.

    Args:
        model: (B, C, T, H, W) float32 -> logits (B, K).
        config: All of it chosen.
        stages: Patterns of the network's parameter names, first stage first.
        counts: Training videos of each class, K of them.
        several_labels: Whether a video may have more than one.
        facts: Plain values that each checkpoint carries.
        teacher: Another network, whose logits are learnt too.
    """

    def __init__(
        self,
        model: nn.Module,
        config: TrainConfig,
        *,
        stages: Sequence[str],
        counts: Sequence[int],
        several_labels: bool,
        facts: dict[str, Any],
        teacher: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.model = channels_last(model) if config.hardware.channels_last else model
        self.config, self.stages, self.facts = config, stages, facts
        self.several_labels, self.num_classes = several_labels, len(counts)
        self.loss = make_loss(config.loss, counts=counts, several_labels=several_labels)
        # Validation is measured without what only helps to learn.
        self.plain_loss = make_loss(LossConfig(), counts=counts, several_labels=several_labels)
        self.average = _average(self.model, config.average)
        # In a list: it is neither trained nor saved.
        self._teacher = [] if teacher is None else [channels_last(teacher).eval()]
        # A batch whose loss is no number makes the mean none; by default it would be left out.
        self.train_loss, self.val_loss = (MeanMetric(nan_strategy=math.nan) for _ in range(2))
        self.train_accuracy = self._measure()
        self.val_accuracy = self._measure()
        self.faults: Counter[str] = Counter()
        self.loader: DataLoader[Item] | None = None
        self._clips, self._began, self._learning, self._rate = 0, time.perf_counter(), 0.0, 0.0

    def _measure(self) -> Metric:
        if self.several_labels:
            return MultilabelAveragePrecision(self.num_classes)
        return MulticlassAccuracy(self.num_classes, average="micro")

    @property
    def judged(self) -> nn.Module:
        """The network that is validated and kept: the average where one is taken."""
        if self.average is None or not int(self.average.n_averaged):
            return self.model
        module: nn.Module = self.average.module
        return module

    @property
    def score_name(self) -> str:
        """What accuracy is called: top-1, or mean average precision."""
        return "map" if self.several_labels else "accuracy"

    # data

    def train_dataloader(self) -> DataLoader[Item]:
        """Return the batches, at the pass that comes next."""
        assert self.loader is not None
        # Lightning asks for the first pass before it tells the epoch.
        self.batches.set_epoch(self.trainer.current_epoch)
        return self.loader

    @property
    def batches(self) -> TrainBatches:
        """Which clips make which batch."""
        assert self.loader is not None
        batches = self.loader.batch_sampler
        assert isinstance(batches, TrainBatches)
        return batches

    # training

    def on_fit_start(self) -> None:
        """Take the teacher along."""
        for one in self._teacher:
            one.to(self.device)

    def on_train_epoch_start(self) -> None:
        """Keep what is frozen as it is, and start the clock."""
        keep_frozen_in_eval(self.model)
        if self.average is not None:
            self.average.eval()
        self._clips, self._began = 0, time.perf_counter()

    def training_step(self, batch: Batch, number: int) -> Tensor:
        """Return the loss of a batch.

        Raises:
            Diverged: It is no number.
        """
        count_faults(batch.faults, self.faults)
        rng = self._rng(number)
        clips, targets = batch.clips, self._spread(batch.targets)
        if self.config.mix.is_on:
            clips, targets = mix(clips, targets, self.config.mix, rng=rng)
        logits = self.model(self._in_order(clips)).float()
        loss = self._loss(logits, targets, clips)
        if not math.isfinite(float(loss.detach())):
            raise Diverged(
                f"the loss is {float(loss.detach())} at step {self.global_step}: the learning rate "
                f"{self.config.learning_rate:g} is too large for this, or a gradient is; go on "
                f"from before with learning_rate={(self.config.learning_rate or 0) / 10:g}"
            )
        self.train_loss.update(loss.detach(), len(batch.targets))
        self.train_accuracy.update(logits.detach(), batch.targets.long())
        self._clips += len(batch.targets)
        # Of the last group, the head; after the step the schedule will have moved on.
        self._rate = float(self.trainer.optimizers[0].param_groups[-1]["lr"])
        return loss

    def _loss(self, logits: Tensor, targets: Tensor, clips: Tensor) -> Tensor:
        loss: Tensor = self.loss(logits, targets)
        distill = self.config.distill
        for teacher in self._teacher:
            with torch.no_grad():
                told = teacher(self._in_order(clips)).float()
            distance = distillation_loss(logits, told, distill.temperature)
            loss = (1 - distill.share) * loss + distill.share * distance
        return loss

    def _rng(self, number: int) -> np.random.Generator:
        """Seed all chance of a step by which step it is: a resumed run draws what it would have."""
        words = [self.config.seed, self.current_epoch, number, self.global_rank]
        sequence = np.random.SeedSequence(words)
        torch.manual_seed(int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1)))
        return np.random.default_rng(sequence)

    def _spread(self, targets: Tensor) -> Tensor:
        if self.several_labels:
            return targets.float()
        return F.one_hot(targets, self.num_classes).float()

    def _in_order(self, clips: Tensor) -> Tensor:
        if self.config.hardware.channels_last and clips.ndim == 5:
            return clips.contiguous(memory_format=torch.channels_last_3d)
        return clips

    def on_train_batch_end(self, outputs: Any, batch: Batch, number: int) -> None:
        """Stop the clock, and move the average on: after each step, or at the end of an epoch."""
        self._learning = time.perf_counter() - self._began
        if self.average is None:
            return
        average = self.config.average
        if average.swa_start is None:
            if (number + 1) % self.config.accumulate == 0 or self.trainer.is_last_batch:
                self.average.update_parameters(self.model)
        elif self.trainer.is_last_batch and self._ends_epoch():
            epochs = (self.trainer.max_epochs or 1) // self.parts
            if self.current_epoch // self.parts >= round(average.swa_start * epochs) - 1:
                self.average.update_parameters(self.model)

    @property
    def parts(self) -> int:
        """Passes of an epoch."""
        return self.config.parts or 1

    def _ends_epoch(self) -> bool:
        return (self.current_epoch + 1) % self.parts == 0

    def on_train_epoch_end(self) -> None:
        """Report the pass."""
        seconds = time.perf_counter() - self._began
        self.log("train_loss", self.train_loss)
        self.log(f"train_{self.score_name}", self.train_accuracy)
        speed = self._clips * self.trainer.world_size / self._learning
        told = {"learning_rate": self._rate, "clips_per_second": speed, "seconds": seconds}
        self.log_dict(told, sync_dist=True)

    # validation

    def on_validation_epoch_start(self) -> None:
        """Measure the batch norms anew, if that is wanted."""
        count = self.config.average.precise_bn
        if count and not self.trainer.sanity_checking:
            measure_batch_norms(self.judged, self._clips_of(count))
            self.judged.eval()

    def _clips_of(self, count: int) -> Iterator[Tensor]:
        """Yield the clips of some batches of the next pass, always the same ones."""
        assert self.loader is not None
        clips = self.loader.dataset
        assert isinstance(clips, TrainClips)
        following = self.batches.next_pass
        for keys in itertools.islice(self.batches, count):
            yield self._in_order(collate([clips[key] for key in keys]).clips.to(self.device))
        self.batches.set_epoch(following)

    def validation_step(self, batch: Batch, _: int) -> None:
        """Measure a batch."""
        count_faults(batch.faults, self.faults)
        if not len(batch.targets):
            return
        logits = self.judged(self._in_order(batch.clips)).float()
        loss = self.plain_loss(logits, self._spread(batch.targets))
        self.val_loss.update(loss, len(batch.targets))
        self.val_accuracy.update(logits, batch.targets.long())

    def on_validation_epoch_end(self) -> None:
        """Report the validation."""
        self.log("val_loss", self.val_loss, prog_bar=True)
        self.log(f"val_{self.score_name}", self.val_accuracy, prog_bar=True)
        loss = self.config.monitor == "loss"
        value = self.val_loss.compute() if loss else -self.val_accuracy.compute()
        for schedule in [self.lr_schedulers()]:
            if isinstance(schedule, Schedule):
                schedule.validated(float(value))

    # optimisers, checkpoints

    def configure_optimizers(self) -> Any:
        """Return the optimiser and its schedule, counted in steps."""
        config = self.config
        optimizer = make_optimizer(
            self.model, config.optimizer, self.stages, learning_rate=config.learning_rate or 0.0
        )
        schedule = Schedule(
            optimizer,
            config.schedule,
            epochs=config.epochs or 1,
            steps_per_epoch=self.batches.steps_a_pass * self.parts,
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Put the facts of the run in."""
        checkpoint[KEY] = self.facts


def _average(model: nn.Module, config: AverageConfig) -> AveragedModel | None:
    """Make the average that the config wants, frozen."""
    decay = config.ema_decay
    if decay is None and config.swa_start is None:
        return None
    rule = None if decay is None else _running_mean(decay)
    averaged = AveragedModel(model, multi_avg_fn=rule, use_buffers=True)
    return averaged.requires_grad_(False).eval()


def _running_mean(decay: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Any], None]:
    """Return what moves a mean towards the parameters.

    It forgets its first values sooner than later ones: they would otherwise weigh on a short run
    to its end.
    """

    def move(mean: Sequence[Tensor], now: Sequence[Tensor], count: Any) -> None:
        keep = min(decay, (1 + int(count)) / (10 + int(count)))
        for one, other in zip(mean, now, strict=True):
            if one.is_floating_point():
                one.lerp_(other, 1 - keep)
            else:
                one.copy_(other)

    return torch.no_grad()(move)
