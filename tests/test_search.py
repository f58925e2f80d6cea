"""What is searched: read, checked, and set in a config."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionzoo.augment import AugmentConfig
from actionzoo.augment.config import RandAugmentConfig
from actionzoo.errors import ConfigError
from actionzoo.training.config import MODERATE, TrainConfig, load_config
from actionzoo.training.plan import Plan, make_plan
from actionzoo.training.search import (
    Choice,
    Range,
    Value,
    check_searches,
    parse_search,
    parse_searches,
    usual_searches,
    usual_values,
    with_strength,
    with_values,
)
from runs import config, write_classes

NUMBERS = st.floats(-1e9, 1e9, allow_nan=False)
TEXTS = st.text("abcXYZ019_/ ", min_size=1)


@given(st.lists(NUMBERS, min_size=2, max_size=2, unique=True), st.booleans())
def test_ranges_are_read_as_they_are_written(ends: list[float], by_ratio: bool) -> None:
    low, high = sorted(ends)
    is_log = by_ratio and low > 0
    search = Range(key="optimizer.weight_decay", low=low, high=high, is_log=is_log)
    assert parse_search(str(search)) == search


@given(st.lists(st.integers(1, 9999), min_size=2, max_size=2, unique=True), st.booleans())
def test_whole_settings_have_whole_ranges(ends: list[int], is_log: bool) -> None:
    low, high = sorted(ends)
    search = parse_search(f"batch_size={low}..{high}{',log' * is_log}")
    assert search == Range(key="batch_size", low=low, high=high, is_log=is_log, is_whole=True)
    assert parse_search(str(search)) == search


@given(st.lists(TEXTS.map(str.strip).filter(bool), min_size=2, unique=True))
def test_choices_are_read_as_they_are_written(texts: list[str]) -> None:
    search = Choice(key="pretrained", texts=tuple(texts))
    assert parse_search(str(search)) == search


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("learning_rate", "has no values to choose from; write KEY=LOW..HIGH"),
        ("learning_rate=1e-3", "has no values to choose from"),
        ("learning_rate=1e-3..x", "cannot be read"),
        ("learning_rate=nan..1", "cannot be read"),
        ("learning_rate=1,log..2", "cannot be read"),
        ("learning_rate=1e-3..1e-2,lin", "cannot be read"),
        ("learning_rate=1e-2..1e-3", "ends before it begins"),
        ("learning_rate=0..1,log", "begins above 0"),
        ("batch_size=4..8.5", "whole number"),
        ("optimizer.name=1..2", r"write optimizer.name=a\|b"),
        ("optimizer.name=sgd|", "an empty value or one twice"),
        ("optimizer.name=sgd|sgd", "an empty value or one twice"),
        ("augment.speed=[1|[2", "cannot be read; quote it"),
        ("seed=0..9", "changes what trials are judged by"),
        ("monitor=loss|accuracy", "changes what trials are judged by"),
        ("hardware.devices=1|2", "runs on one device"),
    ],
)
def test_what_cannot_be_read_is_said(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        parse_search(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("learning_rat=1..2", "there is no setting 'learning_rat'; did you mean 'learning_rate'"),
        ("optimizer.names=a|b", "there is no setting 'optimizer.names'"),
        ("optimizer.name.x=a|b", "no setting 'optimizer.name.x'"),
        ("learning_rate=-1..1", "learning_rate is -1.0; it is above 0"),
        ("optimizer.momentum=0..1", "momentum is 1.0; it is from 0 to below 1"),
        ("optimizer.name=sgd|adam", "a setting cannot be used.*adam"),
        ("optimizer=1..2", "it is a group of settings"),
        ("augment=-1..1", "it is a number from 0 on"),
        ("augment=weak|strong", "it is a number from 0 on"),
    ],
)
def test_every_value_has_to_fit_before_anything_runs(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        check_searches([parse_search(text)], TrainConfig())


def test_strength_needs_something_to_scale() -> None:
    with pytest.raises(ConfigError, match="has none that can be scaled"):
        check_searches([parse_search("augment=0..2")], TrainConfig(augment=AugmentConfig()))


def test_a_setting_is_searched_once() -> None:
    with pytest.raises(ConfigError, match="'epochs' is searched twice"):
        parse_searches(["epochs=1|2", "epochs=3|4"])


# Strength.


@given(st.floats(0, 100))
def test_any_strength_gives_changes_that_can_be_used(strength: float) -> None:
    scaled = with_strength(replace(MODERATE, hue=0.1, erase=0.3), strength)
    assert scaled.zoom[0] <= 1 <= scaled.zoom[1]
    assert scaled.shift == pytest.approx(min(1, 0.05 * strength))
    assert scaled.hue <= 0.5
    assert scaled.flip is MODERATE.flip


def test_strength_goes_from_nothing_over_what_is_said_to_twice_as_far() -> None:
    changes = replace(MODERATE, randaugment=RandAugmentConfig(operations=2, magnitude=4))
    assert with_strength(changes, 0) == AugmentConfig(
        flip=True, randaugment=RandAugmentConfig(operations=0, magnitude=0)
    )
    assert with_strength(changes, 1) == changes
    twice = with_strength(changes, 2)
    assert twice.speed == pytest.approx((0.85**2, 1.15**2))
    assert (twice.brightness, twice.randaugment.magnitude) == (0.2, 8)


# Configs.


def test_values_are_set_by_their_keys() -> None:
    values: dict[str, Value] = {
        "augment": 2.0,
        "augment.zoom": "[0.5, 1.5]",
        "optimizer.name": "sgd",
        "epochs": 7,
    }
    changed = with_values(TrainConfig(), values)
    assert changed == load_config(
        None,
        [
            *("optimizer.name=sgd", "epochs=7", "augment.zoom=[0.5,1.5]"),
            *("augment.shift=0.1", "augment.brightness=0.2", "augment.contrast=0.4"),
            f"augment.speed=[{0.85**2!r},{1.15**2!r}]",
        ],
    )


def test_the_values_of_a_config_are_found_among_what_is_searched() -> None:
    texts = [
        *("learning_rate=1e-4..1e-2,log", "batch_size=1..4", "augment=0..2"),
        *("optimizer.name=adamw|sgd", "augment.speed=[0.85,1.15]|[1,1]", "epochs=3|4"),
    ]
    chosen = TrainConfig(learning_rate=1e-3, batch_size=8, epochs=5)
    assert usual_values(parse_searches(texts), chosen) == {
        "learning_rate": 1e-3,
        "augment": 1.0,
        "optimizer.name": "adamw",
        "augment.speed": "[0.85,1.15]",
    }


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    folder = tmp_path_factory.mktemp("data")
    said = config()
    return make_plan(write_classes(folder), folder / "run", said, given=said, resumed=False)


def test_around_what_would_be_chosen_is_searched(plan: Plan) -> None:
    searches = {one.key: str(one) for one in usual_searches(plan, ["mix.mixup"])}
    assert searches == {
        "learning_rate": "learning_rate=0.0003..0.03,log",
        "augment": "augment=0.0..2.0",
        "input.frames": "input.frames=4|8",  # its first kernel is longer than two frames
        "optimizer.weight_decay": "optimizer.weight_decay=0.002..0.2,log",
    }


def test_nothing_to_search_is_said(plan: Plan) -> None:
    keys = [one.key for one in usual_searches(plan, [])]
    with pytest.raises(ConfigError, match="all that is usually tuned is given"):
        usual_searches(plan, keys)
    head = replace(plan, config=replace(plan.config, features="cache", epochs=0))
    with pytest.raises(ConfigError, match="only the head is trained"):
        usual_searches(head, [])
