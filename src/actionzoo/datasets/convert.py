"""From one format to another, and what changes the videos themselves: cutting, taking apart.

::

    VideoDataset --losses--> what cannot be told --places--> where each video belongs
        --media--> linked, copied, encoded --annotate--> the annotation, last
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import chain, count
from pathlib import Path, PurePosixPath

from actionzoo.datasets.class_folders import unique_names
from actionzoo.datasets.dataset import Sample, VideoDataset
from actionzoo.datasets.destination import (
    Converted,
    Progress,
    Wish,
    Work,
    checked_place,
    of_readable,
    write,
)
from actionzoo.datasets.format import Format, Holds, is_video_name
from actionzoo.datasets.media import Becomes, How, Placing
from actionzoo.datasets.names import safe_name
from actionzoo.datasets.opening import FORMATS, find_format
from actionzoo.errors import BadDataset, ConfigError

VIDEOS, FRAMES, UNLABELLED = "videos", "frames", "unlabelled"
"""Folders of videos and of pictures whose paths an annotation tells, and of those without class."""
_TABLE = find_format("csv")
_TRIM = "cut them out first: actionzoo data trim"
_SPLIT = "split the dataset first: actionzoo data split"
_OTHER_SPLITS = "; choose others with --split, or split anew: actionzoo data split"

# what a format can hold


def losses(dataset: VideoDataset, target: Format) -> tuple[list[str], list[str]]:
    """Return what keeps a dataset from being written in a format, and what would only be lost.

    Returns:
        A sentence each.
    """
    samples = list(dataset)
    return _refusals(samples, dataset.folds, target), _lost(samples, target)


def _refusals(samples: Sequence[Sample], folds: int, target: Format) -> list[str]:
    holds, name = target.holds, target.name
    parts = 0 if holds.times else sum(map(_is_part, samples))
    several = 0 if holds.several_labels else sum(len(one.labels) > 1 for one in samples)
    unlabelled = sum(_lacks_label(one, holds.no_label) for one in samples)
    unsplit = sum(not any(one.splits) for one in samples) if holds.every_split else 0
    found = [
        f"{name} {what}{_of(count, samples)}{advice}"
        for count, what, advice in (
            (parts, "cannot tell start and end in a file", f"; {_TRIM}"),
            (several, "holds one label a video, not several", ""),
            (unlabelled, "needs a label", ""),
            (unsplit, "needs a split", f"; {_SPLIT}"),
            *_unknown_splits(samples, holds),
        )
        if count
    ]
    if holds.folds is not None and folds > holds.folds:
        found.append(f"{name} cannot tell {folds} ways of splitting; choose one: --fold 1")
    return found


def _of(count: int, samples: Sequence[Sample]) -> str:
    return f" ({count:,} of {len(samples):,} samples)"


def _is_part(sample: Sample) -> bool:
    return (sample.start_seconds, sample.end_seconds) != (None, None)


def _lacks_label(sample: Sample, allowed: Sequence[str]) -> bool:
    """Tell whether a sample has no label although its splits need one."""
    # One that is in no split may come into any.
    splits = {one for one in sample.splits if one} or {"train", "val", "test"}
    return not sample.labels and not splits.issubset(allowed)


def _unknown_splits(samples: Sequence[Sample], holds: Holds) -> list[tuple[int, str, str]]:
    """Count the samples of each split that a format does not know."""
    known = holds.splits
    if known is None:
        return []
    used = Counter(split for one in samples for split in set(one.splits) if split)
    return [
        (count, f"knows the splits {' and '.join(known)}, not {split!r}", _OTHER_SPLITS)
        for split, count in used.items()
        if split not in known
    ]


def _lost(samples: Sequence[Sample], target: Format) -> list[str]:
    lost = []
    grouped = sum(one.group is not None for one in samples)
    if grouped and not target.holds.groups:
        lost.append(f"{target.name} cannot tell groups{_of(grouped, samples)}: they are lost")
    rated = sum(one.fps is not None for one in samples)
    if rated and not target.holds.rates and target.media != "files":
        lost.append(
            f"{target.name} cannot tell the frame rate of folders of pictures"
            f"{_of(rated, samples)}: it is lost"
        )
    return lost


# the verbs


def convert(
    dataset: VideoDataset,
    target: Format,
    folder: Path,
    *,
    how: How | None = None,
    resize: int | None = None,
    fps: Fraction | None = None,
    processes: int | None = None,
    progress: Progress | None = None,
) -> Converted:
    """Write a dataset in another format.

    A format that says where videos lie gets them there. One that tells paths gets an annotation
    alone, unless videos have to become pictures or the contrary, or an option is given: then they
    lie in ``videos/<class>``.

    Args:
        dataset: Its videos are only read.
        target: The format to be written.
        folder: A new one, or one in which the same was interrupted.
        how: How videos that stay as they are get there; by default linked.
        resize: Short side in pixels: all videos are encoded anew, none is enlarged.
        fps: Frame rate: all videos are encoded anew. Also that of folders of pictures where the
            dataset does not tell it.
        processes: How many decode and encode at a time; by default one a core.
        progress: Called after each video with how many are done and how many there are.

    Raises:
        BadDataset: The format cannot hold the dataset, the folder holds something else, or no video
            can be read.
        ConfigError: Options that exclude each other, or a folder that cannot be written.
    """
    wish = Wish(target=target, folder=folder.absolute(), how=how or "link", resize=resize, fps=fps)
    work = Work(processes=processes, progress=progress)
    _check(dataset, wish, how)
    samples = list(dataset)
    if refusals := _refusals(samples, dataset.folds, target):
        raise BadDataset("\n".join(refusals))
    if how is None and not _is_anew(wish) and _may_stay(dataset, target):
        return _with_losses(write(dataset, [None] * len(dataset), wish, work), target)
    places, dataset, broken = of_readable(target.places or _class_places, dataset)
    becomes = [
        _becomes(is_folder=one, media=target.media, anew=_is_anew(wish))
        for one in _are_folders(dataset)
    ]
    done = _with_losses(_write(dataset, places, becomes, wish, work), target)
    return replace(done, failures=(*broken, *done.failures))


def _with_losses(done: Converted, target: Format) -> Converted:
    return replace(done, warnings=(*_lost(list(done.dataset), target), *done.warnings))


def trim(
    dataset: VideoDataset,
    folder: Path,
    *,
    how: How | None = None,
    resize: int | None = None,
    fps: Fraction | None = None,
    processes: int | None = None,
    progress: Progress | None = None,
) -> Converted:
    """Cut samples with times into files of their own: ``videos/<class>/<name>_000010_000020.mp4``.

    A cut has the frames that start within the times. Samples without times are linked or copied. A
    table, ``dataset.csv``, tells what they are. For arguments and errors see ``convert``.
    """
    wish = Wish(target=_TABLE, folder=folder.absolute(), how=how or "link", resize=resize, fps=fps)
    _check(dataset, wish, how)
    parts = [_is_part(sample) for sample in dataset]
    becomes = [
        _becomes(is_folder=one, media="files" if part else "either", anew=part or _is_anew(wish))
        for one, part in zip(_are_folders(dataset), parts, strict=True)
    ]
    work = Work(processes=processes, progress=progress)
    return _write(dataset, _class_places(dataset, cut=True), becomes, wish, work, cut=True)


def extract_frames(
    dataset: VideoDataset,
    folder: Path,
    *,
    how: How | None = None,
    resize: int | None = None,
    fps: Fraction | None = None,
    processes: int | None = None,
    progress: Progress | None = None,
) -> Converted:
    """Make a folder of pictures of every video: ``frames/<class>/<name>/00001.jpg``.

    Of a sample with times only that part is taken; JPEG pictures that are there already are linked
    or copied. A table, ``dataset.csv``, tells what they are and how many frames each has. For
    arguments and errors see ``convert``.
    """
    wish = Wish(target=_TABLE, folder=folder.absolute(), how=how or "link", resize=resize, fps=fps)
    _check(dataset, wish, how)
    places = _class_places(dataset, top=FRAMES, cut=True)
    becomes: list[Becomes] = ["pictures"] * len(dataset)
    work = Work(processes=processes, progress=progress)
    return _write(dataset, places, becomes, wish, work, cut=True)


def _check(dataset: VideoDataset, wish: Wish, how: How | None) -> None:
    if not len(dataset):
        raise BadDataset(
            f"the dataset {str(dataset.root)!r} has no samples; there is nothing to do"
        )
    for name, value in (("resize", wish.resize), ("fps", wish.fps)):
        if value is not None and value <= 0:
            raise ConfigError(f"{name} is {value}; give more than 0")
        if value is not None and how is not None:
            raise ConfigError(
                f"{name} encodes videos anew, {how} leaves them as they are; give one"
            )


def _is_anew(wish: Wish) -> bool:
    """Tell whether all videos are to be decoded and written anew."""
    return (wish.resize, wish.fps) != (None, None)


# what becomes of each video


def _are_folders(dataset: VideoDataset) -> list[bool]:
    paths = dataset.paths()
    found = {path: (dataset.root / path).is_dir() for path in set(paths)}
    return [found[path] for path in paths]


def _may_stay(dataset: VideoDataset, target: Format) -> bool:
    """Tell whether an annotation alone will do."""
    if target.places is not None or target.media == "either":
        return target.places is None
    return all(one == (target.media == "pictures") for one in _are_folders(dataset))


def _becomes(*, is_folder: bool, media: str, anew: bool) -> Becomes:
    if media == "either" and not anew:
        return "itself"
    if media == "pictures" or (media == "either" and is_folder):
        return "pictures"
    return "file" if is_folder or anew else "itself"


def _write(
    dataset: VideoDataset,
    places: Sequence[str],
    becomes: Sequence[Becomes],
    wish: Wish,
    work: Work,
    *,
    cut: bool = False,
) -> Converted:
    """Put videos at places, after their suffixes have been set right, and annotate them."""
    _check_apart(dataset, wish.folder)
    folders = _are_folders(dataset)
    _check_rate(dataset, folders, becomes, wish.fps)
    targets = _targets(dataset, places, becomes, wish)
    placings = [
        Placing(
            source=sample.path,
            target=target,
            becomes=one,
            how=wish.how,
            resize=wish.resize,
            fps=wish.fps,
            source_fps=(sample.fps or wish.fps) if is_folder else None,
            start_seconds=sample.start_seconds if cut else None,
            end_seconds=sample.end_seconds if cut else None,
            pictures=wish.target.pictures,
        )
        for sample, target, one, is_folder in zip(dataset, targets, becomes, folders, strict=True)
    ]
    return write(dataset, placings, wish, work)


def _check_rate(
    dataset: VideoDataset,
    folders: Sequence[bool],
    becomes: Sequence[Becomes],
    rate: Fraction | None,
) -> None:
    count = sum(
        is_folder and one == "file" and (known or rate) is None
        for is_folder, one, known in zip(folders, becomes, dataset.frame_rates(), strict=True)
    )
    if count:
        raise BadDataset(
            f"{count:,} of its videos are folders of pictures, which tell no frame rate; give it "
            "with --fps"
        )


def _check_apart(dataset: VideoDataset, folder: Path) -> None:
    """Refuse a destination that would be read as a part of the dataset the next time."""
    trees = {one.name for one in FORMATS if one.from_tree}
    inside = folder.resolve().is_relative_to(dataset.root.resolve())
    if inside and dataset.format in trees:
        raise BadDataset(
            f"{str(folder)!r} is inside the dataset, whose folders are its classes; give a folder "
            "outside"
        )


# where each video belongs


def _targets(
    dataset: VideoDataset, places: Sequence[str], becomes: Sequence[Becomes], wish: Wish
) -> list[Path]:
    """Return the path of each video in the destination, with the suffix it will have."""
    paths = dataset.paths()
    fitting = [
        _with_suffix(place, PurePosixPath(path).suffix, one, wish.target.suffix)
        for place, path, one in zip(places, paths, becomes, strict=True)
    ]
    given: dict[tuple[str, str], str] = {}
    taken: set[str] = set()
    for place, asked, path in zip(fitting, places, paths, strict=True):
        if (asked, path) not in given:
            given[asked, path] = _untaken(place, taken)
            taken.add(given[asked, path].casefold())
    return [
        checked_place(wish.folder, given[asked, path], path)
        for asked, path in zip(places, paths, strict=True)
    ]


def _with_suffix(place: str, own: str, becomes: Becomes, suffix: str) -> str:
    """Replace the suffix of the sample's own by that of what it becomes.

    >>> _with_suffix("walk/a.webm", ".webm", "file", ".mp4")
    'walk/a.mp4'
    >>> _with_suffix("walk/a.webm", ".webm", "pictures", ".mp4")
    'walk/a'
    """
    if becomes == "itself":
        return place
    if is_video_name(place) or (becomes == "file" and own and place.endswith(own)):
        place = str(PurePosixPath(place).with_suffix(""))
    return f"{place}{suffix}" if becomes == "file" else place


def _untaken(place: str, taken: Container[str]) -> str:
    """Return a place, or with a number where it is taken: ``a.avi`` and ``a.mp4`` become one."""
    path = PurePosixPath(place)
    names = (f"{path.stem}_{number}{path.suffix}" for number in count(2))
    others = (str(path.parent / name) for name in names)
    return next(one for one in chain([place], others) if one.casefold() not in taken)


def _class_places(dataset: VideoDataset, *, top: str = VIDEOS, cut: bool = False) -> Sequence[str]:
    """Place videos in a folder a class; samples of one file, or of one cut of it, share a place.

    No name has a blank, which many lists take for the end of a path.
    """
    paths = [PurePosixPath(path) for path in dataset.paths()]
    names = [_cut_name(*one) for one in zip(paths, dataset, strict=True)] if cut else paths
    folders = [
        _word(dataset.labels[indices[0]]) if indices else UNLABELLED
        for indices in dataset.class_indices()
    ]
    members: dict[str, dict[tuple[PurePosixPath, PurePosixPath], None]] = {}
    seen: dict[tuple[PurePosixPath, PurePosixPath], str] = {}
    for key, folder in zip(zip(paths, names, strict=True), folders, strict=True):
        members.setdefault(seen.setdefault(key, folder), {})[key] = None
    places = {
        key: f"{top}/{folder}/{name}"
        for folder, keys in members.items()
        for key, name in zip(keys, unique_names([_words(name) for _, name in keys]), strict=True)
    }
    return [places[key] for key in zip(paths, names, strict=True)]


def _words(path: PurePosixPath) -> PurePosixPath:
    return PurePosixPath(*map(_word, path.parts))


def _word(name: str) -> str:
    return re.sub(r"\s", "_", safe_name(name))


def _cut_name(path: PurePosixPath, sample: Sample) -> PurePosixPath:
    """Name a part of a video by its times as Kinetics does: ``<name>_000010_000020.mp4``."""
    if not _is_part(sample):
        return path
    suffix = path.suffix if is_video_name(path.name) else ""
    start, end = _time_word(sample.start_seconds or 0.0), "end"
    if sample.end_seconds is not None:
        end = _time_word(sample.end_seconds)
    return path.parent / f"{path.name.removesuffix(suffix)}_{start}_{end}{suffix}"


def _time_word(seconds: float) -> str:
    """Write whole seconds with six digits, others to the millisecond.

    >>> _time_word(12.0), _time_word(3.25)
    ('000012', '000003.250')
    """
    return f"{int(seconds):06d}" if seconds == int(seconds) else f"{seconds:010.3f}"
