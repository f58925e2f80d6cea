"""How published accuracies were measured: named ways of looking at a video, as data.

A protocol says how many clips and crops are looked at, where they lie, to which size frames are
scaled, and whether logits or scores are averaged. It may be asked of any model: what the network
was trained on (frames, stride, clock, colours, mean and std) stays the model's own, unless the
protocol's name fixes frames and stride.

Where the clips of each lie is in ``placements``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from actionzoo.errors import ConfigError, nearest_names
from actionzoo.spec import Average, InputSpec, Metric, ModelSpec, Resize, Rounding, Views

Placement = Literal[
    "uniform", "gluoncv", "gluoncv-mxnet", "pyslowfast", "offset", "pytorchvideo", "omz", "first"
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Protocol:
    """One way of looking at a video."""

    name: str
    summary: str
    source: str
    """The document or script that it comes from."""
    clips: int
    crops: int
    """1 is the centre, 3 lie along the longer side, 10 are centre, corners, and all mirrored."""
    average: Average
    """What is averaged over the views of a video."""
    placement: Placement = "uniform"
    """Which formula places the clips."""
    resize: Literal["own", "squash", "short_side"] = "own"
    """How frames are scaled: as the model's spec has it, to 4:3, or keeping the aspect ratio."""
    resize_to: Literal["own", "crop"] = "own"
    """Height of scaled frames: that of the model's spec, or that of the crop."""
    crop: Literal["own", "short_side"] = "own"
    """Size of a crop: the model's, or a square as high as the scaled frame."""
    rounding: Rounding | None = None
    """How half an odd margin becomes whole; None is the model's."""
    frames: int | None = None
    """Frames of a clip, where the protocol fixes them."""
    stride: int | None = None
    """Their stride, where the protocol fixes it."""
    single_frames: bool = False
    """Whether it is meant for networks that look at one frame at a time."""
    publisher: str = ""
    """Whose published numbers were measured so, as ``Metric.measured_by`` calls them."""
    weights_source: str = ""
    """Of which of its weights only, as ``Weights.source`` calls them; empty for all."""

    @property
    def views(self) -> Views:
        """Clips, crops and average."""
        return Views(clips=self.clips, crops=self.crops, average=self.average)


_GLUONCV = "GluonCV scripts/action-recognition/test_ddp_pytorch.py, VideoClsDataset mode test"
_MXNET = "GluonCV scripts/action-recognition/test_recognizer.py, VideoClsCustom test_mode"
_PYSLOWFAST = "PySlowFast slowfast/datasets/decoder.py, kinetics.py, tools/test_net.py"
_TORCHVISION = "torchvision weights documentation; UniformClipSampler"
_OMZ = "Open Model Zoo accuracy checker, clip_action_recognition converter"

