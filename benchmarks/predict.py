"""X3D-S, one centre clip a video: the straight way against ours, side by side in one run.

Run: python benchmarks/predict.py [VIDEO_OR_FOLDER ...] [--rounds 5]

(a) The straight way: PyAV decodes every frame to RGB, torch picks and resizes, torch runs the
    network eagerly.
(b) Ours: `Predictor.predict_many`.
The floor of (b): its inferences alone plus, one after the other, its decoding alone of the frames
that have to be decoded (keyframe to last wanted frame, nothing converted).

Weights are random: they cost the same as trained ones. Both ways get the same, and their scores
are compared. Without a VIDEO, the real clips beside the checkout are used, or drawn ones.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import torch

from actionzoo.backends.openvino_backend import OpenVINOBackend
from actionzoo.catalog import get_spec
from actionzoo.conversion import export_openvino
from actionzoo.prediction import Prediction
from actionzoo.predictor import Predictor
from actionzoo.reader import video_ticks
from actionzoo.sampling import choose_ticks, clock
from actionzoo.sources import expand_sources
from actionzoo.spec import InputSpec
from actionzoo.video import open_video
from actionzoo.zoo import create_model

MODEL = "x3d_s_kinetics400"
REAL_CLIPS = Path(__file__).parents[2] / "shared" / "data" / "clips"


# (a) the straight way


class Straight:
    """What one writes in an afternoon with PyAV and torch."""

    def __init__(self, network: torch.nn.Module, spec: InputSpec) -> None:
        self.network, self.spec = network, spec

    def __call__(self, path: str) -> np.ndarray:
        """Return the scores of the centre clip of one video."""
        frames, times = [], []
        with av.open(path) as container:
            for frame in container.decode(video=0):
                frames.append(frame.to_ndarray(format="rgb24"))
                times.append(frame.time or 0.0)
        clip = torch.from_numpy(np.stack([frames[one] for one in self._centre(np.array(times))]))
        with torch.inference_mode():
            return np.asarray(self.network(self._resize(clip)).softmax(1)[0])

    def _centre(self, times: np.ndarray) -> np.ndarray:
        assert self.spec.fps
        times = times - times[0]
        ticks = round((times[-1] + times[-1] / max(1, len(times) - 1)) * float(self.spec.fps))
        start = max(0, ticks - self.spec.span) // 2
        wanted = np.minimum(start + self.spec.stride * np.arange(self.spec.frames), ticks - 1)
        return np.asarray(np.abs(times - wanted[:, None] / float(self.spec.fps)).argmin(1))

    def _resize(self, clip: torch.Tensor) -> torch.Tensor:
        """(T,H,W,C) uint8 to (1,C,T,S,S) float32: short side, centre crop, mean and std."""
        size = self.spec.height
        pixels = clip.permute(0, 3, 1, 2).float() / 255
        height, width = pixels.shape[2:]
        scale = size / min(height, width)
        new = (max(size, int(height * scale)), max(size, int(width * scale)))
        pixels = torch.nn.functional.interpolate(pixels, new, mode="bilinear", antialias=True)
        top, left = (new[0] - size) // 2, (new[1] - size) // 2
        crop = pixels[:, :, top : top + size, left : left + size]
        return ((crop - self.spec.mean[0]) / self.spec.std[0]).permute(1, 0, 2, 3)[None]


# the floor


def wanted_seconds(path: str, spec: InputSpec) -> tuple[str, float, float]:
    """Return a video with the times of the first and the last frame of its centre clip."""
    with open_video(path) as video:
        ticks = choose_ticks(spec, video_ticks(video.info, spec), clips=1)
        fps = clock(spec, video.info.fps)
    return path, float(ticks.min() / fps), float(ticks.max() / fps)


def decode_only(path: str, first: float, last: float) -> int:
    """Decode from the keyframe before ``first`` to ``last``, convert nothing; return how many."""
    count = 0
    with av.open(path) as container:
        stream = container.streams.video[0]
        begin = float((stream.start_time or 0) * (stream.time_base or 0))
        container.seek(int((first + begin) * av.time_base))
        for frame in container.decode(stream):
            count += 1
            if (frame.time or 0.0) >= last + begin:
                break
    return count


def infer_only(backend: OpenVINOBackend, count: int) -> None:
    clip = np.random.default_rng(0).standard_normal((1, *backend.spec.input.shape), np.float32)
    for output in [backend.submit(clip) for _ in range(count)]:
        output.result()


# measuring


@dataclass
class Timing:
    """Seconds of each round of one part."""

    name: str
    work: Callable[[], object]
    seconds: list[float]

    def run(self) -> None:
        """Do the work once and note how long it took."""
        start = time.perf_counter()
        self.work()
        self.seconds.append(time.perf_counter() - start)

    @property
    def median(self) -> float:
        """The middle one of the rounds."""
        return statistics.median(self.seconds)


PEAK = """
import re, sys
import actionzoo
if sys.argv[1] == "ours":
    actionzoo.predict(sys.argv[3], sys.argv[2])
