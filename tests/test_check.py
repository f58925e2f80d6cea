"""Every kind of finding, from a list and from what was found in its files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from actionzoo.datasets import Sample, VideoDataset, open_dataset
from actionzoo.datasets.check import check
from actionzoo.datasets.findings import KINDS, Report
from actionzoo.datasets.inspection import files_of, inspect
from actionzoo.datasets.similar import Similar, find_similar
from actionzoo.spec import InputSpec, Resize
from actionzoo.video.probing import Fault, Inspection
from videos import write_video

ROOT = Path("/data")
CLIP = InputSpec(
    frames=8,
    stride=4,
    fps=Fraction(10),
    resize=Resize(rule="short_side", height=64, width=64),
    height=64,
    width=64,
)


def sample(name: str, label: str = "run", split: str | None = None, **more: Any) -> Sample:
    return Sample(path=ROOT / name, labels=(label,) if label else (), splits=(split,), **more)


def seen(path: str, seconds: float = 10, fps: int = 25, **more: Any) -> Inspection:
    facts: dict[str, Any] = {
        "size_bytes": 1000,
        "width": 64,
        "height": 48,
        "fps": Fraction(fps),
        "duration_seconds": Fraction(seconds),
        "num_frames": round(seconds * fps),
        "codec": "h264",
    }
    return Inspection(path=path, **{**facts, **more})


def report_on(
    samples: Sequence[Sample],
    inspections: dict[str, Inspection] | None = None,
    *,
    labels: Sequence[str] | None = None,
    **options: Any,
) -> Report:
    dataset = VideoDataset.from_samples(samples, root=ROOT, labels=labels)
    found = [(inspections or {}).get(path, seen(path)) for path in files_of(dataset)]
    return check(dataset, found, **options)


def details(report: Report, kind: str) -> list[str]:
    (finding,) = (one for one in report.findings if one.kind == kind)
    return [case.detail for case in finding.cases]


def kinds(report: Report, *severities: str) -> set[str]:
    return {one.kind for one in report.findings if not severities or one.severity in severities}


WHOLE = [
    sample(f"{label} {number}.mp4", label, split)
    for label in ("run", "walk")
    for split in ("train", "test")
    for number in (split + "1", split + "2")
]


def test_nothing_is_wrong_with_a_whole_dataset() -> None:
    report = report_on(WHOLE, similar=Similar(), model=CLIP)
    assert report.findings == ()
    assert report.is_clean
    assert report.quarantine() == {}
    assert report.facts == {
        "format": "memory",
        "root": "/data",
        "samples": 8,
        "videos": 8,
        "readable": 8,
        "classes": 2,
        "list_hash": VideoDataset.from_samples(WHOLE, root=ROOT).list_hash(),
        "folds": 1,
        "splits": [{"train": 4, "test": 4}],
        "seconds": 80.0,
        "bytes": 8000,
        "deep": False,
    }


def test_faults_of_files_are_grouped_and_ordered_by_severity() -> None:
    names = [one.path.name for one in WHOLE]
    faulty = {
        names[0]: seen(names[0], faults=(Fault(kind="rotated", message="turned"),)),
        names[1]: seen(names[1], faults=(Fault(kind="damaged", message="3 of 9 packets"),)),
        names[2]: Inspection(path=names[2], faults=(Fault(kind="empty", message="it is empty"),)),
        names[3]: Inspection(path=names[3], faults=(Fault(kind="empty", message="it is empty"),)),
    }
    report = report_on(WHOLE, faulty)
    assert [(one.severity, one.kind, one.message) for one in report.findings] == [
        ("error", "empty", "2 videos are empty files"),
        ("warning", "damaged", "1 video is damaged in places"),
        ("note", "rotated", "1 video is stored turned"),
    ]
    assert report.quarantine() == {names[2]: "empty: it is empty", names[3]: "empty: it is empty"}
    assert report.facts["readable"] == 6
    assert not report.is_clean


def test_a_missing_absolute_path_is_told_of() -> None:
    missing = (Fault(kind="missing", message="there is no such file or folder"),)
    elsewhere = Sample(path=Path("/old/a.mp4"), labels=("run",))
    report = report_on([elsewhere], {"/old/a.mp4": Inspection(path="/old/a.mp4", faults=missing)})
    assert "path of another computer" in details(report, "missing")[0]


def test_malformed_rows_are_named_by_file_and_line(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", range(3))
    shutil.copy(tmp_path / "a.mp4", tmp_path / "b.mp4")
    (tmp_path / "list.csv").write_text(
        "path,label,start,end\na.mp4,run,0,0.05\nb.mp4,run,5,2\nb.mp4,run,-1,2\n"
    )
    dataset = open_dataset(tmp_path, skip_malformed=True)
    report = check(dataset, inspect(dataset))
    (finding,) = (one for one in report.findings if one.kind == "malformed")
    assert finding.severity == "error"
    assert [case.origins for case in finding.cases] == [("list.csv:3",), ("list.csv:4",)]


def test_lengths_that_differ_from_what_is_told() -> None:
    samples = [
        sample("exact.mp4", num_frames=250),
        sample("by one.mp4", num_frames=251),
        sample("wrong.mp4", num_frames=240, origin="list.txt:3"),
        sample("a part.mp4", num_frames=20, start_seconds=1.0),
        sample("cut.mp4", num_frames=300),
    ]
    cut = seen("cut.mp4", faults=(Fault(kind="truncated", message="it was cut off"),))
    report = report_on(samples, {"cut.mp4": cut})
    (finding,) = (one for one in report.findings if one.kind == "wrong-length")
    assert details(report, "wrong-length") == ["the list tells 240 frames, and there are 250"]
    assert finding.cases[0].origins == ("list.txt:3",)


def test_parts_past_the_end() -> None:
    samples = [
        sample("a.mp4", start_seconds=12.0, end_seconds=13.0),
        sample("b.mp4", start_seconds=8.0, end_seconds=11.0),
        sample("c.mp4", start_seconds=8.0, end_seconds=10.4),
        sample("d.mp4", start_seconds=11.0),
        sample("d.mp4", start_seconds=1.0, end_seconds=2.0),
    ]
    report = report_on(samples)
    assert details(report, "part-outside") == [
        "it starts at 12 s, and the video has 10.00 s",
        "it starts at 11 s, and the video has 10.00 s",
    ]
    assert details(report, "part-beyond") == ["it ends at 11 s, and the video has 10.00 s"]
    # Another part of d.mp4 is fine.
    assert set(report.quarantine()) == {"a.mp4"}


def test_samples_too_short_for_a_model() -> None:
    samples = [
        sample("long.mp4"),
        sample("exact.mp4"),
        sample("short.mp4"),
        sample("part.mp4", start_seconds=1.0, end_seconds=3.0),
        sample("to the end.mp4", start_seconds=8.0),
    ]
    # 8 frames, every 4th of 10 a second: 29 ticks.
    lengths = {"exact.mp4": seen("exact.mp4", 2.9), "short.mp4": seen("short.mp4", 2.8)}
    report = report_on(samples, lengths, model=CLIP)
    assert details(report, "too-short") == [
        "28 frames at 10 a second; a clip of the model has 29",
        "20 frames at 10 a second; a clip of the model has 29",
        "20 frames at 10 a second; a clip of the model has 29",
    ]
    assert "too-short" not in kinds(report_on(samples, lengths))


def test_labels_and_their_counts() -> None:
    names = ["Run", "run", "walk left", "wave", "never"]
    samples = [sample(f"{number}.mp4", "run", "train") for number in range(30)]
    samples += [sample("30.mp4", "Run", "test"), sample("31.mp4", "Run", "test")]
    samples += [sample("32.mp4", "walk left", "train"), sample("33.mp4", "walk left", "train")]
    samples += [sample("34.mp4", "wave", "train"), sample("35.mp4", "", "train")]
    samples += [sample("36.mp4", "", "test")]
    report = report_on(samples, labels=names)
    assert details(report, "labels-alike") == ["'Run' and 'run'"]
    assert details(report, "mirror") == ["'walk left', without a counterpart"]
    assert details(report, "label-unused") == ["'never'"]
    assert details(report, "label-alone") == ["'wave'"]
    assert details(report, "label-not-learnt") == ["'Run' is not in train"]
    assert len(details(report, "label-not-measured")) == 3
    (imbalance,) = (one for one in report.findings if one.kind == "imbalance")
    assert imbalance.message == "the classes differ in size: 30 samples of 'run', 1 of 'wave'"
    (unlabelled,) = (one for one in report.findings if one.kind == "unlabelled")
    assert [case.paths for case in unlabelled.cases] == [("35.mp4",)]


def test_labels_of_a_published_list() -> None:
    names = ["Bend", "jumping jack", "jump in place", "run", "skip", "walk", "swim"]
    samples = [sample(f"{label}{number}.mp4", label) for label in names for number in (1, 2)]
    report = report_on(samples, labels=names)
    assert details(report, "label-spelling") == ["'Bend' is 'bend' in weizmann10"]
    assert details(report, "label-unknown") == ["'swim' is not in weizmann10"]


def test_indices_that_begin_at_one() -> None:
    samples = [sample(f"{number}.mp4", str(1 + number % 3)) for number in range(9)]
    assert "one-based" in kinds(report_on(samples), "warning")


@pytest.mark.parametrize(
    ("splits", "kind"),
    [
        ([None, None], "unsplit"),
        (["val", "test"], "no-train"),
        (["train", "train"], "only-train"),
        (["train", "val"], None),
    ],
)
def test_splits_that_are_missing(splits: list[str | None], kind: str | None) -> None:
    samples = [sample(f"{place}.mp4", split=split) for place, split in enumerate(splits)]
    told = {"unsplit", "no-train", "only-train"} & kinds(report_on(samples))
    assert told == ({kind} if kind else set())


def test_the_report_is_json_with_all_counts() -> None:
    names = [f"{number}.mp4" for number in range(1500)]
    empty = (Fault(kind="empty", message="it is empty"),)
    faulty = {name: Inspection(path=name, faults=empty) for name in names}
    told = json.loads(report_on([sample(name) for name in names], faulty).to_json())
    assert (told["version"], told["clean"], told["quarantine"]) == (1, False, 1500)
    assert told["dataset"]["videos"] == 1500
    first = told["findings"][0]
    assert (first["kind"], first["count"], len(first["cases"])) == ("empty", 1500, 1000)
    assert first["cases"][0] == {
        "detail": "it is empty",
        "paths": ["0.mp4"],
        "origins": [],
        "quarantine": ["0.mp4"],
    }


def test_every_fault_of_a_file_is_a_kind() -> None:
    from typing import get_args

    from actionzoo.video.probing import FaultKind

    assert set(get_args(FaultKind)) <= set(KINDS)


def test_real_files_from_the_list_to_the_report(tmp_path: Path) -> None:
    for label in ("run", "walk"):
        (tmp_path / "train" / label).mkdir(parents=True)
        (tmp_path / "test" / label).mkdir(parents=True)
    write_video(tmp_path / "train/run/1.mp4", range(10))
    write_video(tmp_path / "train/walk/2.mp4", range(20, 35))
    write_video(tmp_path / "test/run/3.mp4", range(40, 50))
    shutil.copy(tmp_path / "train/walk/2.mp4", tmp_path / "test/walk/4.mp4")
    (tmp_path / "train/run/5.mp4").write_text("404")
    dataset = open_dataset(tmp_path)
    inspections = inspect(dataset, deep=True)
    similar = find_similar(dataset, inspections)
    report = check(dataset, inspections, similar=similar, deep=True)
    assert kinds(report, "error", "warning") == {"no-video", "identical-across"}
    assert set(report.quarantine()) == {"train/run/5.mp4", "train/walk/2.mp4"}
