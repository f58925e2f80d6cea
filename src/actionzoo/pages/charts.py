"""Bars, distributions and plots: inline SVG whose text keeps its size at any width.

Places are percentages of what there is room for, so that nothing but the lines of a plot is
stretched. Colours are classes of the style, for light and dark.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from actionzoo.pages.frame import Html, escaped, joined, percent

_BINS = 24
_COLOURS = 4
_MOST_LOG_TICKS = 8
_STEPS = (1, 2, 5, 10)
"""Ticks are these times a power of ten apart."""


# Bars.


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """A bar with its name before it and its number behind it."""

    label: str
    parts: tuple[float, ...]
    """Shares of the full width, one after another, each in a colour of its own."""
    number: str
    interval: tuple[float, float] | None = None
    """Ends of a whisker, shares of the full width."""
    title: str = ""
    """Shown while pointed at."""


def bars(rows: Iterable[Bar]) -> Html:
    """Draw bars below each other."""
    return Html(f'<div class="bars">{joined(map(_bar, rows))}</div>')


def _bar(bar: Bar) -> Html:
    place, drawn = 0.0, []
    for number, part in enumerate(bar.parts):
        if part:
            drawn.append(
                f'<rect class="s{number % _COLOURS}" x="{100 * place:.2f}%" '
                f'width="{100 * part:.2f}%"/>'
            )
        place += part
    if bar.interval is not None:
        drawn.append(whisker(*bar.interval))
    title = f"<title>{escaped(bar.title)}</title>" if bar.title else ""
    return Html(
        f'<span class="label" title="{escaped(bar.label)}">{escaped(bar.label)}</span>'
        f'<svg role="img" aria-label="{escaped(bar.number)}">{title}{"".join(drawn)}</svg>'
        f'<span class="number">{escaped(bar.number)}</span>'
    )


def whisker(low: float, high: float) -> Html:
    """Draw an interval through the middle of an SVG; both ends are shares of its width."""
    left, right = f"{100 * low:.2f}%", f"{100 * high:.2f}%"
    ends = "".join(
        f'<line class="whisker" x1="{x}" x2="{x}" y1="25%" y2="75%"/>' for x in (left, right)
    )
    return Html(f'<line class="whisker" x1="{left}" x2="{right}" y1="50%" y2="50%"/>{ends}')


def interval_mark(value: float, low: float, high: float) -> Html:
    """Draw a value and its interval on a line from 0 to 1."""
    return Html(
        f'<svg class="interval" role="img" aria-label="{low:.3f} to {high:.3f}">'
        f'<line class="grid" x1="0" x2="100%" y1="50%" y2="50%"/>{whisker(low, high)}'
        f'<circle class="s0" cx="{100 * value:.2f}%" cy="50%" r="4"/></svg>'
    )


def legend(names: Iterable[str]) -> Html:
    """Name the parts of bars, in the order of their colours."""
    items = "".join(
        f'<li><span class="swatch s{number % _COLOURS}"></span>{escaped(name)}</li>'
        for number, name in enumerate(names)
    )
    return Html(f'<ul class="legend">{items}</ul>')


# Distributions.


def figure(title: str, *content: Html) -> Html:
    """Frame a chart and name it."""
    return Html(
        f'<figure class="card"><figcaption>{escaped(title)}</figcaption>{joined(content)}</figure>'
    )


def histogram(title: str, values: Sequence[float]) -> Html:
    """Draw how many values lie where; the longest hundredth shares the last bin."""
    if not values:
        return Html("")
    ordered = np.sort(np.asarray(values))
    low, high = float(ordered[0]), float(np.quantile(ordered, 0.99))
    high = high if high > low else low + 1
    counts, _ = np.histogram(np.minimum(ordered, high), bins=_BINS, range=(low, high))
    most = int(counts.max())
    drawn = "".join(
        f'<rect class="s0" x="{100 * place / _BINS:.2f}%" width="{92 / _BINS:.2f}%" '
        f'y="{100 - 100 * count / most:.2f}%" height="{100 * count / most:.2f}%"/>'
        for place, count in enumerate(counts.tolist())
        if count
    )
    middle, longest = float(ordered[len(ordered) // 2]), float(ordered[-1])
    ends = f"<span>{low:.1f}</span><span>median {middle:.1f}</span><span>{longest:.1f}</span>"
    chart = f'<svg class="histogram" role="img" aria-label="{escaped(title)}">{drawn}</svg>'
    return figure(title, Html(f'{chart}<div class="axis">{ends}</div>'))


def ranking(title: str, counts: Counter[str]) -> Html:
    """Draw the most frequent values."""
    if not counts:
        return Html("")
    shown = counts.most_common(6)
    rest = counts.total() - sum(count for _, count in shown)
    rows = [*shown, ("others", rest)] if rest else shown
    most = max(count for _, count in rows)
    return figure(
        title,
        bars(Bar(label=name, parts=(count / most,), number=f"{count:,}") for name, count in rows),
    )


# Plots.


@dataclass(frozen=True, slots=True)
class Axis:
    """From where to where an axis goes, and its ticks."""

    low: float
    high: float
    ticks: tuple[float, ...]
    is_log: bool = False
    unit: str = ""
    """Behind the numbers; ``%`` shows shares in hundredths."""

    def place(self, value: float) -> float:
        """Return where on the axis a value lies, 0 to 1 within it."""
        low, high, value = (
            (math.log10(one) if self.is_log else one) for one in (self.low, self.high, value)
        )
        return (value - low) / (high - low)

    def text(self, value: float) -> str:
        """Write a value of this axis."""
        return number_text(value, self.unit)


def number_text(value: float, unit: str = "") -> str:
    """Write a number in few digits; with the unit ``%`` a share in hundredths.

    >>> number_text(0.00025), number_text(12500), number_text(0.875, "%"), number_text(3, "s")
    ('2.5e-4', '12,500', '87.5 %', '3 s')
    """
    if unit == "%":
        return f"{100 * value:.3g} %"
    if value and not 0.0095 <= abs(value) < 1e6:
        digits, exponent = f"{value:.2e}".split("e")
        shown = f"{float(digits):g}e{int(exponent)}"
    else:
        shown = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{shown} {unit}".rstrip()


def linear_axis(
    low: float, high: float, *, most: int = 6, unit: str = "", whole: bool = False
) -> Axis:
    """Make an axis that begins and ends at ticks.

    Args:
        low: The least value.
        high: The greatest.
        most: As many ticks, at most.
        unit: Behind the numbers.
        whole: Whether values are whole; the axis then begins and ends at the values themselves.
    """
    # What lies closer together than rounding is one value.
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        pad = 0.5 if whole else abs(low) / 10 or 0.5
        low, high = low - pad, high + pad
    step = _step((high - low) / (most - 1), least=1.0 if whole else 0.0)
    if not whole:
        low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    ticks = tuple(step * one for one in range(first, last + 1))
    if whole and ticks and low + 0.4 * step < ticks[0]:
        ticks = (math.ceil(low), *ticks)
    return Axis(low, high, ticks, False, unit)


def _step(least_step: float, *, least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least_step))
    return max(least, next(one * power for one in _STEPS if one * power >= least_step * 0.999))


def log_axis(low: float, high: float, *, unit: str = "") -> Axis:
    """Make an axis of equal ratios that begins and ends at 1, 2 or 5 times a power of ten.

    Args:
        low: The least value, above 0.
        high: The greatest.
        unit: Behind the numbers.
    """
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    steps = [step * 10.0**power for power in powers for step in _STEPS[:3]]
    start = max(one for one in steps if one <= low * 1.001)
    end = min(one for one in steps if one >= high * 0.999 and one > start)
    ticks = [one for one in steps if start <= one <= end]
    if len(ticks) > _MOST_LOG_TICKS:
        every = math.ceil(len(ticks) / 3 / _MOST_LOG_TICKS)
        ticks = [10.0**power for power in powers[::every] if start <= 10.0**power <= end]
    return Axis(start, end, tuple(ticks), True, unit)


def plot(body: Html, *, x: Axis, y: Axis, label: str, kind: str = "") -> Html:
    """Draw axes around what was drawn in percentages of the area between them.

    Args:
        body: Elements of SVG.
        x: Drawn below.
        y: Drawn to the left.
        label: What is seen, for those who do not see it.
        kind: A class of the style.
    """
    rows = [(f"{100 - 100 * y.place(one):.2f}%", y.text(one)) for one in y.ticks]
    columns = [(f"{100 * x.place(one):.2f}%", x.text(one)) for one in x.ticks]
    grid = "".join(
        f'<line class="grid" x1="0" x2="100%" y1="{place}" y2="{place}"/>' for place, _ in rows
    )
    left = "".join(f'<text x="100%" y="{place}">{escaped(text)}</text>' for place, text in rows)
    below = "".join(f'<text x="{place}" y="15">{escaped(text)}</text>' for place, text in columns)
    return Html(
        f'<div class="plot {kind}"><svg class="left" aria-hidden="true">{left}</svg>'
        f'<svg class="area" role="img" aria-label="{escaped(label)}">{grid}{body}</svg>'
        f'<svg class="below" aria-hidden="true">{below}</svg></div>'
    )


# Calibration.


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreBin:
    """Answers whose scores lie between two values."""

    low: float
    high: float
    score: float
    """Mean score."""
    accuracy: float
    """Share that is right."""
    count: int


def reliability(bins: Sequence[ScoreBin]) -> Html:
    """Draw how often answers of a score are right, and how many answers have it."""
    x = Axis(0.0, 1.0, (0.0, 0.25, 0.5, 0.75, 1.0), False, "%")
    drawn = joined(map(_score_bar, bins))
    ideal = '<line class="ideal" x1="0" x2="100%" y1="100%" y2="0"/>'
    most = max((one.count for one in bins), default=0) or 1
    below = joined(_count_bar(one, most) for one in bins)
    y = Axis(0.0, float(most), (0.0, float(most)))
    upper = Axis(0.0, 1.0, ())
    return joined(
        [
            plot(Html(drawn + ideal), x=upper, y=x, label="share that is right", kind="square"),
            plot(below, x=x, y=y, label="number of answers", kind="low"),
        ]
    )


def _score_bar(one: ScoreBin) -> Html:
    if not one.count:
        return Html("")
    told = f"score {percent(one.score)}, right {percent(one.accuracy)} of {one.count:,}"
    return Html(
        f'<rect class="s0" x="{100 * one.low + 0.4:.2f}%" y="{100 - 100 * one.accuracy:.2f}%" '
        f'width="{100 * (one.high - one.low) - 0.8:.2f}%" height="{100 * one.accuracy:.2f}%">'
        f"<title>{told}</title></rect>"
        f'<circle class="s1" cx="{100 * one.score:.2f}%" cy="{100 - 100 * one.accuracy:.2f}%" '
        f'r="4"><title>{told}</title></circle>'
    )


def _count_bar(one: ScoreBin, most: int) -> Html:
    height = 100 * one.count / most
    return Html(
        f'<rect class="s3" x="{100 * one.low + 0.4:.2f}%" y="{100 - height:.2f}%" '
        f'width="{100 * (one.high - one.low) - 0.8:.2f}%" height="{height:.2f}%">'
        f"<title>{one.count:,}</title></rect>"
    )
