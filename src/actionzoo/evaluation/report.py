"""The report of an evaluation as one page, to show to a colleague."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from actionzoo.evaluation.bootstrap import wilson_interval
from actionzoo.evaluation.metrics import (
    IS_SHARE,
    TITLES,
    ClassValue,
    ConfusedPair,
    MetricValue,
    calibration_bins,
    class_values,
    compute_metrics,
    confused_pairs,
    confusion_matrix,
)
from actionzoo.evaluation.mistakes import (
    Mistake,
    examples_of,
    false_labels,
    missed_labels,
    worst_mistakes,
)
from actionzoo.evaluation.results import Evaluation
from actionzoo.pages.charts import Bar, ScoreBin, bars, figure, interval_mark, reliability
from actionzoo.pages.confusion import confusion_table
from actionzoo.pages.frame import (
    Html,
    and_more,
    bullets,
    card,
    charts,
    chip,
    code,
    count_of,
    duration,
    escaped,
    facts,
    folded,
    header,
    page,
    percent,
    section,
    strong,
    table,
    video_figure,
    videos,
    write_page,
)
from actionzoo.video.isolation import run_isolated
from actionzoo.video.probing import Look
from actionzoo.video.probing import thumbnails as make_thumbnails

Metrics = Mapping[str, MetricValue]
"""As ``compute_metrics`` returns them."""

_MOST_ROWS = 40
"""As many classes and groups are shown at once; the others are folded."""
_MOST_PAIRS = 6
_MOST_EXAMPLES = 3
"""Of a confused pair as many videos are shown."""
_MOST_MISTAKES = 24
_FIRST_FAILURES = 8
_MOST_FAILURES = 200
"""As many are listed, the first at once, the others folded."""
_LIBRARIES = "actionzoo numpy av openvino onnxruntime torch lightning torchmetrics".split()
_PROSE = ("name", "summary", "source")
"""Words of a protocol that tell nothing of what it does in numbers."""
_THRESHOLDS = (0.5, 0.7, 0.9, 0.95, 0.99)

_Pictures = Mapping[str, bytes]
"""JPEG of a few frames by path."""


def write_report(
    evaluations: Sequence[Evaluation],
    file: Path,
    *,
    metrics: Sequence[Metrics] | None = None,
    title: str | None = None,
    thumbnails: bool = True,
) -> None:
    """Write evaluations of one model by several protocols as a page that needs nothing else.

    Args:
        evaluations: At least one; the first is shown in detail.
        file: Overwritten.
        metrics: Of each evaluation; by default they are computed.
        title: By default the name of the model.
        thumbnails: Whether the videos are opened to show what was mistaken; those that cannot be
            read, or are not there, have no picture.

    Raises:
        OSError: The file cannot be written.
    """
    first = evaluations[0]
    known = list(metrics or map(compute_metrics, evaluations))
    body = [
        _header(first, known[0], title),
        section(
            "Accuracy",
            card(metrics_table([one.protocol for one in evaluations], known)),
            *([card(_gaps(evaluations, known))] if len(evaluations) > 1 else []),
            meaning=_meaning(evaluations),
        ),
        *detail_sections(first, known[0], thumbnails=thumbnails),
        section("How it was measured", card(_facts(first))),
    ]
    write_page(page(f"Evaluation of {title or first.model}", body), file)


def detail_sections(
    evaluation: Evaluation, metrics: Metrics, *, thumbnails: bool = True
) -> list[Html]:
    """Return what a page shows of one evaluation: classes, mistakes, calibration, failures."""
    if not evaluation.paths:
        return [_failures(evaluation)]
    if evaluation.has_several_labels:
        return _sections_of_several(evaluation, thumbnails)
    counts = confusion_matrix(evaluation)
    # One video is no confusion of classes, and is among the mistakes.
    pairs = [one for one in confused_pairs(counts, evaluation.labels) if one.videos > 1]
    pairs = pairs[:_MOST_PAIRS]
    examples = [examples_of(evaluation, pair, _MOST_EXAMPLES) for pair in pairs]
    mistakes = worst_mistakes(evaluation, _MOST_MISTAKES)
    shown = [one for several in (*examples, mistakes) for one in several]
    pictures = _pictures(evaluation, shown) if thumbnails else {}
    return [
        section("Confusion", card(confusion_table(counts, evaluation.labels)), meaning=_CONFUSION),
        _classes(class_values(evaluation), evaluation),
        _groups(evaluation),
        _pairs(pairs, examples, pictures),
        _mistakes("Worst mistakes", _WORST, mistakes, pictures),
        *([_calibration(evaluation)] if "calibration_error" in metrics else []),
        _failures(evaluation),
    ]


_CONFUSION = (
    "A row is a class as the videos are labelled, a column what they were taken for; the darker, "
    "the larger its share of the row. Blue is right."
)
_WORST = "Wrong answers that the model is surest of. Often it is the label that is wrong: look."


def _sections_of_several(evaluation: Evaluation, thumbnails: bool) -> list[Html]:
    said, missed = (find(evaluation, _MOST_MISTAKES // 2) for find in (false_labels, missed_labels))
    pictures = _pictures(evaluation, [*said, *missed]) if thumbnails else {}
    return [
        _classes(class_values(evaluation), evaluation),
        _mistakes(
            "Labels said in error",
            "The highest scores of labels that a video does not have; one a video.",
            said,
            pictures,
        ),
        _mistakes(
            "Labels missed",
            "The lowest scores of labels that a video has; one a video.",
            missed,
            pictures,
        ),
        _failures(evaluation),
    ]


# Words.


def _header(evaluation: Evaluation, metrics: Metrics, title: str | None) -> Html:
    count, failed = len(evaluation.paths), len(evaluation.failures)
    chips = [
        chip(f"{count:,}", "video" if count == 1 else "videos", "note"),
        chip(f"{len(evaluation.labels):,}", "classes", "note"),
    ]
    if failed:
        chips.append(chip(f"{failed:,}", "could not be read", "warning"))
    return header(
        over="Evaluation",
        title=title or evaluation.model,
        verdict=verdict(evaluation, metrics),
        accent="note" if count else "error",
        chips=chips,
    )


def verdict(evaluation: Evaluation, metrics: Metrics) -> str:
    """Say in a sentence how good it is."""
    if not evaluation.paths:
        return "No video could be read"
    name = "mean_average_precision" if evaluation.has_several_labels else "top1"
    videos_told = count_of(len(evaluation.paths), "video")
    where = f"{videos_told} of {evaluation.dataset}, protocol {protocol_name(evaluation.protocol)}"
    if name not in metrics:
        return f"Nothing can be measured on {where}"
    value = metrics[name]
    title = TITLES[name][:1].upper() + TITLES[name][1:] if name == "top1" else TITLES[name]
    return f"{title} {_number(name, value.value)}{_range_words(name, value)} on {where}"


def _range_words(name: str, value: MetricValue) -> str:
    if not np.isfinite([value.low, value.high]).all():
        return ""
    low, high = _number(name, value.low), _number(name, value.high)
    return f" (95 % interval {low.removesuffix(' %')} to {high})"


def _number(name: str, value: float) -> str:
    if not np.isfinite(value):
        return "unknown"
    return percent(value, 1) if name in IS_SHARE else f"{value:.3f}"


def protocol_name(protocol: Mapping[str, Any]) -> str:
    """Return the name of a protocol; ``unnamed`` where it has none."""
    return str(protocol.get("name") or "unnamed")


def _plain(value: Any) -> str:
    """Write a value of a protocol."""
    if isinstance(value, (Mapping, list, tuple)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return "none" if value is None else str(value)


def _meaning(evaluations: Sequence[Evaluation]) -> str:
    """Say how the numbers are to be read."""
    told = [_baseline(evaluations[0])]
    if len(evaluations) > 1:
        told.append(f"What follows the tables is of {protocol_name(evaluations[0].protocol)}.")
    return " ".join(filter(None, told))


def _baseline(evaluation: Evaluation) -> str:
    """Say what the simplest answer would reach."""
    if evaluation.has_several_labels or not evaluation.paths:
        return ""
    counts = np.bincount(evaluation.targets, minlength=len(evaluation.labels))
    label, share = evaluation.labels[counts.argmax()], counts.max() / counts.sum()
    return f"Always answering {label!r} would be right for {percent(share, 1)} of the videos."


def _gaps(evaluations: Sequence[Evaluation], metrics: Sequence[Metrics]) -> Html:
    """Explain how each protocol differs from the first, in its numbers and in what it does."""
    pairs = zip(evaluations[1:], metrics[1:], strict=True)
    return bullets(_gap(evaluations[0], metrics[0], *pair) for pair in pairs)


def _gap(first: Evaluation, metrics: Metrics, other: Evaluation, other_metrics: Metrics) -> Html:
    name = "mean_average_precision" if first.has_several_labels else "top1"
    told = []
    if name in metrics and name in other_metrics:
        points = 100 * (other_metrics[name].value - metrics[name].value)
        signed = f"{points:+.1f}".replace("-", "−")
        told.append(f"{TITLES[name]} {signed} points")
    told += [f"with {changes}"] if (changes := _changes(first.protocol, other.protocol)) else []
    told += [_disagreement(first, other)] if not first.has_several_labels else []
    names = protocol_name(other.protocol), protocol_name(first.protocol)
    return Html(f"{strong(names[0])}, beside {escaped(names[1])}: {escaped('; '.join(told))}.")


def _changes(first: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Say what a protocol does otherwise; ``clips 10 rather than 1``."""
    words = dict.fromkeys(word for one in (first, other) for word in one if word not in _PROSE)
    pairs = [(word, _plain(first.get(word)), _plain(other.get(word))) for word in words]
    return ", ".join(
        f"{_spoken(word)} {new} rather than {old}" for word, old, new in pairs if old != new
    )


