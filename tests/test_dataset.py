"""A dataset of drawn clips is whole, and the same every time."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from actionzoo.errors import ConfigError
from actionzoo.synthetic.actions import ACTIONS
from actionzoo.synthetic.dataset import make_dataset, write_video
from actionzoo.synthetic.scene import draw_clip


def decode(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert container.streams.video[0].average_rate in (25, 30)
    return np.stack(frames)


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
    make_dataset(tmp_path, clips_per_class=1, styles=["silhouette"], processes=1)
    whole = files(tmp_path)
    kept, lost = tmp_path / "run/silhouette_0_00000.mp4", tmp_path / "walk/silhouette_0_00000.mp4"
    lost.unlink()
    written = kept.stat().st_mtime_ns
    make_dataset(tmp_path, clips_per_class=1, styles=["silhouette"], processes=1)
    assert files(tmp_path) == whole
    assert kept.stat().st_mtime_ns == written


def test_written_video_shows_what_was_drawn(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = draw_clip(ACTIONS[9], rng=rng, seconds=1.0, style="silhouette", height=96, width=120)
    write_video(tmp_path / "wave.mp4", frames, fps=Fraction(25))
    read = decode(tmp_path / "wave.mp4")
    assert read.shape == frames.shape
    assert np.abs(read.astype(int) - frames).mean() < 4


def test_failed_video_leaves_nothing_behind(tmp_path: Path) -> None:
    wrong = np.zeros((2, 96, 120), np.uint8)
    with pytest.raises(ValueError, match="ndim"):
        write_video(tmp_path / "wave.mp4", wrong, fps=Fraction(25))
    assert list(tmp_path.iterdir()) == []


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
