"""A dataset is written in another format, or cut, and goes on where it was interrupted."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from actionzoo.datasets import Format, Sample, VideoDataset, open_dataset
from actionzoo.datasets.convert import Converted, convert, extract_frames, losses, trim
from actionzoo.datasets.format import Holds
from actionzoo.datasets.opening import find_format
from actionzoo.errors import BadDataset, ConfigError
from actionzoo.video import open_video
from videos import read_number, write_pictures, write_video

CLASS_FOLDERS, CSV = find_format("class-folders"), find_format("csv")


def private(**fields: Any) -> Format:
    """Make a format of the tests, which writes a line a sample and cannot be read."""
    return Format(
        name="private",
        title="",
        needs="",
        recognise=lambda place: False,
        read=lambda place, rows: rows.finish(),
        annotate=fields.pop("annotate", write_lines),
        **fields,
    )


def write_lines(dataset: VideoDataset, folder: Path) -> None:
    assert dataset.root == folder
    lines = [
        f"{path} {one.num_frames}\n" for path, one in zip(dataset.paths(), dataset, strict=True)
    ]
    (folder / "lines.txt").write_text("".join(lines), encoding="utf-8")


def beside(suffix: str = "") -> Callable[[VideoDataset], Sequence[str]]:
    return lambda dataset: [f"v{Path(path).stem}{suffix}" for path in dataset.paths()]


PICTURES = private(media="pictures", places=beside(), pictures="img_{:05d}.jpg")


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return 30 numbered frames, 30 a second."""
    path = tmp_path_factory.mktemp("clip") / "a.mp4"
    write_video(path)
    return path.read_bytes()


@pytest.fixture
def tree(tmp_path: Path, clip: bytes) -> VideoDataset:
    """Lay out three videos of two classes, with equal names and strange ones."""
    for name in ("walk/1.mp4", "push; pull/1.mp4", "push; pull/ä #&()<b> $x.mp4"):
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "source" / name).write_bytes(clip)
    return open_dataset(tmp_path / "source")


def files(folder: Path) -> list[str]:
    """Name all visible files below a folder."""
    found = [one.relative_to(folder) for one in folder.rglob("*") if not one.is_dir()]
    return sorted(str(one) for one in found if not one.name.startswith("."))


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in files(folder)}


def numbers(path: Path) -> list[int]:
    with open_video(path) as video:
        return [read_number(frame.pixels) for frame in video.frames()]


def samples(*told: Sample, root: Path, **facts: Any) -> VideoDataset:
    return VideoDataset.from_samples(told, root=root, **facts)


# annotations alone


def test_table_of_a_tree_points_to_its_videos(tree: VideoDataset, tmp_path: Path) -> None:
    done = convert(tree, CSV, tmp_path / "out")
    assert files(tmp_path / "out") == ["dataset.csv", "labels.txt"]
    assert done == Converted(dataset=done.dataset)
    again = open_dataset(tmp_path / "out")
    assert [one.path for one in again] == [one.path for one in tree]
    assert [one.labels for one in again] == [one.labels for one in tree]


def test_table_beside_the_videos_has_short_paths(tree: VideoDataset) -> None:
    convert(tree, CSV, tree.root)
    assert open_dataset(tree.root).format == "csv"
    assert open_dataset(tree.root).paths() == tree.paths()
    convert(tree, CSV, tree.root)


def test_nothing_is_overwritten(tree: VideoDataset, tmp_path: Path) -> None:
    (tree.root / "labels.txt").write_text("walk\npush; pull\n")
    with pytest.raises(BadDataset, match=r"is not empty, it holds 'labels.txt'; give a new folder"):
        convert(tree, CSV, tree.root)
    for target in (CLASS_FOLDERS, PICTURES):
        with pytest.raises(BadDataset, match="inside the dataset"):
            convert(tree, target, tree.root / "new")
    (tmp_path / "full" / "x").mkdir(parents=True)
    with pytest.raises(BadDataset, match="is not empty, it holds 'x'"):
        convert(tree, CLASS_FOLDERS, tmp_path / "full")
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="give a folder that can be written"):
        convert(tree, CLASS_FOLDERS, tmp_path / "file")


# with videos


def test_videos_are_linked_into_a_tree_and_copied(tree: VideoDataset, tmp_path: Path) -> None:
    done = convert(tree, CLASS_FOLDERS, tmp_path / "out")
    assert (tmp_path / "out" / "walk").is_dir()
    assert all((done.dataset.root / path).is_symlink() for path in done.dataset.paths())
    again = open_dataset(tmp_path / "out")
    targets = {one.path.resolve(): one.labels for one in again}
    assert targets == {one.path: one.labels for one in tree}
    convert(again, CLASS_FOLDERS, tmp_path / "copy", how="copy")
    assert not any(one.path.is_symlink() for one in open_dataset(tmp_path / "copy"))


