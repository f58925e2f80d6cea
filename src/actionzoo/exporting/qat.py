"""Fine-tuning with the rounding of int8 inside the network: quantisation-aware training.

NNCF says where numbers are rounded and how far apart the levels are; then the run's own training
goes on for a few epochs, with the same videos, changes and loss, so that the parameters find values
that bear the rounding (Jacob et al., Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference, CVPR 2018). The gradient passes the rounding as if it were not
there (the straight-through estimator of Bengio et al., 2013).
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.ao.quantization.fx._decomposed  # registers the operators of ``Rounding``
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode

from actionzoo.errors import ConfigError
from actionzoo.loading import EvalClips
from actionzoo.models.convolution import Conv3d
from actionzoo.quantisation import import_nncf, nncf_at_work
from actionzoo.saved import BEST_WEIGHTS, load_run, save_network
from actionzoo.spec import ModelSpec
from actionzoo.training.classifier import Diverged
from actionzoo.training.config import (
    AverageConfig,
    DistillConfig,
    LogConfig,
    LossConfig,
    ScheduleConfig,
    TrainConfig,
    parse_config,
)
from actionzoo.training.finishing import judge
from actionzoo.training.fitting import fit
from actionzoo.training.keeping import LAST
from actionzoo.training.losses import make_loss
from actionzoo.training.plan import Plan, make_plan, read_facts
from actionzoo.weights import load_weights
from actionzoo.whole import write_whole

logger = logging.getLogger(__name__)

RATE = 0.1
"""Of the run's learning rate: the network is trained already, and has to move a little only."""
MOST_EPOCHS = 10
CALIBRATION_CLIPS = 64
"""Of the training videos; the fine-tuning makes up for what they do not show."""

