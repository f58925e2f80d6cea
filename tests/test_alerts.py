"""Alerts: how they are written, when they ring, and how they reach somebody."""

import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue

import numpy as np
import pytest

from actionzoo.errors import ConfigError
from actionzoo.live import sending
from actionzoo.live.alerts import GAP_SECONDS, Watcher, parse_alert
from actionzoo.live.sending import Address, Command, NotDelivered, Sender, Target
from actionzoo.prediction import LabelScore, StreamPrediction

LABELS = ("walk", "waving", "massaging person's head", "waiting for bus", "a > b")


def answer(seconds, label="waving", score=0.9, shown=None):
    scores = np.full(len(LABELS), (1 - score) / (len(LABELS) - 1), np.float32)
    scores[LABELS.index(label)] = score
    index = LABELS.index(shown or label)
    return StreamPrediction(
        model="m",
        labels=LABELS,
        scores=scores,
        shown=LabelScore(LABELS[index], index, float(scores[index])),
        start_seconds=seconds - 1,
        end_seconds=seconds,
        age_seconds=0.0,
    )


@pytest.mark.parametrize(
    ("text", "label", "threshold", "hold", "every"),
    [
        ("waving", "waving", None, 0, 0),
        ("waving for 2s", "waving", None, 2, 0),
        ("waving>0.8 for 2s", "waving", 0.8, 2, 0),
        (" Waving  >=  80 %  for 500 ms ", "waving", 0.8, 0.5, 0),
        ("waving>.5 for 1.5min every 1h", "waving", 0.5, 90, 3600),
        ("waving every 60s", "waving", None, 0, 60),
        ("waiting for bus for 3", "waiting for bus", None, 3, 0),
        ("waiting for bus", "waiting for bus", None, 0, 0),
        ("massaging person's head>0.5", "massaging person's head", 0.5, 0, 0),
        ("'a > b' > 0.5", "a > b", 0.5, 0, 0),
        ('"waving" for 2 seconds', "waving", None, 2, 0),
    ],
)
def test_conditions_are_read(text, label, threshold, hold, every):
    alert = parse_alert(text, LABELS)
    assert (alert.label, alert.threshold) == (label, threshold)
    assert (alert.hold_seconds, alert.every_seconds) == (hold, every)
    assert LABELS[alert.class_index] == label
    assert alert.target is None
    assert alert.text == text.strip()


def test_targets_are_read():
    alert = parse_alert(f"waving for 2s -> {sys.executable} -c 'a > b' -> c", LABELS)
    assert alert.text == "waving for 2s"
    assert alert.target._words == (sys.executable, "-c", "a > b", "->", "c")
    alert = parse_alert("'a > b' > 0.5 -> https://me:secret@example.org:8443/hook?x=1#y", LABELS)
    assert alert.target.name == "https://example.org:8443"
    assert alert.target._url == "https://example.org:8443/hook?x=1"
    assert alert.target._headers["Authorization"] == "Basic bWU6c2VjcmV0"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot read the alert ''; write it as 'LABEL>0.8 for 2s'"),
        ("> 0.5", "cannot read"),
        ("waving >", "cannot read"),
        ("waving>0.5 for", "cannot read"),
        ("waveing>0.5", "there is no class 'waveing'; did you mean 'waving'?"),
        ("waving>8", "no score is so high"),
        ("waving>1", "no score is so high"),
        ("waving for 2 fortnights", "'fortnights' is no unit of time"),
        ("waving -> ftp://example.org", "is no address to post to"),
        ("waving -> https://", "is no address to post to"),
        ("waving -> http://a b", "is no address to post to"),
        ("waving -> http://a:xyz", "is no address"),
        ("waving -> no-such-program-here", "no program 'no-such-program-here'"),
        ("waving -> ls 'x", "No closing quotation"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_sentence(text, said):
    with pytest.raises(ConfigError, match=r".") as caught:
        parse_alert(text, LABELS)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def rings(text, answers):
    watcher = Watcher(parse_alert(text, LABELS))
    return [one.end_seconds for one in answers if watcher.update(one) is not None]


def test_it_rings_once_when_it_has_held_for_long_enough():
    answers = [answer(n * 0.5, score=0.9 if n >= 2 else 0.3) for n in range(20)]
    assert rings("waving>0.8 for 2s", answers) == [3.0]
    assert rings("waving>0.8", answers) == [1.0]
    assert rings("waving>=0.95 for 2s", answers) == []


def test_it_rings_again_only_after_it_was_broken():
    scores = [0.9] * 6 + [0.5] + [0.9] * 6
    answers = [answer(n, score=score) for n, score in enumerate(scores)]
    assert rings("waving>0.8 for 2s", answers) == [2, 9]
    assert rings("waving>0.8 for 2s every 5s", answers) == [2, 9]
    assert rings("waving>0.8 for 2s every 9s", answers) == [2, 11]
    assert rings("waving>0.8 for 2s every 1h", answers) == [2]


def test_without_a_score_the_shown_label_counts():
    answers = [answer(n, "walk" if n % 2 else "waving", shown="waving") for n in range(6)]
    assert rings("waving for 3s", answers) == [3]
    assert rings("waving>0.5 for 3s", answers) == []


def test_what_nobody_saw_is_no_evidence():
    gap = GAP_SECONDS + 1
    answers = [answer(0), answer(1), answer(1 + gap), answer(2 + gap), answer(4 + gap)]
    assert rings("waving for 3s", answers) == [4 + gap]


def test_an_alarm_says_what_held():
    alarm = Watcher(parse_alert("waving>0.8 -> ls", LABELS)).update(answer(1.25))
    assert alarm.to_dict() == {
        "alert": "waving>0.8",
        "label": "waving",
        "class_index": 1,
        "score": 0.9,
        "seconds": 1.25,
        "held_seconds": 0.0,
    }


class Hook(BaseHTTPRequestHandler):
    """Keeps what is posted; the path lists the codes of the answers, such as /500,200."""

    def do_POST(self):
        server = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.posted.put((self.path, dict(self.headers), json.loads(body)))
        if self.path == "/hang":
            server.released.wait(30)
            return
        codes = self.path.strip("/").split(",")
        code = int(codes[min(server.count, len(codes) - 1)])
        server.count += 1
        self.send_response(code)
        if code == 302:
            self.send_header("Location", "file:///etc/hostname")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format, *args):
        """Keep the terminal clean."""


