"""The report of a check as one page: no script, nothing from a network, everything escaped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from actionzoo.datasets.dataset import VideoDataset
from actionzoo.datasets.findings import Case, Finding, Report, Severity
from actionzoo.pages.charts import Bar, bars, histogram, legend, ranking
from actionzoo.pages.frame import (
    Accent,
    Html,
    and_more,
    card,
    charts,
    chip,
    code,
    duration,
    escaped,
    facts,
    header,
    joined,
    page,
    section,
    size,
    video_figure,
    write_page,
)
from actionzoo.video.isolation import run_isolated
from actionzoo.video.probing import Inspection, Look, thumbnails

_MOST_CASES = 12
"""As many cases of a finding are shown."""
_MOST_PICTURES = 96
"""As many videos are shown in pictures: some 10 kB each."""
_MOST_PATHS = 4
_MOST_CLASSES = 40
_DEPTHS = ("the beginning of every video", "every frame")

_SEVERITIES: tuple[tuple[Severity, str, str], ...] = (
    ("error", "Errors", "These samples cannot be used."),
    ("warning", "Warnings", "Accuracies would be wrong, or samples are doubtful."),
    ("note", "Notes", "To be known."),
)

_Pictures = Mapping[str, bytes]
"""JPEG of a few frames by path."""


def write_html(
    report: Report,
    dataset: VideoDataset,
    inspections: Sequence[Inspection],
    file: Path,
    *,
    processes: int | None = None,
) -> None:
    """Write a report as a page that needs nothing else.

    Args:
        report: What was found.
        dataset: What was checked.
        inspections: Of all its files.
        file: Overwritten.
        processes: How many make thumbnails at a time; by default one a core.

    Raises:
        OSError: The file cannot be written.
    """
    pictures = _pictures(report, dataset, inspections, processes)
    write_page(_page(report, dataset, inspections, pictures), file)


def _pictures(
    report: Report,
    dataset: VideoDataset,
    inspections: Sequence[Inspection],
    processes: int | None,
) -> _Pictures:
    """Make thumbnails of the videos that are shown, as far as they can be read."""
    readable = {one.path for one in inspections if one.is_readable}
    shown = dict.fromkeys(
        path
        for finding in report.findings
        for case in finding.cases[:_MOST_CASES]
        for path in case.paths[:_MOST_PATHS]
        if path in readable
    )
    paths = list(shown)[:_MOST_PICTURES]
    looks = [Look(path=str(dataset.root / path), fps=dataset.facts.fps) for path in paths]
    answers = run_isolated(thumbnails, looks, processes=processes)
    return {paths[place]: answer for place, answer in answers if isinstance(answer, bytes)}


# The page.


def _page(
    report: Report,
    dataset: VideoDataset,
    inspections: Sequence[Inspection],
    pictures: _Pictures,
) -> Html:
    name = dataset.root.name or str(dataset.root)
    body = (
        _verdict(report, name),
        _facts(report),
        *(_section(report, *one, pictures) for one in _SEVERITIES),
        _classes(dataset),
        _spreads(inspections),
    )
    return page(f"Check of {name}", body)


def _verdict(report: Report, name: str) -> Html:
    counts = {severity: len(report.of_severity(severity)) for severity, _, _ in _SEVERITIES}
    worst: Accent = "error" if counts["error"] else "warning" if counts["warning"] else "clean"
    said = {
        "error": "Not fit for training as it is",
        "warning": "Usable, with care",
        "clean": "Nothing wrong was found",
    }[worst]
    return header(
        over="Check of a dataset",
        title=name,
        verdict=said,
        accent=worst,
        chips=[
            chip(str(counts[severity]), title.lower(), severity)
            for severity, title, _ in _SEVERITIES
        ],
    )


def _facts(report: Report) -> Html:
    told = report.facts
    rows = [
        ("Format", escaped(told["format"])),
        ("Videos", escaped(f"{told['videos']:,}")),
        ("Samples", escaped(f"{told['samples']:,}")),
        ("Readable", escaped(f"{told['readable']:,}")),
        ("Classes", escaped(f"{told['classes']:,}")),
        ("Splits", _splits(told["splits"])),
        ("In all", escaped(f"{duration(told['seconds'])}, {size(told['bytes'])}")),
        ("Looked at", escaped(_DEPTHS[bool(told["deep"])])),
        ("List hash", code(told["list_hash"])),
        ("In quarantine", escaped(f"{len(report.quarantine()):,}")),
    ]
    return card(facts(rows, wide=[("Folder", code(told["root"]))]))


def _splits(folds: Sequence[Mapping[str, int]]) -> Html:
    told = [
        escaped(", ".join(f"{name} {count:,}" for name, count in fold.items()) or "none")
        for fold in folds
    ]
    if len(told) == 1:
        return told[0]
    return joined((Html(f"{number}: {one}") for number, one in enumerate(told, 1)), "<br>")


# Findings.


def _section(
    report: Report, severity: Severity, title: str, meaning: str, pictures: _Pictures
) -> Html:
    findings = report.of_severity(severity)
    if not findings:
        return Html("")
    return section(
        title,
        *(_finding(one, pictures) for one in findings),
        meaning=meaning,
        count=len(findings),
        accent=severity,
    )


def _finding(finding: Finding, pictures: _Pictures) -> Html:
    cases = joined(_case(one, pictures) for one in finding.cases[:_MOST_CASES])
    more = and_more(len(finding.cases) - _MOST_CASES)
    message = escaped(finding.message[:1].upper() + finding.message[1:])
    listed = f"<ul>{cases}</ul>{more}" if cases else ""
    return Html(f"""<article class="card finding">
