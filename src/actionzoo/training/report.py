"""The report of a run as one page: how it went, how good the model is, how to do it again."""

from __future__ import annotations

import csv
import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml

from actionzoo.evaluation.metrics import compute_metrics
from actionzoo.evaluation.report import (
    Metrics,
    detail_sections,
    failure_section,
    library_versions,
    metrics_table,
    verdict,
)
from actionzoo.evaluation.results import Evaluation
from actionzoo.pages.charts import number_text
from actionzoo.pages.frame import (
    Html,
    bullets,
    card,
    charts,
    chip,
    count_of,
    duration,
    escaped,
    header,
    in_columns,
    page,
    section,
    verbatim,
    write_page,
)
from actionzoo.pages.frame import facts as fact_list
from actionzoo.pages.lines import Goal, Series, line_chart

_LONG_FACT = 60
"""A longer fact has a line of its own."""
_LARGE_RATIO = 30
"""Values of which the largest is more times the least are drawn on a logarithmic scale."""
_SCORES = {"val_accuracy": "Accuracy", "val_map": "mAP"}

Curves = Mapping[str, Mapping[float, float]]
"""Value by epoch, by column."""


def write_run_report(
    run: Path,
    *,
    evaluation: Evaluation | None,
    config_lines: str,
    reasons: Sequence[str],
    command: str,
    facts: Mapping[str, str],
    file: Path,
    left_out: Sequence[tuple[str, str]] = (),
    interrupted: str | None = None,
    thumbnails: bool = True,
) -> None:
    """Write the report of a run, of one that was interrupted too.

    Args:
        run: Its folder, with ``metrics.csv`` as far as it got.
        evaluation: Of the videos kept for validation, with the parameters of the best epoch; None
            where it did not get so far.
        config_lines: The resolved configuration as YAML.
        reasons: What was chosen and why, a sentence each.
        command: That does it again.
        facts: Of the data and the machine, by name.
        file: Overwritten.
        left_out: Path and reason of each video that could not be used.
        interrupted: Why it ended before its time, such as ``by Ctrl-C``.
        thumbnails: Whether the videos are opened to show what was mistaken.

    Raises:
        OSError: The page cannot be written, or ``metrics.csv`` not be read.
    """
    curves, config = read_curves(run / "metrics.csv"), _read_config(config_lines)
    name = "/".join(run.absolute().parts[-2:])
    keeps_last = config.get("keep") == "last"
    best = (
        max(_epochs(curves), default=None)
        if keeps_last
        else best_epoch(curves, str(config.get("monitor", "loss")))
    )
    why = f"Interrupted {interrupted}. " if interrupted else ""
    told, validated = why + _unfinished(curves, best, config), []
    if evaluation is not None:
        metrics = compute_metrics(evaluation)
        told = why + verdict(evaluation, metrics)
        validated = _validation(
            evaluation, metrics, best, was_chosen=not keeps_last, thumbnails=thumbnails
        )
    body = [
        _header(name, curves, best, told=told, is_finished=evaluation is not None and not why),
        card(_facts(facts)),
        _curves(curves, best, config),
        *validated,
    ]
    if left_out:
        body.append(failure_section("Left out", "Videos that could not be used.", left_out))
    body += [
        _reasons(reasons),
        _commands(run, command, evaluation is not None),
        section("Configuration", card(in_columns(verbatim(config_lines)))),
    ]
    write_page(page(f"Training of {name}", body), file)


# What the run left behind.


def read_curves(file: Path) -> Curves:
    """Read ``metrics.csv``, as far as a run wrote it.

    A value that is not told is left out; one that is no number stays. A line that was not written
    to its end is left out, and of an epoch that is there twice the later line holds.

    Returns:
        Of each column but ``epoch`` its values; nothing where there is no file.

    Raises:
        OSError: The file is there and cannot be read.
    """
    if not file.exists():
        return {}
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    rows = csv.DictReader(line for line in lines if line.endswith("\n"))
    curves: dict[str, dict[float, float]] = {}
    for row in rows:
        epoch = _number(row.pop("epoch", None))
        for column, text in row.items():
            value = _number(text)
            if epoch is not None and value is not None:
                curves.setdefault(column, {})[epoch] = value
    return {column: dict(sorted(values.items())) for column, values in curves.items()}


