"""Exports of CVAT and Datumaro's own formats, with the real package on the other side."""

from __future__ import annotations

import random
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from actionzoo.datasets import Given, Sample, VideoDataset, open_dataset
from actionzoo.datasets.through_datumaro import FORMATS
from actionzoo.errors import BadDataset, MissingExtra
from videos import write_pictures, write_video

EXPORT, OWN = FORMATS
needs_datumaro = pytest.mark.skipif(
    find_spec("datumaro") is None, reason="needs actionzoo[datumaro]"
)

TASK = """\
<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta>
    <task>
      <id>4</id>
      <name>walks</name>
      <size>4</size>
      <mode>{mode}</mode>
      <overlap>0</overlap>
      <bugtracker></bugtracker>
      <created>2024-09-25 11:34:24.617558+00:00</created>
      <updated>2024-09-25 11:38:27.301183+00:00</updated>
      <subset></subset>
      <start_frame>0</start_frame>
      <stop_frame>3</stop_frame>
      <frame_filter></frame_filter>
      <segments>
        <segment><id>4</id><start>0</start><stop>3</stop><url>http://localhost/4</url></segment>
      </segments>
      <owner><username>admin</username><email></email></owner>
      <assignee></assignee>
      <labels>
        <label>
          <name>walk</name>
          <color>#f00</color>
          <type>tag</type>
          <attributes>
            <attribute>
              <name>start</name><mutable>False</mutable><input_type>number</input_type>
              <default_value>0</default_value><values>0;999;1</values>
            </attribute>
          </attributes>
        </label>
        <label><name>run</name><color>#0f0</color><type>any</type><attributes></attributes></label>
      </labels>
      <original_size><width>64</width><height>64</height></original_size>
      {source}
    </task>
    <dumped>2024-09-25 11:38:28.799808+00:00</dumped>
  </meta>
{body}</annotations>
"""


def image(number: int, name: str, *tags: str, more: str = "") -> str:
    inner = "".join(f'    <tag label="{tag}" source="manual">\n    </tag>\n' for tag in tags)
    return (
        f'  <image id="{number}" name="{name}" width="64" height="64">\n{inner}{more}  </image>\n'
    )


def tag(label: str, **attributes: object) -> str:
    inner = "".join(
        f'<attribute name="{name}">{one}</attribute>' for name, one in attributes.items()
    )
    return f'    <tag label="{label}" source="manual">{inner}</tag>\n'


def track(label: str, frames: Sequence[int], **attributes: object) -> str:
    inner = "".join(
        f'<attribute name="{name}">{one}</attribute>' for name, one in attributes.items()
    )
    boxes = "".join(
        f'<box frame="{frame}" keyframe="1" outside="0" occluded="0" xtl="1.00" ytl="1.00" '
        f'xbr="9.00" ybr="9.00" z_order="0">{inner}</box>\n'
        for frame in frames
    )
    return f'  <track id="0" label="{label}" source="manual">\n{boxes}  </track>\n'


def put(folder: Path, body: str, *, source: str = "", mode: str = "annotation") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    told = f"<source>{source}</source>" if source else ""
    text = TASK.format(body=body, source=told, mode=mode)
    (folder / "annotations.xml").write_text(text, encoding="utf-8")
    return folder


def rows(folder: Path, **options: Any) -> list[tuple[Any, ...]]:
    """Return path, labels, split and times of each sample, and that there is nothing wrong."""
    dataset = open_dataset(folder, **options)
    return [
        (path, one.labels, one.split, one.start_seconds, one.end_seconds)
        for path, one in zip(dataset.paths(), dataset, strict=True)
    ]


def problems(folder: Path) -> list[str]:
    return [str(one) for one in open_dataset(folder, skip_malformed=True).facts.problems]


# exports of CVAT


def test_it_is_recognised_without_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, image(0, "a.jpg", "walk"))
    monkeypatch.setitem(sys.modules, "datumaro", None)
    with pytest.raises(MissingExtra, match=r"an export of CVAT needs .*actionzoo\[datumaro\]"):
        open_dataset(tmp_path)
    put_json(tmp_path / "own", JSON)
    with pytest.raises(MissingExtra, match=r"reading a dataset of Datumaro needs more packages"):
        open_dataset(tmp_path / "own")
    whole = VideoDataset.from_samples([Sample(path=Path("videos/default/a.mp4"))])
    with pytest.raises(MissingExtra, match=r"writing a dataset of Datumaro needs more packages"):
        OWN.annotate(whole, tmp_path)


