"""What a dataset of labelled videos is, whatever format it was read from.

Samples lie in columns of an Arrow table, not in Python objects: a list of 240,000 videos takes some
40 MB, is mapped into memory from its cache, and is shared by all worker processes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, overload

import numpy as np
import pyarrow as pa

from actionzoo.errors import ConfigError, nearest_names


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One labelled video, or part of one."""

    path: Path
    """A video file, or a folder of pictures that is one video."""
    labels: tuple[str, ...] = ()
    """One, several where the dataset has several a video, none where it is not told."""
    start_seconds: float | None = None
    """Where in the file the action starts; None: at its beginning."""
    end_seconds: float | None = None
    """Where it ends; None: at the end of the file."""
    splits: tuple[str | None, ...] = (None,)
    """In every fold: ``train``, ``val``, ``test``, or None where the fold does not use it."""
    group: str | None = None
    """What it shares with others: the person, the recording. Groups must not straddle splits."""
    num_frames: int | None = None
    """Frames as the annotation tells them; not measured."""
    fps: Fraction | None = None
    """Frame rate of a folder of pictures, which tells none."""
    origin: str = ""
    """The file and line that told it, such as ``train.csv:17``."""

    @property
    def label(self) -> str | None:
        """The one label; None where it is not told.

        Raises:
            ValueError: There are several.
        """
        if len(self.labels) > 1:
            raise ValueError(f"{str(self.path)!r} has several labels: {', '.join(self.labels)}")
        return self.labels[0] if self.labels else None

    @property
    def split(self) -> str | None:
        """The split in the first fold."""
        return self.splits[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """A line, or a file, of a dataset that cannot be used."""

    file: str
    message: str
    line: int | None = None
    """Counted from 1."""

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.message}"


