"""Predictions from elsewhere become an evaluation: videos found again, scores completed."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actionzoo.datasets import Sample, VideoDataset
from actionzoo.errors import BadDataset
from actionzoo.evaluation.metrics import compute_metrics
from actionzoo.evaluation.predictions import read_predictions
from actionzoo.evaluation.results import Evaluation, write_logits
from evaluations import random_evaluation

ROOT = Path("/data/clips")
LABELS = ("bend", "run", "walk")
VIDEOS = {"run/1.mp4": "run", "run/2.mp4": "run", "walk/1.mp4": "walk", "bend/3.mp4": "bend"}


def dataset_of(videos: dict[str, str] | list[tuple[str, str]], root: Path = ROOT) -> VideoDataset:
    pairs = videos.items() if isinstance(videos, dict) else videos
    samples = [
        Sample(path=root / path, labels=tuple(label.split("|")), group=path[-5])
        for path, label in pairs
    ]
    return VideoDataset.from_samples(samples, root=root, labels=LABELS)


@pytest.fixture
def dataset() -> VideoDataset:
    return dataset_of(VIDEOS)


def read(folder: Path, content: str, dataset: VideoDataset, **options: Any) -> Evaluation:
    file = folder / "p.csv"
    file.write_text(content, encoding="utf-8")
    return read_predictions(file, dataset, **options)


def answers(evaluation: Evaluation) -> dict[str, str]:
    best = evaluation.scores.argmax(1).tolist()
    return {
        path: evaluation.labels[place] for path, place in zip(evaluation.paths, best, strict=True)
    }


def test_answers(dataset: VideoDataset, tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "path,label\nwalk/1.mp4,walk\nrun/1.mp4,run\nrun/2.mp4,walk\nbend/3.mp4,bend\n",
        dataset,
        split="test",
        fold=2,
    )
    assert found.paths == tuple(VIDEOS)
    assert answers(found) == {**VIDEOS, "run/2.mp4": "walk"}
    assert [found.labels[place] for place in found.targets] == list(VIDEOS.values())
    assert found.groups == ("1", "2", "1", "3")
    assert (found.model, found.backend, found.dataset, found.split, found.fold) == (
        "p",
        "file",
        "clips",
        "test",
        2,
    )
    assert found.list_hash == dataset.list_hash()
    metrics = compute_metrics(found)
    assert list(metrics) == ["top1", "mean_class_accuracy"]
    assert metrics["top1"].value == 0.75


def test_paths_are_found_again(
    dataset: VideoDataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        found = read(
            tmp_path,
            "path,label\n/data/clips/run/1.mp4,run\n/else/where/walk/1.mp4,walk\n"
            "C:\\x\\3.mp4,bend\nnew/9.mp4,run\nother/1.mp4,run\n",
            dataset,
        )
    assert answers(found) == {"run/1.mp4": "run", "walk/1.mp4": "walk", "bend/3.mp4": "bend"}
    assert found.failures == (("run/2.mp4", "no prediction in p.csv"),)
    # 1.mp4 alone is two videos; which one is meant is not guessed.
    assert "predicted videos that the dataset has not, 2: 'new/9.mp4', 'other/1.mp4'" in caplog.text


def test_paths_from_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    dataset = dataset_of(VIDEOS, tmp_path / "clips")
    found = read(tmp_path, "path,label\nclips/run/1.mp4,run\n./clips/walk/1.mp4,walk\n", dataset)
    assert answers(found) == {"run/1.mp4": "run", "walk/1.mp4": "walk"}


def test_a_file_name_goes_to_no_video_that_has_its_prediction(
    dataset: VideoDataset, tmp_path: Path
) -> None:
    found = read(tmp_path, "path,label\nbend/3.mp4,bend\nx/3.mp4,run\n", dataset)
    assert answers(found) == {"bend/3.mp4": "bend"}


def test_parts_of_a_file_are_told_by_their_order(tmp_path: Path) -> None:
    parts = dataset_of([("a/1.mp4", "run"), ("a/2.mp4", "run"), ("a/1.mp4", "walk")])
    found = read(tmp_path, "path,label\na/1.mp4,run\na/1.mp4,bend\na/2.mp4,run\n", parts)
    assert found.paths == ("a/1.mp4", "a/2.mp4", "a/1.mp4")
    assert found.scores.argmax(1).tolist() == [1, 1, 0]
    with pytest.raises(BadDataset, match=r"p.csv:2: 'a/1.mp4' is predicted 1 times, and 2 videos"):
        read(tmp_path, "path,label\na/1.mp4,run\n", parts)
    with pytest.raises(BadDataset, match=r"p.csv:3: 'a/2.mp4' was predicted in p.csv:2 already"):
        read(tmp_path, "path,label\na/2.mp4,run\na/2.mp4,run\n", parts)


def test_what_is_missing_of_the_scores_is_shared(dataset: VideoDataset, tmp_path: Path) -> None:
    rows = [
        {"path": "run/1.mp4", "top_k": [{"label": "run", "score": 0.8}]},
        {"path": "run/2.mp4", "top_k": [{"label": "walk", "score": 0.4}]},
        {"path": "walk/1.mp4", "error": {"type": "CannotOpen", "message": "it is empty"}},
    ]
    file = tmp_path / "p.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows))
    found = read_predictions(file, dataset)
    np.testing.assert_allclose(found.scores[0], [0.1, 0.8, 0.1], rtol=1e-6)
    np.testing.assert_allclose(found.scores[1], [0.3, 0.3, 0.4], rtol=1e-6)
    np.testing.assert_allclose(found.logits[0], np.log([0.1, 0.8, 0.1]), rtol=1e-6)
    assert found.failures == (
        ("walk/1.mp4", "it is empty"),
        ("bend/3.mp4", "no prediction in p.jsonl"),
    )
    assert "negative_log_likelihood" not in compute_metrics(found)
    assert "calibration_error" in compute_metrics(found)
    # Half of the classes and less than half of the sum: no class comes before the one told.
    rows = [{"path": "run/1.mp4", "top_k": [{"label": "walk", "score": 0.2}]}]
    file.write_text(json.dumps(rows[0]))
    scores = read_predictions(file, dataset).scores[0]
    assert scores.argmax() == 2
    np.testing.assert_allclose(scores, [0.2, 0.2, 0.2], rtol=1e-6)


def test_logits_and_scores_of_all_classes(dataset: VideoDataset, tmp_path: Path) -> None:
    head = "path,walk,bend,run\n"
    logits = read(tmp_path, f"{head}run/1.mp4,0,1,3\nrun/2.mp4,-1,800,0\n", dataset)
    powers = np.exp([1, 3, 0])
    np.testing.assert_allclose(logits.scores[0], powers / powers.sum(), rtol=1e-6)
    np.testing.assert_array_equal(logits.logits[0], [1, 3, 0])
    np.testing.assert_array_equal(logits.scores[1], [1, 0, 0])
    scores = read(tmp_path, f"{head}run/1.mp4,.2,.3,.5\n", dataset)
    np.testing.assert_allclose(scores.scores, [[0.3, 0.5, 0.2]], rtol=1e-6)
    assert "negative_log_likelihood" in compute_metrics(scores)
    with pytest.raises(BadDataset, match="has no column for 'bend', 'walk'"):
        read(tmp_path, "path,run,jump\nrun/1.mp4,1,0\n", dataset)


def test_arrays_lie_in_the_order_of_the_dataset(dataset: VideoDataset, tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", np.eye(3)[[1, 1, 2, 0]])
    found = read_predictions(tmp_path / "p.npy", dataset)
    assert answers(found) == VIDEOS
    np.save(tmp_path / "p.npy", np.eye(3))
    with pytest.raises(BadDataset, match="tells of 3 videos, and the dataset has 4"):
        read_predictions(tmp_path / "p.npy", dataset)


def test_classes_that_the_dataset_has_not_are_wrong_answers(
    dataset: VideoDataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = "path,label\nrun/1.mp4,jog\nrun/2.mp4,run\n"
    found = read(tmp_path, content, dataset)
    assert found.labels == (*LABELS, "jog")
    assert compute_metrics(found)["top1"].value == 0.5
    assert "classes told of that the dataset has not, 1: 'jog'" in caplog.text
    with pytest.raises(BadDataset, match="tells of 'jog', which is no class here"):
        read(tmp_path, content, dataset, labels=LABELS)
    with pytest.raises(BadDataset, match=r"'Run', which is no class here; did you mean 'run'"):
        read(tmp_path, "path,label\nrun/1.mp4,Run\n", dataset)
    with pytest.raises(BadDataset, match="not among the labels given: 'bend', 'walk'"):
        read(tmp_path, content, dataset, labels=("run", "jog"))


def test_several_labels(tmp_path: Path) -> None:
    several = dataset_of({"a/1.mp4": "run|bend", "a/2.mp4": "walk"})
    found = read(tmp_path, "path,label\na/2.mp4,walk|run\na/1.mp4,run\n", several)
    np.testing.assert_array_equal(found.targets, [[1, 1, 0], [0, 0, 1]])
    np.testing.assert_array_equal(found.scores, [[0, 1, 0], [0, 1, 1]])
    found = read(tmp_path, "path,run,bend,walk\na/2.mp4,0,-2,2\n", several)
    np.testing.assert_allclose(found.scores, 1 / (1 + np.exp([[2, 0, -2]])), rtol=1e-6)


def test_our_own_logits(dataset: VideoDataset, tmp_path: Path) -> None:
    before = random_evaluation(
        3,
        4,
        labels=("walk", "run", "bend", "jump"),
        paths=("walk/1.mp4", "run/1.mp4", "elsewhere.mp4"),
        clip_hits=np.array([0.5, 1, 0], np.float32),
    )
    # Scores need not be the softmax of the logits; the second video had another label then.
    before = replace(before, scores=before.scores[:, ::-1].copy(), targets=np.array([0, 2, 1]))
    write_logits(before, tmp_path / "evaluation.parquet")
    for path in (tmp_path, tmp_path / "evaluation.parquet"):
        found = read_predictions(path, dataset)
        assert found.labels == ("bend", "run", "walk", "jump")
        assert found.paths == ("run/1.mp4", "walk/1.mp4")
        order = [2, 1, 0, 3]
        np.testing.assert_array_equal(found.logits, before.logits[[1, 0]][:, order])
        np.testing.assert_array_equal(found.scores, before.scores[[1, 0]][:, order])
        np.testing.assert_array_equal(found.clip_hits, [np.nan, 0.5])
        assert (found.model, found.backend, found.protocol) == (
            "x3d_xs",
            "torch",
            before.protocol,
        )
        assert len(found.failures) == 2


def test_what_does_not_fit_is_refused(dataset: VideoDataset, tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match=r"predicts no video of the dataset, such as 'run/1.mp4'"):
        read(tmp_path, "path,label\nx.mp4,run\n", dataset)
    unlabelled = VideoDataset.from_samples([Sample(path=ROOT / "a.mp4")], root=ROOT, labels=LABELS)
    with pytest.raises(BadDataset, match="1 of 1 videos of '/data/clips' have no label"):
        read(tmp_path, "path,label\na.mp4,run\n", unlabelled)
