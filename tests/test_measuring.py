"""Frames are counted without being decoded."""

from __future__ import annotations

from pathlib import Path

import pytest

from actionzoo.errors import CannotOpen
from actionzoo.video import count_frames
from videos import write_pictures, write_video


@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "a.mkv"])
def test_frames_of_a_file(name: str, tmp_path: Path) -> None:
    write_video(tmp_path / name, range(37), codec="mpeg4")
    assert count_frames(tmp_path / name) == 37


def test_pictures_of_a_folder(tmp_path: Path) -> None:
    assert count_frames(write_pictures(tmp_path, range(11))) == 11


def test_what_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("no video")
    with pytest.raises(CannotOpen, match=r"a\.mp4"):
        count_frames(tmp_path / "a.mp4")
    with pytest.raises(CannotOpen, match="holds no picture"):
        count_frames(tmp_path)
