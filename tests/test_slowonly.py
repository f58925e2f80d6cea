"""Slow-only: when it mixes time, what it takes, and the names others give its parameters."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from actionzoo.models import slowonly
from actionzoo.models.formats import Format
from actionzoo.models.slowonly import SlowOnly


@pytest.fixture(scope="module")
def model() -> SlowOnly:
    torch.manual_seed(0)
    return SlowOnly(depth=50, window=(2, 1, 1), num_classes=5).eval()


@torch.no_grad()
def test_two_layers_see_single_frames_and_the_third_their_neighbours(model: SlowOnly) -> None:
    clip = torch.randn(1, 3, 16, 32, 32)
    changed = clip.clone()
    changed[:, :, 15] = 0

    def second(frames: Tensor) -> Tensor:
        return model.layer2(model.layer1(model.conv1(frames)))

    before, after = second(clip), second(changed)
    touched = (before != after).flatten(3).any(3).any(1)[0]  # (T,)
    assert touched.tolist() == [False] * 15 + [True]
    touched = (model.layer3(before) != model.layer3(after)).flatten(3).any(3).any(1)[0]
    assert touched.tolist() == [False] * 9 + [True] * 7  # 6 blocks of 3 frames reach 6 back


@pytest.mark.parametrize("size", [(1, 32, 32), (3, 33, 47), (9, 5, 8)])
@torch.no_grad()
def test_takes_clips_of_any_length_and_size(model: SlowOnly, size: tuple[int, int, int]) -> None:
    third, fourth = model.feature_maps(torch.randn(1, 3, *size))
    assert third.shape[:3] == (1, 1024, size[0])
    assert fourth.shape == (1, 2048, size[0], -(-size[1] // 32), -(-size[2] // 32))
    assert model(torch.randn(2, 3, *size)).shape == (2, 5)


@torch.no_grad()
def test_windows_of_a_longer_clip_are_averaged_as_logits(model: SlowOnly) -> None:
    clip = torch.randn(1, 3, 4, 32, 32)
    _, x = model.feature_maps(clip)
    logits = [model.fc(x[:, :, t : t + 2].mean((2, 3, 4))) for t in range(3)]
    torch.testing.assert_close(model(clip), torch.stack(logits).mean(0))


@pytest.mark.parametrize("name", ["slow_r50_kinetics400", "slow_r50_4x16_kinetics400"])
def test_pytorchvideos_window_is_the_map_of_the_specs_clip(name: str) -> None:
    spec = {one.name: one for one in slowonly.SPECS}[name]
    with torch.device("meta"):
        network = slowonly.build(spec)
        _, x = network.feature_maps(torch.zeros(1, *spec.input.shape))
    assert x.shape[2:] == network.window


def mxnet(name: str) -> str:
    name = re.sub(r"^conv1", "first_stage.0", name)
    name = re.sub(r"^bn1", "first_stage.1", name)
    name = re.sub(r"^layer(\d)", lambda found: f"res_layers.{int(found[1]) - 1}", name)
    name = re.sub(r"((?:bn\d|stage\.1|downsample\.1)\.)weight", r"\1gamma", name)
    name = re.sub(r"((?:bn\d|stage\.1|downsample\.1)\.)bias", r"\1beta", name)
    return re.sub(r"^fc", "head.1", name)


def mmaction(name: str) -> str:
    name = re.sub(r"conv(\d)\.", r"conv\1.conv.", name)
    name = re.sub(r"bn(\d)\.", r"conv\1.bn.", name)
    name = name.replace("downsample.0", "downsample.conv").replace("downsample.1", "downsample.bn")
    return name.replace("fc.", "cls_head.fc_cls.") if "fc." in name else f"backbone.{name}"


def pyslowfast(name: str) -> str:
    name = re.sub(r"^conv1", "s1.pathway0_stem.conv", name)
    name = re.sub(r"^bn1", "s1.pathway0_stem.bn", name)
    name = re.sub(
        r"^layer(\d)\.", lambda found: f"s{int(found[1]) + 1}.pathway0_res", name
    ).replace("fc.", "head.projection.")
    name = name.replace("downsample.0", "branch1").replace("downsample.1", "branch1_bn")
    name = re.sub(r"\.conv(\d)\.", lambda found: f".branch2.{' abc'[int(found[1])]}.", name)
    return re.sub(r"\.bn(\d)\.", lambda found: f".branch2.{' abc'[int(found[1])]}_bn.", name)


def pytorchvideo(name: str) -> str:
    name = re.sub(r"^conv1", "blocks.0.conv", name)
    name = re.sub(r"^bn1", "blocks.0.norm", name)
    name = re.sub(r"^layer(\d)\.", r"blocks.\1.res_blocks.", name).replace("fc.", "blocks.5.proj.")
    name = name.replace("downsample.0", "branch1_conv").replace("downsample.1", "branch1_norm")
    name = re.sub(r"\.conv(\d)\.", lambda found: f".branch2.conv_{' abc'[int(found[1])]}.", name)
    return re.sub(r"\.bn(\d)\.", lambda found: f".branch2.norm_{' abc'[int(found[1])]}.", name)


THEIRS = {
    "GluonCV (MXNet)": mxnet,
    "PyTorchVideo": pytorchvideo,
    "mmaction2": mmaction,
    "PySlowFast": pyslowfast,
}


@pytest.mark.parametrize("source", THEIRS)
def test_every_name_of_a_publisher_becomes_ours(source: str) -> None:
    with torch.device("meta"):
        state = SlowOnly(depth=50, num_classes=5).state_dict()
    theirs: Callable[[str], str] = THEIRS[source]
    given = {theirs(name): torch.tensor(i) for i, name in enumerate(state)}
    fitting: list[Format] = [one for one in slowonly.FORMATS if one.fits(given)]
    assert [one.source for one in fitting] == [source]
    converted = fitting[0].convert(given)
    assert {name: int(one) for name, one in converted.items()} == {
        name: i for i, name in enumerate(state)
    }


def test_gluoncvs_pytorch_names_are_ours() -> None:
    with torch.device("meta"):
        state = SlowOnly(depth=50, num_classes=5).state_dict()
    assert not any(one.fits(state) for one in slowonly.FORMATS)
    assert {"conv1.weight", "bn1.bias", "layer4.2.conv3.weight", "fc.bias"} <= set(state)
