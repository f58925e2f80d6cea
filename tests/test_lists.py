"""Lists of GluonCV, mmaction2 and PySlowFast as they are published, and what is written back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actionzoo.datasets import Given, Sample, VideoDataset, open_dataset
from actionzoo.datasets.format import Place
from actionzoo.datasets.lists import FORMATS
from actionzoo.datasets.opening import find_format
from actionzoo.errors import BadDataset
from videos import write_pictures, write_video


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def write(folder: Path, **files: str) -> Path:
    """Write lists; two underscores in a name stand for its dot."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return folder


def problems(folder: Path, **options: object) -> list[str]:
    dataset = open_dataset(folder, skip_malformed=True, given=Given(**options))  # type: ignore[arg-type]
    return [str(one) for one in dataset.facts.problems]


def notes(dataset: VideoDataset) -> str:
    return "\n".join(dataset.facts.notes)


Row = tuple[str, tuple[str, ...], "int | None"]


def rows(dataset: VideoDataset) -> list[Row]:
    return [
        (path, one.labels, one.num_frames)
        for path, one in zip(dataset.paths(), dataset, strict=True)
    ]


# the grammars


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        # GluonCV
        (
            "k400_train.txt",
            "abseiling/a.mp4 300 1\nzumba/b.mp4 250 0\n",
            [("abseiling/a.mp4", ("1",), 300), ("zumba/b.mp4", ("0",), 250)],
        ),
        # mmaction2
        (
            "kinetics400_train_list_videos.txt",
            "abseiling/a.mp4 1\nzumba/b.mp4 0\n",
            [("abseiling/a.mp4", ("1",), None), ("zumba/b.mp4", ("0",), None)],
        ),
        (
            "train_list_videos.txt",
            "a.mp4 1 0\nb.mp4 0 2\n",
            [("a.mp4", ("1", "0"), None), ("b.mp4", ("0", "2"), None)],
        ),
        (
            "train.txt",
            "a.mp4 1\nb.mp4 0 2 3\n",
            [("a.mp4", ("1",), None), ("b.mp4", ("0", "2", "3"), None)],
        ),
        (
            "jester_train_list_rawframes.txt",
            "34870 37 1\n56557 37 0\n",
            [("34870", ("1",), 37), ("56557", ("0",), 37)],
        ),
        (
            "train_list_rawframes.txt",
            "walk/a 37 1\nwalk/b 40 0 2\n",
            [("walk/a", ("1",), 37), ("walk/b", ("0", "2"), 40)],
        ),
        # PySlowFast
        *(
            (
                "train.csv",
                f"/data/a b.mp4{separator}1\n/data/c, d.mp4{separator}0\n",
                [("/data/a b.mp4", ("1",), None), ("/data/c, d.mp4", ("0",), None)],
            )
            for separator in (" ", ",", "\t", ";", "|", ", ")
        ),
        (
            "test.csv",
            "/data/a.mp4\n/data/b\n",
            [("/data/a.mp4", (), None), ("/data/b", (), None)],
        ),
        # names instead of indices
        (
            "train.csv",
            "a.mp4,walk\nb, c.mp4,run\n",
            [("a.mp4", ("walk",), None), ("b, c.mp4", ("run",), None)],
        ),
        (
            "train.csv",
            'x/a.mp4,"push, pull"\n"x/b, c.mp4",run\n',
            [("x/a.mp4", ("push, pull",), None), ("x/b, c.mp4", ("run",), None)],
        ),
        (
            "list.txt",
            "a 1.mp4\t30\thand wave\nb.mp4\t40\tjump\n",
            [("a 1.mp4", ("hand wave",), 30), ("b.mp4", ("jump",), 40)],
        ),
        # elsewhere
        (
            "something.txt",
            "clips\\clip 2 of 3.mp4 1\nclips\\x.mp4 0\n",
            [("clips/clip 2 of 3.mp4", ("1",), None), ("clips/x.mp4", ("0",), None)],
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_each_grammar(
    name: str, text: str, expected: list[Row], encoding: str, end: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(text.replace("\n", end).encode(encoding))
    for path in (tmp_path, tmp_path / name):
        dataset = open_dataset(path)
        assert dataset.format == "lists"
        assert rows(dataset) == expected


def test_what_was_assumed_is_said(tmp_path: Path) -> None:
    write(tmp_path, train__txt="x.mp4 300 1\n", val_videos__txt="y.mp4 0 1\n")
    write(tmp_path, test__txt="a.mp4\nb.mp4\nc.mp4 1 2 3\nd.mp4 0\ne.mp4 0\n")
    said = notes(open_dataset(tmp_path))
    assert "train.txt: the first of two numbers is taken as the number of frames" in said
    assert "val_videos.txt: all numbers are taken as labels" in said
    assert "test.txt: all numbers are taken as labels" in said
    assert "2 lines of test.txt tell a path and no label" in said


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("jester-v1-train.csv", "34870;Drumming Fingers\n56557;Sliding Two Fingers Right\n"),
        ("jester-v1-test.csv", "34870\n56557\n"),
        ("test-answers.csv", "1420;Holding something\n"),
        ("test-answers.csv", "1420;5\n"),
        ("train.csv", "label,youtube_id,time_start,time_end,split\nwalk,a,0,10,train\n"),
        ("train.csv", "path,label\na.mp4,3\nb.mp4,4\n"),
        ("Train.csv", "video_id,label,frames,label_id,shape,format\n1,Stop,37,2,\"(1, 2)\",jpg\n"),
        ("ava_train.csv", "-5KQ66BBWC4,0902,0.077,0.151,0.283,0.811,80,1\n"),
        ("brush_hair_test_split1.txt", "April_09_brush_hair.avi 1\n"),
        ("classInd.txt", "1 ApplyEyeMakeup\n2 ApplyLipstick\n"),
        ("labels.txt", "walk/run 1\n"),
        ("label_map_k400.txt", "abseiling\nfigure 8\n"),
        ("README.txt", "a/b 3\n"),
        ("notes.txt", "Version 2\nhas 13,320 clips, of classes 101\n"),
        ("numbers.txt", "1 2 3\n4 5 6\n"),
        ("times.txt", "a.mp4 0.5 1.5\n"),
        ("train.txt", ""),
        ("train.md", "a.mp4 3\n"),
        ("train.txt", "a.mp4\nb.mp4\n"),
    ],
)  # fmt: skip
def test_what_is_of_others_is_left_to_them(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    assert not FORMATS[0].recognise(Place(tmp_path))


def test_lists_of_ucf101_are_its_own(tmp_path: Path) -> None:
    write(tmp_path, trainlist01__txt="Run/a.avi 1\n", testlist01__txt="Run/b.avi\n")
    assert FORMATS[0].recognise(Place(tmp_path))
    write(tmp_path, classInd__txt="1 Run\n")
    assert not FORMATS[0].recognise(Place(tmp_path))


def test_a_list_that_is_not_read_is_named(tmp_path: Path) -> None:
    write(tmp_path, train__txt="a.mp4 3\n", val__txt="a.mp4\n", notes__txt="hello\n")
    assert "val.txt was not read" in notes(open_dataset(tmp_path))
    assert "notes.txt" not in notes(open_dataset(tmp_path))


def test_a_file_whose_first_lines_are_broken(tmp_path: Path) -> None:
    write(tmp_path, train__txt="a.mp4\nb.mp4\nc.mp4 0\n")
    message = r"train.txt:1: no label; a line is PATH LABEL or PATH FRAMES LABEL"
    with pytest.raises(BadDataset, match=message):
        open_dataset(tmp_path / "train.txt", format="lists")
    with pytest.raises(BadDataset, match=r"holds no list of videos; give a .txt"):
        open_dataset(tmp_path, format="lists")


# splits and folds


def test_all_lists_of_a_folder_or_the_one_given(tmp_path: Path) -> None:
    write(tmp_path, train__csv="a.mp4 0\n", validation__csv="b.mp4 1\n", test__csv="c.mp4 2\n")
    assert open_dataset(tmp_path).split_counts() == {"train": 1, "val": 1, "test": 1}
    assert open_dataset(tmp_path / "test.csv").split_counts() == {"test": 1}


def test_a_video_in_several_folds_is_one_sample(tmp_path: Path) -> None:
    write(
        tmp_path,
        ucf101_train_split_1_videos__txt="v_Run_g01_c01.avi 0\nb.avi 1\n",
        ucf101_val_split_1_videos__txt="c.avi 0\n",
        ucf101_train_split_2_videos__txt="c.avi 0\nb.avi 1\n",
        ucf101_val_split_2_videos__txt="v_Run_g01_c01.avi 0\n",
    )
    dataset = open_dataset(tmp_path)
    assert [(one.path.name, one.splits, one.group) for one in dataset] == [
        ("v_Run_g01_c01.avi", ("train", "val"), "g01"),
        ("b.avi", ("train", "train"), None),
        ("c.avi", ("val", "train"), None),
    ]
    assert open_dataset(tmp_path, split="val", fold=2).paths() == ["v_Run_g01_c01.avi"]


def test_a_video_that_not_every_fold_uses(tmp_path: Path) -> None:
    write(tmp_path, train_split_1__txt="a.avi 0\n", train_split_3__txt="b.avi 0\n")
    assert [one.splits for one in open_dataset(tmp_path)] == [("train", None), (None, "train")]


def test_what_two_lines_of_folds_say_of_a_video(tmp_path: Path) -> None:
    write(tmp_path, train_split_1__txt="a.avi 0\na.avi 0\nb.avi 0\nc.avi 0\n")
    write(tmp_path, train_split_2__txt="b.avi 1\n", val_split_1__txt="c.avi 0\n")
    assert problems(tmp_path) == [
        "train_split_1.txt:2: 'a.avi' is listed already in the same split",
        "train_split_2.txt:1: 'b.avi' is '1' here and '0' in train_split_1.txt:3",
    ]
    dataset = open_dataset(tmp_path, skip_malformed=True)
    assert [one.splits for one in dataset if one.path.name == "c.avi"] == [
        ("train", None),
        ("val", None),
    ]


def test_videos_and_frames_of_one_split(tmp_path: Path) -> None:
    write(tmp_path, train_list_videos__txt="x/a.mp4 0\n", train_list_rawframes__txt="x/a 30 0\n")
    message = (
        r"holds train_list_videos.txt, a list of videos, and train_list_rawframes.txt, one of "
        r"folders of frames; give one of them"
    )
    with pytest.raises(BadDataset, match=message):
        open_dataset(tmp_path)
    assert len(open_dataset(tmp_path / "train_list_rawframes.txt")) == 1


# where paths start


@pytest.mark.parametrize(
    ("there", "path"),
    [
        ("lists/x/a b.mp4", "x/a b.mp4"),
        ("lists/videos/x/a b.mp4", "videos/x/a b.mp4"),
        ("lists/videos_val/x/a b.mp4", "videos_val/x/a b.mp4"),
        ("lists/validation/x/a b.mp4", "validation/x/a b.mp4"),
        ("lists/clips/x/a b.mp4", "clips/x/a b.mp4"),
        ("x/a b.mp4", "{}/x/a b.mp4"),
        ("videos_val/x/a b.mp4", "{}/videos_val/x/a b.mp4"),
        ("nowhere/x/a b.mp4", "x/a b.mp4"),
    ],
)
def test_where_paths_start(there: str, path: str, tmp_path: Path) -> None:
    touch(tmp_path, there, "lists/videos_train/x/a b.mp4")
    write(tmp_path / "lists", val__txt="x/a b.mp4 0\nx/lost.mp4 1\n")
    dataset = open_dataset(tmp_path / "lists")
    assert dataset.paths()[0] == path.format(tmp_path)
    assert ("say --videos where they start" in notes(dataset)) == there.startswith("nowhere")


def test_videos_given_and_absolute_paths(tmp_path: Path) -> None:
    write(tmp_path, train__txt="x/a.mp4 0\n/data/b.mp4 1\n")
    dataset = open_dataset(tmp_path, given=Given(videos=tmp_path / "elsewhere"))
    assert dataset.paths() == ["elsewhere/x/a.mp4", "/data/b.mp4"]
    assert dataset.facts.notes == ()


# labels


def test_an_index_that_does_not_occur_keeps_its_place(tmp_path: Path) -> None:
    dataset = open_dataset(write(tmp_path, train__txt="a.mp4 0\nb.mp4 11\nc.mp4 3\n"))
    assert dataset.labels == tuple(str(index) for index in range(12))
    assert [one.label for one in dataset] == ["0", "11", "3"]


def test_names_beside_the_list_and_given_ones(tmp_path: Path) -> None:
    write(tmp_path, train__txt="a.mp4 1\n", label_map_mine__txt="walk\nrun\n")
    assert [one.label for one in open_dataset(tmp_path)] == ["run"]
    assert [one.label for one in open_dataset(tmp_path, given=Given(labels=("x", "y")))] == ["y"]
    write(tmp_path, train__txt="a.mp4,Walk\n")
    assert [one.label for one in open_dataset(tmp_path)] == ["walk"]


def test_indices_counted_from_one(tmp_path: Path) -> None:
    write(tmp_path, train__txt="a.mp4 1\nb.mp4 2\n")
    dataset = open_dataset(tmp_path)
    assert "indices run from 1 to 2 and 0 never occurs" in notes(dataset)
    assert dataset.labels == ("0", "1", "2")
    dataset = open_dataset(tmp_path, given=Given(one_based=True))
    assert (dataset.labels, [one.label for one in dataset]) == (("0", "1"), ["0", "1"])
    assert "--one-based" not in notes(dataset)
    write(tmp_path, labels__txt="walk\nrun\n")
    assert problems(tmp_path) == [
        "train.txt:2: the class index is 2, but there are 2 names of classes, 0 to 1; if they are "
        "counted from 1, say --one-based"
    ]
    dataset = open_dataset(tmp_path, given=Given(one_based=True))
    assert [one.label for one in dataset] == ["walk", "run"]


def test_indices_that_only_lack_a_class(tmp_path: Path) -> None:
    write(tmp_path, train__txt="a.mp4 1\nb.mp4 2\n", labels__txt="walk\nrun\nsit\n")
    assert "--one-based" not in notes(open_dataset(tmp_path))


# lines that cannot be used


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x/a.mp4", "no label; a line is PATH LABEL or PATH FRAMES LABEL"),
        ("x/a.mp4 -1", "the class index -1 is no whole number from 0"),
        ("x/a.mp4 1.5", "the class index 1.5 is no whole number from 0"),
        ("x/a.mp4 2000000", "the class index 2000000 is no whole number from 0 to 99,999"),
        ("x/ok.mp4 1", "'x/ok.mp4' is '1' here and '0' in train.txt:1"),
        ("x/ok.mp4 0", "'x/ok.mp4' is listed already in train.txt:1"),
        ("x/\udcff.mp4 0", "byte 0xff is not UTF-8"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(line: str, message: str, tmp_path: Path) -> None:
    text = f"x/ok.mp4 0\n\n{line}\n"
    (tmp_path / "train.txt").write_text(text, encoding="utf-8", errors="surrogateescape")
    (found,) = problems(tmp_path)
    assert found.startswith("train.txt:3: ")
    assert message in found


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("x/a 30", "no label"),
        ("x/a 0 1", "the number of frames is 0; give a whole number from 1"),
        ("x/a -1 1", "the number of frames is -1"),
        ("x/a 99999999999 1", "the number of frames is 99999999999"),
    ],
)
def test_a_line_of_frames_that_cannot_be_used(line: str, message: str, tmp_path: Path) -> None:
    write(tmp_path, train__txt=f"x/ok 30 0\nx/more 40 1 2\n{line}\n")
    (found,) = problems(tmp_path)
    assert found.startswith("train.txt:3: ")
    assert message in found


