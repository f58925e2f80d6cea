"""What a model says of every video of a dataset, by named protocols, each video decoded once.

The views of all protocols come from one pass over a video: pictures are decoded once, scaled once
to each size, and a clip that several protocols look at in the same way (or one protocol several
times, as in a short video) is computed once. A few videos are under way at a time: some are decoded
while the network looks at others, and memory grows neither with their number nor, beyond the clips
that overlap, with their length.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

import numpy as np

from actionzoo.backends import Backend
from actionzoo.clip import VideoInfo
from actionzoo.datasets import Sample, VideoDataset
from actionzoo.errors import ConfigError, VideoError
from actionzoo.evaluation.matching import match_labels
from actionzoo.evaluation.networks import Engine, Network, load_network
from actionzoo.evaluation.results import Evaluation
from actionzoo.placements import place_clips
from actionzoo.predictor import average
from actionzoo.protocols import (
    PROTOCOLS,
    Protocol,
    default_protocol,
    describe,
    own_protocol,
    suits,
    viewed,
)
from actionzoo.reader import part_ticks, read_together
from actionzoo.spec import InputSpec, ModelSpec
from actionzoo.transforms import check_crops, eval_transform
from actionzoo.video import EndedEarly, Video, open_video
from actionzoo.workers import in_threads

logger = logging.getLogger(__name__)

Report = Callable[[int, int], None]
"""Told how many videos are done and to do."""

_BATCH_BYTES = 48 * 2**20
"""Views of a video are handed to the network once they are so large."""
_SMALLEST = np.float32(1e-12)


def evaluate(
    model: str | os.PathLike[str] | Network,
    dataset: VideoDataset,
    *,
    protocols: Sequence[Protocol] | None = None,
    backend: Engine | None = None,
    device: str | None = None,
    split: str | None = None,
    fold: int = 1,
    skip_unknown_labels: bool = False,
    progress: Report | None = None,
) -> list[Evaluation]:
    """Look at every video of a dataset by some protocols.

    A video that cannot be read is a failure with its reason, and is never replaced.

    Args:
        model: A name of the zoo, a run folder, a model file, or what ``load_network`` returned.
        dataset: Labelled videos, the selected split only.
        protocols: How videos are looked at; None takes what the model's published accuracy was
            measured with, or else the model's own views.
        backend: What runs the network, where ``model`` is not loaded yet; None takes what its file
            is for.
        device: A device of it.
        split: Which split of its dataset this is, to be told.
        fold: Which way of splitting, to be told.
        skip_unknown_labels: Leave out the videos whose label the model does not know.
        progress: Told after every video.

    Returns:
        One evaluation a protocol, videos in the order of the dataset.

    Raises:
        UnknownModel: There is no such model.
        BadWeights: The model cannot be used.
        ConfigError: A label is unknown to the model, the network cannot take what a protocol feeds
            it, or there is no such device.
    """
    network = (
        model if isinstance(model, Network) else load_network(model, engine=backend, device=device)
    )
    spec = network.spec
    chosen = list(protocols) if protocols is not None else [default_protocol(spec)]
    dataset, targets = match_labels(dataset, spec, skip_unknown_labels=skip_unknown_labels)
    several = targets.ndim == 2
    for protocol in chosen:
        logger.info("%s: %s", protocol.name, protocol.summary)
    looks = [Look.of(protocol, network, several_labels=several) for protocol in chosen]
    start = time.perf_counter()
    outcomes = _outcomes(_Watcher(looks, targets), dataset, progress)
    seconds = time.perf_counter() - start
    return [
        _evaluation(
            network,
            dataset,
            look,
            targets=targets,
            answers=[one if isinstance(one, str) else one[number] for one in outcomes],
            facts={"split": split, "fold": fold, "seconds": seconds},
        )
        for number, look in enumerate(looks)
    ]


def fitting_protocols(network: Network) -> list[Protocol]:
    """Return every protocol that suits a network, its own views among them.

    Those that want a size which the network cannot take are left out and reported.
    """
    own = own_protocol(network.spec)
    found = []
    for protocol in (PROTOCOLS[0], own, *PROTOCOLS[1:]):
        if not suits(protocol, network.spec.input):
            continue
        try:
            network.fed(viewed(protocol, network.spec.input))
        except ConfigError as error:
            logger.info("without %s: %s", protocol.name, error)
            continue
        found.append(protocol)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """A protocol, what it feeds the network, and the network for that."""

    protocol: Protocol
    model: ModelSpec
    """Its input is what the protocol makes of it."""
    backend: Backend

    @classmethod
    def of(cls, protocol: Protocol, network: Network, *, several_labels: bool) -> Look:
        """Prepare a network for a protocol.

        Raises:
            ConfigError: The network cannot take what the protocol feeds it.
        """
        own = network.spec.input
        fed = viewed(protocol, own)
        check_crops(fed, protocol.crops)
        if own.whole_frames and (fed.resize, fed.shape) != (own.resize, own.shape):
            raise ConfigError(
                f"{network.name!r} scales and crops frames itself, which {protocol.name} wants "
                "otherwise; use the protocol own, or export without --embed-preprocessing"
            )
        model = replace(network.spec, input=fed, several_labels=several_labels)
        return cls(protocol, model, network.fed(fed))

    @property
    def spec(self) -> InputSpec:
        """What the network is fed."""
        return self.model.input


@dataclass(frozen=True, slots=True, eq=False)
class _Answer:
    """What the model says of one video."""

    logits: np.ndarray
    scores: np.ndarray
    clip_hits: float


def _outcomes(
    watcher: _Watcher, dataset: VideoDataset, progress: Report | None
) -> list[list[_Answer] | str]:
    """Look at all videos; of each the answers by protocol, or why there are none."""
    outcomes: list[list[_Answer] | str] = [""] * len(dataset)
    # One more than there are cores: one of them always waits for the network or the disk.
    threads = (os.cpu_count() or 1) + 1

    def look(row: int) -> list[_Answer] | str:
        return watcher(dataset[row], row)

    for done, (row, outcome) in enumerate(
        in_threads(look, range(len(dataset)), threads=threads), start=1
    ):
        outcomes[row] = outcome
        if progress is not None:
            progress(done, len(dataset))
    return outcomes


class _Watcher:
    """Looks at one video at a time by several protocols; may be called from several threads."""

    def __init__(self, looks: Sequence[Look], targets: np.ndarray) -> None:
        self.looks, self.targets = looks, targets
        # Looks that feed the network the same crops of the same frames share their clips.
        self._groups: dict[tuple[InputSpec, int], list[int]] = {}
        for number, look in enumerate(looks):
            self._groups.setdefault((look.spec, look.protocol.crops), []).append(number)

    def __call__(self, sample: Sample, row: int) -> list[_Answer] | str:
        """Return the answers by protocol, or why the video cannot be read."""
        try:
            outputs = self._outputs(sample)
        except (VideoError, OSError) as error:
            return str(error)
        target = self.targets[row]
        return [_answer(one, look, target) for look, one in zip(self.looks, outputs, strict=True)]

    def _outputs(self, sample: Sample) -> list[np.ndarray]:
        """Return the network's outputs of all views by protocol, each shape (V, K)."""
        fps = sample.fps or self.looks[0].spec.fps
        with open_video(sample.path, fps=fps) as video:
            try:
                return self._look(video, video.info, sample)
            except EndedEarly as end:
                # What is there is looked at once more, as a video of that length.
                info = replace(video.info, duration_seconds=end.duration_seconds)
                return self._look(video, info, sample)

    def _look(self, video: Video, info: VideoInfo, sample: Sample) -> list[np.ndarray]:
        placed = [_placed(look, info, sample) for look in self.looks]
        groups = list(self._groups.items())
        wanted, places = [], []
        for (spec, _), members in groups:
            ticks = np.concatenate([placed[number] for number in members])
            distinct, place = np.unique(ticks, axis=0, return_inverse=True)
            wanted.append((distinct, spec))
            places.append(place.reshape(-1))
        feeds = [
            _Feed(self.looks[members[0]].backend, spec, crops) for (spec, crops), members in groups
        ]
        for number, clip in read_together(video, wanted):
            feeds[number].take(clip.pixels)
        outputs: list[np.ndarray] = [np.empty(0)] * len(self.looks)
        for (_, members), feed, place in zip(groups, feeds, places, strict=True):
            by_clip = feed.outputs()[place]  # (clips of all members, crops, K)
            ends = np.cumsum([len(placed[number]) for number in members])[:-1]
            for number, part in zip(members, np.split(by_clip, ends), strict=True):
                outputs[number] = part.reshape(-1, part.shape[-1])
        return outputs


