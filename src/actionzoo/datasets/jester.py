"""Jester: a numbered folder of pictures a video, and lists of numbers and labels.

Three ways of writing the lists are in use, and all are read:

- 20BN's own: ``jester-v1-train.csv`` and ``jester-v1-validation.csv`` with ``<id>;<label>`` a line,
  ``jester-v1-test.csv`` with ``<id>`` a line, ``jester-v1-labels.csv`` with a label a line, and
  the videos in ``20bn-jester-v1/<id>/00001.jpg``;
- the same as Qualcomm hands them out: the names without ``jester-v1-``, in a folder ``labels``,
  with ``test-answers.csv``, which tells the labels of the test videos;
- tables with the header ``video_id,label,frames,label_id,shape,format`` in ``Train.csv``,
  ``Validation.csv`` and ``Test.csv``, with the videos in a folder a split.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

from actionzoo.datasets.dataset import VideoDataset
from actionzoo.datasets.format import Format, Holds, Place
from actionzoo.datasets.rows import Rows
from actionzoo.datasets.text import read_fields, read_lines, split_fields
from actionzoo.datasets.twentybn import (
    WORD_OF_SPLIT,
    Listed,
    Lists,
    Videos,
    add_videos,
    check_labels,
    decide_labels,
    find_lists,
    in_splits,
    is_safe,
    label_column,
    note_lists,
    numbered,
    read_pairs,
    unsafe_sentence,
    with_answers,
    write_csv,
)
from actionzoo.errors import BadDataset

FPS = Fraction(12)
"""Of the pictures, as the dataset's page tells."""


_VIDEOS = ("20bn-jester-v1", "videos", "rawframes")
_PREFIX = "jester-v1-"
_NAME = re.compile(
    r"(?P<prefix>jester-v1-)?(?P<word>train|val|validation|test|labels|test-answers)\.csv",
    re.IGNORECASE,
)


def _recognise(place: Place) -> bool:
    return find_lists(place, _NAME, _fits) is not None


def _fits(place: Place, name: str) -> bool:
    """Tell whether a file is a table with the header, or has a line with an id and a label."""
    if not name.lower().endswith(".csv"):
        return False
    line = place.first_line(name)
    if _columns(_header(line)) is not None:
        return not {"frames", "label_id"}.isdisjoint(_header(line))
    id, _, label = line.partition(";")
    words = label.strip(" -.0123456789")
    return is_safe(id) and words != "" and not set(".,") & set(id) and ";" not in label


def _header(line: str) -> list[str]:
    try:
        return [one.lower() for one in split_fields(line, _delimiter(line))]
    except csv.Error:
        return []


def _delimiter(line: str) -> str:
    return max(",;", key=line.count)


def _columns(header: Sequence[str]) -> dict[str, int] | None:
    """Return the places of the columns that are read; None where it is no header."""
    id = next((one for one in ("video_id", "id") if one in header), None)
    if id is None or "label" not in header:
        return None
    others = [one for one in ("label", "frames", "label_id") if one in header]
    return {"id": header.index(id), **{one: header.index(one) for one in others}}


def _read(place: Place, rows: Rows) -> VideoDataset:
    lists = find_lists(place, _NAME, _fits)
    if lists is None:
        raise BadDataset(f"{str(place.path)!r} holds no lists of Jester; there have to be {_NEEDS}")
    note_lists(lists, rows)
    return rows.finish(_read_rows(lists, place, rows), fps=FPS)


def _read_rows(lists: Lists, place: Place, rows: Rows) -> tuple[str, ...] | None:
    """Read the lists into rows and return the labels, if they are known."""
    numbers = _LabelNumbers()
    of_split = {split: _read_list(path, split, numbers, rows) for split, path in lists.paths()}
    answers = lists.path("test-answers")
    if answers is not None:
        told = read_pairs(answers, rows, labelled=True)
        of_split["test"] = with_answers(of_split.get("test"), told, rows)
    own = {label for listed in of_split.values() for label in listed.own_labels()}
    file = lists.path("labels")
    order = numbers.in_order(rows) if file is None else _label_lines(file, rows)
    labels = decide_labels(own, order, "jester", rows)
    add_videos(of_split, Videos(place, rows, _VIDEOS), rows, labels=labels)
    return labels


def _label_lines(path: Path, rows: Rows) -> list[str]:
    """Read the list of labels, one a line; one that occurs twice is a problem."""
    found: dict[str, int] = {}
    for line, text in read_lines(path, rows):
        first = found.setdefault(text.strip(), line)
        if first != line:
            message = f"the label {text.strip()!r} stands in line {first} already"
            rows.problem(rows.name(path), message, line)
    return list(found)


def _read_list(path: Path, split: str, numbers: _LabelNumbers, rows: Rows) -> Listed:
    first = Place(path).first_line(path.name)
    if _columns(_header(first)) is None:
        return read_pairs(path, rows, labelled=split != "test")
    return _read_table(path, split, numbers, rows)


