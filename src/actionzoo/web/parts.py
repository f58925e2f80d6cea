"""The pieces of the page that say something: progress, faults, bars, the player, the timeline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np

from actionzoo.pages.frame import Html, duration, escaped, joined, percent, size
from actionzoo.prediction import LabelScore, Prediction, Segment
from actionzoo.timeline.result import Timeline
from actionzoo.timeline.writing import text_of
from actionzoo.web.analysis import Fault, Working
from actionzoo.web.limits import Limits
from actionzoo.web.samples import Sample

_TOP_K = 5
_COLOURS = 10
"""As many as the style has: those of the page that ``actionzoo timeline`` writes."""
_FILES = {
    "json": "application/json",
    "csv": "text/csv",
    "srt": "application/x-subrip",
    "vtt": "text/vtt",
}
"""Kinds of files that are offered, and their media types."""
_CURVES = 6
_TENTHS_SECONDS = 120
"""Of a shorter video tenths of a second are told."""
_MOST_POINTS = 600
"""Of a curve: more than a screen has columns to tell apart."""

_FIGURES = (
    ("in", "pictures/s", "Pictures that reach the server in a second"),
    ("out", "answers/s", "Answers in a second"),
    ("p50", "delay, p50", "From taking a picture to showing the answer; half are below"),
    ("p95", "delay, p95", "From taking a picture to showing the answer; 95 of 100 are below"),
    ("look", "inference", "Mean time that the network takes for an answer"),
    ("dropped", "dropped", "Moments that the network was too slow to look at"),
)

NOTHING = Html("")


def clock(seconds: float, *, tenths: bool = False) -> str:
    """Write a time as players do.

    >>> clock(7.9), clock(3725), clock(61.26, tenths=True)
    ('0:07', '1:02:05', '1:01.3')
    """
    tens = round(10 * seconds) if tenths else 10 * int(seconds)
    minutes, rest = divmod(tens, 600)
    shown = f"{rest // 10:02}.{rest % 10}" if tenths else f"{rest // 10:02}"
    return f"{minutes // 60}:{minutes % 60:02}:{shown}" if minutes >= 60 else f"{minutes}:{shown}"


def share(score: float) -> str:
    """Write a score in hundredths.

    >>> share(0.876), share(0.004)
    ('88 %', '<1 %')
    """
    return percent(score) if score >= 0.005 else "<1 %"


# What is going on.


def working(step: Working) -> Html:
    """Say what is being done, and how far it is."""
    done = 0.0 if step.share is None else step.share
    now = "" if step.share is None else f' aria-valuenow="{100 * done:.0f}"'
    kind = "az-meter" if step.share is not None else "az-meter az-unknown"
    told = "" if step.share is None else f'<span class="az-number">{percent(done)}</span>'
    return Html(
        '<div class="az-card az-working"><div class="az-line" role="status">'
        f"<span>{escaped(step.words.capitalize())}</span>{told}</div>"
        f'<div class="{kind}" role="progressbar" aria-label="progress" aria-valuemin="0" '
        f'aria-valuemax="100"{now}><i style="width:{100 * done:.1f}%"></i></div></div>'
    )


def fault(step: Fault) -> Html:
    """Say what went wrong."""
    return Html(
        '<div class="az-card az-fault" role="alert"><strong>That did not work</strong>'
        f"<p>{escaped(_sentence(step.words))}</p></div>"
    )


def stopped() -> Html:
    """Say that somebody stopped it."""
    return Html('<div class="az-card az-note" role="status"><p>Stopped.</p></div>')


def warnings(lines: Sequence[str]) -> Html:
    """Say what was wrong with a video that could be looked at."""
    if not lines:
        return NOTHING
    told = joined(Html(f"<p>{escaped(_sentence(one))}</p>") for one in lines)
    return Html(f'<div class="az-card az-warning" role="status">{told}</div>')


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '?')) else '.'}"


# Before there is a video.


def drop_zone(samples: Sequence[Sample], limits: Limits) -> Html:
    """Ask for a video.

    Args:
        samples: To begin with.
        limits: Of a video.
    """
    most = size(limits.video_bytes).replace(".0 ", " ")
    longest = duration(limits.video_seconds).replace(".0 ", " ")
    buttons = joined(
        Html(
            f'<button type="button" class="az-sample" data-sample="{escaped(one.name)}" '
            f'data-title="{escaped(one.title)}"><img src="{one.still}" alt="" width="96" '
            f'height="72"><span>{escaped(one.title)}</span></button>'
        )
        for one in samples
    )
    return Html(
        f'<div class="az-bring" data-most="{limits.video_bytes}" data-most-told="{most}">'
        '<label class="az-drop"><input type="file" class="az-file" '
        'accept="video/*,.mkv,.avi,.ts,.m2ts,.flv,.wmv,.gif">'
        '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M12 15V4m0 0L8 8m4-4 4 4M4 15v3a2 2 '
        '0 0 0 2 2h12a2 2 0 0 0 2-2v-3"/></svg>'
        "<span><strong>Drop a video here</strong> <em>or choose one</em>"
        f"<small>Up to {most} and {longest}. It is deleted after an hour at the latest.</small>"
        "</span></label>"
        '<div class="az-sending" hidden><div class="az-line" role="status"><span class="az-what">'
        '</span><span class="az-number"></span></div><div class="az-meter" role="progressbar" '
        'aria-label="upload" aria-valuemin="0" aria-valuemax="100"><i></i></div>'
        '<button type="button" class="az-quiet" data-abort>Cancel</button></div>'
        '<div class="az-card az-fault" role="alert" hidden><strong>That did not work</strong>'
        "<p></p></div>"
        f'<div class="az-samples" role="group" aria-label="Samples"><span class="az-soft">No video '
        f"at hand? Try one of these</span>{buttons}</div></div>"
    )


def hint() -> Html:
    """Say what will stand here once there is a video."""
    return Html(
        '<section class="az-card az-hint"><h2>What a video shows</h2><p>Its best actions appear '
        "here, and below them what happens when: click on a segment to see it.</p></section>"
    )


def camera(model: str) -> Html:
    """Show a camera and what is seen in it; all of it is filled in by the page's script.

    Args:
        model: That looks at it, at first.
    """
    row = (
        '<li hidden><span class="az-name"></span><span class="az-number"></span>'
        '<i aria-hidden="true"></i></li>'
    )
    figures = "".join(
        f'<div title="{escaped(meaning)}"><dt>{escaped(name)}</dt>'
        f'<dd data-told="{key}">–</dd></div>'
        for key, name, meaning in _FIGURES
    )
    return Html(
        f'<div class="az-camera az-mirrored" data-state="idle" data-model="{escaped(model)}">'
        '<div class="az-stage"><video muted playsinline aria-label="Your camera"></video>'
        '<div class="az-say" role="status"><svg viewBox="0 0 24 24" aria-hidden="true"><path '
        'd="M4 7h10a2 2 0 0 1 2 2v6a2 2 0 0 1-2 2H4a2 2 0 0 1-2-2V9a2 2 0 0 1 2-2zm12 4 5-3v8l-5-3'
        '"/></svg><strong></strong><p></p></div>'
        '<div class="az-live"><span class="az-live-label" role="status"></span>'
        '<span class="az-live-score" aria-hidden="true"></span></div></div>'
        '<div class="az-controls"><button type="button" class="az-loud" data-start>Start the camera'
        '</button><button type="button" class="az-loud az-end" data-end hidden>Stop</button>'
        '<label class="az-check"><input type="checkbox" data-mirror checked> Show me as in a mirror'
        "</label></div>"
        '<section class="az-card" aria-label="Actions now"><h2>Now</h2>'
        f'<ol class="az-bars">{_TOP_K * row}</ol><p class="az-soft az-waiting">The best actions '
        f'appear here.</p></section><dl class="az-figures" aria-label="Statistics">{figures}</dl>'
        "</div>"
    )


def knows(labels: Sequence[str]) -> Html:
    """Say which actions a model tells apart."""
    listed = joined(Html(f"<li>{escaped(one)}</li>") for one in labels)
    return Html(
        f'<details class="az-knows"{" open" if len(labels) <= 12 else ""}><summary>Tells '
        f"{len(labels)} actions apart</summary><ul>{listed}</ul></details>"
    )


# What is known of a video.


def bars(prediction: Prediction) -> Html:
    """Show the best actions of the whole video."""
    rows = joined(_bar(one) for one in prediction.top_k(_TOP_K))
    views = f"{prediction.views} view{'s' * (prediction.views > 1)}"
    return Html(
        '<section class="az-card" aria-label="Actions of the whole video"><h2>In the whole video'
        f'</h2><ol class="az-bars">{rows}</ol><p class="az-soft">{escaped(prediction.model)}, '
        f"{views} in {prediction.elapsed_seconds:.2f} s</p></section>"
    )


def _bar(one: LabelScore) -> Html:
    width = f"{100 * one.score:.1f}%"
    return Html(
        f'<li><span class="az-name">{escaped(one.label)}</span><span class="az-number">'
        f'{share(one.score)}</span><i style="width:{width}" aria-hidden="true"></i></li>'
    )


def player(address: str, name: str, timeline: Timeline | None) -> Html:
    """Show a video, and below it the timeline once it is known.

    Args:
        address: Of the video on this server.
        name: How its owner calls it.
        timeline: What happens in it when.
    """
    below = NOTHING if timeline is None else _timeline(timeline)
    return Html(
        '<section class="az-card az-player" aria-label="Video and timeline">'
        f'<p class="az-title">{escaped(name)}</p>'
        f'<video src="{escaped(address)}" controls playsinline muted preload="metadata"></video>'
        '<p class="az-unplayable" hidden>This browser cannot play this kind of video. What was '
        f"found in it holds all the same.</p>{below}</section>"
    )


def _timeline(timeline: Timeline) -> Html:
    colours = _colours(timeline)
    total = max(timeline.duration_seconds, 1e-3)
    parts = joined(_part(one, total, colours[one.class_index]) for one in timeline.segments)
    empty = "" if timeline.segments else '<span class="az-none">nothing recognised</span>'
    return Html(
        f'<div class="az-timeline" data-seconds="{total:.3f}">'
        f'<div class="az-strip" role="group" aria-label="Actions over time">{parts}{empty}'
        f'<i class="az-now" aria-hidden="true"></i></div>{_curves(timeline, colours, total)}'
        f"{_axis(total)}</div>"
    )


def _part(one: Segment, total: float, colour: int) -> Html:
    left, width = one.start_seconds / total, (one.end_seconds - one.start_seconds) / total
    start, end = _moments(one, total)
    told = escaped(f"{one.label}, {start} to {end}, {percent(one.score)}")
    return Html(
        f'<button type="button" class="az-part az-c{colour}" data-at="{one.start_seconds:.3f}" '
        f'data-end="{one.end_seconds:.3f}" style="left:{100 * left:.3f}%;width:{100 * width:.3f}%" '
        f'title="{told}" aria-label="{told}"><span>{escaped(one.label)}</span></button>'
    )


def _curves(timeline: Timeline, colours: dict[int, int], total: float) -> Html:
    """Draw the scores of the actions that have a colour, in hundredths of the picture."""
    times, scores = timeline.scores.times, timeline.scores.scores
    if len(times) < 2:
        return NOTHING
    step = -(-len(times) // _MOST_POINTS)
    lines = []
    for class_index, colour in list(colours.items())[:_CURVES]:
        points = " ".join(
            f"{1000 * at / total:.1f},{100 - 100 * score:.1f}"
            for at, score in zip(
                times[::step].tolist(), _highest(scores[:, class_index], step), strict=True
            )
        )
        lines.append(f'<polyline class="az-c{colour}" points="{points}"/>')
    return Html(
        '<svg class="az-curves" viewBox="0 0 1000 100" preserveAspectRatio="none" role="img" '
        'aria-label="Scores over time; click to go there"><line x1="0" x2="1000" y1="50" y2="50"/>'
        f"{''.join(lines)}</svg>"
    )


def _highest(scores: np.ndarray, step: int) -> list[float]:
    return [float(scores[at : at + step].max()) for at in range(0, len(scores), step)]


def _axis(total: float) -> Html:
    marks = "".join(f"<span>{clock(total * share)}</span>" for share in (0, 0.25, 0.5, 0.75, 1))
    return Html(f'<div class="az-axis" aria-hidden="true">{marks}</div>')


def segments(timeline: Timeline) -> Html:
    """List the segments, to be clicked on, and offer them as files."""
    colours, total = _colours(timeline), timeline.duration_seconds
    rows = joined(_row(one, total, colours[one.class_index]) for one in timeline.segments)
    config = timeline.config
    listed = (
        f'<ol class="az-list">{rows}</ol>'
        if timeline.segments
        else '<p class="az-empty">Nothing was recognised: no action scored above '
        f"{percent(config.threshold)} for {config.min_length_seconds:g} s.</p>"
    )
    told = f"{duration(timeline.duration_seconds)} in {timeline.elapsed_seconds:.1f} s"
    return Html(
        '<section class="az-card" aria-label="Segments"><h2>What happens when</h2>'
        f'{listed}<div class="az-files"><span class="az-soft">{told}</span>{_files(timeline)}</div>'
        "</section>"
    )


def _row(one: Segment, total: float, colour: int) -> Html:
    start, end = _moments(one, total)
    return Html(
        f'<li><button type="button" class="az-row" data-at="{one.start_seconds:.3f}" '
        f'data-end="{one.end_seconds:.3f}"><i class="az-dot az-c{colour}"></i><span class="az-name"'
        f'>{escaped(one.label)}</span><span class="az-number">{start}&thinsp;–&thinsp;{end}</span>'
        f'<span class="az-number az-score">{percent(one.score)}</span></button></li>'
    )


def _moments(one: Segment, total: float) -> tuple[str, str]:
    tenths = total < _TENTHS_SECONDS
    return clock(one.start_seconds, tenths=tenths), clock(one.end_seconds, tenths=tenths)


def _colours(timeline: Timeline) -> dict[int, int]:
    """Return the colour of each class that is shown: of those with segments first.

    A model with few labels gives each of them a colour of its own, the same for every video.
    """
    found = list(dict.fromkeys(one.class_index for one in timeline.segments))
    others = [one for one in timeline.scores.strongest(_CURVES) if one not in found]
    shown = [*found, *others[: max(0, _CURVES - len(found))]]
    few = len(timeline.labels) <= _COLOURS
    return {one: one if few else place % _COLOURS for place, one in enumerate(shown)}


def _files(timeline: Timeline) -> Html:
    stem = timeline.path.rpartition(".")[0] or timeline.path
    return joined(
        Html(
            f'<a class="az-download" download="{escaped(stem)}.{name}" '
            f'href="data:{kind};charset=utf-8,{quote(text_of(timeline, name, folder=Path()))}">'
            f"{name.upper()}</a>"
        )
        for name, kind in _FILES.items()
    )
