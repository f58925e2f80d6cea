"""Put a video at its place: as it is, or encoded anew, or as a folder of pictures.

Everything is made under a hidden name beside its place and gets its own when it is whole, so what
is there is whole, and is kept when the work goes on after an interruption. Sources are only read.
"""

from __future__ import annotations

import errno
import math
import os
import shutil
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Literal, cast

import numpy as np

from actionzoo.clip import VideoInfo
from actionzoo.datasets.format import is_picture_folder
from actionzoo.errors import CannotDecode, CannotOpen, ConfigError, VideoError
from actionzoo.video import (
    EndedEarly,
    Size,
    Video,
    count_frames,
    encode_jpeg,
    open_video,
    write_video,
)
from actionzoo.video.base import PICTURES_PER_SECOND
from actionzoo.video.folder import pictures_in
from actionzoo.video.inputs import file_input
from actionzoo.video.isolation import Lost, run_isolated
from actionzoo.workers import in_threads

How = Literal["link", "hard link", "copy"]
"""How a file that stays as it is gets to its place: a symbolic link is the default."""
Becomes = Literal["itself", "file", "pictures"]
"""What becomes of a video: what it is, a video file encoded anew, or a folder of pictures."""

_JPEG_SUFFIXES = (".jpg", ".jpeg")
# Annotations tell times in whole milliseconds or less exactly; frames have exact ones.
_ROUNDING_SECONDS = Fraction(1, 2000)
# MPEG-4 part 2 counts time in 1/65535 s at most (ISO/IEC 14496-2, vop_time_increment_resolution).
_LARGEST_RATE_NUMERATOR = 60_000
_LONGEST_SECONDS = 6 * 3600.0
_TIMES_AT_ONCE = 1000
# What befalls one file befalls all that come after it.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})


@dataclass(frozen=True, kw_only=True, slots=True)
class Placing:
    """One video that is to be put at a place."""

    source: Path
    """A video file or a folder of pictures."""
    target: Path
    becomes: Becomes = "itself"
    how: How = "link"
    resize: int | None = None
    """Short side in pixels of what is encoded anew; never enlarged."""
    fps: Fraction | None = None
    """Frame rate of what is encoded anew; None: the video's own, the mean where it varies."""
    source_fps: Fraction | None = None
    """Frame rate of a folder of pictures, which tells none."""
    start_seconds: float | None = None
    """Where the part begins that is wanted; None: at the beginning of the video."""
    end_seconds: float | None = None
    pictures: str = "{:05d}.jpg"
    """Names of pictures that are written; the first has the number 1."""

    @property
    def is_quick(self) -> bool:
        """Whether nothing is decoded."""
        return self.becomes == "itself"

    @property
    def is_whole(self) -> bool:
        """Whether every picture of a folder is wanted, and as it is."""
        same_rate = self.fps is None or self.fps == self.source_fps
        return same_rate and (self.resize, self.start_seconds, self.end_seconds) == (None,) * 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """What became of it."""

    num_frames: int | None = None
    """How many frames were written; None where it stayed as it is, or failed."""
    fps: Fraction | None = None
    """Frame rate of a folder of pictures, if it is known."""
    warnings: tuple[str, ...] = ()
    error: VideoError | None = None


