from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from actionzoo.conversion.pieces import BATCH, FRAMES, Piece, whole_model, with_batch
from test_conversion import Tiny, tiny_spec


def numbered(count: int) -> np.ndarray:
    """Return clips that are full of their own number."""
    numbers = np.arange(count, dtype=np.float32).reshape(-1, 1, 1, 1, 1)
    return np.broadcast_to(numbers, (count, *tiny_spec().input.shape))


def test_a_model_is_one_piece() -> None:
    spec = replace(tiny_spec(), input=replace(tiny_spec().input, layout="TSBHWC"))
    piece = whole_model(Tiny().train(), spec)
    assert not piece.module.training
    assert (piece.name, piece.inputs, piece.outputs) == ("tiny", ("clip",), ("logits",))
    assert piece.example[0].shape == (2, 1, 2, 8, 8, 3)
    assert piece.free == ({2: BATCH},)
    ((fed,),) = piece.feed(numbered(3))
    assert fed.shape == (2, 1, 3, 8, 8, 3)
    assert fed[0, 0, :, 0, 0, 0].tolist() == [0, 1, 2]


def test_the_name_of_a_run_is_no_folder() -> None:
    assert whole_model(Tiny(), replace(tiny_spec(), name="runs/1")).name == "runs-1"


@pytest.mark.parametrize(
    ("batch", "numbers"), [(1, [[0], [1], [2]]), (2, [[0, 1], [2, 2]]), (4, [[0, 1, 2, 2]])]
)
def test_a_fixed_batch_is_fed_so_many(batch: int, numbers: list[list[int]]) -> None:
    piece = with_batch(whole_model(Tiny(), tiny_spec()), batch)
    assert piece.example[0].shape == (batch, 3, 2, 8, 8)
    assert piece.free == ({},)
    assert [fed[:, 0, 0, 0, 0].tolist() for (fed,) in piece.feed(numbered(3))] == numbers


def test_what_is_no_batch_stays() -> None:
    """As a state whose batch is its second axis, beside one that every clip shares."""
    shared = np.arange(5)
    piece = Piece(
        name="two",
        module=nn.Identity(),
        example=(torch.zeros(4, 2), torch.zeros(5, dtype=torch.int64)),
        inputs=("state", "shared"),
        outputs=("state",),
        spec=tiny_spec(),
        feed=lambda clips: [(np.arange(12).reshape(4, 3), shared)],
        free=({1: BATCH}, {0: FRAMES}),
    )
    one = with_batch(piece, 1)
    assert [tensor.shape for tensor in one.example] == [(4, 1), (5,)]
    assert one.example[1].dtype == torch.int64
    assert one.free == ({}, {0: FRAMES})
    fed = list(one.feed(np.zeros(0)))
    assert [state[:, 0].tolist() for state, _ in fed] == [
        [0, 3, 6, 9],
        [1, 4, 7, 10],
        [2, 5, 8, 11],
    ]
    assert all(other is shared for _, other in fed)
