"""``actionzoo models``: list, show, download and convert the models of the zoo."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actionzoo.catalog import get_spec, list_models
from actionzoo.cli.common import DONE, SOME_FAILED, bytes_progress, needs, show_reports
from actionzoo.errors import ActionZooError, ConfigError, UnknownModel, nearest_names

if TYPE_CHECKING:
    from actionzoo.spec import InputSpec, Metric, ModelSpec, Views, Weights

VERBS = ("list", "show", "download", "convert")


def name_verb(words: Sequence[str]) -> list[str]:
    """Insert the verb ``list``, which may be left out: ``actionzoo models x3d*``."""
    words = list(words)
    if words[:1] == ["models"] and words[1:2] not in [[one] for one in (*VERBS, "-h", "--help")]:
        words.insert(1, "list")
    return words


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "models",
        help="list, show, download and convert models",
        description="List, show, download and convert the models of the zoo.",
        epilog="The verb list may be left out: actionzoo models x3d*",
    )
    models = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    _add_list(models)
    _add_show(models)
    _add_download(models)
    _add_convert(models)


# list


def _add_list(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "list",
        help="list models, a row for each published set of weights",
        description="List models, a row for each published set of weights.",
    )
    parser.add_argument("pattern", nargs="?", metavar="PATTERN", help="such as 'slowfast*'")
    parser.add_argument("--dataset", help="such as kinetics400, ucf101, hmdb51, kinetics700")
    parser.add_argument("--family", help="such as tsn, x3d, movinet")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=_list)


def _list(arguments: argparse.Namespace) -> int:
    names = list_models(arguments.pattern, dataset=arguments.dataset, family=arguments.family)
    if not names:
        raise UnknownModel(_nothing_listed(arguments))
    if arguments.json:
        rows = [_row(spec, weights) for spec, weights in _rows(names)]
        print(json.dumps(rows, ensure_ascii=False, indent=2))
    else:
        _print_table(names)
    return DONE


def _nothing_listed(arguments: argparse.Namespace) -> str:
    """Say which of the filters leaves nothing, and what it could be."""
    specs = [get_spec(name) for name in list_models()]
    for option in ("dataset", "family"):
        wanted, known = getattr(arguments, option), sorted({getattr(one, option) for one in specs})
        if wanted and not list_models(**{option: wanted}):
            return f"no model has the {option} {wanted!r}; {nearest_names(wanted, known)}"
    near = nearest_names(arguments.pattern or "", [one.name for one in specs])
    return f"no model fits {arguments.pattern!r} and the other filters; {near}"


def _rows(names: Sequence[str]) -> Iterator[tuple[ModelSpec, Weights | None]]:
    for name in names:
        spec = get_spec(name)
        yield from ((spec, weights) for weights in spec.weights or (None,))


def _row(spec: ModelSpec, weights: Weights | None) -> dict[str, Any]:
    """Return what the table says of one set of weights, as plain values."""
    top1 = _top1(weights.metrics if weights else spec.metrics)
    given = weights.input if weights and weights.input else spec.input
    return {
        "name": spec.name,
        "family": spec.family,
        "dataset": spec.dataset,
        "frames": given.frames,
        "stride": given.stride,
        "sampling": given.sampling,
        "height": given.height,
        "width": given.width,
        "parameters": spec.parameters,
        "macs": spec.macs,
        "top1": top1.value if top1 else None,
        "clips": top1.views.clips if top1 else None,
        "crops": top1.views.crops if top1 else None,
        "weights": weights.tag if weights else None,
        "source": weights.source if weights else None,
        "license": weights.license if weights else spec.license,
    }


def _top1(metrics: Sequence[Metric]) -> Metric | None:
    return next((one for one in metrics if one.name.startswith("top-1")), None)


def _print_table(names: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    columns = "name frames size parameters GMACs top-1 views weights source licence"
    for column in columns.split():
        right = column in ("frames", "size", "parameters", "GMACs", "top-1", "views")
        table.add_column(column, justify="right" if right else "left", no_wrap=True)
    for spec, weights in _rows(names):
        table.add_row(*_cells(_row(spec, weights)))
    # A table that goes into a pipe is as wide as it has to be.
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(table)


def _cells(row: dict[str, Any]) -> Iterator[str]:
    clip = row["sampling"] == "clip"
    yield row["name"]
    yield f"{row['frames']} x {row['stride']}" if clip else "segments"
    yield f"{row['height']}" if row["height"] == row["width"] else f"{row['height']}x{row['width']}"
    yield f"{row['parameters'] / 1e6:.2f} M" if row["parameters"] else "-"
    yield f"{row['macs'] / 1e9:.2f}" if row["macs"] else "-"
    yield f"{row['top1']:.2%}" if row["top1"] is not None else "-"
    yield f"{row['clips']}x{row['crops']}" if row["clips"] else "-"
    yield row["weights"] or ("bundled" if row["name"] == "figures10" else "-")
    yield row["source"] or "-"
    yield row["license"]


# show


def _add_show(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "show", help="print everything known of a model", description="Print all that is known."
    )
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--json", action="store_true", help="the whole spec, for programs")
    parser.set_defaults(run=_show)


def _show(arguments: argparse.Namespace) -> int:
    spec = get_spec(arguments.name)
    if arguments.json:
        print(json.dumps(json.loads(spec.to_json()), ensure_ascii=False, indent=2))
    else:
        for name, text in _facts(spec):
            print(f"{name:<12}{text}")
    return DONE


def _facts(spec: ModelSpec) -> Iterator[tuple[str, str]]:
    """Yield what is known of a model as lines of a name and a text."""
    yield "name", spec.name
    yield "", spec.summary
    yield "family", spec.family
    yield "classes", f"{len(spec.labels)} of {spec.dataset}: {', '.join(spec.labels[:3])} ..."
    yield from _input_facts(spec)
    if spec.parameters and spec.macs:
        yield "parameters", f"{spec.parameters:,}"
        yield "cost", f"{spec.macs / 1e9:.3f} GMACs a view: multiply-adds of its products"
    for figure in spec.figures:
        yield "document", f"{figure.value:g} {figure.name} ({figure.source}): {figure.counts}"
    for metric in spec.metrics:
        yield "accuracy", _accuracy(metric)
    for weights in spec.weights:
        yield from _weights_facts(weights)
    yield "licence", spec.license


def _input_facts(spec: ModelSpec) -> Iterator[tuple[str, str]]:
    if spec.input.sampling == "segments":
        parts = f"each of {spec.views.clips} equal parts of the video"
        yield "frames", f"{spec.input.frames} from {parts}"
    else:
        yield "frames", _frames(spec.input)
    yield "pixels", _pixels(spec.input)
    yield "views", f"{_views(spec.views)}, mean of {spec.views.average}"


def _frames(given: InputSpec) -> str:
    clock = f"{given.fps} frames a second" if given.fps else "the video's own clock"
    return f"{given.frames}, every {_ordinal(given.stride)}, on {clock}"


def _pixels(given: InputSpec) -> str:
    sides = f"{given.resize.height} x {given.resize.width}"
    size = f"{given.resize.rule} {sides}, crop {given.height} x {given.width}"
    low, high = given.value_range
    values = f"{given.color} in [{low:g}, {high:g}], mean {_numbers(given.mean)}"
    return f"{size}; {values}, std {_numbers(given.std)}"


def _numbers(values: Sequence[float]) -> str:
    same = len(set(values)) == 1
    return " ".join(f"{one:g}" for one in (values[:1] if same else values))


def _ordinal(number: int) -> str:
    return {1: "one", 2: "2nd", 3: "3rd"}.get(number, f"{number}th")


def _accuracy(metric: Metric) -> str:
    where = f"{metric.dataset} {metric.split}, {_views(metric.views)}"
    return f"{metric.name} {metric.value:.2%} on {where} ({metric.measured_by})"


def _views(views: Views) -> str:
    clips, crops = (
        f"{number} {word}{'s' if number > 1 else ''}"
        for number, word in ((views.clips, "clip"), (views.crops, "crop"))
    )
    return f"{clips} x {crops}"


def _weights_facts(weights: Weights) -> Iterator[tuple[str, str]]:
    yield "weights", f"{weights.tag}: {weights.source}, {weights.license}"
    for metric in weights.metrics:
        yield "", _accuracy(metric)
    if weights.input:
        yield "", f"on {_frames(weights.input)}; {_pixels(weights.input)}"
    for file in weights.files:
        yield "", file.url
        yield "", file.checksum or "no checksum is published; that of the first download is kept"


# download


def _add_download(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "download",
        help="fetch published weights into the cache",
        description="Fetch published weights into the cache folder (ACTIONZOO_HOME), verified. "
        "ACTIONZOO_MIRROR names a server with the same paths.",
    )
    parser.add_argument(
        "names", nargs="+", metavar="NAME", help="NAME@TAG for one of several weights"
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=_download, list="names")


def _download(arguments: argparse.Namespace) -> int:
    """Fetch one model after the other; what fails is said and harms no other."""
    show_reports()
    done: list[dict[str, str]] = []
    failures = 0
    for name in arguments.names:
        try:
            files = _fetch(name)
        except ActionZooError as error:
            failures += 1
            print(f"actionzoo: {error}", file=sys.stderr)
            continue
        done += files
        for one in files if not arguments.json else ():
            print(f"{one['file']}  sha256 {one['sha256']}")
    if arguments.json:
        print(json.dumps(done, ensure_ascii=False, indent=2))
    return SOME_FAILED if failures else DONE


def _fetch(name: str) -> list[dict[str, str]]:
    from actionzoo.download import fetch, pinned_digest

    name, _, tag = name.partition("@")
    spec = get_spec(name)
    try:
        weights = spec.choose_weights(tag or None)
    except LookupError as error:
        raise ConfigError(str(error.args[0])) from error
    with bytes_progress(name) as show:
        files = fetch(name, weights, progress=show)
    return [
        {"name": name, "tag": weights.tag, "file": str(one), "sha256": pinned_digest(one)}
        for one in files
    ]


# convert


def _add_convert(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser(
        "convert",
        help="turn a checkpoint of any known format into safetensors",
        description="Read a checkpoint of any known format, check that it fits the model, and "
        "write its parameters under this package's names.",
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--model", required=True, metavar="NAME")
    parser.add_argument("--output", required=True, type=Path, metavar="OUT.safetensors")
    parser.add_argument("--num-classes", type=int, metavar="K", help="default: the model's")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=_convert)


def _convert(arguments: argparse.Namespace) -> int:
    get_spec(arguments.model)
    with needs("train", "converting"):
        from actionzoo.weights import save_weights
        from actionzoo.zoo import create_model
    show_reports()
    model = create_model(
        arguments.model, num_classes=arguments.num_classes, pretrained=arguments.file
    )
    save_weights(model, arguments.output)
    count = sum(one.numel() for one in model.parameters())
    if arguments.json:
        written = {"model": arguments.model, "file": str(arguments.output), "parameters": count}
        print(json.dumps(written))
    else:
        print(f"{arguments.output}: {count:,} parameters of {arguments.model}")
    return DONE
