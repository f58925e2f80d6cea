"""The network of the bundled model; what every model holds to is in test_models.py."""

from __future__ import annotations

import pytest
import torch

from actionzoo.models.figures import SPECS, Figures, build
from actionzoo.spec import ModelSpec

SPEC, MOTION = SPECS


def network(spec: ModelSpec = SPEC) -> Figures:
    torch.manual_seed(0)
    return build(spec).eval()


def clips(batch: int = 2) -> torch.Tensor:
    return torch.rand(batch, *SPEC.input.shape, generator=torch.Generator().manual_seed(1))


def test_it_is_small() -> None:
    assert SPEC.parameters == sum(one.numel() for one in network().parameters())
    assert SPEC.parameters * 2 < 6e6  # bytes as float16
    assert SPEC.macs is not None
    assert SPEC.macs < 1e9


def changes(model: Figures, clip: torch.Tensor) -> torch.Tensor:
    """Return what is appended to the frames: (B, 3, T, H, W)."""
    seen: list[torch.Tensor] = []
    model.stem.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        model(clip)
    assert seen[0].shape[1] == 6
    return seen[0][:, 3:]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_still_background_vanishes_from_the_change(spec: ModelSpec) -> None:
    still = clips(1)[:, :, :1].expand(-1, -1, 16, -1, -1)
    change = changes(network(spec), still)
    torch.testing.assert_close(change, torch.zeros_like(still), rtol=0, atol=1e-6)


def test_motion_is_the_distance_from_the_frame_before() -> None:
    clip = torch.zeros(1, *MOTION.input.shape)
    clip[:, :, 5:] = 0.5
    change = changes(network(MOTION), clip).amax((0, 1, 3, 4))
    assert change.nonzero().flatten().tolist() == [5]
    assert change[5] == 0.5


def test_it_sees_where_a_figure_is_and_which_way_time_runs() -> None:
    clip = torch.zeros(1, *SPEC.input.shape)
    for frame in range(16):
        clip[:, :, frame, 30:70, 10 + 6 * frame : 20 + 6 * frame] = 1.0
    model = network()
    with torch.no_grad():
        there, back, elsewhere = (
            model.forward_features(one) for one in (clip, clip.flip(2), clip.roll(16, 3))
        )
    assert (there - back).abs().max() > 1e-4
    assert (there - elsewhere).abs().max() > 1e-4


def test_a_new_head_has_the_new_classes() -> None:
    model = network()
    model.reset_head(3)
    assert model(clips(1)).shape == (1, 3)
