"""Say what is wrong with a dataset, from its list and from what was found in its files.

Everything here is a function of values: ``inspect`` has looked at the files, ``find_similar`` has
compared them.
"""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

from actionzoo.datasets.dataset import VideoDataset
from actionzoo.datasets.findings import KINDS, Case, Finding, Report, found, in_order
from actionzoo.datasets.label_checks import compare_with_official, counts_from_one, spelt_alike
from actionzoo.datasets.leaks import Told, leaks
from actionzoo.datasets.similar import Similar
from actionzoo.labels import labels_that_mirror
from actionzoo.sampling import clock, num_ticks
from actionzoo.spec import InputSpec
from actionzoo.video.probing import FaultKind, Inspection

_FRAMES_OFF = 1
"""Lists and containers often differ by one frame."""
_SECONDS_OFF = 0.5
"""Times are often told in whole seconds."""
_IMBALANCE = 10
"""A class of so many times as many videos as the smallest one is told of."""

_CUT: frozenset[FaultKind] = frozenset({"truncated", "incomplete", "ends-early"})


def check(
    dataset: VideoDataset,
    inspections: Sequence[Inspection],
    *,
    similar: Similar | None = None,
    model: InputSpec | None = None,
    deep: bool = False,
) -> Report:
    """Say what is wrong with a dataset.

    Args:
        dataset: The whole, with all its splits.
        inspections: Of all its files, in the order of ``files_of``.
        similar: Which videos are the same, where that was looked for.
        model: What the videos are to be fed to, where that is known.
        deep: Whether everything was decoded; only told in the report.
    """
    told = Told(dataset)
    samples = _Samples(told, inspections)
    findings = [
        *_malformed(dataset),
        *_file_faults(told, inspections),
        *_wrong_lengths(samples),
        *_parts_outside(samples),
        *(_too_short(samples, model) if model is not None else ()),
        *leaks(told, similar),
        *_unlabelled(told, samples),
        *_label_names(dataset.labels),
        *_label_counts(dataset),
        *_splits(dataset),
        *(Finding(severity="note", kind="assumed", message=one) for one in dataset.facts.notes),
    ]
    return Report(facts=_facts(dataset, inspections, deep=deep), findings=in_order(findings))


def _facts(
    dataset: VideoDataset, inspections: Sequence[Inspection], *, deep: bool
) -> dict[str, Any]:
    seconds = [one.duration_seconds for one in inspections if one.duration_seconds is not None]
    return {
        "format": dataset.format,
        "root": str(dataset.root),
        "samples": len(dataset),
        "videos": len(inspections),
        "readable": sum(one.is_readable for one in inspections),
        "classes": len(dataset.labels),
        "list_hash": dataset.list_hash(),
        "folds": dataset.folds,
        "splits": [dataset.split_counts(fold) for fold in range(1, dataset.folds + 1)],
        "seconds": round(math.fsum(map(float, seconds)), 3),
        "bytes": sum(one.size_bytes or 0 for one in inspections),
        "deep": deep,
    }


# The list and its files.


def _malformed(dataset: VideoDataset) -> Iterator[Finding]:
    cases = [
        Case(
            detail=one.message,
            origins=(one.file if one.line is None else f"{one.file}:{one.line}",),
        )
        for one in dataset.facts.problems
    ]
    yield from found("malformed", cases)


def _file_faults(told: Told, inspections: Sequence[Inspection]) -> Iterator[Finding]:
    cases: dict[FaultKind, list[Case]] = defaultdict(list)
    for one in inspections:
        for fault in one.faults:
            detail = fault.message
            if fault.kind == "missing" and os.path.isabs(one.path):
                detail += "; the list tells a path of another computer, perhaps"
            refused = [one.path] if KINDS[fault.kind][0] == "error" else []
            cases[fault.kind].append(told.case(detail, one.path, quarantine=refused))
    for kind, listed in cases.items():
        yield from found(kind, listed)


class _Samples:
    """Every sample with the file it is in, and which part of it."""

    def __init__(self, told: Told, inspections: Sequence[Inspection]) -> None:
        self._told, self._inspections = told, inspections
        self._starts: list[float | None] = told.dataset.column("start_seconds")
        self._ends: list[float | None] = told.dataset.column("end_seconds")
        self._numbers: list[int | None] = told.dataset.column("num_frames")

    def __iter__(self) -> Iterator[tuple[int, Inspection]]:
        for one, rows in zip(self._inspections, self._told.rows_of.values(), strict=True):
            for row in rows:
                yield row, one

    def part(self, row: int) -> tuple[float | None, float | None]:
        """Return where a sample starts and ends in its file, in seconds."""
        return self._starts[row], self._ends[row]

    def told_frames(self, row: int) -> int | None:
        """Return how many frames the list tells of a whole file."""
        return self._numbers[row] if self.part(row) == (None, None) else None

    def case(self, row: int, detail: str, *, refused: bool = False) -> Case:
        """Make a case of a sample; a path is refused where no other sample is in the file."""
        path = self._told.paths[row]
        refused = refused and len(self._told.rows_of[path]) == 1
        origins = self._told.origins([row])
        quarantine = (path,) if refused else ()
        return Case(detail=detail, paths=(path,), origins=origins, quarantine=quarantine)


def _wrong_lengths(samples: _Samples) -> Iterator[Finding]:
    cases = []
    for row, one in samples:
        expected, real = samples.told_frames(row), one.num_frames
        if expected is None or real is None or abs(expected - real) <= _FRAMES_OFF:
            continue
        if not any(fault.kind in _CUT for fault in one.faults):
            detail = f"the list tells {expected} frames, and there are {real}"
            cases.append(samples.case(row, detail))
    yield from found("wrong-length", cases)


