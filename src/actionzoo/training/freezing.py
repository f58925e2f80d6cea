"""What of a network is not trained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from actionzoo.errors import ConfigError
from actionzoo.models.stages import part_of, stage_of


def freeze(model: nn.Module, how: str, stages: Sequence[str]) -> list[str]:
    """Say of every parameter whether it is trained.

    Batch norms that are frozen must not count either; see ``keep_frozen_in_eval``.

    Args:
        model: A network of the zoo.
        how: ``TrainConfig.freeze``; ``none`` has all of it trained.
        stages: The network's.

    Returns:
        What is frozen, for a sentence: the parts of the frozen stages, such as ``stem`` and
        ``stage1``, or ``81 batch norms``.

    Raises:
        ConfigError: There are fewer stages, or no batch norms.
    """
    if how == "bn":
        frozen, told = _batch_norms(model)
    else:
        frozen, told = _first_stages(model, stages[: _count(how, stages)])
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in frozen)
    return told


def _count(how: str, stages: Sequence[str]) -> int:
    """Return how many stages are frozen."""
    if how in ("none", "backbone"):
        return len(stages) if how == "backbone" else 0
    count = int(how.removeprefix("stages="))
    if count > len(stages):
        listed = ", ".join(f"{i} is {stage}" for i, stage in enumerate(stages, start=1))
        raise ConfigError(
            f"freeze is {how!r} but the network has {len(stages)} stages ({listed}); freeze at "
            "most as many"
        )
    return count


def _first_stages(model: nn.Module, stages: Sequence[str]) -> tuple[set[str], list[str]]:
    """Name the parameters of stages, and the parts that they are."""
    names = [name for name, _ in model.named_parameters() if stage_of(name, stages) is not None]
    parts = [part_of(name, stage) for stage in stages for name in names]
    return set(names), list(dict.fromkeys(part for part in parts if part is not None))


def _batch_norms(model: nn.Module) -> tuple[set[str], list[str]]:
    """Name the parameters of batch norms."""
    norms = {name: one for name, one in model.named_modules() if isinstance(one, _BatchNorm)}
    if not norms:
        raise ConfigError(
            "freeze is 'bn' but the network has no batch norms; freeze stages=N, backbone or none"
        )
    names = {f"{name}.{own}" for name, one in norms.items() for own, _ in one.named_parameters()}
    return names, [f"{len(norms)} batch norms"]


def frozen_norms(model: nn.Module) -> Iterable[_BatchNorm]:
    """Return the batch norms whose parameters are frozen."""
    for module in model.modules():
        if isinstance(module, _BatchNorm) and not any(
            one.requires_grad for one in module.parameters()
        ):
            yield module


def keep_frozen_in_eval(model: nn.Module) -> None:
    """Have frozen batch norms use what they counted before; to be called after ``model.train()``.

    Otherwise what they do changes with every batch, though their parameters stay.
    """
    for norm in frozen_norms(model):
        norm.eval()
