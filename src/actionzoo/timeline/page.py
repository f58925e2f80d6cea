"""A timeline as one page: the video, what happens in it as a bar to click on, scores, a list.

It needs no other file but the video, asks nobody for anything, and can be read without its script,
which only moves the video to what is clicked on.
"""

from __future__ import annotations

import mimetypes
import os
from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

from actionzoo.pages.frame import (
    Html,
    bullets,
    card,
    count_of,
    duration,
    escaped,
    facts,
    header,
    joined,
    page,
    percent,
    section,
    size,
)
from actionzoo.prediction import Segment
from actionzoo.sources import is_url
from actionzoo.timeline.elan import relative_address
from actionzoo.timeline.result import Timeline
from actionzoo.timeline.texts import clock

EMBEDDED_BYTES = 20_000_000
"""A larger video does not become a part of a page."""

_PLAYED = frozenset({"av1", "h264", "hevc", "vp8", "vp9"})
_PLAYED_SUFFIXES = frozenset({".m4v", ".mkv", ".mov", ".mp4", ".webm"})
"""What some browser of today plays; the page says so where the one at hand does not."""

_COLOURS = 10
"""Okabe and Ito's for the colour-blind, and three more; dark and light are alike in order."""
_CURVES = 8
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 36000)
"""Seconds from one tick of the axis to the next."""
_TICKS = 6
_SECONDS_IN_VIEW = 20
"""As few are shown at the largest scale, unless that is"""
_MOST_ZOOM = 256
"""times the smallest."""


def timeline_page(
    timeline: Timeline, *, folder: Path, video: Path | None = None, embed: bool = False
) -> tuple[Html, list[str]]:
    """Make the page of a timeline.

    Args:
        timeline: What it shows.
        folder: Where it will lie.
        video: Another video to show than the one that was looked at.
        embed: Whether the video becomes a part of the page, up to ``EMBEDDED_BYTES``.

    Returns:
        The page, and what is worth a warning.
    """
    shown = _shown(timeline, folder=folder, video=video, embed=embed)
    kinds = _kinds(timeline)
    name = Path(timeline.path).name or timeline.path
    parts = [
        header(over="Timeline", title=name, verdict=_verdict(timeline), accent="note"),
        _warnings(timeline.warnings),
        shown.player,
        card(_tools(), _course(timeline, kinds), _legend(timeline, kinds)),
        _segments(timeline, kinds),
        section("How it was found", card(_facts(timeline))),
    ]
    own = files("actionzoo.timeline")
    style = (own / "page.css").read_text(encoding="utf-8")
    script = (own / "page.js").read_text(encoding="utf-8")
    whole = page(f"Timeline of {name}", parts, style=style, script=script, media=shown.media)
    return whole, shown.said


# The video.


@dataclass(frozen=True, kw_only=True, slots=True)
class _Shown:
    """The video, or why there is none."""

    player: Html
    media: str = "'none'"
    said: list[str]


def _shown(timeline: Timeline, *, folder: Path, video: Path | None, embed: bool) -> _Shown:
    path, codec = os.fspath(video or timeline.path), "h264" if video else timeline.video.codec
    if is_url(path) or not os.path.isfile(path):
        return _without("This page loads nothing from elsewhere: watch the video where it is.")
    suffix = Path(path).suffix.lower()
    if codec not in _PLAYED or suffix not in _PLAYED_SUFFIXES:
        return _without(
            f"Browsers do not play this video ({codec} in {suffix or 'a file without ending'}). "
            "Bar and list tell the times all the same; with --format html,mp4 an annotated copy "
            "is written that is shown here."
        )
    said = []
    if embed and os.path.getsize(path) <= EMBEDDED_BYTES:
        kind = mimetypes.guess_type(f"x{suffix}")[0] or "video/mp4"
        data = b64encode(Path(path).read_bytes()).decode()
        return _Shown(player=_player(f"data:{kind};base64,{data}", codec), media="data:", said=[])
    if embed:
        said.append(
            f"{path!r} is {size(os.path.getsize(path))}: up to {size(EMBEDDED_BYTES)} become a "
            "part of a page, so it is shown from beside it"
        )
    address = relative_address(path, folder)
    if address is None:
        return _without("The video lies on another drive than this page.")
    return _Shown(player=_player(f"./{address}", codec), media="'self' file:", said=said)


def _player(address: str, codec: str) -> Html:
    return Html(
        f'<div class="card player"><video controls preload="metadata" playsinline '
        f'src="{escaped(address)}"></video></div>'
        '<p class="card notice failed" hidden>The video cannot be played here: it is not beside '
        f"this page any more, or this browser does not know its codec ({escaped(codec)}). Bar and "
        "list tell the times all the same.</p>"
    )


