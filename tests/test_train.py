from __future__ import annotations

import csv
import os
from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from actionzoo.backends.openvino_backend import OpenVINOBackend
from actionzoo.catalog import get_spec
from actionzoo.checkpoints import read_state
from actionzoo.errors import BadWeights, ConfigError, UnknownModel
from actionzoo.spec import Views
from actionzoo.train import (
    Recording,
    TrainConfig,
    find_videos,
    load_config,
    rate_factor,
    read_recordings,
    split,
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


def recordings(counts: list[int]) -> list[Recording]:
    return [
        Recording(path=Path(f"{index}/{number}"), class_index=index, num_ticks=1, frames=None)
        for index, count in enumerate(counts)
        for number in range(count)
    ]


@given(
    counts=st.lists(st.integers(2, 20), min_size=1, max_size=5),
    val_share=st.floats(0.01, 0.99),
    seed=st.integers(0, 9),
)
def test_every_class_is_divided_alike(counts: list[int], val_share: float, seed: int) -> None:
    given = recordings(counts)
    training, validation = split(given, val_share=val_share, seed=seed)
    assert sorted(one.path for one in training + validation) == sorted(one.path for one in given)
    kept = Counter(one.class_index for one in validation)
    for index, count in enumerate(counts):
        assert 1 <= kept[index] <= count - 1
        assert abs(kept[index] - val_share * count) <= 1
    again = split(given, val_share=val_share, seed=seed)[1]
    assert [one.path for one in again] == [one.path for one in validation]


def test_a_class_of_one_video_is_too_small() -> None:
    with pytest.raises(ConfigError, match="'1' has one readable video"):
        split(recordings([3, 1]), val_share=0.2, seed=0)


def test_folders_are_classes(data: Path) -> None:
    names, videos = find_videos(data)
    assert names == ["dark", "grey", "light"]
    assert Counter(index for _, index in videos) == {0: 6, 1: 6, 2: 6}


def test_data_without_class_folders_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no folder '.*nowhere'"):
        find_videos(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="has 0 folders with videos"):
        find_videos(data / "dark")


@pytest.mark.parametrize("cache", [True, False])
def test_a_broken_video_costs_only_itself(cache: bool, tmp_path: Path) -> None:
    write(tmp_path / "good.mp4", 100)
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    spec = get_spec("figures10").input
    videos = [(tmp_path / "broken.mp4", 0), (tmp_path / "good.mp4", 1)]
    readable, broken = read_recordings(videos, spec, cache=cache)
    assert [one.path.name for one in readable] == ["good.mp4"]
    assert [path.name for path in broken] == ["broken.mp4"]
    assert "broken.mp4" in broken[tmp_path / "broken.mp4"]


def test_kept_frames_are_those_that_are_decoded_anew(tmp_path: Path) -> None:
    write(tmp_path / "some.mp4", 100)
    spec = get_spec("figures10").input
    kept, decoded = (
        read_recordings([(tmp_path / "some.mp4", 0)], spec, cache=cache)[0][0]
        for cache in (True, False)
    )
    assert kept.num_ticks == decoded.num_ticks == 20
    ticks = np.array([1, 4, 9])
    np.testing.assert_array_equal(kept.pixels(ticks, spec), decoded.pixels(ticks, spec))


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
