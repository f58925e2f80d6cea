"""A stream that is watched: views, window, recording, events, and how it ends."""

import io
import itertools
import json
import logging
import sys
import threading
import types
from fractions import Fraction
from queue import Queue

import numpy as np
import pytest
from rich.console import Console
from rich.screen import Screen

from actionzoo.backends.openvino_backend import OpenVINOBackend
from actionzoo.errors import CannotDecode, ConfigError
from actionzoo.live.alerts import parse_alert
from actionzoo.live.events import JsonLines
from actionzoo.live.notices import heard
from actionzoo.live.painting import Painter
from actionzoo.live.recording import Recording
from actionzoo.live.run import Outputs, Session
from actionzoo.live.scene import Moment, Scene
from actionzoo.live.sending import Sender, Target
from actionzoo.live.terminal import Picture, Terminal
from actionzoo.live.views import Lines, View
from actionzoo.live.window import TkWindow, portable_pixmap, window_size
from actionzoo.live.wording import figures_text, short_figures_text
from actionzoo.prediction import LabelScore, StreamPrediction
from actionzoo.streaming.looking import ClipLooker, Rhythm
from actionzoo.streaming.statistics import Statistics
from actionzoo.video import open_video
from actionzoo.video.live import Converters, LiveFrame
from actionzoo.video.recording import Recorder
from colour_model import COLOURS, SPEC, write_network
from streams import Pictures

LABELS = tuple(COLOURS)
FIGURES = Statistics(
    frames=1234,
    dropped=3,
    answers=20,
    fps_in=30.01,
    fps_out=4.1,
    latency_p50_seconds=0.048,
    latency_p95_seconds=0.061,
    inference_seconds=0.0012,
)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return write_network(tmp_path_factory.mktemp("live") / "colours.xml")


@pytest.fixture
def looker(network):
    return ClipLooker(OpenVINOBackend(network), Rhythm(frames=4, stride=2, hop=5))


def painted(*names, each=10, side=64):
    return [
        np.full((side, side, 3), COLOURS[name], np.uint8) for name in names for _ in range(each)
    ]


def answer(seconds, label="red", score=0.8, labels=LABELS):
    index = labels.index(label)
    scores = np.full(len(labels), (1 - score) / (len(labels) - 1), np.float32)
    scores[index] = score
    return StreamPrediction(
        model="colours",
        labels=labels,
        scores=scores,
        shown=LabelScore(label, index, score),
        start_seconds=seconds - 0.2,
        end_seconds=seconds,
        age_seconds=0.01,
    )


class Record(View):
    """Keeps what it is shown."""

    def __init__(self):
        self.labels, self.notices, self.moments, self.summary = [], [], [], None

    def changed(self, change):
        self.labels.append(change.shown.label)

    def noticed(self, text):
        self.notices.append(text)

    def refresh(self, moment):
        self.moments.append(moment)

    def close(self, summary):
        self.summary = summary


class Failing(Pictures):
    """Fails after its last picture."""

    def frames(self):
        yield from super().frames()
        raise CannotDecode("the cable is out")


class Endless(Pictures):
    """Goes on until it is closed."""

    def __init__(self, **options):
        super().__init__(itertools.repeat(painted("red", each=1)[0]), **options)


def follow(capture, looker, **options):
    """Run a session; return how it ended, what was seen and the events."""
    lines, view = io.StringIO(), options.pop("view", Record())
    kept = {name: options.pop(name) for name in list(options) if name in Outputs.__annotations__}
    outputs = Outputs(view=view, events=JsonLines(lines, now=lambda: "now"), **kept)
    session = Session(capture, looker, outputs, **options)
    try:
        ended = session.run()
    except Exception as error:
        ended = error
    return ended, view, [json.loads(line) for line in lines.getvalue().splitlines()]


def test_a_stream_is_followed_to_its_end(looker):
    ended, view, events = follow(Pictures(painted("red", "green", "blue")), looker, top_k=2)
    assert (ended.reason, ended.figures.frames) == ("end", 30)
    assert view.labels == ["red", "green", "blue"]
    kinds = [one["event"] for one in events]
    assert (kinds[0], kinds[-1]) == ("start", "end")
    assert kinds.count("answer") == ended.figures.answers == 6
    assert [one["label"] for one in events if one["event"] == "label"] == view.labels
    assert events[0] == {
        "event": "start",
        "time": "now",
        "source": "pictures",
        "model": "colours",
    }
    answers = [one for one in events if one["event"] == "answer"]
    assert [one["end_seconds"] for one in answers][:2] == [0.2, 0.367]
    assert all(len(one["top_k"]) == 2 for one in answers)
    assert events[-1]["reason"] == "end"
    assert events[-1]["answers"] == 6
    assert "30 frames, 6 answers" in view.summary


