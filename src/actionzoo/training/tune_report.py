"""The page of a study: what was tried, what is best, and which settings matter."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from pathlib import Path

from actionzoo.evaluation.report import failure_section, library_versions
from actionzoo.pages.charts import Bar, bars
from actionzoo.pages.frame import (
    Html,
    and_more,
    card,
    charts,
    chip,
    duration,
    escaped,
    facts,
    header,
    in_columns,
    page,
    percent,
    section,
    strong,
    table,
    verbatim,
    write_page,
)
from actionzoo.pages.points import Kind, Point, points_legend, rows_of_points, scatter
from actionzoo.training.search import Choice, Search
from actionzoo.training.trials import (
    State,
    TrialResult,
    Tuned,
    baseline,
    best_trial,
    name_of,
    ranking,
    setting_text,
    value_text,
)

_MOST_ROWS = 200
_LARGE_RATIO = 3
"""Values of which the largest is more times the least are drawn by ratio."""
_CAUTION = (
    "Trials are compared by the videos kept for validation, so the best value is somewhat too "
    "good; small differences are chance."
)
_OUTCOMES: dict[State, str] = {
    "complete": "trained to its end",
    "pruned": "ended early",
    "failed": "failed",
    "interrupted": "interrupted",
}


def write_tune_report(tuned: Tuned, file: Path, *, recipe: str, trials: int) -> None:
    """Write the page of a study as far as it got.

    Args:
        tuned: What came of it.
        file: Overwritten.
        recipe: The best settings as YAML; nothing where there are none yet.
        trials: How many there are to be.

    Raises:
        OSError: The page cannot be written.
    """
    name = "/".join(tuned.folder.absolute().parts[-2:])
    body = [
        _header(tuned, name, trials),
        card(_facts(tuned)),
        section("Settings", card(_settings(tuned)), meaning=_CAUTION),
        section("Trials", _by_trial(tuned), meaning=_HOW),
        section(
            "Each setting",
            charts((_by_setting(tuned, one) for one in tuned.searches), wide=True),
            meaning=f"What trials reached ({name_of(tuned.metric)}) with which value.",
        ),
        section("All trials", card(_table(tuned)), count=len(tuned.trials)),
    ]
    if failed := [(f"trial {one.number}", one.why) for one in tuned.trials if one.why]:
        body.append(failure_section("Failed", "Trials that could not be trained.", failed))
    body.append(_commands(tuned, is_finished=_ended(tuned) >= trials))
    if recipe:
        body.append(section("Best settings as a recipe", card(in_columns(verbatim(recipe)))))
    write_page(page(f"Tuning {name}", body), file)


_HOW = "What each trial reached in its best epoch; trials that failed are in the table only."


def _ended(tuned: Tuned) -> int:
    return sum(one.state != "interrupted" for one in tuned.trials)


def _header(tuned: Tuned, name: str, trials: int) -> Html:
    counts = {
        state: sum(one.state == state for one in tuned.trials) for state in ("pruned", "failed")
    }
    begun = len(tuned.trials)
    chips = [chip(f"{begun:,}", "trial" if begun == 1 else "trials", "note")]
    if counts["pruned"]:
        chips.append(chip(f"{counts['pruned']:,}", "ended early", "note"))
    if counts["failed"]:
        chips.append(chip(f"{counts['failed']:,}", "failed", "warning"))
    if seconds := sum(one.seconds for one in tuned.trials):
        chips.append(chip(duration(seconds), "of training", "note"))
    is_finished = _ended(tuned) >= trials and best_trial(tuned) is not None
    left = "" if _ended(tuned) >= trials else f"{_ended(tuned)} of {trials} trials so far. "
    return header(
        over="Tuning",
        title=name,
        verdict=left + _verdict(tuned),
        accent="note" if is_finished else "warning",
        chips=chips,
    )


def _verdict(tuned: Tuned) -> str:
    best, without = best_trial(tuned), baseline(tuned)
    if best is None:
        return "No trial has been trained to its end"
    told = f"{name_of(tuned.metric)} {value_text(tuned, best.value)}"
    if without is None:
        return f"Trial {best.number} is the best: {told}"
    if best.number == without.number:
        return f"The settings that would be chosen anyway are the best: {told}"
    return (
        f"Trial {best.number} is the best: {told}, against {value_text(tuned, without.value)} "
        "without tuning"
    )


def _facts(tuned: Tuned) -> Html:
    rows = [
        ("Model", tuned.model),
        ("Data", tuned.data),
        ("Judged by", f"{name_of(tuned.metric)}, {'least' if tuned.is_least_best else 'most'}"),
        ("Epochs a trial", f"{tuned.epochs:,}, unless ended early"),
    ]
    return facts(
        ((name, escaped(value)) for name, value in rows),
        wide=[("Versions", escaped(library_versions()))],
    )


def _settings(tuned: Tuned) -> Html:
    """Compare the best settings with those that would be chosen without tuning."""
    best = best_trial(tuned)
    rows = []
    for search in tuned.searches:
        usual = tuned.usual.get(search.key)
        found = None if best is None else best.values.get(search.key)
        rows.append(
            [
                escaped(search.key),
                escaped(_values(search)),
                escaped("" if usual is None else setting_text(usual)),
                Html("") if found is None else strong(setting_text(found)),
            ]
        )
    drawn = table(["Setting", "Searched", "Without tuning", "Best"], rows)
    return Html(drawn + _importance(tuned))


def _values(search: Search) -> str:
    if isinstance(search, Choice):
        return ", ".join(search.texts)
    low, high = setting_text(search.low), setting_text(search.high)
    return f"{low} to {high}{', by ratio' * search.is_log}"


def _importance(tuned: Tuned) -> Html:
    if not tuned.importance:
        return Html("")
    told = "How much each setting has to do with a trial being good (PED-ANOVA; a rough measure)."
    rows = (
        Bar(label=key, parts=(share,), number=percent(share))
        for key, share in tuned.importance.items()
    )
    return Html(f'<p class="meaning gap">{escaped(told)}</p>{bars(rows)}')


# Charts.


def _kind(tuned: Tuned, trial: TrialResult) -> Kind:
    best = best_trial(tuned)
    if best is not None and trial.number == best.number:
        return "best"
    return "plain" if trial.state == "complete" else "faint"


def _drawn(tuned: Tuned) -> list[tuple[TrialResult, float]]:
    """Return the trials that have a value, with it."""
    return [
        (one, one.value) for one in tuned.trials if one.value is not None and one.state != "failed"
    ]


def _is_wide(values: Sequence[float]) -> bool:
    low, high = min(values, default=0.0), max(values, default=0.0)
    return low > 0 and high > _LARGE_RATIO * low


def _by_trial(tuned: Tuned) -> Html:
    points = [
        Point(x=one.number, y=value, kind=_kind(tuned, one), title=_title(tuned, one))
        for one, value in _drawn(tuned)
    ]
    keys = points_legend(
        {"plain": "trained to its end", "faint": "ended early", "best": "the best"}, "best so far"
    )
    chart = scatter(
        name_of(tuned.metric).capitalize(),
        points,
        unit="%" if tuned.is_share else "",
        is_log_y=_is_wide([one.y for one in points]),
        is_whole=True,
        line=_best_so_far(tuned),
    )
    return Html(f"{keys}{charts([chart])}")


def _best_so_far(tuned: Tuned) -> list[tuple[float, float]]:
    """Return the corners of a line down (or up) the stairs."""
    better = min if tuned.is_least_best else max
    corners: list[tuple[float, float]] = []
    for trial, value in _drawn(tuned):
        if trial.state == "complete":
            before = corners[-1][1] if corners else value
            corners += [(trial.number, before), (trial.number, better(before, value))]
    if corners:
        corners.append((max(one.number for one, _ in _drawn(tuned)), corners[-1][1]))
    return corners


def _title(tuned: Tuned, trial: TrialResult) -> str:
    return f"trial {trial.number}: {value_text(tuned, trial.value)}, {_OUTCOMES[trial.state]}"


def _by_setting(tuned: Tuned, search: Search) -> Html:
    """Draw what trials reached over what they had of a setting."""
    drawn = [(one, value) for one, value in _drawn(tuned) if search.key in one.values]
    unit, is_log = "%" if tuned.is_share else "", _is_wide([value for _, value in drawn])
    points = [
        (
            one.values[search.key],
            Point(
                x=_number(one.values[search.key]),
                y=value,
                kind=_kind(tuned, one),
                title=f"{_title(tuned, one)}, {search.key} {setting_text(one.values[search.key])}",
            ),
        )
        for one, value in drawn
    ]
    if isinstance(search, Choice):
        rows = {text: [point for own, point in points if own == text] for text in search.texts}
        return rows_of_points(search.key, rows, unit=unit, is_log=is_log)
    return scatter(
        search.key,
        [point for _, point in points],
        unit=unit,
        is_log_x=search.is_log,
        is_log_y=is_log,
        is_whole=search.is_whole and not search.is_log,
    )


def _number(value: float | str) -> float:
    return math.nan if isinstance(value, str) else value


# Tables.


def _table(tuned: Tuned) -> Html:
    keys = [one.key for one in tuned.searches]
    ranked = ranking(tuned)
    head = ["Trial", name_of(tuned.metric).capitalize(), "Epochs", "Time", *keys]
    drawn = table(head, (_row(tuned, one, keys) for one in ranked[:_MOST_ROWS]))
    return Html(f'<div class="narrow">{drawn}</div>{and_more(len(ranked) - _MOST_ROWS)}')


def _row(tuned: Tuned, trial: TrialResult, keys: Sequence[str]) -> list[Html]:
    value = value_text(tuned, trial.value)
    end = f"best {trial.epoch}" if trial.state == "complete" else _OUTCOMES[trial.state]
    ran = f"{max(trial.curve, default=0)}, {end}"
    settings = [
        escaped(setting_text(trial.values[key])) if key in trial.values else Html("")
        for key in keys
    ]
    return [
        escaped(trial.number),
        strong(value) if _kind(tuned, trial) == "best" else escaped(value),
        escaped(ran),
        escaped(duration(trial.seconds)),
        *settings,
    ]


def _commands(tuned: Tuned, *, is_finished: bool) -> Html:
    folder, data = shlex.quote(str(tuned.folder)), shlex.quote(tuned.data)
    recipe = shlex.quote(str(tuned.folder / "best.yaml"))
    pieces = [("Train with the best settings", f"actionzoo train {data} --config {recipe}")]
    if not is_finished:
        pieces.insert(0, ("Go on", f"actionzoo tune --resume --output {folder}"))
    else:
        told = f"actionzoo tune --resume --output {folder} --trials {2 * len(tuned.trials)}"
        pieces.append(("Try more", told))
    return section(
        "Commands", card(facts((), wide=((title, verbatim(one)) for title, one in pieces)))
    )
