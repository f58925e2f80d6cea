"""A network of each design in the zoo, on clips that make it cheap."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from actionzoo.catalog import get_spec
from actionzoo.models.blocks import Stack
from actionzoo.models.i3d_resnet import NonLocal
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
"""Frames and side of its clips, by the name of a network."""


def awake(name: str) -> nn.Module:
    """Build a model whose blocks all take part: what begins at zero is given a value."""
    torch.manual_seed(0)
    model = create_model(name)
    for parameter in model.parameters():
        if parameter.ndim < 2 and not parameter.any():
            nn.init.uniform_(parameter, 0.1, 0.3)
    for module in model.modules():
        if isinstance(module, NonLocal):
            # Ten of them would make numbers so large that their softmax turns on the last bit.
            nn.init.uniform_(module.bn.weight, 0.01, 0.03)
    return model.eval()


def small_spec(name: str) -> ModelSpec:
    frames, size = SMALL[name]
    spec = get_spec(name)
    return replace(spec, input=replace(spec.input, frames=frames, height=size, width=size))


def small_clips(name: str, batch: int) -> torch.Tensor:
    return torch.randn(batch, *small_spec(name).input.shape)


def shallow(model: nn.Module) -> nn.Module:
    """Leave out every block that is as one before it in its stage: one of a kind tells enough."""
    for module in model.modules():
        if isinstance(module, Stack):
            kept: list[nn.Module] = []
            for block in module:
                if not any(_alike(block, one) for one in kept):
                    kept.append(block)
            del module[len(kept) :]
            for place, block in enumerate(kept):
                module[place] = block
    return model


def _alike(one: nn.Module, other: nn.Module) -> bool:
    return _traits(one) == _traits(other)


def _traits(block: nn.Module) -> list[object]:
    """List what the layers of a block are, and the shapes of their parameters."""
    plain = (bool, int, str, tuple)
    layers = [
        (type(layer), {k: v for k, v in vars(layer).items() if isinstance(v, plain)})
        for layer in block.modules()
    ]
    return [*layers, *((name, one.shape) for name, one in block.named_parameters())]
