"""Stand-ins with the interfaces of Open Model Zoo's files, put together and compared."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from actionzoo import Predictor
from actionzoo.backends.openvino_backend import (
    SPEC_PATH,
    OpenVINOBackend,
    import_openvino,
    openvino_core,
    read_network,
)
from actionzoo.catalog import get_spec
from actionzoo.checkpoints import read_state
from actionzoo.errors import BadWeights
from actionzoo.models import i3d_inception, vtn
from actionzoo.models.inception import Conv, Layer, Split
from actionzoo.omz import assemble, composite_spec, is_published_by_openvino
from actionzoo.spec import InputSpec, ModelSpec, Resize
from actionzoo.weights import fill
from tensorflow_files import classifier_graph, classify, i3d_graph
from test_i3d_inception import deepmind_state
from videos import write_video

openvino = import_openvino()
ops = openvino.opset13

FRAMES, SIDE, WIDTH, HEADS = 4, 16, 8, 2
MEANS = np.float32([103.53, 116.28, 123.675])

SPEC = ModelSpec(
    name="action-recognition-0001",
    family="vtn",
    summary="As the published one, only smaller.",
    dataset="test",
    input=InputSpec(
        frames=FRAMES,
        stride=2,
        resize=Resize(rule="short_side", height=SIDE, width=SIDE),
        height=SIDE,
        width=SIDE,
        color="BGR",
        value_range=(0.0, 255.0),
    ),
    labels=("walk", "run", "jump"),
    license="Apache-2.0",
)


def weights(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32) / shape[-1]


def encoder(*, quantised: bool = False) -> Any:
    """Make an embedding of a picture: subtract the means, one convolution, ReLU."""
    picture = ops.parameter([1, 3, SIDE, SIDE], np.float32, name="0")
    centred = ops.subtract(picture, MEANS.reshape(1, 3, 1, 1))
    if quantised:
        limits = (np.float32(-128), np.float32(127))
        centred = ops.fake_quantize(centred, *limits, *limits, 256)
    embedding = ops.convolution(
        centred, weights(WIDTH, 3, SIDE, SIDE), [1, 1], [0, 0], [0, 0], [1, 1]
    )
    return network(ops.relu(embedding), picture, "250", "action-recognition-0001-encoder")


def decoder(frames: int = FRAMES, width: int = WIDTH, classes: int = 3) -> Any:
    """Make logits of embeddings, reshaping as the published one does: for a single clip.

    What the heads see, the embeddings repeated for each of them, holds a batch side by side.
    """
    embeddings = ops.parameter([1, frames, width], np.float32, name="0")
    placed = ops.add(embeddings, weights(1, frames, width))
    repeated = ops.reshape(ops.tile(placed, [HEADS, 1, 1]), [HEADS, -1, width], False)
    heads = ops.softmax(ops.matmul(repeated, weights(HEADS, width, 5), False, False), axis=2)
    apart = ops.transpose(ops.reshape(heads, [HEADS, 1, frames, 5], False), [1, 2, 0, 3])
    joined = ops.reshape(apart, [1, frames, -1], False)
    logits = ops.matmul(joined, weights(HEADS * 5, classes), False, False)
    mean = ops.reduce_mean(logits, [1], False)
    return network(mean, embeddings, "250", "action-recognition-0001-decoder")


def network(result: Any, parameter: Any, output_name: str, model_name: str) -> Any:
    made = openvino.Model([result], [parameter], "torch-jit-export")
    made.input().set_names({"0"})
    made.output().set_names({output_name})
    made.set_rt_info(model_name, ["conversion_parameters", "model_name"])
    return made


def publish(folder: Path, name: str, network: Any, *, fp16: bool = False) -> list[Path]:
    """Write a network's two files as they are downloaded."""
    path = folder / f"{name}.xml"
    openvino.save_model(network, path, compress_to_fp16=fp16)
    return [path, path.with_suffix(".bin")]


def published(folder: Path, *, fp16: bool = False, quantised: bool = False) -> list[Path]:
    return [
        *publish(folder, "encoder", encoder(quantised=quantised), fp16=fp16),
        *publish(folder, "decoder", decoder(), fp16=fp16),
    ]


