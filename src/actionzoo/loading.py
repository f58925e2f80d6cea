"""Clips of a dataset for training and evaluation, read as prediction reads them.

Workers share no state: what a clip is depends on seed, epoch and index alone, whatever the number
of workers and however they are started. A video that cannot be read becomes a *fault*, a sentence
that names the file: in training another video of its class takes its place, in evaluation nothing
does.

V is the number of views of a sample, 1 in training.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from actionzoo.augment import AugmentConfig, augment, drawn_resize, random_ticks
from actionzoo.batches import Key, TrainBatches
from actionzoo.datasets import Sample, VideoDataset
from actionzoo.errors import ConfigError, VideoError
from actionzoo.labels import mirrored_classes
from actionzoo.reader import Choose, part_ticks, read_chosen
from actionzoo.sampling import choose_ticks
from actionzoo.spec import InputSpec, Resize, Views
from actionzoo.transforms import eval_transform, normalise
from actionzoo.video import open_video
from actionzoo.workers import in_threads, log_progress

logger = logging.getLogger(__name__)

OnError = Literal["another", "raise"]
Part = tuple[Path, float | None, float | None]
"""A file, and where in it a sample starts and ends, in seconds."""

_MOST_OTHERS = 4
"""So many other videos are tried in the place of one that cannot be read."""
_FEW_SAMPLES = 64
"""So few are read in less time than it takes to start a worker."""
_MOST_WORKERS = 16


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Item:
    """One sample as a dataset gives it."""

    views: Tensor | None
    """Shape (V, C, T, H, W) float32; None where the video cannot be read."""
    target: Tensor
    """The class index, int64; where a dataset has several labels a video 0 or 1 for every class,
    shape (K,) float32."""
    index: int
    """The place in the dataset of the video that is shown."""
    fault: str | None = None
    """Why the video asked for is not shown."""


class Batch(NamedTuple):
    """The items whose videos could be read, B of them, and what is wrong with the others.

    Where all items of a batch are faults, B is 0 and there are no pixels at all.
    """

    clips: Tensor
    """Shape (B * V, C, T, H, W) float32, the views of a video one after another."""
    targets: Tensor
    """Class indices, shape (B,) int64, or 0 and 1, shape (B, K) float32."""
    indices: Tensor
    """Places in the dataset, shape (B,) int64."""
    faults: tuple[str, ...]
    """A sentence for each video that could not be read."""

    @property
    def videos(self) -> int:
        """How many were to be read."""
        return len(self.targets) + len(self.faults)


class NoClip(VideoError):
    """A video that cannot be read, and could not be replaced either."""

    def __init__(self, message: str) -> None:
        # What is raised in a worker is raised again here, with its traceback as the message.
        super().__init__(message.rpartition(f"{NoClip.__name__}: ")[2].strip())


class Samples:
    """The samples of a dataset: their pixels, and what they are to be recognised as.

    Args:
        dataset: Every sample has a label, or several.
        spec: Clock and size to read at.
        several_labels: Whether targets are 0 or 1 for every class rather than one index.
        kept: Frames by part, from ``read_all``; None decodes anew each time.

    Raises:
        ConfigError: A sample has no label.
    """

    def __init__(
        self,
        dataset: VideoDataset,
        spec: InputSpec,
        *,
        several_labels: bool,
        kept: Mapping[Part, np.ndarray] | None,
    ) -> None:
        self.dataset, self.spec, self.kept = dataset, spec, kept
        self.several_labels = several_labels
        labels = dataset.class_indices()
        # Workers get one number a sample rather than one tuple.
        self._kinds = sorted(set(labels))
        number = {kind: place for place, kind in enumerate(self._kinds)}
        self._kind_of = np.fromiter((number[one] for one in labels), np.int32, len(labels))
        if () in number:
            raise ConfigError(
                f"{labels.count(())} of {len(labels)} videos have no label; "
                "choose a split in which all have one"
            )

    def __len__(self) -> int:
        return len(self._kind_of)

    def pixels(
        self, index: int, choose: Choose, *, resize: Resize | None = None
    ) -> list[np.ndarray]:
        """Return clips of a sample, each of shape (T, H, W, C) uint8.

        Args:
            index: Of the sample.
            choose: Which ticks.
            resize: Another size than the spec's, for frames that are not kept.

        Raises:
            VideoError: The video cannot be read; the message names it.
        """
        sample = self.dataset[index]
        try:
            if self.kept is not None:
                frames = self.kept[part_of(sample)]
                return list(frames[choose(len(frames))])
            spec = self.spec if resize is None else replace(self.spec, resize=resize)
            return read_sample(self.dataset, sample, spec, choose)
        except VideoError as error:
            name = repr(os.fspath(sample.path))
            raise VideoError(str(error) if name in str(error) else f"{name}: {error}") from error

    def target(self, index: int) -> Tensor:
        """Return what a sample is to be recognised as; see ``Item.target``."""
        kind = self.labels(index)
        if not self.several_labels:
            return torch.tensor(kind[0])
        several = torch.zeros(len(self.dataset.labels))
        several[list(kind)] = 1
        return several

    def labels(self, index: int) -> tuple[int, ...]:
        """Return the class indices of a sample, at least one."""
        kind: tuple[int, ...] = self._kinds[self._kind_of[index]]
        return kind

    def others_like(self, index: int) -> np.ndarray:
        """Return the indices of the other samples with the same labels."""
        same = np.flatnonzero(self._kind_of == self._kind_of[index])
        others: np.ndarray = same[same != index]
        return others


def part_of(sample: Sample) -> Part:
    """Return what a sample shows."""
    return sample.path, sample.start_seconds, sample.end_seconds


def read_sample(
    dataset: VideoDataset, sample: Sample, spec: InputSpec, choose: Choose
) -> list[np.ndarray]:
    """Read clips of a sample, each of shape (T, H, W, C) uint8.

    Raises:
        VideoError: It cannot be read.
    """
    with open_video(sample.path, fps=sample.fps or spec.fps) as video:
        clips = read_chosen(
            video,
            spec,
            choose,
            start_seconds=sample.start_seconds,
            end_seconds=sample.end_seconds,
        )
        return [clip.pixels for clip in clips]


class TrainClips(Dataset[Item]):
    """Random clips of the samples: one view each.

    Args:
        dataset: Labelled videos.
        spec: What the network is fed.
        augment: How far clips are changed.
        seed: Of all chance.
        side: Of the crop, px, where it is not the model's.
        several_labels: Whether targets are 0 or 1 for every class; None asks the dataset.
        on_error: ``another`` puts a video with the same labels in the place of one that cannot be
            read; ``raise`` raises ``NoClip``, as ``another`` does when it finds none.
        kept: Frames from ``read_all``.

    Raises:
        ConfigError: A sample has no label.
    """

    def __init__(
        self,
        dataset: VideoDataset,
        spec: InputSpec,
        *,
        augment: AugmentConfig | None = None,
        seed: int = 0,
        side: int | None = None,
        several_labels: bool | None = None,
        on_error: OnError = "another",
        kept: Mapping[Part, np.ndarray] | None = None,
    ) -> None:
        several = has_several_labels(dataset) if several_labels is None else several_labels
        self.samples = Samples(dataset, spec, several_labels=several, kept=kept)
        self.augment = augment or AugmentConfig()
        self.seed, self.side, self.on_error = seed, side, on_error
        self._mirrored = mirrored_classes(dataset.labels)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: Key) -> Item:
        rng = np.random.default_rng([self.seed, key.epoch, key.sample, key.repeat])
        try:
            return self._item(key.sample, key.side, rng)
        except VideoError as error:
            if self.on_error == "raise":
                raise NoClip(str(error)) from error
            return self._another(key, str(error), rng)

    def _item(self, index: int, side: int | None, rng: np.random.Generator) -> Item:
        spec, changes = self.samples.spec, self.augment
        usual = self.side or min(spec.height, spec.width)
        if side is not None:
            changes = _farther(changes, side / usual)
        resize = drawn_resize(spec, changes, rng=rng)

        def choose(num_ticks: int) -> np.ndarray:
            return random_ticks(num_ticks, spec, changes, rng=rng)[None]

        (pixels,) = self.samples.pixels(index, choose, resize=resize)
        mirrored = [self._mirrored[one] for one in self.samples.labels(index)]
        changed = augment(
            pixels, spec, changes, rng=rng, side=side or self.side, may_flip=None not in mirrored
        )
        target = self.samples.target(index)
        if changed.mirrored:
            target = _moved(target, self._mirrored)
        views = torch.from_numpy(normalise(changed.pixels, spec))[None]
        return Item(views=views, target=target, index=index)

    def _another(self, key: Key, fault: str, rng: np.random.Generator) -> Item:
        faults = [fault]
        for other in rng.permutation(self.samples.others_like(key.sample))[:_MOST_OTHERS].tolist():
            try:
                return replace(self._item(other, key.side, rng), fault=fault)
            except VideoError as error:
                faults.append(str(error))
        raise NoClip(
            f"a video and {len(faults) - 1} others with the same labels cannot be read; "
            f"check the dataset: {'; '.join(faults)}"
        )


def _farther(config: AugmentConfig, share: float) -> AugmentConfig:
    """Let smaller clips see as much of the scene: the least scale shrinks as the crop does.

    As PySlowFast scales TRAIN_JITTER_SCALES in multigrid training; an ``area`` needs no change.
    """
    if config.short_side is not None:
        low, high = config.short_side
        return replace(config, short_side=(max(1, round(low * share)), high))
    return replace(config, zoom=(config.zoom[0] * share, config.zoom[1]))


def has_several_labels(dataset: VideoDataset) -> bool:
    """Tell whether any video of a dataset has more than one label."""
    return any(len(kind) > 1 for kind in dataset.class_indices())


def _moved(target: Tensor, mirrored: Sequence[int | None]) -> Tensor:
    """Return the target of the mirrored video."""
    if target.ndim == 0:
        return torch.tensor(mirrored[int(target)])
    moved = torch.zeros_like(target)
    moved[[mirrored[one] for one in target.nonzero().flatten().tolist()]] = 1
    return moved


class EvalClips(Dataset[Item]):
    """The views of each sample, made as in prediction; a video that cannot be read has none.

    Args:
        dataset: Labelled videos.
        spec: What the network is fed.
        views: How many clips and crops; one centre clip unless given.
        several_labels: Whether targets are 0 or 1 for every class; None asks the dataset.
        kept: Frames from ``read_all``.

    Raises:
        ConfigError: A sample has no label.
    """

    def __init__(
        self,
        dataset: VideoDataset,
        spec: InputSpec,
        *,
        views: Views | None = None,
        several_labels: bool | None = None,
        kept: Mapping[Part, np.ndarray] | None = None,
    ) -> None:
        several = has_several_labels(dataset) if several_labels is None else several_labels
        self.samples = Samples(dataset, spec, several_labels=several, kept=kept)
        self.views = views or Views()

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Item:
        spec, target = self.samples.spec, self.samples.target(index)
        try:
            clips = self.samples.pixels(
                index, lambda num_ticks: choose_ticks(spec, num_ticks, clips=self.views.clips)
            )
        except VideoError as error:
            return Item(views=None, target=target, index=index, fault=str(error))
        views = [eval_transform(pixels, spec, crops=self.views.crops) for pixels in clips]
        return Item(views=torch.from_numpy(np.concatenate(views)), target=target, index=index)


def collate(items: Sequence[Item]) -> Batch:
    """Make a batch of the items that have pixels; the others are among its faults only."""
    shown = [item for item in items if item.views is not None]
    targets = torch.stack([item.target for item in items])
    return Batch(
        # In a worker this is written straight into memory shared with the main process.
        clips=default_collate([item.views for item in shown]).flatten(0, 1)  # (B, V, ...) to (B*V)
        if shown
        else torch.empty(0),
        targets=targets[[item.views is not None for item in items]],
        indices=torch.tensor([item.index for item in shown], dtype=torch.int64),
        faults=tuple(item.fault for item in items if item.fault is not None),
    )


def make_loader(
    clips: TrainClips | EvalClips,
    *,
    batch_size: int | None = None,
    batches: TrainBatches | None = None,
    workers: int | None = None,
    share: tuple[int, int] = (0, 1),
) -> DataLoader[Item]:
    """Make batches: shuffled anew each epoch to train, in order to evaluate.

    A script that makes one with workers needs the usual ``if __name__ == "__main__":``.

    Args:
        clips: What to load.
        batch_size: How many samples.
        batches: Which clips to train with; None shuffles all of them into batches of that size.
        workers: Processes that read; None takes as many as help. Kept frames are never copied to
            processes, so there are none then.
        share: Which process this is, and of how many, where several evaluate together.

    Returns:
        A loader of ``Batch``.
    """
    sampler: Sampler[list[Key]] | list[list[int]]
    if isinstance(clips, TrainClips):
        sampler = batches or TrainBatches(
            len(clips), batch_size=batch_size or 1, seed=clips.seed, share=share
        )
    else:
        mine = range(share[0], len(clips), share[1])
        size = batch_size or 1
        sampler = [list(mine[start : start + size]) for start in range(0, len(mine), size)]
    count = choose_workers(clips, len(sampler), workers)
    return DataLoader(
        clips,
        batch_sampler=sampler,
        num_workers=count,
        collate_fn=collate,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_start_worker,
        multiprocessing_context=worker_start() if count else None,
        # Its own, so that the number of workers does not change what the network draws.
        generator=torch.Generator(),
        persistent_workers=isinstance(clips, TrainClips) and count > 0,
    )


def choose_workers(clips: TrainClips | EvalClips, batches: int, wanted: int | None) -> int:
    """Return how many worker processes to start: one core is left to the network."""
    if clips.samples.kept is not None:
        return 0
    return choose_workers_for(len(clips), batches) if wanted is None else wanted


def choose_workers_for(samples: int, batches: int) -> int:
    """Return how many processes help to read so many samples, in so many batches."""
    if samples < _FEW_SAMPLES:
        return 0
    return min(max(1, (os.cpu_count() or 1) - 1), max(1, batches), _MOST_WORKERS)


def worker_start() -> str:
    """Choose how workers start: ``forkserver``, or ``spawn`` where there is none.

    A fork copies locks that other threads of this process hold (OpenMP, OpenVINO, a pool that
    reads videos), and nobody releases them in the copy. The fork server is a process without
    threads, which imports this module once for all workers; Python's own choice from 3.14 on.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return "spawn"
    multiprocessing.get_context("forkserver").set_forkserver_preload([__name__])
    return "forkserver"


