"""What is in several splits of a fold is found, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from actionzoo.datasets import Sample, VideoDataset
from actionzoo.datasets.findings import Case, Finding
from actionzoo.datasets.leaks import Told, leaks
from actionzoo.datasets.similar import Similar

ROOT = Path("/data")


def sample(
    name: str,
    *splits: str | None,
    label: str = "run",
    group: str | None = None,
    seconds: tuple[float | None, float | None] = (None, None),
    origin: str = "",
) -> Sample:
    return Sample(
        path=ROOT / name,
        labels=(label,) if label else (),
        splits=splits,
        group=group,
        start_seconds=seconds[0],
        end_seconds=seconds[1],
        origin=origin,
    )


def found(samples: Sequence[Sample], similar: Similar | None = None) -> dict[str, Finding]:
    dataset = VideoDataset.from_samples(samples, root=ROOT)
    return {one.kind: one for one in leaks(Told(dataset), similar)}


def cases(findings: dict[str, Finding], kind: str) -> tuple[Case, ...]:
    return findings[kind].cases


def test_parts_of_one_file_in_two_splits() -> None:
    samples = [
        sample("a.mp4", "train", seconds=(0, 2), origin="list.csv:2"),
        sample("a.mp4", "test", seconds=(5, 7), origin="list.csv:3"),
        sample("b.mp4", "train", seconds=(0, 2)),
        sample("b.mp4", "train", seconds=(5, 7)),
    ]
    findings = found(samples)
    assert set(findings) == {"shared-file"}
    assert cases(findings, "shared-file") == (
        Case(
            detail="in train and test",
            paths=("a.mp4",),
            origins=("list.csv:2", "list.csv:3"),
        ),
    )


def test_identical_files_leave_train_and_contrary_labels_leave_altogether() -> None:
    samples = [
        sample("a.mp4", "train"),
        sample("b.mp4", "test"),
        sample("c.mp4", "train", label="walk"),
        sample("d.mp4", "train", label="run"),
        sample("e.mp4", "train"),
        sample("f.mp4", "train"),
        sample("g.mp4", "test", label=""),
        sample("h.mp4", "train", label="walk"),
    ]
    groups = (("a.mp4", "b.mp4"), ("c.mp4", "d.mp4"), ("e.mp4", "f.mp4"), ("g.mp4", "h.mp4"))
    findings = found(samples, Similar(identical=groups))
    across, (contrary,) = cases(findings, "identical-across"), cases(findings, "identical-contrary")
    assert [(one.paths, one.quarantine) for one in across] == [
        (("a.mp4", "b.mp4"), ("a.mp4",)),
        (("g.mp4", "h.mp4"), ("h.mp4",)),
    ]
    assert (contrary.detail, contrary.quarantine) == ("'walk' and 'run'", ("c.mp4", "d.mp4"))
    assert [one.paths for one in cases(findings, "identical")] == [("e.mp4", "f.mp4")]
    assert [one.severity for one in findings.values()] == ["warning", "warning", "note"]


def test_a_file_that_another_fold_measures_with_stays() -> None:
    samples = [sample("a.mp4", "train", "test"), sample("b.mp4", "test", "test")]
    findings = found(samples, Similar(identical=(("a.mp4", "b.mp4"),)))
    (case,) = cases(findings, "identical-across")
    assert (case.detail, case.quarantine) == ("in train and test in fold 1", ())


def test_videos_that_look_alike_are_never_left_out() -> None:
    samples = [
        sample("a.mp4", "train"),
        sample("b.mp4", "val"),
        sample("c.mp4", "train", label="walk"),
        sample("d.mp4", "train"),
    ]
    pairs = (("a.mp4", "b.mp4"), ("a.mp4", "c.mp4"), ("a.mp4", "d.mp4"))
    findings = found(samples, Similar(alike=pairs))
    assert {kind: one.cases[0].paths for kind, one in findings.items()} == {
        "alike-across": pairs[0],
        "alike-contrary": pairs[1],
        "alike": pairs[2],
    }
    assert not any(case.quarantine for one in findings.values() for case in one.cases)


@pytest.mark.parametrize(
    ("splits", "where"),
    [
        ([("train",), ("test",)], "train and test"),
        ([("train",), (None,)], None),
        ([("train", "test"), ("train", "train")], "train and test in fold 2"),
        (
            [("test", "train", "train"), ("train", "train", "val")],
            "train and test in fold 1, and in 1 more",
        ),
        ([("train", "test"), ("train", "test")], None),
    ],
)
def test_groups(splits: list[tuple[str | None, ...]], where: str | None) -> None:
    samples = [sample(f"{place}.mp4", *own, group="g") for place, own in enumerate(splits)]
    findings = found([*samples, sample("alone.mp4", *splits[0])])
    if where is None:
        assert findings == {}
    else:
        (case,) = cases(findings, "group-across")
        assert case.detail == f"group 'g' of 2 samples is in {where}"
        assert set(case.paths) == {"0.mp4", "1.mp4"}
