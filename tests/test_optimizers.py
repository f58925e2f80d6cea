from __future__ import annotations

import math
import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, MultiStepLR, ReduceLROnPlateau

from actionzoo.errors import ConfigError
from actionzoo.models.stages import stages_of
from actionzoo.training.config import OptimizerConfig, ScheduleConfig
from actionzoo.training.optimizers import Schedule, make_optimizer, parameter_groups, rate_factor
from actionzoo.zoo import create_model


def named_groups(model: nn.Module, config: OptimizerConfig) -> dict[str, tuple[float, float]]:
    """Return learning rate and weight decay by parameter."""
    names = {one: name for name, one in model.named_parameters()}
    groups = parameter_groups(model, config, stages_of(model), learning_rate=1.0)
    listed = [
        (names[one], (group["lr"], group["weight_decay"]))
        for group in groups
        for one in group["params"]
    ]
    assert len(dict(listed)) == len(listed)
    return dict(listed)


def decaying(name: str, **settings: bool) -> tuple[set[str], set[str]]:
    with torch.device("meta"):
        model = create_model(name)
    found = named_groups(model, OptimizerConfig(weight_decay=0.1, **settings))
    assert found.keys() == dict(model.named_parameters()).keys()
    decays = {one for one, (_, decay) in found.items() if decay == 0.1}
    return decays, found.keys() - decays


def test_only_weights_of_layers_decay() -> None:
    decays, stays = decaying("figures10")
    assert {"stem.0.weight", "late.2.time.0.weight", "head.weight"} <= decays
    assert {"stem.1.weight", "stem.1.bias", "head.bias"} <= stays
    decays, stays = decaying("mvit_v1_b_kinetics400")
    assert {"pos_encoding.class_token", "pos_encoding.spatial_pos", "blocks.0.norm1.weight"} < stays
    assert {"blocks.3.attn.qkv.weight", "blocks.0.attn.pool_k.pool.weight"} < decays
    assert "blocks.9.attn.rel_pos_h" in decaying("mvit_v2_s_kinetics400")[1]
    assert "decoder.positions.weight" in decaying("resnet34_vtn_layernorm_kinetics400")[1]
    assert "features.0.0.attn.relative_position_bias_table" in decaying("swin3d_t_kinetics400")[1]
    assert "blocks.0.0.scale" in decaying("movinet_a0_base_kinetics600")[1]


def test_everything_decays_where_asked() -> None:
    assert decaying("figures10", decay_norms=True)[1] == set()


def test_each_stage_learns_slower_than_the_next() -> None:
    model = create_model("figures10")
    config = OptimizerConfig(layer_decay=0.5)
    rates = {name: rate for name, (rate, _) in named_groups(model, config).items()}
    assert rates["stem.0.weight"] == 0.125
    assert rates["early.1.space.1.bias"] == 0.25
    assert rates["late.0.time.0.weight"] == 0.5
    assert rates["head.weight"] == rates["head.bias"] == 1.0


def test_frozen_parameters_are_left_out() -> None:
    model = create_model("figures10")
    model.stem.requires_grad_(False)
    assert not any(name.startswith("stem.") for name in named_groups(model, OptimizerConfig()))
    model.requires_grad_(False)
    with pytest.raises(ConfigError, match="no parameter is left"):
        make_optimizer(model, OptimizerConfig(), stages_of(model), learning_rate=1.0)


def test_optimizers_take_the_settings() -> None:
    model = create_model("figures10")
    adamw = make_optimizer(model, OptimizerConfig(momentum=0.8), stages_of(model), learning_rate=2)
    assert isinstance(adamw, torch.optim.AdamW)
    assert adamw.param_groups[0]["betas"] == (0.8, 0.999)
    config = OptimizerConfig(name="sgd", nesterov=True, weight_decay=0.3)
    sgd = make_optimizer(model, config, stages_of(model), learning_rate=2.0)
    assert isinstance(sgd, torch.optim.SGD)
    assert {(group["nesterov"], group["momentum"], group["lr"]) for group in sgd.param_groups} == {
        (True, 0.9, 2.0)
    }
    with pytest.raises(ConfigError, match="nesterov"):
        make_optimizer(
            model,
            OptimizerConfig(name="sgd", nesterov=True, momentum=0),
            stages_of(model),
            learning_rate=1.0,
        )


def optimizer(rate: float = 1.0) -> torch.optim.Optimizer:
    return torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=rate)


def rates_of_torch(scheduler: torch.optim.lr_scheduler.LRScheduler, steps: int) -> list[float]:
    rates = []
    for _ in range(steps):
        rates.append(scheduler.optimizer.param_groups[0]["lr"])
        scheduler.optimizer.step()
        scheduler.step()
    return rates


