"""Real clips to compare files on: decoded once, then shown to each file as its own input says."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from actionzoo.closing import Closing
from actionzoo.datasets import Sample, VideoDataset, open_dataset
from actionzoo.errors import BadDataset, ConfigError, VideoError
from actionzoo.evaluation.matching import match_labels
from actionzoo.labels import find_label, load_labels
from actionzoo.pretrained import refuse_flow
from actionzoo.reader import read_chosen
from actionzoo.sampling import choose_ticks, clock
from actionzoo.sources import VIDEO_SUFFIXES, natural_key
from actionzoo.spec import InputSpec, ModelSpec, Resize
from actionzoo.synthetic import ACTIONS, STYLES, draw_clip
from actionzoo.transforms import crop_offsets, crop_pixels, eval_transform, resized_size
from actionzoo.video import encode_jpeg, open_video
from actionzoo.workers import in_threads

Report = Callable[[int, int], None]
"""Told how many clips are done and to do."""

_DRAWN_SIZE = (240, 320)
"""Height and width of the recordings that drawn clips stand for."""
_LEAST_SECONDS = 1.4
"""A shorter drawing hardly shows what is done."""
_DRAWN_LABELS = "weizmann10"
"""The drawn actions are those of this list, in its order."""
_STRIP_HEIGHT = 84
_STRIP_QUALITY = 7
_MOST_NAMED = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipFacts:
    """What is known of one clip."""

    name: str
    """Path of its video as the dataset has it; of a part of a video with ``#t=start,end``."""
    sha256: str
    """Of the pixels of the crop, (T, H, W, C) uint8 RGB, before they are normalised."""
    target: int | None = None
    """Index of the model's class; None where it is not known."""


class _Shot(Protocol):
    """One clip that can be read, again too."""

    @property
    def name(self) -> str: ...

    @property
    def target(self) -> int | None: ...

    def read(self, spec: InputSpec, *, whole: bool) -> np.ndarray:
        """Return its frames, (T, H, W, C) uint8 RGB: resized, or as large as they were taken."""


