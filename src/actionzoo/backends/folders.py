"""Which files in a folder are its model: one file, or an encoder and a decoder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from actionzoo.backends.files import IR, SUFFIXES
from actionzoo.backends.parts import COMPOSITE, split_stem
from actionzoo.errors import MOST_NAMES, BadWeights

DEEPEST = 4
"""Folders below the one given: Open Model Zoo's downloader writes as deep as that."""
PRECISIONS = ("fp32", "", "fp16", "fp32-int8", "fp16-int8", "int8")
"""Names of folders, the most precise first; one that says nothing of it is taken for float32."""
CERTIFICATE = "parity.json"
"""What ``actionzoo export`` writes beside its models; it says which it recommends."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _File:
    path: Path
    name: str
    """Of its model."""
    part: str | None

    @property
    def precision(self) -> str:
        folder = self.path.parent.name.lower()
        return folder if folder in PRECISIONS else ""

    @property
    def rank(self) -> tuple[int, int]:
        """The smaller, the sooner it is chosen: precise ones first, then those of OpenVINO."""
        return PRECISIONS.index(self.precision), SUFFIXES.index(self.path.suffix)


def model_files(folder: Path, *, suffixes: Sequence[str] = SUFFIXES) -> tuple[Path, ...]:
    """Return the file of the model in a folder, or those of its encoder and its decoder.

    What an export recommends is taken, where it says so; otherwise the most precise of a model.

    Args:
        folder: Of one model, as ``actionzoo export`` or Open Model Zoo's downloader lays it out.
        suffixes: Endings of the files that are wanted.

    Returns:
        One path, or two; none if the folder holds no model.

    Raises:
        BadWeights: It holds several models, or half a one.
    """
    recommended = _recommended(folder)
    if recommended and all(one.suffix in suffixes for one in recommended):
        return recommended
    files = [_described(path) for path in _found(folder, suffixes)]
    names = sorted({one.name for one in files})
    if len(names) > 1:
        raise _several(folder, files)
    whole = [one for one in files if one.part is None]
    if whole:
        return (_best(folder, whole),)
    halves = {part: [one for one in files if one.part == part] for part in COMPOSITE}
    if files:
        _check_halves(folder, halves)
    return tuple(_best(folder, found) for found in halves.values() if found)


def _recommended(folder: Path) -> tuple[Path, ...]:
    """Return the model files that a certificate recommends, none if they are not all there."""
    try:
        told = json.loads((folder / CERTIFICATE).read_text(encoding="utf-8"))
        paths = [folder / name for name in told["recommended"]["files"]]
    except (OSError, ValueError, KeyError, TypeError):
        return ()
    models = tuple(path for path in paths if path.suffix in SUFFIXES)
    return models if all(path.is_file() for path in paths) else ()


def _found(folder: Path, suffixes: Sequence[str]) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        depth = len(Path(place).relative_to(folder).parts)
        folders[:] = [] if depth >= DEEPEST else [one for one in folders if one[0] != "."]
        for path in (Path(place, name) for name in names):
            if path.suffix in suffixes and (path.suffix != IR or _is_ir(path)):
                yield path


def _is_ir(path: Path) -> bool:
    with path.open("rb") as file:
        return b"<net" in file.read(1000)


def _described(path: Path) -> _File:
    name, part = split_stem(path.stem)
    return _File(path=path, name=name, part=part)


def _best(folder: Path, files: Sequence[_File]) -> Path:
    first, *others = sorted(files, key=lambda one: one.rank)
    equal = [first, *(one for one in others if one.rank == first.rank)]
    if len(equal) > 1:
        raise _several(folder, equal)
    return first.path


def _several(folder: Path, files: Sequence[_File]) -> BadWeights:
    names = sorted(one.path.relative_to(folder).as_posix() for one in files)
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return BadWeights(
        f"{os.fspath(folder)!r} holds several models, {', '.join(names[:MOST_NAMES])}{more}; give "
        "the path of one, or a folder of one"
    )


def _check_halves(folder: Path, halves: dict[str, list[_File]]) -> None:
    for there, missing in (COMPOSITE, COMPOSITE[::-1]):
        if not halves[missing]:
            path = halves[there][0].path
            raise BadWeights(
                f"{os.fspath(folder)!r} holds the {there} {path.name!r} without its {missing}; put "
                f"{path.stem.removesuffix(there) + missing + path.suffix!r} there too"
            )