_WORD = pa.dictionary(pa.int32(), pa.string())
_COLUMNS = {
    "path": pa.string(),  # below the root with forward slashes, or absolute
    "labels": pa.list_(pa.int32()),  # class indices
    "start_seconds": pa.float64(),
    "end_seconds": pa.float64(),
    "group": _WORD,
    "num_frames": pa.int32(),
    "fps": _WORD,  # as a fraction
    "file": _WORD,
    "line": pa.int32(),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What is known of a dataset as a whole."""

    root: Path
    """Folder that the paths of its samples start from."""
    labels: tuple[str, ...]
    """Class names in index order."""
    format: str
    """Name of the format it was read from."""
    fps: Fraction | None = None
    """Frame rate of its folders of pictures, where no other is told of one."""
    problems: tuple[Problem, ...] = ()
    """What could not be read, and is not among the samples."""
    notes: tuple[str, ...] = ()
    """What was assumed in reading, a sentence each."""

    def to_json(self) -> str:
        """Write down."""
        return json.dumps(
            {
                "root": str(self.root),
                "labels": self.labels,
                "format": self.format,
                "fps": None if self.fps is None else str(self.fps),
                "problems": [(one.file, one.message, one.line) for one in self.problems],
                "notes": self.notes,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Facts:
        """Read what ``to_json`` wrote."""
        values = json.loads(text)
        return cls(
            root=Path(values["root"]),
            labels=tuple(values["labels"]),
            format=values["format"],
            fps=None if values["fps"] is None else Fraction(values["fps"]),
            problems=tuple(
                Problem(file=file, message=message, line=line)
                for file, message, line in values["problems"]
            ),
            notes=tuple(values["notes"]),
        )


class VideoDataset(Sequence[Sample]):
    """Labelled videos: an immutable sequence of ``Sample`` and what is known of them as a whole.

    A selection (``of_split``, ``select``) shares the columns of what it was selected from.
    """

    def __init__(
        self,
        table: pa.Table,
        facts: Facts,
        *,
        rows: np.ndarray | None = None,
        file: Path | None = None,
    ) -> None:
        self.facts = facts
        self._table = table
        self._columns = {name: _in_one(table[name]) for name in table.column_names}
        self._rows = np.arange(len(table), dtype=np.int32) if rows is None else rows
        self._file = file
        """Where the table is mapped from, if it is."""

    @classmethod
    def from_samples(
        cls,
        samples: Iterable[Sample],
        *,
        root: Path | None = None,
        labels: Sequence[str] | None = None,
        format: str = "memory",
        fps: Fraction | None = None,
    ) -> VideoDataset:
        """Make a dataset of samples.

        Args:
            samples: Their paths may be anywhere.
            root: What paths are kept relative to; by default the working folder.
            labels: Class names in index order; by default those of the samples, sorted.
            format: Where the samples come from.
            fps: Frame rate of folders of pictures of which none is told.

        Raises:
            ConfigError: A label is not among ``labels``, or the samples differ in their folds.
        """
        samples = list(samples)
        names = tuple(labels if labels is not None else sorted_labels(samples))
        root = (root or Path()).absolute()
        return cls(
            _table_of(samples, names, root),
            Facts(root=root, labels=names, format=format, fps=fps),
        )

    @classmethod
    def map(cls, file: Path) -> VideoDataset:
        """Map a dataset that ``save`` wrote into memory.

        Raises:
            OSError: There is no such file.
            pa.ArrowInvalid: It is another one, or damaged.
        """
        with pa.memory_map(str(file)) as source:
            table = pa.ipc.open_file(source).read_all()
        # A damaged file is refused here: reading its values could end the process.
        table.validate(full=True)
        return cls(table, Facts.from_json(table.schema.metadata[b"actionzoo"]), file=file)

    def save(self, file: Path) -> None:
        """Write the whole dataset in Arrow's file format, all or nothing."""
        part = file.with_name(f".{file.name}.part")
        table = self._selected().replace_schema_metadata({"actionzoo": self.facts.to_json()})
        try:
            with pa.OSFile(str(part), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
                writer.write_table(table.combine_chunks())
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)

    def __reduce__(self) -> tuple[Any, ...]:
        # A worker process maps the file itself, so all of them share one copy of the columns.
        if self._file is not None:
            return _mapped, (self._file, self.facts, self._rows)
        return VideoDataset, (self._selected(), self.facts)

    # the samples

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Sample: ...

    @overload
    def __getitem__(self, index: slice) -> VideoDataset: ...

    def __getitem__(self, index: int | slice) -> Sample | VideoDataset:
        if isinstance(index, slice):
            return self._with_rows(self._rows[index])
        row = int(self._rows[index])
        value = {name: column[row].as_py() for name, column in self._columns.items()}
        line = f":{value['line']}" if value["line"] is not None else ""
        return Sample(
            path=self.root / value["path"],
            labels=tuple(self.labels[one] for one in value["labels"]),
            start_seconds=value["start_seconds"],
            end_seconds=value["end_seconds"],
            splits=tuple(value[name] for name in self._split_columns()),
            group=value["group"],
            num_frames=value["num_frames"],
            fps=Fraction(value["fps"]) if value["fps"] else self.facts.fps,
            origin=f"{value['file']}{line}" if value["file"] is not None else "",
        )

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        return (
            f"VideoDataset({len(self)} samples, {len(self.labels)} labels, "
            f"format={self.format!r}, root={str(self.root)!r})"
        )

    # what is known of them

    @property
    def root(self) -> Path:
        """Folder that the paths of the samples start from."""
        return self.facts.root

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in index order."""
        return self.facts.labels

    @property
    def format(self) -> str:
        """Name of the format it was read from."""
        return self.facts.format

    @property
    def folds(self) -> int:
        """How many ways of splitting there are, at least 1."""
        return len(self._split_columns())

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of the splits of the first fold, in the order train, val, test, others."""
        return tuple(self.split_counts())

    def split_counts(self, fold: int = 1) -> dict[str, int]:
        """Count the samples of each split of a fold."""
        column = self._column(self._split_column(fold))
        codes = np.asarray(column.indices.drop_null())
        counts = {
            name: count
            for name, count in zip(
                column.dictionary.to_pylist(),
                np.bincount(codes, minlength=len(column.dictionary)).tolist(),
                strict=True,
            )
            if count
        }
        order = {name: place for place, name in enumerate(("train", "val", "test"))}
        return {name: counts[name] for name in sorted(counts, key=lambda one: order.get(one, 3))}

    def split_column(self, fold: int = 1) -> list[str | None]:
        """Return the split of every sample in a fold, counted from 1."""
        return self.column(self._split_column(fold))

    def groups(self) -> list[str | None]:
        """Return the group of every sample."""
        return self.column("group")

    def paths(self) -> list[str]:
        """Return the path of every sample: below ``root`` with forward slashes, or absolute."""
        return self.column("path")

    def paths_from(self, folder: Path) -> list[str]:
        """Return the paths as an annotation in ``folder`` tells them: from there if below it."""
        if folder.absolute() == self.root:
            return self.paths()
        return [relative(self.root / path, folder.absolute()) for path in self.paths()]

    def frame_rates(self) -> list[Fraction | None]:
        """Return the frame rate told of every sample, if any."""
        rates = {text: Fraction(text) for text in self._columns["fps"].dictionary.to_pylist()}
        return [rates.get(text, self.facts.fps) for text in self.column("fps")]

    def class_indices(self) -> list[tuple[int, ...]]:
        """Return the indices of the labels of every sample."""
        return [tuple(one) for one in self._column("labels").to_pylist()]

    def label_counts(self) -> dict[str, int]:
        """Count the samples of each label, those without any included."""
        flat = np.asarray(self._column("labels").flatten())
        counts = np.bincount(flat, minlength=len(self.labels))
        return dict(zip(self.labels, counts.tolist(), strict=True))

    def list_hash(self) -> str:
        """Return 12 hex digits of the SHA-256 of all videos and labels, in any order of samples.

        Copies of a published dataset differ; two that tell the same hash list the same videos. Of
        a path the last folder and the file count, so that a copy elsewhere is the same.
        """
        names = self.labels
        lines = sorted(
            f"{'/'.join(path.split('/')[-2:])}\t{'|'.join(names[one] for one in indices)}\n"
            for path, indices in zip(self.paths(), self.class_indices(), strict=True)
        )
        return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:12]

    # others made of it

    def of_split(self, split: str, fold: int = 1) -> VideoDataset:
        """Select the samples of a split.

        Raises:
            ConfigError: There is no such split or fold.
        """
        column = self._column(self._split_column(fold))
        if split not in (known := self.split_counts(fold)):
            there = f"there are {', '.join(known)}" if known else "it is not split yet"
            raise ConfigError(
                f"the dataset {str(self.root)!r} has no split {split!r}; {there}"
                + ("" if known else ": actionzoo data split")
            )
        code = column.dictionary.to_pylist().index(split)
        return self._with_rows(self._rows[np.asarray(column.indices.fill_null(-1)) == code])

    def of_fold(self, fold: int) -> VideoDataset:
        """Keep one way of splitting, counted from 1.

        Raises:
            ConfigError: There are fewer folds.
        """
        return self.with_splits([self.split_column(fold)])

    def select(self, rows: Iterable[int] | np.ndarray) -> VideoDataset:
        """Select samples by their places."""
        chosen = rows if isinstance(rows, np.ndarray) else np.fromiter(rows, np.int64)
        return self._with_rows(self._rows[chosen])

    def with_splits(self, folds: Sequence[Sequence[str | None]]) -> VideoDataset:
        """Replace the splits: for each fold a name, or None, for each sample."""
        table = self._selected().drop_columns(self._split_columns())
        for number, names in enumerate(folds, 1):
            table = table.append_column(f"split_{number}", pa.array(names, pa.string()).cast(_WORD))
        return VideoDataset(table, self.facts)

    def with_facts(self, facts: Facts) -> VideoDataset:
        """Replace what is known of the whole; labels keep their number and order."""
        return VideoDataset(self._table, facts, rows=self._rows, file=self._file)

    def _with_rows(self, rows: np.ndarray) -> VideoDataset:
        return VideoDataset(self._table, self.facts, rows=rows, file=self._file)

    def _selected(self) -> pa.Table:
        return self._table if self._is_whole() else self._table.take(pa.array(self._rows))

    def _is_whole(self) -> bool:
        count = len(self._table)
        return len(self._rows) == count and bool((self._rows == np.arange(count)).all())

    def _column(self, name: str) -> pa.Array:
        column = self._columns[name]
        return column if self._is_whole() else column.take(pa.array(self._rows))

    def column(self, name: str) -> list[Any]:
        """Return one of the columns, a value a sample: ``line``, ``file``, ``num_frames`` ..."""
        values: list[Any] = self._column(name).to_pylist()
        return values

    def _split_columns(self) -> list[str]:
        return [name for name in self._columns if name.startswith("split_")]

    def _split_column(self, fold: int) -> str:
        columns = self._split_columns()
        if not 1 <= fold <= len(columns):
            raise ConfigError(
                f"the dataset {str(self.root)!r} has {len(columns)} fold"
                f"{'s' * (len(columns) > 1)}, and none of number {fold}"
            )
        return columns[fold - 1]


