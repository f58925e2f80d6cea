"""HMDB51: ``hmdb51_org/<class>/<name>.avi``, and for each class a list a way of splitting.

Grammar of the published lists, ``testTrainMulti_7030_splits/<class>_test_split1.txt`` and so on::

    <name>.avi <code>      0 unused, 1 train, 2 test; split at the last blank, blanks may follow

Names follow ``<film>_<class>_<visible>_<camera>_np<people>_<view>_<quality>_<number>`` with visible
h, u, f or l (head, upper body, full body, lower body), camera cm or nm (motion, none), view fr, ba,
le or ri, quality goo, med or bad (README of the data). Clips of one film are never in both the
training and the test set of a class, so the film is the group of a video whose name follows that.

Written names that have a group and do not follow it become ``<group>_<class>_f_nm_np1_fr_med_<n>``:
the group is kept, and the tags between class and number say nothing of the video. Names without a
group stay. ``labels.txt`` beside the lists gives the labels where the sorted folders do not.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import count, islice
from pathlib import Path, PurePosixPath

from actionzoo.datasets.class_trees import (
    MOST_FOLDERS,
    SUFFIX,
    Listed,
    add_listed,
    add_others,
    distinct_names,
    find_tree,
    fold_numbers,
    only_one,
    own_suffix,
    stem_of,
    write_lines,
)
from actionzoo.datasets.dataset import VideoDataset
from actionzoo.datasets.format import Format, Holds, Place
from actionzoo.datasets.label_lists import (
    LABELS_FILE,
    find_labels,
    official_label,
    write_labels,
)
from actionzoo.datasets.names import safe_name
from actionzoo.datasets.rows import Rows
from actionzoo.datasets.text import read_lines
from actionzoo.datasets.ucf101 import check_labels

VIDEOS_FOLDER, LISTS_FOLDER = "hmdb51_org", "testTrainMulti_7030_splits"
SPLIT_OF_CODE = {"0": None, "1": "train", "2": "test"}
CODE_OF_SPLIT = {split: code for code, split in SPLIT_OF_CODE.items()}

_LIST = re.compile(r"(.+)_test_split(\d+)\.txt", re.IGNORECASE)
_LINE = re.compile(r".*\S\s+\d+\s*")
_TAGS = re.compile(r"(.+)_[a-z]_(?:cm|nm)_np\d+_(?:fr|ba|le|ri)_(?:goo|med|bad)_\d+")
_FEW = 3
"""A folder that holds more folders than this is no wrapper around the one with the lists."""
_FIRST = 200
"""Entries that are looked at to tell what a folder holds; the published lists are 153 files."""


# where the lists are


def _recognise(place: Place) -> bool:
    if not place.is_folder and not _LIST.fullmatch(place.path.name):
        return False
    return any(_is_list(one) for one in _list_folders(place))


def _is_list(place: Place) -> bool:
    """Whether the lists in a folder look like what their names promise; they may be empty."""
    names = [name for name in place.files if _LIST.fullmatch(name)]
    heads = [place.head(name) for name in names[:_FEW]]
    return any(not text.strip() or any(map(_LINE.fullmatch, text.splitlines())) for text in heads)


def _list_folders(place: Place) -> list[Place]:
    """Return the folders with lists: the one given, else those in it, else those in these."""
    here = Place(place.folder)
    if any(map(_LIST.fullmatch, here.files)):
        return [here]
    found = list[Place]()
    for name in place.folders[:MOST_FOLDERS]:
        files, folders = _first_entries(place.folder / name)
        if any(map(_LIST.fullmatch, files)):
            found.append(here.inside(name))
        elif len(folders) <= _FEW:
            inner = map(here.inside(name).inside, folders)
            found += [
                one for one in inner if any(map(_LIST.fullmatch, _first_entries(one.folder)[0]))
            ]
    return found


def _first_entries(folder: Path) -> tuple[list[str], list[str]]:
    """Return the names of some of the files and folders in a folder."""
    try:
        with os.scandir(folder) as entries:
            seen = [(one.name, one.is_dir()) for one in islice(entries, _FIRST)]
    except OSError:
        return [], []
    folders = [name for name, is_folder in seen if is_folder and name[0] != "."]
    return [name for name, is_folder in seen if not is_folder], sorted(folders)


# reading


def _read(place: Place, rows: Rows) -> VideoDataset:
    lists = only_one(_list_folders(place), place, "lists such as wave_test_split1.txt")
    rows.sources.append(lists.folder)
    found = sorted(
        (int(one[2]), one[1], one[0]) for one in map(_LIST.fullmatch, lists.files) if one
    )
    classes = sorted({name for _, name, _ in found})
    labels = find_labels(place, rows) or find_labels(lists, rows)
    label_of = _Labels(classes, labels)
    folds = fold_numbers((number for number, *_ in found), rows)
    videos = _Lists(label_of, len(folds), rows)
    for number, name, file in found:
        videos.read(lists.folder / file, name, folds[number])
    tree = find_tree(place, lists, classes, VIDEOS_FOLDER, rows)
    add_listed(videos.listed, tree, rows, _film_of)
    used = {label_of[name] for name in classes}
    for name in tree.names:
        label = label_of[name]
        if add_others(tree.open(name), label, rows, _film_of, folds=len(folds)):
            used.add(label)
    return rows.finish(labels or _in_order(used))


class _Labels:
    """The label of each class folder, by its name in any case."""

    def __init__(self, folders: Sequence[str], labels: Sequence[str] | None) -> None:
        self._labels = labels
        self._listed = {name.casefold(): name for name in folders} | {one: one for one in folders}
        made = distinct_names(labels or (), safe_name)
        self._made = {folder: label for label, folder in made.items()}

    def __getitem__(self, folder: str) -> str:
        name = self._listed.get(folder) or self._listed.get(folder.casefold(), folder)
        return self._made.get(name) or official_label(name, self._labels)


def _in_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Sort labels; whole numbers by their values."""
    labels = sorted(labels)
    numbers = all(one.isascii() and one.isdigit() for one in labels)
    return tuple(sorted(labels, key=int) if numbers else labels)


