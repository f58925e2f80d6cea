"""What files of predictions tell, and which line is at fault where they do not."""

from __future__ import annotations

import io
import json
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from actionzoo.errors import BadDataset, CannotOpen
from actionzoo.evaluation.prediction_files import Told, read_told
from actionzoo.outputs import make_writer
from actionzoo.prediction import Failure, Prediction

KNOWN = ("run", "bend", "walk")


def told_by(file: Path, *, several: bool = False) -> Told:
    return read_told(file, KNOWN, several=several)


def text(folder: Path, name: str, content: str) -> Path:
    (folder / name).write_text(content, encoding="utf-8")
    return folder / name


def predicted(path: str, scores: list[float]) -> Prediction:
    return Prediction(
        path=path,
        model="x3d_xs",
        labels=KNOWN,
        scores=np.array(scores, np.float32),
        views=1,
        fps=25.0,
        duration_seconds=2.0,
        elapsed_seconds=0.1,
    )


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv"])
def test_what_predict_writes(kind: str, tmp_path: Path) -> None:
    file = io.StringIO()
    writer = make_writer(kind, file, top_k=2)
    writer.write(predicted('a, "b"\n.mp4', [0.7, 0.2, 0.1]))
    writer.write(Failure(path="broken.mp4", error=CannotOpen("'broken.mp4' is empty")))
    writer.write(predicted("c.mp4", [0.1, 0.3, 0.6]))
    writer.close()
    told = told_by(text(tmp_path, f"p.{kind}", file.getvalue()))
    assert told.kind == "top_k"
    assert told.labels == ("run", "bend", "walk")
    assert told.paths == ('a, "b"\n.mp4', "broken.mp4", "c.mp4")
    assert told.errors == ("", "'broken.mp4' is empty", "")
    nan = np.nan
    np.testing.assert_allclose(
        told.values, [[0.7, 0.2, nan], [nan, nan, nan], [nan, 0.3, 0.6]], rtol=1e-6
    )
    assert told.model == ("" if kind == "csv" else "x3d_xs")


def test_answers_alone(tmp_path: Path) -> None:
    for file in (
        text(tmp_path, "p.csv", "Video;Label\na.mp4;run\nb.mp4;bend|walk\n"),
        text(tmp_path, "p.jsonl", '{"path":"a.mp4","label":"run"}\n\n{"path":"b.mp4","label":'
             '"bend|walk"}\n'),
    ):  # fmt: skip
        told = told_by(file)
        assert (told.kind, told.labels, told.paths) == ("answers", KNOWN, ("a.mp4", "b.mp4"))
        np.testing.assert_array_equal(told.values, [[1, 0, 0], [0, 1, 1]])


def test_an_answer_goes_before_the_label_beside_it(tmp_path: Path) -> None:
    told = told_by(text(tmp_path, "p.csv", "path,label,prediction\na.mp4,run,walk\n"))
    assert told.labels == ("walk",)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        ([[0.2, 0.3, 0.5], [0.9, 0.1, 0.004]], "scores"),
        ([[2.0, -1.0, 0.5], [0.9, 0.1, 0.0]], "logits"),
    ],
)
def test_a_column_a_class(rows: list[list[float]], kind: str, suffix: str, tmp_path: Path) -> None:
    columns = {
        "filename": ["a.mp4", "b.mp4"],
        "group": ["x", "y"],
        **{name: [row[place] for row in rows] for place, name in enumerate((*KNOWN[:2], "jump"))},
    }
    file = tmp_path / f"p.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.table(columns), file)
    else:
        cells = [columns, *zip(*columns.values(), strict=True)]
        text(tmp_path, "p.csv", "\n".join(",".join(map(str, row)) for row in cells))
    told = told_by(file)
    assert (told.kind, told.labels) == (kind, ("run", "bend", "jump"))
    assert told.paths == ("a.mp4", "b.mp4")
    assert told.places[1] == f"p.{suffix}:3"
    np.testing.assert_allclose(told.values, rows, rtol=1e-6)


def test_scores_of_several_labels_need_no_sum(tmp_path: Path) -> None:
    file = text(tmp_path, "p.csv", "path,run,bend,walk\na.mp4,0.9,0.8,0\n")
    assert told_by(file, several=True).kind == "scores"
    with pytest.raises(BadDataset, match=r"p.csv:2: the numbers are from 0 to 1 and sum to 1.7"):
        told_by(file)


