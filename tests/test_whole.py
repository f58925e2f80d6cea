"""A file is there whole or not at all."""

from pathlib import Path

import pytest

from actionzoo.whole import whole, write_whole


def test_a_file_takes_its_place_when_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "some.txt"
    with whole(path) as part:
        part.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert [one.name for one in tmp_path.iterdir()] == ["some.txt"]


def test_what_was_there_stays_if_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "some.txt"
    write_whole(path, "old\n")

    def fail() -> None:
        with whole(path) as part:
            part.write_text("half")
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        fail()
    assert path.read_bytes() == b"old\n"
    assert [one.name for one in tmp_path.iterdir()] == ["some.txt"]
