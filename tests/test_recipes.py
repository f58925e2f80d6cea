"""Every recipe can be read, its model built, its settings found in their source."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

from actionzoo.catalog import get_spec
from actionzoo.labels import load_labels
from actionzoo.models.stages import stages_of
from actionzoo.training.choices import Footage, choose_input
from actionzoo.training.config import TrainConfig, load_config
from actionzoo.training.losses import make_loss
from actionzoo.training.optimizers import make_optimizer
from actionzoo.zoo import create_model

RECIPES = sorted((Path(__file__).parents[1] / "recipes").glob("*.yaml"))
LONG = Footage(videos=1000, classes=10, ticks=10_000, kept_bytes=0)


def test_there_are_the_recipes_that_the_documents_name() -> None:
    names = {one.stem for one in RECIPES}
    assert names >= {
        *("otx-x3d", "otx-movinet", "finetune", "probe", "scratch-small", "figures10"),
        *(f"gluoncv-{family}" for family in "tsn i3d r2plus1d csn slowfast slowonly tpn".split()),
    }


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_complete(path: Path) -> None:
    """Its network can be built, fed as it says, and given its optimiser and its loss."""
    config = load_config(path)
    spec = get_spec(config.model or "x3d_xs_kinetics400")
    labels = load_labels(config.labels) if config.labels else ("one", "other")
    fed, _ = choose_input(config, spec, LONG)
    with torch.device("meta"):
        model = create_model(spec.name, num_classes=len(labels))
        assert model.eval()(torch.zeros(1, *fed.shape)).shape == (1, len(labels))
    make_optimizer(model, config.optimizer, stages_of(model), learning_rate=0.1)
    make_loss(config.loss, counts=[1] * len(labels), several_labels=False)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_says_where_it_is_from_and_how_it_is_used(path: Path) -> None:
    header = path.read_text().partition("\nmodel:")[0]
    assert "\n# Command   actionzoo train " in header
    assert any(f"\n# {word} " in header for word in ("Source", "Cost"))
    assert any(f"\n# {word} " in header for word in ("Published", "Expected", "What", "Cost"))


def recipe(name: str) -> TrainConfig:
    return load_config(next(one for one in RECIPES if one.stem == name))


def test_otx_x3d_is_what_otx_1_does() -> None:
    """As spec/seed_requirements.md 2.5 and OTX's configuration files have it."""
    config = recipe("otx-x3d")
    fed, _ = choose_input(config, get_spec(config.model or ""), LONG)
    assert (fed.frames, fed.stride, fed.height, fed.fps) == (8, 4, 224, None)
    assert (fed.mean, fed.std, fed.value_range) == ((0.0,) * 3, (1.0,) * 3, (0.0, 1.0))
    assert (config.epochs, config.batch_size, config.seed) == (10, 8, 2)
    assert (config.optimizer.name, config.learning_rate) == ("adamw", 1e-3)
    assert (config.optimizer.weight_decay, config.optimizer.clip_gradient) == (1e-4, 40)
    schedule = config.schedule
    assert (schedule.name, schedule.milestones, schedule.factor) == ("step", (5.0,), 0.1)
    assert schedule.warmup_epochs == 3
    assert (config.augment.area, config.augment.flip) == ((0.08, 1.0), True)


def test_otx_movinet_is_what_otx_1_does() -> None:
    config = recipe("otx-movinet")
    fed, _ = choose_input(config, get_spec(config.model or ""), LONG)
    assert (fed.frames, fed.stride, fed.height, fed.fps) == (8, 4, 224, None)
    assert fed.resize.height == 256
    assert (config.epochs, config.batch_size, config.learning_rate) == (5, 10, 3e-3)
    assert (config.schedule.name, config.schedule.end) == ("cosine", 0)


FAMILIES = {
    "tsn": "resnet50_v1b_kinetics400",
    "i3d": "i3d_resnet50_v1_kinetics400",
    "r2plus1d": "r2plus1d_v1_resnet50_kinetics400",
    "csn": "ircsn_v2_resnet152_f32s2_kinetics400",
    "slowfast": "slowfast_4x16_resnet50_kinetics400",
    "slowonly": "i3d_slow_resnet50_f8s8_kinetics400",
    "tpn": "tpn_resnet50_f8s8_kinetics400",
}


@pytest.mark.parametrize(("family", "model"), FAMILIES.items())
def test_a_recipe_of_gluoncv_has_the_settings_of_its_table(
    family: str, model: str, shared: Path
) -> None:
    with (shared / "spec" / "gluoncv_models.csv").open() as file:
        (row,) = [
            one
            for one in csv.DictReader(file)
            if one["name"] == model and one["framework"] == "pytorch"
        ]
    config = recipe(f"gluoncv-{family}")
    assert config.model == model
    assert config.epochs == int(row["epochs"])
    assert config.optimizer.weight_decay == pytest.approx(float(row["weight_decay"]))
    assert config.optimizer.momentum == float(row["momentum"])
    assert config.schedule.name == row["lr_policy"].lower()
    assert list(config.schedule.milestones) == [float(one) for one in row["milestones"].split()]
    assert config.schedule.warmup_epochs == float(row["warmup_epochs"] or 0)
    assert config.batch_size == 8 * int(row["batch_per_gpu"])
    # Where there is a warm-up, LR is its beginning and WARMUP_END_LR, 0.1, its end.
    warmed = config.schedule.warmup_epochs > 0
    assert config.learning_rate == pytest.approx(0.1 if warmed else float(row["lr"]))
    if family == "tsn":
        assert config.input.frames == int(row["segments"])
