"""TPN: the clips it takes, its auxiliary classifier, and the names others give its parameters."""

from __future__ import annotations

import pytest
import torch

from actionzoo.errors import ConfigError
from actionzoo.models import tpn
from actionzoo.models.tpn import TPN
from actionzoo.spec import ModelSpec


@pytest.fixture(scope="module")
def model() -> TPN:
    torch.manual_seed(0)
    return TPN(depth=50, scales=(2, 4), num_classes=3).eval()


@pytest.mark.parametrize("spec", tpn.SPECS, ids=lambda spec: spec.name)
def test_one_frame_is_left_of_the_usual_clip(spec: ModelSpec) -> None:
    variant = next(one for one in tpn.VARIANTS if tpn._name(one) == spec.name)
    frames = spec.input.frames
    with torch.device("meta"):
        maps = torch.zeros(1, 1024, frames, 4, 4), torch.zeros(1, 2048, frames, 2, 2)
        assert tpn.Neck(variant.scales)(*maps).shape == (1, 2048, 1, 2, 2)


@pytest.mark.parametrize("frames", [1, 3, 4])
@torch.no_grad()
def test_takes_shorter_clips(model: TPN, frames: int) -> None:
    assert model(torch.randn(2, 3, frames, 40, 33)).shape == (2, 3)


def test_refuses_clips_that_leave_several_coarse_frames_beside_more_fine_ones(model: TPN) -> None:
    with pytest.raises(ConfigError, match="has 5 frames; this TPN takes at most 4"):
        model(torch.zeros(1, 3, 5, 32, 32))


def test_takes_clips_of_any_length_where_both_levels_have_one_tempo() -> None:
    with torch.device("meta"):
        network = TPN(depth=50, scales=(8, 8), num_classes=3)
        assert network(torch.zeros(1, 3, 20, 32, 32)).shape == (1, 3)


@torch.no_grad()
def test_the_upward_flow_begins_with_what_flowed_down(model: TPN) -> None:
    """Of the fine level, only its sum with the coarse one is seen: they cancel out here."""
    third, fourth = torch.zeros(1, 1024, 4, 2, 2), torch.randn(1, 2048, 4, 1, 1)
    seen = []
    hooks = [
        fusion.register_forward_pre_hook(lambda _, given: seen.append(given))
        for fusion in (model.neck.fuse_downwards, model.neck.fuse_upwards)
    ]
    model.neck(third, fourth)
    for hook in hooks:
        hook.remove()
    (fine, coarse), (fine_again, coarse_again) = seen
    torch.testing.assert_close(fine, fine_again)
    raised = tpn.pool_frames(model.neck.upwards(fine), 2)
    torch.testing.assert_close(coarse_again, coarse + raised)


@torch.no_grad()
def test_both_classifiers_are_asked_at_once(model: TPN) -> None:
    clip = torch.randn(1, 3, 4, 32, 32)
    logits, auxiliary = model.forward_with_auxiliary(clip)
    torch.testing.assert_close(logits, model(clip))
    assert auxiliary.shape == (1, 3)
    assert not torch.equal(logits, auxiliary)


def test_only_the_auxiliary_classifier_is_left_out_of_the_logits(model: TPN) -> None:
    clip = torch.randn(1, 3, 4, 32, 32)
    model(clip).sum().backward()
    unreached = {name for name, one in model.named_parameters() if one.grad is None}
    assert unreached == {name for name, _ in model.named_parameters() if "auxiliary." in name}
    sum(one.sum() for one in model.forward_with_auxiliary(clip)).backward()
    assert all(one.grad is not None for one in model.parameters())
    model.zero_grad()


def test_a_new_head_is_new_for_both_classifiers() -> None:
    with torch.device("meta"):
        network = TPN(depth=50, scales=(8, 8), num_classes=3).eval()
        network.reset_head(7)
        both = network.forward_with_auxiliary(torch.zeros(1, 3, 8, 32, 32))
    assert [one.shape for one in both] == [(1, 7), (1, 7)]


GLUONCV_AND_MMACTION = {
    "slow.layer3.1.bn2.running_var": (
        "layer3.1.bn2.running_var",
        "backbone.layer3.1.conv2.bn.running_var",
    ),
    "slow.layer2.0.downsample.0.weight": (
        "layer2.0.downsample.0.weight",
        "backbone.layer2.0.downsample.conv.weight",
    ),
    "slow.conv1.weight": ("conv1.weight", "backbone.conv1.conv.weight"),
    "slow.fc.bias": ("fc.bias", "cls_head.fc_cls.bias"),
    "neck.spatial.bn.weight": (
        "TPN_neck.spatial_modulation.spatial_modulation.0.0.bn.weight",
        "neck.spatial_modulation.spatial_modulation.0.0.bn.weight",
    ),
    "neck.temporal_coarse.weight": (
        "TPN_neck.temporal_modulation_ops.1.conv.weight",
        "neck.temporal_modulation_ops.1.conv.conv.weight",
    ),
    "neck.upwards.weight": (
        "TPN_neck.downsampling_ops.0.conv.weight",
        "neck.downsample_ops.0.conv.conv.weight",
    ),
    "neck.fuse_downwards.coarse.bn.bias": (
        "TPN_neck.level_fusion_op2.ops.1.norm.bias",
        "neck.level_fusion_1.downsamples.1.conv.bn.bias",
    ),
    "neck.fuse_upwards.fine.conv.weight": (
        "TPN_neck.level_fusion_op.ops.0.conv.weight",
        "neck.level_fusion_2.downsamples.0.conv.conv.weight",
    ),
    "neck.fuse_upwards.both.bn.running_mean": (
        "TPN_neck.level_fusion_op.fusion_conv.1.running_mean",
        "neck.level_fusion_2.fusion_conv.bn.running_mean",
    ),
    "neck.fuse_flows.conv.weight": (
        "TPN_neck.pyramid_fusion_op.0.weight",
        "neck.pyramid_fusion.conv.weight",
    ),
    "auxiliary.conv.weight": (
        "TPN_neck.aux_head.convs.conv.weight",
        "neck.aux_head.conv.conv.weight",
    ),
    "auxiliary.bn.bias": ("TPN_neck.aux_head.convs.bn.bias", "neck.aux_head.conv.bn.bias"),
    "auxiliary.fc.weight": ("TPN_neck.aux_head.fc.weight", "neck.aux_head.fc.weight"),
}


@pytest.mark.parametrize("publisher", [0, 1], ids=["GluonCV", "mmaction2"])
def test_names_of_others_become_ours(publisher: int, model: TPN) -> None:
    ours = model.state_dict()
    assert set(GLUONCV_AND_MMACTION) <= set(ours)
    theirs = {names[publisher]: ours[name] for name, names in GLUONCV_AND_MMACTION.items()}
    fits = [one.fits(theirs) for one in tpn.FORMATS]
    assert fits == [publisher == 0, publisher == 1]
    assert set(tpn.FORMATS[publisher].convert(theirs)) == set(GLUONCV_AND_MMACTION)
    assert not any(one.fits(ours) for one in tpn.FORMATS)
