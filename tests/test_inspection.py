"""A dataset is looked at whole, whatever its files do."""

from __future__ import annotations

import os
import shutil
import signal
import time
from fractions import Fraction
from pathlib import Path

import pytest

from actionzoo.datasets import Sample, VideoDataset
from actionzoo.datasets import inspection as inspection_module
from actionzoo.datasets.findings import KINDS
from actionzoo.datasets.inspection import files_of, inspect
from actionzoo.video.isolation import run_isolated
from actionzoo.video.probing import Inspection, Look, inspect_video
from broken_files import decodes, write_corpus
from videos import write_pictures, write_video


def dataset_of(root: Path, *paths: Path, fps: Fraction | None = None) -> VideoDataset:
    samples = [Sample(path=path, labels=("run",)) for path in paths]
    return VideoDataset.from_samples(samples, root=root, fps=fps)


def grave(one: Inspection) -> list[str]:
    return [fault.message for fault in one.faults if KINDS[fault.kind][0] != "note"]


def test_each_file_is_looked_at_once_in_order(tmp_path: Path) -> None:
    write_video(tmp_path / "b.mp4", range(10), fps=Fraction(25))
    shutil.copy(tmp_path / "b.mp4", tmp_path / "a.mp4")
    write_pictures(tmp_path / "c", range(5))
    names = ["b.mp4", "gone.mp4", "a.mp4", "b.mp4", "c"]
    dataset = dataset_of(tmp_path, *(tmp_path / name for name in names), fps=Fraction(5))
    seen: list[tuple[int, int]] = []
    found = inspect(dataset, processes=2, progress=lambda *numbers: seen.append(numbers))
    assert [one.path for one in found] == files_of(dataset) == ["b.mp4", "gone.mp4", "a.mp4", "c"]
    assert [one.num_frames for one in found] == [10, None, 10, 5]
    assert [one.duration_seconds for one in found] == [Fraction(2, 5), None, Fraction(2, 5), 1]
    assert seen == [(number, 4) for number in range(1, 5)]
    assert inspect(dataset, processes=1) == found


def test_frames_are_counted_where_the_list_tells_them(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mkv", range(10))
    told = Sample(path=tmp_path / "a.mkv", labels=("run",), num_frames=12)
    (found,) = inspect(VideoDataset.from_samples([told], root=tmp_path))
    assert found.num_frames == 10


def misbehave(look: Look) -> Inspection:
    name = Path(look.path).name
    if name.startswith("crash"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if name.startswith("hang"):
        time.sleep(60)
    return inspect_video(look)


def test_a_crash_and_a_hang_are_named_and_all_others_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection_module, "inspect_video", misbehave)
    monkeypatch.setattr(inspection_module, "_LEAST_SECONDS", 1.0)
    write_video(tmp_path / "0.mp4", range(3))
    names = [f"{number}.mp4" for number in range(20)]
    names[5], names[6], names[12] = "crash 1.mp4", "crash 2.mp4", "hang.mp4"
    for name in names[1:]:
        shutil.copy(tmp_path / "0.mp4", tmp_path / name)
    found = inspect(dataset_of(tmp_path, *(tmp_path / name for name in names)), processes=2)
    faulty = {one.path: one.faults[0].kind for one in found if one.faults}
    assert faulty == {"crash 1.mp4": "crashed", "crash 2.mp4": "crashed", "hang.mp4": "hung"}
    assert [one.num_frames for one in found if not one.faults] == [3] * 17


def test_a_thousand_broken_files_are_named_with_their_reasons(tmp_path: Path) -> None:
    files = write_corpus(tmp_path, 1000)
    dataset = dataset_of(tmp_path, *files)
    probed, decoded = inspect(dataset), inspect(dataset, deep=True)
    there = [path for path in files if path.is_file() or path.is_dir()]
    bare = {there[place]: answer for place, answer in run_isolated(decodes, there)}
    for path, probe, deep in zip(files, probed, decoded, strict=True):
        for said in grave(deep):
            assert "Traceback" not in said
            assert path.is_symlink() or str(tmp_path) not in said
        assert not any(fault.kind in ("crashed", "hung") for fault in probe.faults + deep.faults)
        assert grave(deep) or bare.get(path) == deep.num_frames, path
    sound = {"wrong suffix.webm", "new\nline #&.mkv", "<img src=x onerror=alert(1)>.mp4"}
    assert not [one for one in probed + decoded if Path(one.path).name in sound and one.faults]
    # Some changes leave a video whole: a byte of a pixel, of padding, of a name.
    assert sum(bool(grave(one)) for one in decoded) > 600