class Clips(Closing):
    """Clips whose pixels lie in a temporary folder; a context manager that removes it.

    Memory holds one clip at a time, whatever their number. Frames of the videos' own size, for
    files that scale and crop themselves, are too large to be kept and are read anew.
    """

    def __init__(
        self,
        shots: Sequence[_Shot],
        spec: ModelSpec,
        *,
        source: str,
        unlabelled: str = "",
        progress: Report | None = None,
    ) -> None:
        self.input = spec.input
        self.source = source
        """Where the clips are from, in words."""
        self.unlabelled = unlabelled
        """Why labels are not known; empty where they are."""
        self._folder = tempfile.TemporaryDirectory(prefix="actionzoo-clips-")
        try:
            _check_space(len(shots) * 3 * int(np.prod(spec.input.shape[1:])), self._folder.name)
            outcomes = self._read_all(shots, progress)
        except BaseException:
            self.close()
            raise
        read = [row for row, one in enumerate(outcomes) if isinstance(one, ClipFacts)]
        self._rows, self._shots = read, [shots[row] for row in read]
        self.facts: tuple[ClipFacts, ...] = tuple(
            one for one in outcomes if isinstance(one, ClipFacts)
        )
        self.failures: tuple[tuple[str, str], ...] = tuple(
            (shots[row].name, one) for row, one in enumerate(outcomes) if isinstance(one, str)
        )
        """Path and reason of each video that could not be read."""

    def __len__(self) -> int:
        return len(self.facts)

    def close(self) -> None:
        """Remove the pixels."""
        self._folder.cleanup()

    def targets(self) -> np.ndarray | None:
        """Return the class index of every clip, shape (N,) int64; None where one is not known."""
        known = [one.target for one in self.facts if one.target is not None]
        return np.array(known, np.int64) if len(known) == len(self.facts) else None

    def pixels(self, index: int) -> np.ndarray:
        """Return the crop of one clip, (T, H, W, C) uint8 RGB."""
        return np.asarray(np.load(self._file(self._rows[index])))

    def view(self, index: int, input: InputSpec) -> np.ndarray:
        """Return one clip as a file wants it, shape (1, C, T, H, W) float32.

        Args:
            index: Which clip, below their number.
            input: Of the file: its colours, range, mean and std; of the model's frames and size,
                or with ``whole_frames`` of the video's own size, in [0, 255].

        Raises:
            VideoError: The video could be read before, and cannot be any more.
        """
        if input.whole_frames:
            return _unchanged(self._shots[index].read(self.input, whole=True), input)
        assert input.shape == self.input.shape, f"{input.shape} where clips are {self.input.shape}"
        return eval_transform(self.pixels(index), input)

    def strip(self, index: int) -> bytes:
        """Return the first, the middle and the last frame side by side, small, as JPEG."""
        pixels = self.pixels(index)
        shown = pixels[[0, len(pixels) // 2, -1]]
        if shown.shape[3] == 2:  # flow
            shown = np.concatenate([shown, np.zeros_like(shown[..., :1])], axis=3)
        factor = max(1, round(shown.shape[1] / _STRIP_HEIGHT))
        # JPEG halves the rows and columns of its colours: both are made even.
        height, width = (side // (2 * factor) * 2 for side in shown.shape[1:3])
        blocks = shown[:, : height * factor, : width * factor].reshape(
            len(shown), height, factor, width, factor, 3
        )
        small = blocks.mean(axis=(2, 4)).round().astype(np.uint8)
        return encode_jpeg(np.concatenate(list(small), axis=1), quality=_STRIP_QUALITY)

    def _file(self, row: int) -> Path:
        return Path(self._folder.name) / f"{row}.npy"

    def _read_all(self, shots: Sequence[_Shot], progress: Report | None) -> list[ClipFacts | str]:
        """Read every clip once; of each its facts, or why it cannot be read."""

        def read(row: int) -> ClipFacts | str:
            shot = shots[row]
            try:
                pixels = _cropped(shot.read(self.input, whole=False), self.input)
            except (VideoError, OSError) as error:
                return str(error)
            np.save(self._file(row), pixels)
            digest = hashlib.sha256(pixels.tobytes()).hexdigest()
            return ClipFacts(name=shot.name, sha256=digest, target=shot.target)

        outcomes: list[ClipFacts | str] = [""] * len(shots)
        threads = (os.cpu_count() or 1) + 1
        for done, (row, outcome) in enumerate(
            in_threads(read, range(len(shots)), threads=threads), start=1
        ):
            outcomes[row] = outcome
            if progress is not None:
                progress(done, len(shots))
        return outcomes


def _check_space(needed: int, folder: str) -> None:
    """Refuse more pixels than the temporary folder has room for.

    Raises:
        ConfigError: There is too little room.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ConfigError(
            f"the clips need {needed / 1e9:.1f} GB in {tempfile.gettempdir()!r}, where "
            f"{free / 1e9:.1f} GB are free; take fewer clips, or set TMPDIR to another folder"
        )


def _cropped(pixels: np.ndarray, spec: InputSpec) -> np.ndarray:
    """Return the centre crop, as ``eval_transform`` takes it."""
    crop = (spec.height, spec.width)
    (offset,) = crop_offsets(pixels.shape[1:3], crop, crops=1, rounding=spec.crop_rounding)
    return np.ascontiguousarray(crop_pixels(pixels, offset, crop))


def _unchanged(pixels: np.ndarray, spec: InputSpec) -> np.ndarray:
    """Return frames (T, H, W, C) as (1, C, T, H, W) float32, in the order of colours wanted."""
    ordered = pixels if spec.color == "RGB" else pixels[..., ::-1]
    return np.ascontiguousarray(ordered.transpose(3, 0, 1, 2)[None], dtype=np.float32)


# Of videos.


def open_videos(path: Path, *, prefer: Sequence[str] = ("test", "val")) -> VideoDataset:
    """Open a dataset, or videos that nobody has labelled.

    Args:
        path: A dataset's folder or annotation file, a folder of videos, or one video.
        prefer: Of a dataset that is split, the first of these splits that it has; all of it where
            it has none of them.

    Raises:
        BadDataset: There is no video, or the dataset cannot be read.
    """
    if path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES:
        return _unlabelled([path], path.parent)
    try:
        dataset = open_dataset(path)
    except BadDataset:
        found = _videos_in(path) if path.is_dir() else []
        # Beside annotations that cannot be read videos may lie too: those are not unlabelled.
        if not found or any(not _is_video(one) for one in path.iterdir() if one.name[0] != "."):
            raise
        return _unlabelled(found, path)
    there = dataset.split_counts()
    chosen = next((one for one in prefer if one in there), None)
    return dataset if chosen is None else dataset.of_split(chosen)


def _is_video(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES


def _videos_in(folder: Path) -> list[Path]:
    found = [one for one in folder.iterdir() if _is_video(one) and one.name[0] != "."]
    return sorted(found, key=lambda one: natural_key(one.name))


def _unlabelled(paths: Sequence[Path], root: Path) -> VideoDataset:
    samples = (Sample(path=path.absolute()) for path in paths)
    return VideoDataset.from_samples(samples, root=root, format="videos")


def clips_of_dataset(
    dataset: VideoDataset,
    spec: ModelSpec,
    *,
    most: int,
    least: int = 1,
    progress: Report | None = None,
) -> Clips:
    """Read the centre clip of some videos of a dataset, the same ones every time.

    They are spread evenly over the classes, and over the list of each class. Labels are matched by
    name; where that is not possible targets are None, and ``Clips.unlabelled`` says why. A video
    that cannot be read is left out and named.

    Args:
        dataset: Videos, labelled or not.
        spec: The model: what it looks at, and its labels.
        most: Videos at most.
        least: With fewer that can be read it is an error.
        progress: Told after every video.

    Raises:
        ConfigError: There are no videos, too few, or too many for the temporary folder.
        BadDataset: Too few of them can be read.
    """
    refuse_flow(spec)
    if most < 1 or least < 1:
        raise ConfigError(f"{least} to {most} clips are wanted; give at least 1")
    where = os.fspath(dataset.root)
    if len(dataset) < least:
        raise ConfigError(f"{where!r} has {len(dataset)} videos; at least {least} are needed")
    targets, unlabelled = _targets(dataset, spec)
    rows = _spread_over(
        [indices[0] if indices else -1 for indices in dataset.class_indices()], most
    )
    paths = dataset.paths()
    shots = [
        _Video(sample=dataset[row], name=_name(paths[row], dataset[row]), target=targets[row])
        for row in rows
    ]
    clips = Clips(shots, spec, source=where, unlabelled=unlabelled, progress=progress)
    if len(clips) < least:
        clips.close()
        raise _too_few(clips, where, least)
    return clips


def _targets(dataset: VideoDataset, spec: ModelSpec) -> tuple[list[int | None], str]:
    """Return the model's class of every video, or None for all and why."""
    unknown: list[int | None] = [None] * len(dataset)
    try:
        _, targets = match_labels(dataset, spec)
    except ConfigError as error:
        return unknown, str(error).partition(";")[0]
    if targets.ndim == 2:
        return unknown, "a video may have several labels"
    return targets.tolist(), ""


def _name(path: str, sample: Sample) -> str:
    """Name a clip; a part of a video by its times, as W3C's Media Fragments do."""
    start, end = sample.start_seconds, sample.end_seconds
    if start is None and end is None:
        return path
    return f"{path}#t={start or 0:g}" + ("" if end is None else f",{end:g}")


def _spread_over(classes: Sequence[int], most: int) -> list[int]:
    """Choose rows evenly over classes, and evenly within each class.

    >>> _spread_over([0, 0, 0, 0, 1, 2, 2], 4)
    [2, 4, 5, 6]
    """
    rows_of: dict[int, list[int]] = {}
    for row, one in enumerate(classes):
        rows_of.setdefault(one, []).append(row)
    share = dict.fromkeys(sorted(rows_of), 0)
    left = min(most, len(classes))
    while left:
        open_ = [one for one, count in share.items() if count < len(rows_of[one])]
        for place in _spread(len(open_), min(left, len(open_))):
            share[open_[place]] += 1
        left -= min(left, len(open_))
    return sorted(
        rows_of[one][place]
        for one, count in share.items()
        for place in _spread(len(rows_of[one]), count)
    )


def _spread(count: int, chosen: int) -> list[int]:
    """Return the places in the middle of so many equal parts; all where as many are chosen."""
    return [(2 * part + 1) * count // (2 * chosen) for part in range(chosen)]


def _too_few(clips: Clips, where: str, least: int) -> BadDataset:
    named = "; ".join(f"{path!r}: {why}" for path, why in clips.failures[:_MOST_NAMED])
    more = len(clips.failures) - _MOST_NAMED
    others = f"; and {more} more" if more > 0 else ""
    return BadDataset(
        f"{len(clips)} of {len(clips) + len(clips.failures)} videos of {where!r} can be read where "
        f"at least {least} are needed ({named}{others}); give others"
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Video:
    """A video of a dataset, or a part of one."""

    sample: Sample
    name: str
    target: int | None

    def read(self, spec: InputSpec, *, whole: bool) -> np.ndarray:
        """Return the frames of its centre clip; see ``_Shot``."""
        sample = self.sample
        with open_video(sample.path, fps=sample.fps or spec.fps) as video:
            if whole:
                info = video.info
                own = Resize(rule="squash", height=info.height, width=info.width)
                spec = replace(spec, resize=own)
            (clip,) = read_chosen(
                video,
                spec,
                lambda ticks: choose_ticks(spec, ticks, clips=1),
                start_seconds=sample.start_seconds,
                end_seconds=sample.end_seconds,
            )
        return clip.pixels


# Drawn.


def drawn_clips(
    spec: ModelSpec, *, count: int, seed: int = 0, progress: Report | None = None
) -> Clips:
    """Draw clips of the ten actions of ``synthetic`` in turn, at the size the model looks at.

    Labels are known where the model's are those of the generator.

    Args:
        spec: The model: what it looks at, and its labels.
        count: How many clips.
        seed: The same one draws the same clips.
        progress: Told after every clip.

    Raises:
        ConfigError: There is less than one clip, or too many for the temporary folder.
    """
    if count < 1 or seed < 0:
        raise ConfigError(
            f"{count} clips of seed {seed} are wanted; give at least 1, of a seed of at least 0"
        )
    targets = _drawn_targets(spec.labels)
    shots = [
        _Drawing(
            action=one % len(ACTIONS),
            number=one // len(ACTIONS),
            seed=seed,
            target=None if targets is None else targets[one % len(ACTIONS)],
        )
        for one in range(count)
    ]
    why = "" if targets is not None else "the model's labels are not those of the drawn figures"
    flow = "" if spec.input.channels == 3 else ", two of their colours in place of flow"
    source = f"drawn figures, seed {seed}{flow}"
    return Clips(shots, spec, source=source, unlabelled=why, progress=progress)


def _drawn_targets(labels: Sequence[str]) -> list[int] | None:
    """Return the model's class of every action, if its labels are the actions and nothing else."""
    if len(labels) != len(ACTIONS):
        return None
    for names in ([one.name for one in ACTIONS], load_labels(_DRAWN_LABELS)):
        try:
            return [find_label(name, labels) for name in names]
        except ConfigError:
            continue
    return None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Drawing:
    """A drawn clip; its frames are as large as those of a 4:3 recording after resizing."""

    action: int
    number: int
    seed: int
    target: int | None

    @property
    def name(self) -> str:
        return f"drawn/{ACTIONS[self.action].name}/{self.seed}_{self.number:05d}"

    def read(self, spec: InputSpec, *, whole: bool) -> np.ndarray:
        """Return its frames, which are resized already; see ``_Shot``."""
        height, width = resized_size(spec.resize, *_DRAWN_SIZE)
        fps = clock(spec, None)
        pixels = draw_clip(
            ACTIONS[self.action],
            rng=np.random.default_rng([self.seed, self.action, self.number]),
            seconds=max(_LEAST_SECONDS, float(spec.span / fps)),
            fps=fps,
            height=height,
            width=width,
            style=STYLES[self.number % len(STYLES)],
        )
        # Who travels leaves the view, and the drawing may be shorter than the clip.
        patient = replace(spec, short="repeat_last")
        (ticks,) = choose_ticks(patient, len(pixels), clips=1)
        return np.asarray(pixels[ticks][..., : spec.channels])
