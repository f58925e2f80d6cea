"""Something-Something V2 is read as it is published, and written so that it reads back equal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from actionzoo.datasets.dataset import Sample, VideoDataset
from actionzoo.datasets.format import Place
from actionzoo.datasets.opening import open_dataset
from actionzoo.datasets.something_something import FORMATS
from actionzoo.errors import BadDataset
from actionzoo.labels import load_labels

RELEASE, _ = FORMATS
PREFIX = "something-something-v2-"

LABELS = {
    "Putting something onto something": "1",
    "Moving part of something": "0",
    "Holding something": "2",
}
TRAIN = [
    {
        "id": "78687",
        "label": "putting cup onto table",
        "template": "Putting [something] onto [something]",
        "placeholders": ["cup", "table"],
    },
    {
        "id": "42326",
        "label": "moving lid of {a} box",
        "template": "Moving [part] of [something]",
        "placeholders": ["lid", "{a} box"],
    },
]
VALIDATION = [
    {
        "id": "74225",
        "label": "holding a pen",
        "template": "Holding [something]",
        "placeholders": ["a pen"],
    }
]
TEST = [{"id": "1420"}, {"id": "3408"}]
EXPECTED = [
    ("78687.webm", ("Putting something onto something",), "train"),
    ("42326.webm", ("Moving part of something",), "train"),
    ("74225.webm", ("Holding something",), "val"),
    ("1420.webm", (), "test"),
    ("3408.webm", (), "test"),
]
VIDEOS = tuple(name for name, _, _ in EXPECTED)


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())
    return folder


def one_a_line(entries: list[dict]) -> str:
    return "[" + ",\n".join(json.dumps(one) for one in entries) + "]"


def lists(prefix: str = PREFIX) -> dict[str, str]:
    return {
        f"{prefix}labels.json": json.dumps(LABELS),
        f"{prefix}train.json": one_a_line(TRAIN),
        f"{prefix}validation.json": one_a_line(VALIDATION),
        f"{prefix}test.json": one_a_line(TEST),
    }


def told(dataset: VideoDataset) -> list[tuple]:
    return [(one.path.name, one.labels, one.split) for one in dataset]


@pytest.mark.parametrize("below", ["", "annotations/", "labels/"])
@pytest.mark.parametrize("videos", ["20bn-something-something-v2/", "videos/", "clips/", ""])
def test_20bn_release_is_read(tmp_path: Path, below: str, videos: str) -> None:
    write(tmp_path, {**lists(below + PREFIX), **{videos + name: "" for name in VIDEOS}})
    dataset = open_dataset(tmp_path)
    assert dataset.format == "something-something-v2"
    assert dataset.labels == (
        "Moving part of something",
        "Putting something onto something",
        "Holding something",
    )
    assert told(dataset) == EXPECTED
    assert dataset[1].path == tmp_path / f"{videos}42326.webm"
    assert dataset[1].origin == f"{below}{PREFIX}train.json:2"
    assert dataset.facts.notes == ()


def test_qualcomm_release_is_read_with_its_answers(tmp_path: Path) -> None:
    answers = "1420;Holding something\n3408;Moving part of something\n"
    write(tmp_path, {**lists("labels/"), "labels/test-answers.csv": answers})
    dataset = open_dataset(tmp_path)
    assert told(dataset) == [
        *EXPECTED[:3],
        ("1420.webm", ("Holding something",), "test"),
        ("3408.webm", ("Moving part of something",), "test"),
    ]
    assert dataset[4].origin == "labels/test-answers.csv:2"
    assert dataset[4].path == tmp_path / "20bn-something-something-v2" / "3408.webm"
    assert dataset.facts.notes == (
        "5 of 5 videos are not there, such as '20bn-something-something-v2/78687.webm'",
    )


def test_videos_may_have_another_suffix_or_be_pictures_or_lie_in_a_folder_a_split(
    tmp_path: Path,
) -> None:
    files = ("train/78687.mp4", "train/42326/00001.jpg", "validation/74225.webm", "test/1420.avi")
    write(tmp_path, {**lists(), **dict.fromkeys(files, "")})
    dataset = open_dataset(tmp_path)
    assert dataset.paths() == [
        "train/78687.mp4",
        "train/42326",
        "validation/74225.webm",
        "test/1420.avi",
        "test/3408.webm",
    ]
    assert dataset.facts.notes == ("1 of 5 videos are not there, such as 'test/3408.webm'",)


def test_marks_layout_case_and_numbers_for_texts_do_not_count(tmp_path: Path) -> None:
    entry = '{\r\n  "id" : 78687,\r\n  "template": "holding [Something]"\r\n}'
    write(
        tmp_path,
        {
            "labels.json": "\ufeff" + json.dumps({"Holding something": 1, "Moving something": 2}),
            "train.json": f"\ufeff[\r\n{entry}  ,\r\n{entry.replace('87', '88')}\r\n]\r\n\r\n",
        },
    )
    dataset = open_dataset(tmp_path)
    assert dataset.labels[0] == "Holding something"
    assert [(one.path.name, one.label, one.origin) for one in dataset] == [
        ("78687.webm", "Holding something", "train.json:2"),
        ("78688.webm", "Holding something", "train.json:6"),
    ]


def test_without_labels_the_official_order_is_taken_or_the_names_are_sorted(
    tmp_path: Path,
) -> None:
    write(tmp_path, {"train.json": one_a_line(TRAIN)})
    assert open_dataset(tmp_path).labels == load_labels("something-something-v2")
    own = [{"id": "1", "template": "Juggling [balls]"}, {"id": "2", "template": "Dropping [balls]"}]
    write(tmp_path, {"train.json": one_a_line(own)})
    assert open_dataset(tmp_path).labels == ("Dropping balls", "Juggling balls")


def test_every_official_template_is_found_without_its_brackets(tmp_path: Path) -> None:
    labels = load_labels("something-something-v2")
    entries = [
        {"id": str(number), "template": label.replace("something", "[something]")}
        for number, label in enumerate(labels)
    ]
    write(tmp_path, {f"{PREFIX}train.json": one_a_line(entries)})
    assert tuple(one.label for one in open_dataset(tmp_path)) == labels


def test_every_bad_entry_is_named(tmp_path: Path) -> None:
    entries = [
        TRAIN[0],
        {"template": "Holding [something]"},
        "78687",
        {"id": "2", "label": "holding a pen"},
        {"id": "3", "template": "Hodling [something]"},
        {"id": "../4", "template": "Holding [something]"},
        {"id": "5", "template": 6},
        {"id": "7", "template": "Holding \ud800"},
        {"id": [], "template": "Holding [something]"},
        {"id": "78687", "template": "Holding [something]"},
    ]
    write(tmp_path, {**lists(), f"{PREFIX}train.json": one_a_line(entries)})
    dataset = open_dataset(tmp_path, skip_malformed=True)
    assert [str(one).removeprefix(f"{PREFIX}train.json") for one in dataset.facts.problems] == [
        ':2: entry 2 has no "id"',
        ':3: entry 3 is no object such as {"id": "1", "template": "Holding [something]"}',
        ":4: entry 4, video '2', has no template",
        ":6: entry 6: the id '../4' cannot name a video; it may hold no slash",
        ":7: entry 7, video '5', has the template 6, which is no text",
        ":8: entry 8, video '7', has the template 'Holding \\ud800', which is no text",
        ":9: entry 9 has the id [], which is no text",
        ":5: video '3': there is no label 'Hodling [something]'; did you mean "
        "'Holding something', 'Moving part of something'?",
        ":10: '20bn-something-something-v2/78687.webm' is 'Holding something' here and "
        f"'Putting something onto something' in {PREFIX}train.json:1",
    ]
    assert len(dataset) == 4


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[{"id": "1", "template": "a"},\n{"id": "2"', "train.json:2: it is no JSON list from"),
        ('[{"id": "1", "template": "a"}\n{"id": "2"}]', "train.json:1: .* Expecting ',' or ']'"),
        ('[{"id": "1", "template": "a"}]\n[]', "train.json:2: .*: Extra data"),
        ('{"id": "1", "template": "a"}', r"train.json:1: .* Expecting '\['"),
        ("", r"train.json:1: .* Expecting '\['"),
        ("[" * 100_000, "train.json: an entry cannot be read"),
        (f"[{'1' * 5000}]", "train.json.*: "),
    ],
)
def test_a_list_that_is_no_json_is_named_with_the_line(
    tmp_path: Path, text: str, problem: str
) -> None:
    write(tmp_path, {f"{PREFIX}train.json": text})
    with pytest.raises(BadDataset, match=problem):
        open_dataset(tmp_path)


def test_a_list_in_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / f"{PREFIX}train.json").write_bytes(b'[{"id": "1", "template": "caf\xe9"}]')
    with pytest.raises(BadDataset, match=r"train.json' is not UTF-8"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        ({"a": "0", "b": "2"}, "no label has the index 1"),
        ({"a": "3", "b": "4"}, "no label has the index 1"),
        ({"a": "0", "b": "0"}, "'b' and 'a' have one index, 0"),
        ({"a": "zero", "b": "0"}, "the index of 'a' is 'zero'; give a whole number"),
        ({"a": True, "b": 0}, "the index of 'a' is True; give a whole number"),
        (["a", "b"], "it is no object such as"),
    ],
)
def test_indices_of_labels_that_cannot_be_are_named(
    tmp_path: Path, labels: object, problem: str
) -> None:
    entries = [{"id": "1", "template": "b"}]
    write(tmp_path, {"train.json": one_a_line(entries), "labels.json": json.dumps(labels)})
    with pytest.raises(BadDataset) as caught:
        open_dataset(tmp_path)
    assert f"labels.json: {problem}" in str(caught.value)


@pytest.mark.parametrize(
    "files",
    [
        {"train.json": '{"abc": {"annotations": {"label": "run"}, "url": ""}}'},
        {"train.json": '[{"image_id": 3, "caption": "a"}]'},
        {"annotations/train.json": '[{"id": 3, "label": "run", "video": "a.mp4"}]'},
        {"labels.json": json.dumps(LABELS)},
        {"other.json": one_a_line(TRAIN)},
        {},
    ],
)
def test_other_things_are_not_taken_for_it(tmp_path: Path, files: dict[str, str]) -> None:
    assert not RELEASE.recognise(Place(write(tmp_path, files)))


@pytest.mark.parametrize("one", FORMATS, ids=lambda one: one.name)
def test_what_is_written_reads_back_equal(tmp_path: Path, one) -> None:
    labels = ("turn [left]", "Holding something", 'say "hé"; twice', "unused")
    rows = [
        ("clips/7.mp4", ("Holding something",), "train"),
        ("clips/b.webm", (labels[0],), "train"),
        ("clips/pictures", (labels[2],), "val"),
        ("clips/5.mkv", (), "test"),
        ("other/7.mp4", (labels[2],), "test"),
    ]
    samples = [
        Sample(path=tmp_path / path, labels=own, splits=(split,)) for path, own, split in rows
    ]
    dataset = VideoDataset.from_samples(samples, root=tmp_path, labels=labels)
    assert one.places is not None
    places = one.places(dataset)
    assert [place.rpartition("/")[2] for place in places] == [
        "7.mp4",
        "1.webm",
        "2.webm",
        "5.mkv",
        "3.mp4",
    ]
    target = write(tmp_path / "target", dict.fromkeys(places, ""))
    moved = [
        Sample(path=target / place, labels=sample.labels, splits=sample.splits)
        for place, sample in zip(places, samples, strict=True)
    ]
    one.annotate(VideoDataset.from_samples(moved, root=target, labels=labels), target)
    again = open_dataset(target)
    assert again.facts.notes == ()
    assert again.labels == labels
    assert [(s.path, s.labels, s.splits) for s in again] == [
        (s.path, s.labels, s.splits) for s in moved
    ]
    assert one.places(again) == places


def test_only_test_videos_can_be_written_and_read(tmp_path: Path) -> None:
    for one in FORMATS:
        folder = tmp_path / one.name
        folder.mkdir()
        sample = Sample(path=folder / "20bn-something-something-v2" / "4.webm", splits=("test",))
        one.annotate(VideoDataset.from_samples([sample], root=folder), folder)
        assert told(open_dataset(folder)) == [("4.webm", (), "test")]
