"""From a path to a dataset: the format is found out, and large ones are kept in a cache."""

from __future__ import annotations

import gc
import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from actionzoo import __version__
from actionzoo.datasets import (
    class_folders,
    cvat,
    hmdb51,
    jester,
    kinetics,
    lists,
    something_something,
    table,
    through_datumaro,
    ucf101,
)
from actionzoo.datasets.dataset import VideoDataset
from actionzoo.datasets.format import Format, Place
from actionzoo.datasets.rows import Given, Rows
from actionzoo.download import home
from actionzoo.errors import BadDataset, ConfigError, nearest_names

logger = logging.getLogger(__name__)

FORMATS: tuple[Format, ...] = (
    *class_folders.FORMATS,
    *ucf101.FORMATS,
    *hmdb51.FORMATS,
    *jester.FORMATS,
    *kinetics.FORMATS,
    *something_something.FORMATS,
    *lists.FORMATS,
    *table.FORMATS,
    *cvat.FORMATS,
    *through_datumaro.FORMATS,
)

CACHED_ROWS = 10_000
"""A dataset of as many rows is kept in a cache; smaller ones are read as fast."""
_STILL_SECONDS = 2.0
"""A file that was changed less than this ago could change again within the same time stamp."""
_KEPT_SECONDS = 24 * 3600.0
"""How long a cache file of what has changed since is left to processes that still read it."""

_ARCHIVES = {
    ".zip": "unzip {0} -d {1}",
    ".rar": "unrar x {0} {1}/",
    ".7z": "7z x {0} -o{1}",
    ".tar": "tar -xf {0} -C {1}",
    ".tgz": "tar -xf {0} -C {1}",
    ".gz": "tar -xf {0} -C {1}",
    ".bz2": "tar -xf {0} -C {1}",
    ".xz": "tar -xf {0} -C {1}",
}


def open_dataset(
    path: str | os.PathLike[str],
    *,
    split: str | None = None,
    fold: int | None = None,
    format: str | None = None,
    given: Given | None = None,
    skip_malformed: bool = False,
) -> VideoDataset:
    """Open a dataset of labelled videos.

    Args:
        path: Its folder, or its annotation file.
        split: Only ``train``, ``val`` or ``test``; None takes all samples.
        fold: Which of several ways of splitting, counted from 1; None keeps all, and takes the
            first for ``split``.
        format: Name of its format; None finds it out.
        given: What the dataset does not tell itself.
        skip_malformed: Leave out the rows that cannot be used, which ``facts.problems`` then names.

    Raises:
        BadDataset: There is none of a known format, several formats fit, or rows cannot be used.
        ConfigError: There is no such format, split or fold.
    """
    place = _place(Path(path))
    one = find_format(format) if format is not None else recognise(place)
    dataset = _cached(place, one, given or Given())
    if dataset.facts.problems and not skip_malformed:
        raise _malformed(place, dataset)
    if split is not None:
        if fold is None and dataset.folds > 1:
            logger.info("%d ways of splitting; the first is taken", dataset.folds)
        return dataset.of_split(split, fold or 1)
    return dataset.of_fold(fold) if fold is not None else dataset


def find_format(name: str) -> Format:
    """Return the format of a name.

    Raises:
        ConfigError: There is none.
    """
    names = {one.name: one for one in FORMATS}
    if name not in names:
        raise ConfigError(f"there is no format {name!r}; {nearest_names(name, names)}")
    return names[name]


def recognise(place: Place) -> Format:
    """Find out the format of what lies somewhere.

    Raises:
        BadDataset: No format fits, or several do.
    """
    readers = [one for one in FORMATS if one.variant_of is None]
    annotated = [one for one in readers if not one.from_tree and one.recognise(place)]
    found = annotated or [one for one in readers if one.from_tree and one.recognise(place)]
    if len(found) == 1:
        return found[0]
    where = repr(str(place.path))
    if found:
        names = " and ".join(one.name for one in found)
        raise BadDataset(f"{where} can be read as {names}; choose with --format {found[0].name}")
    needs = "".join(f"\n  {one.name}: {one.needs}" for one in readers)
    raise BadDataset(
        f"{where} is no dataset of a known format; one of these has to be there:{needs}"
    )


