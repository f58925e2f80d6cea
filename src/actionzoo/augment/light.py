"""Colours and noise: what may change in a clip while everything stays where it is."""

from __future__ import annotations

import math

import numpy as np
import torch

from actionzoo.augment.config import AugmentConfig

LUMA = (0.299, 0.587, 0.114)
"""How bright red, green and blue look (ITU-R BT.601, the luma of JPEG and of Pillow's ``L``)."""
_MID_GREY = 127.5


def change_light(
    pixels: np.ndarray, config: AugmentConfig, *, rng: np.random.Generator
) -> np.ndarray:
    """Change colours, the same way in all frames, and add noise.

    Args:
        pixels: Shape (T, H, W, C) uint8 RGB.
        config: How far things may change.
        rng: Source of chance.

    Returns:
        The same shape, uint8; ``pixels`` itself where nothing changes.
    """
    matrix, offset = _drawn_colours(config, rng)
    recoloured = offset != 0 or bool((matrix != np.eye(3)).any())
    if not recoloured and config.noise == 0:
        return pixels
    frames = torch.from_numpy(np.ascontiguousarray(pixels)).float()
    if recoloured:
        frames = (frames @ torch.from_numpy(matrix.T).float()).add_(offset)
    if config.noise:
        # torch draws normal numbers some times faster than numpy does.
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        noise = torch.randn(frames.shape, generator=generator)
        frames.add_(noise, alpha=255 * rng.uniform(0, config.noise))
    return frames.clamp_(0, 255).round_().byte().numpy()


def _drawn_colours(config: AugmentConfig, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Draw all changes of colour, and make one of them.

    Returns:
        A matrix, shape (3, 3), that a pixel's colour in [0, 255] is multiplied by, and what is
        added then.
    """
    brightness, contrast, saturation, hue = rng.uniform(-1, 1, 4) * (
        config.brightness,
        config.contrast,
        config.saturation,
        config.hue,
    )
    grey = rng.random() < config.grey
    colours = saturation_matrix(0.0 if grey else 1 + saturation) @ hue_matrix(hue)
    return colours * (1 + contrast), 255 * float(brightness) - _MID_GREY * float(contrast)


def saturation_matrix(factor: float) -> np.ndarray:
    """Return the matrix that moves colours away from the grey that looks as bright; 0 is grey."""
    matrix: np.ndarray = factor * np.eye(3) + (1 - factor) * np.tile(LUMA, (3, 1))
    return matrix


def hue_matrix(turn: float) -> np.ndarray:
    """Return the matrix that turns the cube of colours around its axis from black to white.

    A third of the circle makes red of green, green of blue and blue of red, as a turn of the hue
    does in HSV (Haeberli, Matrix Operations for Image Processing, 1993); in between, a colour
    keeps the mean of its three values, where HSV keeps the largest.

    Args:
        turn: As a share of the circle; red goes towards green.
    """
    if turn == 0:
        return np.eye(3)
    cosine, sine = math.cos(2 * math.pi * turn), math.sin(2 * math.pi * turn)
    across = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    return cosine * np.eye(3) + (1 - cosine) / 3 + sine * across
