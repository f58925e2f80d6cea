"""Every model leaves in both formats, its batch free, and the files compute what torch does.

Quick: a network of each family, less deep, on small clips. With ``--all-exports``: every model of
the zoo at its own size, the cheapest first, which takes about an hour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from actionzoo.backends.onnx_backend import OnnxBackend
from actionzoo.backends.openvino_backend import OpenVINOBackend, openvino_core
from actionzoo.catalog import get_spec, list_models
from actionzoo.conversion.onnx import save_onnx, to_onnx
from actionzoo.conversion.openvino import save_openvino, to_openvino
from actionzoo.conversion.pieces import Piece, whole_model
from actionzoo.models import FAMILIES
from actionzoo.spec import ModelSpec
from small_networks import awake, shallow, small_spec

Run = Callable[[np.ndarray], np.ndarray]

BOUND = 1e-4
"""How far logits may be from torch's, as ‖difference‖ / ‖logits‖."""

ONE_A_FAMILY = (
    "figures10",
    "resnet18_v1b_kinetics400",
    "c3d_kinetics400",
    "p3d_resnet50_kinetics400",
    "r2plus1d_v1_resnet18_kinetics400",
    "i3d_inceptionv1_kinetics400",
    "c2d_r50_kinetics400",
    "slowfast_4x16_resnet50_kinetics400",
    "i3d_slow_resnet50_f8s8_kinetics400",
    "tpn_resnet50_f8s8_kinetics400",
    "csn_r101_kinetics400",
    "driver-action-recognition-adas-0002",
    "x3d_xs_kinetics400",
    "movinet_a0_stream_kinetics600",
    "r3d_18_kinetics400",
    "s3d_kinetics400",
    "mvit_v2_s_kinetics400",
    "swin3d_t_kinetics400",
)
"""Other designs than these wait for ``--all-exports``: to trace a network takes seconds."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "name" in metafunc.fixturenames:
        every = metafunc.config.getoption("--all-exports")
        names = sorted(list_models(), key=lambda name: get_spec(name).macs or 0)
        metafunc.parametrize("name", names if every else ONE_A_FAMILY)


@pytest.fixture
def whole(request: pytest.FixtureRequest) -> bool:
    """Tell whether networks are as the zoo has them."""
    return bool(request.config.getoption("--all-exports"))


def network_of(name: str, *, whole: bool) -> tuple[nn.Module, ModelSpec]:
    if whole:
        return awake(name), get_spec(name)
    model, spec = awake(name), small_spec(name)
    if spec.family == "mvit":  # takes no smaller clips: two of its 16 blocks
        model.blocks, model.norm = model.blocks[:2], nn.LayerNorm(192)
        model.head = nn.Linear(192, len(spec.labels))
    return shallow(model.eval()), spec


def run_ir(file: Path, spec: ModelSpec) -> Run:
    """Return a file as a function of clips side by side, which the backends take in turn."""
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino_core().compile_model(file, "CPU", settings)
    return lambda clips: compiled({spec.input.input_name: clips})[spec.input.output_name]


def run_onnx(file: Path, spec: ModelSpec) -> Run:
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    names = spec.input.input_name, [spec.input.output_name]
    return lambda clips: session.run(names[1], {names[0]: clips})[0]


def exported(piece: Piece, folder: Path) -> Iterator[tuple[OpenVINOBackend | OnnxBackend, Run]]:
    """Return each file as its backend and as a function, one after the other."""
    ir, onnx = folder / "model.xml", folder / "model.onnx"
    save_openvino(to_openvino(piece), ir, precision="fp32")
    yield OpenVINOBackend(ir), run_ir(ir, piece.spec)
    save_onnx(to_onnx(piece), onnx)
    yield OnnxBackend(onnx), run_onnx(onnx, piece.spec)


def assert_same(logits: np.ndarray, expected: np.ndarray) -> None:
    assert np.linalg.norm(logits - expected) < BOUND * np.linalg.norm(expected)


def test_no_family_is_missing() -> None:
    families = sorted(one.SPECS[0].family for one in FAMILIES)
    assert sorted(get_spec(name).family for name in ONE_A_FAMILY) == families


def test_the_files_compute_what_torch_does(name: str, whole: bool, tmp_path: Path) -> None:
    model, spec = network_of(name, whole=whole)
    number = 2 if whole else 3
    clips = np.random.default_rng(1).standard_normal((number, *spec.input.shape), np.float32)
    with torch.no_grad():
        expected = model(torch.from_numpy(clips)).numpy()
    assert np.ptp(expected, axis=0).any(), "the clips have to differ"
    for backend, run in exported(whole_model(model, spec), tmp_path):
        assert backend.spec == spec
        assert_same(backend(clips[-1:]), expected[-1:])
        assert_same(run(clips), expected)
    for file in tmp_path.iterdir():
        file.unlink()
