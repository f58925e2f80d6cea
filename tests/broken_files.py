"""A corpus of broken videos: real ones, written here, and spoilt in every way from one seed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np

from videos import write_pictures, write_sound, write_video

WRITTEN = {
    "mp4": {"codec": "libx264", "b_frames": 2},
    "mov": {"codec": "mpeg4"},
    "avi": {"codec": "mpeg4"},
    "mkv": {"codec": "libx264"},
    "webm": {"codec": "libvpx-vp9"},
    "ts": {"codec": "mpeg2video"},
    "flv": {"codec": "flv1"},
    "gif": {"codec": "gif", "pix_fmt": "rgb8"},
}
"""What is spoilt, by suffix."""

Spoil = Callable[[bytes, np.random.Generator], bytes]


def _place(data: bytes, rng: np.random.Generator) -> int:
    return int(rng.integers(1, len(data)))


def truncate(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: _place(data, rng)]


def lose_the_last_bytes(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: -int(rng.integers(1, 30))]


def keep_the_header(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: int(rng.integers(4, 200))]


def lose_the_header(data: bytes, rng: np.random.Generator) -> bytes:
    return data[int(rng.integers(4, len(data) // 2)) :]


def zero(data: bytes, rng: np.random.Generator) -> bytes:
    start, length = _place(data, rng), int(rng.integers(1, len(data) // 4))
    return data[:start] + b"\0" * len(data[start : start + length]) + data[start + length :]


def flip(data: bytes, rng: np.random.Generator) -> bytes:
    spoilt = np.frombuffer(data, np.uint8).copy()
    places = rng.integers(0, len(data), int(rng.integers(1, 40)))
    spoilt[places] ^= rng.integers(1, 256, len(places)).astype(np.uint8)
    return spoilt.tobytes()


def insert(data: bytes, rng: np.random.Generator) -> bytes:
    start = _place(data, rng)
    return data[:start] + rng.bytes(int(rng.integers(1, 300))) + data[start:]


def cut_out(data: bytes, rng: np.random.Generator) -> bytes:
    start = _place(data, rng)
    return data[:start] + data[start + int(rng.integers(1, 300)) :]


def swap(data: bytes, rng: np.random.Generator) -> bytes:
    one, two, three = sorted(_place(data, rng) for _ in range(3))
    return data[:one] + data[two:three] + data[one:two] + data[three:]


def double(data: bytes, rng: np.random.Generator) -> bytes:
    return data + data[: _place(data, rng)]


def text(data: bytes, rng: np.random.Generator) -> bytes:
    return b"<html><body>404 Not Found</body></html>\n" * int(rng.integers(1, 40))


def nothing(data: bytes, rng: np.random.Generator) -> bytes:
    return b""


def noise(data: bytes, rng: np.random.Generator) -> bytes:
    return rng.bytes(len(data))


SPOILS: tuple[Spoil, ...] = (
    truncate,
    lose_the_last_bytes,
    keep_the_header,
    lose_the_header,
    zero,
    flip,
    insert,
    cut_out,
    swap,
    double,
    text,
    nothing,
    noise,
)


def write_corpus(folder: Path, count: int, *, seed: int = 0) -> list[Path]:
    """Write at least ``count`` spoilt videos into a folder and return their paths."""
    rng = np.random.default_rng(seed)
    whole = _write_whole(folder / "whole")
    folder = folder / "spoilt"
    folder.mkdir()
    made = [*_odd_paths(folder, whole), *_odd_folders(folder, rng)]
    number = 0
    while len(made) < count:
        suffix = list(WRITTEN)[number % len(WRITTEN)]
        spoil = SPOILS[number // len(WRITTEN) % len(SPOILS)]
        path = folder / f"{number:04d} {spoil.__name__}.{suffix}"
        path.write_bytes(spoil(whole[suffix].read_bytes(), rng))
        made.append(path)
        number += 1
    return made


def _write_whole(folder: Path) -> dict[str, Path]:
    folder.mkdir()
    for suffix, options in WRITTEN.items():
        path = folder / f"whole.{suffix}"
        write_video(path, range(20), fps=Fraction(25), **options)  # type: ignore[arg-type]
    return {path.suffix[1:]: path for path in folder.iterdir()}


def _odd_paths(folder: Path, whole: dict[str, Path]) -> list[Path]:
    names = ["dangling.mp4", "circle.mp4", "missing.avi", "a folder.mp4", "wrong suffix.webm"]
    names += ["sound.mp4", "new\nline #&.mkv", "<img src=x onerror=alert(1)>.mp4", "pipe.mp4"]
    dangling, circle, missing, inside, wrong, sound, named, marked, pipe = (
        folder / name for name in names
    )
    dangling.symlink_to(folder / "nowhere.mp4")
    circle.symlink_to(circle)
    inside.mkdir()
    shutil.copy(whole["avi"], wrong)
    write_sound(sound)
    shutil.copy(whole["mkv"], named)
    shutil.copy(whole["mp4"], marked)
    os.mkfifo(pipe)
    under = whole["mp4"] / "below a file.mp4"
    return [dangling, circle, missing, inside, wrong, sound, named, marked, pipe, under]


def _odd_folders(folder: Path, rng: np.random.Generator) -> list[Path]:
    made = []
    for number in range(40):
        spoil = SPOILS[number % len(SPOILS)]
        codec, name = ("png", "{:05d}.png") if number % 2 else ("mjpeg", "{:05d}.jpg")
        path = write_pictures(folder / f"pictures {number}", range(6), codec=codec, name=name)
        victim = sorted(path.iterdir())[int(rng.integers(6))]
        victim.write_bytes(spoil(victim.read_bytes(), rng))
        made.append(path)
    other = write_pictures(folder / "pictures of two shapes", range(6))
    write_pictures(other, range(1), name="img_00006.jpg", height=64, width=128)
    within = write_pictures(folder / "pictures and a folder", range(6))
    (within / "img_00003.jpg").unlink()
    (within / "img_00003.jpg").mkdir()
    return [*made, other, within]


def decodes(path: Path) -> int | str:
    """Decode a file, or the first frame of each picture of a folder, with nothing but PyAV.

    Returns:
        The number of frames, or what goes wrong.
    """
    try:
        if path.is_dir():
            return sum(_frames(one) for one in path.iterdir() if one.is_file())
        return _frames(path)
    except Exception as error:  # whatever PyAV makes of it
        return type(error).__name__


def _frames(path: Path) -> int:
    with av.open(str(path), metadata_errors="replace") as container:
        most = 1 if path.suffix in (".jpg", ".png") else None
        return sum(1 for _ in islice(container.decode(video=0), most))
