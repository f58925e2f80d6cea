"""The table: its columns, what is wrong with a line, and its way to Parquet and back."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from actionzoo.datasets import Given, Sample, VideoDataset, open_dataset
from actionzoo.datasets.table import write_csv, write_parquet
from actionzoo.errors import BadDataset

SAMPLES = [
    Sample(path=Path("a, b.mp4"), labels=("push, pull",), splits=("train", "test"), group="anna"),
    Sample(path=Path('say "hi".mp4'), labels=("x", "y"), start_seconds=0.5, splits=("test", None)),
    Sample(
        path=Path("ü/é"),
        end_seconds=12.25,
        num_frames=7,
        fps=Fraction(30000, 1001),
        splits=("val", "train"),
    ),
]


def problems(text: str | bytes, folder: Path) -> list[str]:
    """Read a table and return what is wrong with it."""
    data = text if isinstance(text, bytes) else text.encode()
    (folder / "t.csv").write_bytes(data)
    return [str(one) for one in open_dataset(folder / "t.csv", skip_malformed=True).facts.problems]


@pytest.mark.parametrize(("write", "name"), [(write_csv, "t.csv"), (write_parquet, "t.parquet")])
def test_what_is_written_is_read_again(write, name: str, tmp_path: Path) -> None:
    labels = ("y", "push, pull", "never", "x")
    samples = [replace(one, path=tmp_path / one.path) for one in SAMPLES]
    whole = VideoDataset.from_samples(samples, root=tmp_path, labels=labels)
    write(whole, tmp_path / name)
    read = open_dataset(tmp_path / name)
    assert read.labels == labels
    assert [replace(one, origin="") for one in read] == samples
    assert [one.origin for one in read] == [f"{name}:{line}" for line in (2, 3, 4)]


@pytest.mark.parametrize(
    "text",
    [
        "path,label\na.mp4,x\n",
        "\ufeffpath,label\r\na.mp4,x\r\n\r\n",
        "File;Class\na.mp4;x\n",
        "label\tvideo_path\nx\ta.mp4",
        'path, label\n"a.mp4", "x"\n',
        "filename,action,extra\na.mp4,x,\n",
    ],
)
def test_tables_as_people_write_them(text: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(text.encode())
    [sample] = open_dataset(tmp_path)
    assert (sample.path, sample.label) == (tmp_path / "a.mp4", "x")


def test_a_table_as_spreadsheets_save_it(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("path;label;split\ngrün.mp4;x;Validation\n".encode("utf-16"))
    [sample] = open_dataset(tmp_path)
    assert (sample.path.name, sample.split) == ("grün.mp4", "val")


def test_real_tables_with_groups(shared: Path) -> None:
    people = open_dataset(shared / "data" / "weizmann")
    assert (len(people), len(people.labels), len(set(people.groups()))) == (63, 10, 6)
    assert people[0].num_frames == 84
    fights = open_dataset(shared / "data" / "fights")
    assert fights.label_counts() == {"fight": 93, "noFight": 109}
    assert all(sample.path.exists() and sample.group for sample in (*people, *fights))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.mp4", "t.csv:3: 1 fields, but the header has 4"),
        ("a.mp4,x,1,2,3", "t.csv:3: 5 fields, but the header has 4; quote a field with a comma"),
        (",x,,", "t.csv:3: the path is empty"),
        ("a.mp4,x,one,", "t.csv:3: 'one' is no number that can be here"),
        ("a.mp4,x,nan,", "t.csv:3: 'nan' is no number that can be here"),
        ("a.mp4,x,-1,", "t.csv:3: the start, -1.0 s, is before the video's"),
        ("a.mp4,x,5,3", "t.csv:3: the end, 3.0 s, is not after the start, 5.0 s"),
        ("a.mp4,x,,0", "t.csv:3: the end, 0.0 s, is not after the start, 0.0 s"),
        ('"a.mp4,x,,', "t.csv:3: a quote is opened and not closed in this line"),
        ('"a.mp4"b,x,,', "t.csv:3: a quoted field goes on after its quote; double the quotes"),
        ("first.mp4,x,,", "t.csv:3: 'first.mp4' is listed already in t.csv:2"),
        ("first.mp4,y,,", "t.csv:3: 'first.mp4' is 'y' here and 'x' in t.csv:2"),
    ],
)
def test_a_malformed_line_is_named(line: str, message: str, tmp_path: Path) -> None:
    head = "path,label,start,end\nfirst.mp4,x,,\n"
    [told] = problems(f"{head}{line}\nlast.mp4,x,,\n", tmp_path)
    assert told.startswith(message)
    assert len(open_dataset(tmp_path, skip_malformed=True)) == 2


def test_a_line_in_another_encoding_is_named(tmp_path: Path) -> None:
    told = problems(b"path,label\na.mp4,x\n" + b"gr\xfcn.mp4,x\n", tmp_path)
    assert told == ["t.csv:3: byte 0xfc is not UTF-8; save the file as UTF-8"]


def test_a_label_that_is_not_in_the_list(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("path,label\na.mp4,wave\nb.mp4,wavee\n")
    (tmp_path / "labels.txt").write_text("wave\nclap\n")
    with pytest.raises(
        BadDataset, match=r"t.csv:3: there is no label 'wavee'; did you mean 'wave'"
    ):
        open_dataset(tmp_path)
    given = Given(labels=("wavee", "wave"))
    assert open_dataset(tmp_path, given=given).class_indices() == [(1,), (0,)]


def test_parquet_of_another_library_with_lists(tmp_path: Path) -> None:
    table = pa.table({"path": ["a.mp4", "b.mp4"], "labels": [["x", "y"], None], "start": [1, None]})
    pq.write_table(table, tmp_path / "t.parquet")
    first, second = open_dataset(tmp_path)
    assert (first.labels, first.start_seconds) == (("x", "y"), 1.0)
    assert (second.labels, second.start_seconds) == ((), None)


def test_damaged_parquet_and_two_tables(tmp_path: Path) -> None:
    (tmp_path / "one.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(BadDataset, match="no dataset of a known format"):
        open_dataset(tmp_path)
    for name in ("one.csv", "two.csv"):
        (tmp_path / name).write_text("path,label\na.mp4,x\n")
    with pytest.raises(BadDataset, match=r"holds 2 tables: one.csv, two.csv; give one of them"):
        open_dataset(tmp_path)


def test_a_label_that_the_table_cannot_hold(tmp_path: Path) -> None:
    whole = VideoDataset.from_samples([Sample(path=Path("a.mp4"), labels=("x|y",))])
    with pytest.raises(BadDataset, match=r"the label 'x\|y' has a '\|'"):
        write_csv(whole, tmp_path / "t.csv")