class _Lists:
    """Reads lists of videos."""

    def __init__(self, label_of: _Labels, folds: int, rows: Rows) -> None:
        self.listed = Listed(folds)
        self._label_of, self._rows = label_of, rows

    def read(self, path: Path, folder: str, fold: int) -> None:
        """Read the list of one class; the fold is counted from 0."""
        file, label = self._rows.name(path), self._label_of[folder]
        seen = set[str]()
        for line, text in read_lines(path, self._rows):
            name, code = ["", *text.strip().rsplit(None, 1)][-2:]
            if (reason := _wrong(name, code, seen)) is not None:
                self._rows.problem(file, reason, line)
                continue
            seen.add(name)
            new = (folder, name, label, file, line)
            self.listed.put(f"{folder}/{name}", new, SPLIT_OF_CODE[code], fold)


def _wrong(name: str, code: str, seen: Container[str]) -> str | None:
    """Say what is wrong with a line, if something is."""
    if not name or "/" in name:
        return f"{f'{name} {code}'.strip()!r} is no '<name>.avi <code>'"
    if code not in SPLIT_OF_CODE:
        return f"the code is {code!r}; it is 0 (unused), 1 (train) or 2 (test)"
    return f"{name!r} is in this list already" if name in seen else None


def _film_of(name: str, folder: str) -> str | None:
    """Return the film that the name of a video tells, if it follows the grammar of its class.

    >>> _film_of("Juno_pick_u_cm_np1_le_bad_9.avi", "pick"), _film_of("Juno_9.avi", "pick")
    ('Juno', None)
    """
    tagged = _TAGS.fullmatch(stem_of(name))
    if tagged is None:
        return None
    film, own = tagged[1][: -len(folder)], tagged[1][-len(folder) :]
    follows = own.casefold() == folder.casefold() and film.endswith("_") and film != "_"
    return film[:-1] if follows else None


