"""Video Swin: windows, offsets and sizes, each against a plain computation."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from actionzoo.models import swin3d
from actionzoo.models.swin3d import WINDOW, Swin3D, WindowAttention
from actionzoo.weights import convert


def places(size: tuple[int, ...]) -> Tensor:
    """Return (time, row, column) of each token, shape (T * H * W, 3)."""
    return torch.cartesian_prod(*(torch.arange(one) for one in size))


def small(stages: int = 2) -> Swin3D:
    torch.manual_seed(0)
    net = Swin3D(width=32, depths=(2,) * stages, drop_rate=0.1, num_classes=5)
    for name, one in net.named_parameters():
        if name.endswith("table"):
            nn.init.normal_(one)
    return net.eval()


def attention(*, shifted: bool) -> WindowAttention:
    torch.manual_seed(0)
    layer = WindowAttention(64, shifted=shifted).eval()
    nn.init.normal_(layer.relative_position_bias_table)
    return layer


def plain_attention(layer: WindowAttention, x: Tensor, shift: tuple[int, ...]) -> Tensor:
    """Compare every token of a clip with every other, and forbid what no window holds."""
    place = places(x.shape[1:4])
    window = (place - torch.tensor(shift)).div(torch.tensor(WINDOW), rounding_mode="floor")
    together = (window[:, None] == window[None]).all(2)
    limit = torch.tensor(WINDOW) - 1
    offset = (place[:, None] - place[None]).clamp(-limit, limit) + limit
    row = (offset[..., 0] * 13 + offset[..., 1]) * 13 + offset[..., 2]
    bias = layer.relative_position_bias_table[row].permute(2, 0, 1)
    q, k, v = layer.qkv(x.flatten(1, 3)).unflatten(2, (3, 2, 32)).permute(2, 0, 3, 1, 4)
    logits = q @ k.mT / 32**0.5 + bias
    scores = logits.masked_fill(~together, float("-inf")).softmax(-1)
    return layer.proj((scores @ v).transpose(1, 2).flatten(2)).reshape(x.shape)


@pytest.mark.parametrize(
    ("size", "shift"), [((16, 7, 14), (4, 0, 3)), ((8, 14, 14), (0, 3, 3)), ((5, 7, 7), (0, 0, 0))]
)
def test_shifted_windows_do_not_wrap_around(size: tuple[int, ...], shift: tuple[int, ...]) -> None:
    layer, x = attention(shifted=True), torch.randn(2, *size, 64)
    with torch.no_grad():
        torch.testing.assert_close(layer(x), plain_attention(layer, x, shift))


def test_windows_of_even_blocks_are_not_shifted() -> None:
    layer, x = attention(shifted=False), torch.randn(1, 16, 14, 7, 64)
    with torch.no_grad():
        torch.testing.assert_close(layer(x), plain_attention(layer, x, (0, 0, 0)))
    assert [block.attn.shifted for block in small().features[0]] == [False, True]


def test_each_offset_has_a_row_of_its_own() -> None:
    index, place = swin3d.offset_index(), places(WINDOW)
    offsets = (place[:, None] - place[None]).flatten(0, 1)
    pairs = torch.cat((offsets, index.flatten()[:, None]), 1)
    assert len(offsets.unique(dim=0)) == len(index.unique()) == len(pairs.unique(dim=0))
    assert (index.min(), index.max()) == (0, 15 * 13 * 13 - 1)


def test_split_windows_come_together_again() -> None:
    x = torch.randn(2, 4, 6, 8, 3)
    windows = swin3d.split_windows(x, (2, 3, 4))
    assert windows.shape == (2, 8, 24, 3)
    torch.testing.assert_close(windows[1, 7], x[1, 2:, 3:, 4:].flatten(0, 2))
    torch.testing.assert_close(swin3d.join_windows(windows, (2, 3, 4), (4, 6, 8)), x)


def test_merging_puts_the_rows_of_a_column_first() -> None:
    merging = swin3d.PatchMerging(1)
    merging.norm = merging.reduction = nn.Identity()
    x = torch.tensor([[0.0, 1, 2], [10, 11, 12]]).reshape(1, 1, 2, 3, 1)
    assert merging(x).flatten(0, 3).tolist() == [[0, 10, 1, 11], [2, 12, 0, 0]]


@pytest.mark.parametrize("size", [(1, 20, 36), (17, 33, 50), (32, 64, 64), (2, 4, 4)])
def test_any_size_fits_and_is_padded_with_black(size: tuple[int, int, int]) -> None:
    net, clip = small(3), torch.randn(2, 3, *size)
    t, h, w = (-one % patch for one, patch in zip(size, swin3d.PATCH, strict=True))
    with torch.no_grad():
        logits = net(clip)
        torch.testing.assert_close(net(F.pad(clip, (0, w, 0, h, 0, t))), logits)
        torch.testing.assert_close(net(clip[1:]), logits[1:])


def test_training_drops_whole_branches() -> None:
    block = swin3d.Block(32, shifted=False, drop_rate=1.0)
    x = torch.randn(2, 2, 7, 7, 32)
    torch.testing.assert_close(block.train()(x), x)
    assert not torch.allclose(block.eval()(x), x)


def test_the_batch_of_an_exported_program_is_free() -> None:
    net, clips = small(), torch.randn(3, 3, 32, 64, 64)
    batch = torch.export.Dim("batch")
    program = torch.export.export(net, (clips[:2],), dynamic_shapes=({0: batch},))
    with torch.no_grad():
        torch.testing.assert_close(program.module()(clips), net(clips))


def test_mmaction_calls_stages_layers() -> None:
    ours = small(4).state_dict()
    theirs = {_mmaction_name(name): tensor for name, tensor in ours.items()}
    assert "backbone.layers.2.downsample.reduction.weight" in theirs
    assert "backbone.layers.3.blocks.1.mlp.fc2.bias" in theirs
    converted = convert(theirs, swin3d.FORMATS)
    assert converted.keys() == ours.keys()
    assert all(converted[name] is tensor for name, tensor in ours.items())


def _mmaction_name(name: str) -> str:
    part, _, rest = name.partition(".")
    if part == "features":
        stage, _, rest = rest.partition(".")
        kind = "downsample" if int(stage) % 2 else "blocks"
        rest = rest.replace("mlp.0", "mlp.fc1").replace("mlp.3", "mlp.fc2")
        return f"backbone.layers.{int(stage) // 2}.{kind}.{rest}"
    return {"norm": "backbone.norm3.", "head": "cls_head.fc_cls."}.get(
        part, f"backbone.{part}."
    ) + rest
