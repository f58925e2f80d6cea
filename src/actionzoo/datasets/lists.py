"""Plain lists, a line a video: its path, then numbers, without a header.

- GluonCV: ``<path> <number of frames> <class index>``
- mmaction2, videos: ``<path> <class index>``, several indices where a video has several labels
- mmaction2, frames: ``<folder> <number of frames> <class index>``, several indices likewise
- PySlowFast: ``<path><separator><class index>``; the separator is a blank unless it is configured,
  and a list of a test set may tell the path alone

A path may hold blanks: the numbers are those at the end of the line. With a comma or a tab between
them, the last field may be the name of a class. The names of the files tell split and fold, as in
``kinetics400_train_list_videos.txt``, ``ucf101_val_split_2_rawframes.txt`` and ``test.csv``.
"""

from __future__ import annotations

import csv
import itertools
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from actionzoo.datasets.class_folders import unique_names
from actionzoo.datasets.dataset import VideoDataset
from actionzoo.datasets.format import Format, Holds, Place, is_video_name
from actionzoo.datasets.label_lists import find_labels, official_label, write_labels
from actionzoo.datasets.measure import frame_counts
from actionzoo.datasets.names import SPLIT_OF_WORD, fold_of, group_of, safe_name, split_of
from actionzoo.datasets.rows import Rows
from actionzoo.datasets.text import read_lines, split_fields
from actionzoo.errors import BadDataset

_SUFFIXES = (".txt", ".csv", ".list")
_OTHERS = re.compile(
    r"(labels|classes|class_names|classInd|(label_map|readme|licen[cs]e|requirements)[\w-]*)\.\w+"
    r"|.*_test_split\d+\.txt",  # HMDB51's
    re.IGNORECASE,
)
"""Files that are no lists, whatever they look like."""
_UCF_LIST = re.compile(r"(train|test)list\d+\.txt", re.IGNORECASE)
_NUMBER = re.compile(r"\s*[+-]?\d+(\.\d*)?\s*")
"""A number, if not a good one."""
_SEPARATORS = ("\t", ",", ";", "|", None)
"""What may stand between path and numbers; None: any number of blanks."""
_LINES = 5
"""As many lines are looked at to recognise a list."""
_FIRST = 20
"""As many paths are looked for to find out where paths start."""
_FOLDERS = ("videos", "videos_{}", "rawframes", "rawframes_{}", "{}", "clips", "images")
"""Where the videos of a split may lie, beside the list or one folder above it."""
_SPLITS = ("train", "val", "test")
_NEEDS = "a .txt, .csv or .list whose lines are a path and numbers: PATH LABEL, PATH FRAMES LABEL"
_MOST_CLASSES = 100_000
_MOST_FRAMES = 2**31 - 1


# the grammar


@dataclass(frozen=True, slots=True)
class _Grammar:
    """How the lines of one list are written."""

    separator: str | None
    words: bool = False
    """Whether the last field is the name of a class."""

    def split(self, line: str) -> tuple[str, tuple[str, ...]]:
        """Split a line into the path and what stands behind it, as it is written.

        Raises:
            csv.Error: Its quotes do not pair.
        """
        if self.separator is not None and '"' in line:
            return self._of_fields(split_fields(line, self.separator), self.separator)
        if self.separator is not None and self.words:
            return self._of_fields(line.split(self.separator), self.separator)
        behind: tuple[str, ...] = ()
        fields = line.rsplit(self.separator, 1)
        while len(fields) == 2 and (fields[1].isdecimal() or _NUMBER.fullmatch(fields[1])):
            line, behind = fields[0], (fields[1].strip(), *behind)
            fields = line.rsplit(self.separator, 1)
        return line.strip(), behind

    def _of_fields(self, fields: list[str], separator: str) -> tuple[str, tuple[str, ...]]:
        most = 2 if self.words else len(fields) - 1
        path = len(fields) - self.words
        while path > max(1, len(fields) - most) and _NUMBER.fullmatch(fields[path - 1]):
            path -= 1
        # A path may hold the separator, even without quotes.
        return separator.join(fields[:path]).strip(), tuple(one.strip() for one in fields[path:])


