"""``actionzoo timeline``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from actionzoo.cli.common import (
    DONE,
    SOME_FAILED,
    SPEC_HELP,
    bytes_progress,
    needs,
    read_spec,
    show_reports,
    steps_progress,
)
from actionzoo.cli.predict import MODEL_HELP
from actionzoo.errors import ActionZooError, ConfigError

if TYPE_CHECKING:
    from actionzoo.timeline.config import TimelineConfig
    from actionzoo.timeline.result import Timeline
    from actionzoo.timeline.run import SecondsDone, SegmentFinder

_FORMATS = ("json", "csv", "srt", "vtt", "eaf", "html", "mp4")
_ON_SCREEN = frozenset({"json", "csv", "srt", "vtt", "eaf"})
"""Formats that go to the screen where no file is named."""
_NONE = "none"

_Files = Mapping[str, Path]
"""Of one video, by format."""


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "timeline",
        help="say what happens in long videos from when to when",
        description="Say what happens in long videos from when to when.",
        epilog="A path that starts with a dash goes behind --, as in: actionzoo timeline -- -a.mp4",
    )
    add = parser.add_argument
    add("videos", nargs="+", metavar="VIDEO", help="as predict takes them: files, folders, URLs")
    add("--model", default="figures10", metavar="NAME|FILE|FOLDER", help=MODEL_HELP)
    add("--device", default="CPU", help="as predict takes it; default: %(default)s")
    add("--spec", type=Path, metavar="FILE.json", help=SPEC_HELP)
    add("--recursive", action="store_true", help="search folders to the bottom")
    out = parser.add_argument_group("what is written").add_argument
    out(
        "--format",
        action="append",
        default=[],
        metavar="FORMAT",
        help=f"{', '.join(_FORMATS)}; several with commas between them, or by giving it again; "
        "default: by the ending of --output, else a table on the screen",
    )
    out(
        "--output",
        type=Path,
        metavar="FILE|DIR",
        help="a file, whose ending is changed for several formats, or a folder; what is there is "
        "replaced; default: the screen for one text, else the current folder",
    )
    out("--embed", action="store_true", help="make videos up to 20 MB a part of the page (html)")
    _add_settings(parser.add_argument_group("what is a segment").add_argument)
    parser.set_defaults(run=_run, list="videos")


def _add_settings(add: Callable[..., object]) -> None:
    add("--threshold", type=float, metavar="SCORE", help="a label begins above it; default: 0.5")
    add("--leave", type=float, metavar="SCORE", help="and ends below it; default: 0.6 of that")
    add("--min-length", type=float, metavar="SECONDS", help="of a segment; default: 0.5")
    add("--min-gap", type=float, metavar="SECONDS", help="shorter ones are closed; default: 1")
    add("--smooth", type=int, metavar="N", help="answers that are averaged, odd; default: 5")
    add("--hop", type=float, metavar="SECONDS", help="between two answers; default: 0.25")
    add(
        "--background",
        action="append",
        metavar="LABEL",
        help="a label that means that nothing happens, may be given several times; "
        f"{_NONE!r} for none; default: found by names such as background or No gesture",
    )
    add(
        "--labels",
        action="append",
        metavar="LABEL,LABEL",
        help="look for these only; several with commas between them, or by giving it again",
    )


def _run(arguments: argparse.Namespace) -> int:
    from actionzoo.prediction import Failure
    from actionzoo.sources import expand_sources

    show_reports()
    config = _config(arguments)
    found = list(expand_sources(arguments.videos, recursive=arguments.recursive))
    videos = [one for one in found if isinstance(one, str)]
    files = _targets(videos, _kinds(arguments), arguments.output)
    if any("mp4" in one for one in files):
        with needs("live", "--format mp4"):
            import actionzoo.drawing  # noqa: F401
    failures = [one for one in found if isinstance(one, Failure)]
    for failure in failures:
        _complain(str(failure.error))
    finder = _finder(arguments, config)
    failed = len(failures)
    for number, (video, targets) in enumerate(zip(videos, files, strict=True), 1):
        which = f" {number}/{len(videos)}" if len(videos) > 1 else ""
        try:
            _do(
                finder,
                video,
                targets,
                screen=_screen(arguments),
                which=which,
                embed=arguments.embed,
            )
        except ActionZooError as error:
            _complain(str(error))
            failed += 1
    return SOME_FAILED if failed else DONE


def _finder(arguments: argparse.Namespace, config: TimelineConfig) -> SegmentFinder:
    from actionzoo.timeline.run import SegmentFinder

    with bytes_progress("download") as report:
        return SegmentFinder(
            arguments.model,
            config=config,
            device=arguments.device,
            spec=read_spec(arguments.spec),
            progress=report,
        )


def _do(
    finder: SegmentFinder, video: str, files: _Files, *, screen: str, which: str, embed: bool
) -> None:
    """Find the segments of one video, and write or show them."""
    from actionzoo.timeline.writing import write_timeline

    with _seconds_progress(f"timeline{which}") as progress:
        timeline = finder(video, progress=progress)
    for warning in timeline.warnings:
        _complain(f"{video!r}: {warning}")
    if not files:
        _show(timeline, screen)
        return
    # The page may show the annotated video, which has to be there by then.
    for kind in sorted(files, key=lambda one: one != "mp4"):
        with _seconds_progress(f"{kind}{which}", shown=kind == "mp4") as progress:
            said = write_timeline(
                timeline,
                files[kind],
                kind,
                video=files.get("mp4"),
                embed=embed,
                progress=progress,
            )
        for one in said:
            _complain(f"{video!r}: {one}")
        print(files[kind], file=sys.stderr)


# What was asked for.


def _config(arguments: argparse.Namespace) -> TimelineConfig:
    from actionzoo.timeline.config import TimelineConfig

    given = {
        "threshold": arguments.threshold,
        "leave": arguments.leave,
        "min_length_seconds": arguments.min_length,
        "min_gap_seconds": arguments.min_gap,
        "smooth": arguments.smooth,
        "hop_seconds": arguments.hop,
        "background": _background(arguments.background),
        "labels": arguments.labels and tuple(_split(arguments.labels)),
    }
    return TimelineConfig(**{name: one for name, one in given.items() if one is not None})


def _background(given: list[str] | None) -> tuple[str, ...] | None:
    if given is None:
        return None
    return tuple(one for one in given if one.lower() != _NONE)


def _split(given: Sequence[str]) -> list[str]:
    words = [word.strip() for text in given for word in text.split(",")]
    return [word for word in words if word]


def _kinds(arguments: argparse.Namespace) -> list[str]:
    """Return the formats that files are written in; none for a table."""
    kinds = list(dict.fromkeys(word.lower() for word in _split(arguments.format)))
    for kind in kinds:
        if kind not in _FORMATS:
            raise ConfigError(f"there is no format {kind!r}; give {', '.join(_FORMATS)}")
    if kinds or arguments.output is None:
        return kinds
    ending = arguments.output.suffix.lower().lstrip(".")
    if ending not in _FORMATS:
        raise ConfigError(
            f"{str(arguments.output)!r} tells no format by its ending; "
            f"give --format with one or more of {', '.join(_FORMATS)}"
        )
    return [ending]


def _screen(arguments: argparse.Namespace) -> str:
    """Return the format that is shown on the screen, where no file is written."""
    kinds = _kinds(arguments)
    return kinds[0] if kinds else "table"


def _targets(videos: Sequence[str], kinds: Sequence[str], output: Path | None) -> list[_Files]:
    """Choose the files of each video; none where it is shown on the screen.

    Raises:
        ConfigError: Two videos would be written to one file, or one over itself.
    """
    on_screen = len(videos) == 1 and len(kinds) == 1 and kinds[0] in _ON_SCREEN
    if not kinds or (output is None and on_screen):
        return [{} for _ in videos]
    in_folder = output is None or _is_folder(output, videos)
    folder = Path() if output is None else output if in_folder else output.parent
    folder.mkdir(parents=True, exist_ok=True)
    if output is None or in_folder:
        files = [_in_folder(folder, stem, kinds) for stem in _stems(videos)]
    elif len(kinds) == 1:
        files = [{kinds[0]: output}]
    else:
        files = [{kind: output.with_suffix(f".{kind}") for kind in kinds}]
    for video, targets in zip(videos, files, strict=False):
        for target in targets.values():
            if target.exists() and os.path.exists(video) and os.path.samefile(target, video):
                raise ConfigError(f"{video!r} would be written over; give another --output")
    return files


def _is_folder(output: Path, videos: Sequence[str]) -> bool:
    if output.is_dir() or not output.suffix:
        return True
    if len(videos) > 1:
        raise ConfigError(
            f"{len(videos)} videos do not go into one file {str(output)!r}; "
            "give a folder as --output"
        )
    return False


def _in_folder(folder: Path, stem: str, kinds: Sequence[str]) -> _Files:
    # Beside the video an mp4 of its name would be the video.
    return {
        kind: folder / (f"{stem}-actions.mp4" if kind == "mp4" else f"{stem}.{kind}")
        for kind in kinds
    }


def _stems(videos: Sequence[str]) -> list[str]:
    """Name the files of each video: by its own name, with a number where two are called alike.

    >>> _stems(["a/1.mp4", "b/1.avi", "https://example.org/x.mp4?y=1"])
    ['1', '1-2', 'x']
    """
    stems: list[str] = []
    for video in videos:
        bare = video.partition("?")[0] if "://" in video else video
        stem = Path(bare).stem or "video"
        names = (stem, *(f"{stem}-{number}" for number in range(2, len(videos) + 2)))
        stems.append(next(one for one in names if one not in stems))
    return stems


# What is seen.


def _complain(message: str) -> None:
    print(f"actionzoo: {message}", file=sys.stderr)


@contextmanager
def _seconds_progress(what: str, *, shown: bool = True) -> Iterator[SecondsDone]:
    """Show how many seconds of a video are done, and how long the rest takes."""
    with steps_progress(what, shown=shown) as report:
        last = -1

        def tell(done: float, total: float | None) -> None:
            nonlocal last
            if total is not None and int(done) > last:
                last = int(done)
                report(min(last, int(total)), int(total))

        yield tell


def _show(timeline: Timeline, kind: str) -> None:
    from actionzoo.timeline.writing import text_of

    if kind == "table":
        _show_table(timeline)
    else:
        sys.stdout.write(text_of(timeline, kind, folder=Path()))
    sys.stdout.flush()


def _show_table(timeline: Timeline) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from actionzoo.timeline.texts import clock

    # A pipe has no width: what is cut there is lost, so it is not cut.
    console = Console(width=None if sys.stdout.isatty() else 160)
    path = "".join(one if one.isprintable() else repr(one)[1:-1] for one in timeline.path)
    console.print(Text(path, style="bold"), soft_wrap=True)
    if timeline.segments:
        table = Table(box=box.SIMPLE_HEAD)
        table.add_column("start", justify="right")
        table.add_column("end", justify="right")
        table.add_column("action")
        table.add_column("score", justify="right")
        table.add_column("")
        for one in timeline.segments:
            times = (clock(at, digits=1) for at in (one.start_seconds, one.end_seconds))
            bar = Text("█" * round(24 * one.score), style="green")
            table.add_row(*times, Text(one.label), f"{one.score:6.1%}", bar)
        console.print(table)
    else:
        console.print("nothing recognised: no score passed the threshold for long enough")
    console.print(
        f"{timeline.model}, {len(timeline.segments)} segments in "
        f"{clock(timeline.duration_seconds)}, {timeline.elapsed_seconds:.1f} s"
    )
