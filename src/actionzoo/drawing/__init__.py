"""What is written over a picture: labels with bars, the part a network sees, a clock."""

from __future__ import annotations

from actionzoo.drawing.overlay import Overlay, annotated
from actionzoo.drawing.region import Region, seen_region

__all__ = ["Overlay", "Region", "annotated", "seen_region"]
