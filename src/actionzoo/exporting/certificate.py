"""What became of a model's numbers on its way into files, on real clips: ``parity.json``.

The layout of the file, in which names are never changed and may be added to::

    format        "actionzoo parity 1"
    holds         whether every bound is kept and nothing was refused
    recommended   stage (null: none), files (paths from the file's own folder), why (a sentence)
    model         name, source of its weights, license, labels (how many)
    date, command when it was made (UTC, ISO 8601), and with what
    versions      of libraries, by name
    machine       system, processor, cores, int8: what its processor has for 8 bits (null: unknown)
    bounds        by precision: difference and agreement (null: none), and max_drop in points
    clips         source, unlabelled (why there are no labels; "" where there are), failures
                  (path, reason), videos (name, sha256, target: class index or null)
    reference     a stage: what the others are compared with
    stages        the others, in the order they were given

    a stage       stage, target, precision, files, size_bytes, refused (why it was not written; all
                  else is then null or empty), input (the fields of its InputSpec), takes_clips,
                  measured, broken (a sentence for each bound that is broken), notes (sentences),
                  changes
    measured      max_difference, mean_difference (null: not finite), top1_agreement,
                  top5_agreement (null: up to five classes), accuracy, milliseconds, quartiles,
                  over_reference, over_fp32 (null: no such stage): as ``Measured`` says
    accuracy      right, count, low, high: Wilson's 95 % interval; null: labels are not known
    a change      clip (its place among the videos), before, after (labels; null: its outputs are
                  no numbers), reference and file: scores of the two labels, as each says
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from actionzoo.errors import ConfigError
from actionzoo.exporting.clips import ClipFacts
from actionzoo.whole import write_whole

Target = Literal["torch", "openvino", "onnx"]
Precision = Literal["fp32", "fp16", "int8"]

CERTIFICATE_FILE = "parity.json"
FORMAT = "actionzoo parity 1"
_MAY_BE_INFINITE = ("max_difference", "mean_difference")


@dataclass(frozen=True, kw_only=True, slots=True)
class Bound:
    """What is asked of a file of some precision."""

    difference: float | None
    """Largest relative difference of any clip; None bounds none."""
    agreement: float
    """Smallest share of the clips with the reference's best answer."""

    def allows(self, difference: float) -> bool:
        """Tell whether outputs may differ by so much; those that are no numbers never may."""
        limit = math.inf if self.difference is None else self.difference
        return math.isfinite(difference) and difference <= limit


BOUNDS: Mapping[Precision, Bound] = {
    "fp32": Bound(difference=1e-4, agreement=1.0),
    "fp16": Bound(difference=1e-2, agreement=0.99),
    "int8": Bound(difference=None, agreement=0.98),
}
WHOLE_FRAMES = Bound(difference=None, agreement=0.98)
"""Of a file that scales frames itself, by another filter than the reader's: what it computes from
differs in every pixel before the network begins."""


TUNED = Bound(difference=None, agreement=0.0)
"""Of a network that went on learning: other answers may be better ones, which accuracy tells."""


def bound_of(precision: Precision, *, whole_frames: bool, tuned: bool = False) -> Bound:
    """Return what is asked of a file."""
    if tuned:
        return TUNED
    return WHOLE_FRAMES if whole_frames else BOUNDS[precision]


