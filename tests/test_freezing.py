from __future__ import annotations

import pytest
import torch
from torch import nn

from actionzoo.errors import ConfigError
from actionzoo.models.stages import stages_of
from actionzoo.training.freezing import freeze, keep_frozen_in_eval
from actionzoo.zoo import create_model


def frozen_part(model: nn.Module, how: str) -> tuple[set[str], list[str]]:
    told = freeze(model, how, stages_of(model))
    return {name for name, one in model.named_parameters() if not one.requires_grad}, told


def test_stages_are_frozen_from_the_first() -> None:
    model = create_model("x3d_xs_kinetics400")
    frozen, told = frozen_part(model, "stages=2")
    assert frozen == {
        name for name, _ in model.named_parameters() if name.startswith(("stem.", "stage1."))
    }
    assert told == ["stem", "stage1"]


def test_a_frozen_backbone_leaves_the_head() -> None:
    model = create_model("figures10")
    frozen, told = frozen_part(model, "backbone")
    assert {name for name, _ in model.named_parameters()} - frozen == {"head.weight", "head.bias"}
    assert told == ["stem", "early", "late"]


def test_batch_norms_are_frozen_by_themselves() -> None:
    model = create_model("slowfast_4x16_resnet50_kinetics400")
    frozen, told = frozen_part(model, "bn")
    assert told == ["110 batch norms"]
    assert len(frozen) == 220
    assert {"fast_bn1.bias", "lateral_res2.1.weight", "slow_res5.0.downsample.1.weight"} <= frozen
    assert "slow_conv1.weight" not in frozen


def test_what_was_frozen_can_be_trained_again() -> None:
    model = create_model("figures10")
    frozen_part(model, "backbone")
    assert frozen_part(model, "none") == (set(), [])


@pytest.mark.parametrize("how", ["stages=1", "bn"])
def test_frozen_norms_do_not_count(how: str) -> None:
    model = create_model("figures10")
    frozen_part(model, how)
    before = {name: one.clone() for name, one in model.named_buffers()}
    model.train()
    keep_frozen_in_eval(model)
    assert model.late.training
    model(torch.randn(2, 3, 16, 32, 32))
    counted = {name for name, one in model.named_buffers() if not torch.equal(one, before[name])}
    late = {name for name in before if not name.startswith("stem.")}
    assert counted == (late if how == "stages=1" else set())


def test_what_cannot_be_frozen_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'stages=4' but.*3 stages \(1 is stem, 2 is early"):
        frozen_part(create_model("figures10"), "stages=4")
    with torch.device("meta"):
        transformer = create_model("swin3d_t_kinetics400")
    with pytest.raises(ConfigError, match="no batch norms"):
        frozen_part(transformer, "bn")