def test_it_ends_after_some_answers_or_some_time(looker):
    ended, _, events = follow(Pictures(painted("red", each=100)), looker, limit=2)
    assert ended.reason == events[-1]["reason"] == "limit"
    assert [one["event"] for one in events].count("answer") == 2
    ended, _, events = follow(Pictures(painted("red", each=100)), looker, duration_seconds=1.0)
    assert (ended.reason, ended.figures.frames) == ("duration", 30)


def test_a_camera_that_stands_still_ends_in_time(looker, monkeypatch):
    monkeypatch.setattr("actionzoo.live.run._PATIENCE_SECONDS", 0.05)

    class Still(Pictures):
        def frames(self):
            yield from super().frames()
            self._closed.wait()

    capture = Still(painted("red", each=5), waits=False)
    ended, _, _ = follow(capture, looker, duration_seconds=0.3)
    assert (ended.reason, ended.figures.frames) == ("duration", 5)


def test_a_source_that_fails_keeps_what_was_done(looker):
    error, view, events = follow(Failing(painted("red")), looker)
    assert isinstance(error, CannotDecode)
    assert events[-1]["reason"] == "error"
    assert [one["event"] for one in events].count("answer") >= 1
    assert view.summary is not None


def test_ctrl_c_ends_it_cleanly(looker):
    class Interrupting(Record):
        def refresh(self, moment):
            answered_before = any(one.answer for one in self.moments)
            super().refresh(moment)
            if moment.answer is not None and not answered_before:
                raise KeyboardInterrupt

    capture = Endless(fps=100, waits=False)
    ended, view, events = follow(capture, looker, view=Interrupting())
    assert ended.reason == events[-1]["reason"] == "stopped"
    assert capture._closed.is_set()
    assert view.moments[-1].answer.shown.label == "red"
    assert view.summary is not None


def test_what_the_package_reports_is_shown_and_written(looker):
    class Talking(Pictures):
        def frames(self):
            logging.getLogger("actionzoo.video.somewhere").warning(
                "cannot read 'rtsp://me:secret@10.0.0.7/1' on: it ended"
            )
            yield from super().frames()

    _, view, events = follow(Talking(painted("red")), looker)
    said = "cannot read 'rtsp://10.0.0.7/1' on: it ended"
    assert view.notices == [said]
    assert [one["message"] for one in events if one["event"] == "notice"] == [said]


def test_reports_go_back_to_where_they_went():
    logger, said = logging.getLogger("actionzoo"), []
    before = logger.level, logger.propagate, list(logger.handlers)
    with heard(lambda name, text: said.append((name, text))):
        logging.getLogger("actionzoo.x").info("%d tries", 3)
    assert said == [("actionzoo.x", "3 tries")]
    assert (logger.level, logger.propagate, logger.handlers) == before


def test_alerts_are_said_written_and_sent(looker):
    told = []

    class Ear(Target):
        name = "ear"

        def deliver(self, message):
            told.append(dict(message))

    alert = parse_alert("green>0.5 for 100ms -> ls", LABELS)
    object.__setattr__(alert, "target", Ear())
    capture = Pictures(painted("red", "green", each=20))
    _, view, events = follow(capture, looker, alerts=[alert])
    (event,) = (one for one in events if one["event"] == "alert")
    (message,) = told
    assert message["label"] == event["label"] == "green"
    assert {**message, "time": ""} == {
        "source": "pictures",
        "model": "colours",
        "time": "",
        **{name: value for name, value in event.items() if name not in ("event", "time")},
    }
    (notice,) = view.notices
    assert notice.startswith("alert: green>0.5 for 100ms, ")
    assert not [one for one in events if one["event"] == "notice"]
    assert events[-1]["undelivered_alerts"] == 0


def test_a_target_that_hangs_never_holds_up_the_stream(looker):
    released = threading.Event()

    class Hanging(Target):
        name = "hanging"

        def deliver(self, message):
            released.wait(30)

    class Hasty(Sender):
        def close(self, seconds=0.0):
            super().close(seconds)

    alert = parse_alert("red>0.1", LABELS)
    object.__setattr__(alert, "target", Hanging())
    ended, view, events = follow(
        Pictures(painted("red", each=200)), looker, alerts=[alert], sender=Hasty()
    )
    released.set()
    assert (ended.reason, ended.figures.frames) == ("end", 200)
    assert events[-1]["undelivered_alerts"] == 1
    assert "1 alerts were not delivered" in view.summary