_STARTED = "qat.json"
"""In the folder of work: what is fine-tuned there."""
_KEPT_FLOAT = ("mean", "cat")
"""Operators whose numbers are not rounded themselves. OpenVINO computes a mean of 8-bit numbers in
8 bits, which is far from what was trained. What is joined would have to share one scale, and
constants that are joined with it would have none."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Tuned:
    """A network that rounds as int8 does, fine-tuned."""

    module: nn.Module
    """From clips to logits, in eval mode; what is converted from it computes in 8 bits."""
    spec: ModelSpec
    epochs: int
    """That were planned."""
    losses: tuple[float, float]
    """Of the validation: before the first epoch, and of what was kept."""
    seconds: float


def fine_tune_quantised(
    run: Path,
    work: Path,
    *,
    data: Path | None = None,
    epochs: int | None = None,
    progress: bool = False,
) -> Tuned:
    """Fine-tune the best network of a run with the rounding of int8 in it.

    The run's folder stays as it is. What is in ``work`` is enough to go on after Ctrl-C, with the
    same call; it is not needed afterwards. Of the epochs, and of the network that was only
    calibrated, the one is kept whose loss on the validation videos is the least.

    What the run left frozen stays so, as do the statistics of batch norms. A distilled run learns
    from its own network in floating point, for that has learnt from the teacher. A run that trained
    the head alone does so again.

    Args:
        run: The folder of a run.
        work: A folder for checkpoints; empty, new, or that of the same fine-tuning interrupted.
        data: The run's videos, where they have moved.
        epochs: None takes a fifth of the run's, from 2 to 10.
        progress: Show a bar.

    Raises:
        ConfigError: ``run`` is no run, its videos are gone or others, or ``work`` is taken.
        BadWeights: The run has no best network.
        MissingExtra: NNCF is not installed.
        KeyboardInterrupt: Somebody pressed Ctrl-C; the last checkpoint is there.
    """
    began = time.perf_counter()
    nncf = import_nncf()
    plan = _plan(run, data, epochs)
    _claim(work, run, plan)
    module = quantised(nncf, plan.model.eval(), _own_clips(plan))
    plan = replace(plan, run=work, model=module)
    before = _start(plan)
    try:
        fit(plan, before, progress=progress)
    except Diverged as error:
        logger.warning("%s; the best epoch until then is taken", error)
    except KeyboardInterrupt:
        logger.warning("the checkpoints are in %r: the same command goes on", os.fspath(work))
        raise
    load_weights(module, work / BEST_WEIGHTS)
    module.cpu().eval()
    for one in roundings(module):
        one.settle()
    after = _loss(plan)
    losses = before["val_loss"], after
    logger.info("int8: validation loss %.3f calibrated, %.3f fine-tuned", *losses)
    return Tuned(
        module=module,
        spec=plan.spec,
        epochs=plan.config.epochs or 0,
        losses=losses,
        seconds=time.perf_counter() - began,
    )


# the run, once more


def _plan(run: Path, data: Path | None, epochs: int | None) -> Plan:
    """Open a run's videos and its best network, ready to learn on.

    Raises:
        ConfigError: It is no run, or its videos are gone or others.
        BadWeights: It has no best network.
    """
    facts = read_facts(run)
    network, spec = load_run(run)
    old = parse_config(facts["config"])
    videos = data or Path(facts["data"])
    if not videos.exists():
        raise ConfigError(
            f"the videos of the run {os.fspath(run)!r} are no longer at {os.fspath(videos)!r}; "
            "give them with --calibrate DATA"
        )
    config = _gentle(old, epochs)
    plan = make_plan(videos, run, config, given=config, resumed=True)
    if plan.spec.labels != spec.labels:
        raise ConfigError(
            f"{os.fspath(videos)!r} has the {len(plan.spec.labels)} classes "
            f"{', '.join(plan.spec.labels[:3])} ..., but the run tells {len(spec.labels)} others "
            "apart; give the run's own videos"
        )
    if plan.facts["list_hash"] != facts["list_hash"]:
        logger.warning("the videos of %r are not all those of the run", os.fspath(videos))
    plan.model.load_state_dict(network.state_dict())
    taught = old.distill.teacher is not None
    return replace(
        plan,
        spec=spec,
        config=replace(plan.config, distill=old.distill if taught else DistillConfig()),
        teacher=network.requires_grad_(False) if taught else None,
        facts=facts,
    )


def _gentle(config: TrainConfig, epochs: int | None) -> TrainConfig:
    """Return the config of a run, changed to go on for a few small steps."""
    hardware = replace(
        config.hardware,
        device="auto",
        devices=1,
        nodes=1,
        precision="fp32",
        # What is computed again in the backward pass would not be rounded.
        recompute=False,
    )
    usual = min(MOST_EPOCHS, max(2, (config.epochs or 0) // 5))
    return replace(
        config,
        epochs=epochs or usual,
        patience=0,
        # Loss tells epochs apart that recognise the same videos.
        monitor="loss",
        keep="best",
        learning_rate=RATE * (config.learning_rate or 0.0),
        schedule=ScheduleConfig(warmup_epochs=0),
        average=AverageConfig(),
        parts=None,
        features="none",
        freeze="backbone" if config.epochs == 0 else config.freeze,
        distill=DistillConfig(),
        hardware=hardware,
        log=LogConfig(tensorboard=False),
    )


def _claim(work: Path, run: Path, plan: Plan) -> None:
    """Make the folder of work, or see that it is that of the same fine-tuning.

    Raises:
        ConfigError: It holds something else.
    """
    weights = hashlib.sha256((run / BEST_WEIGHTS).read_bytes()).hexdigest()
    wanted = {"weights": weights, "epochs": plan.config.epochs}
    file = work / _STARTED
    if file.is_file() and json.loads(file.read_text(encoding="utf-8")) == wanted:
        return
    if work.exists() and (not work.is_dir() or any(work.iterdir())):
        raise ConfigError(
            f"{os.fspath(work)!r} is there already, and is not from fine-tuning this network for "
            f"{plan.config.epochs} epochs; remove it, or give another folder"
        )
    work.mkdir(parents=True, exist_ok=True)
    write_whole(file, json.dumps(wanted))


def _own_clips(plan: Plan) -> list[np.ndarray]:
    """Return centre clips of some training videos, evenly spread over their list."""
    videos = EvalClips(
        plan.data.training,
        plan.spec.input,
        several_labels=plan.data.several_labels,
        kept=plan.kept,
    )
    step = max(1, len(videos) // CALIBRATION_CLIPS)
    shown = [videos[place].views for place in range(0, len(videos), step)]
    return [one.numpy() for one in shown if one is not None]


def _start(plan: Plan) -> dict[str, float]:
    """Keep the calibrated network as the best so far; return its row of metrics."""
    row = {"epoch": 0.0, "val_loss": _loss(plan)}
    if not (plan.run / LAST).exists():
        save_network(plan.model, plan.run / BEST_WEIGHTS, plan.facts)
    return row


def _loss(plan: Plan) -> float:
    """Return the mean loss on the validation videos, as training measures it."""
    seen, data = judge(plan, plan.model), plan.data
    targets = torch.from_numpy(seen.targets)
    wanted = targets if data.several_labels else F.one_hot(targets, len(data.labels))
    loss = make_loss(LossConfig(), counts=data.class_counts(), several_labels=data.several_labels)
    return float(loss(torch.from_numpy(seen.logits), wanted.float()))


# the rounding


class Rounding(nn.Module):
    """Rounds numbers to levels of 8 bits.

    The levels stay where the calibration put them. Exported it is a pair of operators, to 8 bits
    and back, that converters know.

    Args:
        low: Least of the whole numbers that stand for levels; -128 .. 0.
        high: Greatest of them.
        step: From one level to the next; (C,) float32, or (1,).
        zero: Which whole number stands for 0.0; int32, as many.
        axis: Along which there is one step a channel; None has one for all.
        most: Largest magnitude, of a shape that broadcasts, for convolutions that would overflow
            on CPUs without VNNI if they used all levels; None has no other bound than the levels.
    """

    step: Tensor
    zero: Tensor
    most: Tensor | None

    def __init__(
        self,
        low: int,
        high: int,
        *,
        step: Tensor,
        zero: Tensor,
        axis: int | None,
        most: Tensor | None,
    ) -> None:
        super().__init__()
        self.low, self.high, self.axis = low, high, axis
        self.register_buffer("step", step)
        self.register_buffer("zero", zero)
        self.register_buffer("most", most)
        self.settle()

    def settle(self) -> None:
        """Take step and zero as they are now; to be called once they are loaded, before export."""
        self._numbers = float(self.step[0]), int(self.zero[0])

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` rounded, of the same shape."""
        if self.most is not None:
            x = x.clamp(-self.most, self.most)
        if torch.compiler.is_compiling():
            return self._as_operators(x)
        if self.axis is None:
            return torch.fake_quantize_per_tensor_affine(
                x, self.step, self.zero, self.low, self.high
            )
        return torch.fake_quantize_per_channel_affine(
            x, self.step, self.zero, self.axis, self.low, self.high
        )

    def _as_operators(self, x: Tensor) -> Tensor:
        # torch.export knows no shape of what forward calls otherwise.
        known = torch.ops.quantized_decomposed
        levels = self.low, self.high, torch.int8 if self.low < 0 else torch.uint8
        rounded: Tensor
        if self.axis is None:
            whole = known.quantize_per_tensor(x, *self._numbers, *levels)
            rounded = known.dequantize_per_tensor(whole, *self._numbers, *levels)
        else:
            channels = self.step, self.zero.long(), self.axis
            whole = known.quantize_per_channel(x, *channels, *levels)
            rounded = known.dequantize_per_channel(whole, *channels, *levels)
        return rounded


