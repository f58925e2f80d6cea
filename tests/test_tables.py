"""The specs against the published tables, ../shared/spec: every row, every number."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from actionzoo.catalog import get_spec, list_models
from actionzoo.zoo import create_model

SPEC = Path(__file__).parents[2] / "shared" / "spec"

OURS = {
    "resnet34_vtn RGB (encoder+decoder)": "action-recognition-0001",
    "resnet34_vtn RGB-diff": None,  # looks at differences of frames
    "mobilenetv2_vtn RGB": "mobilenetv2_vtn_kinetics400",
    "i3d-rgb-tf RGB imagenet": "i3d-rgb-tf",
    "i3d RGB imagenet": "i3d_rgb_imagenet_kinetics400",
    "i3d Flow imagenet": "i3d_flow_imagenet_kinetics400",
    "x3d OTX template (X3D-M weights)": "x3d_m_otx_kinetics400",
    "i3d two-stream imagenet": None,  # the sum of two models
    "slowfast_4x16_resnet101": None,  # has no published weights
    "slowfast_r50 8x8 (pytorchvideo)": "slowfast_r50_kinetics400",
    "slowfast_r101 8x8 (pytorchvideo)": "slowfast_r101_kinetics400",
    "slowfast_16x8_r101_50_50 (pytorchvideo)": "slowfast_16x8_r101_50_50_kinetics400",
    "slow_r50 8x8 (pytorchvideo)": "slow_r50_kinetics400",
    "csn_r101 (pytorchvideo)": "csn_r101_kinetics400",
}
"""Rows whose name is not simply the beginning of ours."""


def our_name(row: dict[str, str]) -> str | None:
    """Return our model of a row of the table; None for what is not in the zoo."""
    if row["model"] in OURS:
        return OURS[row["model"]]
    words = row["model"].replace("(", "").replace(")", "").split()
    name = f"{words[0]}_kinetics600" if "K600" in row["model"] else words[0]
    return next((one for one in (name, f"{name}_kinetics400") if one in list_models()), None)


def table(name: str) -> list[dict[str, str]]:
    """Read a table, nothing where it is absent."""
    if not (SPEC / name).is_file():
        return []
    with (SPEC / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def rows() -> list[dict[str, str]]:
    """Return the rows with a cost at a stated size that are models of the zoo."""
    return [
        row
        for row in table("models.csv")
        if row["gmacs"]
        and row["size"].isdigit()
        and our_name(row)
        and "per frame" not in row["model"]
    ]


def cost(name: str, frames: int, size: int) -> float:
    spec = get_spec(name)
    with torch.device("meta"):
        model = create_model(name).eval()
        clip = torch.zeros(1, spec.input.channels, frames, size, size)
    with FlopCounterMode(display=False) as counter:
        model(clip)
    return counter.get_total_flops() / 2e9


def identify(row: dict[str, str]) -> str:
    return row["model"]


@pytest.mark.shared
@pytest.mark.parametrize("row", rows() or [None], ids=lambda row: row and identify(row))
def test_parameters_and_costs_are_those_of_the_table(row: dict[str, str] | None) -> None:
    if row is None:
        pytest.skip("the table of published models (../shared/spec) is not here")
    name = our_name(row)
    assert name is not None
    parameters = (get_spec(name).parameters or 0) / 1e6
    assert parameters == pytest.approx(float(row["params_m"]), abs=0.0015)
    frames = int(row["frames"].split()[0])
    assert cost(name, frames, int(row["size"])) == pytest.approx(float(row["gmacs"]), rel=0.005)


@pytest.mark.shared
def test_most_of_the_table_is_in_the_zoo() -> None:
    if not table("models.csv"):
        pytest.skip("the table of published models (../shared/spec) is not here")
    assert len(rows()) > 70


@pytest.mark.shared
@pytest.mark.parametrize(
    "row",
    table("gluoncv_models.csv") or [None],
    ids=lambda row: row and f"{row['name']}-{row['hashtag']}",
)
def test_every_row_of_gluoncvs_page_is_a_name_and_a_tag(row: dict[str, str] | None) -> None:
    if row is None:
        pytest.skip("GluonCV's table (../shared/spec) is not here")
    spec = get_spec(row["name"])
    weights = spec.choose_weights(row["hashtag"])
    (file,) = weights.files
    assert file.url == row["weight_url"]
    assert file.checksum.startswith(f"sha1:{row['sha1']}")
    assert len(spec.labels) == int(row["num_classes"])
    top1 = [round(100 * one.value, 2) for one in weights.metrics if one.name == "top-1"]
    assert top1 == ([float(row["top1"])] if row["top1"] else [])
    side = int(row["input_size"].split()[0]) if row["input_size"] else 224
    assert (spec.input.height, spec.input.width) == (side, side)
