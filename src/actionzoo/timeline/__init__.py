"""Long videos, cut into segments: what happens from when to when."""

from __future__ import annotations
