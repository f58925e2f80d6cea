from __future__ import annotations

import pytest
import torch
from torch import nn

from actionzoo.errors import ConfigError
from actionzoo.models import tsn
from actionzoo.models.resnet2d import ResNet2D
from actionzoo.spec import ModelSpec
from actionzoo.weights import fill

SPECS = {spec.name: spec for spec in tsn.SPECS}


@pytest.fixture(scope="module")
def resnet() -> tsn.TSN:
    torch.manual_seed(0)
    return tsn.TSN(ResNet2D(18), num_classes=5, dropout=0.5).eval()


def test_a_picture_is_a_clip_of_one_frame(resnet: tsn.TSN) -> None:
    picture = torch.randn(2, 3, 64, 48)
    with torch.no_grad():
        torch.testing.assert_close(resnet(picture), resnet(picture.unsqueeze(2)))


def test_logits_of_a_clip_are_the_mean_of_its_frames(resnet: tsn.TSN) -> None:
    clip = torch.randn(2, 3, 3, 64, 64)
    with torch.no_grad():
        each = torch.stack([resnet(frame) for frame in clip.unbind(2)])
        torch.testing.assert_close(resnet(clip), each.mean(0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sides", [(32, 32), (223, 224), (224, 256)])
def test_vgg_takes_no_other_size(sides: tuple[int, int]) -> None:
    with torch.device("meta"):
        network = tsn.build(SPECS["vgg16_ucf101"])
        with pytest.raises(ConfigError, match=f"{sides[0]} x {sides[1]} pixels; VGG16 takes 224"):
            network(torch.empty(1, 3, 2, *sides))


def test_vgg_takes_a_little_more_than_its_size() -> None:
    with torch.device("meta"):
        network = tsn.build(SPECS["vgg16_ucf101"])
        assert network.forward_features(torch.empty(2, 3, 2, 255, 224)).shape == (2, 4096)


def test_a_frame_too_small_is_said_to_be() -> None:
    with torch.device("meta"):
        network = tsn.build(SPECS["inceptionv3_ucf101"])
        with pytest.raises(ConfigError, match=r"the input is 64 x 64 pixels; .* 75 x 75 pixels"):
            network(torch.empty(1, 3, 1, 64, 64))


@pytest.mark.parametrize("spec", tsn.SPECS, ids=lambda spec: spec.name)
def test_a_video_is_looked_at_a_segment_at_a_time(spec: ModelSpec) -> None:
    assert (spec.input.frames, spec.input.sampling) == (1, "segments")
    assert spec.views.clips == {400: 7, 101: 3, 51: 3, 174: 8}[len(spec.labels)]


def test_weights_of_one_name_are_told_apart() -> None:
    tags = [one.tag for one in SPECS["resnet50_v1b_kinetics400"].weights]
    assert tags[:2] == ["9939dbdf", "cc757e5c"]
    assert len(set(tags)) == len(tags) == 5
    assert [one.metrics[0].value for one in SPECS["vgg16_ucf101"].weights] == [0.834, 0.815]


@pytest.mark.parametrize("spec", tsn.SPECS, ids=lambda spec: spec.name)
def test_our_own_names_are_nobody_elses(spec: ModelSpec) -> None:
    with torch.device("meta"):
        state = tsn.build(spec).state_dict()
    assert [one.source for one in tsn.FORMATS if one.fits(state)] == []


NAMES = {
    "layer1.0.bn1.weight": {
        "layer3.1.conv2.weight": "trunk.layer3.1.conv2.weight",
        "fc.bias": "fc.bias",
    },
    "backbone.layer1.0.conv1.conv.weight": {
        "backbone.conv1.bn.running_var": "trunk.bn1.running_var",
        "backbone.layer2.0.downsample.conv.weight": "trunk.layer2.0.downsample.0.weight",
        "cls_head.fc_cls.bias": "fc.bias",
    },
    "layer1.0.bn1.gamma": {
        "layer2.0.downsample.1.gamma": "trunk.layer2.0.downsample.1.weight",
        "output.weight": "fc.weight",
    },
    "inception3a.0.0.1.gamma": {
        "conv3.1.running_mean": "trunk.layers.3.norm.running_mean",
        "inception4b.3.1.0.weight": "trunk.layers.9.3.1.conv.weight",
    },
    "features.7.0.0.1.gamma": {
        "features.16.2.1.1.0.1.beta": "trunk.layers.16.2.1.1.0.norm.bias",
        "output.bias": "fc.bias",
    },
    "features.31.weight": {
        "features.33.bias": "trunk.fc7.bias",
        "features.2.weight": "trunk.convs.2.weight",
    },
}
"""By a name that only this publisher's file has: its names, and ours."""


@pytest.mark.parametrize(("mark", "names"), NAMES.items(), ids=NAMES)
def test_names_of_others(mark: str, names: dict[str, str]) -> None:
    (only,) = [one for one in tsn.FORMATS if one.fits({mark: torch.zeros(1)})]
    assert list(only.convert(dict.fromkeys(names, torch.zeros(1)))) == list(names.values())


def test_a_resnet_of_mxnet_fills_ours(resnet: tsn.TSN) -> None:
    theirs = {}
    for name, tensor in resnet.state_dict().items():
        layer, _, leaf = name.removeprefix("trunk.").rpartition(".")
        if leaf != "num_batches_tracked":
            norm = "bn" in layer or layer.endswith("downsample.1")
            leaf = {"weight": "gamma", "bias": "beta"}.get(leaf, leaf) if norm else leaf
            theirs[f"{layer}.{leaf}".replace("fc.", "output.")] = tensor
    assert {"bn1.gamma", "layer4.0.downsample.1.running_var", "output.bias"} <= set(theirs)
    empty: nn.Module = tsn.TSN(ResNet2D(18), num_classes=5, dropout=0.5)
    fill(empty, theirs, formats=tsn.FORMATS, source="theirs")
    torch.testing.assert_close(dict(empty.state_dict()), dict(resnet.state_dict()))
