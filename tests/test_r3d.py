"""R3D and MC3: what they stride and mix, and torchvision's names."""

from __future__ import annotations

import pytest
import torch

from actionzoo.models import r3d


def network(name: str) -> r3d.R3D:
    with torch.device("meta"):
        return r3d.build(next(spec for spec in r3d.SPECS if spec.name == name)).eval()


@pytest.mark.parametrize(
    ("name", "frames"), [("r3d_18_kinetics400", 2), ("mc3_18_kinetics400", 16)]
)
def test_r3d_halves_time_in_three_layers_and_mc3_never(name: str, frames: int) -> None:
    model = network(name)
    x = model.conv1(torch.empty(1, 3, 16, 64, 64, device="meta"))
    for layer in (model.layer1, model.layer2, model.layer3, model.layer4):
        x = layer(x)
    assert x.shape == (1, 512, frames, 4, 4)


def test_mc3_mixes_time_in_its_first_layer_only() -> None:
    model = network("mc3_18_kinetics400")
    layers = (model.layer1, model.layer2, model.layer3, model.layer4)
    kernels = [{block.conv2.kernel_size[0] for block in layer} for layer in layers]
    assert kernels == [{3}, {1}, {1}, {1}]


@pytest.mark.parametrize("size", [(1, 1, 1), (3, 17, 40)])
def test_any_clip_can_be_taken(size: tuple[int, int, int]) -> None:
    clip = torch.empty(2, 3, *size, device="meta")
    assert network("r3d_18_kinetics400")(clip).shape == (2, 400)


def test_a_block_whose_last_norm_is_zero_is_its_shortcut() -> None:
    block = r3d._layer(4, 4, kernel=(3, 3, 3), stride=(1, 1, 1))[0].eval()
    torch.nn.init.zeros_(block.bn2.weight)
    x = torch.rand(1, 4, 2, 5, 5)
    torch.testing.assert_close(block(x), x)