def test_list_formats_get_videos_when_they_are_asked_for(
    tree: VideoDataset, tmp_path: Path
) -> None:
    convert(tree, CSV, tmp_path / "out", how="copy")
    # Names need to differ in a class only, and have no blanks.
    names = ["push;_pull/1.mp4", "push;_pull/ä_#&()_b__$x.mp4", "walk/1.mp4"]
    assert files(tmp_path / "out") == [
        "dataset.csv",
        "labels.txt",
        *(f"videos/{name}" for name in names),
    ]
    shutil.move(tmp_path / "out", tmp_path / "moved")
    assert [numbers(one.path) for one in open_dataset(tmp_path / "moved")] == [list(range(30))] * 3


def test_encoding_takes_the_suffix_of_the_format(tmp_path: Path, clip: bytes) -> None:
    for name in ("a.mp4", "b.webm", "b.MKV"):
        (tmp_path / name).write_bytes(clip)
    told = [Sample(path=tmp_path / name, labels=("walk",)) for name in ("a.mp4", "b.webm", "b.MKV")]
    target = replace(CLASS_FOLDERS, suffix=".avi")
    done = convert(samples(*told, root=tmp_path), target, tmp_path / "out", resize=32, processes=1)
    assert files(tmp_path / "out") == ["walk/a.avi", "walk/b.avi", "walk/b_2.avi"]
    assert [one.num_frames for one in done.dataset] == [30, 30, 30]
    with open_video(done.dataset[2].path) as video:
        assert video.info.height == 32


def test_videos_become_pictures_and_the_contrary(tree: VideoDataset, tmp_path: Path) -> None:
    source = tree.select(row for row, one in enumerate(tree) if "#" in one.path.name)
    done = convert(source, PICTURES, tmp_path / "pictures", fps=Fraction(10))
    assert files(tmp_path / "pictures")[::10] == ["lines.txt", "vä #&()<b> $x/img_00010.jpg"]
    assert (done.dataset[0].fps, done.dataset[0].num_frames) == (10, 10)
    target = private(media="files", places=beside(".mp4"), suffix=".mkv")
    back = convert(done.dataset, target, tmp_path / "files")
    assert [one.path.suffix for one in back.dataset] == [".mkv"]
    assert numbers(back.dataset[0].path) == list(range(0, 30, 3))


def test_pictures_need_a_frame_rate(tmp_path: Path) -> None:
    write_pictures(tmp_path / "a.b", range(5))
    source = samples(Sample(path=tmp_path / "a.b", labels=("walk",)), root=tmp_path)
    target = private(media="files", places=lambda dataset: ["walk/a.b"])
    with pytest.raises(BadDataset, match=r"1 of its videos are folders of pictures.*--fps"):
        convert(source, target, tmp_path / "out")
    done = convert(source, target, tmp_path / "out", fps=Fraction(5))
    assert done.dataset.paths() == ["walk/a.mp4"]
    assert numbers(done.dataset[0].path) == list(range(5))


def test_rate_of_pictures_is_lost_aloud(tmp_path: Path, tree: VideoDataset) -> None:
    write_pictures(tmp_path / "a", range(5))
    told = Sample(path=tmp_path / "a", labels=("walk",))
    source = samples(told, root=tmp_path, fps=Fraction(12))
    silent = replace(CSV, holds=replace(CSV.holds, rates=False))
    [told_of_one] = losses(source, silent)[1]
    assert told_of_one.startswith("csv cannot tell the frame rate of folders of pictures")
    assert losses(source, CSV) == losses(source, replace(silent, media="files")) == ([], [])
    [told_of_all] = convert(tree, PICTURES, tmp_path / "out", processes=1).warnings
    assert "cannot tell the frame rate of folders of pictures" in told_of_all


def test_rate_of_pictures_comes_along_in_a_table(tmp_path: Path, clip: bytes) -> None:
    (tmp_path / "a.mp4").write_bytes(clip)
    source = samples(Sample(path=tmp_path / "a.mp4", labels=("x",)), root=tmp_path)
    done = extract_frames(source, tmp_path / "out", processes=1)
    with open_video(tmp_path / "a.mp4") as video:
        rate = video.info.fps
    assert [one.fps for one in (*done.dataset, *open_dataset(tmp_path / "out"))] == [rate, rate]


