"""From a model to a folder of files with their proof: the steps in order."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from actionzoo.backends.onnx_backend import import_onnxruntime
from actionzoo.conversion.forms import default_form, with_frames
from actionzoo.download import Progress
from actionzoo.errors import ConfigError
from actionzoo.exporting.certificate import Certificate, write_certificate
from actionzoo.exporting.clips import Clips
from actionzoo.exporting.comparison import ROUNDS, Candidate, Refusal, certify
from actionzoo.exporting.config import ExportConfig
from actionzoo.exporting.data import choose_clips
from actionzoo.exporting.folder import check_free, whole_folder
from actionzoo.exporting.origin import Origin, open_origin
from actionzoo.exporting.parity_page import write_parity_page
from actionzoo.exporting.qat import fine_tune_quantised
from actionzoo.exporting.writing import Job, reference, written
from actionzoo.quantisation import import_nncf
from actionzoo.whole import write_whole

logger = logging.getLogger(__name__)

Report = Callable[[int, int], None]
LABELS = "labels.txt"
_LEAST_ROUNDS = 3
TUNED_DROP = 0.5
"""Points of top-1 that fine-tuning for int8 may lose, unless told otherwise."""


def export(
    model: str | os.PathLike[str],
    *,
    output: str | os.PathLike[str],
    config: ExportConfig | None = None,
    command: str = "",
    download: Progress | None = None,
    progress: Report | None = None,
) -> Certificate:
    """Write a model as files of OpenVINO or ONNX, and prove what became of its numbers.

    ``output`` gets a folder a precision, ``parity.json``, ``parity.html`` and ``labels.txt``. It
    takes its place whole: if anything fails, or every file was refused, what was there before
    stays.

    Args:
        model: A name of the zoo, a run folder, a ``.safetensors`` of a run, or a model file.
        output: A new folder.
        config: What is wanted.
        command: What was typed, for the record.
        download: Called with the bytes done and to do while weights are downloaded.
        progress: Told how many clips are done and to do.

    Returns:
        The proof: of every file how far it is from the original, how fast, how large.

    Raises:
        ActionZooError: The model, the videos or what is wanted cannot be used.
    """
    config, folder = config or ExportConfig(), Path(output)
    check_free(folder, overwrite=config.overwrite)
    _import_what_is_needed(config)
    origin = open_origin(model, weights=config.weights, progress=download)
    _check(origin, config)
    origin = _of_length(origin, config)
    with ExitStack() as stack:
        draft = stack.enter_context(whole_folder(folder))
        proof = stack.enter_context(_proof(origin, config, progress))
        job = Job(
            origin=origin,
            config=config,
            folder=draft,
            proof=proof,
            calibration=_calibration(origin, config, stack, progress),
            tuned=_tuned(origin, config, folder),
        )
        files, refusals = written(job)
        certificate = _certified(job, files, refusals, command=command, progress=progress)
        if files:
            write_certificate(certificate, draft)
            write_parity_page(certificate, proof, draft)
            _write_labels(origin.spec.labels, draft / LABELS)
    return certificate


def _certified(
    job: Job,
    files: Sequence[Candidate],
    refusals: Sequence[Refusal],
    *,
    command: str,
    progress: Report | None,
) -> Certificate:
    """Compare the files with what they were made of."""
    logger.info("comparing %d files on %d clips", len(files), len(job.proof))
    return certify(
        reference(job.origin),
        files,
        job.proof,
        folder=job.folder,
        source=job.origin.source,
        command=command,
        refusals=refusals,
        max_drop=_max_drop(job.config, job.proof),
        # Few clips are chosen where a network is slow.
        rounds=min(ROUNDS, max(_LEAST_ROUNDS, len(job.proof))),
        progress=progress,
    )


def _proof(origin: Origin, config: ExportConfig, progress: Report | None) -> Clips:
    """Return the clips to verify on.

    Raises:
        ConfigError: An accuracy is to be held, and labels are not known.
    """
    proof = choose_clips(
        origin, config.verify, "val", most=config.clips, labels=config.labels, progress=progress
    )
    if config.max_drop is not None and proof.targets() is None:
        why = proof.unlabelled or "the clips have no labels"
        proof.close()
        raise ConfigError(
            f"--max-drop needs labelled videos of the model's classes, and of {proof.source} "
            f"labels are not known: {why}; give others with --verify DATA"
        )
    return proof


def _import_what_is_needed(config: ExportConfig) -> None:
    """Say what is not installed before anything is done.

    Raises:
        MissingExtra: Something is not.
    """
    if "int8" in config.precision:
        import_nncf()
    if "onnx" in config.to:
        import_onnxruntime()


def _of_length(origin: Origin, config: ExportConfig) -> Origin:
    """Return an origin whose clips have the frames that are wanted."""
    if origin.module is None:
        return origin
    return replace(origin, spec=with_frames(origin.module, origin.spec, config.frames))


def _calibration(
    origin: Origin, config: ExportConfig, stack: ExitStack, progress: Report | None
) -> Clips | None:
    if "int8" not in config.precision or config.qat:
        return None
    most = config.calibration_clips
    # Labels do not matter here.
    clips = choose_clips(origin, config.calibrate, "train", most=most, progress=progress)
    return stack.enter_context(clips)


def _tuned(origin: Origin, config: ExportConfig, folder: Path) -> Origin | None:
    """Fine-tune a run's network for int8; the checkpoints lie beside the folder until it is done.

    Ctrl-C leaves them there, and the same command goes on.
    """
    if not config.qat:
        return None
    assert origin.run is not None
    work = folder.absolute().parent / f"{folder.name}.qat"
    done = fine_tune_quantised(
        origin.run,
        work,
        data=None if config.calibrate is None else Path(config.calibrate),
        epochs=config.qat_epochs,
        progress=sys.stderr.isatty(),
    )
    shutil.rmtree(work)
    return replace(origin, module=done.module)


def _max_drop(config: ExportConfig, proof: Clips) -> float | None:
    """Return how much accuracy may be lost: a network that went on learning answers for it."""
    if config.max_drop is None and config.qat and proof.targets() is not None:
        return TUNED_DROP
    return config.max_drop


def _check(origin: Origin, config: ExportConfig) -> None:
    """Refuse, before anything is read, what cannot be.

    Raises:
        ConfigError: It cannot be.
    """
    changed = [
        f"--{name.replace('_', '-')}"
        for name in ("form", "layout", "frames", "batch", "embed_preprocessing")
        if getattr(config, name) is not None
    ]
    if origin.module is None and changed:
        raise ConfigError(
            f"{origin.source} is a file, whose tensors stay as they are; leave out "
            f"{', '.join(changed)}, or export the run or the checkpoint that it was made of"
        )
    if config.embed_preprocessing and (config.form or config.layout):
        raise ConfigError(
            "--embed-preprocessing makes a file of its own form, frames in and scores out; leave "
            "out --form and --layout"
        )
    if config.qat and (config.form or default_form(origin.spec)) != "clip":
        raise ConfigError("--qat is for one file from clips to logits: use --form clip")
    if config.qat and origin.run is None:
        raise ConfigError(
            f"--qat fine-tunes the network of a run on its videos, and {origin.source} is none; "
            "give the folder of a run of actionzoo train"
        )


def _write_labels(labels: Sequence[str], path: Path) -> None:
    """Write class names in index order, one a line, as Open Model Zoo's demos read them."""
    write_whole(path, "".join(f"{label}\n" for label in labels))