def _disagreement(first: Evaluation, other: Evaluation) -> str:
    hits = dict(zip(first.paths, _hits(first).tolist(), strict=True))
    pairs = [
        (hits[path], hit)
        for path, hit in zip(other.paths, _hits(other).tolist(), strict=True)
        if path in hits
    ]
    gained, lost = pairs.count((False, True)), pairs.count((True, False))
    return f"{count_of(gained, 'video')} gained, {lost:,} lost"


def _spoken(word: str) -> str:
    return word.replace("_", " ")


# Facts and numbers.


def _facts(evaluation: Evaluation) -> Html:
    protocol, count = evaluation.protocol, len(evaluation.paths)
    speed = f", {evaluation.seconds / count:.2g} s a video" if count else ""
    rows = [
        ("Model", evaluation.model),
        ("Backend", evaluation.backend),
        ("Dataset", evaluation.dataset),
        ("Split", f"{evaluation.split or 'all of it'}, fold {evaluation.fold}"),
        ("Videos", f"{count:,}"),
        ("Protocol", protocol_name(protocol)),
        ("Took", f"{duration(evaluation.seconds)}{speed}"),
    ]
    others = ", ".join(
        f"{_spoken(word)} {_plain(value)}" for word, value in protocol.items() if word not in _PROSE
    )
    wide = [
        ("Protocol in full", others),
        ("Which is", _plain(protocol.get("summary", ""))),
        ("Its source", _plain(protocol.get("source", ""))),
    ]
    return facts(
        [
            *((name, escaped(value)) for name, value in rows),
            ("List hash", code(evaluation.list_hash)),
        ],
        wide=[
            *((name, escaped(value)) for name, value in wide if value),
            ("Folder", code(evaluation.root)),
            ("Versions", escaped(library_versions())),
        ],
    )


