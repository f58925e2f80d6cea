"""What a video is, before any model: its facts, and frames with their times."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoInfo:
    """The facts of one video."""

    name: str
    """The path or address it was opened with, or ``<bytes>``."""
    width: int
    """Width as displayed in pixels: rotation and pixel aspect ratio applied."""
    height: int
    """Height as displayed in pixels: rotation and pixel aspect ratio applied."""
    fps: Fraction | None
    """Mean frame rate in frames per second; None where nothing tells it (a folder of pictures)."""
    duration_seconds: Fraction
    """From the first frame's start to the last frame's end."""
    codec: str
    """FFmpeg's name of the codec, such as ``h264``."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Frame:
    """One picture and its time."""

    pixels: np.ndarray
    """Shape (H, W, C) uint8 in [0, 255] RGB."""
    pts_seconds: Fraction
    """Start of display, counted from the first frame of the video."""

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or self.pixels.shape[2] != 3 or self.pixels.dtype != np.uint8:
            raise ValueError(
                f"a frame is (H, W, 3) uint8, got {self.pixels.shape} {self.pixels.dtype}"
            )

    def __repr__(self) -> str:
        return f"Frame(pixels={self.pixels.shape}, pts_seconds={float(self.pts_seconds):.3f})"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Clip:
    """The frames of one clip, before any transform."""

    pixels: np.ndarray
    """Shape (T, H, W, C) uint8 in [0, 255] RGB."""
    pts_seconds: np.ndarray
    """Shape (T,) float64: the start of display of each frame, from the video's first frame."""

    def __post_init__(self) -> None:
        if self.pixels.ndim != 4 or self.pixels.dtype != np.uint8:
            raise ValueError(
                f"clip pixels are (T, H, W, C) uint8, got {self.pixels.shape} {self.pixels.dtype}"
            )
        if self.pts_seconds.shape != self.pixels.shape[:1]:
            raise ValueError(
                f"one time a frame: got {self.pts_seconds.shape} for {self.pixels.shape[0]} frames"
            )

    def __repr__(self) -> str:
        first, last = self.pts_seconds[[0, -1]]
        return f"Clip(pixels={self.pixels.shape}, pts_seconds={first:.3f}..{last:.3f})"
