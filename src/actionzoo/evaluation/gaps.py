"""How far apart the numbers of several protocols are, and what they do differently."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from actionzoo.evaluation.compare import Difference, compare
from actionzoo.evaluation.results import Evaluation
from actionzoo.protocols import Protocol, explain_gap
from actionzoo.spec import InputSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """What one protocol gains over the first one, and how it differs from the one before it."""

    protocol: str
    metrics: dict[str, Difference]
    """By name: both protocols look at the same videos, so the intervals are paired."""
    explanation: str
    """What it does differently from the protocol before it."""


def explain_gaps(
    evaluations: Sequence[Evaluation], protocols: Sequence[Protocol], spec: InputSpec
) -> list[Gap]:
    """Compare evaluations of one model by several protocols with the first of them.

    Args:
        evaluations: Of the same videos, at least one of which could be read.
        protocols: Of each of them.
        spec: The model's own input.

    Returns:
        A gap for each but the first.
    """
    return [
        Gap(
            protocol=protocols[number].name,
            metrics=compare(evaluations[0], evaluations[number]).metrics,
            explanation=explain_gap(protocols[number - 1], protocols[number], spec),
        )
        for number in range(1, len(evaluations))
    ]
