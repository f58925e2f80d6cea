"""The page of a certificate: what it says, and that its lines run."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actionzoo.backends.openvino_backend import import_openvino
from actionzoo.exporting.certificate import (
    Accuracy,
    Certificate,
    Change,
    Recommended,
    Stage,
)
from actionzoo.exporting.clips import ClipFacts
from actionzoo.exporting.parity_page import headline, plain_python, write_parity_page
from certificates import INPUT, clips_of, spec_of, stage_of
from html_pages import EVIL, Page

REFERENCE = stage_of("torch fp32", 40, 0)


def with_measures(stage: Stage, **changes: Any) -> Stage:
    assert stage.measured is not None
    return replace(stage, measured=replace(stage.measured, **changes))


FP32 = with_measures(stage_of("openvino fp32", 20, 1_000_000), over_reference=2.0, over_fp32=1.0)
INT8 = with_measures(
    stage_of("openvino int8", 10, 280_000),
    over_reference=4.0,
    over_fp32=2.1,
    top1_agreement=0.986,
    max_difference=0.05,
)


def certificate_of(*stages: Stage, best: str | None = None, **others: Any) -> Certificate:
    made = Certificate(
        model="tiny",
        source="random parameters",
        license="Apache-2.0",
        labels=7,
        date="2026-01-02T03:04:05+00:00",
        command="actionzoo export tiny",
        versions={"numpy": "1.2.3"},
        machine={"system": "Linux", "processor": "Abacus", "cores": 2, "int8": ["amx_int8"]},
        max_drop=None,
        clips=tuple(ClipFacts(name=f"{one}.mp4", sha256=f"{one:064x}") for one in range(200)),
        clips_source="/data",
        unlabelled="nobody labelled them",
        failures=(),
        reference=replace(REFERENCE, files=(), size_bytes=None),
        stages=stages,
        recommended=Recommended(stage=best, files=(), why="it is good"),
    )
    return replace(made, **others)


def page_of(folder: Path, certificate: Certificate, clips: Any = None) -> Page:
    path = write_parity_page(certificate, clips, folder)
    assert path == folder / "parity.html"
    page = Page(path.read_text(encoding="utf-8"))
    page.assert_harmless()
    return page


def test_the_headline_says_what_to_ship() -> None:
    assert headline(certificate_of(FP32, INT8, best="openvino int8")) == (
        "Ship openvino int8: 2.1 × as fast as fp32 and 28 % of its size, the same answers on "
        "98.6 % of 200 clips."
    )
    assert headline(certificate_of(FP32, best="openvino fp32")) == (
        "Ship openvino fp32: 2.0 × as fast as torch fp32, the same answer on all 200 clips."
    )


def test_the_headline_says_what_not_to_ship() -> None:
    wrong = with_measures(replace(INT8, broken=("wrong",)), top1_agreement=0.91)
    far = with_measures(replace(FP32, broken=("wrong",)), max_difference=2e-3)
    lost = replace(INT8, stage="onnx int8", broken=("wrong",))
    refused = Stage(stage="onnx fp16", target="onnx", precision="fp16", refused="no operator")
    none = replace(far, measured=replace(far.measured, max_difference=math.inf))  # type: ignore[type-var]
    for stage, told in (
        (wrong, "Do not ship openvino int8: the same answers on only 91.0 % of the clips"),
        (far, "Do not ship openvino fp32: its outputs differ by up to 2e-3"),
        (none, "Do not ship openvino fp32: its outputs are no numbers for some clips"),
        (lost, "Do not ship onnx int8: it loses too much accuracy"),
        (refused, "onnx fp16 was refused"),
    ):
        assert headline(certificate_of(stage)) == f"Ship none of these files. {told}."
    several = headline(certificate_of(FP32, wrong, refused, lost, best="openvino fp32"))
    assert several.endswith("onnx fp16 was refused. 1 other is not to be shipped either.")


def test_the_table_marks_what_is_broken(tmp_path: Path) -> None:
    far = replace(with_measures(FP32, max_difference=2e-3), broken=("it differs",))
    refused = Stage(stage="onnx fp32", target="onnx", precision="fp32", refused="no operator")
    told = replace(certificate_of(far, INT8, refused, best="openvino int8"), max_drop=0.5)
    page = page_of(tmp_path, told)
    for words in (
        "✗ 2e-3",
        "✗ 1 bound broken",
        "✗ refused",
        "✓ ship this",
        "onnx fp32 was refused: no operator",
        "1 bound is broken",
        "98.6 %",
        "28 % of fp32",
        "4 × torch fp32",
        "it is good.",
        "at most 0.5 points lower",
        "one is 0.5 %",
        "/data",
        "Abacus, 2 cores",
        "amx_int8",
        "2026-01-02 03:04 UTC",
        f"{7:064x}",
    ):
        assert words in page.text, words
    assert "✗ 98.6 %" not in page.text
    assert "top-1 accuracy" not in {one.get("scope") for one in page.named("th")}
    assert len([one for one in page.named("th") if one.get("scope") == "col"]) == 5


def test_accuracy_has_a_column_where_labels_are_known(tmp_path: Path) -> None:
    right = {"count": 200, "low": 0.7, "high": 0.85}
    before, after = (Accuracy(right=one, **right) for one in (160, 150))
    reference = with_measures(REFERENCE, accuracy=before)
    certificate = certificate_of(
        with_measures(FP32, accuracy=before),
        replace(with_measures(INT8, accuracy=after), broken=("it loses 5 points",)),
        best="openvino fp32",
        max_drop=4,
        reference=reference,
        unlabelled="",
    )
    page = page_of(tmp_path, certificate)
    assert "80.0 %70.0 to 85.0 %" in page.text
    assert "✗ 75.0 %" in page.text
    assert len([one for one in page.named("th") if one.get("scope") == "col"]) == 6
    assert "✗ 75.0 %" not in page_of(tmp_path, replace(certificate, max_drop=5)).text


def test_answers_that_changed_are_shown(tmp_path: Path) -> None:
    changes = tuple(
        Change(clip=one, before="run", after="skip", reference=(0.6, 0.3), file=(0.2, 0.7))
        for one in range(20)
    )
    lost = replace(changes[0], after=None, file=(0.0, 0.0))
    certificate = certificate_of(replace(INT8, changes=changes), replace(FP32, changes=(lost,)))
    with clips_of(20, spec_of(7, input=replace(INPUT, height=32, width=48))) as clips:
        page = page_of(tmp_path, certificate, clips)
    assert len(page.named("img")) == 13
    assert "run 60.0 % → 20.0 %, skip 30.0 % → 70.0 %11.mp4" in page.text
    assert "run 60.0 %, no number 0.mp4" in page.text
    assert "12.mp4\n" not in page.text
    assert "and 8 more" in page.text
    assert not page_of(tmp_path, certificate).named("img")


def test_any_text_is_taken_for_text(tmp_path: Path) -> None:
    change = Change(clip=0, before=EVIL, after=EVIL, reference=(0.6, 0.3), file=(0.2, 0.7))
    hostile = replace(
        INT8, stage=EVIL, files=(EVIL,), changes=(change,), broken=(EVIL,), notes=(EVIL,)
    )
    refused = replace(hostile, measured=None, refused=EVIL, changes=())
    certificate = certificate_of(
        hostile,
        refused,
        model=EVIL,
        source=EVIL,
        license=EVIL,
        command=EVIL,
        date=EVIL,
        clips_source=EVIL,
        unlabelled=EVIL,
        versions={EVIL: EVIL},
        machine={"processor": EVIL, "int8": [EVIL]},
        clips=(ClipFacts(name=EVIL, sha256=EVIL),),
        failures=((EVIL, EVIL),),
        recommended=Recommended(stage=None, files=(), why=EVIL),
    )
    page = page_of(tmp_path, certificate)
    assert not page.named("img")
    assert page.text.count("onerror=alert(1)") > 20


def test_a_stage_of_which_nothing_is_known_has_a_page(tmp_path: Path) -> None:
    refused = Stage(stage="onnx fp32", target="onnx", precision="fp32", refused="no operator")
    assert "Ship none" in page_of(tmp_path, certificate_of(refused)).text
    lost = with_measures(INT8, max_difference=math.inf, mean_difference=math.inf)
    assert "no number" in page_of(tmp_path, certificate_of(lost, FP32)).text


def write_openvino(path: Path) -> None:
    openvino = import_openvino()
    clip = openvino.opset13.parameter([-1, 2, 4, 6, 3], np.float32)
    network = openvino.Model(
        [openvino.opset13.reduce_mean(clip, np.array([1, 2, 3]), keep_dims=False)], [clip], "mean"
    )
    network.input().set_names({"clips"})
    network.output().set_names({"answers"})
    openvino.save_model(network, path)


def write_onnx(path: Path) -> None:
    from onnx import TensorProto, helper, save

    axes = helper.make_tensor("axes", TensorProto.INT64, [3], [1, 2, 3])
    graph = helper.make_graph(
        [helper.make_node("ReduceMean", ["clips", "axes"], ["answers"], keepdims=0)],
        "mean",
        [helper.make_tensor_value_info("clips", TensorProto.FLOAT, ["batch", 2, 4, 6, 3])],
        [helper.make_tensor_value_info("answers", TensorProto.FLOAT, ["batch", 3])],
        [axes],
    )
    opset = [helper.make_opsetid("", 18)]
    save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)


@pytest.mark.parametrize(
    ("stage", "file", "write"),
    [
        ("openvino fp16", "fp16/my model.xml", write_openvino),
        ("onnx fp32", "fp32/it's.onnx", write_onnx),
    ],
)
def test_the_lines_of_python_run_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, file: str, write: Any
) -> None:
    (tmp_path / file).parent.mkdir()
    write(tmp_path / file)
    input = replace(INPUT, layout="BTHWC", input_name="clips", output_name="answers")
    beside = () if stage.startswith("onnx") else (file.replace(".xml", ".bin"),)
    made = replace(stage_of(stage, 10, 100), files=(file, *beside), input=asdict(input))
    lines = plain_python(made)
    assert len(lines.splitlines()) == 3
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(lines, names)  # the very lines that the page shows
    np.testing.assert_array_equal(names["logits"], np.zeros((1, 3)))
    page = page_of(tmp_path, certificate_of(made, best=stage))
    assert lines in page.text
    assert f"--model '{file.split('/')[0]}/" in page.text


def test_what_takes_more_than_a_clip_is_run_by_its_folder(tmp_path: Path) -> None:
    files = tuple(
        f"fp32/a-{part}.{kind}" for part in ("encoder", "decoder") for kind in ("xml", "bin")
    )
    pair = replace(FP32, files=files, input=asdict(INPUT))
    assert plain_python(pair) == ""
    assert "--model fp32\n" in page_of(tmp_path, certificate_of(pair)).text
    step = replace(FP32, files=("fp32/a.xml", "fp32/a.bin"), input=asdict(INPUT), takes_clips=False)
    assert plain_python(step) == ""
    whole = asdict(replace(INPUT, whole_frames=True, layout="BTHWC", output="scores"))
    assert "(1, 2, 480, 640, 3), 'uint8'" in plain_python(
        replace(step, input=whole, takes_clips=True)
    )
