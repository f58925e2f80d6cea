"""C3D: the one size it takes, and mmaction2's names. No parameter is ever filled: all on meta."""

from __future__ import annotations

import pytest
import torch

from actionzoo.errors import ConfigError
from actionzoo.models import c3d

KINETICS, UCF = c3d.SPECS


@pytest.fixture(scope="module")
def net() -> c3d.C3D:
    with torch.device("meta"):
        return c3d.build(KINETICS).eval()


def clip(frames: int, height: int, width: int) -> torch.Tensor:
    return torch.zeros(2, 3, frames, height, width, device="meta")


@pytest.mark.parametrize(
    "size", [(16, 112, 112), (16, 96, 96), (16, 127, 96), (31, 112, 112)], ids=str
)
def test_maps_that_the_linear_layers_know(net: c3d.C3D, size: tuple[int, int, int]) -> None:
    assert net.forward_features(clip(*size)).shape == (2, 4096)
    assert net(clip(*size)).shape == (2, 400)


@pytest.mark.parametrize(
    "size",
    [(15, 112, 112), (32, 112, 112), (16, 95, 112), (16, 112, 128), (64, 32, 32), (1, 1, 1)],
    ids=str,
)
def test_other_maps(net: c3d.C3D, size: tuple[int, int, int]) -> None:
    frames, height, width = size
    with pytest.raises(ConfigError, match=f"{frames} frames of {height} x {width}; it takes 16 to"):
        net(clip(*size))


def test_names_of_mmaction2(net: c3d.C3D) -> None:
    theirs = {}
    for name, tensor in net.state_dict().items():
        layer, _, kind = name.partition(".")
        if layer.startswith("conv"):
            layer = f"{layer}a.conv" if layer[-1].isdigit() else f"{layer}.conv"
        head = layer == "fc8"
        theirs[f"cls_head.fc_cls.{kind}" if head else f"backbone.{layer}.{kind}"] = tensor
    (mmaction,) = c3d.FORMATS
    assert "backbone.conv1a.conv.weight" in theirs
    assert mmaction.fits(theirs)
    assert list(mmaction.convert(theirs)) == list(net.state_dict())
    assert not mmaction.fits(net.state_dict())


def test_each_publisher_scales_pixels_its_own_way() -> None:
    assert KINETICS.input.resize.rule == "squash"
    assert (KINETICS.input.resize.height, KINETICS.input.resize.width) == (128, 171)
    assert KINETICS.input.value_range == (0, 1)
    assert UCF.input.value_range == (0, 255)
    assert (UCF.input.stride, len(UCF.labels)) == (1, 101)
