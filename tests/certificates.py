"""Stages whose outputs and times are known, and clips that tell which one they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from actionzoo.exporting.certificate import Measured, Stage
from actionzoo.exporting.clips import Clips
from actionzoo.exporting.comparison import Candidate
from actionzoo.spec import InputSpec, ModelSpec, Resize

INPUT = InputSpec(
    frames=2, resize=Resize(rule="squash", height=4, width=6), height=4, width=6, stride=3
)


def spec_of(classes: int, **others: Any) -> ModelSpec:
    """Return a spec of some classes, ``class 0`` and so on."""
    made = ModelSpec(
        name="tiny",
        family="tests",
        summary="Knows the number of a clip.",
        dataset="numbers",
        input=INPUT,
        labels=tuple(f"class {place}" for place in range(classes)),
        license="Apache-2.0",
    )
    return replace(made, **others)


@dataclass(frozen=True)
class Shot:
    """A clip of one brightness, its number."""

    number: int
    target: int | None = None
    name_of: Callable[[int], str] = "walk/{}.mp4".format

    @property
    def name(self) -> str:
        return self.name_of(self.number)

    def read(self, spec: InputSpec, *, whole: bool) -> np.ndarray:
        size = (8, 12) if whole else (spec.height, spec.width)
        return np.full((spec.frames, *size, 3), self.number, np.uint8)


def clips_of(
    count: int, spec: ModelSpec, targets: Sequence[int] | None = None, **others: Any
) -> Clips:
    """Make numbered clips."""
    shots = [Shot(one, None if targets is None else targets[one], **others) for one in range(count)]
    why = "nobody labelled them" if targets is None else ""
    return Clips(shots, spec, source="tests", unlabelled=why)


class Clock:
    """Time that passes only while a stage looks at a clip."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Known:
    """A backend that knows what to say of each numbered clip, and how long it takes."""

    def __init__(
        self,
        spec: ModelSpec,
        outputs: Any,
        *,
        clock: Clock | None = None,
        seconds: float = 0.01,
        first_seconds: float = 0.0,
    ) -> None:
        self.spec, self.outputs = spec, np.asarray(outputs, np.float32)
        self.clock, self.seconds, self.first_seconds = clock or Clock(), seconds, first_seconds
        self.seen: list[int] = []

    def __call__(self, clips: np.ndarray) -> np.ndarray:
        assert clips.dtype == np.float32
        high = 255 if self.spec.input.whole_frames else self.spec.input.value_range[1]
        self.seen.append(round(float(clips.mean()) * 255 / high))
        # The first look of a round, after another stage's, may be slow.
        fresh = len(self.seen) == 1 or self.seen[-1] < self.seen[-2]
        self.clock.now += self.seconds + (self.first_seconds if fresh else 0)
        return self.outputs[self.seen[-1]][None]

    def submit(self, clips: np.ndarray) -> Future[np.ndarray]:
        future: Future[np.ndarray] = Future()
        future.set_result(self(clips))
        return future


def candidate(stage: str, backend: Any, *files: Path) -> Candidate:
    """Make a stage of a name such as ``openvino int8``."""
    target, _, precision = stage.partition(" ")
    made: Any = {"target": target, "precision": precision or "fp32"}
    return Candidate(stage=stage, files=files, backend=backend, **made)


def stage_of(name: str, milliseconds: float, size: int, *, broken: bool = False) -> Stage:
    """Make a stage that was measured."""
    target, precision = name.split()
    known: Any = {"target": target, "precision": precision}
    return Stage(
        stage=name,
        size_bytes=size,
        files=(f"{name}.xml",),
        broken=("it is wrong",) if broken else (),
        measured=Measured(
            max_difference=0,
            mean_difference=0,
            top1_agreement=1,
            top5_agreement=None,
            accuracy=None,
            milliseconds=milliseconds,
            quartiles=(milliseconds, milliseconds),
            over_reference=1,
            over_fp32=None,
        ),
        **known,
    )
