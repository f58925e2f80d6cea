"""A page in a real browser: Chromium without a window, with a webcam that plays a video.

``python tests/browsers.py FOLDER`` takes pictures of the page in all its states, to be looked at.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from av.video.frame import VideoFrame

from actionzoo.video import write_video

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
_QUIET = (
    "--no-sandbox --disable-gpu --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-quic --mute-audio "
    "--disable-features=Translate,OptimizationHints,MediaRouter"
).split()
SECONDS = 20
"""How long anything may take in a browser on a slow machine."""


def needs_a_browser() -> pytest.MarkDecorator:
    """Skip tests where there is no browser to be driven, and say what is missing."""
    try:
        import gradio  # noqa: F401
        import playwright  # noqa: F401
    except ModuleNotFoundError as error:
        return pytest.mark.skip(reason=f"{error.name} is not installed: pip install {error.name}")
    return pytest.mark.skipif(
        CHROMIUM is None, reason="there is no Chromium: apt-get install chromium"
    )


@contextmanager
def serving(**options: Any) -> Iterator[SimpleNamespace]:
    """Serve a page in a thread; yield its address and its site."""
    from actionzoo.web.run import Server, Site, bind

    with bind("127.0.0.1", 0) as taken:
        site = Site(**options)
        server = Server(site)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]})
        thread.start()
        try:
            address = f"http://127.0.0.1:{taken.getsockname()[1]}/"
            yield SimpleNamespace(address=address, site=site)
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def driving() -> Iterator[Any]:
    """Start what drives browsers; there is one of it in a process."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        yield driver


@contextmanager
def chromium(driver: Any, *, webcam: Path | None = None, allowed: bool = True) -> Iterator[Any]:
    """Start a browser.

    Args:
        driver: Of ``driving``.
        webcam: A video in YUV4MPEG2; None has no webcam.
        allowed: Whether pages may use it.
    """
    camera = []
    if webcam is not None:
        answer = "--use-fake-ui-for-media-stream" + ("" if allowed else "=deny")
        camera = [
            answer,
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-video-capture={webcam}",
        ]
    browser = driver.chromium.launch(executable_path=CHROMIUM, args=[*_QUIET, *camera])
    try:
        yield browser
    finally:
        browser.close()


@contextmanager
def visiting(browser: Any, address: str, **options: Any) -> Iterator[Any]:
    """Open a page as a visitor of its own, and note what it asks for and complains about."""
    context = browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **options})
    context.set_default_timeout(1000 * SECONDS)
    page = context.new_page()
    page.hosts, page.complaints = set(), []
    page.on("request", lambda request: page.hosts.add(urlsplit(request.url).hostname))
    page.on("console", lambda said: _note(page.complaints, said))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.goto(address)
    page.get_by_role("tab", name="Webcam").wait_for()
    try:
        yield page
    finally:
        context.close()


def _note(complaints: list[str], said: Any) -> None:
    if said.type in ("error", "warning"):
        complaints.append(f"{said.type}: {said.text} ({said.location.get('url', '')})")


def write_webcam(path: Path, frames: Sequence[np.ndarray], fps: int = 25) -> Path:
    """Write what a webcam shall show, over and over, as YUV4MPEG2."""
    height, width = frames[0].shape[:2]
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F{fps}:1 Ip A1:1 C420jpeg\n".encode())
        for frame in frames:
            picture = VideoFrame.from_ndarray(frame, "rgb24").reformat(format="yuv420p")
            file.write(b"FRAME\n" + picture.to_ndarray().tobytes())
    return path


def act(
    name: str, *, seconds: float = 3.0, seed: int = 0, height: int = 240, width: int = 320
) -> np.ndarray:
    """Draw somebody who performs an action, shape (T, H, W, 3) uint8."""
    from actionzoo.synthetic import ACTIONS, draw_clip

    action = next(one for one in ACTIONS if one.name == name)
    rng = np.random.default_rng([99, seed])
    return draw_clip(
        action,
        rng=rng,
        seconds=seconds,
        fps=Fraction(25),
        height=height,
        width=width,
        style="plain",
    )


def until(true: Callable[[], object], what: str) -> None:
    """Wait until something is true."""
    end = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(0.02)


def measure_delay(changes: int = 12) -> list[float]:
    """Return how long it takes from a change of action to its name, each in seconds.

    The webcam shows two actions in turn; a white corner tells the page's script which of them.
    """
    acts = [act("wave2", seed=5), act("bend", seed=6)]
    acts[0][:, :32, :32] = 0
    acts[1][:, :32, :32] = 255
    with (
        tempfile.TemporaryDirectory() as place,
        serving() as site,
        driving() as driver,
        chromium(
            driver, webcam=write_webcam(Path(place) / "a.y4m", [*acts[0], *acts[1]])
        ) as browser,
        visiting(browser, site.address) as page,
    ):
        page.get_by_role("tab", name="Webcam").click()
        page.get_by_role("button", name="Start the camera").click()
        page.locator(".az-live-label:not(:empty)").wait_for()
        told: list[float] = page.evaluate(_WATCH, changes)
        return told