def _grammar(name: str, head: str) -> _Grammar | None:
    """Find out how the list of a name is written; None where its beginning is that of no list."""
    lines = [line for line in head.splitlines() if line.strip()]
    if len(lines) > 1 and not head.endswith("\n"):
        lines.pop()  # It may be cut off.
    lines = lines[:_LINES]
    half = len(lines) / 2
    fitting = {
        grammar: fits
        for grammar in (
            *(_Grammar(one) for one in _SEPARATORS),
            *(_Grammar(one, words=True) for one in "\t,"),
        )
        if (count := sum(fits := [_fits(name, line, grammar) for line in lines])) >= half
        # In a table, the first line tells what the columns are; none has blanks between them.
        and ((lines and fits[0]) or (count > half and grammar.separator is None))
    }
    return max(fitting, key=lambda one: sum(fitting[one]), default=None)


def _fits(name: str, line: str, grammar: _Grammar) -> bool:
    """Tell whether a line is one of such a list."""
    try:
        path, behind = grammar.split(line)
    except csv.Error:
        return False
    is_path = is_video_name(path) or "/" in path or "\\" in path
    if not behind:
        # The list of a test set may tell no labels.
        return is_path and grammar.separator is None and split_of(name) == "test"
    if not path or not _is_told(behind, grammar):
        return False
    if is_path:
        return True
    # A folder of frames; a row of numbers only is mostly something else.
    named = split_of(name) is not None or "list" in name.lower()
    return (
        named
        and not grammar.words
        and " " not in path
        and (len(behind) > 1 or not path.isdecimal())
    )


def _is_told(behind: Sequence[str], grammar: _Grammar) -> bool:
    if grammar.words:
        return not _NUMBER.fullmatch(behind[-1]) and behind[-1] != ""
    return all(one.isdecimal() for one in behind)


@dataclass(frozen=True, slots=True)
class _List:
    """One list and what its lines say, in columns."""

    path: Path
    grammar: _Grammar
    lines: list[int] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    behind: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.path.name

    @property
    def split(self) -> str | None:
        """The split that the name tells."""
        return split_of(self.name)


def _recognise(place: Place) -> bool:
    return bool(_lists(place))


def _lists(place: Place) -> list[_List]:
    """Find the lists of a folder, or the one given."""
    is_ucf = (place.folder / "classInd.txt").is_file()
    return [
        _List(place.folder / name, grammar)
        for name in place.files_with(*_SUFFIXES)
        if not _OTHERS.fullmatch(name) and not (is_ucf and _UCF_LIST.fullmatch(name))
        if (grammar := _grammar(name, place.head(name))) is not None
    ]


# reading


def _read(place: Place, rows: Rows) -> VideoDataset:
    rows.sources.append(place.folder)
    lists = _lists(place)
    if not lists:
        lists = _any_lists(place)
    for one in lists:
        _read_list(one, rows)
    _note_unread(place, lists, rows)
    _refuse_two_media(place, lists)
    names = _Names(find_labels(place, rows), rows)
    folds = sorted({fold_of(one.name) for one in lists if one.split}) or [1]
    if len(folds) == 1:
        for one in lists:
            _add_rows(one, names, rows)
    else:
        _add_folds(lists, folds, names, rows)
    names.note_first_index()
    return rows.finish(names.all())


def _any_lists(place: Place) -> list[_List]:
    """Take a file for a list, though it does not look like one.

    Raises:
        BadDataset: A folder was given.
    """
    if place.is_folder:
        raise BadDataset(f"{str(place.path)!r} holds no list of videos; give {_NEEDS}")
    return [_List(place.path, _Grammar(None))]


def _note_unread(place: Place, lists: Sequence[_List], rows: Rows) -> None:
    read = {one.name for one in lists}
    for name in place.files_with(*_SUFFIXES):
        if name not in read and split_of(name) and not _OTHERS.fullmatch(name):
            rows.notes.append(f"{name} was not read: its first lines are no path and numbers")


def _read_list(one: _List, rows: Rows) -> None:
    split = one.grammar.split
    # Equal numbers are kept once.
    same: dict[tuple[str, ...], tuple[str, ...]] = {}
    for line, text in read_lines(one.path, rows):
        try:
            path, behind = split(text)
        except csv.Error:
            message = "its quotes do not pair; close them, and double those inside a field"
            rows.problem(rows.name(one.path), message, line)
            continue
        one.lines.append(line)
        one.paths.append(path.replace("\\", "/") if "\\" in path else path)
        one.behind.append(same.setdefault(behind, behind))


def _refuse_two_media(place: Place, lists: Sequence[_List]) -> None:
    """Refuse lists of videos beside lists of folders of frames: both tell the same samples."""
    known: dict[tuple[str | None, int], _List] = {}
    for one in lists:
        other = known.setdefault((one.split, fold_of(one.name)), one)
        if _of_videos(one) != _of_videos(other):
            frames, videos = (other, one) if _of_videos(one) else (one, other)
            raise BadDataset(
                f"{str(place.path)!r} holds {videos.name}, a list of videos, and {frames.name}, "
                "one of folders of frames; give one of them"
            )


