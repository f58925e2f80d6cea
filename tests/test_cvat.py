"""CVAT, a folder a video: the extensions' own asset, what people make of it, and back."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionzoo.datasets import Given, Sample, VideoDataset, open_dataset
from actionzoo.datasets.cvat import FORMATS, read_annotation, video_names
from actionzoo.errors import BadDataset, CannotOpen
from videos import write_pictures

[CVAT] = FORMATS


def annotation(*tags: Sequence[str], labels: Sequence[str] = (), extra: str = "") -> str:
    """Write an annotation in which each picture has some tags."""
    declared = "".join(f"<label><name>{name}</name><attributes/></label>" for name in labels)
    images = "".join(
        f'<image id="{place}" name="{place + 1:05d}.jpg" width="8" height="8">'
        + "".join(f'<tag label="{label}" source="manual"></tag>' for label in own)
        + "</image>\n"
        for place, own in enumerate(tags)
    )
    meta = f"<meta><task><name>v1</name><labels>{declared}</labels></task></meta>"
    return f"<annotations><version>1.1</version>{meta}\n{images}{extra}</annotations>\n"


def put(folder: Path, text: str | bytes) -> Path:
    """Put an annotation into a folder of a video."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "annotations.xml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def problems(folder: Path) -> list[str]:
    read = open_dataset(folder, format="cvat", skip_malformed=True)
    return [str(one) for one in read.facts.problems]


def test_the_asset_of_the_extensions(shared: Path) -> None:
    dataset = open_dataset(shared / "data" / "cvat_otx")
    assert (dataset.format, dataset.labels, dataset.paths()) == ("cvat", ("0",), ["0/images"])
    assert dataset[0] == Sample(
        path=shared / "data/cvat_otx/0/images",
        labels=("0",),
        num_frames=10,
        origin="0/annotations.xml:31",
    )


def test_what_is_written_is_that_asset_to_the_byte(shared: Path, tmp_path: Path) -> None:
    write_pictures(tmp_path / "made", range(20, 30), height=24, width=24)
    (tmp_path / "0/images").mkdir(parents=True)
    for place, one in enumerate(sorted((tmp_path / "made").iterdir()), 20):
        one.rename(tmp_path / f"0/images/{place:05d}.jpg")
    sample = Sample(path=tmp_path / "0/images", labels=("0",))
    CVAT.annotate(VideoDataset.from_samples([sample], root=tmp_path), tmp_path)
    written = (tmp_path / "0/annotations.xml").read_bytes()
    assert written == (shared / "data/cvat_otx/0/annotations.xml").read_bytes()


def test_labels_are_sorted_as_text_and_unused_ones_kept(tmp_path: Path) -> None:
    put(tmp_path / "a", annotation(["10"], labels=["10", "9"]))
    put(tmp_path / "b", annotation(["2"], ["2"]))
    put(tmp_path / "v_Run_g07_c01", annotation(["2"]))
    (tmp_path / "readme.txt").touch()
    (tmp_path / "docs").mkdir()
    dataset = open_dataset(tmp_path)
    assert dataset.labels == ("10", "2", "9")
    assert [one.label for one in dataset] == ["10", "2", "2"]
    assert dataset.groups() == [None, None, "g07"]
    own = Given(labels=("2", "9", "10"))
    assert open_dataset(tmp_path, given=own).labels == own.labels


def test_splits_above_the_videos(tmp_path: Path) -> None:
    for folder in ("Train/a", "validation/a", "test/b", "c", "train"):
        put(tmp_path / folder, annotation(["x"]))
    found = {(one.path.parent.name, one.split) for one in open_dataset(tmp_path)}
    # A folder may be called as a split is, and be a video.
    assert found == {("a", "train"), ("a", "val"), ("b", "test"), ("c", None), ("train", None)}


def test_what_lies_beside_the_annotation(tmp_path: Path) -> None:
    told = "<source>dir/a.mp4</source>"
    put(tmp_path / "a", annotation(["x"]).replace("<meta>", f"<meta>{told}"))
    put(tmp_path / "b", annotation(["x"]))
    assert open_dataset(tmp_path).paths() == ["a/images", "b/images"]
    (tmp_path / "a/a.mp4").touch()
    (tmp_path / "b/00001.jpg").touch()
    assert open_dataset(tmp_path).paths() == ["a/a.mp4", "b"]


