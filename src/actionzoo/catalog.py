"""All models by name, without torch: the specs of every family, collected in one file.

The families in ``models`` are where specs are written; ``docs/generate.py`` collects them, and a
test fails while the file is out of date.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

from actionzoo.errors import UnknownModel, nearest_names
from actionzoo.labels import load_labels
from actionzoo.spec import ModelSpec

FILE = Path(__file__).parent / "assets" / "zoo.jsonl"
"""One model a line: its spec as JSON, the labels left out where they are the dataset's."""


def list_models(
    pattern: str | None = None, *, dataset: str | None = None, family: str | None = None
) -> list[str]:
    """List the names of all models, or of those asked for.

    Args:
        pattern: A shell pattern, such as ``slowfast*``.
        dataset: Such as ``ucf101``.
        family: Such as ``tsn``.

    >>> list_models("x3d_*s_*")
    ['x3d_xs_kinetics400', 'x3d_s_kinetics400']
    """
    return [
        name
        for name, data in _lines().items()
        if pattern is None or fnmatch(name, pattern)
        if dataset is None or _same(dataset, data["dataset"])
        if family is None or _same(family, data["family"])
    ]


def get_spec(name: str) -> ModelSpec:
    """Return the spec of a model.

    Raises:
        UnknownModel: There is none of that name; the message names the nearest.
    """
    if name not in _lines():
        raise UnknownModel(f"there is no model {name!r}; {nearest_names(name, _lines())}")
    return _spec(name)


def write(specs: Iterable[ModelSpec]) -> str:
    """Return the text of ``FILE``."""
    return "".join(f"{_line(spec)}\n" for spec in specs)


def _line(spec: ModelSpec) -> str:
    data = json.loads(spec.to_json())
    try:
        if load_labels(spec.dataset) == spec.labels:
            del data["labels"]
    except LookupError:
        pass  # labels of its own
    return json.dumps(data, ensure_ascii=False)


@cache
def _lines() -> dict[str, dict[str, Any]]:
    lines = (json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines())
    return {data["name"]: data for data in lines}


@cache
def _spec(name: str) -> ModelSpec:
    data = _lines()[name]
    return ModelSpec.from_dict({"labels": load_labels(data["dataset"]), **data})


def _same(word: str, other: str) -> bool:
    return word.casefold().replace("_", "-") == other.casefold().replace("_", "-")
