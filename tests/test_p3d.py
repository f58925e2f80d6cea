"""P3D: the turns its blocks take, poolings in the place of strides, and MXNet's names."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

import mxnet_files
from actionzoo.errors import ConfigError
from actionzoo.models import p3d
from actionzoo.models.resnet3d import conv3d
from actionzoo.weights import load_weights


def splits(net: p3d.P3D) -> list[str]:
    layers = (net.layer1, net.layer2, net.layer3)
    return ["".join(block.split for block in layer) for layer in layers]


def small() -> p3d.P3D:
    torch.manual_seed(0)
    return p3d.P3D(depths=(1, 1, 1, 1), num_classes=5).eval()


def test_blocks_take_turns_through_all_layers() -> None:
    with torch.device("meta"):
        shallow, deep = (p3d.build(spec) for spec in p3d.SPECS)
    assert splits(shallow) == ["ABC", "ABCA", "BCABCA"]
    assert splits(deep) == ["ABC", "ABCA", "BCABCABCABCABCABCABCABC"]


def test_the_three_ways_to_split() -> None:
    blocks = {split: p3d.Block(8, 2, split=split).eval() for split in p3d.SPLITS}
    for block in blocks.values():
        block.load_state_dict(blocks["A"].state_dict())
    x = torch.rand(1, 2, 4, 5, 5)
    with torch.no_grad():
        a = blocks["A"]
        space = F.relu(a.bn2(a.conv2(x)))
        time, beside = (F.relu(a.bn_temporal(a.conv_temporal(one))) for one in (space, x))
        torch.testing.assert_close(blocks["A"].mix(x), time)
        torch.testing.assert_close(blocks["B"].mix(x), space + beside)
        torch.testing.assert_close(blocks["C"].mix(x), space + time)


@pytest.mark.parametrize("side", [7, 8])
def test_a_pooling_in_front_is_the_stride_of_a_1x1_convolution(side: int) -> None:
    x = torch.rand(1, 3, 4, side, side)
    strided = conv3d(3, 2, (1, 1, 1), (1, 2, 2))
    plain = conv3d(3, 2, (1, 1, 1))
    plain.load_state_dict(strided.state_dict())
    torch.testing.assert_close(
        plain(F.max_pool3d(x, (2, 1, 1), 2)), strided(F.max_pool3d(x, (2, 1, 1)))
    )


def test_sixteen_frames_of_any_size() -> None:
    net = small()
    with torch.no_grad():
        assert net(torch.zeros(2, 3, 16, 33, 70)).shape == (2, 5)
        assert net.forward_features(torch.zeros(2, 3, 16, 1, 1)).shape == (2, 2048)
    for frames in (15, 17):
        with pytest.raises(ConfigError, match=f"{frames} frames; it takes exactly 16"):
            net(torch.zeros(1, 3, frames, 32, 32))


def test_a_checkpoint_as_gluoncv_publishes_it(tmp_path: Path) -> None:
    net, other = small(), p3d.P3D(depths=(1, 1, 1, 1), num_classes=5)
    norms = {name[: -len(".running_mean")] for name in net.state_dict() if "running_mean" in name}
    arrays = {}
    for name, tensor in net.state_dict().items():
        layer, _, kind = name.rpartition(".")
        if layer in norms:
            kind = {"weight": "gamma", "bias": "beta"}.get(kind, kind)
        if kind != "num_batches_tracked":
            arrays[f"{layer}.{kind}"] = tensor.numpy()
    path = mxnet_files.write_params(tmp_path / "p3d-0123abcd.zip", arrays)
    load_weights(other, path, formats=p3d.FORMATS)
    clip = torch.rand(1, 3, 16, 32, 32)
    with torch.no_grad():
        assert torch.equal(other.eval()(clip), net(clip))
    assert not any(one.fits(net.state_dict()) for one in p3d.FORMATS)
