"""What a dataset does not tell of its videos, read from their files."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from actionzoo.datasets.dataset import Sample, VideoDataset
from actionzoo.errors import VideoError
from actionzoo.video import count_frames, open_video

Measure = TypeVar("Measure")


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
    return _measured(dataset, lambda one: _duration_seconds(one.path, one.fps))


def unreadable(dataset: VideoDataset) -> dict[int, VideoError]:
    """Return the places of the samples whose videos cannot be opened or counted, and why."""
    reasons = _measured(dataset, lambda one: _reason(one.path))
    return {row: reason for row, reason in enumerate(reasons) if reason is not None}


def _reason(path: Path) -> VideoError | None:
    try:
        count_frames(path)
        open_video(path).close()
    except VideoError as error:
        return error
    return None


def _duration_seconds(path: Path, fps: Fraction | None) -> float:
    with open_video(path, fps=fps) as video:
        return float(video.info.duration_seconds)


def _measured(dataset: VideoDataset, measure: Callable[[Sample], Measure]) -> list[Measure]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(measure, dataset))
