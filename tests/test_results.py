"""What is written of an evaluation reads back, exactly and all or nothing."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from actionzoo.errors import BadDataset
from actionzoo.evaluation import results
from actionzoo.evaluation.metrics import compute_metrics
from actionzoo.evaluation.results import (
    Evaluation,
    read_evaluation,
    write_evaluation,
    write_logits,
)
from evaluations import evaluation_of, random_evaluation

FULL: dict[str, Any] = {
    "groups": ("anna", None, "björn", "anna"),
    "paths": ("walk/a.mp4", "run/b, c.mp4", "/elsewhere/ü.mp4", "run/b, c.mp4"),
    "failures": (("broken.mp4", "'broken.mp4' is empty"),),
    "split": None,
    "clip_hits": np.array([0.5, np.nan, 1, 0], np.float32),
    "protocol": {"name": "gluoncv-30", "clips": 10, "resize": [256, 340], "share": 0.1},
}


def assert_same(one: Evaluation, other: Evaluation) -> None:
    for field in fields(Evaluation):
        first, second = getattr(one, field.name), getattr(other, field.name)
        if isinstance(first, np.ndarray):
            assert (first.dtype, first.shape) == (second.dtype, second.shape), field.name
            np.testing.assert_array_equal(first, second, field.name)
        else:
            assert first == second, field.name


@pytest.mark.parametrize(
    "evaluation",
    [
        random_evaluation(4, 3, **FULL),
        random_evaluation(4, 3, several=True, **FULL),
        random_evaluation(0, 3),
        evaluation_of([[0.0, 0.0]] * 3, [[0, 0], [1, 1], [0, 0]]),
    ],
    ids=["one label", "several", "no videos", "videos without a label"],
)
def test_round_trip(evaluation: Evaluation, tmp_path: Path) -> None:
    write_logits(evaluation, tmp_path / "a.parquet")
    write_evaluation(evaluation, compute_metrics(evaluation, resamples=9), tmp_path / "a.json")
    for path in (tmp_path / "a.parquet", tmp_path / "a.json", tmp_path):
        read = read_evaluation(path)
        assert_same(evaluation, read)
        assert read.logits.flags.writeable
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.json", "a.parquet"]


def test_other_tools_can_read_the_table(tmp_path: Path) -> None:
    one = random_evaluation(4, 3, **FULL)
    write_logits(one, tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.column_names == ["path", "group", "target", "logits", "scores", "clip_hits"]
    assert table["logits"][1].as_py() == one.logits[1].tolist()
    assert json.loads(table.schema.metadata[b"actionzoo"])["labels"] == list(one.labels)


def test_json_has_the_numbers(tmp_path: Path) -> None:
    one = random_evaluation(40, 6, failures=FULL["failures"])
    metrics = compute_metrics(one, resamples=50)
    write_evaluation(one, metrics, tmp_path / "a.json")
    told = json.loads((tmp_path / "a.json").read_text())
    assert (told["videos"], told["list_hash"], told["protocol"]) == (
        40,
        "0123456789ab",
        one.protocol,
    )
    assert told["failures"] == {
        "count": 1,
        "videos": [{"path": "broken.mp4", "reason": "'broken.mp4' is empty"}],
    }
    assert told["metrics"]["top1"]["low"] == pytest.approx(metrics["top1"].low, rel=1e-6)
    assert sum(count for _, _, count in told["confusion"]) == 40
    right = sum(count for target, answer, count in told["confusion"] if target == answer)
    assert right / 40 == pytest.approx(told["metrics"]["top1"]["value"])
    assert sum(each["videos"] for each in told["classes"]) == 40
    assert {"python", "numpy", "torch", "actionzoo"} <= told["versions"].keys()
    assert "logits" not in told


def test_what_is_not_known_is_null(tmp_path: Path) -> None:
    one = evaluation_of([[1.0, -1.0]], [[1, 0]])
    write_evaluation(one, compute_metrics(one), tmp_path / "a.json")
    told = json.loads((tmp_path / "a.json").read_text())
    assert told["metrics"]["mean_average_precision"]["low"] is None
    assert told["confusion"] is None
    assert told["classes"][1]["value"] is None


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.parquet"
    write_logits(random_evaluation(4, 3), file)
    before = file.read_bytes()

    def fail(table: Any, part: Path, **options: Any) -> None:
        part.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(results.pq, "write_table", fail)
    with pytest.raises(OSError, match="No space"):
        write_logits(random_evaluation(5, 3), file)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_what_is_no_evaluation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match=r"there is no .*none.json"):
        read_evaluation(tmp_path / "none.json")
    with pytest.raises(BadDataset, match="there is none in"):
        read_evaluation(tmp_path)
    file = tmp_path / "a.parquet"
    write_logits(random_evaluation(40, 3), file)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadDataset, match="is damaged"):
        read_evaluation(file)
    pq.write_table(pq.read_table(_whole(file, whole)).replace_schema_metadata(None), file)
    with pytest.raises(BadDataset, match="holds no evaluation"):
        read_evaluation(file)
    (tmp_path / "b.parquet").write_bytes(whole)
    (tmp_path / "c.json").write_text("{}")
    with pytest.raises(BadDataset, match=r"there are a.parquet, b.parquet in"):
        read_evaluation(tmp_path / "c.json")


def _whole(file: Path, data: bytes) -> Path:
    file.write_bytes(data)
    return file
