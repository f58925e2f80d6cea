"""Everything chosen for one run of training, as a recipe and ``key=value`` words have it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

import yaml
from jsonargparse import ArgumentError, ArgumentParser

from actionzoo.augment import AugmentConfig, MixConfig
from actionzoo.errors import ConfigError, nearest_names

Precision = Literal["auto", "fp32", "bf16", "fp16"]


def _at_least(low: float, **values: float | None) -> None:
    for name, value in values.items():
        if value is not None and value < low:
            raise ConfigError(f"{name} is {value}; it is at least {low:g}")


def _above_0(**values: float | None) -> None:
    for name, value in values.items():
        if value is not None and value <= 0:
            raise ConfigError(f"{name} is {value}; it is above 0")


def _share(**values: float | None) -> None:
    for name, value in values.items():
        if value is not None and not 0 <= value <= 1:
            raise ConfigError(f"{name} is {value}; it is a share, from 0 to 1")


# No slots in any of these: jsonargparse reads the defaults of a nested dataclass from its __dict__.
@dataclass(frozen=True, kw_only=True)
class InputConfig:
    """What the network is fed, where it is not what its spec says."""

    frames: int | None = None
    """Of a clip."""
    stride: int | None = None
    """Every so many-th frame belongs to the clip."""
    clock: Literal["model", "video"] = "model"
    """``video`` counts the video's own frames, whatever their rate."""
    size: int | None = None
    """Side of the crop in pixels, in training, validation and prediction."""
    train_size: int | None = None
    """Side of the crop in training alone, such as 160 for an X3D-S that is tested with 182."""
    stretch: float | None = None
    """Short side of the frames by side of the crop, such as 256 / 224; 1 cuts nothing off the
    short side."""

    def __post_init__(self) -> None:
        _at_least(
            1,
            frames=self.frames,
            stride=self.stride,
            size=self.size,
            train_size=self.train_size,
            stretch=self.stretch,
        )


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """How gradients change the parameters."""

    name: Literal["adamw", "sgd"] = "adamw"
    momentum: float = 0.9
    """Of SGD; the first beta of AdamW."""
    nesterov: bool = False
    """Of SGD."""
    weight_decay: float = 0.02
    decay_norms: bool = False
    """Whether biases and the scales of norms decay too."""
    layer_decay: float = 1.0
    """Factor on the learning rate from each stage of the network to the one before it; the head
    has the full rate (Clark et al., ELECTRA, 2020; the usual fine-tuning of transformers)."""
    clip_gradient: float | None = 1.0
    """Largest norm of the gradient; null leaves it as it is."""

    def __post_init__(self) -> None:
        _at_least(0, weight_decay=self.weight_decay)
        if not 0 <= self.momentum < 1:
            raise ConfigError(f"momentum is {self.momentum}; it is from 0 to below 1")
        if not 0 < self.layer_decay <= 1:
            raise ConfigError(f"layer_decay is {self.layer_decay}; it is above 0 and at most 1")
        _above_0(clip_gradient=self.clip_gradient)


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig:
    """How the learning rate goes over the epochs."""

    name: Literal["cosine", "step", "plateau", "constant"] = "cosine"
    """After the warm-up: along half a cosine, down in steps, down where validation gets no better,
    or not at all."""
    warmup_epochs: float = 1.0
    """The learning rate first climbs along a line."""
    warmup_start: float = 0.0
    """Where it climbs from, as a share of the learning rate."""
    milestones: tuple[float, ...] = ()
    """Epochs at which ``step`` falls; none takes 60 % and 85 % of all epochs."""
    factor: float = 0.1
    """By what ``step`` and ``plateau`` fall."""
    patience: int = 1
    """Epochs without a better validation that ``plateau`` bears."""
    end: float = 0.0
    """Where ``cosine`` ends, as a share of the learning rate."""

    def __post_init__(self) -> None:
        _at_least(0, warmup_epochs=self.warmup_epochs, patience=self.patience)
        _share(warmup_start=self.warmup_start, end=self.end)
        if not 0 < self.factor < 1:
            raise ConfigError(f"factor is {self.factor}; it is above 0 and below 1")
        if list(self.milestones) != sorted(set(self.milestones)):
            raise ConfigError(f"milestones are {list(self.milestones)}; each is above the last")


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """What is made small."""

    name: Literal["auto", "cross_entropy", "focal", "binary"] = "auto"
    """``binary`` judges each class by itself, for videos with several labels; ``auto`` is that for
    such a dataset, else ``cross_entropy``."""
    label_smoothing: float = 0.0
    class_weights: Literal["none", "balanced", "effective"] = "none"
    """Rare classes count for more: by the inverse of their number of videos, or of their effective
    number (Cui et al., Class-Balanced Loss, 2019, beta 0.999)."""
    gamma: float = 2.0
    """Of ``focal``: how much less a clip counts that is named well (Lin et al., 2017)."""

    def __post_init__(self) -> None:
        _at_least(0, gamma=self.gamma)
        if not 0 <= self.label_smoothing < 1:
            raise ConfigError(f"label_smoothing is {self.label_smoothing}; it is from 0 to below 1")


