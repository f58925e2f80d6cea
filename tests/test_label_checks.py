"""Mistakes that lists of class names give away."""

from __future__ import annotations

from actionzoo.datasets.label_checks import compare_with_official, counts_from_one, spelt_alike
from actionzoo.labels import list_datasets, load_labels


def test_spellings_and_numbers() -> None:
    assert spelt_alike(["Hand Wave", "run", "hand_wave", "HandWave"]) == [
        ("Hand Wave", "hand_wave", "HandWave")
    ]
    assert counts_from_one([str(number) for number in range(1, 12)])
    for labels in ([], ["1"], ["0", "1"], ["2", "3"], ["1", "run"], ["²", "1"]):
        assert not counts_from_one(labels)


def test_published_lists_are_known_as_themselves() -> None:
    for dataset in list_datasets():
        official = compare_with_official(load_labels(dataset))
        assert official is not None
        assert (official.dataset, official.otherwise, official.unknown) == (dataset, (), ())
        assert not official.reordered


def test_other_spellings_unknown_names_and_another_order_are_told() -> None:
    names = list(load_labels("ucf101"))
    names[3], names[50] = names[3].lower(), "Somersault"
    official = compare_with_official(names)
    assert official is not None
    assert official.otherwise == ((names[3], load_labels("ucf101")[3]),)
    assert official.unknown == ("Somersault",)
    reordered = compare_with_official(sorted(load_labels("jester")))
    assert reordered is not None
    assert reordered.reordered
    assert compare_with_official(load_labels("kinetics400")[:100]) is not None


def test_own_names_are_of_no_official_list() -> None:
    for labels in ([], ["fight", "noFight"], ["walk", "run", "jump"], ["1", "2"]):
        assert compare_with_official(labels) is None
