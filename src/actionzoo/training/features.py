"""Minutes instead of hours: the backbone looks at every video once, the head learns from that.

The features of a frozen backbone never change, so they are computed once and kept; on them the
head is a logistic regression, which is solved to its end in seconds. How strongly its weights are
held small is chosen by cross-validation among the videos to train with, groups whole: those kept
for validation are few, and measure what comes out.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics.functional.classification import multilabel_average_precision

from actionzoo.conversion.openvino import compiled
from actionzoo.datasets import VideoDataset
from actionzoo.errors import ConfigError
from actionzoo.labels import mirrored_classes
from actionzoo.loading import Batch, EvalClips, make_loader
from actionzoo.models.stages import stage_of
from actionzoo.saved import BEST_WEIGHTS, save_network
from actionzoo.spec import Views
from actionzoo.training.config import LossConfig
from actionzoo.training.keeping import write_rows
from actionzoo.training.losses import make_loss
from actionzoo.training.plan import Plan
from actionzoo.whole import whole
from actionzoo.workers import log_progress

logger = logging.getLogger(__name__)

_DECAYS = (30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 1e-2, 1e-3, 1e-4)
"""On the squares of the weights, of standardised features; strong ones first."""
_STEPS = 100
_FOLDS = 5
_MOST_WORK = 10**8
"""Numbers times classes, beyond which one fold has to do."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Features:
    """What a backbone says of N clips."""

    values: Tensor
    """Shape (N, D) float32."""
    targets: Tensor
    """Shape (N, K) float32, 0 and 1."""
    units: Tensor
    """What must not be divided: the number of the clip's group, or of its video; (N,) int64."""

    def select(self, chosen: Tensor) -> Features:
        """Return those of some clips."""
        return Features(
            values=self.values[chosen], targets=self.targets[chosen], units=self.units[chosen]
        )


def train_head(plan: Plan) -> dict[str, float]:
    """Train the head of a run's network on the features of its backbone, and keep the network.

    Features that an interrupted run has computed are taken from its folder.

    Returns:
        A row of metrics, of epoch 0.

    Raises:
        ConfigError: The network does not end in one linear layer.
    """
    began = time.perf_counter()
    head = linear_head(plan.model, plan.stages)
    training, validation = _features(plan)
    weight, bias, row = solve(
        training, validation, loss=plan.config.loss, several_labels=plan.data.several_labels
    )
    with torch.no_grad():
        head.weight.copy_(weight)
        head.bias.copy_(bias)
    save_network(plan.model, plan.run / BEST_WEIGHTS, plan.facts)
    row = {"epoch": 0.0, **row, "seconds": time.perf_counter() - began}
    write_rows([row], plan.run / "metrics.csv")
    name = "map" if plan.data.several_labels else "accuracy"
    logger.info("head: val loss %.3f, val %s %.3f", row["val_loss"], name, row[f"val_{name}"])
    return row


def linear_head(model: nn.Module, stages: Sequence[str]) -> nn.Linear:
    """Return the one linear layer behind the features.

    Raises:
        ConfigError: The network ends otherwise.
    """
    layers = [
        module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and stage_of(f"{name}.weight", stages) is None
    ]
    if len(layers) != 1 or layers[0].bias is None:
        raise ConfigError(
            "features=cache needs a network that ends in one linear layer; train with "
            "freeze=backbone instead"
        )
    return layers[0]


def _features(plan: Plan) -> tuple[Features, Features]:
    """Return the features of the videos to train and to validate with."""
    file = plan.run / "features.safetensors"
    if file.is_file():
        kept = safetensors.torch.load_file(file)
        training, validation = (
            Features(**{name: kept[f"{part}.{name}"] for name in _PARTS})
            for part in ("training", "validation")
        )
        return training, validation
    logger.info("features: the backbone looks at every video once")
    backbone = _backbone(plan)
    training = _computed(plan, backbone, training=True)
    validation = _computed(plan, backbone, training=False)
    plan.model.cpu()
    _keep(file, training, validation)
    return training, validation


_PARTS = ("values", "targets", "units")


def _keep(file: Path, training: Features, validation: Features) -> None:
    told = {"training": training, "validation": validation}
    tensors = {
        f"{part}.{name}": getattr(one, name) for part, one in told.items() for name in _PARTS
    }
    with whole(file) as part:
        safetensors.torch.save_file(tensors, part)


@torch.inference_mode()
def _computed(plan: Plan, backbone: Callable[[Tensor], Tensor], *, training: bool) -> Features:
    """Look at all videos of a part with the backbone."""
    dataset = plan.data.training if training else plan.data.validation
    views = Views(clips=plan.config.feature_views if training else 1)
    clips = EvalClips(
        dataset,
        plan.spec.input,
        views=views,
        several_labels=plan.data.several_labels,
        kept=plan.kept,
    )
    mirror = training and plan.config.augment.flip
    units = _units(dataset)
    batches = log_progress(
        make_loader(clips, batch_size=4, workers=plan.config.workers),
        what="features to train with" if training else "features to validate with",
        total=len(dataset),
        videos=lambda batch: batch.videos,
    )
    seen = [
        one
        for batch in batches
        if len(batch.targets)
        for one in _look(batch, backbone, plan, mirror=mirror, units=units)
    ]
    values, targets, numbers = (torch.cat([getattr(one, name) for one in seen]) for name in _PARTS)
    return Features(values=values, targets=targets, units=numbers)


