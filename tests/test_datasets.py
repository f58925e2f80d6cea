"""One model of a dataset: its samples, selections, copies in other processes, its cache."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import shutil
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import pytest

from actionzoo.datasets import FORMATS, Given, Problem, Sample, VideoDataset, open_dataset, opening
from actionzoo.datasets.format import Place
from actionzoo.datasets.rows import Rows
from actionzoo.errors import BadDataset, ConfigError

SAMPLES = [
    Sample(
        path=Path("/data/walk/a.mp4"),
        labels=("walk",),
        splits=("train", "test"),
        group="anna",
        num_frames=30,
        fps=Fraction(30000, 1001),
        origin="list.csv:2",
    ),
    Sample(
        path=Path("/data/run/b c.mp4"),
        labels=("run", "walk"),
        start_seconds=1.5,
        end_seconds=2.25,
        splits=("test", "train"),
        origin="list.csv:3",
    ),
    Sample(path=Path("/elsewhere/c.mp4"), labels=(), splits=("train", None), group="björn"),
]


@pytest.fixture
def dataset() -> VideoDataset:
    return VideoDataset.from_samples(SAMPLES, root=Path("/data"))


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTIONZOO_HOME", str(tmp_path / "home"))


def write_table(folder: Path, rows: int = 3, *, age_seconds: float = 10) -> Path:
    """Write a table that was last changed some time ago."""
    folder.mkdir(exist_ok=True)
    file = folder / "list.csv"
    lines = [f"videos/{number}.mp4,{'ab'[number % 2]}\n" for number in range(rows)]
    file.write_text("path,label\n" + "".join(lines))
    os.utime(file, (time.time() - age_seconds,) * 2)
    return file


def test_samples_come_back_as_they_were(dataset: VideoDataset) -> None:
    assert list(dataset) == SAMPLES
    assert dataset[-1] == SAMPLES[-1]
    assert dataset.labels == ("run", "walk")
    assert dataset.paths() == ["walk/a.mp4", "run/b c.mp4", "/elsewhere/c.mp4"]
    assert dataset.class_indices() == [(1,), (0, 1), ()]
    assert dataset.groups() == ["anna", None, "björn"]
    assert dataset.label_counts() == {"run": 1, "walk": 2}


def test_splits_and_folds(dataset: VideoDataset) -> None:
    assert dataset.folds == 2
    assert dataset.splits == ("train", "test")
    assert dataset.split_counts(2) == {"train": 1, "test": 1}
    assert list(dataset.of_split("train")) == [SAMPLES[0], SAMPLES[2]]
    assert list(dataset.of_split("train", fold=2)) == [SAMPLES[1]]
    assert dataset.of_fold(2).split_column() == ["test", "train", None]
    with pytest.raises(ConfigError, match="no split 'val'; there are train, test"):
        dataset.of_split("val")
    with pytest.raises(ConfigError, match="has 2 folds, and none of number 3"):
        dataset.of_fold(3)


def test_a_selection_of_a_selection(dataset: VideoDataset) -> None:
    rest = dataset[1:]
    assert list(rest) == SAMPLES[1:]
    assert list(rest.select([1])) == SAMPLES[2:]
    split = rest.with_splits([["val", None]])
    assert split[0] == dataclasses.replace(SAMPLES[1], splits=("val",))


def test_one_label_or_several(dataset: VideoDataset) -> None:
    assert [dataset[0].label, dataset[2].label] == ["walk", None]
    with pytest.raises(ValueError, match="has several labels: run, walk"):
        _ = dataset[1].label


def test_labels_have_an_order() -> None:
    samples = [Sample(path=Path(f"{label}.mp4"), labels=(label,)) for label in ("10", "9", "2")]
    assert VideoDataset.from_samples(samples).labels == ("2", "9", "10")
    assert VideoDataset.from_samples(samples, labels=("9", "10", "2")).labels == ("9", "10", "2")
    with pytest.raises(ConfigError, match="has the label '10', which is not in the list"):
        VideoDataset.from_samples(samples, labels=("9", "2"))


def test_the_list_hash_knows_videos_and_labels_only(dataset: VideoDataset) -> None:
    assert dataset.list_hash() == dataset.select([2, 0, 1]).list_hash()
    assert dataset.list_hash() == dataset.with_splits([[None] * 3]).list_hash()
    assert dataset.list_hash() != dataset[:2].list_hash()


def test_copies_by_pickle_and_by_file(dataset: VideoDataset, tmp_path: Path) -> None:
    dataset[1:].save(tmp_path / "kept.arrow")
    mapped = VideoDataset.map(tmp_path / "kept.arrow")
    for copy in (pickle.loads(pickle.dumps(dataset[1:])), mapped):
        assert list(copy) == SAMPLES[1:]
        assert copy.facts == dataset.facts
    # What is mapped is not sent to another process, but mapped there again.
    state = pickle.dumps(mapped)
    assert b"b c.mp4" not in state
    assert list(pickle.loads(state)) == SAMPLES[1:]


def test_an_empty_dataset() -> None:
    empty = VideoDataset.from_samples([])
    assert len(empty) == 0
    assert empty.labels == ()
    assert list(empty) == []


def test_the_rate_of_pictures_is_that_of_the_dataset_where_none_is_told() -> None:
    told = VideoDataset.from_samples([SAMPLES[0], SAMPLES[2]], fps=Fraction(12))
    assert [one.fps for one in told] == told.frame_rates() == [Fraction(30000, 1001), 12]


# opening


def test_nothing_recognised_tells_what_was_needed(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Bought milk.\n")
    with pytest.raises(BadDataset, match="no dataset of a known format") as caught:
        open_dataset(tmp_path)
    for one in FORMATS:
        assert one.variant_of or f"{one.name}: {one.needs}" in str(caught.value)


def test_what_is_not_there_and_what_is_packed(tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match=r"there is no '.*nowhere'"):
        open_dataset(tmp_path / "nowhere")
    (tmp_path / "UCF 101.rar").write_bytes(b"Rar!")
    with pytest.raises(BadDataset, match=r"actionzoo data unpack '.*UCF 101.rar' '.*UCF 101'"):
        open_dataset(tmp_path / "UCF 101.rar")
    with pytest.raises(ConfigError, match="no format 'ufc101'; did you mean 'ucf101'"):
        open_dataset(tmp_path, format="ufc101")


def test_every_problem_is_told_and_can_be_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("path,label\na.mp4,x\nb.mp4\nc.mp4,x,\nd.mp4,y\n")
    with pytest.raises(BadDataset, match="2 of the rows") as caught:
        open_dataset(tmp_path)
    assert "list.csv:3: 1 fields, but the header has 2" in str(caught.value)
    read = open_dataset(tmp_path, skip_malformed=True)
    assert [one.path.name for one in read] == ["a.mp4", "d.mp4"]
    assert read.facts.problems[0] == Problem(
        file="list.csv", line=3, message="1 fields, but the header has 2"
    )


def test_two_formats_in_one_folder(tmp_path: Path) -> None:
    write_table(tmp_path)
    (tmp_path / "train.csv").write_text("label,youtube_id,time_start,time_end,split\n")
    with pytest.raises(BadDataset, match=r"can be read as .* and csv; choose with --format"):
        open_dataset(tmp_path)
    assert len(open_dataset(tmp_path, format="csv")) == 3
    assert len(open_dataset(tmp_path / "list.csv")) == 3


def test_an_annotation_goes_before_the_folders(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "videos" / name).mkdir(parents=True)
        (tmp_path / "videos" / name / "1.mp4").touch()
    assert open_dataset(tmp_path / "videos").format == "class-folders"
    write_table(tmp_path / "videos")
    assert open_dataset(tmp_path / "videos").format == "csv"


def test_a_split_of_the_first_fold_is_taken(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(
        "path,label,split_1,split_2\na.mp4,x,train,test\nb.mp4,y,test,train\n"
    )
    assert [one.path.name for one in open_dataset(tmp_path, split="train")] == ["a.mp4"]
    assert [one.path.name for one in open_dataset(tmp_path, split="train", fold=2)] == ["b.mp4"]
    assert open_dataset(tmp_path, fold=2).folds == 1


def test_a_folder_that_cannot_be_listed_is_said(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(BadDataset, match="there is no"):
        open_dataset(loop)


# the cache


@pytest.fixture
def _small_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "CACHED_ROWS", 3)


def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Note which files are read as tables from now on."""
    seen: list[Path] = []
    table = opening.find_format("csv")

    def read(place: Place, rows: Rows) -> VideoDataset:
        seen.append(place.path)
        return table.read(place, rows)

    counting = dataclasses.replace(table, read=read)
    formats = tuple(counting if one is table else one for one in FORMATS)
    monkeypatch.setattr(opening, "FORMATS", formats)
    return seen


