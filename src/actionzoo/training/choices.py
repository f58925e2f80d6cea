"""What is chosen for a run where its config says nothing: from the data and from the machine.

Every choice comes with a sentence, so that a person can judge it and say otherwise.
"""

from __future__ import annotations

import os
import statistics
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from actionzoo.catalog import get_spec
from actionzoo.datasets import VideoDataset
from actionzoo.download import fetch
from actionzoo.errors import ActionZooError, BadWeights, ConfigError
from actionzoo.loading import choose_workers_for
from actionzoo.reader import video_ticks
from actionzoo.sampling import clock
from actionzoo.spec import InputSpec, ModelSpec
from actionzoo.training.config import MODERATE, HardwareConfig, Precision, TrainConfig
from actionzoo.transforms import resized_size
from actionzoo.video import open_video
from actionzoo.zoo import BUNDLED_WEIGHTS

LIGHT = "x3d_xs_kinetics400"
"""What a CPU fine-tunes: its backbone costs 0.8 GMACs a clip."""
MEDIUM = "x3d_s_kinetics400"
"""What a GPU fine-tunes."""
OFFLINE = "figures10"
"""Its parameters come with the package."""

_LOOKED_AT = 32
"""As many videos are opened to learn how long they are."""
_CACHED_SHARE = 0.25
"""Of the memory that kept frames may take."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """What there is to compute with."""

    gpus: int
    gpu_bytes: int
    """Memory of the smallest GPU; 0 where there is none."""
    gpu_precision: Precision
    """The fastest that its GPUs have instructions for."""
    cores: int
    memory_bytes: int
    launched: int = 0
    """Processes on this machine that torchrun has started; 0 where it has not."""
    launched_nodes: int = 0
    """Machines that torchrun has started them on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Footage:
    """What a dataset's videos are like."""

    videos: int
    classes: int
    ticks: int
    """Length of the middle one, on the model's clock."""
    kept_bytes: int
    """Of all decoded frames at the model's size."""