def _in_one(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array, which is fast to index; a mapped one is not copied."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _mapped(file: Path, facts: Facts, rows: np.ndarray) -> VideoDataset:
    whole = VideoDataset.map(file)
    return VideoDataset(whole._table, facts, rows=rows, file=file)


def sorted_labels(samples: Iterable[Sample]) -> tuple[str, ...]:
    """Return the labels of samples in order; whole numbers in the order of their values."""
    names = {label for sample in samples for label in sample.labels}
    if all(name.isascii() and name.isdigit() for name in names):
        return tuple(sorted(names, key=int))
    return tuple(sorted(names))


def table_of_columns(
    columns: Mapping[str, Sequence[Any]], folds: Sequence[Sequence[str | None]]
) -> pa.Table:
    """Make the table of a dataset from its columns: ``_COLUMNS`` and a split a fold."""
    arrays = {
        name: pa.array(columns[name], pa.string()).dictionary_encode().cast(kind)
        if kind == _WORD
        else pa.array(columns[name], kind)
        for name, kind in _COLUMNS.items()
    }
    for number, names in enumerate(folds, 1):
        arrays[f"split_{number}"] = pa.array(names, pa.string()).dictionary_encode()
    return pa.table(arrays)


def _table_of(samples: Sequence[Sample], labels: tuple[str, ...], root: Path) -> pa.Table:
    index_of = {name: index for index, name in enumerate(labels)}
    folds = {len(sample.splits) for sample in samples} or {1}
    if len(folds) > 1:
        raise ConfigError(f"samples have {sorted(folds)} splits; give every sample as many")
    for sample in samples:
        for label in sample.labels:
            if label not in index_of:
                raise ConfigError(
                    f"{str(sample.path)!r} has the label {label!r}, which is not in the list of "
                    f"labels; {nearest_names(label, labels)}"
                )
    origins = [sample.origin.rpartition(":") for sample in samples]
    columns: dict[str, list[Any]] = {
        "path": [relative(sample.path, root) for sample in samples],
        "labels": [[index_of[label] for label in sample.labels] for sample in samples],
        "start_seconds": [sample.start_seconds for sample in samples],
        "end_seconds": [sample.end_seconds for sample in samples],
        "group": [sample.group for sample in samples],
        "num_frames": [sample.num_frames for sample in samples],
        "fps": [None if sample.fps is None else str(sample.fps) for sample in samples],
        "file": [file if line.isdigit() else (file + line or None) for file, _, line in origins],
        "line": [int(line) if line.isdigit() else None for _, _, line in origins],
    }
    splits = [[sample.splits[fold] for sample in samples] for fold in range(folds.pop())]
    return table_of_columns(columns, splits)


def relative(path: Path, root: Path) -> str:
    """Return a path from ``root`` with forward slashes, or the absolute one if it is not below."""
    path = path.absolute()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