def _placed(look: Look, info: VideoInfo, sample: Sample) -> np.ndarray:
    part = part_ticks(
        info, look.spec, start_seconds=sample.start_seconds, end_seconds=sample.end_seconds
    )
    return np.asarray(part.start + place_clips(look.protocol, look.spec, len(part)))


class _Feed:
    """Makes the views of a video's clips, and hands them to the network some at a time."""

    def __init__(self, backend: Backend, spec: InputSpec, crops: int) -> None:
        self._backend, self._spec, self._crops = backend, spec, crops
        self._waiting: list[np.ndarray] = []
        self._futures: list[Future[np.ndarray]] = []
        views = crops * int(np.prod(spec.shape))
        self._most = 1 if spec.whole_frames else max(1, _BATCH_BYTES // (4 * views))

    def take(self, pixels: np.ndarray) -> None:
        """Take a clip, shape (T, H, W, C) uint8."""
        self._waiting.append(eval_transform(pixels, self._spec, crops=self._crops))
        if len(self._waiting) >= self._most:
            self._submit()

    def outputs(self) -> np.ndarray:
        """Return the network's outputs of all clips, shape (N, crops, K)."""
        if self._waiting:
            self._submit()
        rows = np.concatenate([future.result() for future in self._futures])
        return rows.reshape(-1, self._crops, rows.shape[-1])

    def _submit(self) -> None:
        views = self._waiting[0] if len(self._waiting) == 1 else np.concatenate(self._waiting)
        self._waiting = []
        self._futures.append(self._backend.submit(views))


def _answer(outputs: np.ndarray, look: Look, target: np.ndarray) -> _Answer:
    """Make one answer of the outputs of a video's views, shape (V, K)."""
    logits = outputs.mean(axis=0)
    if look.spec.output == "scores":
        logits = np.log(np.maximum(logits, _SMALLEST))
    scores = average(outputs, look.model, look.protocol.views)
    hits = (outputs.argmax(axis=1) == target).mean() if target.ndim == 0 else np.nan
    return _Answer(logits, scores, float(hits))


def _evaluation(
    network: Network,
    dataset: VideoDataset,
    look: Look,
    *,
    targets: np.ndarray,
    answers: Sequence[_Answer | str],
    facts: dict[str, object],
) -> Evaluation:
    spec: ModelSpec = network.spec
    read = [row for row, one in enumerate(answers) if not isinstance(one, str)]
    known = [one for one in answers if not isinstance(one, str)]
    paths, groups = dataset.paths(), dataset.groups()
    empty = np.empty((0, len(spec.labels)), np.float32)
    return Evaluation(
        model=network.name,
        backend=network.engine,
        protocol=describe(look.protocol, spec.input),
        dataset=dataset.root.name,
        root=os.fspath(dataset.root),
        list_hash=dataset.list_hash(),
        labels=spec.labels,
        paths=tuple(paths[row] for row in read),
        groups=tuple(groups[row] for row in read),
        targets=targets[read],
        logits=np.stack([one.logits for one in known]) if known else empty,
        scores=np.stack([one.scores for one in known]) if known else empty,
        clip_hits=np.array([one.clip_hits for one in known], np.float32),
        failures=tuple(
            (paths[row], one) for row, one in enumerate(answers) if isinstance(one, str)
        ),
        **facts,  # type: ignore[arg-type]
    )