def _of_videos(one: _List) -> bool:
    return is_video_name(one.paths[0]) if one.paths else True


class _Names:
    """The names of the classes, by the indices and names that lists tell."""

    def __init__(self, names: tuple[str, ...] | None, rows: Rows) -> None:
        self._names, self._rows = names, rows
        self._first = 1 if rows.given.one_based else 0
        self._used: set[int] = set()
        self._words = False
        self._known: dict[tuple[str, ...], tuple[str, ...]] = {}

    def of(self, told: tuple[str, ...], grammar: _Grammar) -> tuple[str, ...]:
        """Return the labels that fields tell.

        Raises:
            ValueError: There is no such class; the message is a sentence.
        """
        known = self._known.get(told)
        if known is None:
            name = self._spelt if grammar.words else self._at
            known = self._known[told] = tuple(dict.fromkeys(name(one) for one in told))
        return known

    def _spelt(self, word: str) -> str:
        self._words = True
        return official_label(word, self._names)

    def _at(self, text: str) -> str:
        if not text.isdecimal() or int(text) >= _MOST_CLASSES:
            raise ValueError(
                f"the class index {text} is no whole number from 0 to {_MOST_CLASSES - 1:,}"
            )
        index = int(text) - self._first
        if index < 0:
            raise ValueError("the class index is 0, but --one-based says they are counted from 1")
        self._used.add(index)
        if self._names is None:
            return str(index)
        if index >= len(self._names):
            hint = "; if they are counted from 1, say --one-based" * (index == len(self._names))
            raise ValueError(
                f"the class index is {index}, but there are {len(self._names)} names of classes, "
                f"0 to {len(self._names) - 1}{hint}"
            )
        return self._names[index]

    def note_first_index(self) -> None:
        """Say so where indices look as if they were counted from 1."""
        last = max(self._used, default=0)
        fits = last > 1 if self._names is None else last == len(self._names)
        if not self._first and fits and self._used == set(range(1, last + 1)):
            self._rows.notes.append(
                f"indices run from 1 to {last} and 0 never occurs: if they are counted from 1, say "
                "--one-based"
            )

    def all(self) -> tuple[str, ...] | None:
        """Return the names in index order; the numbers themselves where there are none."""
        if self._names is not None or self._words:
            return self._names
        return tuple(map(str, range(max(self._used, default=-1) + 1)))


_Told = tuple[tuple[str, ...], int | None]
"""The labels and the number of frames that stand behind a path."""


def _rows_of(
    one: _List, names: _Names, rows: Rows
) -> Iterator[tuple[int, str, tuple[str, ...], int | None]]:
    """Yield what the lines of a list say: number, path, labels, number of frames.

    What cannot be used becomes a problem of ``rows``.
    """
    prefix, frames = _start(one, rows), _tells_frames(one, rows)
    known: dict[tuple[str, ...], _Told] = {}
    for line, path, behind in zip(one.lines, one.paths, one.behind, strict=True):
        told = known.get(behind)
        if told is None:
            try:
                told = known[behind] = _told(one, behind, names, frames=frames)
            except ValueError as error:
                rows.problem(rows.name(one.path), str(error), line)
                continue
        labels, num_frames = told
        yield line, prefix + path if prefix and path[:1] != "/" else path, labels, num_frames
    if () in known:
        count = one.behind.count(())
        rows.notes.append(f"{count:,} lines of {one.name} tell a path and no label")


def _told(one: _List, behind: tuple[str, ...], names: _Names, *, frames: bool) -> _Told:
    """Understand what stands behind a path.

    Raises:
        ValueError: It is no label; the message is a sentence.
    """
    if not behind and one.split == "test":
        return (), None
    labels = names.of(behind[frames:], one.grammar)
    if not labels:
        raise ValueError("no label; a line is PATH LABEL or PATH FRAMES LABEL")
    return labels, _num_frames(behind[0]) if frames else None


