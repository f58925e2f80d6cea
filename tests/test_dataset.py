"""A dataset of drawn clips is whole, and the same every time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from actionzoo.errors import ConfigError
from actionzoo.synthetic.actions import ACTIONS
from actionzoo.synthetic.dataset import make_dataset


def files(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*.*")}


def test_dataset_is_the_same_from_one_process_and_from_two(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    make_dataset(tmp_path / "one", clips_per_class=1, seed=5, processes=1)
    make_dataset(
        tmp_path / "two", clips_per_class=1, seed=5, processes=2, progress=lambda *n: seen.append(n)
    )
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert seen == [(number, 10) for number in range(1, 11)]
    assert {path.parent.name for path in (tmp_path / "one").rglob("*.mp4")} == {
        action.name for action in ACTIONS
    }


def test_dataset_goes_on_where_it_stopped(tmp_path: Path) -> None:
    options: dict[str, Any] = {"styles": ["silhouette"], "suffix": ".avi", "processes": 1}
    make_dataset(tmp_path, clips_per_class=1, **options)
    whole = files(tmp_path)
    kept, lost = tmp_path / "run/silhouette_0_00000.avi", tmp_path / "walk/silhouette_0_00000.avi"
    lost.unlink()
    written = kept.stat().st_mtime_ns
    make_dataset(tmp_path, clips_per_class=1, **options)
    assert files(tmp_path) == whole
    assert kept.stat().st_mtime_ns == written


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clips_per_class": 0}, "clips_per_class is 0; give at least 1"),
        ({"seed": -1}, "seed is -1; give at least 0"),
        ({"processes": 0}, "processes is 0; give at least 1"),
        ({"styles": []}, "no style was given"),
        ({"styles": ["cartoon"]}, "style 'cartoon' is unknown; give one or more of silhouette"),
    ],
)
def test_what_cannot_be_is_refused(options: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        make_dataset(tmp_path, **options)


def test_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(ConfigError, match="taken"):
        make_dataset(tmp_path / "taken")
