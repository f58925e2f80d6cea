from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actionzoo.datasets import Given, Sample, VideoDataset, open_dataset
from actionzoo.datasets.format import Place
from actionzoo.datasets.hmdb51 import FORMATS
from actionzoo.datasets.names import safe_name
from actionzoo.errors import BadDataset

(HMDB,) = FORMATS

HAIR = "April_09_brush_hair_u_nm_np1_ba_goo_0.avi"
KISS = "TVs_Best_Kisses_Top_50-_(40_to_31)_kiss_h_cm_np2_fr_goo_9.avi"
LAUGH = "Der_Lachsack___keep_on_smiling_;0)_laugh_h_cm_np1_fr_med_0.avi"
CLEAN = "#122_Cleaning_Up & more +_pick_f_nm_np1_fr_bad_1.avi"
VIDEOS = (f"brush_hair/{HAIR}", f"kiss/{KISS}", f"laugh/{LAUGH}", f"pick/{CLEAN}")
# As published: a blank behind the code.
LISTS = {
    "brush_hair_test_split1.txt": f"{HAIR} 1 \r\n",
    "brush_hair_test_split2.txt": f"{HAIR} 2 \r\n",
    "kiss_test_split1.txt": f"{KISS} 2 \n",
    "kiss_test_split2.txt": f"{KISS} 0 \n",
    "laugh_test_split1.txt": f"{LAUGH} 0 \n",
    "laugh_test_split2.txt": "\n",
    "pick_test_split1.txt": "",
    "pick_test_split2.txt": f"{CLEAN} 1 \n",
}
PUBLISHED = {
    HAIR: ("brush_hair", ("train", "test"), "April_09"),
    KISS: ("kiss", ("test", None), "TVs_Best_Kisses_Top_50-_(40_to_31)"),
    LAUGH: ("laugh", (None, None), "Der_Lachsack___keep_on_smiling_;0)"),
    CLEAN: ("pick", (None, "train"), "#122_Cleaning_Up & more +"),
}


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def write(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_bytes(text.encode())
    return folder


def make(root: Path, lists: str = "testTrainMulti_7030_splits", videos: str = "hmdb51_org") -> Path:
    """Write the published layout with few videos."""
    write(root / lists, LISTS)
    touch(root / videos, *VIDEOS)
    return root


def told(dataset: VideoDataset) -> dict[str, tuple[str | None, tuple[str | None, ...], str | None]]:
    """Return what is told of each video."""
    return {one.path.name: (one.label, one.splits, one.group) for one in dataset}


def test_the_published_layout(tmp_path: Path) -> None:
    dataset = open_dataset(make(tmp_path))
    assert dataset.format == "hmdb51"
    assert dataset.labels == ("brush_hair", "kiss", "laugh", "pick")
    assert told(dataset) == PUBLISHED
    assert all(one.path.is_file() for one in dataset)
    assert dataset[0].origin == "testTrainMulti_7030_splits/brush_hair_test_split1.txt:1"
    assert dataset.paths()[0] == f"hmdb51_org/brush_hair/{HAIR}"
    assert dataset.facts.notes == ()


@pytest.mark.parametrize(
    ("lists", "videos", "path"),
    [
        (".", ".", "."),
        (".", "videos", "."),
        ("annotations", "videos", "."),  # mmaction2
        ("test_train_splits/testTrainMulti_7030_splits", "hmdb51_org", "."),  # from the archive
        ("testTrainMulti_7030_splits", ".", "."),
        ("testTrainMulti_7030_splits", "hmdb51_org", "testTrainMulti_7030_splits"),
        ("splits", "splits/videos", "splits"),
        ("splits", "videos", "splits/kiss_test_split2.txt"),
    ],
)
def test_folders_have_other_names_in_copies(
    lists: str, videos: str, path: str, tmp_path: Path
) -> None:
    dataset = open_dataset(make(tmp_path, lists, videos) / path)
    assert told(dataset) == PUBLISHED
    assert {one.path.resolve() for one in dataset} == {tmp_path / videos / one for one in VIDEOS}
    assert dataset.facts.notes == ()


def test_classes_unpacked_into_folders_of_their_names(tmp_path: Path) -> None:
    write(tmp_path / "splits", LISTS)
    touch(tmp_path / "hmdb51_org", *(f"{name.split('/')[0]}/{name}" for name in VIDEOS))
    dataset = open_dataset(tmp_path)
    assert told(dataset) == PUBLISHED
    assert all(one.path.is_file() for one in dataset)


def test_copies_have_other_suffixes_or_are_folders_of_pictures(tmp_path: Path) -> None:
    write(tmp_path / "splits", LISTS)
    stems = [name.removesuffix(".avi") for name in VIDEOS]
    touch(tmp_path / "videos", f"{stems[0]}.mp4", *(f"{one}/00001.jpg" for one in stems[1:]))
    dataset = open_dataset(tmp_path)
    assert {one.path for one in dataset} == {
        tmp_path / "videos" / name for name in (f"{stems[0]}.mp4", *stems[1:])
    }
    assert {one.group for one in dataset} == {group for _, _, group in PUBLISHED.values()}
    given = Given(videos=tmp_path / "elsewhere")
    assert (
        "4 videos of the lists are not there" in open_dataset(tmp_path, given=given).facts.notes[0]
    )


def test_lists_without_folders_and_folders_without_lists(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "hmdb51_org" / VIDEOS[1]).unlink()
    (tmp_path / "hmdb51_org" / "kiss").rmdir()
    touch(
        tmp_path / "hmdb51_org",
        "wave/a film_wave_f_cm_np1_ri_med_3.avi",
        "wave/other_clap_f_cm_np1_ri_med_3.avi",
        "brush_hair/extra.avi",
        "empty/readme.txt",
    )
    dataset = open_dataset(tmp_path)
    assert dataset.labels == ("brush_hair", "kiss", "laugh", "pick", "wave")
    added = {name: one for name, one in told(dataset).items() if name not in PUBLISHED}
    assert added == {
        "a film_wave_f_cm_np1_ri_med_3.avi": ("wave", (None, None), "a film"),
        "other_clap_f_cm_np1_ri_med_3.avi": ("wave", (None, None), None),
        "extra.avi": ("brush_hair", (None, None), None),
    }
    assert dataset.facts.notes == (
        f"1 video of the lists is not there; the first is 'hmdb51_org/kiss/{KISS}'",
    )


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (f"{KISS} 3 \n", 1, "the code is '3'; it is 0 (unused), 1 (train) or 2 (test)"),
        (f"a.avi 1\n\n{KISS}\n", 3, f"{KISS!r} is no '<name>.avi <code>'"),
        ("one two.avi\n", 1, "the code is 'two.avi'; it is 0"),
        ("../../x.avi 1\n", 1, "'../../x.avi 1' is no '<name>.avi <code>'"),
        (f"{KISS} 1\n{KISS} 0\n", 2, f"{KISS!r} is in this list already"),
    ],
)
def test_what_is_wrong_is_named_by_file_and_line(
    text: str, line: int, message: str, tmp_path: Path
) -> None:
    write(tmp_path, {**LISTS, "kiss_test_split2.txt": text})
    with pytest.raises(BadDataset) as caught:
        open_dataset(tmp_path)
    assert f"\n  kiss_test_split2.txt:{line}: {message}" in str(caught.value)
    assert len(open_dataset(tmp_path, skip_malformed=True)) >= 4


