"""The whole way from a file to scores, through a network whose answer is known: it names the
colour that a video has most of."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import actionzoo
from actionzoo.errors import CannotOpen, ConfigError
from actionzoo.prediction import Failure, Prediction
from actionzoo.predictor import Predictor, average, softmax
from actionzoo.spec import Views
from colour_model import COLOURS, SPEC, write_network
from videos import write_pictures, write_video


@pytest.fixture(scope="session")
def colors(tmp_path_factory):
    return write_network(tmp_path_factory.mktemp("model") / "colours.xml")


def painted(path, *names, **options):
    """A video that shows each colour for ten frames, with specks so that its frames have a size."""
    specks = np.random.default_rng(0)

    def paint(number, height, width):
        pixels = np.full((height, width, 3), COLOURS[names[number // 10]], np.uint8)
        pixels[specks.random((height, width)) < 0.1] = 128
        return pixels

    write_video(path, range(10 * len(names)), draw=paint, **options)
    return path


def test_a_video_goes_in_and_its_scores_come_out(colors, tmp_path):
    prediction = Predictor(colors)(painted(tmp_path / "a.mp4", "green"))
    best, *_ = prediction.top_k(1)
    assert (best.label, best.class_index) == ("green", 1)
    # The logits are about 9.5 for green and 0.5 for the others.
    assert best.score == pytest.approx(1 / (1 + 2 * np.exp(-9)), abs=0.01)
    assert prediction.scores.sum() == pytest.approx(1)
    assert prediction.views == 6
    assert prediction.fps == 30
    assert prediction.duration_seconds == pytest.approx(1 / 3)
    assert prediction.warnings == ()


def test_scores_are_averaged_over_clips(colors, tmp_path):
    path = painted(tmp_path / "a.mp4", "red", "blue")
    scores = Predictor(colors, clips=2, crops=1)(path).scores
    assert scores == pytest.approx([0.5, 0, 0.5], abs=0.01)
    assert Predictor(colors, clips=1, crops=1)(path).views == 1


def test_every_kind_of_source_gives_the_same(colors, tmp_path):
    path = painted(tmp_path / "a.mp4", "blue")
    predictor = Predictor(colors)
    expected = predictor(path).scores
    np.testing.assert_array_equal(predictor(str(path)).scores, expected)
    np.testing.assert_array_equal(predictor(path.read_bytes()).scores, expected)
    with path.open("rb") as file:
        np.testing.assert_array_equal(predictor(file).scores, expected)


def test_pictures_are_taken_at_the_models_rate_or_at_a_given_one(colors, tmp_path):
    folder = write_pictures(tmp_path / "pictures", range(30))
    assert Predictor(colors)(folder).duration_seconds == pytest.approx(1)
    assert Predictor(colors, fps=Fraction(10))(folder).duration_seconds == pytest.approx(3)


def test_many_videos_give_an_outcome_each_and_one_bad_harms_none(colors, tmp_path):
    paths = [painted(tmp_path / f"{name}.mp4", name) for name in COLOURS] * 5
    paths.insert(7, tmp_path / "missing.mp4")
    outcomes = list(Predictor(colors).predict_many(paths))
    failures = [one for one in outcomes if isinstance(one, Failure)]
    assert [one.path for one in failures] == [str(tmp_path / "missing.mp4")]
    assert isinstance(failures[0].error, CannotOpen)
    found = [one for one in outcomes if isinstance(one, Prediction)]
    assert len(found) == 15
    for one in found:
        assert one.top_k(1)[0].label == one.path.split("/")[-1].removesuffix(".mp4")


def test_videos_are_not_taken_in_long_before_their_turn(colors, tmp_path):
    path = painted(tmp_path / "a.mp4", "red")
    taken = []

    def endless():
        while True:
            taken.append(1)
            yield path

    outcomes = Predictor(colors).predict_many(endless())
    for _ in range(5):
        next(outcomes)
    outcomes.close()
    assert len(taken) < 30


def test_a_file_cut_in_half_is_looked_at_as_far_as_it_goes(colors, tmp_path):
    whole = painted(tmp_path / "a.avi", "red", "red", "blue", "blue", codec="mpeg4")
    half = tmp_path / "half.avi"
    half.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.45)])
    prediction = Predictor(colors, clips=1, crops=1)(half)
    assert prediction.top_k(1)[0].label == "red"
    assert prediction.duration_seconds < 1
    assert prediction.warnings


def test_one_line_is_enough(colors, tmp_path):
    path = painted(tmp_path / "a.mp4", "red")
    assert actionzoo.predict(path, colors).top_k(1)[0].label == "red"


def test_options_out_of_range_are_refused(colors):
    with pytest.raises(ConfigError, match="clips is 0"):
        Predictor(colors, clips=0)
    with pytest.raises(ConfigError, match="crops is 2"):
        Predictor(colors, crops=2)


def test_logits_or_scores_are_averaged_as_the_model_says():
    logits = np.array([[0.0, 4.0], [4.0, 0.0], [0.0, 1.0]], np.float32)
    by_scores = average(logits, SPEC, Views(average="scores"))
    np.testing.assert_allclose(by_scores, softmax(logits).mean(0), rtol=1e-6)
    by_logits = average(logits, SPEC, Views(average="logits"))
    np.testing.assert_allclose(by_logits, softmax(logits.mean(0)), rtol=1e-6)


def test_labels_that_do_not_exclude_one_another_have_scores_of_their_own():
    several = replace(SPEC, several_labels=True)
    scores = average(np.array([[0.0, 4.0], [0.0, -4.0]], np.float32), several, Views())
    np.testing.assert_allclose(scores, [0.5, 0.5], atol=1e-6)
    by_logits = Views(average="logits")
    scores = average(np.array([[9.0, 9.0]], np.float32), several, by_logits)
    np.testing.assert_allclose(scores, 1 / (1 + np.exp([-9.0, -9.0])), rtol=1e-5)


def test_softmax_stands_large_logits():
    np.testing.assert_allclose(softmax(np.array([1000.0, 1000.0])), [0.5, 0.5])
