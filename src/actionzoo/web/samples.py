"""Videos to begin with: the one of the package, and two drawn at the first start."""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np

from actionzoo.download import alone, home, writing
from actionzoo.pretrained import ASSETS
from actionzoo.synthetic import ACTIONS, Style, draw_clip
from actionzoo.video import encode_jpeg, open_video, write_video

_FPS = Fraction(25)
_SIZES: dict[Style, tuple[int, int]] = {"plain": (168, 224), "silhouette": (120, 160)}
"""Height and width. Silhouettes take longer to draw, and lose nothing by being small."""
_SECONDS = 3.0
_STILL_SECONDS = Fraction(6, 5)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """A video to begin with."""

    name: str
    title: str
    path: Path
    still: str
    """A picture of it, as a ``data:`` address."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Drawn:
    """A video of several actions, one after the other; each with a seed chosen by eye."""

    name: str
    title: str
    style: Style
    actions: tuple[tuple[str, int], ...]


_DRAWN = (
    _Drawn(
        name="exercises",
        title="Four exercises",
        style="plain",
        actions=(("wave2", 5), ("jack", 0), ("bend", 6), ("pjump", 6)),
    ),
    _Drawn(
        name="shadows",
        title="Shadow play",
        style="silhouette",
        actions=(("wave1", 5), ("walk", 3), ("jack", 2), ("run", 7), ("bend", 4)),
    ),
)


def make_samples(folder: Path | None = None) -> tuple[Sample, ...]:
    """Return all samples, drawn where they are not there yet.

    Args:
        folder: Where they are kept; None is in the package's cache.

    Raises:
        ConfigError: The folder cannot be written.
    """
    folder = folder or home() / "samples"
    bundled = ASSETS / "sample.mp4"
    drawn = [(one.name, one.title, _drawn(one, folder)) for one in _DRAWN]
    return tuple(
        Sample(name=name, title=title, path=path, still=_still(path))
        for name, title, path in [("jumping", "Jumping jacks", bundled), *drawn]
    )


def _drawn(sample: _Drawn, folder: Path) -> Path:
    path = folder / f"{sample.name}.mp4"
    if path.exists():
        return path
    with writing(path):
        folder.mkdir(parents=True, exist_ok=True)
        with alone(path):
            if not path.exists():
                logger.info("drawing the sample %r, once", sample.title)
                write_video(path, _frames(sample), fps=_FPS)
    return path


def _frames(sample: _Drawn) -> Iterator[np.ndarray]:
    actions = {one.name: one for one in ACTIONS}
    height, width = _SIZES[sample.style]
    for name, seed in sample.actions:
        yield from draw_clip(
            actions[name],
            rng=np.random.default_rng([99, seed]),
            seconds=_SECONDS,
            fps=_FPS,
            height=height,
            width=width,
            style=sample.style,
        )


def _still(path: Path) -> str:
    with open_video(path) as video:
        (frame,) = islice(video.read((_STILL_SECONDS,)), 1)
    data = b64encode(encode_jpeg(frame.pixels, quality=6)).decode()
    return f"data:image/jpeg;base64,{data}"
