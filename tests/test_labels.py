import pytest

from actionzoo.errors import ConfigError
from actionzoo.labels import (
    find_label,
    labels_that_mirror,
    list_datasets,
    load_labels,
    mirrored_classes,
)


@pytest.mark.parametrize(
    ("dataset", "count"),
    [
        ("diving48", 48),
        ("driver-actions", 9),
        ("hmdb51", 51),
        ("jester", 27),
        ("kinetics400", 400),
        ("kinetics600", 600),
        ("kinetics700", 700),
        ("something-something-v2", 174),
        ("ucf101", 101),
        ("weizmann10", 10),
    ],
)
def test_every_label_list_is_complete_and_without_doubles(dataset, count):
    labels = load_labels(dataset)
    assert len(set(labels)) == count
    assert all(label == label.strip() and label for label in labels)
    assert dataset in list_datasets()


def test_either_spelling_of_a_dataset_is_understood():
    hyphens, underscores = "something-something-v2", "something_something_v2"
    assert load_labels(hyphens) == load_labels(underscores)


@pytest.mark.parametrize("dataset", list_datasets())
def test_every_label_is_found_however_it_is_spelt(dataset):
    labels = load_labels(dataset)
    for index, label in enumerate(labels):
        # GluonCV has underscores for spaces, and hyphens for parentheses.
        gluoncv = label.replace(" ", "_").replace("(", "-").replace(")", "-")
        for spelling in (label, gluoncv, label.upper(), label.lower()):
            assert find_label(spelling, labels) == index


def test_a_label_that_is_not_there_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="no class 'jugling balls'; did you mean 'juggling"):
        find_label("jugling balls", load_labels("kinetics400"))


def test_kinetics_begins_and_ends_as_published():
    labels = load_labels("kinetics400")
    assert (labels[0], labels[-1]) == ("abseiling", "zumba")


def test_unknown_labels_say_which_there_are():
    with pytest.raises(LookupError, match="kinetics400"):
        load_labels("kinetics")


def test_no_path_leaves_the_folder():
    with pytest.raises(LookupError):
        load_labels("../spec")


def test_labels_that_mirror_in_published_datasets():
    assert labels_that_mirror(load_labels("jester")) == [
        ("Swiping Left", "Swiping Right"),
        ("Sliding Two Fingers Left", "Sliding Two Fingers Right"),
        ("Turning Hand Clockwise", "Turning Hand Counterclockwise"),
    ]
    assert labels_that_mirror(load_labels("something-something-v2")) == [
        ("Pulling something from left to right", "Pulling something from right to left"),
        ("Pushing something from left to right", "Pushing something from right to left"),
        (
            "Turning the camera left while filming something",
            "Turning the camera right while filming something",
        ),
    ]
    for dataset in ("kinetics400", "ucf101", "hmdb51", "diving48"):
        assert labels_that_mirror(load_labels(dataset)) == []


@pytest.mark.parametrize(
    ("labels", "pairs"),
    [
        (["swipe_left", "swipe_right"], [("swipe_left", "swipe_right")]),
        (["SwipeLeft", "SwipeRight", "SwipeUp"], [("SwipeLeft", "SwipeRight")]),
        (["LEFT HOOK", "right-hook"], [("LEFT HOOK", "right-hook")]),
        (["spin clockwise", "spin anti-clockwise"], [("spin clockwise", "spin anti-clockwise")]),
        (["left kick"], [("left kick", None)]),
        (["thumb up", "thumb down", "copyright", "upright", "pull right out"], []),
        (["left to right"], [("left to right", None)]),
        (["from left and right"], [("from left and right", None)]),
        ([], []),
    ],
)
def test_labels_that_mirror(labels, pairs):
    assert labels_that_mirror(labels) == pairs


def test_mirrored_classes_in_published_datasets():
    jester = load_labels("jester")
    classes = mirrored_classes(jester)
    changed = [(jester[one], jester[other]) for one, other in enumerate(classes) if one < other]
    assert changed == labels_that_mirror(jester)
    assert [classes[other] for other in classes] == list(range(27))
    assert mirrored_classes(load_labels("kinetics400")) == tuple(range(400))


def test_a_class_without_counterpart_has_no_mirrored_class():
    assert mirrored_classes(["left kick", "punch", "LEFT HOOK", "right-hook"]) == (None, 1, 3, 2)
    assert mirrored_classes(["Punch", "punch"]) == (0, 1)
    assert mirrored_classes([]) == ()
