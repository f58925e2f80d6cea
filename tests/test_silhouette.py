"""Silhouettes are what a subtraction of the background leaves."""

from __future__ import annotations

import numpy as np

from actionzoo.synthetic.silhouette import _close_gaps, _threshold


def test_small_gaps_close_and_large_ones_stay() -> None:
    depth = np.full((1, 20, 40), 3.0, np.float32)
    depth[:, :, 8:10] = -3.0
    depth[:, :, 20:30] = -3.0
    closed = _close_gaps(depth, 1)[0, 10]
    assert (closed[:20] > 0).all()
    assert (closed[21:29] < 0).all()


def test_inside_is_white_and_outside_black() -> None:
    depth = np.full((3, 20, 20), -9.0, np.float32)
    depth[:, 5:15, 5:15] = 9.0
    white = _threshold(depth, np.random.default_rng(0))
    assert white.shape == (3, 20, 20, 3)
    assert (white[:, 7:13, 7:13] == 255).all()
    assert (white[:, :3] == 0).all()
