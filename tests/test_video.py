from __future__ import annotations

import io
import os
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionzoo.clip import Frame
from actionzoo.errors import CannotDecode, CannotOpen, VideoError
from actionzoo.video import EndedEarly, Source, container, open_video, pictures
from videos import (
    number_pixels,
    picture_bytes,
    read_number,
    video_bytes,
    with_display_matrix,
    write_pictures,
    write_sound,
    write_video,
)

FPS = Fraction(30)


def numbers(frames: Iterable[Frame]) -> list[int]:
    return [read_number(frame.pixels) for frame in frames]


def times(*indices: int, fps: Fraction = FPS) -> list[Fraction]:
    return [index / fps for index in indices]


def numbers_of(source: Source) -> list[int]:
    with open_video(source) as video:
        return numbers(video.frames())


# Which frames arrive.

CODECS = [
    ("libx264", "mp4", "yuv420p", 0),
    ("libx264", "mov", "yuv420p", 3),
    ("libx264", "mkv", "yuv420p10le", 2),
    ("libx264", "avi", "yuv420p", 2),
    ("libx264", "flv", "yuv420p", 0),
    ("libx264", "ts", "yuv420p", 2),
    ("libx264", "h264", "yuv420p", 2),
    ("libx265", "mp4", "yuv420p10le", 3),
    ("libx265", "hevc", "yuv420p", 2),
    ("libvpx", "webm", "yuv420p", 0),
    ("libvpx-vp9", "webm", "yuv420p", 0),
    ("libsvtav1", "mp4", "yuv420p10le", 0),
    ("libsvtav1", "ivf", "yuv420p", 0),
    ("mpeg4", "avi", "yuv420p", 0),
    ("mpeg4", "avi", "yuv420p", 2),
    ("mpeg4", "mp4", "yuv420p", 2),
    ("mpeg2video", "mpg", "yuv420p", 2),
    ("mpeg2video", "ts", "yuv420p", 2),
    ("mpeg1video", "mpg", "yuv420p", 0),
    ("wmv2", "wmv", "yuv420p", 0),
    ("msmpeg4v3", "avi", "yuv420p", 0),
    ("flv", "flv", "yuv420p", 0),
    ("prores", "mov", "yuv422p10le", 0),
    ("mjpeg", "avi", "yuvj420p", 0),
    ("png", "avi", "rgb24", 0),
    ("apng", "apng", "rgb24", 0),
    ("ffv1", "mkv", "gray", 0),
    ("ffv1", "avi", "yuv444p", 0),
    ("rawvideo", "avi", "yuv420p", 0),
    ("gif", "gif", "rgb8", 0),
]


@pytest.mark.parametrize(("codec", "suffix", "pix_fmt", "b_frames"), CODECS)
def test_every_codec_delivers_every_frame_at_its_time(
    tmp_path: Path, codec: str, suffix: str, pix_fmt: str, b_frames: int
) -> None:
    path = tmp_path / f"clip.{suffix}"
    write_video(path, range(30), codec=codec, pix_fmt=pix_fmt, b_frames=b_frames)
    with open_video(path) as video:
        info = video.info
        frames = list(video.frames())
        assert numbers(frames) == list(range(30))
        off = max(abs(frame.pts_seconds - k / FPS) for k, frame in enumerate(frames))
        # A gif counts in hundredths of a second, flv and matroska in thousandths.
        assert off <= Fraction(1, 150)
        assert numbers(video.read(times(13, 13, 14, 20, 29))) == [13, 13, 14, 20, 29]
        assert numbers(video.read(times(0, 29))) == [0, 29]
        assert video.warnings == []
    assert (info.width, info.height, info.fps) == (64, 64, 30)
    assert abs(info.duration_seconds - 1) <= Fraction(1, 30)


@pytest.mark.parametrize("gop", [1, 12, 300])
@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        ("mp4", "libx264"),
        ("mkv", "libx264"),
        ("avi", "libx264"),
        ("ts", "libx264"),
        ("flv", "libx264"),
        ("mp4", "libx265"),  # pictures before a keyframe in time may follow it in the file
        ("mkv", "libx265"),
        ("avi", "mpeg4"),
        ("ts", "mpeg2video"),
        ("webm", "libvpx-vp9"),
    ],
)
def test_clips_are_found_wherever_the_keyframes_are(
    tmp_path: Path, suffix: str, codec: str, gop: int
) -> None:
    path = tmp_path / f"clip.{suffix}"
    b_frames = 0 if gop == 1 or codec == "libvpx-vp9" else 2
    write_video(path, range(300), codec=codec, gop=gop, b_frames=b_frames)
    indices = [50, 52, 54, 150, 156, 157, 158, 250, 290, 299]
    with open_video(path) as video:
        assert numbers(video.read(times(*indices))) == indices
        assert numbers(video.read(times(*indices))) == indices


