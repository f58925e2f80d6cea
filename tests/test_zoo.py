from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from actionzoo.backends.openvino_backend import OpenVINOBackend
from actionzoo.datasets import open_dataset
from actionzoo.errors import BadWeights, ConfigError, UnknownModel
from actionzoo.loading import EvalClips
from actionzoo.models import x3d
from actionzoo.pretrained import ASSETS
from actionzoo.zoo import collect, create_model


def test_two_models_of_one_name_cannot_be_written_down() -> None:
    family = SimpleNamespace(SPECS=(x3d.SPECS[0], replace(x3d.SPECS[1], name=x3d.SPECS[0].name)))
    with pytest.raises(AssertionError, match="two models"):
        collect((family,))


def test_the_head_has_as_many_classes_as_asked_for() -> None:
    model = create_model("x3d_xs_kinetics400", num_classes=7).eval()
    assert model(torch.zeros(1, 3, 4, 32, 32)).shape == (1, 7)
    with pytest.raises(ConfigError, match="num_classes is 0"):
        create_model("x3d_xs_kinetics400", num_classes=0)


def test_weights_come_from_a_file(tmp_path: Path) -> None:
    saved = create_model("x3d_xs_kinetics400", num_classes=7)
    torch.save(saved.state_dict(), tmp_path / "seven.pt")
    same = create_model("x3d_xs_kinetics400", num_classes=7, pretrained=tmp_path / "seven.pt")
    torch.testing.assert_close(same.state_dict(), saved.state_dict())


def test_another_number_of_classes_leaves_only_the_head_new(tmp_path: Path) -> None:
    saved = create_model("x3d_xs_kinetics400", num_classes=7)
    torch.save(saved.state_dict(), tmp_path / "seven.pt")
    tuned = create_model("x3d_xs_kinetics400", num_classes=3, pretrained=tmp_path / "seven.pt")
    assert tuned.classifier.out_features == 3
    torch.testing.assert_close(tuned.stage4.state_dict(), saved.stage4.state_dict())


def test_a_mistyped_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownModel, match="did you mean 'x3d_m_kinetics400'"):
        create_model("x3d_m_kinetic400")


def test_weights_that_are_not_published_are_refused() -> None:
    with pytest.raises(BadWeights, match=r"no weights '1234abcd', and there is no file.*'pytorchv"):
        create_model("x3d_xs_kinetics400", pretrained="1234abcd")
    with pytest.raises(BadWeights, match=r"'figures10' has no weights 'abcd'.*not published"):
        create_model("figures10", pretrained="abcd")


def test_the_parameters_of_the_bundled_model_are_those_of_its_file(shared: Path) -> None:
    """The same logits on real clips, whether torch or OpenVINO computes them."""
    model = create_model("figures10", pretrained=True).eval()
    backend = OpenVINOBackend(ASSETS / "figures10.xml")
    spec = backend.spec.input
    dataset = open_dataset(shared / "data" / "weizmann")
    for place in (0, 20, 40):
        (clip,) = EvalClips(dataset, spec)[place].views.numpy()[None]
        with torch.inference_mode():
            expected = model(torch.from_numpy(clip)).numpy()
        error = np.linalg.norm(backend(clip) - expected) / np.linalg.norm(expected)
        assert error < 1e-3