def in_turn(files: Sequence[Path], clip: np.ndarray) -> np.ndarray:
    """Compute logits as Open Model Zoo's demo does: frame by frame, then the decoder."""
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = [
        openvino_core().compile_model(file, "CPU", settings)
        for file in files
        if file.suffix == ".xml"
    ]
    frames = clip.transpose(1, 0, 2, 3)
    embeddings = [compiled[0](frame[None])[0].reshape(WIDTH) for frame in frames]
    return compiled[1](np.stack(embeddings)[None])[0]


def pixels(number: int) -> np.ndarray:
    rng = np.random.default_rng(number)
    return rng.uniform(0, 255, (number, *SPEC.input.shape)).astype(np.float32)


@pytest.mark.parametrize("kind", [{}, {"fp16": True}, {"fp16": True, "quantised": True}])
def test_an_encoder_and_a_decoder_become_one(kind: dict[str, bool], tmp_path: Path) -> None:
    files = published(tmp_path, **kind)
    path = assemble(files, SPEC, tmp_path / "models" / "whole.xml")
    backend = OpenVINOBackend(path)
    assert backend.spec == SPEC
    clips = pixels(3)
    expected = np.concatenate([in_turn(files, clip) for clip in clips])
    np.testing.assert_allclose(backend(clips), expected, rtol=1e-4)
    assert np.linalg.norm(expected[0] - expected[1]) > 1e-3
    assert sorted(one.name for one in path.parent.iterdir()) == ["whole.bin", "whole.xml"]


def test_the_order_of_the_files_does_not_matter(tmp_path: Path) -> None:
    files = published(tmp_path)
    paths = [
        assemble(order, SPEC, tmp_path / f"{number}.xml")
        for number, order in enumerate([files, files[::-1]])
    ]
    first, second = (OpenVINOBackend(path)(pixels(1)) for path in paths)
    np.testing.assert_array_equal(first, second)


def test_parameters_stay_as_they_were_published(tmp_path: Path) -> None:
    sizes = []
    for name, fp16 in (("fp16", True), ("fp32", False)):
        folder = tmp_path / name
        folder.mkdir()
        files = published(folder, fp16=fp16)
        whole = assemble(files, SPEC, tmp_path / f"{name}.xml").with_suffix(".bin").stat().st_size
        assert whole == pytest.approx(sum(file.stat().st_size for file in files[1::2]), rel=0.05)
        sizes.append(whole)
    assert sizes[0] / sizes[1] == pytest.approx(0.5, abs=0.05)


def test_it_predicts_a_video(tmp_path: Path) -> None:
    path = assemble(published(tmp_path), SPEC, tmp_path / "whole.xml")
    write_video(tmp_path / "clip.mp4", range(20))
    prediction = Predictor(path, clips=2)(tmp_path / "clip.mp4")
    assert prediction.model == "action-recognition-0001"
    assert {one.label for one in prediction.top_k(3)} == {"walk", "run", "jump"}


GRAPH_SPEC = replace(
    SPEC,
    name="i3d-rgb-tf",
    input=replace(SPEC.input, color="RGB", value_range=(-1.0, 1.0)),
)


def tensors(classes: int = 3) -> dict[str, np.ndarray]:
    norm = {name: weights(1, 1, 1, 1, classes) for name in ("beta", "moving_mean")}
    variance = np.linspace(0.5, 2, classes, dtype=np.float32).reshape(1, 1, 1, 1, classes)
    return {"w": weights(1, 1, 1, 3, classes), **norm, "moving_variance": variance}


def frozen(folder: Path, classes: int = 3) -> Path:
    path = folder / "rgb.frozen.pb"
    path.write_bytes(classifier_graph((1, FRAMES, SIDE, SIDE, 3), tensors(classes)))
    return path


def test_a_frozen_graph_becomes_a_model(tmp_path: Path) -> None:
    backend = OpenVINOBackend(assemble([frozen(tmp_path)], GRAPH_SPEC, tmp_path / "i3d.xml"))
    assert backend.spec.labels == SPEC.labels
    assert backend.spec.input.layout == "BTHWC"
    assert backend.spec.input.output == "scores"
    clips = pixels(3) / 127.5 - 1
    expected = classify(clips.transpose(0, 2, 3, 4, 1), tensors())
    np.testing.assert_allclose(backend(clips), expected, rtol=1e-4)


