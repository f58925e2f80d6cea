"""The command line: ``actionzoo VERB``.

Nothing heavy is imported before a verb runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from actionzoo import __version__
from actionzoo.cli import (
    compare,
    data,
    evaluate,
    export,
    live,
    models,
    predict,
    timeline,
    train,
    tune,
    web,
)
from actionzoo.cli.common import CANNOT_WRITE, CLOSED_PIPE, INTERRUPTED, WRONG_USAGE
from actionzoo.errors import ActionZooError

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
        return _complain(
            f"cannot write {error.filename or 'the output'}: {error.strerror}", CANNOT_WRITE
        )


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse words; those of a list may stand before and after options.

    argparse gives a list only the words up to the next option; the later ones are left over.
    """
    parser = _parser()
    arguments, left = parser.parse_known_args(
        models.name_verb(sys.argv[1:] if argv is None else argv)
    )
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
    watching = (predict, timeline, live, web)
    for verb in (*watching, models, data, train, tune, evaluate, compare, export):
        verb.add(verbs)
    return parser