def test_either_keeps_the_kind(tmp_path: Path, clip: bytes) -> None:
    write_pictures(tmp_path / "a", range(5), name="x{}.png", codec="png")
    (tmp_path / "b.mp4").write_bytes(clip)
    told = [Sample(path=tmp_path / name, labels=("walk",)) for name in ("a", "b.mp4")]
    source = samples(*told, root=tmp_path)
    linked = convert(source, CLASS_FOLDERS, tmp_path / "linked").dataset
    assert [(one.path.name, one.path.is_symlink()) for one in linked] == [
        ("a", True),
        ("b.mp4", True),
    ]
    small = convert(source, CLASS_FOLDERS, tmp_path / "small", resize=32, processes=1).dataset
    assert [numbers(one.path) for one in small] == [list(range(5)), list(range(30))]
    assert files(tmp_path / "small")[0] == "walk/a/00001.jpg"


def test_samples_of_one_file_share_it(tmp_path: Path, clip: bytes) -> None:
    (tmp_path / "a.mp4").write_bytes(clip)
    told = [
        Sample(
            path=tmp_path / "a.mp4", labels=(label,), start_seconds=start, end_seconds=start + 0.5
        )
        for label, start in (("walk", 0.0), ("run", 0.5))
    ]
    done = convert(samples(*told, root=tmp_path), CSV, tmp_path / "out", resize=32)
    assert files(tmp_path / "out")[2:] == ["videos/walk/a.mp4"]
    assert [(one.label, one.start_seconds) for one in done.dataset] == [("walk", 0.0), ("run", 0.5)]


# what cannot be told


def test_losses_are_refused_with_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    told = samples(
        Sample(path=path, labels=("a",), start_seconds=1.0, splits=("train", "val"), group="g"),
        Sample(path=path, labels=("a", "b"), end_seconds=1.0, splits=("extra", "extra")),
        Sample(path=path, splits=("test", None)),
        Sample(path=path, splits=(None, None)),
        root=tmp_path,
    )
    holds = Holds(splits=("train", "test"), every_split=True, no_label=("test",))
    refusals, warnings = losses(told, private(holds=holds))
    assert [one.partition(";")[0] for one in refusals] == [
        "private cannot tell start and end in a file (2 of 4 samples)",
        "private holds one label a video, not several (1 of 4 samples)",
        "private needs a label (1 of 4 samples)",
        "private needs a split (1 of 4 samples)",
        "private knows the splits train and test, not 'val' (1 of 4 samples)",
        "private knows the splits train and test, not 'extra' (1 of 4 samples)",
        "private cannot tell 2 ways of splitting",
    ]
    assert warnings == ["private cannot tell groups (1 of 4 samples): they are lost"]
    assert losses(told, CSV) == ([], [])
    with pytest.raises(BadDataset, match="private cannot tell start and end in a file"):
        convert(told, private(holds=holds), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resize": 0}, "resize is 0; give more than 0"),
        ({"fps": Fraction(-1)}, "fps is -1; give more than 0"),
        ({"resize": 64, "how": "copy"}, "resize encodes videos anew, copy leaves them as they are"),
    ],
)
def test_options_that_make_no_sense(
    options: dict[str, Any], message: str, tree: VideoDataset, tmp_path: Path
) -> None:
    for verb in (lambda *a, **b: convert(a[0], CSV, *a[1:], **b), trim, extract_frames):
        with pytest.raises(ConfigError, match=message):
            verb(tree, tmp_path / "out", **options)


def test_nothing_is_converted_to_nothing(tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match="has no samples"):
        convert(samples(root=tmp_path), CSV, tmp_path / "out")


# what cannot be read


@pytest.fixture
def broken(tree: VideoDataset) -> VideoDataset:
    """Break the second of three."""
    tree[1].path.write_bytes(b"no video at all")
    return tree


@pytest.mark.parametrize("processes", [1, 2])
def test_a_broken_video_does_not_stop_the_others(
    processes: int, broken: VideoDataset, tmp_path: Path
) -> None:
    done = convert(broken, CLASS_FOLDERS, tmp_path / "out", resize=32, processes=processes)
    assert [one.path for one in done.failures] == [str(broken[1].path)]
    assert "no video that FFmpeg can read" in str(done.failures[0].error)
    assert len(done.dataset) == len(open_dataset(tmp_path / "out")) == 2
    write_video(broken[1].path)
    again = convert(broken, CLASS_FOLDERS, tmp_path / "out", resize=32, processes=1)
    assert (len(again.dataset), again.failures) == (3, ())


