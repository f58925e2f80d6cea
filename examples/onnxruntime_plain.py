"""An exported model used without actionzoo, in plain ONNX Runtime.

    python onnxruntime_plain.py MODEL.onnx VIDEO

Needs numpy, PyAV and ONNX Runtime, and plain_video.py beside this file.
"""

from __future__ import annotations

import json
import os
import sys

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # the import alone would report over the network

import onnxruntime
from plain_video import fed_clips, mean_scores, print_best


def main(model: str, video: str) -> None:
    """Print the best three labels of a video."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    # All that is to be known about the model is JSON in the metadata of its file.
    spec = json.loads(session.get_modelmeta().custom_metadata_map["actionzoo/spec"])
    name, output = spec["input"]["input_name"], spec["input"]["output_name"]
    outputs = [session.run([output], {name: clip})[0] for clip in fed_clips(video, spec)]
    print_best(mean_scores(outputs, spec), spec["labels"])


if __name__ == "__main__":
    main(*sys.argv[1:])
