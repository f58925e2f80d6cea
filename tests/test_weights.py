from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from actionzoo.errors import BadWeights
from actionzoo.models import x3d
from actionzoo.weights import fill, load_reference, load_weights


def small_model(num_classes: int = 4) -> x3d.X3D:
    return x3d.X3D(depths=(1, 1, 1, 1), pool=(1, 1, 1), num_classes=num_classes)


@pytest.fixture(scope="module")
def saved() -> nn.Module:
    return small_model()


def assert_equal(model: nn.Module, other: nn.Module) -> None:
    torch.testing.assert_close(model.state_dict(), other.state_dict())


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model_state", "model"])
@pytest.mark.parametrize("prefix", ["", "module.", "model.", "module.model."])
def test_parameters_are_found_wherever_a_framework_puts_them(
    saved: nn.Module, wrapper: str | None, prefix: str, tmp_path: Path
) -> None:
    state = {prefix + name: tensor for name, tensor in saved.state_dict().items()}
    torch.save({"epoch": 3, wrapper: state} if wrapper else state, tmp_path / "some.pth")
    model = small_model()
    load_weights(model, tmp_path / "some.pth")
    assert_equal(model, saved)


def test_safetensors_are_read(saved: nn.Module, tmp_path: Path) -> None:
    save_file(saved.state_dict(), tmp_path / "some.safetensors")
    model = small_model()
    load_weights(model, tmp_path / "some.safetensors")
    assert_equal(model, saved)


def test_checkpoints_without_batch_norm_counters_are_complete(saved: nn.Module) -> None:
    state = {name: t for name, t in saved.state_dict().items() if "num_batches" not in name}
    model = small_model()
    fill(model, state, source="old.pth")
    torch.testing.assert_close(dict(model.named_parameters()), dict(saved.named_parameters()))


def test_another_number_of_classes_is_recognised_as_such(saved: nn.Module) -> None:
    with pytest.raises(
        BadWeights, match=r"classifier\.weight is 4x2048 where 9x2048 is needed.*num_classes"
    ):
        fill(small_model(9), saved.state_dict(), source="four.pth")


def test_another_variant_is_recognised_as_such(saved: nn.Module) -> None:
    deeper = x3d.X3D(depths=(1, 2, 1, 1), pool=(1, 1, 1), num_classes=4)
    with pytest.raises(BadWeights, match=r"stage2\.1\..* is missing.*another variant"):
        fill(deeper, saved.state_dict(), source="shallow.pth")
    with pytest.raises(BadWeights, match=r"stage2\.1\..* is unknown.* more; .*another variant"):
        fill(small_model(), deeper.state_dict(), source="deep.pth")


def test_a_refused_file_leaves_the_model_as_it_was(saved: nn.Module) -> None:
    model = small_model(9)
    before = OrderedDict((name, t.clone()) for name, t in model.state_dict().items())
    with pytest.raises(BadWeights):
        fill(model, saved.state_dict(), source="four.pth")
    torch.testing.assert_close(model.state_dict(), before)


def test_an_unknown_reference_is_answered_with_the_nearest() -> None:
    with pytest.raises(BadWeights, match="did you mean 'pytorchvideo_x3d_"):
        load_reference("pytorchvideo_x3d_xxs", {})


def test_a_reference_with_a_parameter_too_many_is_refused() -> None:
    arrays = {"blocks.0.conv.conv_xy.weight": np.zeros((24, 1, 5, 1, 1), np.float32)}
    with pytest.raises(BadWeights, match="'pytorchvideo_x3d_xs' does not fit"):
        load_reference("pytorchvideo_x3d_xs", arrays)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("blocks.0.conv.conv_t.weight", "stem.spatial.weight"),  # theirs are swapped
        ("blocks.0.conv.conv_xy.weight", "stem.temporal.weight"),
        ("blocks.1.res_blocks.0.branch1_conv.weight", "stage1.0.shortcut.weight"),
        ("blocks.2.res_blocks.0.branch1_norm.bias", "stage2.0.shortcut_norm.bias"),
        ("blocks.3.res_blocks.10.branch2.conv_b.weight", "stage3.10.depthwise.weight"),
        ("blocks.3.res_blocks.10.branch2.norm_b.0.weight", "stage3.10.depthwise_norm.weight"),
        (
            "blocks.4.res_blocks.2.branch2.norm_b.1.block.2.bias",
            "stage4.2.squeeze_excite.excite.bias",
        ),
        ("blocks.5.pool.post_conv.weight", "head_widen.weight"),
        ("blocks.5.proj.bias", "classifier.bias"),
    ],
)
def test_pytorchvideo_names_become_ours(theirs: str, ours: str) -> None:
    tensor = torch.zeros(1)
    assert x3d.FORMATS[0].convert({theirs: tensor}) == {ours: tensor}
