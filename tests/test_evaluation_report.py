"""The page of an evaluation: true to its numbers, whole, harmless, and small."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from actionzoo.evaluation.metrics import MetricValue
from actionzoo.evaluation.report import write_report
from actionzoo.evaluation.results import Evaluation
from evaluations import evaluation_of, random_evaluation
from html_pages import EVIL, Page
from videos import write_video

LABELS = ("run & <b>jump</b>", "turn left", "never")


def page_of(tmp_path: Path, *evaluations: Evaluation, thumbnails: bool = False) -> Page:
    write_report(evaluations, tmp_path / "report.html", thumbnails=thumbnails)
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    page.assert_harmless()
    return page


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """Six videos, of which the first three are mistaken; the third is not there any more."""
    tmp_path = tmp_path_factory.mktemp("<data>")
    paths = (EVIL, "b.mp4", "gone.mp4", "d.mp4", "e.mp4", "f.mp4")
    for path in paths[:2]:
        write_video(tmp_path / path, range(8), fps=Fraction(25))
    logits = np.zeros((6, 3))
    logits[np.arange(6), [1, 1, 0, 0, 1, 1]] = [4, 3, 2, 5, 5, 5]
    evaluation = evaluation_of(
        logits,
        [0, 0, 1, 0, 1, 1],
        root=str(tmp_path),
        model="<i>model</i>",
        labels=LABELS,
        paths=paths,
        groups=("ada", "ada", "ada", "bob", "bob", "bob"),
        clip_hits=np.array([0, 0, 0, 1, 1, 1], np.float32),
        failures=(("<u>.mp4", "it is <empty>"),),
        protocol={"name": "single", "clips": 1, "summary": "one view", "source": "a paper"},
    )
    return page_of(tmp_path, evaluation, thumbnails=True)


def test_it_tells_what_was_measured(page: Page) -> None:
    for told in (
        "Top-1 50.0 % (95 % interval",
        "on 6 videos of clips, protocol single",
        "Always answering 'run & <b>jump</b>' would be right for 50.0 % of the videos",
        "1 of 3, 33 %",  # of the class run & jump
        "2 of 3, 67 %",
        "0 of 3, 0 %",  # of the group ada
        "1 class has no video",
        "2 videos, 67 % of the class",
        "it is <empty>",
        "one view",
        "a paper",
        "test, fold 1",
        "0123456789ab",
        "numpy ",
    ):
        assert told in page.text, told


def test_names_are_text_and_nothing_else(page: Page) -> None:
    assert '<img src=x onerror=alert(1)>"&\\u202e.mp4' in page.text
    assert "<i>model</i>" in page.text
    assert not page.named("i")
    assert not page.named("u")


def test_mistakes_are_shown_worst_first_and_those_that_can_be_read_in_pictures(page: Page) -> None:
    mistakes = page.text.split("Worst mistakes")[1]
    places = [mistakes.index(name) for name in ("onerror", "b.mp4", "gone.mp4")]
    assert places == sorted(places)
    # Two videos, each as an example of the confused pair and as a mistake.
    assert len(page.named("img")) == 4


def test_given_metrics_are_not_computed_anew(tmp_path: Path) -> None:
    known = {"top1": MetricValue(0.123, 0.1, 0.2)}
    evaluation = random_evaluation(10, 3)
    file = tmp_path / "report.html"
    write_report([evaluation], file, metrics=[known], title="A title", thumbnails=False)
    page = Page(file.read_text(encoding="utf-8"))
    assert "Top-1 12.3 % (95 % interval 10.0 to 20.0 %)" in page.text
    assert "A title" in page.text
    assert "Calibration" not in page.text


def test_protocols_stand_side_by_side_with_what_makes_them_differ(tmp_path: Path) -> None:
    targets = [0, 1, 0, 1]
    one = evaluation_of(np.eye(2)[[0, 1, 0, 0]] * 5, targets)
    many = {"name": "many", "clips": 10, "crops": 1, "average": "logits", "source": "b"}
    other = evaluation_of(np.eye(2)[[1, 1, 1, 1]] * 5, targets, protocol=many)
    page = page_of(tmp_path, one, other)
    assert (
        "many, beside single: top-1 −25.0 points; with clips 10 rather than 1, average logits "
        "rather than scores; 1 video gained, 2 lost." in page.text
    )


def test_several_labels_have_average_precisions_and_no_confusion(tmp_path: Path) -> None:
    page = page_of(tmp_path, random_evaluation(40, 5, several=True))
    assert "mAP" in page.text
    assert "Average precision of each class" in page.text
    assert "Labels missed" in page.text
    assert "Confusion" not in page.text


def test_no_video_and_one_video_have_a_page(tmp_path: Path) -> None:
    one = random_evaluation(1, 3)
    assert "on 1 video of clips" in page_of(tmp_path, one).text
    none = evaluation_of(np.zeros((0, 3)), np.zeros(0, int), failures=(("a.mp4", "gone"),))
    page = page_of(tmp_path, none)
    assert "No video could be read" in page.text
    assert "gone" in page.text
    several = evaluation_of(np.zeros((2, 3)), np.zeros((2, 3), int))
    assert "Nothing can be measured" in page_of(tmp_path, several).text


def test_scores_that_are_no_numbers_have_a_page(tmp_path: Path) -> None:
    made = random_evaluation(8, 3)
    scores = made.scores.copy()
    scores[2] = np.nan
    assert "8 videos" in page_of(tmp_path, replace(made, scores=scores)).text


def test_many_classes_and_videos_stay_a_small_page(tmp_path: Path) -> None:
    failures = tuple((f"{place}.mp4", "it is not there") for place in range(3000))
    evaluation = random_evaluation(1500, 400, failures=failures)
    page = page_of(tmp_path, evaluation)
    assert (tmp_path / "report.html").stat().st_size < 500_000
    assert "The 30 most confused of 400 classes" in page.text
    assert "and 2,800 more" in page.text
    assert f"the other {len(np.unique(evaluation.targets)) - 40}" in page.text