def test_25_30_and_60_fps_copies_show_the_same_at_the_same_time(tmp_path: Path) -> None:
    seen = []
    for fps in (25, 30, 60):
        # One scene every fifth of a second: all three rates have a frame where it begins.
        scenes = [5 * index // fps for index in range(2 * fps)]
        path = tmp_path / f"{fps}.mp4"
        write_video(path, scenes, fps=Fraction(fps))
        with open_video(path) as video:
            assert video.info.duration_seconds == 2
            seen.append(numbers(video.read(times(*range(60)))))
    assert seen[0] == seen[1] == seen[2] == [index // 6 for index in range(60)]


def test_a_screen_recording_shows_what_was_on_screen(tmp_path: Path) -> None:
    starts = [Fraction(start) / 100 for start in (0, 3, 150, 160, 480)]
    path = tmp_path / "screen.mp4"
    write_video(path, range(5), times=starts, time_base=Fraction(1, 100))
    asked = [Fraction(t) / 100 for t in (0, 2, 4, 100, 147, 149, 155, 170, 470, 482)]
    with open_video(path) as video:
        frames = list(video.read(asked))
    assert numbers(frames) == [0, 1, 1, 1, 1, 2, 2, 3, 3, 4]
    assert frames[3].pts_seconds == Fraction(3, 100)


RANDOM_STEPS = random.Random(0).choices([1, 2, 3, 10, 33, 34, 200], k=60)
RANDOM_STARTS = [Fraction(sum(RANDOM_STEPS[:index]), 1000) for index in range(60)]


@pytest.fixture(scope="module")
def vfr_clip() -> bytes:
    return video_bytes(
        "matroska", numbers=range(60), times=RANDOM_STARTS, time_base=Fraction(1, 1000), gop=7
    )


@given(asked=st.lists(st.integers(0, 2600), max_size=6))
def test_the_frame_shown_is_the_last_that_has_begun(vfr_clip: bytes, asked: list[int]) -> None:
    wanted = [Fraction(t, 1000) for t in sorted(asked)]
    with open_video(vfr_clip) as video:
        tolerance = min(1 / video.info.fps / 2, Fraction(1, 60))  # type: ignore[operator]
        wanted = [time for time in wanted if time < RANDOM_STARTS[-1]]
        shown = [sum(start <= t + tolerance for start in RANDOM_STARTS) - 1 for t in wanted]
        assert numbers(video.read(wanted)) == shown


def test_milliseconds_of_matroska_never_pick_the_neighbour(tmp_path: Path) -> None:
    fps = Fraction(30000, 1001)
    path = tmp_path / "ntsc.mkv"
    write_video(path, range(300), fps=fps, gop=300)
    with open_video(path) as video:
        assert video.info.fps == fps
        assert numbers(video.read(times(*range(300), fps=fps))) == list(range(300))


# How much is decoded and converted.


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    counted = {"packets": 0, "converted": 0}
    decode = container.ContainerVideo._decode
    convert = pictures.Converter.__call__

    def counting_decode(self: Any, packet: Any) -> Any:
        counted["packets"] += packet is not None and packet.size > 0
        return decode(self, packet)

    def counting_convert(self: Any, *args: Any) -> Any:
        counted["converted"] += 1
        return convert(self, *args)

    monkeypatch.setattr(container.ContainerVideo, "_decode", counting_decode)
    monkeypatch.setattr(pictures.Converter, "__call__", counting_convert)
    return counted


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_decoding_goes_from_keyframe_to_last_wanted_frame(
    tmp_path: Path, suffix: str, counts: dict[str, int]
) -> None:
    path = tmp_path / f"clip.{suffix}"
    write_video(path, range(300), gop=50)
    with open_video(path) as video:
        assert numbers(video.read(times(155, 157, 157, 160))) == [155, 157, 157, 160]
    # The first frame of the file; from the keyframe 150 to 160; one more, to know that 160 is over.
    assert counts == {"packets": 1 + 11 + 1, "converted": 3}


def test_distant_clips_are_reached_by_seeking(tmp_path: Path, counts: dict[str, int]) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, range(300), gop=30)
    with open_video(path) as video:
        assert numbers(video.read(times(60, 61, 150, 271))) == [60, 61, 150, 271]
    # The first frame, then 60 to 62, 150 and 151, 270 to 272: one more than wanted each time.
    assert counts["packets"] == 1 + 3 + 2 + 3


def test_long_streams_without_a_table_are_reached_by_seeking(
    tmp_path: Path, counts: dict[str, int]
) -> None:
    path = tmp_path / "clip.ts"
    write_video(path, range(1200), gop=30, height=32, width=32)
    with open_video(path) as video:
        indices = [600, 601, 1150]
        assert numbers(video.read(times(*indices))) == indices
    assert counts["packets"] < 400


@pytest.mark.parametrize(("codec", "pix_fmt"), [("gif", "rgb8"), ("apng", "rgb24")])
def test_pictures_that_build_on_all_before_are_decoded_from_the_start(
    tmp_path: Path, codec: str, pix_fmt: str
) -> None:
    path = tmp_path / f"clip.{codec}"
    write_video(path, range(900), codec=codec, pix_fmt=pix_fmt)
    with open_video(path) as video:
        assert numbers(video.read(times(401, 802))) == [401, 802]


def test_memory_stays_flat_over_a_long_video(tmp_path: Path) -> None:
    statm = Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("resident memory is read from /proc")
    path = tmp_path / "long.mp4"
    # Held pictures would come to 350 MB.
    write_video(path, (k % 4096 for k in range(6000)), height=120, width=160, gop=250)
    resident = []
    with open_video(path) as video:
        for index, frame in enumerate(video.frames()):
            if index % 500 == 499:
                assert read_number(frame.pixels) == index % 4096
                resident.append(int(statm.read_text().split()[1]) * 4096)
    assert max(resident) - resident[0] < 16e6


def test_memory_does_not_grow_with_the_number_of_videos() -> None:
    statm = Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("resident memory is read from /proc")
    clip = with_display_matrix(video_bytes(numbers=[1], height=720, width=1280), (0, 1, -1, 0))
    resident = []
    for _ in range(120):
        with open_video(clip) as video:
            list(video.read([Fraction(0)], (90, 50)))
        resident.append(int(statm.read_text().split()[1]) * 4096)
    # Held pictures would come to 1.4 MB each.
    assert max(resident) - resident[20] < 20e6


# Sizes, shapes and colours.


@pytest.mark.parametrize(("height", "width"), [(16, 16), (17, 33), (51, 35), (720, 1280)])
def test_odd_sizes_are_scaled_to_any_other(height: int, width: int) -> None:
    clip = video_bytes(numbers=[5, 6], height=height, width=width, pix_fmt="yuv444p")
    with open_video(clip) as video:
        assert (video.info.height, video.info.width) == (height, width)
        assert [frame.pixels.shape for frame in video.frames()] == [(height, width, 3)] * 2
        assert numbers(video.frames()) == [5, 6]
        assert numbers(video.frames((37, 91))) == [5, 6]
        assert next(video.frames((37, 91))).pixels.shape == (37, 91, 3)


def test_8k_is_read() -> None:
    clip = video_bytes(
        "avi", numbers=[9], codec="mjpeg", height=4320, width=7680, pix_fmt="yuvj420p"
    )
    with open_video(clip) as video:
        assert (video.info.height, video.info.width) == (4320, 7680)
        assert numbers(video.frames((90, 160))) == [9]


def test_an_absurd_size_in_a_header_is_refused() -> None:
    data = bytearray(picture_bytes(number_pixels(1), "png"))
    data[16:24] = struct.pack(">2I", 60000, 60000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    with pytest.raises(VideoError, match="'<bytes>'"):
        open_video(bytes(data))


# How a stored picture is turned by a matrix of a, b, c and d (x' = a x + c y, y' = b x + d y).
TURNS: list[tuple[tuple[int, int, int, int], Callable[[np.ndarray], np.ndarray]]] = [
    ((1, 0, 0, 1), lambda pixels: pixels),
    ((0, 1, -1, 0), lambda pixels: np.rot90(pixels, 1)),
    ((-1, 0, 0, -1), lambda pixels: np.rot90(pixels, 2)),
    ((0, -1, 1, 0), lambda pixels: np.rot90(pixels, 3)),
    ((-1, 0, 0, 1), lambda pixels: pixels[:, ::-1]),
    ((0, 1, 1, 0), lambda pixels: pixels.transpose(1, 0, 2)),
    ((0, -1, -1, 0), lambda pixels: np.rot90(pixels, 2).transpose(1, 0, 2)),
]


@pytest.mark.parametrize(("matrix", "stored"), TURNS)
def test_phone_videos_stand_upright(
    matrix: tuple[int, int, int, int], stored: Callable[[np.ndarray], np.ndarray]
) -> None:
    shape = stored(number_pixels(0, 48, 96)).shape

    def draw(number: int, height: int, width: int) -> np.ndarray:
        return np.ascontiguousarray(stored(number_pixels(number, 48, 96)))

    clip = video_bytes(numbers=[300, 301], height=shape[0], width=shape[1], draw=draw)
    with open_video(with_display_matrix(clip, matrix)) as video:
        assert (video.info.height, video.info.width) == (48, 96)
        assert numbers(video.frames()) == [300, 301]
        assert numbers(video.frames((50, 70))) == [300, 301]


@pytest.mark.parametrize("aspect", [Fraction(4, 3), Fraction(16, 15), Fraction(1, 2)])
def test_pixels_become_square(aspect: Fraction) -> None:
    clip = video_bytes("matroska", numbers=[7], height=64, width=48, aspect=aspect)
    with open_video(clip) as video:
        assert (video.info.height, video.info.width) == (64, round(48 * aspect))
        assert next(video.frames()).pixels.shape == (64, round(48 * aspect), 3)


COLOURS = np.array(
    [[255, 0, 0], [0, 255, 0], [0, 0, 255], [200, 100, 50], [255, 255, 255], [16, 16, 16]], np.uint8
)


@pytest.mark.parametrize("bits", ["yuv420p", "yuv420p10le"])
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", ["ITU709", "ITU601"])
def test_colours_are_those_that_were_recorded(matrix: str, full_range: bool, bits: str) -> None:
    pixels = np.repeat(COLOURS[None], 64, axis=0).repeat(16, axis=1)  # (64, 96, 3)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as output:
        stream: Any = output.add_stream("libx264", rate=30, options={"crf": "2"})
        stream.height, stream.width, stream.pix_fmt = 64, 96, bits
        stream.codec_context.colorspace = {"ITU709": 1, "ITU601": 5}[matrix]
        stream.codec_context.color_range = 2 if full_range else 1
        picture = av.VideoFrame.from_ndarray(pixels, "rgb24")
        picture = picture.reformat(
            format=bits, dst_colorspace=matrix, dst_color_range="JPEG" if full_range else "MPEG"
        )
        output.mux(stream.encode(picture))
        output.mux(stream.encode())
    with open_video(buffer) as video:
        seen = next(video.frames((32, 48))).pixels[16, 4::8]
    assert np.abs(seen.astype(int) - COLOURS).max() <= 6


def test_interlaced_frames_show_one_moment() -> None:
    def weave(number: int, height: int, width: int) -> np.ndarray:
        pixels = number_pixels(number, height, width)
        pixels[1::2] = number_pixels(4095 - number, height, width)[1::2]  # the other field: inverse
        return pixels

    clip = video_bytes(
        "matroska",
        numbers=range(8),
        options={"x264-params": "interlaced=1", "preset": "fast"},
        draw=weave,
    )
    with open_video(clip) as video:
        assert numbers(video.frames()) == list(range(8))
        assert numbers(video.frames((32, 48))) == list(range(8))


# Times that are not as they should be.


@pytest.mark.parametrize(
    ("container", "start"),
    [("matroska", Fraction(-1)), ("matroska", Fraction(10)), ("mpegts", Fraction(10))],
)
def test_times_count_from_the_first_frame(container: str, start: Fraction) -> None:
    clip = video_bytes(
        container,
        numbers=range(30),
        times=[start + index / FPS for index in range(30)],
        time_base=Fraction(1, 600),
        container_options={"avoid_negative_ts": "disabled"},
    )
    with open_video(clip) as video:
        assert abs(video.info.duration_seconds - 1) <= Fraction(1, 29)
        assert next(video.frames()).pts_seconds == 0
        assert numbers(video.read(times(0, 10, 29))) == [0, 10, 29]


def test_time_stamps_that_are_all_zero_are_replaced() -> None:
    data = bytearray(video_bytes("mp4", numbers=range(30)))
    at = data.index(b"stts") + 8
    assert struct.unpack(">2I", data[at : at + 8]) == (1, 30)
    data[at + 8 : at + 12] = struct.pack(">I", 0)
    with open_video(bytes(data)) as video:
        assert numbers(video.frames()) == list(range(30))
        assert numbers(video.read([video.info.duration_seconds / 2])) == [15]


def test_time_stamps_that_start_again_go_on() -> None:
    part = video_bytes("mpegts", numbers=range(30), gop=10)
    other = video_bytes("mpegts", numbers=range(30, 60), gop=10)
    with open_video(part + other) as video:
        frames = list(video.frames())
    starts = [frame.pts_seconds for frame in frames]
    assert numbers(frames) == list(range(60))
    assert starts == sorted(set(starts))


def test_a_wrong_frame_count_in_an_avi_header_is_found_out() -> None:
    data = bytearray(video_bytes("avi", numbers=range(30), codec="mpeg4"))
    at = data.index(b"strh") + 8 + 32  # dwLength of the stream
    assert struct.unpack("<I", data[at : at + 4]) == (30,)
    for lie in (3, 3000):
        data[at : at + 4] = struct.pack("<I", lie)
        with open_video(bytes(data)) as video:
            assert video.info.duration_seconds == 1
            assert numbers(video.read(times(3, 29))) == [3, 29]


@pytest.mark.parametrize("factor", [Fraction(1, 10), Fraction(10)])
def test_a_wrong_duration_in_an_mp4_header_is_found_out(factor: Fraction) -> None:
    data = bytearray(video_bytes("mp4", numbers=range(30)))
    at = data.index(b"mdhd") + 4 + 4 + 12
    (duration,) = struct.unpack(">I", data[at : at + 4])
    data[at : at + 4] = struct.pack(">I", int(duration * factor))
    with open_video(bytes(data)) as video:
        assert video.info.duration_seconds == 1


def test_a_header_that_promises_too_much_ends_early_and_can_be_read_again() -> None:
    data = bytearray(video_bytes("matroska", numbers=range(30)))
    at = data.index(b"\x44\x89\x88") + 3
    assert struct.unpack(">d", data[at : at + 8]) == (1000.0,)
    data[at : at + 8] = struct.pack(">d", 50_000.0)
    data = data.replace(b"DURATION", b"XURATION")
    with open_video(bytes(data)) as video:
        assert video.info.duration_seconds == 50
        with pytest.raises(EndedEarly, match=r"ends after 1\.00 s, not 50\.00 s") as early:
            numbers(video.read([Fraction(25)]))
        assert abs(early.value.duration_seconds - 1) < Fraction(1, 100)
        assert numbers(video.read(times(7, 29))) == [7, 29]
        assert video.warnings == ["it ends after 1.00 s, not 50.00 s"]


class OneWay(io.RawIOBase):
    """A file object that can go neither back nor forth, as a pipe."""

    def __init__(self, data: bytes = b"") -> None:
        self.stream = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self.stream.readinto(buffer)

    def write(self, data: Any) -> int:
        return self.stream.write(data)

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False


@pytest.mark.parametrize("container", ["matroska", "flv", "mpegts"])
def test_a_streamed_file_without_duration_is_counted(container: str) -> None:
    pipe = OneWay()
    write_video(pipe, range(30), container=container)
    with open_video(pipe.stream.getvalue()) as video:
        assert abs(video.info.duration_seconds - 1) <= Fraction(1, 30)
        assert numbers(video.read(times(0, 17, 29))) == [0, 17, 29]


def test_a_fragmented_mp4_is_read_to_its_end() -> None:
    clip = video_bytes(
        "mp4",
        numbers=range(60),
        container_options={"movflags": "frag_keyframe+empty_moov+default_base_moof"},
    )
    with open_video(clip) as video:
        assert video.info.duration_seconds == 2
        assert numbers(video.read(times(0, 31, 59))) == [0, 31, 59]


def test_one_frame_is_a_video(tmp_path: Path) -> None:
    for suffix in ("mp4", "mkv", "avi", "gif", "ts"):
        path = tmp_path / f"one.{suffix}"
        codec, pix_fmt = ("gif", "rgb8") if suffix == "gif" else ("mpeg4", "yuv420p")
        write_video(path, [77], codec=codec, pix_fmt=pix_fmt)
        with open_video(path) as video:
            assert numbers(video.read([Fraction(0), video.info.duration_seconds / 2])) == [77, 77]
    assert numbers_of(picture_bytes(number_pixels(78))) == [78]


# Where a video comes from.


def test_bytes_and_file_objects(tmp_path: Path) -> None:
    data = video_bytes("mp4", numbers=range(30))
    path = tmp_path / "clip.mp4"
    path.write_bytes(data)
    assert numbers_of(data) == numbers_of(io.BytesIO(data)) == list(range(30))
    assert numbers_of(OneWay(data)) == list(range(30))  # type: ignore[arg-type]
    with path.open("rb") as file:
        assert numbers_of(file) == list(range(30))
        assert not file.closed
    with open_video(data) as video:
        assert video.info.name == "<bytes>"


@pytest.mark.parametrize(
    "name",
    ["a b", "it's", 'say "x"', "two\nlines", "\U0001f3c3", "-rf", "file:x", "a%03d", "concat:a|b"],
)
def test_names_are_only_names(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(video_bytes(numbers=range(3)))
    assert numbers_of(name) == [0, 1, 2]
    Path(name).write_bytes(b"no video")
    with pytest.raises(CannotOpen) as error:
        open_video(name)
    assert repr(name) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_url_is_read_like_a_file(tmp_path: Path, serve: str) -> None:
    indices = [5, 50, 280]
    for suffix in ("mp4", "mkv", "avi"):
        write_video(tmp_path / f"clip.{suffix}", range(300))
        for address in (f"{serve}clip.{suffix}", f"{serve}whole/clip.{suffix}"):
            with open_video(address) as video:
                assert video.info.name == address
                assert abs(video.info.duration_seconds - 10) < Fraction(1, 100)
                assert numbers(video.read(times(*indices))) == indices


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("404/", "404"),
        ("403/", "403"),
        ("500/", "5XX"),
        ("stall/", "nothing came for 0.3 s"),
    ],
)
def test_an_address_that_fails_says_how(
    tmp_path: Path, serve: str, fault: str, reason: str
) -> None:
    write_video(tmp_path / "clip.mp4", range(30))
    with pytest.raises(CannotOpen, match=reason) as error:
        open_video(f"{serve}{fault}clip.mp4", timeout_seconds=0.3)
    assert repr(f"{serve}{fault}clip.mp4") in str(error.value)


def test_a_connection_that_breaks_off_says_so(tmp_path: Path, serve: str) -> None:
    write_video(tmp_path / "clip.mkv", range(3000), height=128, width=128)
    with open_video(f"{serve}cut/clip.mkv") as video:
        assert read_number(next(video.frames()).pixels) == 0
        with pytest.raises(CannotDecode, match=r"cannot read 'http://.*cut/clip.mkv' on: "):
            list(video.read([Fraction(99)]))


def test_a_connection_that_stalls_at_a_seek_says_so(tmp_path: Path, serve: str) -> None:
    front = {"movflags": "faststart"}
    write_video(tmp_path / "a.mp4", range(600), height=360, width=640, container_options=front)
    with open_video(f"{serve}late/a.mp4", timeout_seconds=0.3) as video:
        assert numbers(video.read(times(0))) == [0]
        with pytest.raises(CannotDecode, match=r"a\.mp4' on: nothing came for 0\.3 s"):
            numbers(video.read(times(590)))


def test_a_table_of_keyframes_that_does_not_come_is_done_without(
    tmp_path: Path, serve: str
) -> None:
    write_video(tmp_path / "a.mkv", range(600), height=360, width=640)
    with open_video(f"{serve}late/a.mkv", timeout_seconds=0.3) as video:
        assert numbers(video.read(times(0, 590))) == [0, 590]


def test_unknown_hosts_and_protocols(tmp_path: Path) -> None:
    for address in ("http://127.0.0.1:9/clip.mp4", "gopher://x/clip.mp4", "file:///clip.mp4"):
        with pytest.raises(CannotOpen, match=address):
            open_video(address, timeout_seconds=1)


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("img_{:05d}.jpg", "mjpeg"),
        ("{:05d}.JPEG", "mjpeg"),
        ("frame{}.png", "png"),
        ("{}.bmp", "bmp"),
        ("2026-01-02 at {:02d}.webp", "libwebp"),
    ],
)
def test_a_folder_of_pictures_is_a_video(tmp_path: Path, name: str, codec: str) -> None:
    write_pictures(tmp_path, range(12), name=name, codec=codec)
    (tmp_path / ".hidden.jpg").write_bytes(b"")
    (tmp_path / "labels.csv").write_text("no picture")
    with open_video(tmp_path, fps=Fraction(4)) as video:
        assert numbers(video.frames()) == list(range(12))
        assert numbers(video.read([Fraction(1), Fraction(11, 4)], (40, 50))) == [4, 11]
        assert video.info.duration_seconds == 3
        assert video.info.fps == 4
    with open_video(tmp_path) as video:
        assert video.info.fps is None
        assert video.info.duration_seconds == Fraction(12, 30)