@needs_datumaro
def test_a_task_of_pictures_in_a_folder_a_video(tmp_path: Path) -> None:
    body = "".join(
        image(2 * video + place, f"{name}/{place:04d}.jpg", label)
        for video, (name, label) in enumerate([("w 1", "walk"), ("v_Run_g07_c01", "run")])
        for place in range(2)
    )
    put(tmp_path, body)
    write_pictures(tmp_path / "images/w 1", range(2))
    dataset = open_dataset(tmp_path)
    assert (dataset.format, dataset.labels) == ("cvat-export", ("walk", "run"))
    assert dataset[0] == Sample(
        path=tmp_path / "images/w 1",
        labels=("walk",),
        num_frames=2,
        origin="annotations.xml:42",
    )
    # Pictures need not be there: to look for them is left to the check.
    assert dataset[1].path == tmp_path / "images/v_Run_g07_c01"
    assert dataset[1].group == "g07"


@needs_datumaro
def test_a_task_of_a_video_with_its_pictures(tmp_path: Path) -> None:
    """CVAT lists the frames of a video without the suffix that it gives their files."""
    put(tmp_path, "".join(image(one, f"frame_{one:06d}", "run") for one in range(3)))
    write_pictures(tmp_path / "images", range(3), name="frame_{:06d}.PNG", codec="png")
    assert rows(tmp_path) == [("images", ("run",), None, None, None)]
    assert rows(tmp_path / "annotations.xml") == rows(tmp_path)


@needs_datumaro
def test_frames_that_differ_are_told_apart_where_the_video_is_there(tmp_path: Path) -> None:
    tags = ["walk"] * 10 + [""] * 5 + ["run"] * 15
    body = "".join(
        image(one, f"frame_{one:06d}", *filter(None, [label])) for one, label in enumerate(tags)
    )
    put(tmp_path, body, source="walk.mp4", mode="interpolation")
    [problem] = problems(tmp_path)
    assert problem.startswith(
        "annotations.xml:42: 'images': its pictures are tagged differently ('frame_000000' to "
        "'frame_000009' with 'walk', 'frame_000010' to 'frame_000014' with nothing, "
        "'frame_000015' to 'frame_000029' with 'run'); cut it into a folder a video, or put the"
    )
    [note] = open_dataset(tmp_path, skip_malformed=True).facts.notes
    assert note == "annotations.xml: neither 'walk.mp4' nor images is beside it"
    write_video(tmp_path / "walk.mp4", range(30), fps=Fraction(10))
    found = [("walk.mp4", ("walk",), None, None, 1.0), ("walk.mp4", ("run",), None, 1.5, None)]
    assert rows(tmp_path) == found
    (tmp_path / "far").mkdir()
    (tmp_path / "walk.mp4").rename(tmp_path / "far/walk.mp4")
    far = [(f"far/{path}", *others) for path, *others in found]
    assert rows(tmp_path, given=Given(videos=tmp_path / "far")) == far


@needs_datumaro
def test_a_task_of_a_part_of_a_video(tmp_path: Path) -> None:
    frames = range(10, 20, 2)
    put(tmp_path, "".join(image(one, f"frame_{one:06d}", "run") for one in frames), source="a.mp4")
    write_video(tmp_path / "a.mp4", range(30), fps=Fraction(10))
    assert rows(tmp_path) == [("a.mp4", ("run",), None, 1.0, 2.0)]


@needs_datumaro
def test_pictures_without_a_tag_go_with_the_others(tmp_path: Path) -> None:
    put(tmp_path, image(0, "v/1.jpg", "run") + image(1, "v/2.jpg") + image(2, "w/1.jpg"))
    assert rows(tmp_path) == [
        ("images/v", ("run",), None, None, None),
        ("images/w", (), None, None, None),
    ]
    [note] = open_dataset(tmp_path).facts.notes
    assert note.startswith("annotations.xml: some pictures of 'images/v' have no tag")


