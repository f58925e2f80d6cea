"""Whatever pictures come from: every one of them, in order, at times that rise."""

from __future__ import annotations

import logging
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from actionzoo.clip import Frame
from actionzoo.errors import CannotDecode, CannotOpen, ConfigError, VideoError
from actionzoo.reader import read_clips, video_ticks
from actionzoo.spec import InputSpec, Resize
from actionzoo.streaming.ticks import Ticker
from actionzoo.video import Capture, LiveFrame, connections, devices, open_capture, open_video
from feeds import Web, multipart, rtsp, web
from videos import (
    number_pixels,
    picture_bytes,
    read_number,
    video_bytes,
    with_display_matrix,
    write_pictures,
    write_video,
)

FPS = Fraction(30)


@pytest.fixture
def pages() -> Iterator[Web]:
    with web() as answers:
        yield answers


@pytest.fixture
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "FIRST_PAUSE_SECONDS", 0.01)


def numbers(frames: Iterator[LiveFrame]) -> list[int]:
    return [read_number(frame.pixels()) for frame in frames]


def until(capture: Capture, enough: Callable[[list[int]], bool]) -> tuple[list[int], list[float]]:
    """Read until enough numbers are seen; return them, and the times."""
    seen: list[int] = []
    times: list[float] = []
    for frame in capture.frames():
        seen.append(read_number(frame.pixels()))
        times.append(float(frame.pts_seconds))
        if enough(seen):
            break
    assert all(before < after for before, after in pairwise(times))
    return seen, times


# Files.


UNEVEN = [Fraction(round(k * k * 0.4 + 2 * k), 90) for k in range(60)]


def _file(kind: str, folder: Path) -> Any:
    path = folder / f"clip.{kind}"
    match kind:
        case "pictures":
            return write_pictures(folder / "pictures")
        case "bytes":
            return video_bytes()
        case "turned":
            return with_display_matrix(video_bytes(width=96), (0, 1, -1, 0))
        case "wide":
            return video_bytes(aspect=Fraction(3, 2))
        case "uneven":
            return video_bytes(times=UNEVEN, time_base=Fraction(1, 90))
    write_video(path)
    return path


@pytest.mark.parametrize(
    "kind", ["mp4", "mkv", "avi", "ts", "turned", "wide", "uneven", "pictures", "bytes"]
)
def test_a_file_is_delivered_as_a_video_delivers_it(kind: str, tmp_path: Path) -> None:
    path = _file(kind, tmp_path)
    with open_video(path) as video, open_capture(path) as capture:
        assert (capture.waits, capture.mirrored, capture.fps) == (True, False, video.info.fps)
        for ours, theirs in zip(capture.frames(), video.frames(), strict=True):
            assert ours.pts_seconds == theirs.pts_seconds
            assert (ours.height, ours.width) == theirs.pixels.shape[:2]
            np.testing.assert_array_equal(ours.pixels(), theirs.pixels)
        assert capture.warnings == []


