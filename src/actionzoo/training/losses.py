"""What is made small: the distance of a network's answers from the labels, or from a teacher's.

Every target is a row of K numbers: 1 at the label, shares of several labels where clips are mixed,
or a 1 for each of several labels.

Losses are means over the clips of a batch, also where classes have weights, which are 1 on average
over the videos. To divide by the weights in the batch instead would let the loss depend on how
clips are spread over processes and over the parts of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actionzoo.errors import ConfigError
from actionzoo.training.config import LossConfig

BETA = 0.999
"""Of effective numbers (Cui et al., Class-Balanced Loss Based on Effective Number of Samples, CVPR
2019): the share of each further video of a class that is not new."""


def class_weights(config: LossConfig, counts: Sequence[int]) -> Tensor:
    """Return how much each class counts, (K,) float32.

    Args:
        config: ``balanced`` is the inverse of a class's number of videos, so that the mean over the
            videos is 1; ``effective`` that of its effective number, so that the mean over the
            classes is 1.
        counts: Videos of each class. One that has none counts 0, and not in the means.

    >>> class_weights(LossConfig(class_weights="balanced"), [1, 3, 0])
    tensor([2.0000, 0.6667, 0.0000])
    """
    videos = torch.tensor(counts, dtype=torch.float64)
    present = videos > 0
    if config.class_weights == "none" or not present.any():
        return torch.ones(len(counts))
    if config.class_weights == "balanced":
        weights = videos.sum() / (present.sum() * videos)
    else:
        weights = 1 / (1 - BETA**videos)
        weights = weights / weights[present].mean()
    return torch.where(present, weights, 0.0).float()


class SoftmaxLoss(nn.Module):
    """One label a clip: cross entropy, focal where ``gamma`` is above 0.

    Args:
        weights: Of each class, (K,).
        smoothing: Share of each target that is spread over all classes.
        gamma: A class named with probability p counts (1 - p) ** gamma of what it would (Lin et
            al., Focal Loss for Dense Object Detection, ICCV 2017, here with soft targets).
    """

    weights: Tensor

    def __init__(self, weights: Tensor, *, smoothing: float = 0.0, gamma: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("weights", weights, persistent=False)
        self.smoothing = smoothing
        self.gamma = gamma

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(B, K) and (B, K) -> the mean over the batch."""
        targets = targets * (1 - self.smoothing) + self.smoothing / targets.shape[1]
        logs = logits.float().log_softmax(1)
        return -(self.weights * targets * _focal(logs, self.gamma)).sum(1).mean()


class SigmoidLoss(nn.Module):
    """Any number of labels a clip, each class by itself: binary cross entropy, or focal.

    Args:
        weights: Of each class where it is a clip's label, (K,).
        smoothing: Targets are so much nearer to one half, which is 1 away.
        gamma: As of ``SoftmaxLoss``.
    """

    weights: Tensor

    def __init__(self, weights: Tensor, *, smoothing: float = 0.0, gamma: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("weights", weights, persistent=False)
        self.smoothing = smoothing
        self.gamma = gamma

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """(B, K) and (B, K) -> the mean over the batch and the classes."""
        targets = targets * (1 - self.smoothing) + self.smoothing / 2
        logits = logits.float()
        there, absent = F.logsigmoid(logits), F.logsigmoid(-logits)
        positive = self.weights * targets * _focal(there, self.gamma)
        negative = (1 - targets) * _focal(absent, self.gamma)
        return -(positive + negative).mean()


def _focal(logs: Tensor, gamma: float) -> Tensor:
    """Scale logarithms of probabilities p by (1 - p) ** gamma."""
    if gamma == 0:
        return logs
    # The power has no slope at 0 where gamma is below 1.
    return (-torch.expm1(logs)).clamp(min=1e-6) ** gamma * logs


def make_loss(config: LossConfig, *, counts: Sequence[int], several_labels: bool) -> nn.Module:
    """Make the loss of a run, a module of (logits (B, K), targets (B, K) float) -> scalar.

    Args:
        config: The loss; ``auto`` is ``binary`` for several labels, else ``cross_entropy``.
        counts: Videos of each class in training.
        several_labels: Whether a video can have several labels.

    Raises:
        ConfigError: ``cross_entropy`` for several labels.
    """
    if several_labels and config.name == "cross_entropy":
        raise ConfigError(
            "loss.name is 'cross_entropy' but the dataset has videos with several labels; it is "
            "auto, binary or focal for these"
        )
    kind = SigmoidLoss if several_labels or config.name == "binary" else SoftmaxLoss
    gamma = config.gamma if config.name == "focal" else 0.0
    weights = class_weights(config, counts)
    return kind(weights, smoothing=config.label_smoothing, gamma=gamma)


def distillation_loss(logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """Return how far a network's answers are from its teacher's.

    That is the divergence (Kullback and Leibler) of distributions softened by the temperature,
    times its square, which keeps the size of gradients (Hinton et al., Distilling the Knowledge in
    a Neural Network, 2015).

    Args:
        logits: (B, K).
        teacher_logits: (B, K).
        temperature: Above 0; the higher, the more the ranks of wrong classes count.

    Returns:
        The mean over the batch.
    """
    learnt = (logits.float() / temperature).log_softmax(1)
    taught = (teacher_logits.float() / temperature).log_softmax(1)
    loss = F.kl_div(learnt, taught, reduction="batchmean", log_target=True)
    return loss * temperature**2
