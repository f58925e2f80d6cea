"""What looks at a stream, tick by tick: a clip on a moving window, an encoder, a state.

A looker is handed ticks in their order and says now and then what it makes of them. Handed one at a
time it answers at every one that is due; handed several, those that came while it was busy, it
answers at the newest. A tick that is missing was not there in time: the one before stands in for
it, as on a camera that is slower.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from typing import Generic, Protocol, TypeVar

import numpy as np

from actionzoo.backends import Backend
from actionzoo.backends.stepped import OneStream, SteppedModel
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
    """Frames that may wait for it while it is busy; of more the oldest are lost."""

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
        self._answered = -1

    def keep(self, tick: Tick, kept: Kept) -> None:
        """Keep something of the next tick, and let go of what no window will hold."""
        self._kept.append((tick, kept))
        # One before the window stays: it stands in for the first where that is missing.
        first = tick.number - self._rhythm.span + 1
        while len(self._kept) > 1 and self._kept[1][0].number <= first:
            self._kept.popleft()

    def __len__(self) -> int:
        return len(self._kept)

    def is_due(self) -> bool:
        """Tell whether an answer is due at the newest tick."""
        return bool(self._kept) and self._newest >= self._due

    def is_answered(self) -> bool:
        """Tell whether the last answer rests on the newest tick."""
        return self._newest == self._answered

    def answer(self) -> list[tuple[Tick, Kept]]:
        """Return the frames of the window that ends at the newest tick."""
        self._due, self._answered = self._newest + self._rhythm.hop, self._newest
        first = self._newest - self._rhythm.span + 1
        wanted = [first + place * self._rhythm.stride for place in range(self._rhythm.frames)]
        return shown_at(wanted, list(self._kept))

    @property
    def _newest(self) -> int:
        return self._kept[-1][0].number


def shown_at(numbers: Sequence[int], kept: Sequence[tuple[Tick, Kept]]) -> list[tuple[Tick, Kept]]:
    """Return what is kept of ticks; where one is missing the one before, else the first.

    Args:
        numbers: Of the ticks, in any order.
        kept: Of some ticks, at least one, in their order.
    """
    place = 0
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
        self._beginning: list[Tick] = []

    def needs(self, number: int) -> bool:
        """Tell whether it looks at a tick; see ``Looker.needs``.

        A stream that ends before the first window is whole may need any of its ticks.
        """
        return number < self.rhythm.span or self.rhythm.needs(number)

    def look(self, ticks: Sequence[Tick]) -> Look | None:
        """Take the next ticks; see ``Looker.look``."""
        for tick in ticks:
            self._note(tick)
            if self._wants(tick.number):
                self._window.keep(tick, self._seen(tick))
        return self._answer(self._window.answer()) if self._window.is_due() else None

    def finish(self) -> Look | None:
        """Answer once more at the end; see ``Looker.finish``."""
        if self._beginning:
            return self._answer(self._short())
        if not len(self._window) or self._window.is_answered():
            return None
        return self._answer(self._window.answer())

    def reset(self) -> None:
        """Forget all."""
        self._window, self._beginning = Window(self.rhythm), []

    def _note(self, tick: Tick) -> None:
        """Remember all ticks for as long as the stream may turn out to be a short one."""
        if tick.number >= self.rhythm.span - 1:
            self._beginning = []
        else:
            self._beginning.append(tick)

    def _short(self) -> list[tuple[Tick, Kept]]:
        """Return the frames of a video that is shorter than a window."""
        wanted = self.rhythm.stride * np.arange(self.rhythm.frames)
        # What refuses short videos elsewhere has been watched live for as long as it lasted.
        short = self.spec.input.short
        length = self._beginning[-1].number + 1
        numbers = within(wanted, length, "repeat_last" if short == "error" else short)
        ticks = shown_at(numbers.tolist(), [(one, one) for one in self._beginning])
        seen = {tick.number: self._seen(tick) for tick, _ in ticks}
        return [(tick, seen[tick.number]) for tick, _ in ticks]

    def _wants(self, number: int) -> bool:
        """Tell whether a tick is to be kept."""
        return True

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
    A frame is normalised once, when it comes, however many windows it is in.

    Args:
        backend: The network.
        rhythm: Its frames are those of the network.
    """

    def __init__(self, backend: Backend, rhythm: Rhythm) -> None:
        super().__init__(backend.spec, rhythm)
        self.room = rhythm.span
        self._backend = backend

    def _seen(self, tick: Tick) -> np.ndarray:
        pixels: np.ndarray = _frame(tick, self.spec)[0]
        return pixels

    def _output(self, kept: Sequence[np.ndarray]) -> np.ndarray:
        # A network that takes whole frames cannot take those of two sizes at once.
        alike = [one if one.shape == kept[-1].shape else kept[-1] for one in kept]
        return self._backend(np.stack(alike, axis=1)[None])


