"""What one look at a video tells, and every fault by its name."""

from __future__ import annotations

import math
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from actionzoo.video.probing import PICTURE_SECONDS, Inspection, Look, inspect_video, thumbnails
from videos import (
    number_pixels,
    picture_bytes,
    video_bytes,
    with_display_matrix,
    write_pictures,
    write_sound,
    write_video,
)

CONTAINERS: dict[str, dict[str, Any]] = {
    "mp4": {"codec": "libx264", "b_frames": 2},
    "avi": {"codec": "mpeg4"},
    "mkv": {"codec": "libx264"},
    "webm": {"codec": "libvpx-vp9"},
    "ts": {"codec": "mpeg2video"},
    "flv": {"codec": "flv1"},
    "gif": {"codec": "gif", "pix_fmt": "rgb8"},
}
CODECS = {"libx264": "h264", "libvpx-vp9": "vp9", "flv1": "flv"}


def look(path: Path, **options: Any) -> Inspection:
    return inspect_video(Look(path=str(path), **options))


def kinds(found: Inspection) -> list[str]:
    return [fault.kind for fault in found.faults]


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_facts_of_every_container(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    write_video(path, range(40), fps=Fraction(25), **CONTAINERS[suffix])
    for deep in (False, True):
        found = look(path, deep=deep, count=True)
        assert found.faults == ()
        assert (found.width, found.height, found.num_frames) == (64, 64, 40)
        assert found.fps == 25
        assert found.duration_seconds == pytest.approx(1.6, abs=0.002)
        assert found.size_bytes == path.stat().st_size
        encoder = CONTAINERS[suffix]["codec"]
        assert found.codec == CODECS.get(encoder, encoder)
        assert len(found.grey()) == (3 if deep else 2)


def test_pictures_are_taken_at_their_times_and_small(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, range(65), fps=Fraction(25))
    shown = [math.floor(seconds * 25) for seconds in PICTURE_SECONDS if seconds < 65 / 25]
    expected = [number_pixels(number)[2::4, 2::4, 0] for number in shown]
    found = look(path, deep=True).grey().astype(int)
    assert found.shape == (len(shown), 16, 16)
    np.testing.assert_allclose(found, expected, atol=60)  # borders of cells are blurred
    assert (look(path).grey() == found[:2]).all()


def test_frames_are_counted_only_where_no_table_tells_them(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    write_video(path, range(10))
    assert look(path).num_frames is None
    assert look(path, count=True).num_frames == 10


@pytest.mark.parametrize("deep", [False, True])
def test_files_that_are_no_video(deep: bool, tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("404 Not Found\n" * 50)
    write_sound(tmp_path / "sound.mp4")
    (tmp_path / "nothing").mkdir()
    (tmp_path / "dangling.mp4").symlink_to("gone.mp4")
    (tmp_path / "twice.mp4").symlink_to("dangling.mp4")
    (tmp_path / "circle.mp4").symlink_to(tmp_path / "circle.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    expected = {
        "empty.mp4": ("empty", "the file is empty"),
        "text.mp4": ("no-video", "it is no video that FFmpeg can read"),
        "sound.mp4": ("no-video-stream", "it holds no video, only audio"),
        "nothing": ("no-pictures", "there is no picture in the folder"),
        "gone.mp4": ("missing", "there is no such file or folder"),
        "text.mp4/below.mp4": ("missing", "there is no such file or folder"),
        "dangling.mp4": ("missing", "link to 'gone.mp4', and nothing is there"),
        "twice.mp4": ("missing", "link to 'dangling.mp4', and nothing is there"),
        "circle.mp4": ("missing", "circle.mp4', which leads back to itself"),
        "pipe.mp4": ("no-video", "it is neither a file nor a folder"),
        "a\0b.mp4": ("missing", "null"),
        "x" * 300: ("missing", "File name too long"),
    }
    for name, (kind, message) in expected.items():
        found = look(tmp_path / name, deep=deep)
        assert kinds(found) == [kind], name
        assert message in found.faults[0].message
        assert not found.is_readable


def test_what_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, range(3))
    (tmp_path / "folder").mkdir()
    # Nothing is forbidden to root, who may run the tests.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert kinds(look(path)) == ["unreadable"]
    assert kinds(look(tmp_path / "folder")) == ["unreadable"]


def test_a_file_cut_off_is_told_with_and_without_decoding(tmp_path: Path) -> None:
    early = {"movflags": "faststart"}
    for suffix, options in {"mp4": {"container_options": early}, "mkv": {}, "flv": {}}.items():
        path = tmp_path / f"a.{suffix}"
        write_video(path, range(40), fps=Fraction(25), **CONTAINERS[suffix], **options)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) * 7 // 10])
        assert kinds(look(path)) == ["truncated"], suffix
        deep = look(path, deep=True)
        assert kinds(deep)[:2] == ["truncated", "ends-early"], suffix
        assert deep.duration_seconds is not None
        assert deep.duration_seconds < 1.5
        assert "not 1.60 s" in deep.faults[1].message


def test_an_end_without_frames_is_told_apart_by_decoding(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    write_video(path, range(40))
    path.write_bytes(path.read_bytes()[:-5])
    assert kinds(look(path)) == ["truncated"]
    assert kinds(look(path, deep=True)) == ["incomplete"]


def test_an_index_that_leads_past_the_end_is_told(tmp_path: Path) -> None:
    path, lost = tmp_path / "a.mp4", 400
    write_video(path, range(40), container_options={"movflags": "faststart"})
    data = path.read_bytes()
    place = data.index(b"mdat")
    shorter = (int.from_bytes(data[place - 4 : place], "big") - lost).to_bytes(4, "big")
    path.write_bytes(data[: place - 4] + shorter + data[place:-lost])
    assert kinds(look(path)) == ["truncated"]
    assert "of its 40 frames lie past its end" in look(path).faults[0].message


def test_damage_on_the_way_is_found_by_decoding(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, range(40), fps=Fraction(25), gop=5)
    spoilt = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        table = container.streams.video[0].index_entries
        packet = table[30]
        assert packet.is_keyframe
    spoilt[packet.pos + 5 : packet.pos + packet.size] = b"\xff" * (packet.size - 5)
    path.write_bytes(spoilt)
    assert look(path).faults == ()
    assert kinds(look(path, deep=True)) == ["damaged"]
    assert "of 40 packets could not be decoded" in look(path, deep=True).faults[0].message


def test_turned_videos_are_noted_and_tilted_ones_doubted(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    data = video_bytes(height=32, width=64)
    path.write_bytes(with_display_matrix(data, (0, 1, -1, 0)))
    found = look(path)
    assert kinds(found) == ["rotated"]
    assert (found.rotation, found.width, found.height) == (270, 32, 64)
    path.write_bytes(with_display_matrix(data, (1, 1, -1, 1)))
    assert kinds(look(path)) == ["tilted"]


def test_odd_rates_are_noted(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", range(20), fps=Fraction(500))
    assert kinds(look(tmp_path / "a.mp4")) == ["odd-rate"]


def test_folders_of_pictures(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "a", range(30))
    found = look(folder, deep=True, fps=Fraction(12))
    assert found.faults == ()
    assert (found.num_frames, found.duration_seconds, found.codec) == (30, 2.5, "mjpeg")
    assert found.size_bytes == sum(one.stat().st_size for one in folder.iterdir())
    expected = [number_pixels(number)[2::4, 2::4, 0] for number in (0, 5, 14, 29)]
    np.testing.assert_allclose(found.grey().astype(int), expected, atol=60)
    assert look(folder).fps is None


def test_broken_pictures_are_counted_and_one_is_named(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "a", range(30))
    (folder / "img_00007.jpg").write_bytes(b"")
    (folder / "img_00009.jpg").write_text("no picture")
    cut = folder / "img_00011.jpg"
    cut.write_bytes(cut.read_bytes()[:-2])
    (folder / "img_00013.jpg").write_bytes(picture_bytes(number_pixels(1, 32, 64)))
    assert look(folder).faults[0].message.startswith("1 of 30 pictures cannot be used")
    found = look(folder, deep=True)
    assert kinds(found) == ["undecodable"]
    assert found.faults[0].message == ("4 of 30 pictures cannot be used; 'img_00007.jpg' is empty")
    (folder / "img_00000.jpg").write_text("no picture")
    assert "'img_00000.jpg'" in look(folder).faults[0].message
    assert str(tmp_path) not in look(folder).faults[0].message


def test_thumbnails_are_three_frames_or_none(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, [1, 2, 3, 4, 5], height=200, width=320)
    data = thumbnails(Look(path=str(path)))
    assert data is not None
    (tmp_path / "a.jpg").write_bytes(data)
    with av.open(str(tmp_path / "a.jpg")) as picture:
        (frame,) = picture.decode(video=0)
        assert (frame.width, frame.height) == (3 * 134, 84)
    path.write_text("no video")
    assert thumbnails(Look(path=str(path))) is None
