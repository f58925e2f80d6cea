"""What Datumaro reads and writes: exports of CVAT, and Datumaro's own formats.

It needs the extra ``datumaro``, but to recognise such a dataset it does not. Datumaro knows items:
a video, a picture or a frame of a video, each with annotations of many kinds. Here

- an item that is a video is a sample with its labels;
- the pictures of one folder, or the frames of one file, are one video with the label that they
  share. Where they differ and the frame rate is known, each run of alike frames is a sample;
- an annotation that tells where it begins and ends is a sample of that part: ``time_start`` and
  ``time_end`` in seconds, or ``start`` and ``stop`` (``start_frame``, ``stop_frame``) in frames,
  the last one included.

Other boxes, masks and points say nothing of a video as a whole. Of Datumaro's own formats, JSON and
the binary one are read; Arrow is not, for it knows pictures only, and a damaged file of it ends the
process.
"""

from __future__ import annotations

import math
import re
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from itertools import groupby
from pathlib import Path, PurePosixPath, PureWindowsPath
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from actionzoo.clip import VideoInfo
from actionzoo.datasets.cvat import (
    ANNOTATION,
    IMAGES,
    Annotation,
    BadXml,
    Picture,
    check_xml_text,
    differing,
    listed_pictures,
    looks_like_annotation,
    names_in_splits,
    read_annotation,
    video_names,
)
from actionzoo.datasets.dataset import Sample, VideoDataset, relative
from actionzoo.datasets.format import Format, Holds, Place, is_picture_folder, is_video_name
from actionzoo.datasets.names import SPLIT_OF_WORD, group_of
from actionzoo.datasets.rows import Rows
from actionzoo.errors import MissingExtra, VideoError
from actionzoo.sources import natural_key
from actionzoo.video import open_video

ANNOTATIONS, VIDEOS = "annotations", "videos"
NO_SPLIT = "default"
"""Datumaro's and CVAT's name for what is in no subset."""


class Span(NamedTuple):
    """From where to where an annotation holds; None: from the beginning, to the end."""

    start: float | None = None
    end: float | None = None
    in_frames: bool = False
    """Whether both count frames, the end included, and not seconds."""


_SPANS = (
    ("time_start", "time_end", False),  # Datumaro's reader of Kinetics
    ("start", "stop", True),
    ("start_frame", "stop_frame", True),
)
"""Attributes that tell a span, and whether they count frames."""


_BESIDE = (
    "put the video that was annotated beside the annotation, for its frame rate tells the times"
)


class _Unusable(ValueError):
    """What an item says cannot be used; the message is a sentence without the place."""


# Datumaro


@contextmanager
def _datumaro(purpose: str) -> Iterator[None]:
    """Import Datumaro, and let it work in silence.

    Raises:
        MissingExtra: It is not installed.
    """
    with warnings.catch_warnings():
        # Datumaro 1.13 has strings such as "\d" that newer versions of Python warn of, once, when
        # they compile the module; it loads its modules as they are needed.
        warnings.filterwarnings("ignore", message=".*invalid escape sequence")
        try:
            import datumaro  # noqa: F401
        except ImportError as error:
            raise MissingExtra("datumaro", purpose) from error
        yield


class _Refused:
    """Notes the items that Datumaro cannot read, which it then leaves out."""

    def __init__(self, rows: Rows, file: str) -> None:
        self._rows, self._file = rows, file

    def report_item_error(self, error: Exception, *, item_id: tuple[str, str]) -> None:
        """Note an item; the name of the method is Datumaro's."""
        self._rows.problem(self._file, f"item {item_id[0]!r} cannot be read: {_reason(error)}")

    def report_annotation_error(self, error: Exception, *, item_id: tuple[str, str]) -> None:
        """Note an annotation, of which Datumaro does not tell the item."""
        message = f"an annotation cannot be read, so its item lacks it: {_reason(error)}"
        self._rows.problem(self._file, message)


