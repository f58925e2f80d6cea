"""Which clips make which batch of a training: the same whoever computes it, and however often.

Sampling of videos only: no pixels, no networks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from torch.utils.data import Sampler


class Key(NamedTuple):
    """Which clip is drawn: all its chance comes from this and the seed."""

    epoch: int
    sample: int
    """Its index."""
    repeat: int = 0
    """Which of several clips of the sample in one epoch."""
    side: int | None = None
    """Side of the crop, px, where it is another than usual; the shorter one where two differ."""


class TrainBatches(Sampler[list[Key]]):
    """The keys of every batch, in another order each epoch.

    A step's batch is the same however many processes share it and however many parts it is
    computed in: process r of n takes every n-th of its clips, from the r-th on. The clips behind
    the last whole batch are left out: they would make a poor step, and batch norm needs two.

    An epoch may be walked through in parts, as many steps each, so that a checkpoint between them
    says where it was.
    Each pass is the part after the one before, unless ``set_epoch`` says which.

    Args:
        length: Number of samples.
        batch_size: Clips of a step, over all processes.
        seed: Of the order.
        share: Which process this is, and of how many.
        accumulate: Into how many a process's part of a batch is divided again.
        parts: In how many passes an epoch is walked through.
        repeats: How many clips of a sample are in a batch.
        cycle: Side of the crop and factor on the batch size, taken in turn; see ``SHORT_CYCLE``.
    """

    def __init__(
        self,
        length: int,
        *,
        batch_size: int,
        seed: int,
        share: tuple[int, int] = (0, 1),
        accumulate: int = 1,
        parts: int = 1,
        repeats: int = 1,
        cycle: Sequence[tuple[int | None, int]] = ((None, 1),),
    ) -> None:
        self.length, self.seed, self.share, self.parts = length, seed, share, parts
        self.accumulate, self.repeats = accumulate, repeats
        self.cycle = [(side, max(1, batch_size * many // repeats)) for side, many in cycle]
        self.next_pass = 0

    @property
    def sampler(self) -> TrainBatches:
        """This itself: here Lightning looks for what to tell the epoch."""
        return self

    def set_epoch(self, number: int) -> None:
        """Choose the next pass."""
        self.next_pass = number

    def __len__(self) -> int:
        return self.steps_a_pass * self.accumulate

    @property
    def steps_a_pass(self) -> int:
        """Steps of each pass."""
        return max(1, len(self._spans()) // self.parts)

    def _spans(self) -> list[tuple[int, int, int | None]]:
        """Return first and last sample, and side, of each batch."""
        spans: list[tuple[int, int, int | None]] = []
        start = 0
        while True:
            side, size = self.cycle[len(spans) % len(self.cycle)]
            if start + size > self.length:
                # A dataset of less than one batch is one batch.
                return spans or [(0, self.length, side)]
            spans.append((start, start + size, side))
            start += size

    def __iter__(self) -> Iterator[list[Key]]:
        epoch, part = divmod(self.next_pass, self.parts)
        self.next_pass += 1
        # The length is no index: this chance is no sample's.
        order = np.random.default_rng([self.seed, epoch, self.length]).permutation(self.length)
        begin = part * self.steps_a_pass
        for start, stop, side in self._spans()[begin : begin + self.steps_a_pass]:
            keys = [
                Key(epoch, index, repeat, side)
                for index in order[start:stop].tolist()
                for repeat in range(self.repeats)
            ]
            process, processes = self.share
            mine = keys[process::processes]
            for piece in range(self.accumulate):
                yield mine[piece :: self.accumulate]


def short_cycle(side: int) -> tuple[tuple[int | None, int], ...]:
    """Return the sides of crops, and how many times as many clips a batch has of them.

    The short cycle of Wu et al. (A Multigrid Method for Efficiently Training Video Models, CVPR
    2020, section 3.2): side / 2, side / sqrt(2) and the whole side in turn, with batches of about
    the same number of pixels.

    >>> short_cycle(224)
    ((112, 4), (158, 2), (None, 1))
    """
    return ((side // 2, 4), (round(side / 2**0.5), 2), (None, 1))
