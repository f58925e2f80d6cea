"""Evaluations made of random numbers, and of numbers chosen by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from actionzoo.evaluation.results import Evaluation


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return (powers / powers.sum(1, keepdims=True)).astype(np.float32)


def evaluation_of(logits: Any, targets: Any, **others: Any) -> Evaluation:
    """Make the evaluation of some logits (N, K) and targets."""
    logits, targets = np.asarray(logits, np.float32), np.asarray(targets, np.int64)
    count, width = logits.shape
    several = targets.ndim == 2
    made = Evaluation(
        model="x3d_xs",
        backend="torch",
        protocol={"name": "single", "clips": 1, "crops": 1, "average": "scores"},
        dataset="clips",
        root="/data/clips",
        split="test",
        fold=1,
        list_hash="0123456789ab",
        labels=tuple(f"class {place}" for place in range(width)),
        paths=tuple(f"{place}.mp4" for place in range(count)),
        groups=(None,) * count,
        targets=targets,
        logits=logits,
        scores=(1 / (1 + np.exp(-logits))).astype(np.float32) if several else softmax(logits),
        clip_hits=np.full(count, np.nan, np.float32),
        failures=(),
        seconds=1.5,
    )
    return replace(made, **others)


def random_evaluation(
    videos: int = 200, classes: int = 10, *, seed: int = 0, several: bool = False, **others: Any
) -> Evaluation:
    """Make an evaluation of a model that is right more often than by chance."""
    generator = np.random.default_rng(seed)
    if several:
        targets = (generator.random((videos, classes)) < 0.2).astype(np.int64)
        logits = generator.normal(size=(videos, classes)) + 1.5 * targets
    else:
        targets = generator.integers(0, classes, videos)
        logits = generator.normal(size=(videos, classes))
        logits[np.arange(videos), targets] += 1.5
    return evaluation_of(logits, targets, **others)


def evaluation_of_hits(hits: Sequence[bool], **others: Any) -> Evaluation:
    """Make an evaluation of two classes whose videos are right or wrong as told."""
    right = np.asarray(hits, bool)
    targets = np.arange(len(right)) % 2
    answers = np.where(right, targets, 1 - targets)
    logits = np.where(np.arange(2) == answers[:, None], 2.0, 0.0)
    return evaluation_of(logits, targets, **others)
