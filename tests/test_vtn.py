"""VTN: both parts, both kinds of input, the stream, and Open Model Zoo's own figures."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from actionzoo.errors import BadWeights, ConfigError
from actionzoo.models import vtn
from actionzoo.weights import fill

SPECS = {spec.name: spec for spec in vtn.SPECS}
OMZ = [SPECS["action-recognition-0001"], SPECS["driver-action-recognition-adas-0002"]]
by_name = pytest.mark.parametrize("spec", OMZ, ids=lambda spec: spec.name)


def small(*, layer_norm: bool = False, from_bgr: bool = False) -> vtn.VTN:
    torch.manual_seed(0)
    model = vtn.VTN("mobilenetv2", num_classes=5, layer_norm=layer_norm, from_bgr=from_bgr)
    return model.eval()


@pytest.fixture(scope="module")
def net() -> vtn.VTN:
    return small()


@pytest.fixture(autouse=True)
def _repeatable() -> Any:
    torch.manual_seed(0)
    with torch.no_grad():
        yield


def parameters(module: nn.Module) -> int:
    return sum(one.numel() for one in module.parameters())


def published(shared: Path, *listings: str) -> dict[str, Tensor]:
    """Make the parameters of published checkpoints, under their names."""
    state = {}
    for listing in listings:
        text = (shared / "spec" / "state_dicts" / f"{listing}.txt").read_text()
        for line in text.splitlines()[1:]:
            name, shape, _ = line.split("\t")
            sizes = [int(one) for one in shape.strip("()").split(",") if one]
            values = torch.randn(sizes) / math.sqrt(max(1, math.prod(sizes[1:])))
            positive = len(sizes) == 1 and name.endswith(("weight", "running_var"))
            state[name] = 1 + 0.1 * values.abs() if positive else values
    return state


# What Open Model Zoo counts, and what there is.


class Shapes(TorchDispatchMode):
    """Notes the shapes that every operation takes and gives."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, list[tuple[list[torch.Size], torch.Size]]] = defaultdict(list)

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        first = result[0] if isinstance(result, tuple) else result
        given = [one.shape for one in args if isinstance(one, Tensor)]
        self.seen[function.overloadpacket.__name__].append((given, first.shape))
        return result

    def sum(self, name: str, cost: Callable[[list[torch.Size]], int]) -> int:
        """Return the outputs of an operation, each times its cost."""
        return sum(out.numel() * cost(given) for given, out in self.seen[name])


def encoder_operations(encoder: vtn.Encoder) -> int:
    frame = torch.zeros(1, 3, 224, 224, device="meta")
    with Shapes() as shapes:
        encoder.to("meta")(frame)
    return (
        shapes.sum("convolution", lambda given: 2 * given[1][1:].numel())
        + shapes.sum("relu", lambda given: 2)
        + shapes.sum("add", lambda given: 3)
        + shapes.sum("max_pool2d_with_indices", lambda given: 3 * 3)
        + 7 * 7 * vtn.WIDTH
        + 2 * frame.numel()
    )


def encoder_constants(encoder: vtn.Encoder) -> int:
    norms = [one for one in encoder.modules() if isinstance(one, nn.BatchNorm2d)]
    return parameters(encoder) - sum(one.num_features for one in norms) + 3


def decoder_operations(decoder: vtn.Decoder) -> float:
    with FlopCounterMode(display=False) as counter:
        decoder.to("meta")(torch.zeros(1, vtn.FRAMES, vtn.WIDTH, device="meta"))
    shares = {"attention": 1 / vtn.HEADS, "feed_forward": 1, "fc": 1 / vtn.FRAMES}
    counts = counter.get_flop_counts().items()
    return sum(sum(one.values()) * shares.get(name.split(".")[-1], 0) for name, one in counts)


def decoder_constants(decoder: vtn.Decoder) -> int:
    return (
        parameters(decoder.fc)
        - decoder.fc.out_features
        + sum(parameters(block.feed_forward) for block in decoder.blocks)
    )


@by_name
def test_the_figures_of_open_model_zoo(spec: vtn.ModelSpec) -> None:
    model = vtn.build(spec).eval()
    counted = {
        "encoder GFLOPs": encoder_operations(model.encoder) / 1e9,
        "encoder MParams": encoder_constants(model.encoder) / 1e6,
        "decoder GFLOPs": decoder_operations(model.decoder) / 1e9,
        "decoder MParams": decoder_constants(model.decoder) / 1e6,
    }
    stated = {one.name: one.value for one in spec.figures}
    assert {name: round(value, 3) for name, value in counted.items()} == stated


