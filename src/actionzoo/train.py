"""Train a model on folders of videos, one folder a class; a run leaves one folder behind.

``config.yaml`` says what was done, ``metrics.csv`` how it went, ``checkpoints/best.ckpt`` holds
the parameters of the best epoch, and ``model.xml`` with ``model.bin`` is that model ready to use.
"""

from __future__ import annotations

import logging
import math
import os
import warnings
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
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
from torch.utils.data import DataLoader, Dataset
from torchmetrics.classification import MulticlassAccuracy

from actionzoo.augment import AugmentConfig, augment, random_ticks
from actionzoo.catalog import get_spec
from actionzoo.errors import ConfigError, VideoError, nearest_names
from actionzoo.export import export_openvino
from actionzoo.labels import load_labels
from actionzoo.reader import read_clips, video_ticks
from actionzoo.sampling import choose_ticks
from actionzoo.sources import VIDEO_SUFFIXES
from actionzoo.spec import InputSpec, Metric, ModelSpec, Views
from actionzoo.transforms import eval_transform, normalise
from actionzoo.video import EndedEarly, Video, open_video
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
    """Name of a label list, such as ``weizmann10``, in the order of the sorted class folders; None
    takes the folders' names."""
    val_share: float = 0.15
    """Share of each class that is kept for validation."""
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
    seed: int = 0
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it is at least 1")
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


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Recording:
    """One video of the training data, known to be readable."""

    path: Path
    class_index: int
    num_ticks: int
    """Its length on the model's clock."""
    frames: np.ndarray | None
    """All its ticks, shape (num_ticks, H, W, C) uint8, if frames are kept in memory."""

    def pixels(self, ticks: np.ndarray, spec: InputSpec) -> np.ndarray:
        """Return the frames at ``ticks``, shape (T, H, W, C) uint8."""
        if self.frames is not None:
            frames: np.ndarray = self.frames[ticks]
            return frames
        with open_video(self.path, fps=spec.fps) as video:
            return next(read_clips(video, ticks[None], spec)).pixels


def find_videos(data: Path) -> tuple[list[str], list[tuple[Path, int]]]:
    """Find the videos of class folders.

    Args:
        data: Folder of one folder a class.

    Returns:
        The folders' names in order, and each video with the index of its folder.

    Raises:
        ConfigError: There are no two folders with videos in them.
    """
    if not data.is_dir():
        raise ConfigError(f"there is no folder {os.fspath(data)!r}; give one with a folder a class")
    found = {
        folder.name: sorted(
            file for file in folder.rglob("*") if file.suffix.lower() in VIDEO_SUFFIXES
        )
        for folder in sorted(data.iterdir())
        if folder.is_dir()
    }
    names = [name for name, files in found.items() if files]
    if len(names) < 2:
        raise ConfigError(
            f"{os.fspath(data)!r} has {len(names)} folders with videos in them; at least two "
            "classes are needed, each a folder of its videos"
        )
    return names, [(file, index) for index, name in enumerate(names) for file in found[name]]


def read_recordings(
    videos: Sequence[tuple[Path, int]], spec: InputSpec, *, cache: bool
) -> tuple[list[Recording], dict[Path, str]]:
    """Read every video once, so that a broken one is known before the training starts.

    Args:
        videos: Paths and class indices.
        spec: Clock and size to read them at.
        cache: Whether to keep the frames.

    Returns:
        Those that can be read, and what is wrong with the others.
    """

    def read(video: tuple[Path, int]) -> Recording | VideoError:
        try:
            return _read_recording(*video, spec, cache=cache)
        except VideoError as error:
            return error

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        outcomes = list(pool.map(read, videos))
    broken = {
        path: str(outcome)
        for (path, _), outcome in zip(videos, outcomes, strict=True)
        if isinstance(outcome, VideoError)
    }
    return [one for one in outcomes if isinstance(one, Recording)], broken


