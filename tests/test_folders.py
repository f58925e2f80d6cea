"""Folders as exports and Open Model Zoo's downloader lay them out."""

import json

import pytest

from actionzoo.backends.folders import model_files
from actionzoo.errors import BadWeights

NAME = "action-recognition-0001"
PAIR = (f"{NAME}-encoder", f"{NAME}-decoder")


def lay(folder, *names):
    """Write files that look like models from outside."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('<?xml version="1.0"?>\n<net name="a" version="11">')


def found(folder, **options):
    return [path.relative_to(folder).as_posix() for path in model_files(folder, **options)]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a.xml"], ["a.xml"]),
        (["a.onnx"], ["a.onnx"]),
        (["a.xml", "a.onnx"], ["a.xml"]),
        (["fp16/a.xml", "int8/a.xml", "fp32/a.xml"], ["fp32/a.xml"]),
        (["int8/a.xml", "fp16/a.onnx"], ["fp16/a.onnx"]),
        (["FP16/a.xml", "FP16-INT8/a.xml", ".old/b.xml"], ["FP16/a.xml"]),
        ([f"{one}.xml" for one in PAIR], [f"{one}.xml" for one in PAIR]),
        (
            [f"intel/{NAME}/{one}/{kind}/{one}.xml" for one in PAIR for kind in ("FP16", "FP32")],
            [f"intel/{NAME}/{one}/FP32/{one}.xml" for one in PAIR],
        ),
        ([], []),
        (["a/b/c/d/e/a.xml"], []),
    ],
)
def test_the_most_precise_model_is_taken(names, expected, tmp_path):
    lay(tmp_path, *names)
    assert found(tmp_path) == expected


def test_only_the_wanted_kind_is_taken(tmp_path):
    lay(tmp_path, "fp32/a.xml", "fp32/a.onnx")
    assert found(tmp_path, suffixes=(".onnx",)) == ["fp32/a.onnx"]


def test_an_xml_of_something_else_is_no_model(tmp_path):
    lay(tmp_path, "a.xml")
    (tmp_path / "annotations.xml").write_text("<annotations><track/></annotations>")
    assert found(tmp_path) == ["a.xml"]


def test_an_export_says_which_is_to_be_used(tmp_path):
    lay(tmp_path, "fp32/a.xml", "int8/a.xml", "int8/a.bin")
    told = {"recommended": {"files": ["int8/a.xml", "int8/a.bin"]}}
    (tmp_path / "parity.json").write_text(json.dumps(told))
    assert found(tmp_path) == ["int8/a.xml"]
    (tmp_path / "int8/a.xml").unlink()
    assert found(tmp_path) == ["fp32/a.xml"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"recommended": null}'])
def test_an_export_that_says_nothing_leaves_the_most_precise(text, tmp_path):
    lay(tmp_path, "fp32/a.xml", "int8/a.xml")
    (tmp_path / "parity.json").write_text(text)
    assert found(tmp_path) == ["fp32/a.xml"]


@pytest.mark.parametrize(
    ("names", "listed"),
    [
        (["a.xml", "b.onnx"], "a.xml, b.onnx;"),
        (["1/model.xml", "2/model.xml"], "1/model.xml, 2/model.xml;"),
        ([f"{number:02}.xml" for number in range(15)], "11.xml and 3 more;"),
    ],
)
def test_several_models_are_listed(names, listed, tmp_path):
    lay(tmp_path, *names)
    with pytest.raises(BadWeights, match=f"holds several models, .*{listed} give the path of one"):
        model_files(tmp_path)


@pytest.mark.parametrize(("there", "missing"), [PAIR, PAIR[::-1]])
def test_half_a_model_is_refused_with_the_other_half(there, missing, tmp_path):
    lay(tmp_path, f"{there}.xml")
    with pytest.raises(BadWeights, match=rf"'{there}.xml' without its .*put '{missing}.xml' there"):
        model_files(tmp_path)