def test_zero_where_indices_are_said_to_start_at_one(tmp_path: Path) -> None:
    write(tmp_path, train__txt="a.mp4 0\nb.mp4 1\n")
    assert problems(tmp_path, one_based=True) == [
        "train.txt:1: the class index is 0, but --one-based says they are counted from 1"
    ]


def test_quotes_that_do_not_pair(tmp_path: Path) -> None:
    write(tmp_path, train__csv='a.mp4,1\n"b.mp4,2\nc.mp4,1\n')
    assert problems(tmp_path) == [
        "train.csv:2: its quotes do not pair; close them, and double those inside a field"
    ]


# writing


def place(dataset: VideoDataset, folder: Path, name: str) -> VideoDataset:
    """Write a dataset, with videos or pictures that are at its places, and read it."""
    format = find_format(name)
    folder.mkdir(exist_ok=True)
    if format.places is not None:
        samples = []
        for one, path in zip(dataset, format.places(dataset), strict=True):
            write_pictures(folder / path, range(2), name="img_{:05d}.jpg")
            samples.append(replace(one, path=folder / path))
        dataset = VideoDataset.from_samples(samples, root=folder, labels=dataset.labels)
    format.annotate(dataset, folder)
    return open_dataset(folder)


def told(dataset: VideoDataset) -> list[tuple[object, ...]]:
    return sorted(((one.labels, one.splits) for one in dataset), key=repr)


