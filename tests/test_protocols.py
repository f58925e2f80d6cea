"""The named protocols as data: what they feed a model, and which model's numbers they measured."""

from pathlib import Path

import pytest

from actionzoo.catalog import get_spec
from actionzoo.errors import ConfigError
from actionzoo.protocols import (
    PROTOCOLS,
    default_protocol,
    describe,
    explain_gap,
    get_protocol,
    own_protocol,
    suits,
    viewed,
)


def fed(name, model):
    """Resize rule, size, and crop of what a protocol feeds a model of the zoo."""
    spec = viewed(get_protocol(name), get_spec(model).input)
    size = (spec.resize.height, spec.resize.width)
    return spec.resize.rule, size, (spec.height, spec.width)


@pytest.mark.parametrize(
    ("name", "model", "expected"),
    [
        # 340 x 256 (w x h) squashed, and crops of the short side where the model trained on 224
        ("gluoncv-30", "slowfast_4x16_resnet50_kinetics400", ("squash", (256, 340), (256, 256))),
        ("gluoncv-30", "r2plus1d_v1_resnet18_kinetics400", ("squash", (128, 171), (128, 128))),
        (
            "gluoncv-30-aspect",
            "ircsn_v2_resnet152_f32s2_kinetics400",
            ("short_side", (256, 256), (256, 256)),
        ),
        ("gluoncv-250", "inceptionv3_kinetics400", ("squash", (340, 450), (299, 299))),
        ("gluoncv-250", "resnet50_v1b_kinetics400", ("squash", (256, 340), (224, 224))),
        ("pyslowfast-30", "x3d_m_kinetics400", ("short_side", (256, 256), (256, 256))),
        ("pytorchvideo-30", "slow_r50_kinetics400", ("short_side", (256, 256), (256, 256))),
        ("mvit-5x1", "mvit_v1_b_kinetics400", ("short_side", (256, 256), (224, 224))),
        ("omz-3x16s2", "action-recognition-0001", ("short_side", (224, 224), (224, 224))),
        ("omz-i3d", "i3d-rgb-tf", ("short_side", (256, 256), (224, 224))),
        ("torchvision-5x1", "r3d_18_kinetics400", ("squash", (128, 171), (112, 112))),
        ("torchvision-12x1", "swin3d_t_kinetics400", ("short_side", (256, 256), (224, 224))),
        ("single", "figures10", ("fit", (96, 128), (96, 128))),
    ],
)
def test_what_a_protocol_feeds_a_model(name, model, expected):
    assert fed(name, model) == expected


def test_what_the_network_was_trained_on_stays():
    own = get_spec("x3d_s_kinetics400").input
    for protocol in PROTOCOLS:
        spec = viewed(protocol, own)
        same = ("fps", "color", "value_range", "mean", "std", "layout", "sampling", "short")
        assert all(getattr(spec, one) == getattr(own, one) for one in same)
        assert spec.frames == (protocol.frames or 13)
        assert spec.stride == (protocol.stride or 6)


def test_other_heights_are_squashed_to_four_by_three():
    assert fed("gluoncv-30", "x3d_s_kinetics400") == ("squash", (182, 243), (182, 182))


def test_crop_margins_are_rounded_as_the_publisher_does():
    own = get_spec("figures10").input
    rounding = {name: viewed(get_protocol(name), own).crop_rounding for name in ("gluoncv-30",)}
    assert rounding == {"gluoncv-30": "floor"}
    assert viewed(get_protocol("pyslowfast-30"), own).crop_rounding == "ceil"
    assert viewed(get_protocol("omz-3x16s2"), own).crop_rounding == "round"
    assert viewed(get_protocol("single"), own).crop_rounding == own.crop_rounding


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("slowfast_8x8_resnet101_kinetics400", "gluoncv-30"),
        ("resnet18_v1b_kinetics400", "gluoncv-30"),
        ("r2plus1d_v2_resnet152_kinetics400", "gluoncv-30-aspect"),
        ("p3d_resnet50_kinetics400", "gluoncv-mxnet-30"),
        ("vgg16_ucf101", "gluoncv-250"),
        ("x3d_s_kinetics400", "pytorchvideo-30"),
        ("action-recognition-0001", "omz-3x16s2"),
        ("i3d-rgb-tf", "omz-i3d"),
        ("mc3_18_kinetics400", "torchvision-5x1"),
        ("mvit_v2_s_kinetics400", "torchvision-5x1"),
        ("swin3d_b_kinetics400", "torchvision-12x1"),
        ("s3d_kinetics400", "torchvision-1x128"),
        ("figures10", "own"),
    ],
)
def test_the_default_is_what_the_published_number_was_measured_with(model, expected):
    spec = get_spec(model)
    if spec.weights:
        spec = spec.filled_with(spec.weights[0])
    assert default_protocol(spec).name == expected