def test_the_true_sizes() -> None:
    action, driver = (vtn.build(spec) for spec in OMZ)
    assert parameters(action.encoder) == 21_284_672
    assert parameters(action.decoder) == 7_559_568
    assert parameters(action) == 28_844_240
    assert parameters(driver.encoder) == 2_879_744
    assert parameters(driver.decoder) == 7_358_985
    assert parameters(vtn.Decoder(num_classes=400, layer_norm=True)) == 7_567_760


def test_the_true_cost_of_the_decoder() -> None:
    decoder = vtn.Decoder(num_classes=400, layer_norm=False).to("meta")
    with FlopCounterMode(display=False) as counter:
        decoder(torch.zeros(1, 16, 512, device="meta"))
    assert counter.get_total_flops() == 2 * 121_765_888


@by_name
def test_each_precision_is_two_networks_of_two_files(spec: vtn.ModelSpec) -> None:
    assert [one.tag for one in spec.weights] == ["FP32", "FP16", "FP16-INT8"]
    for weights in spec.weights:
        names = [file.url.rpartition("/")[2] for file in weights.files]
        parts = ("encoder.xml", "encoder.bin", "decoder.xml", "decoder.bin")
        assert names == [f"{spec.name}-{part}" for part in parts]
        assert all(f"/{weights.tag}/" in file.url for file in weights.files)
        assert all(len(file.checksum) == len("sha384:") + 96 for file in weights.files)
    parameters_bytes = 4 * (spec.parameters or 0)
    on_disk = sum(file.size_bytes or 0 for file in spec.weights[0].files[1::2])
    assert 0.99 < on_disk / parameters_bytes < 1.01


# What it computes.


