"""X3D: what it was when last checked, its head, and the names that others give its parameters."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from actionzoo.models import x3d

GOLDEN = json.loads(Path(__file__).with_suffix(".json").read_text())
SPECS = {spec.name: spec for spec in x3d.SPECS}
OTX = SPECS["x3d_m_otx_kinetics400"]
_, PYSLOWFAST, MMACTION = x3d.FORMATS


def relative_error(got: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(got - expected) / np.linalg.norm(expected))


def filled(model: nn.Module) -> nn.Module:
    """Give every parameter values that depend on its name and shape alone."""
    state = {}
    for name, tensor in model.state_dict().items():
        digest = hashlib.sha256(name.encode()).digest()
        rng = np.random.default_rng(int.from_bytes(digest[:8], "little"))
        fan_in = max(1, int(np.prod(tensor.shape[1:])))
        values = rng.standard_normal(tensor.shape) / np.sqrt(fan_in)
        positive = name.endswith("running_var") or (tensor.ndim == 1 and name.endswith("weight"))
        state[name] = torch.from_numpy(np.asarray(1 + 0.1 * values if positive else values))
    model.load_state_dict(state)
    return model.eval()


@pytest.mark.parametrize("side", ["64", "224"])
def test_logits_are_what_they_were(side: str) -> None:
    """Smaller than the spec, and larger: the head then has several windows."""
    model = filled(x3d.build(x3d.SPECS[0]))
    clip = np.random.default_rng(0).standard_normal((1, 3, 4, int(side), int(side)), np.float32)
    with torch.no_grad():
        logits = model(torch.from_numpy(clip))[0, :8].numpy()
    assert relative_error(logits, np.array(GOLDEN["logits"][side])) < 1e-4


@pytest.mark.parametrize("name", GOLDEN["names"])
def test_parameter_names_are_what_they_were(name: str) -> None:
    """Checkpoints that users have saved keep loading."""
    names = "\n".join(x3d.build(SPECS[name]).state_dict())
    assert hashlib.sha256(names.encode()).hexdigest() == GOLDEN["names"][name]


def test_windows_of_a_larger_clip_are_averaged_as_logits() -> None:
    model = x3d.X3D(depths=(1, 1, 1, 1), pool=(2, 1, 2), num_classes=5).eval()
    clip = torch.randn(1, 3, 3, 64, 96)
    with torch.no_grad():
        x = model.stem(clip)
        for stage in (model.stage1, model.stage2, model.stage3, model.stage4):
            x = stage(x)
        x = torch.relu(model.head_norm(model.head_expand(x)))  # (1, 432, 3, 2, 3)
        logits = [
            model.classifier(torch.relu(model.head_widen(window)).flatten(1))
            for t in range(2)
            for row in range(2)
            for column in range(2)
            for window in [
                x[:, :, t : t + 2, row : row + 1, column : column + 2].mean((2, 3, 4), True)
            ]
        ]
        torch.testing.assert_close(model(clip), torch.stack(logits).mean(0))


def test_a_new_block_begins_as_its_shortcut() -> None:
    block = x3d._stage(8, 8, 2)[1].eval()
    x3d.X3D(depths=(1, 1, 1, 1), pool=(1, 1, 1), num_classes=1)
    block.apply(x3d._initialise)
    x = torch.rand(1, 8, 2, 4, 4)
    torch.testing.assert_close(block(x), x)


def test_otx_pools_the_whole_map_of_any_clip() -> None:
    whole = x3d.X3D(depths=(1, 1, 1, 1), pool=None, num_classes=5).eval()
    window = x3d.X3D(depths=(1, 1, 1, 1), pool=(3, 2, 3), num_classes=5).eval()
    window.load_state_dict(whole.state_dict())
    clip = torch.randn(1, 3, 3, 64, 96)
    torch.testing.assert_close(whole(clip), window(clip))
    assert x3d.build(OTX).pool is None


class ElementwiseCounter(TorchFunctionMode):
    """Counts what mmcv counts beside multiply-adds."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        each = {F.batch_norm: 2, F.relu: 1, F.avg_pool3d: 1, Tensor.mean: 1}.get(func, 0)
        self.operations += each * args[0].numel() if each else 0
        return func(*args, **(kwargs or {}))


def test_the_figures_of_otx_are_what_they_say_they_count() -> None:
    with torch.device("meta"):
        model, clip = x3d.build(OTX).eval(), torch.zeros(1, *OTX.input.shape)
    # mmaction2's network, which OTX counted, has one norm more: of the shortcut of stage 1.
    model.stage1[0].shortcut_norm = nn.BatchNorm3d(24, device="meta").eval()
    with ElementwiseCounter() as counter:
        model(clip)
    gflops, megabytes = OTX.figures
    assert OTX.macs is not None
    assert OTX.parameters is not None
    assert round((OTX.macs + counter.operations) / 1e9, 2) == gflops.value == 2.49
    assert round(OTX.parameters / 1e6, 2) == megabytes.value == 3.79


NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def pyslowfast_names(depths: tuple[int, ...]) -> Iterator[str]:
    """List the parameters of PySlowFast's network."""
    layers = ["s1.pathway0_stem.conv_xy", "s1.pathway0_stem.conv", "head.conv_5", "head.lin_5"]
    norms = ["s1.pathway0_stem.bn", "head.conv_5_bn"]
    biased = ["head.projection"]
    for stage, depth in enumerate(depths, 2):
        layers.append(f"s{stage}.pathway0_res0.branch1")
        norms.append(f"s{stage}.pathway0_res0.branch1_bn")
        for i in range(depth):
            branch = f"s{stage}.pathway0_res{i}.branch2"
            layers += [f"{branch}.{conv}" for conv in "abc"]
            norms += [f"{branch}.{conv}_bn" for conv in "abc"]
            biased += [f"{branch}.se.fc{fc}" for fc in (1, 2) if i % 2 == 0]
    yield from _names(layers, norms, biased)


def mmaction_names(depths: tuple[int, ...]) -> Iterator[str]:
    """List the parameters of mmaction2's network."""
    convs = ["backbone.conv1_t", "backbone.conv5"]
    biased = ["cls_head.fc2"]
    for stage, depth in enumerate(depths, 1):
        convs.append(f"backbone.layer{stage}.0.downsample")
        for i in range(depth):
            block = f"backbone.layer{stage}.{i}"
            convs += [f"{block}.conv{n}" for n in (1, 2, 3)]
            biased += [f"{block}.se_module.fc{fc}" for fc in (1, 2) if i % 2 == 0]
    layers = ["backbone.conv1_s.conv", "cls_head.fc1", *(f"{conv}.conv" for conv in convs)]
    yield from _names(layers, [f"{conv}.bn" for conv in convs], biased)


def _names(layers: list[str], norms: list[str], biased: list[str]) -> Iterator[str]:
    yield from (f"{layer}.weight" for layer in layers)
    yield from (f"{norm}.{name}" for norm in norms for name in NORM)
    yield from (f"{layer}.{name}" for layer in biased for name in ("weight", "bias"))


@pytest.mark.parametrize("depths", [x3d.SHALLOW, x3d.DEEP])
@pytest.mark.parametrize(
    ("given", "names"), [(PYSLOWFAST, pyslowfast_names), (MMACTION, mmaction_names)]
)
def test_every_name_of_others_becomes_one_of_ours(
    given: x3d.Format,
    names: Callable[[tuple[int, ...]], Iterator[str]],
    depths: tuple[int, int, int, int],
) -> None:
    theirs = {name: torch.ones(1, 1) for name in names(depths)}
    with torch.device("meta"):
        ours = x3d.X3D(depths=depths, pool=None, num_classes=2).state_dict()
    assert [one for one in x3d.FORMATS if one.fits(theirs)] == [given]
    assert given.convert(theirs).keys() == ours.keys()


@pytest.mark.parametrize(
    ("given", "theirs", "ours"),
    [
        (PYSLOWFAST, "s1.pathway0_stem.conv_xy.weight", "stem.spatial.weight"),
        (PYSLOWFAST, "s1.pathway0_stem.conv.weight", "stem.temporal.weight"),
        (PYSLOWFAST, "s4.pathway0_res10.branch2.b_bn.bias", "stage3.10.depthwise_norm.bias"),
        (PYSLOWFAST, "s5.pathway0_res2.branch2.se.fc2.bias", "stage4.2.squeeze_excite.excite.bias"),
        (PYSLOWFAST, "head.lin_5.weight", "head_widen.weight"),
        (MMACTION, "backbone.conv1_s.conv.weight", "stem.spatial.weight"),
        (MMACTION, "backbone.conv1_t.conv.weight", "stem.temporal.weight"),
        (MMACTION, "backbone.layer3.10.conv2.bn.bias", "stage3.10.depthwise_norm.bias"),
        (MMACTION, "backbone.layer2.0.downsample.conv.weight", "stage2.0.shortcut.weight"),
        (MMACTION, "cls_head.fc1.weight", "head_widen.weight"),
    ],
)
def test_names_of_others_become_ours(given: x3d.Format, theirs: str, ours: str) -> None:
    assert list(given.convert({theirs: torch.zeros(2, 3)})) == [ours]


@pytest.mark.parametrize("given", [PYSLOWFAST, MMACTION])
def test_the_norm_that_ours_has_not_is_folded_exactly(given: x3d.Format) -> None:
    """Theirs has one more, in the first shortcut; trained, it is no identity."""
    theirs = x3d.X3D(depths=(1, 1, 1, 1), pool=None, num_classes=5)
    theirs.stage1[0].shortcut_norm = nn.BatchNorm3d(24)
    ours = x3d.X3D(depths=(1, 1, 1, 1), pool=None, num_classes=5).eval()
    filled(theirs)
    ours.load_state_dict(given.convert(theirs.state_dict()))
    clip = torch.randn(1, 3, 4, 64, 64)
    torch.testing.assert_close(ours(clip), theirs(clip), rtol=1e-4, atol=1e-4)


def test_a_file_with_half_of_that_norm_is_left_to_be_refused() -> None:
    state = {"stage1.0.shortcut_norm.bias": torch.zeros(24)}
    assert PYSLOWFAST.convert(state) == state
