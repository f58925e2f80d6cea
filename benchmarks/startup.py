"""CPU time of starting: `import actionzoo`, `actionzoo --help`, a first prediction.

Run: python benchmarks/startup.py
Also shows that none of them imports torch. Prints a table; the figures of the README come from it.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

SAMPLE = Path(__file__).parents[1] / "src/actionzoo/assets/sample.mp4"
ROUNDS = 5
CASES = {
    "python -c pass": ["-c", "pass"],
    "import actionzoo": ["-c", "import actionzoo"],
    "actionzoo --help": ["-m", "actionzoo", "--help"],
    "actionzoo predict --help": ["-m", "actionzoo", "predict", "--help"],
    "actionzoo predict sample.mp4": ["-m", "actionzoo", "predict", str(SAMPLE)],
}
NO_TORCH = (
    "import sys; sys.modules['torch'] = None; from actionzoo.__main__ import main; sys.exit(main())"
)


def measure(command: list[str]) -> tuple[float, float]:
    """Return the median CPU and wall seconds of a command over some rounds."""
    cpu, wall = [], []
    for _ in range(ROUNDS):
        before, start = os.times(), time.perf_counter()
        subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
        after = os.times()
        wall.append(time.perf_counter() - start)
        cpu.append(
            after.children_user
            + after.children_system
            - before.children_user
            - before.children_system
        )
    return statistics.median(cpu), statistics.median(wall)


def main() -> None:
    bare, _ = measure(CASES["python -c pass"])
    print(f"{'':32}{'CPU s':>8}{'wall s':>8}{'CPU s over bare Python':>26}")
    for name, command in CASES.items():
        cpu, wall = measure(command)
        print(f"{name:32}{cpu:8.3f}{wall:8.3f}{cpu - bare:26.3f}")
    without_torch = [sys.executable, "-c", NO_TORCH, "predict", str(SAMPLE), "--format", "jsonl"]
    subprocess.run(without_torch, check=True, stdout=subprocess.DEVNULL)
    print("a prediction with torch forbidden: works")


if __name__ == "__main__":
    main()
