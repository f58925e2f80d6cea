import json
from dataclasses import replace
from fractions import Fraction

import pytest

from actionzoo.spec import Figure, File, InputSpec, Metric, ModelSpec, Resize, Views, Weights

INPUT = InputSpec(
    frames=13,
    stride=6,
    fps=Fraction(30000, 1001),
    resize=Resize(rule="short_side", height=182, width=182),
    height=182,
    width=182,
    mean=(0.45, 0.45, 0.45),
    std=(0.225, 0.225, 0.225),
)
METRIC = Metric(
    name="top-1",
    value=0.731,
    dataset="kinetics400",
    split="val",
    views=Views(clips=10),
    measured_by="them",
)
SPEC = ModelSpec(
    name="x3d_s_kinetics400",
    family="x3d",
    summary="X3D, small",
    dataset="kinetics400",
    input=INPUT,
    labels=("a", "b'\"é"),
    license="CC-BY-NC-4.0",
    views=Views(clips=10, crops=3),
    weights=(
        Weights(
            tag="0a",
            files=(File(url="https://example.org/a.pth", checksum="sha256:0", size_bytes=5),),
            license="MIT",
            source="them",
            metrics=(METRIC,),
            input=replace(INPUT, fps=None),
        ),
    ),
    metrics=(METRIC,),
    figures=(Figure(name="GFLOPs", value=2.49, source="them", counts="everything"),),
)


def test_a_spec_survives_json():
    assert ModelSpec.from_json(SPEC.to_json()) == SPEC


def test_fields_of_a_newer_version_are_left_out():
    data = json.loads(SPEC.to_json())
    data["novelty"] = data["input"]["novelty"] = data["input"]["resize"]["novelty"] = 1
    assert ModelSpec.from_json(json.dumps(data)) == SPEC


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"input": 3}', "null", '"x"'])
def test_what_is_no_spec_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"."):
        ModelSpec.from_json(text)


def test_span_counts_the_first_and_the_last_frame():
    assert INPUT.span == 73
    assert INPUT.shape == (3, 13, 182, 182)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"frames": 0}, "frames is 0"),
        ({"stride": -1}, "stride is -1"),
        ({"fps": Fraction(0)}, "fps is 0"),
        ({"short": "freeze"}, "repeat_last, loop, error"),
        ({"color": "YUV"}, "RGB, BGR"),
        ({"layout": "NCTHW"}, "permutation of BCTHW"),
        ({"std": (1.0, 0.0, 1.0)}, "divided by 0"),
    ],
)
def test_an_input_spec_checks_itself(wrong, said):
    facts = {name: getattr(INPUT, name) for name in InputSpec.__slots__}
    with pytest.raises(ValueError, match=said):
        InputSpec(**{**facts, **wrong})


def test_views_and_resizes_check_themselves():
    with pytest.raises(ValueError, match="crops is 2"):
        Views(crops=2)
    with pytest.raises(ValueError, match="clips is 0"):
        Views(clips=0)
    with pytest.raises(ValueError, match="one size"):
        Resize(rule="short_side", height=3, width=4)
    with pytest.raises(ValueError, match="short_side, squash, fit"):
        Resize(rule="stretch", height=3, width=4)


def test_weights_are_chosen_by_their_tag_or_by_default():
    assert SPEC.choose_weights() == SPEC.choose_weights("0a") == SPEC.weights[0]
    with pytest.raises(LookupError, match="has no weights '0b'; it has '0a'"):
        SPEC.choose_weights("0b")
    with pytest.raises(LookupError, match="no weights of 'x3d_s_kinetics400' are published"):
        replace(SPEC, weights=()).choose_weights()


def test_a_model_filled_with_weights_is_as_they_say():
    filled = replace(SPEC, metrics=()).filled_with(SPEC.weights[0])
    assert filled.metrics == (METRIC,)
    assert filled.license == "MIT"
    assert filled.input.fps is None


def test_flow_has_two_channels_and_as_many_means():
    flow = replace(INPUT, channels=2, mean=(0.0, 0.0), std=(1.0, 1.0))
    assert flow.shape == (2, 13, 182, 182)
    with pytest.raises(ValueError, match="mean has 3 and std 3 numbers for 2 channels"):
        replace(INPUT, channels=2)
