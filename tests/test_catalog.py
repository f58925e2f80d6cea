from __future__ import annotations

import json

import pytest

from actionzoo import catalog
from actionzoo.catalog import get_spec, list_models
from actionzoo.errors import UnknownModel
from actionzoo.zoo import MODELS


def test_the_catalogue_is_what_the_families_write_down() -> None:
    written = catalog.FILE.read_text(encoding="utf-8")
    assert written == catalog.write(spec for _, spec in MODELS.values()), (
        "run python docs/generate.py"
    )


@pytest.mark.parametrize("name", list_models())
def test_a_spec_comes_back_as_it_was(name: str) -> None:
    assert get_spec(name) == MODELS[name][1]


def test_labels_of_a_dataset_are_not_repeated() -> None:
    lines = catalog.FILE.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if "labels" in json.loads(line)] == []


def test_a_pattern_a_dataset_and_a_family_narrow_the_list() -> None:
    assert list_models("x3d_*s_*") == ["x3d_xs_kinetics400", "x3d_s_kinetics400"]
    assert list_models(dataset="weizmann10") == ["figures10", "figures_motion"]
    assert set(list_models(family="x3d")) == set(list_models("x3d*"))
    assert list_models("nothing") == []


def test_a_dataset_may_be_spelt_either_way() -> None:
    hyphens = list_models(dataset="something-something-v2")
    assert hyphens == list_models(dataset="something_something_v2")


def test_a_mistyped_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownModel, match="did you mean 'x3d_m_kinetics400'"):
        get_spec("x3d_m_kinetic400")
