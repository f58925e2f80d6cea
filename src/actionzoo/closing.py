"""Things that hold something, and let go of it at the end of a ``with``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TypeVar

Held = TypeVar("Held", bound="Closing")


class Closing(ABC):
    """Something to be closed; may be used as a context manager."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what is held."""

    def __enter__(self: Held) -> Held:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
