"""Folders that take their place whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from actionzoo.errors import ConfigError

PROOF = "parity.json"
"""What tells an older export from any other folder."""


def check_free(folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder that holds something, unless it is an export that may be overwritten.

    Raises:
        ConfigError: It holds something.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    name = repr(os.fspath(folder))
    if not folder.is_dir():
        raise ConfigError(f"{name} is a file; give a new folder with --output")
    if not (folder / PROOF).is_file():
        raise ConfigError(
            f"{name} holds something else than an export (it has no {PROOF}); give a new folder"
        )
    if not overwrite:
        raise ConfigError(
            f"{name} holds an older export; give a new folder, or --overwrite to take its place"
        )


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder to write into, which takes the place of ``folder`` once all is written.

    If anything fails, or nothing was written, nothing is left of it, and what was there before
    stays.
    """
    folder.absolute().parent.mkdir(parents=True, exist_ok=True)
    parent = folder.absolute().parent
    with tempfile.TemporaryDirectory(dir=parent, prefix=f".{folder.name}-") as room:
        draft, old = Path(room) / "new", Path(room) / "old"
        draft.mkdir()
        yield draft
        if not any(draft.iterdir()):
            return
        if folder.exists():
            folder.replace(old)
        try:
            draft.replace(folder)
        except OSError:
            if old.exists():
                old.replace(folder)
            raise
