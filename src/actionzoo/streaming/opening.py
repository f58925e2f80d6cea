"""From a model, in whatever form it is at hand, to what looks at a stream with it."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Literal

from actionzoo.backends import Backend
from actionzoo.backends.composite import CompositeBackend
from actionzoo.backends.files import open_backend
from actionzoo.backends.folders import model_files
from actionzoo.backends.stepped import SteppedModel
from actionzoo.download import Progress
from actionzoo.errors import ConfigError
from actionzoo.predictor import BUNDLED
from actionzoo.pretrained import find_model, refuse_flow
from actionzoo.sampling import UNKNOWN_FPS
from actionzoo.spec import InputSpec
from actionzoo.streaming.looking import (
    ClipLooker,
    EncodingLooker,
    Looker,
    Rhythm,
    SteppingLooker,
)

Mode = Literal["sliding", "windowed"]
"""``sliding``: the window moves on by a hop, as in Open Model Zoo's demonstration. ``windowed``: it
is filled anew for every answer, as in OpenVINO's notebook on action recognition."""

HOP_SECONDS = Fraction(1, 4)
"""Between two answers of a network that has to look at whole clips."""


def open_looker(
    model: str | os.PathLike[str] = BUNDLED,
    *,
    mode: Mode = "sliding",
    every: int | None = None,
    hop_seconds: float | None = None,
    device: str = "CPU",
    progress: Progress | None = None,
) -> Looker:
    """Open a model in the form that costs least on a stream.

    Encoder and decoder models see each frame once, streaming models carry their state, others look
    at clips on a moving window.

    Args:
        model: As ``Predictor`` takes it.
        mode: Whether windows overlap.
        every: Ticks of the model's clock from one frame of a window to the next; None takes the
            model's.
        hop_seconds: From one answer to the next, in ``sliding`` mode; None is every tick where a
            frame is seen once, else ``HOP_SECONDS``.
        device: As ``Predictor`` takes it.
        progress: Called with the bytes done and to do while weights are downloaded.

    Raises:
        ActionZooError: The model cannot be used, or an option is out of range.
    """
    opened = _open(Path(model), device, progress)
    spec = opened.spec
    refuse_flow(spec)
    whole = not isinstance(opened, (CompositeBackend, SteppedModel))
    rhythm = _rhythm(spec.input, mode=mode, every=every, hop_seconds=hop_seconds, whole=whole)
    if isinstance(opened, CompositeBackend):
        return EncodingLooker(opened, rhythm)
    if isinstance(opened, SteppedModel):
        return SteppingLooker(opened, rhythm)
    return ClipLooker(opened, rhythm)


def _open(path: Path, device: str, progress: Progress | None) -> Backend:
    parts = model_files(path) if path.is_dir() else ()
    if len(parts) == 2:
        return CompositeBackend(*parts, device=device)
    return open_backend(find_model(path, progress=progress), device=device)


def _rhythm(
    spec: InputSpec, *, mode: Mode, every: int | None, hop_seconds: float | None, whole: bool
) -> Rhythm:
    """Choose how far frames, and answers, are from each other.

    Raises:
        ConfigError: An option is out of range.
    """
    if hop_seconds is not None and mode == "windowed":
        raise ConfigError("hop_seconds is for the mode sliding; leave it out")
    if hop_seconds is not None and not 0 < hop_seconds < float("inf"):
        raise ConfigError(f"hop_seconds is {hop_seconds:g}; it is above 0")
    stride = spec.stride if every is None else every
    if mode == "windowed":
        return Rhythm(frames=spec.frames, stride=stride, hop=spec.frames * max(1, stride))
    fps = spec.fps or UNKNOWN_FPS
    seconds = Fraction(hop_seconds or (HOP_SECONDS if whole else 0))
    return Rhythm(frames=spec.frames, stride=stride, hop=max(1, round(seconds * fps)))
