"""CVAT as OpenVINO Training Extensions 1.x keep it: a folder a video, each with its annotation.

::

    <video>/annotations.xml        every picture has the same <tag>: the label of the video
    <video>/images/00001.jpg ...   numbers need not start at 1

Folders ``train``, ``val`` and ``test`` may stand above those of the videos. The labels are those of
all videos, sorted; no file tells another order, for the extensions take every entry of the root for
a video. A label that no video declares is lost in writing, as is an order that is not the sorted
one.

What CVAT itself exports is the same XML, so an export a folder is read here as well; a single
export, with tracks or times, is read through Datumaro.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from actionzoo.datasets.class_folders import unique_names
from actionzoo.datasets.dataset import VideoDataset
from actionzoo.datasets.format import (
    Format,
    Holds,
    Place,
    is_picture_folder,
    is_picture_name,
    is_video_name,
)
from actionzoo.datasets.names import SPLIT_OF_WORD, group_of, safe_name
from actionzoo.datasets.rows import Rows
from actionzoo.errors import BadDataset
from actionzoo.sources import natural_key
from actionzoo.video import open_video

ANNOTATION, IMAGES = "annotations.xml", "images"
_LOOKED_AT = 20
"""Folders that are looked into before a place is said to be of another format."""
_RUNS_TOLD = 3

# the XML


class BadXml(Exception):
    """A file that is no annotation of CVAT; the message is a sentence without the place."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


