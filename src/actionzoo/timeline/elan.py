"""A timeline as a file of ELAN, the annotation tool of the Max Planck Institute (Nijmegen).

The format is EAF 3.0 (*EAF Annotation Format 3.0 and ELAN*): times in milliseconds stand in slots
of their own, annotations refer to them, and a tier's type says how it hangs on its parent.
"""

from __future__ import annotations

import mimetypes
import os
import re
from datetime import datetime
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from actionzoo.sources import is_url
from actionzoo.timeline.result import Timeline
from actionzoo.timeline.texts import cues

_SCHEMA = "{http://www.w3.org/2001/XMLSchema-instance}noNamespaceSchemaLocation"
_ADDRESS = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_ACTION, _SCORE = "action", "score"
_ASSOCIATED = "Symbolic_Association"
_MEANING = "1-1 association with a parent annotation"
# XML 1.0 (2.2) has no other control characters, and no halves of surrogate pairs.
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def eaf_text(timeline: Timeline, *, folder: Path, now: datetime) -> str:
    """Write a tier of actions, and below it one of their scores.

    Args:
        timeline: What is written.
        folder: Where the file will lie; the video is also named by the way from there.
        now: With its time zone.
    """
    root = Element(
        "ANNOTATION_DOCUMENT",
        AUTHOR="actionzoo",
        DATE=now.isoformat(timespec="seconds"),
        FORMAT="3.0",
        VERSION="3.0",
    )
    root.set(_SCHEMA, _ADDRESS)
    _add_header(root, timeline, folder)
    _add_times(root, timeline)
    _add_actions(root, timeline)
    _add_scores(root, timeline)
    _add_types(root)
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _add_header(root: Element, timeline: Timeline, folder: Path) -> None:
    header = SubElement(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    kind, _ = mimetypes.guess_type(timeline.path)
    media = SubElement(header, "MEDIA_DESCRIPTOR", MIME_TYPE=kind or "video/unknown")
    if is_url(timeline.path):
        media.set("MEDIA_URL", _text(timeline.path))
    else:
        media.set("MEDIA_URL", Path(timeline.path).absolute().as_uri())
        relative = relative_address(timeline.path, folder)
        if relative is not None:
            media.set("RELATIVE_MEDIA_URL", f"./{relative}")
    last = SubElement(header, "PROPERTY", NAME="lastUsedAnnotationId")
    last.text = str(2 * len(timeline.segments))


def relative_address(path: str, folder: Path) -> str | None:
    """Return the way from a folder to a file as a part of a URL; None where there is none.

    >>> relative_address("/videos/a b#1.mp4", Path("/videos/out"))
    '../a%20b%231.mp4'
    """
    try:
        relative = os.path.relpath(os.path.abspath(path), folder.absolute())
    except ValueError:  # another drive
        return None
    return "/".join(quote(os.fsencode(one)) for one in Path(relative).parts)


def _add_times(root: Element, timeline: Timeline) -> None:
    order = SubElement(root, "TIME_ORDER")
    for one in cues(timeline.segments):
        for slot, time in ((2 * one.number - 1, one.start_ms), (2 * one.number, one.end_ms)):
            SubElement(order, "TIME_SLOT", TIME_SLOT_ID=f"ts{slot}", TIME_VALUE=str(time))


def _add_actions(root: Element, timeline: Timeline) -> None:
    tier = SubElement(
        root,
        "TIER",
        TIER_ID=_ACTION,
        LINGUISTIC_TYPE_REF=_ACTION,
        ANNOTATOR=_text(f"actionzoo {timeline.model}"),
    )
    for number, one in enumerate(timeline.segments, 1):
        annotation = SubElement(
            SubElement(tier, "ANNOTATION"),
            "ALIGNABLE_ANNOTATION",
            ANNOTATION_ID=f"a{number}",
            TIME_SLOT_REF1=f"ts{2 * number - 1}",
            TIME_SLOT_REF2=f"ts{2 * number}",
        )
        SubElement(annotation, "ANNOTATION_VALUE").text = _text(one.label)


def _add_scores(root: Element, timeline: Timeline) -> None:
    tier = SubElement(root, "TIER", TIER_ID=_SCORE, LINGUISTIC_TYPE_REF=_SCORE, PARENT_REF=_ACTION)
    count = len(timeline.segments)
    for number, one in enumerate(timeline.segments, 1):
        annotation = SubElement(
            SubElement(tier, "ANNOTATION"),
            "REF_ANNOTATION",
            ANNOTATION_ID=f"a{count + number}",
            ANNOTATION_REF=f"a{number}",
        )
        SubElement(annotation, "ANNOTATION_VALUE").text = f"{one.score:.3f}"


def _add_types(root: Element) -> None:
    each = {"GRAPHIC_REFERENCES": "false"}
    SubElement(root, "LINGUISTIC_TYPE", each, LINGUISTIC_TYPE_ID=_ACTION, TIME_ALIGNABLE="true")
    SubElement(
        root,
        "LINGUISTIC_TYPE",
        each,
        LINGUISTIC_TYPE_ID=_SCORE,
        TIME_ALIGNABLE="false",
        CONSTRAINTS=_ASSOCIATED,
    )
    SubElement(root, "CONSTRAINT", STEREOTYPE=_ASSOCIATED, DESCRIPTION=_MEANING)


def _text(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)
