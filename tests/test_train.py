from __future__ import annotations

import csv
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import yaml

from actionzoo.backends.openvino_backend import OpenVINOBackend
from actionzoo.checkpoints import read_state
from actionzoo.errors import BadDataset, BadWeights, ConfigError, UnknownModel
from actionzoo.spec import Views
from actionzoo.train import (
    TrainConfig,
    divide,
    load_config,
    open_for_training,
    rate_factor,
    train,
)
from actionzoo.video import write_video


def write(path: Path, brightness: float, *, seed: int = 0, frames: int = 20) -> None:
    """Write a noisy video of 64 x 48 pixels and some brightness."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).normal(brightness, 20, (frames, 48, 64, 3))
    write_video(path, noise.clip(0, 255).astype(np.uint8), fps=Fraction(25))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes that brightness tells apart."""
    folder = tmp_path_factory.mktemp("data")
    for name, brightness in {"dark": 50.0, "grey": 128.0, "light": 200.0}.items():
        for seed in range(6):
            write(folder / name / f"{seed}.mp4", brightness, seed=seed)
    return folder


# settings


def test_settings_come_from_a_recipe_and_then_from_the_command_line(tmp_path: Path) -> None:
    recipe = tmp_path / "some.yaml"
    recipe.write_text("epochs: 3\nlearning_rate: 2e-3\naugment:\n  flip: true\n  shift: 0.1\n")
    config = load_config(recipe, ["epochs=5", "augment.flip=false", "augment.zoom=[0.5, 2]"])
    assert (config.epochs, config.learning_rate) == (5, 0.002)
    assert (config.augment.flip, config.augment.shift, config.augment.zoom) == (
        False,
        0.1,
        (0.5, 2),
    )
    assert config.batch_size == TrainConfig().batch_size


