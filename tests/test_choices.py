"""What is chosen for a run that says nothing, and why."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from actionzoo.catalog import get_spec
from actionzoo.datasets import open_dataset
from actionzoo.errors import ConfigError
from actionzoo.training.choices import (
    Footage,
    Machine,
    choose_course,
    choose_hardware,
    choose_input,
    choose_model,
    look_at,
    this_machine,
)
from actionzoo.training.config import TrainConfig, load_config
from runs import write_classes

CPU = Machine(gpus=0, gpu_bytes=0, gpu_precision="fp32", cores=2, memory_bytes=8 << 30)
GPU = Machine(gpus=2, gpu_bytes=80 << 30, gpu_precision="bf16", cores=16, memory_bytes=128 << 30)
CLIPS = Footage(videos=200, classes=10, ticks=60, kept_bytes=1 << 30)
FIGURES, X3D = get_spec("figures10"), get_spec("x3d_s_kinetics400")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ACTIONZOO_OFFLINE", "1")
    monkeypatch.setenv("ACTIONZOO_HOME", str(tmp_path / "home"))


# the machine


def test_a_gpu_is_used_in_the_precision_that_it_is_fast_in() -> None:
    hardware, (told,) = choose_hardware(TrainConfig(), GPU)
    assert (hardware.device, hardware.devices, hardware.precision) == ("gpu", 2, "bf16")
    assert told == "device: 2 GPUs, 2 processes on 1 machine, bf16"
    hardware, _ = choose_hardware(load_config(None, ["hardware.device=cpu"]), GPU)
    assert (hardware.device, hardware.devices, hardware.precision) == ("cpu", 1, "fp32")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (["hardware.device=gpu"], "torch finds no GPU here"),
        (["hardware.precision=fp16"], "fp16, which is for GPUs"),
    ],
)
def test_what_the_machine_has_not_is_refused(settings: list[str], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        choose_hardware(load_config(None, settings), CPU)


def test_more_gpus_than_there_are_are_refused() -> None:
    with pytest.raises(ConfigError, match="devices is 3, but there are 2 GPUs"):
        choose_hardware(load_config(None, ["hardware.devices=3"]), GPU)


def test_features_are_kept_by_one_process() -> None:
    assert choose_hardware(load_config(None, ["features=cache"]), GPU)[0].devices == 1
    with pytest.raises(ConfigError, match="which one process does, but there are 2"):
        choose_hardware(load_config(None, ["features=cache", "hardware.devices=2"]), GPU)


def test_processes_that_torchrun_has_started_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "TORCHELASTIC_RUN_ID": "none",
        "LOCAL_WORLD_SIZE": "2",
        "WORLD_SIZE": "6",
    }.items():
        monkeypatch.setenv(name, value)
    hardware, _ = choose_hardware(TrainConfig(), this_machine())
    assert (hardware.devices, hardware.nodes) == (2, 3)


def test_this_machine_has_cores_and_memory() -> None:
    machine = this_machine()
    assert machine.cores >= 1
    assert machine.memory_bytes > 1 << 28


# the model


def test_where_nothing_can_be_downloaded_the_bundled_model_is_tuned() -> None:
    config, (told,) = choose_model(TrainConfig(), CPU)
    assert (config.model, config.pretrained) == ("figures10", True)
    assert told.startswith("model: figures10, which comes with the package; x3d_xs")


def test_a_cpu_trains_the_head_of_a_small_model_with_trained_parameters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("actionzoo.training.choices.fetch", lambda *_: [])
    config, _ = choose_model(TrainConfig(), CPU)
    assert (config.model, config.pretrained) == ("x3d_xs_kinetics400", True)
    assert (config.features, config.epochs) == ("cache", 0)
    config, _ = choose_model(TrainConfig(), GPU)
    assert (config.model, config.features) == ("x3d_s_kinetics400", "none")


def test_a_model_that_is_named_is_taken() -> None:
    config, (told,) = choose_model(load_config(None, ["model=x3d_s_kinetics400"]), CPU)
    assert (config.model, config.pretrained) == ("x3d_s_kinetics400", False)
    assert told.startswith("start: random parameters, for")
    config, _ = choose_model(load_config(None, ["model=figures10", "pretrained=false"]), CPU)
    assert config.pretrained is False


# the input


def test_videos_that_are_shorter_than_a_clip_are_looked_at_more_closely() -> None:
    fed, (told,) = choose_input(TrainConfig(), X3D, replace(CLIPS, ticks=40))
    assert (fed.frames, fed.stride) == (13, 3)
    assert "the middle video has 40 frames" in told
    assert choose_input(TrainConfig(), X3D, replace(CLIPS, ticks=73)) == (X3D.input, [])


def test_what_is_said_of_the_input_is_done() -> None:
    words = ["input.frames=8", "input.stride=4", "input.size=91", "input.clock=video"]
    fed, _ = choose_input(load_config(None, words), FIGURES, CLIPS)
    assert (fed.frames, fed.stride, fed.fps) == (8, 4, None)
    assert (fed.height, fed.width) == (91, 121)
    assert (fed.resize.height, fed.resize.width) == (91, 121)
    stretched, _ = choose_input(load_config(None, ["input.stretch=1.25"]), X3D, CLIPS)
    assert (stretched.height, stretched.resize.height) == (182, 228)


# the course


@pytest.mark.parametrize(("videos", "batch"), [(10, 1), (40, 4), (200, 16), (5000, 16)])
def test_the_batch_leaves_several_steps_in_an_epoch(videos: int, batch: int) -> None:
    config, _ = choose_course(TrainConfig(), FIGURES, replace(CLIPS, videos=videos), CPU)
    assert config.batch_size == max(2, batch)


def test_nothing_is_left_open() -> None:
    config, reasons = choose_course(TrainConfig(), FIGURES, CLIPS, CPU)
    assert None not in (
        config.batch_size,
        config.learning_rate,
        config.epochs,
        config.patience,
        config.cache,
        config.workers,
    )
    assert [one.partition(":")[0] for one in reasons] == [
        *("batch", "learning rate", "epochs", "changes", "frames"),
    ]


def test_what_is_said_of_the_course_is_done() -> None:
    said = load_config(None, "batch_size=5 learning_rate=0.3 epochs=7 cache=false".split())
    config, reasons = choose_course(said, FIGURES, CLIPS, CPU)
    assert (config.batch_size, config.learning_rate, config.epochs) == (5, 0.3, 7)
    assert (config.patience, config.cache) == (0, False)
    assert [one.partition(":")[0] for one in reasons] == ["changes"]


def test_frames_are_kept_where_they_fit() -> None:
    large = replace(CLIPS, kept_bytes=4 << 30)
    assert choose_course(TrainConfig(), FIGURES, CLIPS, CPU)[0].cache is True
    assert choose_course(TrainConfig(), FIGURES, large, CPU)[0].cache is False


def test_a_dataset_is_looked_at(tmp_path: Path) -> None:
    """Twelve frames of 64 x 48 at 25 a second, at 96 x 128 for the model."""
    footage = look_at(open_dataset(write_classes(tmp_path, videos=2)), FIGURES.input)
    assert (footage.videos, footage.classes, footage.ticks) == (6, 3, 12)
    assert footage.kept_bytes == 6 * 12 * 96 * 128 * 3
    slower = replace(FIGURES.input, fps=Fraction(5))
    assert look_at(open_dataset(tmp_path), slower).ticks == 2
