"""The project's own table: a row a video, as csv or Parquet, with named columns.

``path`` and ``label`` are needed; ``start_seconds``, ``end_seconds``, ``split`` (or ``split_1``,
``split_2`` ... for several folds), ``group``, ``num_frames`` and ``fps`` (of folders of pictures)
are not. Several labels stand in one cell with ``|`` between them. Other common names of the columns
are understood, see ``COLUMNS``. ``labels.txt`` beside it gives the order of the classes.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from actionzoo.datasets.dataset import VideoDataset
from actionzoo.datasets.format import Format, Holds, Place
from actionzoo.datasets.label_lists import find_labels, write_labels
from actionzoo.datasets.names import SPLIT_OF_WORD, group_of
from actionzoo.datasets.rows import Rows
from actionzoo.datasets.text import read_fields, split_fields
from actionzoo.errors import BadDataset

COLUMNS = {
    "path": ("path", "video_path", "file", "filename", "file_name", "video", "clip"),
    "label": ("label", "labels", "class", "class_name", "action", "category"),
    "start_seconds": ("start_seconds", "start", "start_time", "time_start", "t_start"),
    "end_seconds": ("end_seconds", "end", "end_time", "time_end", "t_end"),
    "split": ("split", "subset", "set"),
    "group": ("group", "source_group", "subject", "person", "actor", "source"),
    "num_frames": ("num_frames", "frames", "n_frames", "total_frames"),
    "fps": ("fps", "frame_rate"),
}
"""Our name of a column, and the names it is understood by; the first that occurs is taken."""

BETWEEN_LABELS = "|"
CSV_FILE, PARQUET_FILE = "dataset.csv", "dataset.parquet"
_DELIMITERS = ",;\t"


def _recognise(place: Place) -> bool:
    return bool(_tables(place))


def _tables(place: Place) -> list[str]:
    """Name the files that are such tables."""
    texts = [
        name
        for name in place.files_with(".csv", ".tsv")
        if _has_columns(_header(place.first_line(name)))
    ]
    return texts + [name for name in place.files_with(".parquet") if _is_parquet(place, name)]


def _header(line: str) -> list[str]:
    try:
        return [one.lower() for one in split_fields(line, _delimiter(line))]
    except csv.Error:
        return []


def _delimiter(line: str) -> str:
    return max(_DELIMITERS, key=line.count)


def _is_parquet(place: Place, name: str) -> bool:
    try:
        return _has_columns([one.lower() for one in pq.read_schema(place.folder / name).names])
    except (pa.ArrowInvalid, OSError):
        return False


def _has_columns(header: Sequence[str]) -> bool:
    # A youtube_id makes it the official list of Kinetics, which tells no paths.
    found = _columns(header)
    return "path" in found and "label" in found and "youtube_id" not in header


def _columns(header: Sequence[str]) -> dict[str, int]:
    """Return the place of each of our columns that is there."""
    found = {
        ours: next(header.index(name) for name in names if name in header)
        for ours, names in COLUMNS.items()
        if set(names) & set(header)
    }
    folds = [name for name in header if name.startswith("split_") and name[6:].isdigit()]
    if folds:
        found.pop("split", None)
    return found | {name: header.index(name) for name in folds}


def _read(place: Place, rows: Rows) -> VideoDataset:
    labels = find_labels(place, rows)
    tables = _tables(place)
    if len(tables) > 1:
        raise BadDataset(
            f"{str(place.path)!r} holds {len(tables)} tables: {', '.join(tables)}; give one of them"
        )
    for name in tables:
        path = place.folder / name
        lines = _parquet_lines(path, rows) if name.endswith(".parquet") else _csv_lines(path, rows)
        _read_table(name, lines, rows)
    return rows.finish(labels)


Lines = Iterator[tuple[int, list[str]]]


def _csv_lines(path: Path, rows: Rows) -> Lines:
    with path.open("rb") as file:
        first = file.readline().decode("utf-8-sig", errors="replace")
    return read_fields(path, rows, delimiter=_delimiter(first))


def _parquet_lines(path: Path, rows: Rows) -> Lines:
    """Yield the header and the rows of a Parquet file as if it were csv; nulls are empty."""
    rows.sources.append(path)
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise BadDataset(f"cannot read {str(path)!r}: {error}") from error
    yield 1, table.column_names
    columns = [_words(column) for column in table.columns]
    yield from ((line, list(row)) for line, row in enumerate(zip(*columns, strict=True), 2))


def _words(column: pa.ChunkedArray) -> list[str]:
    values = column.to_pylist()
    if pa.types.is_list(column.type):
        return [BETWEEN_LABELS.join(map(str, one or ())) for one in values]
    return ["" if one is None else str(one) for one in values]


def _read_table(name: str, lines: Lines, rows: Rows) -> None:
    _, header = next(lines)
    table = _Table(name, _columns([one.lower() for one in header]))
    for line, fields in lines:
        if len(fields) != len(header):
            # More fields than columns: mostly a comma in a path or label without quotes.
            hint = "; quote a field with a comma" if len(fields) > len(header) else ""
            message = f"{len(fields)} fields, but the header has {len(header)}{hint}"
            rows.problem(name, message, line)
        else:
            table.add(line, fields, rows)


class _Table:
    """The columns that a table has, and the words in them that were understood already."""

    def __init__(self, name: str, columns: dict[str, int]) -> None:
        self.name = name
        self._columns = columns
        self._path, self._label = columns["path"], columns["label"]
        self._seconds = [columns.get(one) for one in ("start_seconds", "end_seconds")]
        self._splits = [columns[one] for one in sorted(columns, key=_fold) if _fold(one)]
        self._labels_of: dict[str, tuple[str, ...]] = {}
        self._split_of: dict[str, str | None] = {}

    def add(self, line: int, fields: list[str], rows: Rows) -> None:
        """Add a row, or note what is wrong with it."""
        path = fields[self._path].replace("\\", "/")
        if not path:
            rows.problem(self.name, "the path is empty", line)
            return
        try:
            start, end = (self._number(fields, place) for place in self._seconds)
            num_frames = self._number(fields, self._columns.get("num_frames"))
            fps = self._rate(fields)
        except ValueError as error:
            rows.problem(self.name, f"{error.args[0]!r} is no number that can be here", line)
            return
        group = self._columns.get("group")
        rows.add(
            path,
            self._labels(fields[self._label]),
            file=self.name,
            line=line,
            splits=tuple([self._split(fields[place]) for place in self._splits]) or (None,),
            group=(fields[group] if group is not None else "") or group_of(path),
            seconds=(start, end),
            num_frames=None if num_frames is None else int(num_frames),
            fps=fps,
        )

    def _labels(self, text: str) -> tuple[str, ...]:
        if text not in self._labels_of:
            parts = (one.strip() for one in text.split(BETWEEN_LABELS))
            self._labels_of[text] = tuple(one for one in parts if one)
        return self._labels_of[text]

    def _split(self, text: str) -> str | None:
        if text not in self._split_of:
            self._split_of[text] = SPLIT_OF_WORD.get(text.lower(), text) or None
        return self._split_of[text]

    @staticmethod
    def _number(fields: list[str], place: int | None) -> float | None:
        text = "" if place is None else fields[place]
        return _number(text) if text else None

    def _rate(self, fields: list[str]) -> Fraction | None:
        """Read a frame rate, such as 25, 29.97 or 30000/1001."""
        place = self._columns.get("fps")
        if place is None or not fields[place]:
            return None
        try:
            fps = Fraction(fields[place])
        except (ValueError, ZeroDivisionError):
            raise ValueError(fields[place]) from None
        if fps <= 0:
            raise ValueError(fields[place])
        return fps


def _fold(column: str) -> int:
    """Return the number of the fold that a column tells, 0 where it tells none."""
    if column == "split":
        return 1
    return int(column[6:]) if column.startswith("split_") else 0


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(text) from None
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _annotate_csv(dataset: VideoDataset, folder: Path) -> None:
    write_csv(dataset, folder / CSV_FILE)


def write_csv(dataset: VideoDataset, file: Path) -> None:
    """Write the table as csv (RFC 4180, UTF-8), and ``labels.txt`` beside it."""
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        columns = _written(dataset, file.parent)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    write_labels(file.parent, dataset.labels)


def _annotate_parquet(dataset: VideoDataset, folder: Path) -> None:
    write_parquet(dataset, folder / PARQUET_FILE)


def write_parquet(dataset: VideoDataset, file: Path) -> None:
    """Write the table as Parquet, and ``labels.txt`` beside it."""
    kinds = {"start_seconds": pa.float64(), "end_seconds": pa.float64(), "num_frames": pa.int64()}
    columns = {
        name: pa.array(values, kinds.get(name, pa.string()))
        for name, values in _written(dataset, file.parent).items()
    }
    pq.write_table(pa.table(columns), file)
    write_labels(file.parent, dataset.labels)


def _written(dataset: VideoDataset, folder: Path) -> dict[str, list[str | float | None]]:
    """Return the columns to be written; those that say nothing are left out."""
    for label in dataset.labels:
        if BETWEEN_LABELS in label:
            raise BadDataset(
                f"the label {label!r} has a {BETWEEN_LABELS!r}, which stands between labels in this"
                " table; rename it"
            )
    samples = list(dataset)
    columns: dict[str, list[str | float | None]] = {
        "path": [*dataset.paths_from(folder)],
        "label": [BETWEEN_LABELS.join(sample.labels) for sample in samples],
        "start_seconds": [sample.start_seconds for sample in samples],
        "end_seconds": [sample.end_seconds for sample in samples],
        "group": [sample.group for sample in samples],
        "num_frames": [sample.num_frames for sample in samples],
        "fps": [None if sample.fps is None else str(sample.fps) for sample in samples],
    }
    for fold in range(dataset.folds):
        name = "split" if dataset.folds == 1 else f"split_{fold + 1}"
        columns[name] = [sample.splits[fold] for sample in samples]
    return {
        name: values
        for name, values in columns.items()
        if name in ("path", "label") or any(value is not None for value in values)
    }


_HOLDS = Holds(
    folds=None,
    groups=True,
    times=True,
    rates=True,
    several_labels=True,
    no_label=("train", "val", "test"),
)
_NEEDS = "a csv or Parquet table whose header has a column path and a column label"

FORMATS = (
    Format(
        name="csv",
        title="a table of our own: path, label, start_seconds, end_seconds, split, group",
        needs=_NEEDS,
        recognise=_recognise,
        read=_read,
        annotate=_annotate_csv,
        holds=_HOLDS,
    ),
    Format(
        name="parquet",
        title="the same table as Parquet",
        needs=_NEEDS,
        recognise=_recognise,
        read=_read,
        annotate=_annotate_parquet,
        holds=_HOLDS,
        variant_of="csv",
    ),
)
