"""The backend on networks that are written down here, so that their answers are known."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actionzoo.backends.openvino_backend import SPEC_PATH, OpenVINOBackend, import_openvino
from actionzoo.errors import BadWeights, ConfigError
from actionzoo.pretrained import ASSETS
from actionzoo.spec import InputSpec, ModelSpec, Resize

openvino = import_openvino()
MATRIX = np.array([[1, 0, 0, 2], [0, 1, 0, 3], [0, 0, 1, 4]], np.float32)

SPEC = ModelSpec(
    dataset="colours",
    name="means",
    family="test",
    summary="Logits are the mean red, green and blue, and 2 red + 3 green + 4 blue.",
    input=InputSpec(
        frames=2, resize=Resize(rule="squash", height=4, width=6), height=4, width=6
    ),
    labels=("red", "green", "blue", "all"),
    license="Apache-2.0",
)  # fmt: skip


def clips(number: int) -> np.ndarray:
    return np.random.default_rng(number).random((number, *SPEC.input.shape), np.float32)


def expected(values: np.ndarray) -> np.ndarray:
    return values.mean((2, 3, 4)) @ MATRIX


def write(path: Path, spec: ModelSpec | None = SPEC, *, batch: int = -1) -> Path:
    """Write the network of ``SPEC`` for the layout and names of ``spec``."""
    ops = openvino.opset13
    description = (spec or SPEC).input
    sizes = dict(zip("BCTHW", (batch, *SPEC.input.shape), strict=True))
    clip = ops.parameter([sizes[axis] for axis in description.layout], np.float32)
    axes = [axis for axis, letter in enumerate(description.layout) if letter in "THW"]
    logits = ops.matmul(ops.reduce_mean(clip, axes), MATRIX, False, False)
    network = openvino.Model([logits], [clip])
    network.inputs[0].set_names({description.input_name})
    network.outputs[0].set_names({description.output_name})
    if spec is not None:
        network.set_rt_info(spec.to_json(), SPEC_PATH)
    openvino.save_model(network, path, compress_to_fp16=False)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "means.xml")


@pytest.mark.parametrize("number", [1, 2, 5])
def test_logits_are_the_networks(path: Path, number: int) -> None:
    backend = OpenVINOBackend(path)
    assert backend.spec == SPEC
    logits = backend(clips(number))
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, expected(clips(number)), rtol=1e-5)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("number", [1, 3, 5])
def test_a_network_of_fixed_batch_takes_any_number_of_clips(
    batch: int, number: int, tmp_path: Path
) -> None:
    backend = OpenVINOBackend(write(tmp_path / "fixed.xml", batch=batch))
    np.testing.assert_allclose(backend(clips(number)), expected(clips(number)), rtol=1e-5)
    np.testing.assert_allclose(
        backend.submit(clips(number)).result(), expected(clips(number)), rtol=1e-5
    )


@pytest.mark.parametrize("layout", ["BTHWC", "BTCHW", "TBHWC"])
def test_other_layouts_are_transposed(layout: str, tmp_path: Path) -> None:
    spec = replace(SPEC, input=replace(SPEC.input, layout=layout))
    backend = OpenVINOBackend(write(tmp_path / "other.xml", spec))
    np.testing.assert_allclose(backend(clips(3)), expected(clips(3)), rtol=1e-5)


def test_clips_need_not_lie_in_one_piece_of_memory(path: Path) -> None:
    scattered = np.asfortranarray(clips(2))[:, :, :, ::-1]
    np.testing.assert_allclose(OpenVINOBackend(path)(scattered), expected(scattered), rtol=1e-5)


def test_many_threads_get_their_own_answers(path: Path) -> None:
    backend = OpenVINOBackend(path)
    with ThreadPoolExecutor(8) as pool:
        futures = list(pool.map(lambda number: backend.submit(clips(number)), range(1, 60)))
    for number, future in enumerate(futures, start=1):
        np.testing.assert_allclose(future.result(), expected(clips(number)), rtol=1e-5)


def test_a_wrong_clip_fails_alone(path: Path) -> None:
    backend = OpenVINOBackend(path)
    for _ in range(10):  # more often than there are requests: none may be lost
        with pytest.raises((RuntimeError, ValueError)):
            backend(np.zeros((1, 3, 2, 4, 7), np.float32))
    np.testing.assert_allclose(backend(clips(2)), expected(clips(2)), rtol=1e-5)


def test_a_model_without_a_spec_takes_the_one_given(tmp_path: Path) -> None:
    path = write(tmp_path / "bare.xml", None)
    with pytest.raises(
        BadWeights, match=r"bare\.xml' is a model without a spec.*--spec FILE\.json"
    ):
        OpenVINOBackend(path)
    assert OpenVINOBackend(path, spec=SPEC).spec == SPEC


def rewritten(path: Path, **changes: Any) -> Path:
    """Put another spec into a model's file."""
    network = openvino.Core().read_model(path)
    network.set_rt_info(replace(SPEC, **changes).to_json(), SPEC_PATH)
    other = path.with_name("rewritten.xml")
    openvino.save_model(network, other, compress_to_fp16=False)
    return other


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"labels": ("red", "green")}, "tells 4 classes apart but its spec has 2 labels"),
        ({"input": replace(SPEC.input, frames=3)}, r"takes \[\?,3,2,4,6\] where its spec says"),
        ({"input": replace(SPEC.input, input_name="x")}, "no tensor 'x'.*there is clip"),
        ({"input": replace(SPEC.input, output_name="y")}, "no tensor 'y'.*there is logits"),
    ],
)
def test_a_spec_that_is_not_the_networks_is_refused(
    changes: dict[str, Any], sentence: str, path: Path
) -> None:
    with pytest.raises(BadWeights, match=sentence):
        OpenVINOBackend(rewritten(path, **changes))


