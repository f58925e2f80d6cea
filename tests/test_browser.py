"""The page in a real browser, with a webcam that plays what the generator drew."""

from __future__ import annotations

import json
import time
from fractions import Fraction
from urllib.parse import unquote

import numpy as np
import pytest

from actionzoo.pretrained import ASSETS
from actionzoo.streaming.opening import open_looker
from actionzoo.video import write_video
from browsers import act, chromium, driving, needs_a_browser, serving, until, visiting, write_webcam

pytestmark = needs_a_browser()

HERE = {"127.0.0.1"}


@pytest.fixture(scope="module")
def site():
    with serving() as served:
        yield served


@pytest.fixture(scope="module")
def driver():
    with driving() as started:
        yield started


@pytest.fixture(scope="module")
def browser(driver, tmp_path_factory):
    """A browser whose webcam shows jumping jacks, beside a white bar at the left."""
    frames = act("jack")
    frames[:, :, :16] = 255
    webcam = write_webcam(tmp_path_factory.mktemp("webcam") / "jack.y4m", frames)
    with chromium(driver, webcam=webcam) as started:
        yield started


@pytest.fixture
def page(site, browser):
    """A visitor, who asks nobody but the server and has nothing to complain about."""
    with visiting(browser, site.address) as visitor:
        yield visitor
        assert visitor.hosts <= HERE
        assert visitor.complaints == []


def start_camera(page):
    page.get_by_role("tab", name="Webcam").click()
    page.get_by_role("button", name="Start the camera").click()


def state_of(page):
    return page.locator(".az-camera").get_attribute("data-state")


def label_of(page):
    return page.locator(".az-live-label").text_content()


def test_the_webcam_s_action_is_named(page, site, record_property):
    seen = []
    cameras = site.site.cameras
    start_camera(page)
    page.locator(".az-live-label", has_text="jumping jack").wait_for()
    best = page.locator(".az-bars .az-name").first
    until(lambda: best.text_content() == "jumping jack", "it is the best of the bars")
    assert page.locator("[data-told=p50]").text_content().endswith(" ms")
    record_property("delay_p50", page.locator("[data-told=p50]").text_content())
    # What the person sees is mirrored, what the network sees is not.
    shown = "() => getComputedStyle(document.querySelector('.az-stage video')).transform"
    assert page.evaluate(shown).startswith("matrix(-1, 0")
    (camera,) = cameras._open.values()
    push = camera._capture.push
    camera._capture.push = lambda data, at: (seen.append(data), push(data, at))
    until(lambda: seen, "another picture has come")
    pixels = decoded(seen[0])
    assert pixels[:, :8].mean() > 200 > pixels[:, -8:].mean()
    page.get_by_role("button", name="Stop", exact=True).click()
    assert state_of(page) == "idle"
    until(lambda: len(cameras) == 0, "the camera is let go")


def decoded(jpeg):
    from actionzoo.video.jpeg import JpegDecoder

    return np.asarray(JpegDecoder(1 << 22).decode(jpeg).to_ndarray(format="rgb24"))


def test_a_video_is_brought_and_its_timeline_clicked(page, site):
    # Its name would do harm where it is taken for markup or for a template.
    name = "${1+1}{{1}}<img src=x>.mp4"
    page.locator(".az-file").set_input_files(
        {"name": name, "mimeType": "video/mp4", "buffer": (ASSETS / "sample.mp4").read_bytes()}
    )
    page.locator(".az-row").wait_for()
    assert page.locator("#bars .az-name").first.text_content() == "jumping jack"
    assert page.locator(".az-title").text_content() == name
    part = page.locator(".az-part")
    assert part.get_attribute("aria-label").startswith("jumping jack, 0:00.")
    page.locator(".az-curves").click(position={"x": 200, "y": 20})
    until(lambda: moment(page) > 0.5, "the player has gone there")
    part.focus()
    page.keyboard.press("Enter")
    until(lambda: moment(page) < 0.5, "the player has gone back")
    assert part.get_attribute("aria-current") == "true"
    found = page.locator(".az-download").first.get_attribute("href")
    told = json.loads(unquote(found.partition(",")[2]))
    assert told["path"] == name
    assert told["segments"][0]["label"] == "jumping jack"
    assert len(site.site.videos) == 1
    page.close()
    until(lambda: len(site.site.videos) == 0, "the video is deleted")


def moment(page):
    return page.evaluate("() => document.querySelector('.az-player video').currentTime")


def test_what_the_browser_cannot_play_is_said_and_looked_at_all_the_same(page, tmp_path):
    path = tmp_path / "old.avi"
    write_video(path, [*act("jack", seconds=2)], fps=Fraction(25))
    page.locator(".az-file").set_input_files(path)
    page.locator(".az-row", has_text="jumping jack").wait_for()
    page.get_by_text("This browser cannot play this kind of video").wait_for()


