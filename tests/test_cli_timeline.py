"""``actionzoo timeline``, and what it rests on: segments of videos whose borders are known."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from actionzoo.cli import main
from actionzoo.errors import CannotOpen, VideoError
from actionzoo.synthetic import ACTIONS, draw_clip
from actionzoo.timeline.config import TimelineConfig
from actionzoo.timeline.run import SegmentFinder, find_segments
from actionzoo.video import open_video, write_video

PLAYED = (("bend", 3.0), ("jack", 2.6), ("wave1", 2.8))
LABELS = ("bend", "jumping jack", "wave one hand")
FPS = Fraction(25)


@pytest.fixture(scope="module")
def frames() -> list[np.ndarray]:
    """Three actions one after the other; none of their people was seen in training."""
    actions = {one.name: one for one in ACTIONS}
    rng = np.random.default_rng(20240229)
    parts = [
        draw_clip(actions[name], rng=rng, seconds=seconds, style="silhouette")
        for name, seconds in PLAYED
    ]
    return [frame for part in parts for frame in part]


@pytest.fixture(scope="module")
def video(frames: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("composed") / "composed.mp4"
    write_video(path, frames, fps=FPS)
    return path


@pytest.fixture(scope="module")
def finder() -> SegmentFinder:
    return SegmentFinder()


def borders(timeline) -> list[float]:
    return [timeline.segments[0].start_seconds, *(one.end_seconds for one in timeline.segments)]


def test_borders_are_where_videos_were_joined(video: Path, finder: SegmentFinder) -> None:
    told: list[tuple[float, float | None]] = []
    timeline = finder(video, progress=lambda *seconds: told.append(seconds))
    assert tuple(one.label for one in timeline.segments) == LABELS
    wanted = np.cumsum([0, *(seconds for _, seconds in PLAYED)])
    assert borders(timeline) == pytest.approx(wanted, abs=0.35)
    assert all(one.score > 0.5 for one in timeline.segments)
    assert timeline.duration_seconds == pytest.approx(8.4)
    assert timeline.window_seconds == pytest.approx(1.24)
    assert (timeline.video.width, timeline.video.codec) == (160, "h264")
    done = [seconds for seconds, _ in told]
    assert done == sorted(done)
    assert [total for _, total in told] == pytest.approx([8.4] * len(told))
    assert "3 segments in 8.4 s" in repr(timeline)


def test_frames_in_memory_are_looked_at_too(
    frames: list[np.ndarray], finder: SegmentFinder
) -> None:
    timeline = finder(iter(frames))
    assert tuple(one.label for one in timeline.segments) == LABELS
    assert timeline.duration_seconds == pytest.approx(8.4)
    with pytest.raises(VideoError):
        finder(iter(()))


def test_a_video_that_breaks_off_gives_what_there_was(
    frames: list[np.ndarray], finder: SegmentFinder
) -> None:
    def breaking() -> Iterator[np.ndarray]:
        yield from frames[:100]
        raise CannotOpen("the connection was lost")

    timeline = finder(breaking())
    assert timeline.segments[0].label == "bend"
    assert timeline.segments[-1].end_seconds <= 4.0
    assert timeline.warnings == ("the connection was lost",)
    with pytest.raises(CannotOpen, match="connection was lost"):
        finder(islice(breaking(), 100, None))


def test_only_some_labels_are_looked_for(video: Path) -> None:
    config = TimelineConfig(labels=("bend", "wave one hand"), background=("bend",))
    timeline = find_segments(video, config=config)
    assert [one.label for one in timeline.segments] == ["wave one hand"]


# The command.


def test_a_table_is_shown(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["timeline", str(video)]) == 0
    out = capsys.readouterr().out
    assert "0:00:00.0" in out
    assert all(label in out for label in LABELS)
    assert main(["timeline", str(video), "--threshold", "1"]) == 0
    assert "nothing recognised" in capsys.readouterr().out


def test_one_text_goes_to_the_screen(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["timeline", str(video), "--format", "json", "--background", "bend"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["label"] for one in told["segments"]] == list(LABELS[1:])
    assert told["settings"]["background"] == ["bend"]


def test_files_are_written_for_all_that_can_be_read(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    out = tmp_path / "out"
    words = ["timeline", str(broken), str(video), str(tmp_path / "gone.mp4"), str(video)]
    assert main([*words, "--format", "srt,csv", "--format", "html", "--output", str(out)]) == 1
    names = {"composed.srt", "composed.csv", "composed.html"}
    assert {one.name for one in out.iterdir()} == names | {
        one.replace("composed", "composed-2") for one in names
    }
    rows = list(csv.DictReader((out / "composed.csv").read_text().splitlines()))
    assert [row["label"] for row in rows] == list(LABELS)
    errors = capsys.readouterr().err
    assert "broken.mp4" in errors
    assert "gone.mp4" in errors


def test_the_ending_of_the_file_chooses(video: Path, tmp_path: Path) -> None:
    (tmp_path / "a.vtt").write_text("old")
    assert main(["timeline", str(video), "--output", str(tmp_path / "a.vtt")]) == 0
    assert (tmp_path / "a.vtt").read_text().startswith("WEBVTT")
    words = ["timeline", str(video), "--format", "eaf,srt", "--output", str(tmp_path / "b.txt")]
    assert main(words) == 0
    assert {one.name for one in tmp_path.iterdir()} == {"a.vtt", "b.eaf", "b.srt"}
    assert main(["timeline", str(video), "--output", str(tmp_path / "new" / "c.csv")]) == 0
    assert (tmp_path / "new" / "c.csv").is_file()


def test_an_annotated_video_is_shown_by_the_page(video: Path, tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    assert main(["timeline", str(video), "--format", "html,mp4", "--output", str(tmp_path)]) == 0
    assert 'src="./composed-actions.mp4"' in (tmp_path / "composed.html").read_text()
    with open_video(tmp_path / "composed-actions.mp4") as found:
        assert float(found.info.duration_seconds) == pytest.approx(8.4, abs=0.05)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--format", "docx"], "there is no format 'docx'"),
        (["--output", "x.docx"], "tells no format by its ending"),
        (["--threshold", "7"], "threshold is 7"),
        (["--labels", "wlak"], "did you mean 'walk'"),
        (["--output", "{video}", "--format", "mp4"], "would be written over"),
        (["{video}", "--output", "a.json"], "2 videos do not go into one file"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_done(
    video: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = video.read_bytes()
    given = [word.format(video=video) for word in words]
    assert main(["timeline", str(video), *given]) == 2
    assert told in capsys.readouterr().err
    assert video.read_bytes() == before


def test_a_file_that_cannot_be_written_is_told(video: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert main(["timeline", str(video), "--output", str(tmp_path / "file" / "a.srt")]) == 3


def test_real_recordings(shared: Path, finder: SegmentFinder) -> None:
    """Four actions of one person of Weizmann's."""
    played = ("bend", "jack", "wave2", "pjump")
    frames, ends = [], []
    for name in played:
        with open_video(shared / "data" / "weizmann" / name / f"daria_{name}.avi") as one:
            frames += [frame.pixels for frame in one.frames()]
        ends.append(len(frames) / 25)
    timeline = finder(iter(frames))
    labels = [one.label for one in timeline.segments]
    assert labels == ["bend", "jumping jack", "wave two hands", "jump in place"]
    assert borders(timeline) == pytest.approx([0, *ends], abs=0.5)