def _without(reason: str) -> _Shown:
    return _Shown(player=Html(f'<p class="card notice">{escaped(reason)}</p>'), said=[])


# What is said in words.


def _verdict(timeline: Timeline) -> str:
    total = timeline.duration_seconds
    if not timeline.segments:
        return f"Nothing recognised in {duration(total)}"
    seconds = sum(one.end_seconds - one.start_seconds for one in timeline.segments)
    kinds = len({one.class_index for one in timeline.segments})
    return (
        f"{count_of(len(timeline.segments), 'segment')} of {count_of(kinds, 'action')}, "
        f"in {percent(seconds / max(total, 1e-6))} of {duration(total)}"
    )


def _warnings(warnings: Sequence[str]) -> Html:
    lines = bullets(map(escaped, warnings))
    return Html(f'<div class="card notice">{lines}</div>' if warnings else "")


def _facts(timeline: Timeline) -> Html:
    video, config = timeline.video, timeline.config
    fps = "" if video.fps is None else f", {float(video.fps):.4g} frames/s"
    told = [
        ("video", f"{video.width}x{video.height}{fps}, {video.codec or 'codec unknown'}"),
        ("length", clock(timeline.duration_seconds, digits=1)),
        ("model", timeline.model),
        ("window", f"{timeline.window_seconds:.2f} s, every {config.hop_seconds:g} s"),
        ("averaged", count_of(config.smooth, "answer")),
        ("entered above, left below", f"{config.threshold:g}, {config.leave_below:.3g}"),
        ("shortest gap", f"{config.min_gap_seconds:g} s"),
        ("shortest segment", f"{config.min_length_seconds:g} s"),
    ]
    return facts([(name, escaped(value)) for name, value in told])


# Colours.


def _kinds(timeline: Timeline) -> dict[int, str]:
    """Choose a class of the style for each label with a segment, or the strongest if none has one.

    A model with few labels gives each of them a colour of its own, the same on every page. Of many
    those have one that are seen longest: ten plain, ten striped; what is left is grey.
    """
    seconds: Counter[int] = Counter()
    for one in timeline.segments:
        seconds[one.class_index] += one.end_seconds - one.start_seconds  # type: ignore[assignment]
    found = sorted(seconds, key=lambda one: (-seconds[one], one))
    found = found or timeline.scores.strongest(3)
    if len(timeline.labels) <= _COLOURS:
        return {one: f"k{one}" for one in found}
    names = [f"k{n}{stripes}" for stripes in ("", " t") for n in range(_COLOURS)]
    return {one: names[n] if n < len(names) else "rest" for n, one in enumerate(found)}


def _swatch(kind: str) -> Html:
    striped = " striped" * kind.endswith(" t")
    return Html(f'<span class="chipcolour {kind}{striped}"></span>')


def _legend(timeline: Timeline, kinds: dict[int, str]) -> Html:
    seconds = {one: 0.0 for one in kinds}
    for segment in timeline.segments:
        seconds[segment.class_index] += segment.end_seconds - segment.start_seconds
    items = "".join(
        f"<li>{_swatch(kind)}<span>{escaped(timeline.labels[one])} "
        f'<span class="share">{escaped(duration(seconds[one]) if seconds[one] else "")}</span>'
        "</span></li>"
        for one, kind in kinds.items()
    )
    return Html(f'<ul class="labels">{items}</ul>')


# The bar and the scores.


def _tools() -> Html:
    return Html(
        '<div class="tools" hidden><span class="now"></span>'
        '<button type="button" class="wider" aria-label="see more of the video">−</button>'
        '<button type="button" class="closer" aria-label="see more detail">+</button></div>'
    )


def _course(timeline: Timeline, kinds: dict[int, str]) -> Html:
    """Draw what happens, and the scores below it, over the same axis of time."""
    total = max(timeline.duration_seconds, 1e-3)
    pieces = joined(_piece(one, total, kinds[one.class_index]) for one in timeline.segments)
    label = f"{len(timeline.segments)} segments; they are listed below"
    zoom = min(_MOST_ZOOM, 2 ** int(np.ceil(np.log2(max(1.0, total / _SECONDS_IN_VIEW)))))
    left = "".join(
        f'<text x="100%" y="{100 - 100 * share}%">{percent(share)}</text>' for share in (0, 0.5, 1)
    )
    return Html(
        f'<div class="course"><svg class="left" aria-hidden="true">{left}</svg>'
        f'<div class="scroll"><div class="track" data-seconds="{total:.3f}" data-zoom="{zoom}" '
        f'data-steps="{" ".join(map(str, _STEPS))}">'
        f'<svg class="bar" role="img" aria-label="{label}"><defs><pattern id="stripes" width="8" '
        'height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect width="3" height="8" fill="#fff" fill-opacity=".45"/></pattern></defs>'
        f"{pieces}</svg>{_scores(timeline, kinds, total)}{_times(total)}"
        '<div class="playhead" hidden></div></div></div></div>'
    )


