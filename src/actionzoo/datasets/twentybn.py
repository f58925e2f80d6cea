"""What the datasets of 20BN, Jester and Something-Something, have in common.

A list a split tells ids and labels; videos are named by their ids; the lists lie beside the folder
of the videos, or in ``labels`` or ``annotations``.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path

from actionzoo.datasets.dataset import VideoDataset
from actionzoo.datasets.format import Place, is_video_name
from actionzoo.datasets.label_lists import official_label
from actionzoo.datasets.names import SPLIT_OF_WORD, split_of
from actionzoo.datasets.rows import Rows
from actionzoo.datasets.text import read_fields
from actionzoo.errors import BadDataset, ConfigError, nearest_names
from actionzoo.labels import load_labels

LIST_FOLDERS = ("annotations", "labels")
"""Folders that the lists may lie in, beside the dataset's own."""
WORD_OF_SPLIT = {"train": "train", "val": "validation", "test": "test"}
"""As the makers call the splits in the names of their files."""
_MANY_FOLDERS = 20
"""So many folders of other names are looked into; more of them are likely the videos."""


# where things lie


@dataclass(frozen=True, kw_only=True, slots=True)
class Lists:
    """The files that list the videos of a dataset, all in one folder."""

    folder: Path
    files: Mapping[str, str]
    """The name of the file of ``train``, ``val``, ``test``, ``labels`` and ``test-answers``."""
    unread: tuple[str, ...] = ()
    """Files that say again what another one says."""

    def paths(self) -> Iterator[tuple[str, Path]]:
        """Yield each split that has a list, and the list."""
        for split in WORD_OF_SPLIT:
            if split in self.files:
                yield split, self.folder / self.files[split]

    def path(self, role: str) -> Path | None:
        """Return the file of a role, if there is one."""
        return self.folder / self.files[role] if role in self.files else None


def find_lists(
    place: Place, name: re.Pattern[str], fits: Callable[[Place, str], bool]
) -> Lists | None:
    """Find the lists of a dataset.

    Args:
        place: Where to look: there, and in ``annotations`` and ``labels``.
        name: Names of the files, with the groups ``prefix``, which only this dataset has, and
            ``word``: a split, ``labels`` or ``test-answers``.
        fits: Tells whether a file looks like a list of this dataset; one without the prefix in its
            name must.
    """
    if not place.is_folder:
        return _given_list(place, name, fits)
    for folder in ("", *(one for one in place.folders if one.lower() in LIST_FOLDERS)):
        found = _lists_in(place.inside(folder) if folder else place, name, fits)
        if found is not None:
            return found
    return None


def _given_list(
    place: Place, name: re.Pattern[str], fits: Callable[[Place, str], bool]
) -> Lists | None:
    """Return the one list given, with the labels and answers that lie beside it."""
    file = place.path.name
    split = split_of(file)
    match = name.fullmatch(file)
    if split is None or not ((match and match["prefix"]) or fits(place, file)):
        return None
    beside = _by_role(Place(place.folder), name)
    extra = {role: names[0] for role, names in beside.items() if role not in WORD_OF_SPLIT}
    return Lists(folder=place.folder, files={**extra, split: file})


def _lists_in(
    place: Place, name: re.Pattern[str], fits: Callable[[Place, str], bool]
) -> Lists | None:
    found = _by_role(place, name)
    lists = [one for split in WORD_OF_SPLIT for one in found.get(split, ())]
    if not any(_match(name, one)["prefix"] or fits(place, one) for one in lists):
        return None
    return Lists(
        folder=place.folder,
        files={role: names[0] for role, names in found.items()},
        unread=tuple(one for names in found.values() for one in names[1:]),
    )


def _by_role(place: Place, name: re.Pattern[str]) -> dict[str, list[str]]:
    """Name the files of each role, those with the dataset's own prefix first."""
    found: dict[str, list[str]] = {}
    for file in filter(name.fullmatch, place.files):
        word = _match(name, file)["word"].lower()
        found.setdefault(SPLIT_OF_WORD.get(word, word), []).append(file)
    return {
        role: sorted(names, key=lambda one: not _match(name, one)["prefix"])
        for role, names in found.items()
    }


