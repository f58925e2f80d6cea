"""Find videos that are the same: identical files, and copies encoded anew.

A copy shows the same at the same time, so small grey pictures taken at the same times are nearly
equal whatever the codec, size and frame rate. Pairs whose first two pictures agree are found
without comparing every video with every other one; then the pictures of their whole length are
compared. A copy that starts at another moment, is cropped or mirrored is not found.

The limits were measured on 202 surveillance and 63 silhouette clips, and 534 copies of them (crf
35, half the size, VP9, MPEG-4, 15 and 30 frames a second). All copies are within the limits, no two
different clips are; the nearest show one empty corridor until somebody walks in.
"""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, product
from pathlib import Path

import numpy as np

from actionzoo.datasets.dataset import VideoDataset
from actionzoo.datasets.format import is_picture_name
from actionzoo.datasets.inspection import Progress, inspect_files
from actionzoo.video.probing import PICTURE_SECONDS, PICTURE_SIDE, PROBED_PICTURES, Inspection

_PIXELS = PICTURE_SIDE**2

_START_RMS, _LATER_RMS = 3.5, 7.5
"""How far two pictures may be apart, in grey levels, brightness aside. At the start copies were at
most 2.5 apart, different clips at least 3.6. Later a copy of another frame rate may show the frame
before: then they were 7.2 apart at most."""
_PEAK = 6.0
"""No pixel may be further off than so many times the limit: a figure that moved is a few pixels."""
_CONTRAST_SHARE = 0.15
"""The limits are at most such a share of a picture's contrast (its standard deviation)."""
_FLAT = 2.0
"""A picture of less contrast, such as a black one, is no evidence."""

_WAVE_WIDTH = 18.0
"""How far copies may be apart in the slow waves of their first pictures; at most 11.2 was seen."""
_MOST_NEIGHBOURS = 100
"""As many of a cell are compared with one video: a common title card does not cost the square."""
_BLOCK = 20_000
"""Pairs that are compared at a time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Similar:
    """Videos that are the same, by their paths."""

    identical: tuple[tuple[str, ...], ...] = ()
    """Groups of files with the same bytes."""
    alike: tuple[tuple[str, str], ...] = ()
    """Pairs that show the same; of identical files the first stands for all."""


def find_similar(
    dataset: VideoDataset,
    inspections: Sequence[Inspection],
    *,
    processes: int | None = None,
    progress: Progress | None = None,
) -> Similar:
    """Find the videos of a dataset that are the same.

    Videos that begin alike are decoded where that has not been done yet.

    Args:
        dataset: Tells where the files are.
        inspections: Of all its files.
        processes: How many decode at a time; by default one a core.
        progress: Told after each video that is decoded.
    """
    identical = identical_files(dataset, inspections)
    copies = {path for group in identical for path in group[1:]}
    seen = [one for one in inspections if one.pictures and one.path not in copies]
    pairs = pairs_that_begin_alike([one.grey() for one in seen])
    wanted = [at for at in np.unique(pairs).tolist() if _is_probed_only(seen[at])]
    looked = inspect_files(
        dataset, [seen[at].path for at in wanted], deep=True, processes=processes, progress=progress
    )
    for at, one in zip(wanted, looked, strict=True):
        seen[at] = one if one.pictures else seen[at]
    alike = pairs_that_agree([one.grey() for one in seen], pairs)
    named = sorted((seen[one].path, seen[other].path) for one, other in alike.tolist())
    return Similar(identical=tuple(identical), alike=tuple(named))


def _is_probed_only(one: Inspection) -> bool:
    more = PICTURE_SECONDS[PROBED_PICTURES]
    probed = len(one.pictures) <= PROBED_PICTURES * _PIXELS
    return probed and (one.duration_seconds is None or one.duration_seconds > more)


# Identical files.


def identical_files(
    dataset: VideoDataset, inspections: Sequence[Inspection]
) -> list[tuple[str, ...]]:
    """Find the files with the same bytes.

    Only files that have one size, and begin with the same pictures, are read.

    Returns:
        Groups of at least two paths, in the order of the inspections.
    """
    same: dict[tuple[int, bytes], list[str]] = defaultdict(list)
    for one in inspections:
        if one.size_bytes:
            same[one.size_bytes, one.pictures[: PROBED_PICTURES * _PIXELS]].append(one.path)
    wanted = [path for paths in same.values() if len(paths) > 1 for path in paths]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        digests = list(pool.map(_digest, [dataset.root / path for path in wanted]))
    groups: dict[bytes, list[str]] = defaultdict(list)
    for path, digest in zip(wanted, digests, strict=True):
        if digest is not None:
            groups[digest].append(path)
    return [tuple(paths) for paths in groups.values() if len(paths) > 1]


def _digest(path: Path) -> bytes | None:
    """Return the SHA-256 of a file, or of the pictures of a folder; None where it is unreadable."""
    digest = hashlib.sha256()
    try:
        files = [path]
        if path.is_dir():
            files = sorted(one for one in path.iterdir() if is_picture_name(one.name))
        for file in files:
            with file.open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
    except OSError:
        return None
    return digest.digest()


# Copies encoded anew.


def pairs_that_begin_alike(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Find the pairs of videos whose first two pictures agree.

    Args:
        pictures: One array a video, shape (N, 16, 16) uint8 with N at least 1.

    Returns:
        Places, shape (M, 2) int64, the smaller one first, in order.
    """
    begun = _Pictures(pictures, PROBED_PICTURES)
    is_flat = begun.contrast < _FLAT
    first = _neighbours(begun, 0, np.flatnonzero(~is_flat[:, 0]))
    # Many videos fade in from black.
    second = _neighbours(begun, 1, np.flatnonzero(is_flat[:, 0] & ~is_flat[:, 1]))
    found = [block[begun.agree(block)] for block in chain(first, second)]
    pairs = np.concatenate([np.empty((0, 2), np.int64), *found])
    return np.asarray(np.unique(np.sort(pairs, axis=1), axis=0))


