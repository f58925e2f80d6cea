"""How gradients change the parameters: what decays, how fast each stage learns, and when.

The recipes of others differ in these details more than in anything else, so each is a setting.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd
from torch.optim.lr_scheduler import LRScheduler

from actionzoo.errors import ConfigError
from actionzoo.models.stages import stage_of
from actionzoo.training.config import OptimizerConfig, ScheduleConfig

MILESTONES = (0.6, 0.85)
"""Of the schedule ``step``, as shares of all epochs, where none are given."""


def parameter_groups(
    model: nn.Module, config: OptimizerConfig, stages: Sequence[str], *, learning_rate: float
) -> list[dict[str, Any]]:
    """Sort the parameters that are trained by learning rate and weight decay.

    Weights of convolutions and linear layers decay. Biases, what scales in norms, position
    encodings, class tokens and other numbers by themselves do so only with ``decay_norms``.

    Args:
        model: A network of the zoo.
        config: ``layer_decay`` makes the rate of each stage a factor smaller than that of the next
            one; the head has the full rate.
        stages: The network's.
        learning_rate: Of the head.

    Returns:
        Groups for an optimizer, in the order of the network, with ``lr`` and ``weight_decay``.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter, is_weight in _parameters(model):
        stage = stage_of(name, stages)
        after = 0 if stage is None else len(stages) - stage
        decay = config.weight_decay if is_weight or config.decay_norms else 0.0
        groups.setdefault((learning_rate * config.layer_decay**after, decay), []).append(parameter)
    return [
        {"params": parameters, "lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]


def _parameters(model: nn.Module) -> Iterator[tuple[str, nn.Parameter, bool]]:
    """Return name and parameter of all that is trained, and whether it is a layer's weight."""
    weights = {
        module.weight for module in model.modules() if isinstance(module, (nn.Linear, _ConvNd))
    }
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            yield name, parameter, parameter in weights


def make_optimizer(
    model: nn.Module, config: OptimizerConfig, stages: Sequence[str], *, learning_rate: float
) -> torch.optim.Optimizer:
    """Make the optimizer of a network, as ``parameter_groups`` sorts its parameters.

    Raises:
        ConfigError: Nothing is trained, or ``nesterov`` has no momentum.
    """
    groups = parameter_groups(model, config, stages, learning_rate=learning_rate)
    if not groups:
        raise ConfigError("no parameter is left to train; freeze less")
    if config.name == "adamw":
        return torch.optim.AdamW(groups, lr=learning_rate, betas=(config.momentum, 0.999))
    if config.nesterov and config.momentum == 0:
        raise ConfigError("nesterov is true but momentum is 0; give a momentum, such as 0.9")
    return torch.optim.SGD(
        groups, lr=learning_rate, momentum=config.momentum, nesterov=config.nesterov
    )


def rate_factor(epoch: float, config: ScheduleConfig, *, epochs: int) -> float:
    """Return by what the learning rate is scaled at a moment of the training.

    The moment of a step is its middle, so that neither the first nor the last has a rate of 0.

    Args:
        epoch: The moment; 2.5 is half-way through the third epoch.
        config: The schedule. Of ``plateau`` this is the warm-up alone.
        epochs: Length of the training.

    >>> config = ScheduleConfig(warmup_epochs=2)
    >>> [round(rate_factor(epoch, config, epochs=10), 2) for epoch in (0.5, 1, 2, 6, 9.5)]
    [0.25, 0.5, 1.0, 0.5, 0.01]
    >>> config = ScheduleConfig(name="step", warmup_epochs=2)
    >>> [round(rate_factor(epoch, config, epochs=10), 2) for epoch in (0.5, 5.9, 6, 9)]
    [0.25, 1.0, 0.1, 0.01]
    """
    warmup = config.warmup_epochs
    if epoch < warmup:
        return config.warmup_start + (1 - config.warmup_start) * epoch / warmup
    if config.name == "cosine":
        share = min(1.0, (epoch - warmup) / (epochs - warmup)) if epochs > warmup else 1.0
        return config.end + (1 - config.end) * (1 + math.cos(math.pi * share)) / 2
    if config.name == "step":
        milestones = config.milestones or [share * epochs for share in MILESTONES]
        return config.factor ** sum(epoch >= one for one in milestones)
    return 1.0


class Schedule(LRScheduler):
    """The learning rates of an optimizer, step by step.

    ``state_dict`` holds how far it is, not the settings: these may be others when a run goes on.

    Args:
        optimizer: Its present rates are those at the height of the schedule.
        config: The schedule.
        epochs: Length of the training.
        steps_per_epoch: Changes of the parameters in an epoch.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        config: ScheduleConfig,
        *,
        epochs: int,
        steps_per_epoch: float,
    ) -> None:
        self.config = config
        self.epochs = epochs
        self.steps_per_epoch = steps_per_epoch
        self.fallen = 1.0
        """By what ``plateau`` has scaled the rates so far."""
        self.best = math.inf
        """Least value that validation gave."""
        self.waited = 0
        """Validations since then."""
        super().__init__(optimizer)

    def get_lr(self) -> list[float | torch.Tensor]:
        """Return the rate of each group for the step to come."""
        epoch = (self.last_epoch + 0.5) / self.steps_per_epoch
        factor = self.fallen * rate_factor(epoch, self.config, epochs=self.epochs)
        return [base * factor for base in self.base_lrs]

    def validated(self, value: float) -> None:
        """Take the result of an epoch's validation, less being better; ``plateau`` acts on it.

        The rates fall with the next step once there was none better for more than ``patience``
        epochs after the warm-up.
        """
        warming = self.last_epoch < self.config.warmup_epochs * self.steps_per_epoch
        if value < self.best:
            self.best, self.waited = value, 0
        elif not warming:
            self.waited += 1
        if self.config.name == "plateau" and self.waited > self.config.patience:
            self.fallen *= self.config.factor
            self.waited = 0

    def state_dict(self) -> dict[str, Any]:
        """Return how far it is, in plain numbers."""
        return {name: getattr(self, name) for name in _STATE}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there; the optimizer has its rates from its own state."""
        for name in _STATE:
            setattr(self, name, state_dict[name])


_STATE = ("last_epoch", "_step_count", "_last_lr", "fallen", "best", "waited")
