"""The page itself: what stands where, and what follows from what."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from actionzoo.errors import ActionZooError
from actionzoo.web import parts
from actionzoo.web.analysis import Fault, Report, Step, Turns, Working, look_at
from actionzoo.web.limits import Limits
from actionzoo.web.models import Models
from actionzoo.web.samples import Sample
from actionzoo.web.videos import Videos

# Before Gradio is imported: it tells nobody that it runs, and asks nobody for a newer one.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import gradio as gr

if TYPE_CHECKING:
    from gradio.themes.base import Base

_FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
_MONO_FONTS = ["ui-monospace", "Menlo", "Consolas", "monospace"]
_SAMPLE = "sample:"
"""Before the name of a sample, where a token stands for a video that was brought."""

Shown = tuple[Any, Any, Any, Any, Any]
"""What goes on; the button that stops it; the player; bars; segments."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Looking:
    """A video that is shown to somebody, and what stops looking at it."""

    video: str
    """Its token."""
    owner: str
    stop: Event = field(default_factory=Event)


class Page:
    """What the page does when somebody does something.

    Args:
        models: At hand.
        videos: Of all visitors.
        samples: To begin with.
        limits: Of videos.
    """

    def __init__(
        self, models: Models, videos: Videos, *, samples: Sequence[Sample], limits: Limits
    ) -> None:
        self._models, self._videos, self._limits = models, videos, limits
        self._turns = Turns(limits)
        self._shown: dict[str, _Looking] = {}
        """By session: the one video that is shown in it."""
        self._samples: Mapping[str, Sample] = {one.name: one for one in samples}

    def brought(
        self, model: str, event: gr.EventData, request: gr.Request
    ) -> Iterator[tuple[Any, ...]]:
        """Look at a video that was just brought."""
        yield from self._begun(str(event.token), model, request)

    def chosen(
        self, model: str, event: gr.EventData, request: gr.Request
    ) -> Iterator[tuple[Any, ...]]:
        """Look at a sample."""
        yield from self._begun(f"{_SAMPLE}{event.sample}", model, request)

    def again(self, current: str, model: str, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        """Look at the same video with another model."""
        if current:
            yield from self._begun(current, model, request)

    def stop(self, request: gr.Request) -> None:
        """Stop looking; what is shown is said by whoever is stopped."""
        if (shown := self._shown.get(str(request.session_hash))) is not None:
            shown.stop.set()

    def left(self, request: gr.Request) -> None:
        """Stop looking for somebody who has gone, and delete the video."""
        self._leave(str(request.session_hash), for_video="")

    def knows(self, model: str) -> Any:
        """Say which actions a model tells apart."""
        try:
            return parts.knows(self._models.predictor(model).spec.labels)
        except ActionZooError as error:
            return parts.fault(Fault(words=str(error)))

    def _begun(self, current: str, model: str, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        found = self._find(current, request)
        if found is None:
            words = "the video is not here any more: it was kept for a while only; bring it again"
            yield (current, *_failed(Fault(words=words)))
            return
        path, name, address = found
        session = str(request.session_hash)
        self._leave(session, for_video=current)
        looking = self._shown[session] = _Looking(video=current, owner=_owner(request))
        shown, button = parts.player(address, name, None), gr.update(visible=True)
        working = parts.working(Working(words="opening the video"))
        yield (current, working, button, shown, parts.NOTHING, parts.NOTHING)
        with closing(self._in_turn(path, name, model)) as steps:
            for step in steps:
                if self._shown.get(session) is not looking:
                    return  # there is another video already, or nobody
                if looking.stop.is_set():
                    yield (current, *_stopped())
                    return
                yield (current, *_step(step, address, name))

    def _in_turn(self, path: Path, name: str, model: str) -> Generator[Step, None, None]:
        """Look at a video when it is its turn."""
        if not (yield from self._turns.wait()):
            return
        try:
            yield from look_at(path, name, model=model, models=self._models, limits=self._limits)
        finally:
            self._turns.end()

    def _leave(self, session: str, *, for_video: str) -> None:
        """Stop looking, and delete the video unless it is looked at again."""
        before = self._shown.pop(session, None)
        if before is None:
            return
        before.stop.set()
        if before.video != for_video:
            self._videos.delete(before.video, before.owner)

    def _find(self, current: str, request: gr.Request) -> tuple[Path, str, str] | None:
        """Return the path of a video, how it is called, and its address."""
        if current.startswith(_SAMPLE):
            sample = self._samples.get(current.removeprefix(_SAMPLE))
            return (sample.path, sample.title, f"samples/{sample.name}") if sample else None
        stored = self._videos.get(current, _owner(request))
        return (stored.path, stored.name, f"videos/{stored.token}") if stored else None


def _owner(request: gr.Request) -> str:
    assert request.request is not None
    return str(request.request.state.owner)


def _step(step: Step, address: str, name: str) -> Shown:
    same = gr.skip()
    if isinstance(step, Working):
        return (parts.working(step) if step.words else same, same, same, same, same)
    if isinstance(step, Fault):
        return _failed(step)
    if step.timeline is None:
        return (same, same, same, parts.bars(step.prediction), same)
    return (
        parts.warnings(_warnings(step)),
        gr.update(visible=False),
        parts.player(address, name, step.timeline),
        same,
        parts.segments(step.timeline),
    )


def _failed(step: Fault) -> Shown:
    hidden = gr.update(visible=False)
    return (parts.fault(step), hidden, parts.NOTHING, parts.hint(), parts.NOTHING)


def _stopped() -> Shown:
    same = gr.skip()
    return (parts.stopped(), gr.update(visible=False), same, same, same)


def _warnings(report: Report) -> list[str]:
    timeline = report.timeline.warnings if report.timeline else ()
    return list(dict.fromkeys((*report.prediction.warnings, *timeline)))


def blocks(page: Page, models: Models, *, samples: Sequence[Sample], limits: Limits) -> gr.Blocks:
    """Lay the page out.

    Args:
        page: What it does.
        models: To choose from.
        samples: To begin with.
        limits: Of videos, and of how many are looked at at a time.
    """
    default = models.names[0]
    whole: gr.Blocks
    with gr.Blocks(title="actionzoo", analytics_enabled=False) as whole:
        with gr.Row(elem_classes="az-head"):
            gr.HTML('<h1>actionzoo</h1><p class="az-soft">says which action a video shows</p>')
            model = gr.Dropdown(
                models.names,
                value=default,
                label="Model",
                elem_id="model",
                scale=0,
                min_width=230,
                filterable=len(models.names) > 8,
            )
        with gr.Tabs():
            with gr.Tab("Video", id="video"):
                _video_tab(page, model, samples, limits)
            with gr.Tab("Webcam", id="webcam"):
                _webcam_tab(page, model, default)
        whole.unload(page.left)
    whole.queue(max_size=4 * limits.waiting, api_open=False)
    return whole


def _video_tab(page: Page, model: gr.Dropdown, samples: Sequence[Sample], limits: Limits) -> None:
    current = gr.State("")
    with gr.Row(elem_classes="az-columns"):
        with gr.Column(scale=3, min_width=320):
            bring = gr.HTML(
                parts.drop_zone(samples, limits), js_on_load=_asset("bring.js"), elem_id="bring"
            )
            status = gr.HTML(elem_id="status", js_on_load=None)
            # A part of its own: what is drawn anew while it works would lose the focus.
            stop = gr.Button("Cancel", visible=False, size="sm", elem_id="stop")
            player = gr.HTML(elem_id="player", js_on_load=_asset("player.js"))
        with gr.Column(scale=2, min_width=300):
            bars = gr.HTML(parts.hint(), elem_id="bars", js_on_load=None)
            segments = gr.HTML(elem_id="segments", js_on_load=None)
    listen = partial(
        gr.on,
        outputs=[current, status, stop, player, bars, segments],
        show_progress="hidden",
        concurrency_id="videos",
        concurrency_limit=None,
        trigger_mode="multiple",
    )
    listen(bring.upload, page.brought, model)
    listen(bring.select, page.chosen, model)
    listen(model.change, page.again, [current, model])
    stop.click(page.stop, queue=False)


def _webcam_tab(page: Page, model: gr.Dropdown, default: str) -> None:
    gr.HTML(parts.camera(default), js_on_load=_asset("camera.js"), elem_id="camera")
    knows = gr.HTML(page.knows(default), elem_id="knows", js_on_load=None)
    model.change(page.knows, model, knows, show_progress="hidden")
    model.change(None, model, None, js=_CHOSEN)


# The tab of the camera may not be there yet: what was chosen is kept for it.
_CHOSEN = """\
(name) => {
  window.actionzooModel = name;
  window.dispatchEvent(new CustomEvent("actionzoo-model"));
}
"""


def _asset(name: str) -> str:
    return (files("actionzoo.web") / name).read_text(encoding="utf-8")


def style() -> str:
    """Return the style of the page."""
    return _asset("style.css")


def theme() -> Base:
    """Return Gradio's plainest theme, without the fonts that it would fetch."""
    plain = gr.themes.Base(
        primary_hue="blue", neutral_hue="gray", font=_FONTS, font_mono=_MONO_FONTS
    )
    return plain.set(body_background_fill="#f6f7f9", body_background_fill_dark="#12161c")
