"""The command line: ``actionzoo VERB``.

Nothing heavy is imported before a verb runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from actionzoo import __version__
from actionzoo.errors import ActionZooError, ConfigError, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actionzoo.prediction import Failure, Prediction
    from actionzoo.spec import ModelSpec

DONE, SOME_FAILED, WRONG_USAGE, CANNOT_WRITE, INTERRUPTED, CLOSED_PIPE = 0, 1, 2, 3, 130, 141

EXIT_CODES = """\
exit codes:
  0    all done
  1    some input failed; everything else was done
  2    wrong usage: an option, a model or a configuration that cannot be used
  3    the output could not be written
  130  interrupted; what was done is kept
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb.

    Args:
        argv: Words after the program's name; None takes the process's own.

    Returns:
        The exit code, as listed in ``EXIT_CODES``.
    """
    for stream in (sys.stdout, sys.stderr):
        # A file name that the terminal's encoding does not have must not end the run.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    arguments = _parse(argv)
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except ActionZooError as error:
        return _complain(str(error), WRONG_USAGE)
    except KeyboardInterrupt:
        return _complain("interrupted; what was done is kept", INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has gone; Python must not complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE
    except OSError as error:
        return _complain(f"cannot write {error.filename or 'the output'}: {error.strerror}", 3)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse words; those of a list may stand before and after options.

    argparse gives a list only the words up to the next option; the later ones are left over.
    """
    parser = _parser()
    arguments, left = parser.parse_known_args(argv)
    if left and (not hasattr(arguments, "list") or any(word.startswith("-") for word in left)):
        parser.error(f"unrecognized arguments: {' '.join(left)}")
    if left:
        getattr(arguments, arguments.list).extend(left)
    return arguments


