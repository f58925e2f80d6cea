"""A folder of videos a class, and lists beside them: what UCF101 and HMDB51 have in common.

Copies differ in the names of folders, in suffixes and in case, so a video is looked for by its
class folder and its name without suffix, in one listing a class folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path, PurePosixPath

from actionzoo.datasets.dataset import relative
from actionzoo.datasets.format import (
    Place,
    is_picture_folder,
    is_video_name,
)
from actionzoo.datasets.rows import Rows
from actionzoo.errors import BadDataset
from actionzoo.sources import VIDEO_SUFFIXES, natural_key

SUFFIX = ".avi"
"""Of the videos of both, as they were published."""
MOST_FOLDERS = 1000
"""As many folders are looked into for lists and class folders: where there are more, they are
videos."""

Video = tuple[str, str, str, str, int]
"""A video as a list names it first: class folder, name, label, file of the list, line. It is a
plain tuple because the garbage collector does not go through those."""

Splits = tuple[str | None, ...]
"""One a fold."""

GroupOf = Callable[[str, str], str | None]
"""Return the group that the name of a video and its class folder tell."""

_FOR_LISTS = re.compile(r"(lists?|splits?|annotations?)$", re.IGNORECASE)


class Listed:
    """The videos of all lists, each once, and their splits."""

    def __init__(self, folds: int) -> None:
        self.videos: dict[str, Video] = {}
        self.splits: dict[str, Splits] = {}
        self._nothing: Splits = (None,) * folds
        # Equal splits are one tuple: there are few of them, and many videos.
        self._after: dict[tuple[Splits, int, str | None], Splits] = {}

    def put(self, key: str, video: Video, split: str | None, fold: int) -> str | None:
        """Put a video into a split of a fold, unless it is in one already, which is returned.

        Args:
            key: Tells videos apart.
            video: What a new one is.
            split: Its split; None where the fold does not use it.
            fold: Counted from 0.
        """
        before = self.splits.get(key)
        if before is None:
            self.videos[key], before = video, self._nothing
        elif (other := before[fold]) is not None:
            return other
        after = self._after.get((before, fold, split))
        if after is None:
            after = (*before[:fold], split, *before[fold + 1 :])
            self._after[before, fold, split] = after
        self.splits[key] = after
        return None


class ClassTree:
    """Class folders side by side, each listed once.

    A video is found by its name, else by its name without suffix, else whatever the case: a copy
    may be encoded anew, or be folders of pictures.
    """

    def __init__(self, folder: Path, rows: Rows) -> None:
        self.folder, self._rows = folder, rows
        self.names = _folders_in(folder)
        self._real = {name.casefold(): name for name in self.names}
        self._opened: dict[str, ClassFolder] = {}
        if self.names:
            rows.sources.append(folder)

    def open(self, name: str) -> ClassFolder:
        """Return a class folder, whatever the case of its name; an empty one if there is none."""
        if name not in self._opened:
            real = name if name in self.names else self._real.get(name.casefold(), name)
            if real not in self._opened:
                self._opened[real] = ClassFolder(self.folder / real, self._rows)
            self._opened[name] = self._opened[real]
        return self._opened[name]


class ClassFolder:
    """The videos of a class as they are on disk."""

    def __init__(self, folder: Path, rows: Rows) -> None:
        entries = _entries(folder)
        if entries:
            rows.sources.append(folder)
        # Each class of HMDB51 is an archive of its own, often unpacked into a folder of its name.
        if (folder.name, True) in entries and not any(is_video_name(name) for name, _ in entries):
            folder, entries = folder / folder.name, _entries(folder / folder.name)
            rows.sources.append(folder)
        self.folder, self.path = folder, relative(folder, rows.root)
        folders_first = sorted(entries, key=lambda one: (not one[1], one[0]))
        self._names = {name for name, is_folder in entries if is_folder or is_video_name(name)}
        self._by_stem = {stem_of(name): name for name, _ in folders_first if name in self._names}
        self._by_letters = {stem.casefold(): name for stem, name in self._by_stem.items()}
        self._used = set[str]()

    def find(self, name: str) -> str | None:
        """Return the name on disk of a listed video; None if it is not there."""
        if not self._names:
            return None
        if name not in self._names:
            stem = stem_of(name)
            found = self._by_stem.get(stem) or self._by_letters.get(stem.casefold())
            if found is None:
                return None
            name = found
        self._used.add(name)
        return name

    def others(self) -> Iterator[str]:
        """Yield the names of the videos that were not asked for, in natural order."""
        stems = self._by_stem.keys() - set(map(stem_of, self._used))
        for name in sorted((self._by_stem[stem] for stem in stems), key=natural_key):
            if name.startswith("."):
                continue
            if is_video_name(name) or is_picture_folder(self.folder / name):
                yield name


def stem_of(name: str) -> str:
    """Return the name of a video without the suffix; a folder of pictures has none.

    >>> stem_of("v_Biking_g01_c01.avi"), stem_of("Mr._Bean_wave")
    ('v_Biking_g01_c01', 'Mr._Bean_wave')
    """
    stem, _, suffix = name.rpartition(".")
    return stem if stem and f".{suffix}".lower() in VIDEO_SUFFIXES else name


def _entries(folder: Path) -> list[tuple[str, bool]]:
    """List a folder: names, and whether each is a folder; nothing where there is none."""
    try:
        with os.scandir(folder) as entries:
            return [(one.name, one.is_dir()) for one in entries]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise BadDataset(f"cannot read {str(folder)!r}: {error.strerror}") from error


def _folders_in(folder: Path) -> list[str]:
    return sorted(name for name, is_one in _entries(folder) if is_one and name[0] != ".")


def find_tree(
    place: Place, lists: Place, classes: Iterable[str], usual: str, rows: Rows
) -> ClassTree:
    """Find the class folders: in the folder given or a folder of it.

    Where the folder of the lists was given, and is named like one, they may be beside it.

    Args:
        place: Where the dataset is.
        lists: The folder with the lists.
        classes: Names of class folders; the tree with most of them is taken.
        usual: Where the folders should be, if they are nowhere.
        rows: What the user said of the videos, and what was listed.
    """
    wanted = {one.casefold() for one in classes}
    start = rows.given.videos or place.folder
    found = _best_tree(start, wanted, rows)
    folder = place.folder.absolute()
    beside = lists.folder == place.folder and _FOR_LISTS.search(folder.name) is not None
    if found is None and rows.given.videos is None and beside:
        found = _best_tree(folder.parent, wanted, rows)
    return ClassTree(found or rows.given.videos or place.folder / usual, rows)


def _best_tree(start: Path, wanted: set[str], rows: Rows) -> Path | None:
    """Return the folder with most class folders, videos before pictures; None if none has any."""
    best: tuple[tuple[int, bool], Path | None] = ((0, False), None)
    rows.sources.append(start)
    for folder in [start, *(start / name for name in _folders_in(start)[:MOST_FOLDERS])]:
        try:
            common = [name for name in _folders_in(folder) if name.casefold() in wanted]
            merit = (len(common), bool(common) and _has_videos(folder / common[0]))
        except BadDataset:  # a neighbour that is not ours to read
            continue
        if merit > best[0]:
            best = (merit, folder)
    return best[1]


def _has_videos(folder: Path) -> bool:
    return any(is_video_name(name) for name, _ in _entries(folder))


def add_listed(listed: Listed, tree: ClassTree, rows: Rows, group: GroupOf) -> None:
    """Add the videos of the lists, with a note of those that are not there."""
    missing = list[str]()
    for key, (class_folder, name, label, file, line) in listed.videos.items():
        folder = tree.open(class_folder)
        found = folder.find(name)
        path = f"{folder.path}/{found or name}"
        if found is None:
            missing.append(path)
        rows.add(
            path,
            (label,),
            file=file,
            line=line,
            splits=listed.splits[key],
            group=group(found or name, class_folder),
        )
    if missing:
        are = "video of the lists is" if len(missing) == 1 else "videos of the lists are"
        rows.notes.append(f"{len(missing)} {are} not there; the first is {missing[0]!r}")


def add_others(folder: ClassFolder, label: str, rows: Rows, group: GroupOf, *, folds: int) -> int:
    """Add the videos of a class that are in no list; return how many there are."""
    names = list(folder.others())
    for name in names:
        own = group(name, folder.folder.name)
        rows.add(f"{folder.path}/{name}", (label,), splits=(None,) * folds, group=own)
    return len(names)


def fold_numbers(numbers: Iterable[int], rows: Rows) -> dict[int, int]:
    """Return the place of each fold, counted from 0; a gap in their numbers is noted."""
    found = {number: place for place, number in enumerate(sorted(set(numbers)))}
    if any(number != place + 1 for number, place in found.items()):
        told = ", ".join(f"fold {place + 1} is split {number}" for number, place in found.items())
        rows.notes.append(f"some splits have no list: {told}")
    return found


def only_one(folders: Sequence[Place], place: Place, needs: str) -> Place:
    """Return the one folder with lists.

    Raises:
        BadDataset: There is none, or there are several.
    """
    if len(folders) == 1:
        return folders[0]
    if not folders:
        raise BadDataset(f"{str(place.path)!r} has no {needs}")
    names = ", ".join(str(one.folder) for one in folders)
    raise BadDataset(f"{str(place.path)!r} has {len(folders)} folders of lists; give one: {names}")


def distinct_names(
    given: Sequence[str],
    make: Callable[[str], str],
    *,
    alike: Callable[[str], str] = str.casefold,
) -> dict[str, str]:
    """Make a name of each string so that no two are alike.

    Args:
        given: What to name, such as labels that shall be folders.
        make: Makes a name of one; a string that it leaves alone is sure to keep it.
        alike: Names of which this is equal are alike.

    >>> distinct_names(["A B", "AB"], lambda one: one.replace(" ", ""))
    {'AB': 'AB', 'A B': 'AB2'}
    """
    names, taken = dict[str, str](), set[str]()
    for one in sorted(given, key=lambda one: make(one) != one):
        own = make(one)
        tries = (own if number == 1 else f"{own}{number}" for number in count(1))
        names[one] = next(name for name in tries if alike(name) not in taken)
        taken.add(alike(names[one]))
    return names


def own_suffix(path: PurePosixPath) -> str:
    """Return the suffix that a video has, or shall have where it is a folder of pictures."""
    return path.suffix if is_video_name(path.name) else SUFFIX


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a list."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
