"""A line between two threads: it waits or loses the oldest, and ends for both sides."""

from threading import Event, Thread

import pytest

from actionzoo.line import Line, NothingCame


def test_items_come_in_order_and_then_nothing():
    line = Line(8, waits=True)
    line.put("abc")
    line.end()
    assert line.take(2) == ["a", "b"]
    assert line.take(2) == ["c"]
    assert line.take(2) == []


def test_items_may_be_taken_one_after_the_other():
    line = Line(8, waits=True)
    line.put("abc")
    line.end()
    assert list(line) == ["a", "b", "c"]


def test_nothing_in_time():
    with pytest.raises(NothingCame):
        Line(1, waits=True).take(1, 0.01)


def test_the_oldest_are_lost_and_counted():
    line = Line(2, waits=False)
    line.put(range(10))
    assert (line.take(5), line.dropped) == ([8, 9], 8)


def test_who_brings_waits_for_room():
    line, brought = Line(1, waits=True), Event()

    def bring():
        line.put("ab")
        brought.set()

    thread = Thread(target=bring)
    thread.start()
    assert line.take(1) == ["a"]
    assert brought.wait(5)
    assert (line.take(1), line.dropped) == (["b"], 0)
    thread.join()


def test_an_error_comes_after_what_was_brought_before_it():
    line = Line(4, waits=True)
    line.put([1])
    line.end(ValueError("gone"))
    assert line.take(4) == [1]
    with pytest.raises(ValueError, match="gone"):
        line.take(4)


@pytest.mark.parametrize("side", ["bring", "take"])
def test_closing_lets_both_sides_go(side):
    line, out = Line(1, waits=True), []
    if side == "bring":
        line.put([1])
    work = (
        (lambda: out.append(line.put([2]))) if side == "bring" else lambda: out.append(line.take(1))
    )
    thread = Thread(target=work)
    thread.start()
    line.close()
    thread.join(5)
    assert out == [False if side == "bring" else []]
    assert line.put([3]) is False
