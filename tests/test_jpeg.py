"""JPEG pictures one by one: what was drawn comes back, and nonsense is refused."""

import numpy as np
import pytest

from actionzoo.errors import CannotDecode
from actionzoo.video import encode_jpeg
from actionzoo.video.jpeg import JpegDecoder
from videos import number_pixels, read_number


def test_pictures_of_any_size_come_back_upright():
    decoder = JpegDecoder(1 << 20)
    for number, height, width in ((5, 64, 64), (300, 96, 160), (7, 64, 64)):
        picture = decoder.decode(encode_jpeg(number_pixels(number, height, width)))
        assert (picture.height, picture.width) == (height, width)
        assert read_number(picture.to_ndarray(format="rgb24")) == number


@pytest.mark.parametrize("data", [b"", b"no picture", b"\xff\xd8", b"\xff\xd8\xff\xd9" + bytes(99)])
def test_what_is_no_picture_is_refused_and_does_no_harm(data):
    decoder = JpegDecoder(1 << 20)
    with pytest.raises(CannotDecode, match="cannot decode a picture"):
        decoder.decode(data)
    picture = decoder.decode(encode_jpeg(number_pixels(9)))
    assert read_number(picture.to_ndarray(format="rgb24")) == 9


def test_a_picture_that_is_too_large_is_refused():
    large = encode_jpeg(np.zeros((256, 256, 3), np.uint8))
    with pytest.raises(CannotDecode, match="larger than 10,000 pixels"):
        JpegDecoder(10_000).decode(large)
