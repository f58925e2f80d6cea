"""MViT: positions, pooling and widths, each against a plain computation."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from actionzoo.errors import ConfigError
from actionzoo.models import mvit
from actionzoo.models.mvit import Attention, Block, Shape

SMALL = Shape(grid=(2, 4, 8), width_in=96, heads=2, width_out=192, stride_q=2, stride_kv=1)


def tokens(shape: Shape, batch: int = 2) -> Tensor:
    t, h, w = shape.grid
    return torch.randn(batch, 1 + t * h * w, shape.width_in)


@pytest.mark.parametrize("size", [(8, 224, 224), (16, 112, 112), (16, 224, 256), (32, 224, 224)])
def test_a_clip_of_another_size_is_refused(size: tuple[int, int, int]) -> None:
    with torch.device("meta"):
        net = mvit.MViT(second=True, num_classes=2).eval()
        with pytest.raises(ConfigError, match=r"16 frames of 224 x 224 px"):
            net(torch.zeros(1, 3, *size))


def test_the_first_version_widens_behind_and_the_second_in_attention() -> None:
    first, second = (list(mvit.block_shapes(second=one)) for one in (False, True))
    assert [one.grid for one in first] == [one.grid for one in second]
    assert [one.grid[1] for one in first] == [56, 56, 28, 28] + [14] * 11 + [7]
    assert [one.width for one in first] == [96, 192, 192] + [384] * 11 + [768] * 2
    assert [one.width_in for one in first] == [one.width for one in first]
    assert [one.width_out for one in second] == [one.width for one in second]
    for one in (first, second):
        assert [shape.width_in for shape in one[1:]] == [shape.width_out for shape in one[:-1]]


@pytest.mark.parametrize("second", [False, True])
def test_every_block_looks_at_a_coarse_grid(second: bool) -> None:
    """Keys are pooled by less where queries already have been, so their number stays small."""
    coarse = [
        (shape.grid[1] // shape.stride_kv, shape.grid[2] // shape.stride_kv)
        for shape in mvit.block_shapes(second=second)
    ]
    assert set(coarse) == {(7, 7), (14, 14)}


def test_places_are_a_sum_of_time_and_space() -> None:
    encoding = mvit.PositionEncoding(absolute=True)
    with torch.no_grad():
        x = encoding(torch.zeros(2, 96, *mvit.GRID))
    torch.testing.assert_close(x[1, 0], encoding.class_token + encoding.class_pos)
    t, h, w = 5, 17, 40
    torch.testing.assert_close(
        x[0, 1 + (t * 56 + h) * 56 + w],
        encoding.temporal_pos[t] + encoding.spatial_pos[h * 56 + w],
    )


def test_only_attention_of_the_second_version_knows_distances() -> None:
    assert not hasattr(Attention(SMALL, second=False), "rel_pos_t")
    assert not hasattr(mvit.PositionEncoding(absolute=False), "spatial_pos")


def test_each_query_weighs_its_distances_to_the_keys() -> None:
    torch.manual_seed(0)
    attention = Attention(SMALL, second=True)
    q = torch.randn(1, 2, 1 + 2 * 2 * 4, 96)
    with torch.no_grad():
        bias = attention._position_bias(q)
    assert bias.shape == (1, 2, 17, 65)
    assert not bias[:, :, 0].any()
    assert not bias[:, :, :, 0].any()
    for t, h, w, key_t, key_h, key_w in [
        (0, 0, 0, 0, 0, 0),
        (1, 0, 3, 0, 3, 1),
        (0, 1, 2, 1, 2, 7),
    ]:
        table = (
            attention.rel_pos_t[t - key_t + 1]
            + attention.rel_pos_h[2 * h - key_h + 3]
            + attention.rel_pos_w[2 * w - key_w + 7]
        )
        got = bias[0, :, 1 + (t * 2 + h) * 4 + w, 1 + (key_t * 4 + key_h) * 8 + key_w]
        torch.testing.assert_close(got, q[0, :, 1 + (t * 2 + h) * 4 + w] @ table)


def test_pooling_leaves_the_class_token_and_the_order_of_the_others() -> None:
    x = torch.arange(2 * 3 * 17 * 4.0).reshape(2, 3, 17, 4)
    pooled = mvit.on_grid(lambda grid: grid[..., ::2, ::2], x, (1, 4, 4))
    assert torch.equal(pooled, x[:, :, [0, 1, 3, 9, 11]])


def test_the_second_version_adds_its_queries() -> None:
    """With values that are all 0, what remains is the pooled queries, the class token's not."""
    attention = Attention(SMALL, second=True)
    attention.project = nn.Sequential(nn.Identity())
    nn.init.zeros_(attention.pool_v.norm_act[0].weight)
    x = tokens(SMALL)
    with torch.no_grad():
        q = attention.qkv(x)[..., :192].unflatten(2, (2, 96)).transpose(1, 2)
        q = attention.pool_q(q).transpose(1, 2).flatten(2)
        y = attention(x)
    torch.testing.assert_close(y[:, 1:], q[:, 1:])
    assert not y[:, 0].any()


@pytest.mark.parametrize("second", [False, True])
def test_the_batch_of_an_exported_block_is_free(second: bool) -> None:
    shape = SMALL if second else replace(SMALL, width_in=192, width_out=384)
    block = Block(shape, second=second, drop_rate=0.1).eval()
    x = tokens(shape, batch=3)
    batch = torch.export.Dim("batch")
    program = torch.export.export(block, (x[:2],), dynamic_shapes=({0: batch},))
    with torch.no_grad():
        expected = block(x)
        torch.testing.assert_close(program.module()(x), expected)
    assert expected.shape == (3, 17, shape.width_out)


def test_the_batch_of_an_exported_network_is_free() -> None:
    net = mvit.MViT(second=True, num_classes=2).eval()
    net.blocks, net.norm, net.head = net.blocks[:1], nn.LayerNorm(96), nn.Linear(96, 2)
    clips = torch.randn(3, 3, *mvit.CLIP)
    batch = torch.export.Dim("batch")
    program = torch.export.export(net, (clips[:2],), dynamic_shapes=({0: batch},))
    with torch.no_grad():
        torch.testing.assert_close(program.module()(clips), net(clips))


def test_training_drops_whole_branches() -> None:
    shape = replace(SMALL, width_in=192, stride_q=1)
    block = Block(shape, second=True, drop_rate=1.0)
    x = tokens(shape)
    torch.testing.assert_close(block.train()(x), x)
    assert not torch.allclose(block.eval()(x), x)
