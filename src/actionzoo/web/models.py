"""Which models a page offers, opened when they are first asked for."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar

from actionzoo.catalog import get_spec, list_models
from actionzoo.download import home
from actionzoo.errors import ActionZooError, BadWeights, UnknownModel, nearest_names
from actionzoo.predictor import BUNDLED, Predictor
from actionzoo.pretrained import find_model
from actionzoo.streaming.looking import Looker
from actionzoo.streaming.opening import open_looker
from actionzoo.timeline.run import SegmentFinder

_OPEN = 3
"""Models that stay open: each takes its memory."""

_HOP_SECONDS = 0.12
"""Between two answers to a camera: two have to agree before a label is shown, and it is to be shown
within a second of what it names."""

Opened = TypeVar("Opened")


class Models:
    """The models at hand: those that were given, the bundled one, and those downloaded before.

    Args:
        given: As ``Predictor`` takes them; names are downloaded now. The first is the default.

    Raises:
        ActionZooError: One of those given cannot be had.
    """

    def __init__(self, given: Sequence[str | os.PathLike[str]] = ()) -> None:
        self._files: dict[str, Path] = {}
        for model in given:
            find_model(model)
            self._files.setdefault(_called(model, self._files), Path(model))
        for name in (BUNDLED, *_downloaded()):
            self._files.setdefault(name, Path(name))
        self._predictors: _Recent[Predictor] = _Recent(Predictor)
        self._finders: _Recent[_Lent] = _Recent(_Lent)

    @property
    def names(self) -> list[str]:
        """What the models are called, the default one first."""
        return list(self._files)

    def predictor(self, name: str) -> Predictor:
        """Return what looks at whole videos.

        Raises:
            ActionZooError: The model is not at hand, or cannot be used.
        """
        with self._called(name) as file:
            return self._predictors.get(file)

    @contextmanager
    def finder(self, name: str) -> Iterator[SegmentFinder]:
        """Lend what finds segments, to one at a time.

        Raises:
            ActionZooError: The model is not at hand, or cannot be used.
        """
        with self._called(name) as file:
            lent = self._finders.get(file)
        with lent.lent() as finder:
            yield finder

    def looker(self, name: str) -> Looker:
        """Open what looks at a camera.

        Raises:
            ActionZooError: The model is not at hand, or cannot be used.
        """
        with self._called(name) as file:
            return open_looker(file, hop_seconds=_HOP_SECONDS)

    @contextmanager
    def _called(self, name: str) -> Iterator[Path]:
        """Lend a model's file; visitors know it by its name, and are not told where it lies."""
        if name not in self._files:
            raise UnknownModel(
                f"the model {name!r} is not at hand here; {nearest_names(name, self._files)}"
            )
        file = self._files[name]
        try:
            yield file
        except ActionZooError as error:
            raise BadWeights(str(error).replace(repr(str(file)), repr(name))) from error


class _Recent(Generic[Opened]):
    """What was opened last; it is opened by one thread, while others wait."""

    def __init__(self, open_it: Callable[[Path], Opened]) -> None:
        self._open_it, self._alone = open_it, Lock()
        self._opened: OrderedDict[Path, Opened] = OrderedDict()

    def get(self, file: Path) -> Opened:
        """Return what a file opens to."""
        with self._alone:
            if file not in self._opened:
                self._opened[file] = self._open_it(file)
            self._opened.move_to_end(file)
            if len(self._opened) > _OPEN:
                self._opened.popitem(last=False)
            return self._opened[file]


class _Lent:
    """Finders of segments of one model, as many as are in use at a time."""

    def __init__(self, file: Path) -> None:
        self._file, self._free = file, [SegmentFinder(file)]

    @contextmanager
    def lent(self) -> Iterator[SegmentFinder]:
        """Lend one that nobody uses."""
        try:
            finder = self._free.pop()
        except IndexError:
            finder = SegmentFinder(self._file)
        try:
            yield finder
        finally:
            self._free.append(finder)


def _called(model: str | os.PathLike[str], known: dict[str, Path]) -> str:
    """Return a short name of a model: the end of its path, longer where that is taken."""
    path = Path(model)
    names = (str(Path(*path.parts[-count:])) for count in range(1, len(path.parts) + 1))
    return next((name for name in names if known.get(name, path) == path), str(path))


def _downloaded() -> list[str]:
    """Return the names of the models that were downloaded and converted before."""
    stems = {file.stem for file in (home() / "models").glob("*.xml")}
    found = []
    for name in list_models():
        if any(stem.startswith(f"{name}-") for stem in stems):
            weights = get_spec(name).weights
            tags = [one.tag for one in weights if f"{name}-{one.tag}" in stems]
            default = weights[0].tag if weights else None
            found += [name if tag == default else f"{name}@{tag}" for tag in tags]
    return found
