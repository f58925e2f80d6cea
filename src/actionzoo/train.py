"""Train a model on a dataset of labelled videos; a run leaves one folder behind.

``config.yaml`` says what was done, ``metrics.csv`` how it went, ``checkpoints/best.ckpt`` holds
the parameters of the best epoch, and ``model.xml`` with ``model.bin`` is that model ready to use.
"""

from __future__ import annotations

import logging
import math
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal

import lightning as L
import numpy as np
import torch
import torch.nn.functional as F
import yaml
from jsonargparse import ArgumentError, ArgumentParser
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging, ModelCheckpoint
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchmetrics.classification import MulticlassAccuracy

from actionzoo.augment import AugmentConfig
from actionzoo.catalog import get_spec
from actionzoo.datasets import VideoDataset, open_dataset
from actionzoo.datasets.quarantine import read_quarantine
from actionzoo.datasets.split import split_dataset
from actionzoo.errors import ConfigError, nearest_names
from actionzoo.export import export_openvino
from actionzoo.labels import load_labels
from actionzoo.loading import (
    Batch,
    EvalClips,
    Item,
    TrainClips,
    count_faults,
    make_loader,
    read_all,
    without,
)
from actionzoo.spec import InputSpec, Metric, ModelSpec, Views
from actionzoo.weights import load_weights
from actionzoo.zoo import create_model

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything chosen for one run."""

    model: str = "figures10"
    """Name of a model of the zoo."""
    pretrained: bool | str = False
    """What to start from: the tag of published weights or the path of a checkpoint, true for the
    default published weights, false for random parameters."""
    labels: str | None = None
    """Name of a label list, such as ``weizmann10``, in the order of the dataset's own labels; None
    takes those."""
    skip_malformed: bool = False
    """Leave out the rows of the dataset that cannot be used, rather than stop."""
    quarantine: str | None = None
    """A list of files to leave out, as ``actionzoo data check`` writes it."""
    val_share: float = 0.15
    """Share of each class that is kept for validation, where the dataset has no split ``val``."""
    epochs: int = 30
    batch_size: int = 32
    learning_rate: float = 1e-3
    """At its height, after the warm-up."""
    schedule: Literal["cosine", "step"] = "cosine"
    """After the warm-up: along a half cosine to 0, or a tenth after 60 % and after 85 % of it."""
    warmup_epochs: float = 1.0
    """The learning rate first climbs from 0."""
    weight_decay: float = 0.02
    """On weights of more than one axis; never on biases and norms."""
    label_smoothing: float = 0.0
    clip_gradient: float = 1.0
    """Largest norm of the gradient."""
    ema_decay: float | None = None
    """Validate and keep a running mean of the parameters; None keeps the parameters themselves."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16 is faster on a CPU with bfloat16 instructions, and very much slower on any other."""
    cache: bool = False
    """Keep all decoded frames in memory, scaled to the model's size, rather than decode anew."""
    workers: int | None = None
    """Processes that read videos; None takes as many as help. Kept frames need none."""
    seed: int = 0
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it is at least 1")
        for name in ("workers", "seed"):
            if (getattr(self, name) or 0) < 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it is at least 0")
        if not 0 < self.val_share < 1:
            raise ConfigError(f"val_share is {self.val_share}; it is above 0 and below 1")


