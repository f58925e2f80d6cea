"""Published checkpoints become ours name by name: listings of what they hold, ../shared/spec."""

from __future__ import annotations

import pytest
import torch

import reference
from actionzoo.weights import convert
from actionzoo.zoo import MODELS

OURS = {
    **{
        f"gcv_{name}": f"{name}_kinetics400"
        for name in (
            "i3d_resnet50_v1 i3d_resnet101_v1 i3d_nl5_resnet50_v1 i3d_nl5_resnet101_v1 "
            "i3d_nl10_resnet50_v1 i3d_nl10_resnet101_v1 i3d_slow_resnet50_f8s8 "
            "i3d_slow_resnet50_f16s4 i3d_slow_resnet50_f32s2 i3d_slow_resnet101_f8s8 "
            "i3d_slow_resnet101_f16s4 i3d_slow_resnet101_f32s2 r2plus1d_v1_resnet18 "
            "r2plus1d_v1_resnet34 r2plus1d_v1_resnet50 resnet18_v1b resnet34_v1b resnet50_v1b "
            "resnet101_v1b resnet152_v1b slowfast_4x16_resnet50 slowfast_8x8_resnet50 "
            "slowfast_8x8_resnet101 tpn_resnet50_f8s8 tpn_resnet50_f16s4 tpn_resnet50_f32s2 "
            "tpn_resnet101_f8s8 tpn_resnet101_f16s4 tpn_resnet101_f32s2"
        ).split()
    },
    # Norms, and norms frozen into a weight and a bias.
    "gcv_ircsn_v2_resnet152_affine0": "ircsn_v2_resnet152_f32s2_kinetics400",
    "gcv_ircsn_v2_resnet152_affine1": "ircsn_v2_resnet152_f32s2_kinetics400",
    "gcv_r2plus1d_v2_resnet152_affine0": "r2plus1d_v2_resnet152_kinetics400",
    "gcv_r2plus1d_v2_resnet152_affine1": "r2plus1d_v2_resnet152_kinetics400",
    "i3d_inception_rgb": "i3d_rgb_imagenet_kinetics400",
    "i3d_inception_rgb_600": "i3d_rgb_scratch_kinetics600",
    "i3d_inception_flow": "i3d_flow_imagenet_kinetics400",
    "i3d_tf_rgb_imagenet": "i3d_rgb_imagenet_kinetics400",
    "i3d_tf_flow_imagenet": "i3d_flow_imagenet_kinetics400",
    "i3d_tf_rgb_scratch_kin600": "i3d_rgb_scratch_kinetics600",
    **{
        f"{name}": f"{name}_kinetics600"
        for name in (
            "movinet_a0_base movinet_a1_base movinet_a2_base "
            "movinet_a0_stream movinet_a1_stream movinet_a2_stream"
        ).split()
    },
    **{
        f"ptv_{name}": f"{name}_kinetics400"
        for name in (
            "c2d_r50 csn_r101 i3d_r50 r2plus1d_r50 slow_r50 slowfast_r50 slowfast_r101 "
            "slowfast_16x8_r101_50_50 x3d_xs x3d_s x3d_m x3d_l"
        ).split()
    },
    **{
        f"tv_{name}": f"{name}_kinetics400"
        for name in (
            "r3d_18 mc3_18 r2plus1d_18 s3d mvit_v1_b mvit_v2_s swin3d_t swin3d_s swin3d_b"
        ).split()
    },
}
"""Each listing and a model of ours whose parameters it has to fill."""


@pytest.mark.shared
@pytest.mark.parametrize("listing", OURS)
def test_published_names_and_shapes_are_ours(listing: str) -> None:
    if not reference.LISTINGS.is_dir():
        pytest.skip("the listings of published checkpoints (../shared/spec) are not here")
    family, spec = MODELS[OURS[listing]]
    with torch.device("meta"):
        ours = family.build(spec).state_dict()
        theirs = {name: torch.empty(shape) for name, shape in reference.listing(listing).items()}
    converted = convert(theirs, family.FORMATS)
    counters = {name for name in (*ours, *converted) if name.endswith("num_batches_tracked")}
    assert converted.keys() - counters == ours.keys() - counters
    misshapen = [
        name for name in ours.keys() - counters if converted[name].shape != ours[name].shape
    ]
    assert misshapen == []


@pytest.mark.parametrize("name", MODELS)
def test_our_own_names_are_in_no_format(name: str) -> None:
    family, spec = MODELS[name]
    with torch.device("meta"):
        state = family.build(spec).state_dict()
    assert [one.source for one in family.FORMATS if one.fits(state)] == []