@pytest.mark.parametrize("codec", ["mjpeg", "png", "bmp", "libwebp"])
@pytest.mark.parametrize("side", [16, 100, 250])
def test_pictures_of_all_sizes_are_read(codec: str, side: int, tmp_path: Path) -> None:
    """FFmpeg doubts what a file is whose first two thousand bytes are tables, or are noise."""
    rng = np.random.default_rng(side)
    pixels = rng.integers(0, 256, (side, side + 6, 3), dtype=np.uint8)
    suffix = {"mjpeg": "jpg", "libwebp": "webp"}.get(codec, codec)
    (tmp_path / f"1.{suffix}").write_bytes(picture_bytes(pixels, codec))
    with open_video(tmp_path) as video:
        assert next(video.frames()).pixels.shape == pixels.shape


def test_only_the_wanted_pictures_of_a_folder_are_opened(tmp_path: Path) -> None:
    write_pictures(tmp_path, range(9))
    (tmp_path / "img_00004.jpg").write_bytes(b"no picture")
    with open_video(tmp_path, fps=Fraction(1)) as video:
        assert numbers(video.read([Fraction(3), Fraction(5)])) == [3, 5]
        with pytest.raises(VideoError, match=r"img_00004\.jpg"):
            list(video.frames())


def test_pictures_of_two_shapes_are_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path, range(3), width=96)
    write_pictures(tmp_path, [3], name="img_1.jpg", height=128, width=192)
    with open_video(tmp_path) as video:
        assert numbers(video.frames()) == [0, 3, 1, 2]  # the same shape, twice as large
    write_pictures(tmp_path, [4], name="img_2.jpg")
    with (
        open_video(tmp_path) as video,
        pytest.raises(VideoError, match=r"img_2\.jpg' is 64x64 .*img_00000\.jpg' is 96x64"),
    ):
        list(video.frames((64, 64)))


