"""What the package reports while a stream is followed, handed to who shows it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from actionzoo.live.wording import without_password

Hear = Callable[[str, str], None]
"""Is handed the name of the module that reports, and one sentence. From any thread."""


class _Ear(logging.Handler):
    def __init__(self, hear: Hear) -> None:
        super().__init__()
        self._hear = hear

    def emit(self, record: logging.LogRecord) -> None:
        self._hear(record.name, without_password(record.getMessage()))


@contextmanager
def heard(hear: Hear) -> Iterator[None]:
    """Hand over the package's own reports, from ``INFO`` on, instead of printing them."""
    logger = logging.getLogger("actionzoo")
    level, propagate, handlers = logger.level, logger.propagate, list(logger.handlers)
    logger.setLevel(logging.INFO)
    logger.propagate, logger.handlers = False, [_Ear(hear)]
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.propagate, logger.handlers = propagate, handlers
