"""Class folders: ``walk/a.mp4``, or ``train/walk/a.mp4`` and ``val/walk/b.mp4``.

A video is a file or a folder of pictures; below a class it may lie in folders of its own. The order
of the classes is that of ``labels.txt``, where there is one, else that of the sorted folders.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from actionzoo.datasets.dataset import VideoDataset
from actionzoo.datasets.format import (
    Format,
    Holds,
    Place,
    is_picture_name,
    is_video_name,
)
from actionzoo.datasets.label_lists import find_labels, official_label, write_labels
from actionzoo.datasets.names import SPLIT_OF_WORD, group_of, safe_name
from actionzoo.datasets.rows import Rows
from actionzoo.sources import natural_key


def _recognise(place: Place) -> bool:
    splits = [name for name in place.folders if name.lower() in SPLIT_OF_WORD]
    if splits:
        return any(_is_class_tree(place.inside(name)) for name in splits)
    return _is_class_tree(place)


def _is_class_tree(place: Place) -> bool:
    return any(
        place.inside(name).has_videos() or _deeper(place.inside(name)) for name in place.folders
    )


def _deeper(place: Place) -> bool:
    return any(place.inside(name).has_videos() for name in place.folders[:3])


def _read(place: Place, rows: Rows) -> VideoDataset:
    splits = [name for name in place.folders if name.lower() in SPLIT_OF_WORD]
    rows.sources.append(place.folder)
    labels = find_labels(place, rows)
    for name in splits:
        rows.sources.append(place.folder / name)
        _read_classes(place.inside(name), rows, labels, split=SPLIT_OF_WORD[name.lower()])
    if not splits:
        _read_classes(place, rows, labels, split=None)
    return rows.finish(labels)


def _read_classes(
    place: Place, rows: Rows, labels: Sequence[str] | None, *, split: str | None
) -> None:
    for name in place.folders:
        own = (official_label(name, labels),)
        for path in videos_below(place.folder / name, rows):
            below = path.relative_to(rows.root).as_posix()
            rows.add(below, own, splits=(split,), group=group_of(path.name))


def videos_below(folder: Path, rows: Rows) -> Iterator[Path]:
    """Yield the videos in a folder and the folders in it, in natural order of their names.

    A folder of pictures is one video. Links to folders are followed once: a circle of links ends.
    What is neither video nor picture is passed over.

    Raises:
        OSError: A folder cannot be read.
    """
    yield from _videos_below(folder, rows, frozenset())


def _videos_below(folder: Path, rows: Rows, above: frozenset[str]) -> Iterator[Path]:
    rows.sources.append(folder)
    real = os.path.realpath(folder)
    if real in above:
        rows.problem(rows.name(folder), "a link leads back to a folder above it; remove it")
        return
    with os.scandir(folder) as entries:
        seen = sorted(
            (one for one in entries if not one.name.startswith(".")),
            key=lambda one: natural_key(one.name),
        )
    videos = [one for one in seen if is_video_name(one.name) and not one.is_dir()]
    if not videos and any(is_picture_name(one.name) for one in seen):
        yield folder
    yield from (Path(one.path) for one in videos)
    for one in seen:
        if one.is_dir():
            yield from _videos_below(Path(one.path), rows, above | {real})


def _places(dataset: VideoDataset) -> Sequence[str]:
    names = unique_names([PurePosixPath(path) for path in dataset.paths()])
    folders = [safe_name(dataset.labels[indices[0]]) for indices in dataset.class_indices()]
    splits = [f"{split}/" if split else "" for split in dataset.split_column()]
    return [
        f"{split}{folder}/{name}"
        for split, folder, name in zip(splits, folders, names, strict=True)
    ]


def unique_names(paths: Sequence[PurePosixPath]) -> list[str]:
    """Name each file so that no two are alike: its own name, with its folders' where it must.

    >>> unique_names([PurePosixPath(one) for one in ("a/1.mp4", "b/1.mp4", "b/2.mp4")])
    ['a_1.mp4', 'b_1.mp4', '2.mp4']
    """
    counts = Counter(path.name.casefold() for path in paths)
    named = [
        path.name if counts[path.name.casefold()] == 1 else "_".join(path.parts[-2:])
        for path in paths
    ]
    again = Counter(name.casefold() for name in named)
    return [
        name if again[name.casefold()] == 1 else f"{number:06d}_{name}"
        for number, name in enumerate(named)
    ]


def _annotate(dataset: VideoDataset, folder: Path) -> None:
    """Write the order and the spelling of the labels, where the folders do not tell them."""
    folders = [safe_name(name) for name in dataset.labels]
    if folders != sorted(dataset.labels) or 0 in dataset.label_counts().values():
        write_labels(folder, dataset.labels)


FORMATS = (
    Format(
        name="class-folders",
        title="a folder of videos a class, with or without train, val and test above",
        needs="folders named after the classes, with videos in them",
        recognise=_recognise,
        read=_read,
        places=_places,
        annotate=_annotate,
        holds=Holds(splits=("train", "val", "test")),
        from_tree=True,
    ),
)
