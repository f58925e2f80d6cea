"""From a video to what an exported model is fed, with PyAV and numpy: the part to port.

``spec`` is the JSON inside a model file, parsed; every number below comes from it. What is left
out: videos that are stored turned or with pixels that are not square, damaged files, and crops
other than the centre one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np

WHOLE = {"floor": math.floor, "round": round, "ceil": math.ceil}
"""How a side or a margin becomes a whole number of pixels."""


def fed_clips(path: str, spec: dict[str, Any]) -> Iterator[np.ndarray]:
    """Yield what the network is fed for each clip of a video, shape as its input, batch 1."""
    fed = spec["input"]
    with av.open(path) as container:
        stream = container.streams.video[0]
        # 1. The model has a clock of its own: a clip covers the same time at every frame rate.
        #    A model without one counts the video's frames.
        rate = stream.average_rate or Fraction(30)
        fps = Fraction(fed["fps"] or rate)
        if stream.duration:
            seconds = stream.duration * stream.time_base
        else:
            seconds = Fraction(container.duration, av.time_base)
        ticks = choose_ticks(fed, max(1, int(seconds * fps + Fraction(1, 2))), spec["views"])
        # 2. The frame on screen at each tick's time, not the tick-th frame of the file.
        wanted = sorted(set(ticks.ravel().tolist()))
        late = min(1 / rate / 2, Fraction(1, 60))
        shown = shown_at(container.decode(stream), [tick / fps + late for tick in wanted])
        pixels = {tick: scaled(frame, fed) for tick, frame in zip(wanted, shown, strict=True)}
    for clip in ticks.tolist():
        yield arranged(np.stack([pixels[tick] for tick in clip]), fed)


def choose_ticks(fed: dict[str, Any], total: int, views: dict[str, Any]) -> np.ndarray:
    """Choose the ticks of the clips of a video that is ``total`` ticks long, shape (clips, T)."""
    frames, clips = fed["frames"], views["clips"]
    places = np.arange(frames)
    if fed["sampling"] == "segments":  # one frame from each equal part of the video
        offsets = 2 * np.arange(clips)[:, None] + 1
        return (2 * clips * places + offsets) * total // (2 * clips * frames)
    # Every stride-th tick; one clip in the middle, several from the start to the end.
    room = max(0, total - ((frames - 1) * fed["stride"] + 1))
    starts = [room // 2] if clips == 1 else [one * room // (clips - 1) for one in range(clips)]
    ticks = np.array(starts)[:, None] + fed["stride"] * places
    if fed["short"] == "error" and ticks.max() >= total:
        raise SystemExit(f"the video has {total} frames, the model needs {ticks.max() + 1}")
    return ticks % total if fed["short"] == "loop" else np.minimum(ticks, total - 1)


def shown_at(frames: Iterable[av.VideoFrame], times: list[Fraction]) -> Iterator[av.VideoFrame]:
    """Yield the frame on screen at each time, in seconds from the first frame, rising."""
    origin, latest = None, None
    left = iter(times)
    time = next(left, None)
    for frame in frames:
        start = frame.pts * frame.time_base
        origin = start if origin is None else origin
        while time is not None and latest is not None and start - origin > time:
            yield latest
            time = next(left, None)
        if time is None:
            return
        latest = frame
    while time is not None:  # the last frame stays
        yield latest
        time = next(left, None)


def scaled(frame: av.VideoFrame, fed: dict[str, Any]) -> np.ndarray:
    """Return a frame as the model wants it, shape (height, width, 3) uint8 RGB."""
    if fed.get("whole_frames"):  # the network scales and crops by itself
        return frame.to_ndarray(format="rgb24")
    # 3. Bilinear, as FFmpeg's swscale does it; the size first, then the colours.
    height, width = resized(fed["resize"], frame.height, frame.width)
    small = frame.reformat(width, height, interpolation="BILINEAR")
    pixels = small.reformat(format="rgb24").to_ndarray()
    return centre(pixels, fed["height"], fed["width"], fed["crop_rounding"])


def resized(resize: dict[str, Any], height: int, width: int) -> tuple[int, int]:
    """Return the height and width that a frame is scaled to."""
    if resize["rule"] == "squash":
        return resize["height"], resize["width"]
    ratios = Fraction(resize["height"], height), Fraction(resize["width"], width)
    ratio = max(ratios) if resize["rule"] == "short_side" else min(ratios)  # else: fit inside
    whole = WHOLE[resize["rounding"]]
    return max(1, whole(height * ratio)), max(1, whole(width * ratio))


def centre(pixels: np.ndarray, height: int, width: int, rounding: str) -> np.ndarray:
    """Cut out the middle; where the frame is smaller it lies in the middle of black."""
    top = WHOLE[rounding](Fraction(pixels.shape[0] - height, 2))
    left = WHOLE[rounding](Fraction(pixels.shape[1] - width, 2))
    inside = pixels[max(0, top) : top + height, max(0, left) : left + width]
    crop = np.zeros((height, width, 3), np.uint8)
    row, column = max(0, -top), max(0, -left)
    crop[row : row + inside.shape[0], column : column + inside.shape[1]] = inside
    return crop


def arranged(pixels: np.ndarray, fed: dict[str, Any]) -> np.ndarray:
    """Turn the pixels of a clip, shape (T, H, W, 3), into what the network is fed."""
    # 4. Order of colours; range, mean and deviation, unless the network does that by itself.
    values = pixels if fed["color"] == "RGB" else pixels[..., ::-1]
    if not fed.get("whole_frames"):
        low, high = fed["value_range"]
        values = low + values * np.float32((high - low) / 255)
        values = (values - np.float32(fed["mean"])) / np.float32(fed["std"])
    # 5. Order of axes: B batch, C colours, T frames, H rows, W columns, S an axis of one.
    axes = [axis for axis in fed["layout"] if axis not in "BS"]
    values = values.transpose(["THWC".index(axis) for axis in axes])
    for place, axis in enumerate(fed["layout"]):
        values = np.expand_dims(values, place) if axis in "BS" else values
    return np.ascontiguousarray(values)


def mean_scores(outputs: list[np.ndarray], spec: dict[str, Any]) -> np.ndarray:
    """Make one score a label, shape (K,), of what the network says of each clip, shape (1, K)."""
    rows = np.concatenate(outputs).reshape(len(outputs), -1)
    if spec["input"]["output"] == "scores":
        return rows.mean(0)
    to_scores = sigmoid if spec.get("several_labels") else softmax
    # 6. Either the logits of several clips are averaged or their scores.
    if spec["views"]["average"] == "logits":
        return to_scores(rows.mean(0))
    return to_scores(rows).mean(0)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Turn logits into scores that sum to 1, along the last axis."""
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Turn each logit by itself into a score from 0 to 1: a video may have several labels."""
    return 1 / (1 + np.exp(-logits))


def print_best(scores: np.ndarray, labels: list[str], count: int = 3) -> None:
    """Print the best labels, a line each."""
    for index in np.argsort(-scores)[:count]:
        print(f"{scores[index]:.4f}  {labels[index]}")
