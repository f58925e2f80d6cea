"""Which part of the frames is seen: always a possible one, and shown as Pillow shows it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from actionzoo.augment import AugmentConfig, drawn_resize
from actionzoo.augment.window import Box, crop_size, cut, random_box, random_window
from actionzoo.spec import InputSpec, Resize
from actionzoo.transforms import crop_pixels

SPEC = InputSpec(
    frames=4,
    resize=Resize(rule="short_side", height=182, width=182, rounding="round"),
    height=160,
    width=160,
)
SIDES = st.integers(1, 300)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def windows(size: tuple[int, int], count: int = 300, **values: Any) -> np.ndarray:
    """Boxes as rows of top, left, height, width."""
    config = AugmentConfig(**values)
    return np.array(
        [
            random_window(size, (160, 160), spec=SPEC, config=config, rng=rng(i))
            for i in range(count)
        ]
    )


def test_a_short_side_is_drawn_for_the_decoder() -> None:
    assert drawn_resize(SPEC, AugmentConfig(), rng=rng()) == SPEC.resize
    config = AugmentConfig(short_side=(182, 184))
    drawn = [drawn_resize(SPEC, config, rng=rng(seed)) for seed in range(60)]
    assert {one.height for one in drawn} == {182, 183, 184}
    assert {(one.rule, one.rounding) for one in drawn} == {("short_side", "round")}


def test_another_side_keeps_the_shape_of_the_crop() -> None:
    wide = replace(SPEC, height=96, width=128)
    assert crop_size(SPEC, None) == (160, 160)
    assert crop_size(SPEC, 112) == (112, 112)
    assert crop_size(wide, 48) == (48, 64)
    assert crop_size(replace(SPEC, height=128, width=96), 48) == (64, 48)


@given(
    height=SIDES,
    width=SIDES,
    least=st.floats(0.01, 1),
    narrow=st.floats(0.2, 1),
    seed=st.integers(0, 999),
)
def test_a_box_lies_inside_and_has_the_area_and_the_ratio_asked_for(
    height: int, width: int, least: float, narrow: float, seed: int
) -> None:
    area, ratio = (least, 1.0), (narrow, 1 / narrow)
    box = random_box((height, width), area=area, ratio=ratio, rng=rng(seed))
    if box is None:
        return
    assert 0 <= box.top <= height - box.height
    assert 0 <= box.left <= width - box.width
    # Whole pixels: half of one either way.
    larger, smaller = (box.height + 0.5, box.width + 0.5), (box.height - 0.5, box.width - 0.5)
    assert larger[0] * larger[1] >= least * height * width
    assert larger[1] / max(smaller[0], 1e-9) >= narrow - 1e-9
    assert smaller[1] / larger[0] <= 1 / narrow + 1e-9


def test_areas_are_uniform_and_ratios_log_uniform() -> None:
    boxes = windows((400, 400), 2000, area=(0.1, 0.3), ratio=(0.5, 2.0))
    areas = boxes[:, 2] * boxes[:, 3] / 400**2
    ratios = np.log2(boxes[:, 3] / boxes[:, 2])
    np.testing.assert_allclose(np.quantile(areas, [0, 0.5, 1]), [0.1, 0.2, 0.3], atol=0.01)
    np.testing.assert_allclose(np.quantile(ratios, [0, 0.25, 0.5, 1]), [-1, -0.5, 0, 1], atol=0.06)
    assert boxes[:, 0].min() < 10
    assert (boxes[:, 0] + boxes[:, 2]).max() > 390


@pytest.mark.parametrize(
    ("size", "box"),
    [((10, 100), (0, 43, 10, 13)), ((100, 10), (43, 0, 13, 10)), ((100, 90), (0, 0, 100, 90))],
)
def test_where_no_area_fits_the_middle_is_seen(
    size: tuple[int, int], box: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actionzoo.augment.window._TRIES", 0)
    assert windows(size, 1, area=(1.0, 1.0)).tolist() == [list(box)]


def test_a_crop_of_decoded_frames_is_cut_from_anywhere_at_their_scale() -> None:
    boxes = windows((200, 300), short_side=(182, 228))
    assert (boxes[:, 2:] == 160).all()
    assert (boxes[:, 0].min(), boxes[:, 0].max()) == (0, 40)
    assert (boxes[:, 1].min(), boxes[:, 1].max()) == (0, 140)


def test_kept_frames_are_scaled_to_a_random_short_side() -> None:
    boxes = windows((182, 300), short_side=(182, 228))
    assert (boxes[:, 2] == boxes[:, 3]).all()
    assert (boxes[:, 2].min(), boxes[:, 2].max()) == (round(160 * 182 / 228), 160)
    assert (boxes[:, :2] + boxes[:, 2:]).max(0).tolist() == [182, 300]
    squashed = replace(SPEC, resize=Resize(rule="squash", height=256, width=340))
    config = AugmentConfig(short_side=(512, 512))
    box = random_window((256, 340), (160, 160), spec=squashed, config=config, rng=rng())
    assert box[2:] == (80, 80)


@given(
    size=st.tuples(SIDES, SIDES),
    crop=st.tuples(SIDES, SIDES),
    zoom=st.floats(0.2, 5),
    shift=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_a_moved_window_always_sees_something(
    size: tuple[int, int], crop: tuple[int, int], zoom: float, shift: float, seed: int
) -> None:
    config = AugmentConfig(zoom=(zoom, zoom), shift=shift)
    box = random_window(size, crop, spec=SPEC, config=config, rng=rng(seed))
    for side, place, length, wanted in zip(size, box[:2], box[2:], crop, strict=True):
        assert abs(length - max(wanted / zoom, 1)) <= 0.5
        assert -length < place < side
        # Without a shift the window stays in the frame, or the frame in the window.
        if shift == 0:
            assert min(0, side - length) <= place <= max(0, side - length)


def test_a_shift_moves_the_window_by_a_share_of_it_either_way() -> None:
    boxes = windows((160, 200), 500, shift=0.1)
    assert (boxes[:, 0].min(), boxes[:, 0].max()) == (-16, 16)
    assert (boxes[:, 1].min(), boxes[:, 1].max()) == (-16, 56)


def frames(height: int, width: int) -> np.ndarray:
    """Smooth, for noise would differ where a filter's weights are rounded otherwise."""
    y, x, t = np.mgrid[:height, :width, :2]
    waves = np.sin(x[..., None] / (5, 6, 7)) * np.cos(y[..., None] / 6 + t[..., None])
    return np.rint(127.5 + 120 * waves).astype(np.uint8).transpose(2, 0, 1, 3).copy()