<h3>{message}<code class="kind">{escaped(finding.kind)}</code></h3>
{listed}</article>
""")


def _case(case: Case, pictures: _Pictures) -> Html:
    paths = joined(
        video_figure(code(path), pictures.get(path)) for path in case.paths[:_MOST_PATHS]
    )
    more = and_more(len(case.paths) - _MOST_PATHS)
    origins = escaped(", ".join(case.origins[:_MOST_PATHS]))
    told = f' <span class="origin">{origins}</span>' if origins else ""
    figures = f'<div class="paths">{paths}</div>' if paths else ""
    return Html(f'<li><p class="detail">{escaped(case.detail)}{told}</p>{figures}{more}</li>')


# Charts.


def _classes(dataset: VideoDataset) -> Html:
    """Draw a bar a class, divided by the splits of the first fold."""
    counts = dataset.label_counts()
    if not counts:
        return Html("")
    names = list(dataset.splits)
    by_split = [dataset.of_split(name).label_counts() for name in names]
    order = sorted(counts, key=lambda label: -counts[label])
    half = _MOST_CLASSES // 2
    cut = len(order) > _MOST_CLASSES
    shown = [*order[:half], *order[-half:]] if cut else order
    most = max(max(counts.values()), 1)
    rows = (_bar(label, counts[label], [one[label] for one in by_split], most) for label in shown)
    told = f", the {half} largest and the {half} smallest of {len(order):,}" if cut else ""
    return section(
        "Classes",
        card(
            Html(f'<p class="meaning">Samples of each class{told}</p>'),
            legend([*names, "no split"] if _has_rest(dataset) else names),
            bars(rows),
        ),
    )


def _has_rest(dataset: VideoDataset) -> bool:
    return sum(dataset.split_counts().values()) < len(dataset)


def _bar(label: str, count: int, parts: Sequence[int], most: int) -> Bar:
    rest = max(0, count - sum(parts))
    shares = tuple(part / most for part in (*parts, rest))
    return Bar(label=label, parts=shares, number=f"{count:,}")


def _spreads(inspections: Sequence[Inspection]) -> Html:
    seen = [one for one in inspections if one.is_readable]
    if not seen:
        return Html("")
    durations = [float(one.duration_seconds) for one in seen if one.duration_seconds is not None]
    rates = Counter(f"{float(one.fps):.4g}" for one in seen if one.fps is not None)
    sizes = Counter(f"{one.width} x {one.height}" for one in seen)
    codecs = Counter(one.codec or "unknown" for one in seen)
    drawn = (
        histogram("Duration, s", durations),
        ranking("Frames a second", rates),
        ranking("Size, pixels", sizes),
        ranking("Codec", codecs),
    )
    return section("Videos", charts(drawn))
