"""Overlays: what is marked where, that text fits and can be read, and what it costs."""

from dataclasses import replace

import numpy as np
import pytest

from actionzoo.catalog import get_spec
from actionzoo.drawing import Overlay, Region, annotated, seen_region
from actionzoo.drawing import lettering as letters
from actionzoo.drawing.lettering import lettering, text_width
from actionzoo.drawing.overlay import ACCENT, GROUND, WHITE
from actionzoo.spec import Resize
from actionzoo.transforms import crop_offsets, crop_pixels, eval_transform, resized_size

ROWS = (("wave one hand", 0.2), ("run", 0.05), ("walk", 0.0))
FULL = Overlay(
    title="jumping jack",
    score=0.75,
    rows=ROWS,
    footer="30.0 fps · latency 48 ms",
    clock="0:12.4",
    progress=0.5,
    region=Region(10, 10, 50, 50),
)
SIZES = [(64, 64), (48, 400), (400, 48), (240, 320), (720, 1280), (1280, 720), (2160, 3840)]


def grey(height, width, level=128):
    return np.full((height, width, 3), level, np.uint8)


def like(picture, colour):
    """Where a picture has a colour."""
    return (picture == np.array(colour[:3], np.uint8)).all(axis=-1)


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("level", [0, 255])
def test_every_size_is_annotated_and_the_picture_left_as_it_was(height, width, level):
    before = grey(height, width, level)
    after = annotated(before, FULL)
    assert after.shape == before.shape
    assert after.dtype == np.uint8
    assert (before == level).all()
    assert (after != before).any()


def test_nothing_to_write_changes_nothing():
    picture = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    assert (annotated(picture, Overlay()) == picture).all()


def test_pictures_may_be_mirrored_views():
    picture = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    mirrored = picture[:, ::-1]
    assert (annotated(mirrored, FULL) == annotated(mirrored.copy(), FULL)).all()


def test_only_the_panel_is_touched_and_the_rest_shines_through():
    after = annotated(grey(720, 1280), Overlay(title="run", score=0.5))
    changed = (after != 128).any(axis=2)
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    assert rows[0] == columns[0] == 18
    assert rows[-1] < 200
    assert columns[-1] < 640
    # A point of the ground without text: so much of the panel, so much of the picture.
    share = GROUND[3] / 255
    expected = [round(share * level + (1 - share) * 128) for level in GROUND[:3]]
    assert np.abs(after[22, 300].astype(int) - expected).max() <= 1


@pytest.mark.parametrize("score", [0.0, 0.25, 0.75, 1.0])
def test_a_bar_is_as_long_as_its_score(score):
    after = annotated(grey(720, 1280, 0), Overlay(title="run", score=score))
    reddish = np.abs(after.astype(int) - ACCENT[:3]).max(axis=2) < 12
    longest = reddish.sum(axis=1).max()
    whole = round(720 * 0.7) - 2 * round(720 * 0.022)
    # The figures beside the title have a colour of their own, white.
    assert longest == pytest.approx(score * whole, abs=3)


def test_a_title_that_is_no_action_is_paler():
    action, none = (
        annotated(grey(720, 1280, 0), Overlay(title="Preparing...", score=score))
        for score in (0.5, None)
    )
    assert like(action, WHITE).sum() > 50
    assert not like(none, WHITE).any()


def test_progress_fills_the_lower_edge():
    after = annotated(grey(100, 200), Overlay(progress=0.25))
    assert like(after, ACCENT)[-1].sum() == 50
    assert like(after, ACCENT)[:, 0].sum() == 3


def test_rows_are_as_many_as_there_is_room_for():
    many = tuple((f"action {n}", 0.5) for n in range(100))
    after = annotated(grey(240, 320), Overlay(title="run", score=0.5, rows=many))
    changed = np.flatnonzero((after != 128).any(axis=(1, 2)))
    assert 60 < changed[-1] <= 0.6 * 240


def test_corners_mark_the_region_alone():
    region = Region(20, 30, 80, 130)
    after = annotated(grey(100, 160), Overlay(region=region))
    white = np.argwhere(like(after, WHITE))
    assert white.min(0).tolist() == [20, 30]
    assert (white.max(0) + 1).tolist() == [80, 130]
    assert not like(after, WHITE)[50].any()


