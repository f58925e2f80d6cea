from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from actionzoo.errors import ConfigError
from actionzoo.training.config import LossConfig
from actionzoo.training.losses import class_weights, distillation_loss, make_loss

COUNTS = (10, 1, 0, 5)
CLASSES = torch.tensor([0, 3, 0, 1, 3])
SEVERAL = torch.tensor([[1, 0, 0, 1], [0, 0, 0, 0], [0, 1, 1, 0], [1, 1, 1, 1], [0, 0, 1, 0]])


def one_hot() -> Tensor:
    return F.one_hot(CLASSES, 4).float()


def logits() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return (3 * torch.randn(5, 4, generator=generator)).requires_grad_()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_is_that_of_torch(smoothing: float) -> None:
    loss = make_loss(LossConfig(label_smoothing=smoothing), counts=COUNTS, several_labels=False)
    expected = F.cross_entropy(logits(), CLASSES, label_smoothing=smoothing)
    torch.testing.assert_close(loss(logits(), one_hot()), expected)


@pytest.mark.parametrize("kind", ["balanced", "effective"])
def test_weighted_cross_entropy_is_that_of_torch(kind: str) -> None:
    config = LossConfig(class_weights=kind, label_smoothing=0.1)  # type: ignore[arg-type]
    loss = make_loss(config, counts=COUNTS, several_labels=False)
    total = F.cross_entropy(
        logits(),
        CLASSES,
        weight=class_weights(config, COUNTS),
        label_smoothing=0.1,
        reduction="none",
    ).sum()
    torch.testing.assert_close(loss(logits(), one_hot()), total / 5)


def test_mixed_clips_have_the_mixed_loss() -> None:
    loss = make_loss(LossConfig(), counts=COUNTS, several_labels=False)
    other = one_hot().roll(1, 0)
    mixed = loss(logits(), 0.3 * one_hot() + 0.7 * other)
    torch.testing.assert_close(mixed, 0.3 * loss(logits(), one_hot()) + 0.7 * loss(logits(), other))


def test_balanced_weights_are_1_on_average_over_videos() -> None:
    weights = class_weights(LossConfig(class_weights="balanced"), COUNTS)
    assert weights.tolist() == pytest.approx([16 / 30, 16 / 3, 0, 16 / 15])
    assert float(weights @ torch.tensor(COUNTS).float()) == pytest.approx(sum(COUNTS))


def test_effective_numbers_are_those_of_the_paper() -> None:
    weights = class_weights(LossConfig(class_weights="effective"), COUNTS)
    numbers = [sum(0.999**i for i in range(count)) for count in COUNTS]  # its equation 2
    inverse = [1 / number if number else 0 for number in numbers]
    assert weights.tolist() == pytest.approx([3 * one / sum(inverse) for one in inverse])


def test_without_weights_or_videos_all_classes_count_the_same() -> None:
    assert class_weights(LossConfig(), COUNTS).tolist() == [1, 1, 1, 1]
    assert class_weights(LossConfig(class_weights="balanced"), [0, 0]).tolist() == [1, 1]


def test_focal_loss_by_hand() -> None:
    loss = make_loss(LossConfig(name="focal", gamma=1.5), counts=COUNTS, several_labels=False)
    named = logits().softmax(1)[torch.arange(5), CLASSES]
    expected = (-((1 - named) ** 1.5) * named.log()).mean()
    torch.testing.assert_close(loss(logits(), one_hot()), expected)
    plain = make_loss(LossConfig(name="focal", gamma=0), counts=COUNTS, several_labels=False)
    torch.testing.assert_close(plain(logits(), one_hot()), F.cross_entropy(logits(), CLASSES))


@pytest.mark.parametrize("several_labels", [False, True])
def test_a_sure_answer_has_a_finite_gradient(several_labels: bool) -> None:
    config = LossConfig(name="focal", gamma=0.5)
    loss = make_loss(config, counts=COUNTS, several_labels=several_labels)
    sure = (200 * one_hot() - 100).requires_grad_()
    loss(sure, one_hot()).backward()
    assert sure.grad is not None
    assert sure.grad.isfinite().all()


def test_binary_cross_entropy_is_that_of_torch() -> None:
    targets = SEVERAL.float()
    for name in ("auto", "binary"):
        loss = make_loss(LossConfig(name=name), counts=COUNTS, several_labels=True)
        expected = F.binary_cross_entropy_with_logits(logits(), targets)
        torch.testing.assert_close(loss(logits(), targets), expected)
    config = LossConfig(class_weights="balanced", label_smoothing=0.1)
    loss = make_loss(config, counts=COUNTS, several_labels=True)
    expected = F.binary_cross_entropy_with_logits(
        logits(), 0.9 * targets + 0.05, pos_weight=class_weights(config, COUNTS)
    )
    torch.testing.assert_close(loss(logits(), targets), expected)


def test_focal_loss_of_several_labels_by_hand() -> None:
    loss = make_loss(LossConfig(name="focal"), counts=COUNTS, several_labels=True)
    right = torch.where(SEVERAL > 0, logits().sigmoid(), 1 - logits().sigmoid())
    expected = (-((1 - right) ** 2) * right.log()).mean()
    torch.testing.assert_close(loss(logits(), SEVERAL.float()), expected)


def test_each_class_can_be_judged_by_itself_with_one_label_too() -> None:
    loss = make_loss(LossConfig(name="binary"), counts=COUNTS, several_labels=False)
    expected = F.binary_cross_entropy_with_logits(logits(), one_hot())
    torch.testing.assert_close(loss(logits(), one_hot()), expected)


def test_one_label_is_not_asked_of_several() -> None:
    with pytest.raises(ConfigError, match=r"'cross_entropy' but.*several labels"):
        make_loss(LossConfig(name="cross_entropy"), counts=COUNTS, several_labels=True)


def test_a_loss_has_no_state_to_keep() -> None:
    loss = make_loss(LossConfig(class_weights="balanced"), counts=COUNTS, several_labels=False)
    assert not loss.state_dict()
    assert dict(loss.named_buffers()).keys() == {"weights"}


def test_distillation_by_hand() -> None:
    teacher = logits().detach().roll(1, 0)
    taught, learnt = (teacher / 3).softmax(1), (logits() / 3).softmax(1)
    expected = 9 * (taught * (taught / learnt).log()).sum(1).mean()
    torch.testing.assert_close(distillation_loss(logits(), teacher, 3.0), expected)
    same = logits().detach()
    assert float(distillation_loss(same, same, 2.0)) == pytest.approx(0, abs=1e-6)
