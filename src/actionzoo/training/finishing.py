"""After the last epoch: the best network is measured, made ready to use, and shown on a page."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from actionzoo.conversion import export_openvino
from actionzoo.evaluation.metrics import TITLES, MetricValue, compute_metrics
from actionzoo.evaluation.results import (
    EVALUATION_FILE,
    LOGITS_FILE,
    Evaluation,
    write_evaluation,
    write_logits,
)
from actionzoo.loading import EvalClips, make_loader
from actionzoo.protocols import describe, get_protocol
from actionzoo.saved import load_run
from actionzoo.spec import Metric, ModelSpec, Views
from actionzoo.training.plan import CONFIG, Plan
from actionzoo.training.report import write_run_report
from actionzoo.workers import log_progress

logger = logging.getLogger(__name__)

MODEL, REPORT = "model.xml", "report.html"
"""In the folder of a run: the best network ready to use, and all about the run."""


def finish(plan: Plan, *, command: str, interrupted: str | None = None) -> None:
    """Measure, export and report the best network of a run.

    Args:
        plan: The run.
        command: What was typed.
        interrupted: Why it ended before its time.

    Raises:
        BadWeights: No network was kept.
        OSError: A file cannot be written.
    """
    model, _ = load_run(plan.run)
    evaluation = judge(plan, model)
    metrics = compute_metrics(evaluation)
    spec = replace(plan.spec, metrics=_measured(metrics, plan))
    folder = plan.run / "validation"
    folder.mkdir(exist_ok=True)
    write_evaluation(evaluation, metrics, folder / EVALUATION_FILE)
    write_logits(evaluation, folder / LOGITS_FILE)
    logger.info("exporting the best network")
    export_openvino(model, spec, plan.run / MODEL)
    report(plan, evaluation, command=command, interrupted=interrupted)
    for name in ("top1", "mean_average_precision"):
        if name in metrics:
            told = metrics[name]
            logger.info(
                "validation, with the parameters that are kept: %s %.1f %% (95 %% interval %.1f "
                "to %.1f)",
                *(TITLES[name], 100 * told.value, 100 * told.low, 100 * told.high),
            )


def report(
    plan: Plan, evaluation: Evaluation | None, *, command: str, interrupted: str | None = None
) -> None:
    """Write the page of a run."""
    write_run_report(
        plan.run,
        evaluation=evaluation,
        config_lines=(plan.run / CONFIG).read_text(encoding="utf-8"),
        reasons=plan.facts["reasons"] + plan.facts["notes"],
        command=command or _command(plan),
        facts=_facts(plan),
        file=plan.run / REPORT,
        interrupted=interrupted,
        left_out=plan.data.left_out,
    )


def _command(plan: Plan) -> str:
    data, config = plan.facts["data"], os.fspath(plan.run / CONFIG)
    return f"actionzoo train {data} --config {config} --output ANOTHER"


def _facts(plan: Plan) -> dict[str, str]:
    data = plan.data
    return {
        "Model": str(plan.config.model),
        "Data": str(data.dataset.root),
        "List hash": plan.facts["list_hash"],
        "Videos to train": f"{len(data.training):,}",
        "Videos to validate": f"{len(data.validation):,}",
        "Classes": f"{len(data.labels):,}",
        "Device": plan.config.hardware.device,
        "Precision": plan.config.hardware.precision,
    }


def judge(plan: Plan, model: nn.Module) -> Evaluation:
    """Let a network look at one centre clip of each video to validate with."""
    began = time.perf_counter()
    data = plan.data
    clips = EvalClips(
        data.validation, plan.spec.input, several_labels=data.several_labels, kept=plan.kept
    )
    device = torch.device("cuda" if plan.config.hardware.device == "gpu" else "cpu")
    model = model.to(device).eval()
    logits: list[np.ndarray] = []
    places: list[int] = []
    targets: list[np.ndarray] = []
    reasons: list[str] = []
    batches = log_progress(
        make_loader(clips, batch_size=8, workers=plan.config.workers),
        what="validation",
        total=len(data.validation),
        videos=lambda batch: batch.videos,
    )
    with torch.inference_mode():
        for batch in batches:
            reasons += batch.faults
            if len(batch.targets):
                logits.append(model(batch.clips.to(device)).float().cpu().numpy())
                places += batch.indices.tolist()
                targets.append(batch.targets.numpy())
    model.to("cpu")
    return _evaluation(
        plan,
        places=places,
        logits=np.concatenate(logits),
        targets=np.concatenate(targets).astype(np.int64),
        reasons=reasons,
        seconds=time.perf_counter() - began,
    )


def _evaluation(
    plan: Plan,
    *,
    places: list[int],
    logits: np.ndarray,
    targets: np.ndarray,
    reasons: list[str],
    seconds: float,
) -> Evaluation:
    data = plan.data
    paths, groups = data.validation.paths(), data.validation.groups()
    several = data.several_labels
    values = torch.from_numpy(logits)
    scores = (values.sigmoid() if several else values.softmax(1)).numpy()
    hits = np.full(len(places), np.nan) if several else logits.argmax(1) == targets
    lost = [place for place in range(len(paths)) if place not in set(places)]
    return Evaluation(
        model=plan.spec.name,
        backend="torch",
        protocol=_protocol(plan.spec),
        dataset=data.dataset.root.resolve().name,
        root=os.fspath(data.dataset.root),
        split="val",
        fold=plan.config.fold,
        list_hash=data.validation.list_hash(),
        labels=data.labels,
        paths=tuple(paths[place] for place in places),
        groups=tuple(groups[place] for place in places),
        targets=targets,
        logits=logits,
        scores=scores.astype(np.float32),
        clip_hits=np.asarray(hits, np.float32),
        failures=tuple((paths[one], why) for one, why in zip(lost, reasons, strict=False)),
        seconds=seconds,
    )


def _protocol(spec: ModelSpec) -> dict[str, Any]:
    return describe(get_protocol("single"), spec.input)


def _measured(metrics: Mapping[str, MetricValue], plan: Plan) -> tuple[Metric, ...]:
    """Return what the model's file is to say of its accuracy."""
    return tuple(
        Metric(
            name=TITLES[name],
            value=metrics[name].value,
            dataset=plan.data.dataset.root.resolve().name,
            split="validation",
            views=Views(),
            measured_by="ours",
        )
        for name in ("top1", "mean_average_precision")
        if name in metrics
    )
