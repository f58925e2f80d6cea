"""Videos get to their places whole, with the frames that were wanted; sources stay unchanged."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionzoo.clip import VideoInfo
from actionzoo.datasets import media
from actionzoo.datasets.media import (
    Placed,
    Placing,
    fitted_size,
    place,
    place_all,
    wanted_times,
    writable_rate,
)
from actionzoo.errors import ConfigError, VideoError
from actionzoo.video import open_video
from videos import number_pixels, read_number, write_pictures, write_video

NAME = "a #1; & (b) <c> 'ä' $x"


def numbers(path: Path) -> list[int]:
    with open_video(path) as video:
        return [read_number(frame.pixels) for frame in video.frames()]


def info(path: Path) -> VideoInfo:
    with open_video(path) as video:
        return video.info


def put(source: Path, target: Path, **options: Any) -> Placed:
    """Put a video at a place, and let it be whole or nothing there."""
    before = None if not source.exists() else source.stat().st_mtime_ns
    placed = place(Placing(source=source, target=target, **options))
    assert before == (None if not source.exists() else source.stat().st_mtime_ns)
    assert target.exists() == (placed.error is None)
    assert [one.name for one in target.parent.iterdir()] == [target.name] * target.exists()
    return placed


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write 30 numbered frames, 30 a second."""
    path = tmp_path_factory.mktemp("source") / f"{NAME}.mp4"
    write_video(path)
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write 12 numbered pictures whose numbers do not start at 1."""
    return write_pictures(tmp_path_factory.mktemp("source") / NAME, range(12), name="p{:d}.jpg")


# as they are


def test_a_file_is_linked_to_the_real_one(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "via.mp4").symlink_to(clip)
    target = tmp_path / "out" / clip.name
    assert put(tmp_path / "via.mp4", target) == Placed()
    assert target.is_symlink()
    assert target.readlink() == clip


def test_a_file_is_linked_hard_or_copied_with_its_time(clip: Path, tmp_path: Path) -> None:
    put(clip, tmp_path / "hard" / "a.mp4", how="hard link")
    assert (tmp_path / "hard/a.mp4").samefile(clip)
    clip.chmod(0o444)
    put(clip, tmp_path / "copy" / "a.mp4", how="copy")
    copied = tmp_path / "copy/a.mp4"
    assert not copied.samefile(clip)
    assert copied.read_bytes() == clip.read_bytes()
    assert copied.stat().st_mtime_ns == clip.stat().st_mtime_ns
    assert os.access(copied, os.W_OK)


@pytest.mark.parametrize("how", ["link", "hard link", "copy"])
def test_a_folder_of_pictures_keeps_their_names(how: str, pictures: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / NAME
    put(pictures, target, how=how)
    assert target.is_symlink() == (how == "link")
    assert numbers(target) == list(range(12))
    assert (target / "p0.jpg").samefile(pictures / "p0.jpg") == (how != "copy")


def test_where_links_are_not_allowed_files_are_copied(
    clip: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EPERM, "no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    monkeypatch.setattr(Path, "hardlink_to", refuse)
    put(clip, tmp_path / "file" / "a.mp4")
    put(pictures, tmp_path / "folder" / "a")
    assert (tmp_path / "file/a.mp4").read_bytes() == clip.read_bytes()
    assert numbers(tmp_path / "folder/a") == list(range(12))


def test_what_is_there_is_kept(clip: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / "a.mp4"
    first = put(clip, target, becomes="file")
    written = target.stat().st_mtime_ns
    assert put(clip, target, becomes="file") == first == Placed(num_frames=30)
    assert target.stat().st_mtime_ns == written


def test_a_link_to_nothing_is_replaced(clip: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / "a.mp4"
    target.parent.mkdir()
    target.symlink_to(tmp_path / "gone.mp4")
    put(clip, target)
    assert target.readlink() == clip


# encoded anew


def test_every_frame_is_encoded_at_the_own_rate(clip: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / clip.name
    assert put(clip, target, becomes="file").num_frames == 30
    assert numbers(target) == list(range(30))
    assert info(target).fps == 30


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".webm", ".mkv"])
def test_from_and_to_every_container(suffix: str, tmp_path: Path) -> None:
    codec = "libvpx-vp9" if suffix == ".webm" else "mpeg4" if suffix == ".avi" else "libx264"
    write_video(tmp_path / f"a{suffix}", range(20), codec=codec, fps=Fraction(30000, 1001))
    target = tmp_path / "out" / f"b{suffix}"
    put(tmp_path / f"a{suffix}", target, becomes="file")
    assert numbers(target) == list(range(20))
    assert info(target).fps == pytest.approx(30000 / 1001, rel=1e-3)


def test_another_rate_shows_what_was_on_screen(clip: Path, tmp_path: Path) -> None:
    slow, fast = tmp_path / "slow" / "a.mp4", tmp_path / "fast" / "a.mp4"
    put(clip, slow, becomes="file", fps=Fraction(10))
    assert numbers(slow) == list(range(0, 30, 3))
    put(clip, fast, becomes="file", fps=Fraction(60))
    # At half an interval the next frame is shown already, as everywhere.
    assert numbers(fast) == [min((number + 1) // 2, 29) for number in range(60)]


def test_a_varying_rate_becomes_the_mean(tmp_path: Path) -> None:
    # Ten frames of 1/20 s and five of 1/10 s: 15 in a second.
    times = [Fraction(n, 20) for n in range(10)] + [Fraction(5 + n, 10) for n in range(5)]
    write_video(tmp_path / "a.mp4", range(15), times=times, time_base=Fraction(1, 1000))
    target = tmp_path / "out" / "a.mp4"
    put(tmp_path / "a.mp4", target, becomes="file")
    rate = info(target).fps
    assert rate == Fraction(14) / Fraction(9, 10)
    shown = [
        max(n for n, time in enumerate(times) if time <= k / rate + Fraction(1, 60))
        for k in range(15)
    ]
    assert numbers(target) == shown


def test_short_side_shrinks_and_the_shape_is_kept(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", range(3), height=96, width=130)
    put(tmp_path / "a.mp4", tmp_path / "small" / "a.mp4", becomes="file", resize=64)
    put(tmp_path / "a.mp4", tmp_path / "large" / "a.mp4", becomes="file", resize=200)
    small, large = info(tmp_path / "small/a.mp4"), info(tmp_path / "large/a.mp4")
    assert (small.height, small.width) == (64, 86)
    assert (large.height, large.width) == (96, 130)
    assert numbers(tmp_path / "small/a.mp4") == [0, 1, 2]


def test_odd_sizes_become_even(tmp_path: Path) -> None:
    write_pictures(tmp_path / "a", range(2), height=65, width=67)
    put(tmp_path / "a", tmp_path / "out" / "a.mp4", becomes="file", source_fps=Fraction(5))
    found = info(tmp_path / "out/a.mp4")
    assert (found.height, found.width, found.fps) == (64, 66, 5)


def test_pictures_become_a_file(pictures: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / "a.avi"
    assert put(pictures, target, becomes="file", source_fps=Fraction(12)).num_frames == 12
    assert numbers(target) == list(range(12))
    assert info(target).fps == 12


# parts


@pytest.mark.parametrize(
    ("start", "end", "wanted"),
    [
        (0.5, 0.8, range(15, 24)),
        (0.333333, 0.666667, range(10, 20)),  # as an annotation rounds 1/3 and 2/3
        (0.34, None, range(11, 30)),
        (None, 0.2, range(6)),
        (0.9, 5.0, range(27, 30)),
        (0.5, 0.501, range(15, 16)),
        (0.98, 0.99, range(29, 30)),
    ],
)
def test_cut_has_exactly_the_frames_that_start_within(
    start: float | None, end: float | None, wanted: range, clip: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out" / "a.mp4"
    put(clip, target, becomes="file", start_seconds=start, end_seconds=end)
    assert numbers(target) == list(wanted)


def test_cut_at_another_rate_counts_from_its_start(clip: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"start_seconds": 0.1, "end_seconds": 0.7, "fps": Fraction(10)}
    put(clip, tmp_path / "out" / "a.mp4", becomes="file", **options)
    assert numbers(tmp_path / "out/a.mp4") == [3, 6, 9, 12, 15, 18]
    assert put(clip, tmp_path / "out2" / "a", becomes="pictures", **options).num_frames == 6
    assert numbers(tmp_path / "out2/a") == [3, 6, 9, 12, 15, 18]


def test_cut_behind_the_end_fails(clip: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"start_seconds": 1.0, "end_seconds": 2.0}
    placed = put(clip, tmp_path / "out" / "a.mp4", becomes="file", **options)
    assert "ends after 1.00 s, before the part that starts at 1.00 s" in str(placed.error)


@given(
    times=st.lists(st.floats(0, 4), min_size=3, max_size=3, unique=True).map(sorted),
    fps=st.sampled_from([Fraction(25), Fraction(30000, 1001), Fraction(12), Fraction(1000, 33)]),
)
def test_cuts_that_meet_share_no_frame_and_leave_none_out(
    times: list[float], fps: Fraction
) -> None:
    whole = _info(fps=fps, duration_seconds=Fraction(100) / fps + 1)
    first, second, third = times
    if min(second - first, third - second) < 1 / fps:
        return  # a part without any frame gets one
    cuts = [
        list(wanted_times(whole, start_seconds=start, end_seconds=end))
        for start, end in ((first, second), (second, third), (first, third))
    ]
    assert cuts[0] + cuts[1] == cuts[2]
    assert all(first - 0.001 <= time < third for time in cuts[2])


def _info(**values: Any) -> VideoInfo:
    facts = {"name": "a", "width": 4, "height": 3, "codec": "h264", "fps": Fraction(30)}
    return VideoInfo(**{**facts, "duration_seconds": Fraction(1), **values})


@given(frames=st.integers(1, 2000), jitter=st.fractions(-1, 1))
def test_whole_video_has_all_its_frames_whatever_the_header_rounds(
    frames: int, jitter: Fraction
) -> None:
    duration = Fraction(frames, 30) + jitter / 1000
    times = wanted_times(_info(duration_seconds=duration))
    assert list(times) == [Fraction(number, 30) for number in range(frames)]


def test_a_header_that_lies_takes_no_memory() -> None:
    times = wanted_times(_info(duration_seconds=Fraction(10**12), fps=Fraction(1000)))
    assert next(times) == 0


@given(
    size=st.tuples(st.integers(2, 5000), st.integers(2, 5000)),
    short_side=st.none() | st.integers(2, 1000),
    step=st.sampled_from([1, 2]),
)
def test_fitted_size_fits(size: tuple[int, int], short_side: int | None, step: int) -> None:
    found = fitted_size(_info(height=size[0], width=size[1]), short_side, step=step)
    assert all(one % step == 0 and 0 < one <= own for one, own in zip(found, size, strict=True))
    assert min(found) == min(short_side or size[0], *size) // step * step or min(size) > min(found)
    scale = min(1, (short_side or min(size)) / min(size))
    assert all(abs(one - own * scale) <= step for one, own in zip(found, size, strict=True))


@given(st.fractions(Fraction(1, 100), Fraction(1000)))
def test_every_rate_can_be_written(fps: Fraction) -> None:
    rate = writable_rate(fps)
    assert rate.numerator <= 60_000
    assert abs(1 / rate - 1 / fps) < Fraction(1, 60_000)


# pictures


def test_frames_are_extracted_under_the_names_of_the_format(clip: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / NAME
    placed = put(clip, target, becomes="pictures", pictures="img_{:05d}.jpg")
    assert placed == Placed(num_frames=30, fps=Fraction(30))
    names = sorted(one.name for one in target.iterdir())
    assert (names[0], names[-1], len(names)) == ("img_00001.jpg", "img_00030.jpg", 30)
    assert numbers(target) == list(range(30))


@pytest.mark.parametrize("how", ["link", "copy"])
def test_pictures_get_other_names(how: str, pictures: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / "a"
    assert put(pictures, target, becomes="pictures", how=how).num_frames == 12
    assert numbers(target) == list(range(12))
    assert (target / "00012.jpg").is_symlink() == (how == "link")
    assert (target / "00012.jpg").read_bytes() == (pictures / "p11.jpg").read_bytes()


def test_pictures_that_have_the_names_are_linked_at_once(pictures: Path, tmp_path: Path) -> None:
    put(pictures, tmp_path / "a" / "a", becomes="pictures", how="copy")
    put(tmp_path / "a" / "a", tmp_path / "b" / "b", becomes="pictures")
    assert (tmp_path / "b/b").readlink() == tmp_path / "a/a"


def test_pictures_are_written_anew_where_they_must(pictures: Path, tmp_path: Path) -> None:
    write_pictures(tmp_path / "png", range(3), name="{}.png", codec="png")
    put(tmp_path / "png", tmp_path / "a" / "a", becomes="pictures")
    assert (tmp_path / "a/a/00001.jpg").read_bytes()[:2] == b"\xff\xd8"
    put(pictures, tmp_path / "b" / "b", becomes="pictures", resize=32)
    assert info(tmp_path / "b/b").height == 32
    rates = {"source_fps": Fraction(12), "fps": Fraction(4)}
    put(pictures, tmp_path / "c" / "c", becomes="pictures", **rates)
    assert numbers(tmp_path / "c/c") == [0, 3, 6, 9]


# what goes wrong


def test_videos_that_cannot_be_read_fail(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "folder").mkdir()
    (tmp_path / "cut.mp4").write_bytes(clip.read_bytes()[:900])
    for name, becomes, reason in (
        ("gone.mp4", "itself", "No such file"),
        ("empty.mp4", "itself", "the file is empty"),
        ("folder", "itself", "holds no picture"),
        ("folder", "pictures", "holds no picture"),
        ("folder", "file", "holds no picture"),
        ("text.mp4", "file", "no video that FFmpeg can read"),
        ("cut.mp4", "pictures", "cannot open"),
        ("a\0b.mp4", "itself", "null byte"),
    ):
        target = tmp_path / f"{becomes}-{ord(name[0])}" / "a.mp4"
        placed = place(Placing(source=tmp_path / name, target=target, becomes=becomes))
        assert isinstance(placed.error, VideoError)
        assert reason in str(placed.error)
        assert repr(str(tmp_path / name)) in str(placed.error)
        assert list(target.parent.iterdir()) == []


def test_what_is_left_of_a_damaged_video_is_written_and_said(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mkv", range(60), gop=6)
    data = (tmp_path / "a.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(data[: len(data) * 2 // 3])
    placed = put(tmp_path / "cut.mkv", tmp_path / "out" / "a.mp4", becomes="file")
    assert placed.num_frames is not None
    assert 20 < placed.num_frames < 50
    assert numbers(tmp_path / "out/a.mp4")[:20] == list(range(20))
    assert "cut.mkv': it ends after" in placed.warnings[0]


def test_a_full_disk_ends_everything(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfile", fill)
    with pytest.raises(ConfigError, match="No space left"):
        put(clip, tmp_path / "out" / "a.mp4", how="copy")


def test_a_name_that_is_too_long_is_one_video_less(clip: Path, tmp_path: Path) -> None:
    placed = place(Placing(source=clip, target=tmp_path / f"{'a' * 300}.mp4", becomes="file"))
    assert "File name too long" in str(placed.error)


def test_an_interruption_leaves_nothing_half(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(pixels: np.ndarray) -> bytes:
        if read_number(pixels) == 5:
            raise KeyboardInterrupt
        return b"picture"

    monkeypatch.setattr(media, "encode_jpeg", interrupt)
    with pytest.raises(KeyboardInterrupt):
        place(Placing(source=clip, target=tmp_path / "a", becomes="pictures"))
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_replaced(clip: Path, tmp_path: Path) -> None:
    write_pictures(tmp_path / "out" / ".a.part", [7], name="99999.jpg")
    put(clip, tmp_path / "out" / "a", becomes="pictures")
    assert numbers(tmp_path / "out/a") == list(range(30))


# many


def jobs(source: Path, folder: Path, becomes: Sequence[media.Becomes]) -> list[Placing]:
    return [
        Placing(source=source, target=folder / f"{number}.mp4", becomes=one)
        for number, one in enumerate(becomes)
    ]


@pytest.mark.parametrize("processes", [1, 2])
def test_all_are_placed_and_counted(processes: int, clip: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    placings = jobs(clip, tmp_path / "out", ["file", "itself", "file", "itself"])
    broken = Placing(source=tmp_path / "gone.mp4", target=tmp_path / "x.mp4", becomes="file")
    found = dict(
        place_all([*placings, broken], processes=processes, progress=lambda *n: seen.append(n))
    )
    assert [found[one].num_frames for one in placings] == [30, None, 30, None]
    assert "gone.mp4" in str(found[broken].error)
    assert seen == [(number, 5) for number in range(1, 6)]


def test_an_interruption_of_processes_leaves_whole_files_only(clip: Path, tmp_path: Path) -> None:
    placings = jobs(clip, tmp_path / "out", ["file", "pictures"] * 20)
    results = place_all(placings, processes=2)
    first, _ = next(results)
    results.close()
    whole = list((tmp_path / "out").iterdir())
    assert first.target in whole
    assert {len(numbers(one)) for one in whole} == {30}
    assert not any(one.name.startswith(".") for one in whole)


def test_pixels_stay_what_they_were(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", range(3))
    put(tmp_path / "a.mp4", tmp_path / "out" / "a.mp4", becomes="file")
    with open_video(tmp_path / "out" / "a.mp4") as video:
        last = list(video.frames())[-1].pixels
    assert np.abs(last.astype(int) - number_pixels(2)).mean() < 4
