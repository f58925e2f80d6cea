"""Files beside what they were made of: the same clips, the same clock, and what follows from it."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from actionzoo.backends import Backend
from actionzoo.backends.openvino_backend import openvino_core
from actionzoo.errors import ConfigError
from actionzoo.evaluation.bootstrap import wilson_interval
from actionzoo.exporting.certificate import (
    Accuracy,
    Certificate,
    Change,
    Measured,
    Precision,
    Stage,
    Target,
)
from actionzoo.exporting.clips import Clips
from actionzoo.exporting.judging import (
    Judged,
    broken_bounds,
    lost_accuracy,
    notes,
    recommend,
)
from actionzoo.predictor import sigmoid, softmax
from actionzoo.spec import ModelSpec

Report = Callable[[int, int], None]
"""Told how many clips are done and to do."""

ROUNDS = 10
"""The stages are timed one after the other so many times, so that a slow minute meets all."""
_TOP = 5
_LIBRARIES = "actionzoo numpy openvino nncf onnx onnxruntime torch".split()
_INT8_FLAGS = "avx_vnni avx512_vnni amx_int8 avx_vnni_int8 asimddp i8mm".split()
"""Linux's names for instructions that multiply and add 8-bit numbers, of x86 and of ARM."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Candidate:
    """A network to be compared."""

    stage: str
    """Its name, such as ``openvino int8``."""
    target: Target
    precision: Precision
    files: tuple[Path, ...]
    """All that belong to it; none where it is in no file of its own."""
    backend: Backend
    """Runs it; its spec tells what the files want to be fed."""
    takes_clips: bool = True
    """Whether one file takes clips and gives what is said of them, with nothing around it."""
    tuned: bool = False
    """Whether its network went on learning."""
    notes: tuple[str, ...] = ()
    """What is to be known of how it was made, a sentence each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """A stage that was asked for and is not there."""

    stage: str
    target: Target
    precision: Precision
    reason: str


# Measuring.


def certify(
    reference: Candidate,
    candidates: Sequence[Candidate],
    clips: Clips,
    *,
    folder: Path,
    source: str,
    command: str = "",
    refusals: Sequence[Refusal] = (),
    max_drop: float | None = None,
    rounds: int = ROUNDS,
    progress: Report | None = None,
) -> Certificate:
    """Compare files with what they were made of, and time them side by side.

    The clips are dealt to rounds. In each round every stage looks at the round's clips, one at a
    time, after one that is not timed; the first stage is another one each time.

    Args:
        reference: What the others are compared with.
        candidates: The files, in the order they are to be listed.
        clips: At least one.
        folder: What the files' paths are told from.
        source: Where the model's weights are from.
        command: What was typed.
        refusals: What was asked for and is not there.
        max_drop: Points of top-1 accuracy that a file may lose; None bounds nothing.
        rounds: How many there are, at least 1.
        progress: Told after every clip and stage.

    Raises:
        ConfigError: ``max_drop`` is given and labels are not known.
        VideoError: A video could be read before, and cannot be any more.
    """
    if max_drop is not None and clips.targets() is None:
        why = clips.unlabelled or "the clips have no labels"
        raise ConfigError(
            f"a drop of accuracy by {max_drop:g} points cannot be checked: {why}; give labelled "
            "videos of the model's classes"
        )
    ran = _Comparison([reference, *candidates], clips, rounds).run(progress)
    stages = [
        _stage(one, place, ran, clips=clips, folder=folder, max_drop=max_drop)
        for place, one in enumerate(ran.candidates)
    ]
    listed = (*stages[1:], *map(_refused, refusals))
    spec = reference.backend.spec
    return Certificate(
        model=spec.name,
        source=source,
        license=spec.license,
        labels=len(spec.labels),
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        command=command,
        versions=library_versions(),
        machine=machine(),
        max_drop=max_drop,
        clips=clips.facts,
        clips_source=clips.source,
        unlabelled=clips.unlabelled,
        failures=clips.failures,
        reference=replace(stages[0], broken=(), notes=()),
        stages=listed,
        recommended=recommend(listed),
    )


class _Comparison:
    """Outputs and times of several stages on the same clips."""

    def __init__(self, candidates: Sequence[Candidate], clips: Clips, rounds: int) -> None:
        assert len(clips) > 0
        self.candidates, self.clips, self.rounds = list(candidates), clips, rounds
        shape = len(clips), len(candidates[0].backend.spec.labels)
        self.outputs = [np.full(shape, np.nan, np.float32) for _ in candidates]
        self.seconds: list[list[float]] = [[] for _ in candidates]

    def run(self, progress: Report | None) -> _Comparison:
        """Look at every clip with every stage; each round has at least one clip."""
        count, stages = len(self.clips), len(self.candidates)
        dealt = [
            list(range(one, count, self.rounds)) or [one % count] for one in range(self.rounds)
        ]
        total, done = stages * sum(map(len, dealt)), 0
        for turn, shown in enumerate(dealt):
            for step in range(stages):
                place = (turn + step) % stages
                self._look(place, shown)
                done += len(shown)
                if progress is not None:
                    progress(done, total)
        return self

    def _look(self, place: int, shown: Sequence[int]) -> None:
        backend = self.candidates[place].backend
        for number, clip in enumerate(shown):
            view = self.clips.view(clip, backend.spec.input)
            if number == 0:
                backend(view)
            start = time.perf_counter()
            (self.outputs[place][clip],) = backend(view)
            self.seconds[place].append(time.perf_counter() - start)

    def milliseconds(self, place: int) -> tuple[float, float, float]:
        """Return the lower quartile, the median and the upper quartile."""
        low, middle, high = np.quantile(self.seconds[place], [0.25, 0.5, 0.75]).tolist()
        return 1000 * low, 1000 * middle, 1000 * high

    def fp32_of(self, place: int) -> int | None:
        """Return the place of the fp32 stage of the same target."""
        own = self.candidates[place]
        for other, one in enumerate(self.candidates[1:], start=1):
            if (one.target, one.precision) == (own.target, "fp32"):
                return other
        return None


def scores_of(outputs: np.ndarray, spec: ModelSpec) -> np.ndarray:
    """Return what a network says as scores, (N, K) float32, whatever it ends in."""
    if spec.input.output == "scores":
        return outputs
    return sigmoid(outputs) if spec.several_labels else softmax(outputs)


def differences(outputs: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return ‖out - ref‖ / ‖ref‖ of each row, shape (N,) float64; infinite where it is no number.

    >>> differences(np.array([[3.0, 4.0], [0.0, 0.0]]), np.array([[3.0, 3.0], [0.0, 0.0]])).round(3)
    array([0.236, 0.   ])
    """
    outputs, reference = outputs.astype(np.float64), reference.astype(np.float64)
    apart = np.linalg.norm(outputs - reference, axis=1)
    lengths = np.linalg.norm(reference, axis=1)
    # A reference of nothing but zeros is met exactly or not at all.
    ratios = np.divide(apart, lengths, out=np.where(apart == 0, 0.0, np.inf), where=lengths > 0)
    return np.where(np.isfinite(ratios), ratios, np.inf)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Beside:
    """What a stage says beside the reference: N clips, K classes."""

    differences: np.ndarray
    """Shape (N,) float64."""
    by_scores: bool
    """Whether scores are compared."""
    scores: tuple[np.ndarray, np.ndarray]
    """The reference's and the stage's, shape (N, K) float32."""
    answers: tuple[np.ndarray, np.ndarray]
    """The reference's and the stage's best classes, shape (N,) int64."""
    is_number: np.ndarray
    """Whether all outputs of the stage are, shape (N,)."""

    @classmethod
    def of(cls, ran: _Comparison, place: int) -> _Beside:
        """Put a stage beside the first one."""
        outputs = _without_infinities(ran.outputs[0]), _without_infinities(ran.outputs[place])
        specs = ran.candidates[0].backend.spec, ran.candidates[place].backend.spec
        scores = scores_of(outputs[0], specs[0]), scores_of(outputs[1], specs[1])
        by_scores = "scores" in [spec.input.output for spec in specs]
        before, after = scores if by_scores else outputs
        return cls(
            differences=differences(after, before),
            by_scores=by_scores,
            scores=scores,
            # Not of scores: what is nearly 1 may be rounded to it, and ties come of that.
            answers=(outputs[0].argmax(1), outputs[1].argmax(1)),
            is_number=np.asarray(np.isfinite(outputs[1]).all(axis=1)),
        )

    def same(self) -> np.ndarray:
        """Return whether the best class is the reference's, shape (N,)."""
        return np.asarray((self.answers[0] == self.answers[1]) & self.is_number)

    def among_best(self) -> np.ndarray:
        """Return whether the reference's best class is among the stage's best, shape (N,)."""
        best = np.argsort(-self.scores[1], axis=1, kind="stable")[:, :_TOP]
        return np.asarray((best == self.answers[0][:, None]).any(1) & self.is_number)

    def changes(self, labels: Sequence[str]) -> tuple[Change, ...]:
        """Return the clips whose answers changed, the surest of the reference first."""
        found = [self._change(clip, labels) for clip in np.flatnonzero(~self.same()).tolist()]
        return tuple(sorted(found, key=lambda one: (-one.margin, one.clip)))

    def _change(self, clip: int, labels: Sequence[str]) -> Change:
        before, after = (int(one[clip]) for one in self.answers)
        reference, file = (
            (_known(one[clip, before]), _known(one[clip, after])) for one in self.scores
        )
        return Change(
            clip=clip,
            before=labels[before],
            after=labels[after] if self.is_number[clip] else None,
            reference=reference,
            file=file,
        )