def test_a_damaged_file_says_the_same_as_a_video(tmp_path: Path) -> None:
    data = bytearray(video_bytes(numbers=range(120), codec="mpeg4"))
    hit = slice(len(data) // 2, len(data) // 2 + 200)
    data[hit] = bytes(value ^ 0x5A for value in data[hit])
    with open_video(bytes(data)) as video, open_capture(bytes(data)) as capture:
        times = [frame.pts_seconds for frame in video.frames()]
        assert [frame.pts_seconds for frame in capture.frames()] == times
        assert capture.warnings == video.warnings != []


SPEC = InputSpec(
    frames=8,
    stride=1,
    fps=Fraction(15),
    resize=Resize(rule="squash", height=32, width=32),
    height=32,
    width=32,
)


@pytest.mark.parametrize("clock", [Fraction(15), Fraction(30), None])
@pytest.mark.parametrize("rate", [10, 25, 30, 60, "uneven"])
def test_ticks_of_a_capture_show_what_clips_of_the_video_show(
    rate: int | str, clock: Fraction | None, tmp_path: Path
) -> None:
    path, spec = tmp_path / "clip.mp4", replace(SPEC, fps=clock)
    if rate == "uneven":
        write_video(path, range(60), times=UNEVEN, time_base=Fraction(1, 90), fps=Fraction(25))
    else:
        write_video(path, range(60), fps=Fraction(rate))
    with open_video(path) as video:
        total = video_ticks(video.info, spec)
        (clip,) = read_clips(video, np.arange(total)[None], spec)
    wanted = [read_number(pixels) for pixels in clip.pixels]
    with open_capture(path) as capture:
        ticker = Ticker(spec, capture.fps, needs=lambda _: True)
        ticks = [tick for frame in capture.frames() for tick in ticker.push(frame)]
        ticks += ticker.finish()
    assert [tick.number for tick in ticks] == list(range(len(ticks)))
    shown = [read_number(tick.pixels) for tick in ticks]
    # Where frames are uneven only the file knows how long the last one stays.
    assert shown[: total - 2] == wanted[: len(shown)][: total - 2]
    assert rate == "uneven" or shown == wanted


def test_a_large_picture_is_the_same_with_several_threads(tmp_path: Path) -> None:
    write_video(tmp_path / "large.mp4", range(6), height=720, width=1280)
    with open_capture(tmp_path / "large.mp4") as capture:
        assert numbers(capture.frames()) == list(range(6))


def test_a_frame_that_nobody_looks_at_is_not_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_video(tmp_path / "clip.mp4")
    monkeypatch.setattr(
        "actionzoo.video.pictures.Converter.__call__", lambda *_: pytest.fail("converted")
    )
    with open_capture(tmp_path / "clip.mp4") as capture:
        assert len(list(capture.frames())) == 30


def test_real_time_plays_at_its_own_speed_and_loses_what_nobody_takes(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", range(12))
    with open_capture(tmp_path / "clip.mp4", realtime=True) as capture:
        assert not capture.waits
        began, seen = time.monotonic(), []
        for frame in capture.frames():
            # Never ahead of its time.
            assert frame.arrived >= began + float(frame.pts_seconds) - 0.001
            seen.append(read_number(frame.pixels()))
    assert seen[-1] == 11
    with open_capture(tmp_path / "clip.mp4", realtime=True) as capture:
        frames = capture.frames()
        next(frames)
        while capture.warnings != ["9 frames were not taken in time"]:
            time.sleep(0.01)
        assert numbers(frames) == [10, 11]


# Frames in memory.


def test_arrays_come_at_their_rate() -> None:
    arrays = np.stack([number_pixels(k) for k in range(5)])
    with open_capture(arrays, fps=Fraction(10)) as capture:
        assert (capture.waits, capture.fps) == (True, 10)
        frames = list(capture.frames())
    assert [frame.pts_seconds for frame in frames] == [Fraction(k, 10) for k in range(5)]
    np.testing.assert_array_equal([frame.pixels() for frame in frames], arrays)


def test_frames_come_at_their_times_from_the_first_one_on() -> None:
    told = [Fraction(5), Fraction(6), Fraction(6), Fraction(9)]
    frames = [Frame(pixels=number_pixels(0), pts_seconds=at) for at in told]
    with open_capture(frames) as capture:
        times = [frame.pts_seconds for frame in capture.frames()]
        assert times == [0, 1, 1 + 1 / FPS, 4]
        assert capture.warnings == ["1 frames told no later time"]


def test_what_is_no_picture_is_said() -> None:
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), "picture"):
        with (
            open_capture([number_pixels(0), wrong]) as capture,  # type: ignore[list-item]
            pytest.raises(CannotDecode, match=r"frame 1 is .*give \(H, W, 3\) uint8"),
        ):
            list(capture.frames())


def test_an_error_of_whoever_makes_frames_is_theirs() -> None:
    def broken() -> Iterator[np.ndarray]:
        yield number_pixels(0)
        raise ZeroDivisionError

    with open_capture(broken()) as capture:
        frames = capture.frames()
        next(frames)
        with pytest.raises(ZeroDivisionError):
            next(frames)


# Closing.


def closes(capture: Capture) -> None:
    """Close while another thread waits for a frame, which is to come back."""
    left = threading.Event()

    def read() -> None:
        for _ in capture.frames():
            pass
        left.set()

    thread = threading.Thread(target=read)
    thread.start()
    capture.close()
    assert left.wait(5)
    thread.join()
    capture.close()
    assert list(capture.frames()) == []


