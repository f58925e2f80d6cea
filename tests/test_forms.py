"""What Open Model Zoo's and OTX's documents say of a file, held against files that were written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from actionzoo.backends.openvino_backend import OpenVINOBackend, import_openvino, openvino_core
from actionzoo.catalog import get_spec, list_models
from actionzoo.conversion.forms import FormName, Wanted, default_form, parse_layout, pieces
from actionzoo.conversion.onnx import save_onnx, to_onnx
from actionzoo.conversion.openvino import save_openvino, to_openvino
from actionzoo.conversion.pieces import Piece
from actionzoo.errors import ConfigError
from actionzoo.models import i3d_inception as i3d
from actionzoo.models import vtn, x3d
from actionzoo.models.inception import Conv, Pool, Split
from actionzoo.spec import ModelSpec
from test_conversion import Tiny, tiny_spec

openvino = import_openvino()

I3D = get_spec("i3d-rgb-tf")
OTX = get_spec("x3d_m_otx_kinetics400")

SAME = Pool(kernel=(1, 3, 3), stride=(1, 2, 2), padding=None)
NARROW = (
    replace(i3d.FIRST, width=2, padding=None),
    replace(SAME, stride=(1, 4, 4)),
    replace(SAME, kernel=(3, 3, 3), stride=(2, 2, 2)),
    Split(
        branches=(
            (Conv(width=3, kernel=(1, 1, 1), stride=(1, 1, 1), padding=(0, 0, 0)),),
            (Conv(width=2, kernel=(3, 3, 3), stride=(1, 1, 1), padding=(1, 1, 1)),),
        )
    ),
    replace(SAME, kernel=(2, 2, 2), stride=(2, 2, 2)),
)
"""Layers as those of Inception I3D, which make a map of the same size, but few and narrow."""


def narrow_i3d(num_classes: int = 400) -> i3d.I3D:
    torch.manual_seed(0)
    network = i3d.I3D(NARROW, num_classes=num_classes, window=i3d.WINDOW).eval()
    nn.init.normal_(network.fc.weight)
    return network


def write(piece: Piece, folder: Path) -> tuple[Any, Any]:
    """Write a piece in both formats; return what OpenVINO and ONNX Runtime read."""
    save_openvino(to_openvino(piece), folder / "file.xml", precision="fp32")
    save_onnx(to_onnx(piece), folder / "file.onnx")
    return (
        openvino_core().read_model(folder / "file.xml"),
        onnxruntime.InferenceSession(folder / "file.onnx"),
    )


def run(network: Any, given: np.ndarray) -> np.ndarray:
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    return openvino_core().compile_model(network, "CPU", settings)(given)[0]


def distance(one: np.ndarray, other: Tensor) -> float:
    return float(np.linalg.norm(one - other.numpy()) / np.linalg.norm(other.numpy()))


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)


def test_what_open_model_zoo_documents_leaves_as_documented() -> None:
    documented = {name for name in list_models() if default_form(get_spec(name)) == "omz"}
    assert documented == {
        "action-recognition-0001",
        "driver-action-recognition-adas-0002",
        "i3d-rgb-tf",
    }


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        ("NSCTHW", "BSCTHW"),
        ("NDHWC", "BTHWC"),
        ("NDCHW", "BTCHW"),
        ("ncthw", "BCTHW"),
        ("BTHWC", "BTHWC"),
    ],
)
def test_layouts_in_other_letters(text: str, layout: str) -> None:
    assert parse_layout(text) == layout


@pytest.mark.parametrize("text", ["NCHW", "NCTDHW", "NCTHWW", "NNCTHW", ""])
def test_what_is_no_layout(text: str) -> None:
    with pytest.raises(ConfigError, match=f"layout is {text!r}; it has N .*such as NCTHW"):
        parse_layout(text)


# Inception I3D.


@pytest.mark.parametrize(
    ("layout", "shape", "order"),
    [
        (None, [1, 79, 224, 224, 3], (0, 4, 1, 2, 3)),
        ("NDCHW", [1, 79, 3, 224, 224], (0, 2, 1, 3, 4)),
    ],
)
def test_i3d_as_documented(
    layout: str | None, shape: list[int], order: tuple[int, ...], tmp_path: Path
) -> None:
    network = narrow_i3d()
    (piece,) = pieces(network, I3D, Wanted(layout=layout))
    file, session = write(piece, tmp_path)
    ((given,), (made,)) = file.inputs, file.outputs
    assert (given.names, list(given.shape)) == ({"Placeholder"}, shape)
    assert (made.names, list(made.shape)) == ({"Softmax"}, [1, 400])
    ((given,), (made,)) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape) == ("Placeholder", shape)
    assert (made.name, made.shape) == ("Softmax", [1, 400])
    clip = pixels(*shape)
    normalised = (torch.from_numpy(clip).permute(order) - 127.5) / 127.5
    with torch.no_grad():
        scores = network(normalised).softmax(1)
    assert distance(run(file, clip), scores) < 1e-4
    assert distance(session.run(["Softmax"], {"Placeholder": clip})[0], scores) < 1e-4


def test_i3ds_file_predicts_by_itself(tmp_path: Path) -> None:
    """Its spec says that it takes pixels, which layout, and that it gives scores."""
    labels = ("walk", "run", "jump")
    size = replace(I3D.input, frames=9, height=48, width=64)
    spec = replace(I3D, name="runs/mine", labels=labels, input=size)
    network = narrow_i3d(3)
    (piece,) = pieces(network, spec, Wanted(form="omz"))
    assert piece.name == "runs-mine"
    save_openvino(to_openvino(piece), tmp_path / "mine.xml", precision="fp32")
    backend = OpenVINOBackend(tmp_path / "mine.xml")
    fed = backend.spec.input
    assert (fed.layout, fed.output, fed.value_range) == ("BTHWC", "scores", (0, 255))
    assert (fed.mean, fed.std) == ((0, 0, 0), (1, 1, 1))
    assert backend.spec.labels == labels
    clips = pixels(2, *fed.shape)
    with torch.no_grad():
        scores = network(torch.from_numpy(clips) / 127.5 - 1).softmax(1)
    assert distance(backend(clips), scores) < 1e-4


def test_i3d_of_any_length(tmp_path: Path) -> None:
    """Padding as TensorFlow's depends on the length, in the file as well."""
    network = narrow_i3d(5)
    spec = replace(I3D, labels=tuple("abcde"), input=replace(I3D.input, height=48, width=48))
    (piece,) = pieces(network, spec, Wanted(frames="dynamic"))
    file, session = write(piece, tmp_path)
    assert file.input(0).partial_shape.to_string() == "[1,?,48,48,3]"
    compiled = openvino_core().compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for frames in (9, 10, 11, 12, 16, 30, 79):
        clip = pixels(1, frames, 48, 48, 3)
        with torch.no_grad():
            scores = network(torch.from_numpy(clip).permute(0, 4, 1, 2, 3) / 127.5 - 1).softmax(1)
        assert distance(compiled(clip)[0], scores) < 1e-4
        assert distance(session.run(None, {"Placeholder": clip})[0], scores) < 1e-4
    file.reshape([1, 33, 48, 48, 3])
    assert run(file, pixels(1, 33, 48, 48, 3)).shape == (1, 5)


