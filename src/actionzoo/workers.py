"""Long work: several jobs at a time in threads, and a word from time to time of how far it is."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TypeVar

logger = logging.getLogger(__name__)

Job = TypeVar("Job")
Result = TypeVar("Result")
Item = TypeVar("Item")

_THREADS = 8
_AHEAD = 4
"""Jobs handed out for each thread: enough that none waits, few enough to stop soon."""
_EVERY_SECONDS = 20
"""Often enough to see that work goes on, seldom enough for a log that is kept."""


def in_threads(
    work: Callable[[Job], Result], jobs: Iterable[Job], *, threads: int = _THREADS
) -> Generator[tuple[Job, Result], None, None]:
    """Do jobs that wait for disks, or for libraries that let other threads work meanwhile.

    Who stops iterating, or interrupts, waits for the jobs under way; no others are begun.

    Args:
        work: Called with one job at a time.
        jobs: Any number; they are taken as they are needed.
        threads: How many work at a time.

    Yields:
        Each job with its result, in the order they end.
    """
    waiting = iter(jobs)
    running: dict[Future[Result], Job] = {}
    pool = ThreadPoolExecutor(threads)
    try:
        while True:
            for job in islice(waiting, _AHEAD * threads - len(running)):
                running[pool.submit(work, job)] = job
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield running.pop(future), future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def log_progress(
    items: Iterable[Item],
    *,
    what: str,
    total: int,
    videos: Callable[[Item], int] = lambda _: 1,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Item]:
    """Pass items on, and log about every 20 s how many of the videos are done.

    Args:
        items: Whatever is worked at; an item is done when the next one is asked for.
        what: Said before the numbers, such as ``features``.
        total: How many videos there are.
        videos: Tells how many of them an item is.
        clock: Tells the time in seconds.
    """
    done, tell = 0, logged_steps(what, clock=clock)
    for item in items:
        yield item
        done += videos(item)
        tell(done, total)


def logged_steps(
    what: str, *, unit: str = "videos", clock: Callable[[], float] = time.monotonic
) -> Callable[[int, int], None]:
    """Return what is to be told how many are done and to do, and logs it about every 20 s.

    Args:
        what: Said before the numbers, such as ``features``.
        unit: What is counted.
        clock: Tells the time in seconds.
    """
    told = clock()

    def tell(done: int, total: int) -> None:
        nonlocal told
        now = clock()
        if done < total and now - told >= _EVERY_SECONDS:
            told = now
            logger.info("%s: %s of %s %s", what, f"{done:,}", f"{total:,}", unit)

    return tell
