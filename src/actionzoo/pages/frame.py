"""The frame of a page and its plain pieces: header, sections, cards, facts, tables, pictures.

Text that comes from files is a ``str``, and escaped where it enters; ``Html`` is what was escaped
already. A type checker tells where one is taken for the other.
"""

from __future__ import annotations

import html
from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Literal, NewType

Html = NewType("Html", str)
"""A piece of a page, escaped and with all its tags closed."""

Accent = Literal["error", "warning", "note", "clean"]
"""Colour of a header, a section or a chip."""

_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'"
)


def escaped(value: object) -> Html:
    r"""Escape text for HTML; what does not print is shown as its code.

    >>> escaped('<a href="x">\n')
    '&lt;a href=&quot;x&quot;&gt;\\n'
    """
    shown = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in str(value))
    return Html(html.escape(shown, quote=True))


def joined(parts: Iterable[Html], between: str = "") -> Html:
    """Put pieces one after another."""
    return Html(between.join(parts))


def code(value: object) -> Html:
    """Escape text and set it as code: a path, a hash, a command."""
    return Html(f"<code>{escaped(value)}</code>")


def strong(value: object) -> Html:
    """Escape text and set it in bold."""
    return Html(f"<b>{escaped(value)}</b>")


def verbatim(text: str) -> Html:
    """Escape text of several lines, and keep the lines."""
    lines = joined(map(escaped, text.splitlines()), "\n")
    return Html(f"<pre>{lines}</pre>")


# The whole.


