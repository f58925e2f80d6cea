"""Cameras: which there are, and how each is opened."""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qsl

import av
from av.device import DeviceInfo

from actionzoo.errors import CannotOpen, ConfigError
from actionzoo.video.connections import Connection
from actionzoo.video.inputs import FAILURES, Input

PREFIX = "camera:"

_USUAL: tuple[dict[str, str], ...] = (
    {"video_size": "640x480", "framerate": "30"},
    {"framerate": "30"},
    {},
)
"""What is asked of a camera that was not told, until it can give one: networks look at some 200
pixels, and over USB 2 an uncompressed picture of this size still comes 30 times a second."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CameraSystem:
    """How an operating system gives out its cameras."""

    format: str
    """FFmpeg's name of the device."""
    target: Callable[[str], str]
    """From the name of a camera to what FFmpeg opens."""
    numbered: Callable[[int], str] | None
    """From a number to the name of a camera; None counts in the list of them."""
    hint: str
    """What to do where one may not be used."""


SYSTEMS = {
    "linux": CameraSystem(
        format="v4l2",
        target=str,
        numbered="/dev/video{}".format,
        hint="join the group of its file (often 'video'), or run as a user who may read it",
    ),
    "darwin": CameraSystem(
        format="avfoundation",
        target="{}:none".format,
        numbered=str,
        hint="allow this terminal the camera in System Settings, Privacy & Security",
    ),
    "win32": CameraSystem(
        format="dshow",
        target="video={}".format,
        numbered=None,
        hint="allow desktop apps the camera in Settings, Privacy",
    ),
}
"""By ``sys.platform``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Camera:
    """A name such as ``camera:0?size=1280x720&fps=30``, taken apart."""

    name: str
    """As it was given."""
    device: str
    """A number, a path, or (a part of) what the system calls it."""
    options: tuple[dict[str, str], ...]
    """What is asked of it, best first, in FFmpeg's words."""


def parse_camera(name: str) -> Camera:
    """Take the name of a camera apart.

    Raises:
        ConfigError: It says something that is not understood.

    >>> parse_camera("camera:0?size=1280x720").options
    ({'video_size': '1280x720'},)
    """
    device, _, query = name.removeprefix(PREFIX).partition("?")
    options: dict[str, str] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        option, allowed = _OPTIONS.get(key, ("", "(?!)"))
        if not re.fullmatch(allowed, value):
            raise ConfigError(
                f"{name!r} asks for {key}={value}; a camera may be asked for size=WIDTHxHEIGHT and "
                "fps=NUMBER, as in 'camera:0?size=1280x720&fps=30'"
            )
        options[option] = value
    return Camera(name=name, device=device or "0", options=(options,) if options else _USUAL)


_OPTIONS = {
    "size": ("video_size", "[1-9][0-9]{0,4}x[1-9][0-9]{0,4}"),
    "fps": ("framerate", r"[1-9][0-9]{0,3}(\.[0-9]+)?"),
}
"""From our words to FFmpeg's, and what may be said."""


def connect_camera(camera: Camera, timeout_seconds: float) -> Connection:
    """Open a camera.

    Raises:
        CannotOpen: There is none of that name, it is busy, or it may not be used.
    """
    system = SYSTEMS.get(sys.platform)
    if system is None:
        raise CannotOpen(f"cannot open {camera.name!r}: cameras are not known on {sys.platform}")
    device = _device(camera.device, system)
    source = Input(
        name=camera.name,
        target=system.target(device),
        protocols="none",
        formats=system.format,
        format=system.format,
        timeout_seconds=timeout_seconds,
    )
    error = CannotOpen(camera.name)
    for options in camera.options:
        try:
            return Connection(replace(source, options=options))
        except CannotOpen as failure:
            error = failure
        except ValueError as failure:  # what PyAV raises for a format that it does not know
            raise CannotOpen(
                f"cannot open {camera.name!r}: this build of PyAV reads no cameras "
                f"({system.format}); install PyAV's own wheel"
            ) from failure
    raise CannotOpen(f"{error}; {_what_to_do(error.__cause__, system)}") from error


def _device(asked: str, system: CameraSystem) -> str:
    """Return the system's name of a camera."""
    if asked.isdecimal() and system.numbered is not None:
        return system.numbered(int(asked))
    found = _cameras(system.format)
    if asked.isdecimal():
        return found[int(asked)].name if int(asked) < len(found) else asked
    named = [one.name for one in found if asked.lower() in one.description.lower()]
    return named[0] if named else asked


def _cameras(format: str) -> list[DeviceInfo]:
    """List the cameras that FFmpeg finds; none where it cannot tell."""
    try:
        found = av.enumerate_input_devices(format)
    except (ValueError, *FAILURES):
        return []
    return [one for one in found if not one.media_types or "video" in one.media_types]


def _what_to_do(reason: BaseException | None, system: CameraSystem) -> str:
    if isinstance(reason, OSError) and reason.errno == errno.EBUSY:
        return "another program uses it: close that"
    found = {one.name: one.description for one in _cameras(system.format)}
    # A camera that may not be opened is not among those that FFmpeg finds.
    found = {**dict.fromkeys(_device_files(), ""), **found}
    if isinstance(reason, PermissionError):
        return system.hint
    if not found:
        return "no camera was found: connect one, or give a file or an address"
    told = (f"{PREFIX}{name} ({of})" if of else f"{PREFIX}{name}" for name, of in found.items())
    return f"there are {', '.join(told)}; if it is one of them, {system.hint}"


def _device_files() -> list[str]:
    return [str(path) for path in sorted(Path("/dev").glob("video*"))]
