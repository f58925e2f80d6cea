"""Predictions that something else wrote, put beside the labels of a dataset."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from actionzoo.datasets import VideoDataset
from actionzoo.errors import BadDataset, nearest_names
from actionzoo.evaluation.metrics import KNOWN_SCORES
from actionzoo.evaluation.prediction_files import Told, read_told
from actionzoo.evaluation.results import (
    EVALUATION_FILE,
    METADATA_KEY,
    Evaluation,
    read_evaluation,
)

T = TypeVar("T")
logger = logging.getLogger(__name__)

_SMALLEST = np.float32(1e-12)
"""Smallest score whose logarithm is taken."""
_MOST_PARTS = 3
"""As many last parts of a path are compared where it lies elsewhere."""
_MOST_NAMED = 3


def read_predictions(
    path: Path,
    dataset: VideoDataset,
    *,
    labels: Sequence[str] | None = None,
    split: str | None = None,
    fold: int = 1,
) -> Evaluation:
    """Read a file of predictions and put them beside the labels of a dataset.

    A prediction belongs to the video of its path, of its absolute path, or else of its last parts,
    at the least its file name, where no other video has the same. Where several videos lie in one
    file the order of their predictions is that of the dataset. A video without a prediction is a
    failure; predictions of other videos are counted in a warning.

    Classes that the file names and the dataset has not come behind those of the dataset. Where a
    file tells the best labels only, the others share what is missing to a sum of 1, each below the
    least that is told.

    Args:
        path: One of ``prediction_files.FORMS``, or what ``read_evaluation`` takes.
        dataset: Labelled videos, the selected split only.
        labels: Class names the model chooses among, those of the dataset among them; by default
            those of the dataset and those that the file names.
        split: Which split of it this is, to be told.
        fold: Which way of splitting, to be told.

    Raises:
        BadDataset: The file cannot be read or does not fit the dataset; the message names the line.
    """
    classes = _classes(dataset)
    before = read_evaluation(path) if _holds_evaluation(path) else None
    if before is None:
        told = read_told(path, labels or dataset.labels, several=_several(classes))
    else:
        told = _told_by(before, path)
    names = _label_names(told, dataset, given=labels, path=path)
    rows = _rows_of_videos(told, dataset, path)
    failures, kept = _failures(told, rows, dataset=dataset, path=path)
    logits, scores, known = _complete(told, names, several=_several(classes))
    chosen = rows[kept]
    found = Evaluation(
        model=told.model or path.stem,
        backend="file",
        protocol={"name": "file", "source": path.name, KNOWN_SCORES: known},
        dataset=dataset.root.name,
        root=str(dataset.root),
        split=split,
        fold=fold,
        list_hash=dataset.list_hash(),
        labels=names,
        paths=tuple(_take(dataset.paths(), kept)),
        groups=tuple(_take(dataset.groups(), kept)),
        targets=_targets(_take(classes, kept), dataset.labels, names, several=_several(classes)),
        logits=logits[chosen],
        scores=scores[chosen],
        clip_hits=np.full(len(chosen), np.nan, np.float32),
        failures=failures,
        seconds=0.0,
    )
    return found if before is None else _as_before(found, before, chosen)


def _several(classes: Sequence[tuple[int, ...]]) -> bool:
    return any(len(one) > 1 for one in classes)


def _take(values: Sequence[T], rows: np.ndarray) -> list[T]:
    return [values[row] for row in rows.tolist()]


def _classes(dataset: VideoDataset) -> list[tuple[int, ...]]:
    """Return the class indices of every video, each of which needs some."""
    classes = dataset.class_indices()
    if () in classes:
        raise BadDataset(
            f"{classes.count(())} of {len(classes)} videos of {str(dataset.root)!r} have no label; "
            "an evaluation needs one of each"
        )
    return classes


# our own logits


def _holds_evaluation(path: Path) -> bool:
    """Tell whether a path is what ``actionzoo evaluate`` wrote."""
    if path.suffix.lower() != ".parquet":
        return path.is_dir() or path.name == EVALUATION_FILE
    try:
        return METADATA_KEY.encode() in (pq.read_schema(path).metadata or {})
    except (OSError, pa.ArrowException):
        return False  # to read it says what is wrong


def _told_by(before: Evaluation, path: Path) -> Told:
    places = tuple(f"{path.name}, row {row}" for row in range(len(before.paths)))
    return Told(
        kind="logits",
        labels=before.labels,
        paths=before.paths,
        places=places,
        values=before.logits,
        model=before.model,
    )


def _as_before(found: Evaluation, before: Evaluation, chosen: np.ndarray) -> Evaluation:
    """Keep what a file of predictions does not tell, and an evaluation does."""
    columns = [before.labels.index(name) for name in found.labels]
    if found.has_several_labels or before.has_several_labels:
        same = np.zeros(len(chosen), bool)
    else:
        same = (
            np.array(before.labels)[before.targets[chosen]] == np.array(found.labels)[found.targets]
        )
    return replace(
        found,
        backend=before.backend,
        protocol=before.protocol,
        scores=before.scores[chosen][:, columns],
        # Single views were compared with the label of then.
        clip_hits=np.where(same, before.clip_hits[chosen], np.float32(np.nan)),
        seconds=before.seconds,
    )


# classes


def _label_names(
    told: Told, dataset: VideoDataset, *, given: Sequence[str] | None, path: Path
) -> tuple[str, ...]:
    """Return the class names of the evaluation: the known ones, then others that are told."""
    known = tuple(given or dataset.labels)
    if missing := [name for name in dataset.labels if name not in known]:
        raise BadDataset(
            f"the dataset has classes that are not among the labels given: {_named(missing)}"
        )
    others = sorted(set(told.labels) - set(known))
    if others and (given or len(others) == len(told.labels)):
        raise BadDataset(
            f"{path.name} tells of {others[0]!r}, which is no class here; "
            f"{nearest_names(others[0], known)}"
        )
    if told.kind in ("scores", "logits"):
        untold = [name for name in known if name not in told.labels]
        if untold:
            raise BadDataset(
                f"{path.name} has no column for {_named(untold)}; a column a class is needed"
            )
    if others:
        logger.warning(
            "%s: classes told of that the dataset has not, %d: %s",
            path.name,
            len(others),
            _named(others),
        )
    return known + tuple(others)


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(map(repr, names[:_MOST_NAMED])) + more


def _targets(
    classes: Sequence[tuple[int, ...]],
    labels: Sequence[str],
    names: Sequence[str],
    *,
    several: bool,
) -> np.ndarray:
    """Return targets as ``Evaluation`` has them, for classes in another order."""
    place = [names.index(label) for label in labels]
    if not several:
        return np.array([place[one[0]] for one in classes], np.int64)
    targets = np.zeros((len(classes), len(names)), np.int64)
    for row, indices in enumerate(classes):
        targets[row, [place[index] for index in indices]] = 1
    return targets


def _complete(
    told: Told, names: Sequence[str], *, several: bool
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return logits and scores of all classes, shapes (R, K) float32.

    Returns:
        Them, and of how many classes the file tells the scores, at the least.
    """
    values = np.full((len(told.values), len(names)), np.nan, np.float32)
    values[:, [names.index(label) for label in told.labels]] = told.values
    if told.kind == "logits":
        return values, _sigmoid(values) if several else _softmax(values), len(names)
    known = ~np.isnan(values)
    alone = told.kind == "answers" or several
    scores = np.nan_to_num(values) if alone else _shared(values, known)
    counts = known.sum(1)[known.any(1)]
    least = 0 if told.kind == "answers" else int(counts.min(initial=len(names)))
    return np.log(np.maximum(scores, _SMALLEST)), scores, least


