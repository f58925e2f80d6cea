"""What looks at a stream, tick by tick: a clip on a moving window, an encoder, a state.

A looker is handed ticks in their order and says now and then what it makes of them. Handed one at a
time it answers at every one that is due; handed several, those that came while it was busy, it
answers at the newest. A tick that is missing was not there in time: the one before stands in for
it, as on a camera that is slower.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np

from actionzoo.backends import Backend
from actionzoo.backends.composite import CompositeBackend
from actionzoo.backends.stepped import SteppedModel
from actionzoo.errors import ConfigError
from actionzoo.sampling import within
from actionzoo.spec import ModelSpec
from actionzoo.streaming.ticks import Tick
from actionzoo.transforms import eval_transform

Kept = TypeVar("Kept")


@dataclass(frozen=True, kw_only=True, slots=True)
class Rhythm:
    """When a looker answers, and at which ticks it looks for an answer."""

    frames: int
    """Frames of a window."""
    stride: int
    """Ticks from one of them to the next."""
    hop: int
    """Ticks from one answer to the next."""

    def __post_init__(self) -> None:
        for name in ("frames", "stride", "hop"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it is at least 1")

    @property
    def span(self) -> int:
        """Ticks from the first frame of a window to its last, both counted."""
        return (self.frames - 1) * self.stride + 1

    def needs(self, number: int) -> bool:
        """Tell whether a tick is in any window, if an answer is given whenever it is due.

        >>> [n for n in range(16) if Rhythm(frames=2, stride=3, hop=7).needs(n)]
        [0, 3, 7, 10, 14]
        """
        # Window m begins at tick m * hop; frame j of it is at m * hop + j * stride.
        return any(
            (number - place * self.stride) % self.hop == 0
            for place in range(min(self.frames, number // self.stride + 1))
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Look:
    """What a looker made of a window."""

    output: np.ndarray
    """Shape (1, K) float32: what its network gives, logits or scores."""
    first: Tick
    last: Tick


class Looker(ABC):
    """Something that answers ticks. It may be used for one stream at a time."""

    spec: ModelSpec
    rhythm: Rhythm
    room: int
    """Ticks that may wait for it while it is busy; of more the oldest are lost."""

    def needs(self, number: int) -> bool:
        """Tell whether it looks at a tick, if it is handed all of them one at a time."""
        return self.rhythm.needs(number)

    @abstractmethod
    def look(self, ticks: Sequence[Tick]) -> Look | None:
        """Take the next ticks, at least one; answer if an answer is due."""

    @abstractmethod
    def finish(self) -> Look | None:
        """Answer once more at the end, if the last answer does not rest on the last tick.

        A stream that was shorter than a window is then looked at as a video of that length is.
        """

    @abstractmethod
    def reset(self) -> None:
        """Forget all, to look at another stream."""


class Window(Generic[Kept]):
    """What is kept of the last ticks, and when the next answer is due.

    Args:
        rhythm: Of the looker.
    """

    def __init__(self, rhythm: Rhythm) -> None:
        self._rhythm = rhythm
        self._kept: deque[tuple[Tick, Kept]] = deque()
        self._due = rhythm.span - 1
        self.answered = -1
        """Number of the tick of the last answer."""

    def keep(self, tick: Tick, kept: Kept) -> None:
        """Keep something of the next tick, and let go of what no window will hold."""
        self._kept.append((tick, kept))
        # One before the window stays: it stands in for the first where that is missing.
        first = tick.number - self._rhythm.span + 1
        while len(self._kept) > 1 and self._kept[1][0].number <= first:
            self._kept.popleft()

    @property
    def newest(self) -> Tick | None:
        """The last tick."""
        return self._kept[-1][0] if self._kept else None

    def is_due(self) -> bool:
        """Tell whether an answer is due at the newest tick."""
        return self.newest is not None and self.newest.number >= self._due

    def answer(self) -> list[tuple[Tick, Kept]]:
        """Return the frames of the window that ends at the newest tick."""
        newest = self._kept[-1][0].number
        self._due, self.answered = newest + self._rhythm.hop, newest
        first = newest - self._rhythm.span + 1
        return self._at([first + n * self._rhythm.stride for n in range(self._rhythm.frames)])

    def rest(self, short: Sequence[int]) -> list[tuple[Tick, Kept]]:
        """Return the frames of a window of a stream that is over before its first one is whole.

        Args:
            short: Ticks of the window, brought back into the stream.
        """
        self.answered = self._kept[-1][0].number
        return self._at(short)

    def _at(self, numbers: Sequence[int]) -> list[tuple[Tick, Kept]]:
        """Return the kept at ticks; where one is missing the one before, else the first."""
        kept, place = list(self._kept), 0
        found: dict[int, tuple[Tick, Kept]] = {}
        for number in sorted(numbers):
            while place + 1 < len(kept) and kept[place + 1][0].number <= number:
                place += 1
            found[number] = kept[place]
        return [found[number] for number in numbers]


class _OnWindows(Looker, Generic[Kept]):
    """What is common to those that look at a window."""

    def __init__(self, spec: ModelSpec, rhythm: Rhythm) -> None:
        self.spec, self.rhythm = spec, rhythm
        self._window: Window[Kept] = Window(rhythm)

    def look(self, ticks: Sequence[Tick]) -> Look | None:
        """Take the next ticks; see ``Looker.look``."""
        for tick in ticks:
            self._window.keep(tick, self._seen(tick))
        return self._answer(self._window.answer()) if self._window.is_due() else None

    def finish(self) -> Look | None:
        """Answer once more at the end; see ``Looker.finish``."""
        newest = self._window.newest
        if newest is None or newest.number == self._window.answered:
            return None
        if newest.number >= self.rhythm.span - 1:
            return self._answer(self._window.answer())
        wanted = self.rhythm.stride * np.arange(self.rhythm.frames)
        # What refuses short videos elsewhere has been watched live for as long as it lasted.
        short = self.spec.input.short
        ticks = within(wanted, newest.number + 1, "repeat_last" if short == "error" else short)
        return self._answer(self._window.rest(ticks.tolist()))

    def reset(self) -> None:
        """Forget all."""
        self._window = Window(self.rhythm)

    @abstractmethod
    def _seen(self, tick: Tick) -> Kept:
        """Return what is kept of a tick."""

    @abstractmethod
    def _output(self, kept: Sequence[Kept]) -> np.ndarray:
        """Return what the network gives for a window, (1, K)."""

    def _answer(self, window: Sequence[tuple[Tick, Kept]]) -> Look:
        ticks = [tick for tick, _ in window]
        output = self._output([kept for _, kept in window])
        return Look(output=output, first=ticks[0], last=max(ticks, key=lambda one: one.number))


class ClipLooker(_OnWindows[np.ndarray]):
    """A network of clips on a moving window.

    All ticks of a window may wait while it is busy: none is lost unless it is slower than that.

    Args:
        backend: The network.
        rhythm: Its frames are those of the network.
    """

    def __init__(self, backend: Backend, rhythm: Rhythm) -> None:
        super().__init__(backend.spec, rhythm)
        self.room = rhythm.span
        self._backend = backend

    def _seen(self, tick: Tick) -> np.ndarray:
        return tick.pixels

    def _output(self, kept: Sequence[np.ndarray]) -> np.ndarray:
        # A network that takes whole frames cannot take those of two sizes at once.
        alike = [one if one.shape == kept[-1].shape else kept[-1] for one in kept]
        return self._backend(eval_transform(np.stack(alike), self.spec.input))


class EncodingLooker(_OnWindows[np.ndarray]):
    """An encoder, which sees each frame once, and a decoder of the last embeddings.

    Only the newest tick waits while it is busy.

    Args:
        backend: Both of them.
        rhythm: Its frames are those of the decoder.
    """

    room = 1

    def __init__(self, backend: CompositeBackend, rhythm: Rhythm) -> None:
        super().__init__(backend.spec, rhythm)
        self._backend = backend
        self._last: tuple[np.ndarray, np.ndarray] | None = None

    def _seen(self, tick: Tick) -> np.ndarray:
        # A camera slower than the model's clock shows the same frame at several ticks.
        if self._last is None or self._last[0] is not tick.pixels:
            frame = eval_transform(tick.pixels[None], self.spec.input)[:, :, 0]
            self._last = tick.pixels, self._backend.encode(frame)
        return self._last[1]

    def _output(self, kept: Sequence[np.ndarray]) -> np.ndarray:
        return self._backend.decode(np.stack(kept, axis=1))

    def reset(self) -> None:
        """Forget all."""
        super().reset()
        self._last = None


class SteppingLooker(Looker):
    """A network that looks at one frame after the other and carries a state.

    It answers once it has seen a window. Only the newest tick waits while it is busy.

    Args:
        model: The network.
        rhythm: It looks at every ``stride``-th tick.
    """

    room = 1

    def __init__(self, model: SteppedModel, rhythm: Rhythm) -> None:
        self.spec = model.spec
        self.rhythm = replace(rhythm, hop=max(rhythm.hop, rhythm.stride))
        self._model = model
        self.reset()

    def reset(self) -> None:
        """Forget all."""
        self._state = self._model.initial_state()
        self._next, self._due = 0, self.rhythm.span - 1
        self._first: Tick | None = None
        self._unsaid: Look | None = None

    def needs(self, number: int) -> bool:
        """Tell whether it looks at a tick."""
        return number % self.rhythm.stride == 0

    def look(self, ticks: Sequence[Tick]) -> Look | None:
        """Take the next ticks; see ``Looker.look``."""
        for tick in ticks:
            if tick.number >= self._next:
                self._next = tick.number + self.rhythm.stride
                self._unsaid = self._step(tick)
        if self._unsaid is None or self._unsaid.last.number < self._due:
            return None
        self._due = self._unsaid.last.number + self.rhythm.hop
        return self.finish()

    def finish(self) -> Look | None:
        """Answer once more at the end; see ``Looker.finish``."""
        unsaid, self._unsaid = self._unsaid, None
        return unsaid

    def _step(self, tick: Tick) -> Look:
        frame = eval_transform(tick.pixels[None], self.spec.input)[:, :, 0]
        logits, self._state = self._model.step(frame, self._state)
        self._first = self._first or tick
        return Look(output=logits, first=self._first, last=tick)