def _read_recording(path: Path, class_index: int, spec: InputSpec, *, cache: bool) -> Recording:
    with open_video(path, fps=spec.fps, threads=1) as video:
        try:
            frames = _all_frames(video, video_ticks(video.info, spec), spec)
        except EndedEarly as end:
            shorter = replace(video.info, duration_seconds=end.duration_seconds)
            frames = _all_frames(video, video_ticks(shorter, spec), spec)
    return Recording(
        path=path,
        class_index=class_index,
        num_ticks=len(frames),
        frames=frames if cache else None,
    )


def _all_frames(video: Video, num_ticks: int, spec: InputSpec) -> np.ndarray:
    return next(read_clips(video, np.arange(num_ticks)[None], spec)).pixels


def split(
    recordings: Sequence[Recording], *, val_share: float, seed: int
) -> tuple[list[Recording], list[Recording]]:
    """Divide recordings by chance, the same share of each class, at least one to each side.

    Returns:
        Those for training and those for validation.

    Raises:
        ConfigError: A class has fewer than two recordings.
    """
    rng = np.random.default_rng(seed)
    train: list[Recording] = []
    val: list[Recording] = []
    for class_index in sorted({one.class_index for one in recordings}):
        own = [one for one in recordings if one.class_index == class_index]
        if len(own) < 2:
            raise ConfigError(
                f"{os.fspath(own[0].path.parent)!r} has one readable video; a class needs two or "
                "more, to train and to validate"
            )
        shuffled = [own[place] for place in rng.permutation(len(own))]
        kept = min(len(own) - 1, max(1, round(val_share * len(own))))
        val += shuffled[:kept]
        train += shuffled[kept:]
    return train, val


@dataclass(frozen=True, kw_only=True)
class TrainClips(Dataset[tuple[Tensor, int]]):
    """One random clip of each recording; which one depends on seed, epoch and recording alone."""

    recordings: Sequence[Recording]
    spec: InputSpec
    augment: AugmentConfig
    seed: int
    epoch: int

    def __len__(self) -> int:
        return len(self.recordings)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        rng = np.random.default_rng([self.seed, self.epoch, index])
        recording = self.recordings[index]
        ticks = random_ticks(recording.num_ticks, self.spec, self.augment, rng=rng)
        pixels = augment(recording.pixels(ticks, self.spec), self.spec, self.augment, rng=rng)
        return torch.from_numpy(normalise(pixels, self.spec)), recording.class_index


@dataclass(frozen=True, kw_only=True)
class ValClips(Dataset[tuple[Tensor, int]]):
    """The centre clip of each recording, made as in prediction."""

    recordings: Sequence[Recording]
    spec: InputSpec

    def __len__(self) -> int:
        return len(self.recordings)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        recording = self.recordings[index]
        ticks = choose_ticks(self.spec, recording.num_ticks, clips=1)[0]
        views = eval_transform(recording.pixels(ticks, self.spec), self.spec)
        return torch.from_numpy(views[0]), recording.class_index