def _reason(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {error}"


def _import(path: Path, format: str, name: str, rows: Rows) -> tuple[list[str], list[Any]]:
    """Read one annotation file with Datumaro.

    Returns:
        Its labels in index order, and its items: none where it cannot be read, which is a problem.
    """
    from datumaro.components.annotation import AnnotationType
    from datumaro.components.dataset import Dataset
    from datumaro.components.errors import DatumaroError

    # Videos may lie anywhere, as in any list; nothing is ever written there.
    anywhere = {} if format == "cvat" else {"allow_external_media": True}
    try:
        whole = Dataset.import_from(
            str(path), format, error_policy=_Refused(rows, name), **anywhere
        )
        labels = whole.categories().get(AnnotationType.label)
        return [one.name for one in labels] if labels is not None else [], list(whole)
    except (DatumaroError, OSError) as error:
        rows.problem(name, f"Datumaro cannot read it: {_reason(error)}")
        return [], []


# from items to samples


@dataclass(frozen=True, kw_only=True, slots=True)
class _File:
    """An annotation file."""

    name: str
    """As problems name it."""
    unsplit: str
    """The subset that Datumaro takes for items that are in none."""
    video_of: Callable[[str, str, str], Path]
    """Find the video of a path that Datumaro tells, from the folder for its kind and the subset."""
    lines: Mapping[tuple[str, str], int | None] = field(default_factory=dict)
    """Where the picture of a subset and a number stands."""

    def split_of(self, subset: str) -> str | None:
        """Return the split that a subset is."""
        word = SPLIT_OF_WORD.get(subset.lower())
        return word or (None if subset in (self.unsplit, NO_SPLIT) else subset)


@dataclass(kw_only=True, slots=True)
class _Frames:
    """The frames of one video, gathered."""

    pictures: list[Picture] = field(default_factory=list)
    parts: dict[Span, dict[str, None]] = field(default_factory=dict)
    shapes: int = 0
    owners: set[str] = field(default_factory=set)
    """The videos that its pictures are of by their names: more than one cannot be told apart."""


class _Reader:
    """Makes samples of the items of one annotation file."""

    def __init__(self, file: _File, labels: list[str], rows: Rows) -> None:
        self._file, self._labels, self._rows = file, labels, rows
        self._videos: dict[tuple[str, Path], _Frames] = {}
        self._untagged: list[str] = []
        self._infos: dict[Path, VideoInfo | None] = {}

    def read(self, items: list[Any]) -> None:
        """Add the samples; frames and pictures are gathered first."""
        for item in items:
            try:
                self._take(item)
            except _Unusable as error:
                told = str(item.attributes.get("frame"))
                self._problem(f"item {item.id!r}: {error}", self._line(item.subset, told))
        for (subset, path), frames in self._videos.items():
            try:
                self._add_frames(path, subset, frames)
            except _Unusable as error:
                self._problem(f"{self._rows.name(path)!r}: {error}", frames.pictures[0].line)
        if self._untagged:
            more = f" and {len(self._untagged) - 1} more" if len(self._untagged) > 1 else ""
            self._rows.notes.append(
                f"{self._file.name}: some pictures of {self._untagged[0]!r}{more} have no tag; that"
                " of the others is taken for the whole video"
            )

    def _problem(self, message: str, line: int | None) -> None:
        self._rows.problem(self._file.name, message, line)

    def _line(self, subset: str, number: str) -> int | None:
        return self._file.lines.get((subset, number))

    def _take(self, item: Any) -> None:
        from datumaro.components.media import Image, Video, VideoFrame

        media = item.media
        if isinstance(media, Video):
            self._add_video(item)
        elif isinstance(media, VideoFrame):
            path = self._file.video_of(media.video.path, VIDEOS, item.subset)
            self._gather(item, path, str(media.index), owner="")
        elif isinstance(media, Image) and getattr(media, "path", None):
            path = self._file.video_of(media.path, IMAGES, item.subset)
            owner = item.id.rpartition("##")[0] or item.id.rpartition("/")[0]
            self._gather(item, path, str(item.attributes.get("frame", "")), owner)
        else:
            raise _Unusable("it names no file of a video or a picture")

    def _add_video(self, item: Any) -> None:
        path = self._file.video_of(item.media.path, VIDEOS, item.subset)
        said, shapes = _said(item, self._labels)
        if shapes and not said:
            raise _Unusable("it has boxes or other shapes, but no label")
        whole = _span(item.attributes) or _part_of(item.media.as_dict())
        for span, labels in (said or {None: {}}).items():
            self._add(path, tuple(labels), span or whole, item.subset, group=_group(item))

    def _gather(self, item: Any, path: Path, number: str, owner: str) -> None:
        """Take what a picture or a frame says of its video."""
        frames = self._videos.setdefault((item.subset, path), _Frames())
        frames.owners.add(owner)
        line = self._line(item.subset, number)
        picture = Picture(item.id, number, item.subset, "", line, [])
        frames.pictures.append(picture)
        said, shapes = _said(item, self._labels)
        frames.shapes += shapes
        for span, labels in said.items():
            if span is None:
                picture.tags.extend(labels)
            else:
                frames.parts.setdefault(span, {}).update(labels)

    def _add_frames(self, path: Path, subset: str, frames: _Frames) -> None:
        """Add the samples of a video whose frames were gathered."""
        if len(frames.owners) > 1:
            names = ", ".join(map(repr, sorted(frames.owners)[:3]))
            raise _Unusable(
                f"the pictures of {len(frames.owners)} videos lie in one folder ({names}); "
                "give each a folder of its own"
            )
        line = frames.pictures[0].line
        for span, labels in frames.parts.items():
            self._add(path, tuple(labels), span, subset, line=line)
        pictures = _in_order(frames.pictures)
        tagged = [one for one in pictures if one.tags]
        if not tagged and frames.parts:
            return
        if not tagged and frames.shapes:
            raise _Unusable("it holds boxes or other shapes, not tags: detection is not read")
        count = None if is_video_name(path.name) else len(pictures)
        for span, tags in self._runs(path, pictures, tagged):
            self._add(path, tags, span, subset, line=line, num_frames=count)

    def _runs(
        self, path: Path, pictures: list[Picture], tagged: list[Picture]
    ) -> list[tuple[Span, tuple[str, ...]]]:
        """Return the parts of a video whose frames are tagged alike."""
        if tagged and (info := self._info(path)) is not None and info.fps is not None:
            return _runs(pictures, info.duration_seconds * info.fps)
        if len({frozenset(one.tags) for one in tagged}) > 1:
            raise _Unusable(f"{differing(pictures)}; cut it into a folder a video, or {_BESIDE}")
        if tagged and len(tagged) < len(pictures):
            self._untagged.append(self._rows.name(path))
        return [(Span(), tuple(tagged[0].tags) if tagged else ())]

    def _add(
        self,
        path: Path,
        labels: tuple[str, ...],
        span: Span,
        subset: str,
        *,
        group: str | None = None,
        line: int | None = None,
        num_frames: int | None = None,
    ) -> None:
        self._rows.add(
            relative(path, self._rows.root),
            labels,
            file=self._file.name,
            line=line,
            splits=(self._file.split_of(subset),),
            group=group or group_of(path.name),
            seconds=self._seconds(span, path),
            num_frames=num_frames,
        )

    def _seconds(self, span: Span, path: Path) -> tuple[float | None, float | None]:
        """Return a span in seconds."""
        if not span.in_frames:
            return span.start, span.end
        info = self._info(path)
        if info is None or info.fps is None:
            told = " to ".join(f"{one:g}" for one in span[:2] if one is not None)
            raise _Unusable(f"it tells frames ({told}), and the frame rate is not known; {_BESIDE}")
        start = None if span.start is None else float(Fraction(span.start) / info.fps)
        return start, None if span.end is None else float(Fraction(span.end + 1) / info.fps)

    def _info(self, path: Path) -> VideoInfo | None:
        """Return the facts of a video file; None of a folder, or where there is none to read."""
        if path not in self._infos:
            self._infos[path] = _info(path)
        return self._infos[path]


def _said(item: Any, names: list[str]) -> tuple[dict[Span | None, dict[str, None]], int]:
    """Return the labels of an item by the span they tell, and how many shapes tell none."""
    from datumaro.components.annotation import AnnotationType

    said: dict[Span | None, dict[str, None]] = {}
    shapes = 0
    for one in item.annotations:
        span = _span(one.attributes)
        if span is None and one.type != AnnotationType.label:
            shapes += 1
            continue
        index = getattr(one, "label", None)
        if not isinstance(index, int) or not 0 <= index < len(names):
            raise _Unusable(f"there is no label of index {index}; {len(names)} are declared")
        said.setdefault(span, {})[names[index]] = None
    return said, shapes


def _span(attributes: Mapping[str, Any]) -> Span | None:
    for start, end, in_frames in _SPANS:
        if start in attributes or end in attributes:
            return Span(_number(attributes, start), _number(attributes, end), in_frames)
    return None


def _number(attributes: Mapping[str, Any], name: str) -> float | None:
    value = attributes.get(name)
    if value is None or value == "":
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise _Unusable(f"its {name}, {value!r}, is no number")
    return number


def _part_of(video: Mapping[str, Any]) -> Span:
    """Return the part of a file that an item of Datumaro is."""
    start, end = video["start_frame"], video["end_frame"]
    return Span(start, end, in_frames=True) if start or end is not None else Span()


def _group(item: Any) -> str | None:
    group = item.attributes.get("group")
    return None if group is None else str(group)


def _in_order(pictures: list[Picture]) -> list[Picture]:
    """Sort frames by their numbers, where all tell one, else by their names."""
    if all(one.number.isdecimal() for one in pictures):
        return sorted(pictures, key=lambda one: int(one.number))
    pictures = sorted(pictures, key=lambda one: natural_key(one.name))
    return [one._replace(number=str(place)) for place, one in enumerate(pictures)]


def _runs(pictures: list[Picture], num_frames: Fraction) -> list[tuple[Span, tuple[str, ...]]]:
    """Return the spans of alike frames; a run lasts until the next frame that is told of.

    Args:
        pictures: In order; perhaps only every n-th frame, or those of a part of the video.
        num_frames: Of the whole video, as far as its header tells.
    """
    runs = [list(run) for _, run in groupby(pictures, key=lambda one: frozenset(one.tags))]
    numbers = [int(one.number) for one in pictures]
    last = numbers[-1] + (numbers[-1] - numbers[-2] if len(numbers) > 1 else 1) - 1
    firsts = [int(run[0].number) for run in runs]
    ends = [*(first - 1 for first in firsts[1:]), last if last + 1.5 < num_frames else None]
    return [
        (Span(first or None, end, in_frames=True), tuple(run[0].tags))
        for run, first, end in zip(runs, firsts, ends, strict=True)
        if run[0].tags
    ]


def _info(path: Path) -> VideoInfo | None:
    if not is_video_name(path.name):
        return None
    try:
        with open_video(path) as video:
            return video.info
    except VideoError:
        return None


# exports of CVAT


def _recognise_export(place: Place) -> bool:
    return bool(_exports(place))


def _exports(place: Place) -> list[str]:
    return [one for one in place.files_with(".xml") if looks_like_annotation(place.head(one))]


def _read_export(place: Place, rows: Rows) -> VideoDataset:
    labels: dict[str, None] = {}
    rows.sources.append(place.folder)
    with _datumaro("reading an export of CVAT"):
        for name in _exports(place):
            file = rows.root / name
            rows.sources.append(file)
            try:
                labels |= dict.fromkeys(_read_annotation(file, read_annotation(file), rows))
            except BadXml as error:
                rows.problem(name, str(error), error.line)
    return rows.finish(rows.given.labels or list(labels))


def _read_annotation(file: Path, found: Annotation, rows: Rows) -> list[str]:
    """Add the samples of an annotation, and return its labels."""
    _check(found)
    root = rows.given.videos or file.parent
    source = _source(found, root, file.name, rows)
    with TemporaryDirectory(prefix="actionzoo-") as folder:
        staged = Path(folder) / file.name
        _stage(file, found.pictures, staged)
        labels, items = _import(staged, "cvat", file.name, rows)
    own = _File(
        name=file.name,
        unsplit=file.stem,
        video_of=_finder(root, Path(folder) / IMAGES, source),
        lines={(one.subset or file.stem, one.number): one.line for one in found.pictures},
    )
    _Reader(own, labels, rows).read(items)
    return labels


def _check(found: Annotation) -> None:
    """Refuse what Datumaro would mix up or not name, and names that lead out of the folder."""
    seen: set[tuple[str, str]] = set()
    for one in found.pictures:
        if not one.name or PureWindowsPath(one.name).anchor or ".." in re.split(r"[/\\]", one.name):
            raise BadXml(f"{one.name!r} is no name of a picture below {IMAGES}", one.line)
        if (one.subset, one.number) in seen:
            message = (
                f"a second picture has the id {one.number!r}, as in an export of several tasks, "
                "and Datumaro takes both for one; export each task into a folder of its own"
            )
            raise BadXml(message, one.line)
        seen.add((one.subset, one.number))
        for label in one.tags:
            if label not in found.labels:
                message = f"the tag {label!r} is not among the labels of <meta>"
                raise BadXml(message, one.line)


def _stage(file: Path, pictures: Sequence[Picture], staged: Path) -> None:
    """Copy an annotation to where Datumaro finds a file of every name.

    It refuses an export without pictures, and one of a video, where CVAT lists ``frame_000000`` and
    writes ``frame_000000.PNG``. It opens none of them, so empty files do.
    """
    shutil.copyfile(file, staged)
    images = staged.parent / IMAGES
    images.mkdir()
    made = {images}
    for one in pictures:
        file = images / one.name
        try:
            if file.parent not in made:
                file.parent.mkdir(parents=True, exist_ok=True)
                made.add(file.parent)
            file.touch()
        except OSError as error:
            message = f"{one.name!r} is no name of a picture: {error.strerror}"
            raise BadXml(message, one.line) from error


def _source(found: Annotation, root: Path, name: str, rows: Rows) -> Path | None:
    """Return the video file that was annotated, if it is one and lies there."""
    names = {PurePosixPath(one).name for one in found.sources if is_video_name(one)}
    if len(names) != 1:
        return None
    source = root / names.pop()
    if source.is_file():
        return source
    if not is_picture_folder(root / IMAGES):
        rows.notes.append(f"{name}: neither {source.name!r} nor {IMAGES} is beside it")
    return None


def _finder(root: Path, staged: Path, source: Path | None) -> Callable[[str, str, str], Path]:
    """Return how the video of a staged picture is found: the annotated file, or its folder."""

    @cache
    def folder_of(parent: Path, subset: str) -> Path:
        tried = (root / IMAGES / subset / parent, root / IMAGES / parent, root / parent)
        return next((one for one in tried if is_picture_folder(one)), tried[1])

    def video_of(told: str, _: str, subset: str) -> Path:
        return source or folder_of(Path(told).relative_to(staged).parent, subset)

    return video_of


def _places_export(dataset: VideoDataset) -> Sequence[str]:
    names = video_names([PurePosixPath(path) for path in dataset.paths()])
    return [f"{IMAGES}/{name}" for name in names]


def _annotate_export(dataset: VideoDataset, folder: Path) -> None:
    """Write an annotation a split, with a tag on every picture, as one image task has them.

    Raises:
        VideoError: A folder holds no picture, or the first one cannot be read.
        BadDataset: A name has a character that XML cannot hold.
    """
    for label in dataset.labels:
        check_xml_text(label)
    with _datumaro("writing as CVAT exports"):
        from datumaro.components.annotation import Label
        from datumaro.components.dataset import Dataset
        from datumaro.components.dataset_base import DatasetItem
        from datumaro.components.media import Image

        items = []
        for path, indices, split in _told(dataset):
            pictures, (width, height) = listed_pictures(folder / path)
            for name in pictures:
                check_xml_text(name)
                file = PurePosixPath(path, name)
                items.append(
                    DatasetItem(
                        id=str(file.relative_to(IMAGES).with_suffix("")),
                        subset=split or NO_SPLIT,
                        media=Image.from_file(path=str(folder / file), size=(height, width)),
                        annotations=[Label(index) for index in indices],
                    )
                )
        whole = Dataset.from_iterable(items, categories=list(dataset.labels), media_type=Image)
        whole.export(str(folder), "cvat", save_media=False)


# Datumaro's own formats


def _recognise_own(place: Place) -> bool:
    return bool(_own_files(place))


def _own_files(place: Place) -> list[tuple[Path, str]]:
    """Return the annotation files of Datumaro, and the name it has for the format of each."""
    inner = [place.inside(ANNOTATIONS)] if ANNOTATIONS in place.folders else []
    return [
        (one.folder / name, format)
        for one in (place, *inner)
        for name in one.files
        if (format := _own_format(one, name)) is not None
    ]


def _own_format(place: Place, name: str) -> str | None:
    suffix = Path(name).suffix.lower()
    if suffix == ".json":
        own = re.search(r'"(dm_format_version|infos)"\s*:', place.head(name))
        return "datumaro" if own else None
    if suffix == ".datum" and _begins(place.folder / name, _SIGNATURE):
        return "datumaro_binary"
    return None


_SIGNATURE = b"signature:datumaro_binary"


def _begins(file: Path, signature: bytes) -> bool:
    try:
        with file.open("rb") as opened:
            return opened.read(len(signature)) == signature
    except OSError:
        return False


def _read_own(place: Place, rows: Rows) -> VideoDataset:
    labels: dict[str, None] = {}
    rows.sources.append(place.folder)
    with _datumaro("reading a dataset of Datumaro"):
        for path, format in _own_files(place):
            file = path.absolute()
            rows.sources.extend((file, file.parent))
            name = rows.name(file)
            names, items = _import(file, format, name, rows)
            root = file.parent.parent if file.parent.name == ANNOTATIONS else file.parent
            finder = _own_finder(root, rows.given.videos)
            _Reader(_File(name=name, unsplit=NO_SPLIT, video_of=finder), names, rows).read(items)
            labels |= dict.fromkeys(names)
    return rows.finish(rows.given.labels or list(labels))


def _own_finder(root: Path, videos: Path | None) -> Callable[[str, str, str], Path]:
    """Return how the video of an item is found."""

    def video_of(told: str, kind: str, subset: str) -> Path:
        path, home = Path(told), root / kind / subset
        # Datumaro puts the folder before what is told: all of it, or the subset where there is no
        # such folder.
        for start in (home, Path(subset)):
            if path.is_relative_to(start):
                path = path.relative_to(start)
                break
        found = (videos or home) / path  # an absolute path stays as it is
        return found.parent if kind == IMAGES else found

    return video_of


def _places_own(dataset: VideoDataset) -> Sequence[str]:
    splits, paths = dataset.split_column(), dataset.paths()
    return [
        f"{VIDEOS}/{split or NO_SPLIT}/{name}{_suffix(path)}"
        for split, name, path in zip(splits, names_in_splits(dataset), paths, strict=True)
    ]


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix if is_video_name(path) else ".mp4"


def _annotate_own(dataset: VideoDataset, folder: Path) -> None:
    with _datumaro("writing a dataset of Datumaro"):
        from datumaro.components.dataset import Dataset
        from datumaro.components.media import Video

        items = [
            _item(sample, indices, path, folder.absolute())
            for sample, (path, indices, _) in zip(dataset, _told(dataset), strict=True)
        ]
        whole = Dataset.from_iterable(items, categories=list(dataset.labels), media_type=Video)
        whole.export(str(folder), "datumaro", save_media=False)


def _item(sample: Sample, indices: Sequence[int], path: str, folder: Path) -> Any:
    """Return a sample as Datumaro has it."""
    from datumaro.components.annotation import Label
    from datumaro.components.dataset_base import DatasetItem
    from datumaro.components.media import Video

    subset = sample.split or NO_SPLIT
    names = ("time_start", "time_end")
    times = dict(zip(names, (sample.start_seconds, sample.end_seconds), strict=True))
    times = {name: value for name, value in times.items() if value is not None}
    group = {} if sample.group is None else {"group": sample.group}
    return DatasetItem(
        id=PurePosixPath(path).stem,
        subset=subset,
        # Told from the folder of the subset, where Datumaro looks for it.
        media=Video(path=relative(folder / path, folder / VIDEOS / subset)),
        annotations=[Label(index, attributes=times) for index in indices],
        attributes=group if indices else group | times,
    )


def _told(dataset: VideoDataset) -> Iterator[tuple[str, tuple[int, ...], str | None]]:
    return zip(dataset.paths(), dataset.class_indices(), dataset.split_column(), strict=True)


_SPLITS = ("train", "val", "test")

FORMATS = (
    Format(
        name="cvat-export",
        title="an export of CVAT, for images or for video, through Datumaro",
        needs=f"{ANNOTATION} as CVAT 1.1 exports it, with {IMAGES} or the video beside it",
        recognise=_recognise_export,
        read=_read_export,
        places=_places_export,
        annotate=_annotate_export,
        media="pictures",
        pictures="frame_{:06d}.jpg",
        holds=Holds(splits=_SPLITS, several_labels=True, no_label=_SPLITS),
    ),
    Format(
        name="datumaro",
        title="Datumaro's own formats: JSON, which is also written, and the binary one",
        needs=f"a folder {ANNOTATIONS} with .json or .datum files of Datumaro",
        recognise=_recognise_own,
        read=_read_own,
        places=_places_own,
        annotate=_annotate_own,
        media="files",
        holds=Holds(splits=_SPLITS, groups=True, times=True, several_labels=True, no_label=_SPLITS),
    ),
)
