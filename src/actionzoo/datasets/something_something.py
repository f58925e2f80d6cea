"""Something-Something V2: numbered videos, and lists of them as JSON.

20BN's release has ``20bn-something-something-v2/<id>.webm`` and, each with
``something-something-v2-`` before its name, ``train.json`` and ``validation.json`` (lists of
``{"id", "label", "template", "placeholders"}``), ``test.json`` (a list of ``{"id"}``) and
``labels.json`` (``{template without brackets: "index"}``). Qualcomm's has them without the prefix
in ``labels``, and ``test-answers.csv`` with ``<id>;<label>`` a line.

The class of a video is its template without the brackets. What was put in their place is not kept:
in the lists that are written the label is the class, and there are no placeholders.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from actionzoo.datasets.dataset import VideoDataset
from actionzoo.datasets.format import Format, Holds, Place, is_video_name
from actionzoo.datasets.rows import Rows
from actionzoo.datasets.text import read_json
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

_VIDEOS = "20bn-something-something-v2"
_SUFFIX = ".webm"
_PREFIX = "something-something-v2-"
_NAME = re.compile(
    r"(?P<prefix>something-something-v2-)?"
    r"(?P<word>(train|val|validation|test|labels)(?=\.json)|test-answers(?=\.csv))\.(json|csv)",
    re.IGNORECASE,
)
_OPENED = re.compile(r"\s*\[\s*(\]?)\s*", re.ASCII)
_NEXT = re.compile(r"\s*([,\]])\s*", re.ASCII)
# The first entry of a list: with a template, or of a test video, which has an id and nothing else.
_ENTRY = re.compile(r'\s*\[\s*\{(?=[^{}]*"id"\s*:)([^{}]*"template"\s*:|\s*"id"\s*:[^,{}]*\})')


def _recognise(place: Place) -> bool:
    return find_lists(place, _NAME, _fits) is not None


def _fits(place: Place, name: str) -> bool:
    return name.lower().endswith(".json") and _ENTRY.match(place.head(name)) is not None


def _read(place: Place, rows: Rows) -> VideoDataset:
    lists = find_lists(place, _NAME, _fits)
    if lists is None:
        raise BadDataset(
            f"{str(place.path)!r} holds no lists of Something-Something V2; there have to be "
            f"{_NEEDS}"
        )
    note_lists(lists, rows)
    return rows.finish(_read_rows(lists, place, rows))


def _read_rows(lists: Lists, place: Place, rows: Rows) -> tuple[str, ...] | None:
    """Read the lists into rows and return the labels, if they are known."""
    of_split = {
        split: _read_list(path, rows, labelled=split != "test") for split, path in lists.paths()
    }
    answers = lists.path("test-answers")
    if answers is not None:
        told = read_pairs(answers, rows, labelled=True)
        of_split["test"] = with_answers(of_split.get("test"), told, rows)
    own = {_without_brackets(one) for listed in of_split.values() for one in listed.own_labels()}
    file = lists.path("labels")
    order = None if file is None else _read_labels(file, rows)
    labels = decide_labels(own, order, "something-something-v2", rows)
    known = frozenset(labels or ())
    add_videos(
        of_split,
        Videos(place, rows, (_VIDEOS, "videos"), _SUFFIX),
        rows,
        labels=labels,
        name_of=lambda told: told if told in known else _without_brackets(told),
    )
    return labels


def _without_brackets(template: str) -> str:
    """Return the class that a template stands for.

    >>> _without_brackets("Moving [part] of [something]")
    'Moving part of something'
    """
    return template.replace("[", "").replace("]", "")


def _read_list(path: Path, rows: Rows, *, labelled: bool) -> Listed:
    """Read the list of a split; an entry that cannot be used becomes a problem."""
    name, listed = rows.name(path), Listed()
    for number, (line, entry) in enumerate(_entries(path, rows), 1):
        try:
            id, template = _id_and_template(entry, labelled=labelled)
        except ValueError as error:
            rows.problem(name, f"entry {number}{error}", line)
        else:
            listed.add(id, template, name, line)
    return listed


def _id_and_template(entry: Any, *, labelled: bool) -> tuple[str, str | None]:
    """Check an entry; a ValueError says what is wrong with it."""
    if not isinstance(entry, dict):
        raise ValueError(' is no object such as {"id": "1", "template": "Holding [something]"}')
    id = entry.get("id")
    if isinstance(id, int) and not isinstance(id, bool):
        id = str(id)
    if not isinstance(id, str):
        raise ValueError(' has no "id"' if id is None else f" has the id {id!r}, which is no text")
    if not is_safe(id):
        raise ValueError(f": {unsafe_sentence(id)}")
    template = entry.get("template") or None
    if template is None and labelled:
        raise ValueError(f", video {id!r}, has no template")
    if template is not None and not _is_text(template):
        raise ValueError(f", video {id!r}, has the template {template!r}, which is no text")
    return id, template


def _is_text(value: object) -> bool:
    # JSON can name half a letter, which no file can hold.
    return isinstance(value, str) and (value.isascii() or not re.search("[\ud800-\udfff]", value))


def _entries(path: Path, rows: Rows) -> Iterator[tuple[int, Any]]:
    """Read the entries of a JSON list one after another, each with the line it begins in.

    Where the text is no JSON any more, reading ends with a problem of ``rows``.

    Raises:
        BadDataset: The file cannot be read.
    """
    rows.sources.append(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise BadDataset(f"cannot read {str(path)!r}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadDataset(f"{str(path)!r} is not UTF-8; save it as UTF-8") from error
    try:
        yield from _entries_of(text)
    except json.JSONDecodeError as error:
        message = f"it is no JSON list from here on: {error.msg}"
        rows.problem(rows.name(path), message, error.lineno)
    except (ValueError, RecursionError) as error:
        rows.problem(rows.name(path), f"an entry cannot be read: {error}")


def _entries_of(text: str) -> Iterator[tuple[int, Any]]:
    """Yield the entries of a list with their lines.

    One entry is decoded at a time, so that only one is in memory and its place is known.

    Raises:
        ValueError: The text is no JSON list, or holds a number of thousands of digits.
        RecursionError: It is nested too deeply.
    """
    decode = json.JSONDecoder().raw_decode
    line, counted, end = 1, 0, 0
    match = _OPENED.match(text)
    while match is not None and match[1] != "]":
        place = match.end()
        entry, end = decode(text, place)
        line += text.count("\n", counted, place)
        counted = place
        yield line, entry
        match = _NEXT.match(text, end)
    if match is None:
        raise json.JSONDecodeError("Expecting ',' or ']'" if end else "Expecting '['", text, end)
    if match.end() != len(text):
        raise json.JSONDecodeError("Extra data", text, match.end())


def _read_labels(path: Path, rows: Rows) -> list[str]:
    """Read the classes in the order of their indices, which count from 0 or 1 without a gap."""
    name, value = rows.name(path), read_json(path, rows)
    if not isinstance(value, dict):
        rows.problem(name, 'it is no object such as {"Holding something": "0"}')
        return []
    found: dict[int, str] = {}
    for label, told in value.items():
        index = _index(told)
        if index is None or not _is_text(label):
            rows.problem(name, f"the index of {label!r} is {told!r}; give a whole number")
        elif index in found:
            rows.problem(name, f"{label!r} and {found[index]!r} have one index, {index}")
        else:
            found[index] = label
    indices = sorted(found)
    first = min(indices, default=0)
    gap = next((due for due, index in enumerate(indices, min(first, 1)) if index != due), None)
    if gap is not None:
        rows.problem(name, f"no label has the index {gap}")
    return [found[index] for index in indices]


def _index(told: object) -> int | None:
    text = str(told) if isinstance(told, str | int) and not isinstance(told, bool) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _places(dataset: VideoDataset) -> Sequence[str]:
    paths = dataset.paths()
    suffixes = [os.path.splitext(one)[1] if is_video_name(one) else _SUFFIX for one in paths]
    return [f"{_VIDEOS}/{id}{suffix}" for id, suffix in zip(numbered(paths), suffixes, strict=True)]


def _annotate(dataset: VideoDataset, folder: Path) -> None:
    """Write 20BN's lists; a test video that has a label has it in the list, too."""
    _write_lists(dataset, folder, _PREFIX, told=("train", "val", "test"))


