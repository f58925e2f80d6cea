"""The facts fixed by a model: what it eats, its names, where its weights are, how good it is.

Frozen, checked when made, and able to travel as JSON: an exported file carries its whole spec.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields, replace
from fractions import Fraction
from typing import Any, Literal, get_args

ResizeRule = Literal["short_side", "squash", "fit"]
Rounding = Literal["floor", "round", "ceil"]
ColorOrder = Literal["RGB", "BGR"]
Sampling = Literal["clip", "segments"]
ShortPolicy = Literal["repeat_last", "loop", "error"]
Output = Literal["logits", "scores"]
Average = Literal["logits", "scores"]


def _check_choice(name: str, value: str, allowed: Any) -> None:
    if value not in get_args(allowed):
        raise ValueError(f"{name} is {value!r}; it is one of {', '.join(get_args(allowed))}")


def _check_positive(**values: int) -> None:
    for name, value in values.items():
        if value < 1:
            raise ValueError(f"{name} is {value}; it is at least 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class Resize:
    """How a frame is scaled before it is cropped.

    - ``short_side``: the shorter side becomes ``height`` (= ``width``), the aspect ratio stays;
    - ``squash``: exactly ``height`` x ``width``, whatever the aspect ratio was;
    - ``fit``: the largest size inside ``height`` x ``width`` that keeps the aspect ratio.
    """

    rule: ResizeRule
    height: int
    width: int
    rounding: Rounding = "floor"
    """How the computed side becomes whole: PySlowFast, PyTorchVideo and Open Model Zoo floor it,
    mmcv rounds it."""

    def __post_init__(self) -> None:
        _check_choice("resize rule", self.rule, ResizeRule)
        _check_choice("rounding", self.rounding, Rounding)
        _check_positive(height=self.height, width=self.width)
        if self.rule == "short_side" and self.height != self.width:
            raise ValueError(f"short_side has one size, got {self.height} x {self.width}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Views:
    """How many clips and crops of a video are looked at, and how their outputs become one."""

    clips: int = 1
    crops: int = 1
    average: Average = "scores"

    def __post_init__(self) -> None:
        _check_positive(clips=self.clips)
        _check_choice("average", self.average, Average)
        if self.crops not in (1, 3, 10):
            raise ValueError(f"crops is {self.crops}; it is 1 (centre), 3 or 10")


@dataclass(frozen=True, kw_only=True, slots=True)
class InputSpec:
    """What a network is fed, precisely enough to be executed."""

    frames: int
    """Frames of a clip, or segments of a video, that the network sees at once."""
    stride: int = 1
    """Every stride-th frame of the model's clock belongs to the clip; 1 for segments."""
    fps: Fraction | None = None
    """The model's clock in frames per second; None counts the video's own frames."""
    sampling: Sampling = "clip"
    """``clip``: frames close together; ``segments``: one frame from each equal part (TSN)."""
    short: ShortPolicy = "repeat_last"
    """What happens when the video is shorter than a clip."""
    resize: Resize
    height: int
    """Rows of the crop, pixels. A frame smaller than the crop is centred on black."""
    width: int
    """Columns of the crop, pixels."""
    crop_rounding: Rounding = "floor"
    """How half an odd margin becomes whole: Open Model Zoo rounds, PyTorchVideo ceils."""
    color: ColorOrder = "RGB"
    value_range: tuple[float, float] = (0.0, 1.0)
    """What pixel values 0 and 255 become before ``mean`` and ``std``."""
    channels: int = 3
    """3 for pictures, 2 for optical flow (horizontal, vertical)."""
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    """Subtracted from each channel, in the order of ``color``."""
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    """Divides each channel, in the order of ``color``."""
    layout: str = "BCTHW"
    """Axes of the network's input tensor, a permutation of BCTHW; an ``S`` among them is an axis of
    one, for the views that OTX's and mmaction2's files count there."""
    whole_frames: bool = False
    """Whether the network takes frames of any size, 8 bits a channel in the order of ``color``, and
    does itself what ``resize``, crop, ``value_range``, ``mean`` and ``std`` say."""
    input_name: str = "clip"
    output_name: str = "logits"
    output: Output = "logits"
    """Whether the network ends in logits or already in softmax scores."""

    def __post_init__(self) -> None:
        _check_choice("sampling", self.sampling, Sampling)
        _check_choice("short", self.short, ShortPolicy)
        _check_choice("crop_rounding", self.crop_rounding, Rounding)
        _check_choice("color", self.color, ColorOrder)
        _check_choice("output", self.output, Output)
        _check_positive(
            frames=self.frames,
            stride=self.stride,
            height=self.height,
            width=self.width,
            channels=self.channels,
        )
        if self.fps is not None and self.fps <= 0:
            raise ValueError(f"fps is {self.fps}; it is positive, or None")
        if sorted(self.layout) not in (sorted("BCTHW"), sorted("BCTHWS")):
            raise ValueError(
                f"layout is {self.layout!r}; it is a permutation of BCTHW, or of BCTHW and S"
            )
        if not len(self.mean) == len(self.std) == self.channels:
            raise ValueError(
                f"mean has {len(self.mean)} and std {len(self.std)} numbers for "
                f"{self.channels} channels; give one a channel"
            )
        if any(one == 0 for one in self.std):
            raise ValueError(f"std is {self.std}; no channel may be divided by 0")

    @property
    def span(self) -> int:
        """Ticks of the model's clock from the first to the last frame of a clip, both counted."""
        return (self.frames - 1) * self.stride + 1

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """One view without its batch axis: (C, T, H, W)."""
        return (self.channels, self.frames, self.height, self.width)


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """One measured accuracy, with all that the number depends on."""

    name: str
    """Such as ``top-1``."""
    value: float
    """A share in [0, 1]."""
    dataset: str
    split: str
    views: Views
    measured_by: str
    """``ours``, or the paper or repository that published it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """One file to download."""

    url: str
    checksum: str = ""
    """``sha1:<hex>``, ``sha256:<hex>`` or ``sha384:<hex>``; a prefix of the digest is enough; empty
    where none is published."""
    size_bytes: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights:
    """One set of trained parameters, and what may be done with it."""

    tag: str
    """Chooses among several weights of a model: GluonCV's hashtag, or one word."""
    files: tuple[File, ...]
    license: str
    """SPDX name; weights without a known licence cannot be written down."""
    source: str
    """Who published them, and in which form."""
    metrics: tuple[Metric, ...] = ()
    """What was measured with them."""
    input: InputSpec | None = None
    """What they were trained on, where it differs from the input of the model's default weights."""

    def __post_init__(self) -> None:
        if not self.files or not self.tag or not self.license:
            raise ValueError(f"weights {self.tag!r} need a tag, a licence and at least one file")


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A size or a cost as a document states it, by a definition of its own."""

    name: str
    """Such as ``GFLOPs``."""
    value: float
    source: str
    counts: str
    """What it counts, so that it can be compared with ``macs`` and ``parameters``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSpec:
    """Everything fixed about one model of the zoo."""

    name: str
    family: str
    summary: str
    dataset: str
    """What the labels belong to, such as ``kinetics400``."""
    input: InputSpec
    labels: tuple[str, ...]
    """Class names in index order."""
    several_labels: bool = False
    """Whether a video may have several of them: each score then stands by itself, in [0, 1]."""
    views: Views = field(default_factory=Views)
    """What ``predict`` looks at unless told otherwise."""
    parameters: int | None = None
    macs: int | None = None
    """Multiply-adds of convolutions and matrix products for one view."""
    license: str
    """SPDX name of the licence of the weights."""
    weights: tuple[Weights, ...] = ()
    """Published weights, the default one first."""
    metrics: tuple[Metric, ...] = ()
    """What was measured with the parameters that a model file holds."""
    figures: tuple[Figure, ...] = ()
    """Sizes and costs as the founding documents state them."""

    def __post_init__(self) -> None:
        if not self.labels:
            raise ValueError(f"model {self.name!r} has no labels; it needs one a class")

    def to_json(self) -> str:
        """Write the spec as JSON; ``from_json`` reads it back."""
        return json.dumps(asdict(self), default=str, ensure_ascii=False)

    @staticmethod
    def from_json(text: str) -> ModelSpec:
        """Read what ``to_json`` wrote.

        Raises:
            ValueError: The text is no JSON, or a field is missing, unknown or out of range.
        """
        return ModelSpec.from_dict(json.loads(text))

    @staticmethod
    def from_dict(data: dict[str, Any]) -> ModelSpec:
        """Read what ``to_json`` wrote, already parsed.

        Raises:
            ValueError: A field is missing, unknown or out of range.
        """
        try:
            return _model_spec(data)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a model spec: {error}") from error

    def choose_weights(self, tag: str | None = None) -> Weights:
        """Return the published weights of a tag, the default ones where none is given.

        Raises:
            LookupError: There are none of that tag, or none at all.
        """
        if not self.weights:
            raise LookupError(f"no weights of {self.name!r} are published")
        for one in self.weights:
            if tag in (None, one.tag):
                return one
        known = ", ".join(repr(one.tag) for one in self.weights)
        raise LookupError(f"{self.name!r} has no weights {tag!r}; it has {known}")

    def filled_with(self, weights: Weights) -> ModelSpec:
        """Return the spec of this model with one set of weights: what they say becomes its own."""
        return replace(
            self,
            weights=(weights,),
            metrics=weights.metrics,
            license=weights.license,
            input=weights.input or self.input,
        )


