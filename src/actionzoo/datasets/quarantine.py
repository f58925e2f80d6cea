"""The list of files that must not be trained on: text, a path and a reason a line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from actionzoo.errors import BadDataset

_HEAD = "# What must not be trained on: a path as the dataset tells it, a tab, the reason.\n"
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_CHARACTERS = {escape: character for character, escape in _ESCAPES.items()} | {"\\#": "#"}


def write_quarantine(file: Path, reasons: Mapping[str, str]) -> None:
    """Write the list.

    Args:
        file: Overwritten.
        reasons: By path.

    Raises:
        OSError: The file cannot be written.
    """
    lines = [f"{_escaped(path)}\t{_escaped(reason)}\n" for path, reason in reasons.items()]
    file.write_bytes("".join([_HEAD, *lines]).encode("utf-8", "surrogateescape"))


def read_quarantine(file: Path) -> set[str]:
    """Read the paths of a list; lines that somebody wrote by hand need no reason.

    Raises:
        BadDataset: The file cannot be read.
    """
    try:
        text = file.read_bytes().decode("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise BadDataset(f"cannot read {str(file)!r}: {error.strerror}") from error
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    told = [line.partition("\t")[0] for line in lines if line.strip() and line[0] != "#"]
    return {_plain(path) for path in told}


def _escaped(text: str) -> str:
    escaped = "".join(_ESCAPES.get(one, one) for one in text)
    return f"\\{escaped}" if escaped.startswith("#") else escaped


def _plain(text: str) -> str:
    # A backslash before anything else is left as it is: somebody may have typed a path of Windows.
    return re.sub(r"\\[\\tnr#]", lambda found: _CHARACTERS[found[0]], text)
