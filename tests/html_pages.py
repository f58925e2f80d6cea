"""Reads a page of HTML as strictly as no browser does."""

from __future__ import annotations

import re
from html.parser import HTMLParser

EVIL = '<img src=x onerror=alert(1)>"&\u202e.mp4'
"""A name that would do harm where it is not escaped, and mislead where it is shown as it is."""
VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """Collects elements and text, and fails where tags do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag]

    def assert_harmless(self) -> None:
        """Fail where anything could run, or come from elsewhere."""
        (policy,) = (one for one in self.named("meta") if "http-equiv" in one)
        assert "default-src 'none'" in str(policy["content"])
        assert not self.named("script")
        for _, attrs in self.elements:
            assert not {"href", "srcset", "style"} & set(attrs)
            assert not any(name.startswith("on") for name in attrs)
            assert str(attrs.get("src", "data:image/jpeg;base64,")).startswith(
                "data:image/jpeg;base64,"
            )
        assert not re.search(r"url\(|@import|https?:", self.text)
