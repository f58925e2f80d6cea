"""The files of an export: which there are to be, and how each comes to be."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from actionzoo.backends import Backend
from actionzoo.backends.composite import CompositeBackend
from actionzoo.backends.files import open_backend
from actionzoo.backends.stepped import STEP, SteppedModel
from actionzoo.backends.torch_backend import TorchBackend
from actionzoo.errors import ActionZooError, ConfigError
from actionzoo.exporting.clips import Clips
from actionzoo.exporting.comparison import Candidate, Refusal
from actionzoo.exporting.config import ExportConfig, Precision, Target
from actionzoo.exporting.files import KINDS, Unit, accuracy, feeds, quantised, save, units
from actionzoo.exporting.origin import Origin
from actionzoo.quantisation import quantise_within
from actionzoo.workers import logged_steps

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Job:
    """What is to be written, and where."""

    origin: Origin
    config: ExportConfig
    folder: Path
    proof: Clips
    """The clips to verify on."""
    calibration: Clips | None
    """The clips to calibrate on, where int8 is wanted."""
    tuned: Origin | None
    """The network that was fine-tuned for int8, where that is wanted."""


def reference(origin: Origin) -> Candidate:
    """Return what files are compared with: the module, else the file that there is."""
    if origin.module is not None:
        backend: Backend = TorchBackend(origin.module, origin.spec)
        return Candidate(stage="torch", target="torch", precision="fp32", files=(), backend=backend)
    assert origin.file is not None
    target: Target = "onnx" if origin.file.suffix == ".onnx" else "openvino"
    return Candidate(
        stage="the file given",
        target=target,
        precision="fp32",
        files=(origin.file,),
        backend=open_backend(origin.file),
    )


def written(job: Job) -> tuple[list[Candidate], list[Refusal]]:
    """Write every file; return them, and what was refused with its reason."""
    candidates: list[Candidate] = []
    refusals: list[Refusal] = []
    for target in job.config.to:
        try:
            logger.info("converting to %s", target)
            made = units(job.origin, KINDS[target], job.config)
        except ActionZooError as error:
            if len(job.config.to) == 1:
                raise
            refusals += [_refusal(target, one, error) for one in precisions(job.config)]
            continue
        for precision in precisions(job.config):
            try:
                candidates.append(_write(job, target, precision, made))
            except ActionZooError as error:
                refusals.append(_refusal(target, precision, error))
    return candidates, refusals


def precisions(config: ExportConfig) -> tuple[Precision, ...]:
    """Return the precisions that are written: int8 never alone, for it is to be compared."""
    return config.precision if config.precision != ("int8",) else ("fp16", "int8")


def _refusal(target: Target, precision: Precision, error: ActionZooError) -> Refusal:
    logger.warning("%s %s is refused: %s", target, precision, error)
    return Refusal(
        stage=f"{target} {precision}", target=target, precision=precision, reason=str(error)
    )


def _write(job: Job, target: Target, precision: Precision, made: Sequence[Unit]) -> Candidate:
    kind = KINDS[target]
    logger.info("writing %s %s", target, precision)
    notes: tuple[str, ...] = ()
    if precision == "int8":
        made, notes = _in_8_bits(job, target, made)
    files = save(made, kind, job.folder / precision, precision)
    return Candidate(
        stage=f"{target} {precision}",
        target=target,
        precision=precision,
        files=files,
        backend=_opened(made, files),
        notes=notes,
        takes_clips=made[0].part != STEP,
        tuned=precision == "int8" and job.tuned is not None,
    )


def _in_8_bits(
    job: Job, target: Target, made: Sequence[Unit]
) -> tuple[list[Unit], tuple[str, ...]]:
    """Return networks in 8 bits, fine-tuned, held to an accuracy or just calibrated, and notes."""
    kind, config = KINDS[target], job.config
    if job.tuned is not None:
        return [kind.folded(one) for one in units(job.tuned, kind, config)], ()
    assert job.calibration is not None
    if config.max_drop is None or len(made) > 1 or made[0].part is not None:
        most = config.calibration_clips
        return [quantised(one, kind, job.calibration, most) for one in made], ()
    (unit,) = made
    done = quantise_within(
        unit.network,
        feeds(unit, job.calibration, config.calibration_clips),
        judge=partial(accuracy, unit=unit, clips=job.proof),
        max_drop=config.max_drop,
        progress=logged_steps("calibrating", unit="clips"),
    )
    if not kind.in_8_bits(done.network):
        raise ConfigError(
            f"int8 loses more than {config.max_drop:g} points of top-1 unless every layer goes "
            "back to float; allow more (--max-drop), calibrate on more clips like those to verify "
            "on, or take --precision fp16"
        )
    notes = tuple(f"back in floating point: {layer}" for layer in done.reverted)
    for note in notes:
        logger.info(note)
    return [replace(unit, network=done.network)], notes


def _opened(made: Sequence[Unit], files: Sequence[Path]) -> Backend:
    """Open files as their users would; what cannot be opened is not left behind.

    Raises:
        ActionZooError: They cannot be opened.
    """
    try:
        return _open(made, files)
    except ActionZooError:
        for file in files:
            file.unlink()
        raise


def _open(made: Sequence[Unit], files: Sequence[Path]) -> Backend:
    models = [one for one in files if one.suffix != ".bin"]
    if len(models) == 2:
        return CompositeBackend(*models)
    if made[0].part == STEP:
        return SteppedModel(models[0])
    return open_backend(models[0])