@pytest.fixture
def hook():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    server.posted, server.released, server.count = Queue(), threading.Event(), 0
    server.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_address_is_posted_json(hook):
    sender = Sender()
    sender.send(Address(f"{hook.address}/200"), {"label": "waving", "score": 0.9})
    sender.close()
    path, headers, body = hook.posted.get_nowait()
    assert body == {"label": "waving", "score": 0.9}
    assert (path, headers["Content-Type"]) == ("/200", "application/json")
    assert sender.undelivered == 0


def test_a_fault_of_the_server_is_tried_again(hook, caplog):
    sender = Sender(delays_seconds=(0.01, 0.01, 0.01))
    sender.send(Address(f"{hook.address}/500,503,200"), {"label": "waving"})
    sender.close()
    assert (hook.posted.qsize(), sender.undelivered) == (3, 0)
    assert not caplog.records


@pytest.mark.parametrize(("codes", "posts"), [("500", 4), ("404", 1), ("302", 1), ("429,200", 2)])
def test_what_is_refused_is_counted_and_said(hook, caplog, codes, posts):
    sender = Sender(delays_seconds=(0.01, 0.01, 0.01))
    sender.send(Address(f"{hook.address}/{codes}"), {"label": "waving"})
    sender.close()
    assert hook.posted.qsize() == posts
    assert sender.undelivered == ("200" not in codes)
    if sender.undelivered:
        assert f"did not reach {hook.address}: it answered {codes}" in caplog.text
    if codes == "302":
        assert "redirects are not followed" in caplog.text


def test_nobody_there_is_tried_again_and_given_up(caplog):
    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        address = f"http://127.0.0.1:{server.server_address[1]}/"
    sender = Sender(delays_seconds=(0.01, 0.01))
    sender.send(Address(address), {"label": "waving"})
    sender.close()
    assert sender.undelivered == 1
    assert "refused" in caplog.text


def test_what_hangs_holds_up_nobody_and_is_given_up_at_the_end(hook, caplog):
    sender = Sender(room=2)
    began = time.monotonic()
    for _ in range(8):
        sender.send(Address(f"{hook.address}/hang"), {"label": "waving"})
    assert time.monotonic() - began < 2
    hook.posted.get(timeout=10)
    assert sender.undelivered in (5, 6)  # two wait, one or none was taken at once
    sender.close(0.05)
    assert sender.undelivered == 8
    assert "could not be delivered in time" in caplog.text


def test_a_time_out_is_an_end(hook, monkeypatch):
    monkeypatch.setattr(sending, "ADDRESS_SECONDS", 0.05)
    with pytest.raises(NotDelivered, match="timed out") as caught:
        Address(f"{hook.address}/hang").deliver({"label": "waving"})
    assert caught.value.again


def test_a_command_is_run_without_a_shell_and_told_in_its_environment(tmp_path):
    out = tmp_path / "told"
    code = "import os, sys; open(sys.argv[1], 'w').write(sys.argv[2] + os.environ['%s'])"
    command = Command((sys.executable, "-c", code % "ACTIONZOO_LABEL", str(out), "$HOME;"))
    command.deliver({"label": "massaging person's head", "score": 0.5})
    assert out.read_text() == "$HOME;massaging person's head"


@pytest.mark.parametrize(
    ("code", "reason"), [("raise SystemExit(3)", "exit code 3"), ("input(); input()", "exit code")]
)
def test_a_command_that_fails_is_said_and_not_tried_again(caplog, code, reason):
    sender = Sender()
    sender.send(Command((sys.executable, "-c", code)), {"label": "waving"})
    sender.close(20)
    assert sender.undelivered == 1
    assert reason in caplog.text


def test_a_command_that_does_not_end_is_ended(monkeypatch):
    monkeypatch.setattr(sending, "COMMAND_SECONDS", 0.1)
    with pytest.raises(NotDelivered, match="did not end within"):
        Command((sys.executable, "-c", "import time; time.sleep(60)")).deliver({})


@pytest.mark.skipif(os.name == "nt", reason="programs of another name")
def test_a_program_that_went_away_is_said():
    with pytest.raises(NotDelivered, match="No such file"):
        Command(("/no/such/program",)).deliver({})


def test_messages_arrive_in_order():
    told = []

    class Ear(Target):
        name = "ear"

        def deliver(self, message):
            told.append(message["n"])

    sender = Sender()
    for number in range(20):
        sender.send(Ear(), {"n": number})
    sender.close()
    assert told == list(range(20))


def test_a_sender_without_messages_has_no_thread():
    before = threading.active_count()
    Sender().close()
    assert threading.active_count() == before
