"""The folder that a dataset is written into: begun once, gone on with, finished by its annotation.

A hidden record in it tells what was asked for, so that what goes on after an interruption is the
same wish, and another one never gets the files of an earlier one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import TypeVar

from actionzoo.datasets.dataset import Sample, VideoDataset
from actionzoo.datasets.format import Format, is_picture_name, is_video_name
from actionzoo.datasets.measure import unreadable
from actionzoo.datasets.media import How, Placed, Placing, place_all
from actionzoo.errors import BadDataset, ConfigError, VideoError
from actionzoo.prediction import Failure

RECORD = ".actionzoo-convert.json"

Progress = Callable[[int, int], None]
Answer = TypeVar("Answer")


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What is to be written where."""

    target: Format
    folder: Path
    how: How = "link"
    """How videos that stay as they are get there."""
    resize: int | None = None
    fps: Fraction | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """How it is done; the outcome is the same."""

    processes: int | None = None
    progress: Progress | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Converted:
    """What came of it."""

    dataset: VideoDataset
    """As it is in the destination."""
    failures: tuple[Failure, ...] = ()
    """The videos that are not in it, because they cannot be read."""
    warnings: tuple[str, ...] = ()
    """What was lost, and what was wrong with videos that are in it; a sentence each."""


def write(
    dataset: VideoDataset,
    placings: Sequence[Placing | None],
    wish: Wish,
    work: Work,
) -> Converted:
    """Put the videos of a dataset at their places and write its annotation.

    Args:
        dataset: What is told of the videos, at least one.
        placings: Where each sample's video gets; None where it stays. Samples may share one.
        wish: The rest.
        work: How it is done.

    Raises:
        BadDataset: The folder holds something else, or no video can be read.
        ConfigError: The folder cannot be written.
    """
    if not len(dataset):
        raise BadDataset(
            f"the dataset {str(dataset.root)!r} has no samples; there is nothing to do"
        )
    check_places(wish.folder, placings)
    samples = list(dataset)
    record = _record(dataset.labels, samples, placings, wish)
    _begin(wish.folder, record, alone=not any(placings))
    jobs = list({one.target: one for one in placings if one is not None}.values())
    outcomes = place_all(jobs, processes=work.processes, progress=work.progress)
    there = {placing.target: placed for placing, placed in outcomes}
    failures = [
        Failure(path=str(one.source), error=error)
        for one in jobs
        if (error := there[one.target].error) is not None
    ]
    moved = _moved(samples, placings, there)
    if not moved:
        raise _nothing_left(dataset, failures)
    written = VideoDataset.from_samples(
        moved, root=wish.folder, labels=dataset.labels, format=wish.target.name
    )
    _, written, unread = of_readable(lambda rest: wish.target.annotate(rest, wish.folder), written)
    if _is_bare(placings, wish.folder):
        (wish.folder / RECORD).unlink()
    return Converted(
        dataset=written,
        failures=(*failures, *unread),
        warnings=tuple(said for one in jobs for said in there[one.target].warnings),
    )


def _moved(
    samples: Sequence[Sample], placings: Sequence[Placing | None], there: Mapping[Path, Placed]
) -> list[Sample]:
    """Return the samples as they are in the destination, without those that failed."""
    return [
        sample if placing is None else _at(sample, placing, there[placing.target])
        for sample, placing in zip(samples, placings, strict=True)
        if placing is None or there[placing.target].error is None
    ]


def _at(sample: Sample, placing: Placing, placed: Placed) -> Sample:
    is_cut = (placing.start_seconds, placing.end_seconds) != (None, None)
    return replace(
        sample,
        path=placing.target,
        start_seconds=None if is_cut else sample.start_seconds,
        end_seconds=None if is_cut else sample.end_seconds,
        num_frames=sample.num_frames if placed.num_frames is None else placed.num_frames,
        fps=placed.fps,
        origin="",
    )


def of_readable(
    ask: Callable[[VideoDataset], Answer], dataset: VideoDataset
) -> tuple[Answer, VideoDataset, tuple[Failure, ...]]:
    """Ask something of a dataset for which videos may have to be opened.

    Returns:
        The answer, the samples it is of, and those that were left out because they cannot be read.

    Raises:
        BadDataset: None can be read.
    """
    try:
        return ask(dataset), dataset, ()
    except VideoError:
        broken = unreadable(dataset)
        if not broken:
            raise
    failures = tuple(
        Failure(path=str(dataset[row].path), error=error) for row, error in broken.items()
    )
    rest = dataset.select(row for row in range(len(dataset)) if row not in broken)
    if not len(rest):
        raise _nothing_left(dataset, failures)
    return ask(rest), rest, failures


