"""Several jobs at a time, in threads."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")

_THREADS = 8
_AHEAD = 4
"""Jobs handed out for each thread: enough that none waits, few enough to stop soon."""


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
