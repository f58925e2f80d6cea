from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from actionzoo.backends.axes import arranged, as_input, input_shape
from actionzoo.catalog import get_spec

CLIPS = np.arange(2 * 3 * 4 * 5 * 6).reshape(2, 3, 4, 5, 6)


@pytest.mark.parametrize("layout", ["BCTHW", "BTHWC", "BTCHW"])
def test_axes_stand_in_the_order_of_the_layout(layout: str) -> None:
    turned = arranged(CLIPS, layout)
    assert turned.flags.c_contiguous
    np.testing.assert_array_equal(turned, np.einsum(f"BCTHW->{layout}", CLIPS))


def test_views_are_an_axis_of_one() -> None:
    np.testing.assert_array_equal(arranged(CLIPS, "BSCTHW")[:, 0], CLIPS)


def test_whole_frames_go_in_as_they_are() -> None:
    spec = replace(get_spec("x3d_s_kinetics400").input, layout="BTHWC")
    assert as_input(CLIPS, spec).dtype == np.float32
    frames = as_input(CLIPS % 256, replace(spec, whole_frames=True))
    assert (frames.dtype, frames.shape) == (np.uint8, (2, 4, 5, 6, 3))


def test_the_shape_of_an_input_tells_what_is_free() -> None:
    spec = replace(get_spec("x3d_s_kinetics400").input, layout="BSTHWC")
    assert input_shape(spec) == [-1, 1, 13, 182, 182, 3]
    assert input_shape(replace(spec, whole_frames=True)) == [-1, 1, 13, -1, -1, 3]