def test_several_tags_on_every_picture_and_none(tmp_path: Path) -> None:
    put(tmp_path / "a", annotation(["x", "y"], ["y", "x"]))
    put(tmp_path / "b", annotation([], []))
    dataset = open_dataset(tmp_path)
    assert [one.labels for one in dataset] == [("x", "y"), ()]
    assert dataset.facts.notes == ()


def test_pictures_without_a_tag_go_with_the_others(tmp_path: Path) -> None:
    track = '<track id="0" label="x"><box frame="0"/></track>'
    put(tmp_path / "a", annotation([], ["x"], []))
    put(tmp_path / "b", annotation(["x"], [], extra=track))
    dataset = open_dataset(tmp_path)
    assert [one.labels for one in dataset] == [("x",), ("x",)]
    untagged, tracked = dataset.facts.notes
    assert untagged.startswith("a/annotations.xml and 1 more: some pictures have no tag")
    assert tracked.startswith("b/annotations.xml: there are tracks beside the tags")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            annotation(["x"], ["x"], ["y"]),
            "a/annotations.xml:4: its pictures are tagged differently ('00001.jpg' to '00002.jpg' "
            "with 'x', '00003.jpg' to '00003.jpg' with 'y'); cut it into a folder a video",
        ),
        (
            annotation(["x"], ["y", "x"], [], ["x"], ["y"], ["x"]),
            "a/annotations.xml:3: its pictures are tagged differently ('00001.jpg' to '00001.jpg' "
            "with 'x', '00002.jpg' to '00002.jpg' with 'y' and 'x', '00003.jpg' to '00003.jpg' "
            "with nothing, 3 more parts); cut",
        ),
        (
            annotation(extra='<track id="0" label="EmptyFrame"/>'),
            "a/annotations.xml:2: it holds tracks, not tags: action detection is not read",
        ),
        (annotation(), "a/annotations.xml: it lists no pictures"),
        (annotation([""]), "a/annotations.xml:2: a tag has no label"),
        (
            annotation(["z"], labels=["x"]),
            "a/annotations.xml:2: the tag 'z' is not among the labels of <meta>",
        ),
        (
            "<annotation><folder>VOC</folder></annotation>",
            "a/annotations.xml:1: its root is <annotation>; that of an annotation of CVAT is",
        ),
        ("", "a/annotations.xml:1: it is no well-formed XML: no element found"),
        (
            annotation(["x"])[:-20],
            "a/annotations.xml:2: it is no well-formed XML: unclosed token",
        ),
        (
            annotation(["a<b"]),
            "a/annotations.xml:2: it is no well-formed XML: not well-formed (invalid token)",
        ),
        (
            '<?xml version="1.0" encoding="klingon"?>' + annotation(["x"]),
            "a/annotations.xml:1: its encoding is not known",
        ),
    ],
)
def test_what_is_wrong_is_named(text: str, told: str, tmp_path: Path) -> None:
    put(tmp_path / "a", text)
    put(tmp_path / "b", annotation(["x"]))
    [problem] = problems(tmp_path)
    assert problem.startswith(told)
    assert open_dataset(tmp_path, skip_malformed=True).paths() == ["b/images"]


def test_a_video_without_annotation_is_named(tmp_path: Path) -> None:
    put(tmp_path / "b", annotation(["x"]))
    (tmp_path / "a/images").mkdir(parents=True)
    with pytest.raises(BadDataset, match=r"a: the folder has images but no annotations.xml"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    "entity",
    [
        '<!ENTITY a "' + "x" * 100 + '"><!ENTITY b "' + "&a;" * 100 + '">',
        '<!ENTITY b SYSTEM "file:///etc/passwd">',
    ],
)
def test_entities_are_refused(entity: str, tmp_path: Path) -> None:
    put(tmp_path / "a", f"<!DOCTYPE annotations [{entity}]>\n{annotation(['&b;'])}")
    [problem] = problems(tmp_path)
    assert problem.startswith("a/annotations.xml:1: it declares a document type")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_files_as_editors_save_them(encoding: str, tmp_path: Path) -> None:
    text = annotation(["wäve &amp; &lt;go&gt;"], labels=["wäve &amp; &lt;go&gt;"])
    put(tmp_path / "a", text.replace("\n", "\r\n").encode(encoding))
    assert open_dataset(tmp_path)[0].labels == ("wäve & <go>",)


