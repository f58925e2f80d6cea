from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from actionzoo.backends.axes import arranged
from actionzoo.conversion.adapting import Rearrange, adapted, from_pixels
from actionzoo.spec import ColorOrder, InputSpec
from actionzoo.transforms import normalise
from test_conversion import Tiny, tiny_spec

NORMALISED = replace(
    tiny_spec().input, value_range=(-1.0, 1.0), mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7)
)


@pytest.fixture
def pixels() -> np.ndarray:
    """Return frames (T, H, W, C) RGB."""
    return np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)


@pytest.mark.parametrize("given", ["RGB", "BGR"])
@pytest.mark.parametrize("own", [NORMALISED, replace(NORMALISED, color="BGR")])
def test_pixels_become_what_the_reader_makes(
    own: InputSpec, given: ColorOrder, pixels: np.ndarray
) -> None:
    expected = normalise(pixels, own)
    frames = pixels if given == "RGB" else pixels[..., ::-1].copy()
    module = from_pixels(own, given, layout="THWC")
    made = module(torch.from_numpy(frames).float())
    np.testing.assert_allclose(made.permute(3, 0, 1, 2), expected, atol=1e-6)


def test_open_model_zoos_mean_and_scale() -> None:
    """127.5 both, for a network that takes -1 to 1."""
    own = replace(NORMALISED, mean=(0.0,) * 3, std=(1.0,) * 3)
    module = from_pixels(own, "RGB", layout="BCTHW")
    assert module.mean.unique().tolist() == module.scale.unique().tolist() == [127.5]


def test_nothing_is_done_to_what_is_right_already() -> None:
    own = replace(
        NORMALISED, color="BGR", value_range=(0.0, 255.0), mean=(0.0,) * 3, std=(1.0,) * 3
    )
    assert isinstance(from_pixels(own, "BGR", layout="BCHW"), nn.Identity)
    assert not isinstance(from_pixels(own, "RGB", layout="BCHW"), nn.Identity)


@pytest.mark.parametrize("layout", ["BTHWC", "BSCTHW", "TSBWHC"])
def test_axes_go_there_and_back(layout: str) -> None:
    clips = np.random.default_rng(0).random((2, 3, 4, 5, 6))
    given = torch.from_numpy(arranged(clips, layout))
    np.testing.assert_array_equal(Rearrange(layout, "BCTHW")(given), clips)
    np.testing.assert_array_equal(Rearrange("BCTHW", layout)(torch.from_numpy(clips)), given)


@pytest.mark.parametrize("several", [False, True])
def test_pixels_to_scores(several: bool, pixels: np.ndarray) -> None:
    spec = replace(tiny_spec(), input=NORMALISED, several_labels=several)
    network = Tiny()
    module, changed = adapted(network, spec, layout="BTHWC", color="BGR", scores=True)
    with torch.no_grad():
        logits = network(torch.from_numpy(normalise(pixels, NORMALISED))[None])
        scores = module(torch.from_numpy(pixels[None, ..., ::-1].copy()).float())
    expected = logits.sigmoid() if several else logits.softmax(1)
    torch.testing.assert_close(scores, expected)
    assert (changed.input.layout, changed.input.color) == ("BTHWC", "BGR")
    assert (changed.input.output, changed.input.output_name) == ("scores", "scores")
    # The reader makes the same pixels of it.
    bgr = normalise(pixels, changed.input)
    np.testing.assert_array_equal(bgr, pixels[..., ::-1].transpose(3, 0, 1, 2))
