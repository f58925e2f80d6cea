"""Networks on their way into files: made of a module or of another file, quantised, written."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from actionzoo.backends.axes import arranged
from actionzoo.backends.openvino_backend import describe_network, read_network
from actionzoo.conversion.forms import Wanted, pieces
from actionzoo.conversion.onnx import save_onnx, to_onnx
from actionzoo.conversion.openvino import save_openvino, to_openvino
from actionzoo.conversion.pieces import Feed, Piece, with_batch
from actionzoo.conversion.preprocessing import whole_frames_piece
from actionzoo.errors import ConfigError, MissingExtra
from actionzoo.exporting.clips import Clips
from actionzoo.exporting.config import ExportConfig, Precision, Target
from actionzoo.exporting.origin import Origin
from actionzoo.exporting.qat import fold_weights
from actionzoo.quantisation import Run, quantise_onnx, quantise_openvino
from actionzoo.quantisation.layers import in_integers
from actionzoo.spec import InputSpec, ModelSpec
from actionzoo.workers import logged_steps

logger = logging.getLogger(__name__)

_MOST_BYTES = 3 * 2**30
"""Of memory for what a network is calibrated on."""

Fed = tuple[np.ndarray, ...]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Kind:
    """A kind of file, and what makes one."""

    suffix: str
    convert: Callable[[Piece], Any]
    """From a piece to a network."""
    read: Callable[[Path, ModelSpec], Any]
    """From a model file to a network."""
    quantise: Callable[..., Any]
    """From a network and what it is fed to the network in 8 bits; ``progress`` is told how far."""
    in_8_bits: Callable[[Any], bool]
    """Whether anything in a network computes in 8 bits."""
    fold: Callable[[Any], Any]
    """From a network that rounds its weights to one that stores them rounded."""
    save: Callable[[Any, Path, Precision], None]

    def folded(self, unit: Unit) -> Unit:
        """Return a network that was trained to round, with its weights in 8 bits."""
        return replace(unit, network=self.fold(unit.network))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Unit:
    """A network that becomes one file."""

    name: str
    """Stem of the file."""
    part: str | None
    """What of the model it is; None is all of it."""
    network: Any
    input: InputSpec
    """What clips are to be like, of which ``feed`` makes what it is fed."""
    feed: Feed


def units(origin: Origin, kind: Kind, config: ExportConfig) -> list[Unit]:
    """Return what an origin becomes: one network, or several that work together.

    Raises:
        ConfigError: It cannot take the form that is wanted, or become files of this kind.
    """
    if origin.module is not None:
        return converted(pieces_of(origin.module, origin.spec, config), kind)
    assert origin.file is not None
    layout, network = origin.spec.input.layout, kind.read(origin.file, origin.spec)
    return [
        Unit(
            name=origin.name,
            part=None,
            network=network,
            input=origin.spec.input,
            feed=lambda clips: [(arranged(clips, layout),)],
        )
    ]


def pieces_of(module: nn.Module, spec: ModelSpec, config: ExportConfig) -> list[Piece]:
    """Return what files a module becomes in the form that is wanted."""
    if config.embed_preprocessing is not None:
        piece = whole_frames_piece(module, spec, color=config.embed_preprocessing)
        return [with_batch(piece, config.batch) if isinstance(config.batch, int) else piece]
    return pieces(
        module,
        spec,
        Wanted(form=config.form, layout=config.layout, frames=config.frames, batch=config.batch),
    )


def converted(made: Sequence[Piece], kind: Kind) -> list[Unit]:
    """Return pieces as networks."""
    return [
        Unit(
            name=one.name,
            part=one.part,
            network=kind.convert(one),
            input=one.spec.input,
            feed=one.feed,
        )
        for one in made
    ]


def quantised(unit: Unit, kind: Kind, clips: Clips, most: int) -> Unit:
    """Return a network in 8 bits, calibrated on clips."""
    fed, told = feeds(unit, clips, most), logged_steps("calibrating", unit="clips")
    return replace(unit, network=kind.quantise(unit.network, fed, progress=told))


def feeds(unit: Unit, clips: Clips, most: int) -> list[Fed]:
    """Return what a network is fed for clips: at most so many times, as far as memory goes.

    Where a clip is fed in several steps, frames of an encoder, some are taken of each, evenly.
    """
    each = max(1, most // len(clips))
    found: list[Fed] = []
    room = _MOST_BYTES
    for number in range(len(clips)):
        steps = list(unit.feed(clips.view(number, unit.input)))
        for place in np.linspace(0, len(steps) - 1, min(each, len(steps)) + 2)[1:-1].round():
            found.append(steps[int(place)])
            room -= sum(array.nbytes for array in found[-1])
        if room < 0:
            logger.info("calibrating on %d of %d clips: more do not fit", number + 1, len(clips))
            break
    return found


def accuracy(run: Run, *, unit: Unit, clips: Clips) -> float:
    """Return the top-1 of a network, in [0, 1], on clips whose labels are known."""
    targets = clips.targets()
    assert targets is not None
    right = 0
    for number, target in enumerate(targets):
        (fed, *_) = unit.feed(clips.view(number, unit.input))
        right += int(run(fed)[0][0].argmax() == target)
    return right / len(targets)


def save(units: Sequence[Unit], kind: Kind, folder: Path, precision: Precision) -> tuple[Path, ...]:
    """Write networks into a folder; return their files, an IR's ``.bin`` behind its ``.xml``."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for unit in units:
        path = folder / f"{unit.name}{kind.suffix}"
        kind.save(unit.network, path, precision)
        files += [path, path.with_suffix(".bin")] if kind.suffix == ".xml" else [path]
    return tuple(files)


def _read_for_openvino(file: Path, spec: ModelSpec) -> Any:
    network = read_network(file)
    describe_network(network, spec, file)
    return network


def _read_for_onnx(file: Path, spec: ModelSpec) -> Any:
    if file.suffix != ".onnx":
        raise ConfigError(
            f"{file.name!r} is OpenVINO's, which cannot become ONNX; export the run, the "
            "checkpoint or the .onnx that it was made of"
        )
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise MissingExtra("export", "writing ONNX") from error
    return onnx.load(file)


def _save_ir(network: Any, path: Path, precision: Precision) -> None:
    # What int8 leaves in floating point, biases and few layers, is stored in 16 bits.
    save_openvino(network, path, precision="fp32" if precision == "fp32" else "fp16")


def _save_onnx(network: Any, path: Path, precision: Precision) -> None:
    save_onnx(network, path, precision="fp16" if precision == "fp16" else "fp32")


KINDS: dict[Target, Kind] = {
    "openvino": Kind(
        suffix=".xml",
        convert=to_openvino,
        read=_read_for_openvino,
        quantise=quantise_openvino,
        in_8_bits=lambda network: bool(in_integers(network)),
        fold=lambda network: network,
        save=_save_ir,
    ),
    "onnx": Kind(
        suffix=".onnx",
        convert=to_onnx,
        read=_read_for_onnx,
        quantise=quantise_onnx,
        in_8_bits=lambda graph: any(one.op_type == "QuantizeLinear" for one in graph.graph.node),
        fold=fold_weights,
        save=_save_onnx,
    ),
}