def test_pixels_as_opencv_reads_them() -> None:
    """Open Model Zoo's input is the training code's, before colours are turned and scaled."""
    given, trained = OMZ[0].input, SPECS["resnet34_vtn_kinetics400"].input
    assert (given.color, trained.color) == ("BGR", "RGB")
    rgb = torch.randint(0, 256, (2, 3, 4, 32, 32)).float()
    mean, std = (torch.tensor(one)[:, None, None, None] for one in (trained.mean, trained.std))
    inside, outside = small(from_bgr=True), small()
    assert list(inside.state_dict()) == list(outside.state_dict())
    expected = outside((rgb / 255 - mean) / std)
    torch.testing.assert_close(inside(rgb[:, [2, 1, 0]]), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.shared
def test_mobilenet_from_its_table(shared: Path) -> None:
    """The encoder that has no recording, computed layer by layer under the published names."""
    state = published(shared, "vtn_encoder_mobilenetv2")
    encoder = vtn.Encoder("mobilenetv2").eval()
    fill(encoder, state, formats=vtn.FORMATS, source="the listing")

    def conv_norm(x: Tensor, name: str, conv: int, **options: int) -> Tensor:
        norm = [state[f"{name}.{conv + 1}.{part}"] for part in ("running_mean", "running_var")]
        scale = [state[f"{name}.{conv + 1}.{part}"] for part in ("weight", "bias")]
        x = F.conv2d(x, state[f"{name}.{conv}.weight"], **options)
        return F.batch_norm(x, *norm, *scale)

    frames = torch.randn(1, 3, 64, 64)
    x = F.relu(conv_norm(frames, "resnet.0", 0, stride=2, padding=1))
    strides = [1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1]
    for i, stride in enumerate(strides, 1):
        name, y = f"resnet.{i}.conv", x
        if i > 1:
            y = F.relu(conv_norm(y, name, 0))
        last = 0 if i == 1 else 3
        y = F.relu(conv_norm(y, name, last, stride=stride, padding=1, groups=y.shape[1]))
        y = conv_norm(y, name, last + 3)
        x = x + y if x.shape == y.shape else y
    x = F.relu(conv_norm(x, "resnet.18", 0))
    x = F.conv2d(x, state["reduce_conv.weight"], state["reduce_conv.bias"]).mean((2, 3), True)
    assert x.shape == (1, 512, 1, 1)
    torch.testing.assert_close(encoder(frames), x, rtol=1e-4, atol=1e-5)


def test_features_are_what_the_classifier_sees(net: vtn.VTN) -> None:
    clip = torch.randn(2, 3, 5, 32, 32)
    torch.testing.assert_close(net.decoder.fc(net.forward_features(clip)), net(clip))


def test_one_to_sixteen_frames(net: vtn.VTN) -> None:
    assert net(torch.randn(1, 3, 1, 32, 32)).shape == (1, 5)
    with pytest.raises(ConfigError, match="17 frames; it takes 1 to 16"):
        net(torch.randn(1, 3, 17, 32, 32))


def test_a_frame_alone_is_not_normed() -> None:
    norm = vtn.LayerNorm()
    alone, two = torch.randn(1, 1, 512), torch.randn(1, 2, 512)
    assert norm(alone) is alone
    normed = norm(two)
    assert normed.mean(2).abs().max() < 1e-6
    torch.testing.assert_close(normed.std(2), two.std(2) / (two.std(2) + 1e-3))


def test_the_first_position_stays_zero_in_training() -> None:
    decoder = vtn.Decoder(num_classes=2, layer_norm=False)
    with torch.enable_grad():
        decoder(torch.randn(1, 16, 512)).sum().backward()
    gradient = decoder.positions.weight.grad
    assert gradient is not None
    assert not decoder.positions.weight[0].any()
    assert not gradient[0].any()
    assert gradient[1:].any(1).all()


# The stream.


def stream(net: vtn.VTN, clip: Tensor) -> list[Tensor]:
    state, logits = net.initial_state(len(clip)), []
    for frame in clip.unbind(2):
        answer, state = net.step(frame, state)
        logits.append(answer)
    return logits


@pytest.mark.parametrize("layer_norm", [False, True])
def test_frame_by_frame_equals_the_whole_clip(layer_norm: bool) -> None:
    net = small(layer_norm=layer_norm, from_bgr=True)
    video = torch.randint(0, 256, (2, 3, 19, 32, 32)).float()
    logits = stream(net, video)
    for end in (16, 19):
        torch.testing.assert_close(logits[end - 1], net(video[:, :, end - 16 : end]))


def test_the_first_frame_stands_for_those_before_it(net: vtn.VTN) -> None:
    video = torch.randn(1, 3, 3, 32, 32)
    before = video[:, :, :1].expand(-1, -1, 13, -1, -1)
    torch.testing.assert_close(stream(net, video)[-1], net(torch.cat([before, video], 2)))


def test_streams_side_by_side_do_not_mix(net: vtn.VTN) -> None:
    """One that begins in the middle of another: the state says so for each."""
    video = torch.randn(2, 3, 4, 32, 32)
    _, state = net.step(video[:, :, 0], net.initial_state(2))
    fresh = net.initial_state(2)
    state = vtn.Window(
        torch.stack([state.embeddings[0], fresh.embeddings[1]]),
        torch.stack([state.empty[0], fresh.empty[1]]),
    )
    logits, _ = net.step(video[:, :, 1], state)
    torch.testing.assert_close(logits[:1], stream(net, video[:1, :, :2])[-1])
    torch.testing.assert_close(logits[1:], stream(net, video[1:, :, 1:2])[-1])


def test_clip_and_step_can_be_exported() -> None:
    net = small(from_bgr=True)
    batch = torch.export.Dim("batch")
    clip, frame, state = (
        torch.zeros(2, 3, 16, 32, 32),
        torch.zeros(2, 3, 32, 32),
        net.initial_state(2),
    )
    program = torch.export.export(net, (clip,), dynamic_shapes=({0: batch},))
    given = torch.rand(3, 3, 16, 32, 32) * 255
    torch.testing.assert_close(program.module()(given), net(given))

    class Step(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, frame: Tensor, embeddings: Tensor, empty: Tensor) -> Any:
            return self.net.step(frame, vtn.Window(embeddings, empty))

    shapes = tuple({0: batch} for _ in range(3))
    program = torch.export.export(Step(), (frame, *state), dynamic_shapes=shapes)
    logits, _ = program.module()(given[:, :, 0], *net.initial_state(3))
    torch.testing.assert_close(logits, net.step(given[:, :, 0], net.initial_state(3))[0])


# The training code's checkpoints.


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "listings"),
    [
        ("action-recognition-0001", ("vtn_encoder_resnet34", "vtn_decoder_400")),
        ("resnet34_vtn_layernorm_kinetics400", ("vtn_encoder_resnet34", "vtn_decoder_400_ln")),
        ("driver-action-recognition-adas-0002", ("vtn_encoder_mobilenetv2", "vtn_decoder_9")),
    ],
)
def test_encoder_and_decoder_in_one_file(
    name: str, listings: tuple[str, str], shared: Path
) -> None:
    model = vtn.build(SPECS[name])
    state = published(shared, *listings)
    fill(model, state, formats=vtn.FORMATS, source="a checkpoint")
    query = model.decoder.blocks[3].attention.query.weight
    taken = state["self_attention_decoder.layers.3.slf_attn.w_qs"]
    assert torch.equal(query[2 * 64 + 5], taken[2, :, 5])


@pytest.mark.shared
def test_layer_norms_are_not_dropped(shared: Path) -> None:
    model = vtn.build(SPECS["driver-action-recognition-adas-0002"])
    state = published(shared, "vtn_encoder_mobilenetv2", "vtn_decoder_9_ln")
    with pytest.raises(BadWeights, match=r"attention\.norm\.weight is unknown"):
        fill(model, state, formats=vtn.FORMATS, source="a checkpoint")
