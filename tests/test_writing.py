"""What is written can be read, and nothing half-written stays."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from actionzoo.errors import ConfigError
from actionzoo.video import encode_jpeg, open_video, write_video
from actionzoo.video.writing import ENCODERS
from videos import number_pixels, read_number


@pytest.mark.parametrize("suffix", ENCODERS)
@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30000, 1001)])
def test_written_video_shows_what_was_given(suffix: str, fps: Fraction, tmp_path: Path) -> None:
    path = tmp_path / f"numbers{suffix}"
    write_video(path, (number_pixels(number) for number in range(20)), fps=fps)
    with open_video(path) as video:
        assert [read_number(frame.pixels) for frame in video.frames()] == list(range(20))
        assert video.info.fps == pytest.approx(fps, rel=1e-3)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_the_same_frames_give_the_same_file(tmp_path: Path) -> None:
    frames = [number_pixels(number, 32, 48) for number in range(12)]
    written = set()
    for _ in range(20):
        write_video(tmp_path / "numbers.mp4", frames, fps=Fraction(25))
        written.add((tmp_path / "numbers.mp4").read_bytes())
    assert len(written) == 1


def test_failed_video_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ndim"):
        write_video(tmp_path / "wave.mp4", np.zeros((2, 96, 120), np.uint8), fps=Fraction(25))
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"videos are written as \.avi, \.mkv"):
        write_video(tmp_path / "wave.txt", [number_pixels(1)], fps=Fraction(25))
    with pytest.raises(ConfigError, match="there is no frame"):
        write_video(tmp_path / "wave.mp4", [], fps=Fraction(25))


@pytest.mark.parametrize("size", [(64, 64), (101, 171)])
def test_written_picture_shows_what_was_given(size: tuple[int, int], tmp_path: Path) -> None:
    pixels = np.zeros((*size, 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 255, size[1])
    pixels[..., 1] = np.linspace(255, 0, size[0])[:, None]
    (tmp_path / "1.jpg").write_bytes(encode_jpeg(pixels))
    with open_video(tmp_path) as video:
        read = next(video.frames()).pixels
    assert np.abs(read.astype(int) - pixels).mean() < 2
