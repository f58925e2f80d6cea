"""I3D ResNet: what mixes time, the non-local blocks, and the names others give its parameters."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from actionzoo.errors import BadWeights, ConfigError
from actionzoo.models import i3d_resnet
from actionzoo.models.i3d_resnet import I3DResNet, NonLocal
from actionzoo.weights import fill

SPECS = {one.name: one for one in i3d_resnet.SPECS}


def network_without_values(name: str) -> I3DResNet:
    with torch.device("meta"):
        return i3d_resnet.build(SPECS[name])


def mixing(layer: nn.Module) -> list[int]:
    """Name the blocks whose first convolution sees three frames."""
    return [
        int(name.split(".")[0])
        for name, one in layer.named_modules()
        if name.endswith(".conv1") and one.kernel_size == (3, 1, 1)
    ]


def test_which_blocks_mix_time() -> None:
    network = network_without_values("i3d_resnet101_v1_kinetics400")
    assert mixing(network.layer1) == [0, 1, 2]
    assert mixing(network.layer2) == [0, 2]
    assert mixing(network.layer3) == list(range(0, 23, 2))
    assert mixing(network.layer4) == [1]


@pytest.mark.parametrize("blocks", [0, 5, 10])
@pytest.mark.parametrize("depth", [50, 101])
def test_as_many_non_local_blocks_as_the_name_says(depth: int, blocks: int) -> None:
    nonlocals = f"nl{blocks}_" if blocks else ""
    network = network_without_values(f"i3d_{nonlocals}resnet{depth}_v1_kinetics400")
    assert sum(isinstance(one, NonLocal) for one in network.modules()) == blocks


@pytest.mark.parametrize(
    ("name", "length"),
    [("i3d_resnet50_v1_kinetics400", 4), ("i3d_r50_kinetics400", 4), ("c2d_r50_kinetics400", 4)],
)
def test_frames_left_of_the_usual_clip(name: str, length: int) -> None:
    network, shape = network_without_values(name), SPECS[name].input.shape
    maps = []
    network.layer4.register_forward_hook(lambda _, given, result: maps.append(result))
    network(torch.zeros(1, *shape, device="meta"))
    assert maps[0].shape[2:] == (length, 7, 7)
    assert network.window in (None, (length, 7, 7))


@pytest.mark.parametrize(("time_stride", "least"), [(2, 5), (1, 2)])
def test_refuses_clips_with_too_few_frames(time_stride: int, least: int) -> None:
    with torch.device("meta"):
        network = I3DResNet(depth=50, time_stride=time_stride, num_classes=3)
        assert network(torch.zeros(1, 3, least, 33, 40)).shape == (1, 3)
        with pytest.raises(ConfigError, match=f"{least - 1} frames; .* takes {least} or more"):
            network(torch.zeros(1, 3, least - 1, 33, 40))


@pytest.mark.parametrize("inflated", [False, True])
@torch.no_grad()
def test_c2d_does_not_know_which_pair_of_frames_came_first(inflated: bool) -> None:
    torch.manual_seed(0)
    model = I3DResNet(depth=50, inflated=inflated, time_stride=1, num_classes=3).eval()
    clip = torch.randn(1, 3, 4, 32, 32)
    swapped = clip[:, :, [2, 3, 1, 0]]
    assert torch.allclose(model(clip), model(swapped), rtol=1e-4, atol=1e-6) is not inflated


@torch.no_grad()
def test_a_new_non_local_block_passes_its_input_on() -> None:
    x = torch.randn(2, 8, 2, 3, 3)
    torch.testing.assert_close(NonLocal(8).eval()(x), x)


@torch.no_grad()
def test_a_non_local_block_that_does_not_compare_adds_the_mean() -> None:
    block = NonLocal(8).eval()
    nn.init.ones_(block.bn.weight)
    nn.init.zeros_(block.theta.weight)
    nn.init.zeros_(block.theta.bias)
    x = torch.randn(2, 8, 2, 3, 3)
    mean = block.g(x).mean((2, 3, 4), keepdim=True)
    torch.testing.assert_close(block(x), x + block.bn(block.W(mean)))


@torch.no_grad()
def test_a_non_local_block_sees_all_positions_alike() -> None:
    """Moving everything moves the result, and changes nothing else."""
    block = NonLocal(8).eval()
    nn.init.ones_(block.bn.weight)
    x = torch.randn(1, 8, 2, 3, 3)
    torch.testing.assert_close(block(x.roll((1, 1), (2, 4))), block(x).roll((1, 1), (2, 4)))


NAMES = {
    "GluonCV (PyTorch)": {
        "first_stage.0.weight": "conv1.weight",
        "first_stage.1.weight": "bn1.weight",
        "res_layers.0.2.conv1.weight": "layer1.2.conv1.weight",
        "res_layers.1.3.nonlocal_block.theta.bias": "layer2.3_nonlocal.theta.bias",
        "res_layers.1.3.nonlocal_block.W.weight": "layer2.3_nonlocal.W.weight",
        "res_layers.1.3.nonlocal_block.bn.running_var": "layer2.3_nonlocal.bn.running_var",
        "res_layers.3.0.downsample.1.bias": "layer4.0.downsample.1.bias",
        "fc.weight": "fc.weight",
    },
    "GluonCV (MXNet)": {
        "first_stage.1.gamma": "bn1.weight",
        "res_layers.0.0.conv2.weight": "layer1.0.conv2.weight",
        "res_layers.0.0.bn2.beta": "layer1.0.bn2.bias",
        "res_layers.0.0.downsample.1.running_mean": "layer1.0.downsample.1.running_mean",
        "res_layers.2.5.nonlocal_block.bn.gamma": "layer3.5_nonlocal.bn.weight",
        "fc.bias": "fc.bias",
    },
    "PyTorchVideo": {
        "blocks.0.conv.weight": "conv1.weight",
        "blocks.0.norm.bias": "bn1.bias",
        "blocks.1.res_blocks.2.branch2.conv_a.weight": "layer1.2.conv1.weight",
        "blocks.3.res_blocks.0.branch1_norm.weight": "layer2.0.downsample.1.weight",
        "blocks.5.res_blocks.1.branch2.norm_c.bias": "layer4.1.bn3.bias",
        "blocks.6.proj.weight": "fc.weight",
    },
    "mmaction2": {
        "backbone.conv1.conv.weight": "conv1.weight",
        "backbone.conv1.bn.running_mean": "bn1.running_mean",
        "backbone.layer2.3.conv3.bn.weight": "layer2.3.bn3.weight",
        "backbone.layer3.0.downsample.conv.weight": "layer3.0.downsample.0.weight",
        "cls_head.fc_cls.bias": "fc.bias",
    },
    "PySlowFast": {
        "s1.pathway0_stem.conv.weight": "conv1.weight",
        "s1.pathway0_stem.bn.weight": "bn1.weight",
        "s2.pathway0_res0.branch1.weight": "layer1.0.downsample.0.weight",
        "s4.pathway0_res5.branch2.b_bn.running_var": "layer3.5.bn2.running_var",
        "s5.pathway0_res2.branch2.c.weight": "layer4.2.conv3.weight",
        "head.projection.weight": "fc.weight",
    },
}


@pytest.mark.parametrize("source", NAMES)
def test_names_of_others_become_ours(source: str) -> None:
    ours = network_without_values("i3d_nl5_resnet50_v1_kinetics400").state_dict()
    theirs = {name: torch.zeros(()) for name in NAMES[source]}
    fitting = [one for one in i3d_resnet.FORMATS if one.fits(theirs)]
    assert [one.source for one in fitting] == [source]
    converted = list(fitting[0].convert(theirs))
    assert converted == list(NAMES[source].values())
    assert set(converted) <= set(ours)
    assert not any(one.fits(ours) for one in i3d_resnet.FORMATS)


@pytest.mark.parametrize(
    ("earlier", "later", "ours"),
    [
        ("fc.weight", "head.1.weight", "fc.weight"),
        (
            "res_layers.1.1.nonlocal_block.W.bias",
            "res_layers.1.1.nonlocal_block.W_bn.0.bias",
            "layer2.1_nonlocal.W.bias",
        ),
        (
            "res_layers.1.1.bottleneck.8.bn.running_var",
            "res_layers.1.1.nonlocal_block.W_bn.1.running_var",
            "layer2.1_nonlocal.bn.running_var",
        ),
        (
            "res_layers.1.1.bottleneck.7.gamma",
            "res_layers.1.1.bn3.gamma",
            "layer2.1.bn3.weight",
        ),
    ],
)
def test_of_two_names_for_one_tensor_the_later_counts(earlier: str, later: str, ours: str) -> None:
    mxnet = next(one for one in i3d_resnet.FORMATS if "MXNet" in one.source)
    converted = mxnet.convert({earlier: torch.tensor(1), later: torch.tensor(2)})
    assert converted == {ours: torch.tensor(2)}


def test_other_non_local_blocks_are_refused_by_name() -> None:
    """Those of mmaction2 look at a quarter of the positions, which their values do not show."""
    model = network_without_values("i3d_nl5_resnet50_v1_kinetics400")
    state = {name: one for name, one in model.state_dict().items() if "nonlocal" not in name}
    state["backbone.conv1.conv.weight"] = state.pop("conv1.weight")
    state["backbone.layer2.1.non_local_block.g.0.conv.weight"] = torch.zeros(256, 512, 1, 1, 1)
    with pytest.raises(BadWeights, match=r"layer2\.1_nonlocal\.theta\.weight is missing"):
        fill(model, state, formats=i3d_resnet.FORMATS, source="nl.pth")