_WATCH = """(changes) => new Promise((done) => {
  const video = document.querySelector(".az-stage video"), found = [];
  const label = document.querySelector(".az-live-label");
  const canvas = document.createElement("canvas"), names = ["wave two hands", "bend"];
  let shown = null, since = null;
  const corner = () => {
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.drawImage(video, 0, 0, 16, 16, 0, 0, 1, 1);
    return pen.getImageData(0, 0, 1, 1).data[0] > 127 ? 1 : 0;
  };
  const step = (now) => {
    const is = corner();
    if (shown !== null && is !== shown) since = now;
    shown = is;
    if (since !== null && label.textContent === names[is]) {
      found.push((performance.now() - since) / 1000);
      since = null;
      if (found.length === changes) return done(found);
    }
    video.requestVideoFrameCallback(step);
  };
  video.requestVideoFrameCallback(step);
})"""


# Pictures of all states.

SIZES = {"wide": {"width": 1200, "height": 900}, "phone": {"width": 390, "height": 844}}
SCHEMES = ("light", "dark")


def _states(folder: Path) -> dict[str, Callable[[Any], None]]:
    broken = folder / "holiday.mp4"
    broken.write_bytes(b"no video at all" * 1000)
    old = folder / "from the cellar.avi"
    write_video(old, [*act("wave2", seed=5), *act("bend", seed=6)], fps=Fraction(25))

    def choose(page: Any) -> None:
        page.get_by_role("button", name="Shadow play").click()
        page.locator(".az-row").first.wait_for()
        page.locator(".az-row").nth(1).click()

    def working(page: Any) -> None:
        page.get_by_role("button", name="Shadow play").click()
        page.locator(".az-working").wait_for()

    def unreadable(page: Any) -> None:
        page.locator(".az-file").set_input_files(broken)
        page.locator("#status .az-fault").wait_for()

    def unplayable(page: Any) -> None:
        page.locator(".az-file").set_input_files(old)
        page.locator(".az-row").first.wait_for()
        page.locator(".az-unplayable").wait_for()
        page.locator(".az-part").first.focus()
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Tab")

    def webcam(page: Any) -> None:
        page.get_by_role("tab", name="Webcam").click()
        page.locator(".az-stage").wait_for()

    def live(page: Any) -> None:
        webcam(page)
        page.get_by_role("button", name="Start the camera").click()
        page.locator(".az-camera[data-state=live] .az-live-label:not(:empty)").wait_for()
        page.wait_for_timeout(2500)

    def failed(page: Any) -> None:
        webcam(page)
        page.get_by_role("button", name="Start the camera").click()
        page.locator(".az-camera:is([data-state=denied], [data-state=missing])").wait_for()

    return {
        "empty": lambda page: None,
        "working": working,
        "results": choose,
        "unreadable": unreadable,
        "unplayable": unplayable,
        "webcam": webcam,
        "live": live,
        "denied": failed,
        "missing": failed,
    }


def take_pictures(folder: Path, only: Sequence[str] = ()) -> None:
    """Take a picture of each state, light and dark, wide and on a phone."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, serving() as page, driving() as driver:
        camera = write_webcam(Path(place) / "camera.y4m", act("jack"))
        states = {k: v for k, v in _states(Path(place)).items() if not only or k in only}
        cameras = {"denied": (camera, False), "missing": (None, True)}
        for kind in {cameras.get(name, (camera, True)) for name in states}:
            with chromium(driver, webcam=kind[0], allowed=kind[1]) as browser:
                for name, state in states.items():
                    if cameras.get(name, (camera, True)) == kind:
                        _take(browser, page.address, folder, name, state)


def _take(
    browser: Any, address: str, folder: Path, name: str, state: Callable[[Any], None]
) -> None:
    for size, viewport in SIZES.items():
        for scheme in SCHEMES:
            options = {"viewport": viewport, "color_scheme": scheme}
            with visiting(browser, address, **options) as page:
                state(page)
                page.screenshot(path=folder / f"{name}_{size}_{scheme}.png", full_page=True)
                for complaint in page.complaints:
                    print(name, size, scheme, complaint)


if __name__ == "__main__":
    take_pictures(Path(sys.argv[1]), sys.argv[2:])
