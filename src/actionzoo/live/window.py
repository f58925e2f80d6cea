"""A window on the stream, with the toolkit of the standard library."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from actionzoo.errors import ConfigError
from actionzoo.video.base import Size

LONGEST_SIDE_PX = 1280
"""As in OpenVINO's notebook on action recognition."""


class Window(Protocol):
    """Shows pictures; to be used from the thread that opened it."""

    def show(self, pixels: np.ndarray) -> None:
        """Show a picture, shape (H, W, 3) uint8 in [0, 255] RGB."""

    def is_open(self) -> bool:
        """Take in what was pressed; tell whether the window is still wanted."""

    def close(self) -> None:
        """Close it."""


def window_size(height: int, width: int) -> Size:
    """Return the size at which a frame is shown: at most ``LONGEST_SIDE_PX``.

    >>> window_size(1080, 1920), window_size(240, 320)
    ((720, 1280), (240, 320))
    """
    scale = min(1.0, LONGEST_SIDE_PX / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def portable_pixmap(pixels: np.ndarray) -> bytes:
    r"""Return a picture as binary PPM (Netpbm), which Tk reads.

    >>> portable_pixmap(np.zeros((1, 2, 3), np.uint8))
    b'P6 2 1 255\n\x00\x00\x00\x00\x00\x00'
    """
    height, width = pixels.shape[:2]
    return b"P6 %d %d 255\n" % (width, height) + pixels.tobytes()


class TkWindow:
    """A window that Escape or q closes.

    Args:
        title: Of the window.

    Raises:
        ConfigError: There is no display, or this Python has no Tk.
    """

    def __init__(self, title: str) -> None:
        try:
            import tkinter
        except ImportError as error:
            raise ConfigError(
                "--show needs Tk, which this Python was built without; install it (Debian: "
                "apt install python3-tk), or leave --show out"
            ) from error
        try:
            self._root = tkinter.Tk()
        except tkinter.TclError as error:
            raise ConfigError(
                "--show found no display to open a window on; leave it out, or take --record"
            ) from error
        self._failure = tkinter.TclError
        self._root.title(title)
        self._root.resizable(False, False)
        self._picture = tkinter.PhotoImage(master=self._root)
        tkinter.Label(self._root, image=self._picture, borderwidth=0).pack()
        self._wanted = True
        for key in ("<Escape>", "q", "Q"):
            self._root.bind(key, lambda _: self._dismiss())
        self._root.protocol("WM_DELETE_WINDOW", self._dismiss)

    def show(self, pixels: np.ndarray) -> None:
        """Show a picture; see ``Window.show``."""
        self._picture.configure(data=portable_pixmap(pixels), format="ppm")

    def is_open(self) -> bool:
        """Take in what was pressed; see ``Window.is_open``."""
        try:
            self._root.update()
        except self._failure:
            return False  # the display has gone
        return self._wanted

    def close(self) -> None:
        """Close it."""
        try:
            self._root.destroy()
        except self._failure:
            return

    def _dismiss(self) -> None:
        self._wanted = False
