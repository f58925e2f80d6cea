from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionzoo import transforms
from actionzoo.errors import ConfigError
from actionzoo.spec import InputSpec, Resize

sides = st.integers(1, 5000)
roundings = st.sampled_from(["floor", "round", "ceil"])


def spec(**changes):
    resize = Resize(rule="short_side", height=4, width=4)
    facts = {"frames": 2, "resize": resize, "height": 4, "width": 4}
    return InputSpec(**{**facts, **changes})


@given(sides, sides, st.integers(1, 400), roundings)
def test_short_side_is_exact_and_keeps_the_aspect_ratio(height, width, size, rounding):
    resize = Resize(rule="short_side", height=size, width=size, rounding=rounding)
    new = transforms.resized_size(resize, height, width)
    assert min(new) == size
    assert abs(max(new) - Fraction(max(height, width) * size, min(height, width))) < 1


@given(sides, sides, st.integers(1, 400), st.integers(1, 400), roundings)
def test_fit_fills_one_side_and_exceeds_none(height, width, rows, columns, rounding):
    resize = Resize(rule="fit", height=rows, width=columns, rounding=rounding)
    new = transforms.resized_size(resize, height, width)
    assert new[0] <= rows
    assert new[1] <= columns
    assert new[0] == rows or new[1] == columns


@pytest.mark.parametrize(
    ("resize", "expected"),
    [
        # PySlowFast and PyTorchVideo: floor(h / w * size).
        (Resize(rule="short_side", height=182, width=182), (182, 242)),
        # Open Model Zoo: int(w * 224 / min(h, w)).
        (Resize(rule="short_side", height=224, width=224), (224, 298)),
        # mmcv rescales to int(w * scale + 0.5).
        (Resize(rule="short_side", height=224, width=224, rounding="round"), (224, 299)),
        # GluonCV squashes every frame to 340 x 256.
        (Resize(rule="squash", height=256, width=340), (256, 340)),
    ],
)
def test_the_references_sizes_of_a_320x240_frame(resize, expected):
    assert transforms.resized_size(resize, 240, 320) == expected


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 40), st.integers(1, 40), roundings)
def test_crops_lie_inside_the_frame_or_around_it(height, width, rows, columns, rounding):
    for crops in (1, 3, 10):
        offsets = transforms.crop_offsets(
            (height, width), (rows, columns), crops=crops, rounding=rounding
        )
        assert len(offsets) == crops
        for top, left, _ in offsets:
            assert min(0, height - rows) <= top <= max(0, height - rows)
            assert min(0, width - columns) <= left <= max(0, width - columns)


def test_ten_crops_stand_in_gluoncvs_order():
    offsets = transforms.crop_offsets((6, 8), (4, 4), crops=10, rounding="floor")
    plain = [(1, 2), (0, 0), (2, 0), (0, 4), (2, 4)]
    assert offsets == [(*one, False) for one in plain] + [(*one, True) for one in plain]


def test_three_crops_follow_the_longer_side():
    assert transforms.crop_offsets((4, 9), (4, 4), crops=3, rounding="ceil") == [
        (0, 0, False),
        (0, 3, False),
        (0, 5, False),
    ]
    assert transforms.crop_offsets((9, 4), (4, 4), crops=3, rounding="floor") == [
        (0, 0, False),
        (2, 0, False),
        (5, 0, False),
    ]


def frame_of_places(height, width):
    """Pixels whose red is the row and whose green is the column; blue is 200."""
    rows, columns = np.mgrid[:height, :width]
    frame = np.stack([rows, columns, np.full_like(rows, 200)], axis=-1)
    return np.stack([frame, frame]).astype(np.uint8)


def test_a_crop_takes_the_pixels_it_says():
    pixels = frame_of_places(6, 8)
    crop = transforms.crop_pixels(pixels, (1, 2, False), (4, 4))
    assert crop[0, :, :, 0].tolist() == [[row] * 4 for row in range(1, 5)]
    assert crop[0, 0, :, 1].tolist() == [2, 3, 4, 5]
    mirrored = transforms.crop_pixels(pixels, (1, 2, True), (4, 4))
    assert mirrored[0, 0, :, 1].tolist() == [5, 4, 3, 2]


def test_a_small_frame_lies_centred_on_black():
    pixels = np.full((2, 2, 4, 3), 9, np.uint8)
    offset = transforms.crop_offsets((2, 4), (4, 4), crops=1, rounding="floor")[0]
    crop = transforms.crop_pixels(pixels, offset, (4, 4))
    assert crop[0, :, 0, 0].tolist() == [0, 9, 9, 0]


def test_normalising_equals_the_formula_of_the_documents():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), dtype=np.uint8)
    kinetics = spec(mean=(0.45, 0.45, 0.45), std=(0.225, 0.225, 0.225))
    expected = ((pixels / 255 - 0.45) / 0.225).transpose(3, 0, 1, 2)
    np.testing.assert_allclose(transforms.normalise(pixels, kinetics), expected, atol=1e-5)

    i3d = spec(value_range=(-1.0, 1.0))
    expected = (pixels / 255 * 2 - 1).transpose(3, 0, 1, 2)
    np.testing.assert_allclose(transforms.normalise(pixels, i3d), expected, atol=1e-6)


def test_bgr_networks_get_blue_first():
    pixels = np.zeros((1, 4, 4, 3), np.uint8)
    pixels[..., 2] = 200
    raw = spec(color="BGR", value_range=(0.0, 255.0))
    assert transforms.normalise(pixels, raw)[:, 0, 0, 0].tolist() == [200, 0, 0]


def test_views_of_a_clip_are_batch_first_and_contiguous():
    views = transforms.eval_transform(frame_of_places(4, 9), spec(), crops=3)
    assert views.shape == (3, 3, 2, 4, 4)
    assert views.dtype == np.float32
    assert views.flags.c_contiguous
    left_columns = (views[:, 1, 0, 0, 0] * 255).round().tolist()
    assert left_columns == [0, 2, 5]


@pytest.mark.parametrize(("color", "first"), [("RGB", 0), ("BGR", 2)])
def test_whole_frames_are_left_as_they_are(color, first):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 9, 3), dtype=np.uint8)
    views = transforms.eval_transform(pixels, spec(color=color, whole_frames=True))
    assert (views.shape, views.dtype) == ((1, 3, 2, 5, 9), np.uint8)
    np.testing.assert_array_equal(views[0, 0], pixels[..., first])


def test_whole_frames_have_one_crop():
    with pytest.raises(ConfigError, match=r"takes whole frames .* 3 crops cannot be taken"):
        transforms.eval_transform(frame_of_places(4, 9), spec(whole_frames=True), crops=3)
