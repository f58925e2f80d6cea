"""What following a stream costs, and how old its answers are when it is too fast.

Run: python benchmarks/live.py [costs] [overload] [timeline] [--rounds 40] [--frames 10000]

costs: per frame, the streamed encoder and decoder against one inference of each alone on bare
OpenVINO with the same settings, and against the whole window anew; MoViNet-A0's step in frames a
second. The ways take turns. What counts is the least of many rounds, which a busy machine lets
through now and then; the median is told beside it. Weights are random: they cost the same as
trained ones.

overload: a source three times as fast as the looker, which is one that only waits, and then the
bundled model, which answers at every tick. How old its answers are, whether memory grows, and
whether every frame is looked at or counted as dropped.

timeline: `find_segments` with the bundled model on a drawn video of 360p, of ten seconds, three
minutes and thirty, each in a process of its own: speed, memory, and cost a minute.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path
from threading import Event
from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame

from actionzoo.spec import ModelSpec
from actionzoo.streaming.looking import Look, Looker, Rhythm
from actionzoo.streaming.ticks import Tick
from actionzoo.video.live import Capture, Converters, LiveFrame

VTN = ("action-recognition-0001", "driver-action-recognition-adas-0002")
MOVINET = "movinet_a0_stream_kinetics600"
TIMES_TOO_FAST = 3
STAND_IN_SECONDS = 0.015
SETTLED = 100
"""Answers after which an overload is measured."""
LENGTHS = {"10 s": 1, "3 min": 18, "30 min": 180}
"""How many times the drawn ten seconds are repeated."""
FPS, HEIGHT, WIDTH = Fraction(25), 360, 640

Row = dict[str, Any]


# costs


@dataclass
class Way:
    """One way to come to an answer for one more frame."""

    name: str
    run: Callable[[], object]
    seconds: list[float] = field(default_factory=list)

    def time(self) -> None:
        """Take one turn; what the way before has put into the caches is not this one's."""
        self.run()
        start = time.perf_counter()
        self.run()
        self.seconds.append(time.perf_counter() - start)


def take_turns(ways: Sequence[Way], rounds: int) -> None:
    for _ in range(rounds):
        for way in ways:
            way.time()


def times(slow: Way, fast: Way) -> float:
    """Return how many times as long one way takes as another."""
    return min(slow.seconds) / min(fast.seconds)


def tell_ways(name: str, ways: Sequence[Way]) -> None:
    for way in ways:
        least, median = 1e3 * min(way.seconds), 1e3 * float(np.median(way.seconds))
        print(f"  {name:38}{way.name:26}{least:8.2f} ms, median {median:.2f}")


def pictures(spec: ModelSpec) -> Iterator[np.ndarray]:
    """Return a few pictures of the size of a model's input, again and again."""
    rng = np.random.default_rng(0)
    size = (spec.input.height, spec.input.width, 3)
    drawn = [rng.integers(0, 256, size, np.uint8) for _ in range(24)]
    while True:
        for one in drawn:
            yield one.copy()  # no two ticks show the same frame


def handing(looker: Looker) -> Callable[[], object]:
    """Return what hands a looker its next tick."""
    shown, number = pictures(looker.spec), 0

    def hand() -> object:
        nonlocal number
        number += looker.rhythm.stride
        return looker.look([Tick(number=number, seconds=0.0, pixels=next(shown), arrived=0.0)])

    for _ in range(looker.rhythm.frames + 1):
        hand()
    assert hand() is not None, "it answers with every frame"
    return hand


def bare(file: Path, shape: tuple[int, ...]) -> Callable[[], object]:
    """Return one inference and nothing around it."""
    from actionzoo.backends.openvino_backend import device_settings, import_openvino

    settings = {**device_settings("CPU"), "NUM_STREAMS": "1"}
    request = import_openvino().Core().compile_model(file, "CPU", settings).create_infer_request()
    array = np.random.default_rng(0).random(shape, np.float32)
    return lambda: request.infer([array], share_inputs=True)


def write_pieces(name: str, form: Any, folder: Path) -> list[Path]:
    """Write a network of the zoo with random weights, in a form."""
    import torch

    from actionzoo.catalog import get_spec
    from actionzoo.conversion.forms import Wanted, pieces
    from actionzoo.conversion.openvino import save_openvino, to_openvino
    from actionzoo.zoo import create_model

    torch.manual_seed(0)
    files = []
    for piece in pieces(create_model(name), get_spec(name), Wanted(form=form)):
        files.append(folder / f"{piece.name}.xml")
        save_openvino(to_openvino(piece), files[-1], precision="fp32")
    return files


