"""How times, figures and names are written for people."""

from __future__ import annotations

import re

from actionzoo.streaming.statistics import Statistics

_PASSWORD = re.compile(r"(?<=://)[^/@\s]+@")


def clock_text(seconds: float) -> str:
    """Write a time of a stream.

    >>> clock_text(12.44), clock_text(59.99), clock_text(3723.5)
    ('0:12.4', '1:00.0', '1:02:03.5')
    """
    tenths = round(10 * seconds)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    large = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{large}:{tenths / 10:04.1f}"


def figures_text(figures: Statistics) -> str:
    """Write how a stream is followed, in one line; what is not known yet is left out."""
    parts = [
        _rate(figures.fps_in, "fps in"),
        _rate(figures.fps_out, "fps out"),
        _latency(figures),
        _milliseconds("inference", figures.inference_seconds),
        f"{figures.dropped:,} dropped",
    ]
    return " · ".join(part for part in parts if part)


def short_figures_text(figures: Statistics) -> str:
    """Write how a stream is followed in a few words, as there is room for in a picture."""
    parts = [
        _rate(figures.fps_in, "fps"),
        _milliseconds("latency", figures.latency_p50_seconds),
        _milliseconds("inference", figures.inference_seconds),
    ]
    return " · ".join(part for part in parts if part)


def _rate(value: float | None, name: str) -> str:
    return "" if value is None else f"{value:.1f} {name}"


def _milliseconds(name: str, seconds: float | None) -> str:
    return "" if seconds is None else f"{name} {_two_digits(1000 * seconds)} ms"


def _latency(figures: Statistics) -> str:
    return ", ".join(
        _milliseconds(name, seconds)
        for name, seconds in (
            ("latency p50", figures.latency_p50_seconds),
            ("p95", figures.latency_p95_seconds),
        )
        if seconds is not None
    )


def _two_digits(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def printable(text: str) -> str:
    r"""Escape control characters, which would move about in a terminal.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def without_password(address: str) -> str:
    """Leave the name and password out of an address.

    >>> without_password("rtsp://admin:secret@10.0.0.7/1"), without_password("camera:0")
    ('rtsp://10.0.0.7/1', 'camera:0')
    """
    return _PASSWORD.sub("", address)
