"""From a model, in whatever form it is at hand, to what looks at a stream with it."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from fractions import Fraction
from typing import Literal, get_args

from actionzoo.backends import Backend
from actionzoo.backends.composite import CompositeBackend
from actionzoo.backends.files import open_backend
from actionzoo.backends.stepped import SteppedModel
from actionzoo.download import Progress
from actionzoo.errors import ConfigError
from actionzoo.predictor import BUNDLED
from actionzoo.pretrained import refuse_flow
from actionzoo.sampling import UNKNOWN_FPS
from actionzoo.spec import ModelSpec
from actionzoo.streaming.finding import Form, find_form
from actionzoo.streaming.looking import (
    ClipLooker,
    EncodingLooker,
    Looker,
    MeanOfFrames,
    Rhythm,
    SteppingLooker,
)

Mode = Literal["sliding", "windowed"]
"""``sliding``: the window moves on by a hop, as in Open Model Zoo's demonstration. ``windowed``: it
is filled anew for every answer, as in OpenVINO's notebook on action recognition."""

HOP_SECONDS = Fraction(1, 4)
"""Between two answers of a network that has to look at whole clips."""
SEGMENT_SECONDS = Fraction(1, 2)
"""Between the frames of a network that takes one from each part of a video (TSN): the last few
seconds are its video."""
FIRST_SECONDS = Fraction(1)
"""That a network hears before it answers, if it carries a state and can answer at any time."""
_FORGETS = ("vtn",)
"""Families whose state holds the last frames only; means over all frames are made anew."""


def open_looker(
    model: str | os.PathLike[str] = BUNDLED,
    *,
    mode: Mode = "sliding",
    every: int | None = None,
    hop_seconds: float | None = None,
    device: str = "CPU",
    spec: ModelSpec | None = None,
    progress: Progress | None = None,
) -> Looker:
    """Open a model in the form that costs least on a stream.

    Encoder and decoder models see each frame once, streaming models carry their state, others look
    at clips on a moving window. With the models of Open Model Zoo, ``every=1`` is what its
    demonstration does, to the letter, and ``mode="windowed"`` what OpenVINO's notebook does.

    Args:
        model: As ``Predictor`` takes it.
        mode: Whether windows overlap.
        every: Ticks of the model's clock from one frame of a window to the next; None takes the
            model's. A model without a clock has the stream's.
        hop_seconds: From one answer to the next, in ``sliding`` mode; None is every frame that is
            looked at where a frame is seen once, else ``HOP_SECONDS``.
        device: As ``Predictor`` takes it.
        spec: Of model files that carry none.
        progress: Called with the bytes done and to do while weights are downloaded.

    Raises:
        ActionZooError: The model cannot be used, or an option is out of range.
    """
    _check(mode, every, hop_seconds)
    opened = _open(find_form(model, spec=spec, progress=progress), device)
    refuse_flow(opened.spec)
    sliding, of_frames = mode == "sliding", _sees_frames_alone(opened.spec)
    once = of_frames or isinstance(opened, (CompositeBackend, SteppedModel))
    rhythm = _rhythm(opened.spec, mode=mode, every=every, hop_seconds=hop_seconds, once=once)
    if isinstance(opened, CompositeBackend):
        return EncodingLooker(opened, rhythm)
    if isinstance(opened, SteppedModel):
        return _stepping(opened, rhythm, sliding=sliding)
    return EncodingLooker(MeanOfFrames(opened), rhythm) if of_frames else ClipLooker(opened, rhythm)


def _open(form: Form, device: str) -> Backend:
    if len(form.files) == 1:
        return open_backend(form.files[0], device=device, spec=form.spec)
    encoder, decoder = form.files
    return CompositeBackend(encoder, decoder, device=device, spec=form.spec)


def _sees_frames_alone(spec: ModelSpec) -> bool:
    """Tell whether a network sees one frame at a time, and what it says of several is averaged."""
    return spec.input.sampling == "segments" and spec.input.frames == 1


def _stepping(model: SteppedModel, rhythm: Rhythm, *, sliding: bool) -> Looker:
    """Return what looks with a network that carries a state.

    Sliding, it answers soon, and of the last one to two clips once there are so many frames.
    """
    lasts = rhythm.frames * rhythm.stride
    if not sliding:
        return SteppingLooker(model, rhythm, lasts=lasts, overlap=False)
    if model.spec.family in _FORGETS:
        return SteppingLooker(model, rhythm)
    fps = model.spec.input.fps or UNKNOWN_FPS
    frames = min(rhythm.frames, math.ceil(FIRST_SECONDS * fps / rhythm.stride))
    return SteppingLooker(model, replace(rhythm, frames=frames), lasts=lasts)


def _check(mode: Mode, every: int | None, hop_seconds: float | None) -> None:
    """Refuse options before anything is downloaded.

    Raises:
        ConfigError: One is out of range.
    """
    if mode not in get_args(Mode):
        raise ConfigError(f"mode is {mode!r}; it is {' or '.join(get_args(Mode))}")
    if every is not None and every < 1:
        raise ConfigError(f"every is {every}; it is at least 1")
    if hop_seconds is not None and mode == "windowed":
        raise ConfigError("hop_seconds is for the mode sliding; leave it out")
    if hop_seconds is not None and not 0 < hop_seconds < float("inf"):
        raise ConfigError(f"hop_seconds is {hop_seconds:g}; it is above 0")


def _rhythm(
    spec: ModelSpec, *, mode: Mode, every: int | None, hop_seconds: float | None, once: bool
) -> Rhythm:
    """Choose how far frames, and answers, are from each other.

    Args:
        spec: The model.
        mode: Whether windows overlap.
        every: From one frame of a window to the next, ticks.
        hop_seconds: From one answer to the next.
        once: Whether a frame is seen once, however many windows it is in.
    """
    fps = spec.input.fps or UNKNOWN_FPS
    frames, stride = spec.input.frames, spec.input.stride
    if spec.input.sampling == "segments":
        frames = spec.views.clips if frames == 1 else frames
        stride = max(1, round(SEGMENT_SECONDS * fps))
    stride = every or stride
    if mode == "windowed":
        return Rhythm(frames=frames, stride=stride, hop=frames * stride)
    if hop_seconds is None:
        hop = stride if once else max(1, round(HOP_SECONDS * fps))
    else:
        hop = max(1, round(Fraction(hop_seconds) * fps))
        if once and hop > stride:  # between the frames of its windows it would see others for it
            hop = round(hop / stride) * stride
    return Rhythm(frames=frames, stride=stride, hop=hop)
