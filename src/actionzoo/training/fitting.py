"""The loop: Lightning's trainer, put together for a run, and what is done when it fails."""

from __future__ import annotations

import gc
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, RichProgressBar
from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger

from actionzoo.batches import TrainBatches, short_cycle
from actionzoo.errors import ConfigError, MissingExtra
from actionzoo.loading import EvalClips, TrainClips, make_loader
from actionzoo.training.classifier import Classifier
from actionzoo.training.config import Precision, TrainConfig
from actionzoo.training.keeping import LAST, Keeper, Ledger, WholeFiles
from actionzoo.training.norms import synchronise_batch_norms
from actionzoo.training.plan import Plan

logger = logging.getLogger(__name__)

_PRECISIONS: dict[Precision, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    "fp32": "32-true",
    "bf16": "bf16-mixed",
    "fp16": "16-mixed",
}


def fit(
    plan: Plan,
    start: Mapping[str, float],
    *,
    progress: bool,
    callbacks: Sequence[Callback] = (),
) -> TrainConfig:
    """Train, from the last checkpoint in the run's folder where there is one.

    Where memory is short, the batch is computed in smaller parts; where the system killed the
    processes that read, fewer of them are started; both from the last checkpoint on.

    Args:
        plan: What to do.
        start: Metrics of the network before the first epoch, where it has some.
        progress: Whether to show a bar.
        callbacks: Told of each epoch before it is kept.

    Returns:
        The config that it ended with.

    Raises:
        ConfigError: A setting cannot be used, or the loss is no number any more.
        KeyboardInterrupt: Somebody pressed Ctrl-C; the last checkpoint is there.
    """
    config = plan.config
    while True:
        try:
            _fit_once(plan, config, start, progress=progress, callbacks=callbacks)
            return config
        except (RuntimeError, MemoryError) as error:
            remedy = _remedy(error, config)
            if remedy is None or _processes(config) > 1:
                raise
            config = remedy
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _remedy(error: Exception, config: TrainConfig) -> TrainConfig | None:
    """Say what is wrong, and how to go on; None where that is not known."""
    if _is_out_of_memory(error):
        parts, size = 2 * config.accumulate, config.batch_size or 1
        if parts > size:
            raise ConfigError(
                "not even one clip at a time fits into memory; train a smaller model, with fewer "
                "frames or a smaller size (input.frames, input.size), or hardware.recompute=true"
            ) from error
        logger.warning("memory is short: the %d clips of a step in %d parts now", size, parts)
        return replace(config, accumulate=parts)
    if "DataLoader worker" in str(error) and config.workers:
        fewer = config.workers // 2
        logger.warning(
            "the system killed a process that reads videos, for want of memory perhaps: going on "
            "with %d instead of %d",
            *(fewer, config.workers),
        )
        return replace(config, workers=fewer)
    return None


def _is_out_of_memory(error: Exception) -> bool:
    told = str(error)
    kinds = (torch.OutOfMemoryError, MemoryError)
    return isinstance(error, kinds) or "DefaultCPUAllocator" in told or "out of memory" in told


