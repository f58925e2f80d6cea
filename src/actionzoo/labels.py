"""Class names of the datasets, in index order, official spelling."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files

from actionzoo.errors import ConfigError, nearest_names


def load_labels(dataset: str) -> tuple[str, ...]:
    """Read the class names of a dataset.

    Args:
        dataset: Such as ``kinetics400`` or ``something-something-v2``.

    Returns:
        Names in index order.

    Raises:
        LookupError: No such list; the message names those there are.

    >>> load_labels("weizmann10")[4]
    'run'
    """
    file = files("actionzoo") / "labels" / f"{dataset.replace('-', '_')}.txt"
    if not file.is_file():
        raise LookupError(f"no labels for {dataset!r}; there are {', '.join(list_datasets())}")
    return tuple(file.read_text(encoding="utf-8").splitlines())


def list_datasets() -> list[str]:
    """Name the datasets whose class names ship with the package."""
    folder = files("actionzoo") / "labels"
    names = (one.name for one in folder.iterdir())
    return sorted(name[:-4].replace("_", "-") for name in names if name.endswith(".txt"))


def find_label(name: str, labels: Sequence[str]) -> int:
    """Return the index of a class, however its name is spelt.

    Case, spaces, underscores and punctuation do not count, so GluonCV's ``shooting_goal_-soccer-``
    is ``shooting goal (soccer)``.

    Args:
        name: The name as somebody wrote it.
        labels: Official names in index order.

    Raises:
        ConfigError: No such class; the message names the nearest.

    >>> find_label("Wave_two-hands", load_labels("weizmann10"))
    9
    """
    indices = {_letters(label): index for index, label in enumerate(labels)}
    if _letters(name) not in indices:
        raise ConfigError(f"there is no class {name!r}; {nearest_names(name, labels)}")
    return indices[_letters(name)]


def _letters(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())