def test_a_segment_of_a_sample_moves_the_player(page):
    page.get_by_role("button", name="Shadow play").click()
    page.locator(".az-row", has_text="bend").click()
    start = float(page.locator(".az-row", has_text="bend").get_attribute("data-at"))
    until(lambda: abs(moment(page) - start) < 0.1, "the player has gone there")
    until(
        lambda: page.locator(".az-part[aria-current]").text_content() == "bend",
        "the segment is marked",
    )


def test_what_is_no_video_is_said_and_the_next_one_works(page):
    page.locator(".az-file").set_input_files(
        {"name": "holiday.mp4", "mimeType": "video/mp4", "buffer": b"no video" * 99}
    )
    fault = page.locator("#status .az-fault")
    fault.wait_for()
    assert "Cannot open 'holiday.mp4': it is no video" in fault.text_content()
    assert "/tmp" not in fault.text_content()
    page.locator(".az-file").set_input_files(
        {"name": "nothing.mp4", "mimeType": "video/mp4", "buffer": b""}
    )
    page.locator("#bring .az-fault", has_text="'nothing.mp4' is empty").wait_for()
    page.get_by_role("button", name="Jumping jacks").click()
    page.locator(".az-row", has_text="jumping jack").wait_for()
    assert fault.count() == 0


def test_looking_can_be_cancelled(page, site, monkeypatch):
    from actionzoo.web import page as of_page
    from actionzoo.web.analysis import Working

    closed = []

    def endless(*arguments, **options):
        try:
            while True:
                time.sleep(0.05)
                yield Working(words="looking for ever", share=0.5)
        finally:
            closed.append(True)

    monkeypatch.setattr(of_page, "look_at", endless)
    page.get_by_role("button", name="Jumping jacks").click()
    page.get_by_role("progressbar").wait_for()
    cancel = page.get_by_role("button", name="Cancel")
    cancel.focus()
    page.wait_for_timeout(200)
    page.keyboard.press("Enter")
    page.get_by_text("Stopped.").wait_for()
    until(lambda: closed, "the work has ended")
    assert not cancel.is_visible()
    page.get_by_role("button", name="Jumping jacks").click()
    cancel.wait_for()
    page.close()
    until(lambda: len(closed) == 2, "the work has ended with the page")


def test_two_visitors_do_not_mix(site, browser):
    with visiting(browser, site.address) as first, visiting(browser, site.address) as second:
        start_camera(first)
        start_camera(second)
        for one in (first, second):
            one.locator(".az-live-label", has_text="jumping jack").wait_for()
        assert len(site.site.cameras) == 2
        first.get_by_role("tab", name="Video").click()
        first.get_by_role("button", name="Jumping jacks").click()
        first.locator(".az-row").wait_for()
        assert second.locator(".az-row").count() == 0
    # Both browsers were closed in the middle.
    until(lambda: len(site.site.cameras) == 0, "both cameras are let go")


def test_a_model_that_does_not_open_is_said_in_both_tabs(browser, tmp_path):
    broken = tmp_path / "broken.xml"
    broken.write_bytes((ASSETS / "figures10.xml").read_bytes())
    with serving(models=["figures10", broken]) as other, visiting(browser, other.address) as page:
        page.get_by_role("button", name="Jumping jacks").click()
        page.locator(".az-row").wait_for()
        page.locator("#model input").click()
        page.get_by_role("option", name="broken.xml").click()
        said = "'broken.xml' has no 'broken.bin' beside it"
        page.locator("#status .az-fault", has_text=said).wait_for()
        start_camera(page)
        page.locator(".az-camera[data-state=failed] .az-say", has_text=said).wait_for()
        assert str(tmp_path) not in page.content()


def test_a_full_page_is_told_kindly(site, browser):
    limits = site.site.cameras.limits
    held = [site.site.cameras.open("others", open_looker) for _ in range(limits.cameras)]
    try:
        with visiting(browser, site.address) as page:
            start_camera(page)
            page.get_by_text("All places are taken").wait_for()
            assert "4 cameras are being watched already" in page.locator(".az-say").text_content()
    finally:
        for one in held:
            site.site.cameras.close(one)


@pytest.mark.parametrize(
    ("webcam", "allowed", "said"),
    [(True, False, "The camera was not allowed"), (False, True, "There is no camera")],
)
def test_a_camera_that_is_denied_or_missing_is_said(site, driver, tmp_path, webcam, allowed, said):
    played = write_webcam(tmp_path / "a.y4m", act("jack", seconds=0.2)) if webcam else None
    with (
        chromium(driver, webcam=played, allowed=allowed) as browser,
        visiting(browser, site.address) as page,
    ):
        start_camera(page)
        page.get_by_text(said).wait_for()
        assert page.get_by_role("button", name="Start the camera").is_visible()
        assert page.hosts <= HERE
        assert page.complaints == []
