"""The quicker ways give what torch's own convolution gives, gradients included."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from actionzoo.models import convolution
from actionzoo.models.convolution import Conv3d
from actionzoo.models.x3d import X3D

CASES: dict[str, dict[str, Any]] = {
    "one position": {"kernel_size": 1},
    "strided rows": {"kernel_size": 1, "stride": (1, 2, 2), "bias": False},
    "strided time": {"kernel_size": 1, "stride": (2, 2, 2)},
    "space": {"kernel_size": (1, 3, 5), "stride": (1, 2, 2), "padding": (0, 1, 2)},
    "time": {"kernel_size": (5, 1, 1), "padding": (2, 0, 0)},
    "strided lines": {"kernel_size": (3, 1, 1), "stride": (2, 1, 1), "padding": (1, 0, 0)},
    "all": {"kernel_size": 3, "padding": 1},
    "depthwise": {"kernel_size": 3, "padding": 1, "groups": 6, "bias": False},
    "depthwise time": {"kernel_size": (5, 1, 1), "groups": 6, "bias": False},
    "depthwise space": {"kernel_size": (1, 5, 5), "padding": (0, 2, 2), "groups": 6, "bias": False},
    "depthwise strided": {
        "kernel_size": 3,
        "stride": (1, 2, 2),
        "padding": 1,
        "groups": 6,
        "bias": False,
    },
    "depthwise strided throughout": {
        "kernel_size": (5, 3, 3),
        "stride": 2,
        "padding": (2, 1, 1),
        "groups": 6,
        "bias": False,
    },
    "depthwise without padding": {
        "kernel_size": (5, 3, 3),
        "padding": (2, 0, 0),
        "groups": 6,
        "bias": False,
    },
}


def clips(frames: int, dtype: torch.dtype = torch.float32) -> Tensor:
    x = torch.randn(2, 6, frames, 9, 8, dtype=dtype)
    return x.contiguous(memory_format=torch.channels_last_3d).requires_grad_()


def results(layer: nn.Module, x: Tensor) -> list[Tensor]:
    """Return the output, and the gradients of the clips and of the parameters."""
    y = layer(x)
    y.square().sum().backward()
    assert x.grad is not None
    return [y.detach(), x.grad, *(one.grad for one in layer.parameters() if one.grad is not None)]


def compare(settings: dict[str, Any], frames: int) -> None:
    """Compare with torch's own in double precision."""
    torch.manual_seed(0)
    ours, theirs = Conv3d(6, 6, **settings), nn.Conv3d(6, 6, **settings).double()
    theirs.load_state_dict(ours.state_dict())
    x = clips(frames)
    expected = results(theirs, x.detach().double().requires_grad_())
    got = results(ours.to(memory_format=torch.channels_last_3d), x)  # type: ignore[call-overload]
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-5, atol=2e-5)
    assert got[0].is_contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("frames", [7, 6])
def test_it_is_the_convolution_of_torch(case: str, frames: int) -> None:
    compare(CASES[case], frames)


@pytest.mark.parametrize("case", ["time", "depthwise", "depthwise strided throughout"])
def test_a_clip_can_be_shorter_than_the_kernel(case: str) -> None:
    compare(CASES[case], frames=2)


class Operators(TorchDispatchMode):
    """Notes which convolutions run."""

    def __init__(self) -> None:
        super().__init__()
        self.axes: list[int] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        if func.overloadpacket is torch.ops.aten.convolution:
            self.axes.append(args[1].ndim - 2)
        return func(*args, **(kwargs or {}))


def axes(x: Tensor, layer: nn.Module) -> list[int]:
    with Operators() as seen:
        layer(x)
    return seen.axes


def test_the_usual_way_is_taken_where_the_other_would_not_pay() -> None:
    layer = Conv3d(6, 6, 1)
    x = clips(4)
    assert axes(x, layer) == [2]
    assert axes(x.contiguous(), layer) == [3]
    assert axes(x.double(), layer.double()) == [3]
    with torch.autocast("cpu"):
        assert axes(x, layer.float()) == [3]


def test_an_exported_graph_has_the_convolution_itself() -> None:
    program = torch.export.export(Conv3d(6, 6, (1, 3, 3)).eval(), (clips(4).detach(),))
    assert [node.target for node in program.graph.nodes if "conv" in node.name] == [
        torch.ops.aten.conv3d.default
    ]


def test_a_step_of_a_network_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    quick = X3D(depths=(1, 1, 1, 1), pool=None, num_classes=3).train()
    quick = quick.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    plain = copy.deepcopy(quick)
    x = torch.randn(2, 3, 4, 64, 64).contiguous(memory_format=torch.channels_last_3d)
    gradients = []
    for model, pays in ((quick, convolution._pays), (plain, lambda _: False)):
        monkeypatch.setattr(convolution, "_pays", pays)
        torch.manual_seed(1)
        model(x).square().sum().backward()
        gradients.append(torch.cat([one.grad.flatten() for one in model.parameters()]))
    assert (gradients[0] - gradients[1]).norm() < 1e-4 * gradients[1].norm()
