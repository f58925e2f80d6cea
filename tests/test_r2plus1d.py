"""R(2+1)D: widths and order of its split convolutions, its heads, and four publishers' names."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from actionzoo.models import r2plus1d
from actionzoo.weights import convert


def network(name: str) -> r2plus1d.R2Plus1D:
    with torch.device("meta"):
        return r2plus1d.build(next(spec for spec in r2plus1d.SPECS if spec.name == name)).eval()


@pytest.mark.parametrize(
    ("name", "widths"),
    [
        ("r2plus1d_v1_resnet18_kinetics400", [{144}, {230, 288}, {460, 576}, {921, 1152}]),
        ("r2plus1d_v1_resnet50_kinetics400", [{144, 177}, {329, 354}, {658, 708}, {1316, 1417}]),
        ("r2plus1d_v2_resnet152_kinetics400", [{144}, {288}, {576}, {1152}]),
        ("r2plus1d_r50_kinetics400", [{64}, {128}, {256}, {512}]),
    ],
)
def test_middle_widths_of_the_four_layers(name: str, widths: list[set[int]]) -> None:
    model = network(name)
    layers = (model.layer1, model.layer2, model.layer3, model.layer4)
    assert [{block.conv2.conv1.out_channels for block in layer} for layer in layers] == widths


def test_a_split_convolution_has_the_parameters_of_the_whole() -> None:
    middle = r2plus1d.middle_of_block(64, 128)
    split = r2plus1d.Conv2Plus1D(64, 128, middle=middle)
    parameters = split.conv1.weight.numel() + split.conv2.weight.numel()
    assert parameters == pytest.approx(64 * 128 * 27, rel=0.01)


@pytest.mark.parametrize(
    ("time_first", "kernels"),
    [(False, [(1, 3, 3), (3, 1, 1)]), (True, [(3, 1, 1), (1, 3, 3)])],
)
def test_each_half_strides_its_own_axes(time_first: bool, kernels: list[tuple[int, ...]]) -> None:
    split = r2plus1d.Conv2Plus1D(2, 3, middle=4, stride=(4, 2, 2), time_first=time_first)
    assert [split.conv1.kernel_size, split.conv2.kernel_size] == kernels
    assert split(torch.rand(1, 2, 8, 6, 6)).shape == (1, 3, 2, 3, 3)


@pytest.mark.parametrize("size", [(1, 1, 1), (5, 33, 20)])
@pytest.mark.parametrize("name", ["r2plus1d_18_kinetics400", "r2plus1d_r50_kinetics400"])
def test_any_clip_can_be_taken(name: str, size: tuple[int, int, int]) -> None:
    assert network(name)(torch.empty(2, 3, *size, device="meta")).shape == (2, 400)


def test_scores_of_several_windows_are_averaged() -> None:
    design = replace(r2plus1d.RESNET50_PYTORCHVIDEO, depths=(1, 1, 1, 1), window=(1, 1, 2))
    model = r2plus1d.R2Plus1D(design, num_classes=5).eval()
    nn.init.normal_(model.fc.weight)
    clip = torch.randn(2, 3, 5, 32, 96)  # its last feature map is 2 x 1 x 3
    with torch.no_grad():
        windows = model._windows(clip)
        scores = model.fc(windows).softmax(-1).mean(1)
        assert windows.shape == (2, 4, 2048)
        torch.testing.assert_close(model(clip).softmax(1), scores)


def test_one_window_gives_the_scores_of_plain_logits() -> None:
    design = replace(r2plus1d.RESNET50_PYTORCHVIDEO, depths=(1, 1, 1, 1))
    model = r2plus1d.R2Plus1D(design, num_classes=5).eval()
    clip = torch.randn(2, 3, 4, 32, 32)
    with torch.no_grad():
        logits = model.fc(model.forward_features(clip))
        torch.testing.assert_close(model(clip).softmax(1), logits.softmax(1))


def test_mxnet_names_differ_in_the_norms_only() -> None:
    ours = network("r2plus1d_resnet18_kinetics400").state_dict()
    norms = {name.removesuffix(".running_mean") for name in ours if name.endswith(".running_mean")}
    theirs = {}
    for name, tensor in ours.items():
        layer, _, part = name.rpartition(".")
        renamed = {"weight": "gamma", "bias": "beta"}.get(part, part) if layer in norms else part
        theirs[f"{layer}.{renamed}"] = tensor
    assert list(convert(theirs, r2plus1d.FORMATS)) == list(ours)
