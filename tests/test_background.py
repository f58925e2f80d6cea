"""What runs ahead in a thread, and the line between two threads."""

from __future__ import annotations

import threading
from collections.abc import Generator
from itertools import count

import pytest

from actionzoo.video.background import Background


def test_a_generator_is_run_ahead_and_closed_in_its_own_thread() -> None:
    seen: list[tuple[str, threading.Thread]] = []

    def items() -> Generator[int, None, None]:
        seen.append(("began", threading.current_thread()))
        try:
            yield from count()
        finally:
            seen.append(("ended", threading.current_thread()))

    background = Background(items(), room=2, waits=True, name="count")
    assert [background.take() for _ in range(5)] == [0, 1, 2, 3, 4]
    background.close()
    assert background.take() is None
    assert [what for what, _ in seen] == ["began", "ended"]
    assert {thread.name for _, thread in seen} == {"count"}


def test_an_error_of_the_generator_is_raised_where_it_is_taken_from() -> None:
    def items() -> Generator[int, None, None]:
        yield 1
        raise ZeroDivisionError

    background = Background(items(), room=2, waits=True, name="broken")
    assert background.take() == 1
    with pytest.raises(ZeroDivisionError):
        background.take()
