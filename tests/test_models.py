"""What every model of the zoo has to hold to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from actionzoo.backends.openvino_backend import OpenVINOBackend
from actionzoo.export import export_openvino
from actionzoo.zoo import create_model, get_spec, list_models

every_model = pytest.mark.parametrize("name", list_models())


def awake(name: str) -> nn.Module:
    """Build a model whose blocks all take part: none begins with its last scale at zero."""
    torch.manual_seed(0)
    model = create_model(name)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.uniform_(module.weight, 0.8, 1.2)
    return model


def small_clips(name: str, batch: int) -> torch.Tensor:
    return torch.randn(batch, 3, get_spec(name).input.frames, 32, 32)


@every_model
def test_one_row_of_logits_a_clip_whatever_the_batch(name: str) -> None:
    model = awake(name).eval()
    clips = small_clips(name, 2)
    with torch.no_grad():
        logits, features = model(clips), model.forward_features(clips)
        assert logits.shape == (2, len(get_spec(name).labels))
        assert features.ndim == 2
        torch.testing.assert_close(logits[1:], model(clips[1:]), rtol=1e-3, atol=1e-4)


@every_model
def test_learning_reaches_every_parameter(name: str) -> None:
    model = awake(name)
    model(small_clips(name, 2)).square().sum().backward()
    unreached = [
        name for name, one in model.named_parameters() if one.grad is None or not one.grad.any()
    ]
    assert unreached == []


@every_model
def test_size_and_cost_are_what_the_spec_says(name: str) -> None:
    spec = get_spec(name)
    model = create_model(name).eval().to("meta")
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, *spec.input.shape, device="meta"))
    assert sum(one.numel() for one in model.parameters()) == spec.parameters
    assert counter.get_total_flops() == 2 * (spec.macs or 0)


@every_model
def test_a_new_head_has_the_width_asked_for(name: str) -> None:
    model = create_model(name).eval()
    model.reset_head(3)
    assert model(small_clips(name, 1)).shape == (1, 3)


@pytest.mark.parametrize("name", ["figures10"])  # test_export.py has a small X3D
def test_the_exported_file_gives_the_same_logits(name: str, tmp_path: Path) -> None:
    model, spec = awake(name).eval(), get_spec(name)
    backend = OpenVINOBackend(export_openvino(model, spec, tmp_path / "model.xml"))
    clips = np.random.default_rng(1).standard_normal((3, *spec.input.shape), np.float32)
    with torch.no_grad():
        expected = model(torch.from_numpy(clips)).numpy()
    assert backend.spec == spec
    assert np.linalg.norm(backend(clips) - expected) < 1e-2 * np.linalg.norm(expected)
