"""Videos that visitors brought: each served to who brought it only, and gone soon."""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from actionzoo.errors import ActionZooError
from actionzoo.pages.frame import size
from actionzoo.web.limits import Limits


class TooLarge(ActionZooError):
    """A video of more bytes than may be."""


@dataclass(kw_only=True, eq=False)
class Stored:
    """A video that somebody brought."""

    token: str
    owner: str
    name: str
    """As its owner calls it: any text."""
    path: Path
    used: float = field(default_factory=time.monotonic)
    num_bytes: int = 0


class Videos:
    """A folder of videos, deleted with it; may be used from several threads.

    Args:
        limits: Of one video, of all, and how long they are kept.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._folder = tempfile.TemporaryDirectory(prefix="actionzoo-web-")
        self._alone = Lock()
        self._stored: dict[str, Stored] = {}

    async def receive(
        self, owner: str, name: str, *, promised: int | None, data: AsyncIterator[bytes]
    ) -> Stored:
        """Store a video.

        Args:
            owner: Who brings it.
            name: How it is called.
            promised: Its bytes, if that is told beforehand.
            data: What it is made of.

        Raises:
            TooLarge: It is; what was promised to be is refused before it is stored.
            OSError: It cannot be stored.
        """
        self._check(name, promised or 0)
        token = secrets.token_urlsafe(16)
        stored = Stored(token=token, owner=owner, name=name, path=Path(self._folder.name) / token)
        try:
            with stored.path.open("wb") as file:
                async for part in data:
                    stored.num_bytes += len(part)
                    self._check(name, stored.num_bytes)
                    file.write(part)
        except BaseException:
            stored.path.unlink(missing_ok=True)
            raise
        with self._alone:
            self._stored[token] = stored
        self.sweep()
        return stored

    def get(self, token: str, owner: str) -> Stored | None:
        """Return a video of an owner's; None where there is none such."""
        with self._alone:
            stored = self._stored.get(token)
            if stored is None or stored.owner != owner:
                return None
            stored.used = time.monotonic()
            return stored

    def delete(self, token: str, owner: str) -> None:
        """Delete a video; nothing happens where it is gone."""
        if (stored := self.get(token, owner)) is not None:
            self._delete([stored])

    def sweep(self) -> None:
        """Delete what was not used for long, and the oldest of too many."""
        now = time.monotonic()
        with self._alone:
            newest = sorted(self._stored.values(), key=lambda one: one.used, reverse=True)
        total, old = 0, []
        for stored in newest:
            total += stored.num_bytes
            late = now - stored.used > self.limits.stored_seconds
            # The newest one always stays: somebody has just brought it.
            if stored is not newest[0] and (late or total > self.limits.stored_bytes):
                old.append(stored)
        self._delete(old)

    def close(self) -> None:
        """Delete all."""
        with self._alone:
            self._stored.clear()
        self._folder.cleanup()

    def __len__(self) -> int:
        return len(self._stored)

    def _check(self, name: str, num_bytes: int) -> None:
        if num_bytes > self.limits.video_bytes:
            raise TooLarge(
                f"{name!r} is larger than {size(self.limits.video_bytes)}, the most that this page "
                "takes; cut it, or use actionzoo timeline"
            )

    def _delete(self, many: list[Stored]) -> None:
        with self._alone:
            for stored in many:
                self._stored.pop(stored.token, None)
                # One that is still being read cannot go everywhere; it goes with the folder.
                with suppress(OSError):
                    stored.path.unlink()
