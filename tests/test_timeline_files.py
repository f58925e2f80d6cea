"""Each format, read back by something else than what wrote it."""

from __future__ import annotations

import csv
import json
import re
from datetime import datetime, timezone
from fractions import Fraction
from pathlib import Path
from urllib.parse import unquote, urlparse
from xml.etree import ElementTree

import av
import numpy as np
import pytest

from actionzoo.errors import VideoError
from actionzoo.prediction import Segment
from actionzoo.timeline.elan import eaf_text, relative_address
from actionzoo.timeline.texts import clock
from actionzoo.timeline.writing import FORMATS, write_timeline
from actionzoo.video import open_video
from actionzoo.video.sound import fits_mp4, sound_codec
from timelines import timeline_of
from videos import write_video

EVIL = "a <b>&\n\n--> \x01\udcff"
SPANS = ((0.0, 3.2504, 0), (3.2504, 59.9996, 1), (3599.9996, 3725.25, 2))


def written(tmp_path: Path, kind: str, **options: object) -> str:
    path = tmp_path / f"out.{kind}"
    path.write_text("old")
    assert write_timeline(timeline_of(*SPANS, seconds=3800, **options), path, kind) == []  # type: ignore[arg-type]
    return path.read_bytes().decode("utf-8")


def test_json(tmp_path: Path) -> None:
    told = json.loads(written(tmp_path, "json", warnings=("it broke off",)))
    assert [Segment(**one) for one in told["segments"]][2].end_seconds == 3725.25
    assert told["settings"]["threshold"] == 0.5
    assert told["settings"]["leave"] == 0.3
    assert told["video"]["duration_seconds"] == 3800
    assert told["warnings"] == ["it broke off"]
    assert {"numpy", "av", "openvino"} <= set(told["versions"])
    scores = told["scores"]
    assert scores["best"][1] == "walk"
    assert scores["scores"]["walk"][:5] == [0.8, 0.8, 0.8, 0.1, 0.1]
    assert len(scores["seconds"]) == len(scores["best"]) == len(scores["best_score"])


def test_csv(tmp_path: Path) -> None:
    rows = list(csv.DictReader(written(tmp_path, "csv").splitlines()))
    assert [row["label"] for row in rows] == ["walk", "run & <b>jump</b>", "wave"]
    assert [float(row["start_seconds"]) for row in rows] == [0.0, 3.25, 3600.0]
    assert float(rows[0]["score"]) == 0.75


CUE = r"(\d+)\n(\d{2,}:[0-5]\d:[0-5]\d[.,]\d{3}) --> (\d{2,}:[0-5]\d:[0-5]\d[.,]\d{3})\n([^\n]+)\n"


def seconds_of(stamp: str) -> float:
    hours, minutes, seconds = stamp.replace(",", ".").split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds)


@pytest.mark.parametrize(("kind", "head", "point"), [("srt", "", ","), ("vtt", "WEBVTT\n\n", ".")])
def test_subtitles(tmp_path: Path, kind: str, head: str, point: str) -> None:
    text = written(tmp_path, kind)
    assert re.fullmatch(f"{head}(?:{CUE}\n*)*", text)
    cues = re.findall(CUE, text)
    assert [int(number) for number, *_ in cues] == [1, 2, 3]
    assert all(point in start and point in end for _, start, end, _ in cues)
    assert [seconds_of(start) for _, start, _, _ in cues] == [0, 3.25, 3600]
    assert [seconds_of(end) for _, _, end, _ in cues] == [3.25, 60, 3725.25]
    label = cues[1][3]
    assert label == ("run & <b>jump</b>" if kind == "srt" else "run &amp; &lt;b&gt;jump&lt;/b&gt;")


@pytest.mark.parametrize("kind", ["srt", "vtt", "eaf", "json", "csv", "html"])
def test_no_label_breaks_a_format(tmp_path: Path, kind: str) -> None:
    timeline = timeline_of((1.0, 1.0001, 0), labels=(EVIL, "b"), path=str(tmp_path / "\udcff.mp4"))
    write_timeline(timeline, tmp_path / "out", kind)
    text = (tmp_path / "out").read_text(encoding="utf-8")
    if kind in ("srt", "vtt"):
        ((_, start, end, label),) = re.findall(CUE, text)
        assert seconds_of(start) < seconds_of(end)
        assert "-->" not in label
    if kind == "eaf":
        ElementTree.fromstring(text)


def test_times_are_rounded_as_a_whole() -> None:
    assert clock(3599.96, digits=1) == "1:00:00.0"
    assert clock(-1e-9) == "0:00:00"


# ELAN. What EAFv3.0.xsd asks for: the order of elements, their attributes, and what refers to what.

NEEDED = {
    "ANNOTATION_DOCUMENT": {"DATE", "AUTHOR", "VERSION", "FORMAT"},
    "MEDIA_DESCRIPTOR": {"MEDIA_URL", "MIME_TYPE"},
    "TIME_SLOT": {"TIME_SLOT_ID", "TIME_VALUE"},
    "TIER": {"TIER_ID", "LINGUISTIC_TYPE_REF"},
    "ALIGNABLE_ANNOTATION": {"ANNOTATION_ID", "TIME_SLOT_REF1", "TIME_SLOT_REF2"},
    "REF_ANNOTATION": {"ANNOTATION_ID", "ANNOTATION_REF"},
    "LINGUISTIC_TYPE": {"LINGUISTIC_TYPE_ID"},
    "CONSTRAINT": {"STEREOTYPE"},
    "PROPERTY": {"NAME"},
}
ORDER = ["HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE", "CONSTRAINT"]


