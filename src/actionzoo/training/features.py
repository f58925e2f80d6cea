"""Minutes instead of hours: the backbone looks at every video once, the head learns from that.

The features of a frozen backbone never change, so they are computed once and kept; on them the
head is a logistic regression, which is solved to its end in seconds. How strongly its weights are
held small is chosen by the validation.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics.functional.classification import multilabel_average_precision

from actionzoo.errors import ConfigError
from actionzoo.export import compiled
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

logger = logging.getLogger(__name__)

_DECAYS = (10.0, 1.0, 1e-1, 1e-2, 1e-3, 1e-4)
"""On the squares of the weights, of standardised features; strong ones first."""
_STEPS = 100


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Features:
    """What a backbone says of N clips."""

    values: Tensor
    """Shape (N, D) float32."""
    targets: Tensor
    """Shape (N, K) float32, 0 and 1."""


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
        return (
            Features(values=kept["training"], targets=kept["training_targets"]),
            Features(values=kept["validation"], targets=kept["validation_targets"]),
        )
    logger.info("features: the backbone looks at every video once")
    backbone = _backbone(plan)
    training = _computed(plan, backbone, training=True)
    validation = _computed(plan, backbone, training=False)
    plan.model.cpu()
    _keep(file, training, validation)
    return training, validation


def _keep(file: Path, training: Features, validation: Features) -> None:
    tensors = {
        "training": training.values,
        "training_targets": training.targets,
        "validation": validation.values,
        "validation_targets": validation.targets,
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
    values: list[Tensor] = []
    targets: list[Tensor] = []
    for batch in make_loader(clips, batch_size=4, workers=plan.config.workers):
        _look(batch, backbone, plan, mirror=mirror, values=values, targets=targets)
    return Features(values=torch.cat(values), targets=torch.cat(targets))


def _look(
    batch: Batch,
    backbone: Callable[[Tensor], Tensor],
    plan: Plan,
    *,
    mirror: bool,
    values: list[Tensor],
    targets: list[Tensor],
) -> None:
    """Append the features and the targets of a batch, and of its mirror images."""
    if not len(batch.targets):
        return
    count, views = len(plan.spec.labels), len(batch.clips) // len(batch.targets)
    wanted = batch.targets.float()
    if not plan.data.several_labels:
        wanted = F.one_hot(batch.targets, count).float()
    wanted = wanted.repeat_interleave(views, 0)
    values.append(backbone(batch.clips))
    targets.append(wanted)
    if not mirror:
        return
    swapped = mirrored_classes(plan.spec.labels)
    lone = [place for place, other in enumerate(swapped) if other is None]
    shown = wanted[:, lone].sum(1) == 0
    order = [place if other is None else other for place, other in enumerate(swapped)]
    if bool(shown.any()):
        values.append(backbone(batch.clips[shown].flip(-1)))
        targets.append(wanted[shown][:, order])


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
    """Fit a linear layer to features, with the weight decay that validates best.

    Returns:
        Weight (K, D), bias (K,), and the metrics of both parts.
    """
    mean, std = training.values.mean(0), training.values.std(0).clamp_min(1e-6)
    learnt, asked = (
        Features(values=(one.values - mean) / std, targets=one.targets)
        for one in (training, validation)
    )
    count = training.targets.shape[1]
    counts = training.targets.sum(0).int().tolist()
    criterion = make_loss(loss, counts=counts, several_labels=several_labels)
    plain = make_loss(LossConfig(), counts=counts, several_labels=several_labels)
    layer = nn.Linear(len(mean), count)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    best: tuple[float, dict[str, Tensor]] | None = None
    for decay in _DECAYS:
        _descend(layer, learnt, criterion, decay)
        with torch.no_grad():
            value = float(plain(layer(asked.values), asked.targets))
        if best is None or value < best[0]:
            best = value, {name: one.clone() for name, one in layer.state_dict().items()}
    assert best is not None
    layer.load_state_dict(best[1])
    row = _measured(layer, learnt, asked, plain, several_labels=several_labels)
    weight = layer.weight.detach() / std
    return weight, layer.bias.detach() - weight @ mean, row


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