def _match(name: re.Pattern[str], file: str) -> re.Match[str]:
    match = name.fullmatch(file)
    assert match is not None
    return match


class Listing:
    """The videos in one folder."""

    def __init__(self, prefix: str, names: Iterable[str], suffix: str) -> None:
        """See the class.

        Args:
            prefix: What stands before their names: the folder from the root with a slash, or
                nothing.
            names: Of all that is in it.
            suffix: Of most videos; nothing for folders of pictures.
        """
        self.prefix = prefix
        self._names, self._suffix = frozenset(names), suffix

    def name(self, id: str) -> str | None:
        """Return the name of the file or folder of a video, or None where there is none."""
        name = id + self._suffix
        return name if name in self._names else self._others.get(id)

    def holds_any(self, ids: Sequence[str]) -> bool:
        """Tell whether some of the videos are here."""
        usual = (id + self._suffix for id in ids)
        return not (self._names.isdisjoint(usual) and self._others.keys().isdisjoint(ids))

    @cached_property
    def _others(self) -> dict[str, str]:
        """Files of all suffixes that videos have, and folders, by the name of their video."""
        names = sorted(self._names)
        return {os.path.splitext(one)[0] if is_video_name(one) else one: one for one in names}


class Videos:
    """Finds the folders that the videos of a dataset lie in, and lists each of them once."""

    def __init__(self, place: Place, rows: Rows, known: Sequence[str], suffix: str = "") -> None:
        """See the class.

        Args:
            place: The dataset, or the folder of its lists.
            rows: Its rows, which also tell where the user says that the videos are.
            known: Names of the folders, that of the original release first.
            suffix: Of most videos; nothing for folders of pictures.

        Raises:
            BadDataset: The folder cannot be read.
            ConfigError: There is no such folder as the user says.
        """
        self.suffix = suffix
        self._rows, self._known = rows, known
        self._listings: dict[Path, Listing] = {}
        try:
            # Each with the names of the folders in it, which may be all of the videos.
            self._homes = [(one.folder, one.folders) for one in _homes(place, rows.given.videos)]
        except OSError as error:
            raise BadDataset(f"cannot read {error.filename!r}: {error.strerror}") from error

    def of_split(self, split: str, ids: Sequence[str]) -> Listing:
        """List the folder that holds some of the videos of a split; where none does, nothing."""
        for folder in [one for home in self._homes for one in self._candidates(*home, split)]:
            listing = self._listing(folder)
            if listing.holds_any(ids):
                return listing
        return Listing(self._prefix(self._due(split)), (), self.suffix)

    def _due(self, split: str) -> Path:
        """Return the folder that the videos of a split should be in."""
        home, folders = self._homes[-1]
        there = self._named(folders, split)
        if there or self._rows.given.videos is None:
            return home / (*there, self._known[0])[0]
        return home

    def _named(self, folders: Sequence[str], split: str) -> list[str]:
        """Return the folders named after the split, and those of a known name."""
        own = [one for one in folders if SPLIT_OF_WORD.get(one.lower()) == split]
        return own + [one for one in self._known if one in folders]

    def _candidates(self, home: Path, folders: Sequence[str], split: str) -> list[Path]:
        """Return the folders to look into: those of a name that tells, all, any others."""
        named = self._named(folders, split)
        others = [one for one in folders if one not in named and one not in LIST_FOLDERS]
        if len(others) > _MANY_FOLDERS:
            others = []
        return [home / one for one in (*named, "", *others)]

    def _listing(self, folder: Path) -> Listing:
        if folder not in self._listings:
            self._rows.sources.append(folder)
            try:
                names = os.listdir(folder)
            except OSError as error:
                self._rows.notes.append(f"{str(folder)!r} is left out: {error.strerror}")
                names = []
            self._listings[folder] = Listing(self._prefix(folder), names, self.suffix)
        return self._listings[folder]

    def _prefix(self, folder: Path) -> str:
        name = self._rows.name(folder)
        return "" if name == "." else f"{name}/"


