"""The list of what must not be trained on survives any name."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionzoo.datasets.quarantine import read_quarantine, write_quarantine
from actionzoo.errors import BadDataset

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)


@given(st.dictionaries(NAMES, st.text(st.characters(exclude_categories=["Cs"]))))
def test_any_path_and_reason_come_back(
    tmp_path_factory: pytest.TempPathFactory, reasons: dict[str, str]
) -> None:
    file = tmp_path_factory.getbasetemp() / "quarantine.txt"
    write_quarantine(file, reasons)
    assert read_quarantine(file) == set(reasons)


def test_what_it_looks_like(tmp_path: Path) -> None:
    file = tmp_path / "quarantine.txt"
    write_quarantine(file, {"run/a b.mp4": "truncated: it was cut off", "#1\t.avi": "empty"})
    assert file.read_text() == (
        "# What must not be trained on: a path as the dataset tells it, a tab, the reason.\n"
        "run/a b.mp4\ttruncated: it was cut off\n"
        "\\#1\\t.avi\tempty\n"
    )


def test_one_written_by_hand(tmp_path: Path) -> None:
    file = tmp_path / "quarantine.txt"
    file.write_bytes(b"\xef\xbb\xbfrun/a.mp4\r\n\r\n# a comment\r\nC:\\videos\\b.mp4\twhy\r\n")
    assert read_quarantine(file) == {"run/a.mp4", "C:\\videos\\b.mp4"}


def test_a_missing_list_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match=r"cannot read '.*gone\.txt': No such file"):
        read_quarantine(tmp_path / "gone.txt")
