"""What every model of the zoo has to hold to."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from actionzoo.catalog import get_spec, list_models
from actionzoo.models import FAMILIES
from actionzoo.spec import ModelSpec
from actionzoo.zoo import create_model
from small_networks import SMALL, awake, small_clips

every_model = pytest.mark.parametrize("name", list_models())
every_design = pytest.mark.parametrize("name", SMALL)


def on_meta(spec: ModelSpec) -> tuple[nn.Module, torch.Tensor]:
    """Build a network without numbers: shapes and costs cost nothing."""
    with torch.device("meta"):
        return create_model(spec.name).eval(), torch.zeros(1, *spec.input.shape)


def test_every_family_has_a_small_one() -> None:
    assert {get_spec(name).family for name in SMALL} == {one.SPECS[0].family for one in FAMILIES}


@every_model
def test_size_cost_and_shapes_are_what_the_spec_says(name: str) -> None:
    spec = get_spec(name)
    model, clip = on_meta(spec)
    with FlopCounterMode(display=False) as counter:
        logits = model(clip)
    assert logits.shape == (1, len(spec.labels))
    assert sum(one.numel() for one in model.parameters()) == spec.parameters
    assert counter.get_total_flops() == 2 * (spec.macs or 0)


@every_design
def test_one_row_of_logits_a_clip_whatever_the_batch(name: str) -> None:
    model = awake(name)
    clips = small_clips(name, 2)
    with torch.no_grad():
        logits, features = model(clips), model.forward_features(clips)
        assert logits.shape == (2, len(get_spec(name).labels))
        assert features.ndim == 2
        torch.testing.assert_close(logits[1:], model(clips[1:]), rtol=1e-3, atol=1e-4)


UNREACHED = {
    "tpn": r"auxiliary\..*",  # of another output
    # Only the class token leaves the last block, and it has neither place nor neighbours.
    "mvit": r"blocks\.15\.attn\.(rel_pos_.|pool_q\.pool\.weight)",
}
"""What the logits do not depend on."""


@every_design
def test_learning_reaches_every_parameter(name: str) -> None:
    model = awake(name)  # not in training: dropout may leave out whole branches
    model(small_clips(name, 2)).square().sum().backward()
    apart = UNREACHED.get(get_spec(name).family, "")
    unreached = [
        name
        for name, one in model.named_parameters()
        if (one.grad is None or not one.grad.any()) and not re.fullmatch(apart, name)
    ]
    assert unreached == []


@every_design
def test_a_new_head_has_the_width_asked_for(name: str) -> None:
    model = create_model(name).eval()
    model.reset_head(3)
    with torch.no_grad():
        assert model(small_clips(name, 1)).shape == (1, 3)
