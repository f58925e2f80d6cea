"""MoViNet: a stream is its clip frame by frame, and TensorFlow's padding is TensorFlow's."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from actionzoo.errors import ConfigError
from actionzoo.models import movinet
from actionzoo.models.movinet import CUBE, FLAT, LONG, WIDE, Architecture, Stage

SPECS = {spec.name: spec for spec in movinet.SPECS}
SMALL = Architecture(
    stem=8,
    stages=(
        Stage(width=8, blocks=((24, WIDE), (16, CUBE))),
        Stage(width=16, stride=1, blocks=((24, LONG), (16, FLAT))),
        Stage(width=16, blocks=((24, CUBE),)),
    ),
    head=32,
    size=40,
)
"""Every kind of block there is."""


def awake(model: nn.Module) -> nn.Module:
    """Let every block take part, and every norm change what passes."""
    for name, tensor in model.state_dict().items():
        if name.endswith("scale"):
            tensor.fill_(0.7)
        elif name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
        elif name.endswith("running_mean"):
            tensor.normal_(std=0.1)
    return model.eval()


@pytest.fixture(scope="module")
def stream() -> movinet.StreamMoViNet:
    torch.manual_seed(0)
    model = movinet.StreamMoViNet(SMALL, num_classes=5)
    awake(model)
    return model


def run(
    model: movinet.StreamMoViNet, clip: Tensor, state: movinet.StreamState
) -> tuple[Tensor, movinet.StreamState]:
    """Feed a clip frame by frame; return the logits after each (B, T, K) and the last state."""
    logits = []
    with torch.no_grad():
        for frame in clip.unbind(2):
            one, state = model.step(frame, state)
            logits.append(one)
    return torch.stack(logits, 1), state


@pytest.mark.parametrize(("height", "width"), [(40, 40), (37, 50)])
def test_each_answer_of_a_stream_is_that_of_the_clip_so_far(
    stream: movinet.StreamMoViNet, height: int, width: int
) -> None:
    """So a whole clip is the same as its frames, and what comes later changes nothing."""
    clip = torch.randn(2, 3, 9, height, width)
    logits, _ = run(stream, clip, stream.initial_state(2, height=height, width=width))
    with torch.no_grad():
        whole = torch.stack([stream(clip[:, :, :frames]) for frames in range(1, 10)], 1)
    assert (logits - whole).norm() < 1e-5 * whole.norm()
    assert (whole[:, 0] - whole[:, -1]).norm() > 1e-2 * whole.norm()


def test_the_published_network_answers_by_step_as_by_clip() -> None:
    model = movinet.build(SPECS["movinet_a0_stream_kinetics600"])
    assert isinstance(model, movinet.StreamMoViNet)
    awake(model)
    clip = torch.randn(1, 3, 4, 64, 64)
    logits, _ = run(model, clip, model.initial_state(1, height=64, width=64))
    with torch.no_grad():
        whole = model(clip)
    assert (logits[:, -1] - whole).norm() < 1e-5 * whole.norm()


def test_a_state_is_a_value(stream: movinet.StreamMoViNet) -> None:
    """A stream can be taken up again from any state, any number of times."""
    clip = torch.randn(1, 3, 6, 40, 40)
    _, middle = run(stream, clip[:, :, :3], stream.initial_state(1))
    kept = [one.clone() for one in middle]
    first, _ = run(stream, clip[:, :, 3:], middle)
    second, _ = run(stream, clip[:, :, 3:], middle)
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    torch.testing.assert_close(list(middle), kept, rtol=0, atol=0)


def test_streams_side_by_side_may_be_of_different_age(stream: movinet.StreamMoViNet) -> None:
    clip = torch.randn(1, 3, 5, 40, 40)
    _, old = run(stream, clip[:, :, :4], stream.initial_state(1))
    new = stream.initial_state(1)
    both = tuple(torch.cat(pair) for pair in zip(old, new, strict=True))
    side_by_side, _ = run(stream, clip[:, :, 4:].expand(2, -1, -1, -1, -1), both)
    alone = [run(stream, clip[:, :, 4:], state)[0] for state in (old, new)]
    torch.testing.assert_close(side_by_side, torch.cat(alone))


def test_a_state_of_other_frames_is_refused(stream: movinet.StreamMoViNet) -> None:
    sentence = r"2 frames of 32 x 48; begin with initial_state\(2, height=32, width=48\)"
    for state in (stream.initial_state(2), stream.initial_state(1, height=32, width=48), ()):
        with pytest.raises(ConfigError, match=sentence):
            stream.step(torch.zeros(2, 3, 32, 48), state)


class Step(nn.Module):
    def __init__(self, model: movinet.StreamMoViNet) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, frame: Tensor, state: movinet.StreamState
    ) -> tuple[Tensor, movinet.StreamState]:
        return self.model.step(frame, state)


def test_a_step_can_be_traced_for_any_number_of_streams(stream: movinet.StreamMoViNet) -> None:
    state = stream.initial_state(2)
    batch = torch.export.Dim("batch")
    program = torch.export.export(
        Step(stream),
        (torch.randn(2, 3, 40, 40), state),
        dynamic_shapes=({0: batch}, tuple({0: batch} for _ in state)),
    )
    frame, state = torch.randn(3, 3, 40, 40), stream.initial_state(3)
    torch.testing.assert_close(program.module()(frame, state), stream.step(frame, state))


def test_a_step_costs_a_fiftieth_of_the_clip() -> None:
    """But for the head, which a clip needs once."""
    spec = SPECS["movinet_a0_stream_kinetics600"]
    with torch.device("meta"):
        model = movinet.build(spec).eval()
        frame = torch.zeros(1, *spec.input.shape)[:, :, 0]
    assert isinstance(model, movinet.StreamMoViNet)
    with FlopCounterMode(display=False) as counter:
        model.step(frame, model.initial_state(1))
    assert counter.get_total_flops() / 2e9 == pytest.approx(0.0507, rel=5e-3)


@pytest.mark.parametrize("network", [movinet.MoViNet, movinet.StreamMoViNet])
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 7, 33), (5, 48, 20)])
def test_any_number_of_frames_of_any_size_can_be_taken(
    network: type[movinet.MoViNet] | type[movinet.StreamMoViNet], shape: tuple[int, int, int]
) -> None:
    model = network(SMALL, num_classes=5).eval()
    assert model(torch.randn(2, 3, *shape)).shape == (2, 5)


@pytest.mark.parametrize("size", range(1, 9))
def test_halving_averages_only_what_there_is(size: int) -> None:
    """Padded as TensorFlow does, each window's sum is divided by how many pixels it has."""
    x = torch.rand(2, 3, 4, size, 5)
    padding = (*movinet._same_padding(5, 3), *movinet._same_padding(size, 3))
    sums, pixels = (
        F.avg_pool3d(F.pad(one, padding), (1, 3, 3), (1, 2, 2), divisor_override=1)
        for one in (x, torch.ones_like(x))
    )
    torch.testing.assert_close(movinet._halve(x), sums / pixels)


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("size", range(1, 12))
def test_stride_two_begins_where_tensorflow_does(size: int, kernel: int) -> None:
    """The k-th output is that of stride 1 at 2k, or at 2k + 1 where the size is even."""
    layer = movinet.ConvNorm(1, 1, (1, kernel, kernel), stride=2).eval()
    x = torch.randn(1, 1, 1, size, size)
    dense = F.conv3d(x, layer.conv.weight, padding=(0, kernel // 2, kernel // 2))
    begin = 1 - size % 2
    expected = layer.norm(dense[..., begin::2, begin::2])
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize(
    ("theirs", "shape", "ours", "our_shape"),
    [
        ("conv1.conv_1.conv3d.weight", (8, 3, 1, 3, 3), "stem.conv.weight", (8, 3, 1, 3, 3)),
        ("conv1.conv_1.conv2d.weight", (8, 3, 3, 3), "stem.conv.weight", (8, 3, 1, 3, 3)),
        ("blocks.b3_l1.alpha", (), "blocks.3.1.scale", ()),
        (
            "blocks.b3_l1.deep.conv_1.conv2d.weight",
            (184, 1, 3, 3),
            "blocks.3.1.depthwise.conv.weight",
            (184, 1, 1, 3, 3),
        ),
        (
            "blocks.b3_l1.deep.conv_2.conv2d.weight",
            (184, 1, 5, 1),
            "blocks.3.1.temporal.conv.weight",
            (184, 1, 5, 1, 1),
        ),
        (
            "blocks.b0_l0.res.1.conv_1.norm.running_mean",
            (8,),
            "blocks.0.0.shortcut.norm.running_mean",
            (8,),
        ),
        (
            "blocks.b0_l0.se.fc1.conv_1.conv3d.bias",
            (8,),
            "blocks.0.0.squeeze_excite.squeeze.bias",
            (8,),
        ),
        ("conv7.conv_1.norm.bias", (480,), "head_expand.norm.bias", (480,)),
        (
            "classifier.0.conv_1.conv3d.weight",
            (2048, 480, 1, 1, 1),
            "head_widen.weight",
            (2048, 480),
        ),
        ("classifier.3.conv_1.conv2d.weight", (600, 2048, 1, 1), "classifier.weight", (600, 2048)),
    ],
)
def test_names_and_shapes_of_others_become_ours(
    theirs: str, shape: tuple[int, ...], ours: str, our_shape: tuple[int, ...]
) -> None:
    converted = movinet.FORMATS[0].convert({theirs: torch.zeros(shape)})
    assert {name: tuple(one.shape) for name, one in converted.items()} == {ours: our_shape}
