"""``actionzoo export``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from actionzoo.catalog import get_spec
from actionzoo.cli.common import DONE, needs, show_reports


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
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
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    with needs("train", "export"):
        from actionzoo.export import export_openvino
        from actionzoo.zoo import create_model

    show_reports()
    spec = get_spec(arguments.model)
    model = create_model(arguments.model, pretrained=arguments.weights)
    path = arguments.output / f"{arguments.model}.xml"
    print(f"converting {arguments.model} and comparing its logits", file=sys.stderr)
    export_openvino(model, spec, path, precision=arguments.precision)
    print(f"{path}: try actionzoo predict VIDEO --model {path}")
    return DONE