def _shared(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Share what scores miss to a sum of 1 among the classes that are not told."""
    missing = np.clip(1 - np.nansum(values, axis=1), 0, 1)
    share = missing / np.maximum((~known).sum(1), 1)
    # The best are told: no other may come before the least of them.
    least = np.where(known, values, np.float32(np.inf)).min(1)
    share = np.minimum(share, np.nextafter(least, np.float32(0)))
    return np.where(known, values, share[:, None]).astype(np.float32)


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(1, keepdims=True, initial=-np.inf))
    scores: np.ndarray = powers / powers.sum(1, keepdims=True)
    return scores


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    # By tanh, which does not overflow.
    scores: np.ndarray = 0.5 + 0.5 * np.tanh(0.5 * logits)
    return scores


# videos


def _rows_of_videos(told: Told, dataset: VideoDataset, path: Path) -> np.ndarray:
    """Return the row that tells of each video of the dataset, shape (videos,); -1 for none."""
    if told.paths is None:
        if len(told.values) != len(dataset):
            raise BadDataset(
                f"{path.name} tells of {len(told.values)} videos, and the dataset has "
                f"{len(dataset)}; give as many in its order, or paths too"
            )
        return np.arange(len(dataset))
    rows_of, unknown = _match(told.paths, dataset)
    rows = np.full(len(dataset), -1)
    for name, videos in _places(dataset.paths()).items():
        found = rows_of.get(name, [])
        if found and len(found) != len(videos):
            raise BadDataset(_miscounted(name, [told.places[row] for row in found], len(videos)))
        rows[videos] = found or -1
    if unknown:
        logger.warning(
            "%s: predicted videos that the dataset has not, %d: %s",
            path.name,
            len(unknown),
            _named([told.paths[row] for row in unknown]),
        )
    if len(unknown) == len(told.paths):
        raise BadDataset(
            f"{path.name} predicts no video of the dataset, such as {dataset.paths()[0]!r}; paths "
            "are compared, or file names where no two are the same"
        )
    return rows


def _miscounted(name: str, places: Sequence[str], videos: int) -> str:
    if videos == 1:
        return f"{places[1]}: {name!r} was predicted in {places[0]} already; give one prediction"
    return (
        f"{places[-1]}: {name!r} is predicted {len(places)} times, and {videos} videos of the "
        "dataset lie in it; give a prediction of each in the dataset's order"
    )


def _places(paths: Sequence[str]) -> dict[str, list[int]]:
    """Return the places of every path."""
    found: dict[str, list[int]] = defaultdict(list)
    for place, path in enumerate(paths):
        found[path].append(place)
    return found


def _match(paths: Sequence[str], dataset: VideoDataset) -> tuple[dict[str, list[int]], list[int]]:
    """Return the rows that belong to each path of the dataset, and those that belong to none."""
    known, left = set(dataset.paths()), []
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, path in enumerate(paths):
        exact = next((one for one in _spellings(path, dataset.root) if one in known), None)
        if exact is None:
            left.append(row)
        else:
            rows_of[exact].append(row)
    owners, unknown = _owners_of_ends(known), []
    by_exact = set(rows_of)
    for row in left:
        ends = _ends(paths[row].replace("\\", "/"))
        owner = next((owners[end] for end in ends if end in owners), None)
        if owner is None or owner in by_exact:
            unknown.append(row)
        else:
            rows_of[owner].append(row)
    return rows_of, unknown


def _spellings(path: str, root: Path) -> Iterator[str]:
    """Yield how a dataset may have a path."""
    yield path
    yield os.path.normpath(path).replace("\\", "/")
    absolute = os.path.abspath(path)
    yield absolute
    if absolute.startswith(f"{root}{os.sep}"):
        yield Path(absolute).relative_to(root).as_posix()


def _ends(path: str) -> list[str]:
    """Return the last parts of a path, the longest first.

    >>> _ends("a/b/c/d.mp4")
    ['b/c/d.mp4', 'c/d.mp4', 'd.mp4']
    """
    parts = path.split("/")[-_MOST_PARTS:]
    return ["/".join(parts[start:]) for start in range(len(parts))]


def _owners_of_ends(paths: Collection[str]) -> dict[str, str | None]:
    """Return whose each end is; None where several paths have it."""
    owners: dict[str, str | None] = {}
    for path in paths:
        for end in _ends(path):
            owners[end] = None if end in owners else path
    return owners


def _failures(
    told: Told, rows: np.ndarray, *, dataset: VideoDataset, path: Path
) -> tuple[tuple[tuple[str, str], ...], np.ndarray]:
    """Return which videos have no answer and why, and the places of the others."""
    failures, kept = [], []
    for place, (name, row) in enumerate(zip(dataset.paths(), rows.tolist(), strict=True)):
        error = told.errors[row] if told.errors and row >= 0 else ""
        if row < 0:
            failures.append((name, f"no prediction in {path.name}"))
        elif error:
            failures.append((name, error))
        else:
            kept.append(place)
    return tuple(failures), np.array(kept, np.int64)
