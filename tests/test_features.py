"""The head on kept features: solved as scikit-learn's definition has it, and used in a run."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from actionzoo.errors import ConfigError
from actionzoo.models.stages import stages_of
from actionzoo.predictor import Predictor
from actionzoo.saved import load_run
from actionzoo.training.config import LossConfig
from actionzoo.training.features import Features, linear_head, solve
from actionzoo.training.run import train
from actionzoo.zoo import create_model
from runs import config, write_classes


def drawn(count: int, *, seed: int, spread: float) -> Features:
    """Draw three clouds of points of very different scales along the axes."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(3, size=count)
    centres = np.array([[0, 0, 0], [3, 0, 100], [0, 3, 200]], float)
    values = centres[targets] + rng.normal(0, spread, (count, 3)) * [1, 1, 60]
    return Features(
        values=torch.tensor(values, dtype=torch.float32),
        targets=torch.eye(3)[torch.tensor(targets)],
        units=torch.arange(count),
    )


def test_the_head_is_at_the_minimum_of_its_loss() -> None:
    """The gradient of the loss, with the chosen decay, is 0."""
    training, validation = drawn(400, seed=0, spread=1.0), drawn(400, seed=1, spread=1.0)
    weight, bias, row = solve(training, validation, loss=LossConfig(), several_labels=False)
    logits = validation.values @ weight.T + bias
    right = logits.argmax(1) == validation.targets.argmax(1)
    assert row["val_accuracy"] == pytest.approx(float(right.float().mean()))
    assert row["val_accuracy"] > 0.85
    loss = nn.functional.cross_entropy(logits, validation.targets)
    assert row["val_loss"] == pytest.approx(float(loss), abs=1e-5)
    # The bias has no decay: the mean of the scores is the mean of the labels.
    scores = (training.values @ weight.T + bias).softmax(1)
    torch.testing.assert_close(scores.mean(0), training.targets.mean(0), atol=2e-3, rtol=0)


def test_features_that_tell_nothing_give_no_confident_head() -> None:
    noise = torch.Generator().manual_seed(0)
    values = torch.randn(120, 200, generator=noise)
    targets = torch.eye(2)[torch.randint(2, (120,), generator=noise)]
    drawn = Features(values=values, targets=targets, units=torch.arange(120))
    training, validation = drawn.select(drawn.units < 60), drawn.select(drawn.units >= 60)
    _, _, row = solve(training, validation, loss=LossConfig(), several_labels=False)
    assert row["val_loss"] < 0.8


def test_copies_of_one_video_do_not_choose_how_far_to_trust_it() -> None:
    """Many clips of few videos: as single ones they would all be known already."""
    noise = torch.Generator().manual_seed(1)
    values = torch.randn(12, 100, generator=noise).repeat_interleave(10, 0)
    targets = torch.eye(2)[torch.randint(2, (12,), generator=noise)].repeat_interleave(10, 0)
    together = Features(
        values=values, targets=targets, units=torch.arange(12).repeat_interleave(10)
    )
    apart = replace(together, units=torch.arange(120))
    spread = []
    for one in (together, apart):
        weight, _, _ = solve(one, one, loss=LossConfig(), several_labels=False)
        spread.append(float(weight.norm()))
    assert spread[0] < 0.5 * spread[1]


def test_several_labels_are_judged_one_by_one() -> None:
    training = drawn(300, seed=0, spread=0.3)
    both = replace(training, targets=training.targets + training.targets.roll(1, 1))
    _, _, row = solve(both, both, loss=LossConfig(), several_labels=True)
    assert row["val_map"] > 0.95


@pytest.mark.parametrize("name", ["x3d_xs_kinetics400", "slowfast_4x16_resnet50_kinetics400"])
def test_the_head_of_a_network_is_found(name: str) -> None:
    with torch.device("meta"):
        model = create_model(name, num_classes=7)
    assert linear_head(model, stages_of(model)).out_features == 7


def test_a_network_without_one_linear_head_is_refused() -> None:
    with pytest.raises(ConfigError, match="ends in one linear layer"):
        linear_head(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), ())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_classes(tmp_path_factory.mktemp("data"))


def test_a_run_trains_the_head_alone_and_then_all_of_it(data: Path, tmp_path: Path) -> None:
    settings = ("features=cache", "epochs=1", "pretrained=true", "learning_rate=1e-5")
    run = train(data, config=config(*settings, "augment.flip=true"), output=tmp_path / "run")
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert float(rows[0]["val_accuracy"]) == 1.0
    assert Predictor(run)(data / "dark" / "0.mp4").top_k(1)[0].label == "dark"


def test_a_run_of_the_head_alone_changes_nothing_else(data: Path, tmp_path: Path) -> None:
    settings = ("features=cache", "epochs=0", "pretrained=true")
    run = train(data, config=config(*settings), output=tmp_path / "run")
    model, _ = load_run(run)
    for name, value in create_model("figures10", pretrained=True).state_dict().items():
        if not name.startswith("head."):
            assert torch.equal(model.state_dict()[name], value), name
    # Going on computes nothing anew.
    before = (run / "features.safetensors").stat().st_mtime_ns
    train(None, output=run, resume=True)
    assert (run / "features.safetensors").stat().st_mtime_ns == before