def test_lists_that_mmaction2_derived_lie_beside_the_published_ones(tmp_path: Path) -> None:
    make(tmp_path, "annotations", "videos")
    derived = {
        "classInd.txt": "1 brush_hair\n2 kiss\n3 laugh\n4 pick\n",
        "trainlist01.txt": f"{VIDEOS[0]} 1\n",
        "testlist01.txt": f"{VIDEOS[1]} 2\n",
    }
    write(tmp_path / "annotations", derived)
    dataset = open_dataset(tmp_path)
    assert (dataset.format, told(dataset)) == ("hmdb51", PUBLISHED)
    dataset = open_dataset(tmp_path, format="ucf101")
    assert [one.splits for one in dataset] == [("train",), ("test",), (None,), (None,)]
    write(tmp_path / "alone", derived)
    assert open_dataset(tmp_path / "alone").format == "ucf101"


def test_other_files_are_not_recognised(tmp_path: Path) -> None:
    write(tmp_path, {"kiss_test_split1.txt": "a report\nof a test\n", "a.txt": f"{KISS} 1\n"})
    assert not HMDB.recognise(Place(tmp_path))
    assert not HMDB.recognise(Place(tmp_path / "a.txt"))
    assert HMDB.recognise(Place(write(tmp_path / "lists", LISTS)))
    with pytest.raises(BadDataset, match=r"has no lists such as wave_test_split1\.txt"):
        open_dataset(make(tmp_path / "x") / "hmdb51_org", format="hmdb51")
    make(tmp_path / "x", "copy")
    with pytest.raises(BadDataset, match="has 2 folders of lists; give one"):
        open_dataset(tmp_path / "x")


# writing


def write_as(dataset: VideoDataset, folder: Path) -> VideoDataset:
    """Place empty files, annotate them, and return the dataset of these."""
    assert HMDB.places is not None
    places = HMDB.places(dataset)
    assert len({place.casefold() for place in places}) == len(places)
    touch(folder, *places)
    placed = [replace(one, path=folder / place) for one, place in zip(dataset, places, strict=True)]
    written = VideoDataset.from_samples(placed, root=folder, labels=dataset.labels)
    HMDB.annotate(written, folder)
    return written


def rows(dataset: VideoDataset) -> set[tuple[object, ...]]:
    return {(one.path, one.labels, one.splits, one.group) for one in dataset}


def check_round_trip(dataset: VideoDataset, folder: Path) -> VideoDataset:
    written = write_as(dataset, folder)
    again = open_dataset(folder)
    assert again.labels == dataset.labels
    assert rows(again) == rows(written)
    assert again.facts.problems == again.facts.notes == ()
    return again


