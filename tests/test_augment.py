"""All changes of a clip together, and their settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from actionzoo.augment import (
    AugmentConfig,
    MixConfig,
    RandAugmentConfig,
    augment,
    drawn_resize,
    random_ticks,
)
from actionzoo.errors import ConfigError
from actionzoo.reader import read_chosen
from actionzoo.spec import InputSpec, Resize
from actionzoo.transforms import crop_pixels, normalise
from actionzoo.video import open_video

SPEC = InputSpec(
    frames=4,
    stride=2,
    resize=Resize(rule="short_side", height=16, width=16),
    height=16,
    width=16,
)
NOTHING = AugmentConfig()
EVERYTHING = AugmentConfig(
    area=(0.2, 1.0),
    flip=True,
    brightness=0.3,
    contrast=0.3,
    saturation=0.3,
    hue=0.1,
    grey=0.2,
    noise=0.1,
    erase=0.5,
    randaugment=RandAugmentConfig(operations=2),
)


def pixels(height: int = 16, width: int = 16) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (4, height, width, 3), np.uint8)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_nothing_changes_unless_asked_for() -> None:
    clip = pixels()
    changed = augment(clip, SPEC, NOTHING, rng=rng())
    np.testing.assert_array_equal(changed.pixels, clip)
    assert not changed.mirrored
    assert np.shares_memory(changed.pixels, clip)


def test_the_window_lies_anywhere_along_the_longer_side() -> None:
    seen = {
        augment(_ramp(40), SPEC, NOTHING, rng=rng(seed)).pixels[0, 8, 0, 0] for seed in range(200)
    }
    assert seen == set(range(25))


def _ramp(width: int) -> np.ndarray:
    """A picture whose pixels tell their column."""
    return np.tile(np.arange(width, dtype=np.uint8)[:, None], (4, 16, 1, 3))


def test_a_frame_smaller_than_the_window_lies_on_black() -> None:
    small = pixels(16, 10)
    np.testing.assert_array_equal(
        augment(small, SPEC, NOTHING, rng=rng()).pixels,
        crop_pixels(small, (0, -3, False), (16, 16)),
    )


def test_another_side_cuts_out_less_or_more() -> None:
    assert augment(pixels(20, 30), SPEC, NOTHING, rng=rng(), side=12).pixels.shape == (4, 12, 12, 3)
    wide = replace(SPEC, height=12, width=16)
    for config in (NOTHING, EVERYTHING):
        changed = augment(pixels(20, 30), wide, config, rng=rng(), side=6)
        assert changed.pixels.shape == (4, 6, 8, 3)


def test_every_second_clip_is_mirrored_if_it_may_be() -> None:
    config = AugmentConfig(flip=True)
    outcomes = [augment(pixels(), SPEC, config, rng=rng(seed)) for seed in range(60)]
    for one in outcomes:
        expected = pixels()[:, :, ::-1] if one.mirrored else pixels()
        np.testing.assert_array_equal(one.pixels, expected)
    assert 20 < sum(one.mirrored for one in outcomes) < 40
    for seed in range(9):
        assert not augment(pixels(), SPEC, config, rng=rng(seed), may_flip=False).mirrored
        assert not augment(pixels(), SPEC, NOTHING, rng=rng(seed)).mirrored


def test_zooming_out_leaves_a_black_rim() -> None:
    white = np.full((4, 16, 16, 3), 255, np.uint8)
    out = augment(white, SPEC, AugmentConfig(zoom=(0.5, 0.5)), rng=rng()).pixels
    assert (out[:, 4:12, 4:12] == 255).all()
    assert out.mean() == pytest.approx(255 / 4)


def test_zooming_in_shows_a_part_larger() -> None:
    config = AugmentConfig(zoom=(2.0, 2.0))
    columns = np.array([augment(_ramp(16), SPEC, config, rng=rng(s)).pixels for s in range(50)])
    widths = columns[:, 0, 8, -1, 0].astype(int) - columns[:, 0, 8, 0, 0]
    assert set(widths) == {7}
    assert columns.max() == 15


def test_a_share_of_the_clips_is_erased() -> None:
    black = np.zeros((4, 16, 16, 3), np.uint8)
    config = AugmentConfig(erase=0.3)
    erased = [augment(black, SPEC, config, rng=rng(seed)).pixels.any() for seed in range(200)]
    assert 0.2 < np.mean(erased) < 0.4


def test_the_same_generator_gives_the_same_clip_whatever_the_number_of_threads() -> None:
    clip, threads = pixels(40, 50), torch.get_num_threads()
    first = [augment(clip, SPEC, EVERYTHING, rng=rng(seed)) for seed in range(20)]
    torch.set_num_threads(3)
    try:
        second = [augment(clip, SPEC, EVERYTHING, rng=rng(seed)) for seed in range(20)]
    finally:
        torch.set_num_threads(threads)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)
        assert one.mirrored == other.mirrored
    assert len({one.pixels.tobytes() for one in first}) == 20
    np.testing.assert_array_equal(clip, pixels(40, 50))


def test_a_real_video_is_scaled_by_the_decoder_and_changed(shared: Path) -> None:
    config = replace(EVERYTHING, area=None, short_side=(20, 40))
    with open_video(shared / "data" / "clips" / "yoga.mp4") as video:
        chance = rng(5)
        spec = replace(SPEC, resize=drawn_resize(SPEC, config, rng=chance))
        (clip,) = read_chosen(
            video, spec, lambda ticks: random_ticks(ticks, SPEC, config, rng=chance)[None]
        )
    assert min(clip.pixels.shape[1:3]) == spec.resize.height != 16
    changed = augment(clip.pixels, SPEC, config, rng=chance)
    assert changed.pixels.shape == (4, 16, 16, 3)
    assert normalise(changed.pixels, SPEC).shape == (3, 4, 16, 16)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"speed": (0.0, 1.0)}, "speed is"),
        ({"zoom": (2.0, 1.0)}, "zoom is"),
        ({"ratio": (0.0, 1.0)}, "ratio is"),
        ({"area": (0.0, 1.0)}, "area is"),
        ({"area": (0.1, 1.5)}, "area is 0.1..1.5; it is at most 1"),
        ({"short_side": (256, 128)}, "short_side is 256..128"),
        ({"short_side": (8, 9), "area": (0.1, 1.0)}, "give one of them"),
        ({"shift": 1.5}, "shift is"),
        ({"grey": -0.1}, "grey is"),
        ({"hue": 0.6}, "hue is"),
    ],
)
def test_an_impossible_range_is_refused(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        AugmentConfig(**values)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (RandAugmentConfig, {"operations": -1}),
        (RandAugmentConfig, {"magnitude": 11.0}),
        (RandAugmentConfig, {"spread": -0.5}),
        (RandAugmentConfig, {"share": 1.1}),
        (MixConfig, {"mixup": -1.0}),
        (MixConfig, {"cutmix": -0.1}),
        (MixConfig, {"share": 2.0}),
    ],
)
def test_impossible_chances_are_refused(kind: type, values: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(values))} is"):
        kind(**values)
