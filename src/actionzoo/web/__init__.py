"""A page to drop videos on and to stand in front of: the one home of Gradio."""

from __future__ import annotations