def library_versions() -> str:
    """Tell the versions of Python and of the libraries that results depend on."""
    told = [f"Python {platform.python_version()}"]
    for name in _LIBRARIES:
        try:
            told.append(f"{name} {version(name)}")
        except PackageNotFoundError:  # an extra that is not installed
            continue
    return f"{', '.join(told)}; {platform.system()} {platform.machine()}"


def metrics_table(protocols: Sequence[Mapping[str, Any]], metrics: Sequence[Metrics]) -> Html:
    """Draw a table of metrics, a column a protocol."""
    names = [name for name in TITLES if any(name in one for one in metrics)]
    rows = [
        [escaped(TITLES[name]), *(_metric(name, one.get(name)) for one in metrics)]
        for name in names
    ]
    return table(["protocol", *map(protocol_name, protocols)], rows)


def _metric(name: str, value: MetricValue | None) -> Html:
    if value is None:
        return escaped("–")
    told = strong(_number(name, value.value))
    if not np.isfinite([value.low, value.high]).all():
        return Html(f'<div class="metric">{told}</div>')
    low, high = _number(name, value.low).removesuffix(" %"), _number(name, value.high)
    bounds = f'<span class="range" title="{escaped(value.interval)}">{low} to {high}</span>'
    drawn = interval_mark(value.value, value.low, value.high) if name in IS_SHARE else ""
    return Html(f'<div class="metric">{told}{bounds}{drawn}</div>')