def test_the_real_i3d_on_its_shortest_clips(tmp_path: Path) -> None:
    """With the layers that DeepMind's checkpoint fills."""
    torch.manual_seed(0)
    network = i3d.build(I3D).eval()
    nn.init.normal_(network.fc.weight)
    size = replace(I3D.input, height=32, width=32)
    (piece,) = pieces(network, replace(I3D, input=size), Wanted(frames=9))
    save_openvino(to_openvino(piece), tmp_path / "i3d.xml", precision="fp32")
    clip = pixels(1, 9, 32, 32, 3)
    with torch.no_grad():
        scores = network(torch.from_numpy(clip).permute(0, 4, 1, 2, 3) / 127.5 - 1).softmax(1)
    assert distance(run(openvino_core().read_model(tmp_path / "i3d.xml"), clip), scores) < 1e-4


# Any model.


def test_x3d_as_otx_deploys_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = x3d.X3D(depths=(1, 1, 1, 1), pool=None, num_classes=3).eval()
    (piece,) = pieces(network, replace(OTX, labels=tuple("abc")), Wanted(layout="NSCTHW"))
    file, session = write(piece, tmp_path)
    assert list(file.input(0).shape) == session.get_inputs()[0].shape == [1, 1, 3, 8, 224, 224]
    assert file.output(0).names == {session.get_outputs()[0].name} == {"logits"}
    clip = np.random.default_rng(0).standard_normal((1, 1, 3, 8, 224, 224), np.float32)
    with torch.no_grad():
        logits = network(torch.from_numpy(clip[:, 0]))
    assert distance(run(file, clip), logits) < 1e-4
    assert distance(session.run(None, {"clip": clip})[0], logits) < 1e-4