class Picture(NamedTuple):
    """An ``<image>``."""

    name: str
    """Path of its file below the folder of images; of a frame of a video it has no suffix."""
    number: str
    """Its ``id``: the number of the frame."""
    subset: str
    task: str
    """Which task of a project it belongs to."""
    line: int | None
    tags: list[str]
    """The labels of its ``<tag>`` elements."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Annotation:
    """What an annotation of CVAT 1.1 says, as far as it matters for videos as a whole.

    Grammar: https://docs.cvat.ai/docs/manual/advanced/xml_format
    """

    labels: list[str]
    """Declared in ``<meta>``, used or not."""
    pictures: list[Picture]
    sources: list[str]
    """Names of the video files that were annotated."""
    tracks: list[int]
    """The line of each ``<track>``: an object that is followed through the frames."""


def looks_like_annotation(head: str) -> bool:
    """Tell from its beginning whether a file is an annotation of CVAT."""
    return re.search(r"<annotations[\s>]", head) is not None and "<meta" in head


def read_annotation(path: Path) -> Annotation:
    """Read an annotation of CVAT.

    Raises:
        BadXml: It cannot be read, is no such XML, or declares a document type, with which a small
            file can become one of gigabytes.
    """
    try:
        with path.open("rb") as file:
            return _Parser().parse(file)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise BadXml(f"it is no well-formed XML: {reason}", error.lineno) from error
    except OSError as error:
        raise BadXml(f"it cannot be read: {error.strerror}") from error
    except (LookupError, ValueError) as error:
        raise BadXml("its encoding is not known; save it as UTF-8", 1) from error


class _Parser:
    """Listens to expat, which holds no more of the file than the element it is at."""

    def __init__(self) -> None:
        self._found = Annotation(labels=[], pictures=[], sources=[], tracks=[])
        self._in_label = False
        self._expat = expat.ParserCreate()
        self._expat.buffer_text = True
        self._expat.StartElementHandler = self._root
        self._expat.StartDoctypeDeclHandler = self._refuse

    def parse(self, file: BinaryIO) -> Annotation:
        self._expat.ParseFile(file)
        return self._found

    def _refuse(self, *_: object) -> None:
        message = "it declares a document type, which CVAT never does; remove the line"
        raise BadXml(message, self._expat.CurrentLineNumber)

    def _root(self, name: str, _: dict[str, str]) -> None:
        if name != "annotations":
            message = f"its root is <{name}>; that of an annotation of CVAT is <annotations>"
            raise BadXml(message, self._expat.CurrentLineNumber)
        self._expat.StartElementHandler = self._start

    def _start(self, name: str, values: dict[str, str]) -> None:
        found = self._found
        if name == "tag":
            if found.pictures:
                found.pictures[-1].tags.append(values.get("label", "").strip())
        elif name == "image":
            found.pictures.append(self._picture(values))
        elif name == "track":
            found.tracks.append(self._expat.CurrentLineNumber)
        elif name == "label":
            self._in_label = True
        elif name == "name" and self._in_label:
            # The first name in a label is its own; those of its attributes follow.
            self._in_label = False
            self._take(found.labels)
        elif name == "source":
            self._take(found.sources)

    def _picture(self, values: dict[str, str]) -> Picture:
        return Picture(
            values.get("name", ""),
            values.get("id", ""),
            values.get("subset", ""),
            values.get("task_id", ""),
            self._expat.CurrentLineNumber,
            [],
        )

    def _take(self, texts: list[str]) -> None:
        """Append the text of the element that has just begun."""
        parts: list[str] = []

        def end(_: str) -> None:
            texts.append("".join(parts).strip())
            self._expat.CharacterDataHandler = self._expat.EndElementHandler = None

        self._expat.CharacterDataHandler = parts.append
        self._expat.EndElementHandler = end


# reading


def _recognise(place: Place) -> bool:
    splits = [place.inside(name) for name in _split_folders(place)]
    return any(_holds_video(one) for one in (place, *splits))


def _split_folders(place: Place) -> list[str]:
    return [name for name in place.folders if name.lower() in SPLIT_OF_WORD]


def _holds_video(place: Place) -> bool:
    return any(
        looks_like_annotation(place.inside(name).head(ANNOTATION))
        for name in islice(place.folders, _LOOKED_AT)
    )


def _read(place: Place, rows: Rows) -> VideoDataset:
    reader = _Reader(rows)
    reader.read_folder(place, split=None)
    for name in _split_folders(place):
        reader.read_folder(place.inside(name), split=SPLIT_OF_WORD[name.lower()])
    rows.notes.extend(reader.notes())
    # As the extensions sort them: as text, numbers too.
    return rows.finish(rows.given.labels or sorted(reader.labels))


class _Reader:
    """Reads folders of videos, and gathers what concerns them all."""

    def __init__(self, rows: Rows) -> None:
        self.labels: set[str] = set()
        self._rows = rows
        self._untagged: list[str] = []
        self._tracked: list[str] = []

    def read_folder(self, place: Place, *, split: str | None) -> None:
        """Read the folders of videos in a folder; what else lies there is passed over."""
        self._rows.sources.append(place.folder)
        for name in sorted(place.folders, key=natural_key):
            folder = place.folder / name
            if (folder / ANNOTATION).is_file():
                self._read_video(folder, split)
            elif (folder / IMAGES).is_dir() and name.lower() not in SPLIT_OF_WORD:
                message = f"the folder has {IMAGES} but no {ANNOTATION}"
                self._rows.problem(self._rows.name(folder), message)

    def _read_video(self, folder: Path, split: str | None) -> None:
        file = folder / ANNOTATION
        name = self._rows.name(file)
        self._rows.sources.append(file)
        try:
            found = read_annotation(file)
            labels = one_label(found)
        except BadXml as error:
            self._rows.problem(name, str(error), error.line)
            return
        self.labels.update(found.labels, labels)
        if labels and not all(one.tags for one in found.pictures):
            self._untagged.append(name)
        if found.tracks:
            self._tracked.append(name)
        self._rows.add(
            self._rows.name(_video_in(folder, found.sources)),
            labels,
            file=name,
            line=found.pictures[0].line,
            splits=(split,),
            group=group_of(folder.name),
            num_frames=len(found.pictures),
        )

    def notes(self) -> Iterator[str]:
        """Yield what was assumed."""
        if self._untagged:
            yield (
                f"{_these(self._untagged)}: some pictures have no tag; that of the others is taken"
                " for the whole video"
            )
        if self._tracked:
            yield f"{_these(self._tracked)}: there are tracks beside the tags; they are not read"


def _these(names: Sequence[str]) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{names[0]}{more}"


def _video_in(folder: Path, sources: Sequence[str]) -> Path:
    """Return the pictures of a video: ``images``, else the file that was annotated, or its own."""
    images = folder / IMAGES
    if images.is_dir():
        return images
    files = (folder / PurePosixPath(source).name for source in sources if is_video_name(source))
    file = next((one for one in files if one.is_file()), None)
    return file or (folder if is_picture_folder(folder) else images)


def one_label(found: Annotation) -> tuple[str, ...]:
    """Return what all tagged pictures of a video are tagged with; nothing where none has a tag.

    Raises:
        BadXml: They differ, so that the parts have to be told apart in time, which pictures do not
            tell; or there are no tags but tracks, no pictures at all, or a label is not declared.
    """
    tagged = [one for one in found.pictures if one.tags]
    if not tagged and found.tracks:
        message = "it holds tracks, not tags: action detection is not read"
        raise BadXml(message, found.tracks[0])
    if not found.pictures:
        raise BadXml("it lists no pictures")
    if len({frozenset(one.tags) for one in tagged}) > 1:
        first = set(found.pictures[0].tags)
        line = next(one.line for one in found.pictures if set(one.tags) != first)
        raise BadXml(f"{differing(found.pictures)}; cut it into a folder a video", line)
    labels = tuple(dict.fromkeys(tagged[0].tags)) if tagged else ()
    for label in labels:
        if not label:
            raise BadXml("a tag has no label", tagged[0].line)
        if found.labels and label not in found.labels:
            message = f"the tag {label!r} is not among the labels of <meta>"
            raise BadXml(message, tagged[0].line)
    return labels


def differing(pictures: Sequence[Picture]) -> str:
    """Say in words which pictures of a video have which tags."""
    runs = [list(run) for _, run in groupby(pictures, key=lambda one: frozenset(one.tags))]
    told = [
        f"{run[0].name!r} to {run[-1].name!r} with "
        + (" and ".join(map(repr, run[0].tags)) or "nothing")
        for run in runs[:_RUNS_TOLD]
    ]
    if len(runs) > _RUNS_TOLD:
        told.append(f"{len(runs) - _RUNS_TOLD} more parts")
    return f"its pictures are tagged differently ({', '.join(told)})"


# writing


def _places(dataset: VideoDataset) -> Sequence[str]:
    return [
        f"{split}/{name}/{IMAGES}" if split else f"{name}/{IMAGES}"
        for split, name in zip(dataset.split_column(), names_in_splits(dataset), strict=True)
    ]


def names_in_splits(dataset: VideoDataset) -> list[str]:
    """Name every video so that no two of a split are alike; see ``video_names``."""
    splits = dataset.split_column()
    paths = [PurePosixPath(path) for path in dataset.paths()]
    names = [""] * len(paths)
    for split in dict.fromkeys(splits):
        rows = [row for row, own in enumerate(splits) if own == split]
        for row, name in zip(rows, video_names([paths[row] for row in rows]), strict=True):
            names[row] = name
    return names


def video_names(paths: Sequence[PurePosixPath]) -> list[str]:
    """Name the folder of each video, so that no two are alike and each can be made anywhere.

    >>> video_names([PurePosixPath(one) for one in ("a/1.mp4", "b/1.avi", "v7/images", "c/2.mp4")])
    ['a_1', 'b_1', 'v7', '2']
    """
    parts = [_own_part(path).parts or ("video",) for path in paths]
    return unique_names([PurePosixPath(*map(safe_name, one)) for one in parts])


def _own_part(path: PurePosixPath) -> PurePosixPath:
    """Take off what all videos have in common: a suffix, or this format's folder of pictures."""
    if is_video_name(path.name):
        return path.with_suffix("")
    return path.parent if path.name == IMAGES and path.parent.name else path


