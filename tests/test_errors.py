import inspect

import pytest

from actionzoo import errors


def tree():
    return [
        one
        for _, one in inspect.getmembers(errors, inspect.isclass)
        if issubclass(one, errors.ActionZooError)
    ]


@pytest.mark.parametrize("kind", tree())
def test_the_drawing_in_the_docstring_has_every_error(kind):
    assert kind.__name__ in errors.__doc__


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (errors.UnknownModel, LookupError),
        (errors.BadWeights, ValueError),
        (errors.ConfigError, ValueError),
        (errors.CannotOpen, OSError),
        (errors.CannotOpen, ValueError),
        (errors.MissingExtra, ImportError),
    ],
)
def test_each_is_also_the_fitting_builtin(kind, builtin):
    assert issubclass(kind, builtin)


def test_a_missing_extra_is_the_line_to_type():
    assert "pip install 'actionzoo[train]'" in str(errors.MissingExtra("train", "training"))