PROTOCOLS = (
    Protocol(
        name="single",
        summary="one clip and one crop, both in the centre",
        source="actionzoo",
        clips=1,
        crops=1,
        average="scores",
    ),
    Protocol(
        name="gluoncv-250",
        summary="25 segments x 10 crops on frames squashed to 4:3, mean of logits",
        source=f"{_MXNET} --num-segments 25 --ten-crop",
        clips=25,
        crops=10,
        average="logits",
        placement="gluoncv-mxnet",
        resize="squash",
        rounding="floor",
        single_frames=True,
        publisher="GluonCV",
    ),
    Protocol(
        name="gluoncv-30",
        summary="10 clips x 3 squares of the short side on frames squashed to 4:3, mean of logits",
        source=_GLUONCV,
        clips=10,
        crops=3,
        average="logits",
        placement="gluoncv",
        resize="squash",
        crop="short_side",
        rounding="floor",
        publisher="GluonCV",
        weights_source="GluonCV (PyTorch)",
    ),
    Protocol(
        name="gluoncv-30-aspect",
        summary="gluoncv-30 on frames that keep their aspect ratio",
        source=f"{_GLUONCV}, KEEP_ASPECT_RATIO (r2plus1d_v2, ircsn, Kinetics-700)",
        clips=10,
        crops=3,
        average="logits",
        placement="gluoncv",
        resize="short_side",
        crop="short_side",
        rounding="floor",
        publisher="GluonCV",
        weights_source="GluonCV (PyTorch)",
    ),
    Protocol(
        name="gluoncv-mxnet-30",
        summary="gluoncv-30 with the clips in the middles of 10 segments, as for MXNet weights",
        source=f"{_MXNET} --num-segments 10 --three-crop",
        clips=10,
        crops=3,
        average="logits",
        placement="gluoncv-mxnet",
        resize="squash",
        crop="short_side",
        rounding="floor",
        publisher="GluonCV",
        weights_source="GluonCV (MXNet)",
    ),
    Protocol(
        name="pyslowfast-30",
        summary="10 clips x 3 squares of the short side, mean of scores",
        source=f"{_PYSLOWFAST}, NUM_ENSEMBLE_VIEWS 10, NUM_SPATIAL_CROPS 3",
        clips=10,
        crops=3,
        average="scores",
        placement="pyslowfast",
        resize="short_side",
        crop="short_side",
        rounding="ceil",
        publisher="PySlowFast",
    ),
    Protocol(
        name="pytorchvideo-30",
        summary="pyslowfast-30 with clips that start at whole frames",
        source="PyTorchVideo docs/source/model_zoo.md; PySlowFast ptv_datasets.py; "
        "ConstantClipsPerVideoSampler, UniformTemporalSubsample",
        clips=10,
        crops=3,
        average="scores",
        placement="pytorchvideo",
        resize="short_side",
        crop="short_side",
        rounding="ceil",
        publisher="PyTorchVideo",
    ),
    Protocol(
        name="mvit-5x1",
        summary="5 clips x 1 crop, mean of scores",
        source=f"{_PYSLOWFAST}, configs/Kinetics/MVIT_B_16x4_CONV.yaml: USE_OFFSET_SAMPLING, "
        "NUM_ENSEMBLE_VIEWS 5, NUM_SPATIAL_CROPS 1",
        clips=5,
        crops=1,
        average="scores",
        placement="offset",
        resize="short_side",
        rounding="ceil",
    ),
    Protocol(
        name="omz-3x16s2",
        summary="3 clips of 16 frames at stride 2, the short side as long as the crop",
        source=f"{_OMZ}: clips_per_video 3, clip_duration 16, temporal_stride 2",
        clips=3,
        crops=1,
        average="logits",
        placement="omz",
        resize="short_side",
        resize_to="crop",
        rounding="round",
        frames=16,
        stride=2,
        publisher="Open Model Zoo",
    ),
    Protocol(
        name="omz-i3d",
        summary="3 clips of 79 frames",
        source=f"{_OMZ}: clips_per_video 3, clip_duration 79, temporal_stride 1",
        clips=3,
        crops=1,
        average="scores",
        placement="omz",
        resize="short_side",
        rounding="round",
        frames=79,
        stride=1,
        publisher="Open Model Zoo",
    ),
    Protocol(
        name="torchvision-5x1",
        summary="5 clips x 1 crop, mean of scores",
        source=f"{_TORCHVISION}: clips_per_video 5 (r3d_18, mc3_18, r2plus1d_18, mvit)",
        clips=5,
        crops=1,
        average="scores",
        placement="first",
        rounding="round",
        publisher="torchvision",
    ),
    Protocol(
        name="torchvision-12x1",
        summary="12 clips x 1 crop, mean of scores",
        source=f"{_TORCHVISION}: clips_per_video 12 (swin3d)",
        clips=12,
        crops=1,
        average="scores",
        placement="first",
        rounding="round",
        publisher="torchvision",
    ),
    Protocol(
        name="torchvision-1x128",
        summary="the first clip of 128 frames",
        source=f"{_TORCHVISION}: clips_per_video 1, clip_len 128, clip level (s3d)",
        clips=1,
        crops=1,
        average="scores",
        placement="first",
        rounding="round",
        frames=128,
        stride=1,
        publisher="torchvision",
    ),
)
OWN = "own"
"""The name of a protocol that is the model's own ``views``."""
ALL = "all"
"""The name that stands for every protocol that suits a model."""


def get_protocol(name: str) -> Protocol:
    """Return the protocol of a name.

    Raises:
        ConfigError: There is none; the message names the nearest.
    """
    protocols = {one.name: one for one in PROTOCOLS}
    if name not in protocols:
        raise ConfigError(f"there is no protocol {name!r}; {nearest_names(name, protocols)}")
    return protocols[name]


def own_protocol(
    spec: ModelSpec, *, clips: int | None = None, crops: int | None = None
) -> Protocol:
    """Return the protocol of a model's own ``views``, as ``predict`` looks at a video.

    Args:
        spec: The model.
        clips: Instead of the model's own number.
        crops: Instead of the model's own number: 1, 3 or 10.

    Raises:
        ConfigError: There is no such number of clips or crops.
    """
    views = spec.views
    try:
        views = replace(views, clips=clips or views.clips, crops=crops or views.crops)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    changed = views != spec.views
    return Protocol(
        name=f"{views.clips}x{views.crops}" if changed else OWN,
        summary=f"{_count(views.clips, 'clip')} x {_count(views.crops, 'crop')}, "
        f"mean of {views.average}",
        source=f"actionzoo, clips x crops given for {spec.name}" if changed else f"{spec.name}",
        clips=views.clips,
        crops=views.crops,
        average=views.average,
    )