def _annotate(dataset: VideoDataset, folder: Path) -> None:
    for number, (path, sample) in enumerate(zip(dataset.paths(), dataset, strict=True), 1):
        write_annotation(folder / path, sample.labels, number)


def write_annotation(images: Path, labels: Sequence[str], number: int) -> None:
    """Write the annotation of one video beside its folder of pictures.

    Args:
        images: Folder of pictures, at least one.
        labels: What every picture is tagged with.
        number: Of the video, from 1.

    Raises:
        VideoError: There is no picture, or the first one cannot be read.
        BadDataset: A name has a character that XML cannot hold.
    """
    pictures, size = listed_pictures(images)
    for one in (*labels, *pictures):
        check_xml_text(one)
    lines = [
        "<?xml version='1.0' encoding='UTF-8'?>",
        "<annotations>",
        *_meta_lines(labels, number, len(pictures), size),
        *_image_lines(labels, pictures, size),
        "</annotations>\n",
    ]
    (images.parent / ANNOTATION).write_text("\n".join(lines), encoding="utf-8", newline="\n")


def listed_pictures(folder: Path) -> tuple[list[str], tuple[int, int]]:
    """Return the names of the pictures of a video in order, and the size of the first one.

    Raises:
        VideoError: There is none, or the first one cannot be read.
    """
    with open_video(folder) as video:
        size = video.info.width, video.info.height
    names = (one for one in os.listdir(folder) if is_picture_name(one) and not one.startswith("."))
    return sorted(names, key=natural_key), size


