"""The depth of pixels in a capsule, held to its definition."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from actionzoo.synthetic.capsule import capsule, flicker, smooth_noise

coordinates = st.tuples(st.floats(-10, 50), st.floats(-10, 40))


@given(coordinates, coordinates, st.floats(1, 8), st.floats(1, 8))
def test_depth_is_the_radius_less_the_distance_of_the_axis(
    start: tuple[float, float], end: tuple[float, float], first: float, last: float
) -> None:
    radii = np.array([first]), np.array([last])
    axis = np.array([start]), np.array([end])
    depth, along, top, left = capsule(*axis, radii, height=30, width=40)
    _, tall, wide = depth.shape
    y, x = np.mgrid[top[0] : top[0] + tall, left[0] : left[0] + wide]
    place = axis[0][0] + along[0][..., None] * (axis[1] - axis[0])[0]
    distance = np.hypot(x - place[..., 0], y - place[..., 1])
    np.testing.assert_allclose(depth[0], first + (last - first) * along[0] - distance, atol=1e-3)
    assert top[0] >= 0
    assert left[0] >= 0
    assert top[0] + tall <= 30
    assert left[0] + wide <= 40


def test_patch_holds_the_whole_capsule() -> None:
    depth, *_ = capsule(
        np.array([[20.0, 10.0]]),
        np.array([[25.0, 20.0]]),
        (np.array([4.0]), np.array([3.0])),
        height=40,
        width=40,
    )
    inside = depth[0] > 0
    assert inside[1:-1, 1:-1].sum() == inside.sum()
    assert inside.sum() > np.pi * 9


def test_flicker_takes_about_the_asked_share() -> None:
    for share in (0.0, 0.25, 0.5):
        chosen = flicker(200, np.random.default_rng(1), share)
        assert abs(chosen.mean() - share) < 0.02


def test_noise_is_smooth_and_of_about_unit_deviation() -> None:
    noise = smooth_noise(np.random.default_rng(0), 90, 120, 5.0)
    assert noise.shape == (90, 120)
    assert 0.7 < noise.std() < 1.3
    assert np.abs(np.diff(noise)).max() < 2
