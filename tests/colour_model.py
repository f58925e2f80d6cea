"""A network whose answer is known, and videos for it: it names the colour a video has most of."""

from dataclasses import replace
from fractions import Fraction

import numpy as np

from actionzoo.backends.openvino_backend import SPEC_PATH, import_openvino
from actionzoo.spec import InputSpec, ModelSpec, Resize, Views
from videos import write_video

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
SPEC = ModelSpec(
    dataset="colours",
    name="colours",
    family="tests",
    summary="Names the colour of a video.",
    input=InputSpec(
        frames=4,
        stride=2,
        fps=Fraction(30),
        resize=Resize(rule="short_side", height=16, width=16),
        height=16,
        width=16,
    ),
    labels=tuple(COLOURS),
    license="Apache-2.0",
    views=Views(clips=2, crops=3),
)


def write_network(path, **changes):
    """Write an OpenVINO model whose logits are ten times the mean of each channel."""
    openvino = import_openvino()
    spec = replace(SPEC, **changes)
    ops = openvino.opset13
    clip = ops.parameter([-1, *spec.input.shape], np.float32, name="clip")
    mean = ops.reduce_mean(clip, np.array([2, 3, 4]), keep_dims=False)
    logits = ops.multiply(mean, np.float32(10))
    network = openvino.Model([logits], [clip], "colours")
    network.inputs[0].set_names({"clip"})
    network.outputs[0].set_names({"logits"})
    network.set_rt_info(spec.to_json(), SPEC_PATH)
    openvino.save_model(network, path, compress_to_fp16=False)
    return path


def write_painted(path, *names, **options):
    """Write a video that shows each colour for ten frames."""

    def paint(number, height, width):
        return np.full((height, width, 3), COLOURS[names[number // 10]], np.uint8)

    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, range(10 * len(names)), draw=paint, **options)
    return path
