"""S3D: its separable convolutions, the clips it can take, and torchvision's names."""

from __future__ import annotations

import pytest
import torch

from actionzoo.errors import ConfigError
from actionzoo.models import s3d
from actionzoo.weights import convert


def network(num_classes: int = 400) -> s3d.S3D:
    return s3d.S3D(num_classes=num_classes).eval()


@pytest.fixture(scope="module")
def small() -> s3d.S3D:
    return network(num_classes=5)


def test_space_is_convolved_before_time() -> None:
    space, time = s3d._separable(3, 8, 7, 2)
    assert (space[0].kernel_size, space[0].stride) == ((1, 7, 7), (1, 2, 2))
    assert (time[0].kernel_size, time[0].stride) == ((7, 1, 1), (2, 1, 1))


def test_branches_lie_side_by_side() -> None:
    mixed = s3d.Mixed(12, (1, 2, 3, 4, 5, 6)).eval()
    assert mixed(torch.rand(2, 12, 3, 4, 5)).shape == (2, 1 + 3 + 5 + 6, 3, 4, 5)


@pytest.mark.parametrize("size", [(14, 17, 17), (14, 17, 90), (21, 33, 32)])
def test_the_smallest_clips(size: tuple[int, int, int], small: s3d.S3D) -> None:
    with torch.no_grad():
        assert small(torch.randn(1, 3, *size)).shape == (1, 5)


@pytest.mark.parametrize("size", [(13, 224, 224), (16, 16, 224), (16, 224, 16)])
def test_a_clip_that_cannot_be_taken(size: tuple[int, int, int], small: s3d.S3D) -> None:
    frames, height, width = size
    said = f"got {frames} frames of {height} x {width}; it takes at least 14 frames of at least 17"
    with pytest.raises(ConfigError, match=said):
        small(torch.empty(1, 3, *size))


def test_windows_of_a_longer_clip_are_averaged_as_logits(small: s3d.S3D) -> None:
    clip = torch.randn(1, 3, 24, 32, 32)
    with torch.no_grad():
        x = small.features(clip)  # (1, 1024, 3, 1, 1)
        logits = [small.classifier(x[:, :, t : t + 2].mean((2, 3, 4))) for t in range(2)]
        torch.testing.assert_close(small(clip), torch.stack(logits).mean(0))


def test_a_classifier_that_is_a_convolution_becomes_linear() -> None:
    published = {
        "features.0.0.0.weight": torch.empty(64, 3, 1, 7, 7),
        "classifier.1.weight": torch.rand(5, 4, 1, 1, 1),
        "classifier.1.bias": torch.rand(5),
    }
    state = convert(published, s3d.FORMATS)
    assert list(state) == ["features.0.0.0.weight", "classifier.weight", "classifier.bias"]
    assert torch.equal(state["classifier.weight"], published["classifier.1.weight"][..., 0, 0, 0])