def measure_composite(name: str, rounds: int) -> list[Row]:
    from actionzoo.backends.composite import CompositeBackend
    from actionzoo.backends.openvino_backend import OpenVINOBackend
    from actionzoo.omz import assemble, composite_spec
    from actionzoo.streaming.looking import ClipLooker
    from actionzoo.streaming.opening import open_looker

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        encoder, decoder = write_pieces(name, "omz", folder)
        streamed = open_looker(folder)
        size = streamed.spec.input
        joined = assemble([encoder, decoder], composite_spec([encoder, decoder]), folder / "a.xml")
        anew = ClipLooker(CompositeBackend(encoder, decoder), streamed.rhythm)
        at_once = ClipLooker(OpenVINOBackend(joined), streamed.rhythm)
        one = bare(encoder, (1, 3, size.height, size.width)), bare(decoder, (1, size.frames, 512))
        ways = [
            Way("encoder + decoder alone", lambda: [run() for run in one]),
            Way("streamed", handing(streamed)),
            Way("the window anew", handing(anew)),
            Way("the window in one network", handing(at_once)),
        ]
        take_turns(ways, rounds)
    alone, stream, window, _ = ways
    tell_ways(name, ways)
    return [
        figure(f"{name}: streamed over both alone", times(stream, alone), 1.1, most=True),
        figure(f"{name}: the window anew over streamed", times(window, stream), 10, most=False),
    ]


def measure_step(rounds: int) -> list[Row]:
    from actionzoo.backends.stepped import SteppedModel
    from actionzoo.streaming.looking import SteppingLooker

    with tempfile.TemporaryDirectory() as place:
        (file,) = write_pieces(MOVINET, "step", Path(place))
        model = SteppedModel(file)
        size, state = model.spec.input, model.initial_state()
        frame = np.random.default_rng(0).random((1, 3, size.height, size.width), np.float32)
        stream, rhythm = model.stream(), Rhythm(frames=1, stride=1, hop=1)
        two = handing(SteppingLooker(model, rhythm, lasts=size.frames))
        for _ in range(size.frames):  # then the second state begins
            two()
        ways = [
            Way("state as a value", lambda: model.step(frame, state)),
            Way("state kept inside", lambda: stream.step(frame)),
            Way("streamed", handing(SteppingLooker(model, rhythm))),
            Way("streamed, two states", two),
        ]
        take_turns(ways, rounds)
    tell_ways(MOVINET, ways)
    return [
        figure(f"{MOVINET}: frames a second", 1 / min(ways[2].seconds), 100, most=False),
        figure(f"{MOVINET}: with two states", 1 / min(ways[3].seconds), 100, most=False),
    ]


def measure_costs(options: argparse.Namespace) -> list[Row]:
    rows = [row for name in VTN for row in measure_composite(name, options.rounds)]
    return rows + measure_step(5 * options.rounds)


# overload


class Source(Capture):
    """Pictures at a rate that nobody can hold up.

    Args:
        spec: Of the model; a picture is of its size, and one comes to every tick of its clock.
        count: How many come.
        interval_seconds: From one to the next, whatever their time stamps say.
    """

    name, waits = "source", False

    def __init__(self, spec: ModelSpec, *, count: int, interval_seconds: float) -> None:
        self.fps = spec.input.fps
        self.memory: list[int] = []
        """Bytes of the process at every thousandth frame."""
        self.came: list[float] = []
        """When frames came, which a busy machine does not keep to."""
        self._spec, self._count, self._interval = spec, count, interval_seconds
        self._closed = Event()

    def frames(self) -> Iterator[LiveFrame]:
        """Yield frames at their rate."""
        converters, began = Converters(), time.monotonic()
        shown = pictures(self._spec)
        for number in range(self._count):
            self._closed.wait(max(0.0, began + number * self._interval - time.monotonic()))
            if self._closed.is_set():
                return
            if number % 1000 == 0:
                self.memory.append(resident_bytes())
            self.came.append(time.monotonic())
            picture = VideoFrame.from_ndarray(next(shown), "rgb24")
            yield LiveFrame(picture, number / (self.fps or FPS), converters=converters)
        self.memory.append(resident_bytes())

    def close(self) -> None:
        """End it."""
        self._closed.set()


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def peak_bytes() -> int:
    # Not of getrusage, which begins with what the process that started this one had.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = [one for one in status.splitlines() if one.startswith("VmHWM")]
    return 1024 * int(line.split()[1])


