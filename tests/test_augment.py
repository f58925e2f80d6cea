from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionzoo.augment import AugmentConfig, augment, random_ticks
from actionzoo.errors import ConfigError
from actionzoo.spec import InputSpec, Resize
from actionzoo.transforms import crop_pixels

SPEC = InputSpec(
    frames=4,
    stride=2,
    resize=Resize(rule="short_side", height=16, width=16),
    height=16,
    width=16,
)
NOTHING = AugmentConfig()


def pixels(height: int = 16, width: int = 16) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (4, height, width, 3), np.uint8)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@given(
    num_ticks=st.integers(1, 60),
    frames=st.integers(1, 12),
    stride=st.integers(1, 5),
    fastest=st.floats(1, 3),
    seed=st.integers(0, 99),
)
def test_ticks_lie_in_the_video_and_go_forward(
    num_ticks: int, frames: int, stride: int, fastest: float, seed: int
) -> None:
    spec = replace(SPEC, frames=frames, stride=stride)
    config = AugmentConfig(speed=(1 / fastest, fastest))
    ticks = random_ticks(num_ticks, spec, config, rng=rng(seed))
    assert ticks.shape == (frames,)
    assert ticks[0] >= 0
    assert ticks[-1] < num_ticks
    assert (np.diff(ticks) >= 0).all()


def test_without_speed_a_clip_has_the_models_stride_and_starts_anywhere_it_fits() -> None:
    clips = [random_ticks(10, SPEC, NOTHING, rng=rng(seed)) for seed in range(100)]
    assert all((np.diff(ticks) == 2).all() for ticks in clips)
    assert {int(ticks[0]) for ticks in clips} == {0, 1, 2, 3}


def test_a_faster_clip_covers_more_of_the_video() -> None:
    config = AugmentConfig(speed=(1.5, 1.5))
    assert np.diff(random_ticks(30, SPEC, config, rng=rng())).tolist() == [3, 3, 3]


def test_nothing_changes_unless_asked_for() -> None:
    np.testing.assert_array_equal(augment(pixels(), SPEC, NOTHING, rng=rng()), pixels())


def test_the_window_lies_anywhere_along_the_longer_side() -> None:
    seen = {augment(_ramp(40), SPEC, NOTHING, rng=rng(seed))[0, 8, 0, 0] for seed in range(200)}
    assert (min(seen), max(seen)) == (0, 24)


def _ramp(width: int) -> np.ndarray:
    """A picture whose pixels tell their column."""
    return np.tile(np.arange(width, dtype=np.uint8)[:, None], (4, 16, 1, 3))


def test_a_frame_smaller_than_the_window_lies_on_black() -> None:
    small = pixels(16, 10)
    np.testing.assert_array_equal(
        augment(small, SPEC, NOTHING, rng=rng()), crop_pixels(small, (0, -3, False), (16, 16))
    )


def test_every_second_clip_is_mirrored() -> None:
    config = AugmentConfig(flip=True)
    outcomes = [augment(pixels(), SPEC, config, rng=rng(seed)) for seed in range(40)]
    mirrored = [bool((one == pixels()[:, :, ::-1]).all()) for one in outcomes]
    plain = [bool((one == pixels()).all()) for one in outcomes]
    assert all(a != b for a, b in zip(mirrored, plain, strict=True))
    assert 10 < sum(mirrored) < 30


def test_zooming_out_leaves_a_black_rim() -> None:
    white = np.full((4, 16, 16, 3), 255, np.uint8)
    out = augment(white, SPEC, AugmentConfig(zoom=(0.5, 0.5)), rng=rng())
    assert out[0, 8, 8].tolist() == [255, 255, 255]
    assert out[:, :4].max() == 0
    assert out.mean() == pytest.approx(255 / 4, rel=0.01)


def test_zooming_in_shows_the_middle_larger() -> None:
    config = AugmentConfig(zoom=(2.0, 2.0))
    columns = np.array([augment(_ramp(16), SPEC, config, rng=rng(seed)) for seed in range(50)])
    widths = columns[:, 0, 8, -1, 0].astype(int) - columns[:, 0, 8, 0, 0]
    assert np.median(widths) in (7, 8)  # less where the window ends on the rim


def test_light_and_noise_change_all_frames_alike() -> None:
    grey = np.full((4, 16, 16, 3), 100, np.uint8)
    lit = augment(grey, SPEC, AugmentConfig(brightness=0.2, contrast=0.3), rng=rng())
    assert len(np.unique(lit)) == 1
    assert lit[0, 0, 0, 0] != 100
    noisy = augment(grey, SPEC, AugmentConfig(noise=0.2), rng=rng())
    assert 0 < noisy.std() < 0.2 * 255
    assert abs(noisy.mean() - 100) < 5


def test_the_same_generator_gives_the_same_clip() -> None:
    config = AugmentConfig(zoom=(0.5, 2), shift=0.3, flip=True, contrast=0.5, noise=0.1)
    first, second, other = (augment(pixels(), SPEC, config, rng=rng(s)) for s in (0, 0, 1))
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"speed": (0.0, 1.0)}, "speed is"),
        ({"zoom": (2.0, 1.0)}, "zoom is"),
        ({"shift": 1.5}, "shift is"),
    ],
)
def test_an_impossible_range_is_refused(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        AugmentConfig(**values)
