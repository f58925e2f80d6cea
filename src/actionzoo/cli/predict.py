"""``actionzoo predict``."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from actionzoo.cli.common import (
    DONE,
    SOME_FAILED,
    SPEC_HELP,
    at_least_1,
    bytes_progress,
    progress,
    rate,
    read_spec,
    show_reports,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actionzoo.prediction import Failure, Prediction

MODEL_HELP = (
    "a model file, a folder with one, or a name that actionzoo models lists, NAME@TAG for one of "
    "several weights; at its first use a name is downloaded and converted; default: %(default)s"
)


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "predict",
        help="say which actions videos show",
        description="Say which actions videos show.",
        epilog="A path that starts with a dash goes behind --, as in: actionzoo predict -- -a.mp4",
    )
    add = parser.add_argument
    add(
        "paths",
        nargs="+",
        metavar="PATH",
        help="video file, folder of videos or of pictures, glob, URL, or @list.txt",
    )
    add("--model", default="figures10", metavar="NAME|FILE|FOLDER", help=MODEL_HELP)
    add("--top-k", type=at_least_1, default=5, metavar="K", help="default: %(default)s")
    add("--clips", type=at_least_1, metavar="N", help="clips a video; default: the model's")
    add("--crops", type=int, choices=(1, 3, 10), help="crops a clip; default: the model's")
    add(
        "--format",
        choices=("table", "json", "jsonl", "csv"),
        help="default: by the ending of --output, else table",
    )
    add("--output", type=Path, metavar="FILE", help="write there instead of to the screen")
    add("--recursive", action="store_true", help="search folders to the bottom")
    add(
        "--on-error",
        choices=("skip", "stop"),
        default="skip",
        help="what a video that cannot be read ends: its own turn, or the run; default: skip",
    )
    add(
        "--device",
        default="CPU",
        help="such as CPU, GPU, NPU, AUTO or HETERO:GPU,CPU; .onnx: CPU; default: %(default)s",
    )
    add("--fps", type=rate, help="frame rate of folders of pictures; default: the model's")
    add("--spec", type=Path, metavar="FILE.json", help=SPEC_HELP)
    parser.set_defaults(run=_run, list="paths")


def _run(arguments: argparse.Namespace) -> int:
    from actionzoo.outputs import format_of, make_writer
    from actionzoo.prediction import Failure
    from actionzoo.predictor import Predictor
    from actionzoo.pretrained import find_model
    from actionzoo.sources import expand_sources

    sources = list(expand_sources(arguments.paths, recursive=arguments.recursive))
    show_reports()
    spec = read_spec(arguments.spec)
    with bytes_progress("download") as report:
        model = find_model(arguments.model, spec=spec, progress=report)
    predictor = Predictor(
        model,
        clips=arguments.clips,
        crops=arguments.crops,
        device=arguments.device,
        fps=arguments.fps,
        spec=spec,
    )
    lost = [one for one in sources if isinstance(one, Failure)]
    videos = [one for one in sources if isinstance(one, str)]
    kind = arguments.format or format_of(arguments.output)
    with ExitStack() as stack:
        file = stack.enter_context(_open_output(arguments.output))
        writer = make_writer(kind, file, top_k=arguments.top_k)
        stack.callback(writer.close)
        show = stack.enter_context(progress("predict", len(sources), shown=_bar_fits(kind, file)))
        failures = 0
        for outcome in _chain(lost, predictor.predict_many(videos)):
            writer.write(outcome)
            _report(outcome)
            show()
            failures += isinstance(outcome, Failure)
            if failures and arguments.on_error == "stop":
                break
    return SOME_FAILED if failures else DONE


def _chain(
    lost: list[Failure], outcomes: Iterator[Prediction | Failure]
) -> Iterator[Prediction | Failure]:
    yield from lost
    yield from outcomes


def _report(outcome: Prediction | Failure) -> None:
    """Say on stderr what is wrong with a video; the results go elsewhere."""
    from actionzoo.prediction import Failure

    if isinstance(outcome, Failure):
        print(f"actionzoo: {outcome.error}", file=sys.stderr)
    else:
        for warning in outcome.warnings:
            print(f"actionzoo: {outcome.path!r}: {warning}", file=sys.stderr)


@contextmanager
def _open_output(path: Path | None) -> Iterator[TextIO]:
    if path is None:
        yield sys.stdout
        sys.stdout.flush()
    else:
        with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            yield file


def _bar_fits(kind: str, file: TextIO) -> bool:
    """Tell whether a progress bar is seen by somebody and in the way of nothing."""
    return sys.stderr.isatty() and (kind == "table" or not file.isatty())