def _nothing_left(dataset: VideoDataset, failures: Sequence[Failure]) -> BadDataset:
    return BadDataset(f"none of its {len(dataset):,} videos can be used: {failures[0].error}")


# the places


def checked_place(folder: Path, place: str, name: str) -> Path:
    """Return the path of a place in the destination.

    Raises:
        BadDataset: It would lie elsewhere; ``name`` tells whose it is.
    """
    path = PurePosixPath(place)
    outside = path.is_absolute() or not path.parts or ".." in path.parts or "\0" in place
    if outside or Path(place).anchor or Path(place).drive:
        raise BadDataset(
            f"{name!r} would be put at {place!r}, which is not below the destination; rename it"
        )
    return folder / path


def check_places(folder: Path, placings: Sequence[Placing | None]) -> None:
    """Refuse places that lie in one another, or that a link in the destination leads out of it.

    Raises:
        BadDataset: There is one.
    """
    sources = {one.target: one.source for one in placings if one is not None}
    for one in placings:
        assert one is None or sources[one.target] == one.source, f"{one.target} is taken twice"
    above = {parent for target in sources for parent in target.parents}
    for target in sources.keys() & above:
        raise BadDataset(
            f"{str(sources[target])!r} would be put at {str(target)!r}, a folder of others; rename"
            " it"
        )
    real = folder.resolve()
    for parent in {target.parent for target in sources}:
        if parent.resolve() != real / parent.relative_to(folder):
            raise BadDataset(f"a link leads from {str(parent)!r} elsewhere; give an empty folder")


def _is_bare(placings: Sequence[Placing | None], folder: Path) -> bool:
    """Tell whether every entry of the destination is a video's folder.

    Readers of such a format take any other entry for one, so the record must not stay.
    """
    inside = [one.target.relative_to(folder).parts for one in placings if one is not None]
    return (
        all(len(parts) > 1 for parts in inside)
        and len({parts[0] for parts in inside}) == len(set(inside)) > 0
    )


# the record


def _record(
    labels: Sequence[str],
    samples: Sequence[Sample],
    placings: Sequence[Placing | None],
    wish: Wish,
) -> dict[str, str | int | None]:
    digest = hashlib.sha256(repr(labels).encode("utf-8", "surrogateescape"))
    for sample, placing in zip(samples, placings, strict=True):
        place = placing and (placing.target.relative_to(wish.folder).as_posix(), placing.becomes)
        told = (sample.path.as_posix(), sample.labels, sample.splits, sample.group)
        times = (sample.start_seconds, sample.end_seconds)
        digest.update(repr((told, times, place)).encode("utf-8", "surrogateescape"))
    return {
        "format": wish.target.name,
        "how": wish.how,
        "resize": wish.resize,
        "fps": None if wish.fps is None else str(wish.fps),
        "videos": digest.hexdigest()[:16],
    }


def _begin(folder: Path, record: Mapping[str, str | int | None], *, alone: bool) -> None:
    """Make the destination, or go on with it.

    Args:
        folder: The destination.
        record: What is asked for.
        alone: Whether only an annotation is to be written, which may lie beside videos.
    """
    file, name = folder / RECORD, repr(str(folder))
    try:
        there = sorted(_visible(folder))
        # Where nothing has come of an earlier wish, another one may be said.
        if there and file.exists():
            _check_same(name, _read(file), record)
            return
        taken = next((one for one in there if not alone or _is_other(one)), None)
        if taken is not None:
            raise BadDataset(f"{name} is not empty, it holds {taken.name!r}; give a new folder")
        folder.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f"{RECORD}.part")
        part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        part.replace(file)
    except OSError as error:
        raise ConfigError(
            f"cannot write into {name} ({error.strerror}); give a folder that can be written"
        ) from error


def _read(file: Path) -> object:
    try:
        return json.loads(file.read_bytes())
    except ValueError:  # a damaged one is that of another wish
        return None


def _visible(folder: Path) -> list[Path]:
    if not folder.exists():
        return []
    return [one for one in folder.iterdir() if not one.name.startswith(".")]


def _is_other(path: Path) -> bool:
    """Tell whether something may be an annotation, which the one to be written could replace."""
    return not (path.is_dir() or is_video_name(path.name) or is_picture_name(path.name))


def _check_same(name: str, before: object, now: Mapping[str, str | int | None]) -> None:
    if before == now:
        return
    before = before if isinstance(before, dict) else {}
    others = [
        f"{key} {_told(before.get(key))} (now {_told(value)})"
        for key, value in now.items()
        if key != "videos" and before.get(key) != value
    ]
    what = f"with {' and '.join(others)}" if others else "of other videos, or other facts of them"
    raise BadDataset(
        f"{name} holds what an earlier run wrote {what}; give another folder, or remove this one"
    )


def _told(value: object) -> str:
    return "not given" if value is None else str(value)
