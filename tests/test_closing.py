"""What is held is let go of at the end of a ``with``, whatever happens in it."""

import pytest

from actionzoo.closing import Closing


class Door(Closing):
    closed = False

    def close(self):
        self.closed = True


def test_it_is_closed_at_the_end():
    with Door() as door:
        assert not door.closed
    assert door.closed


def test_it_is_closed_after_an_error_too():
    door = Door()
    with pytest.raises(ZeroDivisionError), door:
        raise ZeroDivisionError
    assert door.closed
