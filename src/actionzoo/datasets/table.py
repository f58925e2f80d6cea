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
    columns = _columns([one.lower() for one in header])
    for line, fields in lines:
        if len(fields) != len(header):
            # More fields than columns: mostly a comma in a path or label without quotes.
            hint = "; quote a field with a comma" if len(fields) > len(header) else ""
            message = f"{len(fields)} fields, but the header has {len(header)}{hint}"
            rows.problem(name, message, line)
        elif not fields[columns["path"]]:
            rows.problem(name, "the path is empty", line)
        else:
            _add_row(name, line, _Row(fields, columns), rows)


class _Row:
    """The cells of a row by the names of the columns."""

    def __init__(self, fields: list[str], columns: dict[str, int]) -> None:
        self._fields, self._columns = fields, columns

    def text(self, column: str) -> str:
        place = self._columns.get(column)
        return "" if place is None else self._fields[place]

    def number(self, column: str) -> float | None:
        text = self.text(column)
        return _number(text) if text else None

    def rate(self) -> Fraction | None:
        """Read a frame rate, such as 25, 29.97 or 30000/1001."""
        text = self.text("fps")
        try:
            fps = Fraction(text) if text else None
        except (ValueError, ZeroDivisionError):
            raise ValueError(text) from None
        if fps is not None and fps <= 0:
            raise ValueError(text)
        return fps

    def labels(self) -> tuple[str, ...]:
        text = self.text("label")
        if BETWEEN_LABELS not in text:
            return (text,) if text else ()
        return tuple(one.strip() for one in text.split(BETWEEN_LABELS) if one.strip())

    def splits(self) -> tuple[str | None, ...]:
        if "split_1" not in self._columns:
            return (_split(self.text("split")),)
        numbers = sorted(int(one[6:]) for one in self._columns if one.startswith("split_"))
        return tuple(_split(self.text(f"split_{number}")) for number in numbers)


def _add_row(name: str, line: int, row: _Row, rows: Rows) -> None:
    path = row.text("path").replace("\\", "/")
    try:
        seconds = row.number("start_seconds"), row.number("end_seconds")
        num_frames, fps = row.number("num_frames"), row.rate()
    except ValueError as error:
        rows.problem(name, f"{error.args[0]!r} is no number that can be here", line)
        return
    rows.add(
        path,
        row.labels(),
        file=name,
        line=line,
        splits=row.splits(),
        group=row.text("group") or group_of(path),
        seconds=seconds,
        num_frames=None if num_frames is None else int(num_frames),
        fps=fps,
    )


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(text) from None
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _split(text: str) -> str | None:
    return SPLIT_OF_WORD.get(text.lower(), text) or None


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
