"""The verbs of ``actionzoo data``, as a person types them."""

from __future__ import annotations

import json
import shutil
import zipfile
from fractions import Fraction
from pathlib import Path

import pytest

from actionzoo.cli import main
from actionzoo.datasets import FORMATS, open_dataset
from actionzoo.video import count_frames, open_video, write_video
from videos import number_pixels


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACTIONZOO_HOME", str(tmp_path / "home"))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Class folders of six videos, and a table with groups, beside one another."""
    clip = tmp_path / "clip.mp4"
    folder = tmp_path / "videos"
    rows = ["path,label,person"]
    for number in range(6):
        label = ("walk", "run")[number % 2]
        path = folder / label / f"{number}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        # Noise, so that no two look alike.
        frames = [number_pixels(37 * number + step + 1) for step in range(20)]
        write_video(clip, frames, fps=Fraction(20))
        shutil.move(clip, path)
        rows.append(f"videos/{label}/{number}.mp4,{label},{'abc'[number // 2]}")
    (tmp_path / "people.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_show(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "show", "videos"]) == 0
    said = capsys.readouterr()
    assert "videos: 6 videos of 2 classes" in said.out
    assert "64x64 (6)" in said.out
    assert "read as class-folders" in said.err
    assert main(["data", "show", "people.csv", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["classes"]["walk"] == {"videos": 3}
    assert (told["format"], told["groups"], told["probed"]) == ("csv", 3, 6)
    assert told["duration_seconds"] == {"least": 1.0, "median": 1.0, "most": 1.0}


def test_check_of_a_good_dataset(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", "videos"]) == 0
    assert "nothing wrong" in capsys.readouterr().out


def test_check_of_a_bad_one(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / "walk" / "2.mp4").write_text("no video")
    (tree / "run" / "3.mp4").unlink()
    with open("people.csv", "a") as file:
        file.write("videos/x.mp4\n")
    words = ["data", "check", "people.csv", "--report", "page.html", "--quarantine", "bad.txt"]
    assert main([*words, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    kinds = {one["kind"] for one in told["findings"]}
    assert {"malformed", "missing", "no-video"} <= kinds
    assert not told["clean"]
    page = Path("page.html").read_text(encoding="utf-8")
    assert "videos/walk/2.mp4" in page
    assert "<script" not in page
    bad = Path("bad.txt").read_text().splitlines()[1:]
    assert {line.split("\t")[0] for line in bad} == {"videos/walk/2.mp4", "videos/run/3.mp4"}
    assert main(words) == 1
    said = capsys.readouterr().out
    assert "people.csv:8" in said
    assert "--quarantine FILE" in said


def test_nothing_is_written_into_a_dataset(tree: Path) -> None:
    def state() -> dict[str, tuple[int, int]]:
        found = [Path("people.csv"), tree, *tree.rglob("*")]
        return {str(one): (one.stat().st_mtime_ns, one.stat().st_size) for one in found}

    before = state()
    for words in (["show", "videos"], ["check", "people.csv", "--deep"]):
        assert main(["data", *words]) == 0
    assert main(["data", "split", "videos", "--test", "0.34"]) == 0
    assert main(["data", "convert", "videos", "linked", "--to", "class-folders"]) == 0
    assert state() == before


def test_check_for_a_model(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["data", "check", "videos", "--model", "x3d_s_kinetics400", "--deep", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert "too-short" in {one["kind"] for one in told["findings"]}
    assert main(["data", "check", "videos", "--model", "x3d"]) == 2


def test_split(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "split", "people.csv", "--test", "0.34", "--seed", "3"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "train 4, test 2"
    split = open_dataset("people-split")
    assert split.split_counts() == {"train": 4, "test": 2}
    record = json.loads(Path("people-split/split.json").read_text())
    assert (record["seed"], record["by"], record["folds"]) == (
        3,
        "group",
        [{"train": 4, "test": 2}],
    )
    assert record["list_hash"] == split.list_hash() == open_dataset("people.csv").list_hash()
    assert main(["data", "split", "people.csv", "--leave-one-group-out", "--output", "out"]) == 0
    assert open_dataset("out").folds == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give one of --test SHARE"),
        (["--test", "0.3", "--folds", "2"], "give one of --test SHARE"),
        (["--test", "1.5"], "together they are 1"),
        (["--folds", "7"], "7 folds of 6 videos"),
        (["--test", "0.3", "--by", "group"], "tells no groups"),
        (["--leave-one-group-out"], "6 of 6 samples have no group"),
        (["--test", "0.3", "--split", "val"], "no split 'val'; it is not split yet"),
    ],
)
def test_splits_that_cannot_be(
    words: list[str], message: str, tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "split", "videos", *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["split", "videos", "--test", "0.34", "--output", "videos"], "is there already"),
        (["convert", "videos", "out.csv", "--to", "csv"], "looks like a file"),
        (["check", "videos", "--report", "nowhere/page.html"], "no folder for 'nowhere/page"),
        (["show", "people.csv", "--videos", "nowhere"], "there is no folder 'nowhere'"),
    ],
)
def test_where_nothing_can_be_written_or_read(
    words: list[str], message: str, tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", *words]) == 2
    assert message in capsys.readouterr().err


def test_convert_there_and_back(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["data", "split", "people.csv", "--test", "0.34"])
    assert main(["data", "convert", "people-split", "cvat", "--to", "cvat"]) == 0
    assert "cannot tell groups" in capsys.readouterr().err
    assert open_dataset("cvat").format == "cvat"
    assert main(["data", "convert", "cvat", "ucf", "--to", "ucf101"]) == 2
    assert "give it with --fps" in capsys.readouterr().err
    assert main(["data", "convert", "cvat", "ucf", "--to", "ucf101", "--fps", "20"]) == 0
    back = open_dataset("ucf")
    assert back.split_counts() == {"train": 4, "test": 2}
    assert [count_frames(one.path) for one in back] == [20] * 6


def test_convert_with_a_broken_video(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tree / "walk" / "2.mp4").write_text("no video")
    assert (
        main(["data", "convert", "videos", "small", "--to", "class-folders", "--resize", "32"]) == 1
    )
    said = capsys.readouterr()
    assert "left out: cannot open" in said.err
    assert "5 videos in small" in said.out
    with open_video(open_dataset("small")[0].path) as video:
        assert video.info.height == 32


def test_trim_and_extract(tree: Path) -> None:
    Path("parts.csv").write_text(
        "path,label,start,end\nvideos/run/1.mp4,run,0.2,0.5\nvideos/walk/0.mp4,walk,,\n"
    )
    assert main(["data", "convert", "parts.csv", "out", "--to", "class-folders"]) == 2
    assert main(["data", "trim", "parts.csv", "cut"]) == 0
    assert [count_frames(one.path) for one in open_dataset("cut")] == [6, 20]
    assert main(["data", "extract-frames", "parts.csv", "frames"]) == 0
    assert [(one.num_frames, one.fps) for one in open_dataset("frames")] == [(6, 20), (20, 20)]


def test_unpack(tree: Path) -> None:
    with zipfile.ZipFile("data.zip", "w") as archive:
        for file in sorted(tree.rglob("*.mp4")):
            archive.write(file, file.relative_to(tree))
    assert main(["data", "show", "data.zip"]) == 2
    assert main(["data", "unpack", "data.zip", "unpacked"]) == 0
    assert len(open_dataset("unpacked")) == 6


def test_make_and_formats(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "make", "made", "--format", "hmdb51", "--clips-per-class", "2"]) == 0
    made = open_dataset("made")
    assert (made.format, made.folds, len(made)) == ("hmdb51", 3, 20)
    assert main(["data", "make", "other", "--format", "hmdb"]) == 2
    assert "did you mean 'hmdb51'" in capsys.readouterr().err


def test_reading_options(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("list.txt").write_text("walk/0.mp4 1\nrun/1.mp4 2\nrun/7.mp4 x\n")
    Path("names.txt").write_text("walking\nrunning\n")
    words = ["data", "show", "list.txt", "--videos", "videos", "--labels", "names.txt"]
    assert main(words) == 2
    assert "list.txt:3" in capsys.readouterr().err
    assert main([*words, "--one-based", "--skip-malformed", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["classes"] == {"walking": {"videos": 1}, "running": {"videos": 1}}
    assert told["unreadable"] == 0
    assert main([*words[:-1], "nowhere.txt"]) == 2


def test_every_format_has_a_name_that_can_be_typed() -> None:
    names = [one.name for one in FORMATS]
    assert len(set(names)) == len(names)
    assert all(name == name.lower() and " " not in name for name in names)
