"""What exporting gains: torch eager, ONNX Runtime, and OpenVINO in fp32, fp16 and int8, in one run.

Run: python benchmarks/export.py [NETWORK ...] [--isa AVX2] [--rounds 15] [--threads 2]

The stages of a network take turns, round after round, so that a busy machine is busy for all; the
ratios are medians of the rounds' own. All but the bundled model have random weights: they cost the
same as trained ones, but whether their answers agree says little. Everything computes in float32 or
in 8 bits, on every core unless --threads says otherwise.

--isa leaves out the newer instructions of this processor, as if it were an older one: AVX2 is one
without VNNI. OpenVINO's and torch's kernels of oneDNN honour it; ONNX Runtime has no such switch.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

ISA = "ONEDNN_MAX_CPU_ISA"
CALIBRATED_ON, COMPARED_ON = 30, 20
PAUSE_SECONDS = 0.1
FLAGS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "amx_int8")
TORCH, ONNX32, ONNX8 = "torch eager", "ONNX Runtime fp32", "ONNX Runtime int8"
IR32, IR16, IR8 = "OpenVINO fp32", "OpenVINO fp16", "OpenVINO int8"

Run = Callable[[np.ndarray], np.ndarray]


@dataclass
class Stage:
    """One way to run a network."""

    name: str
    run: Run
    size_bytes: int | None = None
    seconds: list[float] = field(default_factory=list)

    def time(self, view: np.ndarray) -> None:
        """Look at one view and note how long it took, once it is this stage's turn alone.

        ONNX Runtime's threads go on looking for work for a while after they are done, and what the
        stage before has put into the caches is not this one's.
        """
        time.sleep(PAUSE_SECONDS)
        self.run(view)
        start = time.perf_counter()
        self.run(view)
        self.seconds.append(time.perf_counter() - start)


def encoder_piece() -> Any:
    """Return what looks at one frame in action-recognition-0001, a ResNet-34."""
    from actionzoo.catalog import get_spec
    from actionzoo.conversion.parts import composite
    from actionzoo.zoo import create_model

    spec = get_spec("action-recognition-0001")
    model: Any = create_model(spec.name)
    return composite(model, spec)[0]


def model_piece(name: str) -> Any:
    from actionzoo.catalog import get_spec
    from actionzoo.conversion.pieces import whole_model
    from actionzoo.zoo import create_model

    spec = get_spec(name)
    return whole_model(create_model(name, pretrained=not spec.weights), spec)


NETWORKS: dict[str, Callable[[], Any]] = {
    "figures10": lambda: model_piece("figures10"),
    "x3d_s_kinetics400": lambda: model_piece("x3d_s_kinetics400"),
    "slow_r50_kinetics400": lambda: model_piece("slow_r50_kinetics400"),
    "action-recognition-0001-encoder": encoder_piece,
}
INT8_FASTER = {"slow_r50_kinetics400": 1.5, "action-recognition-0001-encoder": 1.5}
"""How much faster than float32 int8 is to be; others are to be no slower."""


def drawn_views(piece: Any, folder: Path, count: int, seed: int) -> list[np.ndarray]:
    """Draw clips and return what a network is fed for them, a batch of one each."""
    from actionzoo.reader import read_chosen
    from actionzoo.sampling import choose_ticks
    from actionzoo.synthetic import make_dataset
    from actionzoo.transforms import eval_transform
    from actionzoo.video import open_video

    spec, views = piece.spec.input, []
    make_dataset(folder, clips_per_class=-(-count // 10), seed=seed)
    for path in sorted(folder.rglob(f"*_{seed}_*.mp4"))[:count]:
        with open_video(path) as video:
            clip = read_chosen(video, spec, lambda ticks: choose_ticks(spec, ticks, clips=1))[0]
        (fed,) = next(iter(piece.feed(eval_transform(clip.pixels, spec, crops=1))))
        views.append(np.ascontiguousarray(fed[:1]))
    return views


# the stages


def torch_stage(piece: Any, threads: int) -> Stage:
    import torch

    torch.set_num_threads(threads)

    def run(view: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(piece.module(torch.from_numpy(view)))

    return Stage(TORCH, run)


def onnx_stage(name: str, graph: Any, path: Path, threads: int) -> Stage:
    import onnxruntime

    from actionzoo.conversion.onnx import save_onnx

    save_onnx(graph, path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    key = session.get_inputs()[0].name
    return Stage(name, lambda view: np.asarray(session.run(None, {key: view})[0]), size_of(path))


def openvino_stage(name: str, network: Any, path: Path, threads: int) -> Stage:
    from actionzoo.backends.openvino_backend import import_openvino
    from actionzoo.conversion.openvino import save_openvino

    save_openvino(network, path, precision="fp32" if name == IR32 else "fp16")
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": str(threads),
    }
    request = import_openvino().Core().compile_model(path, "CPU", settings).create_infer_request()

    def run(view: np.ndarray) -> np.ndarray:
        return np.array(request.infer([view], share_inputs=True)[0])

    return Stage(name, run, size_of(path) + size_of(path.with_suffix(".bin")))


def size_of(path: Path) -> int:
    return path.stat().st_size


def stages(
    piece: Any, calibration: Sequence[np.ndarray], folder: Path, threads: int
) -> list[Stage]:
    from actionzoo.conversion.onnx import to_onnx
    from actionzoo.conversion.openvino import to_openvino
    from actionzoo.quantisation import quantise_onnx, quantise_openvino

    feeds = [(view,) for view in calibration]
    network, graph = to_openvino(piece), to_onnx(piece)
    return [
        torch_stage(piece, threads),
        onnx_stage(ONNX32, graph, folder / "fp32.onnx", threads),
        onnx_stage(ONNX8, quantise_onnx(graph, feeds), folder / "int8.onnx", threads),
        openvino_stage(IR32, network, folder / "fp32.xml", threads),
        openvino_stage(IR16, network, folder / "fp16.xml", threads),
        openvino_stage(IR8, quantise_openvino(network, feeds), folder / "int8.xml", threads),
    ]


# measuring


def measure(name: str, rounds: int, threads: int) -> dict[str, Any]:
    """Time and compare all stages of one network."""
    piece = NETWORKS[name]()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        calibration = drawn_views(piece, place / "clips", CALIBRATED_ON, seed=1)
        views = drawn_views(piece, place / "clips", COMPARED_ON, seed=0)
        parts = stages(piece, calibration, place, threads)
        outputs = {part.name: np.concatenate([part.run(view) for view in views]) for part in parts}
        for number in range(rounds):
            for part in parts:
                part.time(views[number % len(views)])
    return {part.name: row(part, parts, outputs) for part in parts}


def row(part: Stage, parts: Sequence[Stage], outputs: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return what is told of one stage."""
    by_name = {one.name: one for one in parts}
    mine, reference = (outputs[name].reshape(len(outputs[name]), -1) for name in (part.name, TORCH))
    whole = by_name[IR32 if part.name.startswith("Open") else ONNX32].size_bytes
    return {
        "ms": 1e3 * float(np.median(part.seconds)),
        "least_ms": 1e3 * min(part.seconds),
        "times_torch": ratio(by_name[TORCH], part),
        "times_fp32": ratio(by_name[IR32], part),
        "bytes": part.size_bytes,
        "of_fp32": part.size_bytes / whole if part.size_bytes and whole else None,
        "agreement": float((mine.argmax(1) == reference.argmax(1)).mean()),
        "difference": float(np.linalg.norm(mine - reference) / np.linalg.norm(reference)),
    }