def test_without_a_recipe_there_are_defaults() -> None:
    assert load_config(None) == TrainConfig()


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("epoch=3", r"no setting 'epoch'; did you mean 'epochs'\?"),
        ("augment.flips=true", r"no setting 'augment\.flips'; did you mean 'flip'\?"),
        ("epochs", "'epochs' is no setting; write key=value"),
        ("epochs=many", "epochs.*many"),
        ("epochs=", "epochs has no value"),
        ("epochs=0", "epochs is 0"),
        ("workers=-1", "workers is -1"),
        ("val_share=1", "val_share is 1"),
        ("schedule=linear", "schedule.*linear"),
        ("augment=3", "augment"),
        ("augment.zoom=[1]", "zoom"),
        ("augment.zoom=[0, 1]", "zoom is"),
        ("augment.shift=x: y: z", "the value of 'augment.shift=x: y: z'"),
        ("epochs.more=1", "epochs"),
        ("augment.flip.x=1", "flip"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(override: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        load_config(None, [override])


@pytest.mark.parametrize("text", ["- epochs", "epochs: [", "just words"])
def test_a_recipe_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "some.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"some\.yaml"):
        load_config(tmp_path / "some.yaml")
    with pytest.raises(ConfigError, match=r"cannot read the recipe .*none\.yaml"):
        load_config(tmp_path / "none.yaml")


# data


def table(folder: Path, *rows: str) -> Path:
    """Write a table of videos that need not be there."""
    (folder / "videos.csv").write_text("\n".join(["path,label,split,group", *rows]) + "\n")
    return folder / "videos.csv"


def test_the_splits_of_a_dataset_are_kept_and_its_test_is_left_alone(tmp_path: Path) -> None:
    rows = [f"{label}{n}.mp4,{label},{split}," for label in "ab" for n, split in enumerate(SPLITS)]
    dataset = open_for_training(table(tmp_path, *rows), TrainConfig())
    training, validation = divide(dataset, TrainConfig())
    assert training.paths() == ["a0.mp4", "a1.mp4", "b0.mp4", "b1.mp4"]
    assert validation.paths() == ["a2.mp4", "b2.mp4"]


SPLITS = ("train", "train", "val", "test")


def test_files_in_quarantine_are_not_learnt_from(tmp_path: Path) -> None:
    file = table(tmp_path, "a.mp4,a,,", "b.mp4,b,,", "c.mp4,b,,")
    (tmp_path / "quarantine.txt").write_text("b.mp4\tit is damaged\n")
    config = TrainConfig(quarantine=str(tmp_path / "quarantine.txt"))
    assert open_for_training(file, config).paths() == ["a.mp4", "c.mp4"]


def test_rows_that_cannot_be_used_stop_training_unless_that_is_wanted(tmp_path: Path) -> None:
    file = table(tmp_path, "a.mp4,a,,", "b.mp4,b,,", "c.mp4,b")
    with pytest.raises(BadDataset, match="skip_malformed=true in training"):
        open_for_training(file, TrainConfig())
    assert len(open_for_training(file, TrainConfig(skip_malformed=True))) == 2


def test_without_a_split_to_validate_a_share_of_what_trains_is_kept(tmp_path: Path) -> None:
    rows = [f"{label}{n}.mp4,{label},train,{n // 2}" for label in "ab" for n in range(20)]
    tests = [f"{label}{n}.mp4,{label},test," for label in "ab" for n in range(20, 30)]
    config = TrainConfig(val_share=0.2)
    dataset = open_for_training(table(tmp_path, *rows, *tests), config)
    training, validation = divide(dataset, config)
    assert sorted(training.paths() + validation.paths()) == sorted(
        row.partition(",")[0] for row in rows
    )
    assert validation.label_counts() == {"a": 4, "b": 4}
    assert not set(training.groups()) & set(validation.groups())
    assert divide(dataset, config)[1].paths() == validation.paths()


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (["a.mp4,a,,", "b.mp4,a,,"], "has videos of 1 classes"),
        (["a.mp4,a|b,,", "b.mp4,a,,"], "videos with several labels"),
        (["a.mp4,a,test,", "b.mp4,b,test,"], "has the splits test, but no 'train'"),
    ],
)
def test_data_that_cannot_be_learnt_from_is_refused(
    rows: list[str], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        open_for_training(table(tmp_path, *rows), TrainConfig())


def test_where_there_is_no_dataset_nothing_is_learnt(data: Path, tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match=r"there is no '.*nowhere'"):
        open_for_training(tmp_path / "nowhere", TrainConfig())
    with pytest.raises(BadDataset, match="no dataset of a known format"):
        open_for_training(data / "dark", TrainConfig())


# learning


def test_the_rate_falls_in_steps_after_it_has_climbed() -> None:
    config = TrainConfig(schedule="step", epochs=10, warmup_epochs=0)
    factors = [rate_factor(step, 100, config) for step in range(100)]
    assert [factors.index(pytest.approx(value)) for value in (1, 0.1, 0.01)] == [0, 60, 85]


CONFIG = TrainConfig(
    epochs=4,
    batch_size=6,
    val_share=0.34,
    learning_rate=3e-3,
    warmup_epochs=0.5,
    ema_decay=0.5,
    cache=True,
)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "brightness"
    return train(data, config=CONFIG, output=folder).parent


def test_a_run_leaves_all_that_is_needed_to_use_and_repeat_it(run: Path) -> None:
    assert sorted(one.name for one in run.iterdir()) == [
        "checkpoints",
        "config.yaml",
        "metrics.csv",
        "model.bin",
        "model.xml",
    ]
    assert load_config(run / "config.yaml") == CONFIG
    assert yaml.safe_load((run / "config.yaml").read_text())["epochs"] == CONFIG.epochs
    read_state(run / "checkpoints" / "best.ckpt")


def test_the_exported_model_is_the_best_epoch(run: Path) -> None:
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    best = min(rows, key=lambda row: float(row["val_loss"]))
    spec = OpenVINOBackend(run / "model.xml").spec
    assert spec.name == f"{run.parent.name}/brightness"
    assert spec.labels == ("dark", "grey", "light")
    metric = spec.metrics[0]
    assert (metric.split, metric.views, metric.measured_by) == ("validation", Views(), "ours")
    assert metric.value == pytest.approx(float(best["val_accuracy"]), abs=1e-3)


def test_it_learns(run: Path) -> None:
    backend = OpenVINOBackend(run / "model.xml")
    size = backend.spec.input
    clips = [
        np.full((1, *size.shape), (brightness / 255 - size.mean[0]) / size.std[0], np.float32)
        for brightness in (50, 200)
    ]
    dark, light = (backend.spec.labels[backend(clip)[0].argmax()] for clip in clips)
    assert (dark, light) == ("dark", "light")


def test_a_run_does_not_write_over_another(data: Path, run: Path) -> None:
    before = (run / "metrics.csv").read_bytes()
    with pytest.raises(ConfigError, match="brightness' is there already"):
        train(data, config=CONFIG, output=run)
    assert (run / "metrics.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "kind", "sentence"),
    [
        ({"model": "figure10"}, UnknownModel, "did you mean 'figures10'"),
        ({"labels": "weizmann"}, ConfigError, "no labels for 'weizmann'"),
        ({"labels": "weizmann10"}, ConfigError, "has 10 labels but the data has 3"),
        ({"pretrained": "none.pth"}, BadWeights, "no weights .none.pth., and there is no file"),
    ],
)
def test_nothing_is_written_when_a_setting_cannot_be_used(
    changes: dict[str, object], kind: type[Exception], sentence: str, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=sentence):
        train(data, config=TrainConfig(**changes), output=tmp_path / "run")
    assert not os.path.exists(tmp_path / "run")
