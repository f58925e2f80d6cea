import numpy as np
import pytest

from actionzoo.errors import CannotOpen
from actionzoo.prediction import Failure, LabelScore, Prediction


def prediction(**changes):
    facts = {
        "path": "a.mp4",
        "model": "figures10",
        "labels": ("bend", "run", "walk"),
        "scores": np.array([0.2, 0.7, 0.1], np.float32),
        "views": 3,
        "fps": 29.97002997,
        "duration_seconds": 2.123456,
        "elapsed_seconds": 0.0123456,
    }
    return Prediction(**{**facts, **changes})


def test_top_k_is_sorted_and_never_longer_than_the_labels():
    assert prediction().top_k(1) == [LabelScore("run", 1, pytest.approx(0.7))]
    assert [one.label for one in prediction().top_k(9)] == ["run", "bend", "walk"]


def test_equal_scores_keep_the_order_of_the_labels():
    even = prediction(scores=np.full(3, 1 / 3, np.float32))
    assert [one.class_index for one in even.top_k(3)] == [0, 1, 2]


def test_the_json_has_the_documented_keys():
    row = prediction().to_dict(2)
    assert row == {
        "path": "a.mp4",
        "model": "figures10",
        "top_k": [
            {"label": "run", "class_index": 1, "score": 0.7},
            {"label": "bend", "class_index": 0, "score": 0.2},
        ],
        "views": 3,
        "fps": 29.97,
        "duration_seconds": 2.123,
        "elapsed_seconds": 0.0123,
    }
    assert prediction(warnings=("cut off",)).to_dict()["warnings"] == ["cut off"]


def test_scores_and_labels_have_one_length():
    with pytest.raises(ValueError, match=r"\(2,\) scores for 3 labels"):
        prediction(scores=np.zeros(2, np.float32))


def test_a_failure_names_its_error():
    failure = Failure(path="a", error=CannotOpen("no such file 'a'"))
    assert failure.to_dict()["error"] == {"type": "CannotOpen", "message": "no such file 'a'"}
