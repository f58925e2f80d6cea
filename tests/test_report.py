"""The page: whole, harmless, and small."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import pytest

from actionzoo.datasets import Sample, VideoDataset
from actionzoo.datasets.check import check
from actionzoo.datasets.inspection import inspect
from actionzoo.datasets.report import write_html
from actionzoo.datasets.similar import find_similar
from actionzoo.video.probing import Fault, Inspection
from html_pages import EVIL, Page
from videos import write_video


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    tmp_path = tmp_path_factory.mktemp("<data>")
    write_video(tmp_path / "a.mp4", range(20), fps=Fraction(25))
    write_video(tmp_path / EVIL, range(20), fps=Fraction(25), options={"crf": "20"})
    write_video(tmp_path / "c.mp4", range(30), fps=Fraction(30), width=96)
    (tmp_path / "<b>.mp4").write_text("no video")
    labels = ["run & <b>jump</b>", "turn left", "never"]
    samples = [
        Sample(path=tmp_path / "a.mp4", labels=(labels[0],), splits=("train",)),
        Sample(path=tmp_path / EVIL, labels=(labels[0],), splits=("test",), origin="<i>.csv:3"),
        Sample(path=tmp_path / "c.mp4", labels=(labels[1],), splits=("train",)),
        Sample(path=tmp_path / "<b>.mp4", labels=(labels[1],), splits=(None,)),
    ]
    dataset = VideoDataset.from_samples(samples, root=tmp_path, labels=labels)
    inspections = inspect(dataset)
    report = check(dataset, inspections, similar=find_similar(dataset, inspections))
    write_html(report, dataset, inspections, tmp_path / "report.html")
    return Page((tmp_path / "report.html").read_text(encoding="utf-8"))


def test_it_tells_what_was_found(page: Page) -> None:
    for told in (
        "Not fit for training as it is",
        "train 2, test 1",
        "1 file is no video",
        "1 pair of videos looks the same and is in several splits",
        "the beginning of every video",
        "no split",
        "64 x 64",
        "median",
    ):
        assert told in page.text, told


def test_names_are_text_and_nothing_else(page: Page) -> None:
    assert '<img src=x onerror=alert(1)>"&\\u202e.mp4' in page.text
    assert "run & <b>jump</b>" in page.text
    assert "<i>.csv:3" in page.text
    assert len(page.named("b")) == 3  # the numbers of errors, warnings and notes
    assert not page.named("i")
    assert not page.named("script")
    assert not any(name.startswith("on") for _, attrs in page.elements for name in attrs)


def test_it_needs_nothing_else(page: Page) -> None:
    (policy,) = (one for one in page.named("meta") if "http-equiv" in one)
    assert policy["http-equiv"] == "Content-Security-Policy"
    assert "default-src 'none'" in str(policy["content"])
    pictures = [str(one["src"]) for one in page.named("img")]
    assert len(pictures) == 2
    assert all(one.startswith("data:image/jpeg;base64,") for one in pictures)
    for _, attrs in page.elements:
        assert not {"href", "srcset", "style"} & set(attrs)
    assert not re.search(r"url\(|@import|https?:", page.text)


def test_many_findings_and_classes_stay_a_small_page(tmp_path: Path) -> None:
    labels = [f"class {number}" for number in range(400)]
    samples = [
        Sample(path=tmp_path / f"{number}.mp4", labels=(labels[number % 400],))
        for number in range(5000)
    ]
    dataset = VideoDataset.from_samples(samples, root=tmp_path)
    missing = (Fault(kind="missing", message="there is no such file or folder"),)
    inspections = [Inspection(path=path, faults=missing) for path in dataset.paths()]
    file = tmp_path / "report.html"
    write_html(check(dataset, inspections), dataset, inspections, file)
    assert file.stat().st_size < 100_000
    page = Page(file.read_text())
    assert "and 4,988 more" in page.text
    assert "the 20 largest and the 20 smallest of 400" in page.text


def test_an_empty_and_a_clean_dataset_have_a_page(tmp_path: Path) -> None:
    empty = VideoDataset.from_samples([], root=tmp_path)
    write_html(check(empty, []), empty, [], tmp_path / "empty.html")
    assert "Nothing wrong was found" in Page((tmp_path / "empty.html").read_text()).text