@needs_datumaro
@pytest.mark.parametrize(
    "body",
    [
        image(0, "frame_000000", more=tag("run", start=5, stop=9)) + image(1, "frame_000001"),
        track("run", [5, 6, 9], start_frame=5, stop_frame=9),
        image(3, "frame_000003", more=tag("run", time_start=0.5, time_end=1)),
    ],
)
def test_attributes_tell_a_part(body: str, tmp_path: Path) -> None:
    put(tmp_path, body, source="a.mp4")
    write_video(tmp_path / "a.mp4", range(30), fps=Fraction(10))
    assert rows(tmp_path) == [("a.mp4", ("run",), None, 0.5, 1.0)]


@needs_datumaro
@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            image(0, "a.jpg", more=tag("run", start=5, stop=9)),
            "annotations.xml:42: 'images': it tells frames (5 to 9), and the frame rate is not",
        ),
        (
            image(0, "a.jpg", more=tag("run", start="soon")),
            "annotations.xml:42: item 'a': its start, 'soon', is no number",
        ),
        (
            image(0, "a.jpg", more=tag("run", time_start=3, time_end=1)),
            "annotations.xml:42: the end, 1.0 s, is not after the start, 3.0 s",
        ),
        (
            track("run", [0, 1]),
            "annotations.xml: 'images': it holds boxes or other shapes, not tags",
        ),
        (
            image(0, "v##1.jpg", "run") + image(1, "w##1.jpg", "run"),
            "annotations.xml:42: 'images': the pictures of 2 videos lie in one folder ('v', 'w')",
        ),
        (
            image(0, "a.jpg", "jump"),
            "annotations.xml:42: the tag 'jump' is not among the labels of <meta>",
        ),
        (
            image(0, "../a.jpg", "run"),
            "annotations.xml:42: '../a.jpg' is no name of a picture below images",
        ),
        (image(0, "/etc/a.jpg"), "annotations.xml:42: '/etc/a.jpg' is no name of a picture"),
        (image(0, ""), "annotations.xml:42: '' is no name of a picture"),
        (image(0, "x" * 300), f"annotations.xml:42: '{'x' * 300}' is no name of a picture: File"),
        (
            image(0, "a/1.jpg", "run") + image(0, "b/1.jpg", "run"),
            "annotations.xml:46: a second picture has the id '0', as in an export of several",
        ),
        (
            image(0, f"{'x' * 300}/a.jpg"),
            f"annotations.xml:42: '{'x' * 300}/a.jpg' is no name of a picture: File",
        ),
        (
            image(0, "a.jpg").replace(' id="0"', ""),
            "annotations.xml: Datumaro cannot read it: KeyError: 'id'",
        ),
        ("<image>", "annotations.xml:42: it is no well-formed XML: mismatched tag"),
    ],
)
def test_what_is_wrong_with_an_export_is_named(body: str, told: str, tmp_path: Path) -> None:
    put(tmp_path, body)
    [problem] = problems(tmp_path)
    assert problem.startswith(told)


@needs_datumaro
def test_a_project_with_subsets(tmp_path: Path) -> None:
    put(
        tmp_path,
        '  <image id="0" name="a/1.jpg" subset="Train" task_id="3" width="64" height="64">'
        '<tag label="run" source="manual"/></image>\n'
        '  <image id="0" name="b/1.jpg" subset="Validation" task_id="4" width="64" height="64">'
        '<tag label="walk" source="manual"/></image>\n'
        '  <image id="0" name="c/1.jpg" subset="extra" task_id="5" width="64" height="64"/>\n',
    )
    file = tmp_path / "annotations.xml"
    text = file.read_text().replace("task>", "project>")
    subsets = "".join(f"<subset>{one}</subset>" for one in ("Train", "Validation", "extra"))
    file.write_text(text.replace("<subset></subset>", subsets))
    write_pictures(tmp_path / "images/Train/a", range(1))
    assert rows(tmp_path) == [
        ("images/Train/a", ("run",), "train", None, None),
        ("images/b", ("walk",), "val", None, None),
        ("images/c", (), "extra", None, None),
    ]


