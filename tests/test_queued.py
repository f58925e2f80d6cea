"""A queue before a function whose answers are known."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread

import numpy as np
import pytest

from actionzoo.backends.queued import UNDER_WAY, QueuedBackend


class Means(QueuedBackend):
    """Waits until it may run, and refuses clips of one frame."""

    def __init__(self):
        super().__init__("means")
        self.may_run = Event()
        self.may_run.set()

    def _run(self, clips):
        self.may_run.wait(10)
        if clips.shape[2] == 1:
            raise ValueError("too short")
        return clips.mean((2, 3, 4))


def test_many_threads_get_their_own_answers():
    backend = Means()
    batches = [np.full((2, 3, 4, 1, 1), number, np.float32) for number in range(30)]
    with ThreadPoolExecutor(6) as pool:
        answers = [one.result() for one in pool.map(backend.submit, batches)]
    assert [one[1, 2] for one in answers] == list(range(30))


def test_it_takes_no_more_than_are_under_way():
    backend = Means()
    backend.may_run.clear()
    clip = np.zeros((1, 3, 2, 1, 1), np.float32)
    for _ in range(UNDER_WAY):
        backend.submit(clip)
    one_more = Thread(target=backend.submit, args=(clip,))
    one_more.start()
    one_more.join(0.1)
    assert one_more.is_alive()
    backend.may_run.set()
    one_more.join(10)
    assert not one_more.is_alive()


def test_a_failed_batch_leaves_its_place_to_the_next():
    backend = Means()
    for _ in range(2 * UNDER_WAY):
        with pytest.raises(ValueError, match="too short"):
            backend(np.zeros((1, 3, 1, 1, 1), np.float32))
    assert backend(np.ones((1, 3, 2, 1, 1), np.float32)).tolist() == [[1, 1, 1]]