def _number(text: object) -> float | None:
    try:
        return float(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _read_config(lines: str) -> Mapping[str, Any]:
    """Read the configuration; nothing where it is no YAML: the page shows its lines anyhow."""
    try:
        values = yaml.safe_load(lines)
    except yaml.YAMLError:
        return {}
    return values if isinstance(values, dict) else {}


def best_epoch(curves: Curves, monitor: str) -> float | None:
    """Return the epoch that is best by what was watched, the first of several.

    Args:
        curves: From ``read_curves``.
        monitor: ``loss`` or ``accuracy``.
    """
    watched: tuple[tuple[str, Literal[1, -1]], ...] = (
        ("val_loss", 1),
        *((name, -1) for name in _SCORES),
    )
    if monitor != "loss":
        watched = (*watched[1:], watched[0])
    for column, sign in watched:
        known = [one for one in curves.get(column, {}).items() if math.isfinite(one[1])]
        if known:
            return min(known, key=lambda one: (sign * one[1], one[0]))[0]
    return None


# The page.


def _header(name: str, curves: Curves, best: float | None, *, told: str, is_finished: bool) -> Html:
    count = sum(epoch > 0 for epoch in _epochs(curves))
    chips = [chip(f"{count:,}", "epoch" if count == 1 else "epochs", "note")]
    if best is not None:
        chips.append(chip(f"epoch {best:g}", "kept", "clean"))
    if seconds := _seconds(curves):
        chips.append(chip(duration(seconds), "of training", "note"))
    return header(
        over="Training",
        title=name,
        verdict=told,
        accent="note" if is_finished else "warning",
        chips=chips,
    )


def _unfinished(curves: Curves, best: float | None, config: Mapping[str, Any]) -> str:
    """Say how far a run got that was not evaluated."""
    epochs = _epochs(curves)
    if not epochs:
        return "Not finished: no epoch has ended yet"
    total = config.get("epochs")
    done = sum(epoch > 0 for epoch in epochs)
    told = f"{done} of {total}" if isinstance(total, int) else f"{done}"
    values = [
        f"{_spoken(column).lower()} {number_text(curves[column][best], _unit(column))}"
        for column in ("val_loss", *_SCORES)
        if best is not None and best in curves.get(column, {})
    ]
    found = f"; best so far {', '.join(values)} in epoch {best:g}" if values else ""
    return f"Not finished: {told} epochs, no evaluation yet{found}"


def _unit(column: str) -> str:
    return "%" if column.endswith(("accuracy", "map")) else ""


def _epochs(curves: Curves) -> list[float]:
    return sorted({epoch for values in curves.values() for epoch in values})


def _seconds(curves: Curves) -> float:
    return sum(one for one in curves.get("seconds", {}).values() if math.isfinite(one))


def _facts(told: Mapping[str, str]) -> Html:
    rows = [(name, value) for name, value in told.items() if len(value) <= _LONG_FACT]
    wide = [(name, value) for name, value in told.items() if len(value) > _LONG_FACT]
    wide.append(("Versions", library_versions()))
    return fact_list(
        ((name, escaped(value)) for name, value in rows),
        wide=((name, escaped(value)) for name, value in wide),
    )


# Curves.


def _curves(curves: Curves, best: float | None, config: Mapping[str, Any]) -> Html:
    epochs = _epochs(curves)
    if not epochs:
        return Html("")
    if len(epochs) == 1:
        return section(f"Epoch {epochs[0]:g}", card(fact_list(_values(curves, epochs[0]))))
    losses = _series(curves, {"val_loss": "validation", "train_loss": "training"}, "least")
    drawn = [line_chart("Loss", losses, is_log=_is_wide(losses), marked=best)]
    for column, title in _SCORES.items():
        training = column.replace("val_", "train_")
        scores = _series(curves, {column: "validation", training: "training"}, "most")
        if scores:
            drawn.append(line_chart(title, scores, unit="%", marked=best))
    if rates := _series(curves, {"learning_rate": "learning rate"}):
        # Falls by factors are seen on a logarithmic scale; a cosine is one on an even scale only.
        is_log = _schedule(config) != "cosine" and _is_wide(rates)
        drawn.append(line_chart("Learning rate", rates, is_log=is_log, marked=best))
    if speeds := _series(curves, {"clips_per_second": "clips a second"}):
        drawn.append(line_chart("Speed", speeds))
    meaning = _CURVES + (_EPOCH_0 if 0 in epochs else "")
    return section("Curves", charts(drawn, wide=True), meaning=meaning)


_CURVES = (
    "Values over epochs. A ring is the best, a dot the last; the upright line is the epoch whose "
    "parameters were kept."
)


_EPOCH_0 = " Epoch 0 is the head alone, trained on features of the frozen backbone."


def _values(curves: Curves, epoch: float) -> list[tuple[str, Html]]:
    """Tell the values of an epoch."""
    return [
        (_spoken(column), escaped(number_text(values[epoch], _unit(column))))
        for column, values in curves.items()
        if epoch in values
    ]


def _spoken(column: str) -> str:
    words = column.replace("val_", "validation ").replace("train_", "training ").replace("_", " ")
    return words[:1].upper() + words[1:]


def _series(curves: Curves, names: Mapping[str, str], goal: Goal = "none") -> list[Series]:
    return [
        Series(
            name=name,
            epochs=tuple(curves[column]),
            values=tuple(curves[column].values()),
            goal=goal,
        )
        for column, name in names.items()
        if column in curves
    ]


def _is_wide(series: Sequence[Series]) -> bool:
    positive = [value for one in series for _, value in one.known() if value > 0]
    return bool(positive) and max(positive) > _LARGE_RATIO * min(positive)


def _schedule(config: Mapping[str, Any]) -> object:
    schedule = config.get("schedule")
    return schedule.get("name") if isinstance(schedule, dict) else None


# What came of it, and how to do it again.


def _validation(
    evaluation: Evaluation,
    metrics: Metrics,
    best: float | None,
    *,
    was_chosen: bool,
    thumbnails: bool,
) -> list[Html]:
    epoch = "" if best is None else f", with the parameters of epoch {best:g}"
    told = f"{count_of(len(evaluation.paths), 'video')} kept for validation{epoch}."
    if was_chosen and best is not None:
        told += " The epoch was chosen by them, so the numbers are somewhat too good."
    return [
        section("Accuracy", card(metrics_table([evaluation.protocol], [metrics])), meaning=told),
        *detail_sections(evaluation, metrics, thumbnails=thumbnails),
    ]


def _reasons(reasons: Sequence[str]) -> Html:
    if not reasons:
        return Html("")
    return section("What was chosen, and why", card(bullets(map(escaped, reasons))))


def _commands(run: Path, command: str, is_finished: bool) -> Html:
    name = shlex.quote(str(run))
    pieces = [
        ("Use the model", f"actionzoo predict VIDEO --model {name}")
        if is_finished
        else ("Go on", f"actionzoo train --resume --output {name}"),
        ("Do it again", command),
    ]
    return section(
        "Commands", card(fact_list((), wide=((title, verbatim(one)) for title, one in pieces)))
    )
