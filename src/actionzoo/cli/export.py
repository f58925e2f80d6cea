"""``actionzoo export``."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from actionzoo.cli.common import (
    DONE,
    SOME_FAILED,
    at_least_1,
    bytes_progress,
    needs,
    show_reports,
    steps_progress,
)

if TYPE_CHECKING:
    from rich.table import Table

    from actionzoo.exporting.certificate import Certificate, Stage
    from actionzoo.exporting.config import ExportConfig

EPILOG = """\
With the files comes their proof: parity.json, and parity.html for people, which says on real clips
how far each file is from the original, how fast and how large it is, and which one to ship. The
exit code is 1 where a bound is broken: relative difference of logits 1e-4 in fp32, 1e-2 in fp16;
the same top-1 on all clips in fp32, on 98 % in int8; and --max-drop.

examples:
  actionzoo export runs/1 --precision fp32,fp16,int8 --output out      and read out/parity.html
  actionzoo export runs/1 --precision int8 --max-drop 0.5 --output out
  actionzoo export x3d_s_kinetics400 --to openvino,onnx --weights x3d_s.pyth --output out
  actionzoo export action-recognition-0001 --weights none --output out
                                        the encoder and the decoder of Open Model Zoo's documents
  actionzoo predict VIDEO --model out                                  use the one recommended
"""
_WIDTH = 110


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "export",
        help="write a model as OpenVINO or ONNX files, with proof that the numbers did not change",
        description="Write a model as files of OpenVINO or ONNX in fp32, fp16 or int8, each with "
        "its spec and labels inside, and prove on real clips that the numbers did not change.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "model",
        metavar="MODEL",
        help="a name that actionzoo models lists (NAME@TAG), a run folder of actionzoo train, a "
        ".safetensors of a run, an exported .xml or .onnx",
    )
    add("--output", type=Path, required=True, metavar="DIR", help="a new folder")
    add("--overwrite", action="store_true", help="take the place of an older export there")
    add(
        "--to",
        type=_words,
        default=("openvino",),
        metavar="TARGETS",
        help="openvino, onnx, or openvino,onnx; default: openvino",
    )
    add(
        "--precision",
        type=_words,
        default=("fp16",),
        metavar="PRECISIONS",
        help="of fp32,fp16,int8; default: fp16",
    )
    add(
        "--weights",
        default="pretrained",
        metavar="pretrained|none|FILE|TAG",
        help="for a name of the zoo: none is a network with random parameters, for sizes and "
        "speeds; FILE a checkpoint; TAG one of several published weights",
    )
    _add_form(parser)
    _add_int8(parser)
    _add_proof(parser)
    parser.set_defaults(run=_run)


def _add_form(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("what the files take and give").add_argument
    add(
        "--form",
        choices=("clip", "omz", "step"),
        help="clip: one file, clips to logits; omz: as Open Model Zoo documents the family (VTN: "
        "encoder and decoder; Inception I3D: Placeholder to Softmax); step: one frame and the "
        "state of a streaming model; default: omz for models of Open Model Zoo, else clip",
    )
    add("--layout", help="axes of the input, such as NSCTHW (OTX) or NDHWC; default: the form's")
    add("--frames", type=_count, metavar="N|dynamic", help="of a clip; default: the model's")
    add(
        "--batch",
        type=_count,
        metavar="N|dynamic",
        help="clips at a time; default: what the form documents, else dynamic",
    )
    add(
        "--embed-preprocessing",
        type=str.upper,
        choices=("RGB", "BGR"),
        help="take 8-bit frames of any size in this order of colours, and give scores",
    )


def _add_int8(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("int8").add_argument
    add(
        "--calibrate",
        metavar="DATA",
        help="videos whose activations set the ranges; default: a run's own training videos, "
        "or else drawn ones",
    )
    add("--calibration-clips", type=at_least_1, default=300, metavar="N", help="default: 300")
    add(
        "--max-drop",
        type=float,
        metavar="POINTS",
        help="of top-1 accuracy that int8 may lose on the videos of --verify: layers go back to "
        "floating point until that holds, or int8 is refused",
    )
    add("--qat", action="store_true", help="fine-tune a run's network with int8's rounding in it")
    add("--qat-epochs", type=at_least_1, metavar="N", help="default: chosen")


def _add_proof(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("proof").add_argument
    add(
        "--verify",
        metavar="DATA",
        help="videos to compare the files on, labelled for accuracy; default: a run's own "
        "validation videos, or else drawn ones",
    )
    add(
        "--labels",
        metavar="FILE|NAME",
        help="other names for the classes of those videos, in their order, such as weizmann10",
    )
    add("--clips", type=at_least_1, default=100, metavar="N", help="at most so many; default: 100")


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))


def _count(text: str) -> int | str:
    return text if text == "dynamic" else at_least_1(text)


def _run(arguments: argparse.Namespace) -> int:
    with needs("export", "exporting"):
        from actionzoo.exporting.run import export

    show_reports()
    with bytes_progress("download") as download, steps_progress("clips") as clips:
        certificate = export(
            arguments.model,
            output=arguments.output,
            config=_config(arguments),
            command=shlex.join(["actionzoo", *sys.argv[1:]]),
            download=download,
            progress=clips,
        )
    _print(certificate)
    page = arguments.output / "parity.html"
    written = any(stage.files for stage in certificate.stages)
    told = f"{page}: which file to ship, and why" if written else "nothing was written"
    print(told, file=sys.stderr)
    return DONE if certificate.holds else SOME_FAILED


def _config(arguments: argparse.Namespace) -> ExportConfig:
    from dataclasses import fields

    from actionzoo.exporting.config import ExportConfig

    return ExportConfig(**{one.name: getattr(arguments, one.name) for one in fields(ExportConfig)})


def _print(certificate: Certificate) -> None:
    """Show the stages beside each other, and which one to ship."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    console.print(_table(certificate))
    for stage in certificate.stages:
        refused = [f"{stage.stage}: {stage.refused}"] if stage.refused else []
        for reason in (*refused, *stage.broken):
            console.print(reason, highlight=False, markup=False, soft_wrap=True)
    console.print(certificate.recommended.why, highlight=False, markup=False, soft_wrap=True)


def _table(certificate: Certificate) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, title=f"{certificate.model}, {len(certificate.clips)} clips")
    table.add_column("")
    for name in ("ms a view", "size", "difference", "same top-1", "top-1", ""):
        table.add_column(name, justify="right", no_wrap=True)
    for stage in (certificate.reference, *certificate.stages):
        table.add_row(stage.stage, *_cells(stage), _verdict(stage, certificate))
    return table


def _cells(stage: Stage) -> list[str]:
    one = stage.measured
    if one is None:
        return [""] * 5
    size = "" if stage.size_bytes is None else f"{stage.size_bytes / 1e6:.2f} MB"
    accuracy = "" if one.accuracy is None else f"{one.accuracy.share:.1%}"
    return [
        f"{one.milliseconds:.1f}",
        size,
        f"{one.max_difference:.1e}",
        f"{one.top1_agreement:.1%}",
        accuracy,
    ]


def _verdict(stage: Stage, certificate: Certificate) -> str:
    if stage.refused:
        return "refused"
    if stage.broken:
        return "bound broken"
    return "ship this" if stage.stage == certificate.recommended.stage else ""
