"""Copies are found however they were encoded; what only resembles them is not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionzoo.datasets import Sample, VideoDataset, open_dataset
from actionzoo.datasets.inspection import inspect
from actionzoo.datasets.similar import (
    Similar,
    find_similar,
    identical_files,
    pairs_that_agree,
    pairs_that_begin_alike,
)
from actionzoo.video import open_video
from videos import write_pictures, write_video

Draw = Callable[[int, int, int], np.ndarray]


def scene(seed: int, speed: float = 1.0) -> Draw:
    """Draw a figure that crosses a landscape of soft waves, 96x128 or made smaller."""
    rng = np.random.default_rng(seed)
    waves = rng.uniform(-3, 3, (6, 2)), rng.uniform(0, 6, 6)

    def draw(number: int, height: int, width: int) -> np.ndarray:
        down, across = np.mgrid[0:96, 0:128] / 96
        levels = sum(np.sin(a * down + b * across + c) for (a, b), c in zip(*waves, strict=True))
        pixels = 128 + 18 * np.asarray(levels)
        left = round(12 + 1.5 * speed * number)
        pixels[24:72, left : left + 20] = 230
        pixels = pixels.reshape(height, 96 // height, width, 128 // width).mean(axis=(1, 3))
        return np.repeat(pixels.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)

    return draw


def black(number: int, height: int, width: int) -> np.ndarray:
    return np.zeros((height, width, 3), np.uint8)


def similar_in(folder: Path, *, deep: bool = False) -> Similar:
    paths = sorted(folder.iterdir())
    samples = [Sample(path=path, labels=("run",)) for path in paths]
    dataset = VideoDataset.from_samples(samples, root=folder, fps=Fraction(25))
    return find_similar(dataset, inspect(dataset, deep=deep))


def test_identical_files_and_folders(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", range(10))
    shutil.copy(tmp_path / "a.mp4", tmp_path / "c.mp4")
    shutil.copy(tmp_path / "a.mp4", tmp_path / "b.mp4")
    spoilt = bytearray((tmp_path / "a.mp4").read_bytes())
    spoilt[-1] ^= 1
    (tmp_path / "d.mp4").write_bytes(spoilt)  # as long, and other bytes
    write_pictures(tmp_path / "e", range(5))
    shutil.copytree(tmp_path / "e", tmp_path / "f")
    write_pictures(tmp_path / "g", [0, 1, 2, 4, 3])
    (tmp_path / "h.mp4").touch()
    (tmp_path / "i.mp4").touch()
    samples = [Sample(path=path, labels=("run",)) for path in sorted(tmp_path.iterdir())]
    dataset = VideoDataset.from_samples(samples, root=tmp_path)
    groups = identical_files(dataset, inspect(dataset))
    assert groups == [("a.mp4", "b.mp4", "c.mp4"), ("e", "f")]


@pytest.mark.parametrize("deep", [False, True])
def test_copies_encoded_anew_are_found(deep: bool, tmp_path: Path) -> None:
    for number in range(4):
        write_video(
            tmp_path / f"{number}.mp4", range(50), draw=scene(number), height=96, width=128,
            fps=Fraction(25), options={"crf": "20"},
        )  # fmt: skip
    twice = {"height": 48, "width": 64, "options": {"crf": "32"}}
    write_video(tmp_path / "1 copy.mkv", range(50), draw=scene(1), fps=Fraction(25), **twice)
    write_video(
        tmp_path / "2 copy.avi", range(50), draw=scene(2), height=96, width=128,
        codec="mpeg4", fps=Fraction(25), options={"qmin": "8", "qmax": "12"},
    )  # fmt: skip
    write_video(
        tmp_path / "3 shorter.mp4", range(25), draw=scene(3), height=96, width=128,
        fps=Fraction(25),
    )  # fmt: skip
    # It begins as 0.mp4 does, and goes on otherwise.
    other = scene(0, speed=3.0)
    write_video(
        tmp_path / "0 otherwise.mp4", range(50), fps=Fraction(25), height=96, width=128,
        draw=lambda number, *size: (scene(0) if number < 12 else other)(number, *size),
    )  # fmt: skip
    assert similar_in(tmp_path, deep=deep).alike == (
        ("1 copy.mkv", "1.mp4"),
        ("2 copy.avi", "2.mp4"),
        ("3 shorter.mp4", "3.mp4"),
    )


def test_black_videos_are_no_evidence_and_a_black_start_is_passed_over(tmp_path: Path) -> None:
    for number, count in enumerate((20, 30)):
        write_video(tmp_path / f"black {number}.mp4", range(count), draw=black)

    def fades_in(seed: int) -> Draw:
        return lambda number, *size: (black if number < 5 else scene(seed))(number, *size)

    for name, seed, crf in (("a", 1, "18"), ("b", 1, "30"), ("c", 2, "18")):
        write_video(
            tmp_path / f"{name}.mp4", range(30), draw=fades_in(seed), height=96, width=128,
            options={"crf": crf},
        )  # fmt: skip
    assert similar_in(tmp_path).alike == (("a.mp4", "b.mp4"),)


def natural(rng: np.random.Generator, count: int) -> np.ndarray:
    """Draw pictures with much in slow waves and little in fast ones, as photographs have."""
    spectrum = 1 / (1 + np.hypot(*np.mgrid[0:16, 0:16]))
    waves = np.cos(np.outer(np.arange(16) + 0.5, np.arange(16)) * np.pi / 16)
    weights = rng.normal(size=(count, 2, 16, 16)) * spectrum * 60
    return (128 + waves @ weights @ waves.T).clip(0, 255).astype(np.uint8)


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(0, 10))
def test_pairs_are_those_of_comparing_all_with_all(seed: int, count: int, again: int) -> None:
    rng = np.random.default_rng(seed)
    pictures = natural(rng, count)
    copied = rng.integers(0, count, again)
    noise = rng.normal(0, 1.5, (again, 2, 16, 16)).round().astype(int)
    copies = (pictures[copied] + noise).clip(0, 255).astype(np.uint8)
    every = [*pictures, *copies]
    pairs = pairs_that_begin_alike(every)
    both = np.array([(a, b) for b in range(len(every)) for a in range(b)], int).reshape(-1, 2)
    agreeing = pairs_that_agree(every, both)
    assert {tuple(one) for one in pairs.tolist()} == {tuple(one) for one in agreeing.tolist()}
    assert {(place, count + copy) for copy, place in enumerate(copied.tolist())} <= {
        tuple(one) for one in pairs.tolist()
    }


def test_many_videos_are_compared_in_no_time_and_many_alike_too() -> None:
    pictures = [*natural(np.random.default_rng(0), 20_000)]
    pictures += pictures[:50]
    pairs = pairs_that_begin_alike(pictures)
    assert {(place, 20_000 + place) for place in range(50)} <= {
        tuple(one) for one in pairs.tolist()
    }
    assert len(pairs) < 100
    # One title card at the start of all: each is compared with some, not with all.
    assert len(pairs_that_begin_alike([pictures[0]] * 2000)) <= 2000 * 100


def test_no_video_has_no_copy() -> None:
    assert len(pairs_that_begin_alike([])) == 0


def test_real_clips_are_all_different(shared: Path) -> None:
    for name in ("fights", "weizmann"):
        dataset = open_dataset(shared / "data" / name)
        assert find_similar(dataset, inspect(dataset)) == Similar()


def test_a_real_clip_encoded_anew_is_found(shared: Path, tmp_path: Path) -> None:
    for number, name in enumerate(("fights/fight/fi060.mp4", "weizmann/run/ira_run.avi")):
        source = shared / "data" / name
        shutil.copy(source, tmp_path / f"{number} original{source.suffix}")
        with open_video(source) as video:
            size = video.info.height // 4 * 2, video.info.width // 4 * 2
            frames = [frame.pixels for frame in video.frames(size)]
            fps = video.info.fps or Fraction(25)
        write_video(
            tmp_path / f"{number} copy.mkv", range(len(frames)), fps=fps,
            height=size[0], width=size[1], options={"crf": "30"},
            draw=lambda at, height, width, frames=frames: frames[at],
        )  # fmt: skip
    assert len(similar_in(tmp_path).alike) == 2
