"""Whole runs of training, on three classes that brightness tells apart."""

from __future__ import annotations

import csv
import json
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

import actionzoo
from actionzoo.backends.openvino_backend import OpenVINOBackend
from actionzoo.checkpoints import read_state
from actionzoo.cli import main
from actionzoo.errors import BadDataset, BadWeights, ConfigError, UnknownModel, VideoError
from actionzoo.evaluation.results import read_evaluation
from actionzoo.predictor import Predictor
from actionzoo.saved import load_run
from actionzoo.spec import Views
from actionzoo.training.config import TrainConfig, load_config
from actionzoo.training.keeping import read_checkpoint
from actionzoo.training.run import train
from actionzoo.video import write_video
from actionzoo.zoo import create_model
from runs import SETTINGS, config, write_classes, write_noise


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


@pytest.mark.usefixtures("no_finish")
def test_a_class_of_one_video_is_named_and_does_no_harm(tmp_path: Path) -> None:
    folder = write_classes(tmp_path / "data")
    write_noise(folder / "dusk" / "0.mp4", 90)
    run = train(folder, config=config("epochs=1"), output=tmp_path / "run")
    notes = json.loads((run / "run.json").read_text())["notes"]
    assert "labels with one video only, which is hardly enough to learn from: 'dusk'" in notes
    assert load_run(run)[1].labels == ("dark", "dusk", "grey", "light")


def test_the_package_has_it_at_its_top() -> None:
    assert actionzoo.train is train
    assert actionzoo.TrainConfig is TrainConfig


# ways of learning, each as a whole run


