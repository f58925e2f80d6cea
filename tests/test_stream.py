"""A source and a looker side by side: the same as offline, never old, nothing lost uncounted."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import repeat
from threading import Event, active_count

import numpy as np
import pytest

from actionzoo.errors import VideoError
from actionzoo.spec import Resize
from actionzoo.streaming.looking import Look, Looker, Rhythm
from actionzoo.streaming.stream import Stream
from actionzoo.streaming.ticks import Tick
from colour_model import SPEC
from streams import Pictures

SPEC_30 = replace(
    SPEC,
    input=replace(
        SPEC.input,
        fps=Fraction(30),
        resize=Resize(rule="short_side", height=4, width=4),
        height=4,
        width=4,
    ),
)


def greys(count):
    return (np.full((4, 4, 3), n % 256, np.uint8) for n in range(count))


class Eyes(Looker):
    """Answers at every tick which class its grey is, and remembers what it was handed."""

    spec, rhythm, room = SPEC_30, Rhythm(frames=1, stride=1, hop=1), 1

    def __init__(self) -> None:
        self.seen: list[int] = []

    def look(self, ticks: Sequence[Tick]) -> Look | None:
        self.seen += [one.number for one in ticks]
        output = np.zeros((1, len(SPEC.labels)), np.float32)
        output[0, int(ticks[-1].pixels[0, 0, 0]) % len(SPEC.labels)] = 5
        return Look(output=output, first=ticks[0], last=ticks[-1])

    def finish(self) -> Look | None:
        return None

    def reset(self) -> None:
        self.seen = []


def test_a_file_waits_and_every_answer_comes():
    eyes = Eyes()
    with Stream(Pictures(greys(200)), eyes) as stream:
        answers = list(stream)
        figures = stream.statistics
    assert eyes.seen == list(range(200))
    assert [one.shown.class_index for one in answers] == [n % 3 for n in range(200)]
    assert [round(one.end_seconds * 30) for one in answers] == list(range(200))
    assert (figures.frames, figures.answers, figures.dropped) == (200, 200, 0)


def test_a_slow_looker_sees_the_newest_and_what_it_missed_is_counted():
    """The source goes on while the looker is held up; then the newest tick is the next."""
    held, go = Event(), Event()

    class Slow(Eyes):
        def look(self, ticks: Sequence[Tick]) -> Look | None:
            if not self.seen:
                held.set()
                assert go.wait(5)
            return super().look(ticks)

    def pictures():
        yield from greys(2)
        assert held.wait(5)
        yield from greys(98)
        go.set()

    eyes = Slow()
    with Stream(Pictures(pictures()), eyes, drop=True) as stream:
        list(stream)
        figures = stream.statistics
    assert eyes.seen[0] == 0
    assert eyes.seen[1] >= 97
    assert len(eyes.seen) + figures.dropped == 100 == figures.frames


def test_an_answer_nobody_took_gives_way_to_a_newer_one():
    taken, over = Event(), Event()

    def pictures():
        yield from greys(2)
        assert taken.wait(5)
        yield from greys(48)

    class Last(Eyes):
        def finish(self) -> None:
            over.set()

    with Stream(Pictures(pictures()), Last(), drop=True) as stream:
        answers = iter(stream)
        next(answers)
        taken.set()
        assert over.wait(5)
        (newest,) = answers
    assert newest.end_seconds == pytest.approx(49 / 30)


def test_steady_labels():
    with Stream(Pictures(greys(9)), Eyes(), smooth=2) as stream:
        assert {one.shown.class_index for one in stream} == {0}


def test_every_frame_is_shown_to_whoever_asks():
    times = []
    stream = Stream(Pictures(greys(40)), Eyes(), on_frame=lambda one: times.append(one.pts_seconds))
    assert len(list(stream)) == 40
    assert times == [Fraction(n, 30) for n in range(40)]


@pytest.mark.parametrize("where", ["source", "looker", "on_frame"])
def test_errors_reach_the_caller_after_the_answers_before_them(where):
    def pictures():
        yield from greys(10)
        if where == "source":
            raise VideoError("the cable was pulled")
        yield from greys(10)

    class Blind(Eyes):
        def look(self, ticks: Sequence[Tick]) -> Look | None:
            if where == "looker" and len(self.seen) == 9:
                raise VideoError("cannot see")
            return super().look(ticks)

    def on_frame(frame):
        if where == "on_frame" and frame.pts_seconds > Fraction(9, 30):
            raise VideoError("cannot show")

    seen = 0
    with (
        pytest.raises(VideoError, match=r"pulled|cannot see|cannot show"),
        Stream(Pictures(pictures()), Blind(), on_frame=on_frame) as stream,
    ):
        for seen, _ in enumerate(stream, 1):  # noqa: B007
            pass
    assert seen == 9


def test_leaving_early_ends_the_threads():
    before = active_count()
    endless = repeat(np.zeros((4, 4, 3), np.uint8))
    with Stream(Pictures(endless), Eyes()) as stream:
        for _ in stream:
            break
    assert active_count() == before


def test_a_camera_slower_than_the_clock_loses_nothing():
    eyes = Eyes()
    with Stream(Pictures(greys(20), fps=10), eyes, drop=False) as stream:
        list(stream)
    assert eyes.seen == list(range(60))
    held = Event()

    class Held(Eyes):
        rhythm = Rhythm(frames=3, stride=1, hop=1)

        def look(self, ticks: Sequence[Tick]) -> Look | None:
            held.set()
            return super().look(ticks)

    def pictures():
        for picture in greys(20):
            yield picture
            if picture.any():  # the first one is known to be shown when the second is there
                assert held.wait(5)
                held.clear()

    with Stream(Pictures(pictures(), fps=10), eyes := Held(), drop=True) as stream:
        list(stream)
        assert stream.statistics.dropped == 0
    assert eyes.seen == list(range(60))
