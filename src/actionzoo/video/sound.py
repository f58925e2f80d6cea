"""Give a video the sound of another one, without encoding anything anew."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from actionzoo.errors import VideoError
from actionzoo.video.inputs import FAILURES, file_input, reason_of

_MP4_SOUND = frozenset({"aac", "ac3", "alac", "eac3", "flac", "mp2", "mp3", "mp3float", "opus"})
"""Codecs that players expect in an mp4."""


def sound_codec(path: str | os.PathLike[str]) -> str | None:
    """Return FFmpeg's name of the codec of a file's sound; None where it has none.

    Raises:
        CannotOpen: It is no file that can be opened.
    """
    with file_input(os.fspath(path)).open() as source:
        sound = source.streams.best("audio")
        known = sound is not None and sound.codec_context is not None
        return sound.codec_context.name if sound is not None and known else None


def fits_mp4(codec: str) -> bool:
    """Tell whether sound of a codec can be copied into an mp4."""
    return codec in _MP4_SOUND


def add_sound(pictures: Path, source: str | os.PathLike[str], target: Path) -> None:
    """Copy the pictures of one file and the sound of another into an mp4.

    Args:
        pictures: An mp4 whose first picture is shown when that of ``source`` is.
        source: A file with sound that fits.
        target: Overwritten; its suffix is ``.mp4``.

    Raises:
        VideoError: One of them cannot be read, or not be put together.
        OSError: The file cannot be written.
    """
    try:
        with (
            file_input(os.fspath(pictures)).open() as seen,
            file_input(os.fspath(source)).open() as heard,
            av.open(str(target), "w") as both,
        ):
            shown, sound = seen.streams.video[0], heard.streams.best("audio")
            assert isinstance(sound, AudioStream), "somebody has looked before"
            outputs = both.add_stream_from_template(shown), both.add_stream_from_template(sound)
            start = _start_seconds(heard)
            parts = _timed(seen, shown, 0, Fraction(0)), _timed(heard, sound, 1, start)
            # In the order of time: a muxer keeps what comes early until the other is there.
            for _, number, packet in heapq.merge(*parts, key=lambda one: one[:2]):
                packet.stream = outputs[number]
                both.mux(packet)
    except OSError:
        raise
    except FAILURES as error:
        reason = reason_of(error, None)
        raise VideoError(f"cannot copy the sound of {os.fspath(source)!r}: {reason}") from error


def _start_seconds(container: InputContainer) -> Fraction:
    """Return when the first picture is shown, on the container's clock."""
    stream = container.streams.best("video")
    if stream is None or stream.start_time is None or stream.time_base is None:
        return Fraction(0)
    return stream.start_time * stream.time_base


def _timed(
    container: InputContainer, stream: VideoStream | AudioStream, number: int, start: Fraction
) -> Iterator[tuple[Fraction, int, Packet[Any]]]:
    """Yield the packets of a stream from a time on, counted from there."""
    unit = stream.time_base
    assert unit is not None, "every container that is opened has a clock"
    late = round(start / unit)
    for packet in container.demux(stream):
        if packet.dts is None or packet.pts is None:
            continue
        packet.dts -= late
        packet.pts -= late
        if packet.pts >= 0:
            yield packet.dts * unit, number, packet