_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def check_xml_text(text: str) -> None:
    """Refuse what XML cannot hold (XML 1.0, production 2)."""
    if _NOT_XML.search(text):
        raise BadDataset(f"the name {text!r} has a character that XML cannot hold; rename it")


def _meta_lines(
    labels: Sequence[str], number: int, count: int, size: tuple[int, int]
) -> Iterator[str]:
    """Yield what the extensions themselves write, with the constants of their converter."""
    yield from ("  <version>1.1</version>", "  <meta>", "    <task>")
    for name, value in {
        "id": number,
        "name": f"v{number}",
        "size": count,
        "mode": "interpolation",
        "overlap": 2,
        "bugtracker": "",
        "created": "",
        "updated": "",
        "start_frame": 0,
        "stop_frame": count - 1,
        "frame_filter": 1,
        "z_order": True,
    }.items():
        yield f"      <{name}>{value}</{name}>"
    yield "      <labels>"
    for label in labels:
        yield "        <label>"
        yield f"          <name>{escape(label)}</name>"
        yield "          <attributes></attributes>"
        yield "        </label>"
    yield from ("      </labels>", "      <segments></segments>", "      <original_size>")
    yield f"        <width>{size[0]}</width>"
    yield f"        <height>{size[1]}</height>"
    yield from ("      </original_size>", "    </task>", "  </meta>")


def _image_lines(
    labels: Sequence[str], pictures: Sequence[str], size: tuple[int, int]
) -> Iterator[str]:
    tags = [f'    <tag label={quoteattr(label)} source="manual"></tag>' for label in labels]
    for number, name in enumerate(pictures):
        pixels = f'width="{size[0]}" height="{size[1]}"'
        yield f'  <image id="{number}" name={quoteattr(name)} {pixels}>'
        yield from tags
        yield "  </image>"


FORMATS = (
    Format(
        name="cvat",
        title="CVAT as OpenVINO Training Extensions 1.x keep it: a folder a video",
        needs=f"folders of videos, each with {ANNOTATION} and {IMAGES}",
        recognise=_recognise,
        read=_read,
        places=_places,
        annotate=_annotate,
        media="pictures",
        pictures="{:05d}.jpg",
        holds=Holds(
            splits=("train", "val", "test"),
            several_labels=True,
            no_label=("train", "val", "test"),
        ),
    ),
)
