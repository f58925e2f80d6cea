"""A folder that is written into is begun once, and tells what it was begun with."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionzoo.datasets import Sample, VideoDataset
from actionzoo.datasets.destination import (
    RECORD,
    Wish,
    Work,
    check_places,
    checked_place,
    of_readable,
    write,
)
from actionzoo.datasets.media import Placing
from actionzoo.datasets.opening import find_format
from actionzoo.errors import BadDataset, CannotOpen
from videos import write_video

CSV = find_format("csv")


@pytest.fixture
def dataset(tmp_path: Path) -> VideoDataset:
    write_video(tmp_path / "a.mp4", range(3))
    (tmp_path / "b.mp4").write_bytes((tmp_path / "a.mp4").read_bytes())
    told = [Sample(path=tmp_path / name, labels=("walk",)) for name in ("a.mp4", "b.mp4")]
    return VideoDataset.from_samples(told, root=tmp_path)


def placings(dataset: VideoDataset, folder: Path, *places: str) -> list[Placing]:
    return [
        Placing(source=one.path, target=folder / place)
        for one, place in zip(dataset, places, strict=True)
    ]


def test_record_tells_what_was_asked_for(dataset: VideoDataset, tmp_path: Path) -> None:
    wish = Wish(target=CSV, folder=tmp_path / "out", resize=64, fps=Fraction(30000, 1001))
    write(dataset, placings(dataset, wish.folder, "x/a.mp4", "x/b.mp4"), wish, Work())
    record = json.loads((tmp_path / "out" / RECORD).read_text())
    assert record.pop("videos")
    assert record == {"format": "csv", "how": "link", "resize": 64, "fps": "30000/1001"}


def test_damaged_record_is_another_one(dataset: VideoDataset, tmp_path: Path) -> None:
    wish = Wish(target=CSV, folder=tmp_path / "out")
    write(dataset, [None, None], wish, Work())
    for text in ("[]", "{", '{"format": {}}'):
        (tmp_path / "out" / RECORD).write_text(text)
        with pytest.raises(BadDataset, match="give another folder, or remove this one"):
            write(dataset, [None, None], wish, Work())


def test_record_goes_where_every_entry_is_a_video(dataset: VideoDataset, tmp_path: Path) -> None:
    wish = Wish(target=CSV, folder=tmp_path / "out")
    write(dataset, placings(dataset, wish.folder, "a/images.mp4", "b/images.mp4"), wish, Work())
    assert not (tmp_path / "out" / RECORD).exists()


def test_two_videos_at_one_place_are_our_fault(dataset: VideoDataset, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="taken twice"):
        check_places(tmp_path, placings(dataset, tmp_path, "x.mp4", "x.mp4"))


@given(st.text(st.sampled_from("a./\\:\0~ "), max_size=8))
def test_checked_places_are_below_the_folder(place: str) -> None:
    folder = Path("/out")
    try:
        path = checked_place(folder, place, "a.mp4")
    except BadDataset:
        return
    assert path.is_relative_to(folder)
    assert path != folder
    assert ".." not in path.parts


def test_of_readable_asks_again_without_what_is_broken(
    dataset: VideoDataset, tmp_path: Path
) -> None:
    def ask(one: VideoDataset) -> list[bytes]:
        found = [sample.path.read_bytes() for sample in one]
        if b"broken" in found:
            raise CannotOpen("one of them")
        return found

    (tmp_path / "a.mp4").write_bytes(b"broken")
    answer, rest, failures = of_readable(ask, dataset)
    assert answer == [(tmp_path / "b.mp4").read_bytes()]
    assert rest.paths() == ["b.mp4"]
    assert [one.path for one in failures] == [str(tmp_path / "a.mp4")]
    (tmp_path / "b.mp4").unlink()
    with pytest.raises(BadDataset, match="none of its 2 videos can be used"):
        of_readable(ask, dataset.select([0]).select([0, 0]))


def test_of_readable_hides_no_error_of_its_own(dataset: VideoDataset) -> None:
    def ask(_: VideoDataset) -> None:
        raise CannotOpen("something else")

    with pytest.raises(CannotOpen, match="something else"):
        of_readable(ask, dataset)