def _hits(evaluation: Evaluation) -> np.ndarray:
    hits: np.ndarray = evaluation.scores.argmax(1) == evaluation.targets
    return hits


# Classes and groups.


def _classes(values: Sequence[ClassValue], evaluation: Evaluation) -> Html:
    """Draw a bar a class, the worst first."""
    known = [one for one in values if one.videos]
    known.sort(key=lambda one: (one.value, -one.videos))
    missing = len(values) - len(known)
    kind = "Average precision" if evaluation.has_several_labels else "Accuracy"
    told = "Share of the videos of each class that are recognised, with its 95 % interval (Wilson)"
    if evaluation.has_several_labels:
        told = "How well the videos with a label come before those without, from 0 to 1"
    without = f"; {count_of(missing, 'class has', 'classes have')} no video" if missing else ""
    rows = [_class_bar(one, evaluation.has_several_labels) for one in known]
    return section(
        f"{kind} of each class", _long_bars(rows), meaning=f"{told}, worst first{without}."
    )


def _long_bars(rows: Sequence[Bar]) -> Html:
    if len(rows) <= _MOST_ROWS:
        return card(bars(rows))
    rest = folded(f"the other {len(rows) - _MOST_ROWS:,}", bars(rows[_MOST_ROWS:]))
    return card(bars(rows[:_MOST_ROWS]), rest)


def _class_bar(value: ClassValue, has_several_labels: bool) -> Bar:
    if has_several_labels:
        number = f"{percent(value.value, 1)}, {count_of(value.videos, 'video')}"
        return Bar(label=value.label, parts=(value.value,), number=number)
    return _share_bar(value.label, round(value.value * value.videos), value.videos)


def _share_bar(label: str, right: int, count: int) -> Bar:
    return Bar(
        label=label,
        parts=(right / count,),
        number=f"{right:,} of {count:,}, {percent(right / count)}",
        interval=wilson_interval(right, count),
    )


def _groups(evaluation: Evaluation) -> Html:
    """Draw a bar a person or recording, the worst first, where some are told."""
    known = [place for place, group in enumerate(evaluation.groups) if group is not None]
    names, index = np.unique(
        [str(evaluation.groups[place]) for place in known], return_inverse=True
    )
    if not 2 <= len(names) <= len(known) // 2:
        return Html("")
    counts = np.bincount(index)
    right = np.bincount(index, _hits(evaluation)[known]).astype(int)
    order = np.lexsort((-counts, right / counts))
    rows = [_share_bar(str(names[one]), int(right[one]), int(counts[one])) for one in order]
    told = "A group is what videos share, such as the person or the recording; worst first."
    return section("Accuracy of each group", _long_bars(rows), meaning=told)


# Mistakes.


def _pictures(evaluation: Evaluation, mistakes: Iterable[Mistake]) -> _Pictures:
    """Make thumbnails of videos, as far as they can be read."""
    paths = list(dict.fromkeys(one.path for one in mistakes))
    looks = [Look(path=str(Path(evaluation.root) / path)) for path in paths]
    answers = run_isolated(make_thumbnails, looks)
    return {paths[place]: answer for place, answer in answers if isinstance(answer, bytes)}


def _pairs(
    pairs: Sequence[ConfusedPair], examples: Sequence[Sequence[Mistake]], pictures: _Pictures
) -> Html:
    if not pairs:
        return Html("")
    return section(
        "Most confused",
        charts((_pair(*one, pictures) for one in zip(pairs, examples, strict=True)), wide=True),
        meaning="Which class is taken for which, most videos first.",
    )