@pytest.fixture
def no_finish(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out export and report, which take longer than these runs."""
    monkeypatch.setattr("actionzoo.training.run.finish", lambda plan, **_: None)


@pytest.mark.usefixtures("no_finish")
@pytest.mark.parametrize(
    "settings",
    [
        "average.swa_start=0.5 average.precise_bn=2",
        "multigrid=true batch_size=3",
        "repeats=2 mix.mixup=0.2 mix.cutmix=1.0",
        "hardware.recompute=true hardware.channels_last=false",
        "freeze=bn pretrained=true optimizer.layer_decay=0.5",
        "freeze=backbone pretrained=true",
        "freeze=stages=2 pretrained=true optimizer.name=sgd optimizer.nesterov=true",
        "loss.name=focal loss.class_weights=effective",
        "loss.class_weights=balanced loss.label_smoothing=0.1 schedule.name=constant",
        "distill.teacher=TEACHER distill.share=0.7",
        "augment.area=[0.5,1] augment.randaugment.operations=2 augment.erase=0.5",
        "augment.short_side=[26,32] input.train_size=20 input.stretch=1.1",
        "model=resnet18_v1b_kinetics400 input.frames=3 input.size=32 epochs=1",
        "hardware.precision=bf16",
        "cache=false workers=1 parts=2",
    ],
)
def test_a_run_learns_in_every_way(settings: str, data: Path, run: Path, tmp_path: Path) -> None:
    words = settings.replace("TEACHER", str(run)).split()
    if not any(word.startswith("epochs=") for word in words):
        words.append("epochs=2")
    made = train(data, config=config(*words), output=tmp_path / "run")
    losses = [float(row["train_loss"]) for row in rows(made)]
    assert len(losses) == load_config(made / "config.yaml").epochs
    assert all(np.isfinite(losses))
    load_run(made)


@pytest.mark.usefixtures("no_finish")
def test_what_is_frozen_stays_as_it_was(data: Path, tmp_path: Path) -> None:
    words = ("freeze=backbone", "pretrained=true", "epochs=1", "learning_rate=0.1")
    model, _ = load_run(train(data, config=config(*words), output=tmp_path / "run"))
    before = create_model("figures10", pretrained=True).state_dict()
    for name, value in model.state_dict().items():
        if not name.startswith("head."):
            assert torch.equal(value, before[name]), name


def test_videos_with_several_labels_are_learnt_and_predicted(tmp_path: Path) -> None:
    """Light or dark, and still or flickering: two labels a video."""
    lines = ["path,label"]
    for number in range(16):
        light, flickers = number % 2, number // 2 % 2
        pixels = np.full((12, 48, 64, 3), 200 if light else 60, np.uint8)
        pixels[::2] += np.uint8(40 * flickers)
        write_video(tmp_path / f"{number}.mp4", pixels, fps=Fraction(25))
        lines.append(f"{number}.mp4,{'light' if light else 'dark'}|{'f' if flickers else 'still'}")
    (tmp_path / "videos.csv").write_text("\n".join(lines) + "\n")
    made = train(tmp_path / "videos.csv", config=config("epochs=2"), output=tmp_path / "run")
    assert "val_map" in rows(made)[0]
    prediction = Predictor(made)(tmp_path / "0.mp4")
    assert OpenVINOBackend(made / "model.xml").spec.several_labels
    assert not np.isclose(prediction.scores.sum(), 1.0, atol=1e-3)
    told = json.loads((made / "validation" / "evaluation.json").read_text())
    assert "mean_average_precision" in told["metrics"]


def test_parameters_of_another_model_are_refused(data: Path, run: Path, tmp_path: Path) -> None:
    weights = run / "checkpoints" / "best.safetensors"
    other = config("model=x3d_xs_kinetics400", f"pretrained={weights}")
    with pytest.raises(BadWeights):
        train(data, config=other, output=tmp_path / "run")


@pytest.mark.usefixtures("no_finish")
def test_parameters_for_other_classes_start_a_run_but_for_its_head(
    run: Path, tmp_path: Path
) -> None:
    two = write_classes(tmp_path / "data")
    shutil.rmtree(two / "grey")
    weights = run / "checkpoints" / "best.safetensors"
    words = (f"pretrained={weights}", "freeze=backbone", "epochs=1")
    model, _ = load_run(train(two, config=config(*words), output=tmp_path / "run"))
    before, _ = load_run(run)
    assert torch.equal(model.state_dict()["stem.0.weight"], before.state_dict()["stem.0.weight"])


# the command line


def test_the_command_line_trains_evaluates_and_predicts(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [*SETTINGS, "pretrained=true", "epochs=0"]
    assert main(["train", str(data), "--features", "cache", *words]) == 0
    told = capsys.readouterr()
    assert "runs/1: try actionzoo predict VIDEO --model runs/1" in told.out
    assert "device: CPU" in told.err
    assert main(["evaluate", "runs/1", str(data), "--output", "numbers"]) == 0
    assert "100.0%" in capsys.readouterr().out
    assert main(["predict", str(data / "dark" / "0.mp4"), "--model", "runs/1"]) == 0
    assert "dark" in capsys.readouterr().out
    # The six videos that the run validated with are in both: enough to be compared.
    assert main(["compare", "numbers", "runs/1/validation"]) == 0
    assert "6 videos in both, 12 only in A, 0 only in B" in capsys.readouterr().out


def test_the_command_line_says_what_to_do(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", str(data), "epoch=3"]) == 2
    assert "did you mean 'epochs'" in capsys.readouterr().err
    assert main(["train", "--resume"]) == 2
    assert "which run to go on with?" in capsys.readouterr().err
    assert main(["train"]) == 2
    assert "there is no data to learn from" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_one_process_of_several_speaks_for_all(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", str(data), "--output", str(tmp_path / "run"), "model=figure10"]
    said = {}
    for rank in "01":
        monkeypatch.setenv("RANK", rank)
        assert main(words) == 2
        said[rank] = capsys.readouterr().err
    assert "did you mean 'figures10'" in said["0"]
    assert said["1"] == ""


def test_what_one_process_alone_meets_is_said_by_it(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*args: object, **_: object) -> Path:
        raise VideoError("a video and 5 others with the same labels cannot be read")

    monkeypatch.setattr("actionzoo.training.run.train", broken)
    monkeypatch.setenv("RANK", "1")
    assert main(["train", str(data), "--output", str(tmp_path / "run")]) == 2
    assert "cannot be read" in capsys.readouterr().err
