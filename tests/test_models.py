"""What every model of the zoo has to hold to."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from actionzoo.backends.openvino_backend import OpenVINOBackend
from actionzoo.catalog import get_spec, list_models
from actionzoo.conversion import export_openvino
from actionzoo.models import FAMILIES
from actionzoo.spec import ModelSpec
from actionzoo.zoo import create_model

SMALL = {
    "figures10": (16, 32),
    "x3d_xs_kinetics400": (4, 32),
    "movinet_a0_base_kinetics600": (4, 64),
    "movinet_a0_stream_kinetics600": (4, 64),
    "slowfast_4x16_resnet50_kinetics400": (8, 32),
    "slowfast_r50_kinetics400": (8, 32),
    "csn_r101_kinetics400": (8, 32),
    "i3d_slow_resnet50_f8s8_kinetics400": (8, 32),
    "tpn_resnet50_f8s8_kinetics400": (8, 32),
    "i3d_nl5_resnet50_v1_kinetics400": (16, 64),
    "c2d_r50_kinetics400": (8, 32),
    "resnet18_v1b_kinetics400": (2, 32),
    "inceptionv1_kinetics400": (2, 32),
    "inceptionv3_kinetics400": (1, 96),
    "i3d_flow_imagenet_kinetics400": (10, 64),
    "i3d_inceptionv1_kinetics400": (8, 32),
    "c3d_kinetics400": (16, 96),
    "p3d_resnet50_kinetics400": (16, 32),
    "driver-action-recognition-adas-0002": (16, 32),
    "mobilenetv2_vtn_layernorm_kinetics400": (16, 32),
    "r2plus1d_v1_resnet18_kinetics400": (8, 32),
    "r2plus1d_r50_kinetics400": (8, 32),
    "r3d_18_kinetics400": (8, 32),
    "s3d_kinetics400": (16, 32),
    "mvit_v2_s_kinetics400": (16, 224),
    "swin3d_t_kinetics400": (4, 32),
}
"""A network of each design, on frames and a size that make it cheap."""

every_model = pytest.mark.parametrize("name", list_models())
every_design = pytest.mark.parametrize("name", SMALL)


def awake(name: str) -> nn.Module:
    """Build a model whose blocks all take part: what begins at zero is given a value."""
    torch.manual_seed(0)
    model = create_model(name)
    for parameter in model.parameters():
        if parameter.ndim < 2 and not parameter.any():
            nn.init.uniform_(parameter, 0.1, 0.3)
    return model.eval()


def small_spec(name: str) -> ModelSpec:
    frames, size = SMALL[name]
    spec = get_spec(name)
    return replace(spec, input=replace(spec.input, frames=frames, height=size, width=size))


def small_clips(name: str, batch: int) -> torch.Tensor:
    return torch.randn(batch, *small_spec(name).input.shape)


def on_meta(spec: ModelSpec) -> tuple[nn.Module, torch.Tensor]:
    """Build a network without numbers: shapes and costs cost nothing."""
    with torch.device("meta"):
        return create_model(spec.name).eval(), torch.zeros(1, *spec.input.shape)


def test_every_family_has_a_small_one() -> None:
    assert {get_spec(name).family for name in SMALL} == {one.SPECS[0].family for one in FAMILIES}


@every_model
def test_size_cost_and_shapes_are_what_the_spec_says(name: str) -> None:
    spec = get_spec(name)
    model, clip = on_meta(spec)
    with FlopCounterMode(display=False) as counter:
        logits = model(clip)
    assert logits.shape == (1, len(spec.labels))
    assert sum(one.numel() for one in model.parameters()) == spec.parameters
    assert counter.get_total_flops() == 2 * (spec.macs or 0)


@every_design
def test_one_row_of_logits_a_clip_whatever_the_batch(name: str) -> None:
    model = awake(name)
    clips = small_clips(name, 2)
    with torch.no_grad():
        logits, features = model(clips), model.forward_features(clips)
        assert logits.shape == (2, len(get_spec(name).labels))
        assert features.ndim == 2
        torch.testing.assert_close(logits[1:], model(clips[1:]), rtol=1e-3, atol=1e-4)


UNREACHED = {
    "tpn": r"auxiliary\..*",  # of another output
    # Only the class token leaves the last block, and it has neither place nor neighbours.
    "mvit": r"blocks\.15\.attn\.(rel_pos_.|pool_q\.pool\.weight)",
}
"""What the logits do not depend on."""


@every_design
def test_learning_reaches_every_parameter(name: str) -> None:
    model = awake(name)  # not in training: dropout may leave out whole branches
    model(small_clips(name, 2)).square().sum().backward()
    apart = UNREACHED.get(get_spec(name).family, "")
    unreached = [
        name
        for name, one in model.named_parameters()
        if (one.grad is None or not one.grad.any()) and not re.fullmatch(apart, name)
    ]
    assert unreached == []


@every_design
def test_a_new_head_has_the_width_asked_for(name: str) -> None:
    model = create_model(name).eval()
    model.reset_head(3)
    with torch.no_grad():
        assert model(small_clips(name, 1)).shape == (1, 3)


# MViT takes nothing smaller than a minute's conversion; test_mvit.py exports a shallow one.
@pytest.mark.parametrize("name", [one for one in SMALL if not one.startswith("mvit")])
def test_the_exported_file_gives_the_same_logits(name: str, tmp_path: Path) -> None:
    model, spec = awake(name), small_spec(name)
    path = export_openvino(model, spec, tmp_path / "model.xml", precision="fp32")
    backend = OpenVINOBackend(path)
    clips = np.random.default_rng(1).standard_normal((3, *spec.input.shape), np.float32)
    with torch.no_grad():
        expected = model(torch.from_numpy(clips)).numpy()
    assert backend.spec == spec
    assert np.linalg.norm(backend(clips) - expected) < 1e-4 * np.linalg.norm(expected)
