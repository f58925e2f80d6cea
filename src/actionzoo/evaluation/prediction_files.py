"""Files of predictions that something else wrote, and what they tell.

A pickle is refused, since to open one is to run its code.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from actionzoo.datasets.table import BETWEEN_LABELS, COLUMNS
from actionzoo.errors import BadDataset

FORMS = """\
.jsonl .json .csv   what actionzoo predict writes: the best labels of each video, with scores
.csv .tsv .parquet  a row a video: path and label (the answer), or path and a column a class
                    (scores that sum to 1, or logits)
.parquet            the logits that actionzoo evaluate writes
.npz .npy           scores or logits of all videos in the dataset's order; .npz may hold paths and
                    labels beside scores or logits
"""
"""What is understood, a line each."""

Kind = Literal["answers", "top_k", "scores", "logits"]

_ANSWER = ("prediction", "predicted", "predicted_label", *COLUMNS["label"])
_SCORE = ("score", "confidence")
_NO_CLASS = frozenset(("rank", "class_index", "error", "model", "target", *_ANSWER, *_SCORE)).union(
    *COLUMNS.values()
)
"""Columns that are those of no class, unless the dataset has a class of that name."""
_SUM_TOLERANCE = 0.02
"""The scores of many classes, each rounded, sum to 1 within this."""
_DELIMITERS = ",;\t"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Told:
    """What a file tells: R rows, each the answer for one video, L classes."""

    kind: Kind
    """``answers``: 1 for the class of the answer; ``top_k``: scores of the best classes; ``scores``
    and ``logits`` are those of all classes."""
    labels: tuple[str, ...]
    paths: tuple[str, ...] | None
    """None: as many rows as the dataset has videos, in its order."""
    places: tuple[str, ...]
    """Where each row stands, such as ``a.csv:7``, for messages."""
    values: np.ndarray
    """Shape (R, L) float32; NaN where the file does not tell."""
    errors: tuple[str, ...] = ()
    """Why a row has no answer, empty where it has one; shape (R,), or nothing where all have."""
    model: str = ""
    """Name of the model where the file tells one."""


@dataclass(frozen=True, slots=True)
class _Row:
    """The answer for one video, of a file that does not tell all scores."""

    path: str
    place: str
    scores: Mapping[str, float | None]
    """None: the answer, without a score."""
    error: str = ""
    model: str = ""


def read_told(path: Path, known: Sequence[str], *, several: bool) -> Told:
    """Read a file of predictions.

    Args:
        path: One of ``FORMS``, the logits of ``actionzoo evaluate`` left out.
        known: Class names of the dataset.
        several: Whether its videos have several labels, so that scores need not sum to 1.

    Raises:
        BadDataset: It cannot be read, or is none of these; the message names the line.
    """
    suffix = path.suffix.lower()
    if suffix in (".pkl", ".pickle", ".pt", ".pth"):
        raise BadDataset(_pickle_sentence(path))
    if suffix not in _READERS:
        raise BadDataset(
            f"{str(path)!r} is no file of predictions that is understood; give one of\n{FORMS}"
        )
    if not path.is_file():
        raise BadDataset(f"there is no file {str(path)!r}; give one of predictions")
    try:
        return _READERS[suffix](path, known, several)
    except (OSError, pa.ArrowException) as error:
        raise BadDataset(f"cannot read {str(path)!r}: {error}") from error
    except UnicodeDecodeError as error:
        raise BadDataset(f"{str(path)!r} is not UTF-8; save it as UTF-8") from error


def _pickle_sentence(path: Path) -> str:
    return (
        f"{str(path)!r} is a pickle, which runs the code in it when it is opened, so it is not; "
        "where you trust it write the scores in the order of the videos as an array, such as those "
        "of mmaction2: import pickle, numpy as np; np.save('scores.npy', [np.asarray("
        f"one['pred_score']) for one in pickle.load(open({path.name!r}, 'rb'))])"
    )


# JSON


def _read_json_lines(path: Path, known: Sequence[str], several: bool) -> Told:
    rows = []
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                place = f"{path.name}:{number}"
                rows.append(_json_row(_parsed(line, place), place))
    return _told_of(rows, path)


def _read_json(path: Path, known: Sequence[str], several: bool) -> Told:
    values = _parsed(path.read_text(encoding="utf-8-sig"), path.name)
    if not isinstance(values, list):
        raise BadDataset(f"{path.name}: a list of predictions is needed, as predict writes it")
    places = (f"{path.name}, item {number}" for number in range(1, len(values) + 1))
    return _told_of([_json_row(*one) for one in zip(values, places, strict=True)], path)


def _parsed(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"{place}:{error.lineno}" if error.lineno > 1 else place
        raise BadDataset(f"{where}: it is no JSON: {error.msg}; write the file again") from error
    except (ValueError, RecursionError) as error:
        raise BadDataset(f"{place}: it cannot be read as JSON: {error}") from error


def _json_row(value: Any, place: str) -> _Row:
    try:
        path, model = value["path"], value.get("model") or ""
        if not isinstance(path, str) or not isinstance(model, str):
            raise TypeError
        if "error" in value:
            error = value["error"]
            told = error["message"] if isinstance(error, dict) else error
            return _Row(path, place, {}, error=str(told) or "failed", model=model)
        if "top_k" not in value:
            return _Row(path, place, dict.fromkeys(_answers(str(value["label"]))), model=model)
        scores = {
            str(one["label"]): _number(one["score"], "score", place) for one in value["top_k"]
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise BadDataset(
            f"{place}: a prediction has a path and top_k, a list of label and score, or a label; "
            f"this is {_short(value)}"
        ) from error
    return _Row(path, place, scores, model=model)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _answers(text: str) -> list[str]:
    return [one.strip() for one in text.split(BETWEEN_LABELS) if one.strip()]


def _number(value: Any, column: str, place: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = np.nan
    if not np.isfinite(number):
        raise BadDataset(f"{place}: {value!r} in {column!r} is no number; give a finite one")
    return number


def _told_of(rows: Sequence[_Row], path: Path) -> Told:
    """Put rows into a matrix."""
    labels = tuple(dict.fromkeys(label for row in rows for label in row.scores))
    column = {label: place for place, label in enumerate(labels)}
    values = np.full((len(rows), len(labels)), np.nan, np.float32)
    answers = any(score is None for row in rows for score in row.scores.values())
    for place, row in enumerate(rows):
        _check_scores(row, answers=answers)
        for label, score in row.scores.items():
            values[place, column[label]] = 1 if score is None else score
    models = {row.model for row in rows if row.model}
    return Told(
        kind="answers" if answers else "top_k",
        labels=labels,
        paths=tuple(row.path for row in rows),
        places=tuple(row.place for row in rows),
        values=np.nan_to_num(values) if answers else values,
        errors=tuple(row.error for row in rows),
        model=models.pop() if len(models) == 1 else "",
    )


def _check_scores(row: _Row, *, answers: bool) -> None:
    if not row.scores and not row.error:
        raise BadDataset(f"{row.place}: {row.path!r} has no label; give one, or leave the row out")
    for label, score in row.scores.items():
        if (score is None) != answers:
            raise BadDataset(f"{row.place}: some rows have scores and others not; give all or none")
        if score is not None and not 0 <= score <= 1:
            raise BadDataset(
                f"{row.place}: the score of {label!r} is {score:g}; scores are from 0 to 1, and "
                "logits are read from a table with a column a class"
            )


# tables

_Rows = Iterator[tuple[int, Sequence[Any]]]


def _read_csv(path: Path, known: Sequence[str], several: bool) -> Told:
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = file.readline()
        file.seek(0)
        reader = csv.reader(file, delimiter=max(_DELIMITERS, key=first.count), strict=True)
        return _read_table(path, _csv_rows(reader, path), known, several=several)


def _csv_rows(reader: Any, path: Path) -> _Rows:
    """Yield the fields of each line, those of the header first."""
    width = 0
    try:
        for fields in reader:
            if not fields:
                continue
            width = width or len(fields)
            if len(fields) != width:
                raise BadDataset(
                    f"{path.name}:{reader.line_num}: {len(fields)} fields, but the header has "
                    f"{width}; quote a field with a delimiter"
                )
            yield reader.line_num, fields
    except csv.Error as error:
        raise BadDataset(
            f"{path.name}:{reader.line_num}: it is no line of a csv file: {error}"
        ) from error


def _read_parquet(path: Path, known: Sequence[str], several: bool) -> Told:
    table = pq.read_table(path)

    def rows() -> _Rows:
        yield 1, table.column_names
        yield from enumerate(zip(*(one.to_pylist() for one in table.columns), strict=True), 2)

    return _read_table(path, rows(), known, several=several)


def _read_table(path: Path, rows: _Rows, known: Sequence[str], *, several: bool) -> Told:
    """Read a table of answers, of the best labels or of a column a class."""
    _, header = next(rows, (0, ()))
    names = [str(name).strip() for name in header]
    lower = [name.lower() for name in names]
    path_column = _find(lower, COLUMNS["path"])
    classes = [
        place
        for place, name in enumerate(names)
        if name in known or (name.lower() not in _NO_CLASS and place != path_column)
    ]
    label = _find(lower, _ANSWER)
    if path_column is None or (label is None and not classes):
        raise BadDataset(
            f"{str(path)!r} has the columns {', '.join(names[:8]) or '(none)'}; a column path is "
            "needed, and label, or a column a class"
        )
    if label is None or any(names[place] in known for place in classes):
        return _read_wide(
            path, rows, names, classes=classes, path_column=path_column, several=several
        )
    columns = {
        "path": path_column,
        "label": label,
        "score": _find(lower, _SCORE),
        "rank": _find(lower, ("rank",)),
        "error": _find(lower, ("error",)),
        "model": _find(lower, ("model",)),
    }
    return _read_long(path, rows, columns)


def _find(header: Sequence[str], names: Collection[str]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)


def _read_long(path: Path, rows: _Rows, columns: Mapping[str, int | None]) -> Told:
    """Read a row a label: one a video, or several with scores."""
    found: list[_Row] = []
    row_of: dict[str, int] = {}
    for line, fields in rows:
        place = f"{path.name}:{line}"
        cell = {
            name: "" if column is None or fields[column] is None else str(fields[column])
            for name, column in columns.items()
        }
        row = _long_row(cell, place, scored=columns["score"] is not None)
        # A rank of 1 begins the next answer, for the same file may hold several videos.
        goes_on = cell["rank"] != "1" if columns["rank"] is not None else bool(cell["score"])
        if goes_on and not row.error and row.path in row_of:
            before = found[row_of[row.path]]
            if before.scores.keys() & row.scores.keys():
                raise BadDataset(
                    f"{place}: {row.path!r} has the label {cell['label']!r} twice; give it once"
                )
            merged = {**before.scores, **row.scores}
            found[row_of[row.path]] = _Row(row.path, before.place, merged, model=before.model)
        else:
            row_of[row.path] = len(found)
            found.append(row)
    return _told_of(found, path)


def _long_row(cell: Mapping[str, str], place: str, *, scored: bool) -> _Row:
    path, model = cell["path"], cell["model"]
    if not path:
        raise BadDataset(f"{place}: the path is empty; give one, or leave the row out")
    if cell["error"]:
        return _Row(path, place, {}, error=cell["error"], model=model)
    if not scored:
        return _Row(path, place, dict.fromkeys(_answers(cell["label"])), model=model)
    score = _number(cell["score"], "score", place)
    return _Row(path, place, {cell["label"].strip(): score} if cell["label"] else {}, model=model)


def _read_wide(
    path: Path,
    rows: _Rows,
    names: Sequence[str],
    *,
    classes: Sequence[int],
    path_column: int,
    several: bool,
) -> Told:
    """Read a row a video and a column a class."""
    labels = tuple(names[place] for place in classes)
    if len(set(labels)) < len(labels):
        twice = next(one for one in labels if labels.count(one) > 1)
        raise BadDataset(f"{path.name}:1: the column {twice!r} is there twice; give it once")
    paths, places, values = [], [], []
    for line, fields in rows:
        places.append(f"{path.name}:{line}")
        paths.append(str(fields[path_column] or ""))
        values.append(_numbers([fields[place] for place in classes], labels, places[-1]))
    matrix = np.array(values, np.float32).reshape(len(values), len(labels))
    return Told(
        kind=_kind_of(matrix, places, several=several),
        labels=labels,
        paths=tuple(paths),
        places=tuple(places),
        values=matrix,
    )


def _numbers(fields: Sequence[Any], labels: Sequence[str], place: str) -> np.ndarray:
    try:
        numbers = np.array(fields, np.float32)
    except (TypeError, ValueError):
        numbers = np.full(len(fields), np.nan, np.float32)
    if not np.isfinite(numbers).all():
        pairs = zip(fields, labels, strict=True)
        numbers = np.array([_number(one, label, place) for one, label in pairs], np.float32)
    return numbers


def _kind_of(values: np.ndarray, places: Sequence[str], *, several: bool) -> Kind:
    """Tell scores from logits: scores are from 0 to 1, and sum to 1 where there is one label."""
    if not len(values) or values.min() < 0 or values.max() > 1:
        return "logits"
    sums = values.sum(1)
    wrong = np.flatnonzero(np.abs(sums - 1) > _SUM_TOLERANCE)
    if len(wrong) and not several:
        raise BadDataset(
            f"{places[wrong[0]]}: the numbers are from 0 to 1 and sum to {sums[wrong[0]]:.3g}; "
            "scores sum to 1 (softmax), and logits are not all from 0 to 1"
        )
    return "scores"


# arrays


def _read_array(path: Path, known: Sequence[str], several: bool) -> Told:
    arrays = _arrays(path)
    name = next((one for one in ("scores", "logits") if one in arrays), None)
    if name is None:
        there = ", ".join(arrays) or "nothing"
        raise BadDataset(f"{str(path)!r} holds {there}; an array scores or logits is needed")
    values = arrays[name]
    labels = tuple(arrays["labels"].tolist()) if "labels" in arrays else tuple(known)
    paths = tuple(arrays["paths"].tolist()) if "paths" in arrays else None
    if values.dtype.kind not in "fiu" or values.ndim != 2 or values.shape[1] != len(labels):
        raise BadDataset(
            f"{str(path)!r} holds {name} of shape {values.shape} {values.dtype}; numbers of shape "
            f"(videos, {len(labels)} classes) are needed"
        )
    if paths is not None and len(paths) != len(values):
        raise BadDataset(f"{str(path)!r} tells {len(paths)} paths of {len(values)} videos")
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values).all(1))[0])
        raise BadDataset(f"{path.name}, row {row}: a number is not finite; give finite ones")
    places = tuple(f"{path.name}, row {row}" for row in range(len(values)))
    values = values.astype(np.float32)
    if path.suffix.lower() == ".npy" or name == "scores":
        kind = _kind_of(values, places, several=several)
        if name == "scores" and path.suffix.lower() == ".npz" and kind == "logits":
            raise BadDataset(f"{str(path)!r} holds scores that are not from 0 to 1; name it logits")
    else:
        kind = "logits"
    return Told(kind=kind, labels=labels, paths=paths, places=places, values=values)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """Read arrays without running code; that of a ``.npy`` is called ``scores``."""
    try:
        with path.open("rb") as file:
            found = np.load(file, allow_pickle=False)
            if isinstance(found, np.ndarray):
                return {"scores": found}
            return {name: found[name] for name in found.files}
    except (ValueError, EOFError, BadZipFile) as error:
        raise BadDataset(f"{str(path)!r} is no file of arrays of numbers: {error}") from error


_READERS: dict[str, Callable[[Path, Sequence[str], bool], Told]] = {
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".json": _read_json,
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".parquet": _read_parquet,
    ".npz": _read_array,
    ".npy": _read_array,
}