def pairs_that_agree(pictures: Sequence[np.ndarray], pairs: np.ndarray) -> np.ndarray:
    """Keep the pairs of which all pictures agree that both videos have.

    Args:
        pictures: One array a video, shape (N, 16, 16) uint8 with N at least 1.
        pairs: Places, shape (M, 2).
    """
    places, own = np.unique(pairs, return_inverse=True)
    whole = _Pictures([pictures[place] for place in places.tolist()], len(PICTURE_SECONDS))
    own = own.reshape(pairs.shape)
    kept = [whole.agree(own[at : at + _BLOCK]) for at in range(0, len(own), _BLOCK)]
    return pairs[np.concatenate(kept)] if kept else pairs


class _Pictures:
    """The first pictures of many videos in one array."""

    def __init__(self, pictures: Sequence[np.ndarray], most: int) -> None:
        self.counts = np.array([min(len(one), most) for one in pictures])
        self.pixels = np.zeros((len(pictures), most, _PIXELS), np.uint8)
        for row, one in zip(self.pixels, pictures, strict=True):
            row[: len(one)] = one[:most].reshape(-1, _PIXELS)
        self.contrast = np.empty(self.pixels.shape[:2], np.float32)
        """0 where a video has fewer pictures than others."""
        for at in range(0, len(self.pixels), _BLOCK):
            self.contrast[at : at + _BLOCK] = self.pixels[at : at + _BLOCK].std(axis=2)

    def waves(self, number: int) -> np.ndarray:
        """Project the pictures of a number on the slowest waves, shape (videos, 5)."""
        blocks = [
            self.pixels[at : at + _BLOCK, number].astype(np.float32) @ _WAVES
            for at in range(0, len(self.pixels), _BLOCK)
        ]
        return np.concatenate([np.empty((0, _WAVES.shape[1]), np.float32), *blocks])

    def agree(self, pairs: np.ndarray) -> np.ndarray:
        """Tell of each pair whether the pictures agree that both have, shape (M,)."""
        one, other = pairs.T
        number = np.arange(self.pixels.shape[1])
        contrast = np.maximum(self.contrast[one], self.contrast[other])
        shared = number < np.minimum(self.counts[one], self.counts[other])[:, None]
        limit = _limits(number, contrast)
        apart = self.pixels[one].astype(np.float32) - self.pixels[other]
        apart -= apart.mean(axis=2, keepdims=True)
        peak = np.abs(apart).max(axis=2)
        rms = np.sqrt(np.einsum("mnp,mnp->mn", apart, apart) / _PIXELS)
        told = shared & (contrast >= _FLAT)
        same = (rms <= limit) & (peak <= _PEAK * limit)
        return np.asarray(told.any(axis=1) & (same | ~told).all(axis=1))


