"""Workers may crash and hang; all other tasks are done, and nothing is left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from actionzoo.video.isolation import Lost, run_isolated


def behave(task: str | int) -> int:
    if task == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if task == "hang":
        time.sleep(60)
    if task == "print":
        os.write(1, b"noise")
    if task == "raise":
        raise ValueError("no such luck")
    return 10 * len(str(task))


def test_all_tasks_are_answered_in_any_order() -> None:
    tasks = ["a" * (number % 7) for number in range(100)]
    answers = dict(run_isolated(behave, tasks, processes=3))
    assert answers == {place: 10 * len(task) for place, task in enumerate(tasks)}


def test_no_tasks_need_no_worker() -> None:
    assert list(run_isolated(behave, [])) == []


def test_a_worker_that_dies_or_hangs_loses_the_task_it_was_at() -> None:
    tasks: list[str | int] = [*range(40), "print"]
    tasks[3] = tasks[4] = tasks[30] = "crash"
    tasks[20] = "hang"
    limits = {"hang": 0.3}
    answers = dict(
        run_isolated(behave, tasks, processes=2, seconds=lambda task: limits.get(str(task), 60.0))
    )
    assert {place for place, one in answers.items() if one == Lost("crashed")} == {3, 4, 30}
    assert [place for place, one in answers.items() if one == Lost("hung")] == [20]
    assert len(answers) == len(tasks)


def test_what_a_function_raises_is_raised_here() -> None:
    with pytest.raises(ValueError, match="no such luck"):
        list(run_isolated(behave, [1, "raise", 2], processes=1))


def test_a_caller_that_stops_early_leaves_no_process() -> None:
    started = time.monotonic()
    answers = run_isolated(behave, [1, *["hang"] * 8], processes=2)
    next(answers)
    answers.close()
    assert time.monotonic() - started < 10


def test_a_script_needs_no_guard_and_an_interruption_ends_it(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        f"sys.path.append({str(Path(__file__).parent)!r})\n"
        "from test_isolation import behave\n"
        "from actionzoo.video.isolation import run_isolated\n"
        "for place, answer in run_isolated(behave, ['one', 'hang', 'hang'], processes=2):\n"
        "    print(answer, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=-1, stderr=-1, text=True) as one:
        assert one.stdout is not None
        assert one.stderr is not None
        assert one.stdout.readline() == "30\n"
        one.send_signal(signal.SIGINT)
        assert one.wait(timeout=10) != 0
        assert "KeyboardInterrupt" in one.stderr.read()


def test_a_worker_that_cannot_be_started_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for nothing in ("/bin/false", "/no/such/python"):
        monkeypatch.setattr(sys, "executable", nothing)
        with pytest.raises(RuntimeError, match=f"no worker process can be started by '{nothing}'"):
            list(run_isolated(behave, [1, 2, 3]))
