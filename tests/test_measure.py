"""What a dataset does not tell of its videos is read from their files."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from actionzoo.datasets import Sample, VideoDataset
from actionzoo.datasets.measure import durations_seconds, frame_counts, unreadable
from actionzoo.errors import CannotOpen
from videos import write_pictures, write_video


@pytest.fixture
def dataset(tmp_path: Path) -> VideoDataset:
    """Lay out a file, one whose frames are told, a folder of pictures, and nothing."""
    write_video(tmp_path / "a.mp4", range(6), fps=Fraction(12))
    write_video(tmp_path / "b.mp4", range(3), fps=Fraction(12))
    write_pictures(tmp_path / "c", range(4))
    told = [
        Sample(path=tmp_path / "a.mp4"),
        Sample(path=tmp_path / "b.mp4", num_frames=99),
        Sample(path=tmp_path / "c"),
        Sample(path=tmp_path / "gone.mp4"),
    ]
    return VideoDataset.from_samples(told, root=tmp_path, fps=Fraction(8))


def test_frames_are_counted_where_they_are_not_told(dataset: VideoDataset) -> None:
    assert frame_counts(dataset[:3]) == [6, 99, 4]
    with pytest.raises(CannotOpen, match=r"gone\.mp4"):
        frame_counts(dataset)


def test_durations_are_those_of_the_files(dataset: VideoDataset) -> None:
    assert durations_seconds(dataset[:3]) == [0.5, 0.25, 0.5]
    with pytest.raises(CannotOpen, match=r"gone\.mp4"):
        durations_seconds(dataset)


def test_what_cannot_be_read_is_told_with_its_place(dataset: VideoDataset, tmp_path: Path) -> None:
    (tmp_path / "b.mp4").write_bytes(b"nothing")
    found = unreadable(dataset)
    assert sorted(found) == [1, 3]
    assert "gone.mp4" in str(found[3])
    assert unreadable(dataset[2:3]) == {}