def _without_infinities(outputs: np.ndarray) -> np.ndarray:
    """Make rows with any number that is none wholly NaN, which passes through arithmetic."""
    return np.where(np.isfinite(outputs).all(axis=1, keepdims=True), outputs, np.nan)


def _known(value: np.float32) -> float:
    """Return a score; 0 where it is no number."""
    return float(value) if np.isfinite(value) else 0.0


def _stage(
    candidate: Candidate,
    place: int,
    ran: _Comparison,
    *,
    clips: Clips,
    folder: Path,
    max_drop: float | None,
) -> Stage:
    spec, targets = candidate.backend.spec, clips.targets()
    beside = _Beside.of(ran, place)
    measured = _measured(ran, place, beside, targets)
    changes = beside.changes(spec.labels)
    judged = Judged(
        stage=candidate.stage,
        target=candidate.target,
        precision=candidate.precision,
        input=spec.input,
        measured=measured,
        tuned=candidate.tuned,
    )
    broken = broken_bounds(judged, changes, clips.facts)
    if max_drop is not None and measured.accuracy is not None:
        before = _accuracy(beside.answers[0] == targets)
        broken += lost_accuracy(judged, before, measured.accuracy, max_drop)
    return Stage(
        stage=candidate.stage,
        target=candidate.target,
        precision=candidate.precision,
        files=tuple(_told_from(folder, path) for path in candidate.files),
        size_bytes=sum(path.stat().st_size for path in candidate.files) or None,
        input=json.loads(json.dumps(asdict(spec.input), default=str)),
        takes_clips=candidate.takes_clips,
        tuned=candidate.tuned,
        measured=measured,
        broken=tuple(broken),
        notes=(*candidate.notes, *notes(judged, by_scores=beside.by_scores)),
        changes=changes,
    )


