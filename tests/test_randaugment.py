"""Each operation, as Pillow does it to one tall picture of all frames."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from actionzoo.augment import RandAugmentConfig
from actionzoo.augment import randaugment as module
from actionzoo.augment.randaugment import OPERATIONS, Operation, randaugment

NAMES = [operation.change.__name__ for operation in OPERATIONS]
T, H, W = 3, 24, 36


def clip() -> np.ndarray:
    """Dark waves, different in each frame and channel, with a little noise."""
    t, y, x, c = np.mgrid[:T, :H, :W, :3]
    waves = 90 + 50 * np.sin(x / 6 + c) * np.cos(y / 5 + t)
    return (waves + np.random.default_rng(0).integers(0, 30, waves.shape)).astype(np.uint8)


def of_all(change: Callable[[Image.Image], Image.Image], pixels: np.ndarray) -> np.ndarray:
    tall = Image.fromarray(pixels.reshape(-1, W, 3))
    return np.asarray(change(tall)).reshape(pixels.shape)


def of_each(change: Callable[[Image.Image], Image.Image], pixels: np.ndarray) -> np.ndarray:
    return np.stack([np.asarray(change(Image.fromarray(frame))) for frame in pixels])


def operation(name: str) -> Operation:
    return OPERATIONS[NAMES.index(name)]


@pytest.mark.parametrize(
    ("name", "amount", "pillows"),
    [
        ("auto_contrast", 0, ImageOps.autocontrast),
        ("equalize", 0, ImageOps.equalize),
        ("invert", 0, ImageOps.invert),
        ("posterize", 0, lambda one: ImageOps.posterize(one, 4)),
        ("posterize", 2.8, lambda one: ImageOps.posterize(one, 2)),
        ("posterize", 4, lambda one: ImageOps.posterize(one, 1)),
        ("solarize", 0, lambda one: ImageOps.solarize(one, 256)),
        ("solarize", 150.7, lambda one: ImageOps.solarize(one, 106)),
        ("solarize", 256, ImageOps.invert),
        ("solarize_add", 60, lambda one: one.point(lambda x: x + 60 if x < 128 else x)),
    ],
)
def test_values_become_exactly_those_of_pillow(
    name: str, amount: float, pillows: Callable[[Image.Image], Image.Image]
) -> None:
    pixels = clip()
    changed = operation(name).change(pixels, amount)
    np.testing.assert_array_equal(changed, of_all(pillows, pixels))
    np.testing.assert_array_equal(pixels, clip())


@pytest.mark.parametrize("amount", [-0.9, -0.3, 0.0, 0.5, 0.9])
@pytest.mark.parametrize(
    ("name", "pillows", "each"),
    [
        ("brightness", ImageEnhance.Brightness, False),
        ("contrast", ImageEnhance.Contrast, False),
        ("colour", ImageEnhance.Color, False),
        ("sharpness", ImageEnhance.Sharpness, True),
    ],
)
def test_distances_grow_as_in_pillow(
    name: str, pillows: Callable[[Image.Image], ImageEnhance._Enhance], each: bool, amount: float
) -> None:
    # Pillow rounds in between, and down.
    frames = of_each if each else of_all
    expected = frames(lambda one: pillows(one).enhance(1 + amount), clip())
    changed = operation(name).change(clip(), amount)
    assert np.abs(changed.astype(int) - expected).max() <= 2
    assert np.abs(changed.astype(int) - expected).mean() < 0.8
    assert (changed == clip()).all() == (amount == 0)


def _affine(*matrix: float) -> Callable[[Image.Image], Image.Image]:
    return lambda one: one.transform(
        one.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=(128,) * 3
    )


@pytest.mark.parametrize(
    ("name", "amount", "pillows"),
    [
        (
            "rotate",
            20,
            lambda one: one.rotate(20, Image.Resampling.BILINEAR, fillcolor=(128,) * 3),
        ),
        ("shear_x", 0.3, _affine(1, 0.3, -0.3 * H / 2, 0, 1, 0)),
        ("shear_y", -0.2, _affine(1, 0, 0, -0.2, 1, 0.2 * W / 2)),
        ("translate_x", 0.25, _affine(1, 0, 0.25 * W, 0, 1, 0)),
        ("translate_y", -0.5, _affine(1, 0, 0, 0, 1, -0.5 * H)),
    ],
)
def test_places_are_those_of_pillow(
    name: str, amount: float, pillows: Callable[[Image.Image], Image.Image]
) -> None:
    expected = of_each(pillows, clip()).astype(int)
    apart = np.abs(operation(name).change(clip(), amount) - expected)
    # Pillow does not blend the rim of a frame with the grey around it.
    assert np.mean(apart <= 1) > 0.94
    assert apart.mean() < 1.5
    assert (expected == 128).all(-1).mean() > 0.04  # some is grey


@pytest.mark.parametrize("name", NAMES)
def test_all_frames_change_alike(name: str) -> None:
    still = np.repeat(clip()[:1], 4, axis=0)
    one = operation(name)
    changed = one.change(still[:, :, ::-1], one.most)
    assert (changed == changed[:1]).all()
    assert changed.dtype == np.uint8


@pytest.mark.parametrize("name", [one for one in NAMES if operation(one).most])
def test_what_is_stronger_changes_more(name: str) -> None:
    one = operation(name)
    apart = [
        np.abs(one.change(clip(), share * one.most).astype(int) - clip()).mean()
        for share in (0.1, 0.5, 1.0)
    ]
    assert all(less < more for less, more in pairwise(apart))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (2, 2, 5, 3)])
def test_flat_and_tiny_clips_are_no_trouble(name: str, shape: tuple[int, ...]) -> None:
    one = operation(name)
    assert one.change(np.full(shape, 7, np.uint8), one.most).shape == shape


def test_so_many_random_operations_are_done_with_random_signs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[float] = []

    def note(pixels: np.ndarray, amount: float) -> np.ndarray:
        done.append(amount)
        return pixels

    monkeypatch.setattr(module, "OPERATIONS", (Operation(change=note, most=20, signed=True),))
    config = RandAugmentConfig(operations=1000, magnitude=5, spread=0.5, share=0.4)
    randaugment(clip(), config, rng=np.random.default_rng(0))
    assert 350 < len(done) < 450
    assert abs(np.mean(np.sign(done))) < 0.15
    assert np.mean(np.abs(done)) == pytest.approx(10, abs=0.2)
    assert np.std(np.abs(done)) == pytest.approx(1, abs=0.2)
    done.clear()
    config = RandAugmentConfig(operations=1000, magnitude=10, spread=3, share=1)
    randaugment(clip(), config, rng=np.random.default_rng(0))
    assert len(done) == 1000
    assert np.abs(done).max() == 20


def test_all_operations_come_up_and_none_by_default() -> None:
    pixels, config = clip(), RandAugmentConfig(operations=2, share=1.0)
    assert randaugment(pixels, RandAugmentConfig(), rng=np.random.default_rng(0)) is pixels
    outcomes = {
        randaugment(pixels, config, rng=np.random.default_rng(s)).tobytes() for s in range(60)
    }
    assert len(outcomes) > 50
    np.testing.assert_array_equal(pixels, clip())
