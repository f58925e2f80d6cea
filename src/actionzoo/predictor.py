"""Video in, prediction out: the one place where the steps stand in order."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from fractions import Fraction
from itertools import islice

import numpy as np

from actionzoo.backends import Backend
from actionzoo.backends.files import open_backend
from actionzoo.clip import VideoInfo
from actionzoo.errors import ConfigError
from actionzoo.prediction import Failure, Prediction
from actionzoo.pretrained import find_model, refuse_flow
from actionzoo.reader import read_clips, video_ticks
from actionzoo.sampling import choose_ticks
from actionzoo.spec import ModelSpec, Views
from actionzoo.transforms import check_crops, eval_transform
from actionzoo.video import EndedEarly, Source, Video, open_video

BUNDLED = "figures10"
"""The model that comes with the package: ten everyday motions, no download."""


class Predictor:
    """Says which actions videos show.

    Args:
        model: Path of an exported model (``.xml``, ``.onnx``, or a folder with one) or a name of
            the zoo, ``NAME@TAG`` for one of several weights. At the first use of a name its weights
            are downloaded and converted.
        clips: Clips a video; None takes what the model's spec says.
        crops: Crops a clip, 1, 3 or 10; None takes what the model's spec says.
        device: A device of OpenVINO, such as ``CPU``, ``GPU``, ``AUTO`` or ``HETERO:GPU,CPU``; ONNX
            Runtime has the CPU only.
        fps: Frame rate of folders of pictures, which carry none; None takes the model's.
        spec: The spec of a model file that carries none.

    Raises:
        UnknownModel: There is no such model.
        BadWeights: The model file cannot be used.
        ConfigError: An option is out of range, or there is no such device.
        MissingExtra: The model is ONNX's, and ONNX Runtime is not installed.

    >>> Predictor()("clip.mp4").top_k(1)  # doctest: +SKIP
    [LabelScore(label='wave two hands', class_index=9, score=0.99)]
    """

    def __init__(
        self,
        model: str | os.PathLike[str] = BUNDLED,
        *,
        clips: int | None = None,
        crops: int | None = None,
        device: str = "CPU",
        fps: Fraction | None = None,
        spec: ModelSpec | None = None,
    ) -> None:
        file = find_model(model, spec=spec)
        self.backend: Backend = open_backend(file, device=device, spec=spec)
        self.spec = self.backend.spec
        refuse_flow(self.spec)
        self.views = _chosen_views(self.spec.views, clips=clips, crops=crops)
        check_crops(self.spec.input, self.views.crops)
        self.fps = fps or self.spec.input.fps

    def __call__(self, source: Source) -> Prediction:
        """Predict one video.

        Args:
            source: Path of a file or of a folder of pictures, URL, bytes or binary file object.

        Raises:
            VideoError: The video cannot be read, or is too short for the model's policy.
        """
        start = time.perf_counter()
        with open_video(source, fps=self.fps) as video:
            info, outputs = self._submit(video)
            logits = np.concatenate([output.result() for output in outputs])
            return Prediction(
                path=info.name,
                model=self.spec.name,
                labels=self.spec.labels,
                scores=average(logits, self.spec, self.views),
                views=len(logits),
                fps=None if info.fps is None else float(info.fps),
                duration_seconds=float(info.duration_seconds),
                elapsed_seconds=time.perf_counter() - start,
                warnings=tuple(video.warnings),
            )

    def predict_many(self, sources: Iterable[Source]) -> Iterator[Prediction | Failure]:
        """Predict many videos, decoding some while the network looks at others.

        A video that cannot be read gives a ``Failure`` and harms no other. A few videos are under
        way at a time, so memory does not grow with their number.

        Yields:
            One outcome a source, as soon as it is known.
        """
        remaining = iter(sources)
        # One more than there are cores: one of them always waits for the network or the disk.
        workers = (os.cpu_count() or 1) + 1
        pool = ThreadPoolExecutor(workers, thread_name_prefix="predict")
        under_way: set[Future[Prediction | Failure]] = set()
        try:
            while True:
                fresh = islice(remaining, workers - len(under_way))
                under_way |= {pool.submit(self._try, source) for source in fresh}
                if not under_way:
                    return
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        finally:
            pool.shutdown(cancel_futures=True)

    def _try(self, source: Source) -> Prediction | Failure:
        # Whatever goes wrong with one video, the others are still to be done.
        try:
            return self(source)
        except Exception as error:
            return Failure(path=source_name(source), error=error)

    def _submit(self, video: Video) -> tuple[VideoInfo, list[Future[np.ndarray]]]:
        """Decode a video and hand its views to the backend, clip by clip.

        A file may hold less than its header says. What is there is then looked at once more, as a
        video of that length.
        """
        try:
            return video.info, self._submit_clips(video, video.info)
        except EndedEarly as end:
            info = replace(video.info, duration_seconds=end.duration_seconds)
            return info, self._submit_clips(video, info)

    def _submit_clips(self, video: Video, info: VideoInfo) -> list[Future[np.ndarray]]:
        spec = self.spec.input
        ticks = choose_ticks(spec, video_ticks(info, spec), clips=self.views.clips)
        return [
            self.backend.submit(eval_transform(clip.pixels, spec, crops=self.views.crops))
            for clip in read_clips(video, ticks, spec)
        ]


def predict(
    source: Source, model: str | os.PathLike[str] = BUNDLED, *, clips: int | None = None
) -> Prediction:
    """Predict one video; for several, make a ``Predictor`` once and use it for all.

    Raises:
        ActionZooError: The model or the video cannot be used; the message says why.
    """
    return Predictor(model, clips=clips)(source)


def average(outputs: np.ndarray, spec: ModelSpec, views: Views) -> np.ndarray:
    """Make one row of scores of the outputs of all views.

    Args:
        outputs: Shape (V, K) float32, logits or scores as the spec says.
        spec: Whether the network ends in logits or scores, and whether labels exclude one another.
        views: Whether logits or scores are averaged.

    Returns:
        Shape (K,) float32 in [0, 1]; sums to 1 unless a video may have several labels.
    """
    to_scores = sigmoid if spec.several_labels else softmax
    if spec.input.output == "logits" and views.average == "logits":
        return to_scores(outputs.mean(axis=0))
    scores = outputs if spec.input.output == "scores" else to_scores(outputs)
    mean = scores.mean(axis=0)
    return np.asarray(mean if spec.several_labels else mean / mean.sum(), np.float32)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Turn logits (..., K) into scores that sum to 1 along the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float32)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Turn logits into scores in [0, 1], each by itself."""
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -80, 80))), np.float32)


def source_name(source: Source) -> str:
    """Return how a source is called in results and messages."""
    return os.fspath(source) if isinstance(source, (str, os.PathLike)) else "<bytes>"


def _chosen_views(default: Views, *, clips: int | None, crops: int | None) -> Views:
    try:
        return Views(
            clips=default.clips if clips is None else clips,
            crops=default.crops if crops is None else crops,
            average=default.average,
        )
    except ValueError as error:
        raise ConfigError(str(error)) from error
