"""Which clips make which batch."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from actionzoo.batches import Key, TrainBatches, short_cycle


def samples(batches: Iterable[list[Key]]) -> list[list[int]]:
    return [[key.sample for key in keys] for keys in batches]


def test_every_epoch_has_its_order() -> None:
    batches = TrainBatches(20, batch_size=4, seed=3)
    first, second = list(batches), list(batches)
    assert {key.epoch for keys in first for key in keys} == {0}
    assert {key.epoch for keys in second for key in keys} == {1}
    orders = [[one for keys in samples(batches) for one in keys] for batches in (first, second)]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(20))
    assert orders[0] != orders[1]
    batches.set_epoch(0)
    assert list(batches) == first


@given(
    length=st.integers(1, 60),
    size=st.integers(1, 12),
    processes=st.integers(1, 3),
    accumulate=st.integers(1, 3),
    parts=st.integers(1, 4),
)
def test_a_step_has_the_same_clips_whoever_computes_it(
    length: int, size: int, processes: int, accumulate: int, parts: int
) -> None:
    """Processes, pieces and parts only divide what one process would do at once."""
    whole = TrainBatches(length, batch_size=size, seed=1)
    alone = samples(whole)
    divided: list[list[int]] = []
    steps = max(1, len(alone) // parts)
    for part in range(min(parts, len(alone))):
        taken: list[list[list[int]]] = []
        for process in range(processes):
            mine = TrainBatches(
                length,
                batch_size=size,
                seed=1,
                share=(process, processes),
                accumulate=accumulate,
                parts=parts,
            )
            mine.set_epoch(part)
            taken.append(samples(mine))
            assert len(taken[-1]) == len(mine) == steps * accumulate
        for step in range(steps):
            pieces = [one[step * accumulate : (step + 1) * accumulate] for one in taken]
            divided.append(sorted(index for one in pieces for piece in one for index in piece))
    assert divided == [sorted(one) for one in alone[: len(divided)]]


def test_a_dataset_of_less_than_a_batch_is_one_batch() -> None:
    assert [sorted(one) for one in samples(TrainBatches(3, batch_size=8, seed=0))] == [[0, 1, 2]]


def test_a_video_is_repeated_within_its_batch() -> None:
    batches = TrainBatches(8, batch_size=6, seed=0, repeats=3)
    for keys in batches:
        assert [key.repeat for key in keys] == [0, 1, 2] * 2
        assert len({key.sample for key in keys}) == 2


def test_a_short_cycle_takes_more_clips_where_they_are_smaller() -> None:
    batches = list(TrainBatches(64, batch_size=4, seed=0, cycle=short_cycle(64)))
    assert [(keys[0].side, len(keys)) for keys in batches[:4]] == [
        (32, 16),
        (45, 8),
        (None, 4),
        (32, 16),
    ]