def _piece(segment: Segment, total: float, kind: str) -> Html:
    start, seconds = segment.start_seconds, segment.end_seconds - segment.start_seconds
    stripes = '<rect class="stripes" width="100%" height="100%"/>' if kind.endswith(" t") else ""
    told = f"{_span(segment)} {segment.label}, {percent(segment.score)}"
    names = f"piece {kind}{_room(segment.label, seconds / total)}"
    return Html(
        f'<svg class="{names}" x="{100 * start / total:.3f}%" '
        f'width="{100 * seconds / total:.3f}%" height="100%"><title>{escaped(told)}</title>'
        f'<rect class="fill" width="100%" height="100%"/>{stripes}'
        f'<text x="6" y="50%">{escaped(segment.label)}</text></svg>'
    )


def _room(label: str, share: float) -> str:
    """Return a class of the style for a piece whose name does not fit: always, or on a phone."""
    wide, narrow = (7.5 * len(label) + 10 < share * width for width in (900, 290))
    return "" if narrow else " little-room" if wide else " no-room"


def _scores(timeline: Timeline, kinds: dict[int, str], total: float) -> Html:
    """Draw the scores of the labels that are seen longest, and the threshold."""
    scores = timeline.scores
    x = 100 * scores.times / total
    drawn = []
    for one, kind in list(kinds.items())[:_CURVES]:
        y = 100 - 100 * scores.scores[:, one]
        points = " ".join(f"{a:.2f},{b:.1f}" for a, b in zip(x, y, strict=True))
        dashed = " dashed" * (kind.endswith(" t") or int(kind[1]) % 2 == 1)
        drawn.append(f'<polyline class="{kind}{dashed}" points="{points}"/>')
    limit = f"{100 - 100 * timeline.config.threshold:.1f}%"
    grid = "".join(f'<line class="grid" x2="100%" y1="{y}%" y2="{y}%"/>' for y in (0, 50, 100))
    return Html(
        f'<svg class="scores" role="img" aria-label="scores over time">{grid}'
        f'<line class="limit" x2="100%" y1="{limit}" y2="{limit}"/>'
        f'<svg viewBox="0 0 100 100" preserveAspectRatio="none" height="100%">{"".join(drawn)}'
        "</svg></svg>"
    )


def _times(total: float) -> Html:
    step = next((one for one in _STEPS if total / one <= _TICKS), 36000)
    ticks = np.arange(0, total, step).tolist()
    texts = "".join(
        f'<text class="{_side(one / total)}{" odd" * (number % 2)}" x="{100 * one / total:.2f}%" '
        f'y="16">{clock(one)}</text>'
        for number, one in enumerate(ticks)
    )
    return Html(f'<svg class="times" aria-hidden="true">{texts}</svg>')


def _side(share: float) -> str:
    return "first" if share == 0 else "last" if share > 0.96 else "middle"


# The list.


def _segments(timeline: Timeline, kinds: dict[int, str]) -> Html:
    if not timeline.segments:
        return section("Segments", card(Html(f"<p>{escaped(_why_none(timeline))}</p>")))
    rows = joined(_row(one, kinds[one.class_index]) for one in timeline.segments)
    return section(
        "Segments",
        Html(f'<ol class="card segments">{rows}</ol>'),
        count=len(timeline.segments),
    )


def _why_none(timeline: Timeline) -> str:
    if not len(timeline.scores.times):
        return "No answer was given."
    means = timeline.scores.scores
    place = int(means.max(axis=1).argmax())
    best = int(means[place].argmax())
    return (
        f"No label passed {percent(timeline.config.threshold)} for long enough. The best was "
        f"{timeline.labels[best]!r} with {percent(float(means[place, best]))} at "
        f"{clock(float(timeline.scores.times[place]))}; a lower --threshold would find it."
    )


def _row(segment: Segment, kind: str) -> Html:
    score = percent(segment.score)
    return Html(
        f'<li><button type="button" class="{kind}" data-start="{segment.start_seconds:.3f}" '
        f'data-end="{segment.end_seconds:.3f}">{_swatch(kind)}'
        f"<time>{_span(segment)}</time>"
        f'<span class="name">{escaped(segment.label)}</span>'
        f'<svg class="meter" aria-hidden="true"><rect width="{100 * segment.score:.1f}%" '
        f'height="100%" rx="4"/></svg><span class="score">{score}</span></button></li>'
    )


def _span(segment: Segment) -> str:
    start, end = (clock(one, digits=1) for one in (segment.start_seconds, segment.end_seconds))
    return f"{start} – {end}"
