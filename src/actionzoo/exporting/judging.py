"""Which bounds a file keeps, what else is to be known of it, and which file to ship."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from actionzoo.exporting.certificate import (
    WHOLE_FRAMES,
    Accuracy,
    Bound,
    Change,
    Measured,
    Precision,
    Recommended,
    Stage,
    Target,
    bound_of,
)
from actionzoo.exporting.clips import ClipFacts
from actionzoo.pages.charts import number_text
from actionzoo.spec import InputSpec

SAME_SPEED = 0.05
"""Times that differ by less than this share are taken for the same, and so are those of a stage
whose faster quarter of views is within it: on a busy machine medians differ by chance."""
_MOST_NAMED = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """A stage with its measures, before it is judged."""

    stage: str
    target: Target
    precision: Precision
    input: InputSpec
    """What its files want to be fed."""
    measured: Measured
    tuned: bool = False
    """Whether its network went on learning."""


def broken_bounds(
    judged: Judged, changes: Sequence[Change], clips: Sequence[ClipFacts]
) -> list[str]:
    """Say which bounds are broken, each with the number that was measured.

    Args:
        judged: The stage.
        changes: The clips on which its answer is another one.
        clips: All of them.
    """
    bound = bound_of(judged.precision, whole_frames=judged.input.whole_frames, tuned=judged.tuned)
    measured, stage, told = judged.measured, judged.stage, []
    if not bound.allows(measured.max_difference):
        told.append(_too_far(stage, measured.max_difference, bound))
    if measured.top1_agreement < bound.agreement:
        named = "; ".join(_change(one, clips) for one in changes[:_MOST_NAMED])
        more = len(changes) - _MOST_NAMED
        others = f"; and {more} more" if more > 0 else ""
        told.append(
            f"{stage} gives the reference's answer on {len(clips) - len(changes)} of {len(clips)} "
            f"clips, {100 * measured.top1_agreement:.1f} % where {100 * bound.agreement:g} % are "
            f"asked for: {named}{others}"
        )
    return told


def _too_far(stage: str, difference: float, bound: Bound) -> str:
    if bound.difference is None or not math.isfinite(difference):
        return f"the outputs of {stage} are no numbers for some clips"
    return (
        f"the outputs of {stage} differ by up to {number_text(difference)} where "
        f"{number_text(bound.difference)} is allowed"
    )


def _change(change: Change, clips: Sequence[ClipFacts]) -> str:
    name = repr(clips[change.clip].name)
    if change.after is None:
        return f"{name} from {change.before!r} to no number"
    return (
        f"{name} from {change.before!r} to {change.after!r} (the reference's scores are "
        f"{number_text(change.margin)} apart)"
    )


def lost_accuracy(judged: Judged, before: Accuracy, after: Accuracy, max_drop: float) -> list[str]:
    """Say how far the accuracy dropped, if by more points than allowed."""
    drop = 100 * (before.right - after.right) / before.count
    if drop <= max_drop:
        return []
    return [
        f"{judged.stage} loses {drop:.1f} points of top-1 accuracy ({before.right} to "
        f"{after.right} of {before.count} clips) where {max_drop:g} are allowed"
    ]


def notes(judged: Judged, *, by_scores: bool) -> list[str]:
    """Say what else is to be known of a stage."""
    measured, told = judged.measured, []
    if by_scores:
        told.append("scores are compared instead of logits, because not both end in logits")
    if judged.input.whole_frames:
        told.append(
            "it scales frames itself, by another filter than the reader's, so its difference has "
            f"no bound and its agreement that of {100 * WHOLE_FRAMES.agreement:g} %"
        )
    if judged.tuned:
        told.append(
            "it went on learning with the rounding of int8 in it, so it is judged by its accuracy, "
            "not by the reference's answers"
        )
    if measured.over_fp32 is not None and measured.over_fp32 < 1:
        fp32 = measured.milliseconds * measured.over_fp32
        # int8 is there for its speed; a float file that is slower by a hair is so by chance.
        if judged.precision == "int8" or not _is_near(measured, fp32):
            told.append(
                f"it is slower than {judged.target} fp32 on this machine: "
                f"{measured.milliseconds:.1f} ms a view against {fp32:.1f} ms"
            )
    return told


def recommend(stages: Sequence[Stage]) -> Recommended:
    """Choose what to ship.

    Among the stages that keep their bounds, without int8 that is slower than floating point of the
    same target, the fastest; of those as fast as it within ``SAME_SPEED`` the smallest.
    """
    sound = [one for one in stages if one.measured is not None and not one.broken]
    slow = [one for one in sound if _quicker_float(one, sound) is not None]
    fit = [one for one in sound if one not in slow]
    if not fit:
        return Recommended(stage=None, files=(), why="no file keeps its bounds")
    fastest = min(map(_milliseconds, fit))
    near = [one for one in fit if one.measured and _is_near(one.measured, fastest)]
    best = min(near, key=lambda one: (one.size_bytes or 0, _milliseconds(one)))
    told = [_merit(best, near, fit), *(_too_slow(one, sound) for one in slow)]
    return Recommended(stage=best.stage, files=best.files, why="; ".join(told))


def _is_near(measured: Measured, milliseconds: float) -> bool:
    """Tell whether a stage is not clearly slower than so many milliseconds a view."""
    return measured.quartiles[0] <= (1 + SAME_SPEED) * milliseconds


def _milliseconds(stage: Stage) -> float:
    assert stage.measured is not None
    return stage.measured.milliseconds


def _quicker_float(stage: Stage, others: Sequence[Stage]) -> Stage | None:
    """Return the fastest floating-point stage of the same target that is faster than int8."""
    if stage.precision != "int8":
        return None
    floats = [one for one in others if one.target == stage.target and one.precision != "int8"]
    quicker = [one for one in floats if _milliseconds(one) < _milliseconds(stage)]
    return min(quicker, key=_milliseconds, default=None)


def _too_slow(stage: Stage, others: Sequence[Stage]) -> str:
    quicker = _quicker_float(stage, others)
    assert quicker is not None
    return (
        f"{stage.stage} is not recommended, because it is slower on this machine: "
        f"{_milliseconds(stage):.1f} ms against {_milliseconds(quicker):.1f} ms of {quicker.stage}"
    )


def _merit(best: Stage, near: Sequence[Stage], fit: Sequence[Stage]) -> str:
    speed = f"{_milliseconds(best):.1f} ms a view"
    if len(fit) == 1:
        return f"{best.stage} keeps its bounds: {speed}"
    if len(near) == 1:
        return f"{best.stage} is the fastest of the {len(fit)} that keep their bounds: {speed}"
    others = " and ".join(one.stage for one in near if one is not best)
    return (
        f"{best.stage} keeps its bounds, is as fast as {others} as far as times can tell, and "
        f"smaller: {speed}"
    )
