"""Painted figures stand out from what is behind them."""

from __future__ import annotations

import numpy as np

from actionzoo.synthetic.camera import Camera
from actionzoo.synthetic.colour import _backdrop, _clothes, _filmed_backdrop


def test_clothes_stand_out_from_the_backdrop() -> None:
    apart = 0
    for seed in range(50):
        rng = np.random.default_rng(seed)
        backdrop = _backdrop(rng, 60, 80, textured=False)
        apart += np.abs(_clothes(rng, backdrop)["top"] - backdrop.mean((0, 1))).mean() > 50
    assert apart >= 48


def test_textured_backdrops_have_more_in_them() -> None:
    plain, textured = (
        np.mean(
            [
                np.abs(
                    np.diff(_backdrop(np.random.default_rng(k), 60, 80, textured=kind), axis=1)
                ).mean()
                for k in range(10)
            ]
        )
        for kind in (False, True)
    )
    assert textured > plain + 1


def test_backdrop_moves_with_the_camera() -> None:
    backdrop = np.random.default_rng(0).uniform(0, 255, (20, 30, 3)).astype(np.float32)
    camera = Camera(
        facing=0.0,
        mirror=1.0,
        scale=1.0,
        distance=5.0,
        tilt=0.0,
        centre=np.zeros(3),
        origin=np.array([[0.0, 0.0], [4.0, 2.0]]),
    )
    still, moved = _filmed_backdrop(backdrop, camera, 2)
    np.testing.assert_array_equal(still, backdrop)
    np.testing.assert_array_equal(moved[2:, 4:], backdrop[:-2, :-4])
