"""From a dataset to what is trained with and what is validated with."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actionzoo.datasets import VideoDataset, open_dataset
from actionzoo.datasets.quarantine import read_quarantine
from actionzoo.datasets.split import split_dataset
from actionzoo.errors import ConfigError
from actionzoo.labels import load_labels
from actionzoo.loading import Part, has_several_labels, read_all, without
from actionzoo.spec import InputSpec
from actionzoo.training.config import TrainConfig

logger = logging.getLogger(__name__)

MOST_READ = 5000
"""A dataset of more videos is not read once before the training: broken ones are met in time."""
_MOST_NAMED = 8


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TrainingData:
    """The videos of a run."""

    dataset: VideoDataset
    """All that may be learnt from or validated with."""
    training: VideoDataset
    validation: VideoDataset
    labels: tuple[str, ...]
    several_labels: bool
    """Whether a video may have more than one."""
    notes: tuple[str, ...]
    """What was decided or is doubtful, for people."""
    left_out: tuple[tuple[str, str], ...] = ()
    """Path and reason of each video that cannot be read."""

    def class_counts(self) -> list[int]:
        """Count the training videos of each class, in the order of ``labels``."""
        return list(self.training.label_counts().values())


def open_for_training(data: Path, config: TrainConfig) -> VideoDataset:
    """Open a dataset, and leave out what must not be learnt from.

    Raises:
        BadDataset: There is none that can be read.
        ConfigError: It has fewer than two classes, or no split ``train``, or videos in it or in
            ``val`` have no label.
    """
    dataset = open_dataset(data, skip_malformed=config.skip_malformed)
    if max(config.fold, dataset.folds) > 1:
        dataset = dataset.of_fold(config.fold)
    if config.quarantine is not None:
        dataset = without(dataset, read_quarantine(Path(config.quarantine)))
    if counts := dataset.split_counts():
        used = [split in ("train", "val") for split in dataset.split_column()]
        dataset = dataset.select(np.flatnonzero(used))
        if "train" not in counts:
            raise ConfigError(
                f"{os.fspath(data)!r} has the splits {', '.join(counts)}, but no 'train' to learn "
                "from; split it anew with actionzoo data split"
            )
        _refuse_unlabelled(dataset)
    classes = sum(count > 0 for count in dataset.label_counts().values())
    if classes < 2:
        raise ConfigError(f"{os.fspath(data)!r} has videos of {classes} classes; give two or more")
    return dataset


def _refuse_unlabelled(dataset: VideoDataset) -> None:
    labels = dataset.class_indices()
    if () in labels:
        first = dataset.paths()[labels.index(())]
        raise ConfigError(
            f"{labels.count(())} of the {len(labels)} videos to train and validate with have no "
            f"label, {first!r} the first of them; label them, or take their rows out"
        )


def read_once(
    dataset: VideoDataset, spec: InputSpec, *, keep: bool
) -> tuple[VideoDataset, dict[Part, np.ndarray], list[tuple[str, str]]]:
    """Look at the videos once, and leave out those that cannot be read.

    Args:
        dataset: Videos.
        spec: Clock and size to read them at.
        keep: Whether to decode them whole and keep all frames.

    Returns:
        The videos that can be read, their frames if kept, path and reason of each of the others.
    """
    if not keep and len(dataset) > MOST_READ:
        return dataset, {}, []
    logger.info("reading %d videos", len(dataset))
    frames, broken = read_all(dataset, spec, keep=keep)
    paths = dataset.paths()
    lost = [(paths[index], why) for index, why in broken.items()]
    for path, why in lost:
        logger.warning("left out %r: %s", path, why)
    readable = [index for index in range(len(dataset)) if index not in broken]
    return dataset.select(readable), frames, lost


def divide(
    dataset: VideoDataset, config: TrainConfig, left_out: Sequence[tuple[str, str]] = ()
) -> TrainingData:
    """Tell the videos to train with from those to validate with: the dataset's own, else by chance.

    By chance the same share of each class is kept, and groups stay together.

    Args:
        dataset: Videos that can be read.
        config: The share, and the label list.
        left_out: Path and reason of each video that cannot.

    Raises:
        ConfigError: Nothing is left to train or to validate with, or a label list does not fit.
    """
    said: list[str] = []
    column = dataset.split_column()
    if "val" not in column:
        said.append(
            f"no split 'val': {100 * config.val_share:.0f} % of each class are kept for validation"
            + (", groups whole" if any(dataset.groups()) else "")
        )
        shares = {"train": 1 - config.val_share, "val": config.val_share}
        column = split_dataset(dataset, shares, by_group=True, seed=config.seed).split_column()
    # Selected rather than split: a large list stays in the file that workers share.
    training, validation = (
        dataset.select(np.flatnonzero([one == name for one in column])) for name in ("train", "val")
    )
    if not len(training):
        raise ConfigError(f"none of the videos of {str(dataset.root)!r} to learn from can be read")
    if not len(validation):
        raise ConfigError(
            f"no video of {str(dataset.root)!r} is left to validate with; give more videos a "
            "class, or a larger val_share"
        )
    said += _warnings(training, validation)
    for one in said:
        logger.info(one)
    return TrainingData(
        dataset=dataset,
        training=training,
        validation=validation,
        labels=_labels(config, dataset.labels),
        several_labels=has_several_labels(dataset),
        notes=tuple(said),
        left_out=tuple(left_out),
    )


def _warnings(training: VideoDataset, validation: VideoDataset) -> list[str]:
    """Say what is doubtful about the classes."""
    learnt, asked = training.label_counts(), validation.label_counts()
    unseen = [label for label, count in asked.items() if count and not learnt[label]]
    lonely = [label for label, count in learnt.items() if count + asked[label] == 1]
    untested = [label for label, count in learnt.items() if count > 1 and not asked[label]]
    told = (
        (unseen, "in validation but not in training, where they cannot be learnt"),
        (lonely, "with one video only, which is hardly enough to learn from"),
        (untested, "without a video to validate with"),
    )
    return [f"labels {why}: {_listed(names)}" for names, why in told if names]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(map(repr, names[:_MOST_NAMED])) + more


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