def default_protocol(spec: ModelSpec) -> Protocol:
    """Return what a model's published top-1 accuracy was measured with, else its own views."""
    tops = [one for one in spec.metrics if one.name == "top-1"]
    found = [one for metric in tops for one in _published(spec, metric)]
    return found[0] if found else own_protocol(spec)


def _published(spec: ModelSpec, metric: Metric) -> list[Protocol]:
    """Return the protocols that a metric can have been measured with, the likeliest first."""
    source = spec.weights[0].source if spec.weights else ""
    own = [
        one
        for one in PROTOCOLS
        if one.publisher == metric.measured_by
        if one.weights_source in ("", source)
        if one.resize == "own" or one.resize == spec.input.resize.rule
    ]
    # Open Model Zoo publishes a number of I3D without saying how it was measured.
    fixed = [one for one in own if one.frames == spec.input.frames]
    return [one for one in own if one.views == metric.views] or fixed


def suits(protocol: Protocol, spec: InputSpec) -> bool:
    """Tell whether a protocol is meant for such a model: it keeps its frames and stride."""
    if protocol.single_frames and spec.frames > 1:
        return False
    return protocol.frames in (None, spec.frames) and protocol.stride in (None, spec.stride)


def viewed(protocol: Protocol, spec: InputSpec) -> InputSpec:
    """Return what a network is fed under a protocol: its own input, resize and crop changed."""
    height = spec.height if protocol.resize_to == "crop" else spec.resize.height
    resize = spec.resize
    if protocol.resize == "squash":
        resize = Resize(rule="squash", height=height, width=_squashed_width(height))
    elif protocol.resize == "short_side":
        resize = replace(spec.resize, rule="short_side", height=height, width=height)
    square = protocol.crop == "short_side"
    return replace(
        spec,
        frames=protocol.frames or spec.frames,
        stride=protocol.stride or spec.stride,
        resize=resize,
        height=resize.height if square else spec.height,
        width=resize.height if square else spec.width,
        crop_rounding=protocol.rounding or spec.crop_rounding,
    )


def _squashed_width(height: int) -> int:
    """Return the width that GluonCV's loader gives frames of a height."""
    return {128: 171, 256: 340, 340: 450}.get(height, round(height * 4 / 3))


def describe(protocol: Protocol, spec: InputSpec) -> dict[str, Any]:
    """Return a protocol, and the input it makes of a model's, as plain values for a file."""
    looked = viewed(protocol, spec)
    return {
        **{name: value for name, value in asdict(protocol).items() if name in _TOLD},
        "frames": looked.frames,
        "stride": looked.stride,
        "resize": f"{looked.resize.rule} {looked.resize.height}x{looked.resize.width}",
        "crop": f"{looked.height}x{looked.width}",
    }


_TOLD = ("name", "summary", "source", "clips", "crops", "average", "placement")


def explain_gap(one: Protocol, other: Protocol, spec: InputSpec) -> str:
    """Say in one sentence what a second protocol does differently from a first.

    >>> size = Resize(rule="short_side", height=256, width=256)
    >>> spec = InputSpec(frames=32, stride=2, resize=size, height=224, width=224)
    >>> explain_gap(get_protocol("single"), get_protocol("gluoncv-30"), spec)
    '10 clips rather than 1, 3 crops rather than 1, crops of 256x256 rather than 224x224, \
frames squashed rather than in proportion, mean of logits rather than scores'
    """
    pairs = zip(_facts(one, spec), _facts(other, spec), strict=True)
    changes = [f"{new} rather than {_shortened(old, new)}" for old, new in pairs if old != new]
    if one.clips == other.clips > 1 and one.placement != other.placement:
        changes.append("clips at other places")
    return ", ".join(changes) or "the same views"


def _facts(protocol: Protocol, spec: InputSpec) -> tuple[str, ...]:
    looked = viewed(protocol, spec)
    return (
        _count(protocol.clips, "clip"),
        _count(protocol.crops, "crop"),
        f"crops of {looked.height}x{looked.width}",
        f"frames {looked.resize.height} high",
        "frames squashed" if looked.resize.rule == "squash" else "frames in proportion",
        f"{looked.frames} frames at stride {looked.stride}",
        f"mean of {protocol.average}",
    )


def _shortened(old: str, new: str) -> str:
    """Leave out of a text the words at both ends that it shares with another.

    >>> _shortened("1 clip", "10 clips"), _shortened("mean of logits", "mean of scores")
    ('1', 'logits')
    """
    olds, news = old.split(), new.split()
    while len(olds) > 1 and len(news) > 1 and olds[0] == news[0]:
        olds, news = olds[1:], news[1:]
    while len(olds) > 1 and len(news) > 1 and olds[-1].rstrip("s") == news[-1].rstrip("s"):
        olds, news = olds[:-1], news[:-1]
    return " ".join(olds)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number > 1)}"
