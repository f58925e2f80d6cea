"""What a dataset does not tell of its videos, read from their files."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from actionzoo.datasets.dataset import Sample, VideoDataset
from actionzoo.video import count_frames, open_video

Number = TypeVar("Number", int, float)


def frame_counts(dataset: VideoDataset) -> list[int]:
    """Return the number of frames of every sample: as its dataset tells it, else counted.

    Raises:
        VideoError: A video cannot be read.
    """
    return _measured(dataset, lambda one: one.num_frames or count_frames(one.path))


def durations_seconds(dataset: VideoDataset) -> list[float]:
    """Return the duration of the file of every sample.

    Raises:
        VideoError: A video cannot be read.
    """
    return _measured(dataset, lambda one: _duration_seconds(one.path, dataset))


def _duration_seconds(path: Path, dataset: VideoDataset) -> float:
    with open_video(path, fps=dataset.facts.fps) as video:
        return float(video.info.duration_seconds)


def _measured(dataset: VideoDataset, measure: Callable[[Sample], Number]) -> list[Number]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(measure, dataset))
