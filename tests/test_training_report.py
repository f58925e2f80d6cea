"""The page of a run, of one that was cut short too."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from actionzoo.training.report import best_epoch, read_curves, write_run_report
from evaluations import random_evaluation
from html_pages import EVIL, Page

HEAD = (
    "epoch,train_loss,train_accuracy,val_loss,val_accuracy,learning_rate,clips_per_second,seconds\n"
)
ROWS = (
    "1,2.5,0.2,2.0,0.3,0.001,20,60\n"
    "2,1.5,0.5,1.25,0.7,0.0005,21,61\n"
    "3,0.5,0.9,1.5,0.75,0.0001,22,62\n"
)


def page_of(run: Path, metrics: str | None = HEAD + ROWS, **others: Any) -> Page:
    run.mkdir(exist_ok=True)
    if metrics is not None:
        (run / "metrics.csv").write_text(metrics, encoding="utf-8")
    values: dict[str, Any] = {
        "evaluation": None,
        "config_lines": "epochs: 5\nmonitor: loss\n",
        "reasons": [],
        "command": "actionzoo train clips",
        "facts": {},
        "thumbnails": False,
    }
    write_run_report(run, **(values | others), file=run / "report.html")
    page = Page((run / "report.html").read_text(encoding="utf-8"))
    page.assert_harmless()
    return page


def test_a_finished_run_tells_how_it_went_and_how_to_do_it_again(tmp_path: Path) -> None:
    page = page_of(
        tmp_path / "my run",
        evaluation=random_evaluation(30, 4),
        reasons=["batch size 8: it fits"],
        facts={"Videos to train": "170", "Folder": "/a/very/long/path" * 5},
        left_out=[("a.mp4", "it was cut off")],
    )
    for told in (
        "Top-1 ",
        "3 epochs",
        "epoch 2 kept",
        "3.0 min of training",
        "best 1.25 (epoch 2), last 1.5",
        "best 75 % (epoch 3), last 75 %",
        "with the parameters of epoch 2",
        "Worst mistakes",
        "batch size 8: it fits",
        "it was cut off",
        "170",
        "monitor: loss",
        "actionzoo train clips",
        f"actionzoo predict VIDEO --model '{tmp_path}/my run'",
        "numpy ",
    ):
        assert told in page.text, told
    assert len(page.named("polyline")) == 6


def test_an_interrupted_run_says_how_far_it_got(tmp_path: Path) -> None:
    page = page_of(tmp_path / "run", interrupted="by Ctrl-C")
    for told in (
        "Interrupted by Ctrl-C. Not finished: 3 of 5 epochs, no evaluation yet",
        "best so far validation loss 1.25, validation accuracy 70 % in epoch 2",
        f"actionzoo train --resume --output {tmp_path}/run",
    ):
        assert told in page.text, told
    assert "actionzoo predict" not in page.text
    evaluated = page_of(
        tmp_path / "run", evaluation=random_evaluation(9, 3), interrupted="as the loss diverged"
    )
    assert "Interrupted as the loss diverged. Top-1" in evaluated.text


def test_a_run_has_a_page_from_its_start(tmp_path: Path) -> None:
    assert "no epoch has ended yet" in page_of(tmp_path / "a", None).text
    assert "no epoch has ended yet" in page_of(tmp_path / "b", HEAD).text
    one = page_of(tmp_path / "c", HEAD + ROWS[: ROWS.index("\n") + 1])
    assert not one.named("polyline")
    assert "Validation loss2Validation accuracy30 %" in one.text.replace("\n", "")


def test_any_text_is_taken_for_text(tmp_path: Path) -> None:
    page = page_of(
        tmp_path / EVIL,
        reasons=[EVIL],
        command=EVIL,
        facts={EVIL: EVIL},
        left_out=[(EVIL, EVIL)],
        config_lines=f"{EVIL}: [",
    )
    assert not page.named("img")
    assert page.text.count("onerror=alert(1)") >= 8


def test_losses_that_are_no_numbers_are_told(tmp_path: Path) -> None:
    page = page_of(tmp_path / "run", HEAD + ROWS + "4,nan,0.1,nan,0.1,0.0001,20,60\n")
    assert "best 1.25 (epoch 2), no number in 1 epoch" in page.text
    assert "epoch 2 kept" in page.text


def test_several_labels_and_a_head_that_came_first(tmp_path: Path) -> None:
    rows = "epoch,val_loss,val_map\n0,0.7,0.5\n1,0.6,0.8\n"
    page = page_of(tmp_path / "run", rows, config_lines="monitor: accuracy\n")
    assert "mAP" in page.text
    assert "best 80 % (epoch 1)" in page.text
    assert "Epoch 0 is the head alone" in page.text
    assert "1 epoch" in page.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("epoch,val_loss\n1,2\n2,1.5\n3,0.", {"val_loss": {1: 2, 2: 1.5}}),  # cut off
        ("epoch,val_loss,val_map\n1,,0.5\n2,1,\n", {"val_loss": {2: 1}, "val_map": {1: 0.5}}),
        ("epoch,val_loss\n1,3\n2,2\n2,1\n", {"val_loss": {1: 3, 2: 1}}),  # gone on with
        ("epoch,val_loss\nx,3\n1\n2,y\n", {}),
        ("", {}),
    ],
)
def test_metrics_are_read_as_far_as_they_were_written(
    tmp_path: Path, text: str, expected: Mapping[str, Mapping[float, float]]
) -> None:
    (tmp_path / "metrics.csv").write_text(text, encoding="utf-8")
    assert read_curves(tmp_path / "metrics.csv") == expected


def test_the_best_epoch_is_the_first_of_the_best_by_what_is_watched() -> None:
    curves = {
        "val_loss": {1: 2.0, 2: 1.0, 3: 1.0, 4: math.nan},
        "val_accuracy": {1: 0.1, 2: 0.2, 3: 0.3, 4: 0.3},
    }
    assert best_epoch(curves, "loss") == 2
    assert best_epoch(curves, "accuracy") == 3
    assert best_epoch({"val_map": {1: 0.5, 2: 0.6}}, "loss") == 2
    assert best_epoch({"val_loss": {1: math.nan}}, "accuracy") is None
    assert best_epoch({}, "loss") is None