@dataclass(frozen=True, kw_only=True)
class AverageConfig:
    """Averages of the parameters that are validated and kept instead of the parameters."""

    ema_decay: float | None = None
    """A running mean, which keeps this share of itself at each step."""
    swa_start: float | None = None
    """Share of the epochs after which the mean over the epochs is taken (Izmailov et al., 2018)."""
    precise_bn: int = 0
    """Batches over which the statistics of batch norms are measured anew before each validation;
    0 leaves the running ones (Wu and Johnson, Rethinking "Batch" in BatchNorm, 2021)."""

    def __post_init__(self) -> None:
        if self.ema_decay is not None and not 0 < self.ema_decay < 1:
            raise ConfigError(f"ema_decay is {self.ema_decay}; it is above 0 and below 1")
        _share(swa_start=self.swa_start)
        _at_least(0, precise_bn=self.precise_bn)
        if self.ema_decay is not None and self.swa_start is not None:
            raise ConfigError("ema_decay and swa_start are two averages; give one of them")


@dataclass(frozen=True, kw_only=True)
class DistillConfig:
    """A trained model whose answers are learnt too (Hinton et al., 2015)."""

    teacher: str | None = None
    """A name of the zoo, a run folder, or a checkpoint, that tells the same labels apart."""
    share: float = 0.5
    """Of the loss that is the distance from the teacher; the rest is that from the labels."""
    temperature: float = 2.0

    def __post_init__(self) -> None:
        _share(share=self.share)
        _above_0(temperature=self.temperature)


@dataclass(frozen=True, kw_only=True)
class HardwareConfig:
    """What it runs on, and how memory is traded for time."""

    device: Literal["auto", "cpu", "gpu"] = "auto"
    devices: int | None = None
    """How many of this machine; null takes one CPU process, or all GPUs."""
    nodes: int = 1
    """Machines; each starts the same command."""
    precision: Precision = "auto"
    """``auto`` takes what the device has instructions for: bf16 or fp16 on GPUs, fp32 on CPUs."""
    channels_last: bool = True
    """Keep the channels of a pixel together in memory: a third faster or more with convolutions."""
    recompute: bool = False
    """Compute the activations of blocks a second time in the backward pass, rather than keep them:
    a third more time, a fraction of the memory (Chen et al., 2016)."""

    def __post_init__(self) -> None:
        _at_least(1, devices=self.devices, nodes=self.nodes)


@dataclass(frozen=True, kw_only=True)
class LogConfig:
    """Who else is told how it goes; ``metrics.csv`` always is."""

    tensorboard: bool = True
    """Write TensorBoard's events, where it is installed."""
    mlflow: str | None = None
    """Address of an MLflow server, such as ``http://localhost:5000``."""


