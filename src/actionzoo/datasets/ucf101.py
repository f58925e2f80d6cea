"""UCF101: ``UCF-101/<Class>/v_<Class>_gGG_cCC.avi``, and lists of three ways of splitting.

Grammar of the published lists (crcv.ucf.edu/data/UCF101.php), in ``ucfTrainTestlist/``::

    classInd.txt      <id from 1> <Class>            the class is the rest of the line
    trainlist01.txt   <Class>/<file>.avi <id>        split at the last blank: paths may hold blanks
    testlist01.txt    <Class>/<file>.avi             an id behind it is read too, as copies have it

Copies differ in the name of each folder, in the suffix of the videos, in being folders of pictures,
and in case: the lists say ``HandstandPushups/v_HandStandPushups_g01_c01.avi``. So a video is looked
for by class folder and name without suffix, whatever the case, in one listing a class folder.

Written folders are the labels themselves where these are letters and digits only, else their words
joined (``shooting goal (soccer)`` is ``ShootingGoalSoccer``); ``classInd.txt`` has the true label.
The group of a video is the ``gGG`` of its name. Groups of other names are numbered in their order;
a video without a group gets one of its own, as the grammar knows no video without.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path, PurePosixPath

from actionzoo.datasets.class_trees import (
    MOST_FOLDERS,
    SUFFIX,
    ClassTree,
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
from actionzoo.datasets.format import (
    Format,
    Holds,
    Place,
    is_video_name,
)
from actionzoo.datasets.label_lists import official_label
from actionzoo.datasets.names import SPLIT_OF_WORD, group_of
from actionzoo.datasets.rows import Rows
from actionzoo.datasets.text import read_lines
from actionzoo.errors import BadDataset, nearest_names
from actionzoo.sources import natural_key

VIDEOS_FOLDER, LISTS_FOLDER, CLASSES_FILE = "UCF-101", "ucfTrainTestlist", "classInd.txt"

_LIST = re.compile(r"(train|test|val|validation)list(\d+)\.txt", re.IGNORECASE)
_CLASS_LINE = re.compile(r"\s*(\d+)\s+(\S.*?)\s*")
_NO_NAMES = ("", ".", "..")
_STEM = re.compile(r"v_[A-Za-z0-9]+_(g\d{2,})_c\d{2,}")


# where the lists are


def _recognise(place: Place) -> bool:
    if not place.is_folder and place.path.name != CLASSES_FILE:
        return False
    return any(_has_classes(one) and not _are_derived(one) for one in _list_folders(place))


def _list_folders(place: Place) -> list[Place]:
    """Return the folders with lists: the one given, else those in it."""
    here = Place(place.folder)
    if _has_lists(here):
        return [here]
    names = [
        name
        for name in place.folders[:MOST_FOLDERS]
        if os.path.isfile(place.folder / name / CLASSES_FILE)
    ]
    return [one for one in map(here.inside, names) if _has_lists(one)]


def _has_lists(place: Place) -> bool:
    lists = [found[1].lower() for found in map(_LIST.fullmatch, place.files) if found]
    return CLASSES_FILE in place.files and "train" in lists


def _has_classes(place: Place) -> bool:
    return any(_CLASS_LINE.fullmatch(line) for line in place.head(CLASSES_FILE).splitlines())


def _are_derived(place: Place) -> bool:
    # mmaction2 writes such lists beside those of HMDB51, which tell more.
    return any(name.endswith("_test_split1.txt") for name in place.files)


# what the lists say


@dataclass(slots=True)
class _Classes:
    """What ``classInd.txt`` tells."""

    label_of_id: dict[int, str] = field(default_factory=dict)
    label_of_folder: dict[str, str | None] = field(default_factory=dict)
    """Class folders met so far; None where a folder is of no class."""
    labels: tuple[str, ...] = ()

    def of_folder(self, folder: str) -> str | None:
        """Return the label that the name of a class folder tells, however it is spelt."""
        if folder not in self.label_of_folder:
            label = official_label(folder, self.labels)
            self.label_of_folder[folder] = label if label in self.labels else None
        return self.label_of_folder[folder]


def _read_classes(path: Path, rows: Rows) -> _Classes:
    classes, labels = _Classes(), dict[str, int]()
    for line, text in read_lines(path, rows):
        found = _CLASS_LINE.fullmatch(text)
        if found is None:
            rows.problem(rows.name(path), f"{text.strip()!r} is no '<id> <class>'", line)
            continue
        number, label = int(found[1]), found[2]
        if number in classes.label_of_id:
            message = f"the id {number} is that of {classes.label_of_id[number]!r} already"
            rows.problem(rows.name(path), message, line)
        elif label in labels:
            message = f"the class {label!r} has the id {labels[label]} already"
            rows.problem(rows.name(path), message, line)
        classes.label_of_id.setdefault(number, label)
        labels.setdefault(label, number)
    classes.labels = tuple(sorted(labels, key=labels.__getitem__))
    if sorted(labels.values()) != list(range(1, len(labels) + 1)):
        name = rows.name(path)
        rows.notes.append(f"the ids of {name} are not 1 to {len(labels)}; their order counts")
    folders = distinct_names(classes.labels, _joined)
    classes.label_of_folder |= {folder: label for label, folder in folders.items()}
    classes.label_of_folder |= {label: label for label in classes.labels}
    return classes


class _Lists:
    """Reads lists of videos."""

    def __init__(self, classes: _Classes, folds: int, rows: Rows) -> None:
        self.listed = Listed(folds)
        self._classes, self._rows = classes, rows
        self._labels: dict[tuple[str, str | None], str] = {}
        """Of each class folder and id met so far."""

    def read(self, path: Path, split: str, fold: int, *, needs_id: bool) -> None:
        """Read one list; the fold is counted from 0."""
        file = self._rows.name(path)
        for line, text in read_lines(path, self._rows):
            try:
                folder, name, label = self._video(text, needs_id=needs_id)
                key = f"{folder}/{name}"
                new = (folder, name, label, file, line)
                other = self.listed.put(key.casefold(), new, split, fold)
                if other is not None:
                    where = "this list already" if other == split else f"the {other} list too"
                    raise ValueError(f"{key!r} is in {where}; name it once a fold")
            except ValueError as error:
                self._rows.problem(file, str(error), line)

    def _video(self, text: str, *, needs_id: bool) -> tuple[str, str, str]:
        """Return class folder, name and label of a line.

        Raises:
            ValueError: It has another form, or contradicts the list of classes.
        """
        folder, name, number = _fields(text.strip())
        if needs_id and number is None:
            raise ValueError(f"{text.strip()!r} has no class id; '<class>/<file> <id>' is due")
        label = self._labels.get((folder, number))
        if label is None:
            label = self._label(folder, None if number is None else int(number))
            self._labels[folder, number] = label
        return folder, name, label

    def _label(self, folder: str, number: int | None) -> str:
        by_folder = self._classes.of_folder(folder)
        if number is None:
            if by_folder is None:
                hint = nearest_names(folder, self._classes.labels)
                raise ValueError(f"there is no class {folder!r} in {CLASSES_FILE}; {hint}")
            return by_folder
        by_id = self._classes.label_of_id.get(number)
        if by_id is None:
            known = sorted(self._classes.label_of_id)
            has = f"it has {known[0]} to {known[-1]}" if known else "it is empty"
            raise ValueError(f"there is no class id {number} in {CLASSES_FILE}; {has}")
        if by_folder is None:
            self._classes.label_of_folder[folder] = by_folder = by_id
        if by_folder != by_id:
            raise ValueError(
                f"the id {number} is {by_id!r} in {CLASSES_FILE}, but the path says {folder!r}"
            )
        return by_id


def _fields(text: str) -> tuple[str, str, str | None]:
    """Split a line into class folder, name and id; the id is behind the last blank, if it is there.

    >>> _fields("YoYo/v_YoYo_g01_c01.avi 101"), _fields("/data/Yo Yo/a b.avi")
    (('YoYo', 'v_YoYo_g01_c01.avi', '101'), ('Yo Yo', 'a b.avi', None))

    Raises:
        ValueError: It has more fields, or fewer.
    """
    # Copies made on Windows have backslashes.
    line = text.replace("\\", "/").replace("\t", " ")
    path, _, last = line.rpartition(" ")
    number: str | None = last
    if not path or not last.isdecimal():
        path, number = line, None
    folder, _, name = path.rpartition("/")
    name = name.strip()
    if " " in name and not is_video_name(name):
        # A path with more behind it; blanks in the name of a video are part of it.
        before, _, last = name.rpartition(" ")
        if is_video_name(before.strip()) or last.isdecimal():
            raise ValueError(f"{text!r} has more fields than a path and a class id")
    folder = folder.rpartition("/")[2]
    if folder in _NO_NAMES or name in _NO_NAMES:
        raise ValueError(f"{text!r} is no '<class>/<file>'")
    return folder, name, number


def _read(place: Place, rows: Rows) -> VideoDataset:
    needs = f"{CLASSES_FILE} with trainlist01.txt beside it"
    lists = only_one(_list_folders(place), place, needs)
    rows.sources.append(lists.folder)
    classes = _read_classes(lists.folder / CLASSES_FILE, rows)
    found = sorted(
        (int(one[2]), one[1].lower() != "train", one[1].lower(), one[0])
        for one in map(_LIST.fullmatch, lists.files)
        if one
    )
    folds = fold_numbers((number for number, *_ in found), rows)
    videos = _Lists(classes, len(folds), rows)
    for number, is_not_train, word, name in found:
        split, fold = SPLIT_OF_WORD[word], folds[number]
        videos.read(lists.folder / name, split, fold, needs_id=not is_not_train)
    tree = find_tree(place, lists, classes.label_of_folder, VIDEOS_FOLDER, rows)
    add_listed(videos.listed, tree, rows, _group)
    _add_others(tree, classes, len(folds), rows)
    return rows.finish(classes.labels)


def _add_others(tree: ClassTree, classes: _Classes, folds: int, rows: Rows) -> None:
    for name in tree.names:
        label = classes.of_folder(name)
        if label is not None:
            add_others(tree.open(name), label, rows, _group, folds=folds)
        elif number := sum(is_video_name(one) for one in tree.open(name).others()):
            rows.notes.append(f"{number} videos in {name!r} are left out: it is no class")


def _group(name: str, folder: str) -> str | None:
    return group_of(name)


# writing


def _joined(label: str) -> str:
    """Return a class name of letters and digits only, as UCF's are.

    >>> _joined("YoYo"), _joined("brush_hair"), _joined("shooting goal (soccer)"), _joined("走る")
    ('YoYo', 'BrushHair', 'ShootingGoalSoccer', 'Class')
    """
    words = re.findall(r"[A-Za-z0-9]+", label)
    if words == [label]:
        return label
    return "".join(word[0].upper() + word[1:] for word in words) or "Class"


def _places(dataset: VideoDataset) -> Sequence[str]:
    check_labels(dataset.labels, CLASSES_FILE)
    paths = [PurePosixPath(path) for path in dataset.paths()]
    folder_of = distinct_names(dataset.labels, _joined)
    folders = [folder_of[dataset.labels[indices[0]]] for indices in dataset.class_indices()]
    stems = _stems([stem_of(path.name) for path in paths], folders, dataset.groups())
    return [
        f"{VIDEOS_FOLDER}/{folder}/{stem}{own_suffix(path)}"
        for folder, stem, path in zip(folders, stems, paths, strict=True)
    ]


def _stems(
    own: Sequence[str], folders: Sequence[str], groups: Sequence[str | None]
) -> Sequence[str]:
    """Name each video; a name in the grammar stays, where it tells the group that is known."""
    stems: list[str | None] = [None] * len(own)
    taken: dict[str, set[str]] = defaultdict(set)
    told = [found and found[1] for found in map(_STEM.fullmatch, own)]
    groups = [told[row] if group is None else group for row, group in enumerate(groups)]
    for row, (stem, folder) in enumerate(zip(own, folders, strict=True)):
        stays = told[row] is not None and groups[row] == told[row]
        if stays and stem.casefold() not in taken[folder]:
            stems[row] = stem
            taken[folder].add(stem.casefold())
    rest = [row for row, stem in enumerate(stems) if stem is None]
    kept = {group for group, stem in zip(groups, stems, strict=True) if stem and group}
    numbers = _group_numbers({row: groups[row] for row in rest}, kept)
    clips: dict[str, Iterator[int]] = defaultdict(lambda: count(1))
    for row in rest:
        start = f"v_{folders[row]}_{numbers[row]}"
        names = (f"{start}_c{number:02d}" for number in clips[start])
        stems[row] = next(one for one in names if one.casefold() not in taken[folders[row]])
    return [stem for stem in stems if stem is not None]


def _group_numbers(groups: Mapping[int, str | None], kept: Iterable[str]) -> dict[int, str]:
    """Return ``gNN`` for each row: sorted groups first, then a new one for each row without."""
    taken = {*kept, *(one for one in groups.values() if one and re.fullmatch(r"g\d{2,}", one))}
    free = (f"g{number:02d}" for number in count(1) if f"g{number:02d}" not in taken)
    others = {one for one in groups.values() if one is not None} - taken
    named = {one: one for one in taken}
    named |= {one: next(free) for one in sorted(others, key=natural_key)}
    return {row: next(free) if one is None else named[one] for row, one in groups.items()}


def check_labels(labels: Iterable[str], file: str) -> None:
    """Refuse labels that are no line of a list of classes.

    Raises:
        BadDataset: There is one.
    """
    for label in labels:
        if not label or label != label.strip() or "\n" in label or "\r" in label:
            raise BadDataset(f"the label {label!r} cannot be a line of {file}; rename it")


def _annotate(dataset: VideoDataset, folder: Path) -> None:
    lists = folder / LISTS_FOLDER
    lists.mkdir(parents=True, exist_ok=True)
    check_labels(dataset.labels, CLASSES_FILE)
    write_lines(lists / CLASSES_FILE, (f"{id} {name}" for id, name in enumerate(dataset.labels, 1)))
    paths = [path.removeprefix(f"{VIDEOS_FOLDER}/") for path in dataset.paths()]
    ids = [indices[0] + 1 for indices in dataset.class_indices()]
    for fold in range(1, dataset.folds + 1):
        rows = list(zip(dataset.split_column(fold), paths, ids, strict=True))
        train = (f"{path} {id}" for split, path, id in rows if split == "train")
        test = (path for split, path, _ in rows if split == "test")
        write_lines(lists / f"trainlist{fold:02d}.txt", train)
        write_lines(lists / f"testlist{fold:02d}.txt", test)


FORMATS: tuple[Format, ...] = (
    Format(
        name="ucf101",
        title="UCF101: class folders, and ucfTrainTestlist with its ways of splitting",
        needs="classInd.txt with trainlist01.txt beside it, here or in a folder",
        recognise=_recognise,
        read=_read,
        places=_places,
        annotate=_annotate,
        media="files",
        suffix=SUFFIX,
        holds=Holds(splits=("train", "test"), folds=99, groups=True),
    ),
)
