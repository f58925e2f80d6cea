"""What follows from measures: which file to ship."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from actionzoo.conversion.same import TOLERANCE
from actionzoo.exporting.certificate import BOUNDS, Stage
from actionzoo.exporting.judging import recommend
from certificates import stage_of


@pytest.mark.parametrize(
    ("stages", "best", "told"),
    [
        ([("openvino fp32", 20, 40), ("openvino int8", 10, 10)], 1, "is the fastest of the 2"),
        ([("openvino fp32", 10, 40), ("openvino fp16", 10.4, 20)], 1, "and smaller: 10.4 ms"),
        ([("openvino fp32", 10, 40), ("openvino fp16", 10.6, 20)], 0, "fastest"),
        ([("openvino fp16", 10, 20), ("openvino int8", 10.1, 10)], 0, "10.1 ms against 10.0 ms"),
        ([("openvino fp16", 10, 20), ("onnx int8", 12, 10)], 0, "fastest"),
        ([("openvino fp32", 20, 40), ("openvino int8", 10, 10, True)], 0, "keeps its bounds: 20"),
        ([("openvino fp32", 20, 40, True)], None, "no file keeps its bounds"),
    ],
)
def test_what_to_ship(stages: list[Any], best: int | None, told: str) -> None:
    made = [stage_of(one[0], one[1], one[2], broken=len(one) > 3) for one in stages]
    found = recommend(made)
    assert found.stage == (None if best is None else made[best].stage)
    assert found.files == (() if best is None else made[best].files)
    assert told in found.why


def test_what_differs_by_chance_is_as_fast() -> None:
    fp32, fp16 = stage_of("openvino fp32", 10, 40), stage_of("openvino fp16", 12, 20)
    assert fp16.measured is not None
    assert recommend([fp32, fp16]).stage == "openvino fp32"
    varied = replace(fp16, measured=replace(fp16.measured, quartiles=(10.2, 15)))
    assert recommend([fp32, varied]).stage == "openvino fp16"


def test_a_refused_stage_is_not_recommended() -> None:
    refused = Stage(stage="openvino int8", target="openvino", precision="int8", refused="too bad")
    assert recommend([refused]).why == "no file keeps its bounds"
    assert recommend([refused, stage_of("openvino fp16", 10, 1)]).stage == "openvino fp16"


def test_a_file_is_held_to_what_its_conversion_is_held_to() -> None:
    assert {name: BOUNDS[name].difference for name in TOLERANCE} == TOLERANCE
