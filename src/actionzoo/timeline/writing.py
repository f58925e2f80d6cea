"""Files of a timeline: each format written whole, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Literal, get_args

from actionzoo.timeline.annotated import write_annotated
from actionzoo.timeline.elan import eaf_text
from actionzoo.timeline.page import timeline_page
from actionzoo.timeline.result import Timeline
from actionzoo.timeline.run import SecondsDone
from actionzoo.timeline.texts import csv_text, json_text, srt_text, vtt_text
from actionzoo.whole import whole

Format = Literal["json", "csv", "srt", "vtt", "eaf", "html", "mp4"]
FORMATS: tuple[str, ...] = get_args(Format)

_TEXTS: dict[str, Callable[[Timeline], str]] = {
    "json": json_text,
    "csv": csv_text,
    "srt": srt_text,
    "vtt": vtt_text,
}
"""Formats that do not depend on where they are written."""


def write_timeline(
    timeline: Timeline,
    path: Path,
    kind: str,
    *,
    video: Path | None = None,
    embed: bool = False,
    progress: SecondsDone | None = None,
) -> list[str]:
    """Write a timeline over what is there.

    Args:
        timeline: What is written.
        path: The file.
        kind: One of ``FORMATS``.
        video: For a page: another video to show than the one that was looked at, such as an
            annotated one.
        embed: For a page: whether a small video becomes a part of it.
        progress: For an annotated video: called with the seconds done and to do.

    Returns:
        What is worth a warning.

    Raises:
        ActionZooError: The video cannot be read once more, where that is needed.
        OSError: The file cannot be written.
    """
    if kind == "mp4":
        return write_annotated(timeline, path, progress=progress)
    text, said = "", list[str]()
    if kind == "html":
        text, said = timeline_page(timeline, folder=path.parent, video=video, embed=embed)
    else:
        text = text_of(timeline, kind, folder=path.parent)
    with whole(path) as part:
        part.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
    return said


def text_of(timeline: Timeline, kind: str, *, folder: Path) -> str:
    """Return the text of a format.

    Args:
        timeline: What is written.
        kind: ``json``, ``csv``, ``srt``, ``vtt`` or ``eaf``.
        folder: Where the file will lie.
    """
    if kind == "eaf":
        return eaf_text(timeline, folder=folder, now=datetime.now().astimezone())
    return _TEXTS[kind](timeline)