def sample(path: Path, *labels: str, splits: tuple[str | None, ...] = ("train",)) -> Sample:
    return Sample(path=path, labels=labels, splits=splits)


LABELS = ("walk", "unused", "sit down")


@pytest.mark.parametrize("format", [one.name for one in FORMATS])
@pytest.mark.parametrize("folds", [1, 3])
def test_what_is_written_is_read_again(format: str, folds: int, tmp_path: Path) -> None:
    splits = [("train", "test", None), ("val", "train", None), (None, None, "val"), (None,) * 3]
    (tmp_path / "in").mkdir()
    write_video(tmp_path / "in" / "0.mp4", range(3))
    samples = []
    for index, one in enumerate(splits):
        path = tmp_path / "in" / f"{index}.mp4"
        path.write_bytes((tmp_path / "in" / "0.mp4").read_bytes())
        samples.append(sample(path, LABELS[index % 2 * 2], splits=one[:folds]))
    dataset = VideoDataset.from_samples(samples, labels=LABELS)
    again = place(dataset, tmp_path / "out", format)
    assert again.format == "lists"
    assert again.labels == LABELS
    assert told(again) == told(dataset)
    counted = {"gluoncv-list": {3}, "mmaction2-rawframes": {2}}
    assert {one.num_frames for one in again} == counted.get(format, {None})
    assert all(one.path.exists() for one in again)
    places = find_format(format).places
    assert places is None or places(again) == again.paths()