def test_weights_of_one_model_may_have_been_measured_differently():
    spec = get_spec("resnet50_v1b_kinetics400")
    names = {
        weights.source: default_protocol(spec.filled_with(weights)).name for weights in spec.weights
    }
    assert names["GluonCV (PyTorch)"] == "gluoncv-30"
    assert names["GluonCV (MXNet)"] == "gluoncv-250"


def test_the_views_and_averages_are_those_of_the_documents():
    told = {one.name: (one.clips, one.crops, one.average) for one in PROTOCOLS}
    assert told == {
        "single": (1, 1, "scores"),
        "gluoncv-250": (25, 10, "logits"),
        "gluoncv-30": (10, 3, "logits"),
        "gluoncv-30-aspect": (10, 3, "logits"),
        "gluoncv-mxnet-30": (10, 3, "logits"),
        "pyslowfast-30": (10, 3, "scores"),
        "pytorchvideo-30": (10, 3, "scores"),
        "mvit-5x1": (5, 1, "scores"),
        "omz-3x16s2": (3, 1, "logits"),
        "omz-i3d": (3, 1, "scores"),
        "torchvision-5x1": (5, 1, "scores"),
        "torchvision-12x1": (12, 1, "scores"),
        "torchvision-1x128": (1, 1, "scores"),
    }


def test_a_protocol_of_fixed_frames_suits_models_of_those():
    i3d, vtn, tsn = (
        get_spec(name).input
        for name in ("i3d-rgb-tf", "action-recognition-0001", "resnet18_v1b_kinetics400")
    )
    assert suits(get_protocol("omz-i3d"), i3d)
    assert not suits(get_protocol("omz-i3d"), vtn)
    assert suits(get_protocol("omz-3x16s2"), vtn)
    assert suits(get_protocol("gluoncv-250"), tsn)
    assert not suits(get_protocol("gluoncv-250"), vtn)


def test_a_mistyped_name_is_told_its_neighbours():
    with pytest.raises(ConfigError, match=r"no protocol 'gluoncv30'; did you mean 'gluoncv-30'"):
        get_protocol("gluoncv30")


def test_own_views_may_be_changed():
    spec = get_spec("figures10")
    assert own_protocol(spec).name == "own"
    assert own_protocol(spec).views == spec.views
    changed = own_protocol(spec, clips=5, crops=3)
    assert (changed.name, changed.clips, changed.crops, changed.average) == ("5x3", 5, 3, "scores")
    with pytest.raises(ConfigError, match="crops is 2"):
        own_protocol(spec, crops=2)


def test_a_file_is_told_what_was_really_fed():
    told = describe(get_protocol("gluoncv-30"), get_spec("i3d_resnet50_v1_kinetics400").input)
    assert (told["resize"], told["crop"]) == ("squash 256x340", "256x256")
    assert (told["name"], told["clips"], told["crops"]) == ("gluoncv-30", 10, 3)
    assert "test_ddp_pytorch" in told["source"]


def test_a_gap_names_every_difference():
    spec = get_spec("slow_r50_kinetics400").input
    assert explain_gap(get_protocol("gluoncv-30"), get_protocol("pyslowfast-30"), spec) == (
        "frames in proportion rather than squashed, mean of scores rather than logits, "
        "clips at other places"
    )
    assert explain_gap(get_protocol("single"), get_protocol("single"), spec) == "the same views"


def test_every_name_is_its_own_and_has_a_source():
    assert len({one.name for one in PROTOCOLS}) == len(PROTOCOLS)
    assert all(one.source and one.summary for one in PROTOCOLS)


def test_every_protocol_is_documented():
    text = (Path(__file__).parents[1] / "docs" / "evaluation.md").read_text()
    for one in PROTOCOLS:
        views = f"| `{one.name}` | {one.clips} x {one.crops} |"
        assert views in text, f"docs/evaluation.md has no row that starts with {views}"
