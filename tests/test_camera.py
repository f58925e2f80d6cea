"""The camera sees the right side of a figure, and keeps it in view."""

from __future__ import annotations

import numpy as np
import pytest

from actionzoo.synthetic.actions import ACTIONS
from actionzoo.synthetic.body import random_body
from actionzoo.synthetic.camera import Camera, place_camera
from actionzoo.synthetic.skeleton import skeleton


def camera(facing: float) -> Camera:
    return Camera(
        facing=facing,
        mirror=1.0,
        scale=50.0,
        distance=5.0,
        tilt=0.0,
        centre=np.zeros(3),
        origin=np.array([[80.0, 100.0]]),
    )


def test_a_figure_that_faces_the_camera_has_its_left_on_the_right() -> None:
    left_hand = np.array([[0.0, 1.0, 0.5]])
    np.testing.assert_allclose(camera(0.0).project(left_hand)[0], [[105, 50]])


def test_from_the_side_forward_is_across() -> None:
    ahead = np.array([[1.0, 0.0, 0.0]])
    np.testing.assert_allclose(camera(np.pi / 2).project(ahead)[0], [[130, 100]])


def test_what_is_nearer_is_larger() -> None:
    points = np.array([[1.0, 1.0, 0.0]])
    _, near_scale, nearness = camera(0.0).project(points)
    assert near_scale == pytest.approx(50 / (1 - 1 / 5))
    assert nearness == pytest.approx(1)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda one: one.name)
def test_the_middle_of_a_clip_shows_the_pelvis(action) -> None:
    for seed in range(8):
        rng = np.random.default_rng(seed)
        body, seconds = random_body(rng), np.arange(0, 3, 0.04)
        motion = action.move(seconds, body, rng)
        placed, frames = place_camera(
            skeleton(motion, body),
            motion.pelvis,
            rng,
            action=action,
            seconds=seconds,
            height=96,
            width=128,
        )
        x, y = placed.project(motion.pelvis)[0][frames // 2]
        assert frames >= 1.2 * 25
        assert 0 < x < 128
        assert 0 < y < 96