def _complain(message: str, code: int) -> int:
    print(f"actionzoo: {message}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="actionzoo",
        description="Say which human action a video shows.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"actionzoo {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    _add_predict(verbs)
    _add_data(verbs)
    _add_train(verbs)
    _add_export(verbs)
    return parser


# predict


def _add_predict(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
    add("--model", default="figures10", metavar="NAME|FILE.xml", help="default: %(default)s")
    add("--top-k", type=_at_least_1, default=5, metavar="K", help="default: %(default)s")
    add("--clips", type=_at_least_1, metavar="N", help="clips a video; default: the model's")
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
    add("--device", default="CPU", help="default: %(default)s")
    add("--fps", type=_rate, help="frame rate of folders of pictures; default: the model's")
    add("--spec", type=Path, metavar="FILE.json", help="the spec of a model file without one")
    parser.set_defaults(run=_predict, list="paths")


def _predict(arguments: argparse.Namespace) -> int:
    from actionzoo.outputs import format_of, make_writer
    from actionzoo.prediction import Failure
    from actionzoo.predictor import Predictor
    from actionzoo.sources import expand_sources

    sources = list(expand_sources(arguments.paths, recursive=arguments.recursive))
    predictor = Predictor(
        arguments.model,
        clips=arguments.clips,
        crops=arguments.crops,
        device=arguments.device,
        fps=arguments.fps,
        spec=_read_spec(arguments.spec),
    )
    lost = [one for one in sources if isinstance(one, Failure)]
    videos = [one for one in sources if isinstance(one, str)]
    kind = arguments.format or format_of(arguments.output)
    with ExitStack() as stack:
        file = stack.enter_context(_open_output(arguments.output))
        writer = make_writer(kind, file, top_k=arguments.top_k)
        stack.callback(writer.close)
        show = stack.enter_context(_progress("predict", len(sources), shown=_bar_fits(kind, file)))
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


def _read_spec(path: Path | None) -> ModelSpec | None:
    from actionzoo.spec import ModelSpec

    if path is None:
        return None
    try:
        return ModelSpec.from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot use {str(path)!r} as a model's spec: {error}") from error


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


@contextmanager
def _progress(what: str, total: int, *, shown: bool) -> Iterator[Callable[[], None]]:
    """Show a bar with rate and time left; yield what moves it on by one."""
    if not shown or total < 2:
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    rate = TextColumn("{task.fields[rate]}")
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total, rate="")

        def advance() -> None:
            progress.advance(task)
            speed = progress.tasks[0].speed
            progress.update(task, rate=f"{speed:.1f}/s" if speed else "")

        yield advance


# data


def _add_data(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("data", help="make labelled video", description="Make data.")
    data = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    make = data.add_parser(
        "make",
        help="draw figures performing ten actions",
        description="Draw labelled clips of figures performing ten actions, in class folders.",
    )
    make.add_argument("folder", type=Path, metavar="DIR")
    make.add_argument("--clips-per-class", type=_at_least_1, default=20, metavar="N")
    make.add_argument("--seed", type=int, default=0, help="same seed, same clips; default: 0")
    make.set_defaults(run=_data_make)


def _data_make(arguments: argparse.Namespace) -> int:
    from actionzoo.synthetic import ACTIONS, make_dataset

    total = len(ACTIONS) * arguments.clips_per_class
    with _progress("draw", total, shown=sys.stderr.isatty()) as show:
        make_dataset(
            arguments.folder,
            clips_per_class=arguments.clips_per_class,
            seed=arguments.seed,
            progress=lambda done, total: show(),
        )
    print(f"{total} clips of {len(ACTIONS)} actions in {arguments.folder}")
    return DONE


# train


def _add_train(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "train",
        help="train a model on class folders of videos",
        description="Train a model on a folder with one folder of videos a class. The run folder "
        "gets the model (model.xml), its metrics and its configuration.",
    )
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("--config", type=Path, metavar="RECIPE.yaml")
    parser.add_argument(
        "--output", type=Path, metavar="RUN", help="default: the first free of runs/1, runs/2 ..."
    )
    parser.add_argument(
        "settings", nargs="*", metavar="key=value", help="changes a value of the recipe"
    )
    parser.set_defaults(run=_train, list="settings")


def _train(arguments: argparse.Namespace) -> int:
    with _needs("train", "training"):
        from actionzoo.train import load_config, train

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    config = load_config(arguments.config, arguments.settings)
    path = train(arguments.data, config=config, output=arguments.output or _free_run())
    print(f"{path}: try actionzoo predict VIDEO --model {path}")
    return DONE


def _free_run() -> Path:
    runs = (Path("runs") / str(number) for number in itertools.count(1))
    return next(run for run in runs if not run.exists())


# export


def _add_export(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "export",
        help="turn a weights file into a model file that predicts by itself",
        description="Turn a published or trained weights file of a model of the zoo into an "
        "OpenVINO model file (.xml and .bin) that actionzoo predict --model takes.",
    )
    parser.add_argument("model", metavar="NAME", help="such as x3d_s_kinetics400")
    parser.add_argument("--weights", type=Path, required=True, metavar="FILE")
    parser.add_argument("--output", type=Path, default=Path(), metavar="DIR", help="default: here")
    parser.add_argument("--precision", choices=("fp32", "fp16"), default="fp16")
    parser.set_defaults(run=_export)


def _export(arguments: argparse.Namespace) -> int:
    with _needs("train", "export"):
        from actionzoo.export import export_openvino
        from actionzoo.zoo import create_model, get_spec

    spec = get_spec(arguments.model)
    model = create_model(arguments.model, weights=arguments.weights)
    path = arguments.output / f"{arguments.model}.xml"
    print(f"converting {arguments.model} and comparing its logits", file=sys.stderr)
    export_openvino(model, spec, path, precision=arguments.precision)
    print(f"{path}: try actionzoo predict VIDEO --model {path}")
    return DONE


@contextmanager
def _needs(extra: str, purpose: str) -> Iterator[None]:
    """Turn a missing library into the pip line to type."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtra(extra, purpose) from error


# what options accept


def _at_least_1(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _rate(text: str) -> Fraction:
    try:
        fps = Fraction(text)
    except (ValueError, ZeroDivisionError):
        fps = Fraction(0)
    if fps <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no rate; give 25, 29.97 or 30000/1001")
    return fps
