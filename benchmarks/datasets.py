"""Datasets: opening a large list, its memory in workers, checking, and loading clips for training.

Run: python benchmarks/datasets.py [VIDEOS] [--rounds 3] [--only open,workers,check,loader]

- open: a list of 240,000 videos, in a fresh process, then once more from its cache.
- workers: what eight worker processes hold of that list for themselves alone, beyond what they hold
  of a list of ten.
- check: probes a second; and decoding everything, against bare PyAV with as many processes.
- loader: clips a second of `TrainClips`, X3D-S, against the straight way: PyAV decodes every frame
  to RGB, torch picks and resizes. Both with two workers.

Ways that are compared take turns, and the median of the rounds counts. VIDEOS is any dataset; by
default the real clips beside the checkout, or drawn ones.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path

import av
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from actionzoo.catalog import get_spec
from actionzoo.datasets import Sample, VideoDataset, open_dataset
from actionzoo.datasets.inspection import inspect
from actionzoo.loading import TrainClips, make_loader, worker_start
from actionzoo.spec import InputSpec

ROWS, CLASSES = 240_000, 400
PROCESSES, WORKERS = 2, 8
BATCH, COPIES = 8, 15
MODEL = "x3d_s_kinetics400"
REAL_CLIPS = Path(__file__).parents[2] / "shared" / "data" / "fights"


# opening


OPEN = """
import re, sys, time
from actionzoo.datasets import open_dataset
start = time.perf_counter()
dataset = open_dataset(sys.argv[1])
seconds = time.perf_counter() - start
print(len(dataset), seconds, re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""


def write_csv(folder: Path, rows: int) -> Path:
    """Write the project's own table, with groups and splits."""
    lines = (
        f"train/class {row % CLASSES}/{row:011d}_000010_000020.mp4,class {row % CLASSES},train,"
        f"g{row % 5000}"
        for row in range(rows)
    )
    return _write(folder / "table" / f"videos_{rows}.csv", ["path,label,split,group", *lines])


def write_list(folder: Path, rows: int) -> Path:
    """Write a list in GluonCV's form: path, frames, class index."""
    lines = (
        f"class_{row % CLASSES}/{row:011d}_000010_000020.mp4 300 {row % CLASSES}"
        for row in range(rows)
    )
    return _write(folder / "list" / f"k400_train_{rows}.txt", [*lines])


def _write(file: Path, lines: Sequence[str]) -> Path:
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    # The cache does not trust what was changed a moment ago; videos are looked for beside a list.
    for one in (file, file.parent, file.parent.parent):
        os.utime(one, (time.time() - 60, time.time() - 60))
    return file


def open_in_fresh_process(file: Path) -> tuple[float, float]:
    """Return the seconds of opening, and the peak of the process in MB."""
    command = [sys.executable, "-c", OPEN, str(file)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    length, seconds, peak = output.split()
    assert int(length) == ROWS, f"{length} rows of {file.name} were read"
    return float(seconds), int(peak) / 1024


def measure_opening(folder: Path) -> None:
    for name, write in (("csv table", write_csv), ("GluonCV list", write_list)):
        file = write(folder, ROWS)
        for times, target in (("first", "2 s, 300 MB"), ("again", "0.3 s")):
            seconds, peak = open_in_fresh_process(file)
            print(f"open {name:13} {times}  {seconds:8.2f} s {peak:6.0f} MB   (target {target})")


# memory of workers


def hold(clips: TrainClips, everyone: Barrier, answer: Connection) -> None:
    """Look at some samples, and send how many MB this process shares with no other."""
    dataset = clips.samples.dataset
    for index in range(0, len(dataset), 50):
        clips.samples.target(index), dataset[index]
    everyone.wait()
    text = Path("/proc/self/smaps_rollup").read_text(encoding="ascii")
    answer.send(sum(map(int, re.findall(r"Private_(?:Clean|Dirty):\s+(\d+)", text))) / 1024)
    everyone.wait()


def private_mb(clips: TrainClips, method: str) -> float:
    """Return the median of what eight workers hold for themselves."""
    context = multiprocessing.get_context(method)
    everyone = context.Barrier(WORKERS)
    receive, send = context.Pipe(duplex=False)
    workers = [
        context.Process(target=hold, args=(clips, everyone, send))  # type: ignore[attr-defined]
        for _ in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    answers = [receive.recv() for _ in workers]
    for worker in workers:
        worker.join()
    return float(statistics.median(answers))


def measure_workers(folder: Path) -> None:
    spec = get_spec(MODEL).input
    small, large = (TrainClips(open_dataset(write_csv(folder, rows)), spec) for rows in (10, ROWS))
    for method in dict.fromkeys((worker_start(), "spawn", "fork")):
        few, many = private_mb(small, method), private_mb(large, method)
        print(
            f"worker by {method:11} {few:6.0f} MB with 10 rows, {many:6.0f} MB with {ROWS} rows: "
            f"{many - few:+.1f} MB"
        )


# comparing


def take_turns(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each way, so that a busy machine is busy for all."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(one) for name, one in seconds.items()}


# checking


def decode(path: Path) -> int:
    """Decode a video and do nothing with it; return its number of frames."""
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        return sum(1 for _ in container.decode(video=0))


def many_times(dataset: VideoDataset, folder: Path) -> VideoDataset:
    """Link every video under several names: what a check takes to start is then a small part."""
    folder.mkdir()
    copies = []
    for number, sample in enumerate(dataset):
        for copy in range(COPIES):
            link = folder / f"{number}_{copy}{sample.path.suffix}"
            link.symlink_to(sample.path)
            copies.append(Sample(path=link, labels=sample.labels))
    return VideoDataset.from_samples(copies)


def decode_all(paths: Sequence[Path]) -> int:
    """Decode with PyAV alone, in as many processes: started anew, as those of a check are."""
    context = multiprocessing.get_context(worker_start())
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        return sum(pool.map(decode, paths, chunksize=8))


def measure_check(dataset: VideoDataset, rounds: int) -> None:
    paths = [sample.path for sample in dataset]
    seconds = take_turns(
        {
            "probe": lambda: inspect(dataset, processes=PROCESSES),
            "deep": lambda: inspect(dataset, deep=True, processes=PROCESSES),
            "bare": lambda: decode_all(paths),
        },
        rounds,
    )
    rate = {name: len(paths) / one for name, one in seconds.items()}
    print(f"check, probed         {rate['probe']:8.1f} videos/s   (target >= 150)")
    print(f"check, decoded        {rate['deep']:8.1f} videos/s")
    print(f"bare PyAV             {rate['bare']:8.1f} videos/s")
    print(f"ratio decoded / bare  {rate['deep'] / rate['bare']:8.2f}   (target >= 0.9)")


# loading


class Straight(Dataset[tuple[Tensor, int]]):
    """What one writes in an afternoon with PyAV and torch."""

    def __init__(self, dataset: VideoDataset, spec: InputSpec) -> None:
        self.videos = [(str(sample.path), sample.label) for sample in dataset]
        self.labels, self.spec = dataset.labels, spec

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        path, label = self.videos[index]
        with av.open(path) as container:
            rate = container.streams.video[0].average_rate
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        video = torch.from_numpy(np.stack(frames))
        return self._clip(video, float(rate or 30)), self.labels.index(str(label))

    def _clip(self, video: Tensor, rate: float) -> Tensor:
        """Pick and resize: (frames, H, W, C) uint8 to (C, T, S, S) float32."""
        spec = self.spec
        step = spec.stride * rate / float(spec.fps or rate)
        room = max(1, int(len(video) - step * (spec.frames - 1)))
        start = int(torch.randint(room, ()))
        wanted = (start + step * torch.arange(spec.frames)).long().clamp(max=len(video) - 1)
        pixels = video[wanted].permute(0, 3, 1, 2).float() / 255
        scale = spec.height / min(pixels.shape[2:])
        new = [max(spec.height, int(side * scale)) for side in pixels.shape[2:]]
        pixels = torch.nn.functional.interpolate(pixels, new, mode="bilinear", antialias=True)
        top, left = (int(torch.randint(side - spec.height + 1, ())) for side in new)
        crop = pixels[:, :, top : top + spec.height, left : left + spec.width]
        return ((crop - spec.mean[0]) / spec.std[0]).permute(1, 0, 2, 3).contiguous()


def straight_loader(dataset: VideoDataset, spec: InputSpec) -> DataLoader[tuple[Tensor, int]]:
    return DataLoader(
        Straight(dataset, spec),
        BATCH,
        shuffle=True,
        num_workers=PROCESSES,
        multiprocessing_context=worker_start(),
        persistent_workers=True,
    )


def measure_loader(dataset: VideoDataset, rounds: int) -> None:
    spec = get_spec(MODEL).input
    ours = make_loader(TrainClips(dataset, spec), batch_size=BATCH, workers=PROCESSES)
    straight = straight_loader(dataset, spec)
    seconds = take_turns(
        {"straight": lambda: sum(1 for _ in straight), "ours": lambda: sum(1 for _ in ours)},
        rounds,
    )
    rate = {name: len(dataset) / one for name, one in seconds.items()}
    print(f"loader, straight way  {rate['straight']:8.1f} clips/s")
    print(f"loader, ours          {rate['ours']:8.1f} clips/s")
    print(f"ratio ours / straight {rate['ours'] / rate['straight']:8.2f}   (target >= 2)")


def videos_of(typed: Path | None, folder: Path) -> VideoDataset:
    """Open the dataset given, else the real clips, else drawn ones."""
    if typed is None and not REAL_CLIPS.exists():
        from actionzoo.synthetic import make_dataset

        make_dataset(folder / "drawn", clips_per_class=10, seed=0)
        typed = folder / "drawn"
    return open_dataset(typed or REAL_CLIPS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("videos", nargs="?", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="open,workers,check,loader")
    arguments = parser.parse_args()
    wanted = arguments.only.split(",")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["ACTIONZOO_HOME"] = str(folder / "home")
        if "open" in wanted:
            measure_opening(folder)
        if "workers" in wanted:
            measure_workers(folder)
        dataset = videos_of(arguments.videos, folder)
        print(f"{dataset!r}, {PROCESSES} processes each, {MODEL}")
        if "check" in wanted:
            measure_check(many_times(dataset, folder / "many"), arguments.rounds)
        if "loader" in wanted:
            measure_loader(dataset, arguments.rounds)


if __name__ == "__main__":
    main()