def _pair(pair: ConfusedPair, examples: Sequence[Mistake], pictures: _Pictures) -> Html:
    told = f"{count_of(pair.videos, 'video')}, {percent(pair.share)} of the class"
    shown = (video_figure(_caption(one), pictures.get(one.path)) for one in examples)
    title = Html(
        f"<h3><span>{escaped(pair.label)} taken for "
        f'<span class="answer">{escaped(pair.taken_for)}</span></span>'
        f'<span class="more">{told}</span></h3>'
    )
    return card(title, videos(shown))


def _mistakes(title: str, meaning: str, mistakes: Sequence[Mistake], pictures: _Pictures) -> Html:
    if not mistakes:
        return Html("")
    shown = (
        video_figure(Html(f"{_words(one)}<br>{code(one.path)}"), pictures.get(one.path))
        for one in mistakes
    )
    return section(title, card(videos(shown)), meaning=meaning)


def _words(mistake: Mistake) -> Html:
    return Html(
        f"{strong(', '.join(mistake.labels) or 'no label')}, answer "
        f'<span class="answer">{escaped(mistake.answer)}</span>{_score(mistake)}'
    )


def _caption(mistake: Mistake) -> Html:
    return Html(f"{code(mistake.path)}{_score(mistake)}")


def _score(mistake: Mistake) -> str:
    known = np.isfinite(mistake.score)
    return f' <span class="score">{percent(mistake.score, 1)}</span>' if known else ""


# Calibration and failures.


def _calibration(evaluation: Evaluation) -> Html:
    bins = [
        ScoreBin(
            low=one.low,
            high=one.high,
            score=one.confidence,
            accuracy=one.accuracy,
            count=one.videos,
        )
        for one in calibration_bins(evaluation)
    ]
    return section(
        "Calibration",
        charts(
            [
                figure("Share that is right, by score", reliability(bins)),
                figure("Answers above a score", _thresholds(evaluation)),
            ]
        ),
        meaning=_sureness(evaluation),
    )


def _sureness(evaluation: Evaluation) -> str:
    """Say whether scores can be taken at their word."""
    score, accuracy = float(evaluation.scores.max(1).mean()), float(_hits(evaluation).mean())
    gap = score - accuracy
    judged = "as sure as it may be" if abs(gap) < 0.03 else "too sure" if gap > 0 else "too unsure"
    said = f"The model says {percent(score)} on average and is right of {percent(accuracy)}"
    return (
        f"{said}: {judged}. On the dashed line a score is the share that is right. Dots are "
        "means, grey the numbers of answers."
    )


def _thresholds(evaluation: Evaluation) -> Html:
    """Tell what is right among answers above a score, and how many they are."""
    scores, hits = evaluation.scores.max(1), _hits(evaluation)
    rows = []
    for threshold in _THRESHOLDS:
        kept = scores >= threshold
        right = percent(float(hits[kept].mean()), 1) if kept.any() else "–"
        rows.append(
            [
                escaped(f"{percent(threshold)} or more"),
                escaped(percent(float(kept.mean()), 1)),
                escaped(right),
            ]
        )
    return table(["score", "of the videos", "right"], rows)


def _failures(evaluation: Evaluation) -> Html:
    failures = evaluation.failures
    if not failures:
        return Html("")
    return failure_section("Not read", "They count in no number of this page.", failures)


def failure_section(title: str, meaning: str, failures: Sequence[tuple[str, str]]) -> Html:
    """List files that could not be used: paths and reasons."""
    lines = [Html(f"{code(path)} {escaped(reason)}") for path, reason in failures[:_MOST_FAILURES]]
    content = [bullets(lines[:_FIRST_FAILURES])]
    if rest := lines[_FIRST_FAILURES:]:
        more = and_more(len(failures) - _MOST_FAILURES)
        content.append(
            folded(f"the other {len(failures) - _FIRST_FAILURES:,}", bullets(rest), more)
        )
    return section(title, card(*content), meaning=meaning, count=len(failures), accent="warning")