def _limits(number: np.ndarray, contrast: np.ndarray) -> np.ndarray:
    """Return how far the pictures of each number may be apart, by their contrast."""
    most = np.where(number < PROBED_PICTURES, _START_RMS, _LATER_RMS)
    return np.asarray(np.minimum(most, _CONTRAST_SHARE * contrast * most / _START_RMS))


def _neighbours(videos: _Pictures, number: int, who: np.ndarray) -> Iterator[np.ndarray]:
    """Yield pairs of videos, among them those whose pictures of a number agree.

    The videos are laid into cells by the four slowest waves of their pictures, in which different
    pictures differ most and copies hardly, and paired with those of the same cell and of the cells
    beside it. Within a cell they are in the order of a fifth wave.

    Yields:
        Blocks of pairs, shape (M, 2).
    """
    waves = videos.waves(number)[who]
    keys = np.floor(waves[:, :4] / _WAVE_WIDTH).astype(np.int64) @ _CELL_STEPS
    order = np.lexsort((waves[:, 4], keys))
    who, waves, keys = who[order], waves[order], keys[order]
    for step in _half_of_the_steps():
        first = np.searchsorted(keys, keys + step)
        if step == 0:
            first = np.maximum(first, np.arange(len(keys)) + 1)
        last = np.searchsorted(keys, keys + step, side="right")
        for pairs in _blocks(first, np.clip(last - first, 0, _MOST_NEIGHBOURS)):
            apart = np.abs(waves[pairs[:, 0]] - waves[pairs[:, 1]])
            yield who[pairs[(apart <= _WAVE_WIDTH).all(axis=1)]]


def _blocks(first: np.ndarray, counts: np.ndarray) -> Iterator[np.ndarray]:
    """Pair each place with ``counts`` others from ``first`` on, some thousands of pairs a block."""
    ends = np.cumsum(counts)
    for start in range(0, int(ends[-1]) if len(ends) else 0, _BLOCK):
        pairs = np.arange(start, min(start + _BLOCK, int(ends[-1])))
        one = np.searchsorted(ends, pairs, side="right")
        other = first[one] + pairs - (ends - counts)[one]
        yield np.stack([one, other], axis=1)


def _slow_waves() -> np.ndarray:
    """Return the slowest waves of the discrete cosine transform of length 1, shape (256, 5)."""
    places = (np.arange(PICTURE_SIDE) + 0.5) * np.pi / PICTURE_SIDE
    waves = [
        np.outer(np.cos(down * places), np.cos(across * places)).ravel()
        for down, across in ((0, 1), (1, 0), (0, 2), (1, 1), (2, 0))
    ]
    return np.stack([one / np.linalg.norm(one) for one in waves], axis=1).astype(np.float32)


_WAVES = _slow_waves()
_CELL_STEPS = np.array([1, 2**10, 2**20, 2**30])
"""From cells to one number: no projection of a picture is as many cells long."""


def _half_of_the_steps() -> list[int]:
    """Return the steps to the cells beside a cell, of two opposite ones one, and to itself."""
    steps = [int(np.dot(one, _CELL_STEPS)) for one in product((-1, 0, 1), repeat=4)]
    return [step for step in steps if step >= 0]
