"""Class names of the datasets, in index order, official spelling."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files

from actionzoo.errors import ConfigError, nearest_names

_MIRRORED = {
    "left": "right",
    "leftward": "rightward",
    "leftwards": "rightwards",
    "lefthand": "righthand",
    "lefthanded": "righthanded",
    "clockwise": "counterclockwise",
    "cw": "ccw",
}
_MIRRORED |= {other: one for one, other in _MIRRORED.items()} | {"anticlockwise": "clockwise"}
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^A-Za-z]+|[A-Z]")
# "pulling it right out" (Something-Something) is no direction.
_ADVERB = re.compile(r"\bright(?= (?:after|away|before|next|now|out)\b)")
_TURNS = re.compile(r"\b(counter|anti)[\s_-]+clockwise", re.IGNORECASE)


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


def labels_that_mirror(labels: Sequence[str]) -> list[tuple[str, str | None]]:
    """Find the labels that become wrong where a video is flipped from left to right.

    Left and right, clockwise and counterclockwise change; up and down do not.

    Returns:
        Pairs, each once; None where the label has no counterpart in the list.

    >>> labels_that_mirror(["Swiping Left", "Swiping Right", "Thumb Up", "hook_left", "copyright"])
    [('Swiping Left', 'Swiping Right'), ('hook_left', None)]
    """
    mirrored = {label: words for label in labels if (words := _words(label)) != _flipped(words)}
    of_words = {words: label for label, words in mirrored.items()}
    pairs: list[tuple[str, str | None]] = []
    for label, words in mirrored.items():
        other = of_words.get(_flipped(words))
        if (other, label) not in pairs:
            pairs.append((label, other))
    return pairs


def mirrored_classes(labels: Sequence[str]) -> tuple[int | None, ...]:
    """Return which class a video of each class shows once it is flipped from left to right.

    Args:
        labels: Names in index order.

    Returns:
        For each class an index: its own where flipping does not change it, None where it becomes
        wrong and the list has no counterpart.

    >>> mirrored_classes(["Swiping Left", "Swiping Right", "Thumb Up", "hook_left"])
    (1, 0, 2, None)
    """
    words = [_words(label) for label in labels]
    index_of = {one: index for index, one in enumerate(words)}
    return tuple(
        index if _flipped(one) == one else index_of.get(_flipped(one))
        for index, one in enumerate(words)
    )


def _words(label: str) -> tuple[str, ...]:
    joined = _TURNS.sub(r"\1clockwise", _ADVERB.sub("", label))
    words = (word.strip(" _-").lower() for word in _WORDS.findall(joined))
    return tuple("counterclockwise" if one == "anticlockwise" else one for one in words if one)


def _flipped(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_MIRRORED.get(word, word) for word in words)
