"""kinetics."""

from __future__ import annotations

from actionzoo.datasets.format import Format

FORMATS: tuple[Format, ...] = ()
