"""The lists of Kinetics as they are published, the trees people keep, and what is written back."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actionzoo.datasets import Given, Sample, VideoDataset, open_dataset
from actionzoo.datasets.format import Place
from actionzoo.datasets.kinetics import FORMATS
from actionzoo.datasets.opening import find_format
from actionzoo.errors import BadDataset
from actionzoo.labels import load_labels
from videos import write_video

HEADER = "label,youtube_id,time_start,time_end,split\n"
OFFICIAL = HEADER + (
    'testifying,---QUuC4vJs,84,94,validate\n"shooting goal (soccer)",--0I_xyzabc,2,12,validate\n'
)


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def problems(folder: Path) -> list[str]:
    return [str(one) for one in open_dataset(folder, skip_malformed=True).facts.problems]


def rows(dataset: VideoDataset) -> list[tuple[str, tuple[str, ...], str | None]]:
    return [
        (path, one.labels, one.split) for path, one in zip(dataset.paths(), dataset, strict=True)
    ]


# lists


def test_the_official_list_without_videos(tmp_path: Path) -> None:
    dataset = open_dataset(write(tmp_path, "val.csv", OFFICIAL))
    assert dataset.format == "kinetics"
    assert dataset.labels == load_labels("kinetics400")
    assert rows(dataset) == [
        ("val/testifying/---QUuC4vJs_000084_000094.mp4", ("testifying",), "val"),
        (
            "val/shooting goal (soccer)/--0I_xyzabc_000002_000012.mp4",
            ("shooting goal (soccer)",),
            "val",
        ),
    ]
    assert [one.origin for one in dataset] == ["val.csv:2", "val.csv:3"]
    assert "2 of 2 videos are not below" in dataset.facts.notes[0]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings_and_line_ends(encoding: str, end: str, tmp_path: Path) -> None:
    (tmp_path / "val.csv").write_bytes(OFFICIAL.replace("\n", end).encode(encoding))
    assert len(open_dataset(tmp_path)) == 2


def test_columns_in_any_order_and_columns_more(tmp_path: Path) -> None:
    text = "is_cc,split,time_end,youtube_id,time_start,Label\n0,train,10,abc,0,abseiling\n"
    (one,) = open_dataset(write(tmp_path, "kinetics700.csv", text))
    assert (one.label, one.split, one.path.name) == ("abseiling", "train", "abc_000000_000010.mp4")


def test_the_test_set_has_no_labels(tmp_path: Path) -> None:
    write(tmp_path, "test.csv", "youtube_id,time_start,time_end,split\nabc,5,15,test\n")
    write(tmp_path, "train.csv", f"{HEADER}abseiling,def,0,10,train\n,ghi,,,test\n")
    dataset = open_dataset(tmp_path)
    assert rows(dataset) == [
        ("test/abc_000005_000015.mp4", (), "test"),
        ("train/abseiling/def_000000_000010.mp4", ("abseiling",), "train"),
        ("test/ghi.mp4", (), "test"),
    ]


def test_only_a_test_set(tmp_path: Path) -> None:
    write(tmp_path, "test.csv", "youtube_id,time_start,time_end\nabc,5,15\n")
    dataset = open_dataset(tmp_path)
    assert (dataset.labels, dataset.splits) == ((), ("test",))


def test_lists_in_a_folder_of_annotations(tmp_path: Path) -> None:
    write(tmp_path, "annotations/kinetics400_val.csv", OFFICIAL)
    touch(tmp_path, "val/---QUuC4vJs_000084_000094.mkv")
    assert open_dataset(tmp_path).paths()[0] == "val/---QUuC4vJs_000084_000094.mkv"
    for path in (tmp_path / "annotations", tmp_path / "annotations" / "kinetics400_val.csv"):
        assert open_dataset(path)[0].path == tmp_path / "val/---QUuC4vJs_000084_000094.mkv"
        assert open_dataset(path)[0].path.exists()


@pytest.mark.parametrize(
    ("labels", "official"),
    [
        ("abseiling", "kinetics400"),
        ("acting in play", "kinetics600"),
        ("arresting", "kinetics700"),
        ("Shooting_goal_-soccer-", "kinetics400"),
    ],
)
def test_the_smallest_official_list_that_has_all(
    labels: str, official: str, tmp_path: Path
) -> None:
    write(tmp_path, "train.csv", f"{HEADER}{labels},a,0,10,train\nabseiling,b,0,10,train\n")
    dataset = open_dataset(tmp_path)
    assert dataset.labels == load_labels(official)
    assert dataset[0].label in dataset.labels


def test_labels_of_nobody_else_are_sorted(tmp_path: Path) -> None:
    write(tmp_path, "train.csv", f"{HEADER}yodelling,a,0,10,train\nabseiling,b,0,10,train\n")
    assert open_dataset(tmp_path).labels == ("abseiling", "yodelling")


def test_labels_beside_the_list_and_given_ones(tmp_path: Path) -> None:
    write(tmp_path, "train.csv", f"{HEADER}hand_wave,a,0,10,train\n")
    write(tmp_path, "labels.txt", "jump\nhand wave\n")
    assert [one.label for one in open_dataset(tmp_path)] == ["hand wave"]
    dataset = open_dataset(tmp_path, given=Given(labels=("Hand Wave", "sit")))
    assert (dataset.labels, dataset[0].label) == (("Hand Wave", "sit"), "Hand Wave")


def test_json_as_deepmind_writes_it(tmp_path: Path) -> None:
    entry = {
        "annotations": {"label": "abseiling", "segment": [4.0, 14.0]},
        "duration": 10.0,
        "subset": "validate",
        "url": "https://www.youtube.com/watch?v=-_abc",
    }
    hidden = {"duration": 10.0, "subset": "test", "url": "https://www.youtube.com/watch?v=x"}
    write(tmp_path, "all.json", json.dumps({"-_abc": entry, "x": hidden}))
    assert rows(open_dataset(tmp_path)) == [
        ("val/abseiling/-_abc_000004_000014.mp4", ("abseiling",), "val"),
        ("test/x.mp4", (), "test"),
    ]


@pytest.mark.parametrize("id", ["abc", "abc_000001_000011"])
def test_json_of_the_open_model_zoo_with_labels_of_its_own(id: str, tmp_path: Path) -> None:
    entry = {"subset": "validation", "annotations": {"label": "zzz"}}
    tree = {"labels": ["zzz", "aaa"], "database": {id: entry}}
    write(tmp_path, "kinetics.json", json.dumps(tree))
    touch(tmp_path, "clips/zzz/abc_000001_000011.mp4", "clips/zzz/abcd.mp4")
    dataset = open_dataset(tmp_path)
    assert dataset.labels == ("zzz", "aaa")
    assert rows(dataset) == [("clips/zzz/abc_000001_000011.mp4", ("zzz",), "val")]


def test_long_lists_of_labels_before_the_database(tmp_path: Path) -> None:
    labels = [f"a class with a long name {number}" for number in range(400)]
    tree = {"labels": labels, "database": {"a": {"subset": "training", "annotations": {}}}}
    write(tmp_path, "kinetics.json", json.dumps(tree))
    assert problems(tmp_path) == [
        "kinetics.json: 'a': the label is empty, which only a row of the test set may be"
    ]


def test_a_csv_goes_before_the_json_of_its_split(tmp_path: Path) -> None:
    def entry(split: str) -> dict[str, object]:
        return {"annotations": {"label": "abseiling", "segment": [0, 10]}, "subset": split}

    write(tmp_path, "train.csv", f"{HEADER}abseiling,a,0,10,train\n")
    write(tmp_path, "train.json", json.dumps({"a": entry("train")}))
    write(tmp_path, "val.json", json.dumps({"b": entry("val")}))
    write(tmp_path, "kinetics.json", json.dumps({"a": entry("train")}))
    dataset = open_dataset(tmp_path)
    assert dataset.split_counts() == {"train": 1, "val": 1}
    assert dataset.facts.notes[:2] == (
        "kinetics.json was not read: train.csv tells the same",
        "train.json was not read: train.csv tells the same",
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("train.json", '[{"id": "1", "label": "x", "template": "X", "placeholders": []}]'),
        ("labels.json", '{"Approaching something": "0", "Bending something": "1"}'),
        ("activity_net.json", '{"database": {"a": {"annotations": [{"label": "x"}]}}}'),
        ("default.json", '{"info": {}, "items": [{"id": "a", "annotations": [{"id": 0}]}]}'),
        ("dataset.csv", "path,label\na.mp4,walk\n"),
        ("train.csv", "a.mp4 3\n"),
        ("jester-v1-train.csv", "34870;Drumming Fingers\n"),
        ("damaged.csv", '"label,youtube_id\n'),
    ],
)
def test_what_is_of_others_is_left_to_them(name: str, text: str, tmp_path: Path) -> None:
    assert not FORMATS[0].recognise(Place(write(tmp_path, name, text)))


# lines that cannot be used


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("applying cream, face,a,0,10,train", "6 fields, but the header has 5; quote a label"),
        ("abseiling,a,0,10", "4 fields, but the header has 5"),
        (",a,0,10,train", "the label is empty, which only a row of the test set may be"),
        ("abseiling,,0,10,train", "the youtube_id is '', which names no video"),
        ("abseiling,../a,0,10,train", "the youtube_id is '../a', which names no video"),
        ("abseiling,a,zero,10,train", "the start 'zero' is no number of seconds"),
        ("abseiling,a,0,,train", "the end '' is no number of seconds"),
        ("abseiling,a,-1,10,train", "the start is -1 s; give a number from 0"),
        ("abseiling,a,0,nan,train", "the end is nan s; give a number from 0"),
        ("abseiling,a,10,10,train", "the end, 10 s, is not after the start, 10 s"),
        ("abseiling,a,0,10,holdout", "the split 'holdout' is unknown; give train, val"),
        ('"abseiling,a,0,10,train', "a quote is opened and not closed in this line"),
        ("yodelling,ok,0,10,train", "is 'yodelling' here and 'abseiling' in train.csv:2"),
        ("abseiling,ok,0,10,train", "is listed already in train.csv:2"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(line: str, message: str, tmp_path: Path) -> None:
    write(tmp_path, "train.csv", f"{HEADER}abseiling,ok,0,10,train\n{line}\n")
    (found,) = problems(tmp_path)
    assert found.startswith("train.csv:3: ")
    assert message in found
    assert len(open_dataset(tmp_path, skip_malformed=True)) == 1


@pytest.mark.parametrize(
    ("header", "missing"),
    [
        ("youtube_id,time_start,time_end,split", "the header has no column label"),
        ("label,youtube_id,time_start,split", "the header has no column time_end"),
    ],
)
def test_a_column_that_is_missing(header: str, missing: str, tmp_path: Path) -> None:
    write(tmp_path, "train.csv", f"{header}\na,b,1,train\n".replace(",split", ""))
    assert problems(tmp_path) == [f"train.csv:1: {missing}"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("[]", "its entry is not"),
        ('{"annotations": []}', "its entry is not"),
        ('{"annotations": {"label": "x", "segment": [1]}}', "its segment is [1]"),
        ('{"annotations": {"label": "x", "segment": [1, null]}}', "the end 'None' is no number"),
        ('{"annotations": {"label": 3}}', "its label and its subset have to be text"),
    ],
)
def test_an_entry_that_cannot_be_used(entry: str, message: str, tmp_path: Path) -> None:
    good = '"ok": {"annotations": {"label": "x"}, "subset": "train"}'
    write(tmp_path, "train.json", f'{{{good}, "a": {entry}}}')
    (found,) = problems(tmp_path)
    assert found.startswith("train.json: 'a': ")
    assert message in found


def test_json_that_is_cut_off(tmp_path: Path) -> None:
    write(tmp_path, "train.json", '{"a": {"annotations": {"label": "x"},')
    with pytest.raises(BadDataset, match=r"train.json:1: it is no JSON"):
        open_dataset(tmp_path)


# videos


@pytest.mark.parametrize(
    "path",
    [
        "train/shooting goal (soccer)/{}",
        "train/shooting_goal_-soccer-/{}",
        "compress/train_256/shooting goal (soccer)/{}",
        "videos_train/{}",
        "train_256/soccer/{}",
        "shooting goal (soccer)/{}",
        "{}",
    ],
)
def test_a_clip_is_found_wherever_it_lies(path: str, tmp_path: Path) -> None:
    write(tmp_path, "train.csv", f"{HEADER}shooting goal (soccer),-a_b,3,13,train\n")
    path = path.format("-a_b_000003_000013.WebM")
    touch(tmp_path, path, "train/notes.json", "train/-a_b_000003_000013.mp4.part")
    dataset = open_dataset(tmp_path)
    assert dataset.paths() == [path]
    assert (dataset[0].start_seconds, dataset[0].end_seconds) == (None, None)
    assert dataset.facts.notes == ()


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("abc_000003_000013.mp4", (None, None)),
        ("abc_3_13.mp4", (None, None)),
        ("abc_000003.mp4", (None, None)),
        ("abc.mp4", (3.0, 13.0)),
    ],
)
def test_a_whole_video_is_read_from_start_to_end(
    name: str, seconds: tuple[float | None, float | None], tmp_path: Path
) -> None:
    write(tmp_path, "train.csv", f"{HEADER}abseiling,abc,3,13,train\n")
    touch(tmp_path, f"videos/{name}")
    (one,) = open_dataset(tmp_path)
    assert one.path.name == name
    assert (one.start_seconds, one.end_seconds) == seconds


def test_ids_that_are_parts_of_other_ids(tmp_path: Path) -> None:
    ids = ("abc", "abcd", "xabc", "abc_000003")
    lines = "".join(f"abseiling,{id},3,13,train\n" for id in ids)
    write(tmp_path, "train.csv", HEADER + lines)
    touch(tmp_path, "videos/abcd.mp4", "videos/xabc.mp4", "videos/abc_000003.mp4")
    dataset = open_dataset(tmp_path)
    assert dataset.paths() == [
        "train/abseiling/abc_000003_000013.mp4",
        "videos/abcd.mp4",
        "videos/xabc.mp4",
        "videos/abc_000003.mp4",
    ]
    assert "1 of 4 videos are not below" in dataset.facts.notes[0]


def test_several_clips_of_a_whole_video(tmp_path: Path) -> None:
    text = f"{HEADER}abseiling,a,0,10,train\nabseiling,a,20,30,train\n"
    touch(write(tmp_path, "train.csv", text), "train/a.mp4")
    dataset = open_dataset(tmp_path)
    assert dataset.paths() == ["train/a.mp4", "train/a.mp4"]
    assert [one.start_seconds for one in dataset] == [0.0, 20.0]


def test_of_two_copies_the_one_nearest_to_the_top(tmp_path: Path) -> None:
    write(tmp_path, "train.csv", f"{HEADER}abseiling,a,0,10,train\n")
    name = "a_000000_000010"
    touch(tmp_path, f"a/b/{name}.mp4", f"train_256/{name}.mp4", f"train/{name}.webm")
    assert open_dataset(tmp_path).paths() == [f"train/{name}.webm"]


def test_folders_of_frames_are_not_looked_into(tmp_path: Path) -> None:
    write(tmp_path, "train.csv", f"{HEADER}abseiling,a,0,10,train\n")
    touch(tmp_path, "rawframes/a_000000_000010/b.mp4", "rawframes/a/a_000000_000010.mp4")
    assert open_dataset(tmp_path).paths() == ["train/abseiling/a_000000_000010.mp4"]


def test_links_that_lead_in_a_circle(tmp_path: Path) -> None:
    write(tmp_path, "train.csv", f"{HEADER}abseiling,a,0,10,train\n")
    touch(tmp_path, "train/a_000000_000010.mp4")
    (tmp_path / "train" / "again").symlink_to(tmp_path)
    assert open_dataset(tmp_path).paths() == ["train/a_000000_000010.mp4"]


def test_videos_elsewhere(tmp_path: Path) -> None:
    write(tmp_path / "lists", "train.csv", f"{HEADER}abseiling,a,0,10,train\n")
    touch(tmp_path, "videos/a_000000_000010.mp4")
    (one,) = open_dataset(tmp_path / "lists", given=Given(videos=tmp_path / "videos"))
    assert one.path == tmp_path / "videos" / "a_000000_000010.mp4"


def test_no_list_leads_a_path_out_of_the_folder(tmp_path: Path) -> None:
    write(tmp_path, "train.csv", f"{HEADER}../../etc,a,0,10,train\n")
    (path,) = open_dataset(tmp_path).paths()
    assert ".." not in Path(path).parts


# writing


def place(dataset: VideoDataset, folder: Path, name: str = "kinetics") -> VideoDataset:
    """Write a dataset with empty files at its places, and read it."""
    format = find_format(name)
    assert format.places is not None
    paths = format.places(dataset)
    touch(folder, *paths)
    samples = [replace(one, path=folder / path) for one, path in zip(dataset, paths, strict=True)]
    placed = VideoDataset.from_samples(samples, root=folder, labels=dataset.labels)
    format.annotate(placed, folder)
    return open_dataset(folder)


def told(dataset: VideoDataset) -> list[tuple[object, ...]]:
    rows = [
        (one.labels, one.split, one.start_seconds, one.end_seconds, one.path.suffix)
        for one in dataset
    ]
    return sorted(rows, key=repr)


def clip(path: str, label: str | None = "walk", split: str = "train", **more: float) -> Sample:
    labels = () if label is None else (label,)
    return Sample(path=Path("/data") / path, labels=labels, splits=(split,), **more)


SAMPLES = [
    clip("x/a_000001_000011.avi"),
    clip("y/a_000001_000011.mp4", label='a, "b" / c', split="val"),
    clip("whole.mp4", start_seconds=0.0, end_seconds=5.0),
    clip("whole.mp4", label="run", start_seconds=7.0, end_seconds=9.0, split="test"),
    clip("other/whole.webm", start_seconds=7.0, end_seconds=9.0),
    clip("a.mp4", start_seconds=1.0, end_seconds=11.0),
    clip("b_000002_000003.mp4", label=None, split="test"),
]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    dataset = VideoDataset.from_samples(SAMPLES, labels=("walk", "unused", "run", 'a, "b" / c'))
    again = place(dataset, tmp_path)
    assert again.labels == dataset.labels
    assert told(again) == told(dataset)
    assert again.facts.notes == ()
    assert sorted(path.name for path in tmp_path.glob("*.*")) == [
        "labels.txt",
        "test.csv",
        "train.csv",
        "val.csv",
    ]
    # The second time nothing is named anew.
    assert find_format("kinetics").places(again) == again.paths()


def test_the_same_as_json(tmp_path: Path) -> None:
    samples = [one for one in SAMPLES if one.path.stem != "whole"]
    dataset = VideoDataset.from_samples(samples, labels=("walk", "run", 'a, "b" / c'))
    again = place(dataset, tmp_path, "kinetics-json")
    assert (again.labels, told(again)) == (dataset.labels, told(dataset))
    assert (tmp_path / "kinetics_train.json").is_file()


def test_json_tells_one_clip_a_video(tmp_path: Path) -> None:
    dataset = VideoDataset.from_samples(SAMPLES[2:3] * 2)
    with pytest.raises(BadDataset, match="has 2 clips of the video 'whole'"):
        FORMATS[1].places(dataset)


def test_official_labels_need_no_list(tmp_path: Path) -> None:
    labels = load_labels("kinetics400")
    dataset = VideoDataset.from_samples([clip("a_000000_000010.mp4", "zumba")], labels=labels)
    assert place(dataset, tmp_path).labels == labels
    assert not (tmp_path / "labels.txt").exists()
    assert (tmp_path / "train.csv").read_text() == f"{HEADER}zumba,a,0,10,train\n"


def test_other_names_get_the_length_of_the_video(tmp_path: Path) -> None:
    source = touch(tmp_path / "in", "a b#1.mp4", "x/a b#1.mp4")
    write_video(source / "a b#1.mp4", range(35), fps=Fraction(10))
    (source / "x" / "a b#1.mp4").write_bytes((source / "a b#1.mp4").read_bytes())
    samples = [replace(SAMPLES[0], path=path) for path in sorted(source.rglob("*.mp4"))]
    dataset = VideoDataset.from_samples(samples, root=source)
    again = place(dataset, tmp_path / "out")
    assert again.paths() == [
        "train/walk/a b#1_000000_000004.mp4",
        "train/walk/x_a b#1_000000_000004.mp4",
    ]
    assert told(again) == told(dataset)


@pytest.mark.parametrize(
    ("start", "end"), [(0.5, 3.0), (1.0, 2.5), (1.0, None)], ids=["start", "end", "no end"]
)
def test_times_that_are_no_whole_seconds(start: float, end: float | None) -> None:
    dataset = VideoDataset.from_samples([clip("a.mp4", start_seconds=start, end_seconds=end)])
    with pytest.raises(BadDataset, match="whole seconds; cut the clips out first: actionzoo data"):
        FORMATS[0].places(dataset)


NAMES = st.sampled_from(["a", "b", "a_000001_000002", "b_000003_000004", "A", "a_000001", "a#&"])
SECONDS = st.tuples(st.integers(0, 4), st.integers(5, 9)).map(lambda one: tuple(map(float, one)))


@st.composite
def datasets(draw: st.DrawFn) -> VideoDataset:
    samples = {}
    for _ in range(draw(st.integers(1, 8))):
        stem = draw(NAMES)
        # Without times only clips: the length of others is measured, which these do not have.
        times = draw(SECONDS if "_0" not in stem or stem.count("_") == 1 else st.none() | SECONDS)
        start, end = times or (None, None)
        path = Path("/data") / draw(st.sampled_from("xy")) / f"{stem}.mp4"
        samples[path, times] = Sample(
            path=path,
            labels=(draw(st.sampled_from(["walk", "run", "sit down"])),),
            start_seconds=start,
            end_seconds=end,
            splits=(draw(st.sampled_from(["train", "val", "test"])),),
        )
    return VideoDataset.from_samples(samples.values())


@settings(max_examples=30, deadline=None)
@given(datasets())
def test_any_dataset_that_can_be_told(
    tmp_path_factory: pytest.TempPathFactory, dataset: VideoDataset
) -> None:
    again = place(dataset, tmp_path_factory.mktemp("kinetics"))
    assert (again.labels, told(again)) == (dataset.labels, told(dataset))
    assert len(set(again.paths())) == len({(one.path, _is_whole(one)) for one in dataset})


def _is_whole(sample: Sample) -> bool:
    return sample.start_seconds is None