def _start_worker(_: int) -> None:
    """Leave Ctrl-C to the parent. DataLoader has set one torch thread; decoders have one too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def count_faults(faults: Sequence[str], counted: Counter[str]) -> None:
    """Count the faults of a batch, and warn of each the first time it is met."""
    for fault in faults:
        if fault not in counted:
            logger.warning("a video cannot be read: %s", fault)
        counted[fault] += 1


def read_all(
    dataset: VideoDataset, spec: InputSpec, *, keep: bool
) -> tuple[dict[Part, np.ndarray], dict[int, str]]:
    """Open every video once, so that a broken one is known before the training starts.

    Args:
        dataset: Videos.
        spec: Clock and size to read them at.
        keep: Whether to decode them whole and keep all frames.

    Returns:
        The kept frames of each sample, shape (ticks, H, W, C) uint8; and what is wrong with those
        samples, by their index, that cannot be read.
    """

    def read(index: int) -> np.ndarray | VideoError | None:
        sample = dataset[index]
        try:
            if keep:
                return read_sample(dataset, sample, spec, lambda ticks: np.arange(ticks)[None])[0]
            _probe(dataset, sample, spec)
        except VideoError as error:
            return error
        return None

    kept: dict[Part, np.ndarray] = {}
    broken: dict[int, str] = {}
    outcomes = in_threads(read, range(len(dataset)), threads=os.cpu_count() or 1)
    for index, outcome in log_progress(outcomes, what="reading", total=len(dataset)):
        if isinstance(outcome, VideoError):
            broken[index] = str(outcome)
        elif outcome is not None:
            kept[part_of(dataset[index])] = outcome
    return kept, dict(sorted(broken.items()))


def _probe(dataset: VideoDataset, sample: Sample, spec: InputSpec) -> None:
    """Decode the first frame, and find the part."""
    with open_video(sample.path, fps=sample.fps or spec.fps) as video:
        start, end = sample.start_seconds, sample.end_seconds
        part_ticks(video.info, spec, start_seconds=start, end_seconds=end)


def without(dataset: VideoDataset, paths: Collection[str]) -> VideoDataset:
    """Leave out the samples of some files.

    Args:
        dataset: Videos.
        paths: As ``dataset.paths()`` has them, or absolute.
    """
    root, left_out = dataset.root, frozenset(paths)
    return dataset.select(
        [
            row
            for row, path in enumerate(dataset.paths())
            if path not in left_out and os.fspath(root / path) not in left_out
        ]
    )
