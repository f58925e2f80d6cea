"""Two clips in one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from actionzoo.augment import MixConfig
from actionzoo.augment.mixing import mix

MIXUP, CUTMIX = MixConfig(mixup=0.8), MixConfig(cutmix=1.0)


def batch(length: int = 5, height: int = 6, width: int = 8) -> tuple[Tensor, Tensor]:
    """Clips whose pixels all are the number of the clip, and one-hot targets."""
    clips = torch.arange(length).float().reshape(-1, 1, 1, 1, 1)
    return clips.expand(-1, 3, 2, height, width).clone(), torch.eye(length)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def shown(clips: Tensor) -> Tensor:
    """How much of each clip is seen of each, from pixels that are a clip's number each."""
    return torch.stack([(clips == number).float().mean((1, 2, 3, 4)) for number in range(5)], 1)


@given(st.integers(0, 9999), st.integers(2, 7))
def test_blended_clips_and_targets_have_the_same_shares(seed: int, length: int) -> None:
    clips, targets = batch(length)
    mixed, shares = mix(clips, targets, MIXUP, rng=rng(seed))
    numbers = shares @ torch.arange(length).float()
    torch.testing.assert_close(mixed, numbers.reshape(-1, 1, 1, 1, 1).expand_as(mixed))
    _check_shares(shares)


@given(st.integers(0, 9999), st.integers(1, 20), st.integers(1, 20))
def test_targets_of_a_covered_box_are_the_areas_that_are_seen(
    seed: int, height: int, width: int
) -> None:
    clips, targets = batch(5, height, width)
    mixed, shares = mix(clips, targets, CUTMIX, rng=rng(seed))
    torch.testing.assert_close(shown(mixed), shares, atol=1e-5, rtol=1e-5)
    assert (mixed == mixed[:, :1, :1]).all()
    _check_shares(shares)


def _check_shares(shares: Tensor) -> None:
    """One share for all: each row is itself, and another by the same way."""
    torch.testing.assert_close(shares.sum(1), torch.ones(len(shares)))
    assert (shares.diagonal() - shares[0, 0]).abs().max() < 1e-6
    assert ((shares > 0).sum(1) <= 2).all()


def test_a_box_is_one_rectangle_and_comes_to_lie_anywhere() -> None:
    clips, targets = batch(2, 30, 30)
    seen = torch.zeros(30, 30)
    for seed in range(60):
        covered = mix(clips, targets, CUTMIX, rng=rng(seed))[0][0, 0, 0] == 1
        rows, columns = covered.any(1), covered.any(0)
        assert covered.sum() == rows.sum() * columns.sum()
        seen += covered
    assert (seen > 0).all()


def test_the_other_clip_is_each_of_the_others_but_never_itself() -> None:
    clips, targets = batch()
    others = torch.zeros(5, 5)
    for seed in range(60):
        others += mix(clips, targets, MIXUP, rng=rng(seed))[1] > 0
    assert (others.fill_diagonal_(1) > 0).all()


def test_shares_are_drawn_from_the_beta_distribution_asked_for() -> None:
    clips, targets = batch(2)
    for alpha in (0.2, 1.0):
        config = MixConfig(mixup=alpha)
        drawn = [float(mix(clips, targets, config, rng=rng(s))[1][0, 0]) for s in range(1500)]
        # Mean and variance of Beta(a, a).
        assert np.mean(drawn) == pytest.approx(0.5, abs=0.05)
        assert np.var(drawn) == pytest.approx(1 / (4 * (2 * alpha + 1)), abs=0.02)


def test_both_ways_take_turns_and_some_batches_stay_as_they_are() -> None:
    clips, targets = batch()
    config = MixConfig(mixup=1.0, cutmix=1.0, share=0.6)
    outcomes = [mix(clips, targets, config, rng=rng(seed)) for seed in range(300)]
    same = np.mean([mixed is clips for mixed, _ in outcomes])
    cut = np.mean(
        [mixed is not clips and bool((mixed == mixed.round()).all()) for mixed, _ in outcomes]
    )
    assert 0.32 < same < 0.48
    assert 0.22 < cut < 0.38


@pytest.mark.parametrize("config", [MIXUP, CUTMIX])
def test_what_is_passed_in_is_not_written_to(config: MixConfig) -> None:
    clips, targets = batch()
    several = (targets + targets.roll(1, 0)).clamp(0, 1)
    mixed, shares = mix(clips, several, config, rng=rng(3))
    assert (mixed != clips).any()
    assert torch.equal(clips, batch()[0])
    assert torch.equal(several, (targets + targets.roll(1, 0)).clamp(0, 1))
    torch.testing.assert_close(shares.sum(1), torch.full((5,), 2.0))


def test_memory_layout_and_type_stay() -> None:
    clips, targets = batch()
    clips = clips.to(torch.bfloat16, memory_format=torch.channels_last_3d)
    for config in (MIXUP, CUTMIX):
        mixed, _ = mix(clips, targets, config, rng=rng())
        assert mixed.dtype == torch.bfloat16
        assert mixed.is_contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.parametrize(
    ("length", "config"), [(1, MIXUP), (4, MixConfig()), (4, MixConfig(mixup=1.0, share=0.0))]
)
def test_nothing_is_mixed_where_nothing_is_asked_for_or_there_is_no_other(
    length: int, config: MixConfig
) -> None:
    clips, targets = batch(length)
    mixed = mix(clips, targets, config, rng=rng())
    assert mixed[0] is clips
    assert mixed[1] is targets


def test_no_number_has_to_come_back_from_the_device() -> None:
    clips, targets = (one.to("meta") for one in batch())
    for config in (MIXUP, CUTMIX):
        mixed, shares = mix(clips, targets, config, rng=rng())
        assert (mixed.device.type, mixed.shape) == ("meta", clips.shape)
        assert (shares.device.type, shares.shape) == ("meta", targets.shape)