def _known(kind: type, data: dict[str, Any]) -> dict[str, Any]:
    """Drop the fields that a newer version wrote and this one does not know."""
    names = {one.name for one in fields(kind)}
    return {name: value for name, value in data.items() if name in names}


def _input_spec(data: dict[str, Any]) -> InputSpec:
    data = _known(InputSpec, data)
    data["resize"] = Resize(**_known(Resize, data["resize"]))
    data["fps"] = None if data["fps"] is None else Fraction(data["fps"])
    for name in ("value_range", "mean", "std"):
        data[name] = tuple(float(one) for one in data[name])
    return InputSpec(**data)


def _metric(data: dict[str, Any]) -> Metric:
    return Metric(**{**_known(Metric, data), "views": Views(**_known(Views, data["views"]))})


def _weights(data: dict[str, Any]) -> Weights:
    data = _known(Weights, data)
    data["files"] = tuple(File(**_known(File, one)) for one in data["files"])
    data["metrics"] = tuple(_metric(one) for one in data["metrics"])
    data["input"] = _input_spec(data["input"]) if data.get("input") else None
    return Weights(**data)


def _model_spec(data: dict[str, Any]) -> ModelSpec:
    data = _known(ModelSpec, data)
    data["input"] = _input_spec(data["input"])
    data["labels"] = tuple(data["labels"])
    data["views"] = Views(**_known(Views, data["views"]))
    data["weights"] = tuple(_weights(one) for one in data["weights"])
    data["metrics"] = tuple(_metric(one) for one in data["metrics"])
    data["figures"] = tuple(Figure(**_known(Figure, one)) for one in data.get("figures", ()))
    return ModelSpec(**data)
