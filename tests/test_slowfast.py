"""SlowFast: which frames go where, how the pathways are joined, and its names elsewhere."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor, nn

from actionzoo.errors import BadWeights, ConfigError
from actionzoo.models import slowfast
from actionzoo.models.slowfast import SlowFast, SlowFrames, split_pathways, spread_indices
from actionzoo.weights import convert, fill


def spec_of(name: str) -> slowfast.ModelSpec:
    return next(spec for spec in slowfast.SPECS if spec.name == name)


def meta_state(name: str) -> dict[str, Tensor]:
    with torch.device("meta"):
        return slowfast.build(spec_of(name)).state_dict()


def network(slow_frames: SlowFrames = "strided") -> SlowFast:
    torch.manual_seed(0)
    return SlowFast(
        depth=50, alpha=4, lateral_kernel=7, slow_frames=slow_frames, num_classes=5
    ).eval()


def numbered(frames: int) -> Tensor:
    """Make a clip whose pixels are the numbers of their frames."""
    return torch.arange(float(frames)).reshape(1, 1, frames, 1, 1)


@pytest.mark.parametrize(
    ("frames", "alpha", "how", "slow"),
    [
        (32, 8, "strided", [0, 8, 16, 24]),
        (33, 8, "strided", [0, 8, 16, 24, 32]),
        (32, 8, "spread", [0, 10, 20, 31]),
        (32, 4, "spread", [0, 4, 8, 13, 17, 22, 26, 31]),
        (4, 4, "spread", [0]),
        (36, 8, "appended", [32, 33, 34, 35]),
        (40, 4, "appended", [32, 33, 34, 35, 36, 37, 38, 39]),
    ],
)
def test_the_slow_pathway_is_fed_these_frames(
    frames: int, alpha: int, how: SlowFrames, slow: list[int]
) -> None:
    split = split_pathways(numbered(frames), alpha, how)
    assert split[0].flatten().tolist() == slow
    assert split[1].shape[2] == (32 if how == "appended" else frames)


def test_the_frames_of_mxnet_weights_are_those_of_a_stride() -> None:
    video = numbered(64)
    for alpha, slow_stride in ((8, 16), (4, 8)):
        slow, _ = split_pathways(video[:, :, ::2], alpha, "strided")
        assert torch.equal(slow, video[:, :, ::slow_stride])


def test_spread_frames_are_those_that_torch_linspace_gives_the_reference() -> None:
    for frames, count in ((32, 8), (32, 4), (64, 16)):
        assert spread_indices(frames, count) == torch.linspace(0, frames - 1, count).long().tolist()


def test_a_clip_without_whole_slow_frames_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"30 frames; this SlowFast takes a multiple of 4.* 28"):
        split_pathways(numbered(30), 4, "spread")
    with pytest.raises(ConfigError, match=r"3 frames; this SlowFast takes a multiple of 9.* 9"):
        split_pathways(numbered(3), 8, "appended")


def test_a_strided_network_takes_any_clip() -> None:
    with torch.no_grad():
        for shape in ((1, 3, 1, 32, 32), (2, 3, 7, 33, 47)):
            assert network()(torch.randn(shape)).shape == (shape[0], 5)


def test_appended_slow_frames_give_what_the_stride_gives() -> None:
    clip = torch.randn(1, 3, 8, 32, 32)
    packed = torch.cat([clip, clip[:, :, ::4]], 2)
    with torch.no_grad():
        torch.testing.assert_close(network("appended")(packed), network()(clip))


def test_the_slow_pathway_learns_of_frames_that_only_the_fast_one_sees() -> None:
    clip = torch.randn(1, 3, 8, 32, 32)
    changed = clip.clone()
    changed[:, :, 2] += 1
    model = network()
    for lateral in (model.lateral_p1, model.lateral_res2, model.lateral_res3):
        torch.nn.init.zeros_(lateral[0].weight)
    with torch.no_grad():
        told = model.forward_features(changed) - model.forward_features(clip)
        torch.nn.init.zeros_(model.lateral_res4[0].weight)
        untold = model.forward_features(changed) - model.forward_features(clip)
    slow, fast = slice(0, 2048), slice(2048, None)
    assert told[:, slow].any()
    assert not untold[:, slow].any()
    assert untold[:, fast].any()


def test_the_fast_pathway_is_light() -> None:
    sizes = {"slow": 0, "fast": 0}
    for name, tensor in meta_state("slowfast_8x8_resnet50_kinetics400").items():
        pathway = name.partition("_")[0]
        if pathway in sizes:
            sizes[pathway] += tensor.numel()
    assert sizes["fast"] < sizes["slow"] / 50


def test_50_50_mixes_time_in_six_blocks_of_res4() -> None:
    shapes = meta_state("slowfast_16x8_r101_50_50_kinetics400")
    for path in ("slow", "fast"):
        kernels = [shapes[f"{path}_res4.{i}.conv1.weight"].shape[2] for i in range(23)]
        assert kernels == [3] * 6 + [1] * 17


class Spread(nn.Module):
    """The slow frames, then the fast ones."""

    def forward(self, clip: Tensor) -> Tensor:
        return torch.cat(split_pathways(clip, 4, "spread"), 2)


def test_spread_frames_can_be_exported() -> None:
    batch = torch.export.Dim("batch")
    clip = torch.randn(2, 3, 8, 4, 4)
    program = torch.export.export(Spread(), (clip,), dynamic_shapes=({0: batch},))
    torch.testing.assert_close(program.module()(clip[:1]), clip[:1, :, [0, 7, *range(8)]])


def pyslowfast(name: str) -> str:
    """Say how PySlowFast calls a parameter of ours."""
    name = re.sub(r"^fc\.", "head.projection.", name)
    stage = {"p1": "s1", "res2": "s2", "res3": "s3", "res4": "s4"}
    if match := re.match(r"lateral_(\w+)\.(\d)\.(.*)", name):
        return f"{stage[match[1]]}_fuse.{('conv_f2s', 'bn')[int(match[2])]}.{match[3]}"
    name = re.sub(r"\.downsample\.0\.", ".branch1.", name)
    name = re.sub(r"\.downsample\.1\.", ".branch1_bn.", name)
    for i, letter in enumerate("abc", 1):
        name = re.sub(rf"\.conv{i}\.", f".branch2.{letter}.", name)
        name = re.sub(rf"\.bn{i}\.", f".branch2.{letter}_bn.", name)
    for i, path in enumerate(("slow", "fast")):
        name = re.sub(rf"^{path}_res(\d)\.(\d+)\.", rf"s\1.pathway{i}_res\2.", name)
        name = re.sub(rf"^{path}_conv1\.", f"s1.pathway{i}_stem.conv.", name)
        name = re.sub(rf"^{path}_bn1\.", f"s1.pathway{i}_stem.bn.", name)
    return name


def test_pyslowfast_names_are_understood() -> None:
    ours = meta_state("slowfast_r50_kinetics400")
    theirs = {pyslowfast(name): tensor for name, tensor in ours.items()}
    assert {"s1_fuse.bn.weight", "s5.pathway1_res2.branch2.c_bn.bias"} <= theirs.keys()
    assert convert(theirs, slowfast.FORMATS).keys() == ours.keys()


def test_lateral_connections_without_norm_do_not_fit() -> None:
    state = meta_state("slowfast_r50_kinetics400")
    bare = {name: one for name, one in state.items() if not re.match(r"lateral_\w+\.1\.", name)}
    with pytest.raises(BadWeights, match=r"lateral_p1\.1\.weight is missing"):
        fill(network(), bare, formats=slowfast.FORMATS, source="bare.pth")
