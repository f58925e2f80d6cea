"""Where in a network a parameter is: in which of its stages, or in its head.

A network has ``stages``: for each stage, the stem first, a regular expression of the names of its
parts, matched from the start of a parameter's or a module's name, up to a dot or its end. What no
stage matches is the head, which ``reset_head`` replaces.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import cast

from torch import nn

RESNET_STAGES = ("conv1|bn1", "layer1", "layer2", "layer3", "layer4")
"""Of networks that call their parts as torchvision's ResNets do."""


def stages_of(model: nn.Module) -> tuple[str, ...]:
    """Return the stages of a network of the zoo."""
    return cast("tuple[str, ...]", model.stages)


def within(prefix: str, stages: Sequence[str]) -> tuple[str, ...]:
    r"""Return the stages of a part as those of the network that it is in.

    >>> within("trunk", ("conv1|bn1", "layer1"))
    ('trunk\\.(?:conv1|bn1)', 'trunk\\.(?:layer1)')
    """
    return tuple(rf"{prefix}\.(?:{one})" for one in stages)


def part_of(name: str, stage: str) -> str | None:
    """Return the beginning of a name that a stage matches, None where it does not.

    >>> part_of("layer1.0.bn1.weight", "layer1"), part_of("layer10.weight", "layer1")
    ('layer1', None)
    """
    match = re.match(rf"(?:{stage})(?=\.|$)", name)
    return match[0] if match else None


def stage_of(name: str, stages: Sequence[str]) -> int | None:
    """Return the index of the stage that a parameter or a module is in; None is the head.

    >>> [stage_of(name, RESNET_STAGES) for name in ("bn1.weight", "layer2.0.conv1.weight", "fc")]
    [0, 2, None]
    """
    numbers = (i for i, stage in enumerate(stages) if part_of(name, stage) is not None)
    return next(numbers, None)
