"""VTN in two files, as Open Model Zoo publishes it: an encoder of frames, a decoder of embeddings.

The shapes, the name of the inputs and the order of colours are those of Open Model Zoo's documents
of ``action-recognition-0001`` and ``driver-action-recognition-adas-0002``. Its demo and OpenVINO's
notebook take these files in the place of Intel's; the outputs, which they find by index, have no
names there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from actionzoo.backends.parts import DECODER, ENCODER
from actionzoo.conversion.adapting import from_pixels, pixel_input
from actionzoo.conversion.pieces import Piece, file_stem
from actionzoo.models.vtn import VTN, WIDTH
from actionzoo.spec import ModelSpec

INPUT = "0"
"""Name of what either part takes."""
EMBEDDING = "embedding"
LOGITS = "logits"


def composite(model: VTN, spec: ModelSpec) -> list[Piece]:
    """Return the encoder and the decoder of a VTN, each for any number of frames or clips at once.

    Args:
        model: The whole network.
        spec: What it eats and says.

    Returns:
        Two pieces, whose spec is that of both together: clips of pixels, blue first, to logits.
    """
    model.eval()
    whole = replace(spec, input=pixel_input(spec.input, "BGR"))
    module = nn.Sequential(
        from_pixels(spec.input, "BGR", layout="BCHW"), model.normalise, model.encoder
    )
    return [_encoder(module.eval(), whole), _decoder(module, model.decoder, whole)]


def _encoder(module: nn.Module, spec: ModelSpec) -> Piece:
    """Return what makes embeddings (B, 512, 1, 1) of frames (B, 3, H, W) BGR in [0, 255]."""
    channels, _, height, width = spec.input.shape
    return Piece(
        name=f"{file_stem(spec)}-{ENCODER}",
        module=module,
        example=(torch.zeros(2, channels, height, width),),
        inputs=(INPUT,),
        outputs=(EMBEDDING,),
        spec=spec,
        feed=lambda clips: ((_frames(clip),) for clip in clips),
        part=ENCODER,
    )


def _decoder(encoder: nn.Module, decoder: nn.Module, spec: ModelSpec) -> Piece:
    """Return what makes logits (B, K) of embeddings (B, T, 512)."""

    def feed(clips: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
        for clip in clips:
            with torch.no_grad():
                embeddings = encoder(torch.from_numpy(_frames(clip))).flatten(1)  # (T, 512)
            yield (embeddings[None].numpy(),)

    return Piece(
        name=f"{file_stem(spec)}-{DECODER}",
        module=decoder,
        example=(torch.zeros(2, spec.input.frames, WIDTH),),
        inputs=(INPUT,),
        outputs=(LOGITS,),
        spec=spec,
        feed=feed,
        part=DECODER,
    )


def _frames(clip: np.ndarray) -> np.ndarray:
    """(C, T, H, W) -> (T, C, H, W)."""
    return np.ascontiguousarray(clip.transpose(1, 0, 2, 3))