def _homes(place: Place, given: Path | None) -> list[Place]:
    """Return where the videos, or folders of them, may lie."""
    if given is not None:
        if not given.is_dir():
            name = repr(str(given))
            raise ConfigError(f"there is no folder {name}; give the one that holds the videos")
        return [Place(given)]
    here = place if place.is_folder else Place(place.folder)
    if place.folder.name.lower() in LIST_FOLDERS:
        return [here, Place(place.folder.absolute().parent)]
    return [here]


def note_lists(lists: Lists, rows: Rows) -> None:
    """Note what the reading of a dataset depended on, and what was not read."""
    rows.sources.extend((rows.root, lists.folder))
    for name in lists.unread:
        rows.notes.append(f"{name!r} is not read: another file is the list of the same")


# the videos and their labels


class Listed:
    """The videos that the list of a split tells, in columns."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.labels: list[str | None] = []
        """As they are written there; None where it tells none."""
        self.files: list[str] = []
        self.lines: list[int] = []
        self.num_frames: list[int | None] = []
        self._same: dict[str | None, str | None] = {}

    def add(
        self, id: str, label: str | None, file: str, line: int, num_frames: int | None = None
    ) -> None:
        """Add a video."""
        self.ids.append(id)
        self.labels.append(self._same.setdefault(label, label))
        self.files.append(file)
        self.lines.append(line)
        self.num_frames.append(num_frames)

    def rows(self) -> Iterator[tuple[str, str | None, str, int, int | None]]:
        """Yield what ``add`` was given."""
        return zip(self.ids, self.labels, self.files, self.lines, self.num_frames, strict=True)

    def own_labels(self) -> set[str]:
        """Return the labels that occur."""
        return {one for one in self._same if one is not None}


def is_safe(id: str) -> bool:
    """Tell whether an id can be the name of a folder, and of nothing else.

    >>> is_safe("148092"), is_safe("../walk"), is_safe("..")
    (True, False, False)
    """
    return id.isalnum() or (
        id not in ("", ".", "..") and id.isprintable() and not {"/", "\\"} & {*id}
    )


def unsafe_sentence(id: str) -> str:
    """Say what is wrong with an id that is not safe."""
    return f"the id {id!r} cannot name a video; it may hold no slash" if id else "the id is empty"


def read_pairs(path: Path, rows: Rows, *, labelled: bool) -> Listed:
    """Read a list with ``<id>;<label>`` a line, or with ``<id>`` where labels need not be told."""
    name, listed = rows.name(path), Listed()
    for line, fields in read_fields(path, rows, delimiter=";"):
        id, label = fields[0], fields[1] if len(fields) > 1 else ""
        if not is_safe(id):
            rows.problem(name, unsafe_sentence(id), line)
        elif len(fields) > 2:
            message = f"{len(fields)} fields, but 2 are due; quote a label with a semicolon"
            rows.problem(name, message, line)
        elif labelled and not label:
            wrong = "the label is empty" if len(fields) > 1 else "there is no ';' before a label"
            rows.problem(name, wrong, line)
        else:
            listed.add(id, label or None, name, line)
    return listed


def with_answers(tests: Listed | None, answers: Listed, rows: Rows) -> Listed:
    """Return the test videos with their labels, which a file of their own tells.

    Answers to videos that are not listed become problems; without a list they are the list.
    """
    if tests is None:
        return answers
    place_of = {id: place for place, id in enumerate(answers.ids)}
    for id in place_of.keys() - set(tests.ids):
        message = f"video {id!r} is not in the list of the test videos"
        rows.problem(answers.files[place_of[id]], message, answers.lines[place_of[id]])
    joined = Listed()
    for number, id in enumerate(tests.ids):
        place = place_of.get(id)
        one, at = (tests, number) if place is None else (answers, place)
        joined.add(id, one.labels[at], one.files[at], one.lines[at], one.num_frames[at])
    return joined


def decide_labels(
    own: Iterable[str], told: Sequence[str] | None, official: str, rows: Rows
) -> tuple[str, ...] | None:
    """Return the class names in index order.

    Args:
        own: The names that the lists use.
        told: The names that the dataset tells in order, if it does.
        official: Name of the list that ships, whose spelling is taken.
        rows: Those of the dataset; names that the user gave are taken as they are.

    Returns:
        The names, or None where only the lists tell them.
    """
    if rows.given.labels is not None:
        return rows.given.labels
    known = load_labels(official)
    if told is not None:
        spelt = tuple(official_label(name, known) for name in told)
        return spelt if len(set(spelt)) == len(spelt) else tuple(told)
    return known if all(official_label(name, known) in known for name in own) else None


def add_videos(
    of_split: Mapping[str, Listed],
    videos: Videos,
    rows: Rows,
    *,
    labels: Sequence[str] | None,
    name_of: Callable[[str], str] = str,
) -> None:
    """Add a row a video, with the path where it lies or should lie.

    Args:
        of_split: The videos that each split lists.
        videos: Where to find them.
        rows: What to add to; a video of an unknown label becomes a problem.
        labels: Class names, if they are known.
        name_of: Turns what a list tells into the name of a class.
    """
    names = _Names(labels, name_of)
    missing: list[str] = []
    for split, listed in of_split.items():
        listing = videos.of_split(split, listed.ids)
        splits = (split,)
        for id, label, file, line, num_frames in listed.rows():
            own = names.of(label)
            if own is None:
                rows.problem(file, f"video {id!r}: {names.sentence(label)}", line)
                continue
            name = listing.name(id)
            path = listing.prefix + (id + videos.suffix if name is None else name)
            if name is None:
                missing.append(path)
            rows.add(path, own, file=file, line=line, splits=splits, num_frames=num_frames)
    if missing:
        rows.notes.append(
            f"{len(missing)} of {len(rows)} videos are not there, such as {missing[0]!r}"
        )


class _Names:
    """The names of classes, each looked up once."""

    def __init__(self, labels: Sequence[str] | None, name_of: Callable[[str], str]) -> None:
        self._labels, self._name_of = labels, name_of
        self._found: dict[str | None, tuple[str, ...] | None] = {None: ()}

    def of(self, label: str | None) -> tuple[str, ...] | None:
        """Return the class that a list tells, in a tuple; None where it is not among the labels."""
        if label not in self._found:
            name = official_label(self._name_of(label or ""), self._labels)
            known = self._labels is None or name in self._labels
            self._found[label] = (name,) if known else None
        return self._found[label]

    def sentence(self, label: str | None) -> str:
        """Say that a class is not among the labels."""
        return f"there is no label {label!r}; {nearest_names(str(label), self._labels or ())}"


def numbered(paths: Iterable[str]) -> list[str]:
    """Give every video a number: that in its own name, or the next one that is free.

    >>> numbered(["a/7.mp4", "b/walk.mp4", "c/7.mp4"])
    ['7', '1', '2']
    """
    found: dict[str, None] = {}
    own: list[str | None] = []
    for path in paths:
        name = os.path.basename(path)
        stem = os.path.splitext(name)[0] if is_video_name(name) else name
        fresh = stem.isascii() and stem.isdigit() and stem not in found
        own.append(stem if fresh else None)
        if fresh:
            found[stem] = None
    free = (str(number) for number in count(1) if str(number) not in found)
    return [next(free) if one is None else one for one in own]


def in_splits(dataset: VideoDataset) -> dict[str, list[int]]:
    """Return the places of the samples of each split that has any, or of an empty ``train``."""
    found: dict[str, list[int]] = {}
    for place, split in enumerate(dataset.split_column()):
        found.setdefault(split or "train", []).append(place)
    return found or {"train": []}


def label_column(dataset: VideoDataset) -> list[str]:
    """Return the label of every sample, empty where it has none."""
    names = dataset.labels
    return [names[own[0]] if own else "" for own in dataset.class_indices()]


def check_labels(labels: Sequence[str]) -> None:
    """Refuse labels that a list with one a line cannot hold.

    Raises:
        BadDataset: There is a line break in one.
    """
    for label in labels:
        if "\n" in label or "\r" in label:
            raise BadDataset(f"the label {label!r} has a line break in it; rename it")


def write_csv(path: Path, rows: Iterable[Sequence[str]], delimiter: str) -> None:
    """Write rows without a header; a field with the delimiter in it is quoted."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows(rows)
