"""The examples, run as programs that find neither this package nor torch."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import actionzoo
from actionzoo import predictor
from actionzoo.backends.axes import arranged
from actionzoo.backends.openvino_backend import OpenVINOBackend, import_openvino
from actionzoo.catalog import get_spec
from actionzoo.conversion import export_onnx, export_openvino
from actionzoo.models.figures import Figures
from actionzoo.models.vtn import OMZ_INPUT
from actionzoo.omz import assemble
from actionzoo.pretrained import ASSETS
from actionzoo.reader import read_clips, video_ticks
from actionzoo.sampling import choose_ticks
from actionzoo.spec import Average, InputSpec, Resize, Views
from actionzoo.transforms import eval_transform
from actionzoo.video import open_video
from actionzoo.zoo import create_model
from colour_model import SPEC
from videos import write_video

EXAMPLES = Path(__file__).parents[1] / "examples"
TO_32 = Resize(rule="short_side", height=32, width=32)
SAMPLE = ASSETS / "sample.mp4"
FORBIDDEN = ("actionzoo", "torch", "openvino_telemetry")
"""What no example may import; OpenVINO's own telemetry would go on the network."""

openvino = import_openvino()
ops = openvino.opset13


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("forbidden")
    for name in FORBIDDEN:
        (folder / f"{name}.py").write_text(f"raise ImportError('{name} is not to be used')\n")
    return {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def run(surroundings: dict[str, str]) -> Any:
    """Return what runs a program and gives the lines it prints."""

    def run(*words: Any) -> list[str]:
        done = subprocess.run(
            [str(word) for word in words], env=surroundings, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run


def assert_told(lines: list[str], model: Path | str, video: Path) -> None:
    """Compare three printed lines with what the package says."""
    expected = actionzoo.Predictor(model)(video).top_k(3)
    assert [line.split("  ")[1] for line in lines] == [one.label for one in expected]
    told = [float(line.split()[0]) for line in lines]
    assert told == pytest.approx([one.score for one in expected], abs=2e-3)


def test_plain_openvino_says_what_the_package_says(run: Any) -> None:
    model = ASSETS / "figures10.xml"
    assert_told(run(sys.executable, EXAMPLES / "openvino_plain.py", model, SAMPLE), model, SAMPLE)


def test_a_model_of_other_labels_is_used_the_same_way(run: Any, tmp_path: Path) -> None:
    given = replace(SPEC.input, height=32, width=32, resize=TO_32)
    spec = replace(SPEC, input=given, views=Views(clips=2))
    model = export_openvino(Figures(3, width=2), spec, tmp_path / "tiny.xml")
    video = tmp_path / "clip.mp4"
    write_video(video, range(30))
    assert_told(run(sys.executable, EXAMPLES / "openvino_plain.py", model, video), model, video)


def test_plain_onnx_runtime_says_what_the_package_says(run: Any, tmp_path: Path) -> None:
    model, spec = create_model("figures10", pretrained=True), get_spec("figures10")
    file = export_onnx(model, spec, tmp_path / "figures10.onnx")
    lines = run(sys.executable, EXAMPLES / "onnxruntime_plain.py", file, SAMPLE)
    assert_told(lines, "figures10", SAMPLE)


# All that a spec can say, without a network.

INPUT = replace(SPEC.input, height=12, width=12)
SQUASHED = Resize(rule="squash", height=12, width=12)
FITTING = Resize(rule="fit", height=10, width=16, rounding="round")
NORMALISED = {"value_range": (-1.0, 1.0), "mean": (0.1, 0.2, 0.3), "std": (2.0, 1.0, 0.5)}


@pytest.mark.parametrize(
    ("fed", "clips"),
    [
        (INPUT, 3),
        (replace(INPUT, short="loop", frames=40, layout="BSTHWC"), 1),
        (replace(INPUT, sampling="segments", stride=1, resize=SQUASHED), 2),
        (replace(INPUT, resize=FITTING, crop_rounding="ceil", fps=None), 1),
        (replace(INPUT, fps=Fraction(12), color="BGR", **NORMALISED), 2),
    ],
    ids=["clips", "looped", "segments", "fitting", "BGR"],
)
@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30000, 1001)])
def test_what_is_fed_is_what_the_package_feeds(
    fps: Fraction, fed: InputSpec, clips: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    from plain_video import fed_clips

    write_video(tmp_path / "clip.mp4", range(1, 31), fps=fps, width=80)
    spec = replace(SPEC, input=fed, views=Views(clips=clips))
    with open_video(tmp_path / "clip.mp4") as video:
        ticks = choose_ticks(fed, video_ticks(video.info, fed), clips=clips)
        expected = [
            arranged(eval_transform(clip.pixels, fed), fed.layout)
            for clip in read_clips(video, ticks, fed)
        ]
    made = list(fed_clips(str(tmp_path / "clip.mp4"), json.loads(spec.to_json())))
    np.testing.assert_allclose(made, expected, atol=1e-5)


@pytest.mark.parametrize("average", ["scores", "logits"])
@pytest.mark.parametrize("several_labels", [False, True])
def test_clips_become_one_answer_as_in_the_package(
    several_labels: bool, average: Average, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    from plain_video import mean_scores

    views = Views(clips=3, average=average)
    spec = replace(SPEC, several_labels=several_labels, views=views)
    outputs = [np.float32([[3 * one, -1, 2]]) for one in range(3)]
    expected = predictor.average(np.concatenate(outputs), spec, views)
    made = mean_scores(outputs, json.loads(spec.to_json()))
    np.testing.assert_allclose(made, expected, rtol=1e-5)


# Encoder and decoder.

OMZ_SPEC = replace(SPEC, name="action-recognition-0001", input=OMZ_INPUT, views=Views())


def published(folder: Path) -> tuple[Path, Path]:
    """Write an encoder and a decoder with the names and shapes of Open Model Zoo's."""
    rng = np.random.default_rng(0)
    picture = ops.parameter([-1, 3, 224, 224], np.float32, name="0")
    kernel = rng.standard_normal((512, 3, 32, 32)).astype(np.float32) / 1e4
    patches = ops.convolution(picture, kernel, [32, 32], [0, 0], [0, 0], [1, 1])
    embedding = ops.reduce_mean(ops.relu(patches), [2, 3], True)
    sequence = ops.parameter([1, 16, 512], np.float32, name="0")
    # Each place has weights of its own: the order of the embeddings counts.
    matrix = rng.standard_normal((16 * 512, 3)).astype(np.float32) / 10
    logits = ops.matmul(ops.reshape(sequence, [1, -1], False), matrix, False, False)
    files = folder / "vtn-encoder.xml", folder / "vtn-decoder.xml"
    for file, result, parameter in zip(
        files, (embedding, logits), (picture, sequence), strict=True
    ):
        network = openvino.Model([result], [parameter], "torch-jit-export")
        network.input().set_names({"0"})
        openvino.save_model(network, file, compress_to_fp16=False)
    return files


def test_encoder_and_decoder_answer_once_a_window(run: Any, tmp_path: Path) -> None:
    encoder, decoder = published(tmp_path)
    (tmp_path / "labels.txt").write_text("\n".join(OMZ_SPEC.labels) + "\n")
    video = tmp_path / "clip.mp4"
    write_video(video, range(32), height=240, width=320)
    networks = ("-m_en", encoder, "-m_de", decoder, "-lb", tmp_path / "labels.txt", "-i", video)
    lines = run(sys.executable, EXAMPLES / "encoder_decoder.py", *networks)
    files = [file.with_suffix(end) for file in (encoder, decoder) for end in (".xml", ".bin")]
    whole = assemble(files, OMZ_SPEC, tmp_path / "whole.xml")
    expected = actionzoo.Predictor(whole)(video).top_k(3)
    assert 0.34 < expected[0].score < 0.99
    when, _, told = lines[0].partition(": ")
    assert (when, len(lines)) == ("0.00 to 1.00 s", 1)
    for one, (label, score) in zip(expected, map(str.split, told.split(", ")), strict=True):
        assert (label, float(score)) == (one.label, pytest.approx(one.score, abs=2e-3))
    sliding = run(
        sys.executable, EXAMPLES / "encoder_decoder.py", *networks, "--sliding", "--every", "1"
    )
    assert len(sliding) == 32 - 16 + 1


# C++.


@pytest.fixture(scope="module")
def classify(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the program."""
    headers = Path(openvino.__file__).parent / "include" / "openvino" / "runtime" / "core.hpp"
    if shutil.which("cmake") is None or not any(map(shutil.which, ("c++", "g++", "clang++"))):
        pytest.skip("cmake and a C++ compiler are needed")
    if not headers.is_file():
        pytest.skip("this OpenVINO comes without its headers")
    from openvino.utils import get_cmake_path

    build = tmp_path_factory.mktemp("build")
    for words in (
        ["-S", EXAMPLES / "cpp", "-B", build, f"-DOpenVINO_DIR={get_cmake_path()}"],
        ["--build", build],
    ):
        done = subprocess.run(["cmake", *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return build / "classify"


def test_cpp_computes_the_logits_that_python_does(run: Any, classify: Path, tmp_path: Path) -> None:
    model = ASSETS / "figures10.xml"
    spec = OpenVINOBackend(model).spec
    frames, height, width = spec.input.shape[1:]
    pixels = np.random.default_rng(0).integers(0, 256, (frames, height, width, 3), np.uint8)
    clip = eval_transform(pixels, spec.input)
    pixels.tofile(tmp_path / "clip.rgb")
    clip.tofile(tmp_path / "clip.f32")
    (tmp_path / "labels.txt").write_text("\n".join(spec.labels) + "\n")
    words = (classify, model, tmp_path / "clip.f32", tmp_path / "labels.txt")
    numbers = [",".join(str(255 * one) for one in row) for row in (spec.input.mean, spec.input.std)]
    expected = OpenVINOBackend(model)(clip)[0]
    for lines in (run(*words), run(*words[:2], tmp_path / "clip.rgb", words[3], *numbers)):
        told = {label: float(logit) for _, logit, label in (line.split("  ") for line in lines)}
        made = np.array([told[label] for label in spec.labels])
        assert list(told.values()) == sorted(told.values(), reverse=True)
        assert np.linalg.norm(made - expected) / np.linalg.norm(expected) < 1e-5


def test_cpp_says_what_is_wrong(classify: Path, tmp_path: Path) -> None:
    (tmp_path / "clip.f32").write_bytes(b"1234")
    words = [classify, ASSETS / "figures10.xml", tmp_path / "clip.f32", tmp_path / "labels.txt"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert "clip.f32 has 4 bytes, the network takes 2359296" in done.stderr