def roundings(module: nn.Module) -> list[Rounding]:
    """Return all roundings of a network."""
    return [one for one in module.modules() if isinstance(one, Rounding)]


def quantised(nncf: Any, model: nn.Module, clips: Sequence[np.ndarray]) -> nn.Module:
    """Return a copy of a network that rounds as int8 does, calibrated, in eval mode.

    Batch norms keep their statistics from then on, in training too.

    Args:
        nncf: The library.
        model: In eval mode.
        clips: What it is shown, each (B, C, T, H, W) float32.

    Raises:
        ConfigError: There are no clips.
    """
    if not clips:
        raise ConfigError("int8 has no clip to be calibrated on; give videos that can be read")
    plain_convolutions(model)
    shown = [torch.from_numpy(one) for one in clips]
    called = _called(model, shown[0])
    attends = called & {"softmax", "scaled_dot_product_attention"} and "layer_norm" in called
    with nncf_at_work(nncf):
        made = nncf.quantize(
            model,
            nncf.Dataset(shown),
            # All symmetric: with zero points OpenVINO refuses to compile X3D for a CPU.
            preset=nncf.QuantizationPreset.PERFORMANCE,
            model_type=nncf.ModelType.TRANSFORMER if attends else None,
            subset_size=len(shown),
            ignored_scope=nncf.IgnoredScope(types=list(_KEPT_FLOAT), validate=False),
            # Fine-tuning corrects biases too, and better. To do it here NNCF would compile C++.
            advanced_parameters=nncf.AdvancedQuantizationParameters(disable_bias_correction=True),
        )
    _put_roundings(made)
    for one in made.modules():
        if isinstance(one, _BatchNorm):
            one.requires_grad_(False)
    quiet: nn.Module = made.eval()
    return quiet