class FakeWindow:
    """Keeps what it shows; somebody closes it after some pictures."""

    def __init__(self, most):
        self.shown, self.most, self.closed = [], most, False

    def show(self, pixels):
        self.shown.append(pixels)

    def is_open(self):
        return len(self.shown) < self.most

    def close(self):
        self.closed = True


def painter(mirrored=False):
    return Painter(spec=SPEC.input, top_k=3, mirrored=mirrored)


def test_a_window_shows_the_newest_frame_and_closing_it_ends_all(looker):
    window = FakeWindow(3)
    capture = Endless(fps=200, waits=False)
    ended, _, _ = follow(capture, looker, window=window, painter=painter())
    assert ended.reason == "stopped"
    assert window.closed
    assert all(picture.shape == (64, 64, 3) for picture in window.shown)


def test_a_window_that_hangs_never_holds_up_the_stream(looker):
    begun, over, waited = threading.Event(), threading.Event(), []

    class Telling(Pictures):
        def frames(self):
            for frame in super().frames():
                yield frame
                begun.wait(30)
            over.set()

    class Hanging(FakeWindow):
        def show(self, pixels):
            super().show(pixels)
            begun.set()
            waited.append(over.wait(30))

    window = Hanging(10**6)
    capture = Telling(painted("red", each=100), fps=200, waits=False)
    ended, _, _ = follow(capture, looker, window=window, painter=painter())
    assert (ended.reason, ended.figures.frames) == ("end", 100)
    assert all(waited)
    assert 1 <= len(window.shown) <= 3


def halves():
    """A picture, red at its left and blue at its right."""
    pixels = np.zeros((240, 320, 3), np.uint8)
    pixels[:, :160], pixels[:, 160:] = COLOURS["red"], COLOURS["blue"]
    return pixels


def live_frame(pixels, seconds=0):
    from av.video.frame import VideoFrame

    picture = VideoFrame.from_ndarray(pixels, "rgb24")
    return LiveFrame(picture, Fraction(seconds), converters=Converters())


def test_mirrored_pictures_have_text_that_is_not():
    moment = Moment(answer=answer(1.0), figures=FIGURES)
    plain, mirrored = (painter(one)(live_frame(halves()), moment, (240, 320)) for one in (0, 1))
    assert plain[120, 10].tolist() == list(COLOURS["red"])
    assert mirrored[120, 10].tolist() == list(COLOURS["blue"])
    # White ink is written in the same places.
    ink = [(one[8:30, 8:150].min(axis=2) == 255) for one in (plain, mirrored)]
    assert ink[0].any()
    assert (ink[0] == ink[1]).all()


def test_before_the_first_answer_it_prepares():
    picture = painter()(live_frame(halves()), Moment(), (240, 320))
    answered = painter()(live_frame(halves()), Moment(answer=answer(1.0)), (240, 320))
    assert (picture != halves()).any()
    assert (picture != answered).any()


def shows_answer(pixels):
    """Whether the bar of an action is drawn; nothing else in the picture is green."""
    return bool((pixels[..., 1].astype(int) - pixels[..., 0] > 60).any())


def test_a_file_read_fast_is_recorded_with_the_answers_of_its_frames(looker, tmp_path):
    pictures = painted("red", "blue", each=30, side=160)
    capture = Pictures(pictures)
    recorder = Recorder(tmp_path / "out.mp4", fps=capture.fps, waits=True)
    recording = Recording(recorder, painter(), waits=True)
    ended, view, _ = follow(capture, looker, recording=recording)
    assert ended.reason == "end"
    assert f"recorded {tmp_path / 'out.mp4'}" in view.summary
    with open_video(tmp_path / "out.mp4") as video:
        frames = list(video.frames())
    assert [frame.pts_seconds for frame in frames] == [Fraction(n, 30) for n in range(60)]
    assert recording.dropped == 0
    # The first answer is due at tick 6, and known two frames later.
    assert not any(shows_answer(frame.pixels) for frame in frames[:6])
    assert all(shows_answer(frame.pixels) for frame in frames[12:])


