"""What a model said of every video of a dataset, and its files.

Two files lie beside one another: ``evaluation.json``, small and for reading, has the numbers;
``evaluation.parquet`` has the logits of every video, from which all numbers can be computed again.
"""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from actionzoo import __version__
from actionzoo.errors import BadDataset
from actionzoo.evaluation.metrics import MetricValue, class_values, confusion_matrix
from actionzoo.whole import whole

EVALUATION_FILE, LOGITS_FILE = "evaluation.json", "evaluation.parquet"

METADATA_KEY = "actionzoo"
"""Under it the schema of a file of logits tells all that is no column."""
_FORMAT = "actionzoo evaluation 1"
_FACTS = "model backend protocol dataset root split fold list_hash labels failures seconds".split()
"""The fields that are no column of the table of logits."""
_LIBRARIES = ("numpy", "av", "openvino", "onnxruntime", "torch", "torchmetrics")
_DIGITS = 7
"""Of a number in JSON; single precision has as many."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Evaluation:
    """What a model says of every video of a dataset, looked at by one protocol.

    N videos could be read, K classes.
    """

    model: str
    backend: str
    """``torch``, ``openvino`` or ``onnx``, or ``file`` for predictions from elsewhere."""
    protocol: dict[str, Any]
    """Name, clips, crops, average, size of the crop, resize rule, source: plain values."""
    dataset: str
    """Name of the dataset's folder or file."""
    root: str
    """Where paths start, to find the videos again."""
    split: str | None
    """None is all of it."""
    fold: int
    list_hash: str
    """Of the list of videos and their labels, so that two evaluations can be told of one list."""
    labels: tuple[str, ...]
    paths: tuple[str, ...]
    """Of the videos that could be read, as the dataset has them."""
    groups: tuple[str | None, ...]
    """Person or recording of each video, where the dataset tells."""
    targets: np.ndarray
    """Class indices, shape (N,) int64; where videos have several labels 0 and 1, (N, K) int64."""
    logits: np.ndarray
    """Mean over the views, shape (N, K) float32; logarithms of scores where a network ends in
    them."""
    scores: np.ndarray
    """As the protocol averages views, shape (N, K) float32, each in [0, 1]; rows sum to 1 unless
    videos have several labels (then each is a sigmoid)."""
    clip_hits: np.ndarray
    """Share of the views of a video whose best class is its label, shape (N,) float32; NaN where
    videos have several labels or single views are not known."""
    failures: tuple[tuple[str, str], ...]
    """Path and reason of each video that could not be read."""
    seconds: float
    """That it took."""

    def __post_init__(self) -> None:
        count, width = len(self.paths), len(self.labels)
        assert self.logits.shape == self.scores.shape == (count, width)
        assert len(self.targets) == len(self.groups) == len(self.clip_hits) == count
        assert self.targets.ndim == 1 or self.targets.shape[1] == width

    @property
    def has_several_labels(self) -> bool:
        """Whether videos have several labels."""
        return self.targets.ndim == 2


# the numbers


def write_evaluation(
    evaluation: Evaluation, metrics: Mapping[str, MetricValue], path: Path
) -> None:
    """Write the numbers of an evaluation as JSON, all or nothing.

    ``metrics`` with their intervals, what was evaluated and how, the videos that failed,
    ``classes`` (how many videos and how many of them are recognised, or average precisions),
    ``confusion`` (class index of the label, of the answer, number of videos, where there are any)
    and versions. What cannot be told is null.

    Args:
        evaluation: What was found.
        metrics: Of it, from ``compute_metrics``.
        path: The file; one that is there is replaced.

    Raises:
        OSError: It cannot be written.
    """
    values = {
        "format": _FORMAT,
        **{name: getattr(evaluation, name) for name in _FACTS if name != "failures"},
        "videos": len(evaluation.paths),
        "failures": {
            "count": len(evaluation.failures),
            "videos": [{"path": path, "reason": reason} for path, reason in evaluation.failures],
        },
        "metrics": {name: asdict(value) for name, value in metrics.items()},
        "classes": [asdict(value) for value in class_values(evaluation)],
        "confusion": None if evaluation.has_several_labels else _confusion(evaluation),
        "versions": library_versions(),
    }
    with whole(path) as part:
        part.write_text(_one_a_line(values) + "\n", encoding="utf-8")


def _confusion(evaluation: Evaluation) -> list[tuple[int, int, int]]:
    matrix = confusion_matrix(evaluation)
    rows, columns = np.nonzero(matrix)
    counts = matrix[rows, columns]
    return list(zip(rows.tolist(), columns.tolist(), counts.tolist(), strict=True))