else:
    sys.path.insert(0, sys.argv[4])
    import predict as benchmark
    spec = benchmark.get_spec(benchmark.MODEL)
    benchmark.Straight(benchmark.create_model(benchmark.MODEL).eval(), spec.input)(sys.argv[3])
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""


def peak_mb(way: str, file: Path, video: str) -> float:
    """Return the peak resident memory of one prediction in a fresh process, in MB."""
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", PEAK, way, str(file), video, here]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout) / 1024


def drawn_clips(folder: Path) -> list[str]:
    from actionzoo.synthetic import make_dataset

    make_dataset(folder, clips_per_class=2, seed=0)
    return sorted(map(str, folder.rglob("*.mp4")))


def long_video(path: Path, seconds: int) -> Path:
    """Write a 320x240 video whose picture moves, 25 fps, 10 s between keyframes."""
    texture = np.random.default_rng(0).integers(0, 255, (30, 80), dtype=np.uint8)
    texture = texture.repeat(8, 0).repeat(8, 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number in range(25 * seconds):
            shift = number % 320
            picture = np.ascontiguousarray(texture[:, shift : shift + 320])
            frame = av.VideoFrame.from_ndarray(picture, format="gray").reformat(format="yuv420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def compare_scores(straight: Straight, predictor: Predictor, videos: list[str]) -> None:
    differences = []
    for path in videos:
        ours = predictor(path).scores
        differences.append(float(np.abs(ours - straight(path)).max()))
    print(f"largest difference of a score between the two ways: {max(differences):.1e}")


def time_parts(
    straight: Straight, predictor: Predictor, videos: list[str], rounds: int
) -> dict[str, float]:
    """Time every part in turn, round after round, so that a busy machine is busy for all."""
    spec, backend = predictor.spec.input, predictor.backend
    assert isinstance(backend, OpenVINOBackend)
    pool = ThreadPoolExecutor(2)
    wanted = [wanted_seconds(path, spec) for path in videos]
    parts = [
        Timing("straight", lambda: [straight(path) for path in videos], []),
        Timing("ours", lambda: list(predictor.predict_many(videos)), []),
        Timing("inference", lambda: infer_only(backend, len(videos)), []),
        Timing("decoding", lambda: list(pool.map(lambda one: decode_only(*one), wanted)), []),
        Timing("decoding, one thread", lambda: [decode_only(*one) for one in wanted], []),
    ]
    for part in parts:
        part.work()
    for _ in range(rounds):
        for part in parts:
            part.run()
    return {part.name: 1000 * part.median / len(videos) for part in parts}


def report(ms: dict[str, float]) -> None:
    floor = ms["inference"] + ms["decoding"]
    print(f"straight way          {ms['straight']:8.1f} ms a video")
    print(f"ours                  {ms['ours']:8.1f} ms a video")
    print(
        f"  inference alone     {ms['inference']:8.1f} ms ({ms['inference'] / floor:.0%} of floor)"
    )
    print(f"  decoding alone      {ms['decoding']:8.1f} ms ({ms['decoding'] / floor:.0%} of floor)")
    print(f"    on one thread     {ms['decoding, one thread']:8.1f} ms")
    print(f"ratio straight / ours {ms['straight'] / ms['ours']:8.2f}   (target >= 3.5)")
    print(f"ratio ours / floor    {ms['ours'] / floor:8.2f}   (target <= 1.1)")


def report_memory(videos: list[str], file: Path, folder: Path) -> None:
    largest = max(videos, key=lambda path: Path(path).stat().st_size)
    straight, ours = (peak_mb(way, file, largest) for way in ("straight", "ours"))
    print(f"peak memory of one video: straight {straight:.0f} MB, ours {ours:.0f} MB")
    short = peak_mb("ours", file, str(long_video(folder / "10s.mp4", 10)))
    long = peak_mb("ours", file, str(long_video(folder / "30min.mp4", 1800)))
    print(f"ours: 10 s video {short:.0f} MB, 30 min video {long:.0f} MB, {long - short:+.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("videos", nargs="*")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    network = create_model(MODEL).eval()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        typed = arguments.videos or ([str(REAL_CLIPS)] if REAL_CLIPS.exists() else [])
        videos = [one for one in expand_sources(typed) if isinstance(one, str)]
        videos = videos or drawn_clips(folder / "drawn")
        file = export_openvino(network, get_spec(MODEL), folder / "x3d_s.xml", precision="fp32")
        straight, predictor = Straight(network, get_spec(MODEL).input), Predictor(file, clips=1)
        outcomes = list(predictor.predict_many(videos))
        assert all(isinstance(one, Prediction) for one in outcomes), outcomes
        print(f"{MODEL} fp32, {len(videos)} videos, torch with {torch.get_num_threads()} threads")
        compare_scores(straight, predictor, videos)
        report(time_parts(straight, predictor, videos, arguments.rounds))
        report_memory(videos, file, folder)


if __name__ == "__main__":
    main()
