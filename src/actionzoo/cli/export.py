"""``actionzoo export``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from actionzoo.catalog import get_spec
from actionzoo.cli.common import DONE, bytes_progress, needs, show_reports


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "export",
        help="turn weights into a model file that predicts by itself",
        description="Turn published or trained weights of a model of the zoo into an "
        "OpenVINO model file (.xml and .bin) that actionzoo predict --model takes.",
    )
    parser.add_argument("model", metavar="NAME", help="such as x3d_s_kinetics400")
    parser.add_argument(
        "--weights",
        metavar="FILE|TAG",
        help="a checkpoint, or the tag of one of several published weights; default: the published",
    )
    parser.add_argument("--output", type=Path, default=Path(), metavar="DIR", help="default: here")
    parser.add_argument("--precision", choices=("fp32", "fp16"), default="fp16")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    with needs("train", "export"):
        from actionzoo.conversion import export_openvino
        from actionzoo.zoo import create_model

    show_reports()
    spec = get_spec(arguments.model)
    with bytes_progress("download") as report:
        model = create_model(arguments.model, pretrained=arguments.weights or True, progress=report)
    if arguments.weights in (None, *(one.tag for one in spec.weights)):
        spec = spec.filled_with(spec.choose_weights(arguments.weights))
    path = arguments.output / f"{arguments.model}.xml"
    print(f"converting {arguments.model} and comparing its logits", file=sys.stderr)
    export_openvino(model, spec, path, precision=arguments.precision)
    print(f"{path}: try actionzoo predict VIDEO --model {path}")
    return DONE
