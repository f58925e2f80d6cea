"""The choices of a timeline, and what they mean for the classes of a model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from actionzoo.errors import ConfigError
from actionzoo.labels import find_label

_NOTHING = frozenset(
    "background nothing none noaction nogesture noactivity noevent idle doingnothing "
    "doingotherthings other others negative".split()
)
"""How datasets call the class of everything else, by its letters: Jester has ``No gesture`` and
``Doing other things``, ActivityNet and THUMOS ``Background``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TimelineConfig:
    """How answers become segments."""

    threshold: float = 0.5
    """A label is entered where its score passes this, in (0, 1]."""
    leave: float | None = None
    """It is left where its score falls below this; None is 0.6 of ``threshold``."""
    smooth: int = 5
    """Answers whose scores are averaged, an odd number: as many before as behind. 1 averages
    none."""
    hop_seconds: float = 0.25
    """From one answer to the next."""
    min_gap_seconds: float = 1.0
    """A shorter gap is closed: between two segments of one label they become one, between others it
    is shared out."""
    min_length_seconds: float = 0.5
    """A shorter segment is left out."""
    background: tuple[str, ...] | None = None
    """Labels that mean that nothing happens; None finds them by their names."""
    labels: tuple[str, ...] | None = None
    """The only labels looked for; None is all."""

    def __post_init__(self) -> None:
        _check_in("threshold", self.threshold, low=0, high=1)
        if self.leave is not None:
            _check_in("leave", self.leave, low=0, high=self.threshold)
        if self.smooth < 1 or self.smooth % 2 == 0:
            raise ConfigError(f"smooth is {self.smooth}; give an odd number, such as 1, 3 or 5")
        _check_in("hop_seconds", self.hop_seconds, low=0, high=3600)
        for name in ("min_gap_seconds", "min_length_seconds"):
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                raise ConfigError(f"{name} is {value:g}; it is at least 0")

    @property
    def leave_below(self) -> float:
        """Where a label is left."""
        return 0.6 * self.threshold if self.leave is None else self.leave


def _check_in(name: str, value: float, *, low: float, high: float) -> None:
    if not low < value <= high:
        raise ConfigError(f"{name} is {value:g}; it is above {low:g} and at most {high:g}")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Classes:
    """Which classes of a model a timeline knows."""

    wanted: np.ndarray
    """Shape (K,) bool: those looked for, the background among them."""
    background: frozenset[int]
    """Those that mean that nothing happens."""


def choose_classes(labels: Sequence[str], config: TimelineConfig) -> Classes:
    """Find the classes that a configuration names.

    Args:
        labels: Of the model, in index order.
        config: Names may be spelt as ``find_label`` takes them.

    Raises:
        ConfigError: A name is none of the model's labels.
    """
    if config.background is None:
        background = {index for index, label in enumerate(labels) if _means_nothing(label)}
    else:
        background = {find_label(name, labels) for name in config.background}
    wanted = np.ones(len(labels), bool)
    if config.labels is not None:
        if not config.labels:
            raise ConfigError("labels is empty; name at least one label, or leave it out")
        wanted[:] = False
        only = {find_label(name, labels) for name in config.labels}
        wanted[sorted(only | background)] = True
        background -= only if config.background is None else set()
    return Classes(wanted=wanted, background=frozenset(background))


def _means_nothing(label: str) -> bool:
    return re.sub(r"[\W_]+", "", label.casefold()) in _NOTHING
