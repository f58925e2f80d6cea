"""Kinetics 400, 600 and 700: the official csv and json lists, and the videos wherever they lie.

A list names a video by its YouTube id and the seconds that were cut out of it. DeepMind's csv has
the header ``label,youtube_id,time_start,time_end,split``, the one of the test set no label; its
json is ``{id: {"annotations": {"label": .., "segment": [10.0, 20.0]}, "subset": "train", ..}}``;
another, of the Open Model Zoo among others, is
``{"labels": [..], "database": {id: {"subset": "validation", "annotations": {"label": ..}}}}``.

A video is found by its name in any folder down to the third below: ``<id>_000010_000020.mp4`` and
``<id>_000010.mp4`` are the clip itself, ``<id>.mp4`` is the whole video, of which the times tell
the clip.
"""

from __future__ import annotations

import csv
import json
import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from actionzoo.datasets.class_folders import unique_names
from actionzoo.datasets.dataset import Sample, VideoDataset
from actionzoo.datasets.format import Format, Holds, Place
from actionzoo.datasets.label_lists import find_labels, official_label, write_labels
from actionzoo.datasets.measure import durations_seconds
from actionzoo.datasets.names import SPLIT_OF_WORD, safe_name, split_of
from actionzoo.datasets.rows import Rows
from actionzoo.datasets.text import read_fields, read_json, split_fields
from actionzoo.errors import BadDataset
from actionzoo.labels import load_labels
from actionzoo.sources import VIDEO_SUFFIXES

COLUMNS = ("label", "youtube_id", "time_start", "time_end", "split")
_OFFICIAL = ("kinetics400", "kinetics600", "kinetics700")
_ANNOTATIONS = "annotations"
_DEPTH = 4
"""The folder of the videos and three below it: ``compress/train_256/abseiling``."""
_CLIP = re.compile(r"(.+)_(\d{6})_(\d{6})", re.DOTALL)
_SPLITS = ("train", "val", "test")
_SUFFIXES = frozenset(suffix[1:] for suffix in VIDEO_SUFFIXES)


# where lists are

# An entry of DeepMind's json, and the beginning of the other one.
_ENTRY = re.compile(r'\s*\{\s*"[^"]+"\s*:\s*\{')
_DATABASE = re.compile(r'\s*\{\s*"(labels"\s*:\s*\[|database"\s*:\s*\{)')
_LABELLED = re.compile(r'"annotations"\s*:\s*\{')


def _recognise(place: Place) -> bool:
    return bool(_lists(place))


def _lists(place: Place) -> list[tuple[Place, str]]:
    """Name the lists in a folder, or else in its folder ``annotations``."""
    inside = [place.inside(name) for name in place.folders if name.lower() == _ANNOTATIONS]
    for one in (place, *inside):
        tables = [name for name in one.files_with(".csv") if _is_header(one.first_line(name))]
        trees = [name for name in one.files_with(".json") if _is_json(one.head(name))]
        if tables or trees:
            return [(one, name) for name in (*tables, *trees)]
    return []


def _is_header(line: str) -> bool:
    header = _header(line)
    return "youtube_id" in header and ("label" in header or "time_start" in header)


def _header(line: str) -> list[str]:
    try:
        return [one.lower() for one in split_fields(line)]
    except csv.Error:
        return []


def _is_json(head: str) -> bool:
    labelled = _LABELLED.search(head) is not None
    if _DATABASE.match(head):
        # 400 labels are longer than the head of a file, so what follows may not be seen.
        return labelled or '"database"' not in head
    return _ENTRY.match(head) is not None and (labelled or ('"subset"' in head and '"url"' in head))


def _without_copies(lists: Sequence[tuple[Place, str]], rows: Rows) -> Iterator[tuple[Place, str]]:
    """Leave out a json of which a csv tells the same, as far as their names say."""
    tables = {split_of(name): name for _, name in lists if name.lower().endswith(".csv")}
    for place, name in lists:
        own = tables.get(split_of(name)) or tables.get(None)
        # A list of all splits is told by the tables of each.
        same = own or (next(iter(tables.values()), None) if split_of(name) is None else None)
        if same and name.lower().endswith(".json"):
            rows.notes.append(f"{name} was not read: {same} tells the same")
        else:
            yield place, name


