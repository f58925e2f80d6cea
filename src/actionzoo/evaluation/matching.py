"""A dataset's labels and a model's, put beside each other by name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from actionzoo.datasets import VideoDataset
from actionzoo.errors import ConfigError
from actionzoo.labels import find_label, list_datasets, load_labels
from actionzoo.spec import ModelSpec

_MOST_NAMED = 12


def match_labels(
    dataset: VideoDataset, spec: ModelSpec, *, skip_unknown_labels: bool = False
) -> tuple[VideoDataset, np.ndarray]:
    """Find the model's class of every video.

    Names count, not indices: a dataset may have fewer classes than the model, in another order or
    spelling (as ``find_label`` reads it).

    Args:
        dataset: Labelled videos.
        spec: The model.
        skip_unknown_labels: Leave out the videos whose label the model does not know.

    Returns:
        The videos that the model can be asked about, N of them, and their targets: class indices,
        shape (N,) int64, or where a video may have several labels 0 and 1, shape (N, K) int64.

    Raises:
        ConfigError: There are no videos, some have no label, or a label the model does not know.
    """
    classes, labels = dataset.class_indices(), spec.labels
    if not classes:
        raise ConfigError("there are no videos to evaluate; choose another split")
    if () in classes:
        raise ConfigError(
            f"{classes.count(())} of {len(classes)} videos have no label; choose a split in which "
            "all have one"
        )
    used = sorted({one for video in classes for one in video})
    known = {one: _index_of(dataset.labels[one], labels) for one in used}
    unknown = [dataset.labels[one] for one in used if known[one] is None]
    if unknown and not skip_unknown_labels:
        raise ConfigError(_sentence(unknown, dataset.labels, labels))
    rows = [
        row for row, video in enumerate(classes) if all(known[one] is not None for one in video)
    ]
    if not rows:
        raise ConfigError(f"the model knows no label of the dataset: {_quoted(unknown)}")
    several = spec.several_labels or any(len(video) > 1 for video in classes)
    indices = [[known[one] or 0 for one in classes[row]] for row in rows]
    return dataset.select(rows), _targets(indices, len(labels), several=several)


def _index_of(name: str, labels: Sequence[str]) -> int | None:
    try:
        return find_label(name, labels)
    except ConfigError:
        return None


def _targets(classes: Sequence[Sequence[int]], width: int, *, several: bool) -> np.ndarray:
    if not several:
        return np.array([one[0] for one in classes], np.int64)
    targets = np.zeros((len(classes), width), np.int64)
    for row, indices in enumerate(classes):
        targets[row, list(indices)] = 1
    return targets


def _sentence(unknown: Sequence[str], own: Sequence[str], labels: Sequence[str]) -> str:
    fitting = [one for one in list_datasets() if _names(load_labels(one), own, labels)]
    if fitting:
        hint = f"if they are the classes of {fitting[0]}, in their order: --labels {fitting[0]}"
    else:
        hint = "rename them with --labels FILE, a name a line in the dataset's order"
    return (
        f"the model does not know {len(unknown)} of the dataset's labels: {_quoted(unknown)}; "
        f"{hint}, or leave their videos out with --skip-unknown-labels"
    )


def _names(names: Sequence[str], own: Sequence[str], labels: Sequence[str]) -> bool:
    """Tell whether a list of names is as long as the dataset's, and all are known to the model."""
    if len(names) != len(own):
        return False
    return all(_index_of(one, labels) is not None for one in names)


def _quoted(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(map(repr, names[:_MOST_NAMED])) + more
