"""What is recorded is what was seen, when it was seen, and it is not lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from actionzoo.errors import ConfigError, VideoError
from actionzoo.video import Recorder, open_video
from actionzoo.video.recording import RECORDED
from videos import number_pixels, read_number, write_video


def seen_in(path: Path) -> tuple[list[int], list[float]]:
    with open_video(path) as video:
        frames = list(video.frames())
    return [read_number(one.pixels) for one in frames], [float(one.pts_seconds) for one in frames]


@pytest.mark.parametrize("suffix", RECORDED)
def test_frames_are_shown_when_they_were_seen(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"out{suffix}"
    # A stream that stutters, and starts late.
    times = [Fraction(7) + Fraction(k, 30) + (k // 10) * Fraction(1, 3) for k in range(30)]
    with Recorder(path, fps=Fraction(30), waits=True) as recorder:
        for number, at in enumerate(times):
            recorder.write(number_pixels(number), at)
    assert (recorder.written, recorder.dropped) == (30, 0)
    numbers, shown = seen_in(path)
    assert numbers == list(range(30))
    np.testing.assert_allclose(shown, [float(at - 7) for at in times], atol=0.0011)
    assert os.listdir(tmp_path) == [path.name]


def test_times_that_do_not_rise_cost_no_frame(tmp_path: Path) -> None:
    with Recorder(tmp_path / "out.mp4", waits=True) as recorder:
        for number, at in enumerate([0.0, 0.1, 0.1, 0.05, 0.2]):
            recorder.write(number_pixels(number), at)
    assert seen_in(tmp_path / "out.mp4")[0] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("height", "width"), [(65, 97), (64, 97), (1, 3)])
def test_an_odd_line_is_cut_off_not_scaled(height: int, width: int, tmp_path: Path) -> None:
    rows = np.arange(height)[:, None, None] % 8 * 32
    pixels = np.broadcast_to(rows, (height, width, 3)).astype(np.uint8)
    with Recorder(tmp_path / "out.mp4") as recorder:
        recorder.write(pixels, 0)
    with open_video(tmp_path / "out.mp4") as video:
        read = next(video.frames()).pixels
    assert read.shape[:2] == (max(2, height // 2 * 2), width // 2 * 2)
    if height > 1:
        assert np.abs(read.astype(int) - pixels[: read.shape[0], : read.shape[1]]).mean() < 8


def test_frames_of_another_size_are_scaled(tmp_path: Path) -> None:
    for size, wanted in ((None, (64, 96)), ((48, 64), (48, 64))):
        with Recorder(tmp_path / "out.mp4", size=size, waits=True) as recorder:
            for number, (height, width) in enumerate([(64, 96), (128, 64), (32, 32)]):
                recorder.write(number_pixels(number, height, width), number / 30)
        with open_video(tmp_path / "out.mp4") as video:
            assert (video.info.height, video.info.width) == wanted
        assert seen_in(tmp_path / "out.mp4")[0] == [0, 1, 2]


def test_an_encoder_that_is_too_slow_loses_frames_and_counts_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = threading.Event()
    monkeypatch.setattr(
        "actionzoo.video.recording.Recorder._record", lambda recorder: busy.wait(10)
    )
    recorder = Recorder(tmp_path / "out.mp4")
    for number in range(20):
        recorder.write(number_pixels(number), number / 30)
    assert recorder.dropped == 12
    busy.set()
    recorder.close()


def test_a_file_stays_as_it_is_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    write_video(path, [7])
    (tmp_path / "out.part.mp4").write_bytes(b"saved")  # by an interrupted recording
    recorder = Recorder(path)
    recorder.write(number_pixels(1), 0)
    assert seen_in(path)[0] == [7]
    recorder.close()
    recorder.close()
    assert seen_in(path)[0] == [1]
    assert (tmp_path / "out.part.mp4").read_bytes() == b"saved"
    with Recorder(path):
        pass
    assert seen_in(path)[0] == [1], "a recording without a frame"
    assert sorted(os.listdir(tmp_path)) == ["out.mp4", "out.part.mp4"]
    with pytest.raises(VideoError, match="it is closed"):
        recorder.write(number_pixels(2), 1)


def test_an_error_of_the_caller_leaves_a_finished_file(tmp_path: Path) -> None:
    def interrupted() -> None:
        with Recorder(tmp_path / "out.mkv") as recorder:
            recorder.write(number_pixels(5), 0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert seen_in(tmp_path / "out.mkv")[0] == [5]


_ENDLESS = """
import sys, itertools
sys.path.insert(0, sys.argv[1])
from actionzoo.video import Recorder
from videos import number_pixels
recorder = Recorder(sys.argv[2], waits=True)
for number in itertools.count():
    recorder.write(number_pixels(number % 4096, 256, 256), number / 30)
    if number % 100 == 0:
        print(number, flush=True)
"""


@pytest.mark.parametrize("suffix", RECORDED)
def test_a_process_that_is_killed_leaves_what_can_be_played(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"out{suffix}"
    command = [sys.executable, "-c", _ENDLESS, str(Path(__file__).parent), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while int(process.stdout.readline()) < 300:
            pass
        process.send_signal(signal.SIGKILL)
    assert os.listdir(tmp_path) == [f"out.part{suffix}"]
    numbers, times = seen_in(tmp_path / f"out.part{suffix}")
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > 200
    np.testing.assert_allclose(times, np.arange(len(times)) / 30, atol=0.0011)


def test_what_cannot_be_written_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"recordings are written as \.mp4, \.mov"):
        Recorder(tmp_path / "nothing" / "out.avi")
    with pytest.raises(OSError, match="No such file"):
        Recorder(tmp_path / "nothing" / "out.mp4")
    (tmp_path / "out.mp4").mkdir()
    with pytest.raises(ConfigError, match="it is a folder"):
        Recorder(tmp_path / "out.mp4")
    with pytest.raises(ConfigError, match="above 0"):
        Recorder(tmp_path / "new.mp4", fps=Fraction(0))
    with (
        Recorder(tmp_path / "new.mp4") as recorder,
        pytest.raises(ConfigError, match=r"\(H, W, 3\) uint8, got"),
    ):
        recorder.write(np.zeros((4, 4)), 0)
    assert os.listdir(tmp_path) == ["out.mp4"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_said_and_nothing_more_is_taken(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "out.mkv", waits=True)
    recorder.part.unlink()
    recorder.part.symlink_to("/dev/full")
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)

    def record() -> None:
        for number in range(1000):
            recorder.write(noise, number / 30)

    with pytest.raises(OSError, match=r"cannot record '.*out.mkv': No space left on device"):
        record()
    recorder.close()
    assert not (tmp_path / "out.mkv").exists()