def test_a_photograph_stands_upright(tmp_path: Path) -> None:
    pixels = np.ascontiguousarray(np.rot90(number_pixels(5, 48, 96)))
    jpeg = picture_bytes(pixels)
    turned_right = struct.pack("<4sI H HHII I", b"II*\0", 8, 1, 0x112, 3, 1, 6, 0)
    segment = b"Exif\0\0" + turned_right
    head = b"\xff\xd8\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment
    (tmp_path / "1.jpg").write_bytes(head + jpeg[2:])
    with open_video(tmp_path) as video:
        assert (video.info.height, video.info.width) == (48, 96)
        assert numbers(video.frames()) == [5]


# What is no video.


def test_what_cannot_be_opened_says_why(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("this is no video\n" * 100)
    (tmp_path / "notes.txt").write_text("FFmpeg would draw this text as a picture\n" * 100)
    with zipfile.ZipFile(tmp_path / "zip.mp4", "w") as archive:
        archive.writestr("a.txt", "x" * 1000)
    write_sound(tmp_path / "sound.mp4")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe.mp4")
    for name, reason in {
        "missing.mp4": "No such file",
        "empty.mp4": "the file is empty",
        "text.mp4": "it is no video that FFmpeg can read",
        "notes.txt": "it is no video that FFmpeg can read",
        "zip.mp4": "it is no video that FFmpeg can read",
        "sound.mp4": "it holds no video, only audio",
        "pipe.mp4": "it is neither a file nor a folder",
        "folder": "holds no picture",
        "nul\0.mp4": "null",
    }.items():
        with pytest.raises(CannotOpen, match=reason) as error:
            open_video(tmp_path / name)
        assert repr(str(tmp_path / name)) in str(error.value)
    with pytest.raises(CannotOpen):
        open_video(b"")


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as output:
        sound: Any = output.add_stream("aac", rate=44100, layout="mono")
        cover: Any = output.add_stream("mjpeg", rate=1)
        cover.height, cover.width, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = 1024  # attached picture
        frame = av.VideoFrame.from_ndarray(number_pixels(1), "rgb24").reformat(format="yuvj420p")
        output.mux(cover.encode(frame))
        output.mux(cover.encode())
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        silence.rate = 44100
        output.mux(sound.encode(silence))
        output.mux(sound.encode())
    with pytest.raises(CannotOpen, match="it holds no video, only audio"):
        open_video(path)


def test_a_forbidden_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, range(2))
    path.chmod(0)
    me = os.geteuid()
    if me == 0:
        for folder in tmp_path.parents[:3]:
            folder.chmod(0o755)
        os.seteuid(65534)  # the superuser may read everything
    try:
        with pytest.raises(CannotOpen, match="Permission denied"):
            open_video(path)
    finally:
        os.seteuid(me)


