"""What a page lets its visitors ask for."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

from actionzoo.errors import ConfigError

_BYTES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9}
_SECONDS = {"": 1, "s": 1, "min": 60, "h": 3600}
_AMOUNT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Bounds of a page, for all visitors together where nothing else is said."""

    video_bytes: int = 500 * 10**6
    """Of one video."""
    video_seconds: float = 30 * 60
    """Of one video."""
    workers: int = 1
    """Videos that are looked at at a time; others wait for their turn."""
    waiting: int = 16
    """Videos that may wait; further ones are turned away."""
    stored_bytes: int = 10 * 10**9
    """Of all uploaded videos; beyond it the oldest are deleted."""
    stored_seconds: float = 60 * 60
    """How long an uploaded video is kept at most."""
    work_seconds: float = 20 * 60
    """How long the page works on one video at most."""
    video_pixels: int = 4096 * 2304
    """Of a picture of a video: 4K, of cameras and of the cinema."""
    cameras: int = 4
    """Cameras that are watched at a time."""
    idle_seconds: float = 20
    """A camera that sends nothing for so long has gone."""
    camera_bytes: int = 400_000
    """Of one picture of a camera."""
    camera_pixels: int = 1280 * 1280
    """Of one picture of a camera."""

    def __post_init__(self) -> None:
        for one in fields(self):
            if not 0 < (value := getattr(self, one.name)) < float("inf"):
                raise ConfigError(f"{one.name} is {value}; it is above 0")


def read_bytes(text: str) -> int:
    """Read a size.

    Raises:
        ConfigError: It is none.

    >>> read_bytes("500MB"), read_bytes("1.5 GB")
    (500000000, 1500000000)
    """
    return int(_read(text, _BYTES, "size", "500MB or 2GB"))


def read_seconds(text: str) -> float:
    """Read a duration.

    Raises:
        ConfigError: It is none.

    >>> read_seconds("30min"), read_seconds("90")
    (1800.0, 90.0)
    """
    return _read(text, _SECONDS, "duration", "30min, 2h or 90s")


def _read(text: str, units: dict[str, int], what: str, example: str) -> float:
    found = _AMOUNT.fullmatch(text)
    unit = units.get(found[2].lower()) if found else None
    if found is None or unit is None or not (value := float(found[1]) * unit) >= 1:
        raise ConfigError(f"{text!r} is no {what}; give one such as {example}")
    return value