@needs_datumaro
def test_a_folder_of_the_extensions_is_an_export_too(shared: Path) -> None:
    apart = open_dataset(shared / "data/cvat_otx/0", format="cvat-export")
    [own], [other] = apart, open_dataset(shared / "data/cvat_otx")
    assert own == replace(other, origin="annotations.xml:31")


@needs_datumaro
def test_what_datumaro_exports_for_cvat(tmp_path: Path) -> None:
    from datumaro.components.annotation import Bbox, Label
    from datumaro.components.dataset import Dataset
    from datumaro.components.dataset_base import DatasetItem
    from datumaro.components.media import Image

    def item(name: str, subset: str, *annotations: Any) -> DatasetItem:
        source = write_pictures(tmp_path / "source", range(1)) / "img_00000.jpg"
        media = Image.from_file(path=str(source))
        return DatasetItem(id=name, subset=subset, media=media, annotations=list(annotations))

    whole = Dataset.from_iterable(
        [
            item("a/1", "train", Label(1), Bbox(1, 1, 5, 5, label=0)),
            item("a/2", "train", Label(1)),
            item("b/1", "val", Label(0)),
        ],
        categories=["person", "run"],
        media_type=Image,
    )
    whole.export(str(tmp_path / "out"), "cvat", save_media=True)
    dataset = open_dataset(tmp_path / "out")
    assert dataset.labels == ("person", "run")
    assert rows(tmp_path / "out") == [
        ("images/a", ("run",), "train", None, None),
        ("images/b", ("person",), "val", None, None),
    ]
    assert all(one.path.is_dir() for one in dataset)


# Datumaro's own formats


def exported(folder: Path, format: str, items: Sequence[Any], media: Any, **options: Any) -> Path:
    from datumaro.components.dataset import Dataset

    whole = Dataset.from_iterable(items, categories=["walk", "run"], media_type=media)
    whole.export(str(folder), format, **options)
    return folder


@needs_datumaro
@pytest.mark.parametrize("format", ["datumaro", "datumaro_binary"])
def test_videos_of_datumaro(format: str, tmp_path: Path) -> None:
    from datumaro.components.annotation import Bbox, Label
    from datumaro.components.dataset_base import DatasetItem
    from datumaro.components.media import Video

    file = str(tmp_path / "a.mp4")
    write_video(tmp_path / "a.mp4", range(30), fps=Fraction(10))
    items = [
        DatasetItem(id="1", subset="train", media=Video(file), annotations=[Label(1), Label(0)]),
        DatasetItem(
            id="2",
            subset="training",
            media=Video(file),
            annotations=[Label(1, attributes={"time_start": 1, "time_end": 2})],
        ),
        DatasetItem(id="3", subset="test", media=Video(file, start_frame=10, end_frame=19)),
        DatasetItem(id="4", media=Video(file), annotations=[Label(0, attributes={"start": 10})]),
        DatasetItem(id="5", subset="odd", media=Video(file), annotations=[Bbox(1, 1, 2, 2)]),
    ]
    out = exported(tmp_path / "out", format, items, Video, save_media=True)
    dataset = open_dataset(out, skip_malformed=True)
    assert (dataset.format, dataset.labels) == ("datumaro", ("walk", "run"))
    assert sorted(rows(out, skip_malformed=True)) == [
        ("videos/default/a.mp4", ("walk",), None, 1.0, None),
        ("videos/test/a.mp4", (), "test", 1.0, 2.0),
        ("videos/train/a.mp4", ("run", "walk"), "train", None, None),
        ("videos/training/a.mp4", ("run",), "train", 1.0, 2.0),
    ]
    assert all(one.path.is_file() for one in dataset)
    suffix = {"datumaro": "json", "datumaro_binary": "datum"}[format]
    assert {one.origin for one in dataset} == {
        f"annotations/{one}.{suffix}" for one in ("default", "test", "train", "training")
    }
    assert [str(one) for one in dataset.facts.problems] == [
        f"annotations/odd.{suffix}: item '5': it has boxes or other shapes, but no label"
    ]