def test_a_frozen_graph_predicts_a_video(tmp_path: Path) -> None:
    path = assemble([frozen(tmp_path)], GRAPH_SPEC, tmp_path / "i3d.xml")
    write_video(tmp_path / "clip.mp4", range(20))
    prediction = Predictor(path)(tmp_path / "clip.mp4")
    assert prediction.scores.sum() == pytest.approx(1)
    assert prediction.top_k(1)[0].label in SPEC.labels


def narrow(layer: Layer) -> Any:
    """Return a layer of a sixteenth of the width."""
    if isinstance(layer, Conv):
        return replace(layer, width=max(2, layer.width // 16))
    if isinstance(layer, Split):
        return Split(branches=tuple(narrow(branch) for branch in layer.branches))
    return tuple(map(narrow, layer)) if isinstance(layer, tuple) else layer


def small_i3d() -> i3d_inception.I3D:
    """Make DeepMind's network with few channels, whose logits are neither all alike nor huge."""
    torch.manual_seed(0)
    chain = narrow(i3d_inception.DEEPMIND)
    network = i3d_inception.I3D(chain, num_classes=7, window=i3d_inception.WINDOW)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.normal_(module.bias, std=0.3)
            nn.init.normal_(module.running_mean, std=0.3)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    nn.init.zeros_(network.fc.bias)
    with torch.no_grad():
        logits = network.eval()(torch.rand(1, 3, 16, 224, 224) * 2 - 1)
        network.fc.weight /= logits.abs().max()
    nn.init.normal_(network.fc.bias, std=0.3)
    return network


I3D_SPEC = replace(
    get_spec("i3d-rgb-tf"),
    labels=tuple("abcdefg"),
    input=replace(get_spec("i3d-rgb-tf").input, frames=16),
)


@pytest.fixture(scope="module")
def frozen_i3d(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, i3d_inception.I3D]:
    """Return a frozen graph of the structure and the names of the published one, and its network.

    It has every node and the published size of frames; only the channels and the frames are fewer.
    """
    network = small_i3d()
    state = deepmind_state(network.state_dict(), "RGB/inception_i3d/", (1, 1, 1, 1))
    tensors = {
        name: tensor.contiguous().numpy()
        for name, tensor in state.items()
        if name.startswith("RGB/") and not name.endswith("Momentum")
    }
    path = tmp_path_factory.mktemp("published") / "rgb.frozen.pb"
    path.write_bytes(i3d_graph((1, 16, 224, 224, 3), tensors))
    return path, network


@pytest.mark.parametrize(
    ("options", "shape", "step"),
    [
        ({}, [1, 16, 224, 224, 3], 127.5),
        ({"pixels": True, "layout": "BTCHW"}, [1, 16, 3, 224, 224], 1),
        ({"pixels": True, "frames": 25}, [1, 25, 224, 224, 3], 1),
    ],
)
def test_the_frozen_i3d_is_our_network_in_both_documented_layouts(
    frozen_i3d: tuple[Path, i3d_inception.I3D],
    options: dict[str, Any],
    shape: list[int],
    step: float,
    tmp_path: Path,
) -> None:
    graph, network = frozen_i3d
    path = assemble([graph], I3D_SPEC, tmp_path / "i3d-rgb-tf.xml", **options)
    written = read_network(path)
    assert [port.get_names() for port in written.inputs] == [{"Placeholder"}]
    assert [port.get_names() for port in written.outputs] == [{"Softmax"}]
    assert list(written.input().shape) == shape
    backend = OpenVINOBackend(path)
    assert backend.spec.input.value_range == ((0, 255) if step == 1 else (-1, 1))
    frames = backend.spec.input.frames
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, frames, 224, 224))
    normalised = (pixels / 127.5 - 1).astype(np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(normalised)).softmax(1).numpy()
    assert 0.2 < expected.max() < 0.95
    given = pixels if step == 1 else normalised
    np.testing.assert_allclose(backend(given.astype(np.float32)), expected, rtol=1e-3, atol=1e-6)


