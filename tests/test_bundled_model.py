"""The model in the package, on video that it has never seen."""

import csv
from pathlib import Path

import pytest

from actionzoo.backends.openvino_backend import OpenVINOBackend
from actionzoo.catalog import get_spec
from actionzoo.prediction import Prediction
from actionzoo.predictor import BUNDLED, Predictor
from actionzoo.pretrained import ASSETS
from actionzoo.synthetic import ACTIONS, make_dataset

MODEL = ASSETS / f"{BUNDLED}.xml"


@pytest.fixture(scope="module")
def predictor():
    return Predictor()


def top_1(predictor, labels):
    """The share of videos that are named rightly; ``labels`` maps path to label."""
    outcomes = list(predictor.predict_many(labels))
    assert all(isinstance(one, Prediction) for one in outcomes)
    hits = [one.top_k(1)[0].label == labels[Path(one.path)] for one in outcomes]
    return sum(hits) / len(hits)


def test_it_is_small():
    assert sum(file.stat().st_size for file in ASSETS.glob(f"{BUNDLED}.*")) <= 6_000_000
    assert get_spec(BUNDLED).macs <= 1_000_000_000


def test_the_file_carries_the_zoos_spec():
    assert OpenVINOBackend(MODEL).spec == get_spec(BUNDLED)


def test_it_names_drawn_actions_of_an_unseen_seed(predictor, tmp_path):
    make_dataset(tmp_path, clips_per_class=8, seed=271828, processes=1)
    names = {action.name: action.label for action in ACTIONS}
    labels = {path: names[path.parent.name] for path in tmp_path.rglob("*.mp4")}
    assert len(labels) == 80
    assert top_1(predictor, labels) >= 0.92


def test_it_names_the_actions_of_real_silhouettes(predictor, shared):
    """Weizmann's (Gorelick et al., 2007): people, not drawings, and none of them in training."""
    folder = shared / "data" / "weizmann"
    names = {action.name: action.label for action in ACTIONS}
    with (folder / "groups.csv").open() as file:
        labels = {folder / row["file"]: names[row["label"]] for row in csv.DictReader(file)}
    assert len(labels) == 63
    assert top_1(predictor, labels) >= 0.9


def test_it_answers_every_real_clip(predictor, shared):
    clips = [
        path for path in (shared / "data" / "clips").iterdir() if path.suffix not in (".csv", ".md")
    ]
    outcomes = list(predictor.predict_many(clips))
    assert len(outcomes) == 13
    assert all(isinstance(one, Prediction) and not one.warnings for one in outcomes)
