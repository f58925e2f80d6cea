"""The trained model that another one learns from."""

from __future__ import annotations

import os
from pathlib import Path

from torch import nn

from actionzoo.catalog import get_spec, list_models
from actionzoo.errors import ConfigError
from actionzoo.saved import load_run
from actionzoo.spec import ModelSpec
from actionzoo.training.config import DistillConfig
from actionzoo.zoo import create_model


def load_teacher(config: DistillConfig, student: ModelSpec) -> nn.Module | None:
    """Load the teacher of a run, frozen, in eval mode; None where there is none.

    It sees the very clips of the student, with the student's size and normalisation.

    Args:
        config: Which one.
        student: What is told apart, and what it is told from.

    Raises:
        ConfigError: It tells other labels apart, or is fed otherwise.
        UnknownModel: There is none of that name.
        BadWeights: Its parameters cannot be had.
    """
    if config.teacher is None:
        return None
    model, spec = _load(config.teacher)
    if spec.labels != student.labels:
        raise ConfigError(
            f"distill.teacher {config.teacher!r} tells other labels apart than the data has "
            f"({', '.join(spec.labels[:3])} ...); give one that was trained on it"
        )
    own, other = student.input, spec.input
    if (own.mean, own.std, own.color, own.value_range) != (
        other.mean,
        other.std,
        other.color,
        other.value_range,
    ):
        raise ConfigError(
            f"distill.teacher {config.teacher!r} takes pixels in another range than "
            f"{student.name!r}; give one that was trained with the same normalisation"
        )
    return model.requires_grad_(False).eval()


def _load(name: str) -> tuple[nn.Module, ModelSpec]:
    if Path(name).is_dir():
        return load_run(Path(name))
    if name not in list_models():
        raise ConfigError(
            f"distill.teacher is {os.fspath(name)!r}, which is neither the folder of a run nor a "
            "name that actionzoo models lists"
        )
    return create_model(name, pretrained=True), get_spec(name)
