"""The videos that an export is calibrated and verified on."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from actionzoo.datasets import VideoDataset
from actionzoo.datasets.naming import renamed
from actionzoo.errors import ActionZooError, ConfigError
from actionzoo.exporting.clips import Clips, clips_of_dataset, drawn_clips, open_videos
from actionzoo.exporting.origin import Origin
from actionzoo.training.config import parse_config
from actionzoo.training.data import divide, open_for_training
from actionzoo.training.plan import read_facts

logger = logging.getLogger(__name__)

Part = Literal["train", "val"]
Report = Callable[[int, int], None]

_SPLITS: dict[Part, tuple[str, ...]] = {"train": ("train",), "val": ("test", "val")}
"""Which split of a dataset is taken, the first that there is."""
_SEEDS: dict[Part, int] = {"train": 1, "val": 0}
"""Drawn clips to calibrate on are others than those to verify on."""


def choose_clips(
    origin: Origin,
    data: str | None,
    part: Part,
    *,
    most: int,
    labels: str | None = None,
    progress: Report | None = None,
) -> Clips:
    """Return clips: of the videos that are given, else of a run's own, else drawn ones.

    Args:
        origin: The model; its spec says how videos are looked at.
        data: A dataset or a folder of videos.
        part: ``train`` to calibrate on, ``val`` to verify on.
        most: At most so many, spread over classes.
        labels: Other names for the dataset's classes.
        progress: Told how many are read and to be read.

    Raises:
        ActionZooError: The videos cannot be used.
    """
    if data is not None:
        dataset = open_videos(Path(data), prefer=_SPLITS[part])
        dataset = dataset if labels is None else renamed(dataset, labels)
        return clips_of_dataset(dataset, origin.spec, most=most, progress=progress)
    if origin.run is not None:
        try:
            dataset = _of_run(origin.run, part)
            return clips_of_dataset(dataset, origin.spec, most=most, progress=progress)
        except ActionZooError as error:
            option = "--calibrate" if part == "train" else "--verify"
            logger.warning("%s; drawn clips are taken instead, or give %s DATA", error, option)
    return drawn_clips(origin.spec, count=most, seed=_SEEDS[part], progress=progress)


def _of_run(run: Path, part: Part) -> VideoDataset:
    """Open the videos that a run has learnt from, or was validated with."""
    facts = read_facts(run)
    config = parse_config(facts["config"])
    data = Path(facts["data"])
    if not data.exists():
        raise ConfigError(f"the videos of the run are no longer at {os.fspath(data)!r}")
    divided = divide(open_for_training(data, config), config)
    return divided.training if part == "train" else divided.validation
