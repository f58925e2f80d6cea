"""An exported model used without actionzoo, in plain OpenVINO.

    python openvino_plain.py MODEL.xml VIDEO [DEVICE]

Needs numpy, PyAV and OpenVINO, and plain_video.py beside this file. A device is one of OpenVINO's:
CPU (unless given), GPU, NPU, AUTO.
"""

from __future__ import annotations

import json
import sys

import openvino
from plain_video import fed_clips, mean_scores, print_best


def main(model: str, video: str, device: str = "CPU") -> None:
    """Print the best three labels of a video."""
    core = openvino.Core()
    network = core.read_model(model)
    # All that is to be known about the model is JSON in the runtime info of its file.
    spec = json.loads(network.get_rt_info(["actionzoo", "spec"]).astype(str))
    # Without the hint, processors that know 16-bit numbers compute with them: faster, less exact.
    settings = {"INFERENCE_PRECISION_HINT": "f32"} if device == "CPU" else {}
    run = core.compile_model(network, device, settings)
    name, output = spec["input"]["input_name"], run.output(spec["input"]["output_name"])
    outputs = [run({name: clip})[output] for clip in fed_clips(video, spec)]
    print_best(mean_scores(outputs, spec), spec["labels"])


if __name__ == "__main__":
    main(*sys.argv[1:])
