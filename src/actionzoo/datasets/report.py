"""The report of a check as one page: no script, nothing from a network, everything escaped."""

from __future__ import annotations

import html
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from actionzoo.datasets.dataset import VideoDataset
from actionzoo.datasets.findings import Case, Finding, Report, Severity
from actionzoo.video.isolation import run_isolated
from actionzoo.video.probing import Inspection, Look, thumbnails

_MOST_CASES = 12
"""As many cases of a finding are shown."""
_MOST_PICTURES = 96
"""As many videos are shown in pictures: some 10 kB each."""
_MOST_PATHS = 4
_MOST_CLASSES = 40
_BINS = 24

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
    page = _page(report, dataset, inspections, pictures)
    file.write_text(page, encoding="utf-8", errors="backslashreplace")


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
) -> str:
    name = _text(dataset.root.name or str(dataset.root))
    body = (
        _verdict(report, name),
        _facts(report),
        *(_section(report, *one, pictures) for one in _SEVERITIES),
        _classes(dataset),
        _spreads(inspections),
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Check of {name}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
{"".join(body)}
</main>
</body>
</html>
"""


_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'"
)


def _text(value: object) -> str:
    """Escape text for HTML; what does not print is shown as its code."""
    shown = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in str(value))
    return html.escape(shown, quote=True)


def _verdict(report: Report, name: str) -> str:
    counts = {severity: len(report.of_severity(severity)) for severity, _, _ in _SEVERITIES}
    worst = next((one for one in ("error", "warning") if counts[one]), "clean")
    said = {
        "error": "Not fit for training as it is",
        "warning": "Usable, with care",
        "clean": "Nothing wrong was found",
    }[worst]
    chips = "".join(
        f'<li class="chip {severity}"><b>{counts[severity]}</b> {title.lower()}</li>'
        for severity, title, _ in _SEVERITIES
    )
    return f"""<header class="{worst}">
<p class="over">Check of a dataset</p>
<h1>{name}</h1>
<p class="verdict">{said}</p>
<ul class="chips">{chips}</ul>
</header>
"""


def _facts(report: Report) -> str:
    facts = report.facts
    rows = [
        ("Format", _text(facts["format"])),
        ("Videos", f"{facts['videos']:,}"),
        ("Samples", f"{facts['samples']:,}"),
        ("Readable", f"{facts['readable']:,}"),
        ("Classes", f"{facts['classes']:,}"),
        ("Splits", _splits(facts["splits"])),
        ("In all", f"{_duration(facts['seconds'])}, {_size(facts['bytes'])}"),
        ("Looked at", "every frame" if facts["deep"] else "the beginning of every video"),
        ("List hash", f"<code>{_text(facts['list_hash'])}</code>"),
        ("In quarantine", f"{len(report.quarantine()):,}"),
    ]
    cells = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in rows)
    folder = f'<div class="whole"><dt>Folder</dt><dd><code>{_text(facts["root"])}</code></dd></div>'
    return f'<section class="card"><dl class="facts">{cells}{folder}</dl></section>\n'


def _splits(folds: Sequence[Mapping[str, int]]) -> str:
    told = [
        ", ".join(f"{_text(name)} {count:,}" for name, count in fold.items()) or "none"
        for fold in folds
    ]
    if len(told) == 1:
        return told[0]
    return "<br>".join(f"{number}: {one}" for number, one in enumerate(told, 1))


def _duration(seconds: float) -> str:
    """Say how long.

    >>> _duration(42.0), _duration(150.0), _duration(7200.0)
    ('42 s', '2.5 min', '2.0 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:,.1f} h"


def _size(count: int) -> str:
    """Say how many bytes.

    >>> _size(999), _size(8_739_445)
    ('999 B', '8.7 MB')
    """
    power = min(4, max(0, len(str(count)) - 1) // 3)
    unit = ("B", "kB", "MB", "GB", "TB")[power]
    return f"{count / 1000**power:.1f} {unit}" if power else f"{count} B"


_STYLE = """
:root { color-scheme: light dark; --back: #f6f7f9; --card: #fff; --ink: #1c2128; --soft: #5d6875;
  --line: #dfe3e8; --error: #c62f3b; --warning: #a86a00; --note: #2f6fb5; --clean: #2b7a4b;
  --s0: #3d7dca; --s1: #e2954a; --s2: #4fa277; --s3: #9aa3ad; --code: #eef1f4; }
@media (prefers-color-scheme: dark) { :root { --back: #14171b; --card: #1d2127; --ink: #e6e9ed;
  --soft: #98a3af; --line: #313842; --error: #f0717b; --warning: #e3ac4b; --note: #75aeea;
  --clean: #66c08c; --code: #272d35; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 24px 20px 64px; }
h1, h2, h3, p, ul, dl, figure { margin: 0; padding: 0; }
h1 { font-size: 28px; line-height: 1.2; overflow-wrap: anywhere; }
h2 { font-size: 20px; margin: 36px 0 2px; }
h3 { font-size: 16px; display: flex; flex-wrap: wrap; gap: 4px 10px; align-items: baseline; }
ul { list-style: none; }
code { font: 13px/1.4 ui-monospace, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
header { border-left: 6px solid var(--accent); padding: 4px 0 4px 18px; margin-bottom: 22px; }
.error { --accent: var(--error); } .warning { --accent: var(--warning); }
.note { --accent: var(--note); } .clean { --accent: var(--clean); }
.over { color: var(--soft); font-size: 13px; text-transform: uppercase; letter-spacing: .06em; }
.verdict { color: var(--accent); font-size: 18px; font-weight: 600; margin-top: 2px; }
.chips, .legend { display: flex; flex-wrap: wrap; gap: 8px; margin-top: 12px; }
.chip { border: 1px solid var(--line); background: var(--card); border-radius: 99px;
  padding: 2px 12px; font-size: 14px; } .chip b { color: var(--accent); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 16px 18px; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr));
  gap: 14px 22px; }
.whole { grid-column: 1 / -1; }
dt { color: var(--soft); font-size: 13px; } dd { margin: 0; overflow-wrap: anywhere; }
.meaning, .more, .origin { color: var(--soft); font-size: 14px; }
.count { color: var(--accent); }
h2 + .card { margin-top: 10px; }
.finding { margin-top: 12px; border-left: 4px solid var(--accent); }
.kind { background: var(--code); border-radius: 5px; padding: 1px 7px; font-size: 12px;
  color: var(--soft); font-weight: 400; }
.finding li { border-top: 1px solid var(--line); padding: 10px 0 8px; margin-top: 8px; }
.finding li + li { margin-top: 0; }
.detail { overflow-wrap: anywhere; }
.paths { display: flex; flex-wrap: wrap; gap: 2px 18px; margin-top: 5px; }
.finding figcaption { line-height: 1.3; }
.finding img { display: block; max-width: 100%; height: auto; border-radius: 5px;
  margin-bottom: 3px; background: #000; }
.legend { gap: 4px 16px; margin: 8px 0 12px; font-size: 14px; }
.swatch { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 6px; }
.bars { display: grid; grid-template-columns: minmax(60px, max-content) 1fr max-content;
  gap: 5px 12px; align-items: center; font-size: 14px; }
.bars .label { max-width: 34vw; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.bars .number { text-align: right; font-variant-numeric: tabular-nums; color: var(--soft); }
.bars svg { width: 100%; height: 13px; display: block; } .bars rect { height: 13px; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(290px, 1fr)); gap: 14px;
  margin-top: 10px; }
.charts figcaption { font-weight: 600; margin-bottom: 10px; }
.histogram { width: 100%; height: 130px; display: block; border-bottom: 1px solid var(--line); }
.axis { display: flex; justify-content: space-between; color: var(--soft); font-size: 13px;
  margin-top: 4px; }
.s0 { fill: var(--s0); background: var(--s0); } .s1 { fill: var(--s1); background: var(--s1); }
.s2 { fill: var(--s2); background: var(--s2); } .s3 { fill: var(--s3); background: var(--s3); }
@media (max-width: 520px) { main { padding: 16px 12px 48px; } .card { padding: 13px 13px; }
  .facts { grid-template-columns: 1fr 1fr; } h1 { font-size: 23px; } }
@media print { body { background: #fff; } .finding { break-inside: avoid; } }
"""


# Findings.


def _section(
    report: Report, severity: Severity, title: str, meaning: str, pictures: _Pictures
) -> str:
    findings = report.of_severity(severity)
    if not findings:
        return ""
    shown = "".join(_finding(one, pictures) for one in findings)
    return f"""<section class="{severity}">
<h2>{title} <span class="count">{len(findings)}</span></h2>
<p class="meaning">{meaning}</p>
{shown}</section>
"""


def _finding(finding: Finding, pictures: _Pictures) -> str:
    cases = "".join(_case(one, pictures) for one in finding.cases[:_MOST_CASES])
    hidden = len(finding.cases) - _MOST_CASES
    more = f'<p class="more">and {hidden:,} more</p>' if hidden > 0 else ""
    message = _text(finding.message[:1].upper() + finding.message[1:])
    listed = f"<ul>{cases}</ul>{more}" if cases else ""
    return f"""<article class="card finding">
<h3>{message}<code class="kind">{_text(finding.kind)}</code></h3>
{listed}</article>
"""


def _case(case: Case, pictures: _Pictures) -> str:
    paths = "".join(_path(path, pictures) for path in case.paths[:_MOST_PATHS])
    hidden = len(case.paths) - _MOST_PATHS
    more = f'<p class="more">and {hidden:,} more</p>' if hidden > 0 else ""
    origins = ", ".join(map(_text, case.origins[:_MOST_PATHS]))
    told = f' <span class="origin">{origins}</span>' if origins else ""
    figures = f'<div class="paths">{paths}</div>' if paths else ""
    return f'<li><p class="detail">{_text(case.detail)}{told}</p>{figures}{more}</li>'


def _path(path: str, pictures: _Pictures) -> str:
    strip = ""
    if path in pictures:
        data = b64encode(pictures[path]).decode()
        strip = f'<img src="data:image/jpeg;base64,{data}" alt="first, middle and last frame">'
    return f"<figure>{strip}<figcaption><code>{_text(path)}</code></figcaption></figure>"


# Charts.


def _classes(dataset: VideoDataset) -> str:
    """Draw a bar a class, divided by the splits of the first fold."""
    counts = dataset.label_counts()
    if not counts:
        return ""
    names = list(dataset.splits)
    by_split = [dataset.of_split(name).label_counts() for name in names]
    order = sorted(counts, key=lambda label: -counts[label])
    half = _MOST_CLASSES // 2
    cut = len(order) > _MOST_CLASSES
    shown = [*order[:half], *order[-half:]] if cut else order
    most = max(max(counts.values()), 1)
    rows = "".join(
        _bar(label, counts[label], [one[label] for one in by_split], most) for label in shown
    )
    legend = "".join(
        f'<li><span class="swatch s{number % 4}"></span>{_text(name)}</li>'
        for number, name in enumerate([*names, "no split"] if _has_rest(dataset) else names)
    )
    told = f", the {half} largest and the {half} smallest of {len(order):,}" if cut else ""
    return f"""<section>
<h2>Classes</h2>
<div class="card"><p class="meaning">Samples of each class{told}</p>
<ul class="legend">{legend}</ul>
<div class="bars">{rows}</div></div>
</section>
"""


def _has_rest(dataset: VideoDataset) -> bool:
    return sum(dataset.split_counts().values()) < len(dataset)


def _bar(label: str, count: int, parts: Sequence[int], most: int) -> str:
    rest = max(0, count - sum(parts))
    place, rects = 0.0, []
    for number, part in enumerate([*parts, rest]):
        width = 100 * part / most
        if part:
            rects.append(f'<rect class="s{number % 4}" x="{place:.2f}%" width="{width:.2f}%"/>')
        place += width
    return (
        f'<span class="label">{_text(label)}</span>'
        f'<svg role="img" aria-label="{count}">{"".join(rects)}</svg>'
        f'<span class="number">{count:,}</span>'
    )


def _spreads(inspections: Sequence[Inspection]) -> str:
    seen = [one for one in inspections if one.is_readable]
    if not seen:
        return ""
    durations = [float(one.duration_seconds) for one in seen if one.duration_seconds is not None]
    rates = Counter(f"{float(one.fps):.4g}" for one in seen if one.fps is not None)
    sizes = Counter(f"{one.width} x {one.height}" for one in seen)
    codecs = Counter(one.codec or "unknown" for one in seen)
    charts = (
        _histogram("Duration, s", durations),
        _ranking("Frames a second", rates),
        _ranking("Size, pixels", sizes),
        _ranking("Codec", codecs),
    )
    return f"""<section>
<h2>Videos</h2>
<div class="charts">{"".join(charts)}</div>
</section>
"""


def _histogram(title: str, values: Sequence[float]) -> str:
    """Draw how many values lie where; the longest hundredth shares the last bin."""
    if not values:
        return ""
    ordered = np.sort(np.asarray(values))
    low, high = float(ordered[0]), float(np.quantile(ordered, 0.99))
    high = high if high > low else low + 1
    counts, _ = np.histogram(np.minimum(ordered, high), bins=_BINS, range=(low, high))
    most = int(counts.max())
    bars = "".join(
        f'<rect class="s0" x="{100 * place / _BINS:.2f}%" width="{92 / _BINS:.2f}%" '
        f'y="{100 - 100 * count / most:.2f}%" height="{100 * count / most:.2f}%"/>'
        for place, count in enumerate(counts.tolist())
        if count
    )
    middle, longest = float(ordered[len(ordered) // 2]), float(ordered[-1])
    ends = f"<span>{low:.1f}</span><span>median {middle:.1f}</span><span>{longest:.1f}</span>"
    return (
        f'<figure class="card"><figcaption>{title}</figcaption>'
        f'<svg class="histogram" role="img" aria-label="{title}">{bars}</svg>'
        f'<div class="axis">{ends}</div></figure>'
    )


def _ranking(title: str, counts: Counter[str]) -> str:
    """Draw the most frequent values."""
    if not counts:
        return ""
    shown = counts.most_common(6)
    rest = counts.total() - sum(count for _, count in shown)
    rows = [*shown, ("others", rest)] if rest else shown
    most = max(count for _, count in rows)
    bars = "".join(_bar(name, count, [count], most) for name, count in rows)
    return (
        f'<figure class="card"><figcaption>{title}</figcaption>'
        f'<div class="bars">{bars}</div></figure>'
    )
