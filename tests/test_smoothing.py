"""The label that is shown changes once the last answers agree."""

from hypothesis import given
from hypothesis import strategies as st

from actionzoo.streaming.smoothing import SteadyLabel


@given(classes=st.lists(st.integers(0, 3), min_size=1), answers=st.integers(1, 4))
def test_it_changes_only_to_what_the_last_answers_agree_on(classes, answers):
    steady = SteadyLabel(answers)
    shown = [steady.update(one) for one in classes]
    assert shown[0] == classes[0]
    for n in range(1, len(classes)):
        last = classes[max(0, n - answers + 1) : n + 1]
        agree = len(last) == answers and len(set(last)) == 1
        assert shown[n] == (classes[n] if agree else shown[n - 1])