@dataclass(frozen=True, kw_only=True, slots=True)
class Accuracy:
    """How many of the labelled clips are recognised."""

    right: int
    count: int
    low: float
    """Lower end of Wilson's 95 % interval, a share."""
    high: float

    @property
    def share(self) -> float:
        """Top-1 accuracy."""
        return self.right / self.count


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What was measured of a stage, over all clips, one view of each."""

    max_difference: float
    """The largest over the clips of ‖out - ref‖ / ‖ref‖, by logits, or where either of the two ends
    in scores by scores. Infinite where an output is no number."""
    mean_difference: float
    """Their mean."""
    top1_agreement: float
    """Share of the clips with the same best class as the reference."""
    top5_agreement: float | None
    """Share of the clips whose best class by the reference is among the stage's best five."""
    accuracy: Accuracy | None
    milliseconds: float
    """Median time of one view, one clip at a time."""
    quartiles: tuple[float, float]
    """A quarter of the views took less, a quarter more; milliseconds."""
    over_reference: float
    """How many times as fast as the reference."""
    over_fp32: float | None
    """How many times as fast as the fp32 stage of the same target."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A clip on which a stage gives another answer than the reference."""

    clip: int
    before: str
    after: str | None
    """None: the stage's outputs are no numbers."""
    reference: tuple[float, float]
    """The reference's scores of ``before`` and ``after``."""
    file: tuple[float, float]
    """The stage's scores of the two."""

    @property
    def margin(self) -> float:
        """How surely the reference preferred its own answer: a difference of scores."""
        return self.reference[0] - self.reference[1]


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """One line of a certificate."""

    stage: str
    target: Target
    precision: Precision
    files: tuple[str, ...] = ()
    """Paths from the certificate's folder."""
    size_bytes: int | None = None
    """Of all its files; None where there is none."""
    refused: str | None = None
    """Why it was not written."""
    input: Mapping[str, Any] | None = None
    """What its files want to be fed: the fields of its ``InputSpec`` as plain values."""
    takes_clips: bool = True
    """Whether one file takes clips and gives what is said of them, with nothing around it."""
    tuned: bool = False
    """Whether its network went on learning, so that it is not the reference's any more."""
    measured: Measured | None = None
    broken: tuple[str, ...] = ()
    """A sentence for each bound that is broken."""
    notes: tuple[str, ...] = ()
    """What else is to be known of it, a sentence each."""
    changes: tuple[Change, ...] = ()
    """The clips whose best class changed, those of which the reference was surest first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recommended:
    """What to ship."""

    stage: str | None
    """None: nothing."""
    files: tuple[str, ...]
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """The proof that comes with exported files."""

    model: str
    source: str
    """Where its weights are from."""
    license: str
    labels: int
    """How many classes."""
    date: str
    command: str
    versions: Mapping[str, str]
    machine: Mapping[str, Any]
    max_drop: float | None
    """Points of top-1 accuracy that a file may lose."""
    clips: tuple[ClipFacts, ...]
    clips_source: str
    unlabelled: str
    failures: tuple[tuple[str, str], ...]
    reference: Stage
    stages: tuple[Stage, ...]
    recommended: Recommended

    @property
    def holds(self) -> bool:
        """Whether every bound is kept, and nothing was refused."""
        return not any(one.broken or one.refused for one in self.stages)


# The file.


def write_certificate(certificate: Certificate, folder: Path) -> Path:
    """Write ``parity.json`` into a folder, whole or not at all; return its path.

    Raises:
        OSError: It cannot be written.
    """
    path = folder / CERTIFICATE_FILE
    write_whole(path, json.dumps(_to_json(certificate), indent=1, allow_nan=False) + "\n")
    return path


def _to_json(one: Certificate) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "holds": one.holds,
        "recommended": asdict(one.recommended),
        "model": {
            "name": one.model,
            "source": one.source,
            "license": one.license,
            "labels": one.labels,
        },
        "date": one.date,
        "command": one.command,
        "versions": dict(one.versions),
        "machine": dict(one.machine),
        "bounds": {
            **{name: asdict(bound) for name, bound in BOUNDS.items()},
            "max_drop": one.max_drop,
        },
        "clips": {
            "source": one.clips_source,
            "unlabelled": one.unlabelled,
            "failures": one.failures,
            "videos": [asdict(clip) for clip in one.clips],
        },
        "reference": _stage_to_json(one.reference),
        "stages": [_stage_to_json(stage) for stage in one.stages],
    }


def _stage_to_json(stage: Stage) -> dict[str, Any]:
    values = asdict(stage)
    if (measured := values["measured"]) is not None:
        for name in _MAY_BE_INFINITE:
            measured[name] = measured[name] if math.isfinite(measured[name]) else None
    return values


def read_certificate(path: Path) -> Certificate:
    """Read a ``parity.json``.

    Raises:
        ConfigError: It is not there, is damaged, or is something else.
    """
    name = repr(os.fspath(path))
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] == FORMAT:
            return _from_json(values)
        found = values["format"]
    except OSError as error:
        raise ConfigError(f"cannot read the certificate {name}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{name} is no certificate of an export, or is damaged; give the {CERTIFICATE_FILE} "
            "of an export"
        ) from error
    raise ConfigError(f"{name} is of the format {found!r}; this version reads {FORMAT!r}")


def _from_json(values: Mapping[str, Any]) -> Certificate:
    model, clips, recommended = (values[name] for name in ("model", "clips", "recommended"))
    return Certificate(
        model=model["name"],
        source=model["source"],
        license=model["license"],
        labels=model["labels"],
        date=values["date"],
        command=values["command"],
        versions=values["versions"],
        machine=values["machine"],
        max_drop=values["bounds"]["max_drop"],
        clips=tuple(ClipFacts(**_known_fields(ClipFacts, one)) for one in clips["videos"]),
        clips_source=clips["source"],
        unlabelled=clips["unlabelled"],
        failures=tuple((path, reason) for path, reason in clips["failures"]),
        reference=_stage_from_json(values["reference"]),
        stages=tuple(_stage_from_json(one) for one in values["stages"]),
        recommended=Recommended(
            stage=recommended["stage"],
            files=tuple(recommended["files"]),
            why=recommended["why"],
        ),
    )


def _stage_from_json(values: Mapping[str, Any]) -> Stage:
    known = _known_fields(Stage, values)
    known |= {name: tuple(known[name]) for name in ("files", "broken", "notes")}
    if known["measured"] is not None:
        known["measured"] = _measured_from_json(known["measured"])
    known["changes"] = tuple(_change_from_json(one) for one in known["changes"])
    return Stage(**known)


def _measured_from_json(values: Mapping[str, Any]) -> Measured:
    known = _known_fields(Measured, values)
    for name in _MAY_BE_INFINITE:
        known[name] = math.inf if known[name] is None else known[name]
    if known["accuracy"] is not None:
        known["accuracy"] = Accuracy(**_known_fields(Accuracy, known["accuracy"]))
    return Measured(**{**known, "quartiles": tuple(known["quartiles"])})


def _change_from_json(values: Mapping[str, Any]) -> Change:
    known = _known_fields(Change, values)
    return Change(**{**known, "reference": tuple(known["reference"]), "file": tuple(known["file"])})


def _known_fields(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Drop what a newer version has added."""
    return {one.name: values[one.name] for one in fields(kind)}
