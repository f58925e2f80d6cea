"""The step of a stream as a piece: its tensors, and that it begins with zeros."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from actionzoo.conversion.pieces import with_batch
from actionzoo.conversion.stepping import Streaming, step_piece
from actionzoo.errors import ConfigError
from actionzoo.models import FAMILIES, movinet, vtn
from actionzoo.spec import ModelSpec
from test_conversion import Tiny, tiny_spec
from test_movinet import SMALL, awake


class Past(NamedTuple):
    total: Tensor
    untouched: Tensor


class TinyStream(nn.Module):
    """Logits are the first frame's means, which it remembers, and the sum of all frames'."""

    def initial_state(self, batch: int) -> tuple[Tensor, Past]:
        return torch.zeros(batch, 3), Past(torch.zeros(batch, 3), torch.ones(batch).bool())

    def step(self, frame: Tensor, state: tuple[Tensor, Past]) -> tuple[Tensor, tuple[Tensor, Past]]:
        first, (total, untouched) = state
        means = frame.mean((2, 3))
        first = torch.where(untouched[:, None], means, first)
        after = Past(total + means, torch.zeros_like(untouched))
        return 100 * first + after.total, (first, after)


def stream_spec(frames: int = 5, side: int = 8) -> ModelSpec:
    return replace(tiny_spec(frames, side), name="streams/tiny")


def small_movinet() -> movinet.StreamMoViNet:
    torch.manual_seed(0)
    model = movinet.StreamMoViNet(SMALL, num_classes=3)
    awake(model)
    return model


def clips(spec: ModelSpec, number: int = 2) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((number, *spec.input.shape), np.float32)


def test_a_step_is_a_piece_of_named_tensors() -> None:
    piece = step_piece(TinyStream(), stream_spec())
    assert (piece.name, piece.part) == ("streams-tiny-step", "step")
    assert piece.inputs == ("frame", "state.0", "state.1", "state.2")
    assert piece.outputs == ("logits", "next.0", "next.1", "next.2")
    assert [tuple(one.shape) for one in piece.example] == [(2, 3, 8, 8), (2, 3), (2, 3), (2,)]
    assert piece.example[3].dtype == torch.bool
    fixed = with_batch(piece, 4)
    assert {one.shape[0] for one in fixed.example} == {4}


def test_a_state_has_the_size_of_the_specs_frames() -> None:
    model = small_movinet()
    piece = step_piece(model, stream_spec(side=24))
    expected = [one.shape for one in model.initial_state(2, height=24, width=24)]
    assert [one.shape for one in piece.example[1:]] == expected


def test_every_state_begins_with_zeros() -> None:
    """A VTN's own state begins with the truth that nothing was seen."""
    torch.manual_seed(0)
    model = vtn.VTN("mobilenetv2", num_classes=3, layer_norm=False, from_bgr=False).eval()
    piece = step_piece(model, stream_spec(side=32))
    frame = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        expected, after = model.step(frame, model.initial_state(2))
        logits, embeddings, seen = piece.module(frame, torch.zeros(2, 16, 512), torch.zeros(2) > 0)
        torch.testing.assert_close(logits, expected, rtol=0, atol=0)
        torch.testing.assert_close(embeddings, after.embeddings, rtol=0, atol=0)
        assert seen.all()
        second, *_ = piece.module(-frame, embeddings, seen)
    assert (second - logits).abs().max() > 0


def test_it_is_fed_the_frames_in_turn_with_the_states_before_them() -> None:
    spec = stream_spec()
    piece, values = step_piece(TinyStream(), spec), clips(spec)
    fed = list(piece.feed(values))
    assert len(fed) == spec.input.frames
    means = values.mean((3, 4))  # (B, C, T)
    for t, (frame, first, total, seen) in enumerate(fed):
        np.testing.assert_array_equal(frame, values[:, :, t])
        np.testing.assert_allclose(first, means[:, :, 0] * (t > 0), rtol=1e-5)
        np.testing.assert_allclose(total, means[:, :, :t].sum(2), rtol=1e-4, atol=1e-6)
        assert (seen == (t > 0)).all()


def test_a_model_of_whole_clips_has_no_step() -> None:
    with pytest.raises(ConfigError, match=r"'tiny' sees a clip as a whole.*movinet.*vtn"):
        step_piece(Tiny(), tiny_spec())


def test_the_families_that_stream_are_those_the_message_names() -> None:
    streaming = {
        family.SPECS[0].family
        for family in FAMILIES
        for one in vars(family).values()
        if isinstance(one, type) and issubclass(one, nn.Module) and issubclass(one, Streaming)
    }
    assert streaming == {"movinet", "vtn"}
