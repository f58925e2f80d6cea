"""What is wanted of an export."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from actionzoo.conversion.forms import FormName, Free
from actionzoo.errors import ConfigError
from actionzoo.exporting.origin import PRETRAINED
from actionzoo.spec import ColorOrder

Target = Literal["openvino", "onnx"]
Precision = Literal["fp32", "fp16", "int8"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportConfig:
    """What is wanted of an export; each value is an option of ``actionzoo export``."""

    to: tuple[Target, ...] = ("openvino",)
    """The kinds of files."""
    precision: tuple[Precision, ...] = ("fp16",)
    """How parameters are stored; with int8 the network computes in 8 bits too, and fp16 is written
    beside it if nothing else is, so that there is something to compare it with."""
    weights: str = PRETRAINED
    """``pretrained``, ``none``, a tag of published weights, or a checkpoint."""
    form: FormName | None = None
    """``clip``: one file from clips to logits; ``omz``: the files that Open Model Zoo documents for
    the model's family; ``step``: one step of a streaming model. None takes ``omz`` for the models
    of Open Model Zoo, else ``clip``."""
    layout: str | None = None
    """Axes of the input, such as NSCTHW; None takes the form's own."""
    frames: int | Free | None = None
    """Frames of a clip, or ``dynamic``; None takes the model's own."""
    batch: int | Free | None = None
    """Clips at a time, or ``dynamic``; None takes what the form documents, else ``dynamic``."""
    embed_preprocessing: ColorOrder | None = None
    """Put scaling, cropping and normalising inside; the file then takes 8-bit frames of any size in
    this order of colours, and gives scores."""
    calibrate: str | None = None
    """The videos that int8 is calibrated on; None takes a run's own training videos, or else drawn
    ones."""
    calibration_clips: int = 300
    """At most so many of them."""
    verify: str | None = None
    """The videos of the certificate; None takes a run's own validation videos, or else drawn ones.
    """
    labels: str | None = None
    """Other names for the classes of those videos, in their order: a file, or a list that ships."""
    clips: int = 100
    """At most so many of them."""
    max_drop: float | None = None
    """Points of top-1 accuracy that int8 may lose on the videos of the certificate: layers go back
    to floating point until that holds."""
    qat: bool = False
    """Fine-tune a run's network with the rounding of int8 in it."""
    qat_epochs: int | None = None
    """For so many epochs; None chooses."""
    overwrite: bool = False
    """Take the place of an older export in the same folder."""

    def __post_init__(self) -> None:
        _check_words("to", self.to, Target)
        _check_words("precision", self.precision, Precision)
        for name in ("frames", "batch", "calibration_clips", "clips", "qat_epochs"):
            value = getattr(self, name)
            if isinstance(value, int) and value < 1:
                raise ConfigError(f"{name} is {value}; it is at least 1")
        if self.max_drop is not None and not 0 <= self.max_drop <= 100:
            raise ConfigError(f"max_drop is {self.max_drop}; it is in points, 0 to 100")
        _check_company("max_drop", self.max_drop, "int8 in precision", "int8" in self.precision)
        _check_company("qat", self.qat or None, "int8 in precision", "int8" in self.precision)
        _check_company("calibrate", self.calibrate, "int8 in precision", "int8" in self.precision)
        _check_company("qat_epochs", self.qat_epochs, "qat", self.qat)
        _check_company("labels", self.labels, "verify, whose classes it names", self.verify)


def _check_company(name: str, value: object, other: str, there: object) -> None:
    """Refuse a value that would be passed over without another one."""
    if value is not None and not there:
        raise ConfigError(f"{name} is of no use without {other}; give both or neither")


def _check_words(name: str, words: tuple[str, ...], allowed: object) -> None:
    known = get_args(allowed)
    wrong = [word for word in words if word not in known]
    if wrong or not words:
        got = ", ".join(map(repr, wrong)) or "nothing"
        raise ConfigError(f"{name} is {got}; it is one or more of {', '.join(known)}")