@needs_datumaro
def test_videos_that_lie_elsewhere(tmp_path: Path) -> None:
    from datumaro.components.annotation import Label
    from datumaro.components.dataset_base import DatasetItem
    from datumaro.components.media import Video

    items = [
        DatasetItem(id="1", subset="val", media=Video("/far/a.mp4"), annotations=[Label(0)]),
        DatasetItem(id="2", subset="val", media=Video("x/b.mp4"), annotations=[Label(1)]),
    ]
    out = exported(tmp_path / "out", "datumaro", items, Video, save_media=False)
    here = [one[0] for one in rows(out)]
    assert here == ["/far/a.mp4", "videos/val/x/b.mp4"]
    assert rows(out / "annotations/val.json")[0] == rows(out)[0]
    given = [one[0] for one in rows(out, given=Given(videos=tmp_path))]
    assert given == ["/far/a.mp4", str(tmp_path / "x/b.mp4")]


@needs_datumaro
def test_frames_of_videos(tmp_path: Path) -> None:
    from datumaro.components.annotation import Label
    from datumaro.components.dataset_base import DatasetItem
    from datumaro.components.media import Video, VideoFrame

    files = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    for file in files:
        write_video(file, range(30), fps=Fraction(10))
    items = [
        DatasetItem(
            id=f"{place}_{frame}",
            media=VideoFrame(Video(str(file)), frame),
            annotations=[Label(int(place == 1 and frame >= 10))],
        )
        for place, file in enumerate(files)
        for frame in range(0, 30, 5)
    ]
    out = exported(tmp_path / "out", "datumaro", items, VideoFrame)
    assert [(Path(path).name, *others) for path, *others in rows(out)] == [
        ("a.mp4", ("walk",), None, None, None),
        ("b.mp4", ("walk",), None, None, 1.0),
        ("b.mp4", ("run",), None, 1.0, None),
    ]


@needs_datumaro
@pytest.mark.parametrize("format", ["datumaro", "datumaro_binary"])
def test_pictures_of_datumaro(format: str, tmp_path: Path) -> None:
    from datumaro.components.annotation import Label
    from datumaro.components.dataset_base import DatasetItem
    from datumaro.components.media import Image

    source = write_pictures(tmp_path / "v", range(3))
    items = [
        DatasetItem(id=f"v##{place}", media=Image.from_file(path=str(file)), annotations=[Label(1)])
        for place, file in enumerate(sorted(source.iterdir()))
    ]
    out = exported(tmp_path / "out", format, items, Image)
    assert rows(out) == [(str(source), ("run",), None, None, None)]
    assert open_dataset(out)[0].num_frames == 3


JSON = (
    '{"dm_format_version":"1.0","media_type":5,"infos":{},"categories":{"label":{"labels":'
    '[{"name":"run","parent":"","attributes":[]}],"label_groups":[],"attributes":[]}},"items":['
    '{"id":"1","annotations":[{"id":0,"type":"label","attributes":{},"group":0,"label_id":0}],'
    '"attr":{"group":"anna"},"video":{"path":"1.mp4","step":1,"start_frame":0}}]}'
)


def put_json(folder: Path, text: str | bytes) -> Path:
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    data = text if isinstance(text, bytes) else text.encode()
    (folder / "annotations/train.json").write_bytes(data)
    return folder


