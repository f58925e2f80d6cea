"""Alerts: something is to happen when an action is seen for a while.

::

    waving                          it is shown
    waving for 2s                   it is shown for two seconds
    waving>0.8 for 2s               its score stays above 0.8 for two seconds
    waving>=80% for 2s every 1min   the same, at most once a minute
    waving for 2s -> notify-send "somebody waves"
    waving for 2s -> https://example.org/hook
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from actionzoo.errors import ConfigError
from actionzoo.labels import find_label
from actionzoo.live.sending import Target, parse_target
from actionzoo.prediction import StreamPrediction

GAP_SECONDS = 10.0
"""Nobody knows what happened where no answer came for so long: a condition does not hold on."""

_NUMBER = r"\d*\.?\d+"
_ALERT = re.compile(
    rf"""
    \s* (?: "(?P<double>[^"]+)" | '(?P<single>[^']+)' | (?P<bare>[^>\s"'][^>]*?) )
    (?: \s* (?P<sign>>=?) \s* (?P<score>{_NUMBER}) \s* (?P<percent>%)? )?
    (?: \s+ for \s+ (?P<hold>{_NUMBER}) \s* (?P<hold_unit>[a-z]*) )?
    (?: \s+ every \s+ (?P<every>{_NUMBER}) \s* (?P<every_unit>[a-z]*) )?
    \s* (?: -> \s* (?P<target>\S.*?) )? \s*
    """,
    re.VERBOSE | re.DOTALL,
)
_UNITS = {
    "ms": 0.001,
    **dict.fromkeys(("", "s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """What is waited for, and who is told."""

    text: str
    """The condition, as it was given."""
    label: str
    class_index: int
    threshold: float | None = None
    """In [0, 1]; None: the label is the one that is shown, whatever its score."""
    reaching: bool = False
    """Whether a score that equals the threshold is enough."""
    hold_seconds: float = 0.0
    """So long it has to stay."""
    every_seconds: float = 0.0
    """At most one alert in so long."""
    target: Target | None = None
    """Who is told besides the log."""

    def holds(self, answer: StreamPrediction) -> bool:
        """Tell whether an answer meets the condition."""
        if self.threshold is None:
            return answer.shown.class_index == self.class_index
        score = float(answer.scores[self.class_index])
        return score > self.threshold or (self.reaching and score == self.threshold)


def parse_alert(text: str, labels: Sequence[str]) -> Alert:
    """Read an alert, as the module's docstring shows them.

    Args:
        text: Condition and, behind ``->``, who is told. A label with ``>`` in it is quoted.
        labels: Of the model, in index order.

    Raises:
        ConfigError: It cannot be understood; the message names the nearest label.

    >>> alert = parse_alert("Run > 80% for 500ms", ["walk", "run"])
    >>> alert.label, alert.threshold, alert.hold_seconds
    ('run', 0.8, 0.5)
    """
    found = _ALERT.fullmatch(text)
    if found is None:
        raise ConfigError(
            f"cannot read the alert {text!r}; write it as 'LABEL>0.8 for 2s', with '-> COMMAND' "
            "or '-> https://...' behind it where somebody is to be told"
        )
    try:
        label = found["double"] or found["single"] or found["bare"]
        class_index = find_label(label, labels)
        return Alert(
            text=text[: found.start("target")].rstrip(" ->") if found["target"] else text.strip(),
            label=labels[class_index],
            class_index=class_index,
            threshold=_threshold(found),
            reaching=found["sign"] == ">=",
            hold_seconds=_seconds(found["hold"], found["hold_unit"]),
            every_seconds=_seconds(found["every"], found["every_unit"]),
            target=parse_target(found["target"]) if found["target"] else None,
        )
    except ConfigError as error:
        raise ConfigError(f"cannot use the alert {text!r}: {error}") from error


def _threshold(found: re.Match[str]) -> float | None:
    if found["score"] is None:
        return None
    score = float(found["score"]) / (100 if found["percent"] else 1)
    if score > 1 or (score == 1 and found["sign"] == ">"):
        raise ConfigError("no score is so high; give one from 0 to 1, or a percentage")
    return score


def _seconds(number: str | None, unit: str | None) -> float:
    if number is None or unit is None:
        return 0.0
    if unit not in _UNITS:
        raise ConfigError(f"{unit!r} is no unit of time; give 500ms, 2s, 1min or 1h")
    return float(number) * _UNITS[unit]


@dataclass(frozen=True, kw_only=True, slots=True)
class Alarm:
    """An alert whose condition has held for as long as it was to."""

    alert: Alert
    score: float
    """Of the label, now."""
    seconds: float
    """Of the stream."""
    held_seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return what programs read."""
        return {
            "alert": self.alert.text,
            "label": self.alert.label,
            "class_index": self.alert.class_index,
            "score": round(self.score, 6),
            "seconds": round(self.seconds, 3),
            "held_seconds": round(self.held_seconds, 3),
        }


class Watcher:
    """Follows the condition of one alert.

    It gives an alarm once the condition has held for long enough, and another one only after the
    condition was broken and the pause between two alarms is over.
    """

    def __init__(self, alert: Alert) -> None:
        self.alert = alert
        self._since: float | None = None
        self._seen = self._rang_at = float("-inf")
        self._rang = False

    def update(self, answer: StreamPrediction) -> Alarm | None:
        """Take the next answer."""
        now = answer.end_seconds
        gap, self._seen = now - self._seen, now
        if not self.alert.holds(answer) or gap > GAP_SECONDS:
            self._since, self._rang = None, False
        if not self.alert.holds(answer):
            return None
        self._since = now if self._since is None else self._since
        held = now - self._since
        paused = now - self._rang_at >= self.alert.every_seconds
        if self._rang or held < self.alert.hold_seconds or not paused:
            return None
        self._rang, self._rang_at = True, now
        score = float(answer.scores[self.alert.class_index])
        return Alarm(alert=self.alert, score=score, seconds=now, held_seconds=held)
