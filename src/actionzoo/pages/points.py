"""Points: values over numbers, or over names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from actionzoo.pages.charts import Axis, figure, linear_axis, log_axis, plot
from actionzoo.pages.frame import Html, escaped, joined

Kind = Literal["plain", "faint", "best"]
_LOOKS: Mapping[Kind, tuple[str, int]] = {
    "plain": ("dot l0", 4),
    "faint": ("ring l3", 4),
    "best": ("ring l1", 6),
}
"""Classes of the style and radius, px."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """A value where something has another one."""

    x: float
    y: float
    """Both finite."""
    kind: Kind = "plain"
    title: str = ""
    """Shown while pointed at."""


def scatter(
    title: str,
    points: Sequence[Point],
    *,
    unit: str = "",
    is_log_x: bool = False,
    is_log_y: bool = False,
    is_whole: bool = False,
    line: Sequence[tuple[float, float]] = (),
) -> Html:
    """Draw points, and a line through some of their places.

    Args:
        title: Above the chart.
        points: On an axis by ratio both are above 0.
        unit: Of the values; ``%`` shows shares in hundredths.
        is_log_x: Whether equal ratios look equal from left to right.
        is_log_y: Whether they do from below upwards.
        is_whole: Whether x is a whole number.
        line: Places within those of the points.
    """
    if not points:
        return figure(title, Html('<p class="more">no number to draw</p>'))
    lefts, heights = [one.x for one in points], [one.y for one in points]
    x = (
        log_axis(min(lefts), max(lefts))
        if is_log_x
        else linear_axis(min(lefts), max(lefts), whole=is_whole)
    )
    y = value_axis(heights, unit=unit, is_log=is_log_y)
    drawn = joined([_line(line, x, y), *(_point(one, x, y) for one in _best_last(points))])
    return figure(title, plot(drawn, x=x, y=y, label=title))


def value_axis(values: Sequence[float], *, unit: str, is_log: bool) -> Axis:
    """Make an axis that holds some values."""
    low, high = min(values), max(values)
    return log_axis(low, high, unit=unit) if is_log else linear_axis(low, high, unit=unit)


def _best_last(points: Sequence[Point]) -> list[Point]:
    """Order points so that none hides the best."""
    return sorted(points, key=lambda one: ("faint", "plain", "best").index(one.kind))


def _line(places: Sequence[tuple[float, float]], x: Axis, y: Axis) -> Html:
    told = " ".join(f"{100 * x.place(a):.2f},{100 - 100 * y.place(b):.2f}" for a, b in places)
    if len(places) < 2:
        return Html("")
    return Html(
        '<svg viewBox="0 0 100 100" preserveAspectRatio="none">'
        f'<polyline class="l1" points="{told}"/></svg>'
    )


def _point(point: Point, x: Axis, y: Axis) -> Html:
    return _circle(point, f"{100 * x.place(point.x):.2f}%", f"{100 - 100 * y.place(point.y):.2f}%")


def _circle(point: Point, left: str, top: str) -> Html:
    look, radius = _LOOKS[point.kind]
    title = f"<title>{escaped(point.title)}</title>" if point.title else ""
    return Html(f'<circle class="{look}" cx="{left}" cy="{top}" r="{radius}">{title}</circle>')


def rows_of_points(
    title: str, rows: Mapping[str, Sequence[Point]], *, unit: str = "", is_log: bool = False
) -> Html:
    """Draw the values that belong to each of some names, from left to right.

    Args:
        title: Above the chart.
        rows: Points by name; where a point lies is its y.
        unit: Of the values.
        is_log: Whether equal ratios look equal.
    """
    values = [one.y for points in rows.values() for one in points]
    if not values:
        return figure(title, Html('<p class="more">no number to draw</p>'))
    axis = value_axis(values, unit=unit, is_log=is_log)
    drawn = joined(_row(name, points, axis) for name, points in rows.items())
    ends = (
        f"<span>{escaped(axis.text(axis.low))}</span><span>{escaped(axis.text(axis.high))}</span>"
    )
    return figure(
        title,
        Html(f'<div class="bars points">{drawn}<span></span><div class="axis">{ends}</div></div>'),
    )


def _row(name: str, points: Sequence[Point], axis: Axis) -> Html:
    circles = joined(
        _circle(one, f"{100 * axis.place(one.y):.2f}%", "50%") for one in _best_last(points)
    )
    line = '<line class="grid" x1="0" x2="100%" y1="50%" y2="50%"/>'
    return Html(
        f'<span class="label" title="{escaped(name)}">{escaped(name)}</span>'
        f'<svg role="img" aria-label="{escaped(name)}">{line}{circles}</svg>'
        f'<span class="number">{len(points):,}</span>'
    )


def points_legend(names: Mapping[Kind, str], line: str = "") -> Html:
    """Name the kinds of points, and the line."""
    items = [
        f'<li><svg class="key" aria-hidden="true">{_circle(_at(kind), "50%", "50%")}</svg>'
        f"{escaped(name)}</li>"
        for kind, name in names.items()
    ]
    if line:
        items.append(
            '<li><svg class="key" aria-hidden="true"><line class="l1" x1="0" x2="100%" y1="50%" '
            f'y2="50%"/></svg>{escaped(line)}</li>'
        )
    return Html(f'<ul class="legend">{"".join(items)}</ul>')


def _at(kind: Kind) -> Point:
    return Point(x=0, y=0, kind=kind)
