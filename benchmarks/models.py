"""Milliseconds a view of every network of the zoo: torch eager, torch channels-last, OpenVINO.

Run: python benchmarks/models.py [PATTERN]

All three in float32 with every core, on the same machine in the same run. The machine's peak is
measured too, with large matrix products, so that each time can be read as a share of it. Results go
to benchmarks/models.json, network by network, and from there into docs/models.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from actionzoo.backends.openvino_backend import import_openvino
from actionzoo.catalog import get_spec, list_models
from actionzoo.conversion.openvino import to_openvino
from actionzoo.conversion.pieces import whole_model
from actionzoo.spec import ModelSpec
from actionzoo.zoo import create_model

RESULTS = Path(__file__).with_suffix(".json")
LONG_SECONDS = 4.0
"""A view that takes longer is timed once; others as often as fit into this time, at most 10."""


def seconds(work: Callable[[], object]) -> float:
    """Return the shortest time of several, after a warm-up."""
    start = time.perf_counter()
    work()
    rounds = max(1, min(10, int(LONG_SECONDS / (time.perf_counter() - start))))
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def peak() -> float:
    """Measure the multiply-adds a second of large float32 matrix products, the best of some."""
    rates = []
    for size in (1024, 2048, 4096):
        a, b = torch.randn(size, size), torch.randn(size, size)
        rates.append(size**3 / seconds(lambda a=a, b=b: a @ b))  # type: ignore[misc]
    return max(rates)


def networks(pattern: str | None) -> Iterator[ModelSpec]:
    """Yield one spec of each network and size, the cheapest first."""
    specs = sorted(map(get_spec, list_models(pattern)), key=lambda spec: spec.macs or 0)
    seen: set[object] = set()
    for spec in sorted(specs, key=lambda spec: not spec.dataset.startswith("kinetics")):
        # Names that differ in the dataset alone are one network but for the width of its head.
        stem = spec.name.removesuffix(f"_{spec.dataset.replace('-', '_')}")
        keys = {(spec.family, stem), (spec.family, spec.parameters, spec.macs)}
        if not keys & seen:
            yield spec
        seen |= keys


def measure(spec: ModelSpec) -> dict[str, Any]:
    """Time one view in the three ways."""
    model = create_model(spec.name).eval()
    clip = torch.randn(1, *spec.input.shape)
    with torch.no_grad():
        eager = seconds(lambda: model(clip))
    compiled = compile_openvino(model, spec)
    inference = seconds(lambda: compiled(clip.numpy()))
    with torch.no_grad():
        model, clip = channels_last(model), clip.to(memory_format=torch.channels_last_3d)
        last = seconds(lambda: model(clip))
    ways = {"eager": eager, "channels_last": last, "openvino": inference}
    return {"macs": spec.macs, "parameters": spec.parameters, **ways}


def channels_last(model: nn.Module) -> nn.Module:
    """Lay the convolutions' weights out as the layout wants them, 2-D and 3-D each in theirs."""
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Conv3d)):
            flat = isinstance(module, nn.Conv2d)
            layout = torch.channels_last if flat else torch.channels_last_3d
            module.weight.data = module.weight.data.contiguous(memory_format=layout)
    return model


def compile_openvino(model: nn.Module, spec: ModelSpec) -> Callable[[np.ndarray], object]:
    settings = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": "1"}
    network = to_openvino(whole_model(model, spec))
    request = import_openvino().Core().compile_model(network, "CPU", settings)
    request = request.create_infer_request()
    return lambda clip: request.infer([clip], share_inputs=True)


def machine() -> str:
    """Return the name of the processor and the number of cores."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pattern", nargs="?")
    arguments = parser.parse_args()
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    results = {"machine": machine(), "peak": peak(), "models": results.get("models", {})}
    print(f"{results['machine']}, peak {results['peak'] / 1e9:.0f} GMAC/s")
    save(results)
    for spec in networks(arguments.pattern):
        row = results["models"][spec.name] = measure(spec)
        share = row["macs"] / row["openvino"] / results["peak"]
        times = "".join(f"{1e3 * row[way]:12.1f}" for way in ("eager", "channels_last", "openvino"))
        print(f"{spec.name:44}{row['macs'] / 1e9:10.2f} G{times} ms {share:5.0%}", flush=True)
        save(results)


def save(results: dict[str, Any]) -> None:
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
