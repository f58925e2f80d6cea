"""How other projects call the parameters of our networks: names as data, in one record a format."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

State = dict[str, Tensor]
Renames = tuple[tuple[str, str], ...]
"""Regular expressions and what each match becomes, applied in order."""


def _as_it_is(state: State) -> State:
    return state


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """The names that one publisher gives to the parameters of one family."""

    source: str
    """Who publishes under these names, for messages."""
    mark: str
    """A regular expression that matches a whole name which only this format has."""
    renames: Renames
    finish: Callable[[State], State] = _as_it_is
    """What names alone cannot do: other layouts, tensors left out because they are constant."""

    def fits(self, state: State) -> bool:
        """Tell whether a state dict is written in this format."""
        return any(re.fullmatch(self.mark, name) for name in state)

    def convert(self, state: State) -> State:
        """Return the tensors under our names.

        Where a file lists one tensor under two names, the later one is taken.
        """
        return self.finish({self._rename(name): tensor for name, tensor in state.items()})

    def _rename(self, name: str) -> str:
        for pattern, replacement in self.renames:
            name = re.sub(pattern, replacement, name)
        return name


MXNET_NORM: Renames = (
    (r"\.gamma$", ".weight"),
    (r"\.beta$", ".bias"),
)
"""Batch norm in MXNet; its running mean and variance are called as in PyTorch."""

PYTORCHVIDEO_RESNET: Renames = (
    (r"\.branch1_conv\.", ".downsample.0."),
    (r"\.branch1_norm\.", ".downsample.1."),
    (r"\.branch2\.conv_a\.", ".conv1."),
    (r"\.branch2\.norm_a\.", ".bn1."),
    (r"\.branch2\.conv_b\.", ".conv2."),
    (r"\.branch2\.norm_b\.", ".bn2."),
    (r"\.branch2\.conv_c\.", ".conv3."),
    (r"\.branch2\.norm_c\.", ".bn3."),
)
"""Inside a residual block of PyTorchVideo; where the block stands is the family's own."""

PYSLOWFAST_RESNET: Renames = (
    (r"\.branch1\.", ".downsample.0."),
    (r"\.branch1_bn\.", ".downsample.1."),
    (r"\.branch2\.a\.", ".conv1."),
    (r"\.branch2\.a_bn\.", ".bn1."),
    (r"\.branch2\.b\.", ".conv2."),
    (r"\.branch2\.b_bn\.", ".bn2."),
    (r"\.branch2\.c\.", ".conv3."),
    (r"\.branch2\.c_bn\.", ".bn3."),
)
"""Inside a residual block of PySlowFast."""

MMACTION_RESNET: Renames = (
    (r"\.downsample\.conv\.", ".downsample.0."),
    (r"\.downsample\.bn\.", ".downsample.1."),
    (r"\.conv(\d)\.conv\.", r".conv\1."),
    (r"\.conv(\d)\.bn\.", r".bn\1."),
    (r"^backbone\.", ""),
    (r"^cls_head\.fc_cls\.", "fc."),
)
"""A residual network of mmaction2: each convolution keeps its norm beside it."""

GLUONCV_STAGES: Renames = (
    (r"^first_stage\.0\.", "conv1."),
    (r"^first_stage\.1\.", "bn1."),
    *((rf"^res_layers\.{i}\.", f"layer{i + 1}.") for i in range(4)),
    (r"^head\.1\.", "fc."),
)
"""GluonCV's I3D, and its Slow-only in MXNet: layers count from 0; the classifier has two names."""

PYSLOWFAST_STAGES: Renames = (
    (r"^s1\.pathway0_stem\.(conv|bn)\.", r"\g<1>1."),
    *((rf"^s{i + 1}\.pathway0_res(\d+)\.", rf"layer{i}.\1.") for i in (1, 2, 3, 4)),
    *PYSLOWFAST_RESNET,
    (r"^head\.projection\.", "fc."),
)
"""PySlowFast's networks of one pathway: the stem is stage 1, the layers are stages 2 to 5."""


def thaw_norms(state: State, *, eps: float) -> State:
    """Turn frozen norms, which only scale and shift, into batch norms that do no more.

    GluonCV can write a norm as a weight and a bias of shape (C, 1, 1, 1), its statistics folded in.
    A mean of 0 and a variance of 1 - eps leave x * weight + bias of it. Batch norms stay as they
    are.
    """
    thawed: State = {}
    for name, tensor in state.items():
        norm, _, part = name.rpartition(".")
        if tensor.shape[1:] == (1, 1, 1):
            thawed[name] = tensor.flatten()
            if part == "weight":
                thawed[f"{norm}.running_mean"] = torch.zeros(len(tensor))
                thawed[f"{norm}.running_var"] = torch.full((len(tensor),), 1 - eps)
    return {**state, **thawed}