@pytest.mark.parametrize(
    ("format", "name", "line"),
    [
        ("gluoncv-list", "val.txt", "a.mp4 3 2\n"),
        ("mmaction2-list", "val_list_videos.txt", "a.mp4 2\n"),
        ("mmaction2-rawframes", "val_list_rawframes.txt", "rawframes/sit_down/a 2 2\n"),
        ("pyslowfast-list", "val.csv", "a.mp4 2\n"),
    ],
)
def test_what_is_written_is_what_the_projects_read(
    format: str, name: str, line: str, tmp_path: Path
) -> None:
    write_video(tmp_path / "a.mp4", range(3))
    one = sample(tmp_path / "a.mp4", "sit down", splits=("val",))
    place(VideoDataset.from_samples([one], root=tmp_path, labels=LABELS), tmp_path, format)
    assert (tmp_path / name).read_text() == line
    assert (tmp_path / "labels.txt").read_text() == "walk\nunused\nsit down\n"


def test_several_labels_and_none(tmp_path: Path) -> None:
    samples = [
        sample(tmp_path / "a.mp4", "walk", "sit down"),
        sample(tmp_path / "b.mp4", "sit down", "walk"),
        sample(tmp_path / "c.mp4", splits=("test",)),
        sample(tmp_path / "d.mp4", "walk", splits=("test",)),
    ]
    dataset = VideoDataset.from_samples(samples, labels=LABELS)
    again = place(dataset, tmp_path / "out", "mmaction2-list")
    assert told(again) == told(dataset)


