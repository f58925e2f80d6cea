"""Every network computes what its reference computed, with the reference's parameters.

By default the cheapest recording of each network design is compared; ``make check-reference``
compares all.
"""

from __future__ import annotations

import pytest

import reference

QUICK = (
    "gluoncv_i3d_slow_resnet50_f8s8_kinetics400",
    "gluoncv_mx_c3d_kinetics400",
    "gluoncv_mx_i3d_nl5_resnet50_v1_kinetics400",
    "gluoncv_mx_slowfast_4x16_resnet50_kinetics400",
    "gluoncv_mx_vgg16_ucf101",
    "gluoncv_resnet18_v1b_kinetics400",
    "gluoncv_resnet50_v1b_kinetics400",
    "i3d_inceptionv1_rgb_64f",
    "gluoncv_r2plus1d_v1_resnet18_kinetics400",
    "gluoncv_mx_i3d_inceptionv1_kinetics400",
    "gluoncv_mx_inceptionv1_kinetics400",
    "gluoncv_mx_inceptionv3_kinetics400",
    "gluoncv_mx_p3d_resnet50_kinetics400",
    "gluoncv_mx_r2plus1d_resnet18_kinetics400",
    "gluoncv_tpn_resnet50_f8s8_kinetics400",
    "movinet_a0_base",
    "movinet_a0_stream",
    "pytorchvideo_c2d_r50",
    "pytorchvideo_csn_r101",
    "pytorchvideo_x3d_xs",
    "torchvision_mvit_v1_b",
    "torchvision_mvit_v2_s",
    "torchvision_r3d_18",
    "torchvision_s3d",
    "torchvision_swin3d_t",
    "vtn_decoder_400",
    "vtn_decoder_400_layernorm",
    "vtn_encoder_resnet34",
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    wanted = reference.names() if metafunc.config.getoption("--all-references") else QUICK
    metafunc.parametrize("name", wanted)


@pytest.mark.shared
def test_logits_are_those_of_the_reference(name: str) -> None:
    if name not in reference.names():
        pytest.skip("the recorded references (../shared/reference) are not here")
    assert reference.relative_error(name) < 1e-4