def test_an_interrupted_recording_is_a_whole_file(looker, tmp_path):
    window = FakeWindow(3)
    capture = Endless(fps=100, waits=False)
    recorder = Recorder(tmp_path / "out.mp4", fps=capture.fps, waits=True)
    recording = Recording(recorder, painter(), waits=False)
    ended, _, _ = follow(capture, looker, window=window, painter=painter(), recording=recording)
    assert ended.reason == "stopped"
    with open_video(tmp_path / "out.mp4") as video:
        assert len(list(video.frames())) == recorder.written > 0
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_a_recording_that_fails_ends_all_and_says_why(looker, tmp_path):
    class Full(Recorder):
        def write(self, pixels, pts_seconds):
            raise OSError(28, "No space left on device")

    recording = Recording(Full(tmp_path / "out.mp4", waits=True), painter(), waits=False)
    error, view, events = follow(Endless(fps=100, waits=False), looker, recording=recording)
    assert isinstance(error, OSError)
    assert events[-1]["reason"] == "error"
    assert view.summary is not None


def test_frames_that_the_recorder_is_too_slow_for_are_counted(tmp_path):
    begun, released = threading.Event(), threading.Event()

    class Slow(Recorder):
        def write(self, pixels, pts_seconds):
            begun.set()
            released.wait(30)
            super().write(pixels, pts_seconds)

    recording = Recording(Slow(tmp_path / "out.mp4", waits=True), painter(), waits=False)
    recording.put(live_frame(halves()), Moment())
    assert begun.wait(30)
    for number in range(1, 40):
        recording.put(live_frame(halves(), number), Moment())
    released.set()
    recording.close()
    assert recording.dropped + recording.recorder.written == 40
    assert recording.dropped == 40 - 1 - 16


def test_events_are_whole_lines_from_any_thread():
    file = io.StringIO()
    events = JsonLines(file)
    threads = [
        threading.Thread(target=events.write, args=("notice", {"message": "é\n"}))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = [json.loads(line) for line in file.getvalue().splitlines()]
    assert [row["message"] for row in rows] == ["é\n"] * 20
    assert rows[0]["time"].endswith("+00:00")


def test_a_scene_remembers_changes_and_not_answers():
    scene = Scene()
    assert scene.answered(answer(1)).shown.label == "red"
    assert scene.answered(answer(2)) is None
    assert scene.answered(answer(3, "blue")).seconds == 3
    assert [change.seconds for change in scene.now.changes] == [1, 3]
    for number in range(200):
        scene.noticed(f"{number}")
        scene.answered(answer(number, ("red", "blue")[number % 2]))
    assert len(scene.now.notices) == len(scene.now.changes) == 50
    assert scene.now.notices[-1] == "199"


def drawn(moment, width=80, height=24, top_k=5):
    picture = Picture(moment, source="camera:0", model="colours", top_k=top_k)
    console = Console(width=width, height=height, file=io.StringIO(), color_system=None)
    with console.capture() as capture:
        console.print(Screen(picture), end="")
    return capture.get().splitlines()


def test_the_terminal_shows_all_there_is():
    scene = Scene()
    for number, label in enumerate(("red", "green", "blue")):
        scene.answered(answer(10 * number, label))
    scene.noticed("camera:0 is back after 3 tries")
    scene.measured(FIGURES)
    lines = drawn(scene.now)
    text = "\n".join(lines)
    assert len(lines) == 24
    assert "BLUE  80%" in text
    assert next(line.split()[:2] for line in lines if "━" in line) == ["blue", "80%"]
    places = [text.index(part) for part in ("0:20.0  blue", "0:10.0  green", "0:00.0  red")]
    assert places == sorted(places)
    assert "! camera:0 is back" in text
    assert "latency p50 48 ms, p95 61 ms" in text


def test_bars_in_the_terminal_are_as_long_as_scores():
    lengths = [
        sum(line.count("━") for line in drawn(Moment(answer=answer(1, score=score)), top_k=1))
        for score in (0.4, 0.8)
    ]
    assert lengths[1] == pytest.approx(2 * lengths[0], abs=1)


def test_the_terminal_prepares():
    assert any("Preparing..." in line for line in drawn(Moment()))


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 60), (40, 12), (20, 6), (5, 3)])
def test_the_terminal_may_have_any_size(width, height):
    labels = (*LABELS, "a label of many words that goes on and on and on", "\x1b[2Jescape")
    scene = Scene()
    for number in range(60):
        scene.answered(answer(number, labels[number % 5], labels=labels))
        scene.noticed("a notice that is longer than any terminal " * 9)
    scene.measured(FIGURES)
    lines = drawn(scene.now, width, height)
    assert len(lines) <= height
    assert all(len(line) <= width for line in lines)
    assert "\x1b" not in "".join(lines)
    if height >= 6:
        assert "".join(lines).strip()