@needs_datumaro
@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"label_id":0', '"label_id":7', "item '1': there is no label of index 7; 1 are declared"),
        (
            '"label_id":0',
            '"label_id":null',
            "an annotation cannot be read, so its item lacks it: TypeError",
        ),
        ('"path":"1.mp4"', '"path":7', "item '1' cannot be read: TypeError"),
        ('"video"', '"nothing"', "item '1': it names no file of a video or a picture"),
        ('"items"', '"itms"', "Datumaro cannot read it: KeyError: 'items'"),
        ('"1.0"', '"1.0', "Datumaro cannot read it: JSONDecodeError"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(old: str, new: str, told: str, tmp_path: Path) -> None:
    put_json(tmp_path, JSON)
    [sample] = open_dataset(tmp_path)
    assert (sample.path.name, sample.labels, sample.group) == ("1.mp4", ("run",), "anna")
    put_json(tmp_path, JSON.replace(old, new))
    [problem] = problems(tmp_path)
    assert problem.startswith(f"annotations/train.json: {told}")


@needs_datumaro
def test_damaged_files_are_problems_and_no_crash(tmp_path: Path) -> None:
    rng = random.Random(0)
    export = TASK.format(body=image(0, "a.jpg", "run"), source="", mode="annotation").encode()
    for number in range(60):
        for format, whole in (("datumaro", JSON.encode()), ("cvat-export", export)):
            data = bytearray(whole)
            for _ in range(rng.randint(1, 4)):
                data[rng.randrange(60, len(data))] = rng.randrange(256)
            folder = tmp_path / f"{format}{number}"
            put_json(folder, bytes(data))
            (folder / "annotations.xml").write_bytes(data)
            read = open_dataset(folder, format=format, skip_malformed=True)
            assert len(read) <= 1


def test_what_only_looks_like_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/coco.json").write_text('{"info":{},"images":[],"categories":[]}')
    (tmp_path / "annotations/a.datum").write_bytes(b"signature:other")
    (tmp_path / "voc.xml").write_text("<annotation><folder>a</folder></annotation>")
    with pytest.raises(BadDataset, match="no dataset of a known format"):
        open_dataset(tmp_path)


# writing

SAMPLES = [
    Sample(path=Path("/x/1.mp4"), labels=("b",), splits=("train",)),
    Sample(path=Path("/y/1.avi"), labels=("c/d", "b"), splits=("train",)),
    Sample(path=Path("/y/2 #1.mp4"), labels=('say "hi" & <go>',), splits=("val",)),
    Sample(path=Path("/y/3.mp4"), splits=("test",)),
    Sample(path=Path("/y/4.mp4"), labels=("b",), splits=(None,)),
]
PARTS = [
    Sample(path=Path("/z/5.mp4"), labels=("b",), start_seconds=0.5, end_seconds=1.25, group="anna"),
    Sample(path=Path("/z/5.mp4"), labels=("c/d",), start_seconds=1.25),
    Sample(path=Path("/z/6.mp4"), end_seconds=1.25, group="björn"),
]
LABELS = ("c/d", "never", 'say "hi" & <go>', "b")


def laid_out(folder: Path, samples: Sequence[Sample], format: Any) -> VideoDataset:
    """Return the samples where a format wants them, with something there."""
    whole = VideoDataset.from_samples(samples, labels=LABELS)
    places = format.places(whole)
    assert len(set(places)) == len(places)
    source = write_pictures(folder / ".source", range(2), name="{:05d}.jpg")
    for place in places:
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, folder / place)
    moved = [replace(one, path=folder / to) for one, to in zip(samples, places, strict=True)]
    return VideoDataset.from_samples(moved, root=folder, labels=LABELS)


@needs_datumaro
@pytest.mark.parametrize(("format", "samples"), [(EXPORT, SAMPLES), (OWN, SAMPLES + PARTS)])
def test_what_is_written_is_read_again(format: Any, samples: list[Sample], tmp_path: Path) -> None:
    whole = laid_out(tmp_path, samples, format)
    format.annotate(whole, tmp_path)
    read = open_dataset(tmp_path)
    assert (read.format, read.labels) == (format.name, LABELS)
    found = [replace(one, origin="", num_frames=None) for one in read]
    assert sorted(found, key=lambda one: one.path) == sorted(whole, key=lambda one: one.path)
    # Names that are of this format stay as they are.
    assert format.places(read) == read.paths()


@needs_datumaro
def test_what_datumaro_reads_of_what_is_written(tmp_path: Path) -> None:
    from datumaro.components.dataset import Dataset

    for format, name in ((EXPORT, "cvat"), (OWN, "datumaro")):
        folder = tmp_path / name
        format.annotate(laid_out(folder, SAMPLES[:1], format), folder)
        items = list(Dataset.import_from(str(folder), name))
        assert {one.subset for one in items} == {"train"}
        assert {one.annotations[0].label for one in items} == {LABELS.index("b")}
        assert all(Path(one.media.path).exists() for one in items)


@needs_datumaro
def test_what_xml_cannot_hold_is_refused(tmp_path: Path) -> None:
    whole = VideoDataset.from_samples([Sample(path=Path("a.mp4"), labels=("x\x07",))])
    with pytest.raises(BadDataset, match="has a character that XML cannot hold"):
        EXPORT.annotate(whole, tmp_path)