class Waiting(Looker):
    """Looks at nothing for a while, and answers at every tick.

    Args:
        spec: Any model's.
        seconds: That it takes.
    """

    room, rhythm = 1, Rhythm(frames=1, stride=1, hop=1)

    def __init__(self, spec: ModelSpec, seconds: float) -> None:
        self.spec, self._seconds = spec, seconds

    def look(self, ticks: Sequence[Tick]) -> Look | None:
        """Wait, and answer."""
        time.sleep(self._seconds)
        output = np.zeros((1, len(self.spec.labels)), np.float32)
        return Look(output=output, first=ticks[0], last=ticks[-1])

    def finish(self) -> Look | None:
        """Answer nothing more."""
        return None

    def reset(self) -> None:
        """Forget nothing."""


class Watched(Looker):
    """Counts what another is handed, and notes how long it looks."""

    def __init__(self, looker: Looker) -> None:
        self.spec, self.rhythm, self.room = looker.spec, looker.rhythm, looker.room
        self.ticks, self.seconds = 0, list[float]()
        self._looker = looker

    def look(self, ticks: Sequence[Tick]) -> Look | None:
        """Let the other look."""
        start = time.perf_counter()
        look = self._looker.look(ticks)
        self.ticks += len(ticks)
        if look is not None:
            self.seconds.append(time.perf_counter() - start)
        return look

    def finish(self) -> Look | None:
        """Let the other finish."""
        return self._looker.finish()

    def reset(self) -> None:
        """Forget all."""
        self._looker.reset()
        self.ticks, self.seconds = 0, []


def measure_overload(options: argparse.Namespace) -> list[Row]:
    from actionzoo.streaming.opening import open_looker

    bundled = open_looker(hop_seconds=0.001)
    waiting = Waiting(bundled.spec, STAND_IN_SECONDS)
    rows = overload("a stand-in", waiting, STAND_IN_SECONDS, options.frames)
    return rows + overload("figures10", bundled, looking_seconds(bundled), options.frames)


def looking_seconds(looker: Looker) -> float:
    """Return how long a looker takes for an answer, all its ticks normalised anew."""
    way = Way("", handing(looker))
    take_turns([way], 50)
    return float(np.median(way.seconds))


def overload(name: str, looker: Looker, seconds: float, count: int) -> list[Row]:
    from actionzoo.streaming.stream import Stream

    interval = seconds / TIMES_TOO_FAST
    watched = Watched(looker)
    source = Source(looker.spec, count=count, interval_seconds=interval)
    with Stream(source, watched) as stream:
        ages = [one.age_seconds for one in stream]
        figures = stream.statistics
    age = 1e3 * float(np.percentile(ages[SETTLED:], 99))
    look = 1e3 * float(np.percentile(watched.seconds[SETTLED:], 99))
    gap = 1e3 * float(np.percentile(np.diff(source.came), 99))
    grown = (max(source.memory[-1:]) - source.memory[min(1, len(source.memory) - 2)]) / 1e6
    print(
        f"  {name:38}{figures.frames} frames every {1e3 * interval:.1f} ms: "
        f"{watched.ticks} looked at, {figures.dropped} dropped, {figures.answers} answers; "
        f"at p99 {look:.1f} ms of looking, {gap:.1f} from frame to frame"
    )
    lost = figures.frames - watched.ticks - figures.dropped
    return [
        figure(f"{name}: age at p99, ms", age, look + 2 * gap, most=True),
        figure(f"{name}: memory grown, MB", grown, 5, most=True),
        figure(f"{name}: frames not accounted for", abs(lost), 0, most=True),
    ]


# timeline


