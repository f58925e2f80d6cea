"""The pieces of pages: escaped, closed, and drawn where the numbers are."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionzoo.pages import frame
from actionzoo.pages.charts import (
    Axis,
    Bar,
    ScoreBin,
    bars,
    histogram,
    interval_mark,
    legend,
    linear_axis,
    log_axis,
    reliability,
)
from actionzoo.pages.confusion import MOST_CLASSES, confusion_table
from actionzoo.pages.lines import Series, line_chart
from html_pages import EVIL, Page

PIECES: dict[str, Callable[[str], frame.Html]] = {
    "header": lambda evil: frame.header(
        over=evil,
        title=evil,
        verdict=evil,
        accent="note",
        chips=[frame.chip(evil, evil, "note")],
    ),
    "flag": lambda evil: frame.flag(evil, "error"),
    "section": lambda evil: frame.section(evil, frame.card(frame.code(evil)), meaning=evil),
    "facts": lambda evil: frame.facts([(evil, frame.strong(evil))], wide=[(evil, frame.Html(""))]),
    "table": lambda evil: frame.table([evil], [[frame.escaped(evil), frame.escaped(evil)]]),
    "verbatim": lambda evil: frame.in_columns(frame.verbatim(f"{evil}\n{evil}")),
    "folded": lambda evil: frame.folded(evil, frame.bullets([frame.escaped(evil)])),
    "video": lambda evil: frame.videos([frame.video_figure(frame.code(evil), b"no JPEG")]),
    "bars": lambda evil: bars([Bar(label=evil, parts=(0.5,), number=evil, title=evil)]),
    "legend": lambda evil: legend([evil]),
    "histogram": lambda evil: histogram(evil, [1.0, 2.0]),
    "lines": lambda evil: line_chart(
        evil, [Series(name=evil, epochs=(1, 2), values=(1, 2), goal="most")], unit=evil, marked=1
    ),
    "confusion": lambda evil: confusion_table(np.ones((2, 2), int), [evil, evil]),
}


@pytest.mark.parametrize("piece", PIECES)
def test_every_piece_takes_any_text_for_text(piece: str) -> None:
    page = Page(frame.page("title", [PIECES[piece](EVIL)]))
    page.assert_harmless()
    assert len(page.named("img")) == (piece == "video")
    told = [page.text, *(str(attrs) for _, attrs in page.elements)]
    assert any("<img src=x onerror=alert(1)>" in one for one in told)
    assert "\u202e" not in page.text


def test_a_page_is_written_whatever_its_names_are_made_of(tmp_path: Path) -> None:
    frame.write_page(frame.page("\udcff", [frame.code("\udcff")]), tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert page.text.count("\\udcff") == 2


# Axes.

VALUES = st.floats(1e-7, 1e7) | st.floats(0.9, 1.1)


@given(low=VALUES, high=VALUES)
def test_an_axis_holds_its_values_between_a_handful_of_ticks(low: float, high: float) -> None:
    low, high = min(low, high), max(low, high)
    for axis, most in ((linear_axis(low, high), 8), (log_axis(low, high), 9)):
        assert -1e-3 < axis.place(low) <= axis.place(high) < 1 + 1e-3
        assert 1 <= len(axis.ticks) <= most
        assert list(axis.ticks) == sorted(set(axis.ticks))
        assert all(-1e-6 <= axis.place(tick) <= 1 + 1e-6 for tick in axis.ticks)


@given(first=st.integers(0, 3), more=st.integers(0, 5000))
def test_epochs_have_whole_ticks(first: int, more: int) -> None:
    axis = linear_axis(first, first + more, whole=True)
    assert all(tick == round(tick) for tick in axis.ticks)
    assert axis.place(first) == pytest.approx(0 if more else 0.5)


def test_equal_ratios_look_equal() -> None:
    axis = log_axis(0.03, 40)
    assert (axis.low, axis.high) == (0.02, 50)
    steps = [axis.place(10 * value) - axis.place(value) for value in (0.03, 0.3, 3)]
    assert steps == pytest.approx([steps[0]] * 3)


# Curves.


def ticks_of(page: Page, html: str) -> Callable[[float], float]:
    """Return the value at a height, told from the texts beside the ticks."""
    left = html.split('class="left"')[1].split("</svg>")[0]
    rows = [part.split(">")[:2] for part in left.split("<text ")[1:]]
    places = [float(attrs.split('y="')[1].split("%")[0]) for attrs, _ in rows]
    values = [float(text.split("<")[0].replace(",", "")) for _, text in rows]
    slope, start = np.polyfit(places, values, 1)
    return lambda place: slope * place + start


def points_of(page: Page) -> list[list[tuple[float, float]]]:
    return [
        [(float(x), float(y)) for x, y in (one.split(",") for one in str(line["points"]).split())]
        for line in page.named("polyline")
    ]


def test_a_curve_goes_through_its_values() -> None:
    values = (2.25, 1.5, 0.75, 1.0)
    series = Series(name="loss", epochs=(1, 2, 3, 4), values=values, goal="least")
    html = line_chart("Loss", [series], marked=3)
    page = Page(html)
    (points,) = points_of(page)
    value_at = ticks_of(page, html)
    assert [value_at(y) for _, y in points] == pytest.approx(values, abs=0.01)
    assert [x for x, _ in points] == pytest.approx([0, 100 / 3, 200 / 3, 100], abs=0.01)
    ring, dot = page.named("circle")
    assert (ring["cx"], value_at(float(str(ring["cy"])[:-1]))) == ("66.67%", pytest.approx(0.75))
    assert (dot["cx"], value_at(float(str(dot["cy"])[:-1]))) == ("100.00%", pytest.approx(1.0))
    assert "best 0.75 (epoch 3), last 1" in page.text
    assert "kept: 3" in page.text


def test_what_is_no_number_leaves_a_gap() -> None:
    values = (1.0, 2.0, math.nan, 3.0, 4.0, math.inf, 5.0)
    page = Page(
        line_chart("Loss", [Series(name="loss", epochs=(1, 2, 3, 4, 5, 6, 7), values=values)])
    )
    assert [len(one) for one in points_of(page)] == [2, 2]
    assert "last 5, no number in 2 epochs" in page.text
    nothing = Page(line_chart("Loss", [Series(name="loss", epochs=(1,), values=(math.nan,))]))
    assert "no number to draw" in nothing.text
    assert not nothing.named("polyline")


def test_a_logarithmic_curve_leaves_out_what_has_no_logarithm() -> None:
    rates = Series(name="rate", epochs=(1, 2, 3, 4), values=(1e-2, 1e-3, 1e-4, 0.0))
    (points,) = points_of(Page(line_chart("Rate", [rates], is_log=True)))
    heights = [y for _, y in points]
    assert len(heights) == 3
    assert heights[1] - heights[0] == pytest.approx(heights[2] - heights[1], abs=0.02)


def test_a_long_curve_stays_small() -> None:
    count = 20_000
    series = Series(name="loss", epochs=tuple(range(count)), values=(1.0, 2.0) * (count // 2))
    assert len(line_chart("Loss", [series])) < 40_000


# Bars.


def test_bars_and_whiskers_are_as_long_as_told() -> None:
    page = Page(bars([Bar(label="run", parts=(0.25, 0, 0.5), number="3", interval=(0.6, 0.9))]))
    assert [(one["class"], one["x"], one["width"]) for one in page.named("rect")] == [
        ("s0", "0.00%", "25.00%"),
        ("s2", "25.00%", "50.00%"),
    ]
    assert [(one["x1"], one["x2"]) for one in page.named("line")] == [
        ("60.00%", "90.00%"),
        ("60.00%", "60.00%"),
        ("90.00%", "90.00%"),
    ]
    (dot,) = Page(interval_mark(0.7, 0.6, 0.9)).named("circle")
    assert dot["cx"] == "70.00%"


def test_a_bin_without_answers_has_no_bar() -> None:
    full = ScoreBin(low=0.5, high=1.0, score=0.8, accuracy=0.6, count=5)
    empty = ScoreBin(low=0.0, high=0.5, score=math.nan, accuracy=math.nan, count=0)
    page = Page(reliability([empty, full]))
    above, uncounted, below = page.named("rect")
    assert (above["y"], above["height"]) == ("40.00%", "60.00%")
    assert (below["height"], uncounted["height"]) == ("100.00%", "0.00%")
    (dot,) = page.named("circle")
    assert (dot["cx"], dot["cy"]) == ("80.00%", "40.00%")
    assert "nan" not in str(page.elements)


def test_axes_place_what_is_outside_outside() -> None:
    axis = Axis(0.0, 2.0, (0.0, 2.0), unit="s")
    assert (axis.place(3), axis.place(-1), axis.text(2)) == (1.5, -0.5, "2 s")


# Confusion.


def test_a_cell_tells_its_count_and_is_shaded_by_its_share() -> None:
    counts = np.array([[8, 2, 0], [0, 0, 0], [1, 0, 0]])
    page = Page(confusion_table(counts, ["a", "b", "c"]))
    cells = {str(one["title"]): str(one["class"]) for one in page.named("td") if "title" in one}
    assert cells == {
        "a → a: 8 of 10 (80 %)": "hit h8",
        "a → b: 2 of 10 (20 %)": "miss h2",
        "c → a: 1 of 1 (100 %)": "miss h10",
    }


def test_numbers_stand_in_cells_of_few_classes_only() -> None:
    for count, told in ((15, True), (16, False)):
        counts = 7 * np.eye(count, dtype=int)
        text = Page(confusion_table(counts, ["name"] * count)).text
        assert ("name77" in text) == told  # the cell, and the sum of its row


def test_of_many_classes_the_most_confused_are_shown() -> None:
    generator = np.random.default_rng(0)
    counts = np.diag(generator.integers(3, 9, 400)) + (generator.random((400, 400)) < 0.002)
    counts[17, 311] = 40
    labels = [f"class {place}" for place in range(400)]
    page = Page(confusion_table(counts, labels))
    assert "The 30 most confused of 400 classes" in page.text
    titles = [str(one["title"]) for one in page.named("td") if "title" in one]
    total = counts[17].sum()
    assert f"class 17 → class 311: 40 of {total} ({40 / total:.0%})".replace("%", " %") in titles
    # Answers outside of what is shown are counted: all of a row add up to its sum.
    for row in {title.split(" → ")[0] for title in titles}:
        shown = [one.split(": ")[1].split()[0] for one in titles if one.startswith(f"{row} → ")]
        assert sum(map(int, shown)) == counts[labels.index(row)].sum()


def test_of_many_classes_with_few_videos_those_are_shown_that_are_seen() -> None:
    counts = np.zeros((MOST_CLASSES + 1, MOST_CLASSES + 1), int)
    counts[3, 5] = 1
    page = Page(confusion_table(counts, [str(place) for place in range(MOST_CLASSES + 1)]))
    assert "The 2 seen of 41 classes" in page.text
    assert len(page.named("tr")) == 3
    empty = np.zeros_like(counts)
    assert "no video to count" in confusion_table(empty, ["a"] * len(counts))