@pytest.mark.usefixtures("_small_cache")
def test_a_list_is_read_once_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = reads(monkeypatch)
    file = write_table(tmp_path / "data")
    first, again = open_dataset(file), open_dataset(file)
    assert len(seen) == 1
    assert list(first) == list(again)
    assert first.facts == again.facts
    write_table(tmp_path / "data", rows=5, age_seconds=5)
    assert len(open_dataset(file)) == 5
    assert len(seen) == 2
    open_dataset(file, given=Given(labels=("a", "b")))
    assert len(seen) == 3


@pytest.mark.usefixtures("_small_cache")
def test_a_list_that_was_changed_just_now_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = reads(monkeypatch)
    file = write_table(tmp_path / "data", age_seconds=0)
    open_dataset(file)
    open_dataset(file)
    assert len(seen) == 2


@pytest.mark.usefixtures("_small_cache")
@pytest.mark.parametrize("damage", ["cut", "text", "gone", "json"])
def test_a_damaged_cache_is_read_anew(damage: str, tmp_path: Path) -> None:
    file = write_table(tmp_path / "data")
    whole = list(open_dataset(file))
    [kept] = (tmp_path / "home" / "datasets").glob("*.arrow")
    [stamps] = (tmp_path / "home" / "datasets").glob("*.json")
    if damage == "cut":
        kept.write_bytes(kept.read_bytes()[: kept.stat().st_size // 2])
    elif damage == "text":
        kept.write_text("no table")
    elif damage == "gone":
        kept.unlink()
    else:
        stamps.write_text(json.dumps([1, 2]))
    assert list(open_dataset(file)) == whole


@pytest.mark.usefixtures("_small_cache")
def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").write_text("a file, not a folder")
    assert len(open_dataset(write_table(tmp_path / "data"))) == 3


@pytest.mark.usefixtures("_small_cache")
def test_a_moved_dataset_is_not_read_from_the_old_cache(tmp_path: Path) -> None:
    open_dataset(write_table(tmp_path / "one"))
    shutil.move(tmp_path / "one", tmp_path / "two")
    assert open_dataset(tmp_path / "two")[0].path == tmp_path / "two" / "videos" / "0.mp4"


@pytest.mark.usefixtures("_small_cache")
def test_another_process_maps_the_same_file(tmp_path: Path) -> None:
    file = write_table(tmp_path / "data", rows=100)
    open_dataset(file)
    state = tmp_path / "state"
    state.write_bytes(pickle.dumps(open_dataset(file)[10:20]))
    code = (
        "import pickle, sys; dataset = pickle.load(open(sys.argv[1], 'rb'));"
        "print(len(dataset), dataset[0].path.name, open('/proc/self/maps').read().count('.arrow'))"
    )
    done = subprocess.run([sys.executable, "-c", code, state], capture_output=True, text=True)
    assert done.stdout.split()[:2] == ["10", "10.mp4"]
    assert int(done.stdout.split()[2]) > 0


def test_a_path_from_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        (tmp_path / "videos" / name).mkdir(parents=True)
        (tmp_path / "videos" / name / "1.mp4").touch()
    monkeypatch.chdir(tmp_path)
    assert open_dataset("videos")[0].path == tmp_path / "videos" / "a" / "1.mp4"
    monkeypatch.chdir(tmp_path / "videos")
    assert open_dataset(".").paths() == ["a/1.mp4", "b/1.mp4"]