class _Calls(TorchFunctionMode):
    """Notes the names of torch's functions that are called."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(func.__name__)
        return func(*args, **(kwargs or {}))


def _called(model: nn.Module, clips: Tensor) -> set[str]:
    """Return the names of the functions that a network calls for clips."""
    calls = _Calls()
    with torch.no_grad(), calls:
        model(clips)
    return calls.names


def plain_convolutions(model: nn.Module) -> None:
    """Have a network compute each convolution as one, as exported files do.

    NNCF finds its places by the names of the functions that are called, and ours calls others for
    the same result where they are quicker: nothing would be rounded there.
    """
    for one in model.modules():
        if isinstance(one, Conv3d):
            one.__class__ = nn.Conv3d  # type: ignore[assignment]


def _put_roundings(model: nn.Module) -> None:
    """Put our roundings in the places of NNCF's.

    NNCF's compute by an extension that is compiled on first use, for which few machines have the
    tools; and strip(), which replaces them, needs one more library.
    """
    from nncf.torch.function_hook.wrapper import get_hook_storage
    from nncf.torch.quantization.layers import BaseQuantizer

    storage = get_hook_storage(model)
    # Numbers that are joined share a quantiser; each place has one of its own now.
    for name, one in list(storage.named_hooks(remove_duplicate=False)):
        if isinstance(one, BaseQuantizer):
            storage.set_submodule(name, _rounding(one))


def _rounding(quantiser: Any) -> Rounding:
    """Make the rounding that a quantiser of NNCF does."""
    low, high, step, zero = quantiser.get_parameters_for_torch_fq()
    axis = int(np.argmax(quantiser.scale_shape)) if quantiser.per_channel else None
    step = step.detach().float().reshape(-1).clone()
    half = quantiser.is_half_range
    return Rounding(
        int(low),
        int(high),
        step=step,
        zero=zero.to(torch.int32).reshape(-1).clone(),
        axis=axis,
        most=step.reshape(quantiser.scale_shape) * quantiser.level_high if half else None,
    )


# ONNX


def fold_weights(graph: Any) -> Any:
    """Return an ``onnx.ModelProto`` whose weights are stored in 8 bits.

    torch exports weights in floating point, with their rounding behind them; this does the rounding
    once and for all.

    Args:
        graph: Of a network with roundings; it is changed.
    """
    import onnx
    from onnx import numpy_helper
    from onnx.reference import ReferenceEvaluator

    values = {one.name: one for one in graph.graph.initializer}
    left = []
    for node in graph.graph.node:
        names = [name for name in node.input if name]
        if node.op_type not in ("QuantizeLinear", "Clip") or not set(names) <= set(values):
            left.append(node)
            continue
        fed = {name: numpy_helper.to_array(values[name]) for name in names}
        (rounded,) = ReferenceEvaluator(node).run(None, fed)
        values[node.output[0]] = numpy_helper.from_array(np.asarray(rounded), node.output[0])
    used = {name for node in left for name in node.input}
    del graph.graph.node[:], graph.graph.initializer[:]
    graph.graph.node.extend(left)
    graph.graph.initializer.extend(one for name, one in values.items() if name in used)
    for part in (*graph.graph.node, *graph.graph.value_info, *graph.graph.initializer):
        del part.metadata_props[:]  # from which line of torch each came
    onnx.checker.check_model(graph)
    return graph