MODERATE = AugmentConfig(
    speed=(0.85, 1.15), zoom=(0.9, 1.2), shift=0.05, flip=True, brightness=0.1, contrast=0.2
)
"""Changes that any filmed action bears."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything chosen for one run; what is None is chosen from the data and the machine."""

    model: str | None = None
    """Name of a model of the zoo."""
    pretrained: bool | str | None = None
    """What to start from: the tag of published weights or the path of a checkpoint, true for the
    default published weights, false for random parameters."""
    labels: str | None = None
    """Name of a label list, such as ``weizmann10``, in the order of the dataset's own labels; null
    takes those."""
    skip_malformed: bool = False
    """Leave out the rows of the dataset that cannot be used, rather than stop."""
    quarantine: str | None = None
    """A list of files to leave out, as ``actionzoo data check`` writes it."""
    fold: int = 1
    """Which way of splitting, where the dataset has several; the first is 1."""
    val_share: float = 0.15
    """Share of each class that is kept for validation, where the dataset has no split ``val``."""
    epochs: int | None = None
    """Passes over the videos to train with."""
    patience: int | None = None
    """Epochs without a better validation after which it ends early; 0 never does."""
    monitor: Literal["loss", "accuracy"] = "loss"
    """What of the validation tells the best epoch."""
    keep: Literal["best", "last"] = "best"
    """Which epoch is kept: where few videos validate, which one is the best is chance."""
    batch_size: int | None = None
    """Clips a step, over all processes."""
    accumulate: int = 1
    """A batch is computed in so many parts, one after another: as if it were whole, but for batch
    norms, in less memory."""
    learning_rate: float | None = None
    """At its height, after the warm-up."""
    freeze: str = "none"
    """What is not trained: ``none``, ``backbone`` (all but the head), ``stages=2`` (the first two
    stages) or ``bn`` (the batch norms)."""
    features: Literal["none", "cache"] = "none"
    """``cache`` computes the frozen backbone's features of every video once and trains the head on
    them; ``epochs`` then counts what follows, with the backbone trained too."""
    feature_views: int = 3
    """Clips a training video whose features are kept, mirrored ones not counted."""
    dropout: float | None = None
    """Before the head; null is the model's own."""
    repeats: int = 1
    """How often a batch has each video, changed otherwise (Hoffer et al., Augment your batch)."""
    multigrid: bool = False
    """Smaller clips in larger batches by turns: the short cycle of Wu et al., A Multigrid Method
    for Efficiently Training Video Models, 2020."""
    parts: int | None = None
    """Checkpoints in an epoch, evenly spaced; a long one is not lost where a machine stops."""
    cache: bool | None = None
    """Keep all decoded frames in memory, scaled to the model's size, rather than decode anew."""
    workers: int | None = None
    """Processes that read videos. Kept frames need none."""
    seed: int = 0
    """Of all chance: order, changes, parameters."""
    input: InputConfig = field(default_factory=InputConfig)
    augment: AugmentConfig = field(default_factory=lambda: MODERATE)
    """A recipe that has this group has no other changes than it says."""
    mix: MixConfig = field(default_factory=MixConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    average: AverageConfig = field(default_factory=AverageConfig)
    distill: DistillConfig = field(default_factory=DistillConfig)
    hardware: HardwareConfig = field(default_factory=HardwareConfig)
    log: LogConfig = field(default_factory=LogConfig)

    def __post_init__(self) -> None:
        _at_least(
            1,
            fold=self.fold,
            batch_size=self.batch_size,
            accumulate=self.accumulate,
            feature_views=self.feature_views,
            repeats=self.repeats,
            parts=self.parts,
        )
        _at_least(0, epochs=self.epochs, patience=self.patience, workers=self.workers)
        _at_least(0, seed=self.seed)
        _above_0(learning_rate=self.learning_rate)
        _share(dropout=self.dropout)
        if not 0 < self.val_share < 1:
            raise ConfigError(f"val_share is {self.val_share}; it is above 0 and below 1")
        if self.epochs == 0 and self.features == "none":
            raise ConfigError("epochs is 0; it is at least 1, or features is cache")
        _check_freeze(self.freeze)


def _check_freeze(freeze: str) -> None:
    kind, equals, number = freeze.partition("=")
    stages = kind == "stages" and number.isascii() and number.isdigit() and int(number) >= 1
    if not stages and (equals or kind not in ("none", "backbone", "bn")):
        raise ConfigError(f"freeze is {freeze!r}; it is none, backbone, stages=N or bn")


def load_config(path: Path | None, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a recipe, and change some of its values.

    Args:
        path: A YAML file of ``TrainConfig``'s fields, or the name of a recipe that comes with the
            package, such as ``finetune``; None takes the defaults.
        overrides: Each ``key=value``, such as ``epochs=3`` or ``augment.flip=false``.

    Raises:
        ConfigError: A key is unknown, or a value is not of its kind.
    """
    values = _read_yaml(find_recipe(path)) if path is not None else {}
    own = AugmentConfig() if "augment" in values else MODERATE
    for override in overrides:
        _override(values, override)
    if isinstance(values.get("augment"), dict):
        values["augment"] = _plain(asdict(own)) | values["augment"]
    return parse_config(values, where=f" in {os.fspath(path)!r}" if path is not None else "")


def recipes() -> dict[str, Path]:
    """Return the recipes that come with the package, by name."""
    here = Path(__file__).parents
    # In a wheel they lie in the package, in a checkout beside its source.
    folder = next((one for one in (here[1] / "recipes", here[3] / "recipes") if one.is_dir()), None)
    return {} if folder is None else {one.stem: one for one in sorted(folder.glob("*.yaml"))}


def find_recipe(path: Path) -> Path:
    """Return a recipe's file: the one that is given, or one that comes with the package.

    Raises:
        ConfigError: There is neither.
    """
    if path.exists() or path.parent != Path() or path.suffix:
        return path
    known = recipes()
    if path.name not in known:
        raise ConfigError(f"there is no recipe {path.name!r}; {nearest_names(path.name, known)}")
    return known[path.name]


def parse_config(values: dict[str, Any], *, where: str = "") -> TrainConfig:
    """Check nested settings, and make a config of them.

    Args:
        values: As ``config_values`` returns them; a setting that is missing has its default.
        where: Behind "a setting" in messages.

    Raises:
        ConfigError: A key is unknown, or a value is not of its kind.
    """
    _check_keys(values, TrainConfig)
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(TrainConfig, "config")
    try:
        parsed = parser.instantiate(parser.parse_object({"config": values}))
    except ArgumentError as error:
        sentence = " ".join(str(error).replace("config.", "").split())
        raise ConfigError(f"a setting{where} cannot be used: {sentence}") from error
    config: TrainConfig = parsed.config
    return config


def config_values(config: TrainConfig) -> dict[str, Any]:
    """Return a config as plain nested values, which YAML and JSON can hold."""
    plain: dict[str, Any] = _plain(asdict(config))
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def write_config(config: TrainConfig, path: Path) -> None:
    """Write a config as a recipe."""
    path.write_text(yaml.safe_dump(config_values(config), sort_keys=False), encoding="utf-8")


def changed_settings(before: TrainConfig, after: TrainConfig) -> list[str]:
    """Say which settings differ, as ``key: before -> after``."""
    old, new = (_flat(config_values(one)) for one in (before, after))
    return [f"{key}: {old[key]} -> {value}" for key, value in new.items() if old[key] != value]


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= (
            _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
        )
    return flat


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
    hints = get_type_hints(kind)
    known = [one.name for one in fields(kind)]
    for key, value in values.items():
        if key not in known:
            raise ConfigError(
                f"there is no setting {prefix + str(key)!r}; {nearest_names(str(key), known)}"
            )
        kinds = get_args(hints[key]) or (hints[key],)
        if value is None and type(None) not in kinds:
            default = getattr(kind(), key)
            raise ConfigError(f"{prefix}{key} has no value; it is {default!r} unless given")
        group = next((one for one in kinds if is_dataclass(one)), None)
        if group is not None and value is not None:
            if not isinstance(value, dict):
                raise ConfigError(
                    f"{prefix}{key} is {value!r}; it is a group of settings, such as "
                    f"{key}.{fields(group)[0].name}"
                )
            _check_keys(value, group, f"{prefix}{key}.")
