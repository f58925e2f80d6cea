"""What is in several splits and must not be: files, copies, groups."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain

from actionzoo.datasets.dataset import VideoDataset
from actionzoo.datasets.findings import Case, Finding, found
from actionzoo.datasets.inspection import files_of
from actionzoo.datasets.similar import Similar


class Told:
    """What a dataset tells, as columns of Python values, and which rows tell of which file."""

    def __init__(self, dataset: VideoDataset) -> None:
        self.dataset = dataset
        self.paths = dataset.paths()
        self.labels = dataset.class_indices()
        self.folds = [dataset.split_column(fold) for fold in range(1, dataset.folds + 1)]
        self.rows_of: dict[str, list[int]] = {path: [] for path in files_of(dataset)}
        """The rows of each file, in the order of ``files_of``."""
        for row, path in enumerate(self.paths):
            self.rows_of[path].append(row)

    @cached_property
    def _files(self) -> list[str | None]:
        return self.dataset.column("file")

    @cached_property
    def _lines(self) -> list[int | None]:
        return self.dataset.column("line")

    def origins(self, rows: Iterable[int]) -> tuple[str, ...]:
        """Return where the list tells rows, as far as that is known."""
        told = ((self._files[row], self._lines[row]) for row in rows)
        return tuple(
            file if line is None else f"{file}:{line}" for file, line in told if file is not None
        )

    def rows_of_all(self, paths: Iterable[str]) -> list[int]:
        """Return the rows of several files."""
        return list(chain.from_iterable(self.rows_of[path] for path in paths))

    def label_names(self, path: str) -> tuple[str, ...]:
        """Return the labels of a file, in all its samples."""
        indices = sorted({one for row in self.rows_of[path] for one in self.labels[row]})
        return tuple(self.dataset.labels[one] for one in indices)

    def case(self, detail: str, *paths: str, quarantine: Iterable[str] = ()) -> Case:
        """Make a case of files."""
        origins = self.origins(self.rows_of_all(paths))
        return Case(detail=detail, paths=paths, origins=origins, quarantine=tuple(quarantine))

    def straddled(self, rows: Sequence[int]) -> str | None:
        """Say which splits rows are in, where they are several of one fold; else None."""
        several = []
        for number, fold in enumerate(self.folds, 1):
            splits = {split for row in rows if (split := fold[row]) is not None}
            if len(splits) > 1:
                several.append((number, " and ".join(sorted(splits, key=_split_order))))
        if not several or len(self.folds) == 1:
            return several[0][1] if several else None
        more = f", and in {len(several) - 1} more" if len(several) > 1 else ""
        return f"{several[0][1]} in fold {several[0][0]}{more}"

    def only_trained_on(self, path: str) -> bool:
        """Tell whether a file is in train wherever it is used."""
        used = {fold[row] for row in self.rows_of[path] for fold in self.folds}
        return used <= {"train", None} and "train" in used


def leaks(told: Told, similar: Similar | None) -> Iterator[Finding]:
    """Find what is in several splits, and what is there twice.

    Args:
        told: The dataset.
        similar: Which videos are the same, where that was looked for.
    """
    yield from _shared_files(told)
    if similar is not None:
        yield from _identical(told, similar.identical)
        yield from _alike(told, similar.alike)
    yield from _straddling_groups(told)


def _shared_files(told: Told) -> Iterator[Finding]:
    cases = [
        told.case(f"in {splits}", path)
        for path, rows in told.rows_of.items()
        if len(rows) > 1 and (splits := told.straddled(rows)) is not None
    ]
    yield from found("shared-file", cases)


def _identical(told: Told, groups: Sequence[tuple[str, ...]]) -> Iterator[Finding]:
    contrary, across, within = [], [], []
    for paths in groups:
        splits, named = told.straddled(told.rows_of_all(paths)), _contradiction(told, paths)
        if named is not None:
            contrary.append(told.case(named, *paths, quarantine=paths))
        if splits is not None:
            learnt = [path for path in paths if told.only_trained_on(path)]
            across.append(told.case(f"in {splits}", *paths, quarantine=learnt))
        if named is None and splits is None:
            within.append(told.case("the same bytes", *paths))
    yield from found("identical-contrary", contrary)
    yield from found("identical-across", across)
    yield from found("identical", within)


def _alike(told: Told, pairs: Sequence[tuple[str, str]]) -> Iterator[Finding]:
    contrary, across, within = [], [], []
    for paths in pairs:
        splits, named = told.straddled(told.rows_of_all(paths)), _contradiction(told, paths)
        if named is not None:
            contrary.append(told.case(named, *paths))
        if splits is not None:
            across.append(told.case(f"in {splits}", *paths))
        if named is None and splits is None:
            within.append(told.case("they look the same", *paths))
    yield from found("alike-contrary", contrary)
    yield from found("alike-across", across)
    yield from found("alike", within)


def _contradiction(told: Told, paths: Sequence[str]) -> str | None:
    """Name the labels of files that should have the same and do not."""
    labels = dict.fromkeys(names for path in paths if (names := told.label_names(path)))
    if len(labels) < 2:
        return None
    return " and ".join(repr(" and ".join(names)) for names in labels)


def _straddling_groups(told: Told) -> Iterator[Finding]:
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, group in enumerate(told.dataset.groups()):
        if group is not None:
            rows_of[group].append(row)
    cases = []
    for group, rows in rows_of.items():
        splits = told.straddled(rows)
        if splits is not None:
            detail = f"group {group!r} of {len(rows):,} samples is in {splits}"
            cases.append(Case(detail=detail, paths=_one_a_split(told, rows)))
    yield from found("group-across", cases)


def _one_a_split(told: Told, rows: Sequence[int]) -> tuple[str, ...]:
    """Return a path of each split, of the first fold that has several."""
    for fold in told.folds:
        used = ((fold[row], told.paths[row]) for row in reversed(rows))
        first = {split: path for split, path in used if split is not None}
        if len(first) > 1:
            return tuple(first[split] for split in sorted(first, key=_split_order))
    return ()


def _split_order(split: str) -> tuple[int, str]:
    known = ("train", "val", "test")
    return (known.index(split) if split in known else len(known), split)