def test_arrays(tmp_path: Path) -> None:
    values = np.array([[0.2, 0.3, 0.5], [0.9, 0.1, 0.0]])
    np.save(tmp_path / "p.npy", values)
    np.save(tmp_path / "q.npy", 10 * values)
    np.savez(tmp_path / "p.npz", logits=values, paths=np.array(["a", "b"]), labels=list("xyz"))
    told = told_by(tmp_path / "p.npy")
    assert (told.kind, told.labels, told.paths) == ("scores", KNOWN, None)
    assert told_by(tmp_path / "q.npy").kind == "logits"
    told = told_by(tmp_path / "p.npz")
    assert (told.kind, told.labels, told.paths) == ("logits", ("x", "y", "z"), ("a", "b"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.jsonl", '{"path":"a","label":"run"}\n{"path":', r"p.jsonl:2: it is no JSON"),
        ("p.jsonl", '{"label":"run"}', r"p.jsonl:1: a prediction has a path and top_k"),
        ("p.jsonl", '{"path":"a","top_k":[{"label":"run","score":"x"}]}', r":1: 'x' in 'score' is"),
        ("p.jsonl", '{"path":"a","top_k":[{"label":"run","score":1.2}]}', r":1: the score of"),
        ("p.jsonl", '{"path":"a","top_k":[]}', r":1: 'a' has no label"),
        ("p.json", '{"path":"a"}', r"a list of predictions is needed"),
        ("p.json", '[\n{"path":"a","label":"run"},\n7]', r"p.json, item 2: a prediction has"),
        ("p.json", '[\n{"path":"a"\n"label":"run"}]', r"p.json:3: it is no JSON"),
        ("p.csv", "", r"has the columns \(none\); a column path is needed"),
        ("p.csv", "video,frames\na,3\n", r"has the columns video, frames; a column path is needed"),
        ("p.csv", "path,label\na,run\nb\n", r"p.csv:3: 1 fields, but the header has 2"),
        ("p.csv", 'path,label\na,"run\n', r"p.csv:2: it is no line of a csv file"),
        ("p.csv", "path,label\n,run\n", r"p.csv:2: the path is empty"),
        ("p.csv", "path,label\na,\n", r"p.csv:2: 'a' has no label"),
        ("p.csv", "path,label,score\na,run,high\n", r"p.csv:2: 'high' in 'score' is no number"),
        ("p.csv", "path,label,score\na,run,.5\na,run,.4\n", r"p.csv:3: 'a' has the label 'run' tw"),
        ("p.csv", "path,run,bend\na,1,0\nb,nan,0\n", r"p.csv:3: 'nan' in 'run' is no number"),
        ("p.csv", "path,run,run\na,1,0\n", r"p.csv:1: the column 'run' is there twice"),
        ("p.txt", "a run\n", r"is no file of predictions that is understood; give one of"),
        ("p.parquet", "no", r"cannot read"),
        ("p.npz", "no", r"is no file of arrays"),
        ("p.npy", "no", r"is no file of arrays"),
    ],
)  # fmt: skip
def test_bad_files_name_the_line(name: str, content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match=message):
        told_by(text(tmp_path, name, content))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((2, 4)), r"holds scores of shape \(2, 4\) float64; .* \(videos, 3 classes\)"),
        (np.array([["a", "b", "c"]]), "numbers of shape"),
        (np.full((2, 3), np.inf), "p.npy, row 0: a number is not finite"),
        (np.array([{}, {}]), "is no file of arrays of numbers"),
    ],
)
def test_bad_arrays(values: np.ndarray, message: str, tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", values, allow_pickle=True)
    with pytest.raises(BadDataset, match=message):
        told_by(tmp_path / "p.npy")


def test_arrays_of_other_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", other=np.zeros(3))
    with pytest.raises(BadDataset, match="holds other; an array scores or logits is needed"):
        told_by(tmp_path / "a.npz")


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "mm.pkl").write_bytes(pickle.dumps([{"pred_score": [0.1, 0.9]}]))
    with pytest.raises(BadDataset, match=r"runs the code in it.* np.save\('scores.npy'"):
        told_by(tmp_path / "mm.pkl")
    with pytest.raises(BadDataset, match="there is no file"):
        told_by(tmp_path / "none.csv")


def test_json_of_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_bytes("path,label\nä.mp4,run\n".encode("latin-1"))
    with pytest.raises(BadDataset, match="is not UTF-8"):
        told_by(tmp_path / "p.csv")
    (tmp_path / "p.json").write_bytes(b"\xef\xbb\xbf" + json.dumps([]).encode())
    assert told_by(tmp_path / "p.json").paths == ()