@pytest.mark.parametrize(
    ("wanted", "shape", "free"),
    [
        (Wanted(), (2, 3, 2, 8, 8), {0: "batch"}),
        (Wanted(batch="dynamic", layout="NSDHWC"), (2, 1, 2, 8, 8, 3), {0: "batch"}),
        (Wanted(batch=4, layout="CTHWN"), (3, 2, 8, 8, 4), {}),
        (Wanted(frames=5), (2, 3, 5, 8, 8), {0: "batch"}),
    ],
)
def test_clips_of_other_shapes(
    wanted: Wanted, shape: tuple[int, ...], free: dict[int, str]
) -> None:
    (piece,) = pieces(Tiny(), tiny_spec(), wanted)
    assert piece.example[0].shape == shape
    assert piece.free == (free,)
    assert piece.module(*piece.example).shape == (4 if wanted.batch == 4 else 2, 3)
    assert piece.spec.input.frames == (wanted.frames or 2)


# What cannot be had.


class OneLength(nn.Module):
    """Has weights for every frame of two, or mixes up the clips of others."""

    def __init__(self, *, mixes: bool) -> None:
        super().__init__()
        self.head = nn.Linear(2, 3)
        self.mixes = mixes

    def forward(self, clip: Tensor) -> Tensor:
        times = clip.mean((1, 3, 4))
        return self.head(times.reshape(-1, 2) if self.mixes else times)


@pytest.mark.parametrize("mixes", [False, True])
def test_a_length_that_a_network_cannot_take(mixes: bool) -> None:
    with pytest.raises(ConfigError, match=r"'tiny' cannot take clips of 4 frames \(.*\); leave"):
        pieces(OneLength(mixes=mixes), tiny_spec(), Wanted(frames=4))


def vtn_of_one_layer() -> vtn.VTN:
    network = vtn.VTN("mobilenetv2", num_classes=9, layer_norm=False, from_bgr=True)
    network.encoder.trunk = nn.Conv2d(3, vtn.MOBILENET_CHANNELS, 32, 32)
    return network


@pytest.mark.parametrize("form", ["clip", "omz"])
def test_vtn_takes_up_to_16_frames(form: FormName) -> None:
    spec, network = get_spec("driver-action-recognition-adas-0002"), vtn_of_one_layer()
    shapes = [
        one.example[0].shape for one in pieces(network, spec, Wanted(form=form, frames=8, batch=1))
    ]
    assert shapes == {
        "clip": [(1, 3, 8, 224, 224)],
        "omz": [(1, 3, 224, 224), (1, 8, 512)],
    }.get(form)
    with pytest.raises(ConfigError, match="17 frames; it takes 1 to 16"):
        pieces(network, spec, Wanted(form=form, frames=17))


FLOW = get_spec("i3d_flow_imagenet_kinetics400")
DRIVER = get_spec("driver-action-recognition-adas-0002")


@pytest.mark.parametrize(
    ("spec", "wanted", "message"),
    [
        (tiny_spec(), Wanted(form="omz"), "documents no form for 'tiny'; it does for VTN and"),
        (FLOW, Wanted(form="omz"), "documents no form for 'i3d_flow_imagenet_kinetics400'"),
        (DRIVER, Wanted(layout="NSCTHW"), "'NSCTHW', but the encoder of .* takes frames, NCHW"),
        (DRIVER, Wanted(frames="dynamic"), "clips of one length; give their number of frames"),
        (tiny_spec(), Wanted(frames="dynamic"), "'tiny' is made for clips of one length"),
        (tiny_spec(), Wanted(frames=0), "frames is 0; a clip has at least 1"),
        (tiny_spec(), Wanted(layout="NCHW"), "layout is 'NCHW'"),
        (tiny_spec(), Wanted(form="step", frames=8), "a step takes one frame at a time"),
    ],
)
def test_what_cannot_be_had(spec: ModelSpec, wanted: Wanted, message: str) -> None:
    network = vtn_of_one_layer() if spec is DRIVER else Tiny()
    with pytest.raises(ConfigError, match=message):
        pieces(network, spec, wanted)
