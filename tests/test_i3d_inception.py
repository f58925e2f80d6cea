from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from actionzoo.errors import BadWeights, ConfigError
from actionzoo.models import i3d_inception as i3d
from actionzoo.models.inception import V1_WIDTHS, Unit
from actionzoo.spec import ModelSpec
from actionzoo.weights import convert, fill

SPECS = {spec.name: spec for spec in i3d.SPECS}
OMZ = SPECS["i3d-rgb-tf"]

MIXED = "3b 3c 4b 4c 4d 4e 4f 5b 5c".split()
BRANCHES = {
    "0.0": ("Branch_0/Conv3d_0a_1x1", "b0", "branch_0"),
    "1.0": ("Branch_1/Conv3d_0a_1x1", "b1a", "branch_1.0"),
    "1.1": ("Branch_1/Conv3d_0b_3x3", "b1b", "branch_1.1"),
    "2.0": ("Branch_2/Conv3d_0a_1x1", "b2a", "branch_2.0"),
    "2.1": ("Branch_2/Conv3d_0b_3x3", "b2b", "branch_2.1"),
    "3.1": ("Branch_3/Conv3d_0b_1x1", "b3b", "branch_3.1"),
}
"""Units of a mixed layer: ours, DeepMind's, and those of the two ports."""


def units() -> Iterator[tuple[str, str, str, str]]:
    """Name every unit: ours, DeepMind's, and those of the two ports."""
    stem = zip((0, 2, 3), "Conv3d_1a_7x7 Conv3d_2b_1x1 Conv3d_2c_3x3".split(), strict=True)
    for place, name in stem:
        yield f"trunk.layers.{place}", name, name, name.lower()
    for place, name in zip((5, 6, 8, 9, 10, 11, 12, 14, 15), MIXED, strict=True):
        for ours, (theirs, port, other) in BRANCHES.items():
            if name == "5b":
                theirs = theirs.replace("Branch_2/Conv3d_0b", "Branch_2/Conv3d_0a")
            mixed = f"Mixed_{name}"
            yield (
                f"trunk.layers.{place}.{ours}",
                f"{mixed}/{theirs}",
                f"{mixed}.{port}",
                f"{mixed.lower()}.{other}",
            )


def deepmind_state(state: dict[str, Tensor], prefix: str, ones: tuple[int, ...]) -> dict[str, Any]:
    """Write our parameters as a checkpoint of DeepMind has them."""
    theirs: dict[str, Any] = {"global_step": torch.zeros(())}
    for ours, unit, _, _ in units():
        norm = f"{prefix}{unit}/batch_norm"
        theirs[f"{prefix}{unit}/conv_3d/w"] = state[f"{ours}.conv.weight"].permute(2, 3, 4, 1, 0)
        theirs[f"{norm}/beta"] = state[f"{ours}.norm.bias"].reshape(*ones, -1)
        theirs[f"{norm}/moving_mean"] = state[f"{ours}.norm.running_mean"].reshape(*ones, -1)
        theirs[f"{norm}/moving_variance"] = state[f"{ours}.norm.running_var"].reshape(*ones, -1)
    theirs[f"{prefix}Logits/Conv3d_0c_1x1/conv_3d/w"] = state["fc.weight"].T[None, None, None]
    theirs[f"{prefix}Logits/Conv3d_0c_1x1/conv_3d/b"] = state["fc.bias"]
    slots = {f"{name}/Momentum": torch.zeros_like(one) for name, one in theirs.items()}
    return {**theirs, **slots}


def random_i3d(channels: int) -> i3d.I3D:
    network = i3d.I3D(i3d.DEEPMIND, num_classes=7, channels=channels, window=i3d.WINDOW)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.normal_(module.bias)
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network.eval()


@pytest.mark.parametrize(
    ("prefix", "ones", "channels"),
    [("RGB/inception_i3d/", (), 3), ("Flow/inception_i3d/", (), 2), ("", (1, 1, 1, 1), 3)],
)
def test_a_checkpoint_of_deepmind_fills_ours(
    prefix: str, ones: tuple[int, ...], channels: int
) -> None:
    torch.manual_seed(0)
    full, empty = random_i3d(channels), random_i3d(channels)
    state = deepmind_state(full.state_dict(), prefix, ones)
    fill(empty, state, formats=i3d.FORMATS, source="theirs")
    torch.testing.assert_close(dict(empty.state_dict()), dict(full.state_dict()))


def test_a_missing_variable_of_deepmind_is_missed() -> None:
    network = random_i3d(3)
    state = deepmind_state(network.state_dict(), "RGB/inception_i3d/", ())
    del state["RGB/inception_i3d/Mixed_5b/Branch_2/Conv3d_0a_3x3/conv_3d/w"]
    with pytest.raises(BadWeights, match=r"trunk\.layers\.14\.2\.1\.conv\.weight is missing"):
        fill(network, state, formats=i3d.FORMATS, source="theirs")


