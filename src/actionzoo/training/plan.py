"""A run before it starts: all that is chosen, opened and made, and nothing written yet."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from actionzoo import __version__
from actionzoo.catalog import get_spec
from actionzoo.datasets import VideoDataset
from actionzoo.errors import ConfigError
from actionzoo.loading import Part
from actionzoo.models.blocks import recompute
from actionzoo.models.stages import stages_of
from actionzoo.spec import InputSpec, ModelSpec
from actionzoo.training.choices import (
    choose_course,
    choose_hardware,
    choose_input,
    choose_model,
    look_at,
    this_machine,
)
from actionzoo.training.config import (
    TrainConfig,
    changed_settings,
    config_values,
    parse_config,
)
from actionzoo.training.data import TrainingData, divide, open_for_training, read_once
from actionzoo.training.freezing import freeze
from actionzoo.training.losses import make_loss
from actionzoo.training.teacher import load_teacher
from actionzoo.zoo import create_model

logger = logging.getLogger(__name__)

CONFIG, FACTS = "config.yaml", "run.json"
"""In the folder of a run: what was chosen, and what it was chosen for."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Plan:
    """A run that is ready to start."""

    run: Path
    config: TrainConfig
    """With nothing left open."""
    spec: ModelSpec
    """Of the model that comes out."""
    data: TrainingData
    kept: Mapping[Part, np.ndarray] | None
    """Frames of all videos, where they fit into memory."""
    model: nn.Module
    """With the parameters to start from."""
    stages: tuple[str, ...]
    teacher: nn.Module | None
    """Whose logits are learnt too."""
    facts: dict[str, Any]
    """Plain values: what the run is about, for its folder and its checkpoints."""


def make_plan(
    data: Path,
    run: Path,
    config: TrainConfig,
    *,
    given: TrainConfig,
    resumed: bool,
    like: Plan | None = None,
) -> Plan:
    """Choose what is open, open the data and make the model.

    Args:
        data: A dataset's folder or annotation file.
        run: The folder to be.
        config: What is chosen so far.
        given: What the user said, for the record.
        resumed: Whether the parameters come from a checkpoint of the run.
        like: Another plan; what it has read of the same videos is not read again.

    Raises:
        ActionZooError: Data, a setting or weights cannot be used.
    """
    torch.manual_seed(config.seed)
    dataset = open_for_training(data, config)
    config, spec, fed, reasons = _choose(dataset, config)
    if not resumed:
        for one in reasons:
            logger.info(one)
    parts, kept = _read(dataset, fed, config, like)
    trained = _trained_spec(spec, fed, parts, name="/".join(run.resolve().parts[-2:]))
    model = make_model(config, trained, resumed=resumed)
    _prepare(model, config, parts)
    return Plan(
        run=run,
        config=config,
        spec=trained,
        data=parts,
        kept=kept,
        model=model,
        stages=stages_of(model),
        teacher=load_teacher(config.distill, trained),
        facts={
            "version": __version__,
            "data": os.fspath(data),
            "list_hash": dataset.list_hash(),
            "reasons": reasons,
            "notes": list(parts.notes),
            "given": config_values(given),
            "config": config_values(config),
            "spec": json.loads(trained.to_json()),
        },
    )


def _choose(
    dataset: VideoDataset, config: TrainConfig
) -> tuple[TrainConfig, ModelSpec, InputSpec, list[str]]:
    """Choose what a config leaves open.

    Returns:
        The config with nothing left open, the spec of its model, what that is fed, and the reasons.
    """
    machine = this_machine()
    hardware, reasons = choose_hardware(config, machine)
    config, why_model = choose_model(replace(config, hardware=hardware), machine)
    assert config.model is not None
    spec = get_spec(config.model)
    footage = look_at(dataset, spec.input)
    fed, why_input = choose_input(config, spec, footage)
    config, why_course = choose_course(config, spec, footage, machine)
    config = replace(config, input=replace(config.input, frames=fed.frames, stride=fed.stride))
    return config, spec, fed, [*reasons, *why_model, *why_input, *why_course]


def _read(
    dataset: VideoDataset, fed: InputSpec, config: TrainConfig, like: Plan | None
) -> tuple[TrainingData, Mapping[Part, np.ndarray] | None]:
    """Look at the videos once, and divide those that can be read; return kept frames too."""
    if like is not None and _reads_alike(like, dataset.list_hash(), fed, config):
        kept, parts = like.kept, divide(like.data.dataset, config, like.data.left_out)
    else:
        readable, frames, left_out = read_once(dataset, fed, keep=bool(config.cache))
        kept, parts = frames if config.cache else None, divide(readable, config, left_out)
    logger.info(
        "%d videos to train, %d to validate; %d classes",
        *(len(parts.training), len(parts.validation), len(parts.labels)),
    )
    return parts, kept


def _reads_alike(like: Plan, list_hash: str, fed: InputSpec, config: TrainConfig) -> bool:
    """Tell whether a plan has read the same videos, at the same rate and size if it kept them."""
    same = like.facts["list_hash"] == list_hash and (like.kept is not None) == config.cache
    read = like.spec.input
    return same and (not config.cache or (read.fps, read.resize) == (fed.fps, fed.resize))


