"""Small runs of training for tests: three kinds of brightness, a network fed with tiny clips."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from actionzoo.training.config import TrainConfig, load_config
from actionzoo.video import write_video

CLASSES = {"dark": 50.0, "grey": 128.0, "light": 200.0}

SETTINGS = (
    "model=figures10 pretrained=false epochs=3 patience=0 batch_size=6 val_share=0.34 "
    "learning_rate=3e-3 cache=true input.frames=4 input.size=24 schedule.warmup_epochs=0.5 "
    "log.tensorboard=false"
).split()


def config(*settings: str) -> TrainConfig:
    """Return the config of a quick run, with some settings changed."""
    return load_config(None, [*SETTINGS, *settings])


def write_noise(path: Path, brightness: float, *, seed: int = 0, frames: int = 12) -> None:
    """Write a noisy video of 64 x 48 pixels and some brightness."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).normal(brightness, 20, (frames, 48, 64, 3))
    write_video(path, noise.clip(0, 255).astype(np.uint8), fps=Fraction(25))


def write_classes(folder: Path, *, videos: int = 6) -> Path:
    """Write three classes that brightness tells apart."""
    for name, brightness in CLASSES.items():
        for seed in range(videos):
            write_noise(folder / name / f"{seed}.mp4", brightness, seed=seed)
    return folder
