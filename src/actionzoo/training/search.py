"""What is searched when a training is tuned: which settings, and which values of each.

``KEY=LOW..HIGH`` is every number between, with ``,log`` evenly by ratio, ``KEY=a|b|c`` some values.
KEY is any setting of a recipe, or ``augment`` by itself: one number that scales all changes of
clips, 0 for none, 1 for those of the recipe, 2 for twice as far.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import yaml

from actionzoo.augment import AugmentConfig
from actionzoo.errors import ConfigError
from actionzoo.training.config import TrainConfig, config_values, parse_config
from actionzoo.training.plan import Plan, feed_once

if TYPE_CHECKING:
    from optuna import Trial

STRENGTH = "augment"
"""The key of one number that scales all changes of clips."""
Value = float | str
"""Of a setting in a trial: a number, or the text of one of several values."""

_FACTORS = ("speed", "zoom")
"""Changes that are a least and a most factor; 1 changes nothing."""
_LIMITS = {
    "shift": 1.0,
    "brightness": 1.0,
    "contrast": 1.0,
    "saturation": 1.0,
    "hue": 0.5,
    "grey": 1.0,
    "noise": 1.0,
    "erase": 1.0,
}
"""Changes that are a share, and the most it can be; 0 changes nothing."""
_INCOMPARABLE = ("fold", "labels", "monitor", "quarantine", "seed", "skip_malformed", "val_share")
"""Settings that change what trials are judged by."""
_ONE_DEVICE = ("hardware.devices", "hardware.nodes")
_DECADE = 10.0
_FORM = "write KEY=LOW..HIGH, KEY=LOW..HIGH,log or KEY=a|b|c"


@dataclass(frozen=True, kw_only=True, slots=True)
class Range:
    """All numbers between two."""

    key: str
    low: float
    high: float
    is_log: bool = False
    """Whether equal ratios are equally likely."""
    is_whole: bool = False
    """Whether they are whole numbers."""

    def __str__(self) -> str:
        return f"{self.key}={self.low!r}..{self.high!r}{',log' * self.is_log}"

    def suggest(self, trial: Trial) -> float:
        """Let Optuna choose."""
        if self.is_whole:
            return trial.suggest_int(self.key, int(self.low), int(self.high), log=self.is_log)
        return trial.suggest_float(self.key, self.low, self.high, log=self.is_log)

    def ends(self) -> list[Value]:
        """Return values that cannot be used if any between cannot."""
        return [self.low, self.high]


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """Some values, as they are written in a recipe."""

    key: str
    texts: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.key}={'|'.join(self.texts)}"

    def suggest(self, trial: Trial) -> str:
        """Let Optuna choose."""
        return trial.suggest_categorical(self.key, self.texts)

    def ends(self) -> list[Value]:
        """Return all values."""
        return list(self.texts)


Search = Range | Choice


def parse_searches(texts: Sequence[str]) -> list[Search]:
    """Read what is to be searched.

    Args:
        texts: Such as ``learning_rate=1e-4..1e-2,log`` or ``input.frames=4|8|16``.

    Raises:
        ConfigError: One cannot be read, or a key is there twice.
    """
    searches = [parse_search(text) for text in texts]
    keys = [one.key for one in searches]
    if twice := [key for key in keys if keys.count(key) > 1]:
        raise ConfigError(f"{twice[0]!r} is searched twice; give one --search of it")
    return searches


def parse_search(text: str) -> Search:
    """Read one setting to search and its values.

    Raises:
        ConfigError: It cannot be read, or it is of a setting that cannot be searched.
    """
    key, _, told = (part.strip() for part in text.partition("="))
    if "|" not in told and ".." not in told:
        raise ConfigError(f"the search {text!r} has no values to choose from; {_FORM}")
    _check_key(key)
    return _choice(key, told) if "|" in told else _range(key, told)


def _check_key(key: str) -> None:
    if key in _INCOMPARABLE:
        raise ConfigError(
            f"{key!r} cannot be searched, as it changes what trials are judged by; give it as "
            f"{key}=VALUE"
        )
    if key in _ONE_DEVICE:
        raise ConfigError(f"{key!r} cannot be searched: a trial runs on one device")


def _choice(key: str, told: str) -> Choice:
    texts = tuple(part.strip() for part in told.split("|"))
    if "" in texts or len(set(texts)) < len(texts):
        raise ConfigError(f"the search '{key}={told}' has an empty value or one twice; {_FORM}")
    for text in texts:
        _plain_value(text)
    return Choice(key=key, texts=texts)


def _range(key: str, told: str) -> Range:
    ends, comma, scale = told.partition(",")
    start, _, end = ends.partition("..")
    low, high = _number(start), _number(end)
    if low is None or high is None or (comma and scale.strip() != "log"):
        raise ConfigError(f"the range '{key}={told}' cannot be read; {_FORM}")
    if low >= high:
        raise ConfigError(f"the range '{key}={told}' ends before it begins; {_FORM}")
    if comma and low <= 0:
        raise ConfigError(f"the range '{key}={told}' is by ratio; it begins above 0")
    is_whole = _is_whole(key)
    if is_whole and not (low.is_integer() and high.is_integer()):
        raise ConfigError(f"the range '{key}={told}' is of a whole number; give whole ends")
    if is_whole:
        low, high = int(low), int(high)
    return Range(key=key, low=low, high=high, is_log=bool(comma), is_whole=is_whole)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _is_whole(key: str) -> bool:
    """Tell whether a setting of numbers has whole ones only.

    Raises:
        ConfigError: It has no numbers.
    """
    kinds = () if key == STRENGTH else _kinds(key)
    if not kinds or float in kinds or any(map(is_dataclass, kinds)):
        return False
    if int in kinds:
        return True
    raise ConfigError(f"{key} is no number that lies between two; write {key}=a|b")


def _kinds(key: str) -> tuple[Any, ...]:
    """Return what a setting may be; nothing where there is no such setting."""
    kinds: tuple[Any, ...] = (TrainConfig,)
    for name in key.split("."):
        group = next((one for one in kinds if is_dataclass(one)), None)
        if group is None or name not in [one.name for one in fields(group)]:
            return ()
        hint = get_type_hints(group)[name]
        kinds = get_args(hint) or (hint,)
    return kinds


def _plain_value(value: Value) -> Any:
    """Return a value as a recipe has it."""
    if not isinstance(value, str):
        return value
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"the value {value!r} to search cannot be read; quote it") from error


# From values to a config.


def check_searches(searches: Sequence[Search], config: TrainConfig) -> None:
    """See that every value can be set.

    Raises:
        ConfigError: There is no such setting, or a value is not of its kind.
    """
    for search in searches:
        for value in search.ends():
            with_values(config, {search.key: value})
        if search.key == STRENGTH and not _has_strength(config.augment):
            raise ConfigError(
                "'augment' scales the changes of clips, but the recipe has none that can be "
                "scaled; give some, such as augment.zoom=[0.9,1.2]"
            )


def check_frames(searches: Sequence[Search], plan: Plan) -> None:
    """See that the network takes every number of frames that is searched.

    Raises:
        ConfigError: It does not.
    """
    keys = {one.key for one in searches}
    for search in searches:
        if search.key == "input.frames" and not keys & {"model", "input.size"}:
            for value in search.ends():
                fed = replace(plan.spec.input, frames=_plain_value(value))
                feed_once(plan.model, fed, str(plan.config.model))


def with_values(config: TrainConfig, values: Mapping[str, Value]) -> TrainConfig:
    """Set what a trial has of settings, the strength of changes first.

    Raises:
        ConfigError: There is no such setting, or a value is not of its kind.
    """
    if STRENGTH in values:
        strength = _plain_value(values[STRENGTH])
        if isinstance(strength, bool) or not isinstance(strength, int | float) or strength < 0:
            raise ConfigError(f"augment is {strength!r}; as a strength it is a number from 0 on")
        config = replace(config, augment=with_strength(config.augment, strength))
    others = {key: value for key, value in values.items() if key != STRENGTH}
    if not others:
        return config
    settings = config_values(config)
    for key, value in others.items():
        *groups, leaf = key.split(".")
        inner = settings
        for group in groups:
            inner = inner.setdefault(group, {})
            if not isinstance(inner, dict):
                raise ConfigError(f"there is no setting {key!r}: {group!r} is no group of settings")
        inner[leaf] = _plain_value(value)
    return parse_config(settings)


def with_strength(augment: AugmentConfig, strength: float) -> AugmentConfig:
    """Scale how far clips are changed; what cuts the window and what mirrors stay as they are.

    Args:
        augment: The changes of strength 1.
        strength: 0 for none of them, 2 for twice as far, by ratio where they are factors.

    >>> with_strength(AugmentConfig(zoom=(0.5, 2.0), shift=0.1, flip=True), 2).zoom
    (0.25, 4.0)
    """
    values: dict[str, Any] = {}
    for name in _FACTORS:
        low, high = getattr(augment, name)
        values[name] = (low**strength, high**strength)
    for name, limit in _LIMITS.items():
        values[name] = min(limit, strength * getattr(augment, name))
    random = augment.randaugment
    if random.operations:
        magnitude = min(10.0, strength * random.magnitude)
        operations = random.operations if magnitude else 0
        values["randaugment"] = replace(random, magnitude=magnitude, operations=operations)
    return replace(augment, **values)


def _has_strength(augment: AugmentConfig) -> bool:
    return with_strength(augment, 0) != with_strength(augment, 1)


# What is searched where nothing is said.


def usual_searches(plan: Plan, fixed: Collection[str]) -> list[Search]:
    """Choose what is worth searching around the settings of a run.

    Args:
        plan: A run with the settings that would be chosen.
        fixed: Keys of settings that are given, and so are not searched.

    Raises:
        ConfigError: There is nothing.
    """
    config = plan.config
    if not config.epochs:
        raise ConfigError(
            "without epochs only the head is trained, which has no learning rate; give epochs=N, "
            "or say what is to be tuned: --search KEY=a|b"
        )
    found: list[Search | None] = [
        _around("learning_rate", config.learning_rate or 0.0),
        Range(key=STRENGTH, low=0.0, high=2.0) if _has_strength(config.augment) else None,
        _frame_counts(plan),
        _around("optimizer.weight_decay", config.optimizer.weight_decay or 1e-3),
        Range(key="mix.mixup", low=0.0, high=0.8),
    ]
    searches = [one for one in found if one is not None and one.key not in fixed]
    if not searches:
        raise ConfigError("all that is usually tuned is given; say what else: --search KEY=a|b")
    return searches


def _around(key: str, middle: float) -> Range:
    low, high = (float(f"{middle * factor:.3g}") for factor in (1 / _DECADE, _DECADE))
    return Range(key=key, low=low, high=high, is_log=True)


def _frame_counts(plan: Plan) -> Choice | None:
    """Choose half as many frames, as many, and twice as many, as far as the network takes them."""
    own = plan.spec.input.frames
    counts = [count for count in (own // 2, own, 2 * own) if count and _takes(plan, count)]
    if len(counts) < 2:
        return None
    return Choice(key="input.frames", texts=tuple(map(str, counts)))


def _takes(plan: Plan, frames: int) -> bool:
    try:
        feed_once(plan.model, replace(plan.spec.input, frames=frames), str(plan.config.model))
    except ConfigError:
        return False
    return True


def usual_values(searches: Sequence[Search], config: TrainConfig) -> dict[str, Value]:
    """Return the values that a config has of what is searched, as far as the search has them."""
    usual: dict[str, Value] = {}
    for search in searches:
        value = _value_of(config, search.key)
        if isinstance(search, Range):
            if isinstance(value, int | float) and search.low <= value <= search.high:
                usual[search.key] = value
        elif (text := _text_of(search, value, config)) is not None:
            usual[search.key] = text
    return usual


def _text_of(search: Choice, value: Any, config: TrainConfig) -> str | None:
    for text in search.texts:
        if search.key == STRENGTH and _plain_value(text) == value:
            return text
        if search.key != STRENGTH and with_values(config, {search.key: text}) == config:
            return text
    return None


def _value_of(config: TrainConfig, key: str) -> Any:
    if key == STRENGTH:
        return 1.0
    value: Any = config
    for name in key.split("."):
        value = getattr(value, name)
    return value
