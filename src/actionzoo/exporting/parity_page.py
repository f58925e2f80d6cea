"""A certificate as a page to read: which file to ship, and why."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from actionzoo.evaluation.report import failure_section
from actionzoo.exporting.certificate import (
    BOUNDS,
    CERTIFICATE_FILE,
    Bound,
    Certificate,
    Change,
    Measured,
    Stage,
    bound_of,
)
from actionzoo.exporting.clips import Clips
from actionzoo.exporting.judging import SAME_SPEED
from actionzoo.pages.charts import Axis, Bar, bars, figure, legend, log_axis, number_text
from actionzoo.pages.frame import (
    Accent,
    Html,
    and_more,
    bullets,
    card,
    charts,
    chip,
    code,
    count_of,
    escaped,
    facts,
    flag,
    folded,
    header,
    joined,
    page,
    percent,
    section,
    size,
    strong,
    table,
    verbatim,
    video_figure,
    videos,
    write_page,
)

PAGE_FILE = "parity.html"

_MOST_CHANGES = 12
"""As many clips are shown of each stage."""
_MOST_HASHES = 1000
_MOST_WARNINGS = 2
"""As many stages are warned of in the headline."""
_LEAST_DIFFERENCE = 1e-8
"""A smaller one is drawn as large."""
_GRAPHS = (".xml", ".onnx")


def write_parity_page(certificate: Certificate, clips: Clips | None, folder: Path) -> Path:
    """Write ``parity.html`` into a folder; return its path.

    Args:
        certificate: What was found.
        clips: Those it was found on, for pictures of them; None shows none.
        folder: Of the files.

    Raises:
        OSError: The page cannot be written.
    """
    body = [
        _header(certificate),
        _stages(certificate),
        _charts(certificate),
        *_changes(certificate, clips),
        _usage(certificate),
        _measurement(certificate),
    ]
    if certificate.failures:
        told = "They took no part in the comparison."
        body.append(failure_section("Not read", told, certificate.failures))
    path = folder / PAGE_FILE
    write_page(page(f"Export of {certificate.model}", body), path)
    return path


# The headline.


def _header(certificate: Certificate) -> Html:
    count = len(certificate.clips)
    chips = [
        chip(f"{count:,}", "clip" if count == 1 else "clips", "note"),
        chip(f"{certificate.labels:,}", "classes", "note"),
        _holds(certificate),
    ]
    if certificate.failures:
        chips.append(chip(f"{len(certificate.failures):,}", "could not be read", "warning"))
    accent: Accent = "clean" if certificate.holds else "warning"
    return header(
        over="Export",
        title=certificate.model,
        verdict=headline(certificate),
        accent="error" if certificate.recommended.stage is None else accent,
        chips=chips,
    )


def _holds(certificate: Certificate) -> Html:
    broken = sum(len(one.broken) for one in certificate.stages)
    refused = sum(one.refused is not None for one in certificate.stages)
    if broken:
        return chip(
            f"{broken:,}", "bound is broken" if broken == 1 else "bounds are broken", "error"
        )
    if refused:
        return chip(f"{refused:,}", "refused", "error")
    return chip("every", "bound holds", "clean")


def headline(certificate: Certificate) -> str:
    """Say in a few sentences which file to ship, and which not."""
    warned = [one for one in certificate.stages if one.refused or one.broken]
    told = [_ship(certificate), *map(_warning, warned[:_MOST_WARNINGS])]
    if len(warned) > _MOST_WARNINGS:
        more = count_of(len(warned) - _MOST_WARNINGS, "other is", "others are")
        told.append(f"{more} not to be shipped either")
    return ". ".join(told) + "."


def _ship(certificate: Certificate) -> str:
    for stage in certificate.stages:
        if stage.stage == certificate.recommended.stage and stage.measured is not None:
            merits = [_speed(certificate, stage, stage.measured), _share(certificate, stage)]
            same = _same(stage.measured, len(certificate.clips))
            return f"Ship {stage.stage}: {' and '.join(filter(None, merits))}, {same}"
    return "Ship none of these files"


def _speed(certificate: Certificate, stage: Stage, measured: Measured) -> str:
    """Say how fast a stage is beside fp32, or where there is none, or it is that, the reference."""
    if measured.over_fp32 is None or stage.precision == "fp32":
        return _times(measured.over_reference, certificate.reference.stage)
    return _times(measured.over_fp32, "fp32")


def _times(ratio: float, other: str) -> str:
    if abs(ratio - 1) < SAME_SPEED:
        return f"as fast as {other}"
    return f"{ratio:.1f} × as fast as {other}"


def _fp32_of(certificate: Certificate, stage: Stage) -> Stage | None:
    """Return another stage, fp32 of the same target."""
    for one in certificate.stages:
        if one is not stage and (one.target, one.precision) == (stage.target, "fp32"):
            return one
    return None


def _share(certificate: Certificate, stage: Stage) -> str:
    """Say how large a stage is beside fp32."""
    fp32 = _fp32_of(certificate, stage)
    if fp32 is None or not fp32.size_bytes or not stage.size_bytes:
        return ""
    return f"{percent(stage.size_bytes / fp32.size_bytes)} of its size"


def _same(measured: Measured, clips: int) -> str:
    if measured.top1_agreement == 1:
        return f"the same answer on {f'all {clips:,} clips' if clips > 1 else 'the one clip'}"
    return f"the same answers on {percent(measured.top1_agreement, 1)} of {clips:,} clips"


def _warning(stage: Stage) -> str:
    """Say why a stage is not to be shipped, shorter than its bounds do."""
    if stage.measured is None:
        return f"{stage.stage} was refused"
    bound = _bound(stage)
    if stage.measured.top1_agreement < bound.agreement:
        told = f"the same answers on only {percent(stage.measured.top1_agreement, 1)} of the clips"
    elif not math.isfinite(stage.measured.max_difference):
        told = "its outputs are no numbers for some clips"
    elif _is_far(stage):
        told = f"its outputs differ by up to {_difference(stage.measured.max_difference)}"
    else:
        told = "it loses too much accuracy"
    return f"Do not ship {stage.stage}: {told}"


def _bound(stage: Stage) -> Bound:
    whole_frames = bool((stage.input or {}).get("whole_frames"))
    return bound_of(stage.precision, whole_frames=whole_frames, tuned=stage.tuned)


def _is_far(stage: Stage) -> bool:
    """Tell whether the outputs differ by more than allowed."""
    return stage.measured is not None and not _bound(stage).allows(stage.measured.max_difference)


def _difference(value: float) -> str:
    return number_text(value) if math.isfinite(value) else "no number"


# The table.


def _stages(certificate: Certificate) -> Html:
    """Draw a row a stage, the reference first."""
    rows = [_row(certificate, certificate.reference, is_reference=True)]
    rows += [_row(certificate, one, is_reference=False) for one in certificate.stages]
    head = ["", "same answers", "difference", "ms a view", "size"]
    if _knows_labels(certificate):
        head.append("top-1 accuracy")
    remarks = [line for stage in certificate.stages for line in _remarks(stage)]
    content = [card(table(head, rows))]
    why = Html(f"{strong('Why')}: {escaped(certificate.recommended.why)}.")
    content.append(card(bullets([why, *remarks])))
    return section("The files", *content, meaning=_meaning(certificate))


def _remarks(stage: Stage) -> list[Html]:
    """Say what is to be known of a stage; sentences of broken bounds name it themselves."""
    name = strong(stage.stage)
    told = [Html(f"{flag('✗', 'error')} {escaped(line)}") for line in stage.broken]
    if stage.refused is not None:
        told.append(Html(f"{flag('✗', 'error')} {name} was refused: {escaped(stage.refused)}"))
    return told + [Html(f"{name}: {escaped(line)}") for line in stage.notes]


def _meaning(certificate: Certificate) -> str:
    there = {one.precision for one in certificate.stages}
    asked = "; ".join(
        f"{name} {_asked(bound.difference)}the same answers on {100 * bound.agreement:g} %"
        for name, bound in BOUNDS.items()
        if name in there
    )
    drop = (
        ""
        if certificate.max_drop is None
        else f"; top-1 accuracy at most {certificate.max_drop:g} points lower"
    )
    one = percent(1 / len(certificate.clips), 1)
    return (
        f"Each beside {certificate.reference.stage}, on the same clips, of which one is {one}. "
        f"Asked for are: {asked}{drop}. The difference is the largest of any clip, relative to "
        "the length of the reference's outputs."
    )


def _asked(difference: float | None) -> str:
    return "" if difference is None else f"a difference of at most {number_text(difference)} and "


def _knows_labels(certificate: Certificate) -> bool:
    measured = certificate.reference.measured
    return measured is not None and measured.accuracy is not None


def _row(certificate: Certificate, stage: Stage, *, is_reference: bool) -> list[Html]:
    """Write the cells of a stage; the last one only where labels are known."""
    measured, accuracies = stage.measured, int(_knows_labels(certificate))
    if measured is None:
        name = Html(f"{strong(stage.stage)}<br>{flag('✗ refused', 'error')}")
        return [name, *[escaped("–")] * (4 + accuracies)]
    cells = [
        _name(certificate, stage, is_reference=is_reference),
        escaped("–") if is_reference else _agreement(stage, measured),
        escaped("–") if is_reference else _apart(stage, measured),
        _time(certificate, measured, is_reference=is_reference),
        _size(certificate, stage),
    ]
    return [*cells, *[_accuracy(certificate, measured)] * accuracies]


def _name(certificate: Certificate, stage: Stage, *, is_reference: bool) -> Html:
    told = Html('<span class="range">reference</span>')
    below = told if is_reference else _standing(certificate, stage)
    return Html(f"<span>{escaped(stage.stage)}</span><br>{below}")


def _standing(certificate: Certificate, stage: Stage) -> Html:
    if stage.broken:
        count = count_of(len(stage.broken), "bound")
        return flag(f"✗ {count} broken", "error")
    if stage.stage == certificate.recommended.stage:
        return flag("✓ ship this", "clean")
    return flag("✓ holds", "clean")


def _agreement(stage: Stage, measured: Measured) -> Html:
    is_low = measured.top1_agreement < _bound(stage).agreement
    top5 = measured.top5_agreement
    return _cell(
        percent(measured.top1_agreement, 1),
        "" if top5 is None else f"top-5 {percent(top5, 1)}",
        is_broken=is_low,
    )


def _apart(stage: Stage, measured: Measured) -> Html:
    mean = f"mean {_difference(measured.mean_difference)}"
    return _cell(_difference(measured.max_difference), mean, is_broken=_is_far(stage))


def _accuracy(certificate: Certificate, measured: Measured) -> Html:
    found, before = measured.accuracy, certificate.reference.measured
    if found is None or before is None or before.accuracy is None:
        return escaped("–")
    drop, limit = 100 * (before.accuracy.right - found.right) / found.count, certificate.max_drop
    bounds = f"{100 * found.low:.1f} to {percent(found.high, 1)}"
    return _cell(percent(found.share, 1), bounds, is_broken=limit is not None and drop > limit)


def _time(certificate: Certificate, measured: Measured, *, is_reference: bool) -> Html:
    other = certificate.reference.stage
    told = "" if is_reference else f"{_ratio(measured.over_reference)} {other}"
    return _cell(_milliseconds(measured.milliseconds), told)


def _ratio(ratio: float) -> str:
    return f"{ratio:.2g} ×" if ratio < 10 else f"{ratio:.0f} ×"


def _milliseconds(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def _size(certificate: Certificate, stage: Stage) -> Html:
    if stage.size_bytes is None:
        return escaped("–")
    share = _share(certificate, stage).replace("its size", "fp32")
    return _cell(size(stage.size_bytes), share)


def _cell(value: str, below: str, *, is_broken: bool = False) -> Html:
    """Set a number, in the colour of what is bad if it is, with another below it."""
    shown = flag(f"✗ {value}", "error") if is_broken else strong(value)
    return Html(f'{shown}<br><span class="range">{escaped(below)}</span>' if below else shown)


# Charts.


def _charts(certificate: Certificate) -> Html:
    stages = [one for one in certificate.stages if one.measured is not None]
    drawn = [
        _time_chart([certificate.reference, *stages]),
        _size_chart([one for one in (certificate.reference, *stages) if one.size_bytes]),
        _difference_chart(stages),
    ]
    return section("Side by side", charts(filter(None, drawn)), meaning=_CHARTS)


_CHARTS = (
    "Times are medians, with quartiles as whiskers. Differences are drawn by ratio, from "
    f"{number_text(_LEAST_DIFFERENCE)} on; the tick is what is allowed."
)


def _time_chart(stages: Sequence[Stage]) -> Html:
    known = [(one, one.measured) for one in stages if one.measured is not None]
    most = max(measured.quartiles[1] for _, measured in known) * 1.02
    rows = [
        Bar(
            label=stage.stage,
            parts=(measured.milliseconds / most,),
            number=f"{_milliseconds(measured.milliseconds)} ms",
            interval=(measured.quartiles[0] / most, measured.quartiles[1] / most),
        )
        for stage, measured in known
    ]
    return figure("Time of a view", bars(rows))


def _size_chart(stages: Sequence[Stage]) -> Html:
    if not stages:
        return Html("")
    most = max(one.size_bytes or 0 for one in stages)
    rows = [
        Bar(
            label=one.stage, parts=((one.size_bytes or 0) / most,), number=size(one.size_bytes or 0)
        )
        for one in stages
    ]
    return figure("Size of the files", bars(rows))


def _difference_chart(stages: Sequence[Stage]) -> Html:
    """Draw differences by ratio, a tick where the bound of each is."""
    known = [(one, one.measured) for one in stages if one.measured is not None]
    if not known:
        return Html("")
    finite = [one.max_difference for _, one in known if math.isfinite(one.max_difference)]
    limits = [limit for one, _ in known if (limit := _bound(one).difference) is not None]
    axis = log_axis(_LEAST_DIFFERENCE, 2 * max([1e-4, *finite, *limits]))
    rows = [_difference_bar(stage, measured, axis) for stage, measured in known]
    names = legend(["up to the mean of the clips", "up to the largest"])
    return figure("Difference from the reference", names, bars(rows))


def _difference_bar(stage: Stage, measured: Measured, axis: Axis) -> Bar:
    mean, most = (
        axis.place(min(max(value, axis.low), axis.high))
        for value in (measured.mean_difference, measured.max_difference)
    )
    limit = _bound(stage).difference
    tick = None if limit is None else axis.place(limit)
    return Bar(
        label=stage.stage,
        parts=(mean, most - mean),
        number=_difference(measured.max_difference),
        interval=None if tick is None else (tick, tick),
    )


# Answers that changed.


def _changes(certificate: Certificate, clips: Clips | None) -> list[Html]:
    changed = [one for one in certificate.stages if one.changes]
    if not changed:
        return []
    return [
        section(
            "Answers that changed",
            *(_changes_of(one, certificate, clips) for one in changed),
            meaning="Clips on which a file gives another answer than the reference, with the "
            "scores of both answers before and after. Those of which the reference was surest come "
            "first, near ties last.",
        )
    ]


def _changes_of(stage: Stage, certificate: Certificate, clips: Clips | None) -> Html:
    shown = stage.changes[:_MOST_CHANGES]
    pictures = (
        video_figure(_caption(one, certificate), None if clips is None else clips.strip(one.clip))
        for one in shown
    )
    told = f"{len(stage.changes):,} of {count_of(len(certificate.clips), 'clip')}"
    title = Html(
        f'<h3><span>{escaped(stage.stage)}</span><span class="more">{escaped(told)}</span></h3>'
    )
    return card(title, videos(pictures), and_more(len(stage.changes) - len(shown)))


def _caption(change: Change, certificate: Certificate) -> Html:
    name = code(certificate.clips[change.clip].name)
    before, after = (
        " → ".join(percent(score, 1) for score in pair)
        for pair in zip(change.reference, change.file, strict=True)
    )
    if change.after is None:
        before, after = percent(change.reference[0], 1), ""
    return Html(
        f'{strong(change.before)} <span class="score">{before}</span>, '
        f'<span class="answer">{escaped(change.after or "no number")}</span> '
        f'<span class="score">{after}</span><br>{name}'
    )


# How to use the files.


def _usage(certificate: Certificate) -> Html:
    """Say how to run each file; the one to ship first, the others folded."""
    there = [one for one in certificate.stages if one.files and one.measured is not None]
    if not there:
        return Html("")
    there.sort(key=lambda one: one.stage != certificate.recommended.stage)
    first, *others = there
    content = [_usage_of(first)]
    if others:
        content.append(folded("the other files", *map(_usage_of, others)))
    return section(
        "How to run them",
        card(*content),
        meaning="In the folder of this page. A file carries its spec and labels, so that nothing "
        "else is needed.",
    )


def _usage_of(stage: Stage) -> Html:
    graphs = [path for path in stage.files if path.endswith(_GRAPHS)]
    model = graphs[0] if len(graphs) == 1 else str(Path(stage.files[0]).parent)
    told = [(stage.stage, verbatim(f"actionzoo predict VIDEO --model {shlex.quote(model)}"))]
    if lines := plain_python(stage):
        told.append(("Without actionzoo", verbatim(lines)))
    return facts((), wide=told)


def plain_python(stage: Stage) -> str:
    """Return lines of Python that run a file without this package; nothing where it takes more.

    They show which tensors there are, of which shape and type; a clip of zeros takes the place of
    one to be made.
    """
    graphs = [path for path in stage.files if path.endswith(_GRAPHS)]
    if stage.input is None or len(graphs) != 1 or not stage.takes_clips:
        return ""
    shape, kind = _fed(stage.input)
    name, output = stage.input["input_name"], stage.input["output_name"]
    zeros = f"numpy.zeros({shape}, {kind!r})"
    if stage.target == "onnx":
        return (
            "import numpy, onnxruntime\n"
            f"model = onnxruntime.InferenceSession({graphs[0]!r})\n"
            f"({_variable(stage)},) = model.run([{output!r}], {{{name!r}: {zeros}}})"
        )
    return (
        "import numpy, openvino\n"
        f'model = openvino.Core().compile_model({graphs[0]!r}, "CPU")\n'
        f"{_variable(stage)} = model({{{name!r}: {zeros}}})[{output!r}]"
    )


def _variable(stage: Stage) -> str:
    return "scores" if (stage.input or {}).get("output") == "scores" else "logits"


def _fed(input: Mapping[str, Any]) -> tuple[tuple[int, ...], str]:
    """Return the shape of one clip and the type of its numbers."""
    sizes = {"B": 1, "S": 1, "C": input["channels"], "T": input["frames"]}
    sizes |= {"H": input["height"], "W": input["width"]}
    if input["whole_frames"]:
        sizes |= {"H": 480, "W": 640}
    kind = "uint8" if input["whole_frames"] else "float32"
    return tuple(sizes[axis] for axis in input["layout"]), kind


# How it was measured.


def _measurement(certificate: Certificate) -> Html:
    machine = certificate.machine
    rows = [
        ("Model", certificate.model),
        ("Weights", certificate.source),
        ("Licence", certificate.license),
        ("Looks at", _looks_at(certificate.reference.input or {})),
        ("Clips", f"{len(certificate.clips):,} of {certificate.clips_source}"),
        ("Labels", certificate.unlabelled or "those of the videos"),
        ("When", certificate.date[:16].replace("T", " ") + " UTC"),
        ("Processor", f"{machine.get('processor')}, {machine.get('cores')} cores"),
        ("For 8 bits it has", _int8(machine.get("int8"))),
    ]
    versions = ", ".join(f"{name} {one}" for name, one in certificate.versions.items())
    wide = [("Versions", escaped(f"{versions}; {machine.get('system')}"))]
    if certificate.command:
        wide.insert(0, ("Command", code(certificate.command)))
    return section(
        "How it was measured",
        card(
            facts([(name, escaped(value)) for name, value in rows], wide=wide),
            _hashes(certificate),
        ),
        meaning="One view at a time, the stages in turn over the same clips, the first look of "
        f"each turn not timed. All numbers are in {CERTIFICATE_FILE}.",
    )


def _looks_at(input: Mapping[str, Any]) -> str:
    """Say what a model looks at, such as ``16 frames, stride 2 at 25 a second, 96 × 128 px``."""
    if not input:
        return "unknown"
    pixels = f"{input['height']} × {input['width']} px"
    if input["sampling"] == "segments":
        return f"{count_of(input['frames'], 'segment')}, a frame of each, {pixels}"
    fps = input["fps"]
    rate = "" if fps is None else f" at {float(Fraction(fps)):g} a second"
    return f"{count_of(input['frames'], 'frame')}, stride {input['stride']}{rate}, {pixels}"


def _int8(found: Sequence[str] | None) -> str:
    if found is None:
        return "unknown"
    return ", ".join(found) or "no instructions: int8 gains little here"


def _hashes(certificate: Certificate) -> Html:
    """List the clips, folded."""
    shown = certificate.clips[:_MOST_HASHES]
    lines = bullets(Html(f"{escaped(one.name)}<br>{code(one.sha256)}") for one in shown)
    more = and_more(len(certificate.clips) - len(shown))
    return folded("The clips, and the SHA-256 of their pixels", joined([lines, more]))
