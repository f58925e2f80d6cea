"""The networks, one file a family. To add a family: write its file, and name it here."""

from __future__ import annotations

from actionzoo.models import figures, x3d

FAMILIES = (figures, x3d)