def make_model(config: TrainConfig, spec: ModelSpec, *, resumed: bool = False) -> nn.Module:
    """Make the network of a run, and see that it takes what it is to be fed.

    Raises:
        ConfigError: It does not.
        BadWeights: The weights to start from do not fit.
    """
    assert config.model is not None
    pretrained = False if resumed or config.pretrained is None else config.pretrained
    model = create_model(config.model, num_classes=len(spec.labels), pretrained=pretrained)
    if config.dropout is not None:
        set_dropout(model, config.dropout)
    if spec.input.shape != get_spec(config.model).input.shape:
        feed_once(model, spec.input, config.model)
    return model


def _prepare(model: nn.Module, config: TrainConfig, data: TrainingData) -> None:
    """Say of a network what is trained and how, and see that the loss can be had.

    Raises:
        ConfigError: That is not possible with this network or these labels.
    """
    if frozen := freeze(model, config.freeze, stages_of(model)):
        logger.info("frozen: %s", ", ".join(frozen))
    if config.hardware.recompute and not recompute(model):
        raise ConfigError(f"hardware.recompute: {config.model!r} has no blocks to compute again")
    make_loss(config.loss, counts=data.class_counts(), several_labels=data.several_labels)


def set_dropout(model: nn.Module, share: float) -> None:
    """Change the dropout before the head: the last one of the network."""
    last = [one for one in model.modules() if isinstance(one, nn.Dropout)][-1:]
    for one in last:
        one.p = share


def feed_once(model: nn.Module, fed: InputSpec, name: str) -> None:
    """Feed one empty clip.

    Raises:
        ConfigError: The network cannot take it.
    """
    model.eval()
    try:
        with torch.no_grad():
            model(torch.zeros(1, *fed.shape))
    except (RuntimeError, ValueError, AssertionError) as error:
        size = f"{fed.frames} frames of {fed.height} x {fed.width}"
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(
            f"{name!r} cannot be fed {size} ({reason}); leave input.frames and input.size as the "
            "model has them"
        ) from error


def _trained_spec(spec: ModelSpec, fed: InputSpec, data: TrainingData, *, name: str) -> ModelSpec:
    """Make the spec of the model to be; it keeps the zoo's name if it has the same labels."""
    same = data.labels == spec.labels
    dataset = data.dataset.root.resolve().name
    return replace(
        spec,
        name=spec.name if same else name,
        summary=spec.summary if same else f"{spec.name}, trained on {dataset}.",
        dataset=spec.dataset if same else dataset,
        input=fed,
        labels=data.labels,
        several_labels=data.several_labels,
        parameters=None,
        macs=spec.macs if fed.shape == spec.input.shape else None,
        weights=(),
        metrics=(),
        figures=(),
    )


# going on


def resume_config(
    run: Path, config: TrainConfig | None, *, force: bool
) -> tuple[TrainConfig, TrainConfig]:
    """Read what an interrupted run was chosen to be, and compare it with what is wanted now.

    Returns:
        What is chosen, and what the user once said.

    Raises:
        ConfigError: There is no such run, or other settings are given and not forced.
    """
    facts = read_facts(run)
    old, given = parse_config(facts["config"]), parse_config(facts["given"])
    if config is None or config in (old, given):
        return old, given
    changes = min((changed_settings(one, config) for one in (old, given)), key=len)
    if not force:
        raise ConfigError(
            f"the run {os.fspath(run)!r} was started with other settings ({'; '.join(changes)}); "
            "go on without giving them, or change them with --force"
        )
    return _with_changes(old, config, changes), given


def _with_changes(old: TrainConfig, new: TrainConfig, changes: list[str]) -> TrainConfig:
    values, wanted = config_values(old), config_values(new)
    for change in changes:
        *groups, leaf = change.partition(":")[0].split(".")
        target, source = values, wanted
        for group in groups:
            target, source = target[group], source[group]
        target[leaf] = source[leaf]
    return parse_config(values)


def read_facts(run: Path) -> dict[str, Any]:
    """Read what a run's folder says of it.

    Raises:
        ConfigError: It is no folder of a run.
    """
    try:
        facts: dict[str, Any] = json.loads((run / FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{os.fspath(run)!r} is no run to go on with: it has no readable {FACTS!r}; give the "
            "folder that --output named"
        ) from error
    return facts


def check_same_data(plan: Plan, facts: Mapping[str, Any], *, force: bool) -> None:
    """Refuse to go on with other videos or labels than before.

    Raises:
        ConfigError: They differ, and that is not forced; or the labels differ.
    """
    before = tuple(facts["spec"]["labels"])
    if before != plan.spec.labels:
        raise ConfigError(
            f"the run tells {len(before)} classes apart but the data has {len(plan.spec.labels)} "
            "others; start a new run, with pretrained= its checkpoint"
        )
    if facts["list_hash"] != plan.facts["list_hash"] and not force:
        raise ConfigError(
            f"the videos of {plan.facts['data']!r} are not those that the run "
            f"{os.fspath(plan.run)!r} was started with; start a new run, or go on with --force"
        )
