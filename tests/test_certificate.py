"""The file of a certificate: what is written is read."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actionzoo.errors import ConfigError
from actionzoo.exporting.certificate import Certificate, read_certificate, write_certificate
from actionzoo.exporting.comparison import Refusal, certify
from certificates import Known, candidate, clips_of, spec_of


@pytest.fixture(scope="module")
def certificate() -> Certificate:
    spec, reference = spec_of(6), np.eye(6)
    outputs = {"openvino fp32": reference, "openvino int8": reference[::-1], "onnx fp32": reference}
    outputs["onnx fp32"] = np.where(reference == 1, math.nan, 0)
    refused: Any = {"target": "onnx", "precision": "int8"}
    hostile = "bad \udcff{}.mp4".format
    with clips_of(6, spec, targets=list(range(6)), name_of=hostile) as clips:
        return certify(
            candidate("torch", Known(spec, reference)),
            [candidate(stage, Known(spec, one)) for stage, one in outputs.items()],
            clips,
            folder=Path(),
            source="random parameters",
            refusals=[Refusal(stage="onnx int8", reason="it lost 3 points", **refused)],
            max_drop=0.5,
        )


def test_what_is_written_is_read(certificate: Certificate, tmp_path: Path) -> None:
    path = write_certificate(certificate, tmp_path)
    assert path == tmp_path / "parity.json"
    assert read_certificate(path) == certificate
    lost = certificate.stages[2].measured
    assert lost is not None
    assert lost.max_difference == math.inf


def test_the_layout_is_the_one_that_is_told(certificate: Certificate, tmp_path: Path) -> None:
    text = write_certificate(certificate, tmp_path).read_text(encoding="ascii")
    values = json.loads(text, parse_constant=pytest.fail)  # NaN and Infinity are no JSON
    assert values["holds"] is False
    assert values["recommended"]["stage"] == "openvino fp32"
    assert set(values["recommended"]) == {"stage", "files", "why"}
    assert values["bounds"]["int8"] == {"difference": None, "agreement": 0.98}
    assert values["bounds"]["max_drop"] == 0.5
    first, swapped, lost, refused = values["stages"]
    assert first["measured"]["accuracy"]["right"] == 6
    assert swapped["measured"]["top1_agreement"] == 0
    assert len(swapped["changes"]) == 6
    assert lost["measured"]["max_difference"] is None
    assert (refused["refused"], refused["measured"]) == ("it lost 3 points", None)
    assert values["clips"]["videos"][5]["target"] == 5
    assert len(values["clips"]["videos"][5]["sha256"]) == 64
    assert values["reference"]["input"]["frames"] == 2


def test_what_a_newer_version_adds_is_let_be(certificate: Certificate, tmp_path: Path) -> None:
    path = write_certificate(certificate, tmp_path)
    values = json.loads(path.read_text())
    values["new"] = values["stages"][0]["new"] = values["stages"][0]["measured"]["new"] = 1
    path.write_text(json.dumps(values))
    assert read_certificate(path) == certificate


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "no certificate"),
        ("[]", "no certificate"),
        ("{}", "no certificate"),
        ('{"format": "actionzoo parity 1"}', "no certificate"),
        ('{"format": "other"}', "of the format 'other'"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "parity.json").write_text(text)
    with pytest.raises(ConfigError, match=why):
        read_certificate(tmp_path / "parity.json")
    with pytest.raises(ConfigError, match="No such file"):
        read_certificate(tmp_path / "nothing.json")


def test_it_holds_where_no_bound_is_broken(certificate: Certificate) -> None:
    assert not certificate.holds
    assert replace(certificate, stages=certificate.stages[:1]).holds
    assert not replace(certificate, stages=certificate.stages[3:]).holds
