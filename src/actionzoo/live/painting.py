"""Frames as people see them: annotated, and mirrored where they expect a mirror."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actionzoo.drawing import Overlay, annotated, seen_region
from actionzoo.live.scene import Moment
from actionzoo.live.wording import clock_text, short_figures_text
from actionzoo.spec import InputSpec
from actionzoo.video.base import Size
from actionzoo.video.live import LiveFrame

PREPARING = "Preparing..."


@dataclass(frozen=True, kw_only=True, slots=True)
class Painter:
    """Draws frames with what is known at a moment."""

    spec: InputSpec
    """Of the network: the part that it sees is marked."""
    top_k: int
    mirrored: bool
    """Whether frames are turned from left to right; what is written over them is not."""

    def __call__(self, frame: LiveFrame, moment: Moment, size: Size) -> np.ndarray:
        """Return a frame with its annotation.

        Args:
            frame: As it came.
            moment: What is written over it.
            size: Height and width in pixels.

        Returns:
            Shape (H, W, 3) uint8 in [0, 255] RGB.
        """
        pixels = frame.pixels(size)
        overlay = self._overlay(float(frame.pts_seconds), moment, size)
        return annotated(pixels[:, ::-1] if self.mirrored else pixels, overlay)

    def _overlay(self, seconds: float, moment: Moment, size: Size) -> Overlay:
        answer, region = moment.answer, seen_region(self.spec, *size)
        others = () if answer is None else moment.top(self.top_k)
        return Overlay(
            title=PREPARING if answer is None else answer.shown.label,
            score=None if answer is None else answer.shown.score,
            rows=tuple(
                (one.label, one.score)
                for one in others
                if answer is None or one.class_index != answer.shown.class_index
            ),
            footer="" if moment.figures is None else short_figures_text(moment.figures),
            clock=clock_text(seconds),
            region=region.mirrored(size[1]) if region and self.mirrored else region,
        )