@pytest.mark.parametrize(
    "box", [Box(0, 0, 60, 90), Box(7, 20, 50, 40), Box(30, 41, 12, 20), Box(3, 0, 40, 90)]
)
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_part_is_scaled_as_pillow_scales_it(box: Box, mirrored: bool) -> None:
    pixels = frames(60, 90)
    corners = (box.left, box.top, box.left + box.width, box.top + box.height)
    for frame, shown in zip(pixels, cut(pixels, box, (32, 40), mirrored=mirrored), strict=True):
        cut_out = Image.fromarray(frame).crop(corners)
        expected = np.asarray(cut_out.resize((40, 32), Image.Resampling.BILINEAR))
        expected = expected[:, ::-1] if mirrored else expected
        assert np.abs(shown.astype(int) - expected).max() <= 1


@given(
    top=st.integers(-15, 19), left=st.integers(-15, 29), size=st.tuples(SIDES, SIDES), seed=SIDES
)
def test_a_part_at_its_own_size_is_cut_out_exactly(
    top: int, left: int, size: tuple[int, int], seed: int
) -> None:
    size = size[0] % 30 + 16, size[1] % 30 + 16
    pixels = rng(seed).integers(0, 256, (1, 20, 30, 3), np.uint8)
    shown = cut(pixels, Box(top, left, *size), size, mirrored=False)
    np.testing.assert_array_equal(shown, crop_pixels(pixels, (top, left, False), size))


def test_a_crop_inside_is_no_copy() -> None:
    pixels = frames(60, 90)
    assert np.shares_memory(cut(pixels, Box(3, 4, 40, 40), (40, 40), mirrored=True), pixels)


@given(top=st.integers(-79, 59), length=st.integers(80, 200), size=st.integers(1, 100))
def test_what_lies_outside_is_black_and_what_lies_inside_is_not(
    top: int, length: int, size: int
) -> None:
    white = np.full((1, 60, 60, 1), 255, np.uint8)
    shown = cut(white, Box(top, 0, length, 60), (size, 60), mirrored=False)[0, :, 0, 0]
    assert set(np.unique(shown)) <= {0, 255}
    rows = np.flatnonzero(shown)
    assert abs(rows[0] - max(0, -top) * size / length) <= 1
    assert abs(rows[-1] + 1 - min(length, 60 - top) * size / length) <= 1
    assert (np.diff(rows) == 1).all()
