"""``actionzoo evaluate``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actionzoo.cli.common import (
    DONE,
    SOME_FAILED,
    at_least_1,
    bytes_progress,
    needs,
    show_reports,
    steps_progress,
)
from actionzoo.errors import ConfigError
from actionzoo.protocols import ALL, OWN, PROTOCOLS

if TYPE_CHECKING:
    from rich.table import Table

    from actionzoo.datasets import VideoDataset
    from actionzoo.evaluation.gaps import Gap
    from actionzoo.evaluation.metrics import MetricValue
    from actionzoo.evaluation.networks import Network
    from actionzoo.evaluation.results import Evaluation
    from actionzoo.protocols import Protocol

    Metrics = Mapping[str, MetricValue]

_SHOWN = ("top1", "top5", "mean_class_accuracy", "clip_accuracy", "mean_average_precision")
_SHORT_TITLES = {"mean_class_accuracy": "mean class", "clip_accuracy": "clip"}
_MOST_FAILURES = 10
_WIDTH = 100


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "evaluate",
        help="measure how good a model is on a dataset",
        description="Measure how good a model, or a file of predictions, is on a dataset.",
        epilog=_epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "model",
        metavar="MODEL|PREDICTIONS",
        help="a name that actionzoo models lists (NAME@TAG), a run folder of actionzoo train, an "
        "exported .xml or .onnx or a folder with one; or predictions: .jsonl, .csv, .parquet, .npz",
    )
    add("data", type=Path, metavar="DATA", help="folder of a dataset, or its annotation file")
    how = parser.add_argument_group("how videos are looked at")
    how.add_argument(
        "--protocol",
        action="append",
        metavar="NAME",
        help="one of those below, may be given several times; default: what the model's published "
        "accuracy was measured with, else own",
    )
    how.add_argument("--clips", type=at_least_1, metavar="N", help="clips a video, instead")
    how.add_argument("--crops", type=int, choices=(1, 3, 10), help="crops a clip, instead")
    how.add_argument("--backend", choices=("openvino", "torch", "onnx"), help="default: by file")
    how.add_argument("--device", help="such as CPU or AUTO, or cuda with --backend torch")
    which = parser.add_argument_group("which videos")
    which.add_argument("--split", metavar="NAME", help="default: test, else val, else all videos")
    which.add_argument("--fold", type=at_least_1, default=1, metavar="N", help="one of several")
    which.add_argument("--format", metavar="NAME", help="of the dataset; default: found out")
    which.add_argument(
        "--labels",
        metavar="FILE|NAME",
        help="other names for the dataset's classes, in their order, such as weizmann10",
    )
    which.add_argument(
        "--skip-unknown-labels",
        action="store_true",
        help="leave out videos whose label the model does not know",
    )
    which.add_argument("--skip-malformed", action="store_true", help="leave out unusable rows")
    out = parser.add_argument_group("what is written")
    out.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="write evaluation.json, evaluation.parquet (logits) and report.html there",
    )
    out.add_argument("--json", action="store_true", help="print the numbers as JSON")
    parser.set_defaults(run=_run)


def _epilog() -> str:
    lines = [
        f"  {OWN:18} the model's own views, as actionzoo predict looks at a video",
        f"  {ALL:18} all that suit the model, over one decoding, and what makes the difference",
    ]
    lines += [f"  {one.name:18} {one.summary}" for one in PROTOCOLS]
    return "protocols (their sources are in docs/evaluation.md):\n" + "\n".join(lines)


def _run(arguments: argparse.Namespace) -> int:
    show_reports()
    dataset, split = _open(arguments)
    gaps: list[Gap] = []
    if _is_predictions(arguments.model):
        evaluations = [_read(arguments, dataset, split)]
    else:
        evaluations, gaps = _evaluate(arguments, dataset, split)
    with needs("train", "computing metrics"):
        from actionzoo.evaluation.metrics import compute_metrics

        metrics = [compute_metrics(one) for one in evaluations]
    _report_failures(evaluations[0])
    if arguments.output is not None:
        _write(evaluations, metrics, arguments.output)
    if arguments.json:
        print(json.dumps(_plain(evaluations, metrics, gaps), indent=1))
    else:
        _print(evaluations, metrics, gaps)
    if arguments.output is not None:
        print(f"{arguments.output / 'report.html'}: the report", file=sys.stderr)
    return SOME_FAILED if evaluations[0].failures else DONE


# data


def _open(arguments: argparse.Namespace) -> tuple[VideoDataset, str | None]:
    """Open the dataset and select its split, which is said."""
    with needs("data", "reading datasets"):
        from actionzoo.datasets import open_dataset
        from actionzoo.datasets.naming import renamed

    whole = open_dataset(
        arguments.data, format=arguments.format, skip_malformed=arguments.skip_malformed
    )
    if arguments.labels is not None:
        whole = renamed(whole, arguments.labels)
    there = whole.split_counts(arguments.fold)
    split = arguments.split or next((one for one in ("test", "val") if one in there), None)
    dataset = whole if split is None else whole.of_split(split, arguments.fold)
    if split is None and there:
        names = ", ".join(there)
        raise ConfigError(f"the dataset has neither test nor val but {names}; choose with --split")
    which = "all its videos (it is not split)" if split is None else f"its split {split}"
    fold = f", fold {arguments.fold} of {whole.folds}" if whole.folds > 1 else ""
    print(f"{arguments.data}: {which}{fold}: {len(dataset)} videos", file=sys.stderr)
    return dataset, split


def _is_predictions(model: str) -> bool:
    """Tell a file of predictions, or what this verb wrote, from a model."""
    path = Path(model)
    if path.is_dir():
        return (path / "evaluation.json").is_file()
    known = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".npz", ".npy")
    return path.suffix.lower() in known


def _read(arguments: argparse.Namespace, dataset: VideoDataset, split: str | None) -> Evaluation:
    from actionzoo.evaluation.predictions import read_predictions

    given = [
        f"--{name}"
        for name in ("protocol", "clips", "crops", "backend", "device")
        if getattr(arguments, name) is not None
    ]
    if given:
        raise ConfigError(
            f"{arguments.model!r} holds predictions, which no network makes anew; leave out "
            f"{', '.join(given)}"
        )
    return read_predictions(Path(arguments.model), dataset, split=split, fold=arguments.fold)


# looking at the videos


def _evaluate(
    arguments: argparse.Namespace, dataset: VideoDataset, split: str | None
) -> tuple[list[Evaluation], list[Gap]]:
    from actionzoo.evaluation.evaluate import evaluate
    from actionzoo.evaluation.gaps import explain_gaps
    from actionzoo.evaluation.networks import load_network

    with bytes_progress("download") as report:
        network = load_network(
            arguments.model,
            engine=arguments.backend,
            device=arguments.device,
            progress=report,
        )
    protocols = _protocols(arguments, network)
    with steps_progress("evaluate") as show:
        evaluations = evaluate(
            network,
            dataset,
            protocols=protocols,
            split=split,
            fold=arguments.fold,
            skip_unknown_labels=arguments.skip_unknown_labels,
            progress=show,
        )
    first = evaluations[0]
    if not first.paths:
        return evaluations, []
    return evaluations, explain_gaps(evaluations, protocols, network.spec.input)


def _protocols(arguments: argparse.Namespace, network: Network) -> list[Protocol]:
    from actionzoo.evaluation.evaluate import fitting_protocols
    from actionzoo.protocols import default_protocol, get_protocol, own_protocol

    names, clips, crops = arguments.protocol or [], arguments.clips, arguments.crops
    if clips or crops:
        if set(names) - {OWN}:
            raise ConfigError("--clips and --crops make a protocol of their own; give no other")
        return [own_protocol(network.spec, clips=clips, crops=crops)]
    if ALL in names:
        return fitting_protocols(network)
    if not names:
        return [default_protocol(network.spec)]
    return [
        own_protocol(network.spec) if name == OWN else get_protocol(name)
        for name in dict.fromkeys(names)
    ]


# telling the numbers


def _write(evaluations: Sequence[Evaluation], metrics: Sequence[Metrics], folder: Path) -> None:
    from actionzoo.evaluation.report import write_report
    from actionzoo.evaluation.results import (
        EVALUATION_FILE,
        LOGITS_FILE,
        write_evaluation,
        write_logits,
    )

    for one, values in zip(evaluations, metrics, strict=True):
        place = folder if len(evaluations) == 1 else folder / one.protocol["name"]
        place.mkdir(parents=True, exist_ok=True)
        write_evaluation(one, values, place / EVALUATION_FILE)
        write_logits(one, place / LOGITS_FILE)
    write_report(evaluations, folder / "report.html", metrics=metrics)


def _report_failures(evaluation: Evaluation) -> None:
    for path, reason in evaluation.failures[:_MOST_FAILURES]:
        name = "" if path in reason else f"{path!r}: "
        print(f"actionzoo: {name}{reason}", file=sys.stderr)
    more = len(evaluation.failures) - _MOST_FAILURES
    if more > 0:
        print(f"actionzoo: {more} more videos cannot be read", file=sys.stderr)


def _plain(
    evaluations: Sequence[Evaluation], metrics: Sequence[Metrics], gaps: Sequence[Gap]
) -> dict[str, Any]:
    from actionzoo.evaluation.results import plain

    first = evaluations[0]
    return {
        "model": first.model,
        "backend": first.backend,
        "dataset": first.dataset,
        "split": first.split,
        "fold": first.fold,
        "list_hash": first.list_hash,
        "videos": len(first.paths),
        "failures": [{"path": path, "reason": reason} for path, reason in first.failures],
        "seconds": plain(first.seconds),
        "protocols": [
            {
                **one.protocol,
                "metrics": {name: plain(asdict(value)) for name, value in values.items()},
            }
            for one, values in zip(evaluations, metrics, strict=True)
        ],
        "gaps": [plain(asdict(one)) for one in gaps],  # to the first protocol
    }


def _print(
    evaluations: Sequence[Evaluation], metrics: Sequence[Metrics], gaps: Sequence[Gap]
) -> None:
    from rich.console import Console

    # A pipe has no width: what is cut there is lost, so it is not cut.
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    first = evaluations[0]
    failed = f", {len(first.failures)} could not be read" if first.failures else ""
    console.print(
        f"{first.model} ({first.backend}) on {first.dataset}: {len(first.paths)} videos{failed}"
        f" in {first.seconds:.1f} s",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    if len(evaluations) == 1:
        console.print(_metric_table(first, metrics[0]))
        return
    console.print(_protocol_table(evaluations, metrics, gaps))
    if gaps:
        console.print("What each does differently from the one before it:")
    for one in gaps:
        words = f"{one.protocol}: {one.explanation}"
        console.print(words, highlight=False, markup=False, soft_wrap=True)


def _metric_table(evaluation: Evaluation, metrics: Metrics) -> Table:
    """Show the numbers of one protocol, a metric a row."""
    from rich import box
    from rich.table import Table

    from actionzoo.evaluation.metrics import TITLES

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column(evaluation.protocol["name"])
    table.add_column("", justify="right")
    table.add_column("95 % interval", justify="right")
    for name in [one for one in _SHOWN if one in metrics]:
        value = metrics[name]
        interval = f"{value.low:.1%} to {value.high:.1%}"
        table.add_row(TITLES[name], f"{value.value:.1%}", interval)
    return table


def _protocol_table(
    evaluations: Sequence[Evaluation], metrics: Sequence[Metrics], gaps: Sequence[Gap]
) -> Table:
    """Show the numbers of several protocols, one a row; the first metric with its interval."""
    from rich import box
    from rich.table import Table

    from actionzoo.evaluation.metrics import TITLES

    shown = [name for name in _SHOWN if any(name in values for values in metrics)]
    table = Table(box=box.SIMPLE_HEAD, caption="in brackets: 95 % intervals")
    table.add_column("protocol")
    for name in shown:
        title = _SHORT_TITLES.get(name, TITLES[name])
        table.add_column(title, justify="right", no_wrap=True)
        if gaps and name == shown[0]:
            first = evaluations[0].protocol["name"]
            table.add_column(f"points to {first}", justify="right", no_wrap=True)
    differences = ["", *(_difference(one, shown[0]) for one in gaps)]
    for number, (one, values) in enumerate(zip(evaluations, metrics, strict=True)):
        cells = [_cell(values.get(name), interval=name == shown[0]) for name in shown]
        if gaps:
            cells.insert(1, differences[number])
        table.add_row(one.protocol["name"], *cells)
    return table


def _cell(value: MetricValue | None, *, interval: bool) -> str:
    if value is None:
        return ""
    bounds = f" [dim]\\[{100 * value.low:.1f}, {100 * value.high:.1f}][/dim]" if interval else ""
    return f"{value.value:.1%}{bounds}"


def _difference(gap: Gap, name: str) -> str:
    if name not in gap.metrics:
        return ""
    value = gap.metrics[name].difference
    low, high = 100 * value.low, 100 * value.high
    return f"{100 * value.value:+.1f} [dim]\\[{low:+.1f}, {high:+.1f}][/dim]"