def this_machine() -> Machine:
    """Look at the machine."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    sizes = [torch.cuda.get_device_properties(one).total_memory for one in range(gpus)]
    fast: Precision = "bf16" if gpus and torch.cuda.is_bf16_supported(False) else "fp16"
    return Machine(
        gpus=gpus,
        gpu_bytes=min(sizes, default=0),
        gpu_precision=fast if gpus else "fp32",
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1,
        memory_bytes=_memory_bytes(),
        **_launched(),
    )


def _launched() -> dict[str, int]:
    """Ask torchrun's variables, where it has started this process."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return {}
    here, everywhere = (int(os.environ[name]) for name in ("LOCAL_WORLD_SIZE", "WORLD_SIZE"))
    return {"launched": here, "launched_nodes": everywhere // here}


def _memory_bytes() -> int:
    """Return the memory there is, or that a container may take."""
    if not hasattr(os, "sysconf"):
        return 8 << 30
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text().strip() if limit.is_file() else ""
    return min(whole, int(text)) if text.isdigit() else whole


def choose_hardware(config: TrainConfig, machine: Machine) -> tuple[HardwareConfig, list[str]]:
    """Choose the device, how many of it, and the precision.

    Raises:
        ConfigError: A GPU is asked for where there is none, or more than there are.
    """
    wanted = config.hardware
    if wanted.device == "gpu" and not machine.gpus:
        raise ConfigError(
            "hardware.device is gpu, but torch finds no GPU here; use cpu, or install a torch "
            "build for the GPU there is (https://pytorch.org)"
        )
    on_gpu = wanted.device != "cpu" and machine.gpus > 0
    devices = wanted.devices or machine.launched or (machine.gpus if on_gpu else 1)
    if on_gpu and devices > machine.gpus:
        raise ConfigError(f"hardware.devices is {devices}, but there are {machine.gpus} GPUs here")
    fast = machine.gpu_precision if on_gpu else "fp32"
    precision = fast if wanted.precision == "auto" else wanted.precision
    if precision == "fp16" and not on_gpu:
        raise ConfigError("hardware.precision is fp16, which is for GPUs; a CPU has fp32 and bf16")
    nodes = machine.launched_nodes or wanted.nodes
    if config.features == "cache":
        if wanted.devices is None and not machine.launched:
            devices = 1
        if devices * nodes > 1:
            raise ConfigError(
                f"features is cache, which one process does, but there are {devices * nodes}; "
                "give hardware.devices=1, or train without it"
            )
    chosen = replace(
        wanted,
        device="gpu" if on_gpu else "cpu",
        devices=devices,
        nodes=nodes,
        precision=precision,
    )
    what = f"{devices} GPU{'s' if devices > 1 else ''}" if on_gpu else f"CPU, {machine.cores} cores"
    if devices * nodes > 1:
        what += f", {devices * nodes} processes on {nodes} machine{'s' if nodes > 1 else ''}"
    return chosen, [f"device: {what}, {precision}"]


def choose_model(config: TrainConfig, machine: Machine) -> tuple[TrainConfig, list[str]]:
    """Choose the model and what it starts from.

    Raises:
        UnknownModel: There is no model of the config's name.
        BadWeights: The weights that the config asks for cannot be had.
    """
    if config.model is not None:
        pretrained, why = _start(config.model, config.pretrained)
        return replace(config, pretrained=pretrained), [f"start: {why}"]
    name = MEDIUM if machine.gpus and config.hardware.device != "cpu" else LIGHT
    if config.pretrained is None:
        pretrained, _ = _start(name, None)
        if pretrained is False:
            told = (
                f"model: {OFFLINE}, which comes with the package; {name} would be better, but its "
                f"weights cannot be had now (actionzoo models download {name} says why)"
            )
            return replace(config, model=OFFLINE, pretrained=True), [told]
        config = replace(config, pretrained=pretrained)
    slow = name == LIGHT and config.features == "none" and config.epochs is None
    return (
        replace(config, model=name, features="cache", epochs=0)
        if slow and config.pretrained is not False
        else replace(config, model=name),
        [f"model: {name}, small and trained on Kinetics-400"],
    )


def _start(name: str, wanted: bool | str | None) -> tuple[bool | str, str]:
    """Choose the parameters to start from; what was asked for is not looked at here."""
    if wanted is not None:
        words = {False: "random parameters", True: "its default parameters"}
        return wanted, words[wanted] if isinstance(wanted, bool) else f"the parameters {wanted}"
    if name in BUNDLED_WEIGHTS:
        return True, "the parameters that come with the package"
    spec = get_spec(name)
    try:
        fetch(name, spec.choose_weights())
    except (LookupError, BadWeights, ConfigError) as error:
        told = str(error.args[0]).partition(";")[0] if error.args else ""
        return False, f"random parameters, for {told}"
    return True, f"its published weights ({spec.choose_weights().source})"


def look_at(dataset: VideoDataset, spec: InputSpec, several: int = _LOOKED_AT) -> Footage:
    """Open some videos, evenly spread over the list, to learn what all are like."""
    places = range(0, len(dataset), max(1, len(dataset) // several))
    ticks, sizes = [], []
    for place in places:
        sample = dataset[place]
        try:
            with open_video(sample.path, fps=sample.fps or spec.fps) as video:
                count = video_ticks(video.info, spec)
                if sample.end_seconds is not None:
                    fps = clock(spec, video.info.fps)
                    part = (sample.end_seconds - (sample.start_seconds or 0.0)) * float(fps)
                    count = min(count, max(1, round(part)))
                height, width = resized_size(spec.resize, video.info.height, video.info.width)
        except ActionZooError:
            continue
        ticks.append(count)
        sizes.append(count * height * width * 3)
    return Footage(
        videos=len(dataset),
        classes=sum(count > 0 for count in dataset.label_counts().values()),
        ticks=int(statistics.median(ticks)) if ticks else spec.span,
        kept_bytes=int(statistics.mean(sizes) * len(dataset)) if sizes else 0,
    )


def choose_input(
    config: TrainConfig, spec: ModelSpec, footage: Footage
) -> tuple[InputSpec, list[str]]:
    """Make the input of the config: what it says, and a stride that the videos are long enough for.

    Raises:
        ConfigError: Sizes of a model that is fed otherwise.
    """
    said, own = config.input, spec.input
    fed = replace(
        own,
        frames=said.frames or own.frames,
        stride=said.stride or own.stride,
        fps=None if said.clock == "video" else own.fps,
    )
    fed = _sized(fed, said.size, said.stretch)
    reasons = []
    if said.stride is None and own.sampling == "clip" and fed.span > footage.ticks:
        stride = max(1, (footage.ticks - 1) // max(1, fed.frames - 1))
        if stride < fed.stride:
            reasons.append(
                f"input: every {stride}. frame rather than every {fed.stride}., for the middle "
                f"video has {footage.ticks} frames and {fed.frames} x {fed.stride} would be more"
            )
            fed = replace(fed, stride=stride)
    return fed, reasons


def _sized(spec: InputSpec, size: int | None, stretch: float | None) -> InputSpec:
    """Return the spec with another crop, and frames in proportion."""
    if size is None and stretch is None:
        return spec
    side = min(spec.height, spec.width)
    factor = (size or side) / side
    height, width = round(spec.height * factor), round(spec.width * factor)
    rows, columns = (
        (spec.resize.height * factor, spec.resize.width * factor)
        if stretch is None
        else (height * stretch, width * stretch)
    )
    resize = replace(spec.resize, height=round(rows), width=round(columns))
    return replace(spec, height=height, width=width, resize=resize)


def choose_course(
    config: TrainConfig, spec: ModelSpec, footage: Footage, machine: Machine
) -> tuple[TrainConfig, list[str]]:
    """Choose batch size, learning rate, epochs, early stopping, changes, memory and workers."""
    reasons: list[str] = []
    training = max(1, round(footage.videos * (1 - config.val_share)))
    batch = config.batch_size or _batch_size(spec, training, machine, config.hardware.device)
    scratch = config.pretrained is False
    rate = config.learning_rate or _rate(config, batch, scratch=scratch)
    epochs = config.epochs if config.epochs is not None else _epochs(training, scratch=scratch)
    patience = config.patience
    if patience is None:
        patience = max(10, epochs // 4) if config.epochs is None else 0
    cache = config.cache
    if cache is None:
        cache = footage.kept_bytes < _CACHED_SHARE * machine.memory_bytes
    workers = 0 if cache else config.workers
    if workers is None:
        workers = choose_workers_for(training, training // batch)
    learns = epochs > 0
    if learns and config.batch_size is None:
        reasons.append(f"batch: {batch} clips; of {training} videos to train with, and in memory")
    if learns and config.learning_rate is None:
        start = "random parameters" if scratch else "trained parameters"
        reasons.append(f"learning rate: {rate:.2g}, for {start} and this batch")
    if config.epochs is None:
        reasons.append(
            f"epochs: {epochs}, ended early after {patience} without a better validation"
        )
    if learns and config.augment == MODERATE:
        reasons.append("changes: speed, zoom, place, mirror, light; all moderate")
    if config.cache is None:
        size = f"{footage.kept_bytes / 1e9:.1f} GB"
        reasons.append(
            f"frames: kept in memory, {size}"
            if cache
            else f"frames: decoded anew each time; all of them would be {size}"
        )
    return (
        replace(
            config,
            batch_size=batch,
            learning_rate=rate,
            epochs=epochs,
            patience=patience,
            cache=cache,
            workers=workers,
        ),
        reasons,
    )


def _batch_size(spec: ModelSpec, training: int, machine: Machine, device: str) -> int:
    """Choose a power of two: no more than fits, and at least eight steps an epoch."""
    most = 16
    if device == "gpu":
        # About 50 bytes of activations a multiply-add of a training step, measured on X3D and
        # SlowFast in mixed precision; what does not fit after all is halved on the way.
        needed = 50 * (spec.macs or 10**9)
        most = max(4, min(64, int(0.6 * machine.gpu_bytes / needed)))
    fits = max(2, min(most, training // 8))
    return 1 << (fits.bit_length() - 1)


def _rate(config: TrainConfig, batch: int, *, scratch: bool) -> float:
    """Scale the usual rate of 32 clips with the batch: linearly for SGD, by the root for AdamW."""
    if config.optimizer.name == "sgd":
        return (0.05 if scratch else 0.005) * batch / 32
    return float((2e-3 if scratch else 5e-4) * (batch / 32) ** 0.5)


def _epochs(training: int, *, scratch: bool) -> int:
    """Choose epochs for some 10,000 clips, half of them for trained parameters."""
    clips = 10_000 if scratch else 5_000
    return max(15, min(100, clips // training))
