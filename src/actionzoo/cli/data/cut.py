"""``actionzoo data trim`` and ``actionzoo data extract-frames``."""

from __future__ import annotations

import argparse
from pathlib import Path

from actionzoo.cli.data.convert import add_encoding, carry_out
from actionzoo.cli.data.opening import add_data, open_data


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verbs."""
    trim = verbs.add_parser(
        "trim",
        help="cut samples with a start and an end out of their files",
        description="Cut every sample that has a start or an end out of its file, exactly to the "
        "frame. The result is a folder of videos with a table. What was interrupted goes on where "
        "it stopped.",
    )
    trim.set_defaults(run=_trim)
    extract = verbs.add_parser(
        "extract-frames",
        help="make a folder of pictures of every video",
        description="Make a folder of JPEG pictures of every video, with a table. What was "
        "interrupted goes on where it stopped.",
    )
    extract.set_defaults(run=_extract)
    for parser in (trim, extract):
        add_data(parser)
        parser.add_argument("folder", type=Path, metavar="DIR", help="a new or empty folder")
        add_encoding(parser)


def _trim(arguments: argparse.Namespace) -> int:
    dataset = open_data(arguments)
    from actionzoo.datasets.convert import trim

    return carry_out(
        "trim",
        arguments.folder,
        lambda report: trim(
            dataset,
            arguments.folder,
            how=arguments.how,
            resize=arguments.resize,
            fps=arguments.fps,
            progress=report,
        ),
    )


def _extract(arguments: argparse.Namespace) -> int:
    dataset = open_data(arguments)
    from actionzoo.datasets.convert import extract_frames

    return carry_out(
        "extract",
        arguments.folder,
        lambda report: extract_frames(
            dataset,
            arguments.folder,
            how=arguments.how,
            resize=arguments.resize,
            fps=arguments.fps,
            progress=report,
        ),
    )