class Data(L.LightningDataModule):
    """Batches of clips: shuffled and changed at random to train, plain to validate."""

    def __init__(
        self,
        train: Sequence[Recording],
        val: Sequence[Recording],
        *,
        spec: InputSpec,
        config: TrainConfig,
    ) -> None:
        super().__init__()
        self.train, self.val, self.spec, self.config = train, val, spec, config

    def train_dataloader(self) -> DataLoader[tuple[Tensor, int]]:
        """Return the batches of this epoch; the trainer asks anew for each."""
        assert self.trainer is not None
        epoch, seed = self.trainer.current_epoch, self.config.seed
        clips = TrainClips(
            recordings=self.train,
            spec=self.spec,
            augment=self.config.augment,
            seed=seed,
            epoch=epoch,
        )
        order = torch.Generator().manual_seed(seed + epoch)
        # A last batch of a few clips would make a poor step, and batch norm needs two.
        uneven = len(clips) > self.config.batch_size
        return DataLoader(
            clips,
            self.config.batch_size,
            shuffle=True,
            drop_last=uneven,
            generator=order,
        )

    def val_dataloader(self) -> DataLoader[tuple[Tensor, int]]:
        """Return the batches of the centre clips."""
        return DataLoader(ValClips(recordings=self.val, spec=self.spec), self.config.batch_size)


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

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """Return the loss of a batch of clips and class indices."""
        clips, targets = batch
        logits = self.model(clips).float()
        loss = F.cross_entropy(logits, targets, label_smoothing=self.config.label_smoothing)
        self.train_accuracy(logits, targets)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        self.log("train_accuracy", self.train_accuracy, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        """Measure a batch of clips and class indices."""
        clips, targets = batch
        logits = self.model(clips).float()
        self.val_accuracy(logits, targets)
        self.log("val_loss", F.cross_entropy(logits, targets))
        self.log("val_accuracy", self.val_accuracy)

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
    """Train a model on class folders of videos, and export the best epoch.

    Args:
        data: Folder of one folder a class.
        config: What is chosen for this run.
        output: The run's own folder; it is made, or empty.

    Returns:
        The exported model, ``output/model.xml``.

    Raises:
        ConfigError: The data or a setting cannot be used, or ``output`` is taken.
        UnknownModel: There is no model of the config's name.
        BadWeights: The weights to start from do not fit.
    """
    spec = get_spec(config.model)
    names, videos = find_videos(data)
    labels = _labels(config, names)
    L.seed_everything(config.seed, verbose=False)
    model = create_model(config.model, num_classes=len(labels), pretrained=config.pretrained)
    _claim(output)
    logger.info("reading %d videos of %d classes", len(videos), len(labels))
    recordings, broken = read_recordings(videos, spec.input, cache=config.cache)
    for path, reason in broken.items():
        logger.warning("left out %r: %s", os.fspath(path), reason)
    training, validation = split(recordings, val_share=config.val_share, seed=config.seed)
    logger.info(
        "%d videos to train, %d to validate, %d left out; %d classes",
        len(training),
        len(validation),
        len(broken),
        len(labels),
    )
    _write_config(config, output / "config.yaml")
    clips = Data(training, validation, spec=spec.input, config=config)
    load_weights(model, _fit(model, clips, config=config, num_classes=len(labels), output=output))
    metric = Metric(
        name="top-1",
        value=accuracy(model, clips.val_dataloader()),
        dataset=data.resolve().name,
        split="validation",
        views=Views(),
        measured_by="ours",
    )
    logger.info("best epoch: accuracy %.3f on the videos kept for validation", metric.value)
    trained = _trained_spec(
        spec, labels=labels, metric=metric, name="/".join(output.resolve().parts[-2:])
    )
    return export_openvino(model, trained, output / "model.xml")


def accuracy(model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> float:
    """Measure the share of clips that a model names rightly; it is left in eval mode."""
    model.eval()
    hits = []
    with torch.no_grad():
        for clips, targets in batches:
            hits.append(model(clips).argmax(1) == targets)
    return float(torch.cat(hits).float().mean())


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
    """Name the classes: as the folders are called, or as the config's list has it."""
    if config.labels is None:
        return tuple(names)
    try:
        labels = load_labels(config.labels)
    except LookupError as error:
        raise ConfigError(f"labels: {error.args[0]}") from error
    if len(labels) != len(names):
        raise ConfigError(
            f"the list {config.labels!r} has {len(labels)} labels but the data has {len(names)} "
            f"class folders ({', '.join(names[:12])}); they have to be as many"
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
    model: nn.Module, data: Data, *, config: TrainConfig, num_classes: int, output: Path
) -> Path:
    """Run the training and return the checkpoint of the epoch of least validation loss."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    classifier = Classifier(model, config, num_classes=num_classes)
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
            reload_dataloaders_every_n_epochs=1,
            num_sanity_val_steps=0,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(classifier, data)
    return Path(checkpoint.best_model_path)
