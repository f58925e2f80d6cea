"""What lists of class names tell about mistakes: pure functions on names."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from actionzoo.labels import list_datasets, load_labels

_LEAST_SHARE, _LEAST_NAMES = 0.8, 20
"""Names are of an official list if so many of them are in it, and so many or half the list."""


def spelt_alike(labels: Sequence[str]) -> list[tuple[str, ...]]:
    """Find the labels that differ only in case, blanks, underscores or punctuation.

    >>> spelt_alike(["Hand Wave", "run", "hand_wave"])
    [('Hand Wave', 'hand_wave')]
    """
    same = defaultdict(list)
    for label in labels:
        same[_letters(label)].append(label)
    return [tuple(one) for one in same.values() if len(one) > 1]


def _letters(label: str) -> str:
    return re.sub(r"[\W_]+", "", label.casefold())


def counts_from_one(labels: Sequence[str]) -> bool:
    """Tell whether labels are numbers of classes that begin at 1, so that 0 is missing.

    >>> counts_from_one(["1", "2", "3"]), counts_from_one(["0", "1"]), counts_from_one(["run"])
    (True, False, False)
    """
    if not all(label.isascii() and label.isdigit() for label in labels):
        return False
    numbers = sorted(int(label) for label in labels)
    return len(numbers) > 1 and numbers[0] == 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Official:
    """How labels compare with the official list that they seem to be of."""

    dataset: str
    otherwise: tuple[tuple[str, str], ...]
    """Labels that are spelt otherwise, with the official spelling."""
    unknown: tuple[str, ...]
    """Labels that are not in the list."""
    reordered: bool
    """Whether all are there, in another order."""


def compare_with_official(labels: Sequence[str]) -> Official | None:
    """Find the official list that labels are of, however spelt; None where there is none.

    >>> compare_with_official(["Bend", "run", "skip", "walk", "jump_forward"]).otherwise
    (('Bend', 'bend'), ('jump_forward', 'jump forward'))
    """
    found: tuple[float, str] | None = None
    own = {_letters(label) for label in labels}
    for dataset in list_datasets():
        official = {_letters(label) for label in load_labels(dataset)}
        common = len(own & official)
        enough = common >= min(_LEAST_NAMES, len(official) / 2)
        if own and enough and common >= _LEAST_SHARE * len(own):
            score = common / len(own | official)
            found = max(found or (0.0, ""), (score, dataset))
    return None if found is None else _compared(labels, found[1])


def _compared(labels: Sequence[str], dataset: str) -> Official:
    official = load_labels(dataset)
    names = set(official)
    spelling = {_letters(label): label for label in official}
    strange = [label for label in labels if label not in names]
    known = [label for label in strange if _letters(label) in spelling]
    return Official(
        dataset=dataset,
        otherwise=tuple((label, spelling[_letters(label)]) for label in known),
        unknown=tuple(label for label in strange if _letters(label) not in spelling),
        reordered=set(labels) == names and tuple(labels) != official,
    )