def _told_from(folder: Path, path: Path) -> str:
    """Return a path from a folder with forward slashes, or in full where it is not inside."""
    path, folder = path.absolute(), folder.absolute()
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()


def _measured(
    ran: _Comparison, place: int, beside: _Beside, targets: np.ndarray | None
) -> Measured:
    low, middle, high = ran.milliseconds(place)
    fp32, classes = ran.fp32_of(place), beside.scores[0].shape[1]
    return Measured(
        max_difference=float(beside.differences.max()),
        mean_difference=float(beside.differences.mean()),
        top1_agreement=float(beside.same().mean()),
        top5_agreement=float(beside.among_best().mean()) if classes > _TOP else None,
        accuracy=None if targets is None else _accuracy(beside.answers[1] == targets),
        milliseconds=middle,
        quartiles=(low, high),
        over_reference=ran.milliseconds(0)[1] / middle,
        over_fp32=None if fp32 is None else ran.milliseconds(fp32)[1] / middle,
    )


def _accuracy(hits: np.ndarray) -> Accuracy:
    right, count = int(hits.sum()), len(hits)
    low, high = wilson_interval(right, count)
    return Accuracy(right=right, count=count, low=low, high=high)


def _refused(refusal: Refusal) -> Stage:
    return Stage(
        stage=refusal.stage,
        target=refusal.target,
        precision=refusal.precision,
        refused=refusal.reason,
    )


# Circumstances.


def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that take part, those installed."""
    told = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            told[name] = version(name)
        except PackageNotFoundError:  # an extra that is not installed
            continue
    return told


def machine() -> dict[str, Any]:
    """Describe this machine, as far as times depend on it."""
    flags = _cpu_flags()
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": str(openvino_core().get_property("CPU", "FULL_DEVICE_NAME")),
        "cores": os.cpu_count(),
        "int8": None if flags is None else [one for one in _INT8_FLAGS if one in flags],
    }


def _cpu_flags() -> set[str] | None:
    """Return what Linux says that the processor can do; None elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip().lower() in ("flags", "features"):
            return set(value.split())
    return None
