from fractions import Fraction

import numpy as np
import pytest

from actionzoo.clip import Clip, Frame


def test_a_frame_is_rgb_bytes():
    frame = Frame(pixels=np.zeros((4, 6, 3), np.uint8), pts_seconds=Fraction(1, 3))
    assert repr(frame) == "Frame(pixels=(4, 6, 3), pts_seconds=0.333)"
    for wrong in (np.zeros((4, 6), np.uint8), np.zeros((4, 6, 3), np.float32)):
        with pytest.raises(ValueError, match=r"\(H, W, 3\) uint8"):
            Frame(pixels=wrong, pts_seconds=Fraction(0))


def test_a_clip_has_one_time_a_frame():
    pixels = np.zeros((2, 4, 6, 3), np.uint8)
    clip = Clip(pixels=pixels, pts_seconds=np.array([0.0, 0.5]))
    assert repr(clip) == "Clip(pixels=(2, 4, 6, 3), pts_seconds=0.000..0.500)"
    with pytest.raises(ValueError, match=r"one time a frame: got \(3,\) for 2 frames"):
        Clip(pixels=pixels, pts_seconds=np.zeros(3))
    with pytest.raises(ValueError, match="uint8"):
        Clip(pixels=pixels.astype(np.float32), pts_seconds=np.zeros(2))