def write_long_videos(folder: Path) -> dict[str, Path]:
    """Draw ten seconds, and repeat their packets."""
    from actionzoo.synthetic import ACTIONS, draw_clip
    from actionzoo.video import write_video

    rng = np.random.default_rng(0)
    first = folder / "drawn.mp4"
    clips = (draw_clip(one, rng=rng, height=HEIGHT, width=WIDTH, fps=FPS) for one in ACTIONS)
    frames = islice((frame for clip in clips for frame in clip), int(10 * FPS))
    write_video(first, frames, fps=FPS)
    return {name: repeated(first, folder / f"{n}.mp4", n) for name, n in LENGTHS.items()}


def repeated(path: Path, target: Path, times: int) -> Path:
    """Write the packets of a video of ten seconds again and again."""
    with av.open(str(target), "w") as sink:
        stream, offset = None, 0
        for _ in range(times):
            with av.open(str(path)) as source:
                video = source.streams.video[0]
                assert video.time_base is not None
                stream = stream or sink.add_stream_from_template(video)
                length = round(10 / video.time_base)
                for packet in source.demux(video):
                    if packet.dts is not None and packet.pts is not None:
                        packet.pts, packet.dts = packet.pts + offset, packet.dts + offset
                        packet.stream = stream
                        sink.mux(packet)
            offset += length
    return target


def measure_timeline(options: argparse.Namespace) -> list[Row]:
    with tempfile.TemporaryDirectory() as place:
        videos = write_long_videos(Path(place))
        # The middle length before and after the long one: a machine that slows down is seen.
        order = ("10 s", "3 min", "30 min", "3 min", "3 min")
        runs = {name: list[Row]() for name in LENGTHS}
        for name in order:
            runs[name].append(in_a_process(videos[name]))
    best = {name: min(found, key=lambda one: one["cpu_seconds"]) for name, found in runs.items()}
    minutes = {name: count / 6 for name, count in LENGTHS.items()}
    for name, one in best.items():
        print(
            f"  {name:38}{one['seconds']:8.2f} s, {one['cpu_seconds']:.2f} s of processor, "
            f"{one['peak_bytes'] / 1e6:.0f} MB, {one['segments']} segments"
        )
    a_minute = {name: one["cpu_seconds"] / minutes[name] for name, one in best.items()}
    grown = (best["30 min"]["peak_bytes"] - best["10 s"]["peak_bytes"]) / 1e6
    return [
        figure(
            "30 minutes: times as fast as real time",
            60 * minutes["30 min"] / best["30 min"]["seconds"],
            20,
            most=False,
        ),
        figure("30 minutes: memory over that of 10 s, MB", grown, 50, most=True),
        figure(
            "a minute of 30 over one of 3, processor",
            a_minute["30 min"] / a_minute["3 min"],
            1.05,
            most=True,
        ),
    ]


def in_a_process(video: Path) -> Row:
    command = [sys.executable, __file__, "--segment", str(video)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    row: Row = json.loads(done.stdout)
    return row


def segment(video: Path) -> None:
    """Find the segments of a video and print what that took, the model opened before."""
    from actionzoo.timeline.run import SegmentFinder

    find = SegmentFinder()
    start, cpu = time.perf_counter(), time.process_time()
    timeline = find(video)
    row = {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - cpu,
        "peak_bytes": peak_bytes(),
        "segments": len(timeline.segments),
    }
    print(json.dumps(row))


# telling


def figure(what: str, value: float, target: float, *, most: bool) -> Row:
    """Return a figure with the target that it is to stay below, or to reach."""
    met = value <= target if most else value >= target
    return {"what": what, "value": value, "target": target, "most": most, "met": met}


def tell(rows: Sequence[Row]) -> None:
    for row in rows:
        bound = f"{'at most' if row['most'] else 'at least'} {row['target']:.4g}"
        print(f"  {'met' if row['met'] else 'MISSED':7}{row['what']}: {row['value']:.3g} ({bound})")


PARTS: dict[str, Callable[[argparse.Namespace], list[Row]]] = {
    "costs": measure_costs,
    "overload": measure_overload,
    "timeline": measure_timeline,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--frames", type=int, default=10_000, help="of an overload")
    parser.add_argument("--json", type=Path, help="where to write the figures as JSON")
    parser.add_argument("--segment", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.segment:
        segment(options.segment)
        return
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}; there is {', '.join(PARTS)}")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    results: dict[str, list[Row]] = {}
    for name in options.parts or PARTS:
        print(name)
        results[name] = PARTS[name](options)
        tell(results[name])
        if options.json:
            options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