def test_a_format_that_looks_into_videos_goes_on_without_a_broken_one(
    broken: VideoDataset, tmp_path: Path
) -> None:
    def places(dataset: VideoDataset) -> list[str]:
        return [f"{len(numbers(one.path))}-{one.path.name}" for one in dataset]

    def annotate(dataset: VideoDataset, folder: Path) -> None:
        (folder / "lines.txt").write_text("".join(places(dataset)))

    for target in (private(places=places), private(annotate=annotate)):
        done = convert(broken, target, tmp_path / f"{target.places is None}")
        assert [one.path for one in done.failures] == [str(broken[1].path)]
        assert len(done.dataset) == 2
    assert "30-1.mp4" in (tmp_path / "True" / "lines.txt").read_text()


def test_no_video_at_all_is_an_error(tmp_path: Path) -> None:
    told = samples(Sample(path=tmp_path / "gone.mp4", labels=("walk",)), root=tmp_path)
    for options in ({}, {"resize": 32}):
        with pytest.raises(BadDataset, match=r"none of its 1 videos can be used: .*No such file"):
            convert(told, CLASS_FOLDERS, tmp_path / str(options), **options)


# interruption


def interrupt_after(count: int) -> Callable[[int, int], None]:
    def report(done: int, total: int) -> None:
        if done == count:
            raise KeyboardInterrupt

    return report


VERBS: dict[str, Callable[..., Converted]] = {
    "encode": lambda source, folder, **more: convert(
        source, CLASS_FOLDERS, folder, resize=32, **more
    ),
    "link": lambda source, folder, **more: convert(source, CLASS_FOLDERS, folder, **more),
    "pictures": lambda source, folder, **more: convert(source, PICTURES, folder, **more),
    "extract": extract_frames,
    "trim": lambda source, folder, **more: trim(source, folder, how="copy", **more),
}


@pytest.mark.parametrize("verb", VERBS)
def test_interrupted_goes_on_and_ends_the_same(
    verb: str, tree: VideoDataset, tmp_path: Path
) -> None:
    VERBS[verb](tree, tmp_path / "whole", processes=1)
    folder = tmp_path / "whole again"
    with pytest.raises(KeyboardInterrupt):
        VERBS[verb](tree, folder, processes=1, progress=interrupt_after(1))
    first = {name: (folder / name).lstat().st_mtime_ns for name in files(folder)}
    assert first
    seen: list[tuple[int, int]] = []
    VERBS[verb](tree, folder, processes=1, progress=lambda *n: seen.append(n))
    assert {name: (folder / name).lstat().st_mtime_ns for name in first} == first
    assert contents(folder) == contents(tmp_path / "whole")
    assert seen[-1] == (3, 3)
    assert not list(folder.rglob("*.part*"))


def test_after_a_refusal_another_wish_is_heard(tree: VideoDataset, tmp_path: Path) -> None:
    target = find_format("pyslowfast-list")
    split = tree.with_splits([["train", "val", "test"]])
    with pytest.raises(BadDataset, match=r"has a blank.*--link"):
        convert(split, target, tmp_path / "out")
    convert(split, target, tmp_path / "out", how="link")
    assert open_dataset(tmp_path / "out").label_counts() == tree.label_counts()