@pytest.mark.parametrize("format", ["gluoncv-list", "mmaction2-list", "pyslowfast-list"])
def test_a_blank_in_a_path_is_refused(format: str, tmp_path: Path) -> None:
    dataset = VideoDataset.from_samples([sample(tmp_path / "a b.mp4", "walk")], root=tmp_path)
    with pytest.raises(BadDataset, match=rf"the path 'a b.mp4' has a blank, where {format} ends"):
        place(dataset, tmp_path, format)


def test_frames_are_named_apart_and_without_blanks(tmp_path: Path) -> None:
    labels = {"x/a b.mp4": "a b", "y/a_b.avi": "a_b", "y/../../c": "..", "x/v.2": "."}
    samples = [sample(Path("/data") / path, label) for path, label in labels.items()]
    dataset = VideoDataset.from_samples(samples)
    assert FORMATS[3].places is not None
    assert FORMATS[3].places(dataset) == [
        "rawframes/a_b/x_a_b",
        "rawframes/a_b/y_a_b",
        "rawframes/_/c",
        "rawframes/_/v.2",
    ]


# A name may look like anything but a number, of which one behind a blank is a label.
WORDS = st.text("ab1-_.,;|'#&é", min_size=1, max_size=8)
PATHS = st.lists(WORDS, min_size=1, max_size=3).map(lambda one: f"d/{'/'.join(one)}.mp4")


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(PATHS, st.sets(st.integers(0, 3), min_size=1)),
        min_size=1,
        max_size=6,
        unique_by=lambda one: one[0],
    )
)
def test_any_rows_of_videos(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, set[int]]]
) -> None:
    folder = tmp_path_factory.mktemp("lists")
    labels = ("a", "b", "c", "d")
    samples = [sample(folder / path, *(labels[one] for one in own)) for path, own in rows]
    dataset = VideoDataset.from_samples(samples, root=folder, labels=labels)
    again = place(dataset, folder, "mmaction2-list")
    assert [(one.path, one.labels) for one in again] == [(one.path, one.labels) for one in dataset]
