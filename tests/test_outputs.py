import csv
import io
import json

import pytest

from actionzoo.errors import CannotOpen
from actionzoo.outputs import FORMATS, make_writer
from actionzoo.prediction import Failure
from test_prediction import prediction

AWKWARD = 'a, "b"\n\u2028[bold]😀.mp4'
FAILURE = Failure(path="broken.mp4", error=CannotOpen("'broken.mp4' is empty"))


def written(kind, *outcomes):
    file = io.StringIO()
    writer = make_writer(kind, file, top_k=2)
    for outcome in outcomes:
        writer.write(outcome)
    writer.close()
    return file.getvalue()


def test_json_lines_are_one_object_a_line_whatever_the_name():
    first, second = written("jsonl", prediction(path=AWKWARD), FAILURE).splitlines()
    assert json.loads(first)["path"] == AWKWARD
    assert json.loads(second) == FAILURE.to_dict()


def test_a_json_line_is_there_before_the_next_video():
    file = io.StringIO()
    make_writer("jsonl", file, top_k=1).write(prediction())
    assert json.loads(file.getvalue())["path"] == "a.mp4"


@pytest.mark.parametrize("count", [0, 1, 3])
def test_json_is_one_array(count):
    rows = json.loads(written("json", *[prediction()] * count))
    assert [row["path"] for row in rows] == ["a.mp4"] * count


def test_csv_is_one_row_a_label_and_reads_back():
    rows = list(csv.DictReader(io.StringIO(written("csv", prediction(path=AWKWARD), FAILURE))))
    assert [(row["path"], row["rank"], row["label"]) for row in rows] == [
        (AWKWARD, "1", "run"),
        (AWKWARD, "2", "bend"),
        ("broken.mp4", "", ""),
    ]
    assert rows[2]["error"] == "'broken.mp4' is empty"


def test_the_table_of_one_video_has_its_labels():
    table = written("table", prediction(path=AWKWARD))
    assert "run" in table
    assert "70.0%" in table
    assert "walk" not in table
    assert r"\n\u2028[bold]😀.mp4" in table


def test_the_table_of_several_videos_has_a_line_each_and_cuts_no_name():
    long = "q" * 150 + ".mp4"
    table = written("table", prediction(), prediction(path=long), FAILURE)
    assert "a.mp4" in table
    assert table.count("q") == 150
    assert "broken.mp4" not in table


def test_no_video_is_no_table():
    assert written("table", FAILURE) == ""


def test_every_format_has_a_writer():
    for kind in FORMATS:
        assert make_writer(kind, io.StringIO(), top_k=1)