def test_schedules_are_those_of_torch() -> None:
    config = ScheduleConfig(warmup_epochs=0, end=0.1)
    cosine = rates_of_torch(CosineAnnealingLR(optimizer(), 20, eta_min=0.1), 20)
    assert [rate_factor(i, config, epochs=20) for i in range(20)] == pytest.approx(cosine)

    config = ScheduleConfig(name="step", warmup_epochs=0, milestones=(3, 7), factor=0.5)
    steps = rates_of_torch(MultiStepLR(optimizer(), [3, 7], 0.5), 10)
    assert [rate_factor(i, config, epochs=10) for i in range(10)] == pytest.approx(steps)

    config = ScheduleConfig(name="constant", warmup_epochs=4, warmup_start=0.2)
    linear = rates_of_torch(LinearLR(optimizer(), 0.2, total_iters=4), 8)
    assert [rate_factor(i, config, epochs=8) for i in range(8)] == pytest.approx(linear)


def test_milestones_are_at_60_and_85_percent_unless_given() -> None:
    config = ScheduleConfig(name="step", warmup_epochs=0)
    assert [rate_factor(i, config, epochs=20) for i in (11.9, 12, 16.9, 17)] == pytest.approx(
        [1, 0.1, 0.1, 0.01]
    )


@given(
    st.sampled_from(["cosine", "step", "plateau", "constant"]),
    st.floats(0, 10),
    st.integers(1, 50),
    st.integers(1, 30),
)
def test_every_step_has_a_rate(name: str, warmup: float, epochs: int, steps: int) -> None:
    config = ScheduleConfig(name=name, warmup_epochs=warmup)  # type: ignore[arg-type]
    rates = [
        rate_factor((i + 0.5) / steps, config, epochs=epochs) for i in range(0, epochs * steps, 7)
    ]
    assert all(0 < rate <= 1 for rate in rates)
    top = rates.index(max(rates))
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_steps_follow_the_schedule_in_every_group() -> None:
    parameters = [nn.Parameter(torch.zeros(1)) for _ in range(2)]
    groups = [{"params": parameters[:1], "lr": 0.5}, {"params": parameters[1:]}]
    two = torch.optim.SGD(groups, lr=1.0)
    config = ScheduleConfig(warmup_epochs=1)
    schedule = Schedule(two, config, epochs=3, steps_per_epoch=4)
    for step in range(12):
        expected = rate_factor((step + 0.5) / 4, config, epochs=3)
        assert [group["lr"] for group in two.param_groups] == [0.5 * expected, expected]
        two.step()
        schedule.step()


VALUES = (1.0, 0.8, 0.9, 0.85, 0.95, 0.81, 0.7, 0.72, math.nan, 0.71, 0.6)


def test_a_plateau_is_that_of_torch() -> None:
    config = ScheduleConfig(name="plateau", warmup_epochs=0, factor=0.5, patience=1)
    ours, theirs = optimizer(), optimizer()
    schedule = Schedule(ours, config, epochs=11, steps_per_epoch=1)
    plateau = ReduceLROnPlateau(theirs, factor=0.5, patience=1, threshold=0, eps=0)
    for value in VALUES:
        ours.step()
        theirs.step()
        schedule.validated(value)
        schedule.step()
        plateau.step(value)
        assert ours.param_groups[0]["lr"] == theirs.param_groups[0]["lr"]
    assert ours.param_groups[0]["lr"] < 0.5


def test_a_plateau_waits_for_the_end_of_the_warm_up() -> None:
    config = ScheduleConfig(name="plateau", warmup_epochs=2, patience=0)
    schedule = Schedule(optimizer(), config, epochs=9, steps_per_epoch=1)
    falls = []
    for value in (1.0, 2.0, 2.0, 2.0):
        schedule.optimizer.step()
        schedule.step()
        schedule.validated(value)
        falls.append(schedule.fallen)
    assert falls == pytest.approx([1, 0.1, 0.01, 0.001])


@pytest.mark.parametrize("name", ["cosine", "plateau"])
def test_a_run_that_goes_on_has_the_same_rates(name: str) -> None:
    config = ScheduleConfig(name=name, warmup_epochs=1, patience=0)  # type: ignore[arg-type]

    def run(schedule: Schedule, steps: range) -> list[float]:
        rates = []
        for step in steps:
            rates.append(schedule.optimizer.param_groups[0]["lr"])
            schedule.optimizer.step()
            schedule.validated(float(step % 3))
            schedule.step()
        return rates

    whole = run(Schedule(optimizer(), config, epochs=6, steps_per_epoch=2), range(12))
    first = Schedule(optimizer(), config, epochs=6, steps_per_epoch=2)
    rates = run(first, range(5))
    second = Schedule(optimizer(), config, epochs=6, steps_per_epoch=2)
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    second.load_state_dict(first.state_dict())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert rates + run(second, range(5, 12)) == whole
    assert not caught
