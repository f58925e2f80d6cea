"""Curves over epochs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from actionzoo.pages.charts import Axis, figure, linear_axis, log_axis, number_text, plot
from actionzoo.pages.frame import Html, count_of, escaped, joined

_MOST_POINTS = 1000
"""A curve is drawn with as many: a page is no place for ten thousand."""

Goal = Literal["least", "most", "none"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """A value over epochs."""

    name: str
    epochs: tuple[float, ...]
    values: tuple[float, ...]
    """As many as epochs; what is no number, or not finite, leaves a gap."""
    goal: Goal = "none"
    """Which value is the best one."""

    def known(self) -> list[tuple[float, float]]:
        """Return epochs and values that are numbers."""
        pairs = zip(self.epochs, self.values, strict=True)
        return [(epoch, value) for epoch, value in pairs if math.isfinite(value)]

    def best(self) -> tuple[float, float] | None:
        """Return the epoch and the value that is best, the first of several."""
        if self.goal == "none" or not self.known():
            return None
        sign = 1 if self.goal == "least" else -1
        return min(self.known(), key=lambda one: (sign * one[1], one[0]))


def line_chart(
    title: str,
    series: Sequence[Series],
    *,
    unit: str = "",
    is_log: bool = False,
    marked: float | None = None,
) -> Html:
    """Draw values over epochs, with the last and the best of each marked and told.

    Args:
        title: Above the chart.
        series: At most four; all begin to count at the same epoch.
        unit: Of the values; ``%`` shows shares in hundredths.
        is_log: Whether equal ratios look equal; values that are not above 0 are then left out.
        marked: An epoch to mark with a line: the one whose parameters were kept.
    """
    shown = [_positive(one) for one in series] if is_log else list(series)
    values = [value for one in shown for _, value in one.known()]
    keys = Html(
        f'<ul class="legend keys">{joined(_key(*one, unit) for one in enumerate(series))}</ul>'
    )
    if not values:
        return figure(title, keys, Html('<p class="more">no number to draw</p>'))
    epochs = [epoch for one in series for epoch in one.epochs]
    x = linear_axis(min(epochs), max(epochs), whole=True)
    low, high = min(values), max(values)
    y = log_axis(low, high, unit=unit) if is_log else linear_axis(low, high, unit=unit)
    drawn = joined([_mark(marked, x), *(_curve(*one, x, y) for one in enumerate(shown))])
    kind = "" if marked is None else "marked"
    return figure(title, keys, plot(drawn, x=x, y=y, label=title, kind=kind))


def _positive(series: Series) -> Series:
    values = tuple(value if value > 0 else math.nan for value in series.values)
    return Series(name=series.name, epochs=series.epochs, values=values, goal=series.goal)


def _key(number: int, series: Series, unit: str) -> Html:
    """Name a series, and tell its last and best value."""
    told = []
    if best := series.best():
        told.append(f"best {number_text(best[1], unit)} (epoch {best[0]:g})")
    if series.values and math.isfinite(series.values[-1]):
        told.append(f"last {number_text(series.values[-1], unit)}")
    if gaps := len(series.values) - len(series.known()):
        told.append(f"no number in {count_of(gaps, 'epoch')}")
    return Html(
        f'<li><svg class="key" aria-hidden="true"><line class="l{number}" x1="0" x2="100%" '
        f'y1="50%" y2="50%"/></svg>{escaped(series.name)} '
        f'<span class="more">{escaped(", ".join(told))}</span></li>'
    )


def _mark(epoch: float | None, x: Axis) -> Html:
    if epoch is None or not x.low <= epoch <= x.high:
        return Html("")
    place = 100 * x.place(epoch)
    side = "start" if place < 10 else "end" if place > 90 else "middle"
    return Html(
        f'<line class="mark" x1="{place:.2f}%" x2="{place:.2f}%" y1="0" y2="100%"/>'
        f'<text class="mark" x="{place:.2f}%" y="-6" text-anchor="{side}">kept: {epoch:g}</text>'
    )


def _curve(number: int, series: Series, x: Axis, y: Axis) -> Html:
    """Draw a line through each stretch without gaps, a ring at the best, a dot at the last."""
    lines = "".join(
        f'<polyline class="l{number}" points="{" ".join(_point(*one, x, y) for one in stretch)}"/>'
        for stretch in _stretches(series)
    )
    dots = []
    if best := series.best():
        dots.append(_dot("ring", 5, number, best, x, y))
    if known := series.known():
        dots.append(_dot("dot", 3, number, known[-1], x, y))
    return Html(
        f'<svg viewBox="0 0 100 100" preserveAspectRatio="none">{lines}</svg>{"".join(dots)}'
    )


def _stretches(series: Series) -> list[list[tuple[float, float]]]:
    every = math.ceil(len(series.values) / _MOST_POINTS) or 1
    stretches: list[list[tuple[float, float]]] = [[]]
    for epoch, value in zip(series.epochs[::every], series.values[::every], strict=True):
        if math.isfinite(value):
            stretches[-1].append((epoch, value))
        elif stretches[-1]:
            stretches.append([])
    return [one for one in stretches if len(one) > 1]


def _point(epoch: float, value: float, x: Axis, y: Axis) -> str:
    return f"{100 * x.place(epoch):.2f},{100 - 100 * y.place(value):.2f}"


def _dot(kind: str, radius: int, number: int, where: tuple[float, float], x: Axis, y: Axis) -> str:
    place, height = 100 * x.place(where[0]), 100 - 100 * y.place(where[1])
    return (
        f'<circle class="{kind} l{number}" cx="{place:.2f}%" cy="{height:.2f}%" r="{radius}">'
        f"<title>epoch {where[0]:g}: {escaped(y.text(where[1]))}</title></circle>"
    )