class EncoderDecoder(Protocol):
    """What sees each frame by itself, and then all that it made of them."""

    spec: ModelSpec

    def encode(self, frame: np.ndarray) -> np.ndarray:
        """Return the embedding (1, D) float32 of a frame (1, C, H, W) float32."""

    def decode(self, embeddings: np.ndarray) -> np.ndarray:
        """Return the output (1, K) float32 for embeddings (1, T, D)."""


class MeanOfFrames:
    """A network of single frames, as TSN's are, and the mean of what it says of several.

    Args:
        backend: Its clips are of one frame.
    """

    def __init__(self, backend: Backend) -> None:
        self.spec, self._backend = backend.spec, backend

    def encode(self, frame: np.ndarray) -> np.ndarray:
        """Return what the network says (1, K) of a frame (1, C, H, W)."""
        return self._backend(frame[:, :, None])

    def decode(self, embeddings: np.ndarray) -> np.ndarray:
        """Return the mean (1, K) of what it said of frames (1, T, K): TSN's consensus."""
        return np.asarray(embeddings.mean(axis=1))


class EncodingLooker(_OnWindows[np.ndarray]):
    """An encoder, which sees each frame once, and a decoder of the last embeddings.

    Only the newest tick waits while it is busy. Ticks between those of its windows are passed over.

    Args:
        backend: Both of them.
        rhythm: Its frames are those of the decoder.
    """

    room = 1

    def __init__(self, backend: EncoderDecoder, rhythm: Rhythm) -> None:
        super().__init__(backend.spec, rhythm)
        self._backend = backend
        self._grid = math.gcd(rhythm.stride, rhythm.hop)
        self._forget()

    def reset(self) -> None:
        """Forget all."""
        super().reset()
        self._forget()

    def _forget(self) -> None:
        self._next = 0
        self._last: tuple[np.ndarray, np.ndarray] | None = None

    def _wants(self, number: int) -> bool:
        # A tick that comes late moves those after it, rather than that two are encoded in a row.
        if number < self._next:
            return False
        self._next = number + self._grid
        return True

    def _seen(self, tick: Tick) -> np.ndarray:
        # A camera slower than the model's clock shows the same frame at several ticks.
        if self._last is None or self._last[0] is not tick.pixels:
            self._last = tick.pixels, self._backend.encode(_frame(tick, self.spec))
        return self._last[1]

    def _output(self, kept: Sequence[np.ndarray]) -> np.ndarray:
        return self._backend.decode(np.stack(kept, axis=1))


class SteppingLooker(Looker):
    """A network that looks at one frame after the other and carries a state.

    It answers once it has seen the frames of its rhythm. Only the newest tick waits while it is
    busy.

    A mean over all frames so far, as MoViNet's are, hears less and less of what is new. So a state
    may be given up after a while for another that began in the meantime.

    Args:
        model: The network.
        rhythm: It looks at every ``stride``-th tick.
        lasts: Ticks after which the next state begins; None keeps the first for ever.
        overlap: Whether a state begins while the one before it goes on answering, which so answers
            from ``lasts`` to twice as many ticks; otherwise all is forgotten at once.
    """

    room = 1

    def __init__(
        self, model: SteppedModel, rhythm: Rhythm, *, lasts: int | None = None, overlap: bool = True
    ) -> None:
        self.spec = model.spec
        self.rhythm = replace(rhythm, hop=max(rhythm.hop, rhythm.stride))
        self._lasts = lasts
        self._idle = [model.stream() for _ in range(1 if lasts is None or not overlap else 2)]
        self.reset()

    def reset(self) -> None:
        """Forget all."""
        self._next, self._due = 0, self.rhythm.span - 1
        self._streams = cycle(self._idle)
        self._under_way: deque[tuple[OneStream, Tick]] = deque(maxlen=len(self._idle))
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
        if self._begins_anew(tick.number):
            stream = next(self._streams)
            stream.reset()
            self._under_way.append((stream, tick))  # where there is no room, the oldest goes
        frame = _frame(tick, self.spec)
        # The oldest answers.
        logits, *_ = [stream.step(frame) for stream, _ in self._under_way]
        return Look(output=logits, first=self._under_way[0][1], last=tick)

    def _begins_anew(self, number: int) -> bool:
        if not self._under_way:
            return True
        return self._lasts is not None and number >= self._under_way[-1][1].number + self._lasts


def _frame(tick: Tick, spec: ModelSpec) -> np.ndarray:
    """Return a frame as the network takes it, (1, C, H, W)."""
    frame: np.ndarray = eval_transform(tick.pixels[None], spec.input)[:, :, 0]
    return frame
