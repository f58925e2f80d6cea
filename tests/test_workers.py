"""Jobs are all done once, in several threads, whatever becomes of some of them."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import pytest

from actionzoo.workers import in_threads, log_progress


def fail_at_3(number: int) -> int:
    if number == 3:
        raise ValueError("three")
    return number * number


def noted(file: Path) -> None:
    time.sleep(0.01)
    file.write_text("")


@pytest.mark.parametrize("threads", [1, 3, 50])
def test_every_job_is_done_once(threads: int) -> None:
    found = list(in_threads(fail_at_3, range(4, 20), threads=threads))
    assert dict(found) == {number: number * number for number in range(4, 20)}
    assert len(found) == 16


def test_no_job_is_no_work() -> None:
    assert list(in_threads(fail_at_3, [])) == []


def test_error_of_a_job_is_the_callers() -> None:
    before = threading.active_count()
    with pytest.raises(ValueError, match="three"):
        list(in_threads(fail_at_3, range(10)))
    assert threading.active_count() == before


def test_who_stops_iterating_ends_what_is_under_way_only(tmp_path: Path) -> None:
    before = threading.active_count()
    results = in_threads(noted, (tmp_path / str(number) for number in range(1000)), threads=2)
    next(results)
    results.close()
    assert 0 < len(list(tmp_path.iterdir())) < 20
    assert threading.active_count() == before


class Clock:
    """Three seconds later each time it is looked at."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 3
        return self.seconds


def test_long_work_says_how_far_it_is(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        parts = log_progress(
            [100] * 30, what="features", total=3000, videos=lambda one: one, clock=Clock()
        )
        assert list(parts) == [100] * 30
    assert caplog.messages == [
        "features: 700 of 3,000 videos",
        "features: 1,400 of 3,000 videos",
        "features: 2,100 of 3,000 videos",
        "features: 2,800 of 3,000 videos",
    ]


def test_short_work_is_not_talked_about(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert list(log_progress("abc", what="reading", total=3)) == ["a", "b", "c"]
    assert caplog.messages == []
