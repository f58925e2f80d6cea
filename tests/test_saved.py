"""Networks that a run has kept tell what they are, and nothing else is taken for one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from actionzoo.catalog import get_spec
from actionzoo.errors import BadWeights
from actionzoo.saved import load_network, load_run, save_network
from actionzoo.weights import save_weights
from actionzoo.zoo import create_model

SPEC = replace(get_spec("figures10"), name="mine", labels=("one", "other"))
FACTS = {"spec": json.loads(SPEC.to_json()), "config": {"model": "figures10"}}


def test_a_network_comes_back_as_it_was(tmp_path: Path) -> None:
    model = create_model("figures10", num_classes=2)
    save_network(model, tmp_path / "checkpoints" / "best.safetensors", FACTS)
    loaded, spec = load_run(tmp_path)
    assert spec == SPEC
    assert not loaded.training
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)


def test_what_is_no_network_of_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadWeights, match=r"there is no .*best"):
        load_run(tmp_path)
    (tmp_path / "damaged.safetensors").write_bytes(b"not this")
    with pytest.raises(BadWeights, match="is damaged"):
        load_network(tmp_path / "damaged.safetensors")
    save_weights(create_model("figures10"), tmp_path / "other.safetensors")
    with pytest.raises(BadWeights, match="does not say what network it is of"):
        load_network(tmp_path / "other.safetensors")
