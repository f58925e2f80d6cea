"""Other names for a dataset's classes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from actionzoo.datasets.dataset import VideoDataset
from actionzoo.datasets.label_lists import read_labels
from actionzoo.datasets.rows import Rows
from actionzoo.errors import ConfigError
from actionzoo.labels import list_datasets, load_labels


def read_label_names(text: str) -> tuple[str, ...]:
    """Read a file of class names, a name a line, or take a list that ships.

    Raises:
        ConfigError: There is neither, or the file cannot be used.
    """
    if text in list_datasets():
        return load_labels(text)
    path = Path(text)
    if not path.is_file():
        raise ConfigError(
            f"there is no list of labels {text!r}; give a file with a name a line, or one of "
            f"{', '.join(list_datasets())}"
        )
    rows = Rows(path.parent, "labels")
    labels = read_labels(path, rows)
    if rows.problems:
        raise ConfigError(f"the list of labels cannot be used: {rows.problems[0]}")
    return labels


def renamed(dataset: VideoDataset, text: str) -> VideoDataset:
    """Give the classes of a dataset the names of a list, in their order or by their index.

    Raises:
        ConfigError: There is no such list, or it names another number of classes.
    """
    names, own = read_label_names(text), dataset.labels
    if len(names) != len(own) and all(one.isascii() and one.isdigit() for one in own):
        names = tuple(names[int(one)] for one in own if int(one) < len(names))
    if len(names) != len(own):
        raise ConfigError(
            f"{text!r} names {len(names)} classes but the dataset has {len(own)}; give as many"
        )
    return dataset.with_facts(replace(dataset.facts, labels=names))