class _LabelNumbers:
    """What the column ``label_id`` tells: a number a label."""

    def __init__(self) -> None:
        self._number_of: dict[str, int | None] = {}
        self._label_of: dict[int, str] = {}

    def contradiction(self, label: str, number: int | None) -> str | None:
        """Take note of a label and its number; say so where another row says otherwise."""
        if number is None:
            self._number_of.setdefault(label, None)
            return None
        earlier, other = self._number_of.get(label), self._label_of.get(number)
        if earlier is not None and earlier != number:
            return f"the label_id of {label!r} is {number} here and {earlier} before"
        if other is not None and other != label:
            return f"the label_id {number} is {label!r} here and {other!r} before"
        self._number_of[label], self._label_of[number] = number, label
        return None

    def in_order(self, rows: Rows) -> list[str] | None:
        """Return the labels in the order of their numbers, or None where one has none."""
        if not self._label_of or None in self._number_of.values():
            return None
        numbers = sorted(self._label_of)
        if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
            rows.notes.append("label_id leaves out numbers; class indices have no such gaps")
        return [self._label_of[number] for number in numbers]


def _read_table(path: Path, split: str, numbers: _LabelNumbers, rows: Rows) -> Listed:
    """Read a table with a header."""
    name, listed = rows.name(path), Listed()
    delimiter = _delimiter(Place(path).first_line(path.name))
    lines = read_fields(path, rows, delimiter=delimiter)
    _, header = next(lines)
    columns = _columns([one.lower() for one in header])
    assert columns is not None
    for line, fields in lines:
        try:
            if len(fields) != len(header):
                raise ValueError(f"{len(fields)} fields, but the header has {len(header)}")
            id, label, num_frames = _cells(fields, columns, split, numbers)
        except ValueError as error:
            rows.problem(name, str(error), line)
        else:
            listed.add(id, label, name, line, num_frames)
    return listed


def _cells(
    fields: Sequence[str], columns: Mapping[str, int], split: str, numbers: _LabelNumbers
) -> tuple[str, str | None, int | None]:
    """Return the id, label and frames that a row tells; a ValueError says what is wrong with it."""
    id, label = fields[columns["id"]], fields[columns["label"]]
    if not is_safe(id):
        raise ValueError(unsafe_sentence(id))
    if not label and split != "test":
        raise ValueError("the label is empty")
    if label:
        number = _whole(fields[columns["label_id"]]) if "label_id" in columns else None
        contradiction = numbers.contradiction(label, number)
        if contradiction is not None:
            raise ValueError(contradiction)
    return id, label or None, _whole(fields[columns["frames"]]) if "frames" in columns else None


def _whole(text: str) -> int | None:
    """Read a whole number; pandas writes 7 as 7.0 in a column with gaps."""
    digits = text.removesuffix(".0")
    if digits.isascii() and digits.isdigit():
        return int(digits)
    if text:
        raise ValueError(f"{text!r} is no whole number")
    return None


def _places(dataset: VideoDataset) -> Sequence[str]:
    return [f"{_VIDEOS[0]}/{id}" for id in numbered(dataset.paths())]


def _annotate(dataset: VideoDataset, folder: Path) -> None:
    """Write 20BN's lists; a test video that has a label has it in the list, too."""
    _write_labels(folder / f"{_PREFIX}labels.csv", dataset.labels)
    ids, labels = numbered(dataset.paths()), label_column(dataset)
    for split, places in in_splits(dataset).items():
        rows = [[ids[one], labels[one]] if labels[one] else [ids[one]] for one in places]
        write_csv(folder / f"{_PREFIX}{WORD_OF_SPLIT[split]}.csv", rows, ";")


def _table_places(dataset: VideoDataset) -> Sequence[str]:
    splits = [WORD_OF_SPLIT[one or "train"].capitalize() for one in dataset.split_column()]
    return [f"{split}/{id}" for split, id in zip(splits, numbered(dataset.paths()), strict=True)]


def _annotate_tables(dataset: VideoDataset, folder: Path) -> None:
    """Write tables with a header; the shape and format of the pictures are not known here."""
    _write_labels(folder / "labels.csv", dataset.labels)
    ids, labels = numbered(dataset.paths()), label_column(dataset)
    numbers = {name: str(index) for index, name in enumerate(dataset.labels)}
    for split, places in in_splits(dataset).items():
        rows = [["video_id", "label", "frames", "label_id"]]
        for one in places:
            frames = str(dataset[one].num_frames or "")
            rows.append([ids[one], labels[one], frames, numbers.get(labels[one], "")])
        write_csv(folder / f"{WORD_OF_SPLIT[split].capitalize()}.csv", rows, ",")


def _write_labels(path: Path, labels: Sequence[str]) -> None:
    check_labels(labels)
    path.write_text("".join(f"{name}\n" for name in labels), encoding="utf-8", newline="\n")


_NEEDS = (
    "jester-v1-train.csv with <id>;<label> a line, or Train.csv with the header "
    "video_id,label,frames,label_id, and a folder of pictures a video"
)
_HOLDS = Holds(splits=("train", "val", "test"), every_split=True, rates=True, no_label=("test",))

FORMATS = (
    Format(
        name="jester",
        title="Jester as 20BN published it: folders of pictures in 20bn-jester-v1",
        needs=_NEEDS,
        recognise=_recognise,
        read=_read,
        places=_places,
        annotate=_annotate,
        media="pictures",
        holds=_HOLDS,
    ),
    Format(
        name="jester-qualcomm",
        title="Jester as tables with a header, with a folder of videos a split",
        needs=_NEEDS,
        recognise=_recognise,
        read=_read,
        places=_table_places,
        annotate=_annotate_tables,
        media="pictures",
        holds=_HOLDS,
        variant_of="jester",
    ),
)