def test_another_wish_does_not_get_the_files_of_the_first(
    tree: VideoDataset, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        convert(tree, CLASS_FOLDERS, folder, resize=32, processes=1, progress=interrupt_after(1))
    for options, message in (
        ({"resize": 64}, r"with resize 32 \(now 64\)"),
        ({"fps": Fraction(30000, 1001)}, r"resize 32 \(now not given\) and fps .*30000/1001"),
        ({"how": "copy"}, r"with how link \(now copy\)"),
    ):
        with pytest.raises(BadDataset, match=message):
            convert(tree, CLASS_FOLDERS, folder, **options)  # type: ignore[arg-type]
    with pytest.raises(BadDataset, match="of other videos, or other facts of them"):
        convert(tree.select([0, 1]), CLASS_FOLDERS, folder, resize=32)
    with pytest.raises(BadDataset, match=r"format class-folders \(now csv\)"):
        convert(tree, CSV, folder, resize=32)


# trim and extract


def test_trim_cuts_parts_and_links_the_rest(tmp_path: Path, clip: bytes) -> None:
    for name in ("a.mp4", "b/a.mkv", "c.avi"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(clip)
    write_pictures(tmp_path / "d.1", range(24))
    told = [
        Sample(path=tmp_path / "a.mp4", labels=("x",), start_seconds=0.5, splits=("val",)),
        Sample(path=tmp_path / "a.mp4", labels=("x",), end_seconds=1.0, group="g"),
        Sample(path=tmp_path / "b/a.mkv", labels=("x",), start_seconds=0.0, end_seconds=1.0),
        Sample(path=tmp_path / "c.avi", labels=("y", "x")),
        Sample(path=tmp_path / "d.1", start_seconds=1.0, end_seconds=1.25),
        Sample(path=tmp_path / "a.mp4", labels=("x",), start_seconds=5.0, end_seconds=6.0),
    ]
    source = samples(*told, root=tmp_path, fps=Fraction(12))
    done = trim(source, tmp_path / "out", processes=1)
    assert done.dataset.paths() == [
        "videos/x/a_000000.500_end.mp4",
        "videos/x/a_000000_000001.mp4",
        "videos/x/a_000000_000001_2.mp4",
        "videos/y/c.avi",
        "videos/unlabelled/d.1_000001_000001.250.mp4",
    ]
    again = list(open_dataset(tmp_path / "out"))
    assert [(one.start_seconds, one.end_seconds) for one in again] == [(None, None)] * 5
    assert [numbers(one.path) for one in again] == [
        list(range(15, 30)),
        *[list(range(30))] * 3,
        list(range(12, 15)),
    ]
    assert (again[0].split, again[1].group, again[3].labels) == ("val", "g", ("y", "x"))
    assert again[3].path.is_symlink()
    assert "before the part that starts at 5.00 s" in str(done.failures[0].error)


def test_extracted_frames_are_counted_in_the_table(tmp_path: Path, clip: bytes) -> None:
    (tmp_path / "a.mp4").write_bytes(clip)
    write_pictures(tmp_path / "b", range(4))
    told = [
        Sample(path=tmp_path / "a.mp4", labels=("x",)),
        Sample(path=tmp_path / "a.mp4", labels=("x",), start_seconds=0.5, end_seconds=0.6),
        Sample(path=tmp_path / "b", labels=("x",)),
    ]
    done = extract_frames(samples(*told, root=tmp_path), tmp_path / "out", processes=1)
    again = list(open_dataset(tmp_path / "out"))
    assert [one.num_frames for one in again] == [30, 3, 4]
    assert [str(one.path.relative_to(tmp_path / "out")) for one in again] == [
        "frames/x/a",
        "frames/x/a_000000.500_000000.600",
        "frames/x/b",
    ]
    assert numbers(again[1].path) == [15, 16, 17]
    assert (again[2].path / "00001.jpg").resolve() == tmp_path / "b" / "img_00000.jpg"
    assert [one.fps for one in again] == [one.fps for one in done.dataset]


# hostile


@pytest.mark.parametrize("place", ["../x.mp4", "/tmp/x.mp4", "a/../../x.mp4", "", "a\0.mp4"])
def test_nothing_is_written_outside(place: str, tree: VideoDataset, tmp_path: Path) -> None:
    target = private(places=lambda dataset: [place])
    with pytest.raises(BadDataset, match="not below the destination; rename it"):
        convert(tree.select([0]), target, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_place_inside_another_is_refused(tree: VideoDataset, tmp_path: Path) -> None:
    target = private(places=lambda dataset: ["a", "a/b.mp4", "c.mp4"])
    with pytest.raises(BadDataset, match="a folder of others; rename it"):
        convert(tree, target, tmp_path / "out")


def test_a_link_in_the_destination_leads_nowhere_else(tree: VideoDataset, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(KeyboardInterrupt):
        convert(tree, CLASS_FOLDERS, tmp_path / "out", progress=interrupt_after(1))
    shutil.rmtree(tmp_path / "out" / "walk", ignore_errors=True)
    (tmp_path / "out" / "walk").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadDataset, match=r"a link leads from .*walk' elsewhere"):
        convert(tree, CLASS_FOLDERS, tmp_path / "out")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_file_called_as_a_folder_above_is_refused(tmp_path: Path) -> None:
    told = samples(Sample(path=tmp_path / "a" / "..", labels=("walk",)), root=tmp_path)
    with pytest.raises(BadDataset, match="not below the destination"):
        convert(told, CLASS_FOLDERS, tmp_path / "out")


def test_sources_on_a_read_only_disk_are_enough(tree: VideoDataset, tmp_path: Path) -> None:
    before = contents(tree.root)
    folders = [tree.root, *(one for one in tree.root.iterdir())]
    for one in folders:
        one.chmod(0o555)
    try:
        for verb in VERBS:
            VERBS[verb](tree, tmp_path / verb, processes=1)
    finally:
        for one in folders:
            one.chmod(0o755)
    assert contents(tree.root) == before