def test_a_spec_that_is_no_spec_is_refused(path: Path) -> None:
    network = openvino.Core().read_model(path)
    network.set_rt_info("{}", SPEC_PATH)
    other = path.with_name("other.xml")
    openvino.save_model(network, other)
    with pytest.raises(BadWeights, match=r"the spec inside .*other\.xml' cannot be used"):
        OpenVINOBackend(other)


def test_the_two_files_of_a_model_belong_together(path: Path) -> None:
    path.with_suffix(".bin").unlink()
    with pytest.raises(BadWeights, match=r"has no 'means\.bin' beside it"):
        OpenVINOBackend(path)


@pytest.mark.parametrize("suffix", [".xml", ".bin"])
@pytest.mark.parametrize("content", [None, b"", b"<html>not found</html>", b"text"])
def test_a_damaged_model_is_refused(path: Path, suffix: str, content: bytes | None) -> None:
    file = path.with_suffix(suffix)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2] if content is None else content)
    with pytest.raises(BadWeights, match="cannot be read as an OpenVINO model"):
        OpenVINOBackend(path)


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadWeights, match=r"there is no model file .*none\.xml'"):
        OpenVINOBackend(tmp_path / "none.xml")


def test_an_unknown_device_is_answered_with_those_there_are(path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no device 'TPU' .*CPU"):
        OpenVINOBackend(path, device="TPU")


@pytest.mark.parametrize(
    "device", ["cpu", "AUTO", "AUTO:CPU", "auto:-gpu", "HETERO:CPU", "MULTI:CPU"]
)
def test_devices_are_passed_through_in_any_case(path: Path, device: str) -> None:
    backend = OpenVINOBackend(path, device=device)
    np.testing.assert_allclose(backend(clips(2)), expected(clips(2)), rtol=1e-5)


@pytest.mark.parametrize(
    ("device", "sentence"),
    [
        ("GPU.7", "there is no device 'GPU.7' for OpenVINO here; there is CPU"),
        ("HETERO:TPU,CPU", "no device 'TPU' .* here, which 'HETERO:TPU,CPU' names; there is CPU"),
        ("multi:cpu,tpu(2)", "no device 'TPU' .* here, which 'multi:cpu,tpu.*' names; there is"),
        ("CPU.3", "there is no device 'CPU.3'"),
        ("CPU:TPU", "there is no device 'CPU:TPU'"),
        ("AUTO:-CPU,-GPU,-NPU", "the device 'AUTO:-CPU,-GPU,-NPU' cannot run"),
    ],
)
def test_a_device_that_is_absent_is_named(path: Path, device: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        OpenVINOBackend(path, device=device)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('version="11"', 'version="12"'),
        ('version="opset1"', 'version="opset99"'),
        ('type="ReduceMean"', 'type="ReduceMode"'),
    ],
)
def test_a_file_of_a_newer_openvino_says_what_to_install(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(BadWeights, match=r"newer OpenVINO than 20.*pip install --upgrade openvino"):
        OpenVINOBackend(path)


def test_an_xml_of_something_else_is_told_quietly(
    path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path.write_text("<?xml version='1.0'?><annotations><track id='0'/></annotations>")
    with pytest.raises(BadWeights, match=r"an \.xml of something else; give the \.xml that lies"):
        OpenVINOBackend(path)
    assert capfd.readouterr().err == ""


def test_it_runs_without_torch_and_reports_to_nobody(path: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None;"
        "from pathlib import Path; import numpy as np;"
        "from actionzoo.backends.openvino_backend import OpenVINOBackend;"
        "print(OpenVINOBackend(Path(sys.argv[1]))(np.ones((1, 3, 2, 4, 6), np.float32)))"
    )
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        env={**os.environ, "HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["[[1.", "1.", "1.", "9.]]"]
    assert list(home.iterdir()) == []


FIRST_TOGETHER = """
import sys, threading
from pathlib import Path
import numpy as np
from actionzoo.backends.openvino_backend import OpenVINOBackend

backend = OpenVINOBackend(Path(sys.argv[1]))
together = threading.Barrier(4)

def infer():
    together.wait()
    backend(np.zeros((1, *backend.spec.input.shape), np.float32))

threads = [threading.Thread(target=infer, daemon=True) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(20)
sys.exit(any(thread.is_alive() for thread in threads))
"""


@pytest.mark.parametrize("attempt", range(4))
def test_the_first_inferences_may_come_together(tmp_path: Path, attempt: int) -> None:
    """OpenVINO's first use of numpy from two threads at once used to hang two times in five."""
    command = [sys.executable, "-c", FIRST_TOGETHER, str(write(tmp_path / "model.xml"))]
    assert subprocess.run(command, timeout=60).returncode == 0


_SIGNAL_AFTERWARDS = """
import gc, os, signal, sys, threading
from pathlib import Path
import numpy as np
from actionzoo.backends.openvino_backend import OpenVINOBackend
held = [OpenVINOBackend(Path(sys.argv[1]))]
held[0](np.zeros((1, *held[0].spec.input.shape), np.float32))
def let_go():
    held.clear()
    gc.collect()
thread = threading.Thread(target=let_go)
thread.start()
thread.join()
signal.signal(signal.SIGINT, lambda *_: print("heard", flush=True))
os.kill(os.getpid(), signal.SIGINT)
"""


def test_signals_are_heard_after_a_network_was_let_go_in_another_thread() -> None:
    """The plugin's stack for signals goes with the last network of a core, if the core goes too."""
    command = [sys.executable, "-c", _SIGNAL_AFTERWARDS, str(ASSETS / "figures10.xml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "heard\n"), done.stderr
