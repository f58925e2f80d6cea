"""What a network is calibrated on, checked before anything is computed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from actionzoo.errors import ConfigError

Feeds = Sequence[tuple[np.ndarray, ...]]
"""What a network is fed, one clip after the other: an array an input, in the order of inputs."""
Shape = tuple[int | None, ...]
"""None is an axis of any size."""
Progress = Callable[[int, int], None]
"""Told how many clips have been looked at, and how many there are."""

FEW = 10
"""Fewer clips than this do not show the range of what flows through a network."""

logger = logging.getLogger(__name__)


def check_feeds(feeds: Feeds, shapes: dict[str, Shape]) -> None:
    """Refuse what a network cannot be calibrated on, and warn of too little.

    Args:
        feeds: Each of a batch that the network takes.
        shapes: Of its inputs, by name, in order.

    Raises:
        ConfigError: There is nothing, it has other shapes than the network takes, holds what is no
            number, or is the same value throughout.
    """
    if not len(feeds):
        raise ConfigError(
            f"there are no clips to calibrate on; give some {FEW} at least, better 300"
        )
    for number, feed in enumerate(feeds):
        _check_shapes(number, feed, shapes)
        if not all(np.isfinite(array).all() for array in feed):
            raise ConfigError(
                f"clip {number} of those to calibrate on holds NaN or infinity; leave it out"
            )
    if all(np.ptp(array) == 0 for feed in feeds for array in feed):
        raise ConfigError(
            f"each of the {len(feeds)} clips to calibrate on is of one value throughout, such as "
            "black; give clips that show something"
        )
    if len(feeds) < FEW:
        logger.warning(
            "calibrating on %d clips, which is few: with less than %d the ranges of what flows "
            "through a network are a guess, 300 are better",
            len(feeds),
            FEW,
        )


def _check_shapes(number: int, feed: tuple[np.ndarray, ...], shapes: dict[str, Shape]) -> None:
    if len(feed) != len(shapes):
        raise ConfigError(
            f"clip {number} of those to calibrate on has {len(feed)} arrays where the network has "
            f"{len(shapes)} inputs ({', '.join(shapes)}); give one an input"
        )
    for array, (name, shape) in zip(feed, shapes.items(), strict=True):
        fits = len(shape) == array.ndim and all(
            wanted in (None, size) for wanted, size in zip(shape, array.shape, strict=True)
        )
        if not fits:
            raise ConfigError(
                f"clip {number} of those to calibrate on has shape {_written(array.shape)} where "
                f"the network's input {name!r} takes {_written(shape)}; give clips of its size"
            )


def _written(shape: Shape) -> str:
    """Write a shape.

    >>> _written((None, 3, 16, 96, 128))
    '(any, 3, 16, 96, 128)'
    """
    return f"({', '.join('any' if size is None else str(size) for size in shape)})"


def dataset(nncf: Any, feeds: Feeds, names: Sequence[str], progress: Progress | None) -> Any:
    """Return feeds as NNCF takes them, which tells how many of them it has looked at."""

    def fed(numbered: tuple[int, tuple[np.ndarray, ...]]) -> dict[str, np.ndarray]:
        number, feed = numbered
        if progress is not None:
            progress(number + 1, len(feeds))
        return dict(zip(names, feed, strict=True))

    return nncf.Dataset(list(enumerate(feeds)), fed)
