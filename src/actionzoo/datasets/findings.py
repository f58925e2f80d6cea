"""What a check finds: kinds of things, each with its cases; and the report of all of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

Severity = Literal["error", "warning", "note"]
"""Error: a sample cannot be used. Warning: accuracies would be wrong, or a sample is doubtful.
Note: something to know."""

KINDS: Mapping[str, tuple[Severity, str, str]] = {
    # rows of the list
    "malformed": ("error", "row cannot be used", "rows cannot be used"),
    # files
    "missing": ("error", "video is not there", "videos are not there"),
    "unreadable": ("error", "video may not be read", "videos may not be read"),
    "empty": ("error", "video is an empty file", "videos are empty files"),
    "no-video": ("error", "file is no video", "files are no videos"),
    "no-video-stream": ("error", "file holds no pictures", "files hold no pictures"),
    "no-pictures": ("error", "folder holds no pictures", "folders hold no pictures"),
    "undecodable": ("error", "video cannot be decoded", "videos cannot be decoded"),
    "crashed": ("error", "video crashes the decoder", "videos crash the decoder"),
    "hung": ("error", "video makes the decoder hang", "videos make the decoder hang"),
    "truncated": ("error", "video is cut off", "videos are cut off"),
    "ends-early": (
        "warning",
        "video ends sooner than it tells",
        "videos end sooner than they tell",
    ),
    "damaged": ("warning", "video is damaged in places", "videos are damaged in places"),
    "tilted": ("warning", "video is to be turned oddly", "videos are to be turned oddly"),
    "incomplete": (
        "note",
        "video lacks its end, but no frame",
        "videos lack their end, but no frame",
    ),
    "rotated": ("note", "video is stored turned", "videos are stored turned"),
    "sizes-vary": ("note", "video changes its size", "videos change their size"),
    "odd-rate": ("note", "video tells an odd frame rate", "videos tell an odd frame rate"),
    # files against the list, and against a model
    "wrong-length": ("warning", "video is not as long as told", "videos are not as long as told"),
    "part-outside": ("error", "part starts after its video", "parts start after their videos"),
    "part-beyond": ("warning", "part ends after its video", "parts end after their videos"),
    "too-short": (
        "warning",
        "sample is too short for the model",
        "samples are too short for the model",
    ),
    # several splits, or there twice
    "shared-file": ("warning", "file is in several splits", "files are in several splits"),
    "identical-contrary": (
        "warning",
        "video is there under several names and labels",
        "videos are there under several names and labels",
    ),
    "identical-across": (
        "warning",
        "video is there under several names in several splits",
        "videos are there under several names in several splits",
    ),
    "identical": ("note", "video is there several times", "videos are there several times"),
    "alike-contrary": (
        "warning",
        "pair of videos looks the same and is labelled differently",
        "pairs of videos look the same and are labelled differently",
    ),
    "alike-across": (
        "warning",
        "pair of videos looks the same and is in several splits",
        "pairs of videos look the same and are in several splits",
    ),
    "alike": ("note", "pair of videos looks the same", "pairs of videos look the same"),
    "group-across": ("warning", "group is in several splits", "groups are in several splits"),
    # labels
    "unlabelled": ("warning", "sample has no label", "samples have no label"),
    "labels-alike": (
        "warning",
        "label is there in several spellings",
        "labels are there in several spellings",
    ),
    "label-spelling": (
        "warning",
        "label is not spelt as in the official list",
        "labels are not spelt as in the official list",
    ),
    "label-unknown": (
        "note",
        "label is not in the official list",
        "labels are not in the official list",
    ),
    "label-alone": ("warning", "label has only one video", "labels have only one video"),
    "label-not-learnt": (
        "warning",
        "label is in another split and not in train",
        "labels are in another split and not in train",
    ),
    "label-not-measured": (
        "note",
        "label is in train and not in another split",
        "labels are in train and not in another split",
    ),
    "label-unused": ("note", "label has no video", "labels have no video"),
    "mirror": (
        "note",
        "pair of labels becomes wrong in a mirror: do not flip videos from left to right",
        "pairs of labels become wrong in a mirror: do not flip videos from left to right",
    ),
}
"""What is counted: how grave it is, and what is said of one case and of several."""

JSON_VERSION = 1
MOST_CASES = 1000
"""As many cases of a finding are written to JSON."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One thing that a finding concerns: a file, files that are the same, a group, a label."""

    detail: str
    """A few words, or a sentence."""
    paths: tuple[str, ...] = ()
    """As the dataset tells them."""
    origins: tuple[str, ...] = ()
    """Where the list tells them, such as ``train.csv:17``."""
    quarantine: tuple[str, ...] = ()
    """Those that must not be trained on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One kind of thing that is wrong, or to be known."""

    severity: Severity
    kind: str
    """A short fixed word."""
    message: str
    """What it is and how many there are, in a sentence."""
    cases: tuple[Case, ...] = ()

    def to_dict(self, most: int = MOST_CASES) -> dict[str, Any]:
        """Return plain values: the number of all cases, and the first ones."""
        return {
            "severity": self.severity,
            "kind": self.kind,
            "message": self.message,
            "count": len(self.cases),
            "cases": [asdict(one) for one in self.cases[:most]],
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What was found in a dataset."""

    facts: Mapping[str, Any]
    """Plain values: ``format``, ``root``, numbers of ``samples``, ``videos``, ``readable`` videos,
    ``classes`` and ``folds``, ``list_hash``, ``splits`` by fold, ``seconds`` and ``bytes`` of all
    videos together, and ``deep``: whether everything was decoded."""
    findings: tuple[Finding, ...] = ()
    """Errors first, then warnings, then notes."""

    @property
    def is_clean(self) -> bool:
        """Whether there is neither an error nor a warning."""
        return all(one.severity == "note" for one in self.findings)

    def of_severity(self, severity: Severity) -> tuple[Finding, ...]:
        """Return the findings of one severity."""
        return tuple(one for one in self.findings if one.severity == severity)

    def quarantine(self) -> dict[str, str]:
        """Return the paths that must not be trained on, each with the first reason.

        They are the files that cannot be used; all files with the same bytes and different labels,
        for one of the labels is wrong; and of files with the same bytes in train and in another
        split those in train, so that what is measured stays as it was published. Files that only
        look alike are left to whoever looks at them.
        """
        reasons: dict[str, str] = {}
        for finding in self.findings:
            for case in finding.cases:
                for path in case.quarantine:
                    reasons.setdefault(path, f"{finding.kind}: {case.detail}")
        return reasons

    def to_json(self) -> str:
        """Write all of it as one JSON object."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=2)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON holds them."""
        return {
            "version": JSON_VERSION,
            "clean": self.is_clean,
            "dataset": dict(self.facts),
            "findings": [one.to_dict() for one in self.findings],
            "quarantine": len(self.quarantine()),
        }


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Put errors before warnings before notes."""
    return tuple(sorted(findings, key=lambda one: get_args(Severity).index(one.severity)))


def found(kind: str, cases: Iterable[Case]) -> Iterator[Finding]:
    """Yield a finding of one of ``KINDS`` where there is a case."""
    listed = tuple(cases)
    severity, one, many = KINDS[kind]
    if listed:
        message = f"{len(listed):,} {one if len(listed) == 1 else many}"
        yield Finding(severity=severity, kind=kind, message=message, cases=listed)