def load_config(path: Path | None, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a recipe, and change some of its values.

    Args:
        path: A YAML file of ``TrainConfig``'s fields; None takes the defaults.
        overrides: Each ``key=value``, such as ``epochs=3`` or ``augment.flip=false``.

    Raises:
        ConfigError: A key is unknown, or a value is not of its kind.
    """
    values = _read_yaml(path) if path is not None else {}
    for override in overrides:
        _override(values, override)
    _check_keys(values, TrainConfig)
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(TrainConfig, "config")
    try:
        parsed = parser.instantiate(parser.parse_object({"config": values}))
    except ArgumentError as error:
        where = f" in {os.fspath(path)!r}" if path is not None else ""
        sentence = " ".join(str(error).replace("config.", "").split())
        raise ConfigError(f"a setting{where} cannot be used: {sentence}") from error
    config: TrainConfig = parsed.config
    return config


def _override(values: dict[str, Any], override: str) -> None:
    """Put one ``key=value`` into nested settings."""
    key, equals, text = override.partition("=")
    if not equals:
        raise ConfigError(f"{override!r} is no setting; write key=value, such as epochs=3")
    *groups, leaf = key.split(".")
    for group in groups:
        values = values.setdefault(group, {})
        if not isinstance(values, dict):
            raise ConfigError(f"the setting {override!r} is within {group!r}, which is {values!r}")
    try:
        values[leaf] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"the value of {override!r} cannot be read; quote it") from error


def _read_yaml(path: Path) -> dict[str, Any]:
    name = repr(os.fspath(path))
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the recipe {name}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the recipe {name} is not YAML: {' '.join(str(error).split())}"
        ) from error
    if not isinstance(values, dict):
        raise ConfigError(f"the recipe {name} is no list of settings; write 'key: value' lines")
    return values


def _check_keys(values: dict[str, Any], kind: Any, prefix: str = "") -> None:
    """Refuse a key that the dataclass does not have, and one left empty that needs a value."""
    defaults = kind()
    known = [one.name for one in fields(kind)]
    for key, value in values.items():
        if key not in known:
            raise ConfigError(
                f"there is no setting {prefix + str(key)!r}; {nearest_names(str(key), known)}"
            )
        default = getattr(defaults, key)
        if value is None and default is not None:
            raise ConfigError(f"{prefix}{key} has no value; it is {default!r} unless given")
        if is_dataclass(default):
            if not isinstance(value, dict):
                raise ConfigError(f"{prefix}{key} is {value!r}; it is a group, such as {key}.flip")
            _check_keys(value, type(default), f"{prefix}{key}.")


# data


def open_for_training(data: Path, config: TrainConfig) -> VideoDataset:
    """Open a dataset, and leave out what must not be learnt from.

    Raises:
        BadDataset: There is none that can be read.
        ConfigError: It has fewer than two classes, several labels a video, or no split ``train``.
    """
    dataset = open_dataset(data, skip_malformed=config.skip_malformed)
    if config.quarantine is not None:
        dataset = without(dataset, read_quarantine(Path(config.quarantine)))
    if counts := dataset.split_counts():
        logger.info("splits: %s", ", ".join(f"{name} {count}" for name, count in counts.items()))
        used = [split in ("train", "val") for split in dataset.split_column()]
        dataset = dataset.select(np.flatnonzero(used))
        if "train" not in counts:
            raise ConfigError(
                f"{os.fspath(data)!r} has the splits {', '.join(counts)}, but no 'train' to learn "
                "from; split it anew with actionzoo data split"
            )
    classes = sum(count > 0 for count in dataset.label_counts().values())
    if classes < 2:
        raise ConfigError(f"{os.fspath(data)!r} has videos of {classes} classes; give two or more")
    if any(len(own) > 1 for own in dataset.class_indices()):
        raise ConfigError(
            f"{os.fspath(data)!r} has videos with several labels; give a dataset with one a video"
        )
    return dataset


def divide(dataset: VideoDataset, config: TrainConfig) -> tuple[VideoDataset, VideoDataset]:
    """Return the videos to train and those to validate: the dataset's own, else by chance.

    By chance the same share of each class is kept, and groups stay together.

    Raises:
        ConfigError: Nothing is left to train or to validate.
    """
    column = dataset.split_column()
    if "val" not in column:
        share = 100 * config.val_share
        logger.info("no split 'val': %.0f %% of the videos are kept for validation", share)
        shares = {"train": 1 - config.val_share, "val": config.val_share}
        split = split_dataset(dataset, shares, by_group=True, seed=config.seed)
        column = split.split_column()
    # Selected rather than split: a large list stays in the file that workers share.
    train, val = (
        dataset.select(np.flatnonzero([one == name for one in column])) for name in ("train", "val")
    )
    if not len(train):
        raise ConfigError(f"none of the videos of {str(dataset.root)!r} to learn from can be read")
    return train, val


# learning


class Classifier(L.LightningModule):
    """A model, how it learns, and what is measured of it."""

    def __init__(self, model: nn.Module, config: TrainConfig, *, num_classes: int) -> None:
        super().__init__()
        # A fifth faster on a CPU than with the channels first.
        self.model = model.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.config = config
        self.train_accuracy = MulticlassAccuracy(num_classes, average="micro")
        self.val_accuracy = MulticlassAccuracy(num_classes, average="micro")
        self.faults: Counter[str] = Counter()

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """Return the loss of a batch."""
        count_faults(batch.faults, self.faults)
        targets, count = batch.targets, len(batch.targets)
        logits = self.model(batch.clips).float()
        loss = F.cross_entropy(logits, targets, label_smoothing=self.config.label_smoothing)
        self.train_accuracy(logits, targets)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=count)
        self.log(
            "train_accuracy", self.train_accuracy, on_step=False, on_epoch=True, batch_size=count
        )
        return loss

    def validation_step(self, batch: Batch, _: int) -> None:
        """Measure a batch."""
        count_faults(batch.faults, self.faults)
        targets, count = batch.targets, len(batch.targets)
        if count == 0:
            return
        logits = self.model(batch.clips).float()
        self.val_accuracy(logits, targets)
        self.log("val_loss", F.cross_entropy(logits, targets), batch_size=count)
        self.log("val_accuracy", self.val_accuracy, batch_size=count)

    def configure_optimizers(self) -> Any:
        """Return AdamW and the schedule, counted in steps."""
        config = self.config
        parameters = list(self.model.parameters())
        groups: list[dict[str, Any]] = [
            {"params": [one for one in parameters if one.ndim > 1]},
            {"params": [one for one in parameters if one.ndim <= 1], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(
            groups, lr=config.learning_rate, weight_decay=config.weight_decay
        )
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: rate_factor(step, steps, config)
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def rate_factor(step: int, steps: int, config: TrainConfig) -> float:
    """Return by what the learning rate of a step is scaled.

    >>> config = TrainConfig(epochs=10, warmup_epochs=1)
    >>> [round(rate_factor(step, 100, config), 2) for step in (0, 4, 9, 55, 99)]
    [0.1, 0.5, 1.0, 0.5, 0.0]
    """
    warmup = round(steps * config.warmup_epochs / config.epochs)
    if step < warmup:
        return (step + 1) / warmup
    share = (step - warmup) / max(1, steps - warmup)
    if config.schedule == "step":
        return 0.1 ** ((share >= 0.6) + (share >= 0.85))
    return (1 + math.cos(math.pi * share)) / 2


class _Report(Callback):
    """Write a row and say a sentence after each epoch."""

    COLUMNS = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.path.write_text(",".join(("epoch", *self.COLUMNS)) + "\n", encoding="utf-8")

    def on_train_epoch_end(self, trainer: L.Trainer, _: L.LightningModule) -> None:
        """Take what the epoch and its validation logged."""
        epoch = trainer.current_epoch + 1
        values = [float(trainer.callback_metrics[name]) for name in self.COLUMNS]
        with self.path.open("a", encoding="utf-8") as file:
            file.write(",".join([str(epoch), *(f"{value:.5f}" for value in values)]) + "\n")
        told = ", ".join(
            f"{name} {value:.3f}" for name, value in zip(self.COLUMNS, values, strict=True)
        )
        logger.info("epoch %d of %s: %s", epoch, trainer.max_epochs, told)


def train(data: Path, *, config: TrainConfig, output: Path) -> Path:
    """Train a model on a dataset, and export the best epoch.

    Args:
        data: A dataset's folder or annotation file.
        config: What is chosen for this run.
        output: The run's own folder; it is made, or empty.

    Returns:
        The exported model, ``output/model.xml``.

    Raises:
        BadDataset: The data cannot be read.
        ConfigError: The data or a setting cannot be used, or ``output`` is taken.
        UnknownModel: There is no model of the config's name.
        BadWeights: The weights to start from do not fit.
    """
    spec = get_spec(config.model)
    dataset = open_for_training(data, config)
    labels = _labels(config, dataset.labels)
    L.seed_everything(config.seed, verbose=False)
    model = create_model(config.model, num_classes=len(labels), pretrained=config.pretrained)
    _claim(output)
    train_batches, val_batches = _batches(dataset, spec.input, config)
    _write_config(config, output / "config.yaml")
    classifier = Classifier(model, config, num_classes=len(labels))
    load_weights(model, _fit(classifier, train_batches, val_batches, output=output))
    metric = Metric(
        name="top-1",
        value=accuracy(model, val_batches),
        dataset=dataset.root.resolve().name,
        split="validation",
        views=Views(),
        measured_by="ours",
    )
    logger.info("best epoch: accuracy %.3f on the videos kept for validation", metric.value)
    trained = _trained_spec(
        spec, labels=labels, metric=metric, name="/".join(output.resolve().parts[-2:])
    )
    return export_openvino(model, trained, output / "model.xml")


def _batches(
    dataset: VideoDataset, spec: InputSpec, config: TrainConfig
) -> tuple[DataLoader[Item], DataLoader[Item]]:
    """Make batches of the videos that can be read, to train and to validate."""
    logger.info("reading %d videos", len(dataset))
    frames, broken = read_all(dataset, spec, keep=config.cache)
    for index, reason in broken.items():
        logger.warning("left out %r: %s", os.fspath(dataset[index].path), reason)
    readable = [index for index in range(len(dataset)) if index not in broken]
    training, validation = divide(dataset.select(readable), config)
    counts = len(training), len(validation), len(broken), len(dataset.labels)
    logger.info("%d videos to train, %d to validate, %d left out; %d classes", *counts)
    kept = frames if config.cache else None
    size, workers = config.batch_size, config.workers
    train_clips = TrainClips(training, spec, augment=config.augment, seed=config.seed, kept=kept)
    val_clips = EvalClips(validation, spec, kept=kept)
    return (
        make_loader(train_clips, batch_size=size, workers=workers),
        make_loader(val_clips, batch_size=size, workers=workers),
    )


def accuracy(model: nn.Module, batches: Iterable[Batch]) -> float:
    """Measure the share of clips that a model names rightly; it is left in eval mode.

    Videos that cannot be read have no part in it; how many they are is reported.
    """
    model.eval()
    hits, faults = [], 0
    with torch.no_grad():
        for batch in batches:
            faults += len(batch.faults)
            if len(batch.targets):
                hits.append(model(batch.clips).argmax(1) == batch.targets)
    named = torch.cat(hits).float()
    if faults:
        logger.warning("%d of %d videos could not be read", faults, faults + len(named))
    return float(named.mean())


def _trained_spec(
    spec: ModelSpec, *, labels: tuple[str, ...], metric: Metric, name: str
) -> ModelSpec:
    """Make the spec of the trained model; it keeps the zoo's name if it has the same labels."""
    if labels == spec.labels:
        return replace(spec, weights=(), metrics=(metric,))
    return replace(
        spec,
        name=name,
        summary=f"{spec.name}, trained on {metric.dataset}.",
        labels=labels,
        parameters=None,
        macs=None,
        weights=(),
        metrics=(metric,),
    )


def _labels(config: TrainConfig, names: Sequence[str]) -> tuple[str, ...]:
    """Name the classes: as the dataset does, or as the config's list has it."""
    if config.labels is None:
        return tuple(names)
    try:
        labels = load_labels(config.labels)
    except LookupError as error:
        raise ConfigError(f"labels: {error.args[0]}") from error
    if len(labels) != len(names):
        raise ConfigError(
            f"the list {config.labels!r} has {len(labels)} labels but the data has {len(names)} "
            f"classes ({', '.join(names[:12])}); they have to be as many"
        )
    return labels


def _claim(output: Path) -> None:
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ConfigError(f"{os.fspath(output)!r} is there already; give a new folder for this run")
    output.mkdir(parents=True, exist_ok=True)


def _write_config(config: TrainConfig, path: Path) -> None:
    values = asdict(config)
    values["augment"] = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in values["augment"].items()
    }
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")


def _fit(
    classifier: Classifier, train: DataLoader[Item], val: DataLoader[Item], *, output: Path
) -> Path:
    """Run the training and return the checkpoint of the epoch of least validation loss."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    config = classifier.config
    checkpoint = ModelCheckpoint(
        output / "checkpoints",
        "best",
        monitor="val_loss",
        enable_version_counter=False,
    )
    callbacks: list[Callback] = [checkpoint, _Report(output / "metrics.csv")]
    if config.ema_decay is not None:
        callbacks.append(EMAWeightAveraging(decay=config.ema_decay))
    with warnings.catch_warnings():
        # Lightning recommends worker processes; kept frames would be copied into each of them.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        # torch 2.13 warns of a class that Lightning 2.6 uses.
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        trainer = L.Trainer(
            accelerator="cpu",
            max_epochs=config.epochs,
            precision="bf16-mixed" if config.precision == "bf16" else "32-true",
            gradient_clip_val=config.clip_gradient,
            logger=False,
            callbacks=callbacks,
            num_sanity_val_steps=0,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(classifier, train, val)
    if faults := classifier.faults:
        logger.warning("%d clips of %d videos could not be read", faults.total(), len(faults))
    return Path(checkpoint.best_model_path)
