"""Whole runs of training, on three classes that brightness tells apart."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import actionzoo
from actionzoo.backends.openvino_backend import OpenVINOBackend
from actionzoo.checkpoints import read_state
from actionzoo.errors import BadDataset, BadWeights, ConfigError, UnknownModel
from actionzoo.evaluation.results import read_evaluation
from actionzoo.predictor import Predictor
from actionzoo.saved import load_run
from actionzoo.spec import Views
from actionzoo.training.config import TrainConfig, load_config
from actionzoo.training.keeping import read_checkpoint
from actionzoo.training.run import train
from runs import config, write_classes, write_noise


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_classes(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "brightness"
    return train(data, config=config("epochs=4", "average.ema_decay=0.5"), output=folder)


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_all_that_is_needed_to_use_and_repeat_it(run: Path) -> None:
    files = sorted(one.relative_to(run).as_posix() for one in run.rglob("*") if one.is_file())
    assert files == [
        "checkpoints/best.ckpt",
        "checkpoints/best.safetensors",
        "checkpoints/last.ckpt",
        "checkpoints/last.safetensors",
        "config.yaml",
        "metrics.csv",
        "model.bin",
        "model.xml",
        "report.html",
        "run.json",
        "validation/evaluation.json",
        "validation/evaluation.parquet",
    ]
    chosen = load_config(run / "config.yaml")
    assert (chosen.epochs, chosen.model, chosen.workers) == (4, "figures10", 0)
    assert read_checkpoint(run / "checkpoints/last.ckpt")["actionzoo"]["config"]["epochs"] == 4
    read_state(run / "checkpoints" / "best.safetensors")


def test_the_exported_model_is_the_best_epoch(run: Path) -> None:
    told = rows(run)
    assert [row["epoch"] for row in told] == ["1", "2", "3", "4"]
    best = min(told, key=lambda row: float(row["val_loss"]))
    spec = OpenVINOBackend(run / "model.xml").spec
    assert spec.name == f"{run.parent.name}/brightness"
    assert spec.labels == ("dark", "grey", "light")
    metric = spec.metrics[0]
    assert (metric.split, metric.views, metric.measured_by) == ("validation", Views(), "ours")
    assert metric.value == pytest.approx(float(best["val_accuracy"]), abs=1e-3)


def test_the_kept_network_is_the_exported_one(run: Path) -> None:
    model, spec = load_run(run)
    backend = OpenVINOBackend(run / "model.xml")
    clips = np.random.default_rng(0).standard_normal((2, *spec.input.shape), np.float32)
    import torch

    expected = model(torch.from_numpy(clips)).detach().numpy()
    np.testing.assert_allclose(backend(clips), expected, atol=2e-2)


def test_it_learns_and_predicts_from_its_folder(data: Path, run: Path, tmp_path: Path) -> None:
    write_noise(tmp_path / "night.mp4", 45, seed=99)
    assert Predictor(run)(tmp_path / "night.mp4").top_k(1)[0].label == "dark"


def test_the_validation_is_written_video_by_video(run: Path) -> None:
    told = json.loads((run / "validation" / "evaluation.json").read_text())
    evaluation = read_evaluation(run / "validation")
    hits = evaluation.logits.argmax(1) == evaluation.targets
    assert told["metrics"]["top1"]["value"] == pytest.approx(hits.mean())
    assert told["videos"] == len(evaluation.paths) == 6


def test_a_run_does_not_write_over_another(data: Path, run: Path) -> None:
    before = (run / "metrics.csv").read_bytes()
    with pytest.raises(ConfigError, match="brightness' is there already"):
        train(data, config=config(), output=run)
    assert (run / "metrics.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("settings", "kind", "sentence"),
    [
        (["model=figure10"], UnknownModel, "did you mean 'figures10'"),
        (["labels=weizmann"], ConfigError, "no labels for 'weizmann'"),
        (["labels=weizmann10"], ConfigError, "has 10 labels but the data has 3"),
        (["pretrained=none.pth"], BadWeights, "no weights .none.pth., and there is no file"),
        (["hardware.device=gpu"], ConfigError, "finds no GPU here"),
        (["hardware.precision=fp16"], ConfigError, "fp16, which is for GPUs"),
        (["freeze=stages=9"], ConfigError, "9"),
        (["model=mvit_v2_s_kinetics400", "input.size=96"], ConfigError, "cannot be fed"),
    ],
)
def test_nothing_is_written_when_a_setting_cannot_be_used(
    settings: list[str], kind: type[Exception], sentence: str, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=sentence):
        train(data, config=config(*settings), output=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_without_data_there_is_nothing_to_learn(tmp_path: Path) -> None:
    with pytest.raises(BadDataset, match="there is no"):
        train(tmp_path / "none", config=config(), output=tmp_path / "run")
    with pytest.raises(ConfigError, match="no data to learn from"):
        train(None, config=config(), output=tmp_path / "run")


def test_a_rate_that_is_too_large_ends_clearly(data: Path, tmp_path: Path) -> None:
    wild = config("learning_rate=1e30", "optimizer.name=sgd", "optimizer.clip_gradient=null")
    with pytest.raises(ConfigError, match=r"the loss is .* learning_rate=1e"):
        train(data, config=wild, output=tmp_path / "run")


def test_a_broken_video_costs_that_video(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_classes(tmp_path / "data", videos=4)
    (tmp_path / "data" / "grey" / "broken.mp4").write_bytes(b"no video")
    run = train(tmp_path / "data", config=config("epochs=1"), output=tmp_path / "run")
    assert "left out 'grey/broken.mp4'" in caplog.text
    assert "grey/broken.mp4" in (run / "report.html").read_text()


def test_the_package_has_it_at_its_top() -> None:
    assert actionzoo.train is train
    assert actionzoo.TrainConfig is TrainConfig
