"""A source three times as fast as who looks: always at the newest, and every frame accounted for.

Source and looker go in step by signals, so that nothing here depends on how fast the machine is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from threading import Condition

import numpy as np
import pytest

from actionzoo.streaming.looking import Look, Looker, Rhythm
from actionzoo.streaming.stream import Stream
from actionzoo.streaming.ticks import Tick
from streams import Pictures
from test_stream import SPEC_30

FRAMES, TIMES = 300, 3


class Camera:
    """Gives so many pictures as it is told to, and tells how many have come."""

    def __init__(self) -> None:
        self.came = 0
        self._due, self._changed = 2, Condition()

    def pictures(self) -> Iterator[np.ndarray]:
        for number in range(FRAMES):
            with self._changed:
                # Whoever asks for this one has handed on the one before.
                self.came = number
                self._changed.notify_all()
                assert self._changed.wait_for(lambda number=number: number < self._due, 20)
            yield np.full((4, 4, 3), number % 256, np.uint8)
        with self._changed:
            self.came = FRAMES
            self._changed.notify_all()

    def go_on(self) -> None:
        """Let a few pictures come, and wait until they have."""
        with self._changed:
            self._due = min(self._due + TIMES, FRAMES)
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self.came >= self._due, 20)


class Slow(Looker):
    """Looks for as long as a few more pictures take to come."""

    spec, rhythm = SPEC_30, Rhythm(frames=1, stride=1, hop=1)

    def __init__(self, camera: Camera, room: int) -> None:
        self.room, self._camera = room, camera
        self.looks: list[tuple[list[int], int]] = []
        """Ticks that it was handed, and how many pictures had come then."""

    def look(self, ticks: Sequence[Tick]) -> Look | None:
        self.looks.append(([one.number for one in ticks], self._camera.came))
        self._camera.go_on()
        output = np.zeros((1, len(self.spec.labels)), np.float32)
        return Look(output=output, first=ticks[0], last=ticks[-1])

    def finish(self) -> Look | None:
        return None

    def reset(self) -> None:
        self.looks = []


@pytest.mark.parametrize("room", [1, 2, 10])
def test_it_looks_at_the_newest_and_the_rest_is_counted(room: int) -> None:
    camera = Camera()
    looker = Slow(camera, room)
    with Stream(Pictures(camera.pictures()), looker, drop=True) as stream:
        answers = list(stream)
        figures = stream.statistics
    looked = [number for ticks, _ in looker.looks for number in ticks]
    assert looked == sorted(set(looked))
    assert figures.frames == FRAMES == len(looked) + figures.dropped
    if room >= TIMES:
        assert figures.dropped == 0
    else:
        assert figures.dropped >= (TIMES - room) * (len(looker.looks) - 4)
    for ticks, came in looker.looks:
        if came < FRAMES:  # at the end, the last one comes when it likes
            # What is on screen at a tick is known when the frame behind it comes.
            assert ticks[-1] == came - 2
            assert len(ticks) <= room
    assert figures.answers == len(looker.looks)
    assert answers[-1].end_seconds == pytest.approx((FRAMES - 1) / 30)