def _units(dataset: VideoDataset) -> Tensor:
    """Number the groups of a dataset, or the videos that are in none."""
    names = [group or f"/{place}" for place, group in enumerate(dataset.groups())]
    number = {name: place for place, name in enumerate(dict.fromkeys(names))}
    return torch.tensor([number[name] for name in names])


def _look(
    batch: Batch,
    backbone: Callable[[Tensor], Tensor],
    plan: Plan,
    *,
    mirror: bool,
    units: Tensor,
) -> Iterator[Features]:
    """Yield the features of a batch, and of its mirror images."""
    count, views = len(plan.spec.labels), len(batch.clips) // len(batch.targets)
    wanted = batch.targets.float()
    if not plan.data.several_labels:
        wanted = F.one_hot(batch.targets, count).float()
    wanted = wanted.repeat_interleave(views, 0)
    numbers = units[batch.indices].repeat_interleave(views)
    yield Features(values=backbone(batch.clips), targets=wanted, units=numbers)
    swapped = mirrored_classes(plan.spec.labels)
    lone = [place for place, other in enumerate(swapped) if other is None]
    shown = wanted[:, lone].sum(1) == 0
    order = [place if other is None else other for place, other in enumerate(swapped)]
    if mirror and bool(shown.any()):
        yield Features(
            values=backbone(batch.clips[shown].flip(-1)),
            targets=wanted[shown][:, order],
            units=numbers[shown],
        )


class _Features(nn.Module):
    """A network without its head."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, clips: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, D)."""
        look = cast("Callable[[Tensor], Tensor]", self.model.forward_features)
        return look(clips)


def _backbone(plan: Plan) -> Callable[[Tensor], Tensor]:
    """Return what computes features (B, D) of clips: OpenVINO on a CPU, torch on a GPU."""
    features = _Features(plan.model).eval()
    if plan.config.hardware.device == "gpu":
        features.cuda()
        return lambda clips: features(clips.cuda()).float().cpu()
    with torch.inference_mode(False):
        run = compiled(features, plan.spec)
    # Clip by clip: larger batches fall out of the cache.
    return lambda clips: torch.cat(
        [torch.from_numpy(run(clips[place : place + 1].numpy())) for place in range(len(clips))]
    )


def solve(
    training: Features, validation: Features, *, loss: LossConfig, several_labels: bool
) -> tuple[Tensor, Tensor, dict[str, float]]:
    """Fit a linear layer to features, with the weight decay that cross-validates best.

    Returns:
        Weight (K, D), bias (K,), and the metrics of both parts.
    """
    mean, std = training.values.mean(0), training.values.std(0).clamp_min(1e-6)
    learnt, asked = (
        replace(one, values=(one.values - mean) / std) for one in (training, validation)
    )
    counts = training.targets.sum(0).int().tolist()
    criterion = make_loss(loss, counts=counts, several_labels=several_labels)
    plain = make_loss(LossConfig(), counts=counts, several_labels=several_labels)
    decay = _choose_decay(learnt, criterion, plain)
    layer = _layer(learnt)
    _descend(layer, learnt, criterion, decay)
    row = _measured(layer, learnt, asked, plain, several_labels=several_labels)
    weight = layer.weight.detach() / std
    return weight, layer.bias.detach() - weight @ mean, row


def _layer(features: Features) -> nn.Linear:
    layer = nn.Linear(features.values.shape[1], features.targets.shape[1])
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _choose_decay(features: Features, criterion: nn.Module, plain: nn.Module) -> float:
    """Return the weight decay of least loss on units that were left out, fold by fold."""
    order = torch.randperm(
        int(features.units.max()) + 1, generator=torch.Generator().manual_seed(0)
    )
    folds = order[features.units] % _FOLDS
    used = 1 if features.values.numel() * features.targets.shape[1] > _MOST_WORK else _FOLDS
    losses = {decay: 0.0 for decay in _DECAYS}
    for fold in range(used):
        left = folds == fold
        if bool(left.any()) and not bool(left.all()):
            learnt, asked = features.select(~left), features.select(left)
            layer = _layer(features)
            for decay in _DECAYS:
                _descend(layer, learnt, criterion, decay)
                with torch.no_grad():
                    losses[decay] += float(plain(layer(asked.values), asked.targets))
    return min(losses, key=lambda decay: losses[decay])


def _descend(layer: nn.Linear, features: Features, criterion: nn.Module, decay: float) -> None:
    optimizer = torch.optim.LBFGS(
        layer.parameters(), max_iter=_STEPS, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss: Tensor = criterion(layer(features.values), features.targets)
        loss = loss + decay * layer.weight.square().sum() / 2
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    with torch.enable_grad():
        optimizer.step(closure)  # type: ignore[no-untyped-call]


@torch.no_grad()
def _measured(
    layer: nn.Linear,
    learnt: Features,
    asked: Features,
    criterion: nn.Module,
    *,
    several_labels: bool,
) -> dict[str, float]:
    row: dict[str, float] = {}
    for name, one in (("train", learnt), ("val", asked)):
        logits = layer(one.values)
        row[f"{name}_loss"] = float(criterion(logits, one.targets))
        if several_labels:
            found = multilabel_average_precision(logits, one.targets.long(), one.targets.shape[1])
            row[f"{name}_map"] = float(found)
        else:
            right = logits.argmax(1) == one.targets.argmax(1)
            row[f"{name}_accuracy"] = float(right.float().mean())
    return row
