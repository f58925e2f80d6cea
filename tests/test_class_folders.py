"""Class folders, with and without splits, as people have them."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionzoo.datasets import Sample, VideoDataset, open_dataset
from actionzoo.datasets.class_folders import FORMATS, unique_names
from actionzoo.datasets.names import safe_name
from actionzoo.errors import BadDataset


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def rows(dataset: VideoDataset) -> list[tuple[str, str | None, str | None]]:
    return [
        (path, one.label, one.split) for path, one in zip(dataset.paths(), dataset, strict=True)
    ]


def test_a_folder_a_class(tmp_path: Path) -> None:
    touch(tmp_path, "walk/2.mp4", "walk/10.AVI", "run/a b#1.webm", "walk/notes.txt", ".git/x.mp4")
    dataset = open_dataset(tmp_path)
    assert dataset.format == "class-folders"
    assert rows(dataset) == [
        ("run/a b#1.webm", "run", None),
        ("walk/2.mp4", "walk", None),
        ("walk/10.AVI", "walk", None),
    ]


def test_splits_above_the_classes(tmp_path: Path) -> None:
    touch(tmp_path, "Train/walk/1.mp4", "Validation/walk/2.mp4", "test/run/3.mp4", "readme.md")
    assert rows(open_dataset(tmp_path)) == [
        ("Train/walk/1.mp4", "walk", "train"),
        ("Validation/walk/2.mp4", "walk", "val"),
        ("test/run/3.mp4", "run", "test"),
    ]


def test_folders_within_a_class_and_folders_of_pictures(tmp_path: Path) -> None:
    touch(tmp_path, "walk/day 1/1.mp4", "walk/2.mp4", "run/clip7/00001.jpg", "run/clip7/00002.jpg")
    assert [path for path, _, _ in rows(open_dataset(tmp_path))] == [
        "run/clip7",
        "walk/2.mp4",
        "walk/day 1/1.mp4",
    ]


def test_groups_of_ucf_names(tmp_path: Path) -> None:
    touch(tmp_path, "YoYo/v_YoYo_g07_c02.avi", "Run/v_Run_g25_c01.avi", "Run/other.avi")
    assert open_dataset(tmp_path).groups() == [None, "g25", "g07"]


def test_the_order_of_labels_txt(tmp_path: Path) -> None:
    touch(tmp_path, "hand_wave/1.mp4", "Clap/2.mp4")
    (tmp_path / "labels.txt").write_text("hand wave\nclap\nnever seen\n")
    dataset = open_dataset(tmp_path)
    assert dataset.labels == ("hand wave", "clap", "never seen")
    assert [one.label for one in dataset] == ["clap", "hand wave"]


def test_a_folder_that_is_not_in_labels_txt(tmp_path: Path) -> None:
    touch(tmp_path, "wave/1.mp4", "clapping/2.mp4")
    (tmp_path / "labels.txt").write_text("wave\nclap\n")
    with pytest.raises(BadDataset, match=r"there is no label 'clapping'; did you mean 'clap'"):
        open_dataset(tmp_path)


def test_links_that_lead_in_a_circle(tmp_path: Path) -> None:
    touch(tmp_path, "walk/1.mp4", "run/2.mp4")
    (tmp_path / "walk" / "again").symlink_to(tmp_path)
    (tmp_path / "run" / "linked").symlink_to(touch(tmp_path / "far", "3.mp4"))
    with pytest.raises(BadDataset, match=r"walk/again.*: a link leads back"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("labels", [("walk", "run"), ("a/b", "c:d"), ("open", "shut", "never")])
def test_what_is_written_is_read_again(labels: tuple[str, ...], tmp_path: Path) -> None:
    whole = VideoDataset.from_samples(
        [
            Sample(path=Path(f"/{split}/{label}/1.mp4"), labels=(label,), splits=(split,))
            for label in labels[:2]
            for split in ("train", "val", "test")
        ],
        labels=labels,
    )
    written = FORMATS[0]
    assert written.places is not None
    touch(tmp_path, *written.places(whole))
    written.annotate(whole, tmp_path)
    read = open_dataset(tmp_path)
    assert read.labels == labels
    assert sorted((one.label, one.split) for one in read) == sorted(
        (one.label, one.split) for one in whole
    )


@given(st.lists(st.lists(st.sampled_from(["a", "b", "A", "1.mp4"]), min_size=1, max_size=4)))
def test_names_are_never_alike(parts: list[list[str]]) -> None:
    names = unique_names([PurePosixPath(*one) for one in parts])
    assert len({name.casefold() for name in names}) == len(parts)
    assert all("/" not in name for name in names)


@given(st.text())
def test_names_are_safe(name: str) -> None:
    safe = safe_name(name)
    assert safe == safe_name(safe)
    assert safe not in ("", ".", "..")
    assert not set(safe) & set('<>:"/\\|?*\0')
