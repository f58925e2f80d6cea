"""Files that are a part of a model, and are refused where a whole one is wanted."""

from __future__ import annotations

import os
from pathlib import Path

from actionzoo.errors import BadWeights

ENCODER, DECODER = "encoder", "decoder"
"""The parts that follow one another; a file's name ends in ``-encoder`` or ``-decoder``."""
COMPOSITE = (ENCODER, DECODER)


class PartOfModel(BadWeights):
    """A file that does not predict by itself."""

    def __init__(self, path: Path, part: str) -> None:
        name = repr(os.fspath(path))
        super().__init__(
            f"{name} is only the {part} of a model: give the folder that holds both its encoder "
            "and its decoder"
            if part in COMPOSITE
            else f"{name} is only the {part} of a model: give a file of the whole one"
        )
        self.part = part


def split_stem(stem: str) -> tuple[str, str | None]:
    """Split the name of a file into that of its model and what of it the file is.

    >>> split_stem("action-recognition-0001-encoder")
    ('action-recognition-0001', 'encoder')
    >>> split_stem("i3d-rgb-tf")
    ('i3d-rgb-tf', None)
    """
    name, _, part = stem.rpartition("-")
    return (name, part) if part in COMPOSITE and name else (stem, None)
