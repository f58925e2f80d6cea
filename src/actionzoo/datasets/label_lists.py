"""Lists of class names that lie beside an annotation, and names as others have spelt them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from actionzoo.datasets.format import Place
from actionzoo.datasets.rows import Rows
from actionzoo.datasets.text import read_lines
from actionzoo.errors import ConfigError
from actionzoo.labels import find_label

LABELS_FILE = "labels.txt"
_NAMES = re.compile(r"(labels|classes|class_names|label_map[\w-]*|classInd)\.txt", re.IGNORECASE)
_NUMBERED = re.compile(r"(\d+)[\s,:;]+(\S.*)")


def find_labels(place: Place, rows: Rows) -> tuple[str, ...] | None:
    """Return the class names that the user gave, or those of a list beside the annotation.

    Lists are called ``labels.txt``, ``classes.txt``, ``class_names.txt``, ``label_map_k400.txt`` or
    ``classInd.txt``.
    """
    if rows.given.labels is not None:
        return rows.given.labels
    names = sorted(filter(_NAMES.fullmatch, os.listdir(place.folder)))
    return read_labels(place.folder / names[0], rows) if names else None


def read_labels(path: Path, rows: Rows) -> tuple[str, ...]:
    """Read class names in index order: a name a line, or ``<index> <name>`` counted from 0 or 1.

    A name that occurs twice, and indices with a gap, are problems of ``rows``.

    Raises:
        BadDataset: The file cannot be read.
    """
    lines = [(number, line.strip()) for number, line in read_lines(path, rows)]
    numbered = [_NUMBERED.fullmatch(line) for _, line in lines]
    names = [line for _, line in lines]
    if lines and all(numbered):
        found = [(int(one[1]), one[2]) for one in numbered if one is not None]
        names = [name for _, name in found]
        first = min(index for index, _ in found)
        for (number, _), (index, _), place in zip(lines, found, range(len(found)), strict=True):
            if first > 1 or index != place + first:
                message = f"index {index} stands where {place + min(first, 1)} is due"
                rows.problem(rows.name(path), message, number)
    for place, name in enumerate(names):
        if name in names[:place]:
            rows.problem(rows.name(path), f"the label {name!r} occurs twice", lines[place][0])
    return tuple(dict.fromkeys(names))


def write_labels(folder: Path, labels: Sequence[str]) -> None:
    """Write class names in index order, one a line, numbered if they look like it."""
    if all(map(_NUMBERED.fullmatch, labels)):
        labels = [f"{index} {name}" for index, name in enumerate(labels)]
    (folder / LABELS_FILE).write_text("".join(f"{name}\n" for name in labels), encoding="utf-8")


def official_label(name: str, labels: Sequence[str] | None) -> str:
    """Return the official spelling of a class name, or the name itself where no list has it.

    >>> official_label("hand_wave", ["clap", "hand wave"]), official_label("run", None)
    ('hand wave', 'run')
    """
    if labels is None or name in labels:
        return name
    try:
        return labels[find_label(name, labels)]
    except ConfigError:
        return name
