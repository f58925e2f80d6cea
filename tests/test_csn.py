"""CSN: nothing but the stem mixes channels and space-time at once, and its names elsewhere."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor, nn

from actionzoo.errors import BadWeights
from actionzoo.models import csn
from actionzoo.weights import convert, fill


def meta_network(index: int) -> csn.CSN:
    with torch.device("meta"):
        return csn.build(csn.SPECS[index])


IRCSN, CSN_R101 = 0, 1


def test_channels_and_space_time_are_mixed_apart() -> None:
    for name, module in meta_network(IRCSN).named_modules():
        if isinstance(module, nn.Conv3d) and name != "conv1":
            pointwise = module.kernel_size == (1, 1, 1)
            depthwise = module.groups == module.in_channels == module.out_channels
            assert pointwise != depthwise, name


def test_time_is_halved_from_the_second_layer_on() -> None:
    x = torch.empty(1, 64, 32, 56, 56, device="meta")
    model = meta_network(CSN_R101)
    times = []
    for layer in (model.layer1, model.layer2, model.layer3, model.layer4):
        x = layer(x)
        times.append(x.shape[2])
    assert times == [32, 16, 8, 4]


@pytest.mark.parametrize("window", [None, (4, 7, 7)])
def test_any_clip_is_taken(window: tuple[int, int, int] | None) -> None:
    model = csn.CSN(depth=50, window=window, num_classes=5).eval()
    with torch.no_grad():
        for shape in ((1, 3, 1, 32, 32), (2, 3, 9, 33, 47)):
            assert model(torch.randn(shape)).shape == (shape[0], 5)


def gluoncv(name: str) -> str:
    """Say how GluonCV calls a parameter of ours."""
    name = re.sub(r"\.(conv|bn)3\.", r".\g<1>4.", name)
    name = re.sub(r"\.(conv|bn)2\.", r".\g<1>3.", name)
    return name.replace(".downsample.", ".down_sample.").replace("fc.", "out_fc.")


def frozen(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Write norms as GluonCV's frozen ones: a weight and a bias of shape (C, 1, 1, 1)."""
    norms = {name.rpartition(".")[0] for name in state if name.endswith(".running_mean")}
    return {
        name: one.reshape(-1, 1, 1, 1) if name.rpartition(".")[0] in norms else one
        for name, one in state.items()
        if not name.endswith((".running_mean", ".running_var", ".num_batches_tracked"))
    }


def test_frozen_norms_scale_and_shift() -> None:
    model = csn.CSN(depth=50, eps=csn.CAFFE2_EPS, num_classes=5).eval()
    for name, tensor in model.state_dict().items():
        if name.endswith(("running_mean", "running_var")):
            tensor.fill_(7)  # to be replaced
        elif tensor.ndim == 1:
            nn.init.uniform_(tensor, 0.5, 1.5)
    theirs = {gluoncv(name): one.clone() for name, one in frozen(model.state_dict()).items()}
    fill(model, theirs, formats=csn.FORMATS, source="frozen.pth")
    x = torch.randn(2, 256, 2, 3, 3)
    norm = model.layer1[2].bn3
    weight, bias = theirs["layer1.2.bn4.weight"], theirs["layer1.2.bn4.bias"]
    torch.testing.assert_close(norm(x), x * weight + bias)


def test_norms_with_statistics_keep_them() -> None:
    ours = meta_network(IRCSN).state_dict()
    theirs = {gluoncv(name): one for name, one in ours.items()}
    converted = convert(theirs, csn.FORMATS)
    assert converted.keys() == ours.keys()
    assert all(converted[name] is ours[name] for name in ours)


def mmaction(name: str) -> str:
    """Say how mmaction2 calls a parameter of ours."""
    if name.startswith("fc."):
        return f"cls_head.fc_cls.{name[3:]}"
    name = re.sub(r"\.downsample\.0\.", ".downsample.conv.", f"backbone.{name}")
    name = re.sub(r"\.downsample\.1\.", ".downsample.bn.", name)
    name = re.sub(r"\.bn(\d)\.", r".conv\1.bn.", name)
    name = re.sub(r"\.conv(\d)\.(?!bn)", r".conv\1.conv.", name)
    # The convolution in the middle is the only one of a sequence.
    return name.replace(".conv2.", ".conv2.0.")


def test_mmaction_names_are_understood() -> None:
    ours = meta_network(IRCSN).state_dict()
    theirs = {mmaction(name): one for name, one in ours.items()}
    assert {"backbone.conv1.bn.weight", "backbone.layer4.2.conv2.0.conv.weight"} <= theirs.keys()
    assert convert(theirs, csn.FORMATS).keys() == ours.keys()


def test_interaction_preserved_networks_do_not_fit() -> None:
    state = {mmaction(name): one for name, one in meta_network(IRCSN).state_dict().items()}
    preserved = {**state, "backbone.layer1.0.conv2.1.conv.weight": torch.empty(64, 1, 3, 3, 3)}
    with pytest.raises(BadWeights, match="is unknown"):
        fill(meta_network(IRCSN), preserved, formats=csn.FORMATS, source="ipcsn.pth")
