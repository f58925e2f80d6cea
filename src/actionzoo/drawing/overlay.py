"""Labels with bars, a line of figures, a clock and a bar of progress, over a picture.

All sizes follow the shorter side of the picture, from thumbnails to 4K. What is written is drawn
once and kept: a picture costs the copy of its pixels and the blending of a few rectangles, as long
as what is written stays the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from actionzoo.drawing.lettering import lettering, text_width
from actionzoo.drawing.region import Region

Colour = tuple[int, ...]
"""RGB or RGBA, each in [0, 255]."""

GROUND: Colour = (13, 17, 23, 188)
TRACK: Colour = (78, 86, 96, 220)
WHITE: Colour = (255, 255, 255, 255)
PALE: Colour = (186, 194, 204, 255)
ACCENT: Colour = (74, 222, 128, 255)

_SMALLEST_TEXT_PX = 10
_THUMBNAIL_PX = 120
"""A picture that is smaller has room for a label, and for nothing else."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Overlay:
    """What is written over a picture; what is empty or None is left out."""

    title: str = ""
    """Large: the label that is shown, or why there is none."""
    score: float | None = None
    """Of the title, in [0, 1]; a title without a score is no action, and drawn paler."""
    rows: tuple[tuple[str, float], ...] = ()
    """Labels and scores, best first, with bars; as many as there is room for."""
    footer: str = ""
    """At the lower left: figures."""
    clock: str = ""
    """At the lower right."""
    progress: float | None = None
    """In [0, 1]: a bar along the lower edge."""
    region: Region | None = None
    """What the network sees, in pixels of this picture: its corners are marked."""


def annotated(pixels: np.ndarray, overlay: Overlay) -> np.ndarray:
    """Return a picture with an overlay.

    Args:
        pixels: Shape (H, W, 3) uint8 in [0, 255] RGB; left as it is.
        overlay: What is written.

    Returns:
        Shape (H, W, 3) uint8.
    """
    picture = np.ascontiguousarray(pixels).copy()
    height, width = picture.shape[:2]
    sizes = _sizes(height, width)
    if overlay.region is not None:
        _mark(picture, overlay.region, sizes)
    if overlay.title or overlay.rows:
        rows = tuple((label, round(score, 2)) for label, score in overlay.rows)
        score = None if overlay.score is None else round(overlay.score, 2)
        panel = _panel(overlay.title, score, rows, sizes)
        _blend(picture, panel, sizes.margin, sizes.margin)
    lower = height - sizes.margin
    if overlay.progress is not None:
        lower -= _fill_progress(picture, overlay.progress, sizes)
    if min(height, width) >= _THUMBNAIL_PX:
        _write_feet(picture, overlay, sizes, lower)
    return picture


class _Sizes(NamedTuple):
    """Pixels, by the size of the picture."""

    title: int
    text: int
    small: int
    margin: int
    padding: int
    line: int
    panel_width: int
    panel_height: int


@lru_cache(maxsize=16)
def _sizes(height: int, width: int) -> _Sizes:
    short = min(height, width)
    margin = max(2, round(short * 0.025))
    return _Sizes(
        title=max(_SMALLEST_TEXT_PX, round(short * 0.056)),
        text=max(_SMALLEST_TEXT_PX, round(short * 0.033)),
        small=max(_SMALLEST_TEXT_PX, round(short * 0.027)),
        margin=margin,
        padding=max(3, round(short * 0.022)),
        line=max(1, round(short * 0.004)),
        panel_width=min(width - 2 * margin, max(round(short * 0.7), 150)),
        panel_height=round(height * 0.6) - margin,
    )


class _Panel(NamedTuple):
    """A drawn rectangle: its colours, and how much of them is seen."""

    colours: Image.Image
    shares: Image.Image


def _blend(picture: np.ndarray, panel: _Panel, top: int, left: int) -> None:
    """Blend a rectangle into a picture; what does not fit is cut off."""
    under = picture[top : top + panel.colours.height, left : left + panel.colours.width]
    if under.size == 0:
        return
    both = Image.fromarray(np.ascontiguousarray(under))
    both.paste(panel.colours, (0, 0), panel.shares)
    under[:] = np.asarray(both)


