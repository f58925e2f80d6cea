"""Stacks of blocks that are computed again in the backward pass."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from actionzoo.models.blocks import Stack, recompute
from actionzoo.models.figures import Figures
from actionzoo.models.swin3d import Swin3D
from actionzoo.zoo import create_model

CASES = {
    "figures": (partial(Figures, 3), 8),
    "x3d": (partial(create_model, "x3d_xs_kinetics400"), 2),
    # Its blocks take and return more than a map.
    "movinet stream": (partial(create_model, "movinet_a0_stream_kinetics600"), 2),
    "inception": (partial(create_model, "inceptionv1_kinetics400"), 1),
    # Drops branches by chance.
    "swin": (partial(Swin3D, width=32, depths=(3, 3), drop_rate=0.5, num_classes=3), 4),
}


def step(model: nn.Module, clips: Tensor) -> tuple[float, int]:
    """Return the loss of a step, and how many bytes it kept for its backward pass."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    def keep_input(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        keep(inputs[0])

    # What a block is given stays too, where no hook of saved tensors is told.
    for stack in (one for one in model.modules() if isinstance(one, Stack)):
        for block in stack:
            block.register_forward_pre_hook(keep_input)
    torch.manual_seed(1)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = model(clips).square().sum()
    loss.backward()
    return float(loss.detach()), sum(kept.values())


@pytest.mark.parametrize("name", CASES)
def test_a_step_is_the_same_in_less_memory(name: str) -> None:
    build, frames = CASES[name]
    torch.manual_seed(0)
    plain = build().double().train()
    thrifty = copy.deepcopy(plain)
    assert recompute(thrifty) >= 5
    clips = torch.randn(2, 3, frames, 64, 64, dtype=torch.float64)
    (loss, kept), (same, less) = step(plain, clips), step(thrifty, clips)
    assert same == loss
    # Batch norms have counted the batch once.
    torch.testing.assert_close(thrifty.state_dict(), plain.state_dict(), rtol=0, atol=0)
    for one, other in zip(plain.parameters(), thrifty.parameters(), strict=True):
        torch.testing.assert_close(other.grad, one.grad)
    assert less < 0.6 * kept


def test_networks_without_blocks_say_so() -> None:
    with torch.device("meta"):
        assert recompute(create_model("c3d_kinetics400")) == 0
        assert recompute(create_model("slowfast_4x16_resnet50_kinetics400")) == 32


def test_evaluation_and_export_know_nothing_of_it() -> None:
    model = create_model("figures10").eval()
    clips = torch.randn(2, 3, 16, 32, 32)
    expected = model(clips)
    recompute(model)
    torch.testing.assert_close(model(clips), expected, rtol=0, atol=0)
    program = torch.export.export(model, (clips,))
    torch.testing.assert_close(program.module()(clips), expected)
