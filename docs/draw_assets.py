"""Draw the sample clip of the package and the picture of the README, from fixed seeds.

Run: python docs/draw_assets.py
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from actionzoo.synthetic import ACTIONS, Style, draw_clip, write_video

ROOT = Path(__file__).parents[1]
FPS = Fraction(25)
LENGTH = 17
"""Frames of the picture: then the runner has left the view."""
# Chosen by eye, one an action: a large figure that stays in view.
SEEDS = {
    "bend": 6,
    "jack": 0,
    "jump": 7,
    "pjump": 6,
    "run": 7,
    "side": 2,
    "skip": 3,
    "walk": 3,
    "wave1": 5,
    "wave2": 5,
}


def draw(
    name: str, seed: int, *, seconds: float, height: int, width: int, style: Style
) -> np.ndarray:
    """Return a clip of an action, shape (T, H, W, 3) uint8 RGB."""
    action = next(one for one in ACTIONS if one.name == name)
    rng = np.random.default_rng([99, seed])
    return draw_clip(
        action,
        rng=rng,
        seconds=seconds,
        fps=FPS,
        height=height,
        width=width,
        style=style,
    )


def grid() -> np.ndarray:
    """Return every second frame of all ten, five figures above five silhouettes."""
    names = list(SEEDS)
    rows = []
    for row, style in ((names[:5], "plain"), (names[5:], "silhouette")):
        clips = [
            draw(name, SEEDS[name], seconds=2.4, height=112, width=140, style=style) for name in row
        ]
        rows.append(np.concatenate([_still(clip[::2][:LENGTH]) for clip in clips], axis=2))
    return np.concatenate(rows, axis=1)


def _still(clip: np.ndarray) -> np.ndarray:
    """Take the grain off what does not move: it is most of a gif's size."""
    background = np.median(clip, axis=0, keepdims=True)
    moved = np.abs(clip - background).max(axis=3, keepdims=True) > 45
    return np.where(moved, clip, background).astype(np.uint8)


def write_gif(frames: np.ndarray, path: Path, fps: Fraction) -> None:
    """Write frames as an animated gif that repeats, with 48 colours of its own."""
    height, width = frames.shape[1:3]
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=width, height=height, format=av.VideoFormat("rgb24"), time_base=1 / fps
    )
    split, sink = graph.add("split"), graph.add("buffersink")
    palette = graph.add("palettegen", "max_colors=48")
    use = graph.add("paletteuse", "dither=none:diff_mode=rectangle")
    source.link_to(split)
    split.link_to(palette, 0, 0)
    split.link_to(use, 1, 0)
    palette.link_to(use, 0, 1)
    use.link_to(sink)
    graph.configure()
    for number, pixels in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24")
        frame.pts, frame.time_base = number, 1 / fps
        source.push(frame)
    source.push(None)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("gif", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "pal8"
        for _ in frames:
            container.mux(stream.encode(sink.pull()))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    sample = draw("jack", 3, seconds=3, height=240, width=320, style="textured")
    write_video(ROOT / "src/actionzoo/assets/sample.mp4", sample, fps=FPS)
    write_gif(grid(), ROOT / "docs/figures.gif", FPS / 2)
