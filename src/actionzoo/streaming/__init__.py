"""Live pictures in, answers out: each at most one inference and two frames old."""

from __future__ import annotations