# writing


def _places(dataset: VideoDataset) -> Sequence[str]:
    check_labels(dataset.labels, LABELS_FILE)
    paths = [PurePosixPath(path) for path in dataset.paths()]
    folder_of = distinct_names(dataset.labels, safe_name)
    folders = [folder_of[dataset.labels[indices[0]]] for indices in dataset.class_indices()]
    stems = _stems([stem_of(path.name) for path in paths], folders, dataset.groups())
    return [
        f"{VIDEOS_FOLDER}/{folder}/{stem}{own_suffix(path)}"
        for folder, stem, path in zip(folders, stems, paths, strict=True)
    ]


def _stems(
    own: Sequence[str], folders: Sequence[str], groups: Sequence[str | None]
) -> Sequence[str]:
    """Name each video; a name stays where it tells the group, or tells none and there is none."""
    stems: list[str | None] = [None] * len(own)
    taken: dict[str, set[str]] = defaultdict(set)
    told = [_film_of(f"{stem}{SUFFIX}", folder) for stem, folder in zip(own, folders, strict=True)]
    groups = [film if group is None else group for group, film in zip(groups, told, strict=True)]
    for row, (stem, folder) in enumerate(zip(own, folders, strict=True)):
        stays = safe_name(stem) == stem and groups[row] == told[row]
        if stays and stem.casefold() not in taken[folder]:
            stems[row] = stem
            taken[folder].add(stem.casefold())
    films = distinct_names(
        sorted({one for one in groups if one is not None}), _safe_film, alike=str
    )
    numbers: dict[tuple[str, str], Iterator[int]] = defaultdict(count)
    for row, (folder, group) in enumerate(zip(folders, groups, strict=True)):
        if stems[row] is None:
            start = safe_name(own[row]) if group is None else films[group]
            names = _names(start, folder, numbers[folder, start], in_film=group is not None)
            stems[row] = new = next(one for one in names if one.casefold() not in taken[folder])
            taken[folder].add(new.casefold())
    return [stem for stem in stems if stem is not None]


def _names(start: str, folder: str, numbers: Iterator[int], *, in_film: bool) -> Iterator[str]:
    """Yield names to choose from; without a film they stay outside the grammar of tags."""
    if in_film:
        yield from (f"{start}_{folder}_f_nm_np1_fr_med_{number}" for number in numbers)
    else:
        yield start
        yield from (f"{start}-{number}" for number in numbers)


def _safe_film(group: str) -> str:
    # As the beginning of a name: it may end in a dot.
    return safe_name(f"{group}_")[:-1] or "_"


def _annotate(dataset: VideoDataset, folder: Path) -> None:
    lists = folder / LISTS_FOLDER
    lists.mkdir(parents=True, exist_ok=True)
    check_labels(dataset.labels, LABELS_FILE)
    folder_of = distinct_names(dataset.labels, safe_name)
    folders = [folder_of[label] for label in dataset.labels]
    if dataset.labels != _in_order(folders):
        write_labels(lists, dataset.labels)
    names = [path.rpartition("/")[2] for path in dataset.paths()]
    indices = [one[0] for one in dataset.class_indices()]
    for fold in range(1, dataset.folds + 1):
        lines = defaultdict[str, list[str]](list)
        for name, index, split in zip(names, indices, dataset.split_column(fold), strict=True):
            lines[folders[index]].append(f"{name} {CODE_OF_SPLIT[split]}")
        for one in folders:
            write_lines(lists / f"{one}_test_split{fold}.txt", lines[one])


FORMATS: tuple[Format, ...] = (
    Format(
        name="hmdb51",
        title="HMDB51: class folders, and a list for each class and way of splitting",
        needs="lists such as wave_test_split1.txt, here or up to two folders down",
        recognise=_recognise,
        read=_read,
        places=_places,
        annotate=_annotate,
        media="files",
        suffix=SUFFIX,
        holds=Holds(splits=("train", "test"), folds=99, groups=True),
    ),
)