@pytest.mark.parametrize("size", [(720, 1280), (1280, 720), (241, 319)])
@pytest.mark.parametrize("name", ["x3d_s_kinetics400", "i3d_resnet50_v1_kinetics400"])
def test_the_region_is_what_the_network_sees(size, name):
    """Paint the region, and let the transform say what of it arrives."""
    spec = get_spec(name).input
    region = seen_region(spec, *size) or Region(0, 0, *size)
    picture = grey(*size, 0)
    picture[region.top : region.bottom, region.left : region.right] = 255
    resized = resized_size(spec.resize, *size)
    rows = (np.arange(resized[0]) + 0.5) * size[0] / resized[0]
    columns = (np.arange(resized[1]) + 0.5) * size[1] / resized[1]
    small = picture[rows.astype(int)][:, columns.astype(int)][None]
    crop = spec.height, spec.width
    (offset,) = crop_offsets(resized, crop, crops=1, rounding=spec.crop_rounding)
    seen = crop_pixels(small, offset, crop)[0]
    assert eval_transform(small, spec).shape[-2:] == crop
    assert (seen[1:-1, 1:-1] == 255).all()
    inside = (small[0, ..., 0] == 255).sum()
    assert inside <= (crop[0] + 2) * (crop[1] + 2)


def test_a_region_is_mirrored_with_its_picture():
    picture = grey(100, 160)
    region = Region(20, 30, 80, 100)
    picture[region.top : region.bottom, region.left : region.right] = 0
    mirrored = region.mirrored(160)
    flipped = picture[:, ::-1]
    assert (flipped[mirrored.top : mirrored.bottom, mirrored.left : mirrored.right] == 0).all()
    assert mirrored.mirrored(160) == region


def test_a_network_that_sees_all_has_no_region():
    spec = get_spec("x3d_s_kinetics400").input
    squash = replace(spec, resize=Resize(rule="squash", height=spec.height, width=spec.width))
    fit = replace(spec, resize=Resize(rule="fit", height=spec.height, width=spec.width))
    assert seen_region(squash, 720, 1280) is None
    assert seen_region(fit, 720, 1280) is None


def test_long_text_ends_in_an_ellipsis_and_never_passes_its_width():
    text = "passing American football (not in game)"
    for width in (2000, 200, 60, 12, 1):
        assert lettering(text, size_px=20, width_px=width).width <= max(width, 0)
    cut = lettering(text, size_px=20, width_px=200)
    assert 150 < cut.width < text_width(text, 20)
    # The last letters are three dots on the base line, with nothing above them.
    ink = np.asarray(cut)[:, -12:]
    assert ink.any()
    assert not ink[: len(ink) // 2].any()


def test_letters_that_no_font_has_can_still_be_told_apart(monkeypatch):
    monkeypatch.setattr(letters, "_OTHERS", ())
    letters._written.cache_clear()
    letters.lettering.cache_clear()
    try:
        assert letters._written("café") == ("", "cafe")
        assert letters._written("跑") == ("", "\\u8dd1")
        assert letters._written("a\nb\x1b") == ("", "a\\nb\\x1b")
        annotated(grey(240, 320), Overlay(title="跑步", score=0.5))
    finally:
        letters._written.cache_clear()
        letters.lettering.cache_clear()


def test_a_font_that_has_the_letters_is_taken_where_there_is_one():
    if not letters._is_there("DejaVuSans.ttf"):
        pytest.skip("DejaVu Sans is not installed")
    assert letters._written("бег") == ("DejaVuSans.ttf", "бег")


def test_what_stays_the_same_is_drawn_once():
    from actionzoo.drawing import overlay

    overlay._panel.cache_clear()
    for _ in range(5):
        annotated(grey(240, 320), FULL)
    annotated(grey(240, 320), replace(FULL, score=0.751))  # the same to a percent
    assert overlay._panel.cache_info().misses == 1
    annotated(grey(240, 320), replace(FULL, score=0.5))
    assert overlay._panel.cache_info().misses == 2
