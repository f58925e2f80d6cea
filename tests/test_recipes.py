"""Every recipe can be read and its model built."""

from __future__ import annotations

from pathlib import Path

import pytest

from actionzoo.catalog import get_spec
from actionzoo.labels import load_labels
from actionzoo.train import load_config
from actionzoo.zoo import create_model

RECIPES = sorted((Path(__file__).parents[1] / "recipes").glob("*.yaml"))


def test_there_are_recipes() -> None:
    assert "figures10.yaml" in [one.name for one in RECIPES]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_a_recipe_is_complete(path: Path) -> None:
    config = load_config(path)
    labels = load_labels(config.labels) if config.labels else get_spec(config.model).labels
    create_model(config.model, num_classes=len(labels))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
@pytest.mark.parametrize("word", ["Data", "Command", "Cost", "Expected"])
def test_a_recipe_says_what_it_takes_and_gives(path: Path, word: str) -> None:
    assert f"\n# {word} " in "\n" + path.read_text()
