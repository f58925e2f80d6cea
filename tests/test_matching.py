"""Labels are matched by name: order, spelling and number of classes do not count."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from actionzoo.catalog import get_spec
from actionzoo.datasets import Sample, VideoDataset
from actionzoo.errors import ConfigError
from actionzoo.evaluation.matching import match_labels
from colour_model import SPEC


def dataset_of(*videos, labels=None):
    samples = [
        Sample(path=Path(f"/data/{place}.mp4"), labels=names) for place, names in enumerate(videos)
    ]
    return VideoDataset.from_samples(samples, root=Path("/data"), labels=labels)


def test_order_spelling_and_number_do_not_count():
    dataset = dataset_of(("Blue",), ("RED_",), labels=["Blue", "unused", "RED_"])
    kept, targets = match_labels(dataset, SPEC)
    assert len(kept) == 2
    assert targets.tolist() == [2, 0]
    assert targets.dtype == np.int64


def test_an_unknown_label_is_named():
    dataset = dataset_of(("red",), ("pink",), ("mauve",))
    with pytest.raises(ConfigError, match=r"does not know 2 of .*: 'mauve', 'pink'; rename"):
        match_labels(dataset, SPEC)


def test_videos_of_unknown_labels_may_be_left_out():
    dataset = dataset_of(("pink",), ("blue",), ("red",))
    kept, targets = match_labels(dataset, SPEC, skip_unknown_labels=True)
    assert [Path(path).name for path in kept.paths()] == ["1.mp4", "2.mp4"]
    assert targets.tolist() == [2, 0]
    with pytest.raises(ConfigError, match="knows no label of the dataset: 'pink'"):
        match_labels(dataset_of(("pink",)), SPEC, skip_unknown_labels=True)


def test_a_list_of_names_that_would_fit_is_proposed():
    short = "bend jack jump pjump run side skip walk wave1 wave2".split()
    dataset = dataset_of(*((name,) for name in short))
    with pytest.raises(ConfigError, match="--labels weizmann10"):
        match_labels(dataset, get_spec("figures10"))


def test_several_labels_a_video_are_zeros_and_ones():
    _, targets = match_labels(dataset_of(("blue", "red"), ("green",)), SPEC)
    assert targets.tolist() == [[1, 0, 1], [0, 1, 0]]


def test_a_model_of_several_labels_has_zeros_and_ones_for_one_each():
    spec = replace(SPEC, several_labels=True)
    _, targets = match_labels(dataset_of(("blue",), ("green",)), spec)
    assert targets.tolist() == [[0, 0, 1], [0, 1, 0]]


def test_videos_without_a_label_are_refused():
    with pytest.raises(ConfigError, match="1 of 2 videos have no label"):
        match_labels(dataset_of(("red",), ()), SPEC)
    with pytest.raises(ConfigError, match="no videos"):
        match_labels(dataset_of(("red",)).select([]), SPEC)