def test_elan(tmp_path: Path) -> None:
    root = ElementTree.fromstring(written(tmp_path, "eaf"))
    for element in root.iter():
        assert NEEDED.get(element.tag, set()) <= set(element.attrib), element.tag
    places = [ORDER.index(one.tag) for one in root]
    assert places == sorted(places)
    assert root.get("FORMAT") == "3.0"
    assert datetime.fromisoformat(str(root.get("DATE"))).tzinfo is not None
    slots = {
        one.get("TIME_SLOT_ID"): int(str(one.get("TIME_VALUE"))) for one in root.iter("TIME_SLOT")
    }
    found = [
        (
            slots[one.get("TIME_SLOT_REF1")],
            slots[one.get("TIME_SLOT_REF2")],
            one.findtext("ANNOTATION_VALUE"),
        )
        for one in root.iter("ALIGNABLE_ANNOTATION")
    ]
    assert found == [
        (0, 3250, "walk"),
        (3250, 60000, "run & <b>jump</b>"),
        (3600000, 3725250, "wave"),
    ]
    ids = [one.get("ANNOTATION_ID") for one in root.iter() if one.get("ANNOTATION_ID")]
    assert len(ids) == len(set(ids)) == 6
    assert {one.get("ANNOTATION_REF") for one in root.iter("REF_ANNOTATION")} <= set(ids)
    types = {one.get("LINGUISTIC_TYPE_ID"): one for one in root.iter("LINGUISTIC_TYPE")}
    tiers = {one.get("TIER_ID"): one for one in root.iter("TIER")}
    assert {one.get("LINGUISTIC_TYPE_REF") for one in tiers.values()} == set(types)
    assert tiers["score"].get("PARENT_REF") in tiers
    (constraint,) = root.iter("CONSTRAINT")
    assert types["score"].get("CONSTRAINTS") == constraint.get("STEREOTYPE")


def test_elan_finds_the_video(tmp_path: Path) -> None:
    name = "a b#<1>: ä.mp4"
    timeline = timeline_of(path=str(tmp_path / "videos" / name))
    text = eaf_text(timeline, folder=tmp_path / "out", now=datetime.now(timezone.utc))
    (media,) = ElementTree.fromstring(text).iter("MEDIA_DESCRIPTOR")
    assert unquote(urlparse(str(media.get("MEDIA_URL"))).path) == str(tmp_path / "videos" / name)
    relative = str(media.get("RELATIVE_MEDIA_URL"))
    assert not set(relative) & set(" #<>:")
    assert unquote(relative) == f"./../videos/{name}"
    assert relative_address(str(tmp_path / "x.mp4"), tmp_path) == "x.mp4"


# The annotated video.


def sound_of(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(one) for one in container.demux(container.streams.audio[0]) if one.size]


def test_an_annotated_video_keeps_frames_and_sound(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    source = tmp_path / "source.mkv"
    write_video(source, range(50), height=160, width=160, fps=Fraction(25), audio_seconds=2.0)
    timeline = timeline_of((0.0, 1.0, 0), path=str(source), seconds=2)
    target = tmp_path / "out.mp4"
    said: list[float] = []
    assert write_timeline(timeline, target, "mp4", progress=lambda done, _: said.append(done)) == []
    assert sorted(one.name for one in tmp_path.iterdir()) == ["out.mp4", "source.mkv"]
    with open_video(target) as found:
        times = [float(frame.pts_seconds) for frame in found.frames()]
    assert times == pytest.approx(np.arange(50) / 25, abs=1e-3)
    before, after = (sound_of(one) for one in (source, target))
    assert after == before[1:]  # the first packet plays before the first picture
    assert len(after) > 50
    assert said[-1] == pytest.approx(49 / 25)
    with open_video(source) as plain, open_video(target) as drawn:
        before, after = (next(one.read([Fraction(1, 2)])).pixels for one in (plain, drawn))
    changed = np.abs(before.astype(int) - after).mean(axis=2) > 40
    assert changed[:60].mean() > 0.1  # the panel
    assert changed[70:110].mean() < 0.05  # the picture


def test_sound_that_does_not_fit_is_told(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    source = tmp_path / "source.mkv"
    with av.open(str(source), "w") as output:
        pictures = output.add_stream("mpeg4", rate=25)
        pictures.width = pictures.height = 64
        pictures.pix_fmt = "yuv420p"
        sound = output.add_stream("pcm_s16le", rate=8000, layout="mono")
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")
            frame.pts = number
            output.mux(pictures.encode(frame))
        heard = av.AudioFrame.from_ndarray(np.zeros((1, 3200), np.int16), "s16", "mono")
        heard.rate, heard.pts = 8000, 0
        output.mux([*sound.encode(heard), *sound.encode(None), *pictures.encode(None)])
    assert sound_codec(source) == "pcm_s16le"
    assert not fits_mp4("pcm_s16le")
    (said,) = write_timeline(timeline_of(path=str(source), seconds=0.4), tmp_path / "o.mp4", "mp4")
    assert "its sound (pcm_s16le) does not fit into an mp4" in said
    with av.open(str(tmp_path / "o.mp4")) as found:
        assert not found.streams.audio
        assert found.streams.video


def test_nothing_is_left_of_a_video_that_cannot_be_annotated(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    (tmp_path / "no.mp4").write_bytes(b"no video")
    for path in ("no.mp4", "gone.mp4"):
        with pytest.raises(VideoError):
            write_timeline(timeline_of(path=str(tmp_path / path)), tmp_path / "out.mp4", "mp4")
    assert [one.name for one in tmp_path.iterdir()] == ["no.mp4"]
    assert "mp4" in FORMATS
