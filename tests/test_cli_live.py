"""``actionzoo live`` as people use it: real files, signals, a terminal, bad input."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from actionzoo.cli import main
from actionzoo.streaming.looking import ClipLooker
from actionzoo.video import open_video
from streams import Pictures
from videos import video_bytes, write_video

SAMPLE = Path(__file__).parents[1] / "src" / "actionzoo" / "assets" / "sample.mp4"
SAMPLE_LABEL = "jumping jack"


def run(capsys, *words):
    """Run the verb in this process; return its exit code, stdout and stderr."""
    code = main(["live", *map(str, words)])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err


def start(*words, **options):
    """Run the verb in a process of its own, which hears Ctrl-C even if the tests run behind."""
    command = [sys.executable, "-m", "actionzoo", "live", *map(str, words)]
    hear = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(command, preexec_fn=hear, **options)


def rows(text):
    return [json.loads(line) for line in text.splitlines()]


def grey(number, height, width):
    return np.full((height, width, 3), 128, np.uint8)


def test_a_line_for_each_new_label_and_figures_at_the_end(capsys):
    code, out, err = run(capsys, SAMPLE, "--fast")
    assert code == 0
    (line,) = out.splitlines()
    assert line.split()[:3] == ["0:01.2", *SAMPLE_LABEL.split()]
    (summary,) = err.splitlines()
    assert summary.startswith("75 frames, 9 answers · ")
    assert "0 dropped" in summary


def test_events_go_to_stdout_and_nothing_else_does(capsys):
    words = (SAMPLE, "--fast", "--jsonl", "-", "--top-k", 2, "--alert", "Jumping_Jack>0.5 for 1s")
    code, out, err = run(capsys, *words)
    assert code == 0
    events = rows(out)
    assert (events[0]["event"], events[-1]["event"]) == ("start", "end")
    assert events[0]["model"] == "figures10"
    answers = [one for one in events if one["event"] == "answer"]
    assert {one["shown"]["label"] for one in answers} == {SAMPLE_LABEL}
    assert all(len(one["top_k"]) == 2 for one in answers)
    (alert,) = (one for one in events if one["event"] == "alert")
    assert alert["held_seconds"] >= 1
    assert "alert: Jumping_Jack>0.5 for 1s" in err


def test_events_and_a_recording_go_to_files(capsys, tmp_path):
    out, lines = tmp_path / "out.mp4", tmp_path / "out.jsonl"
    code, _, err = run(capsys, SAMPLE, "--fast", "--record", out, "--jsonl", lines)
    assert code == 0
    assert f"recorded {out}" in err
    with open_video(out) as video, open_video(SAMPLE) as source:
        assert (video.info.width, video.info.height) == (source.info.width, source.info.height)
        assert len(list(video.frames())) == 75
    assert rows(lines.read_text())[-1]["frames"] == 75


def test_options_reach_the_stream(capsys):
    words = (SAMPLE, "--fast", "--jsonl", "-")
    ends = {}
    for options in ((), ("--hop", 0.5), ("--mode", "windowed"), ("--limit", 2), ("--duration", 2)):
        _, out, _ = run(capsys, *words, *options)
        events = rows(out)
        seconds = [one["end_seconds"] for one in events if one["event"] == "answer"]
        ends[options[:1]] = events[-1]["reason"], seconds
    assert ends[()] == ("end", [1.2, 1.44, 1.68, 1.92, 2.16, 2.4, 2.64, 2.88, 2.96])
    assert ends["--hop",][1][1] == pytest.approx(1.2 + 0.48)
    # Windows of 16 frames, each second tick: 32 ticks from one to the next, and what is left.
    assert ends["--mode",][1] == [1.2, 2.48, 2.96]
    assert ends["--limit",] == ("limit", [1.2, 1.44])
    assert ends["--duration",] == ("duration", [1.2, 1.44, 1.68, 1.92])


@pytest.mark.parametrize("options", [(), ("--no-mirror",)])
def test_a_webcam_is_recorded_mirrored_and_the_network_does_not_see_it(
    capsys, tmp_path, monkeypatch, options
):
    halves = np.zeros((240, 320, 3), np.uint8)
    halves[:, :160] = 255
    seen = []

    def webcam(source, **_):
        capture = Pictures([halves] * 60)
        capture.name, capture.mirrored = source, True
        return capture

    class Remembering(ClipLooker):
        def look(self, ticks):
            seen.extend(tick.pixels for tick in ticks)
            return super().look(ticks)

    monkeypatch.setattr("actionzoo.video.capture.open_capture", webcam)
    monkeypatch.setattr("actionzoo.streaming.opening.ClipLooker", Remembering)
    out = tmp_path / "out.mp4"
    source = "rtsp://me:secret@10.0.0.7/1"
    code, lines, err = run(capsys, source, "--record", out, "--jsonl", "-", *options)
    assert code == 0
    assert "secret" not in lines + err
    assert rows(lines)[0]["source"] == "rtsp://10.0.0.7/1"
    with open_video(out) as video:
        left, right = next(video.frames()).pixels[160, [20, 300], 0]
    assert (left < right) == (options == ())
    assert all(pixels[48, 10, 0] > pixels[48, -10, 0] for pixels in seen)


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_keeps_everything(tmp_path, kind):
    source, out, lines = (tmp_path / name for name in ("in.mp4", "out.mp4", "out.jsonl"))
    write_video(source, range(900), draw=grey)
    process = start(
        source, "--record", out, "--jsonl", lines, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        until = time.monotonic() + 60
        while not (lines.exists() and '"answer"' in lines.read_text()):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until
            time.sleep(0.02)
        process.send_signal(kind)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, err
    assert b"Traceback" not in err
    events = rows(lines.read_text())
    assert events[-1]["event"] == "end"
    assert events[-1]["reason"] == "stopped"
    with open_video(out) as video:
        assert 0 < len(list(video.frames())) < 900
    assert not list(tmp_path.glob("*.part*"))


@pytest.mark.skipif(os.name == "nt", reason="no terminals of this kind")
def test_in_a_terminal_it_fills_the_screen_and_gives_it_back():
    main_end, its_end = os.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
    process = start(SAMPLE, "--limit", 3, stdout=its_end, stderr=subprocess.PIPE, env=environment)
    os.close(its_end)
    out = b""
    while True:
        try:
            part = os.read(main_end, 65536)
        except OSError:  # the other end is closed
            part = b""
        if not part:
            break
        out += part
    os.close(main_end)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"")
    text = out.decode()
    assert text.count("\x1b[?1049h") == text.count("\x1b[?1049l") == 1
    assert text.index("Preparing...") < text.index(SAMPLE_LABEL.upper())
    assert "3 answers" in text[text.index("\x1b[?1049l") :]


def test_who_stops_reading_ends_it_quietly():
    process = start(
        SAMPLE, "--fast", "--jsonl", "-", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 141
    assert b"Traceback" not in err


def test_a_file_that_is_cut_off_is_followed_as_far_as_it_goes(capsys, tmp_path):
    cut = tmp_path / "cut.mkv"
    noise = np.random.default_rng(0).integers(0, 256, (90, 64, 64, 3), np.uint8)
    whole = video_bytes("matroska", numbers=range(90), draw=lambda number, *_: noise[number])
    cut.write_bytes(whole[: len(whole) * 2 // 3])
    code, out, err = run(capsys, cut, "--fast", "--jsonl", "-")
    assert code == 0
    end = rows(out)[-1]
    assert 50 < end["frames"] < 70
    (warning,) = end["warnings"]
    assert warning.startswith("it ends after ")
    assert warning in err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["no-such-file.mp4"], 1, "no-such-file.mp4"),
        (["camera:77"], 1, "camera:77"),
        ([SAMPLE, "--model", "no_such_model"], 2, "no_such_model"),
        ([SAMPLE, "--alert", "jumping jak>0.5"], 2, "did you mean 'jumping jack'"),
        ([SAMPLE, "--record", SAMPLE], 2, "would write over"),
        ([SAMPLE, "--fast", "--record", "out.txt"], 2, "out.txt"),
        ([SAMPLE, "--mode", "windowed", "--hop", "1"], 2, "hop_seconds"),
        ([SAMPLE, "--jsonl", "no/such/folder/x.jsonl"], 3, "no/such/folder/x.jsonl"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(capsys, tmp_path, monkeypatch, words, code, said):
    monkeypatch.chdir(tmp_path)
    found, out, err = run(capsys, *words)
    assert (found, out) == (code, "")
    (line,) = err.splitlines()
    assert said in line
    assert list(tmp_path.iterdir()) == []


def test_a_window_needs_a_display(capsys, tmp_path, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, SAMPLE, "--show", "--record", "out.mp4")
    assert code == 2
    assert err.startswith("actionzoo: --show ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["--hop", "0"], ["--duration", "-1"], ["--limit", "x"]])
def test_options_out_of_range_are_wrong_usage(capsys, words):
    with pytest.raises(SystemExit) as caught:
        main(["live", str(SAMPLE), *words])
    assert caught.value.code == 2


def test_drawing_needs_an_extra(capsys, monkeypatch):
    monkeypatch.delitem(sys.modules, "actionzoo.live.painting", raising=False)
    monkeypatch.setitem(sys.modules, "actionzoo.drawing", None)
    code, _, err = run(capsys, SAMPLE, "--record", "out.mp4")
    assert code == 2
    assert "pip install 'actionzoo[live]'" in err
