from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actionzoo.datasets import Given, Sample, VideoDataset, open_dataset
from actionzoo.datasets.format import Place
from actionzoo.datasets.ucf101 import FORMATS
from actionzoo.errors import BadDataset

(UCF,) = FORMATS

CLASSES = "1 Archery\r\n2 HandstandPushups\r\n3 YoYo\r\n"
LISTS = {
    "classInd.txt": CLASSES,
    "trainlist01.txt": "Archery/v_Archery_g08_c01.avi 1\r\n"
    "HandstandPushups/v_HandStandPushups_g08_c01.avi 2\r\n"
    "YoYo/v_YoYo_g08_c01.avi 3\r\n",
    "testlist01.txt": "Archery/v_Archery_g01_c01.avi\r\n"
    "HandstandPushups/v_HandStandPushups_g01_c01.avi\r\n"
    "YoYo/v_YoYo_g01_c01.avi\r\n",
    "trainlist02.txt": "Archery/v_Archery_g01_c01.avi 1\r\n"
    "HandstandPushups/v_HandStandPushups_g01_c01.avi 2\r\n",
    "testlist02.txt": "Archery/v_Archery_g08_c01.avi\r\n",
}
VIDEOS = (
    "Archery/v_Archery_g01_c01.avi",
    "Archery/v_Archery_g08_c01.avi",
    "HandstandPushups/v_HandStandPushups_g01_c01.avi",
    "HandstandPushups/v_HandStandPushups_g08_c01.avi",
    "YoYo/v_YoYo_g01_c01.avi",
    "YoYo/v_YoYo_g08_c01.avi",
)


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def write(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_bytes(text.encode())
    return folder


def make(root: Path, lists: str = "ucfTrainTestlist", videos: str = "UCF-101") -> Path:
    """Write the published layout with few videos."""
    write(root / lists, LISTS)
    touch(root / videos, *VIDEOS)
    return root


def told(dataset: VideoDataset) -> dict[str, tuple[str | None, tuple[str | None, ...], str | None]]:
    """Return what is told of each video."""
    return {one.path.stem: (one.label, one.splits, one.group) for one in dataset}


PUBLISHED = {
    "v_Archery_g08_c01": ("Archery", ("train", "test"), "g08"),
    "v_HandStandPushups_g08_c01": ("HandstandPushups", ("train", None), "g08"),
    "v_YoYo_g08_c01": ("YoYo", ("train", None), "g08"),
    "v_Archery_g01_c01": ("Archery", ("test", "train"), "g01"),
    "v_HandStandPushups_g01_c01": ("HandstandPushups", ("test", "train"), "g01"),
    "v_YoYo_g01_c01": ("YoYo", ("test", None), "g01"),
}


def test_the_published_layout(tmp_path: Path) -> None:
    dataset = open_dataset(make(tmp_path))
    assert dataset.format == "ucf101"
    assert dataset.labels == ("Archery", "HandstandPushups", "YoYo")
    assert told(dataset) == PUBLISHED
    assert all(one.path.is_file() for one in dataset)
    assert dataset[0].origin == "ucfTrainTestlist/trainlist01.txt:1"
    assert dataset.paths()[0] == "UCF-101/Archery/v_Archery_g08_c01.avi"
    assert dataset.facts.notes == ()


@pytest.mark.parametrize(
    ("lists", "videos", "path"),
    [
        (".", "UCF-101", "."),
        (".", ".", "."),
        ("UCFTRAINTESTLIST", "UCF101", "."),
        ("annotations", "videos", "."),  # mmaction2
        ("ucfTrainTestlist", ".", "."),
        ("ucfTrainTestlist", "UCF-101", "ucfTrainTestlist"),
        ("ucfTrainTestlist", ".", "ucfTrainTestlist"),
        ("ucfTrainTestlist", "ucfTrainTestlist/UCF-101", "ucfTrainTestlist"),
        ("ucfTrainTestlist", "UCF-101", "ucfTrainTestlist/classInd.txt"),
    ],
)
def test_folders_have_other_names_in_copies(
    lists: str, videos: str, path: str, tmp_path: Path
) -> None:
    dataset = open_dataset(make(tmp_path, lists, videos) / path)
    assert told(dataset) == PUBLISHED
    assert {one.path.resolve() for one in dataset} == {tmp_path / videos / one for one in VIDEOS}
    assert dataset.facts.notes == ()


def test_names_are_found_whatever_their_case_and_suffix(tmp_path: Path) -> None:
    write(tmp_path / "ucfTrainTestlist", LISTS)
    touch(
        tmp_path / "UCF-101",
        "archery/v_archery_g01_c01.mp4",
        "archery/v_Archery_g08_c01.AVI",
        "HandStandPushups/v_HandstandPushups_g01_c01.avi",
        "HandStandPushups/v_HandStandPushups_g08_c01/img_00001.jpg",
        "YoYo/v_YoYo_g01_c01.avi",
        "YoYo/v_YoYo_g01_c01.mp4",
        "YoYo/v_YoYo_g08_c01.webm",
        "YoYo/v_YoYo_g08_c01/img_00001.jpg",
    )
    dataset = open_dataset(tmp_path)
    assert all(one.path.exists() for one in dataset)
    assert sorted(path.removeprefix("UCF-101/") for path in dataset.paths()) == [
        "HandStandPushups/v_HandStandPushups_g08_c01",
        "HandStandPushups/v_HandstandPushups_g01_c01.avi",
        "YoYo/v_YoYo_g01_c01.avi",
        "YoYo/v_YoYo_g08_c01.webm",
        "archery/v_Archery_g08_c01.AVI",
        "archery/v_archery_g01_c01.mp4",
    ]


def test_videos_go_before_pictures_and_what_the_user_said_before_both(tmp_path: Path) -> None:
    make(tmp_path)
    pictures = [f"{name.removesuffix('.avi')}/img_00001.jpg" for name in VIDEOS]
    touch(tmp_path / "UCF-000", *pictures)
    assert all(one.path.is_file() for one in open_dataset(tmp_path))
    for videos in (tmp_path / "UCF-000", tmp_path / "elsewhere"):
        touch(tmp_path / "elsewhere" / "copy", *pictures)
        dataset = open_dataset(tmp_path / "ucfTrainTestlist", given=Given(videos=videos))
        assert all(one.path.is_dir() and one.path.is_relative_to(videos) for one in dataset)
        assert told(dataset) == PUBLISHED


def test_a_neighbour_is_not_taken_for_the_videos_of_a_dataset_without(tmp_path: Path) -> None:
    make(tmp_path / "neighbour", videos=".")
    write(tmp_path / "mine", LISTS)
    dataset = open_dataset(tmp_path / "mine")
    assert dataset.paths()[0] == "UCF-101/Archery/v_Archery_g08_c01.avi"
    assert told(dataset) == PUBLISHED


def test_derived_lists_name_classes_in_test_lists_and_have_other_paths(tmp_path: Path) -> None:
    lists = {
        "classInd.txt": "\ufeff1 Apply Eye Makeup\n2 push/pull\n",
        "trainlist1.txt": "Apply_Eye_Makeup\\a b.avi 1\nUCF-101/c002/x.avi 2\n",
        "testlist1.txt": "c002/y z.avi 2\n/data/UCF-101/c002/w.avi\n",
        "vallist1.txt": "ApplyEyeMakeup/c.avi 1\n",
    }
    dataset = open_dataset(write(tmp_path, lists), format="ucf101")
    assert dataset.labels == ("Apply Eye Makeup", "push/pull")
    assert told(dataset) == {
        "a b": ("Apply Eye Makeup", ("train",), None),
        "x": ("push/pull", ("train",), None),
        "y z": ("push/pull", ("test",), None),
        "w": ("push/pull", ("test",), None),
        "c": ("Apply Eye Makeup", ("val",), None),
    }


@pytest.mark.parametrize(
    ("file", "text", "line", "message"),
    [
        ("classInd.txt", CLASSES + "4 YoYo\n", 4, "the class 'YoYo' has the id 3 already"),
        ("classInd.txt", CLASSES + "3 Typing\n", 4, "the id 3 is that of 'YoYo' already"),
        ("classInd.txt", CLASSES + "Typing\n", 4, "'Typing' is no '<id> <class>'"),
        (
            "trainlist01.txt",
            "\nYoYo/a.avi 4\n",
            2,
            "there is no class id 4 in classInd.txt; it has",
        ),
        ("trainlist01.txt", "Archery/a.avi 0\n", 1, "there is no class id 0 in classInd.txt; it h"),
        (
            "trainlist01.txt",
            "YoYo/a.avi 2\n",
            1,
            "the id 2 is 'HandstandPushups' in classInd.txt, b",
        ),
        (
            "trainlist01.txt",
            "YoYo/a.avi\n",
            1,
            "'YoYo/a.avi' has no class id; '<class>/<file> <id>'",
        ),
        ("trainlist01.txt", "YoYo/a.avi 3 3\n", 1, "'YoYo/a.avi 3 3' has more fields than a path"),
        ("trainlist01.txt", "YoYo/a 120 3\n", 1, "'YoYo/a 120 3' has more fields than a path and"),
        ("trainlist01.txt", "a.avi 3\n", 1, "'a.avi 3' is no '<class>/<file>'"),
        ("trainlist01.txt", "../a.avi 3\n", 1, "'../a.avi 3' is no '<class>/<file>'"),
        ("testlist01.txt", "YoYo/a.avi foo\n", 1, "'YoYo/a.avi foo' has more fields"),
        (
            "testlist01.txt",
            "Yoyoo/a.avi\n",
            1,
            "there is no class 'Yoyoo' in classInd.txt; did you",
        ),
        ("testlist01.txt", "YoYo/a.avi\nYoYo/a.avi\n", 2, "'YoYo/a.avi' is in this list already"),
        (
            "testlist01.txt",
            "YoYo/v_YoYo_g08_c01.avi\n",
            1,
            "'YoYo/v_YoYo_g08_c01.avi' is in the train list too",
        ),
    ],
)
def test_what_is_wrong_is_named_by_file_and_line(
    file: str, text: str, line: int, message: str, tmp_path: Path
) -> None:
    write(tmp_path, {**LISTS, file: text})
    with pytest.raises(BadDataset) as caught:
        open_dataset(tmp_path)
    assert f"\n  {file}:{line}: {message}" in str(caught.value)
    assert len(open_dataset(tmp_path, skip_malformed=True)) >= 4


def test_ids_of_lists_that_count_from_0_are_refused(tmp_path: Path) -> None:
    lists = {
        "classInd.txt": CLASSES,
        "trainlist01.txt": "Archery/a.avi 0\nHandstandPushups/b.avi 1\nYoYo/c.avi 2\n",
    }
    dataset = open_dataset(write(tmp_path, lists), skip_malformed=True)
    assert [one.line for one in dataset.facts.problems] == [1, 2, 3]
    # Counted from 0 in all files they are consistent.
    write(tmp_path, {"classInd.txt": "0 Archery\n1 HandstandPushups\n2 YoYo\n"})
    dataset = open_dataset(tmp_path)
    assert [one.label for one in dataset] == ["Archery", "HandstandPushups", "YoYo"]
    assert "the ids of classInd.txt are not 1 to 3; their order counts" in dataset.facts.notes


def test_videos_in_no_list_are_in_no_split(tmp_path: Path) -> None:
    make(tmp_path)
    touch(
        tmp_path / "UCF-101",
        "YoYo/v_YoYo_g10_c01.avi",
        "YoYo/v_YoYo_g9_c01.avi",
        "YoYo/v_YoYo_g02_c01/00001.jpg",
        "YoYo/notes/readme.txt",
        "YoYo/Thumbs.db",
        "YoYo/._v_YoYo_g01_c01.avi",
        "Juggling/v_Juggling_g01_c01.avi",
    )
    dataset = open_dataset(tmp_path)
    added = {name: one for name, one in told(dataset).items() if name not in PUBLISHED}
    assert added == {
        "v_YoYo_g02_c01": ("YoYo", (None, None), "g02"),
        "v_YoYo_g9_c01": ("YoYo", (None, None), None),
        "v_YoYo_g10_c01": ("YoYo", (None, None), "g10"),
    }
    assert dataset.facts.notes == ("1 videos in 'Juggling' are left out: it is no class",)


def test_what_is_not_there_is_noted(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "UCF-101" / VIDEOS[1]).unlink()
    dataset = open_dataset(tmp_path)
    assert told(dataset) == PUBLISHED
    assert dataset.facts.notes == (
        "1 video of the lists is not there; the first is 'UCF-101/Archery/v_Archery_g08_c01.avi'",
    )
    write(tmp_path / "alone", LISTS)
    dataset = open_dataset(tmp_path / "alone", given=Given(videos=tmp_path / "nowhere"))
    assert dataset[0].path == tmp_path / "nowhere" / VIDEOS[1]
    assert dataset.facts.notes[0].startswith("6 videos of the lists are not there")


def test_a_gap_in_the_numbers_of_folds_is_noted(tmp_path: Path) -> None:
    lists = {"classInd.txt": CLASSES, "trainlist03.txt": "YoYo/a.avi 3\n", "testlist12.txt": ""}
    dataset = open_dataset(write(tmp_path, lists))
    assert [one.splits for one in dataset] == [("train", None)]
    assert "some splits have no list: fold 1 is split 3, fold 2 is split 12" in dataset.facts.notes


def test_two_folders_of_lists_are_refused(tmp_path: Path) -> None:
    make(tmp_path, "ucfTrainTestlist")
    make(tmp_path, "annotations")
    with pytest.raises(BadDataset, match=r"has 2 folders of lists; give one: .*annotations"):
        open_dataset(tmp_path)
    assert told(open_dataset(tmp_path / "annotations")) == PUBLISHED


def test_other_lists_are_not_recognised(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "ucfTrainTestlist" / "classInd.txt").write_text("Archery\n")
    assert not UCF.recognise(Place(tmp_path))
    assert not UCF.recognise(Place(tmp_path / "ucfTrainTestlist" / "trainlist01.txt"))
    assert not UCF.recognise(Place(tmp_path / "UCF-101"))
    with pytest.raises(BadDataset, match=r"has no classInd\.txt with trainlist01\.txt beside it"):
        open_dataset(tmp_path / "UCF-101", format="ucf101")


# writing


def write_as(dataset: VideoDataset, folder: Path) -> VideoDataset:
    """Place empty files, annotate them, and return the dataset of these."""
    assert UCF.places is not None
    places = UCF.places(dataset)
    assert len({place.casefold() for place in places}) == len(places)
    touch(folder, *places)
    placed = [replace(one, path=folder / place) for one, place in zip(dataset, places, strict=True)]
    written = VideoDataset.from_samples(placed, root=folder, labels=dataset.labels)
    UCF.annotate(written, folder)
    return written


def rows(dataset: VideoDataset) -> set[tuple[object, ...]]:
    return {(one.path, one.labels, one.splits) for one in dataset}


def partition(groups: list[str | None]) -> list[int]:
    """Number the groups in the order they occur; None is a group of its own each time."""
    keys = [f"none {place}" if one is None else f"group {one}" for place, one in enumerate(groups)]
    return [keys.index(one) for one in keys]


def check_round_trip(dataset: VideoDataset, folder: Path) -> VideoDataset:
    written = write_as(dataset, folder)
    again = open_dataset(folder)
    assert again.labels == dataset.labels
    assert rows(again) == rows(written)
    group_of = {one.path: one.group for one in again}
    groups = [group_of[one.path] for one in written]
    assert partition(groups) == partition(dataset.groups())
    assert again.facts.problems == again.facts.notes == ()
    return again


def test_round_trip_of_the_published_layout_keeps_every_name(tmp_path: Path) -> None:
    dataset = open_dataset(make(tmp_path / "one"))
    again = check_round_trip(dataset, tmp_path / "two")
    assert again.paths() == dataset.paths()
    for file in (tmp_path / "one" / "ucfTrainTestlist").iterdir():
        same = tmp_path / "two" / "ucfTrainTestlist" / file.name
        assert sorted(same.read_text().split()) == sorted(file.read_text().split())


def sample(path: str, label: str, *splits: str | None, group: str | None = None) -> Sample:
    return Sample(path=Path(path), labels=(label,), splits=splits or (None,), group=group)


def test_names_in_the_grammar_stay_and_others_are_made(tmp_path: Path) -> None:
    samples = [
        sample("a/v_YoYo_g02_c01.avi", "yo-yo (2)"),
        sample("b/v_YoYo_g02_c01.mp4", "yo-yo (2)"),
        sample("c/v_YoYo_g02_c01.mp4", "yo-yo (2)", group="bob"),
        sample("d/one.mkv", "yo-yo (2)", group="alice10"),
        sample("d/two", "yo-yo (2)", group="alice9"),
        sample("d/three.webm", "yo-yo (2)", group="alice9"),
        sample("d/four.webm", "run", group="alice9"),
        sample("d/five.webm", "run"),
        sample("d/six.webm", "run"),
    ]
    dataset = VideoDataset.from_samples(samples, root=tmp_path, labels=["yo-yo (2)", "run", "RUN"])
    assert UCF.places is not None
    assert UCF.places(dataset) == [
        "UCF-101/YoYo2/v_YoYo_g02_c01.avi",
        "UCF-101/YoYo2/v_YoYo2_g02_c01.mp4",
        "UCF-101/YoYo2/v_YoYo2_g04_c01.mp4",
        "UCF-101/YoYo2/v_YoYo2_g03_c01.mkv",
        "UCF-101/YoYo2/v_YoYo2_g01_c01.avi",
        "UCF-101/YoYo2/v_YoYo2_g01_c02.webm",
        "UCF-101/run/v_run_g01_c01.webm",
        "UCF-101/run/v_run_g05_c01.webm",
        "UCF-101/run/v_run_g06_c01.webm",
    ]


@pytest.mark.parametrize(
    "labels",
    [
        ("shooting goal (soccer)", "a b", "ab", "AB", "a/b", "走る", "跳ぶ", "C#", "C"),
        ("10", "9", "0"),
        ("run", "classInd.txt", "train"),
    ],
)
def test_round_trip_of_three_folds_and_any_labels(labels: tuple[str, ...], tmp_path: Path) -> None:
    folds = (("train", "test", None), ("test", "train", "train"), (None, None, None))
    samples = [
        sample(f"{number}.mp4", label, *splits, group=f"person {number % 4}")
        for number, (label, splits) in enumerate((one, two) for one in labels for two in folds)
    ]
    check_round_trip(VideoDataset.from_samples(samples, labels=labels), tmp_path)


def test_round_trip_without_any_split(tmp_path: Path) -> None:
    samples = [sample(f"{number}.mp4", "wave") for number in range(120)]
    again = check_round_trip(VideoDataset.from_samples(samples, labels=["run", "wave"]), tmp_path)
    assert again.splits == ()
    assert "g120" in again.groups()


@pytest.mark.parametrize("label", ["two\nlines", " blank", ""])
def test_labels_that_are_no_line_are_refused(label: str, tmp_path: Path) -> None:
    dataset = VideoDataset.from_samples([sample("a.mp4", label)], root=tmp_path)
    with pytest.raises(BadDataset, match=r"cannot be a line of classInd\.txt; rename it"):
        write_as(dataset, tmp_path)


LABELS = st.text(min_size=1, max_size=6).filter(
    lambda one: one == one.strip() and not {"\n", "\r"} & set(one) and one.isprintable()
)
NAMES = st.from_regex(r"v_[aAbB1]_g0[12]_c0[12]|[ab.]{1,2}", fullmatch=True)
GROUPS = st.sampled_from([None, "g01", "g02", "g1", "alice", "Alice", "a/b", "a:b", ""])


@settings(max_examples=40, deadline=None)
@given(
    labels=st.lists(LABELS, min_size=1, max_size=4, unique=True),
    videos=st.lists(st.tuples(st.integers(0, 3), NAMES, GROUPS), max_size=12),
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
    dataset = VideoDataset.from_samples(samples, labels=labels)
    folder = tmp_path_factory.mktemp("trip")
    written = write_as(dataset, folder)
    again = open_dataset(folder)
    assert again.labels == tuple(labels)
    assert rows(again) == rows(written)
    group_of = {one.path: one.group for one in again}
    # What has no group, and a name that tells one, is of that group.
    meant = [
        name[-7:-4] if group is None and name.startswith("v_") else group
        for _, name, group in videos
    ]
    assert partition([group_of[one.path] for one in written]) == partition(meant)
