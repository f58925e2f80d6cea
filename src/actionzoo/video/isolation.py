"""Do something with many files in processes of their own, which a broken file may crash or hang.

A worker is a new interpreter: it shares no thread with the caller and never imports the caller's
script. Tasks go to it through its standard input and answers come back one by one through its
standard output, so it is always known which task a worker was at when it died.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal, TypeVar

Task = TypeVar("Task")
Answer = TypeVar("Answer")

_LARGEST_CHUNK = 16
_LOOK_SECONDS = 0.2
"""How often it is looked whether a worker hangs."""
# Isolated (-I), so that no module of the working folder is taken for one of the library.
_SCRIPT = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from actionzoo.video.isolation import serve; serve()"
)
_BROKEN_OFF = (EOFError, OSError, pickle.UnpicklingError)
"""What reading from or writing to a process raises that has died."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A task that was not answered."""

    reason: Literal["crashed", "hung"]


@dataclass(frozen=True, slots=True)
class _Raised:
    """What a function raised in a worker, or its attendant here."""

    error: Exception


def run_isolated(
    function: Callable[[Task], Answer],
    tasks: Sequence[Task],
    *,
    processes: int | None = None,
    seconds: Callable[[Task], float] = lambda task: 60.0,
) -> Iterator[tuple[int, Answer | Lost]]:
    """Call a function with every task, in worker processes.

    A worker that dies or hangs is replaced, and loses the one task it was at. An interruption ends
    all workers at once.

    Args:
        function: One at the top level of a module that can be imported.
        tasks: What can be pickled.
        processes: How many work at a time; by default one a core.
        seconds: How long a task may take before its worker is taken to hang.

    Yields:
        The place of each task and its answer, as they come.

    Raises:
        RuntimeError: No worker can be started.
        Exception: What the function raised.
    """
    count = max(1, min(processes or os.cpu_count() or 1, len(tasks)))
    work = _Work(tasks, seconds, chunk=len(tasks) // (4 * count))
    attendants = [_Attendant(function, work) for _ in range(count if tasks else 0)]
    looked = time.monotonic()
    try:
        for one in attendants:
            one.thread.start()
        left = len(tasks)
        while left:
            with contextlib.suppress(queue.Empty):
                place, answer = work.answers.get(timeout=_LOOK_SECONDS)
                if isinstance(answer, _Raised):
                    raise answer.error
                left -= 1
                yield place, answer
            if time.monotonic() > looked + _LOOK_SECONDS:
                looked = time.monotonic()
                for one in attendants:
                    one.end_if_late()
    finally:
        for one in attendants:
            one.end()
        for one in attendants:
            one.thread.join()


class _Work:
    """What is to be done, handed out in chunks, and what was answered."""

    def __init__(
        self, tasks: Sequence[Any], seconds: Callable[[Any], float], *, chunk: int
    ) -> None:
        self.tasks, self.seconds = tasks, seconds
        self.answers: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        size = min(max(chunk, 1), _LARGEST_CHUNK)
        self._chunks = iter(range(len(tasks))[at : at + size] for at in range(0, len(tasks), size))
        self._lock = threading.Lock()

    def next_chunk(self) -> range | None:
        """Return the places of the next tasks; None where there are no more."""
        with self._lock:
            return next(self._chunks, None)


class _Attendant:
    """A thread that gives work to one process, and starts another where it dies."""

    def __init__(self, function: Callable[[Any], Any], work: _Work) -> None:
        self.thread = threading.Thread(target=self._run, daemon=True)
        self._function, self._work = function, work
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._deadline: float | None = None
        self._hung = self._ended = False

    def end(self) -> None:
        """Have it stop at once; the thread then clears up."""
        with self._lock:
            self._ended = True
            if self._process is not None:
                self._process.kill()

    def end_if_late(self) -> None:
        """Kill the process where its answer is overdue."""
        with self._lock:
            overdue = self._deadline is not None and time.monotonic() > self._deadline
            if overdue and self._process is not None:
                self._hung = True
                self._process.kill()

    def _run(self) -> None:
        try:
            while not self._ended and (chunk := self._work.next_chunk()) is not None:
                while chunk and not self._ended:
                    chunk = chunk[self._do(chunk) :]
        except Exception as error:
            self._work.answers.put((-1, _Raised(error)))
        finally:
            self._clear()

    def _do(self, chunk: range) -> int:
        """Have tasks done until one is lost; return how many were answered or lost."""
        process = self._process or self._new_process()
        with contextlib.suppress(*_BROKEN_OFF):
            _send(process, [self._work.tasks[place] for place in chunk])
        for done, place in enumerate(chunk):
            self._deadline = time.monotonic() + self._work.seconds(self._work.tasks[place])
            try:
                answer = _receive(process)
            except _BROKEN_OFF:
                answer = Lost("hung" if self._hung else "crashed")
                self._clear()
            self._work.answers.put((place, answer))
            if isinstance(answer, Lost):
                return done + 1
        self._deadline = None
        return len(chunk)

    def _new_process(self) -> subprocess.Popen[bytes]:
        try:
            with self._lock:
                process = self._process = subprocess.Popen(
                    [sys.executable, "-I", "-c", _SCRIPT],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                )
                self._hung = False
                if self._ended:
                    process.kill()
            _send(process, sys.path)
            _send(process, self._function)
            _receive(process)
        except _BROKEN_OFF as error:
            raise RuntimeError(f"no worker process can be started by {sys.executable!r}") from error
        return process

    def _clear(self) -> None:
        with self._lock:
            process, self._process, self._deadline = self._process, None, None
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                assert stream is not None
                with contextlib.suppress(OSError):  # what was not sent yet cannot be
                    stream.close()


def _send(process: subprocess.Popen[bytes], what: Any) -> None:
    assert process.stdin is not None
    _put(process.stdin, what)  # type: ignore[arg-type]


def _receive(process: subprocess.Popen[bytes]) -> Any:
    assert process.stdout is not None
    return pickle.load(process.stdout)


def _put(stream: BinaryIO, what: Any) -> None:
    stream.write(pickle.dumps(what))
    stream.flush()


def serve() -> None:
    """Be a worker: answer tasks until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the caller's
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # libraries must not print into the answers
    function = pickle.load(sys.stdin.buffer)
    _put(answers, None)
    with contextlib.suppress(EOFError):
        while True:
            for task in pickle.load(sys.stdin.buffer):
                try:
                    answer = function(task)
                except Exception as error:
                    answer = _Raised(error)
                _put(answers, answer)
