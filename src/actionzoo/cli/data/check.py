"""``actionzoo data check``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from actionzoo.catalog import get_spec
from actionzoo.cli.common import DONE, SOME_FAILED, at_least_1, steps_progress
from actionzoo.cli.data.opening import add_data, open_data
from actionzoo.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from actionzoo.datasets import VideoDataset
    from actionzoo.datasets.findings import Finding, Report
    from actionzoo.video.probing import Inspection

MOST_CASES = 5
"""As many cases of a finding are printed."""
_COLOURS = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "check",
        help="what would spoil a training: broken videos, leaks, doubtful labels",
        description="Open every video, and say what would spoil a training or an evaluation. The "
        "exit code is 1 where something is wrong.",
    )
    add_data(parser)
    add = parser.add_argument
    add("--deep", action="store_true", help="decode every video to its end")
    add("--model", metavar="NAME", help="say which videos are too short for a model of the zoo")
    add("--report", type=Path, metavar="FILE.html", help="a page with thumbnails")
    add("--quarantine", type=Path, metavar="FILE", help="the list of what to leave out of training")
    add("--processes", type=at_least_1, metavar="N", help="default: one a core")
    add("--json", action="store_true", help="for programs")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    for file in (arguments.report, arguments.quarantine):
        # Known before hours of decoding rather than after.
        if file is not None and not file.absolute().parent.is_dir():
            raise ConfigError(f"there is no folder for {str(file)!r}; make it, or give another")
    model = get_spec(arguments.model).input if arguments.model else None
    dataset = open_data(arguments, skip_malformed=True)
    from actionzoo.datasets.check import check
    from actionzoo.datasets.inspection import inspect
    from actionzoo.datasets.similar import find_similar

    processes = arguments.processes
    with steps_progress("decode" if arguments.deep else "probe") as report_step:
        inspections = inspect(
            dataset, deep=arguments.deep, processes=processes, progress=report_step
        )
    with steps_progress("compare") as report_step:
        similar = find_similar(dataset, inspections, processes=processes, progress=report_step)
    report = check(dataset, inspections, similar=similar, model=model, deep=arguments.deep)
    if arguments.json:
        print(json.dumps(report.to_dict(), ensure_ascii=False, indent=2))
    else:
        _print(str(arguments.data), report)
    _write(arguments, report, dataset, inspections)
    return DONE if report.is_clean else SOME_FAILED


def _write(
    arguments: argparse.Namespace,
    report: Report,
    dataset: VideoDataset,
    inspections: list[Inspection],
) -> None:
    """Write the page and the list that were asked for."""
    from actionzoo.datasets.quarantine import write_quarantine
    from actionzoo.datasets.report import write_html

    if arguments.report is not None:
        write_html(report, dataset, inspections, arguments.report)
    if arguments.quarantine is not None:
        write_quarantine(arguments.quarantine, report.quarantine())


def _print(name: str, report: Report) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False, soft_wrap=True)
    facts = report.facts
    console.print(
        f"{escape(name)}: {facts['videos']:,} videos of {facts['classes']} classes, "
        f"list hash {facts['list_hash']}",
        style="b",
    )
    for finding in report.findings:
        _print_finding(console, finding)
    console.print(_verdict(report))


def _print_finding(console: Console, finding: Finding) -> None:
    from rich.markup import escape

    colour = _COLOURS[finding.severity]
    console.print(f"[{colour}]{finding.severity:8}[/] {escape(finding.message)}")
    for case in finding.cases[:MOST_CASES]:
        where = f" ({', '.join(case.origins[:2])})" if case.origins else ""
        paths = f"{', '.join(case.paths[:3])}: " if case.paths else ""
        console.print(f"           {escape(paths + case.detail + where)}")
    if len(finding.cases) > MOST_CASES:
        console.print(f"           and {len(finding.cases) - MOST_CASES:,} more", style="dim")


def _verdict(report: Report) -> str:
    counts = {kind: len(report.of_severity(kind)) for kind in ("error", "warning", "note")}
    told = [f"{count} {kind}{'s' * (count != 1)}" for kind, count in counts.items() if count]
    quarantine = report.quarantine()
    if report.is_clean:
        return f"[green]nothing wrong[/]{': ' * bool(told)}{', '.join(told)}"
    more = f"; {len(quarantine):,} videos to leave out: --quarantine FILE" if quarantine else ""
    return f"{', '.join(told)}{more}"
