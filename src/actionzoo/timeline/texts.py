"""A timeline as text: JSON and CSV for programs, SubRip and WebVTT for players."""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass

from actionzoo.prediction import Segment
from actionzoo.timeline.result import Timeline

_COLUMNS = ("start_seconds", "end_seconds", "label", "class_index", "score")


def clock(seconds: float, *, digits: int = 0) -> str:
    """Write a time as people read it.

    >>> clock(3725.25), clock(3725.25, digits=1), clock(59.99)
    ('1:02:05', '1:02:05.2', '0:01:00')
    """
    hours, minutes, rest, part = _parts(seconds, digits)
    return f"{hours}:{minutes:02d}:{rest:02d}" + (f".{part:0{digits}d}" if digits else "")


def _parts(seconds: float, digits: int) -> tuple[int, int, int, int]:
    # Rounded as a whole: 59.9996 s are a minute, not 60 seconds.
    whole, part = divmod(round(max(0.0, seconds) * 10**digits), 10**digits)
    return whole // 3600, whole // 60 % 60, whole % 60, part


def json_text(timeline: Timeline) -> str:
    """Write all there is to know as one JSON object."""
    return json.dumps(timeline.to_dict(), indent=1) + "\n"


def csv_text(timeline: Timeline) -> str:
    """Write a row a segment, below the names of the columns."""
    file = io.StringIO()
    rows = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
    rows.writeheader()
    rows.writerows(one.to_dict() for one in timeline.segments)
    return file.getvalue()


def srt_text(timeline: Timeline) -> str:
    """Write subtitles as SubRip has them, a cue a segment."""
    return "".join(
        f"{cue.number}\n{cue.start(',')} --> {cue.end(',')}\n{_line(cue.label)}\n\n"
        for cue in cues(timeline.segments)
    )


def vtt_text(timeline: Timeline) -> str:
    """Write subtitles as WebVTT (W3C, *WebVTT: The Web Video Text Tracks Format*)."""
    body = "".join(
        f"\n{cue.number}\n{cue.start('.')} --> {cue.end('.')}\n"
        f"{html.escape(_line(cue.label), quote=False)}\n"
        for cue in cues(timeline.segments)
    )
    return f"WEBVTT\n{body}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cue:
    """A segment in whole milliseconds."""

    number: int
    start_ms: int
    end_ms: int
    label: str

    def start(self, point: str) -> str:
        """Return when it starts, with a mark before the milliseconds."""
        return _stamp(self.start_ms, point)

    def end(self, point: str) -> str:
        """Return when it ends, likewise."""
        return _stamp(self.end_ms, point)


def cues(segments: Sequence[Segment]) -> list[Cue]:
    """Return segments in whole milliseconds; a cue ends after it starts, whatever was rounded."""
    found = []
    for number, one in enumerate(segments, 1):
        start = round(1000 * one.start_seconds)
        end = max(start + 1, round(1000 * one.end_seconds))
        found.append(Cue(number=number, start_ms=start, end_ms=end, label=one.label))
    return found


def _stamp(milliseconds: int, point: str) -> str:
    hours, minutes, rest, part = _parts(milliseconds / 1000, 3)
    return f"{hours:02d}:{minutes:02d}:{rest:02d}{point}{part:03d}"


def _line(label: str) -> str:
    """Return a label as one line of a cue: an empty one, or an arrow, would end it."""
    return " ".join(label.replace("-->", "→").split()) or "-"
