"""The rows of a dataset while its files are being read: what is wrong with one is noted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from actionzoo.datasets.dataset import Facts, Problem, VideoDataset, table_of_columns
from actionzoo.errors import nearest_names


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """What a user may say about a dataset beside where it is."""

    videos: Path | None = None
    """Folder that the paths of an annotation start from."""
    labels: tuple[str, ...] | None = None
    """Class names in index order, where the dataset does not hold them."""
    one_based: bool = False
    """Whether class indices in lists are counted from 1."""


class Rows:
    """Collects the rows of one dataset, in columns."""

    def __init__(self, root: Path, format: str, given: Given | None = None) -> None:
        self.root, self.format = root.absolute(), format
        self.given = given or Given()
        self.sources: list[Path] = []
        """The files and folders that were read: while they are unchanged, so is the dataset."""
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self._same: dict[tuple[Any, ...], tuple[Any, ...]] = {}
        self._paths: list[str] = []
        self._labels: list[tuple[str, ...]] = []
        self._splits: list[tuple[str | None, ...]] = []
        self._files: list[str | None] = []
        self._lines: list[int | None] = []
        self._groups: list[str | None] = []
        self._times: list[tuple[float | None, float | None]] = []
        self._num_frames: list[int | None] = []
        self._rates: list[str | None] = []

    def __len__(self) -> int:
        return len(self._paths)

    def add(
        self,
        path: str,
        labels: tuple[str, ...],
        *,
        file: str | None = None,
        line: int | None = None,
        splits: tuple[str | None, ...] = (None,),
        group: str | None = None,
        seconds: tuple[float | None, float | None] = (None, None),
        num_frames: int | None = None,
        fps: Fraction | None = None,
    ) -> None:
        """Add a row.

        Args:
            path: Below the root with forward slashes, or absolute.
            labels: Names.
            file: The file that tells it, from the root.
            line: Its line, counted from 1.
            splits: One a fold, as many in every row.
            group: What it shares with other rows.
            seconds: Start and end.
            num_frames: As the annotation tells it.
            fps: Frame rate of a folder of pictures.
        """
        self._paths.append(path)
        # Equal tuples are kept once: a list of Kinetics has 240,000 rows and 400 labels.
        self._labels.append(self._same.setdefault(labels, labels))
        self._splits.append(self._same.setdefault(splits, splits))
        self._files.append(file)
        self._lines.append(line)
        self._groups.append(group)
        self._times.append(self._same.setdefault(seconds, seconds))
        self._num_frames.append(num_frames)
        self._rates.append(None if fps is None else str(fps))

    def problem(self, file: str, message: str, line: int | None = None) -> None:
        """Note what cannot be used; the message is a sentence without the place."""
        self.problems.append(Problem(file=file, line=line, message=message))

    def name(self, path: Path) -> str:
        """Return the path of a file as problems and origins name it."""
        path = path.absolute()
        inside = path.is_relative_to(self.root)
        return path.relative_to(self.root).as_posix() if inside else str(path)

    def finish(
        self, labels: Sequence[str] | None = None, *, fps: Fraction | None = None
    ) -> VideoDataset:
        """Make the dataset of all rows that can be used; the others become problems.

        Args:
            labels: Class names in index order; by default what the user gave, else the names that
                occur, sorted.
            fps: Frame rate of folders of pictures of which none is told.
        """
        names = tuple(labels if labels is not None else self.given.labels or self._own_labels())
        kept = self._usable(names)
        columns, folds = self._columns(kept, names)
        facts = Facts(
            root=self.root,
            labels=names,
            format=self.format,
            fps=fps,
            problems=tuple(self.problems),
            notes=tuple(self.notes),
        )
        return VideoDataset(table_of_columns(columns, folds), facts)

    def _own_labels(self) -> list[str]:
        own = {label for labels in set(self._labels) for label in labels}
        numbers = all(label.isascii() and label.isdigit() for label in own)
        return sorted(own, key=int) if numbers else sorted(own)

    def _usable(self, labels: tuple[str, ...]) -> Sequence[int]:
        """Return the places of the rows that can be used."""
        refused = {
            *self._unknown_labels(frozenset(labels), labels),
            *self._impossible_times(),
            *self._unwritable_paths(),
        }
        refused |= self._repeated(refused)
        if not refused:
            return range(len(self))
        return [row for row in range(len(self)) if row not in refused]

    def _refuse(self, row: int, message: str) -> int:
        file, line = self._files[row], self._lines[row]
        where = file if file is not None else self._paths[row]
        self.problem(where.encode("utf-8", "backslashreplace").decode(), message, line)
        return row

    def _unknown_labels(self, known: frozenset[str], labels: tuple[str, ...]) -> set[int]:
        unknown = {
            own: f"there is no label {label!r}; {nearest_names(label, labels)}"
            for own in set(self._labels)
            for label in own
            if label not in known
        }
        rows = enumerate(self._labels if unknown else ())
        return {self._refuse(row, unknown[own]) for row, own in rows if own in unknown}

    def _impossible_times(self) -> set[int]:
        refused = set()
        for row, (start, end) in enumerate(self._times):
            if start is None and end is None:
                continue
            if not (start or 0.0) >= 0:
                refused.add(self._refuse(row, f"the start, {start} s, is before the video's"))
            elif end is not None and not end > (start or 0.0):
                message = f"the end, {end} s, is not after the start, {start or 0.0} s"
                refused.add(self._refuse(row, message))
        return refused

    def _unwritable_paths(self) -> set[int]:
        try:
            "".join(self._paths).encode()
        except UnicodeEncodeError:
            return {
                self._refuse(row, "the name of the file is not UTF-8; rename it")
                for row, path in enumerate(self._paths)
                if any("\ud800" <= letter <= "\udfff" for letter in path)
            }
        return set()

    def _repeated(self, refused: set[int]) -> set[int]:
        """Refuse a row that says of a video what an earlier one said, or the contrary."""
        if len(set(self._paths)) == len(self._paths):
            return set()
        first: dict[tuple[str, tuple[float | None, float | None]], int] = {}
        again = set()
        for row, key in enumerate(zip(self._paths, self._times, strict=True)):
            earlier = first.setdefault(key, row)
            if earlier == row or row in refused:
                continue
            file, line = self._files[earlier], self._lines[earlier]
            there = file if line is None else f"{file}:{line}"
            if self._labels[earlier] != self._labels[row]:
                own, other = (" and ".join(self._labels[one]) for one in (row, earlier))
                message = f"{key[0]!r} is {own!r} here and {other!r} in {there}"
                again.add(self._refuse(row, message))
            elif self._splits[earlier] == self._splits[row]:
                again.add(self._refuse(row, f"{key[0]!r} is listed already in {there}"))
        return again

    def _columns(
        self, kept: Sequence[int], labels: tuple[str, ...]
    ) -> tuple[dict[str, list[Any]], list[list[str | None]]]:
        index_of = {name: index for index, name in enumerate(labels)}
        indices = {own: [index_of.get(one, -1) for one in own] for own in set(self._labels)}
        folds = len(self._splits[0]) if self._splits else 1

        def chosen(column: list[Any]) -> list[Any]:
            return column if isinstance(kept, range) else [column[row] for row in kept]

        times, splits = chosen(self._times), chosen(self._splits)
        return {
            "path": chosen(self._paths),
            "labels": [indices[own] for own in chosen(self._labels)],
            "start_seconds": [start for start, _ in times],
            "end_seconds": [end for _, end in times],
            "group": chosen(self._groups),
            "num_frames": chosen(self._num_frames),
            "fps": chosen(self._rates),
            "file": chosen(self._files),
            "line": chosen(self._lines),
        }, [[own[fold] for own in splits] for fold in range(folds)]