def page(
    title: str, body: Iterable[Html], *, style: str = "", script: str = "", media: str = ""
) -> Html:
    """Frame a page that needs nothing else.

    Args:
        title: Of the window.
        body: Header and sections.
        style: Rules behind those of the house.
        script: The only one that may run; it finds the whole page.
        media: Where sound and video may come from, in the words of a content security policy.
    """
    style = (files("actionzoo.pages") / "style.css").read_text(encoding="utf-8") + style
    policy = _POLICY + (f"; media-src {media}" if media else "")
    if script:
        digest = b64encode(sha256(script.encode()).digest()).decode()
        policy += f"; script-src 'sha256-{digest}'"
    last = f"<script>{script}</script>\n" if script else ""
    return Html(f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{escaped(title)}</title>
<style>
{style}</style>
</head>
<body>
<main>
{joined(body)}
</main>
{last}</body>
</html>
""")


def write_page(whole: Html, file: Path) -> None:
    """Write a page, over one that is there.

    Raises:
        OSError: The file cannot be written.
    """
    file.write_text(whole, encoding="utf-8", errors="backslashreplace")


def header(
    *, over: str, title: str, verdict: str, accent: Accent, chips: Iterable[Html] = ()
) -> Html:
    """Head a page: what it is, of what, and the one sentence to take away."""
    listed = joined(chips)
    return Html(f"""<header class="{accent}">
<p class="over">{escaped(over)}</p>
<h1>{escaped(title)}</h1>
<p class="verdict">{escaped(verdict)}</p>
{f'<ul class="chips">{listed}</ul>' if listed else ""}
</header>
""")


def chip(number: str, words: str, accent: Accent) -> Html:
    """Show a number and what it counts, for a header."""
    return Html(f'<li class="chip {accent}"><b>{escaped(number)}</b> {escaped(words)}</li>')


def flag(words: object, accent: Accent) -> Html:
    """Set words in the colour of what is good, or bad."""
    return Html(f'<b class="flag {accent}">{escaped(words)}</b>')


def section(
    title: str,
    *content: Html,
    meaning: str = "",
    count: int | None = None,
    accent: Accent = "note",
) -> Html:
    """Put a heading over content.

    Args:
        title: The heading.
        content: Cards and figures.
        meaning: A sentence below the heading on how to read it.
        count: Shown beside the heading.
        accent: Colour of what is accentuated.
    """
    number = "" if count is None else f' <span class="count">{count:,}</span>'
    told = f'<p class="meaning">{escaped(meaning)}</p>\n' if meaning else ""
    return Html(f"""<section class="{accent}">
<h2>{escaped(title)}{number}</h2>
{told}{joined(content)}</section>
""")


# Pieces of a section.


def card(*content: Html) -> Html:
    """Frame content."""
    return Html(f'<div class="card">{joined(content)}</div>\n')


def charts(figures: Iterable[Html], *, wide: bool = False) -> Html:
    """Put figures side by side where there is room; wide ones two in a line at most."""
    return Html(f'<div class="charts{" wide" * wide}">{joined(figures)}</div>\n')


def facts(rows: Iterable[tuple[str, Html]], *, wide: Iterable[tuple[str, Html]] = ()) -> Html:
    """List facts by name; the wide ones have a line of their own."""
    cells = "".join(f"<div><dt>{escaped(name)}</dt><dd>{value}</dd></div>" for name, value in rows)
    lines = "".join(
        f'<div class="whole"><dt>{escaped(name)}</dt><dd>{value}</dd></div>' for name, value in wide
    )
    return Html(f'<dl class="facts">{cells}{lines}</dl>')


def table(head: Sequence[str], rows: Iterable[Sequence[Html]]) -> Html:
    """Draw a table whose first column names the rows; a narrow window scrolls it."""
    names = "".join(f'<th scope="col">{escaped(name)}</th>' for name in head)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{one}</td>" for one in others)}</tr>\n'
        for first, *others in rows
    )
    return Html(
        f'<div class="scroll"><table class="plain"><thead><tr>{names}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def bullets(lines: Iterable[Html]) -> Html:
    """List lines."""
    return Html(f'<ul class="lines">{"".join(f"<li>{line}</li>" for line in lines)}</ul>')


def and_more(hidden: int) -> Html:
    """Say how many are not shown, where there are any."""
    return Html(f'<p class="more">and {hidden:,} more</p>' if hidden > 0 else "")


def folded(summary: str, *content: Html) -> Html:
    """Hide content until it is asked for."""
    return Html(f"<details><summary>{escaped(summary)}</summary>{joined(content)}</details>")


def video_figure(caption: Html, picture: bytes | None) -> Html:
    """Show a video.

    Args:
        caption: Below the picture.
        picture: JPEG of a few of its frames; None shows none.
    """
    strip = ""
    if picture is not None:
        data = b64encode(picture).decode()
        strip = f'<img src="data:image/jpeg;base64,{data}" alt="first, middle and last frame">'
    return Html(f"<figure>{strip}<figcaption>{caption}</figcaption></figure>")


def in_columns(content: Html) -> Html:
    """Set long text in columns where there is room."""
    return Html(f'<div class="columns">{content}</div>')


def videos(figures: Iterable[Html]) -> Html:
    """Put figures of videos side by side."""
    return Html(f'<div class="videos">{joined(figures)}</div>')


# Numbers in words.


def count_of(count: int, one: str, many: str | None = None) -> str:
    """Say how many.

    >>> count_of(1, "video"), count_of(2000, "video"), count_of(0, "class", "classes")
    ('1 video', '2,000 videos', '0 classes')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def percent(share: float, digits: int = 0) -> str:
    """Write a share in hundredths.

    >>> percent(0.875), percent(0.875, 1)
    ('88 %', '87.5 %')
    """
    return f"{100 * share:.{digits}f} %"


def duration(seconds: float) -> str:
    """Say how long.

    >>> duration(42.0), duration(150.0), duration(7200.0)
    ('42 s', '2.5 min', '2.0 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:,.1f} h"


def size(count: int) -> str:
    """Say how many bytes.

    >>> size(999), size(8_739_445)
    ('999 B', '8.7 MB')
    """
    power = min(4, max(0, len(str(count)) - 1) // 3)
    unit = ("B", "kB", "MB", "GB", "TB")[power]
    return f"{count / 1000**power:.1f} {unit}" if power else f"{count} B"
