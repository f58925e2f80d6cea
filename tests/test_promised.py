"""Files that were cut off are told by their own first or last bytes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from actionzoo.video.promised import what_is_missing
from broken_files import WRITTEN
from videos import number_pixels, picture_bytes, video_bytes, write_video

PICTURES = {"jpg": "mjpeg", "png": "png", "bmp": "bmp", "webp": "libwebp"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    for suffix, options in {**WRITTEN, "wmv": {"codec": "wmv2"}}.items():
        write_video(folder / f"a.{suffix}", range(5), fps=Fraction(25), **options)
    for suffix, codec in PICTURES.items():
        (folder / f"a.{suffix}").write_bytes(picture_bytes(number_pixels(5), codec))
    return {path.suffix[1:]: path.read_bytes() for path in folder.iterdir()}


def test_whole_files_lack_nothing(tmp_path: Path, whole: dict[str, bytes]) -> None:
    for suffix, data in whole.items():
        path = tmp_path / f"a.{suffix}"
        path.write_bytes(data)
        assert what_is_missing(path) is None, suffix


@pytest.mark.parametrize("suffix", "mp4 mov avi mkv webm flv wmv gif jpg png bmp webp".split())
def test_what_was_cut_off_is_told(suffix: str, tmp_path: Path, whole: dict[str, bytes]) -> None:
    path, data = tmp_path / "a", whole[suffix]
    for lost in (1, 5, len(data) // 4, len(data) // 2):
        path.write_bytes(data[:-lost])
        assert what_is_missing(path), lost


def test_an_mp4_without_its_index_is_told(tmp_path: Path) -> None:
    data = video_bytes()
    path = tmp_path / "a.mp4"
    path.write_bytes(data[: data.index(b"moov") - 4])
    assert what_is_missing(path) == "its index is missing"


def test_long_boxes_open_ends_and_live_recordings_are_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "a"
    ftyp = b"\0\0\0\x10ftypisom\0\0\0\0"
    path.write_bytes(
        ftyp + b"\0\0\0\x08moov" + b"\0\0\0\x01mdat" + (24).to_bytes(8, "big") + b"12345678"
    )
    assert what_is_missing(path) is None
    path.write_bytes(ftyp + b"\0\0\0\x08moov" + b"\0\0\0\0mdat" + b"to the end")
    assert what_is_missing(path) is None
    # EBML with a segment of unknown size, as a live recording writes it.
    path.write_bytes(b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x01" + b"\xff" * 7 + b"data")
    assert what_is_missing(path) is None


def test_any_bytes_are_judged_without_an_error(tmp_path: Path, whole: dict[str, bytes]) -> None:
    rng, path = np.random.default_rng(0), tmp_path / "a"
    for data in whole.values():
        for length in range(40):
            path.write_bytes(data[:length])
            what_is_missing(path)
        for _ in range(20):
            spoilt = np.frombuffer(data, np.uint8).copy()
            spoilt[rng.integers(0, min(len(data), 200), 5)] = rng.integers(0, 256, 5)
            path.write_bytes(spoilt.tobytes())
            what_is_missing(path)
