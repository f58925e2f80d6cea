"""A dataset in numbers."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from actionzoo.datasets import Sample, VideoDataset
from actionzoo.datasets.summary import Spread, summarise
from actionzoo.video.probing import Inspection


def test_counts_and_spreads() -> None:
    dataset = VideoDataset.from_samples(
        [
            Sample(path=Path("1.mp4"), labels=("a",), splits=("train",), group="x"),
            Sample(path=Path("2.mp4"), labels=("a", "b"), splits=("test",), group="x"),
            Sample(path=Path("3.mp4"), labels=("b",)),
        ],
        labels=("b", "a", "never"),
    )
    seen = {"width": 64, "height": 48, "codec": "h264", "fps": Fraction(30000, 1001)}
    inspections = [
        Inspection(path="1.mp4", duration_seconds=Fraction(1, 2), **seen),
        Inspection(path="2.mp4", duration_seconds=Fraction(5, 2), **seen),
        Inspection(path="3.mp4"),
    ]
    summary = summarise(dataset, inspections)
    assert summary.classes == {
        "b": {"videos": 2, "train": 0, "test": 1},
        "a": {"videos": 2, "train": 1, "test": 1},
        "never": {"videos": 0, "train": 0, "test": 0},
    }
    assert (summary.videos, summary.probed, summary.unreadable, summary.groups) == (3, 3, 1, 1)
    assert summary.splits == ({"train": 1, "test": 1},)
    assert summary.duration_seconds == Spread(least=0.5, median=1.5, most=2.5)
    assert summary.sizes == {"64x48": 2}
    assert summary.to_dict()["fps"]["median"] == 30000 / 1001


def test_nothing_is_known_of_what_was_not_probed() -> None:
    summary = summarise(VideoDataset.from_samples([]), [])
    assert (summary.duration_seconds, summary.fps, summary.sizes) == (None, None, {})
