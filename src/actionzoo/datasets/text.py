"""Read annotation files line by line, and name the line where something is wrong."""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from actionzoo.datasets.rows import Rows
from actionzoo.errors import BadDataset

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_lines(path: Path, rows: Rows) -> Iterator[tuple[int, str]]:
    """Read the lines of a text file that are not blank, each with its number from 1.

    UTF-8 and UTF-16 with or without a mark, any line ends. A line in another encoding is a problem
    of ``rows`` and left out.

    Raises:
        BadDataset: The file cannot be read.
    """
    rows.sources.append(path)
    try:
        with path.open(encoding=_encoding(path), errors="surrogateescape") as file:
            for number, line in enumerate(file, 1):
                if not line.isascii() and (bad := _not_utf8(line)) is not None:
                    message = f"byte 0x{bad:02x} is not UTF-8; save the file as UTF-8"
                    rows.problem(rows.name(path), message, number)
                elif not line.isspace():
                    yield number, line.rstrip("\n")
    except OSError as error:
        raise BadDataset(f"cannot read {str(path)!r}: {error.strerror}") from error


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        return "utf-16" if file.read(2) in _UTF16 else "utf-8-sig"


def _not_utf8(line: str) -> int | None:
    """Return the first byte that could not be decoded, which Python keeps as a surrogate."""
    return next((ord(one) - 0xDC00 for one in line if "\udc80" <= one <= "\udcff"), None)


def read_fields(path: Path, rows: Rows, *, delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
    """Read the lines of a csv file, each with its number from 1 and its fields without blanks.

    A field does not go on in the next line, so a quote that is not closed spoils one line only: it
    becomes a problem of ``rows``.

    Raises:
        BadDataset: The file cannot be read.
    """
    for number, line in read_lines(path, rows):
        try:
            fields = split_fields(line, delimiter)
        except csv.Error as error:
            rows.problem(rows.name(path), _csv_sentence(error), number)
        else:
            yield number, fields


def split_fields(line: str, delimiter: str = ",") -> list[str]:
    """Split one line of a csv file (RFC 4180).

    Raises:
        csv.Error: A quote is not closed, or something stands behind a closed one.

    >>> split_fields('"push, pull", 3')
    ['push, pull', '3']
    """
    if '"' not in line:
        return [field.strip() for field in line.split(delimiter)]
    reader = csv.reader([line], delimiter=delimiter, strict=True, skipinitialspace=True)
    return [field.strip() for field in next(reader)]


def _csv_sentence(error: csv.Error) -> str:
    text = str(error)
    if "unexpected end" in text:
        return "a quote is opened and not closed in this line"
    if "expected after" in text:
        return "a quoted field goes on after its quote; double the quotes inside it"
    return f"it is no line of a csv file: {text}"


def read_json(path: Path, rows: Rows) -> Any:
    """Read a JSON file.

    Raises:
        BadDataset: It cannot be read, or is no JSON; the message names the line.
    """
    try:
        rows.sources.append(path)
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise BadDataset(f"cannot read {str(path)!r}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadDataset(f"{str(path)!r} is not UTF-8; save it as UTF-8") from error
    except json.JSONDecodeError as error:
        raise BadDataset(f"{path}:{error.lineno}: it is no JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; many brackets
        raise BadDataset(f"{str(path)!r} cannot be read as JSON: {error}") from error
