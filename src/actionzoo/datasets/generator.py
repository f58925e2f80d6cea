"""Drawn clips in any format: a real tree to try a reader, a tool or a recipe on."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from actionzoo.datasets.convert import convert
from actionzoo.datasets.dataset import VideoDataset
from actionzoo.datasets.format import Format, Holds
from actionzoo.datasets.opening import open_dataset
from actionzoo.errors import BadDataset
from actionzoo.synthetic import make_dataset

DRAWN = ".drawn"
_CLASS_FOLDERS = "class-folders"
_DRAWN_SUFFIX = ".mp4"
_SPLITS = ("train", "val", "test")
_CLIPS_A_GROUP, _GROUPS = 4, 5
_MOST_FOLDS = 3
"""As UCF101 and HMDB51 have."""


def make_in_format(
    folder: Path,
    target: Format,
    *,
    clips_per_class: int = 20,
    seed: int = 0,
    processes: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Draw clips of ten actions, split and grouped as far as a format can tell it.

    Class folders are left unsplit, as ``synthetic.make_dataset`` writes them, so that another seed
    adds other clips. In other formats a few clips a class are a group, and a group is in one split.

    Args:
        folder: A new one, or one in which the same was interrupted.
        target: The format to be written.
        clips_per_class: How many of each action.
        seed: The same one draws the same clips.
        processes: How many draw at a time; by default one a core.
        progress: Called after each clip is drawn with how many are there and how many will be.

    Raises:
        ConfigError: An argument is out of range, or the folder cannot be written.
        BadDataset: The folder holds something else, or the format cannot be written.
    """
    if target.name == _CLASS_FOLDERS:
        make_dataset(
            folder,
            clips_per_class=clips_per_class,
            seed=seed,
            processes=processes,
            progress=progress,
        )
        return
    drawn = folder / DRAWN
    _check_new(folder, drawn)
    suffix = _DRAWN_SUFFIX if target.media == "pictures" else target.suffix
    make_dataset(
        drawn,
        clips_per_class=clips_per_class,
        seed=seed,
        suffix=suffix,
        processes=processes,
        progress=progress,
    )
    # An earlier run that was interrupted may have drawn others.
    wanted = re.compile(rf".*_{seed}_(\d+){re.escape(suffix)}")
    dataset = _told(drawn, target.holds, wanted, clips_per_class)
    done = convert(dataset, target, folder, how="hard link", processes=processes)
    for failure in done.failures:
        raise BadDataset(f"{failure.path!r} was drawn and cannot be used: {failure.error}")
    shutil.rmtree(drawn)


def _check_new(folder: Path, drawn: Path) -> None:
    """Refuse, before anything is drawn, a folder that holds something else."""
    if drawn.exists() or not folder.is_dir():
        return
    for one in folder.iterdir():
        if not one.name.startswith("."):
            raise BadDataset(
                f"{str(folder)!r} is not empty, it holds {one.name!r}; give a new folder"
            )


def _told(drawn: Path, holds: Holds, wanted: re.Pattern[str], clips_per_class: int) -> VideoDataset:
    """Return the clips that are wanted, with the groups and splits that a format knows."""
    samples = []
    dataset = open_dataset(drawn, format=_CLASS_FOLDERS)
    for sample in dataset:
        found = wanted.fullmatch(sample.path.name)
        if found is not None and int(found[1]) < clips_per_class:
            group = int(found[1]) // max(1, min(_CLIPS_A_GROUP, clips_per_class // _GROUPS))
            splits = _splits(group, holds)
            samples.append(replace(sample, group=f"g{group + 1:02d}", splits=splits))
    return VideoDataset.from_samples(
        samples, root=drawn, labels=dataset.labels, format=_CLASS_FOLDERS
    )


def _splits(group: int, holds: Holds) -> tuple[str | None, ...]:
    """Deal a group to a split in every fold: the first ones to each, three of five to train.

    >>> [_splits(group, Holds(splits=("train", "test")))[0] for group in range(4)]
    ['train', 'test', 'train', 'train']
    """
    known = [one for one in _SPLITS if holds.splits is None or one in holds.splits]
    turns = [*known, "train", "train"] if known else [None]
    folds = min(holds.folds or 1, _MOST_FOLDS)
    return tuple(turns[(group + fold) % len(turns)] for fold in range(folds))
