"""A clip has what was asked for, and the same again from the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from actionzoo.synthetic.actions import ACTIONS
from actionzoo.synthetic.scene import Style, draw_clip

BY_NAME = {action.name: action for action in ACTIONS}


def draw(name: str, style: Style = "silhouette", seed: int = 0, seconds: float = 1.5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return draw_clip(BY_NAME[name], rng=rng, seconds=seconds, style=style, height=96, width=120)


@pytest.mark.parametrize("style", ["silhouette", "plain", "textured"])
def test_one_seed_draws_one_clip(style: Style) -> None:
    first, again, other = (draw("walk", style, seed) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or (first != other).any()


@pytest.mark.parametrize("name", BY_NAME)
def test_clip_has_the_asked_size_and_shows_a_figure(name: str) -> None:
    frames = draw(name)
    assert frames.dtype == np.uint8
    assert frames.shape[1:] == (96, 120, 3)
    assert 30 <= len(frames) <= 38  # 1.5 s at 25 frames/s, or until a traveller has left
    white = (frames[len(frames) // 2, ..., 0] > 127).mean()
    assert 0.005 < white < 0.4


@pytest.mark.parametrize("name", BY_NAME)
def test_silhouettes_are_white_on_black(name: str) -> None:
    frames = draw(name, seed=3)
    assert (frames == frames[..., :1]).all()
    assert np.isin(frames, (0, 255)).mean() > 0.95


@pytest.mark.parametrize("style", ["plain", "textured"])
def test_painted_figures_change_from_frame_to_frame(style: Style) -> None:
    frames = draw("jack", style).astype(int)
    assert np.abs(frames[10:] - frames[:-10]).max() > 50
