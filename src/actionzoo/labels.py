"""Class names of the datasets, in index order, official spelling."""

from __future__ import annotations

from importlib.resources import files


def load_labels(dataset: str) -> tuple[str, ...]:
    """Read the class names of a dataset.

    Args:
        dataset: Stem of a file in ``actionzoo/labels``, such as ``kinetics400``.

    Returns:
        Names in index order.

    Raises:
        LookupError: No such file; the message lists those there are.

    >>> load_labels("weizmann10")[4]
    'run'
    """
    folder = files("actionzoo") / "labels"
    file = folder / f"{dataset}.txt"
    if not file.is_file():
        known = sorted(one.name[:-4] for one in folder.iterdir() if one.name.endswith(".txt"))
        raise LookupError(f"no labels for {dataset!r}; there are {', '.join(known)}")
    return tuple(file.read_text(encoding="utf-8").splitlines())