@pytest.mark.parametrize(("port", "norm"), [(2, "bn"), (3, "batch3d")])
def test_names_of_the_ports_to_pytorch(port: int, norm: str) -> None:
    classifier = {2: "logits.conv3d", 3: "conv3d_0c_1x1.conv3d"}[port]
    state = {f"{classifier}.weight": torch.zeros(7, 4, 1, 1, 1)}
    for unit in units():
        state[f"{unit[port]}.conv3d.weight"] = torch.zeros(1)
        state[f"{unit[port]}.{norm}.running_var"] = torch.zeros(1)
    ours = convert(state, i3d.FORMATS)
    assert list(ours) == ["fc.weight"] + [
        f"{unit[0]}.{leaf}" for unit in units() for leaf in ("conv.weight", "norm.running_var")
    ]
    assert ours["fc.weight"].shape == (7, 4)


def test_the_last_of_two_names_of_gluoncvs_classifier_counts() -> None:
    state = {
        "features.0.1.gamma": torch.zeros(1),
        "head.1.weight": torch.zeros(1),
        "output.weight": torch.ones(1),
    }
    assert convert(state, i3d.FORMATS) == {
        "trunk.layers.0.norm.weight": torch.zeros(1),
        "fc.weight": torch.ones(1),
    }


@pytest.mark.parametrize("spec", i3d.SPECS, ids=lambda spec: spec.name)
def test_our_own_names_are_nobody_elses(spec: ModelSpec) -> None:
    with torch.device("meta"):
        state = i3d.build(spec).state_dict()
    assert [one.source for one in i3d.FORMATS if one.fits(state)] == []


def test_padding_tells_deepmind_from_gluoncv() -> None:
    """Their parameters fit each other and their feature maps are of one size."""
    torch.manual_seed(0)
    deepmind, gluoncv = random_i3d(3), i3d.I3D(i3d.GLUONCV_V1, num_classes=7).eval()
    gluoncv.load_state_dict(deepmind.state_dict())
    clip = torch.randn(1, 3, 16, 64, 64)
    with torch.no_grad():
        assert deepmind.trunk(clip).shape == gluoncv.trunk(clip).shape == (1, 1024, 2, 2, 2)
        assert not torch.allclose(deepmind(clip), gluoncv(clip), rtol=0.1)


def test_a_large_clip_is_classified_a_window_at_a_time() -> None:
    network = random_i3d(3)
    x = torch.randn(1, 1024, 4, 8, 7)
    network.trunk.forward = lambda clip: x  # type: ignore[method-assign]
    with torch.no_grad():
        logits = [
            network.fc(x[:, :, t : t + 2, row : row + 7].mean((2, 3, 4)))
            for t in range(3)
            for row in range(2)
        ]
        torch.testing.assert_close(network(x), torch.stack(logits).mean(0))


def test_deepmind_takes_any_clip_and_gluoncv_says_what_it_takes() -> None:
    with torch.device("meta"):
        assert i3d.build(OMZ)(torch.empty(2, 3, 1, 32, 40)).shape == (2, 400)
        network = i3d.build(SPECS["i3d_inceptionv1_kinetics400"])
        with pytest.raises(ConfigError, match=r"4 frames of 64 x 64 .* 5 frames of 17 x 17 pixels"):
            network(torch.empty(2, 3, 4, 64, 64))


def test_flow_has_two_channels() -> None:
    spec = SPECS["i3d_flow_imagenet_kinetics400"]
    assert spec.input.shape == (2, 64, 224, 224)
    assert spec.input.value_range == (-1.0, 1.0)


def open_model_zoo_operations(spec: ModelSpec) -> int:
    """Count what Open Model Zoo counts, with the ReLU and the windows of its graph."""
    operations = 2 * math.prod(spec.input.shape)  # minus a mean, over a scale
    last: list[Tensor] = []

    def count_unit(unit: Any, _: object, output: Tensor) -> None:
        nonlocal operations
        operations += output.numel() * (2 * unit.conv.weight[0].numel() + 2)

    def count_pool(pool: Any, _: object, output: Tensor) -> None:
        nonlocal operations
        operations += output.numel() * math.prod(pool.kernel_size)

    with torch.device("meta"):
        network = i3d.build(spec).eval()
        for module in network.modules():
            if isinstance(module, Unit):
                module.register_forward_hook(count_unit)
            elif isinstance(module, nn.MaxPool3d):
                module.register_forward_hook(count_pool)
        network.trunk.register_forward_hook(lambda *args: last.append(args[-1]))
        network(torch.empty(1, *spec.input.shape))
    windows = last[0].shape[2] - 1
    pooled = windows * network.trunk.channels * math.prod(i3d.WINDOW)
    return operations + pooled + windows * 2 * network.fc.weight.numel()


def test_figures_of_open_model_zoo_are_what_they_say() -> None:
    gflops, mparams = OMZ.figures
    billions = open_model_zoo_operations(OMZ) / 1e9
    assert round(billions, 4) == 278.9815  # so in its list of models, one digit less on its page
    assert math.floor(billions * 1000) / 1000 == gflops.value
    with torch.device("meta"):
        parameters = i3d.build(OMZ).named_parameters()
    counted = sum(one.numel() for name, one in parameters if not name.endswith("norm.weight"))
    assert round(counted / 1e6, 2) == mparams.value


def test_widths_are_the_papers() -> None:
    network = i3d.build(OMZ)
    widths = [unit.conv.out_channels for unit in network.modules() if isinstance(unit, Unit)]
    assert widths == [64, 64, 192, *(width for mixed in V1_WIDTHS for width in mixed)]
    assert len(widths) == 57
