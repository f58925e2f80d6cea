import pytest

from actionzoo.labels import load_labels


@pytest.mark.parametrize(("dataset", "count"), [("kinetics400", 400), ("weizmann10", 10)])
def test_every_label_list_is_complete_and_without_doubles(dataset, count):
    labels = load_labels(dataset)
    assert len(set(labels)) == count
    assert all(label == label.strip() and label for label in labels)


def test_kinetics_begins_and_ends_as_published():
    labels = load_labels("kinetics400")
    assert (labels[0], labels[-1]) == ("abseiling", "zumba")


def test_unknown_labels_say_which_there_are():
    with pytest.raises(LookupError, match="kinetics400"):
        load_labels("kinetics")


def test_no_path_leaves_the_folder():
    with pytest.raises(LookupError):
        load_labels("../spec")
