"""``actionzoo web``."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from actionzoo.cli.common import DONE, at_least_1, bytes_progress, needs, show_reports

if TYPE_CHECKING:
    from actionzoo.web.limits import Limits


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "web",
        help="open a page to drop videos on and to stand in front of",
        description="Serve a page to drop videos on and to stand in front of with a camera. "
        "It is for this machine alone unless --host says otherwise. Ctrl-C ends it.",
    )
    add = parser.add_argument
    add(
        "--model",
        action="append",
        default=[],
        metavar="NAME|FILE|FOLDER",
        help="a model to be offered, as predict takes it; may be given several times, the first is "
        "the default; figures10 and what was downloaded before are always offered",
    )
    add("--host", default="127.0.0.1", help="address to be bound to; default: %(default)s")
    add(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="another name by which the page may be called, such as that of a proxy before it; may "
        "be given several times",
    )
    add("--port", type=_port, default=7860, help="default: %(default)s")
    add("--max-size", default="500MB", metavar="SIZE", help="of a video; default: %(default)s")
    add("--max-length", default="30min", metavar="TIME", help="of a video; default: %(default)s")
    add(
        "--workers",
        type=at_least_1,
        default=1,
        metavar="N",
        help="videos that are looked at at a time; others wait; default: %(default)s",
    )
    add(
        "--open",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="show the page in a browser; default: where there is a terminal",
    )
    parser.set_defaults(run=_run)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; give 0 to 65535, 0 for any")
    return int(text)


def _run(arguments: argparse.Namespace) -> int:
    from actionzoo.pretrained import find_model

    limits = _limits(arguments)
    with needs("web", "actionzoo web"):
        from actionzoo.web.run import serve
    show_reports()
    with bytes_progress("download") as report:
        for model in arguments.model:
            find_model(model, progress=report)
    try:
        serve(
            arguments.model,
            host=arguments.host,
            port=arguments.port,
            names=arguments.allow_host,
            limits=limits,
            open_browser=sys.stdout.isatty() if arguments.open is None else arguments.open,
            tell=_tell,
        )
    except KeyboardInterrupt:
        print("actionzoo: the page has ended", file=sys.stderr)
    return DONE


def _limits(arguments: argparse.Namespace) -> Limits:
    from actionzoo.web.limits import Limits, read_bytes, read_seconds

    return Limits(
        video_bytes=read_bytes(arguments.max_size),
        video_seconds=read_seconds(arguments.max_length),
        workers=arguments.workers,
    )


def _tell(address: str) -> None:
    print(f"the page is at {address} (Ctrl-C ends it)", flush=True)