def test_damaged_files_are_problems_and_no_crash(tmp_path: Path, shared: Path) -> None:
    whole = (shared / "data/cvat_otx/0/annotations.xml").read_bytes()
    rng = random.Random(0)
    for number in range(200):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 5)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        put(tmp_path / f"{number:03d}", bytes(data[: rng.choice([len(data), 700, 2000])]))
    read = open_dataset(tmp_path, format="cvat", skip_malformed=True)
    assert len(read) + len(read.facts.problems) >= 200
    assert len(read.facts.problems) > 100


def made(folder: Path, whole: VideoDataset) -> VideoDataset:
    """Put two pictures where each video belongs, and annotate them."""
    source = write_pictures(folder / ".source", range(2), name="{:05d}.jpg", height=8, width=16)
    assert CVAT.places is not None
    places = CVAT.places(whole)
    for place in places:
        (folder / place).parent.mkdir(parents=True)
        os.symlink(source, folder / place)
    samples = [
        Sample(path=folder / place, labels=one.labels, splits=one.splits)
        for place, one in zip(places, whole, strict=True)
    ]
    laid_out = VideoDataset.from_samples(samples, root=folder, labels=whole.labels)
    CVAT.annotate(laid_out, folder)
    return laid_out


@pytest.mark.parametrize("splits", [("train", "val", "test"), (None,)])
def test_what_is_written_is_read_again(splits: tuple[str | None, ...], tmp_path: Path) -> None:
    labels = ('say "hi" & <go>', "a/b", "ünder")
    whole = VideoDataset.from_samples(
        [
            Sample(path=Path(f"/x/{label}/{place}.mp4"), labels=own, splits=(split,))
            for split in splits
            for label in labels
            for place, own in enumerate([(label,), (label, "a/b")[: 1 + (label != "a/b")], ()])
        ]
    )
    laid_out = made(tmp_path, whole)
    read = open_dataset(tmp_path)
    assert read.labels == whole.labels
    assert {(one.path, one.labels, one.splits, one.num_frames) for one in read} == {
        (one.path, one.labels, one.splits, 2) for one in laid_out
    }
    # Names that are of this format stay as they are.
    assert CVAT.places is not None
    assert CVAT.places(read) == read.paths()


def test_what_xml_cannot_hold_is_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path / "a/images", range(1))
    whole = VideoDataset.from_samples([Sample(path=tmp_path / "a/images", labels=("x\x07",))])
    with pytest.raises(BadDataset, match=r"'x\\x07' has a character that XML cannot hold"):
        CVAT.annotate(whole, tmp_path)


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a/images").mkdir(parents=True)
    whole = VideoDataset.from_samples([Sample(path=tmp_path / "a/images")], root=tmp_path)
    with pytest.raises(CannotOpen, match="holds no picture"):
        CVAT.annotate(whole, tmp_path)


@given(st.lists(st.lists(st.sampled_from(["a", "B", "..", "images", "x:y", "1.mp4"]), max_size=3)))
def test_names_of_videos_are_safe_and_never_alike(parts: list[list[str]]) -> None:
    names = video_names([PurePosixPath(*one) for one in parts])
    assert len({name.casefold() for name in names}) == len(parts)
    assert not any(set(name) & set('/\\:*?"<>|') or name in ("", ".", "..") for name in names)


def test_what_datumaro_reads_of_it(tmp_path: Path) -> None:
    pytest.importorskip("datumaro", reason="needs actionzoo[datumaro]")
    from datumaro.components.dataset import Dataset

    whole = VideoDataset.from_samples([Sample(path=Path("wave.mp4"), labels=("wave",))])
    made(tmp_path, whole)
    items = list(Dataset.import_from(str(tmp_path / "wave"), "cvat"))
    assert [one.id for one in items] == ["00000", "00001"]
    assert [one.attributes for one in items] == [{"frame": 0}, {"frame": 1}]
    assert {(one.media.size, one.annotations[0].label) for one in items} == {((8, 16), 0)}


def test_what_else_an_export_tells(tmp_path: Path) -> None:
    text = annotation(["x"], labels=["x"]).replace(
        "</task>",
        "<source>dir/a.mp4</source></task><dumped>2024-01-01</dumped><source>b.mp4</source>",
    )
    found = read_annotation(put(tmp_path, text) / "annotations.xml")
    assert (found.labels, found.sources) == (["x"], ["dir/a.mp4", "b.mp4"])