def _num_frames(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= _MOST_FRAMES:
        raise ValueError(f"the number of frames is {text}; give a whole number from 1")
    return int(text)


def _tells_frames(one: _List, rows: Rows) -> bool:
    """Tell whether the first number of each line is the number of frames."""
    counts = {len(behind) for behind in one.behind} - {0}
    if one.grammar.words:
        return 2 in counts
    if counts <= {1}:
        return False
    # So mmaction2 names its lists of videos, which tell no number of frames.
    of_videos = one.name.lower().endswith("_videos.txt")
    frames = not of_videos and (counts == {2} or not _of_videos(one))
    several = "of two numbers" if counts == {2} else "number"
    what = f"the first {several} is taken" if frames else "all numbers are taken"
    rows.notes.append(f"{one.name}: {what} as {'the number of frames' if frames else 'labels'}")
    return frames


def _start(one: _List, rows: Rows) -> str:
    """Return what stands before the paths of a list: where the first of them are."""
    folder = one.path.parent.absolute()
    first = [path for path in one.paths[:_FIRST] if not path.startswith("/")]
    if rows.given.videos is not None:
        return _prefix(rows.given.videos, rows)
    best, most = folder, 0
    for start in _starts(folder, one.split) if first else ():
        rows.sources.append(start)
        there = sum(os.path.exists(start / path) for path in first)
        if there > most:
            best, most = start, there
        if there == len(first):
            break
    if first and not most:
        rows.notes.append(
            f"the videos of {one.name} were found neither beside it nor in one of the usual "
            f"folders; paths are taken from {str(folder)!r}: say --videos where they start"
        )
    return _prefix(best, rows)


def _starts(folder: Path, split: str | None) -> Iterator[Path]:
    """Yield the folders in which the videos of a list may lie."""
    words = [word for word, meaning in SPLIT_OF_WORD.items() if meaning == split]
    for top in (folder, folder.parent):
        yield top
        for name in _FOLDERS:
            for word in words if "{}" in name else [""]:
                if os.path.isdir(top / name.format(word)):
                    yield top / name.format(word)


def _prefix(folder: Path, rows: Rows) -> str:
    name = rows.name(folder)
    return "" if name == "." else f"{name.rstrip('/')}/"


def _add_rows(one: _List, names: _Names, rows: Rows) -> None:
    file, splits = rows.name(one.path), (one.split,)
    for line, path, labels, num_frames in _rows_of(one, names, rows):
        rows.add(
            path,
            labels,
            file=file,
            line=line,
            splits=splits,
            group=group_of(path),
            num_frames=num_frames,
        )


@dataclass(frozen=True, slots=True)
class _Video:
    """A video in the lists of several folds."""

    path: str
    labels: tuple[str, ...]
    num_frames: int | None
    file: str
    line: int
    splits: list[str | None]


def _add_folds(lists: Sequence[_List], folds: Sequence[int], names: _Names, rows: Rows) -> None:
    """Add a row a video, with a split a fold, from the lists of several folds."""
    videos: dict[tuple[str, tuple[str, ...], int], _Video] = {}
    for one in lists:
        file, fold = rows.name(one.path), folds.index(fold_of(one.name)) if one.split else 0
        for line, path, labels, num_frames in _rows_of(one, names, rows):
            # One in two splits of a fold is two rows, of which the check of the dataset tells.
            for time in itertools.count():
                own = _Video(path, labels, num_frames, file, line, [None] * len(folds))
                video = videos.setdefault((path, labels, time), own)
                if video is own or video.splits[fold] is None:
                    video.splits[fold] = one.split
                elif video.splits[fold] == one.split:
                    rows.problem(file, f"{path!r} is listed already in the same split", line)
                else:
                    continue
                break
    for video in videos.values():
        rows.add(
            video.path,
            video.labels,
            file=video.file,
            line=video.line,
            splits=tuple(video.splits),
            group=group_of(video.path),
            num_frames=video.num_frames,
        )


# writing


@dataclass(frozen=True, kw_only=True, slots=True)
class _Style:
    """How one of the projects names and writes its lists."""

    format: str
    of_split: str
    of_fold: str
    rest: str
    """The list of what is in no split."""
    frames: bool = False
    """Whether the number of frames is told."""


_GLUONCV = _Style(
    format="gluoncv-list",
    of_split="{}.txt",
    of_fold="{}_split_{}.txt",
    rest="list.txt",
    frames=True,
)
_MMACTION2 = _Style(
    format="mmaction2-list",
    of_split="{}_list_videos.txt",
    of_fold="{}_split_{}_videos.txt",
    rest="list_videos.txt",
)
_RAWFRAMES = _Style(
    format="mmaction2-rawframes",
    of_split="{}_list_rawframes.txt",
    of_fold="{}_split_{}_rawframes.txt",
    rest="list_rawframes.txt",
    frames=True,
)
_PYSLOWFAST = _Style(
    format="pyslowfast-list", of_split="{}.csv", of_fold="{}_split_{}.csv", rest="list.csv"
)


def _annotate_gluoncv(dataset: VideoDataset, folder: Path) -> None:
    _write(dataset, folder, _GLUONCV)


def _annotate_mmaction2(dataset: VideoDataset, folder: Path) -> None:
    _write(dataset, folder, _MMACTION2)


def _annotate_rawframes(dataset: VideoDataset, folder: Path) -> None:
    _write(dataset, folder, _RAWFRAMES)


def _annotate_pyslowfast(dataset: VideoDataset, folder: Path) -> None:
    _write(dataset, folder, _PYSLOWFAST)


def _write(dataset: VideoDataset, folder: Path, style: _Style) -> None:
    lines = _written(dataset, folder, style)
    files: dict[str, list[str]] = {}
    for fold in range(1, dataset.folds + 1):
        template = style.of_split if dataset.folds == 1 else style.of_fold
        for line, split in zip(lines, dataset.split_column(fold), strict=True):
            if split is not None:
                files.setdefault(template.format(split, fold), []).append(line)
    folds = [dataset.split_column(fold) for fold in range(1, dataset.folds + 1)]
    rest = [line for line, *splits in zip(lines, *folds, strict=True) if not any(splits)]
    if rest:
        files[style.rest] = rest
    for name, own in files.items():
        (folder / name).write_text("".join(own), encoding="utf-8")
    write_labels(folder, dataset.labels)


def _written(dataset: VideoDataset, folder: Path, style: _Style) -> list[str]:
    """Return the line of each sample.

    Raises:
        BadDataset: A path has a blank, which these projects take for the end of the path.
    """
    paths = dataset.paths_from(folder)
    for path in paths:
        if len(path.split()) != 1:
            raise BadDataset(
                f"the path {path!r} has a blank, where {style.format} ends a path; link or copy "
                "the videos to names without: --link or --copy"
            )
    frames = frame_counts(dataset) if style.frames else [None] * len(dataset)
    return [
        " ".join(map(str, (path, *(() if count is None else (count,)), *indices))) + "\n"
        for path, count, indices in zip(paths, frames, dataset.class_indices(), strict=True)
    ]


def _places(dataset: VideoDataset) -> Sequence[str]:
    """Say where the frames of each video belong; no name has a blank."""
    names = unique_names([_without_blanks(path) for path in dataset.paths()])
    return [
        f"rawframes/{_word(dataset.labels[indices[0]])}/{name}"
        for name, indices in zip(names, dataset.class_indices(), strict=True)
    ]


def _without_blanks(path: str) -> PurePosixPath:
    own = PurePosixPath(path)
    name = own.stem if is_video_name(own.name) else own.name
    return PurePosixPath(*map(_word, own.parts[-2:-1]), _word(name))


def _word(name: str) -> str:
    return re.sub(r"\s", "_", safe_name(name))


FORMATS = (
    Format(
        name="lists",
        title="plain lists without a header: a path and numbers a line",
        needs=_NEEDS,
        recognise=_recognise,
        read=_read,
        annotate=_annotate_mmaction2,
        media="files",
        holds=Holds(splits=_SPLITS, folds=None, several_labels=True, no_label=("test",)),
    ),
    Format(
        name="gluoncv-list",
        title="lists of GluonCV: PATH FRAMES LABEL",
        needs=_NEEDS,
        recognise=_recognise,
        read=_read,
        annotate=_annotate_gluoncv,
        holds=Holds(splits=_SPLITS, folds=None),
        variant_of="lists",
    ),
    Format(
        name="mmaction2-list",
        title="lists of mmaction2: PATH LABEL, or several labels",
        needs=_NEEDS,
        recognise=_recognise,
        read=_read,
        annotate=_annotate_mmaction2,
        media="files",
        holds=Holds(splits=_SPLITS, folds=None, several_labels=True, no_label=("test",)),
        variant_of="lists",
    ),
    Format(
        name="mmaction2-rawframes",
        title="lists of mmaction2 for folders of frames: FOLDER FRAMES LABEL",
        needs=_NEEDS,
        recognise=_recognise,
        read=_read,
        places=_places,
        annotate=_annotate_rawframes,
        media="pictures",
        pictures="img_{:05d}.jpg",
        holds=Holds(splits=_SPLITS, folds=None),
        variant_of="lists",
    ),
    Format(
        name="pyslowfast-list",
        title="lists of PySlowFast: PATH LABEL as csv",
        needs=_NEEDS,
        recognise=_recognise,
        read=_read,
        annotate=_annotate_pyslowfast,
        media="files",
        holds=Holds(splits=_SPLITS, folds=None, no_label=("test",)),
        variant_of="lists",
    ),
)
