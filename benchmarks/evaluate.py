"""X3D-S, 30 views a video: ours against its inference alone, and against a decoding a view.

Run: python benchmarks/evaluate.py [--videos 12] [--rounds 3] [--longest]

(a) Ours: ``evaluate`` by ``pyslowfast-30``, each video decoded once.
(b) Inference alone: as many views of noise as (a) computes, through the same backend. In a video
    shorter than a clip all clips are one, which (a) computes once.
(c) As the peers' loaders do: for each view the whole video is decoded, one clip is taken, scaled
    and cropped; the same backend, and as many threads as (a).

Weights are random: they cost the same as trained ones. Videos are those of the fights beside the
checkout, or drawn ones.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import av
import numpy as np
import torch

from actionzoo.backends import Backend
from actionzoo.catalog import get_spec
from actionzoo.conversion import export_openvino
from actionzoo.datasets import VideoDataset, open_dataset
from actionzoo.evaluation.evaluate import evaluate
from actionzoo.evaluation.networks import Network, load_network
from actionzoo.placements import place_clips
from actionzoo.protocols import Protocol, get_protocol, viewed
from actionzoo.reader import video_ticks
from actionzoo.sampling import clock
from actionzoo.spec import InputSpec
from actionzoo.transforms import crop_offsets, crop_pixels, normalise, resized_size
from actionzoo.video import open_video
from actionzoo.zoo import create_model

MODEL = "x3d_s_kinetics400"
PROTOCOL = get_protocol("pyslowfast-30")
FIGHTS = Path(__file__).parents[2] / "shared" / "data" / "fights"


def choose_videos(folder: Path, count: int, *, longest: bool) -> VideoDataset:
    """Take videos at equal distances in the list, or the longest; drawn ones if none are real."""
    if FIGHTS.exists():
        dataset = open_dataset(FIGHTS)
    else:
        from actionzoo.synthetic import make_dataset

        make_dataset(folder, clips_per_class=2, seed=0)
        dataset = open_dataset(folder)
    rows = np.linspace(0, len(dataset) - 1, min(count, len(dataset))).astype(int)
    if longest:
        rows = np.argsort([-length_of(sample.path) for sample in dataset], kind="stable")[:count]
    chosen = dataset.select(rows)
    # The network's answers do not matter here, but its labels have to know those of the videos.
    names = get_spec(MODEL).labels[: len(chosen.labels)]
    return chosen.with_facts(replace(chosen.facts, labels=names))


def length_of(path: Path) -> float:
    with open_video(path) as video:
        return float(video.info.duration_seconds)


def ticks_of(path: Path, spec: InputSpec) -> np.ndarray:
    with open_video(path) as video:
        return place_clips(PROTOCOL, spec, video_ticks(video.info, spec))


# (b) inference alone


def infer(backend: Backend, views: int) -> None:
    clips = np.random.default_rng(0).standard_normal((3, *backend.spec.input.shape), np.float32)
    pending: list[Future[np.ndarray]] = [backend.submit(clips) for _ in range(views // 3)]
    for one in pending:
        one.result()


# (c) a decoding a view


def one_view(path: Path, spec: InputSpec, backend: Backend, clip: int, crop: int) -> np.ndarray:
    """Decode a whole video for one view of it, and look at that."""
    with av.open(str(path)) as container:
        decoded = list(container.decode(video=0))
        rate = container.streams.video[0].average_rate
    frames = [one.to_ndarray(format="rgb24") for one in decoded]
    fps = clock(spec, rate)
    num_ticks = max(1, round(len(frames) * fps / (rate or fps)))
    ticks = place_clips(PROTOCOL, spec, num_ticks)[clip]
    places = np.minimum((ticks * float((rate or fps) / fps)).astype(int), len(frames) - 1)
    size = resized_size(spec.resize, *frames[0].shape[:2])
    batch = torch.from_numpy(np.stack([frames[one] for one in places])).permute(0, 3, 1, 2)
    scaled = torch.nn.functional.interpolate(batch.float(), size, mode="bilinear")
    pixels = scaled.permute(0, 2, 3, 1).to(torch.uint8).numpy()
    shape = (spec.height, spec.width)
    offset = crop_offsets(size, shape, crops=3, rounding="ceil")[crop]
    view = normalise(crop_pixels(pixels, offset, shape), spec)
    return backend.submit(view[None]).result()


def view_by_view(paths: list[Path], spec: InputSpec, backend: Backend, threads: int) -> None:
    jobs = [(path, clip, crop) for path in paths for clip in range(10) for crop in range(3)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda job: one_view(job[0], spec, backend, *job[1:]), jobs))


# measuring


@dataclass
class Cost:
    """Seconds of one way: on the clock, and of all cores together.

    On a busy machine the clock tells of others' work too, the cores' own time hardly.
    """

    wall: list[float] = field(default_factory=list)
    cores: list[float] = field(default_factory=list)

    def add(self, work: Callable[[], object]) -> None:
        """Do the work once."""
        wall, cores = time.perf_counter(), time.process_time()
        work()
        self.wall.append(time.perf_counter() - wall)
        self.cores.append(time.process_time() - cores)

    def over(self, other: Cost, times: float = 1.0) -> str:
        """Return how often this takes as long as another."""
        pairs = ((self.wall, other.wall), (self.cores, other.cores))
        wall, cores = (statistics.median(one) / statistics.median(two) for one, two in pairs)
        return f"{times * wall:6.2f} on the clock {times * cores:6.2f} of the cores"

    def __str__(self) -> str:
        wall, cores = statistics.median(self.wall), statistics.median(self.cores)
        return f"{wall:6.1f} s on the clock {cores:6.1f} s of the cores"


def measure(network: Network, dataset: VideoDataset, protocol: Protocol, rounds: int) -> None:
    spec = viewed(protocol, network.spec.input)
    backend = network.fed(spec)
    paths = [sample.path for sample in dataset]
    distinct = sum(len(np.unique(ticks_of(path, spec), axis=0)) for path in paths) * protocol.crops
    views = len(paths) * protocol.clips * protocol.crops
    threads = (os.cpu_count() or 1) + 1
    infer(backend, 6)
    ours, alone, peers = Cost(), Cost(), Cost()
    for _ in range(rounds):
        ours.add(lambda: evaluate(network, dataset, protocols=[protocol]))
        alone.add(lambda: infer(backend, distinct))
    peers.add(lambda: view_by_view(paths, spec, backend, threads))
    print(f"{MODEL}, {protocol.name}: {len(paths)} videos, {views} views, {distinct} distinct")
    print(f"ours                         {ours}")
    print(f"inference of distinct views  {alone}")
    print(f"decoding once a view         {peers}")
    print(f"ours / distinct views        {ours.over(alone)}")
    print(f"ours / thirty a video        {ours.over(alone, distinct / views)}   (target <= 1.15)")
    print(f"once a view / ours           {peers.over(ours)}   (target >= 2)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--videos", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--longest", action="store_true", help="those whose clips all differ")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dataset = choose_videos(folder / "drawn", arguments.videos, longest=arguments.longest)
        module = create_model(MODEL).eval()
        file = export_openvino(module, get_spec(MODEL), folder / "x3d_s.xml", precision="fp32")
        measure(load_network(file), dataset, PROTOCOL, arguments.rounds)


if __name__ == "__main__":
    main()