def _parts_outside(samples: _Samples) -> Iterator[Finding]:
    outside, beyond = [], []
    for row, one in samples:
        start, end = samples.part(row)
        if one.duration_seconds is None or one.fps is None or (start, end) == (None, None):
            continue
        seconds = float(one.duration_seconds)
        if start is not None and start >= seconds:
            detail = f"it starts at {start:g} s, and the video has {seconds:.2f} s"
            outside.append(samples.case(row, detail, refused=True))
        elif end is not None and end > seconds + _SECONDS_OFF:
            detail = f"it ends at {end:g} s, and the video has {seconds:.2f} s"
            beyond.append(samples.case(row, detail))
    yield from found("part-outside", outside)
    yield from found("part-beyond", beyond)


def _too_short(samples: _Samples, model: InputSpec) -> Iterator[Finding]:
    needed = model.span if model.sampling == "clip" else model.frames
    ticks_of = lru_cache(num_ticks)  # Fractions are slow, and many videos have one length
    cases = []
    for row, one in samples:
        if one.duration_seconds is None:
            continue
        start, end = samples.part(row)
        whole, fps = one.duration_seconds, clock(model, one.fps)
        seconds = min(Fraction(end), whole) if end is not None else whole
        seconds -= Fraction(start or 0)
        if seconds > 0 and (ticks := ticks_of(seconds, fps)) < needed:
            detail = f"{ticks} frames at {float(fps):g} a second; a clip of the model has {needed}"
            cases.append(samples.case(row, detail))
    yield from found("too-short", cases)


# Labels.


def _label_names(labels: Sequence[str]) -> Iterator[Finding]:
    alike = [Case(detail=" and ".join(map(repr, same))) for same in spelt_alike(labels)]
    yield from found("labels-alike", alike)
    if counts_from_one(labels):
        message = "the class indices begin at 1; if they are counted from 1, say so: --one-based"
        yield Finding(severity="warning", kind="one-based", message=message)
    yield from _official(labels)
    mirrored = [
        Case(detail=f"{label!r} and {other!r}" if other else f"{label!r}, without a counterpart")
        for label, other in labels_that_mirror(labels)
    ]
    yield from found("mirror", mirrored)


def _official(labels: Sequence[str]) -> Iterator[Finding]:
    official = compare_with_official(labels)
    if official is None:
        return
    name = official.dataset
    spelling = [Case(detail=f"{own!r} is {other!r} in {name}") for own, other in official.otherwise]
    yield from found("label-spelling", spelling)
    unknown = [Case(detail=f"{label!r} is not in {name}") for label in official.unknown]
    yield from found("label-unknown", unknown)
    if official.reordered:
        message = f"the labels are those of {name} in another order: published weights do not fit"
        yield Finding(severity="note", kind="label-order", message=message)


def _label_counts(dataset: VideoDataset) -> Iterator[Finding]:
    counts = dataset.label_counts()
    used = {label: count for label, count in counts.items() if count}
    unused = [Case(detail=repr(label)) for label, count in counts.items() if not count]
    yield from found("label-unused", unused)
    alone = [Case(detail=repr(label)) for label, count in used.items() if count == 1]
    yield from found("label-alone", alone)
    if used and max(used.values()) > _IMBALANCE * min(used.values()):
        most, least = max(used, key=used.__getitem__), min(used, key=used.__getitem__)
        sizes = f"{used[most]:,} samples of {most!r}, {used[least]:,} of {least!r}"
        message = f"the classes differ in size: {sizes}"
        yield Finding(severity="note", kind="imbalance", message=message)
    yield from _missing_labels(dataset, list(used))


def _missing_labels(dataset: VideoDataset, used: Sequence[str]) -> Iterator[Finding]:
    """Find the labels that a split lacks; a split without any label is for others to measure."""
    learnt: list[Case] = []
    measured: list[Case] = []
    for fold in range(1, dataset.folds + 1):
        where = f" of fold {fold}" if dataset.folds > 1 else ""
        for split in dataset.split_counts(fold):
            own = dataset.of_split(split, fold).label_counts()
            lacking = [label for label in used if not own[label]]
            cases = [Case(detail=f"{label!r} is not in {split}{where}") for label in lacking]
            if len(lacking) < len(used):
                (learnt if split == "train" else measured).extend(cases)
    yield from found("label-not-learnt", learnt)
    yield from found("label-not-measured", measured)


def _unlabelled(told: Told, samples: _Samples) -> Iterator[Finding]:
    rows = [row for row, labels in enumerate(told.labels) if not labels]
    trained = [row for row in rows if {fold[row] for fold in told.folds} != {"test"}]
    yield from found("unlabelled", [samples.case(row, "no label") for row in trained])


def _splits(dataset: VideoDataset) -> Iterator[Finding]:
    splits = [dataset.split_counts(fold) for fold in range(1, dataset.folds + 1)]
    if not any(splits):
        message = "it is not split yet: actionzoo data split"
        yield Finding(severity="note", kind="unsplit", message=message)
    elif not all("train" in one for one in splits):
        message = f"there is no split 'train', only {' and '.join(splits[0])}"
        yield Finding(severity="note", kind="no-train", message=message)
    elif not all(len(one) > 1 for one in splits):
        message = "there is only the split 'train', so nothing is left to measure with"
        yield Finding(severity="note", kind="only-train", message=message)
