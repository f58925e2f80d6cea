"""Open Model Zoo's pipeline of two networks, in plain OpenVINO, over a video.

    python encoder_decoder.py -m_en NAME-encoder.xml -m_de NAME-decoder.xml -lb labels.txt -i VIDEO

The encoder makes an embedding of a frame, the decoder tells the action from 16 of them. The options
are those of Open Model Zoo's ``action_recognition_demo``; Intel's own files and exported ones may
be given. Needs numpy, PyAV and OpenVINO, and plain_video.py beside this file.
"""

from __future__ import annotations

import argparse
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import openvino
from plain_video import centre, resized, softmax


def main() -> None:
    """Print a line a window: from when to when, and the best three labels."""
    words = parsed()
    core = openvino.Core()
    # Without the hint, processors that know 16-bit numbers compute with them: faster, less exact.
    settings = {"INFERENCE_PRECISION_HINT": "f32"} if words.device == "CPU" else {}
    encoder = core.compile_model(words.encoder, words.device, settings)
    decoder = core.compile_model(words.decoder, words.device, settings)
    labels = Path(words.labels).read_text(encoding="utf-8").splitlines()
    # Both networks have one input and one output, found by their place: their names differ. All
    # sizes are in their shapes: (1, 3, 224, 224) -> (1, 512, 1, 1), and (1, 16, 512) -> (1, K).
    # (partial_shape rather than shape: the batch of an exported file may be free.)
    side = encoder.input(0).partial_shape[2].get_length()
    length = decoder.input(0).partial_shape[1].get_length()
    window: deque[tuple[float, np.ndarray]] = deque(maxlen=length)
    for seconds, picture in pictures(words.input, side, words.every):
        embedding = encoder(picture[None].astype(np.float32))[0]
        window.append((seconds, embedding.reshape(1, -1)))
        if len(window) == length:
            logits = decoder(np.concatenate([one for _, one in window])[None])[0]
            report(window[0][0], seconds, softmax(logits[0]), labels)
            if not words.sliding:
                window.clear()


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Encoder and decoder over a video.")
    add = parser.add_argument
    add("-m_en", dest="encoder", required=True, help="network of single frames, .xml")
    add("-m_de", dest="decoder", required=True, help="network of their embeddings, .xml")
    add("-lb", dest="labels", required=True, help="text file, a label a line")
    add("-i", dest="input", required=True, help="video")
    add("-d", dest="device", default="CPU", help="CPU (unless given), GPU, NPU, AUTO")
    # "Skip every second frame in 30 fps video", says the model's document; the demo takes all.
    add("--every", type=int, default=2, help="look at every n-th frame; 2 unless given")
    add("--sliding", action="store_true", help="answer at each frame, not once a window")
    return parser.parse_args()


def pictures(path: str, side: int, every: int) -> Iterator[tuple[float, np.ndarray]]:
    """Yield every n-th frame of a video: seconds, and pixels (3, side, side) uint8 BGR."""
    size = {"rule": "short_side", "height": side, "width": side, "rounding": "floor"}
    with av.open(path) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number % every == 0:
                height, width = resized(size, frame.height, frame.width)
                small = frame.reformat(width, height, interpolation="BILINEAR")
                pixels = small.reformat(format="bgr24").to_ndarray()
                yield frame.time, centre(pixels, side, side, "round").transpose(2, 0, 1)


def report(start: float, end: float, scores: np.ndarray, labels: list[str]) -> None:
    """Print the best three labels of a window."""
    best = np.argsort(-scores)[:3]
    told = ", ".join(f"{labels[index]} {scores[index]:.4f}" for index in best)
    print(f"{start:.2f} to {end:.2f} s: {told}")


if __name__ == "__main__":
    main()