@lru_cache(maxsize=64)
def _panel(
    title: str, score: float | None, rows: tuple[tuple[str, float], ...], sizes: _Sizes
) -> _Panel:
    """Draw the title, and under it the rows there is room for."""
    size = _title_size(title, score, sizes)
    head = _row_height(size, scored=score is not None) if title else 0
    each = _row_height(sizes.text, scored=True)
    room = sizes.panel_height - 2 * sizes.padding - head
    rows = rows[: max(0 if title else 1, room // each)]
    last = 0 if score is None and not rows else _gap(sizes.text if rows else size)
    height = 2 * sizes.padding + head + len(rows) * each - last
    image = _ground(sizes.panel_width, height, sizes.padding)
    if title:
        colours = (PALE, PALE) if score is None else (WHITE, ACCENT)
        _write_row(image, sizes.padding, (title, score), size=size, sizes=sizes, colours=colours)
    for number, row in enumerate(rows):
        top = sizes.padding + head + number * each
        _write_row(image, top, row, size=sizes.text, sizes=sizes, colours=(PALE, PALE))
    return _finished(image)


def _title_size(title: str, score: float | None, sizes: _Sizes) -> int:
    """Choose the size of the title: smaller, to a point, where it would be cut."""
    for share in (1.0, 0.85, 0.7):
        size = max(_SMALLEST_TEXT_PX, round(sizes.title * share))
        if text_width(title, size) <= _label_room(score, size, sizes):
            break
    return size


def _row_height(size: int, *, scored: bool) -> int:
    """Return the height of a line of text, and if it has a score of its bar and a gap."""
    return _line_height(size) + (_bar_height(size) + _gap(size) if scored else 0)


def _line_height(size: int) -> int:
    return round(size * 1.25)


def _gap(size: int) -> int:
    return round(size * 0.4)


def _bar_height(size: int) -> int:
    return max(2, round(size * 0.2))


def _label_room(score: float | None, size: int, sizes: _Sizes) -> int:
    room = sizes.panel_width - 2 * sizes.padding
    return room if score is None else room - text_width(_said(score), size) - size // 2


def _said(score: float) -> str:
    return f"{score:.0%}"


def _write_row(
    image: Image.Image,
    top: int,
    row: tuple[str, float | None],
    *,
    size: int,
    sizes: _Sizes,
    colours: tuple[Colour, Colour],
) -> None:
    """Write a label at the left, its score at the right if there is room, and a bar below."""
    (label, score), (ink, fill) = row, colours
    left, right = sizes.padding, sizes.panel_width - sizes.padding
    room = _label_room(score, size, sizes)
    if score is not None and min(text_width(label, size), 5 * size) <= room:
        said = lettering(_said(score), size_px=size, width_px=right - left)
        image.paste(ink, (right - said.width, top), said)
    else:
        room = right - left
    image.paste(ink, (left, top), lettering(label, size_px=size, width_px=room))
    if score is not None:
        upper = top + _line_height(size)
        box = left, upper, right - 1, upper + _bar_height(size) - 1
        _draw_bar(ImageDraw.Draw(image), box, score, fill)


def _draw_bar(
    draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], score: float, fill: Colour
) -> None:
    left, upper, right, lower = box
    radius = (lower - upper) // 2
    draw.rounded_rectangle(box, radius, fill=TRACK)
    filled = left + round((right - left) * min(1.0, max(0.0, score)))
    if filled > left:
        draw.rounded_rectangle((left, upper, filled, lower), radius, fill=fill)


def _write_feet(picture: np.ndarray, overlay: Overlay, sizes: _Sizes, lower: int) -> None:
    """Write the figures at the lower left, and the clock at the lower right."""
    room = picture.shape[1] - 2 * sizes.margin
    if overlay.clock:
        panel = _strip(overlay.clock, room, sizes)
        left = picture.shape[1] - sizes.margin - panel.colours.width
        _blend(picture, panel, lower - panel.colours.height, left)
        room -= panel.colours.width + sizes.margin
    if overlay.footer and room > 4 * sizes.small:
        panel = _strip(overlay.footer, room, sizes)
        _blend(picture, panel, lower - panel.colours.height, sizes.margin)


@lru_cache(maxsize=64)
def _strip(text: str, room: int, sizes: _Sizes) -> _Panel:
    """Draw one line of small text on a ground of its own."""
    side, above = round(sizes.small * 0.6), round(sizes.small * 0.25)
    written = lettering(text, size_px=sizes.small, width_px=room - 2 * side)
    image = _ground(written.width + 2 * side, written.height + 2 * above, 2 * above)
    image.paste(WHITE, (side, above), written)
    return _finished(image)


def _ground(width: int, height: int, radius: int) -> Image.Image:
    """Return a translucent rectangle with round corners, RGBA."""
    image = Image.new("RGBA", (width, height), GROUND)
    image.putalpha(_rounded(width, height, radius))
    return image


@lru_cache(maxsize=64)
def _rounded(width: int, height: int, radius: int) -> Image.Image:
    """Return how much of the ground is seen, its corners smooth."""
    times = 4
    corner = Image.new("L", (2 * radius * times, 2 * radius * times), 0)
    ImageDraw.Draw(corner).ellipse((0, 0, *(side - 1 for side in corner.size)), fill=GROUND[3])
    corner = corner.resize((2 * radius, 2 * radius), Image.Resampling.BOX)
    shares = Image.new("L", (width, height), GROUND[3])
    for x, left in ((0, 0), (width - radius, radius)):
        for y, top in ((0, 0), (height - radius, radius)):
            shares.paste(corner.crop((left, top, left + radius, top + radius)), (x, y))
    return shares


def _finished(image: Image.Image) -> _Panel:
    return _Panel(image.convert("RGB"), image.getchannel("A"))


def _fill_progress(picture: np.ndarray, progress: float, sizes: _Sizes) -> int:
    """Draw a bar along the lower edge; return its height."""
    height, width = picture.shape[:2]
    thick = 2 * sizes.line + 1
    filled = round(width * min(1.0, max(0.0, progress)))
    picture[height - thick :] //= 3
    picture[height - thick :, :filled] = ACCENT[:3]
    return thick


def _mark(picture: np.ndarray, region: Region, sizes: _Sizes) -> None:
    """Draw the four corners of a region: white, with a dark edge that is seen on white."""
    long = max(4, round(0.08 * min(region.bottom - region.top, region.right - region.left)))
    for edge, colour in ((1, GROUND[:3]), (0, WHITE[:3])):
        for y, down in ((region.top, 1), (region.bottom, -1)):
            for x, across in ((region.left, 1), (region.right, -1)):
                _fill(picture, (y, x), (down * sizes.line, across * long), edge, colour)
                _fill(picture, (y, x), (down * long, across * sizes.line), edge, colour)


def _fill(
    picture: np.ndarray,
    corner: tuple[int, int],
    sides: tuple[int, int],
    edge: int,
    colour: Colour,
) -> None:
    """Fill a rectangle that lies off a corner, up or down, left or right of it."""
    (top, bottom), (left, right) = (
        sorted((start, start + side)) for start, side in zip(corner, sides, strict=True)
    )
    picture[max(0, top - edge) : bottom + edge, max(0, left - edge) : right + edge] = colour