def sample(path: str, label: str, *splits: str | None, group: str | None = None) -> Sample:
    return Sample(path=Path(path), labels=(label,), splits=splits or (None,), group=group)


def test_round_trip_of_the_published_layout_keeps_every_name(tmp_path: Path) -> None:
    dataset = open_dataset(make(tmp_path / "one"))
    again = check_round_trip(dataset, tmp_path / "two")
    assert sorted(again.paths()) == sorted(dataset.paths())
    lists = tmp_path / "two" / "testTrainMulti_7030_splits"
    assert (lists / "kiss_test_split1.txt").read_bytes() == f"{KISS} 2\n".encode()
    assert (lists / "laugh_test_split2.txt").read_text() == f"{LAUGH} 0\n"
    assert not (lists / "labels.txt").exists()


def test_names_that_tell_the_group_stay_and_others_are_made(tmp_path: Path) -> None:
    samples = [
        sample("a/Juno_pick_u_cm_np1_le_bad_9.avi", "pick", group="Juno"),
        sample("b/Juno_pick_u_cm_np1_le_bad_9.mp4", "pick"),
        sample("c/Juno_pick_u_cm_np1_le_bad_8.mp4", "pick", group="alice"),
        sample("d/one.mkv", "pick", group="a/b: c?"),
        sample("d/two", "pick", group="a/b: c?"),
        sample("d/three.mp4", "pick up", group="a_b_ c_"),
        sample("d/four ?.webm", "pick up"),
        sample("e/four _.webm", "pick up"),
        sample("f/four _.webm", "pick up"),
    ]
    dataset = VideoDataset.from_samples(samples, root=tmp_path)
    assert HMDB.places is not None
    assert HMDB.places(dataset) == [
        "hmdb51_org/pick/Juno_pick_u_cm_np1_le_bad_9.avi",
        "hmdb51_org/pick/Juno_pick_f_nm_np1_fr_med_0.mp4",
        "hmdb51_org/pick/alice_pick_f_nm_np1_fr_med_0.mp4",
        "hmdb51_org/pick/a_b_ c_2_pick_f_nm_np1_fr_med_0.mkv",
        "hmdb51_org/pick/a_b_ c_2_pick_f_nm_np1_fr_med_1.avi",
        "hmdb51_org/pick up/a_b_ c__pick up_f_nm_np1_fr_med_0.mp4",
        "hmdb51_org/pick up/four _-0.webm",
        "hmdb51_org/pick up/four _.webm",
        "hmdb51_org/pick up/four _-1.webm",
    ]


@pytest.mark.parametrize(
    "labels",
    [
        ("brush_hair", "kiss", "run"),
        ("shooting goal (soccer)", "a/b", "A/B", "a_b", "a:b", "走る", "x_test_split1", "..", ".x"),
        ("0", "1", "9", "10"),
        ("10", "9", "0"),
    ],
)
def test_round_trip_of_three_folds_and_any_labels(labels: tuple[str, ...], tmp_path: Path) -> None:
    folds = (("train", "test", None), ("test", "train", "train"), (None, None, None))
    samples = [
        sample(
            f"{number}.mp4", label, *splits, group=f"person {number % 4}" if number % 5 else None
        )
        for number, (label, splits) in enumerate((one, two) for one in labels for two in folds)
    ]
    dataset = VideoDataset.from_samples(samples, labels=[*labels, "zzz"])
    check_round_trip(dataset, tmp_path)


def test_labels_that_are_no_line_are_refused(tmp_path: Path) -> None:
    dataset = VideoDataset.from_samples([sample("a.mp4", "two\nlines")], root=tmp_path)
    with pytest.raises(BadDataset, match=r"cannot be a line of labels\.txt; rename it"):
        write_as(dataset, tmp_path)


TEXTS = st.text("ab_ .-(#1é/:", min_size=1, max_size=5).filter(lambda one: one == one.strip())


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(TEXTS, min_size=1, max_size=4, unique=True),
    videos=st.lists(st.tuples(st.integers(0, 3), TEXTS, st.none() | TEXTS), max_size=12),
)
def test_any_names_make_a_round_trip(
    labels: list[str],
    videos: list[tuple[int, str, str | None]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    samples = [
        sample(f"{place}/{name}.mp4", labels[index % len(labels)], "train", group=group)
        for place, (index, name, group) in enumerate(videos)
    ]
    folder = tmp_path_factory.mktemp("trip")
    dataset = VideoDataset.from_samples(samples, labels=labels)
    written = write_as(dataset, folder)
    again = open_dataset(folder)
    assert again.labels == tuple(labels)
    split_of = {one.path: (one.labels, one.splits) for one in again}
    assert split_of == {one.path: (one.labels, one.splits) for one in written}
    # Groups of safe names are kept as they are; others stay apart.
    group_of = {one.path: one.group for one in again}
    found = {
        group: group_of[one.path] for one, group in zip(written, dataset.groups(), strict=True)
    }
    assert len(set(found.values())) == len(found)
    safe = [group for group in found if group is None or safe_name(f"{group}_") == f"{group}_"]
    assert [found[group] for group in safe] == safe