def test_a_playlist_reaches_no_other_file(tmp_path: Path) -> None:
    write_video(tmp_path / "secret.ts", range(30))
    hls = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\nsecret.ts\n#EXT-X-ENDLIST\n"
    concat = "ffconcat version 1.0\nfile secret.ts\n"
    for name, text in {"a.m3u8": hls, "b.mp4": hls, "c.ffconcat": concat, "d.mp4": concat}.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(CannotOpen):
            open_video(tmp_path / name)
        with pytest.raises(CannotOpen):
            open_video(text.encode())


# What is damaged.


@pytest.mark.parametrize("suffix", ["avi", "mp4", "mkv", "ts"])
def test_half_a_file_gives_half_the_frames(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"clip.{suffix}"
    front = {"movflags": "faststart"} if suffix == "mp4" else {}
    write_video(path, range(300), gop=10, container_options=front)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with open_video(path) as video:
        seen = numbers(video.frames())
        assert seen[:-1] == list(range(len(seen) - 1))  # the last may be cut through
        assert 100 < len(seen) < 200
        claimed = video.info.duration_seconds
        try:
            numbers(video.read([claimed - 1 / FPS]))
        except EndedEarly as early:
            claimed = early.duration_seconds
        assert abs(claimed * FPS - len(seen)) <= 2
        last = int(claimed * FPS) - 3
        assert numbers(video.read(times(0, 50, last))) == [0, 50, last]


def test_an_mp4_that_lost_its_table_cannot_be_opened() -> None:
    data = video_bytes("mp4", numbers=range(30))
    with pytest.raises(CannotOpen, match="damaged or cut off"):
        open_video(data[: len(data) // 2])


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "ts"])
@pytest.mark.parametrize("codec", ["mpeg4", "libx264"])
def test_flipped_bytes_cost_the_frames_they_hit(tmp_path: Path, suffix: str, codec: str) -> None:
    path = tmp_path / f"clip.{suffix}"
    write_video(path, range(120), codec=codec, gop=10)
    data = bytearray(path.read_bytes())
    hit = slice(len(data) // 2, len(data) // 2 + 200)
    data[hit] = bytes(value ^ 0x5A for value in data[hit])
    with open_video(bytes(data)) as video:
        frames = list(video.frames())
        warned = video.warnings
    seen = [number for frame in frames if (number := readable_number(frame)) is not None]
    assert seen == sorted(seen)
    # Matroska finds its way again at the next cluster, of which a short file has none.
    assert len(set(seen)) > (50 if suffix == "mkv" else 100)
    if (suffix, codec) == ("mp4", "mpeg4"):
        assert re.fullmatch(r"\d of 120 packets could not be decoded", *warned)


def readable_number(frame: Frame) -> int | None:
    """Read the number of a frame if it is not too damaged."""
    try:
        return read_number(frame.pixels)
    except AssertionError:
        return None


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Flip, cut, repeat or drop some bytes."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 20)):
        at = rng.randrange(len(changed))
        changed[at] = rng.randrange(256)
    if rng.random() < 0.3:
        del changed[rng.randrange(len(changed)) :]
    if rng.random() < 0.3:
        at, length = rng.randrange(len(changed) + 1), rng.randrange(200)
        changed[at:at] = changed[at : at + length] * rng.randint(0, 3)
    return bytes(changed)


MUTANTS = [
    ("mp4", "libx264", "yuv420p"),
    ("matroska", "libvpx-vp9", "yuv420p"),
    ("avi", "mpeg4", "yuv420p"),
    ("mpegts", "mpeg2video", "yuv420p"),
    ("gif", "gif", "rgb8"),
    ("avi", "mjpeg", "yuvj420p"),
    ("flv", "flv", "yuv420p"),
]


@pytest.mark.parametrize(("container", "codec", "pix_fmt"), MUTANTS)
def test_damage_gives_frames_or_a_video_error(
    container: str, codec: str, pix_fmt: str, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = video_bytes(
        container, numbers=range(12), codec=codec, pix_fmt=pix_fmt, height=32, width=32, gop=4
    )
    rng, messages = random.Random(0), []
    for _ in range(25):
        try:
            with open_video(mutated(whole, rng)) as video:
                half = video.info.duration_seconds / 2
                frames = [*video.frames((32, 32)), *video.read([half, half], (24, 24))]
        except VideoError as error:
            messages.append(str(error))
        else:
            assert {frame.pixels.shape[0] for frame in frames} == {24, 32}
    assert all("'<bytes>'" in message for message in messages)
    assert capfd.readouterr().err == ""


# Real recordings.


def test_all_real_clips_decode(shared: Path) -> None:
    clips = sorted(file for file in (shared / "data/clips").iterdir() if file.suffix != ".csv")
    assert clips
    for clip in clips:
        with open_video(clip) as video:
            info = video.info
            assert info.fps is not None
            middle = info.duration_seconds / 2
            frames = list(video.read([middle + k / info.fps for k in range(8)], (90, 160)))
            starts = [frame.pts_seconds for frame in frames]
            assert starts == sorted(starts)
            assert abs(starts[0] - middle) <= 1 / info.fps
            assert min(frame.pixels.std() for frame in frames) > 10, clip
            assert video.warnings == []


def test_every_frame_of_a_real_clip_is_counted(shared: Path) -> None:
    for name in (
        "archery.avi",
        "basketball.mp4",
        "cricket_pull.gif",
        "v_ApplyEyeMakeup_g01_c01.avi",
    ):
        with open_video(shared / "data/clips" / name) as video:
            assert video.info.fps is not None
            count = sum(1 for _ in video.frames((16, 16)))
            assert round(video.info.duration_seconds * video.info.fps) in (count, count + 1)
