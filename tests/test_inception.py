from __future__ import annotations

import pytest
import torch
from torch import nn

from actionzoo.errors import ConfigError
from actionzoo.models import i3d_inception, tsn
from actionzoo.models.inception import (
    EPS,
    HALVE_MAX,
    KEEP_MEAN,
    V1_CONVS,
    V1_MIXED,
    Chain,
    Concat,
    Conv,
    Inception,
    Pool,
    SamePad,
    Split,
    bare,
    conv,
    inflate,
    smallest_input,
)

NETWORKS = {
    "pictures v1": tsn.INCEPTION_V1,
    "pictures v3": tsn.INCEPTION_V3,
    "gluoncv v1": i3d_inception.GLUONCV_V1,
    "gluoncv v3": i3d_inception.GLUONCV_V3,
    "deepmind": i3d_inception.DEEPMIND,
}
every_network = pytest.mark.parametrize("chain", NETWORKS.values(), ids=NETWORKS)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "before", "after"),
    [(224, 7, 2, 2, 3), (79, 7, 2, 3, 3), (112, 3, 2, 0, 1), (7, 3, 2, 1, 1), (5, 2, 2, 0, 1)],
)
def test_same_padding_is_tensorflows(
    size: int, kernel: int, stride: int, before: int, after: int
) -> None:
    padded = SamePad((kernel, 1), (stride, 1))(torch.ones(1, 1, size, 4))
    assert padded.shape == (1, 1, before + size + after, 4)
    assert padded[0, 0, before : before + size].all()
    assert not padded[0, 0, :before].any()


def test_each_axis_is_padded_by_its_own_size() -> None:
    pad = SamePad((7, 3, 2), (2, 2, 2))
    assert pad(torch.ones(1, 1, 4, 5, 6)).shape == (1, 1, 4 + 5, 5 + 2, 6)


def test_inflated_kernels_are_as_long_as_their_longest_side() -> None:
    column, halve = inflate((conv(5, (7, 1)), bare(conv(6, (3, 3), stride=2))))
    assert column == Conv(width=5, kernel=(7, 7, 1), stride=(1, 1, 1), padding=(3, 3, 0))
    assert halve == Conv(width=6, kernel=(3, 3, 3), stride=(2, 2, 2), padding=(1, 0, 0))


def test_inflation_reaches_branches_and_leaves_what_has_a_time_axis() -> None:
    timed = Pool(kernel=(1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1))
    chain = inflate((timed, Split(branches=((KEEP_MEAN, conv(3)), (HALVE_MAX,)))))
    assert chain[0] == timed
    assert chain[1] == Split(branches=(inflate((KEEP_MEAN, conv(3))), inflate((HALVE_MAX,))))
    assert inflate(chain) == chain


def test_a_still_video_looks_to_the_inflated_network_as_its_frame_does() -> None:
    """With the kernels of pictures spread over time, away from the ends of the clip."""
    chain: Chain = (conv(4, (3, 3)), conv(5, (1, 3)))
    pictures, clips = Inception(chain).eval(), Inception(inflate(chain)).eval()
    state = clips.state_dict()
    for name, tensor in pictures.state_dict().items():
        if name.endswith("conv.weight"):
            length = state[name].shape[2]
            state[name] = tensor.unsqueeze(2).repeat(1, 1, length, 1, 1) / length
    clips.load_state_dict(state)
    frame = torch.randn(1, 3, 6, 7)
    with torch.no_grad():
        seen = clips(frame.unsqueeze(2).repeat(1, 1, 7, 1, 1))[:, :, 3]
        torch.testing.assert_close(pictures(frame), seen)


def test_branches_follow_one_another() -> None:
    concat = Concat([nn.Identity(), nn.ReLU()])
    x = torch.tensor([[[-1.0]], [[2.0]]])  # (2, 1, 1)
    assert concat(x)[:, :, 0].tolist() == [[-1.0, 0.0], [2.0, 2.0]]


@every_network
def test_the_smallest_input_is_the_smallest(chain: Chain) -> None:
    network = Inception(chain).to("meta").eval()
    assert network(torch.empty(1, 3, *network.smallest, device="meta")).shape[2:].numel() >= 1
    for axis, least in enumerate(network.smallest):
        sizes = [*network.smallest]
        sizes[axis] = least - 1
        if least > 1:
            with pytest.raises(RuntimeError):
                network.layers(torch.empty(1, 3, *sizes, device="meta"))
            with pytest.raises(ConfigError, match="and larger"):
                network(torch.empty(1, 3, *sizes, device="meta"))


def test_smallest_inputs() -> None:
    assert Inception(tsn.INCEPTION_V3).smallest == (75, 75)
    assert Inception(i3d_inception.GLUONCV_V1).smallest == (5, 17, 17)
    assert smallest_input(i3d_inception.DEEPMIND, (2, 7, 7)) == (9, 193, 193)


@every_network
def test_every_norm_has_tensorflows_epsilon(chain: Chain) -> None:
    norms = (nn.BatchNorm2d, nn.BatchNorm3d)
    assert {one.eps for one in Inception(chain).modules() if isinstance(one, norms)} == {EPS}


def test_places_of_the_layers_of_v1() -> None:
    for chain in (tsn.INCEPTION_V1, i3d_inception.GLUONCV_V1, i3d_inception.DEEPMIND):
        kinds = [type(layer) for layer in chain]
        assert [place for place, kind in enumerate(kinds) if kind is Conv] == list(V1_CONVS)
        assert [place for place, kind in enumerate(kinds) if kind is Split] == list(V1_MIXED)
