"""A stream that somebody watches: in the terminal, in a window, recorded, with alerts."""

from __future__ import annotations
