"""Training clips a second, ours and the straight loop in plain torch, over the same videos.

Run: python benchmarks/train.py [VIDEOS] [--model x3d_s_kinetics400] [--size 160] [--batch 8]
       [--clips 48] [--rounds 2]

Ours is `actionzoo.train`, its second epoch. Both read with one process beside the one that trains,
draw a random clip and crop, mirror half of them, and step AdamW, in float32; data loading is
included. They take turns, and the median of the rounds counts.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import statistics
import tempfile
import time
from pathlib import Path

import av
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from actionzoo.catalog import get_spec
from actionzoo.datasets import VideoDataset, open_dataset
from actionzoo.spec import InputSpec
from actionzoo.training.config import load_config
from actionzoo.training.run import train
from actionzoo.zoo import create_model

REAL_CLIPS = Path(__file__).parents[2] / "shared" / "data" / "fights"


class StraightClips(Dataset[tuple[Tensor, int]]):
    """Decode every frame to RGB, take the clip, resize with torch, crop, normalise."""

    def __init__(self, dataset: VideoDataset, spec: InputSpec, size: int) -> None:
        self.paths = [str(dataset.root / path) for path in dataset.paths()]
        self.labels = [labels[0] for labels in dataset.class_indices()]
        self.spec, self.size = spec, size

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        with av.open(self.paths[index]) as container:
            frames = [one.to_ndarray(format="rgb24") for one in container.decode(video=0)]
        spec = self.spec
        start = int(torch.randint(max(1, len(frames) - spec.span + 1), ()))
        ticks = np.minimum(start + spec.stride * np.arange(spec.frames), len(frames) - 1)
        clip = torch.from_numpy(np.stack([frames[tick] for tick in ticks])).permute(3, 0, 1, 2)
        scale = spec.resize.height / min(clip.shape[2:])
        sides = [round(side * scale) for side in clip.shape[2:]]
        pixels = F.interpolate(clip.float() / 255, sides, mode="bilinear", antialias=True)
        top, left = (int(torch.randint(side - self.size + 1, ())) for side in sides)
        cut = pixels[:, :, top : top + self.size, left : left + self.size]
        mean, std = (torch.tensor(one).view(3, 1, 1, 1) for one in (spec.mean, spec.std))
        cut = cut.flip(-1) if torch.rand(()) < 0.5 else cut
        return (cut - mean) / std, self.labels[index]


def straight(dataset: VideoDataset, arguments: argparse.Namespace) -> float:
    """Return the clips a second of the straight loop."""
    spec = get_spec(arguments.model).input
    clips = StraightClips(dataset, spec, arguments.size)
    loader = DataLoader(clips, arguments.batch, shuffle=True, num_workers=1, drop_last=True)
    model = create_model(arguments.model, num_classes=len(dataset.labels)).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    steps = itertools.chain.from_iterable(itertools.repeat(loader))
    began, seen = 0.0, 0
    for step, (views, labels) in enumerate(steps):
        if step == 1:  # the first one starts the reading process, and allocates
            began = time.perf_counter()
        if seen >= arguments.clips:
            break
        optimizer.zero_grad()
        F.cross_entropy(model(views), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        seen += len(labels) if step else 0
    return seen / (time.perf_counter() - began)


def ours(table: Path, arguments: argparse.Namespace) -> float:
    """Return the clips a second of the second epoch of a run."""
    settings = [
        *(f"model={arguments.model}", "pretrained=false", "epochs=2", "patience=0"),
        *(f"batch_size={arguments.batch}", "learning_rate=1e-4", "cache=false", "workers=1"),
        *(f"input.train_size={arguments.size}", "hardware.device=cpu", "log.tensorboard=false"),
        *("augment.flip=true", "augment.speed=[1,1]", "augment.zoom=[1,1]", "augment.shift=0"),
        *("augment.brightness=0", "augment.contrast=0"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        run = train(table, config=load_config(None, settings), output=Path(folder, "run"))
        with (run / "metrics.csv").open() as file:
            return float(list(csv.DictReader(file))[1]["clips_per_second"])


def chosen(dataset: VideoDataset, folder: Path, clips: int) -> Path:
    """Write a table of so many videos to train with, and a few to validate with."""
    places = np.random.default_rng(0).permutation(len(dataset))[: clips + 4].tolist()
    with (folder / "videos.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "label", "split"))
        for number, place in enumerate(places):
            sample = dataset[place]
            split = "train" if number < clips else "val"
            writer.writerow((sample.path.absolute(), sample.label, split))
    return folder / "videos.csv"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("videos", nargs="?", type=Path, default=REAL_CLIPS)
    parser.add_argument("--model", default="x3d_s_kinetics400")
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--clips", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    dataset = open_dataset(arguments.videos)
    rates: dict[str, list[float]] = {"straight": [], "ours": []}
    with tempfile.TemporaryDirectory() as folder:
        table = chosen(dataset, Path(folder), arguments.clips)
        for _ in range(arguments.rounds):
            rates["straight"].append(straight(dataset, arguments))
            rates["ours"].append(ours(table, arguments))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    fed = get_spec(arguments.model).input
    print(f"{arguments.model}, {fed.frames} x {arguments.size}, batches of {arguments.batch}")
    for name, values in rates.items():
        print(f"  {name:9}{medians[name]:6.2f} clips/s  ({', '.join(f'{v:.2f}' for v in values)})")
    print(f"  ratio {medians['ours'] / medians['straight']:.2f} (aim: at least 1.5)")


if __name__ == "__main__":
    main()