def _fit_once(
    plan: Plan,
    config: TrainConfig,
    start: Mapping[str, float],
    *,
    progress: bool,
    callbacks: Sequence[Callback],
) -> None:
    """Put a trainer together and let it run."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    last = plan.run / LAST
    with _quiet():
        trainer = _trainer(plan, config, start, progress=progress, callbacks=callbacks)
        classifier = _classifier(plan, config, trainer)
        validation = make_loader(
            EvalClips(
                plan.data.validation,
                plan.spec.input,
                several_labels=plan.data.several_labels,
                kept=plan.kept,
            ),
            batch_size=_size_of_a_part(config),
            workers=config.workers,
            share=(trainer.global_rank, trainer.world_size),
        )
        try:
            trainer.fit(
                classifier,
                val_dataloaders=validation,
                ckpt_path=os.fspath(last) if last.exists() else None,
                weights_only=True,
            )
        except SystemExit as stopped:
            # So Lightning ends after Ctrl-C.
            raise KeyboardInterrupt from stopped
    if faults := classifier.faults:
        logger.warning("%d clips of %d videos could not be read", faults.total(), len(faults))


def _classifier(plan: Plan, config: TrainConfig, trainer: L.Trainer) -> Classifier:
    """Make the network ready to learn, and what it learns from."""
    model = plan.model.train()
    if trainer.world_size > 1:
        model = synchronise_batch_norms(model, on_gpu=config.hardware.device == "gpu")
    classifier = Classifier(
        model,
        config,
        stages=plan.stages,
        counts=plan.data.class_counts(),
        several_labels=plan.data.several_labels,
        facts=plan.facts,
        teacher=plan.teacher,
    )
    clips = TrainClips(
        plan.data.training,
        plan.spec.input,
        augment=config.augment,
        seed=config.seed,
        side=config.input.train_size,
        several_labels=plan.data.several_labels,
        kept=plan.kept,
    )
    batches = _batches(len(clips), plan, config, (trainer.global_rank, trainer.world_size))
    classifier.loader = make_loader(clips, batches=batches, workers=config.workers)
    return classifier


def _batches(length: int, plan: Plan, config: TrainConfig, share: tuple[int, int]) -> TrainBatches:
    size = config.batch_size or 1
    if min(size, length * config.repeats) < share[1] * config.accumulate:
        raise ConfigError(
            f"a batch of {min(size, length)} clips cannot be divided among {share[1]} processes "
            f"and {config.accumulate} parts; give a larger batch_size"
        )
    fed = plan.spec.input
    side = config.input.train_size or min(fed.height, fed.width)
    return TrainBatches(
        length,
        batch_size=size,
        seed=config.seed,
        share=share,
        accumulate=config.accumulate,
        parts=config.parts or 1,
        repeats=config.repeats,
        cycle=short_cycle(side) if config.multigrid else ((None, 1),),
    )


def _size_of_a_part(config: TrainConfig) -> int:
    """Return how many clips a process looks at together."""
    return max(1, (config.batch_size or 1) // config.accumulate // _processes(config))


def _processes(config: TrainConfig) -> int:
    return (config.hardware.devices or 1) * config.hardware.nodes


def monitored(plan: Plan) -> str:
    """Return the metric of the validation that tells the best epoch."""
    if plan.config.monitor == "loss":
        return "val_loss"
    return "val_map" if plan.data.several_labels else "val_accuracy"


def _trainer(
    plan: Plan,
    config: TrainConfig,
    start: Mapping[str, float],
    *,
    progress: bool,
    callbacks: Sequence[Callback],
) -> L.Trainer:
    hardware, parts, monitor = config.hardware, config.parts or 1, monitored(plan)
    told: list[Callback] = [
        *callbacks,
        Ledger(plan.run / "metrics.csv", [dict(start)] if start else []),
        Keeper(
            plan.run,
            monitor=monitor,
            patience=config.patience or 0,
            always=config.keep == "last",
            best=start.get(monitor),
        ),
    ]
    if progress:
        told.append(RichProgressBar(leave=False))
    return L.Trainer(
        accelerator="gpu" if hardware.device == "gpu" else "cpu",
        devices=hardware.devices or 1,
        num_nodes=hardware.nodes,
        strategy="ddp" if _processes(config) > 1 else "auto",
        precision=_PRECISIONS[hardware.precision],
        max_epochs=(config.epochs or 1) * parts,
        check_val_every_n_epoch=parts,
        accumulate_grad_batches=config.accumulate,
        gradient_clip_val=config.optimizer.clip_gradient,
        callbacks=told,
        logger=_loggers(plan.run, config),
        log_every_n_steps=10,
        plugins=[WholeFiles()],
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        enable_progress_bar=progress,
        enable_model_summary=False,
    )


def _loggers(run: Path, config: TrainConfig) -> list[Logger]:
    loggers: list[Logger] = []
    if config.log.tensorboard:
        loggers.append(_tensorboard(run))
    if config.log.mlflow is not None:
        loggers.append(_mlflow(config.log.mlflow))
    return loggers


def _tensorboard(run: Path) -> Logger:
    try:
        return TensorBoardLogger(run, name="", version="tensorboard")
    except ModuleNotFoundError as error:
        raise MissingExtra("train", "log.tensorboard") from error


def _mlflow(address: str) -> Logger:
    try:
        return MLFlowLogger(experiment_name="actionzoo", tracking_uri=address)
    except ModuleNotFoundError as error:
        raise MissingExtra("mlflow", "log.mlflow") from error
    except Exception as error:  # of MLflow's own kinds, which are not imported here
        reason = str(error).partition(". ")[0]
        raise ConfigError(f"log.mlflow {address!r} cannot be used: {reason}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        # Lightning recommends worker processes; kept frames would be copied into each of them.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        # torch 2.13 warns of a class that Lightning 2.6 uses.
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        # The epochs of a small dataset have fewer steps than are logged at a time.
        warnings.filterwarnings("ignore", message=".*logging interval.*")
        # A run that is gone on with has its checkpoints there already.
        warnings.filterwarnings("ignore", message=".*exists and is not empty.*")
        # Frozen parts stay in eval mode, and so does an average.
        warnings.filterwarnings("ignore", message=".*module\\(s\\) in eval mode.*")
        yield