def library_versions() -> dict[str, str]:
    """Return the versions of Python, of this package and of the libraries that numbers depend on.

    Those that are not installed are left out.
    """
    found = {"python": platform.python_version(), "actionzoo": __version__}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _one_a_line(values: Mapping[str, Any]) -> str:
    """Write JSON with an entry a line, and an item a line in those that hold lists or objects."""
    lines = []
    for name, value in values.items():
        inner: list[str] = []
        if isinstance(value, list):
            inner = [_json(one) for one in value]
        elif isinstance(value, dict) and any(isinstance(one, dict) for one in value.values()):
            inner = [f"{json.dumps(key)}: {_json(one)}" for key, one in value.items()]
        opening, closing = "{}" if isinstance(value, dict) else "[]"
        text = ",\n  ".join(inner)
        text = f"{opening}\n  {text}\n {closing}" if inner else _json(value)
        lines.append(f" {json.dumps(name)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}"


def _json(value: Any) -> str:
    return json.dumps(plain(value), allow_nan=False)


def plain(value: Any) -> Any:
    """Return a value as JSON can have it: rounded, and None for numbers that are not finite."""
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: plain(one) for name, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value


# the logits


def write_logits(evaluation: Evaluation, path: Path) -> None:
    """Write an evaluation as Parquet, a row a video, all or nothing.

    Columns: ``path``, ``group``, ``target`` (or ``targets``, where there are several), both as
    class indices, ``logits`` and ``scores`` in the order of the labels, and ``clip_hits``. The
    metadata of the schema has the rest as JSON under ``actionzoo``.

    Raises:
        OSError: It cannot be written.
    """
    columns = {
        "path": pa.array(evaluation.paths, pa.string()),
        "group": pa.array(evaluation.groups, pa.string()),
        **_target_column(evaluation),
        "logits": _lists(evaluation.logits),
        "scores": _lists(evaluation.scores),
        "clip_hits": pa.array(evaluation.clip_hits, pa.float32()),
    }
    facts = {"format": _FORMAT} | {name: getattr(evaluation, name) for name in _FACTS}
    table = pa.table(columns).replace_schema_metadata({METADATA_KEY: json.dumps(facts)})
    with whole(path) as part:
        pq.write_table(table, part, compression="zstd")


def _target_column(evaluation: Evaluation) -> dict[str, pa.Array]:
    if not evaluation.has_several_labels:
        return {"target": pa.array(evaluation.targets, pa.int64())}
    rows, indices = np.nonzero(evaluation.targets)
    offsets = np.searchsorted(rows, np.arange(len(evaluation.targets) + 1))
    return {
        "targets": pa.ListArray.from_arrays(
            pa.array(offsets, pa.int32()), pa.array(indices, pa.int32())
        )
    }


def _lists(matrix: np.ndarray) -> pa.Array:
    count, width = matrix.shape
    offsets = pa.array(np.arange(count + 1) * width, pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.array(matrix.ravel(), pa.float32()))


def read_evaluation(path: Path) -> Evaluation:
    """Read an evaluation.

    Args:
        path: What ``write_logits`` wrote, the folder that holds it, or the JSON file beside it.

    Raises:
        BadDataset: There is none, or it is damaged.
    """
    file = find_logits(path)
    try:
        table = pq.read_table(file)
        facts = json.loads((table.schema.metadata or {})[METADATA_KEY.encode()])
        if facts.pop("format") != _FORMAT:
            raise KeyError(METADATA_KEY)
        return _evaluation_of(table, facts)
    except KeyError as error:
        raise BadDataset(
            f"{str(file)!r} holds no evaluation; give what actionzoo evaluate wrote"
        ) from error
    except (pa.ArrowException, OSError, ValueError, TypeError) as error:
        raise BadDataset(
            f"{str(file)!r} is damaged; evaluate again, or copy it again ({error})"
        ) from error


def find_logits(path: Path) -> Path:
    """Return the file of logits: a file itself, the one in a folder, the one beside a JSON file.

    Raises:
        BadDataset: There is none, or there are several.
    """
    if not path.exists():
        raise BadDataset(f"there is no {str(path)!r}; give what actionzoo evaluate wrote")
    if path.is_file() and path.suffix != ".json":
        return path
    folder = path if path.is_dir() else path.parent
    for file in (path.with_suffix(".parquet"), folder / LOGITS_FILE):
        if file.is_file():
            return file
    there = sorted(folder.glob("*.parquet"))
    if len(there) != 1:
        found = f"there are {', '.join(one.name for one in there)}" if there else "there is none"
        raise BadDataset(
            f"the logits of {str(path)!r} are sought in a .parquet file of the same name, and "
            f"{found} in {str(folder)!r}; give the file itself"
        )
    return there[0]


def _evaluation_of(table: pa.Table, facts: dict[str, Any]) -> Evaluation:
    shape = len(table), len(facts["labels"])
    several = "targets" in table.column_names
    return Evaluation(
        **facts
        | {
            "labels": tuple(facts["labels"]),
            "failures": tuple((path, reason) for path, reason in facts["failures"]),
        },
        paths=tuple(table["path"].to_pylist()),
        groups=tuple(table["group"].to_pylist()),
        targets=_read_targets(table["targets"], shape)
        if several
        else np.array(table["target"], np.int64),
        logits=_matrix(table["logits"], shape),
        scores=_matrix(table["scores"], shape),
        clip_hits=np.array(table["clip_hits"], np.float32),
    )


def _read_targets(column: pa.ChunkedArray, shape: tuple[int, int]) -> np.ndarray:
    targets = np.zeros(shape, np.int64)
    lists = column.combine_chunks()
    targets[np.asarray(lists.value_parent_indices()), np.asarray(lists.flatten())] = 1
    return targets


def _matrix(column: pa.ChunkedArray, shape: tuple[int, int]) -> np.ndarray:
    lists = column.combine_chunks()
    if (np.asarray(lists.value_lengths()) != shape[1]).any():
        raise ValueError(f"a row of logits has not {shape[1]} values")
    return np.array(lists.flatten(), np.float32).reshape(shape)
