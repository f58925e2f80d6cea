"""The page of a timeline: whole, harmless, and alive in a browser."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from actionzoo.timeline.page import timeline_page
from actionzoo.timeline.writing import write_timeline
from browsers import CHROMIUM, driving, needs_a_browser
from html_pages import EVIL, Page
from timelines import timeline_of
from videos import write_video

SPANS = ((0.0, 1.0, 0), (1.0, 1.5, 1), (2.0, 3.2, 0))


def page_of(tmp_path: Path, *spans: tuple[float, float, int], **options: Any) -> Page:
    made = {name: options.pop(name) for name in ("embed", "video") if name in options}
    text, _ = timeline_page(timeline_of(*spans, **options), folder=tmp_path, **made)
    return Page(text)


def policy_of(page: Page) -> dict[str, str]:
    (policy,) = (str(one["content"]) for one in page.named("meta") if "http-equiv" in one)
    return dict(part.strip().split(" ", 1) for part in policy.split(";"))


def test_it_can_be_read_without_its_script(tmp_path: Path) -> None:
    page = page_of(tmp_path, *SPANS, seconds=4.0, warnings=("it broke off",))
    for told in (
        "3 segments of 2 actions, in 68 % of 4 s",
        "it broke off",
        "0:00:01.0 – 0:00:01.5",
        "run & <b>jump</b>",
        "1.24 s, every 0.25 s",
    ):
        assert told in page.text, told
    buttons = [one for one in page.named("button") if "data-start" in one]
    assert [(one["data-start"], one["data-end"]) for one in buttons] == [
        ("0.000", "1.000"),
        ("1.000", "1.500"),
        ("2.000", "3.200"),
    ]
    pieces = [one for one in page.named("svg") if "piece" in str(one.get("class"))]
    assert [(one["x"], one["width"]) for one in pieces] == [
        ("0.000%", "25.000%"),
        ("25.000%", "12.500%"),
        ("50.000%", "30.000%"),
    ]
    assert len(page.named("polyline")) == 2


def test_names_are_text_and_only_its_own_script_may_run(tmp_path: Path) -> None:
    write_video(tmp_path / EVIL, range(4))
    page = page_of(tmp_path, *SPANS, path=str(tmp_path / EVIL), labels=(EVIL, "</script>", "c"))
    assert not page.named("img")
    assert not page.named("b")
    assert page.text.count("<img src=x onerror=alert(1)>") >= 3
    (script,) = page.named("script")
    assert script == {}
    policy = policy_of(page)
    assert policy["default-src"] == "'none'"
    text, _ = timeline_page(timeline_of(*SPANS), folder=tmp_path)
    (body,) = re.findall("<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
    assert policy["script-src"] == f"'sha256-{digest}'"
    assert policy["media-src"] == "'self' file:"
    for _, attrs in page.elements:
        assert not {"href", "srcset", "style"} & set(attrs)
        assert not any(name.startswith("on") for name in attrs)
    (video,) = page.named("video")
    assert re.fullmatch(r"\./[\w%.~()-]+", str(video["src"]))
    assert not re.search(r"url\((?!#)|@import|https?://(?!www\.w3\.org/2000/svg)", text)


def test_a_small_video_becomes_a_part_of_the_page(tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, range(4))
    page = page_of(tmp_path, *SPANS, path=str(path), embed=True)
    (video,) = page.named("video")
    head, data = str(video["src"]).split(",")
    assert head == "data:video/mp4;base64"
    assert base64.b64decode(data) == path.read_bytes()
    assert policy_of(page)["media-src"] == "data:"
    monkeypatch.setattr("actionzoo.timeline.page.EMBEDDED_BYTES", 100)
    timeline = timeline_of(*SPANS, path=str(path))
    text, (said,) = timeline_page(timeline, folder=tmp_path, embed=True)
    assert "up to 100 B" in said
    assert 'src="./a.mp4"' in text


@pytest.mark.parametrize(
    ("path", "codec", "told"),
    [
        ("a.avi", "mpeg4", "Browsers do not play this video (mpeg4 in .avi)"),
        ("a.mp4", "mpeg4", "--format html,mp4"),
        ("https://example.org/a.mp4", "h264", "loads nothing from elsewhere"),
        ("gone.mp4", "h264", "loads nothing from elsewhere"),
    ],
)
def test_a_video_that_no_browser_plays_is_told(
    tmp_path: Path, path: str, codec: str, told: str
) -> None:
    (tmp_path / "a.avi").touch()
    (tmp_path / "a.mp4").touch()
    whole = path if "://" in path else str(tmp_path / path)
    page = page_of(tmp_path, *SPANS, path=whole, codec=codec)
    assert told in page.text
    assert not page.named("video")
    assert policy_of(page)["media-src"] == "'none'"
    shown = page_of(tmp_path, *SPANS, path=whole, codec=codec, video=tmp_path / "a.mp4")
    assert shown.named("video")


def test_nothing_recognised_tells_what_was_best(tmp_path: Path) -> None:
    page = page_of(tmp_path, seconds=4.0)
    assert "Nothing recognised in 4 s" in page.text
    assert "No label passed 50 % for long enough. The best was 'walk' with 10 %" in page.text


def test_many_labels_have_colours_that_differ_or_stripes(tmp_path: Path) -> None:
    labels = tuple(f"label {n}" for n in range(30))
    spans = tuple((float(n), n + 0.9 - n / 100, n) for n in range(25))
    page = page_of(tmp_path, *spans, labels=labels, seconds=30.0)
    kinds = [str(one["class"]) for one in page.named("button") if "data-start" in one]
    assert len(set(kinds)) == 21
    assert kinds[:10] == [f"k{n}" for n in range(10)]
    assert kinds[10:20] == [f"k{n} t" for n in range(10)]
    assert set(kinds[20:]) == {"rest"}


# In a browser.


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with driving() as driver:
        flags = ["--no-sandbox", "--disable-gpu", "--mute-audio"]
        started = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield started
        started.close()


@pytest.fixture
def visitor(browser: Any) -> Iterator[Any]:
    page = browser.new_page()
    page.complaints = []
    page.on("console", lambda said: page.complaints.append(said.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.asked = []
    page.on("request", lambda one: page.asked.append(one.url))
    yield page
    page.close()


def shown(page: Any) -> str:
    return str(page.locator(".now").inner_text()).split(" / ")[0]


@needs_a_browser()
def test_a_click_leads_to_the_moment(visitor: Any, tmp_path: Path) -> None:
    write_video(tmp_path / EVIL, range(100), fps=Fraction(25), options={"bf": "0"})
    timeline = timeline_of(*SPANS, path=str(tmp_path / EVIL), seconds=4.0)
    write_timeline(timeline, tmp_path / "page.html", "html")
    visitor.goto((tmp_path / "page.html").as_uri())
    visitor.wait_for_function("document.querySelector('video').readyState >= 1")
    rows = visitor.locator(".segments button")
    rows.nth(2).click()
    assert shown(visitor) == "0:00:02.0"
    at = visitor.locator("video").evaluate("one => one.currentTime")
    assert at == pytest.approx(2, abs=0.01)
    assert rows.nth(2).get_attribute("aria-current") == "true"
    bar = visitor.locator(".bar")
    bar.click(position={"x": 0.3 * bar.bounding_box()["width"], "y": 5})
    assert shown(visitor) == "0:00:01.2"
    assert [rows.nth(n).get_attribute("aria-current") for n in range(3)] == [None, "true", None]
    rows.nth(0).focus()
    visitor.keyboard.press("ArrowDown")
    visitor.keyboard.press("ArrowDown")
    visitor.keyboard.press("Enter")
    assert shown(visitor) == "0:00:02.0"
    assert visitor.complaints == []
    assert {one.partition(":")[0] for one in visitor.asked} == {"file"}
    assert len(set(visitor.asked)) == 2


@needs_a_browser()
def test_without_its_video_the_bar_still_works(visitor: Any, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    timeline = timeline_of(*SPANS, path=str(tmp_path / "a.mp4"), seconds=4.0)
    write_timeline(timeline, tmp_path / "page.html", "html")
    visitor.goto((tmp_path / "page.html").as_uri())
    visitor.locator(".failed").wait_for(state="visible")
    visitor.locator(".segments button").nth(1).click()
    assert shown(visitor) == "0:00:01.0"


@needs_a_browser()
def test_a_long_video_can_be_seen_closer(visitor: Any, tmp_path: Path) -> None:
    spans = tuple((10.0 * n, 10.0 * n + 9, n % 3) for n in range(360))
    timeline = timeline_of(*spans, path=str(tmp_path / "gone.mp4"), seconds=3600.0)
    write_timeline(timeline, tmp_path / "page.html", "html")
    visitor.goto((tmp_path / "page.html").as_uri())
    width = visitor.locator(".track").evaluate("one => one.clientWidth")
    assert width >= 12 * 360
    before = visitor.locator(".times text").count()
    visitor.locator(".closer").click()
    assert visitor.locator(".track").evaluate("one => one.clientWidth") == 2 * width
    assert visitor.locator(".times text").count() > before
    visitor.locator(".segments button").nth(300).click()
    room = visitor.locator(".scroll").bounding_box()
    head = visitor.locator(".playhead").bounding_box()
    assert room["x"] <= head["x"] <= room["x"] + room["width"]
    assert visitor.complaints == []