def test_a_terminal_is_given_back_as_it_was():
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80, height=24, legacy_windows=False)
    view = Terminal(console, source="camera:0", model="colours", top_k=3)
    view.refresh(Moment(answer=answer(1)))
    view.close("30 frames, 6 answers")
    out = file.getvalue()
    assert out.count("\x1b[?1049h") == out.count("\x1b[?1049l") == 1  # its own screen
    assert out.count("\x1b[?25l") == out.count("\x1b[?25h") == 1  # the cursor
    assert out.index("RED") < out.index("\x1b[?1049l") < out.index("30 frames, 6 answers")


def test_without_a_terminal_there_is_a_line_a_label():
    out, err = io.StringIO(), io.StringIO()
    view, scene = Lines(out, err), Scene()
    view.changed(scene.answered(answer(61.25)))
    view.noticed("something happened")
    view.refresh(scene.now)
    view.close("the end")
    assert out.getvalue() == "   1:01.2  red  80%\n"
    assert err.getvalue() == "actionzoo: something happened\nthe end\n"


def test_figures_are_written_as_far_as_they_are_known():
    assert figures_text(FIGURES) == (
        "30.0 fps in · 4.1 fps out · latency p50 48 ms, p95 61 ms · inference 1.2 ms · 3 dropped"
    )
    assert short_figures_text(FIGURES) == "30.0 fps · latency 48 ms · inference 1.2 ms"
    nothing = Statistics(
        frames=0,
        dropped=0,
        answers=0,
        fps_in=None,
        fps_out=None,
        latency_p50_seconds=None,
        latency_p95_seconds=None,
        inference_seconds=None,
    )
    assert figures_text(nothing) == "0 dropped"
    assert short_figures_text(nothing) == ""


def test_a_window_is_scaled_in_proportion():
    assert window_size(2160, 3840) == (720, 1280)
    assert window_size(3840, 2160) == (1280, 720)
    assert window_size(64, 64) == (64, 64)


def test_pictures_reach_tk_as_portable_pixmaps():
    av = pytest.importorskip("av")
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    decoder = av.CodecContext.create("ppm", "r")
    (picture,) = decoder.decode(av.Packet(portable_pixmap(pixels)))
    assert (picture.to_ndarray(format="rgb24") == pixels).all()


def test_without_a_display_it_says_so(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(ConfigError, match=r"^--show "):
        TkWindow("actionzoo")


def test_without_tk_it_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "tkinter", None)
    with pytest.raises(ConfigError, match="--show needs Tk"):
        TkWindow("actionzoo")


class FakeTk(types.ModuleType):
    """As much of Tk as the window uses, without a display."""

    class TclError(Exception):
        pass

    def __init__(self):
        super().__init__("tkinter")
        self.keys, self.events, self.pictures, self.gone = {}, Queue(), [], False

    def Tk(self):
        return self

    def PhotoImage(self, master):
        return self

    def Label(self, master, image, borderwidth):
        return self

    def pack(self):
        pass

    def title(self, text):
        self.named = text

    def resizable(self, across, down):
        pass

    def bind(self, key, action):
        self.keys[key] = action

    def protocol(self, name, action):
        self.keys[name] = lambda _: action()

    def configure(self, data, format):
        self.pictures.append((format, data))

    def update(self):
        if self.gone:
            raise self.TclError("application has been destroyed")
        while not self.events.empty():
            self.keys[self.events.get()](None)

    def destroy(self):
        self.update()
        self.gone = True


@pytest.mark.parametrize("key", ["<Escape>", "q", "Q", "WM_DELETE_WINDOW"])
def test_a_window_is_closed_by_keys_and_by_its_button(monkeypatch, key):
    tk = FakeTk()
    monkeypatch.setitem(sys.modules, "tkinter", tk)
    window = TkWindow("actionzoo: camera:0")
    window.show(halves())
    assert tk.pictures == [("ppm", portable_pixmap(halves()))]
    assert window.is_open()
    tk.events.put(key)
    assert not window.is_open()
    window.close()
    window.close()
    assert tk.gone
    assert not window.is_open()
