"""What is measured of files, against numbers computed by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from actionzoo.backends.openvino_backend import OpenVINOBackend
from actionzoo.backends.torch_backend import TorchBackend
from actionzoo.datasets import open_dataset
from actionzoo.errors import ConfigError
from actionzoo.exporting.certificate import Certificate, Measured, Stage
from actionzoo.exporting.clips import clips_of_dataset
from actionzoo.exporting.comparison import (
    Refusal,
    certify,
    library_versions,
    machine,
)
from certificates import Clock, Known, candidate, clips_of, spec_of
from colour_model import SPEC as COLOURS
from colour_model import write_network, write_painted

TWO = spec_of(2)
REFERENCE = [[3.0, 4.0], [4.0, 3.0], [0.0, 5.0], [8.0, 6.0]]


def compared(
    reference: Any,
    *stages: tuple[str, Any],
    targets: list[int] | None = None,
    **options: Any,
) -> Certificate:
    """Compare backends on as many clips as the reference has outputs."""
    count = len(reference.outputs)
    with clips_of(count, reference.spec, targets) as clips:
        return certify(
            candidate("torch", reference),
            [candidate(stage, backend) for stage, backend in stages],
            clips,
            **{"folder": Path(), "source": "tests", **options},
        )


def only(certificate: Certificate) -> tuple[Stage, Measured]:
    (stage,) = certificate.stages
    assert stage.measured is not None
    return stage, stage.measured


def test_the_difference_is_the_distance_over_the_length() -> None:
    outputs = np.array(REFERENCE)
    outputs[0] += (0.003, 0.004)  # 0.005 of 5
    outputs[3] += (0, 0.004)  # 0.004 of 10
    found = compared(Known(TWO, REFERENCE), ("openvino fp32", Known(TWO, outputs)))
    stage, measured = only(found)
    assert measured.max_difference == pytest.approx(1e-3, rel=1e-3)
    assert measured.mean_difference == pytest.approx((1e-3 + 4e-4) / 4, rel=1e-3)
    assert measured.top1_agreement == 1
    assert measured.top5_agreement is None
    assert stage.broken == (
        "the outputs of openvino fp32 differ by up to 1e-3 where 1e-4 is allowed",
    )
    assert not found.holds
    assert found.recommended.stage is None
    same_as_fp16 = compared(Known(TWO, REFERENCE), ("openvino fp16", Known(TWO, outputs)))
    assert same_as_fp16.holds
    assert same_as_fp16.recommended.stage == "openvino fp16"


def test_an_answer_that_changed_is_named_however_near_the_tie() -> None:
    reference = np.array([*REFERENCE, [5.0, 5.00001]])
    outputs = reference.copy()
    outputs[4] = 5.00001, 5.0
    found = compared(Known(TWO, reference), ("onnx fp32", Known(TWO, outputs)))
    stage, measured = only(found)
    assert measured.max_difference < 1e-5
    assert measured.top1_agreement == 0.8
    (sentence,) = stage.broken
    assert sentence.startswith(
        "onnx fp32 gives the reference's answer on 4 of 5 clips, 80.0 % where 100 % are asked for: "
        "'walk/4.mp4' from 'class 1' to 'class 0' (the reference's scores are "
    )
    (change,) = stage.changes
    assert (change.clip, change.before, change.after) == (4, "class 1", "class 0")
    assert change.margin == pytest.approx(5e-6, rel=0.2)
    assert change.file[1] > change.file[0]


@pytest.mark.parametrize(
    ("precision", "flipped", "holds"),
    [("int8", 1, True), ("int8", 2, False), ("fp16", 1, False), ("fp16", 0, True)],
)
def test_a_share_of_the_answers_may_change(precision: str, flipped: int, holds: bool) -> None:
    reference = np.tile([1.0, 1.001], (50, 1))
    outputs = reference.copy()
    outputs[:flipped] = outputs[:flipped, ::-1]
    found = compared(Known(TWO, reference), (f"openvino {precision}", Known(TWO, outputs)))
    assert only(found)[1].top1_agreement == 1 - flipped / 50
    assert found.holds == holds


def test_the_best_five_hold_the_best_of_the_reference() -> None:
    seven = spec_of(7)
    reference = np.eye(7)[[0, 0]]
    outputs = np.array([[3, 9, 8, 7, 6, 0, 0], [3, 9, 8, 7, 6, 5, 0]])
    found = compared(Known(seven, reference), ("openvino int8", Known(seven, outputs)))
    assert only(found)[1].top5_agreement == 0.5


def test_accuracy_is_told_where_labels_are_known() -> None:
    outputs = [*REFERENCE[:3], [1, 9]]
    targets = [1, 0, 0, 0]
    stages = ("openvino int8", Known(TWO, outputs))
    found = compared(Known(TWO, REFERENCE), stages, targets=targets)
    assert found.reference.measured is not None
    before, after = found.reference.measured.accuracy, only(found)[1].accuracy
    assert before is not None
    assert after is not None
    assert (before.right, after.right, after.count, after.share) == (3, 2, 4, 0.5)
    # Wilson's interval of 2 of 4: (0.5 + z²/8 ± z sqrt(1/16 + z²/64)) / (1 + z²/4)
    z = 1.959964
    half = z * math.sqrt(1 / 16 + z * z / 64)
    assert after.low == pytest.approx((0.5 + z * z / 8 - half) / (1 + z * z / 4), abs=1e-6)
    lost = compared(Known(TWO, REFERENCE), stages, targets=targets, max_drop=20)
    assert any("loses 25.0 points" in one and "3 to 2 of 4" in one for one in only(lost)[0].broken)
    kept = compared(Known(TWO, REFERENCE), stages, targets=targets, max_drop=25)
    assert not any("points" in one for one in only(kept)[0].broken)
    with pytest.raises(ConfigError, match=r"by 0\.5 points cannot be checked: nobody labelled"):
        compared(Known(TWO, REFERENCE), stages, max_drop=0.5)


@pytest.mark.parametrize("several", [False, True])
def test_scores_are_compared_with_scores(several: bool) -> None:
    logits = torch.tensor(REFERENCE)
    scores = logits.sigmoid() if several else logits.softmax(1)
    reference = replace(TWO, several_labels=several)
    ending = replace(reference, input=replace(TWO.input, output="scores"))
    found = compared(
        Known(reference, logits.numpy()), ("openvino fp32", Known(ending, scores.numpy()))
    )
    stage, measured = only(found)
    assert measured.max_difference < 1e-6
    assert found.holds
    assert "scores are compared" in stage.notes[0]


def test_a_file_is_fed_as_its_own_spec_says() -> None:
    inside = replace(TWO, input=replace(TWO.input, value_range=(0.0, 255.0)))
    whole = replace(TWO, input=replace(TWO.input, whole_frames=True, output="scores"))
    scores = torch.tensor(REFERENCE).softmax(1).numpy() + np.array([0.01, 0])
    found = compared(
        Known(TWO, REFERENCE),
        ("openvino fp32", Known(inside, REFERENCE)),
        ("onnx fp32", Known(whole, scores)),
    )
    assert found.holds
    assert "no bound" in found.stages[1].notes[1]


def test_what_is_no_number_breaks_every_bound() -> None:
    outputs = np.array(REFERENCE)
    outputs[1] = math.nan
    found = compared(Known(TWO, REFERENCE), ("openvino fp16", Known(TWO, outputs)))
    stage, measured = only(found)
    assert measured.max_difference == math.inf
    assert measured.top1_agreement == 0.75
    assert stage.broken[0] == "the outputs of openvino fp16 are no numbers for some clips"
    assert "'walk/1.mp4' from 'class 0' to no number" in stage.broken[1]
    assert stage.changes[0].after is None
    # One of a hundred clips would do no harm to int8, but for what it says of it.
    many = np.tile([1.0, 2.0], (100, 1))
    lost = many.copy()
    lost[7] = math.inf
    assert len(only(compared(Known(TWO, many), ("onnx int8", Known(TWO, lost))))[0].broken) == 1
    zeros = compared(Known(TWO, np.zeros((2, 2))), ("onnx fp32", Known(TWO, np.zeros((2, 2)))))
    assert only(zeros)[1].max_difference == 0


def test_stages_are_timed_in_turn_after_a_look_that_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    monkeypatch.setattr("time.perf_counter", clock)
    reference = np.tile([1.0, 2.0], (10, 1))
    stages = [
        Known(TWO, reference, clock=clock, seconds=one, first_seconds=5.0)
        for one in (0.04, 0.02, 0.025)
    ]
    found = compared(
        stages[0], ("openvino fp32", stages[1]), ("openvino int8", stages[2]), rounds=4
    )
    times = [one.measured for one in (found.reference, *found.stages)]
    assert all(times)
    assert [one and one.milliseconds for one in times] == pytest.approx([40, 20, 25])
    assert [one and one.quartiles[1] for one in times] == pytest.approx([40, 20, 25])
    assert [one and one.over_reference for one in times] == pytest.approx([1, 2, 1.6])
    assert [one and one.over_fp32 for one in times] == [None, 1, pytest.approx(0.8)]
    # 10 clips in 4 rounds, each with one more look.
    assert all(len(one.seen) == 14 for one in stages)
    assert stages[0].seen[:4] == [0, 0, 4, 8]
    assert found.stages[1].notes == (
        "it is slower than openvino fp32 on this machine: 25.0 ms a view against 20.0 ms",
    )
    assert found.recommended.stage == "openvino fp32"
    assert "openvino int8 is not recommended, because it is slower" in found.recommended.why


def test_one_clip_is_looked_at_in_every_round() -> None:
    backend, told = Known(TWO, REFERENCE[:1]), []
    compared(backend, ("onnx fp32", backend), rounds=3, progress=lambda *one: told.append(one))
    assert told[-1] == (6, 6)
    assert len(backend.seen) == 12


def test_files_are_told_from_the_folder_and_weighed(tmp_path: Path) -> None:
    inside, outside = tmp_path / "out" / "fp32" / "a.xml", tmp_path / "b.bin"
    inside.parent.mkdir(parents=True)
    inside.write_bytes(b"x" * 100)
    outside.write_bytes(b"x" * 23)
    with clips_of(4, TWO) as clips:
        found = certify(
            candidate("torch", Known(TWO, REFERENCE)),
            [candidate("openvino fp32", Known(TWO, REFERENCE), inside, outside)],
            clips,
            folder=tmp_path / "out",
            source="tests",
            command="actionzoo export tiny",
            refusals=[
                Refusal(stage="onnx fp32", target="onnx", precision="fp32", reason="it has no word")
            ],
        )
    kept, refused = found.stages
    assert kept.files == ("fp32/a.xml", outside.as_posix())
    assert kept.size_bytes == 123
    assert found.recommended.files == kept.files
    assert found.reference.size_bytes is None
    assert (refused.refused, refused.measured) == ("it has no word", None)
    assert not found.holds
    assert found.model == "tiny"
    assert found.clips[3].name == "walk/3.mp4"
    assert found.versions["torch"] == torch.__version__


def test_real_backends_agree_on_real_clips(tmp_path: Path) -> None:
    for name in ("red", "green", "blue"):
        write_painted(tmp_path / "data" / name / "a.mp4", name)

    class Colours(torch.nn.Module):
        def forward(self, clip: torch.Tensor) -> torch.Tensor:
            return 10 * clip.mean(dim=(2, 3, 4))

    file = write_network(tmp_path / "colours.xml")
    dataset = open_dataset(tmp_path / "data")
    with clips_of_dataset(dataset, COLOURS, most=3) as clips:
        found = certify(
            candidate("torch", TorchBackend(Colours(), COLOURS)),
            [candidate("openvino fp32", OpenVINOBackend(file), file, file.with_suffix(".bin"))],
            clips,
            folder=tmp_path,
            source="tests",
            max_drop=0,
        )
    stage, measured = only(found)
    assert found.holds
    assert measured.accuracy is not None
    assert measured.accuracy.share == 1
    assert stage.size_bytes == sum(path.stat().st_size for path in tmp_path.glob("colours.*"))


def test_the_circumstances_are_told() -> None:
    assert {"python", "openvino", "numpy", "actionzoo"} <= set(library_versions())
    told = machine()
    assert told["processor"]
    assert told["int8"] is None or isinstance(told["int8"], list)