# from the lists to rows


class _Span(NamedTuple):
    """The part of a video that is the clip."""

    seconds: tuple[float, float] | None
    """Start and end; None: the whole file."""
    ending: str
    """How the name of the clip goes on behind the id."""


_WHOLE = _Span(None, "")


def _span(start: str, end: str) -> _Span:
    """Read the times of a row.

    Raises:
        ValueError: They are no times; the message is a sentence.
    """
    if not start and not end:
        return _WHOLE
    first, last = _seconds(start, "start"), _seconds(end, "end")
    if last <= first:
        raise ValueError(f"the end, {end} s, is not after the start, {start} s")
    return _Span((first, last), f"_{int(first):06d}_{int(last):06d}")


def _seconds(text: str, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"the {what} {text!r} is no number of seconds") from None
    if not 0 <= value < math.inf:
        raise ValueError(f"the {what} is {text} s; give a number from 0")
    return value


class _Listed:
    """The rows of all lists, in columns; what cannot be used becomes a problem of ``rows``."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.ids: list[str] = []
        self.labels: list[str] = []
        self.spans: list[_Span] = []
        self.splits: list[tuple[str | None]] = []
        self.files: list[str] = []
        self.lines: list[int | None] = []
        self.names: tuple[str, ...] | None = None
        """Class names in index order, where a list tells them."""
        # There are few different times and splits, and each is looked at once.
        self._spans: dict[tuple[str, str], _Span] = {}
        self._split_of: dict[str, tuple[str | None]] = {
            word: (split,) for word, split in SPLIT_OF_WORD.items()
        }

    def start(self, file: str) -> None:
        """Say which list the following rows are of: its name tells the split if they do not."""
        self._split_of[""] = (split_of(PurePosixPath(file).name),)

    def add(
        self,
        id: str,
        label: str,
        start: str,
        end: str,
        split: str,
        file: str,
        line: int | None,
    ) -> None:
        """Add a row as its fields are written; a line is counted from 1."""
        span = self._spans.get((start, end))
        splits = self._split_of.get(split) or self._split_of.get(split.lower())
        named = id != "" and "/" not in id
        if span is not None and splits is not None and named and (label or splits == ("test",)):
            self.ids.append(id)
            self.labels.append(label)
            self.spans.append(span)
            self.splits.append(splits)
            self.files.append(file)
            self.lines.append(line)
        elif not named:
            self._problem(id, f"the youtube_id is {id!r}, which names no video", file, line)
        elif splits is None:
            allowed = "train, val (validate, validation) or test"
            self._problem(id, f"the split {split!r} is unknown; give {allowed}", file, line)
        elif span is not None:
            message = "the label is empty, which only a row of the test set may be"
            self._problem(id, message, file, line)
        else:
            # These times did not occur yet.
            try:
                self._spans[start, end] = _span(start, end)
            except ValueError as error:
                self._problem(id, str(error), file, line)
            else:
                self.add(id, label, start, end, split, file, line)

    def _problem(self, id: str, message: str, file: str, line: int | None) -> None:
        self._rows.problem(file, message if line is not None else f"{id!r}: {message}", line)


def _read_csv(path: Path, listed: _Listed, rows: Rows) -> None:
    file = rows.name(path)
    lines = read_fields(path, rows)
    number, header = next(lines, (1, []))
    places = _columns(header, file, number, rows)
    if places is None:
        return
    listed.start(file)
    add, width = listed.add, len(header)
    label, id, start, end, split = places
    for line, fields in lines:
        if len(fields) != width:
            # More fields than columns: mostly a label with a comma and no quotes.
            hint = "; quote a label with a comma" if len(fields) > width else ""
            rows.problem(file, f"{len(fields)} fields, but the header has {width}{hint}", line)
        else:
            fields.append("")  # for the columns that are not there
            add(fields[id], fields[label], fields[start], fields[end], fields[split], file, line)


def _columns(header: Sequence[str], file: str, line: int, rows: Rows) -> tuple[int, ...] | None:
    """Return the places of ``COLUMNS``, that behind the last for one that may be absent."""
    names = [name.lower() for name in header]
    needed = ["youtube_id"]
    if split_of(PurePosixPath(file).name) != "test" and "split" not in names:
        needed.append("label")
    if "time_start" in names or "time_end" in names:
        needed += ["time_start", "time_end"]
    missing = [name for name in needed if name not in names]
    if missing:
        rows.problem(file, f"the header has no column {' and no column '.join(missing)}", line)
        return None
    return tuple(names.index(name) if name in names else len(names) for name in COLUMNS)


def _read_tree(path: Path, listed: _Listed, rows: Rows) -> None:
    """Read a json of either form."""
    file = rows.name(path)
    tree = read_json(path, rows)
    listed.start(file)
    if isinstance(tree, dict) and isinstance(tree.get("database"), dict):
        names = tree.get("labels")
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            listed.names = tuple(dict.fromkeys((*(listed.names or ()), *names)))
        tree = tree["database"]
    if not isinstance(tree, dict):
        raise BadDataset(f"{str(path)!r} is no list of Kinetics: it holds no entry a video")
    for id, entry in tree.items():
        try:
            fields = _entry_fields(id, entry)
        except ValueError as error:
            rows.problem(file, f"{id!r}: {error}")
        else:
            listed.add(*fields, file, None)


def _entry_fields(id: str, entry: Any) -> tuple[str, str, str, str, str]:
    """Return what a row of a csv would say: id, label, start, end, split.

    Raises:
        ValueError: The entry is another; the message is a sentence.
    """
    told = entry.get("annotations", {}) if isinstance(entry, dict) else None
    if not isinstance(told, dict):
        raise ValueError('its entry is not {"annotations": {"label": ...}, "subset": ...}')
    segment = told.get("segment")
    clip = _CLIP.fullmatch(id)
    if segment is None and clip is not None:
        # Lists made for folders of frames are keyed by the name of the clip.
        id, segment = clip[1], [int(clip[2]), int(clip[3])]
    if segment is not None and (not isinstance(segment, list) or len(segment) != 2):
        raise ValueError(f"its segment is {segment!r}; give [start, end] in seconds")
    start, end = ("", "") if segment is None else (str(segment[0]), str(segment[1]))
    label, split = told.get("label") or "", entry.get("subset") or ""
    if not isinstance(label, str) or not isinstance(split, str):
        raise ValueError("its label and its subset have to be text")
    return id, label.strip(), start, end, split


# where videos are


class _Videos:
    """The videos on disk, by their names without suffix."""

    def __init__(self, found: dict[str, str], ids: AbstractSet[str], prefix: str) -> None:
        self._found, self._ids, self._prefix = found, ids, prefix
        self._any = bool(found)
        self._folders: dict[tuple[str | None, str], str] = {}
        """Where those of a split and a label are expected."""
        self.missing = 0
        self.example = ""
        """Where the first that is missing was expected."""

    def place(
        self, id: str, span: _Span, split: str | None, label: str
    ) -> tuple[str, tuple[float, float] | None]:
        """Return path and times of a video that is not there under the usual name of its clip."""
        if self._any and (there := self._other_name(id, span)) is not None:
            return there
        self.missing += 1
        folder = self._folders.get((split, label))
        if folder is None:
            names = [split or "", safe_name(label) if label else ""]
            folder = self._prefix + "".join(f"{name}/" for name in names if name)
            self._folders[split, label] = folder
        path = f"{folder}{id}{span.ending}.mp4"
        self.example = self.example or path
        # A row that tells the same clip again is so known to be the same.
        return self._found.setdefault(id + span.ending, path), None

    def _other_name(self, id: str, span: _Span) -> tuple[str, tuple[float, float] | None] | None:
        found = self._found
        if span.seconds is None:
            path = found.get(id) or self._clip_of.get(id)
            return None if path is None else (path, None)
        start, end = map(int, span.seconds)
        for stem in (f"{id}_{start}_{end}", f"{id}_{start:06d}", f"{id}_{start}"):
            # The whole video of another id may have the same name.
            if stem in found and stem not in self._ids:
                return found[stem], None
        return (found[id], span.seconds) if id in found else None

    @cached_property
    def _clip_of(self) -> dict[str, str]:
        """The clip of each id, for rows without times; the first of several."""
        clips: dict[str, str] = {}
        for stem in sorted(self._found):
            if clip := _CLIP.fullmatch(stem):
                clips.setdefault(clip[1], self._found[stem])
        return clips


def _videos_below(folder: Path, ids: AbstractSet[str], rows: Rows) -> dict[str, str]:
    """Map the names of all videos, without suffix, to their paths from the root.

    The one nearest to the top counts. A folder named after a clip holds its frames, and is not
    looked into.
    """
    found: dict[str, str] = {}
    level = [folder]
    for _ in range(_DEPTH):
        below = []
        for one in level:
            names, folders = _entries(one, rows)
            prefix = _prefix(one, rows)
            for name in sorted(names):
                stem, _, suffix = name.rpartition(".")
                if suffix in _SUFFIXES or suffix.lower() in _SUFFIXES:
                    found.setdefault(stem, prefix + name)
            below += [
                one / name
                for name in sorted(folders)
                if name not in ids and not _CLIP.fullmatch(name)
            ]
        level = below
    return found


def _entries(folder: Path, rows: Rows) -> tuple[list[str], list[str]]:
    """Return the names of the files and of the folders in a folder, without hidden ones."""
    rows.sources.append(folder)
    names: list[str] = []
    folders: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for one in entries:
                if one.name[0] != ".":
                    (folders if one.is_dir() else names).append(one.name)
    except OSError as error:
        raise BadDataset(f"cannot read the folder {str(folder)!r}: {error.strerror}") from error
    return names, folders


def _prefix(folder: Path, rows: Rows) -> str:
    name = rows.name(folder)
    return "" if name == "." else f"{name.rstrip('/')}/"


def _read(place: Place, rows: Rows) -> VideoDataset:
    rows.sources.append(place.folder)
    listed = _Listed(rows)
    lists = _lists(place)
    for one, name in _without_copies(lists, rows):
        rows.sources.append(one.folder)
        read = _read_csv if name.lower().endswith(".csv") else _read_tree
        read(one.folder / name, listed, rows)
    names = _names(place, lists, listed, rows)
    _add_rows(_video_folder(place, rows), listed, names, rows)
    return rows.finish(names)


def _video_folder(place: Place, rows: Rows) -> Path:
    if rows.given.videos is not None:
        return rows.given.videos.absolute()
    folder = place.folder.absolute()
    return folder.parent if folder.name.lower() == _ANNOTATIONS else folder


def _names(
    place: Place, lists: Sequence[tuple[Place, str]], listed: _Listed, rows: Rows
) -> tuple[str, ...] | None:
    """Return the class names in index order; None where only the rows tell them."""
    beside = {one.folder: one for one in (place, *(one for one, _ in lists))}
    for one in beside.values():
        names = find_labels(one, rows)
        if names is not None:
            return names
    return listed.names or _official({label for label in set(listed.labels) if label})


def _official(names: AbstractSet[str]) -> tuple[str, ...] | None:
    """Return the smallest official list that has all of some names, however they are spelt."""
    for dataset in _OFFICIAL if names else ():
        labels = load_labels(dataset)
        known = set(labels)
        if all(official_label(name, labels) in known for name in names - known):
            return labels
    return None


def _add_rows(folder: Path, listed: _Listed, names: tuple[str, ...] | None, rows: Rows) -> None:
    """Add a row for each video listed, with the path where it is, or would be."""
    own = {name: (official_label(name, names),) for name in set(listed.labels) if name}
    labels: dict[str, tuple[str, ...]] = {"": (), **own}
    ids = set(listed.ids)
    found = _videos_below(folder, ids, rows)
    videos = _Videos(found, ids, _prefix(folder, rows))
    columns = (listed.ids, listed.labels, listed.spans, listed.splits, listed.files, listed.lines)
    for id, label, span, splits, file, line in zip(*columns, strict=True):
        path, seconds = found.get(id + span.ending) if span.ending else None, None
        if path is None:
            path, seconds = videos.place(id, span, splits[0], "".join(labels[label]))
        rows.add(
            path,
            labels[label],
            file=file,
            line=line,
            splits=splits,
            seconds=seconds or (None, None),
        )
    if videos.missing:
        rows.notes.append(
            f"{videos.missing:,} of {len(listed.ids):,} videos are not below {str(folder)!r}; "
            f"the first was expected as {videos.example!r}"
        )


# writing


def _places(dataset: VideoDataset) -> Sequence[str]:
    samples = list(dataset)
    clips = [row for row, one in enumerate(samples) if _times(one) is None]
    stems = dict(zip(clips, _clip_stems(dataset, clips), strict=True))
    whole = _whole_stems(dataset, [row for row in range(len(samples)) if row not in stems], stems)
    paths = dataset.paths()
    return [
        f"{sample.split}/{_class_folder(sample)}{stems[row]}{PurePosixPath(paths[row]).suffix}"
        if row in stems
        else f"videos/{whole[row]}{PurePosixPath(paths[row]).suffix}"
        for row, sample in enumerate(samples)
    ]


def _class_folder(sample: Sample) -> str:
    return f"{safe_name(sample.label)}/" if sample.label else ""


def _times(sample: Sample) -> tuple[int, int] | None:
    """Return the times of a sample in whole seconds, None where it is its whole file.

    Raises:
        BadDataset: They are no whole seconds.
    """
    start, end = sample.start_seconds, sample.end_seconds
    if start is None and end is None:
        return None
    start = start or 0.0
    if end is None or start != int(start) or end != int(end):
        raise BadDataset(
            f"{str(sample.path)!r} is read from {start} s to {'its end' if end is None else end}, "
            "but lists of Kinetics tell start and end in whole seconds; cut the clips out first: "
            "actionzoo data trim"
        )
    return int(start), int(end)


def _clip_stems(dataset: VideoDataset, rows: Sequence[int]) -> list[str]:
    """Name clips ``<id>_<start>_<end>``: as they are if they are so named, else by their length."""
    paths = dataset.paths()
    stems = _unique_stems([paths[row] for row in rows])
    others = [place for place, stem in enumerate(stems) if not _is_clip(stem)]
    durations = durations_seconds(dataset.select(rows[place] for place in others))
    for place, seconds in zip(others, durations, strict=True):
        stems[place] += f"_000000_{max(1, math.ceil(seconds)):06d}"
    return unique_names([PurePosixPath(stem) for stem in stems])


def _unique_stems(paths: Sequence[str]) -> list[str]:
    parts = [PurePosixPath(path).parts for path in paths]
    return unique_names(
        [
            PurePosixPath(*map(safe_name, one[-2:-1]), safe_name(PurePosixPath(one[-1]).stem))
            for one in parts
        ]
    )


def _is_clip(stem: str) -> bool:
    clip = _CLIP.fullmatch(stem)
    return clip is not None and int(clip[2]) < int(clip[3])


def _whole_stems(
    dataset: VideoDataset, rows: Sequence[int], clips: dict[int, str]
) -> dict[int, str]:
    """Name the files that samples are parts of, once each, so that none is taken for a clip."""
    taken = {
        "_".join(words[:count]).casefold()
        for words in (stem.rsplit("_", 2) for stem in clips.values())
        for count in (1, 2, 3)
    }
    paths = dataset.paths()
    files = list(dict.fromkeys(paths[row] for row in rows))
    stems = {
        path: f"{number:06d}_{stem}" if stem.casefold() in taken else stem
        for number, (path, stem) in enumerate(zip(files, _unique_stems(files), strict=True))
    }
    return {row: stems[paths[row]] for row in rows}


class _Written(NamedTuple):
    """A row of a list."""

    label: str
    youtube_id: str
    time_start: int
    time_end: int
    split: str


def _written(samples: Iterable[Sample], places: Sequence[str]) -> dict[str, list[_Written]]:
    """Return the rows of each split, with ids and times as the places of the videos tell them."""
    rows: dict[str, list[_Written]] = {}
    for sample, place in zip(samples, places, strict=True):
        id, times = PurePosixPath(place).stem, _times(sample)
        if times is None:
            clip = _CLIP.fullmatch(id)
            assert clip is not None, f"{place!r} is not where _places says"
            id, times = clip[1], (int(clip[2]), int(clip[3]))
        assert sample.split is not None, "Holds.every_split"
        row = _Written(sample.label or "", id, *times, sample.split)
        rows.setdefault(sample.split, []).append(row)
    return rows


def _annotate_csv(dataset: VideoDataset, folder: Path) -> None:
    for split, rows in _written(dataset, dataset.paths()).items():
        with (folder / f"{split}.csv").open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(rows)
    _write_own_labels(dataset, folder)


def _json_places(dataset: VideoDataset) -> Sequence[str]:
    places = _places(dataset)
    for split, rows in _written(dataset, places).items():
        counts = Counter(row.youtube_id for row in rows)
        for id, count in counts.most_common(1):
            if count > 1:
                raise BadDataset(
                    f"the split {split} has {count} clips of the video {id!r}, but this json tells "
                    "one a video; convert to kinetics, which is csv"
                )
    return places


def _annotate_json(dataset: VideoDataset, folder: Path) -> None:
    for split, rows in _written(dataset, dataset.paths()).items():
        entries = {row.youtube_id: _entry(row) for row in rows}
        text = json.dumps(entries, ensure_ascii=False, indent=1)
        (folder / f"kinetics_{split}.json").write_text(f"{text}\n", encoding="utf-8")
    _write_own_labels(dataset, folder)


def _entry(row: _Written) -> dict[str, Any]:
    told: dict[str, Any] = {"segment": [float(row.time_start), float(row.time_end)]}
    return {
        "annotations": {"label": row.label, **told} if row.label else told,
        "duration": float(row.time_end - row.time_start),
        "subset": row.split,
        # Datumaro recognises the format by it.
        "url": f"https://www.youtube.com/watch?v={row.youtube_id}",
    }


def _write_own_labels(dataset: VideoDataset, folder: Path) -> None:
    """Write the order of the labels, unless it is that of the official list they are of."""
    used = {name for name, count in dataset.label_counts().items() if count}
    if _official(used) != dataset.labels:
        write_labels(folder, dataset.labels)


_HOLDS = Holds(splits=_SPLITS, every_split=True, times=True, no_label=("test",))
_NEEDS = (
    "a csv whose header has youtube_id and label, or its json, there or in a folder annotations"
)

FORMATS = (
    Format(
        name="kinetics",
        title="Kinetics 400, 600 and 700: the official lists as csv or json",
        needs=_NEEDS,
        recognise=_recognise,
        read=_read,
        places=_places,
        annotate=_annotate_csv,
        media="files",
        holds=_HOLDS,
    ),
    Format(
        name="kinetics-json",
        title="the same lists as json",
        needs=_NEEDS,
        recognise=_recognise,
        read=_read,
        places=_json_places,
        annotate=_annotate_json,
        media="files",
        holds=_HOLDS,
        variant_of="kinetics",
    ),
)
