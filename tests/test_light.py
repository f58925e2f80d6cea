"""Colours and noise."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from actionzoo.augment import AugmentConfig
from actionzoo.augment.light import LUMA, change_light, hue_matrix, saturation_matrix

COLOUR = st.tuples(*[st.floats(0, 1)] * 3)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def flat(*colour: int) -> np.ndarray:
    return np.full((4, 8, 8, 3), colour, np.uint8)


def pixels() -> np.ndarray:
    return rng(1).integers(0, 256, (2, 8, 8, 3), np.uint8)


def test_nothing_changes_unless_asked_for() -> None:
    clip = pixels()
    assert change_light(clip, AugmentConfig(), rng=rng()) is clip


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "hue"])
def test_all_pixels_of_a_colour_change_alike_and_by_no_more_than_asked(name: str) -> None:
    config = AugmentConfig(**{name: 0.2})
    outcomes = [change_light(flat(90, 150, 100), config, rng=rng(seed)) for seed in range(50)]
    assert all(len(np.unique(one.reshape(-1, 3), axis=0)) == 1 for one in outcomes)
    colours = np.array([one[0, 0, 0] for one in outcomes]).astype(int)
    assert len(np.unique(colours, axis=0)) > 10
    assert np.abs(colours - (90, 150, 100)).max() <= 0.2 * 255


def test_brightness_and_contrast_have_the_range_asked_for() -> None:
    bright = AugmentConfig(brightness=0.2)
    values = [change_light(flat(100, 100, 100), bright, rng=rng(s)).flat[0] for s in range(200)]
    assert (min(values), max(values)) == pytest.approx((49, 151), abs=2)
    strong = AugmentConfig(contrast=0.5)
    values = [change_light(flat(77, 77, 77), strong, rng=rng(s)).flat[0] for s in range(200)]
    assert (min(values), max(values)) == pytest.approx((127.5 - 75.75, 127.5 - 25.25), abs=2)


def test_a_clip_without_colours_is_grey_and_looks_as_bright() -> None:
    clip = pixels()
    grey = change_light(clip, AugmentConfig(grey=1.0), rng=rng())
    expected = np.asarray(Image.fromarray(clip.reshape(-1, 8, 3)).convert("L"))
    assert np.abs(grey.reshape(-1, 8, 3) - expected[..., None].astype(int)).max() <= 1
    some = [change_light(clip, AugmentConfig(grey=0.3), rng=rng(s)) is clip for s in range(200)]
    assert 0.6 < np.mean(some) < 0.8


@pytest.mark.parametrize("factor", [0.0, 0.4, 1.7])
def test_saturation_is_pillows(factor: float) -> None:
    picture = pixels()[0]
    expected = np.asarray(ImageEnhance.Color(Image.fromarray(picture)).enhance(factor)).astype(int)
    ours = (picture @ saturation_matrix(factor).T).clip(0, 255)
    assert np.abs(ours - expected).max() <= 2


@given(COLOUR, st.integers(-3, 3))
def test_a_third_of_the_circle_turns_the_hue_as_hsv_does(
    colour: tuple[float, float, float], thirds: int
) -> None:
    hue, saturation, value = colorsys.rgb_to_hsv(*colour)
    expected = colorsys.hsv_to_rgb((hue + thirds / 3) % 1, saturation, value)
    np.testing.assert_allclose(hue_matrix(thirds / 3) @ colour, expected, atol=1e-6)


@given(COLOUR, st.floats(-0.5, 0.5))
def test_a_turned_hue_leaves_greys_and_is_turned_back(
    colour: tuple[float, float, float], turn: float
) -> None:
    matrix = hue_matrix(turn)
    np.testing.assert_allclose(matrix @ np.ones(3), 1)
    assert (matrix @ colour).sum() == pytest.approx(sum(colour), abs=1e-9)
    np.testing.assert_allclose(hue_matrix(-turn) @ matrix @ colour, colour, atol=1e-9)


def test_a_small_turn_goes_the_way_of_hsv() -> None:
    turned = hue_matrix(0.1) @ (0.8, 0.4, 0.4)
    assert colorsys.rgb_to_hsv(*turned)[0] == pytest.approx(0.1, abs=0.005)


def test_noise_is_of_all_strengths_up_to_the_one_asked_for() -> None:
    config = AugmentConfig(noise=0.1)
    outcomes = [change_light(flat(100, 120, 140), config, rng=rng(s)) for s in range(100)]
    strengths = [(one - np.float32((100, 120, 140))).std() for one in outcomes]
    assert min(strengths) < 3
    assert 22 < max(strengths) < 28
    assert abs(np.mean(outcomes) - 120) < 0.5


def test_weights_of_brightness_are_shares() -> None:
    assert sum(LUMA) == pytest.approx(1)
