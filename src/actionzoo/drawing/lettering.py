"""Text in pictures: a font that has its letters, cut to a width."""

from __future__ import annotations

import math
import unicodedata
from functools import cache, lru_cache

from PIL import Image, ImageDraw, ImageFont
from PIL.ImageFont import FreeTypeFont

_OWN = ""
"""Pillow's own font (Aileron), which is always there and has ASCII."""
_OTHERS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "Arial.ttf",
    "NotoSansCJK-Regular.ttc",
    "NotoSansArabic-Regular.ttf",
    "NotoSansDevanagari-Regular.ttf",
    "DroidSansFallbackFull.ttf",
    "PingFang.ttc",
    "Arial Unicode.ttf",
    "msyh.ttc",
    "YuGothM.ttc",
    "malgun.ttf",
)
"""Fonts of Linux, macOS and Windows, for letters that it does not have; where they are."""
_NO_LETTER = "\uffff"
"""A code point that will never be a letter: fonts draw their sign for missing ones."""
ELLIPSIS = "…"


def text_width(text: str, size_px: int) -> int:
    """Return how wide a text is, in pixels, if it is not cut."""
    name, letters = _written(text)
    return math.ceil(_font(name, size_px).getlength(letters))


@lru_cache(maxsize=1024)
def lettering(text: str, *, size_px: int, width_px: int) -> Image.Image:
    r"""Write a text, in a font that has its letters.

    What no font here has loses its accent, or is escaped as in ``\u8dd1``.

    Args:
        text: One line; control characters are escaped.
        size_px: Of the font.
        width_px: The text is cut, with an ellipsis, where it is longer.

    Returns:
        How much of each pixel is ink, mode ``L``, as wide as the text and as high as a line.
    """
    name, letters = _written(text)
    font = _font(name, size_px)
    letters = _cut(letters, font, width_px)
    image = Image.new("L", (math.ceil(font.getlength(letters)), sum(font.getmetrics())))
    ImageDraw.Draw(image).text((0, 0), letters, fill=255, font=font)
    return image


def _cut(text: str, font: FreeTypeFont, width_px: int) -> str:
    if font.getlength(text) <= width_px:
        return text
    for end in range(len(text) - 1, 0, -1):
        cut = text[:end].rstrip() + ELLIPSIS
        if font.getlength(cut) <= width_px:
            return cut
    return ELLIPSIS if font.getlength(ELLIPSIS) <= width_px else ""


@lru_cache(maxsize=4096)
def _written(text: str) -> tuple[str, str]:
    """Return the name of the font that has most of the letters, and the text in those it has."""
    text = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
    best, most = _OWN, -1
    for name in (_OWN, *_OTHERS):
        if most < len(text) and _is_there(name):
            there = sum(_has(name, char) for char in text)
            best, most = (name, there) if there > most else (best, most)
    return best, "".join(_in_font(best, char) for char in text)


def _in_font(name: str, char: str) -> str:
    if _has(name, char):
        return char
    base = unicodedata.normalize("NFKD", char)[0]
    return base if _has(name, base) else char.encode("ascii", "backslashreplace").decode()


@lru_cache(maxsize=64)
def _font(name: str, size_px: int) -> FreeTypeFont:
    if name != _OWN:
        return ImageFont.truetype(name, size_px)
    font = ImageFont.load_default(size_px)
    assert isinstance(font, FreeTypeFont), "Pillow was built without FreeType"
    return font


@cache
def _is_there(name: str) -> bool:
    try:
        _font(name, 16)
    except OSError:
        return False
    return True


@lru_cache(maxsize=4096)
def _has(name: str, char: str) -> bool:
    font = _font(name, 16)
    missing, drawn = font.getmask(_NO_LETTER), font.getmask(char)
    return char.isspace() or (missing.size, bytes(missing)) != (drawn.size, bytes(drawn))
