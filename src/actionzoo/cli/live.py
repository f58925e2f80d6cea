"""``actionzoo live``."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from actionzoo.cli.common import (
    DONE,
    SOME_FAILED,
    SPEC_HELP,
    at_least_1,
    bytes_progress,
    needs,
    rate,
    read_spec,
    show_reports,
)
from actionzoo.cli.predict import MODEL_HELP
from actionzoo.errors import ConfigError, VideoError

if TYPE_CHECKING:
    from actionzoo.live.run import Outputs
    from actionzoo.live.views import View
    from actionzoo.streaming.looking import Looker
    from actionzoo.video.live import Capture

STDOUT = "-"
EPILOG = """\
alerts, repeatable; without "->" they are only said and written to --jsonl:
  --alert "waving for 2s"                                it is shown for two seconds
  --alert "waving>0.8 for 2s every 1min"                 its score stays above 0.8
  --alert "waving for 2s -> notify-send 'hello there'"   a command is run
  --alert "waving for 2s -> https://example.org/hook"    JSON is posted to an address

Ctrl-C, a signal to terminate, and Escape or q in the window end it: all files are finished, and the
exit code is 0.
"""


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "live",
        help="say which action a camera, a stream or a file shows, while it comes",
        description="Say which action a camera, a stream or a file shows, while it comes.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "source",
        nargs="?",
        default="camera:0",
        metavar="SOURCE",
        help="camera:0, camera:/dev/video2, an address (rtsp, http), or a file; "
        "default: %(default)s",
    )
    add("--model", default="figures10", metavar="NAME|FILE|FOLDER", help=MODEL_HELP)
    add(
        "--mode",
        choices=("sliding", "windowed"),
        default="sliding",
        help="sliding: windows overlap; windowed: each frame is in one; default: %(default)s",
    )
    add(
        "--every",
        type=at_least_1,
        metavar="N",
        help="look at every Nth frame, at the model's rate; default: the model's",
    )
    add("--hop", type=_seconds, metavar="SECONDS", help="from one answer to the next")
    add(
        "--smooth",
        type=at_least_1,
        default=1,
        metavar="N",
        help="answers that agree before another label is shown; default: %(default)s",
    )
    add("--fast", action="store_true", help="a file as fast as it goes, not at its own speed")
    add("--top-k", type=at_least_1, default=5, metavar="K", help="default: %(default)s")
    add("--show", action="store_true", help="open a window")
    add("--record", type=Path, metavar="FILE", help="record what is seen: .mp4, .mkv, .mov, .webm")
    add("--no-mirror", action="store_true", help="show and record a webcam as others see you")
    add("--jsonl", metavar="FILE", help="write events there, one JSON object a line; -: stdout")
    add("--alert", action="append", default=[], metavar="ALERT", help="see below")
    add("--duration", type=_seconds, metavar="SECONDS", help="end after so long")
    add("--limit", type=at_least_1, metavar="N", help="end after so many answers")
    add("--fps", type=rate, help="frame rate of a folder of pictures; default: 30")
    add("--device", default="CPU", help="such as CPU, GPU, NPU or AUTO; default: %(default)s")
    add("--spec", type=Path, metavar="FILE.json", help=SPEC_HELP)
    parser.set_defaults(run=_run)


def _seconds(text: str) -> float:
    """Read a time above 0."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return seconds


def _run(arguments: argparse.Namespace) -> int:
    from actionzoo.live.run import Session
    from actionzoo.streaming.opening import open_looker
    from actionzoo.video.capture import open_capture

    _check_record(arguments)
    show_reports()
    with bytes_progress("download") as report:
        looker = open_looker(
            arguments.model,
            mode=arguments.mode,
            every=arguments.every,
            hop_seconds=arguments.hop,
            device=arguments.device,
            spec=read_spec(arguments.spec),
            progress=report,
        )
    try:
        with ExitStack() as stack:
            stack.enter_context(_ended_by_sigterm())
            realtime = not arguments.fast
            capture = open_capture(arguments.source, realtime=realtime, fps=arguments.fps)
            stack.callback(capture.close)
            session = Session(
                capture,
                looker,
                _outputs(arguments, capture, looker, stack),
                smooth=arguments.smooth,
                top_k=arguments.top_k,
                limit=arguments.limit,
                duration_seconds=arguments.duration,
            )
            session.run()
    except VideoError as error:
        print(f"actionzoo: {error}", file=sys.stderr)
        return SOME_FAILED
    return DONE


def _check_record(arguments: argparse.Namespace) -> None:
    """Refuse to record over what is read.

    Raises:
        ConfigError: Both are one file.
    """
    record, source = arguments.record, Path(arguments.source)
    if record is not None and record.exists() and source.exists() and record.samefile(source):
        raise ConfigError(f"--record would write over {str(source)!r}; name another file")


def _outputs(
    arguments: argparse.Namespace, capture: Capture, looker: Looker, stack: ExitStack
) -> Outputs:
    """Open everything that was asked for; the view, which takes the terminal, last."""
    from actionzoo.live.alerts import parse_alert
    from actionzoo.live.events import JsonLines
    from actionzoo.live.run import Outputs

    spec, top_k = looker.spec, arguments.top_k
    alerts = [parse_alert(text, spec.labels) for text in arguments.alert]
    events = None
    if arguments.jsonl is not None:
        events = JsonLines(stack.enter_context(_lines_file(arguments.jsonl)))
    painter = window = recording = None
    if arguments.show or arguments.record is not None:
        with needs("live", "drawing on frames (--show, --record)"):
            from actionzoo.live.painting import Painter
        mirrored = capture.mirrored and not arguments.no_mirror
        painter = Painter(spec=spec.input, top_k=top_k, mirrored=mirrored)
    if arguments.show:
        from actionzoo.live.window import TkWindow

        window = TkWindow(f"actionzoo: {arguments.source}")
        stack.callback(window.close)
    if painter is not None and arguments.record is not None:
        from actionzoo.live.recording import Recording
        from actionzoo.video.recording import Recorder

        recorder = Recorder(arguments.record, fps=capture.fps, waits=True)
        stack.callback(recorder.close)
        recording = Recording(recorder, painter, waits=capture.waits)
    return Outputs(
        view=_view(arguments, spec.name),
        events=events,
        alerts=alerts,
        painter=painter,
        window=window,
        recording=recording,
    )


@contextmanager
def _lines_file(name: str) -> Iterator[TextIO]:
    if name == STDOUT:
        yield sys.stdout
    else:
        with Path(name).open("w", encoding="utf-8") as file:
            yield file


def _view(arguments: argparse.Namespace, model: str) -> View:
    """Choose the view: the terminal if there is one and nobody else writes to it."""
    from rich.console import Console

    from actionzoo.live.views import Lines
    from actionzoo.live.wording import without_password

    taken = arguments.jsonl == STDOUT
    console = Console(stderr=taken)
    if not console.is_terminal or console.is_dumb_terminal or not console.file.isatty():
        return Lines(None if taken else sys.stdout, sys.stderr)
    from actionzoo.live.terminal import Terminal

    source = without_password(arguments.source)
    return Terminal(console, source=source, model=model, top_k=arguments.top_k)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let a signal to terminate end it as Ctrl-C does, that files are finished."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