def _annotate_labels_folder(dataset: VideoDataset, folder: Path) -> None:
    """Write Qualcomm's lists; the labels of test videos are in a file of their own."""
    folder = folder / "labels"
    folder.mkdir(exist_ok=True)
    _write_lists(dataset, folder, "", told=("train", "val"))
    ids, labels = numbered(dataset.paths()), label_column(dataset)
    tests = in_splits(dataset).get("test", [])
    answers = [(ids[one], labels[one]) for one in tests if labels[one]]
    if answers:
        write_csv(folder / "test-answers.csv", answers, ";")


def _write_lists(dataset: VideoDataset, folder: Path, prefix: str, *, told: Sequence[str]) -> None:
    """Write the labels and the list of each split, with labels in the splits that tell them."""
    check_labels(dataset.labels)
    indices = {name: str(index) for index, name in enumerate(dataset.labels)}
    text = json.dumps(indices, ensure_ascii=False, indent=0)
    (folder / f"{prefix}labels.json").write_text(f"{text}\n", encoding="utf-8", newline="\n")
    ids, labels = numbered(dataset.paths()), label_column(dataset)
    for split, places in in_splits(dataset).items():
        entries = [_entry(ids[one], labels[one] if split in told else "") for one in places]
        lines = ",\n".join(json.dumps(one, ensure_ascii=False) for one in entries)
        file = folder / f"{prefix}{WORD_OF_SPLIT[split]}.json"
        file.write_text(f"[\n{lines}\n]\n", encoding="utf-8", newline="\n")


def _entry(id: str, label: str) -> dict[str, Any]:
    if not label:
        return {"id": id}
    return {"id": id, "label": label, "template": label, "placeholders": []}


_NEEDS = (
    "something-something-v2-train.json, or labels/train.json, with a list of objects that have an "
    '"id" and a "template"'
)
_HOLDS = Holds(splits=("train", "val", "test"), every_split=True, no_label=("test",))

FORMATS = (
    Format(
        name="something-something-v2",
        title="Something-Something V2 as 20BN published it",
        needs=_NEEDS,
        recognise=_recognise,
        read=_read,
        places=_places,
        annotate=_annotate,
        media="files",
        suffix=_SUFFIX,
        holds=_HOLDS,
    ),
    Format(
        name="something-something-v2-qualcomm",
        title="Something-Something V2 as Qualcomm hands it out: the lists in labels",
        needs=_NEEDS,
        recognise=_recognise,
        read=_read,
        places=_places,
        annotate=_annotate_labels_folder,
        media="files",
        suffix=_SUFFIX,
        holds=_HOLDS,
        variant_of="something-something-v2",
    ),
)