def place_all(
    placings: Sequence[Placing],
    *,
    processes: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Generator[tuple[Placing, Placed], None, None]:
    """Put videos at their places with all cores; yield each with what became of it.

    Args:
        placings: Each with a target of its own.
        processes: How many decode and encode at a time; by default one a core.
        progress: Called after each with how many are at their places and how many will be.

    Raises:
        ConfigError: The disk is full or cannot be written.
    """
    quick = [one for one in placings if one.is_quick]
    slow = [one for one in placings if not one.is_quick]
    done = 0
    for results in (in_threads(place, quick), _in_processes(slow, processes)):
        with closing(results):
            for placing, placed in results:
                done += 1
                yield placing, placed
                if progress is not None:
                    progress(done, len(placings))


def _in_processes(
    placings: Sequence[Placing], processes: int | None
) -> Generator[tuple[Placing, Placed], None, None]:
    if processes == 1 or len(placings) < 2:
        yield from ((one, place(one)) for one in placings)
        return
    answers = run_isolated(
        place, placings, processes=processes, seconds=lambda placing: _LONGEST_SECONDS
    )
    try:
        with closing(cast(Generator[tuple[int, Placed | Lost], None, None], answers)) as found:
            for row, answer in found:
                one = placings[row]
                yield one, _lost(one, answer) if isinstance(answer, Lost) else answer
    except BaseException:
        _clear({one.target.parent for one in placings})
        raise


def _clear(folders: Iterable[Path]) -> None:
    """Remove what processes were at when they were ended."""
    for folder in folders:
        for part in (*folder.glob(".*.part"), *folder.glob(".*.part.*")):
            _remove(part)


def _lost(placing: Placing, lost: Lost) -> Placed:
    what = {
        "crashed": "ends the process that reads it, or there is no memory left",
        "hung": f"is still not through after {_LONGEST_SECONDS / 3600:.0f} hours",
    }
    return Placed(error=CannotDecode(f"{str(placing.source)!r} {what[lost.reason]}"))


def place(placing: Placing) -> Placed:
    """Put a video at its place, unless something is there.

    Raises:
        ConfigError: The disk is full or cannot be written.
    """
    try:
        warnings: tuple[str, ...] = ()
        if not placing.target.exists():
            placing.target.parent.mkdir(parents=True, exist_ok=True)
            warnings = _PLACE[placing.becomes](placing)
        num_frames = None if placing.is_quick else count_frames(placing.target)
        return Placed(num_frames=num_frames, fps=_rate(placing), warnings=warnings)
    except VideoError as error:
        return Placed(error=_plain(error))
    except (OSError, ValueError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "there is no memory left"
        message = f"cannot make {str(placing.target)!r} of {str(placing.source)!r}: {reason}"
        if getattr(error, "errno", None) in _FULL:
            raise ConfigError(message) from error
        return Placed(error=VideoError(message))


def _rate(placing: Placing) -> Fraction | None:
    """Return the frame rate of the pictures that a video has become."""
    if placing.becomes == "file" or (placing.is_quick and not placing.source.is_dir()):
        return None
    known = placing.fps or placing.source_fps
    if known is not None or placing.source.is_dir():
        return known
    with open_video(placing.source) as video:
        return video.info.fps


def _plain(error: VideoError) -> VideoError:
    """Return an error that can be sent to another process."""
    kind = type(error) if type(error) in (CannotOpen, CannotDecode) else VideoError
    return kind(str(error))


@contextmanager
def _hidden(target: Path) -> Iterator[Path]:
    """Yield the name under which a target is made; it gets its own at the end, or goes."""
    part = target.with_name(f".{target.name}.part")
    _remove(part)
    try:
        yield part
        part.replace(target)
    finally:
        _remove(part)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


# as it is


def _as_it_is(placing: Placing) -> tuple[str, ...]:
    """Link or copy a file, or a folder of pictures."""
    # To the file itself: what it was linked from may go.
    source = Path(os.path.realpath(placing.source))
    if not source.is_dir():
        _check_readable(source, placing)
    elif not is_picture_folder(source):
        raise CannotOpen(f"folder {str(placing.source)!r} holds no picture")
    elif placing.how != "link":
        names = [file.name for file in pictures_in(str(source))]
        return _put_pictures(placing, pictures_in(str(source)), names)
    with _hidden(placing.target) as part:
        _PUT[placing.how](source, part)
    return ()


def _check_readable(source: Path, placing: Placing) -> None:
    try:
        file_input(str(source))
    except CannotOpen as error:
        # By the name the dataset gives, not the one a link leads to.
        reason = str(error).partition(f"{str(source)!r}: ")[2]
        raise CannotOpen(f"cannot open {str(placing.source)!r}: {reason}") from error


def _put_pictures(placing: Placing, files: Sequence[Path], names: Sequence[str]) -> tuple[str, ...]:
    """Link or copy pictures one by one into a folder."""
    with _hidden(placing.target) as part:
        part.mkdir()
        for file, name in zip(files, names, strict=True):
            _PUT[placing.how](file, part / name)
    return ()


def _link(source: Path, target: Path) -> None:
    try:
        target.symlink_to(source, target_is_directory=source.is_dir())
    except OSError:  # not on every file system, and on Windows not for everybody
        _hard_link(source, target)


def _hard_link(source: Path, target: Path) -> None:
    if source.is_dir():
        target.mkdir()
        for file in pictures_in(str(source)):
            _hard_link(file, target / file.name)
        return
    try:
        target.hardlink_to(source)
    except OSError:  # on another disk, or on one that knows no links
        _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    """Copy a file and its time, but not its permissions: a copy may be written to."""
    shutil.copyfile(source, target)
    stat = source.stat()
    os.utime(target, ns=(stat.st_atime_ns, stat.st_mtime_ns))


_PUT: dict[How, Callable[[Path, Path], None]] = {
    "link": _link,
    "hard link": _hard_link,
    "copy": _copy,
}


# decoded and written anew


def _as_file(placing: Placing) -> tuple[str, ...]:
    """Encode a video file."""
    with open_video(placing.source, fps=placing.source_fps) as video:
        size = fitted_size(video.info, placing.resize, step=2)
        rate = placing.fps or video.info.fps or PICTURES_PER_SECOND
        pixels = _wanted_frames(video, placing, size)
        write_video(placing.target, pixels, fps=writable_rate(rate))
        return _said_of(video, placing)


def _as_pictures(placing: Placing) -> tuple[str, ...]:
    """Make a folder of pictures; those that are JPEG and stay as they are get other names only."""
    if placing.source.is_dir() and placing.is_whole:
        files = pictures_in(str(placing.source))
        names = [placing.pictures.format(number) for number in range(1, len(files) + 1)]
        if [file.name for file in files] == names and placing.how == "link":
            return _as_it_is(placing)
        if all(file.suffix.lower() in _JPEG_SUFFIXES for file in files):
            real = [Path(os.path.realpath(file)) for file in files]
            return _put_pictures(placing, real, names)
    with open_video(placing.source, fps=placing.source_fps) as video:
        size = fitted_size(video.info, placing.resize)
        with _hidden(placing.target) as part:
            part.mkdir()
            for number, pixels in enumerate(_wanted_frames(video, placing, size), 1):
                (part / placing.pictures.format(number)).write_bytes(encode_jpeg(pixels))
        return _said_of(video, placing)


_PLACE: dict[Becomes, Callable[[Placing], tuple[str, ...]]] = {
    "itself": _as_it_is,
    "file": _as_file,
    "pictures": _as_pictures,
}


def _said_of(video: Video, placing: Placing) -> tuple[str, ...]:
    return tuple(f"{str(placing.source)!r}: {said}" for said in video.warnings)


def _wanted_frames(video: Video, placing: Placing, size: Size) -> Iterator[np.ndarray]:
    """Read the frames to be written, as far as there are any.

    Raises:
        VideoError: There is none.
    """
    times = wanted_times(
        video.info,
        start_seconds=placing.start_seconds,
        end_seconds=placing.end_seconds,
        fps=placing.fps,
    )
    found = 0
    try:
        # A header that lies may promise more than a list can hold.
        while some := list(islice(times, _TIMES_AT_ONCE)):
            for frame in video.read(some, size):
                found += 1
                yield frame.pixels
    except EndedEarly:
        if not found:
            raise


def wanted_times(
    info: VideoInfo,
    *,
    start_seconds: float | None = None,
    end_seconds: float | None = None,
    fps: Fraction | None = None,
) -> Iterator[Fraction]:
    """Return the times whose frames make a video, or a part of it.

    At the video's own rate these are the times of its frames in [start, end); at another one they
    count from the start.

    Raises:
        VideoError: The part begins where the video has ended.
    """
    duration = info.duration_seconds
    start = Fraction(start_seconds or 0)
    end = duration if end_seconds is None else min(Fraction(end_seconds), duration)
    if start >= duration:
        raise VideoError(
            f"{info.name!r} ends after {float(duration):.2f} s, before the part that starts at "
            f"{float(start):.2f} s"
        )
    if fps is not None:
        return (start + number / fps for number in range(max(1, round((end - start) * fps))))
    rate = info.fps or PICTURES_PER_SECOND
    count = max(1, round(duration * rate))
    first = min(math.ceil((start - _ROUNDING_SECONDS) * rate), count - 1)
    last = count if end == duration else math.ceil((end - _ROUNDING_SECONDS) * rate)
    return (number / rate for number in range(first, min(count, max(first + 1, last))))


def fitted_size(info: VideoInfo, short_side: int | None, *, step: int = 1) -> Size:
    """Return the size of a video whose short side is shrunk to a length; its shape is kept.

    Args:
        info: Tells its own size.
        short_side: In pixels; a video that is smaller, and any with None, keeps its size.
        step: Both sides are multiples of it: encoders that halve colours need even ones.

    Returns:
        Height and width.
    """
    own = info.height, info.width
    scale = min(Fraction(1), Fraction(short_side or min(own), min(own)))
    height, width = (
        max(step, min(round(side * scale / step), side // step) * step) for side in own
    )
    return height, width


def writable_rate(fps: Fraction) -> Fraction:
    """Return the frame rate nearest to a given one that every container can tell.

    >>> writable_rate(Fraction(30000, 1001)), writable_rate(Fraction(25_000_001, 1_000_000))
    (Fraction(30000, 1001), Fraction(25, 1))
    """
    return 1 / (1 / fps).limit_denominator(_LARGEST_RATE_NUMERATOR)
