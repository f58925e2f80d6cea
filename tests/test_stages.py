"""Stages of every network: complete, apart from the head, and in the order of the forward pass."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from actionzoo.catalog import get_spec, list_models
from actionzoo.models.stages import part_of, stage_of, stages_of
from actionzoo.zoo import create_model
from test_models import SMALL


def on_meta(name: str) -> nn.Module:
    with torch.device("meta"):
        return create_model(name)


def replaced_by_reset(model: nn.Module) -> set[str]:
    """Name the parameters that are others after ``reset_head``."""
    before = dict(model.named_parameters())
    with torch.device("meta"):
        model.reset_head(3)
    return {name for name, one in model.named_parameters() if one is not before[name]}


@pytest.mark.parametrize("name", list_models())
def test_each_parameter_is_in_one_stage_or_in_the_head(name: str) -> None:
    model = on_meta(name)
    stages = stages_of(model)
    head = replaced_by_reset(model)
    matching = {
        parameter: [i for i, stage in enumerate(stages) if part_of(parameter, stage) is not None]
        for parameter, _ in model.named_parameters()
    }
    assert {parameter for parameter, found in matching.items() if not found} == head
    assert all(len(found) == 1 for parameter, found in matching.items() if parameter not in head)
    assert {i for found in matching.values() for i in found} == set(range(len(stages)))
    assert len(stages) >= 3


@pytest.mark.parametrize("name", [*SMALL, "vgg16_ucf101", "mvit_v1_b_kinetics400"])
def test_stages_stand_in_the_order_of_the_forward_pass(name: str) -> None:
    model = on_meta(name).eval()
    stages = stages_of(model)
    seen: list[int] = []
    for module_name, module in model.named_modules():
        stage = stage_of(module_name, stages)
        if stage is not None and next(module.parameters(recurse=False), None) is not None:
            module.register_forward_pre_hook(lambda *_, stage=stage: seen.append(stage))
    with torch.device("meta"):
        model(torch.zeros(1, *get_spec(name).input.shape))
    assert list(dict.fromkeys(seen)) == list(range(len(stages)))


def test_a_stage_is_a_whole_part_of_a_name() -> None:
    assert stage_of("layer1.0.conv.weight", ("layer1",)) == 0
    assert stage_of("layer1", ("layer1",)) == 0
    assert stage_of("layer10.0.conv.weight", ("layer1",)) is None
    assert stage_of("neck.layer1.weight", ("layer1",)) is None
