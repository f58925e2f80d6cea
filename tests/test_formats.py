from __future__ import annotations

import torch
from torch import nn

from actionzoo.models.formats import Format, thaw_norms


def test_a_format_is_recognised_by_a_whole_name() -> None:
    one = Format(source="them", mark=r"conv\d\.weight", renames=())
    tensor = torch.zeros(1)
    assert one.fits({"bn1.weight": tensor, "conv1.weight": tensor})
    assert not one.fits({"layer1.conv1.weight": tensor, "conv1.weights": tensor})


def test_of_two_names_of_one_tensor_the_later_counts() -> None:
    one = Format(source="them", mark="fc", renames=((r"^head\.1\.", "fc."),))
    state = {"fc.bias": torch.zeros(1), "head.1.bias": torch.ones(1)}
    assert one.convert(state) == {"fc.bias": torch.ones(1)}


def test_a_frozen_norm_becomes_a_batch_norm_that_computes_the_same() -> None:
    weight, bias = torch.randn(3, 1, 1, 1), torch.randn(3, 1, 1, 1)
    state = thaw_norms({"bn1.weight": weight, "bn1.bias": bias}, eps=1e-3)
    norm = nn.BatchNorm3d(3, 1e-3).eval()
    norm.load_state_dict(
        {name.removeprefix("bn1."): one for name, one in state.items()}, strict=False
    )
    x = torch.randn(2, 3, 4, 5, 5)
    torch.testing.assert_close(norm(x), x * weight + bias)
