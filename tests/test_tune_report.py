"""The page of a study."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from actionzoo.pages.frame import page as frame_page
from actionzoo.pages.points import Point, points_legend, rows_of_points, scatter
from actionzoo.training.search import Choice
from actionzoo.training.trials import Tuned
from actionzoo.training.tune_report import write_tune_report
from html_pages import EVIL, Page
from test_trials import SEVERAL, trial, tuned


def page_of(study: Tuned, tmp_path: Path, *, recipe: str = "epochs: 3\n", trials: int = 5) -> Page:
    write_tune_report(study, tmp_path / "report.html", recipe=recipe, trials=trials)
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    page.assert_harmless()
    return page


def test_a_study_tells_what_is_best_and_how_to_use_it(tmp_path: Path) -> None:
    study = replace(SEVERAL, importance={"optimizer.name": 0.75, "learning_rate": 0.25})
    page = page_of(study, tmp_path)
    for told in (
        "4 of 5 trials so far. ",
        "Trial 3 is the best: validation loss 1.25, against 2 without tuning",
        "1e-4 to 0.01, by ratio",
        "PED-ANOVA",
        "75 %",
        "the loss is nan",
        "epochs: 3",
        "actionzoo tune --resume --output study",
        "actionzoo train clips --config study/best.yaml",
    ):
        assert told in page.text, told
    # Three trials have a value: in the chart of all, and in that of each setting; four keys.
    assert len(page.named("circle")) == 3 * 3 + 3


def test_settings_that_need_no_tuning_are_said_to(tmp_path: Path) -> None:
    page = page_of(tuned(trial(1, "complete", {1: 1.0})), tmp_path, trials=1)
    assert "The settings that would be chosen anyway are the best: validation loss 1" in page.text
    assert "--trials 2" in page.text


@pytest.mark.parametrize("study", [tuned(), tuned(trial(1, "failed", {}, why="no memory"))])
def test_a_study_without_a_value_has_a_page(study: Tuned, tmp_path: Path) -> None:
    page = page_of(study, tmp_path, recipe="")
    assert "No trial has been trained to its end" in page.text
    assert "no number to draw" in page.text


def test_any_text_is_taken_for_text(tmp_path: Path) -> None:
    evil = trial(1, "complete", {1: 1.0}, {EVIL: EVIL})
    failed = trial(2, "failed", {}, {EVIL: EVIL}, why=EVIL)
    study = replace(
        tuned(evil, failed),
        folder=tmp_path / EVIL,
        data=EVIL,
        model=EVIL,
        searches=(Choice(key=EVIL, texts=(EVIL, "b")),),
        usual={EVIL: EVIL},
    )
    page = page_of(study, tmp_path, recipe=EVIL)
    assert not page.named("img")
    assert page.text.count("onerror=alert(1)") >= 10


# Points.


def test_points_lie_where_their_numbers_are() -> None:
    points = [Point(x=1, y=0.1), Point(x=10, y=1, kind="best"), Point(x=100, y=10, kind="faint")]
    drawn = scatter("title", points, is_log_x=True, is_log_y=True, line=[(1, 0.1), (100, 10)])
    page = Page(frame_page("title", [drawn]))
    places = [(one["cx"], one["cy"]) for one in page.named("circle")]
    # The best is drawn last, so that none hides it.
    assert places == [("100.00%", "0.00%"), ("0.00%", "100.00%"), ("50.00%", "50.00%")]
    assert page.named("polyline")[0]["points"] == "0.00,100.00 100.00,0.00"


def test_points_of_names_lie_in_their_rows() -> None:
    rows = {"sgd": [Point(x=0, y=1.0), Point(x=0, y=3.0)], EVIL: [Point(x=0, y=5.0, title=EVIL)]}
    page = Page(frame_page("title", [rows_of_points(EVIL, rows), points_legend({"best": EVIL})]))
    page.assert_harmless()
    assert [one["cx"] for one in page.named("circle")][:3] == ["0.00%", "50.00%", "100.00%"]
