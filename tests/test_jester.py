"""Jester's lists are read as they are published, and written so that they read back equal."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from actionzoo.datasets.dataset import Sample, VideoDataset
from actionzoo.datasets.format import Place
from actionzoo.datasets.jester import FORMATS, numbered
from actionzoo.datasets.opening import open_dataset
from actionzoo.datasets.rows import Given
from actionzoo.errors import BadDataset, ConfigError
from actionzoo.labels import load_labels
from actionzoo.video import open_video
from videos import write_pictures

JESTER, QUALCOMM = FORMATS


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())
    return folder


def make_folders(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).mkdir(parents=True)


LISTS = {
    "jester-v1-labels.csv": "Swiping Left\nSwiping Right\nThumb Up\n",
    "jester-v1-train.csv": "34870;Thumb Up\n56557;Swiping Right\n",
    "jester-v1-validation.csv": "9223;Swiping Left\n",
    "jester-v1-test.csv": "11\n12\n",
}


def told(dataset: VideoDataset) -> list[tuple]:
    return [(one.path.name, one.labels, one.split) for one in dataset]


EXPECTED = [
    ("34870", ("Thumb Up",), "train"),
    ("56557", ("Swiping Right",), "train"),
    ("9223", ("Swiping Left",), "val"),
    ("11", (), "test"),
    ("12", (), "test"),
]


@pytest.mark.parametrize("below", ["", "annotations/", "labels/"])
@pytest.mark.parametrize("videos", ["20bn-jester-v1/", "videos/", "rawframes/", "pictures/", ""])
def test_20bn_release_is_read(tmp_path: Path, below: str, videos: str) -> None:
    write(tmp_path, {below + name: text for name, text in LISTS.items()})
    make_folders(tmp_path, *(f"{videos}{number}" for number in (34870, 56557, 9223, 11, 12)))
    dataset = open_dataset(tmp_path)
    assert dataset.format == "jester"
    assert dataset.labels == ("Swiping Left", "Swiping Right", "Thumb Up")
    assert told(dataset) == EXPECTED
    assert dataset[0].path == tmp_path / f"{videos}34870"
    assert dataset[0].origin == f"{below}jester-v1-train.csv:1"
    assert dataset.facts.fps == Fraction(12)
    assert dataset.facts.notes == ()


def test_lists_without_prefix_and_answers_are_read(tmp_path: Path) -> None:
    lists = {name.replace("jester-v1-", "labels/"): text for name, text in LISTS.items()}
    write(tmp_path, {**lists, "labels/test-answers.csv": "12;Thumb Up\n"})
    dataset = open_dataset(tmp_path)
    assert told(dataset) == [*EXPECTED[:4], ("12", ("Thumb Up",), "test")]
    assert dataset[4].origin == "labels/test-answers.csv:1"


def test_answers_to_other_videos_are_problems_and_without_a_list_they_are_one(
    tmp_path: Path,
) -> None:
    lists = {name.replace("jester-v1-", ""): text for name, text in LISTS.items()}
    write(tmp_path, {**lists, "test-answers.csv": "13;Thumb Up\n"})
    with pytest.raises(BadDataset, match=r"test-answers.csv:1: video '13' is not in the list"):
        open_dataset(tmp_path)
    (tmp_path / "test.csv").unlink()
    assert told(open_dataset(tmp_path))[3:] == [("13", ("Thumb Up",), "test")]


def test_marks_line_ends_quotes_and_case_do_not_count(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "jester-v1-labels.csv": "\ufeffSwiping left\r\nThumb Up\r\n\r\n",
            "Jester-v1-Train.csv": '\ufeff5;"Thumb Up"\r\n6; swiping_left \r\n',
        },
    )
    dataset = open_dataset(tmp_path)
    assert dataset.labels == ("Swiping Left", "Thumb Up")
    assert [one.label for one in dataset] == ["Thumb Up", "Swiping Left"]


def test_without_a_labels_file_the_official_order_is_taken_or_the_names_are_sorted(
    tmp_path: Path,
) -> None:
    write(tmp_path, {"jester-v1-train.csv": "5;thumb up\n"})
    assert open_dataset(tmp_path).labels == load_labels("jester")
    write(tmp_path, {"jester-v1-train.csv": "5;wave\n6;nod\n"})
    assert open_dataset(tmp_path).labels == ("nod", "wave")
    given = Given(labels=("wave", "nod"))
    assert open_dataset(tmp_path, given=given).labels == ("wave", "nod")


HEADER = "video_id,label,frames,label_id,shape,format\n"
TABLES = {
    "Train.csv": HEADER
    + '34870,Thumb Up,37,1,"(100, 176, 3)",jpg\n56557,Swiping Right,35,0,"(100, 176, 3)",jpg\n',
    "Validation.csv": HEADER + '9223,Swiping Left,36,2,"(100, 176, 3)",jpg\n',
    "Test.csv": HEADER.replace("video_id", "id") + '11,,37.0,,"(100, 176, 3)",jpg\n',
}


@pytest.mark.parametrize("common", [True, False])
def test_tables_with_a_header_are_read(tmp_path: Path, common: bool) -> None:
    write(tmp_path, TABLES)
    splits = ["20bn-jester-v1"] * 3 if common else ["Train", "Validation", "Test"]
    places = [f"{folder}/{id}" for folder, id in zip(splits, ["34870", "9223", "11"], strict=True)]
    make_folders(tmp_path, *places)
    dataset = open_dataset(tmp_path)
    assert dataset.labels == ("Swiping Right", "Thumb Up", "Swiping Left")
    assert told(dataset) == [one for one in EXPECTED if one[0] != "12"]
    assert [one.num_frames for one in dataset] == [37, 35, 36, 37]
    assert [str(one.path.relative_to(tmp_path)) for one in dataset] == [
        places[0],
        places[0].replace("34870", "56557"),
        *places[1:],
    ]
    assert dataset.facts.notes == (f"1 of 4 videos are not there, such as '{splits[0]}/56557'",)


def test_columns_may_stand_in_any_order_with_semicolons(tmp_path: Path) -> None:
    write(tmp_path, {"train.csv": "label;frames;extra;video_id\nThumb Up;37;x;5\n"})
    dataset = open_dataset(tmp_path)
    assert (dataset[0].path.name, dataset[0].label, dataset[0].num_frames) == ("5", "Thumb Up", 37)
    assert dataset.labels == load_labels("jester")


def test_every_bad_line_is_named(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            **LISTS,
            "jester-v1-train.csv": "1;Thumb Up\n2,Thumb Up\n3;Thump Up\n;Thumb Up\n../4;Thumb Up\n"
            "5;\n6;Thumb Up;7\n1;Swiping Left\n",
            "jester-v1-labels.csv": "Swiping Left\nThumb Up\nThumb Up\n",
        },
    )
    dataset = open_dataset(tmp_path, skip_malformed=True)
    assert [str(one) for one in dataset.facts.problems] == [
        "jester-v1-train.csv:2: there is no ';' before a label",
        "jester-v1-train.csv:4: the id is empty",
        "jester-v1-train.csv:5: the id '../4' cannot name a video; it may hold no slash",
        "jester-v1-train.csv:6: the label is empty",
        "jester-v1-train.csv:7: 3 fields, but 2 are due; quote a label with a semicolon",
        "jester-v1-labels.csv:3: the label 'Thumb Up' stands in line 2 already",
        "jester-v1-train.csv:3: video '3': there is no label 'Thump Up'; did you mean 'Thumb Up'?",
        "jester-v1-train.csv:8: '20bn-jester-v1/1' is 'Swiping Left' here and 'Thumb Up' in "
        "jester-v1-train.csv:1",
    ]
    assert len(dataset) == 4


def test_every_bad_row_of_a_table_is_named(tmp_path: Path) -> None:
    header = "video_id,label,frames,label_id\n"
    rows = "1,Thumb Up,37,0\n2,Thumb Up,37,1\n3,Stop Sign,37,0\n4,,37,1\n5,Stop Sign,many,2\n6,x\n"
    write(tmp_path, {"Train.csv": header + rows + "/7,Thumb Up,37,0\n"})
    dataset = open_dataset(tmp_path, skip_malformed=True)
    assert [str(one) for one in dataset.facts.problems] == [
        "Train.csv:3: the label_id of 'Thumb Up' is 1 here and 0 before",
        "Train.csv:4: the label_id 0 is 'Stop Sign' here and 'Thumb Up' before",
        "Train.csv:5: the label is empty",
        "Train.csv:6: 'many' is no whole number",
        "Train.csv:7: 2 fields, but the header has 4",
        "Train.csv:8: the id '/7' cannot name a video; it may hold no slash",
    ]
    assert [one.path.name for one in dataset] == ["1"]


def test_two_lists_of_a_split_are_noted(tmp_path: Path) -> None:
    write(tmp_path, {**LISTS, "val.csv": "1;Thumb Up\n", "train.csv": "2;Thumb Up\n"})
    notes = open_dataset(tmp_path).facts.notes
    assert {note.split(" is ")[0] for note in notes[:2]} == {"'val.csv'", "'train.csv'"}


def test_one_list_can_be_given_and_its_videos_lie_beside_its_folder(tmp_path: Path) -> None:
    write(tmp_path, {f"annotations/{name}": text for name, text in LISTS.items()})
    make_folders(tmp_path, "20bn-jester-v1/9223")
    dataset = open_dataset(tmp_path / "annotations" / "jester-v1-validation.csv")
    assert told(dataset) == [EXPECTED[2]]
    assert dataset[0].path == tmp_path / "20bn-jester-v1" / "9223"
    assert len(dataset.labels) == 3


def test_the_user_says_where_the_videos_are(tmp_path: Path) -> None:
    write(tmp_path / "lists", LISTS)
    make_folders(tmp_path, "elsewhere/9223", "elsewhere/34870")
    given = Given(videos=tmp_path / "elsewhere")
    dataset = open_dataset(tmp_path / "lists", given=given)
    assert dataset[0].path == tmp_path / "elsewhere" / "34870"
    assert dataset.facts.notes[0].startswith("3 of 5 videos are not there")
    with pytest.raises(ConfigError, match="there is no folder"):
        open_dataset(tmp_path / "lists", given=Given(videos=tmp_path / "nowhere"))


def test_videos_may_have_been_made_of_the_pictures(tmp_path: Path) -> None:
    write(tmp_path, {**LISTS, "videos/34870.mp4": "", "videos/notes.txt": ""})
    assert open_dataset(tmp_path)[0].path == tmp_path / "videos" / "34870.mp4"


@pytest.mark.parametrize(
    "files",
    [
        {"train.csv": "a.mp4 3\n", "labels.csv": "walk\n"},
        {"train.csv": "/data/a.mp4;3\n"},
        {"train.csv": "17;3\n"},
        {"train.csv": "label,youtube_id,time_start,time_end,split\nrun,abcdefghijk,1,2,train\n"},
        {"train.csv": "path,label,frames\na.mp4,walk,3\n"},
        {"jester-v1-labels.csv": "walk\n"},
        {"notes.csv": "5;Thumb Up\n"},
        {},
    ],
)
def test_other_things_are_not_taken_for_jester(tmp_path: Path, files: dict[str, str]) -> None:
    assert not JESTER.recognise(Place(write(tmp_path, files)))


def test_the_pictures_are_a_video_of_12_frames_a_second(tmp_path: Path) -> None:
    write(tmp_path, LISTS)
    write_pictures(tmp_path / "20bn-jester-v1" / "34870", range(1, 4), name="{:05d}.jpg")
    dataset = open_dataset(tmp_path)
    with open_video(dataset[0].path, fps=dataset.facts.fps) as video:
        assert video.info.duration_seconds == Fraction(3, 12)


@pytest.mark.parametrize("one", FORMATS, ids=lambda one: one.name)
def test_what_is_written_reads_back_equal(tmp_path: Path, one) -> None:
    labels = ("wave; twice", "nod", '"quoted", so to say', "unused")
    rows = [
        ("clips/7.mp4", ("nod",), "train", 30),
        ("clips/waving", (labels[0],), "train", None),
        ("more/7.avi", (labels[2],), "val", None),
        ("more/clip.v2", (), "test", 5),
        ("more/1", ("nod",), "test", None),
    ]
    samples = [
        Sample(path=tmp_path / path, labels=own, splits=(split,), num_frames=frames)
        for path, own, split, frames in rows
    ]
    dataset = VideoDataset.from_samples(samples, root=tmp_path, labels=labels)
    assert one.places is not None
    places = one.places(dataset)
    assert [place.rpartition("/")[2] for place in places] == ["7", "2", "3", "4", "1"]
    target = tmp_path / "target"
    make_folders(target, *places)
    moved = [
        Sample(path=target / place, labels=s.labels, splits=s.splits, num_frames=s.num_frames)
        for place, s in zip(places, samples, strict=True)
    ]
    written = VideoDataset.from_samples(moved, root=target, labels=labels)
    one.annotate(written, target)
    again = open_dataset(target)
    assert again.facts.notes == ()
    assert again.labels == labels
    assert [(s.path, s.labels, s.splits) for s in again] == [
        (s.path, s.labels, s.splits) for s in moved
    ]
    if one is QUALCOMM:
        assert [s.num_frames for s in again] == [s.num_frames for s in moved]
    assert one.places(again) == places


def test_a_label_with_a_line_break_is_refused(tmp_path: Path) -> None:
    dataset = VideoDataset.from_samples([], labels=["wave\ntwice"])
    with pytest.raises(BadDataset, match="line break"):
        JESTER.annotate(dataset, tmp_path)


def test_numbers_stay_unless_they_repeat() -> None:
    assert numbered(["2", "a/2", "b", "3.mp4", "007"]) == ["2", "1", "4", "3", "007"]