def test_closing_ends_a_wait_for_whoever_makes_frames() -> None:
    waiting: queue.Queue[np.ndarray] = queue.Queue()
    closes(open_capture(iter(waiting.get, None)))  # type: ignore[arg-type]


def test_closing_ends_a_wait_for_a_stream(pages: Web) -> None:
    pages.streams["/live"] = ("video/mp2t", lambda out, _: (out.write(STREAM), pages.hold()))
    closes(open_capture(pages.address + "/live", timeout_seconds=20))


def test_closing_a_file_while_it_is_read(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", range(200))
    for realtime in (False, True):
        closes(open_capture(tmp_path / "clip.mp4", realtime=realtime))
    capture = open_capture(tmp_path / "clip.mp4")
    frames = capture.frames()
    first = next(frames)
    capture.close()
    assert list(frames) == []
    assert read_number(first.pixels()) == 0


# Networks.

STREAM = video_bytes("mpegts", numbers=range(60))


@pytest.mark.parametrize("realtime", [False, True])
def test_an_address_that_tells_a_length_is_a_file(pages: Web, realtime: bool) -> None:
    pages.files["/clip.mp4"] = video_bytes(numbers=range(10))
    with open_capture(pages.address + "/clip.mp4", realtime=realtime) as capture:
        assert (capture.waits, capture.fps) == (not realtime, 30)
        assert numbers(capture.frames())[-1] == 9


@pytest.mark.usefixtures("_no_pause")
def test_a_stream_that_is_cut_is_opened_again(pages: Web, caplog: pytest.LogCaptureFixture) -> None:
    def send(out: Any, before: int) -> None:
        if before != 1:  # the second try finds nothing
            out.write(STREAM)

    pages.streams["/live"] = ("video/mp2t", send)
    caplog.set_level(logging.INFO, "actionzoo")
    with open_capture(pages.address + "/live", timeout_seconds=5) as capture:
        assert (capture.waits, capture.mirrored, capture.fps) == (False, False, 30)
        seen, _ = until(capture, lambda seen: seen.count(59) == 3)
        assert capture.warnings[0] == "it was lost 2 times and opened again"
    assert pages.asked == ["/live"] * 4
    assert sum("opened again in" in line for line in caplog.messages) == 3
    assert sum("is back" in line for line in caplog.messages) == 2
    # Within a connection numbers rise.
    assert sum(after <= before for before, after in pairwise(seen)) == 2


@pytest.mark.usefixtures("_no_pause")
def test_a_stream_that_falls_silent_is_opened_again(pages: Web) -> None:
    pages.streams["/live"] = ("video/mp2t", lambda out, _: (out.write(STREAM), pages.hold()))
    with open_capture(pages.address + "/live", timeout_seconds=0.4) as capture:
        until(capture, lambda _: len(pages.asked) == 3)


@pytest.mark.usefixtures("_no_pause")
def test_tries_may_be_bounded(pages: Web) -> None:
    def send(out: Any, before: int) -> None:
        out.write(STREAM if before == 0 else b"")

    pages.streams["/live"] = ("video/mp2t", send)
    with (
        open_capture(pages.address + "/live", max_retries=2) as capture,
        pytest.raises(CannotOpen, match="cannot open 'http"),
    ):
        list(capture.frames())
    assert len(pages.asked) == 3


def test_a_stream_of_jpegs_takes_the_time_of_arrival(pages: Web) -> None:
    jpegs = multipart([picture_bytes(number_pixels(number)) for number in range(20)])
    pages.streams["/mjpeg"] = (
        "multipart/x-mixed-replace;boundary=next",
        lambda out, _: (out.write(jpegs), time.sleep(0.3), out.write(jpegs), pages.hold()),
    )
    with open_capture(pages.address + "/mjpeg") as capture:
        assert capture.fps is None
        _, times = until(capture, lambda seen: seen.count(18) == 2)
        assert 0.2 < times[-1] < 5


def write_playlist(folder: Path, pages: Web, *, live: bool) -> str:
    flags = {"hls_flags": "omit_endlist"} if live else {}
    options = {"hls_time": "0.2", "hls_list_size": "0", **flags}
    folder.mkdir()
    write_video(folder / "live.m3u8", range(48), container="hls", gop=6, container_options=options)
    pages.files |= {f"/{file.name}": file.read_bytes() for file in folder.iterdir()}
    return pages.address + "/live.m3u8"


@pytest.mark.usefixtures("_no_pause")
def test_a_live_playlist_is_played_from_near_its_end_at_its_own_speed(
    pages: Web, tmp_path: Path
) -> None:
    began = time.monotonic()
    with open_capture(write_playlist(tmp_path / "hls", pages, live=True)) as capture:
        assert not capture.waits
        pages.files["/live.m3u8"] += b"#EXT-X-ENDLIST\n"
        seen, times = until(capture, lambda _: False)
    assert seen[0] == 48 - 3 * 6  # RFC 8216, 6.3.3
    assert seen[-1] == 47
    assert time.monotonic() - began >= times[-1]


def test_a_finished_playlist_is_a_file(pages: Web, tmp_path: Path) -> None:
    with open_capture(write_playlist(tmp_path / "hls", pages, live=False)) as capture:
        assert capture.waits
        assert numbers(capture.frames()) == list(range(48))


def test_a_playlist_reaches_web_servers_only(pages: Web, tmp_path: Path) -> None:
    (tmp_path / "secret.ts").write_bytes(STREAM)
    for scheme in ("file://", "concat:", "", "subfile,,start,0,end,0,,:"):
        pages.files["/live.m3u8"] = (
            f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n"
            f"{scheme}{tmp_path}/secret.ts\n#EXT-X-ENDLIST\n"
        ).encode()
        with pytest.raises(CannotOpen):
            open_capture(pages.address + "/live.m3u8", timeout_seconds=1)
    with rtsp(range(30)) as address:
        pages.files["/list"] = f"ffconcat version 1.0\nfile '{address}'\n".encode()
        with pytest.raises(CannotOpen):
            open_capture(pages.address + "/list", timeout_seconds=1)


@pytest.mark.usefixtures("_no_pause")
def test_rtsp() -> None:
    with (
        rtsp(range(60)) as address,
        open_capture(address.replace("//", "//me:secret@"), timeout_seconds=5) as capture,
    ):
        assert not capture.waits
        assert "secret" not in capture.name
        until(capture, lambda seen: seen.count(59) == 2)


@pytest.mark.parametrize("path", ["/nothing", "/text", "/silent"])
def test_an_address_without_a_video_cannot_be_opened(pages: Web, path: str) -> None:
    pages.files["/text"] = b"no video" * 999
    pages.streams["/silent"] = ("video/mp2t", lambda out, _: pages.hold())
    with pytest.raises(CannotOpen, match=f"cannot open '{pages.address}{path}': "):
        open_capture(pages.address + path, timeout_seconds=0.3)


def test_a_size_that_changes_midway_is_that_of_the_frames(pages: Web) -> None:
    parts = [video_bytes("mpegts", numbers=range(30), width=width) for width in (64, 128)]
    pages.streams["/live"] = ("video/mp2t", lambda out, _: out.write(b"".join(parts)))
    with open_capture(pages.address + "/live", max_retries=0) as capture:
        frame = next(one for one in capture.frames() if one.width == 128)
        assert frame.pixels().shape == (64, 128, 3)
        assert frame.pixels((32, 32)).shape == (32, 32, 3)


# Cameras: FFmpeg's test pictures stand in for them.


@pytest.fixture
def cameras(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the cameras of this machine, by number; each a source of FFmpeg's lavfi."""
    known = {"0": "testsrc=size=64x64:rate=30,realtime"}
    system = devices.CameraSystem(
        format="lavfi",
        target=lambda device: known.get(device, "nothing"),
        numbered=str,
        hint="ask",
    )
    monkeypatch.setitem(devices.SYSTEMS, sys.platform, system)
    return known


def test_a_camera_comes_as_it_is_and_is_shown_as_a_mirror(cameras: dict[str, str]) -> None:
    with open_capture("camera:0", timeout_seconds=5) as capture:
        assert (capture.name, capture.waits, capture.mirrored) == ("camera:0", False, True)
        assert capture.fps == 30
        frames = [frame for _, frame in zip(range(4), capture.frames(), strict=False)]
    assert [frame.pts_seconds * 30 for frame in frames] == [0, 1, 2, 3]
    with av.open(cameras["0"], format="lavfi") as container:
        wanted = next(container.decode(video=0)).to_ndarray()
    np.testing.assert_array_equal(frames[0].pixels(), wanted)


@pytest.mark.usefixtures("_no_pause")
def test_a_camera_that_gives_one_frame_and_stops_is_opened_again(cameras: dict[str, str]) -> None:
    cameras["0"] = "testsrc=size=64x64:rate=30:duration=0.03"
    with open_capture("camera:0", timeout_seconds=5) as capture:
        times = [frame.pts_seconds for _, frame in zip(range(4), capture.frames(), strict=False)]
        assert capture.warnings == ["it was lost 3 times and opened again"]
    assert all(after - before >= 1 / FPS for before, after in pairwise(times))


def test_a_camera_that_says_nothing_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent(connections.Connection):
        def __init__(self) -> None:
            self.fps, self.ends, self.damaged = None, False, 0

        def frames(self, stopped: threading.Event) -> Iterator[LiveFrame]:
            stopped.wait(10)
            yield from ()

        def close(self) -> None: ...

    monkeypatch.setattr("actionzoo.video.capture.connect_camera", lambda *_: Silent())
    with pytest.raises(CannotOpen, match=r"cannot open 'camera:0': nothing came for 0.1 s"):
        open_capture("camera:0", timeout_seconds=0.1)


def test_no_camera_is_said_with_what_there_is(
    cameras: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "_device_files", list)
    with pytest.raises(CannotOpen, match=r"'camera:7': .*no camera was found: connect one"):
        open_capture("camera:7")
    found = [av.device.DeviceInfo("/dev/video2", "Front", False, ["video"])]
    monkeypatch.setattr(av, "enumerate_input_devices", lambda _: found)
    with pytest.raises(CannotOpen, match=r"there are camera:/dev/video2 \(Front\)"):
        open_capture("camera:7")
    cameras["/dev/video2"] = cameras["0"]
    with open_capture("camera:front") as capture:
        next(capture.frames())


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (PermissionError(13, "Permission denied"), "join the group"),
        (OSError(16, "Device or resource busy"), "another program uses it"),
    ],
)
def test_a_camera_that_may_not_be_used_says_why(
    error: OSError, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(av, "open", refuse)
    with pytest.raises(CannotOpen, match=rf"cannot open 'camera:0': {error.strerror}; {advice}"):
        open_capture("camera:0")


def test_what_is_asked_of_a_camera() -> None:
    camera = devices.parse_camera("camera:Front?size=1280x720&fps=30")
    assert camera.device == "Front"
    assert camera.options == ({"video_size": "1280x720", "framerate": "30"},)
    assert devices.parse_camera("camera:0").options[0]["video_size"] == "640x480"
    for wrong in ("size=big", "fps=0", "zoom=2", "size=1280x720;fps=3"):
        with pytest.raises(ConfigError, match="may be asked for size=WIDTHxHEIGHT and fps=NUMBER"):
            open_capture(f"camera:0?{wrong}")


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_a_time_out_is_a_time(seconds: float) -> None:
    with pytest.raises(ConfigError, match="timeout_seconds"):
        open_capture("camera:0", timeout_seconds=seconds)


def test_a_bomb_is_refused(pages: Web) -> None:
    frame = b"FRAME\n" + bytes(64 * 64 * 3 // 2)
    wide = b"YUV4MPEG2 W64 H64 F30:1 A60000:1\n" + 3 * frame
    with pytest.raises(VideoError, match="3840000x64 pixels large; at most"):
        open_capture(wide)
    pages.streams["/live"] = ("video/x-raw", lambda out, _: out.write(wide))
    with pytest.raises(VideoError, match="3840000x64 pixels large; at most"):
        open_capture(pages.address + "/live")
