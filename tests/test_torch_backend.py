"""The three engines say the same, and torch says by itself what cannot be done."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch

from actionzoo.backends.onnx_backend import OnnxBackend
from actionzoo.backends.openvino_backend import OpenVINOBackend
from actionzoo.backends.torch_backend import TorchBackend, best_device, find_device
from actionzoo.conversion import export_onnx, export_openvino
from actionzoo.errors import ConfigError
from actionzoo.reader import read_clips, video_ticks
from actionzoo.sampling import choose_ticks
from actionzoo.spec import InputSpec, ModelSpec, Resize
from actionzoo.transforms import eval_transform
from actionzoo.video import open_video

SPEC = ModelSpec(
    dataset="any",
    name="tiny",
    family="test",
    summary="Two convolutions, so that real kernels and a head of real size are compared.",
    input=InputSpec(
        frames=8,
        stride=2,
        fps=Fraction(25),
        resize=Resize(rule="short_side", height=32, width=32),
        height=32,
        width=32,
        mean=(0.45, 0.45, 0.45),
        std=(0.225, 0.225, 0.225),
    ),
    labels=tuple("abcdefghij"),
    license="Apache-2.0",
)


def tiny() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv3d(3, 8, 3, stride=(1, 2, 2), padding=1),
        torch.nn.BatchNorm3d(8),
        torch.nn.ReLU(),
        torch.nn.Conv3d(8, 16, 3, padding=1),
        torch.nn.AdaptiveAvgPool3d(1),
        torch.nn.Flatten(),
        torch.nn.Dropout(),
        torch.nn.Linear(16, 10),
    )


@pytest.fixture(scope="module")
def clips(shared):
    """Three clips of real video."""
    with open_video(shared / "data" / "clips" / "archery.avi") as video:
        ticks = choose_ticks(SPEC.input, video_ticks(video.info, SPEC.input), clips=3)
        found = read_clips(video, ticks, SPEC.input)
        return np.concatenate([eval_transform(clip.pixels, SPEC.input) for clip in found])


@pytest.fixture(scope="module")
def onnx_file(tmp_path_factory):
    return export_onnx(tiny(), SPEC, tmp_path_factory.mktemp("model") / "tiny.onnx")


def test_the_three_engines_agree_on_real_video(clips, onnx_file, tmp_path):
    openvino_file = export_openvino(tiny(), SPEC, tmp_path / "tiny.xml", precision="fp32")
    engines = [TorchBackend(tiny(), SPEC), OpenVINOBackend(openvino_file), OnnxBackend(onnx_file)]
    with torch.no_grad():
        expected = tiny().eval()(torch.from_numpy(clips)).numpy()
    for engine in engines:
        logits = engine(clips)
        assert logits.dtype == np.float32
        assert np.linalg.norm(logits - expected) < 1e-4 * np.linalg.norm(expected)
        assert engine.spec == SPEC


def test_many_threads_get_their_own_answers(onnx_file):
    for engine in (TorchBackend(tiny(), SPEC), OnnxBackend(onnx_file)):
        rng = np.random.default_rng(0)
        batches = [rng.standard_normal((1 + i % 3, 3, 8, 32, 32), np.float32) for i in range(12)]
        with ThreadPoolExecutor(6) as pool:
            futures = list(pool.map(engine.submit, batches))
        for batch, future in zip(batches, futures, strict=True):
            np.testing.assert_allclose(future.result(), engine(batch), rtol=1e-4, atol=1e-6)


def test_clips_of_another_size_are_taken_where_the_network_takes_them():
    backend = TorchBackend(tiny(), SPEC)
    assert backend(np.zeros((2, 3, 4, 48, 40), np.float32)).shape == (2, 10)
    fixed = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 32 * 32, 10))
    with pytest.raises(ConfigError, match="'tiny' cannot take clips of 8 frames of 16x32 px"):
        TorchBackend(fixed, SPEC)(np.zeros((1, 3, 8, 16, 32), np.float32))


def test_a_failed_batch_leaves_its_place_to_the_next():
    fixed = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 32 * 32, 10))
    backend = TorchBackend(fixed, SPEC)
    for _ in range(4):
        with pytest.raises(ConfigError):
            backend(np.zeros((1, 3, 8, 16, 32), np.float32))
    assert backend(np.zeros((1, 3, 8, 32, 32), np.float32)).shape == (1, 10)


def test_other_layouts_are_transposed():
    spec = replace(SPEC, input=replace(SPEC.input, layout="BTHWC"))

    class Last(torch.nn.Module):
        def forward(self, clip: torch.Tensor) -> torch.Tensor:
            return clip.mean((1, 2, 3))

    clips = np.random.default_rng(0).random((2, 3, 8, 32, 32), np.float32)
    np.testing.assert_allclose(TorchBackend(Last(), spec)(clips), clips.mean((2, 3, 4)), rtol=1e-4)


def test_a_device_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(ConfigError, match=r"no device 'cuda:99' for torch here; there is cpu"):
        find_device("cuda:99")
    assert find_device("CPU").type == "cpu"


def test_the_device_that_is_taken_by_itself_says_what_the_cpu_says(clips):
    expected = TorchBackend(tiny(), SPEC)(clips)
    logits = TorchBackend(tiny(), SPEC, device=best_device())(clips)
    assert np.linalg.norm(logits - expected) < 1e-3 * np.linalg.norm(expected)
