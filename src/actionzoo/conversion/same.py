"""Whether a file computes what its module does."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import nn

from actionzoo.backends import Backend
from actionzoo.backends.axes import arranged
from actionzoo.errors import ConfigError
from actionzoo.spec import ModelSpec

Precision = Literal["fp32", "fp16"]
"""How the parameters are stored. Inference computes in float32 from both."""

TOLERANCE: dict[Precision, float] = {"fp32": 1e-4, "fp16": 1e-2}
"""How far the logits of a file may be from the module's, as ‖difference‖ / ‖logits‖."""


def check_same(model: nn.Module, spec: ModelSpec, file: Backend, precision: Precision) -> None:
    """Compare a file with its module on noise, read back as a user would.

    Raises:
        ConfigError: Its logits are not the module's.
    """
    rng = np.random.default_rng(0)
    clips = rng.standard_normal((2, *spec.input.shape), np.float32)
    with torch.no_grad():
        expected = model(torch.from_numpy(arranged(clips, spec.input.layout))).numpy()
    error = np.linalg.norm(file(clips) - expected) / np.linalg.norm(expected)
    if not error < TOLERANCE[precision]:
        raise ConfigError(
            f"the exported {spec.name!r} differs from the module by {error:.1e} where "
            f"{TOLERANCE[precision]:.0e} is allowed in {precision}; export with precision fp32, or "
            "to another format"
        )