def _place(path: Path) -> Place:
    """Look at a path, which has to be a folder or an annotation file."""
    name = repr(str(path))
    if not path.exists():
        raise BadDataset(f"there is no {name}; give the folder of a dataset or its annotation file")
    command = _ARCHIVES.get(path.suffix.lower())
    if path.is_file() and command is not None:
        folder = str(path).removesuffix(path.suffix).removesuffix(".tar")
        raise BadDataset(
            f"{name} is an archive; unpack it and give the folder: "
            f"actionzoo data unpack {_quoted(str(path))} {_quoted(folder)}"
        )
    place = Place(path)
    try:
        _ = place.files, place.folders
    except OSError as error:
        raise BadDataset(f"cannot read {name}: {error.strerror}") from error
    return place


def _quoted(text: str) -> str:
    import shlex

    return shlex.quote(text)


def _malformed(place: Place, dataset: VideoDataset) -> BadDataset:
    problems = dataset.facts.problems
    shown = "".join(f"\n  {problem}" for problem in problems[:10])
    more = f"\n  and {len(problems) - 10} more" if len(problems) > 10 else ""
    return BadDataset(
        f"{len(problems)} of the rows of {str(place.path)!r} cannot be used; mend them, or leave "
        "them out with --skip-malformed (skip_malformed=true in training and in Python):"
        f"{shown}{more}"
    )


# the cache


def _cached(place: Place, format: Format, given: Given) -> VideoDataset:
    """Map a dataset from its cache file where nothing has changed since; else read it."""
    folder = home() / "datasets"
    key = _key(place, format, given)
    kept = _kept(folder, key)
    if kept is not None:
        return kept
    rows = Rows(place.folder, format.name, given)
    try:
        with _no_collection():
            dataset = format.read(place, rows)
    except OSError as error:
        raise BadDataset(f"cannot read {str(error.filename)!r}: {error.strerror}") from error
    if len(dataset) >= CACHED_ROWS:
        return _keep(dataset, rows.sources, folder, key)
    return dataset


@contextmanager
def _no_collection() -> Iterator[None]:
    """Let no garbage be looked for: among a million new strings and tuples there is none."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _key(place: Place, format: Format, given: Given) -> str:
    what = (__version__, str(place.path.resolve()), format.name, repr(given))
    return hashlib.sha256("\n".join(what).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _kept(folder: Path, key: str) -> VideoDataset | None:
    try:
        stamps = json.loads((folder / f"{key}.json").read_text(encoding="utf-8"))
        if stamps["sources"] != _stamps([Path(name) for name in stamps["sources"]]):
            return None
        return VideoDataset.map(folder / stamps["table"])
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
        return None


def _stamps(sources: Sequence[Path]) -> dict[str, list[int]]:
    """Return what changes of a file or folder when it is changed."""
    found = {str(one): one.stat() for one in sources}
    return {name: [stat.st_size, stat.st_mtime_ns] for name, stat in found.items()}


def _keep(dataset: VideoDataset, sources: Sequence[Path], folder: Path, key: str) -> VideoDataset:
    """Write the cache file and map it; a cache that cannot be written is done without."""
    try:
        stamps = _stamps(sources)
        if max(stamp[1] for stamp in stamps.values()) > (time.time() - _STILL_SECONDS) * 1e9:
            return dataset
        digest = hashlib.sha256(json.dumps(stamps).encode("utf-8", "surrogateescape")).hexdigest()
        file = folder / f"{key}-{digest[:16]}.arrow"
        folder.mkdir(parents=True, exist_ok=True)
        dataset.save(file)
        part = folder / f".{key}.{os.getpid()}.part"
        part.write_text(json.dumps({"table": file.name, "sources": stamps}), encoding="utf-8")
        part.replace(folder / f"{key}.json")
        _remove_old(folder, key, file)
        return VideoDataset.map(file)
    except (OSError, pa.ArrowException) as error:
        logger.info("the list is not kept for the next time: %s", error)
        return dataset


def _remove_old(folder: Path, key: str, newest: Path) -> None:
    for file in folder.glob(f"{key}-*.arrow"):
        if file != newest and file.stat().st_mtime < time.time() - _KEPT_SECONDS:
            file.unlink(missing_ok=True)