def test_the_parameters_of_the_frozen_i3d_fill_our_network(
    frozen_i3d: tuple[Path, i3d_inception.I3D],
) -> None:
    graph, network = frozen_i3d
    empty = small_i3d()
    for tensor in empty.state_dict().values():
        nn.init.zeros_(tensor)
    fill(empty, read_state(graph), formats=i3d_inception.FORMATS, source="the graph")
    clip = torch.randn(1, 3, 16, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(empty(clip), network(clip))


def test_a_length_that_a_graph_cannot_take_is_refused(
    frozen_i3d: tuple[Path, i3d_inception.I3D], tmp_path: Path
) -> None:
    with pytest.raises(BadWeights, match=r"frozen\.pb' cannot take clips of 3 frames"):
        assemble([frozen_i3d[0]], I3D_SPEC, tmp_path / "i3d.xml", frames=3)


def test_parts_that_carry_a_spec_are_read_with_it(tmp_path: Path) -> None:
    own = replace(SPEC, name="my gestures", labels=("a", "b", "c"))
    made = {"encoder": encoder(), "decoder": decoder()}
    for part, one in made.items():
        one.set_rt_info(own.to_json(), SPEC_PATH)
        publish(tmp_path, part, one)
    assert composite_spec([tmp_path / "encoder.xml", tmp_path / "decoder.xml"]) == own


def test_parts_without_a_spec_take_the_zoos_by_their_name(tmp_path: Path) -> None:
    files = published(tmp_path)[::2]
    with pytest.raises(BadWeights, match=r"decoder\.xml' .* tells 3 classes apart where 'action-r"):
        composite_spec(files)
    publish(tmp_path, "decoder", decoder(classes=400))
    assert composite_spec(files) == get_spec("action-recognition-0001")
    for kind in (encoder, decoder):
        one = kind()
        one.set_rt_info("torch_jit", ["conversion_parameters", "model_name"])
        publish(tmp_path, kind.__name__, one)
    with pytest.raises(BadWeights, match=r"carry no spec .* give one with --spec"):
        composite_spec(files)


def trace(module: nn.Module, shape: tuple[int, ...]) -> Any:
    """Make an OpenVINO network for the very shape, as the published ones are."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        made = openvino.convert_model(torch.export.export(module, (torch.zeros(shape),)))
    made.reshape(shape)
    return made


def publish_vtn(model: vtn.VTN, folder: Path, name: str) -> list[Path]:
    """Write the real architecture in two parts, as Open Model Zoo does."""
    encoder = nn.Sequential(model.normalise, model.encoder).eval()
    return [
        *publish(folder, f"{name}-encoder", trace(encoder, (1, 3, 224, 224))),
        *publish(folder, f"{name}-decoder", trace(model.decoder, (1, 16, 512))),
    ]


def test_the_parts_of_a_vtn_become_the_whole(tmp_path: Path) -> None:
    spec = next(one for one in vtn.SPECS if one.name == "driver-action-recognition-adas-0002")
    model = vtn.build(spec).eval()
    files = publish_vtn(model, tmp_path, spec.name)
    backend = OpenVINOBackend(assemble(files, spec, tmp_path / "whole.xml"))
    clips = np.random.default_rng(0).integers(0, 256, (2, *spec.input.shape)).astype(np.float32)
    with torch.no_grad():
        expected = model(torch.from_numpy(clips)).numpy()
    error = np.linalg.norm(backend(clips) - expected) / np.linalg.norm(expected)
    assert error < 1e-4


def test_what_is_made_of_published_files_is_told_by_their_endings() -> None:
    assert is_published_by_openvino([Path("a.xml"), Path("a.bin")])
    assert is_published_by_openvino([Path("a.frozen.pb")])
    assert not is_published_by_openvino([Path("a.pth")])
    assert not is_published_by_openvino([Path("model.ckpt.index"), Path("model.ckpt.meta")])


def refused(files: Sequence[Path], sentence: str, spec: ModelSpec = SPEC) -> None:
    """Check that files are refused, and that nothing is left behind."""
    path = files[0].parent / "models" / "whole.xml"
    with pytest.raises(BadWeights, match=sentence):
        assemble(files, spec, path)
    assert not path.exists()
    assert not path.parent.exists() or not list(path.parent.iterdir())


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({"frames": FRAMES + 1}, "are not an encoder and a decoder for 4 frames of 16 x 16"),
        ({"width": WIDTH + 1}, "'encoder.xml' and 'other.xml' are not an encoder and a decoder"),
        ({"classes": 9}, "tells 9 classes apart but its spec has 3 labels"),
    ],
)
def test_networks_that_do_not_fit_are_refused(
    other: dict[str, int], sentence: str, tmp_path: Path
) -> None:
    refused([*published(tmp_path)[:2], *publish(tmp_path, "other", decoder(**other))], sentence)


def test_two_encoders_are_refused(tmp_path: Path) -> None:
    files = [*published(tmp_path)[:2], *publish(tmp_path, "other", encoder())]
    refused(files, "are not an encoder and a decoder")


def test_parts_of_different_models_are_refused(tmp_path: Path) -> None:
    other = decoder()
    name = "driver-action-recognition-adas-0002-decoder"
    other.set_rt_info(name, ["conversion_parameters", "model_name"])
    files = [*published(tmp_path)[:2], *publish(tmp_path, "other", other)]
    refused(files, "are of different models, action-recognition-0001 and driver-action-recog")


def test_a_spec_of_another_size_is_refused(tmp_path: Path) -> None:
    larger = replace(SPEC, input=replace(SPEC.input, height=2 * SIDE, width=2 * SIDE))
    refused(published(tmp_path), "for 4 frames of 32 x 32, as 'action-recognition-0001'", larger)
    graph = replace(GRAPH_SPEC, input=replace(GRAPH_SPEC.input, frames=FRAMES + 1))
    refused([frozen(tmp_path)], r"takes \[1,4,16,16,3\] where its spec says", graph)


def test_files_that_make_no_model_are_refused(tmp_path: Path) -> None:
    files = published(tmp_path)
    refused(files[:2], "'encoder.xml', 'encoder.bin' make no model; give an encoder and a decoder")
    refused([frozen(tmp_path), *files], "make no model")


def test_a_missing_bin_is_named(tmp_path: Path) -> None:
    files = published(tmp_path)
    files[3].unlink()
    refused(files[:3], r"has no 'decoder\.bin' beside it")


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("content", [None, b"", b"<html>not found</html>"])
def test_a_damaged_file_is_named(number: int, content: bytes | None, tmp_path: Path) -> None:
    files = published(tmp_path)
    damaged = files[number]
    half = damaged.read_bytes()[: damaged.stat().st_size // 2]
    damaged.write_bytes(half if content is None else content)
    refused(files, f"{damaged.stem}.xml' cannot be read as an OpenVINO model")


@pytest.mark.parametrize("content", [None, b"", b"<html>not found</html>"])
def test_a_damaged_graph_is_named(content: bytes | None, tmp_path: Path) -> None:
    path = frozen(tmp_path)
    path.write_bytes(path.read_bytes()[:-40] if content is None else content)
    refused([path], r"rgb\.frozen\.pb' cannot be read as an OpenVINO model", GRAPH_SPEC)


def test_a_graph_without_its_end_is_refused(tmp_path: Path) -> None:
    path = frozen(tmp_path)
    graph = path.read_bytes()
    path.write_bytes(graph[: graph.index(b"\x0a\x07Softmax") - 2])
    refused([path], r"frozen\.pb' ends in Transpose, not in Softmax", GRAPH_SPEC)


def test_torch_is_not_needed(tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text(SPEC.to_json())
    published(tmp_path)
    code = (
        "import sys; sys.modules['torch'] = None;"
        "from pathlib import Path; from actionzoo.omz import assemble;"
        "from actionzoo.spec import ModelSpec;"
        "folder = Path(sys.argv[1]);"
        "spec = ModelSpec.from_json((folder / 'spec.json').read_text());"
        "files = [folder / name for name in ('encoder.xml', 'encoder.bin', 'decoder.xml')];"
        "assemble(files, spec, folder / 'whole.xml')"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment, check=True)
    assert (tmp_path / "whole.bin").is_file()
