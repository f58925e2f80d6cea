"""The page's server, without a browser: who is served what, and what is refused."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import re
import socket
import threading
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import numpy as np
import pytest

from actionzoo.errors import ActionZooError, CannotDecode, ConfigError, UnknownModel
from actionzoo.predictor import BUNDLED, Predictor
from actionzoo.pretrained import ASSETS
from actionzoo.streaming.looking import Look, Looker, Rhythm
from actionzoo.timeline.texts import csv_text, json_text, srt_text, vtt_text
from actionzoo.video import encode_jpeg
from videos import number_pixels, read_number, write_video

pytest.importorskip("gradio", reason="gradio is not installed: pip install 'actionzoo[web]'")

from actionzoo.web import parts
from actionzoo.web.analysis import Fault, Report, Turns, Working, check_video, look_at
from actionzoo.web.cameras import Busy, Cameras, Pushed
from actionzoo.web.guard import allowed_hosts
from actionzoo.web.limits import Limits, read_bytes, read_seconds
from actionzoo.web.models import Models
from actionzoo.web.run import bind
from actionzoo.web.samples import make_samples
from actionzoo.web.videos import TooLarge, Videos
from browsers import serving, until

SAMPLE = ASSETS / "sample.mp4"
SPEC = Predictor().spec


class Brightness(Looker):
    """Answers at every picture: the first class for a dark one, the last for a bright one."""

    def __init__(self) -> None:
        rate = replace(SPEC.input, frames=1, stride=1, height=64, width=64)
        self.spec = replace(SPEC, input=rate)
        self.rhythm, self.room, self.seen = Rhythm(frames=1, stride=1, hop=1), 4, []

    def look(self, ticks):
        tick = ticks[-1]
        self.seen.append(tick.pixels)
        output = np.zeros((1, len(SPEC.labels)), np.float32)
        output[0, -1 if tick.pixels.mean() > 127 else 0] = 9
        return Look(output=output, first=tick, last=tick)

    def finish(self):
        return None

    def reset(self):
        self.seen.clear()


def jpeg(level):
    return encode_jpeg(np.full((64, 64, 3), level, np.uint8))


# Limits.


def test_sizes_and_durations_are_read_and_nonsense_is_not():
    assert read_bytes("4GB") == 4 * 10**9
    assert read_seconds("1.5h") == 5400
    for text in ("", "many", "-1MB", "1TB", "0", "nan"):
        with pytest.raises(ConfigError, match="is no size; give one such as 500MB"):
            read_bytes(text)
    with pytest.raises(ConfigError, match="is no duration"):
        read_seconds("5 fortnights")
    with pytest.raises(ConfigError, match="workers is 0"):
        Limits(workers=0)


# Videos that are brought.


def store(videos, owner="me", data=(b"ab", b"cd"), promised=None):
    async def parts_of():
        for one in data:
            yield one

    return asyncio.run(videos.receive(owner, "a.mp4", promised=promised, data=parts_of()))


def folder_of(videos):
    return Path(videos._folder.name)


def test_a_video_is_its_owner_s_and_goes():
    videos = Videos(Limits())
    stored = store(videos)
    assert videos.get(stored.token, "me").path.read_bytes() == b"abcd"
    assert videos.get(stored.token, "you") is None
    videos.delete(stored.token, "you")
    assert stored.path.exists()
    videos.delete(stored.token, "me")
    assert not stored.path.exists()
    assert videos.get(stored.token, "me") is None
    folder = folder_of(videos)
    store(videos)
    videos.close()
    assert not folder.exists()


def test_four_gigabytes_are_refused_before_they_are_stored():
    videos = Videos(Limits(video_bytes=500 * 10**6))

    async def nobody_reads():
        raise AssertionError
        yield b""

    with pytest.raises(TooLarge, match=r"larger than 500\.0 MB"):
        asyncio.run(videos.receive("me", "x", promised=4 * 10**9, data=nobody_reads()))
    assert not list(folder_of(videos).iterdir())
    videos.close()


def test_a_video_that_grows_too_large_or_breaks_off_leaves_nothing():
    videos = Videos(Limits(video_bytes=3))
    with pytest.raises(TooLarge):
        store(videos)

    async def breaks_off():
        yield b"a"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        asyncio.run(videos.receive("me", "x", promised=None, data=breaks_off()))
    assert not list(folder_of(videos).iterdir())
    assert len(videos) == 0
    videos.close()


def test_old_videos_go_and_the_newest_stays():
    videos = Videos(Limits(stored_bytes=9))
    first, second = store(videos), store(videos)
    assert len(videos) == 2
    third = store(videos)
    assert videos.get(first.token, "me") is None
    videos.limits = Limits(stored_seconds=10)
    second.used -= 11
    third.used -= 11
    videos.sweep()
    assert [one.exists() for one in (second.path, third.path)] in ([True, False], [False, True])
    videos.close()


# Cameras.


def test_pictures_arrive_as_they_were_sent_never_mirrored():
    pushed = Pushed(Limits())
    # The corners of the picture differ: ``read_number`` fails where it is mirrored.
    for number in (3, 77):
        pushed.push(encode_jpeg(number_pixels(number)), 5 + number / 100)
    frames = pushed.frames()
    first, second = next(frames), next(frames)
    assert [read_number(one.pixels()) for one in (first, second)] == [3, 77]
    assert (first.pts_seconds, second.pts_seconds) == (0, Fraction(74, 100))


@pytest.mark.parametrize("at", [5.0, 4.9, 9.0, float("nan"), float("inf"), -float("inf")])
def test_times_that_cannot_be_true_are_refused_and_do_no_harm(at):
    pushed = Pushed(Limits())
    pushed.push(jpeg(9), 5.0)
    with pytest.raises(ConfigError, match="cannot follow one of"):
        pushed.push(jpeg(9), at)
    pushed.push(jpeg(9), 5.04)
    assert [next(pushed.frames()).pts_seconds for _ in range(2)] == [0, Fraction(4, 100)]


def test_what_is_no_picture_or_a_large_one_is_refused():
    pushed = Pushed(Limits(camera_pixels=100))
    for data in (b"", b"no picture", jpeg(9)):
        with pytest.raises(CannotDecode):
            pushed.push(data, 0.0)


def test_two_cameras_do_not_mix():
    cameras, told = Cameras(Limits()), {"dark": [], "bright": []}
    for owner, level in (("dark", 5), ("bright", 250)):
        camera = cameras.open(owner, Brightness)
        camera.follow(told[owner].append)
        for number in range(4):
            camera.push(jpeg(level), number / 25)
    until(lambda: all(told.values()), "both have an answer")
    cameras.close_all()
    for owner, label in (("dark", SPEC.labels[0]), ("bright", SPEC.labels[-1])):
        until(lambda owner=owner: told[owner][-1] is None, "it has ended")
        assert {one.shown.label for one, _ in told[owner][:-1]} == {label}


def test_cameras_are_bounded_and_those_that_went_make_room():
    cameras = Cameras(Limits(cameras=2, idle_seconds=5))
    first, second = cameras.open("a", Brightness), cameras.open("b", Brightness)
    with pytest.raises(Busy, match="2 cameras are being watched already"):
        cameras.open("c", Brightness)
    cameras.close(first)
    cameras.open("c", Brightness)
    second._touched -= 6
    cameras.open("d", Brightness)
    assert second.closed
    assert len(cameras) == 2
    cameras.close_all()


def test_a_model_that_does_not_open_takes_no_place():
    cameras = Cameras(Limits(cameras=1))

    def broken():
        raise UnknownModel("there is none")

    with pytest.raises(UnknownModel):
        cameras.open("a", broken)
    cameras.close(cameras.open("a", Brightness))


def test_a_looker_that_breaks_is_told_and_logged(caplog):
    class Broken(Brightness):
        def look(self, ticks):
            raise RuntimeError("the network is broken")

    cameras, told = Cameras(Limits()), []
    camera = cameras.open("a", Broken)
    with caplog.at_level(logging.ERROR):
        camera.follow(told.append)
        camera.push(jpeg(9), 0.0)
        camera.push(jpeg(9), 0.04)
        camera.push(jpeg(9), 0.08)
        until(lambda: told, "it is told")
    assert isinstance(told[0], RuntimeError)
    assert "the network is broken" in caplog.text
    cameras.close_all()


# Models.


def test_models_at_hand_are_those_given_and_the_bundled_one(tmp_path):
    copy = tmp_path / "mine.xml"
    copy.write_bytes((ASSETS / "figures10.xml").read_bytes())
    copy.with_suffix(".bin").write_bytes((ASSETS / "figures10.bin").read_bytes())
    models = Models([copy])
    assert models.names == ["mine.xml", BUNDLED]
    assert models.predictor("mine.xml")(SAMPLE).top_k(1)[0].label == "jumping jack"
    with pytest.raises(UnknownModel, match="'mine' is not at hand here; did you mean 'mine"):
        models.predictor("mine")
    with pytest.raises(UnknownModel):
        Models(["no_such_model"])


def test_models_that_were_downloaded_are_offered(tmp_path, monkeypatch):
    monkeypatch.setenv("ACTIONZOO_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    for stem in ("x3d_s_kinetics400-pytorchvideo", "strange-0123456789abcdef", "x3d_s"):
        (tmp_path / "models" / f"{stem}.xml").touch()
    from actionzoo.catalog import get_spec

    tag = get_spec("x3d_s_kinetics400").weights[0].tag
    (tmp_path / "models" / f"x3d_s_kinetics400-{tag}.xml").touch()
    assert Models().names == [BUNDLED, "x3d_s_kinetics400"]


# Looking at a video.


@pytest.fixture(scope="module")
def models():
    return Models()


def steps_of(path, models, *, name="a.mp4", limits=None, model=BUNDLED):
    return list(look_at(path, name, model=model, models=models, limits=limits or Limits()))


def test_a_video_is_looked_at_as_predict_does_and_cut(models):
    steps = steps_of(SAMPLE, models)
    reports = [one for one in steps if isinstance(one, Report)]
    assert isinstance(steps[0], Working)
    assert [one.timeline is None for one in reports] == [True, False]
    np.testing.assert_allclose(reports[0].prediction.scores, Predictor()(SAMPLE).scores, atol=1e-6)
    assert reports[1].prediction.path == "a.mp4"
    assert reports[1].timeline.path == "a.mp4"
    assert [one.label for one in reports[1].timeline.segments] == ["jumping jack"]


def test_what_cannot_be_looked_at_is_one_sentence_with_the_visitor_s_name(tmp_path, models):
    secret = tmp_path / "secret-token"
    secret.write_bytes(b"this is no video")
    (fault,) = (one for one in steps_of(secret, models) if isinstance(one, Fault))
    assert fault.words.startswith("cannot open 'a.mp4': it is no video")
    assert "secret" not in fault.words
    (fault,) = (one for one in steps_of(SAMPLE, models, model="x") if isinstance(one, Fault))
    assert "the model 'x' is not at hand" in fault.words


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(video_seconds=2), "'a.mp4' is 3 s long; this page takes up to 2 s"),
        (Limits(video_pixels=100), "'a.mp4' has pictures of"),
        (Limits(work_seconds=1e-9), "takes longer than 0 s"),
    ],
)
def test_too_long_too_large_and_too_slow_are_refused(models, limits, words):
    last = steps_of(SAMPLE, models, limits=limits)[-1]
    assert isinstance(last, Fault)
    assert words in last.words


def test_pictures_of_8k_are_refused_by_default(tmp_path):
    path = tmp_path / "bomb.mp4"
    black = np.zeros((4320, 7680, 3), np.uint8)
    write_video(path, range(1), height=4320, width=7680, draw=lambda *_: black)
    with pytest.raises(ActionZooError, match=r"7680x4320 pixels; this page takes up to 9\.4"):
        check_video(path, "bomb.mp4", Limits())


def test_looking_stops_when_nobody_listens(models):
    before = threading.active_count()
    steps = look_at(SAMPLE, "a.mp4", model=BUNDLED, models=models, limits=Limits())
    next(steps)
    steps.close()
    until(lambda: threading.active_count() <= before, "the thread has ended")


def test_a_few_work_at_a_time_others_wait_and_too_many_are_turned_away():
    turns = Turns(Limits(workers=1, waiting=1))
    with pytest.raises(StopIteration) as begun:
        next(turns.wait())
    assert begun.value.value is True
    second, third = turns.wait(), turns.wait()
    assert next(second) == Working(words="waiting for its turn")
    assert "too many videos are waiting" in next(third).words
    turns.end()
    with pytest.raises(StopIteration) as begun:
        next(second)
    assert begun.value.value is True
    fourth = turns.wait()
    assert isinstance(next(fourth), Working)
    fourth.close()
    assert isinstance(next(turns.wait()), Working)


def test_a_fault_of_ours_is_no_traceback(models, monkeypatch, caplog):
    monkeypatch.setattr(models, "predictor", lambda name: 1 / 0)
    last = steps_of(SAMPLE, models)[-1]
    assert last == Fault(words="'a.mp4' cannot be looked at; the log of the server says why")
    assert "ZeroDivisionError" in caplog.text


# What is shown.


def test_names_are_escaped_wherever_they_are_shown(models):
    name = '<img src="x">.mp4'
    report = steps_of(SAMPLE, models, name=name)[-1]
    shown = [
        parts.player("videos/x", name, report.timeline),
        parts.segments(report.timeline),
        parts.bars(report.prediction),
        parts.fault(Fault(words=f"cannot open {name}")),
        parts.warnings([name]),
        parts.working(Working(words=name)),
    ]
    assert not any("<img" in one for one in shown)


def test_files_are_those_of_the_command_line(models):
    timeline = steps_of(SAMPLE, models, name='a "b".mp4')[-1].timeline
    found = re.findall(r'download="(.*?)" href="data:(.*?),(.*?)"', parts.segments(timeline))
    assert [name for name, _, _ in found] == [
        f"a &quot;b&quot;.{one}" for one in ("json", "csv", "srt", "vtt")
    ]
    texts = [unquote(text) for _, _, text in found]
    assert texts == [one(timeline) for one in (json_text, csv_text, srt_text, vtt_text)]
    assert "jumping jack" in texts[2]


def test_nothing_recognised_is_said(models):
    timeline = replace(steps_of(SAMPLE, models)[-1].timeline, segments=())
    assert "Nothing was recognised" in parts.segments(timeline)
    assert "nothing recognised" in parts.player("videos/x", "a.mp4", timeline)


def test_samples_are_drawn_once_and_show_what_they_shall(models):
    first = make_samples()
    times = [one.path.stat().st_mtime_ns for one in first]
    assert [one.path.stat().st_mtime_ns for one in make_samples()] == times
    found = [one.label for one in steps_of(first[2].path, models)[-1].timeline.segments]
    assert found == ["wave one hand", "walk", "jumping jack", "run", "bend"]
    assert all(one.still.startswith("data:image/jpeg;base64,/9j/") for one in first)


# The server.


@pytest.fixture(scope="module")
def page():
    with serving(limits=Limits(video_bytes=10**6, cameras=2)) as served:
        yield served


class Visitor:
    """Asks a page, as one browser."""

    def __init__(self, address):
        self.host = address.removeprefix("http://").rstrip("/")
        self.cookie = ""
        self.cookie = self.ask("GET", "/").headers["set-cookie"].partition(";")[0]

    def connect(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection(self.host, timeout=20)
        connection.request(method, path, body, {"cookie": self.cookie, **(headers or {})})
        return connection, connection.getresponse()

    def ask(self, method, path, body=None, headers=None):
        connection, answer = self.connect(method, path, body, headers)
        data = answer.read()
        connection.close()
        return SimpleNamespace(status=answer.status, headers=answer.headers, body=data)

    def open_camera(self):
        return self.ask("POST", "/cameras", json.dumps({"model": BUNDLED}))


def test_the_page_tells_browsers_to_ask_nobody_else(page):
    answer = Visitor(page.address).ask("GET", "/")
    assert answer.status == 200
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert "camera=(self)" in answer.headers["permissions-policy"]
    assert b"fonts.googleapis" not in answer.body


def test_other_sites_and_other_names_are_turned_away(page):
    visitor = Visitor(page.address)
    assert visitor.ask("GET", "/", headers={"host": "evil.example"}).status == 421
    evil = {"origin": "http://evil.example"}
    assert visitor.ask("POST", "/videos?name=a", b"x", evil).status == 403
    own = {"origin": page.address.rstrip("/")}
    assert visitor.ask("POST", "/cameras/x/end", headers=own).status == 204
    assert allowed_hosts("0.0.0.0") is None
    assert "actions.example.org" in allowed_hosts("127.0.0.1", ["Actions.Example.Org"])


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/upload",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=http://example.com/",
        "/gradio_api/proxy=http://example.com/",
        "/gradio_api/component_server",
    ],
)
def test_what_the_page_does_not_use_is_closed(page, path):
    visitor = Visitor(page.address)
    for method in ("GET", "POST"):
        assert visitor.ask(method, path).body == b"there is nothing here"


def test_a_brought_video_is_played_to_its_owner_only(page):
    owner, other = Visitor(page.address), Visitor(page.address)
    data = SAMPLE.read_bytes()
    token = json.loads(owner.ask("POST", "/videos?name=a.mp4", data).body)["token"]
    played = owner.ask("GET", f"/videos/{token}", headers={"range": "bytes=4-11"})
    assert (played.status, played.body) == (206, data[4:12])
    assert other.ask("GET", f"/videos/{token}").status == 404
    other.ask("POST", f"/videos/{token}/end")
    assert owner.ask("GET", f"/videos/{token}").status == 200
    owner.ask("POST", f"/videos/{token}/end")
    assert owner.ask("GET", f"/videos/{token}").status == 404
    assert owner.ask("GET", "/samples/jumping").body == data
    assert owner.ask("GET", "/samples/..%2f..%2fetc%2fpasswd").status == 404


def test_a_video_that_promises_too_much_is_refused_at_once(page):
    visitor = Visitor(page.address)
    connection = http.client.HTTPConnection(visitor.host, timeout=20)
    connection.putrequest("POST", "/videos?name=long.mp4")
    connection.putheader("content-length", str(4 * 10**9))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413
    assert "larger than 1.0 MB" in json.loads(answer.read())["error"]
    connection.close()


def test_a_camera_is_followed_over_http(page):
    visitor, other = Visitor(page.address), Visitor(page.address)
    token = json.loads(visitor.open_camera().body)["token"]
    connection, events = visitor.connect("GET", f"/cameras/{token}/answers")
    assert events.status == 200
    assert visitor.ask("GET", f"/cameras/{token}/answers").status == 404
    assert other.ask("POST", f"/cameras/{token}?at=0", jpeg(9)).status == 404
    for number in range(40):
        assert visitor.ask("POST", f"/cameras/{token}?at={number / 25}", jpeg(9)).status == 204
    for at, data in (("0", jpeg(9)), ("x", jpeg(9)), ("9e9", jpeg(9)), ("2", b"none")):
        refused = visitor.ask("POST", f"/cameras/{token}?at={at}", data)
        assert refused.status == 400
        assert "error" in json.loads(refused.body)
    lines = iter(events.readline, b"")
    answer = json.loads(next(one for one in lines if one.startswith(b"data: "))[6:])
    assert len(answer["top_k"]) == 5
    assert answer["statistics"]["frames"] > 0
    visitor.ask("POST", f"/cameras/{token}/end")
    assert b"event: end\n" in lines
    connection.close()
    until(lambda: len(page.site.cameras) == 0, "the camera is let go")


def test_a_browser_that_closes_frees_its_place(page):
    visitor = Visitor(page.address)
    tokens = [json.loads(visitor.open_camera().body)["token"] for _ in range(2)]
    busy = visitor.open_camera()
    assert busy.status == 503
    assert "2 cameras are being watched already" in json.loads(busy.body)["error"]
    for token in tokens:
        connection, _ = visitor.connect("GET", f"/cameras/{token}/answers")
        connection.sock and connection.sock.close()
        connection.close()
    until(lambda: len(page.site.cameras) == 0, "both are let go")


def test_a_camera_needs_a_model_at_hand(page):
    visitor = Visitor(page.address)
    for body in (b"", b"[]", b"{}", json.dumps({"model": "../secret"})):
        refused = visitor.ask("POST", "/cameras", body)
        assert refused.status == 400
        assert json.loads(refused.body)["error"]
    assert len(page.site.cameras) == 0


# Starting.


def test_a_port_in_use_is_said_with_one_that_is_free():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"port {port} of 127.0.0.1 is in use.*--port \d+$"):
            bind("127.0.0.1", port)
    with pytest.raises(ConfigError, match=r"cannot listen at 192\.0\.2\.1"):
        bind("192.0.2.1", 0)


def test_the_command_line_refuses_what_cannot_be(capsys):
    from actionzoo.cli import main

    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["web", "--port", str(taken.getsockname()[1]), "--no-open"]) == 2
    assert main(["web", "--max-size", "much"]) == 2
    assert main(["web", "--model", "no_such_model", "--no-open"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 3
    assert "is in use" in said[0]
    assert "'much' is no size" in said[1]
    with pytest.raises(SystemExit):
        main(["web", "--port", "99999"])


def test_ending_breaks_off_what_is_still_waited_for():
    with serving() as served:
        visitor = Visitor(served.address)
        token = json.loads(visitor.open_camera().body)["token"]
        connection, _ = visitor.connect("GET", f"/cameras/{token}/answers")
        folder = folder_of(served.site.videos)
        began = time.monotonic()
    connection.close()
    assert time.monotonic() - began < 30
    assert len(served.site.cameras) == 0
    assert not folder.exists()