def ratio(slow: Stage, fast: Stage) -> float:
    """Return how many times faster a stage is, as the median of the rounds."""
    return float(np.median(np.divide(slow.seconds, fast.seconds)))


# telling


def table(name: str, rows: dict[str, dict[str, Any]]) -> None:
    print(f"\n{name}")
    head = ("ms", "least", "x torch", "x fp32", "MB", "of fp32", "top-1 as torch", "difference")
    print(f"  {'':20}" + "".join(f"{one:>9}" for one in head[:6]) + f"{head[6]:>16}{head[7]:>12}")
    for stage, one in rows.items():
        size = f"{one['bytes'] / 1e6:9.2f}{one['of_fp32']:9.0%}" if one["bytes"] else " " * 18
        print(
            f"  {stage:20}{one['ms']:9.1f}{one['least_ms']:9.1f}{one['times_torch']:9.2f}"
            f"{one['times_fp32']:9.2f}{size}{one['agreement']:16.0%}{one['difference']:12.1e}"
        )
    for text, value, target, met in targets(name, rows):
        print(f"  {'met' if met else 'MISSED':7}{text}: {value:.2f} (target {target:g})")


def targets(name: str, rows: dict[str, Any]) -> list[tuple[str, float, float, bool]]:
    faster = INT8_FASTER.get(name, 1.0)
    openvino, int8, size = (
        rows[IR32]["times_torch"],
        rows[IR8]["times_fp32"],
        rows[IR8]["of_fp32"],
    )
    return [
        ("OpenVINO fp32 over torch eager", openvino, 2.0, openvino >= 2),
        ("OpenVINO int8 over fp32", int8, faster, int8 >= faster),
        ("size of the int8 file over fp32", size, 0.3, size <= 0.3),
    ]


def machine() -> dict[str, Any]:
    """Return the processor, which of the instructions that matter here it has, and the versions."""
    import onnxruntime
    import torch

    from actionzoo.backends.openvino_backend import import_openvino

    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.exists() else []
    facts = dict(line.split("\t: ", 1) for line in lines if "\t: " in line)
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    return {
        "processor": next((v for k, v in facts.items() if "model name" in k), platform.processor()),
        "cores": os.cpu_count(),
        "instructions": [flag for flag in FLAGS if flag in flags],
        "held_to": os.environ.get(ISA),
        "openvino": import_openvino().__version__,
        "onnxruntime": onnxruntime.__version__,
        "torch": torch.__version__,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=", ".join(NETWORKS))
    parser.add_argument("--isa", help="the newest instructions to use, such as AVX2 or AVX512_CORE")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="where to write the figures as JSON")
    arguments = parser.parse_args()
    unknown = set(arguments.networks) - set(NETWORKS)
    if unknown:
        parser.error(f"no network {', '.join(sorted(unknown))}; there is {', '.join(NETWORKS)}")
    if arguments.isa and os.environ.get(ISA) != arguments.isa:
        # Read once, when a library is loaded: it has to be there before Python imports anything.
        capability = {"ATEN_CPU_CAPABILITY": "avx2"} if arguments.isa == "AVX2" else {}
        environment = {**os.environ, ISA: arguments.isa, **capability}
        os.execve(sys.executable, [sys.executable, *sys.argv], environment)
    report(arguments)


def report(arguments: argparse.Namespace) -> None:
    """Measure one network after the other, and tell of each as soon as it is done."""
    results: dict[str, Any] = {"machine": machine(), "networks": {}}
    facts = results["machine"]
    held = f", held to {facts['held_to']}" if facts["held_to"] else ""
    print(
        f"{facts['processor']}, {arguments.threads} of {facts['cores']} cores, "
        f"{', '.join(facts['instructions'])}{held}"
    )
    for name in arguments.networks or NETWORKS:
        rows = measure(name, arguments.rounds, arguments.threads)
        results["networks"][name] = rows
        table(name, rows)
        if arguments.json:
            arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
