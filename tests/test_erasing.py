"""A box covered with noise."""

from __future__ import annotations

import numpy as np
import pytest

from actionzoo.augment.erasing import erase


@pytest.mark.parametrize("size", [(40, 40), (30, 60)])
def test_one_box_of_a_moderate_size_is_covered_in_all_frames(size: tuple[int, int]) -> None:
    black = np.zeros((4, *size, 3), np.uint8)
    areas = []
    for seed in range(100):
        covered = erase(black, rng=np.random.default_rng(seed)).any((0, 3))
        rows, columns = np.flatnonzero(covered.any(1)), np.flatnonzero(covered.any(0))
        assert covered[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert 0.25 < len(columns) / len(rows) < 4
        areas.append(covered.mean())
    assert 0.01 < min(areas) < 0.05
    assert 0.28 < max(areas) < 0.35
    assert not black.any()


def test_noise_is_of_all_values_in_every_pixel_and_frame() -> None:
    grey = np.full((8, 64, 64, 3), 99, np.uint8)
    noise = erase(grey, rng=np.random.default_rng(0))
    noise = noise[:, (noise != 99).any((0, 2, 3))][:, :, (noise != 99).any((0, 1, 3))]
    assert (noise.min(), noise.max()) == (0, 255)
    assert noise.mean() == pytest.approx(127.5, abs=2)
    assert noise.std(0).mean() > 50


def test_a_frame_that_no_box_fits_in_stays_as_it_is() -> None:
    line = np.zeros((1, 1, 3, 3), np.uint8)
    assert erase(line, rng=np.random.default_rng(0)).shape == line.shape
